//! A deterministic simulation: many real phones and one real server under one seed, against a plain reference model.
//!
//! Time, randomness, network and disks belong to the simulation; a [`plan::Plan`] says what happens to them, and the
//! same plan is the same run. After it everybody is left in peace until all is quiet, and then `model` says what must
//! be where (`docs/sync.md` §7).

pub mod bugs;
mod calls;
mod check;
mod disk;
mod files;
mod handset;
mod host;
mod model;
mod moments;
mod net;
pub mod plan;
mod play;
mod random;
mod server;

pub use play::{Report, run};
