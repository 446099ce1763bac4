//! HTTP handlers: short, each one call into the room that does the work.

pub mod files;
pub mod health;
pub mod packed;
pub mod sync;
pub mod tus;
