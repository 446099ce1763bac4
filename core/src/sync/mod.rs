//! The phone's side of a sync, without input or output.
//!
//! | question | answered by |
//! |---|---|
//! | what is done next, and when is a sync over | [`Engine`]: events in, one effect out |
//! | which pending changes travel together | [`batch`] |
//! | what a verdict means for what was pushed | [`fate`] |
//! | what is left of an intent when its change fell | [`reauthor`] |
//! | how long to wait after a failure | [`Backoff`] |
//!
//! The driver (the phone, a simulation) carries out one [`Effect`] at a time, stores what came of it in one
//! transaction, and reports it as an [`Event`]. Nothing is kept here that must survive a crash.

mod author;
mod backoff;
mod batch;
mod engine;
mod verdict;

pub use author::{Reauthored, reauthor};
pub use backoff::Backoff;
pub use batch::batch;
pub use engine::{Effect, Engine, Event, Failure, Finish, MAX_ROUNDS, Outcome};
pub use verdict::{Fate, MAX_ATTEMPTS, fate};
