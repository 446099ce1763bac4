//! Connections that only read.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::{DbError, backend, keep_statements};

/// The most that read at the same time: four for each core, within bounds. Each has a page cache and statements of its
/// own, some megabytes: where hundreds of phones ask at once, more of them would cost memory and be no faster, for they
/// share the cores.
fn most() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (4 * cores).clamp(8, 16)
}

/// Connections that are opened when they are needed, lent and used again. Whoever reads must not ask for another one
/// meanwhile.
pub(super) struct Readers {
    path: PathBuf,
    most: usize,
    state: Mutex<State>,
    back: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

/// A place among those who read, with its connection once there is one.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Readers {
    /// Readers of a database file; none is opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, most: most(), state: Mutex::default(), back: Condvar::new() }
    }

    /// Runs with a connection, as soon as one is free.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Connection) -> Result<T, DbError>) -> Result<T, DbError> {
        let mut lent = self.lend();
        let connection = match &mut lent.connection {
            Some(connection) => connection,
            none => none.insert(self.open()?),
        };
        run(connection)
    }

    fn lend(&self) -> Lent<'_> {
        let full = |state: &mut State| state.lent >= self.most;
        let mut state = self.back.wait_while(self.state(), full).unwrap_or_else(PoisonError::into_inner);
        state.lent += 1;
        Lent { readers: self, connection: state.idle.pop() }
    }

    fn open(&self) -> Result<Connection, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(backend("opening to read"))?;
        keep_statements(&connection)?;
        Ok(connection)
    }

    /// Nothing panics while it holds the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.state();
        state.lent -= 1;
        state.idle.extend(self.connection.take());
        drop(state);
        self.readers.back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn however_many_read_at_once_few_connections_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (n)").unwrap();
        let readers = Readers::new(path);
        let most = readers.most;
        // As many as are allowed wait for each other inside, so all of them do read at once.
        let inside = Barrier::new(most);
        std::thread::scope(|scope| {
            for _ in 0..8 * most {
                scope.spawn(|| {
                    let read: Result<i64, DbError> = readers.with(|connection| {
                        inside.wait();
                        connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).map_err(backend("a"))
                    });
                    assert_eq!(read.unwrap(), 0);
                });
            }
        });
        let state = readers.state();
        assert_eq!((state.idle.len(), state.lent), (most, 0));
    }

    #[test]
    fn a_read_that_fails_or_panics_gives_its_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let readers = Readers::new(folder.path().join("missing"));
        let most = readers.most;
        for _ in 0..2 * most {
            assert!(readers.with(|_| Ok(())).is_err());
        }
        let path = folder.path().join("a");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (n)").unwrap();
        let readers = Readers::new(path);
        for _ in 0..2 * most {
            let run = || readers.with(|_| -> Result<(), DbError> { panic!("a defect") });
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        }
        assert!(readers.with(|_| Ok(())).is_ok());
    }
}
