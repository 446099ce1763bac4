//! Which accepted edits enter the supervisor's queue, by the policy of the newest catalog.

use gridpass_core::catalog::{Collection, Edited, NoFacts};
use gridpass_core::id::ChangeHash;
use gridpass_core::record::mark::{Decision, MARK, Mark};
use gridpass_core::record::{Change, ShownValues, plain};

use crate::log::ReviewWrite;

/// What a phone's change means for the queue. `before` is asked only where the policy looks at it.
pub fn review_of(
    collection: &Collection,
    (change, hash): (&Change, ChangeHash),
    is_new: bool,
    before: impl FnOnce() -> ShownValues,
    after: &ShownValues,
    (now_ms, seed): (i64, &[u8; 32]),
) -> ReviewWrite {
    let keys: Vec<&str> = change.puts.iter().map(|put| put.key.as_str()).collect();
    let occasions = if collection.may_ask(is_new, &keys, &[]) {
        let (before, after) = (if is_new { None } else { Some(plain(&before())) }, plain(after));
        let edited = Edited {
            before: before.as_ref(),
            after: &after,
            keys: &keys,
            elsewhere: false,
            duplicates: &[],
            drawn: drawn(seed, hash),
        };
        collection.occasions(&edited, &NoFacts(now_ms))
    } else {
        Vec::new()
    };
    let returned = |key: &str| {
        let mark = after.get(&format!("{MARK}{key}")).and_then(|shown| Mark::read(shown.value()));
        mark.is_some_and(|mark| mark.decision == Decision::Returned)
    };
    let is_marked = after.range(MARK.to_owned()..).next().is_some_and(|(key, _)| key.starts_with(MARK));
    let answered = is_marked && (returned("") || keys.iter().any(|key| returned(key)));
    ReviewWrite { occasions, answered, said: None }
}

/// A number of 0 to 99 for an edit, which nobody without the server's key can tell beforehand.
fn drawn(seed: &[u8; 32], hash: ChangeHash) -> u32 {
    let drawn = blake3::keyed_hash(seed, hash.as_bytes());
    let [a, b, c, d, ..] = *drawn.as_bytes();
    u32::from_le_bytes([a, b, c, d]) % 100
}
