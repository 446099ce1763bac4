//! The records that a sheet has named already.

use std::collections::BTreeSet;

use gridpass_core::id::RecordId;

/// How many are kept as they come before they are packed.
const LOOSE: usize = 4096;

/// A set of records that only grows: sixteen bytes for each, in sorted runs of which each is longer than all after it.
#[derive(Default)]
pub struct Seen {
    packed: Vec<Vec<RecordId>>,
    loose: BTreeSet<RecordId>,
}

impl Seen {
    /// Adds a record; whether it is new.
    pub fn insert(&mut self, record: RecordId) -> bool {
        if self.packed.iter().any(|run| run.binary_search(&record).is_ok()) || !self.loose.insert(record) {
            return false;
        }
        if self.loose.len() >= LOOSE {
            let mut run: Vec<RecordId> = std::mem::take(&mut self.loose).into_iter().collect();
            while let Some(before) = self.packed.pop_if(|before| before.len() <= run.len()) {
                run.reserve_exact(before.len());
                run.extend(before);
                run.sort_unstable();
            }
            self.packed.push(run);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_new_once_however_many_there_are() {
        let mut seen = Seen::default();
        let of = |n: usize| RecordId::derived("seen", &[&n.to_be_bytes()]);
        let many = 5 * LOOSE + 17;
        for n in 0..many {
            assert!(seen.insert(of(n)), "{n}");
            assert!(!seen.insert(of(n)) && !seen.insert(of(n / 2)), "{n}");
        }
        assert_eq!(seen.packed.iter().map(Vec::len).sum::<usize>() + seen.loose.len(), many);
        assert!(seen.packed.is_sorted_by(|a, b| a.len() > b.len()));
    }
}
