//! Single facts of the phone.

use gridpass_core::wire::{self, Nonce};
use minicbor::{Decode, Encode};
use rusqlite::{Connection, OptionalExtension};

use super::Result;
use super::columns::cbor;

/// The nonce of this database file.
pub const NONCE: &str = "nonce";
/// When the last sync that reached its end ended, by the phone's clock.
pub const SYNCED_MS: &str = "synced_ms";
/// How far the phone's clock was before the server's at the last answer, in milliseconds.
pub const AHEAD_MS: &str = "ahead_ms";
/// Whether records lost their last bucket and have to be looked for.
pub const ORPHANS: &str = "orphans";
/// The number of the last row of `view` before those whose search text packs have left for later; absent when every row
/// has its own.
pub const SEARCHABLE_TO: &str = "searchable_to";
/// The epoch of the server when files were last put in order: in another one they are offered again.
pub const FILES_EPOCH: &str = "files_epoch";

/// The fact, if it is known.
pub fn get<T: for<'b> Decode<'b, ()>>(db: &Connection, key: &str) -> Result<Option<T>> {
    let mut statement = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| cbor(row, 0)).optional()?)
}

/// Stores the fact.
pub fn put<T: Encode<()>>(db: &Connection, key: &str, value: &T) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute((key, wire::encode(value)))?;
    Ok(())
}

/// Forgets the fact.
pub fn remove(db: &Connection, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// The nonce of this database file.
pub fn nonce(db: &Connection) -> Result<Option<Nonce>> {
    get(db, NONCE)
}
