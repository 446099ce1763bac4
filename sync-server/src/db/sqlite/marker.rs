//! The marker beside the database: its epoch and the sum of all heads. An older file that somebody puts in the place of
//! the database is behind it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes it after each commit.
///
/// It is flushed when the server starts, as the marker of an earlier epoch would make the server's own file an older copy;
/// and with the first commit after that. So it is ahead of every copy that was made while the server stood still, also
/// when the power goes and takes what was not flushed; a copy of a server that works is made by `backup` and known by its
/// mode. To wait for the disk with every commit would add half to its time.
pub(super) struct Marker {
    file: PathBuf,
    epoch: u64,
    last: Option<i64>,
    flushes: u8,
}

impl Marker {
    pub(super) fn new(file: PathBuf, epoch: u64) -> Self {
        Self { file, epoch, last: None, flushes: 0 }
    }

    /// Notes the sum of all heads.
    pub(super) fn put(&mut self, heads: i64) {
        let flush = self.flushes < 2 && self.last != Some(heads);
        match write(&self.file, self.epoch, heads, flush) {
            Ok(()) => (self.last, self.flushes) = (Some(heads), self.flushes + u8::from(flush)),
            Err(error) => tracing::warn!(error = %error, "the marker of heads cannot be written"),
        }
    }
}

/// It always has the same length and is written over in place, so that neither a full disk nor a kill leaves an empty one.
fn write(marker: &Path, epoch: u64, heads: i64, flush: bool) -> std::io::Result<()> {
    let text = format!("{epoch:016x} {heads:020}\n");
    let is_new = flush && !marker.exists();
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(marker)?;
    file.write_all(text.as_bytes())?;
    if flush {
        file.sync_data()?;
    }
    match marker.parent() {
        Some(folder) if is_new => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// The epoch and the sum of all heads that a marker holds.
pub(super) fn read(marker: &Path) -> Option<(u64, i64)> {
    let text = fs::read_to_string(marker).ok()?;
    let (epoch, heads) = text.trim().split_once(' ')?;
    Some((u64::from_str_radix(epoch, 16).ok()?, heads.parse().ok()?))
}
