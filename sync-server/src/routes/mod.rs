//! HTTP handlers: short, each one call into the room that does the work.

pub mod health;
pub mod packed;
pub mod sync;
