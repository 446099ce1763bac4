//! Commands that are more than a call.

pub mod backup;
pub mod catalog;
