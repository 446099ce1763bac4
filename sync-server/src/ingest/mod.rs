//! Taking in a push: looks up the facts, runs the checks, prepares commits, and turns outcomes into verdicts.

mod batch;
mod files;
mod gate;
mod rights;
mod time;
mod turns;

pub use batch::{Slices, push};
pub use gate::Gate;
pub use rights::{Rights, Roles, scope, scope_of};
pub use time::corrected_ms;
pub use turns::{Turn, Turns};

use gridpass_core::id::ChangeHash;
use gridpass_core::record::ShownValues;
use gridpass_core::wire;

/// The head of a record of plain values: the hash of the values.
pub fn plain_head(shown: &ShownValues) -> ChangeHash {
    ChangeHash(*blake3::hash(&wire::encode(shown)).as_bytes())
}
