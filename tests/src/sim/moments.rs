//! Moments between and within SQL statements, at which the simulation takes a process away, or the power.
//!
//! A process that is killed leaves behind what its files hold at that moment. So a folder is copied while SQLite runs a
//! statement on a database in it; what is done after that has never been, and the copy takes the place of the folder.
//! Where the power goes, the copy holds what was flushed; the moments are also those before each call on a file.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};

use rusqlite::Connection;
use rusqlite::auto_extension::{init_auto_extension, register_auto_extension};
use rusqlite::ffi::{sqlite3, sqlite3_api_routines};

use super::calls::{aside, disk_of};
use crate::world::{Error, copy_folder};

/// How many steps of a statement go by between two moments; a statement has some tens.
const STEPS: c_int = 16;

/// What ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// The process.
    Process,
    /// The power of the machine; the number draws what the disk had written.
    Power(u64),
}

enum Armed {
    /// So many moments are left, then the folder is copied and the rest of the world asked how it is.
    Waits { left: u32, ends: Ends, ask: Box<dyn FnOnce() + Send> },
    /// It has come.
    Came(std::io::Result<()>),
}

static ARMED: LazyLock<Mutex<BTreeMap<PathBuf, Armed>>> = LazyLock::new(Mutex::default);
/// How many folders wait, so that nobody else has to look.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Has the process whose files are in the folder end after so many moments, at once after none; at that one `ask` is
/// called.
pub fn arm(folder: &Path, left: u32, ends: Ends, ask: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let mut armed = armed();
    armed.insert(folder.to_owned(), Armed::Waits { left: left.max(1), ends, ask: Box::new(ask) });
    WAITING.store(armed.len(), Ordering::Relaxed);
    if left == 0 {
        pass_one(&mut armed, folder);
    }
    Ok(())
}

/// Lets the process live; how many moments were left.
pub fn disarm(folder: &Path) -> Option<u32> {
    let mut armed = armed();
    let was = armed.remove(folder);
    WAITING.store(armed.len(), Ordering::Relaxed);
    match was? {
        Armed::Waits { left, .. } => Some(left),
        Armed::Came(_) => None,
    }
}

/// Whether the moment of a process has come. What uses the folder has to be closed when it has, and then
/// [`put_back`] is called.
pub fn has_come(folder: &Path) -> bool {
    WAITING.load(Ordering::Relaxed) > 0 && matches!(armed().get(folder), Some(Armed::Came(_)))
}

/// Puts into the folder what it held at its moment.
pub fn put_back(folder: &Path) -> Result<(), Error> {
    let was = armed().remove(folder);
    if let Some(Armed::Came(copied)) = was {
        copied?;
        aside(|| fs::remove_dir_all(folder).and_then(|()| fs::rename(copy_of(folder), folder)))?;
    }
    Ok(())
}

fn copy_of(folder: &Path) -> PathBuf {
    folder.with_extension("moment")
}

fn armed() -> MutexGuard<'static, BTreeMap<PathBuf, Armed>> {
    ARMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One moment of a connection to a database in the folder.
fn pass(folder: &Path) {
    if WAITING.load(Ordering::Relaxed) > 0 {
        pass_one(&mut armed(), folder);
    }
}

/// The moment before a call on a file in the folder. Only the power goes then: in the midst of a call of the system no
/// process is taken away.
pub(super) fn pass_call(folder: &Path) {
    if WAITING.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mut armed = armed();
    if matches!(armed.get(folder), Some(Armed::Waits { ends: Ends::Power(_), .. })) {
        pass_one(&mut armed, folder);
    }
}

fn pass_one(armed: &mut BTreeMap<PathBuf, Armed>, folder: &Path) {
    let Some(Armed::Waits { left, ends, .. }) = armed.get_mut(folder) else { return };
    *left = left.saturating_sub(1);
    if *left > 0 {
        return;
    }
    let to = copy_of(folder);
    let _not_there = aside(|| fs::remove_dir_all(&to)); // of a process that was let live after all
    let copied = match (*ends, disk_of(folder)) {
        (Ends::Power(seed), Some(disk)) => disk.copy_as_flushed(&to, seed),
        _ => aside(|| copy_folder(folder, &to)),
    };
    if let Some(Armed::Waits { ask, .. }) = armed.insert(folder.to_owned(), Armed::Came(copied)) {
        ask();
    }
}

/// From now on every connection that this process opens counts its moments. Called before a run opens any: the first run
/// of a process would else be another than the same run later.
#[expect(unsafe_code, reason = "SQLite is handed a function that it calls with every new connection")]
pub fn watch_connections() -> Result<(), Error> {
    fn watch(mut connection: Connection) -> rusqlite::Result<()> {
        let folder = connection.path().and_then(|path| Path::new(path).parent()).map(Path::to_owned);
        match folder {
            Some(folder) => connection.progress_handler(
                STEPS,
                Some(move || {
                    pass(&folder);
                    false
                }),
            ),
            None => Ok(()),
        }
    }
    unsafe extern "C" fn opened(
        connection: *mut sqlite3,
        error: *mut *mut c_char,
        _: *const sqlite3_api_routines,
    ) -> c_int {
        // SAFETY: SQLite calls this with a connection that it has just opened; `watch` opens and closes none.
        unsafe { init_auto_extension(connection, error, watch) }
    }
    static ONCE: Once = Once::new();
    let mut registered = Ok(());
    // SAFETY: `opened` opens no connection, closes none and registers nothing.
    ONCE.call_once(|| registered = unsafe { register_auto_extension(opened) });
    Ok(registered?)
}
