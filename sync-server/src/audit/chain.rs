//! What binds a row of the audit to all rows before it.

use gridpass_core::id::{ActorId, ChangeHash, DeviceId, GrantId, RecordId, UserId};
use serde::{Deserialize, Serialize};

use crate::db::AuditRow;

/// The chain after a row.
pub type Chain = [u8; 16];

/// The chain before the first row.
pub const START: Chain = [0; 16];

/// The change that a row is about, as far as the row binds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfChange {
    /// Its hash, which covers its bytes.
    pub hash: ChangeHash,
    /// The record.
    pub record: RecordId,
    /// The record's generation.
    pub generation: u32,
    /// The writer.
    pub actor: ActorId,
}

/// A row of the audit without its link, names by their ids.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Its number.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The person.
    pub user: Option<UserId>,
    /// The phone.
    pub device: Option<DeviceId>,
    /// The assignment.
    pub grant: Option<GrantId>,
    /// What was done.
    pub action: &'a str,
    /// What it was done to, where that is no stored change.
    pub object: Option<&'a [u8]>,
    /// The stored change.
    pub change: Option<OfChange>,
    /// What more is said, as it is stored.
    pub detail: &'a str,
}

impl Act<'_> {
    /// The chain after this row. Every part has a fixed length or its length before it, so no two rows are hashed alike.
    pub fn link(&self, before: Chain) -> Chain {
        let mut hasher = blake3::Hasher::new_derive_key("gridpass audit chain v1");
        hasher.update(&before).update(&self.seq.to_be_bytes()).update(&self.at_ms.to_be_bytes());
        let ids = [self.user.map(|id| id.0), self.device.map(|id| id.0), self.grant.map(|id| id.0)];
        for id in ids {
            part(&mut hasher, id.as_ref().map(<[u8; 16]>::as_slice));
        }
        part(&mut hasher, Some(self.action.as_bytes()));
        part(&mut hasher, self.object);
        match &self.change {
            None => part(&mut hasher, None),
            Some(OfChange { hash, record, generation, actor }) => {
                part(&mut hasher, Some(&hash.0));
                hasher.update(&record.0).update(&generation.to_be_bytes()).update(&actor.0);
            }
        }
        part(&mut hasher, Some(self.detail.as_bytes()));
        let mut chain = START;
        hasher.finalize_xof().fill(&mut chain);
        chain
    }
}

fn part(hasher: &mut blake3::Hasher, bytes: Option<&[u8]>) {
    match bytes {
        None => hasher.update(&u32::MAX.to_be_bytes()),
        Some(bytes) => hasher.update(&u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1).to_be_bytes()).update(bytes),
    };
}

impl AuditRow {
    /// The row as its chain binds it.
    pub fn act(&self) -> Act<'_> {
        Act {
            seq: self.seq,
            at_ms: self.at_ms,
            user: self.user,
            device: self.device,
            grant: self.grant,
            action: &self.action,
            object: self.object.as_deref(),
            change: self.change,
            detail: &self.detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act() -> Act<'static> {
        let change =
            OfChange { hash: ChangeHash([1; 32]), record: RecordId([2; 16]), generation: 0, actor: ActorId([3; 16]) };
        Act {
            seq: 7,
            at_ms: 1_800_000_000_000,
            user: Some(UserId([4; 16])),
            device: Some(DeviceId([5; 16])),
            grant: None,
            action: "changed",
            object: None,
            change: Some(change),
            detail: "",
        }
    }

    #[test]
    fn the_encoding_is_fixed_for_ever() {
        assert_eq!(gridpass_core::id::hex(&act().link(START)), "a74e55ac4b6b7717fd2fea31d329719d");
        let plain = Act { change: None, object: Some(b"x"), detail: "{\"a\":1}", ..act() };
        assert_eq!(gridpass_core::id::hex(&plain.link([9; 16])), "38bf659531fc33d0687e9b4e92eed5bd");
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let change = act().change.unwrap();
        let all = [
            act(),
            Act { seq: 8, ..act() },
            Act { at_ms: 0, ..act() },
            Act { user: None, ..act() },
            Act { user: None, device: None, ..act() },
            Act { device: None, grant: Some(GrantId([5; 16])), ..act() },
            Act { action: "created", ..act() },
            Act { object: Some(b""), ..act() },
            Act { change: None, ..act() },
            Act { change: Some(OfChange { record: RecordId([9; 16]), ..change }), ..act() },
            Act { change: Some(OfChange { hash: ChangeHash([9; 32]), ..change }), ..act() },
            Act { change: Some(OfChange { actor: ActorId([9; 16]), ..change }), ..act() },
            Act { change: Some(OfChange { generation: 1, ..change }), ..act() },
            Act { detail: "{}", ..act() },
            Act { change: None, object: Some(b"ab"), detail: "c", ..act() },
            Act { change: None, object: Some(b"a"), detail: "bc", ..act() },
        ];
        let mut chains: Vec<Chain> = all.iter().flat_map(|act| [act.link(START), act.link([1; 16])]).collect();
        chains.sort_unstable();
        chains.dedup();
        assert_eq!(chains.len(), 2 * all.len());
    }
}
