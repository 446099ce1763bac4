//! The file calls of this process. SQLite and the standard library make, write, flush, rename and remove files through
//! functions of the C library; in a program with this module they come by here, because a program's own function of that
//! name goes before the library's. A call on a file of a watched folder is told to its [`Disk`]; every other goes on to
//! the system as it came.
//!
//! That is so on Linux with 64 bits. Elsewhere no disk is told of anything: it loses nothing with its power and is never
//! full, and `UnflushedPhone`, `UnflushedServer` and `SwallowedWrite` of [`super::bugs`] break nothing.
//!
//! Not seen are bytes that the system itself copies from file to file (`std::fs::copy`), second names of a file
//! (`hard_link`), and what is written into mapped memory: of these SQLite maps only the file that connections share,
//! which does not outlive a machine. That a folder was removed, or files with it (`remove_dir_all`), counts as flushed.
#![cfg_attr(
    not(all(target_os = "linux", target_pointer_width = "64")),
    expect(dead_code, reason = "no call comes by here")
)]

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod linux;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::disk::Disk;
use super::moments;

/// Whether calls come by here on this system.
pub(super) const ARE_SEEN: bool = cfg!(all(target_os = "linux", target_pointer_width = "64"));

/// What an open file is.
#[derive(Clone)]
enum What {
    /// A file by its inode, opened once more to read what is there before it is changed; whether all is written to its end.
    File { inode: u64, bytes: Arc<File>, appends: bool },
    /// A folder.
    Folder(PathBuf),
}

/// The folders that are watched, and what is open of them.
#[derive(Default)]
struct Watched {
    folders: BTreeMap<PathBuf, Arc<Disk>>,
    open: BTreeMap<RawFd, (Arc<Disk>, What)>,
}

static WATCHED: LazyLock<Mutex<Watched>> = LazyLock::new(Mutex::default);
/// How many folders are watched: a program that watches none pays one look.
static FOLDERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread does something that no disk is told of.
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// From now on a disk is told of every call in the folder.
pub(super) fn watch(folder: &Path) -> Arc<Disk> {
    let disk = Arc::new(Disk::new(folder));
    let mut watched = watched();
    watched.folders.insert(folder.to_owned(), disk.clone());
    FOLDERS.store(watched.folders.len(), Ordering::Relaxed);
    disk
}

/// Nobody is told of it any more.
pub(super) fn leave(folder: &Path) {
    let mut watched = watched();
    watched.folders.remove(folder);
    let gone: Vec<_> = watched.open.extract_if(.., |_, (disk, _)| disk.folder() == folder).collect();
    FOLDERS.store(watched.folders.len(), Ordering::Relaxed);
    drop(watched);
    drop(gone); // only now: what it holds is closed, which looks here
}

/// The disk of a watched folder.
pub(super) fn disk_of(folder: &Path) -> Option<Arc<Disk>> {
    watched().folders.get(folder).cloned()
}

/// Does what no disk is told of: the simulation's own work on files.
pub(super) fn aside<T>(run: impl FnOnce() -> T) -> T {
    let was = ASIDE.replace(true);
    let done = run();
    ASIDE.set(was);
    done
}

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_told() -> bool {
    FOLDERS.load(Ordering::Relaxed) > 0 && !ASIDE.get()
}

/// The disk that an open file lies on; what comes now is one moment of it.
fn held(fd: RawFd) -> Option<(Arc<Disk>, What)> {
    let held = if is_told() { watched().open.get(&fd).cloned() } else { None };
    if let Some((disk, _)) = &held {
        moments::pass_call(disk.folder());
    }
    held
}

/// From now on this is open.
fn opened(fd: RawFd, disk: Arc<Disk>, what: What) {
    let stale = watched().open.insert(fd, (disk, what));
    drop(stale); // only now: it closes a file too
}

/// It is not any more.
fn closed(fd: RawFd) {
    if FOLDERS.load(Ordering::Relaxed) > 0 {
        let gone = watched().open.remove(&fd);
        drop(gone); // only now: it closes a file too
    }
}

/// The disk that a path lies on.
fn disk_under(path: &Path) -> Option<Arc<Disk>> {
    let watched = watched();
    path.ancestors().find_map(|folder| watched.folders.get(folder)).cloned()
}
