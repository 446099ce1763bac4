//! What a verdict means for what was pushed.

use crate::id::{ChangeHash, TicketId};
use crate::wire::{Reason, Verdict, Via};

/// How often an intent is authored again because the server did not know what it was made on. After that a person
/// looks at it.
pub const MAX_ATTEMPTS: u32 = 3;

/// What becomes of a pending item after its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Stored as it was pushed; settled once the cursor of this row is reached.
    Settles(Via),
    /// Stored as it was pushed, in a bucket this phone does not hold: done.
    Closed,
    /// Its intent is stored under another change: this one is dropped, and what was made on it is authored again after
    /// the pull.
    StoredOtherwise(Option<Via>),
    /// Authored again from its edits after the pull.
    AuthorAgain {
        /// As another actor, because this one's count is used elsewhere.
        as_new_actor: bool,
    },
    /// Refused for good: kept aside with the reason.
    Quarantine {
        /// The server's inbox item.
        ticket: TicketId,
        /// Why.
        reason: Reason,
    },
    /// Waits behind a refused item.
    Waits(TicketId),
    /// The app does not know the verdict: kept as it is until the app is updated.
    UpdateApp,
    /// Authoring it again has not helped: a person looks at it. The code says why.
    NeedsYou(&'static str),
}

/// What becomes of an item that was pushed as `pushed` after `attempts` earlier verdicts that made no progress.
pub fn fate(pushed: &ChangeHash, verdict: &Verdict, attempts: u32) -> Fate {
    let again = |as_new_actor, code| match attempts < MAX_ATTEMPTS {
        true => Fate::AuthorAgain { as_new_actor },
        false => Fate::NeedsYou(code),
    };
    match verdict {
        Verdict::Accepted { via: Some(via), .. } => Fate::Settles(*via),
        Verdict::Accepted { via: None, .. } => Fate::Closed,
        Verdict::Duplicate { via, stored } if stored != pushed => Fate::StoredOtherwise(*via),
        Verdict::Duplicate { via: Some(via), .. } => Fate::Settles(*via),
        Verdict::Duplicate { via: None, .. } => Fate::Closed,
        Verdict::Rejected { ticket, reason } => Fate::Quarantine { ticket: *ticket, reason: reason.clone() },
        Verdict::BlockedBy { ticket } => Fate::Waits(*ticket),
        Verdict::Missing { .. } => again(false, "missing"),
        Verdict::StaleGeneration { .. } => again(false, "stale_generation"),
        Verdict::ActorFork => again(true, "actor_fork"),
        Verdict::Unknown => Fate::UpdateApp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Bucket;
    use crate::catalog::Catalog;

    const PUSHED: ChangeHash = ChangeHash([1; 32]);
    const OTHER: ChangeHash = ChangeHash([2; 32]);
    const VIA: Via = Via { bucket: Bucket::District, epoch: 7, log_seq: 9 };

    #[test]
    fn every_verdict_has_one_meaning() {
        let accepted = |via| Verdict::Accepted { via, notes: vec![Reason::new("soft")] };
        let duplicate = |via, stored| Verdict::Duplicate { via, stored };
        let ticket = TicketId([3; 16]);
        for (verdict, expected) in [
            (accepted(Some(VIA)), Fate::Settles(VIA)),
            (accepted(None), Fate::Closed),
            (duplicate(Some(VIA), PUSHED), Fate::Settles(VIA)),
            (duplicate(None, PUSHED), Fate::Closed),
            (duplicate(Some(VIA), OTHER), Fate::StoredOtherwise(Some(VIA))),
            (Verdict::BlockedBy { ticket }, Fate::Waits(ticket)),
            (Verdict::Missing { deps: vec![OTHER] }, Fate::AuthorAgain { as_new_actor: false }),
            (Verdict::StaleGeneration { generation: 2 }, Fate::AuthorAgain { as_new_actor: false }),
            (Verdict::ActorFork, Fate::AuthorAgain { as_new_actor: true }),
            (Verdict::Unknown, Fate::UpdateApp),
            (
                Verdict::Rejected { ticket, reason: Reason::at("bad_code", "nature") },
                Fate::Quarantine { ticket, reason: Reason::at("bad_code", "nature") },
            ),
        ] {
            assert_eq!(fate(&PUSHED, &verdict, 0), expected);
        }
    }

    #[test]
    fn what_stays_unknown_to_the_server_reaches_a_person_instead_of_going_round() {
        let missing = Verdict::Missing { deps: vec![] };
        assert_eq!(fate(&PUSHED, &missing, MAX_ATTEMPTS - 1), Fate::AuthorAgain { as_new_actor: false });
        assert_eq!(fate(&PUSHED, &missing, MAX_ATTEMPTS), Fate::NeedsYou("missing"));
        assert_eq!(fate(&PUSHED, &Verdict::ActorFork, MAX_ATTEMPTS), Fate::NeedsYou("actor_fork"));
        for verdict in [missing, Verdict::StaleGeneration { generation: 2 }, Verdict::ActorFork] {
            let Fate::NeedsYou(code) = fate(&PUSHED, &verdict, MAX_ATTEMPTS) else { panic!("{verdict:?}") };
            assert!(Catalog::built_in().text(code).is_some(), "{code} has no words");
        }
        let stored = Verdict::Accepted { via: None, notes: vec![] };
        assert_eq!(fate(&PUSHED, &stored, 99), Fate::Closed, "progress is progress however late");
    }
}
