//! The outbox: a second, append-only file that holds what was not handed in yet.
//!
//! It is written and synced before the database commits, and read only when the database is gone: a damaged database, a
//! forgotten PIN or a broken phone then costs no unsent work. Its key is wrapped for the phone and for the server; each
//! entry is signed with the device key when it is written, which proves who wrote it.

mod entry;
mod file;

pub use entry::{Entry, FileKey, Save, UnsentFile};
pub use file::{Header, Outbox, OutboxError, Owner, read_as_server};

#[cfg(test)]
mod tests;
