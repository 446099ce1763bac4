//! The share of one record in its bucket's checksum.

use crate::id::{ChangeHash, RecordId};

/// The first 8 bytes (little endian) of BLAKE3(record ‖ generation, 4 bytes big endian ‖ heads in order of their
/// bytes). A bucket's checksum is the wrapping sum over its records; `docs/sync.md` §3.
pub fn checksum(record: RecordId, generation: u32, heads: &[ChangeHash]) -> u64 {
    let mut sorted: Vec<_> = heads.iter().collect();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(record.as_bytes()).update(&generation.to_be_bytes());
    for head in sorted {
        hasher.update(head.as_bytes());
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_heads_is_nothing_and_everything_else_counts() {
        let record = RecordId([1; 16]);
        let (a, b) = (ChangeHash([2; 32]), ChangeHash([3; 32]));
        let sum = checksum(record, 0, &[a, b]);
        assert_eq!(sum, 0x1965_79d2_5af3_5dee, "a stored and compared number: it may never change");
        assert_eq!(checksum(record, 0, &[b, a]), sum);
        assert_ne!(checksum(record, 1, &[a, b]), sum);
        assert_ne!(checksum(record, 0, &[a]), sum);
        assert_ne!(checksum(RecordId([4; 16]), 0, &[a, b]), sum);
    }
}
