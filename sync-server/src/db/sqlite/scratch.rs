//! What a run notes of very many records, and forgets when it ends.

use std::collections::BTreeMap;

use gridpass_core::id::{GridId, RecordId};
use rusqlite::{Connection, params};

use super::{DbError, backend, execute, named_or_null, optional};

/// How many are kept in memory, to be put into the file in the order of its pages.
const LOOSE: usize = 16_384;

const STEP: &str = "noting records in a temporary file";

/// Records, each with a grid or none, in a file without a name that is gone with its process. What it takes of memory does
/// not grow with the number of records.
#[derive(Default)]
pub struct Scratch {
    /// Those that came last.
    loose: BTreeMap<RecordId, Option<GridId>>,
    /// The file of those before them, once there are any.
    file: Option<Connection>,
}

impl Scratch {
    /// Notes a record without a grid; whether it is new.
    pub fn insert(&mut self, record: RecordId) -> Result<bool, DbError> {
        let new = self.get(record)?.is_none();
        if new {
            self.put(record, None)?;
        }
        Ok(new)
    }

    /// Notes a record with its grid, in place of what was noted of it.
    pub fn put(&mut self, record: RecordId, grid: Option<GridId>) -> Result<(), DbError> {
        self.loose.insert(record, grid);
        if self.loose.len() < LOOSE {
            return Ok(());
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => open()?,
        };
        for (record, grid) in std::mem::take(&mut self.loose) {
            let grid = grid.map(|grid| grid.0);
            execute(&file, STEP, "REPLACE INTO noted (record, grid) VALUES (?1, ?2)", params![record.0, grid])?;
        }
        self.file = Some(file);
        Ok(())
    }

    /// What was noted of a record.
    pub fn get(&self, record: RecordId) -> Result<Option<Option<GridId>>, DbError> {
        let (None, Some(file)) = (self.loose.get(&record), &self.file) else {
            return Ok(self.loose.get(&record).copied());
        };
        let mut find = file.prepare_cached("SELECT grid FROM noted WHERE record = ?1").map_err(backend(STEP))?;
        optional(find.query_row([record.0], |row| named_or_null(row, "grid")), STEP)
    }
}

/// A table in a file of SQLite's own, in its folder for temporary files. Nothing of it has to outlive the process, so it is
/// one transaction without a journal. SQLCipher would keep it in memory if it were not told.
fn open() -> Result<Connection, DbError> {
    let connection = Connection::open_in_memory().map_err(backend(STEP))?;
    connection
        .execute_batch(
            "PRAGMA temp_store = FILE;
             CREATE TEMP TABLE noted (record BLOB PRIMARY KEY, grid BLOB) STRICT, WITHOUT ROWID;
             PRAGMA temp.cache_size = -2000; PRAGMA temp.journal_mode = OFF; PRAGMA temp.synchronous = OFF; BEGIN;",
        )
        .map_err(backend(STEP))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: usize) -> RecordId {
        RecordId::derived("noted", &[&n.to_be_bytes()])
    }

    #[test]
    fn a_record_is_new_once_however_many_there_are() {
        let mut noted = Scratch::default();
        let many = 3 * LOOSE + 17;
        for n in 0..many {
            assert!(noted.insert(of(n)).unwrap(), "{n}");
            assert!(!noted.insert(of(n)).unwrap() && !noted.insert(of(n / 2)).unwrap(), "{n}");
        }
        assert_eq!(noted.get(of(many)).unwrap(), None);
    }

    #[test]
    fn what_was_noted_last_stands_wherever_the_first_lies() {
        let mut noted = Scratch::default();
        let [before, after] = [1, 2].map(|n| GridId([n; 16]));
        noted.put(of(0), Some(before)).unwrap();
        (1..=LOOSE).for_each(|n| noted.put(of(n), None).unwrap());
        assert_eq!(noted.get(of(0)).unwrap(), Some(Some(before)), "from the file");
        noted.put(of(0), Some(after)).unwrap();
        assert_eq!(noted.get(of(0)).unwrap(), Some(Some(after)), "from memory");
        (1..=LOOSE).for_each(|n| noted.put(of(n), None).unwrap());
        assert_eq!(noted.get(of(0)).unwrap(), Some(Some(after)), "from the file, written over");
    }

    /// How long the longest file is that this process has open and that has no name.
    #[cfg(target_os = "linux")]
    fn longest_nameless() -> u64 {
        use std::os::unix::fs::MetadataExt;
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let files = open.filter_map(|entry| std::fs::metadata(entry.path()).ok());
        files.filter(|file| file.is_file() && file.nlink() == 0).map(|file| file.len()).max().unwrap_or(0)
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_holds_the_last_ones_and_a_file_all_others() {
        let mut noted = Scratch::default();
        let many = 24 * LOOSE;
        for n in 0..many {
            noted.insert(of(n)).unwrap();
            assert!(noted.loose.len() < LOOSE);
        }
        let bytes = longest_nameless();
        assert!(bytes > 16 * many as u64, "{bytes} bytes of {many} records are in a file");
    }
}
