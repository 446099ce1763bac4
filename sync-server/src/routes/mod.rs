//! HTTP handlers: short, each one call into the room that does the work.

pub mod account;
pub mod api;
pub mod desk;
pub mod etag;
pub mod files;
pub mod health;
pub mod json;
pub mod packed;
pub mod page;
pub mod reviews;
pub mod session;
pub mod sync;
pub mod text;
pub mod tickets;
pub mod tus;
