//! The end of a bucket's log, while rows are added to it.

use gridpass_core::id::{ChangeHash, RecordId};
use gridpass_core::wire::RowKind;
use rusqlite::{Connection, params};

use super::commit::execute;
use super::{DbError, backend};

/// What a row of a log says of its record.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub kind: RowKind,
    /// The change, or the record's head.
    pub hash: Option<ChangeHash>,
    /// The number of the change's writer and its count, which are stored in place of its hash.
    pub change: Option<(i64, u64)>,
    pub moved_to: Option<u32>,
}

/// A bucket's head, checksum and chain. Rows are added to it; then it is stored.
pub(super) struct LogEnd {
    number: u32,
    /// The last row.
    pub head: i64,
    checksum: i64,
    chain: i64,
}

impl LogEnd {
    /// The end of a bucket's log as it stands, its checksum changed by a difference.
    pub fn of(connection: &Connection, number: u32, difference: i64) -> Result<Self, DbError> {
        const STEP: &str = "reading the end of a log";
        let mut statement = connection
            .prepare_cached("SELECT head, checksum, chain FROM bucket WHERE number = ?1")
            .map_err(backend(STEP))?;
        let (head, checksum, chain): (i64, i64, i64) =
            statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(backend(STEP))?;
        Ok(Self { number, head, checksum: checksum.wrapping_add(difference), chain })
    }

    /// Adds a row and returns its number.
    pub fn add(
        &mut self,
        connection: &Connection,
        (record, generation): (RecordId, u32),
        Entry { kind, hash, change, moved_to }: Entry,
    ) -> Result<i64, DbError> {
        self.head += 1;
        self.chain = link(self.chain, record, generation, kind, hash);
        execute(
            connection,
            "adding a log row",
            "INSERT INTO log (bucket, log_seq, record, generation, kind, writer, actor_seq, change_hash, moved_to,
             checksum_after, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                self.number,
                self.head,
                record.0,
                generation,
                kind.0,
                change.map(|(writer, _)| writer),
                change.map(|(_, count)| count.cast_signed()),
                hash.filter(|_| change.is_none()).map(|hash| hash.0),
                moved_to,
                self.checksum,
                self.chain
            ],
        )?;
        Ok(self.head)
    }

    /// Stores the end.
    pub fn store(self, connection: &Connection) -> Result<(), DbError> {
        execute(
            connection,
            "storing the end of a log",
            "UPDATE bucket SET head = ?2, checksum = ?3, chain = ?4 WHERE number = ?1",
            params![self.number, self.head, self.checksum, self.chain],
        )
    }
}

/// The chain after a row, from the chain before it.
pub(super) fn link(before: i64, record: RecordId, generation: u32, kind: RowKind, hash: Option<ChangeHash>) -> i64 {
    let mut hasher = blake3::Hasher::new_derive_key("gridpass log chain v1");
    hasher
        .update(&before.to_be_bytes())
        .update(record.as_bytes())
        .update(&generation.to_be_bytes())
        .update(&[kind.0])
        .update(&hash.map_or([0; 32], |hash| hash.0));
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    i64::from_be_bytes(bytes)
}
