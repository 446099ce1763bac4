//! The disk under one folder: what of it was flushed, and how much room is left.
//!
//! What is written to a file is kept from a loss of power when the file was flushed after it; that a file was made,
//! renamed or removed, when its folder was. Of what was not flushed a disk may have written any part: of the bytes of a
//! file nothing, all, some writes, or all up to the middle of one, whole sectors of it; of names the first so many of
//! those of all folders.

mod power;
#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::calls::aside;

/// How the name of the file ends that connections share. Nobody reads it after a loss of power.
const SHARED: &str = "-shm";

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// It says that it has flushed what it has not.
    Flushes,
    /// When it is full it says that it has written what it has not.
    Writes,
}

/// The disk.
pub struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The files that were ever open, by inode.
    files: BTreeMap<u64, Open>,
    /// What was made, renamed and removed and is not flushed, in its order.
    names: Vec<Naming>,
    /// How many files were open, and how many it has kept under other names.
    opened: u64,
    kept: u64,
    /// How many bytes there is still room for; none where there is no end of it.
    room: Option<u64>,
    lie: Lie,
}

/// A file that is or was open.
struct Open {
    /// Which it was: the same for the same seed, as an inode is not.
    number: u64,
    is_shared: bool,
    /// What was written and not flushed, in its order.
    pieces: Vec<Piece>,
}

/// One write, or a cut where it has no length.
struct Piece {
    at: u64,
    len: u64,
    /// What was there before: less than `len` where the file ended.
    before: Vec<u8>,
    /// How long the file was before.
    size: u64,
}

enum Naming {
    Made(PathBuf),
    Renamed { from: PathBuf, to: PathBuf, replaced: Option<PathBuf> },
    Removed { path: PathBuf, kept: PathBuf },
}

impl Naming {
    fn path(&self) -> &Path {
        match self {
            Self::Made(path) | Self::Renamed { to: path, .. } | Self::Removed { path, .. } => path,
        }
    }

    fn kept(&self) -> Option<&Path> {
        match self {
            Self::Removed { kept, .. } => Some(kept),
            Self::Renamed { replaced, .. } => replaced.as_deref(),
            Self::Made(_) => None,
        }
    }
}

impl Disk {
    /// A disk with all that is in the folder, flushed, and no end of room.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), state: Mutex::default() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// It breaks on purpose.
    pub fn lies(&self, lie: Lie) {
        self.state().lie = lie;
    }

    /// The simulation has put other files into the folder; they are flushed.
    pub fn settle(&self) {
        let mut state = self.state();
        state.files.clear();
        state.names.clear();
        let _not_there = aside(|| fs::remove_dir_all(self.folder.with_extension("kept")));
    }

    /// Has room for so many bytes more; none means without end.
    pub fn set_room(&self, room: Option<u64>) {
        self.state().room = room;
    }

    /// Whether there is an end of its room.
    pub fn is_limited(&self) -> bool {
        self.state().room.is_some()
    }

    /// Whether a folder can be made. A file without bytes always can: it takes up no room.
    pub fn takes_a_folder(&self) -> bool {
        let state = self.state();
        state.room != Some(0) || state.lie == Lie::Writes
    }

    /// A file was opened. Whoever changes it comes with its number and with itself to read what was there before.
    pub fn opened(&self, path: &Path, inode: u64) {
        let mut state = self.state();
        let number = state.opened;
        if !state.files.contains_key(&inode) {
            let is_shared = path.to_string_lossy().ends_with(SHARED);
            state.opened += 1;
            state.files.insert(inode, Open { number, is_shared, pieces: Vec::new() });
        }
    }

    /// A file or a folder was made.
    pub fn made(&self, path: &Path) {
        self.state().names.push(Naming::Made(path.to_owned()));
    }

    /// Bytes are written to a file, as many as there is room for; none where there is room for none.
    pub fn write(
        &self,
        (inode, bytes): (u64, &File),
        at: u64,
        len: usize,
        run: impl FnOnce(usize) -> isize,
    ) -> Option<isize> {
        let mut state = self.state();
        let State { files, room, lie, .. } = &mut *state;
        let Some(open) = files.get_mut(&inode) else { return Some(run(len)) };
        let size = bytes.metadata().map_or(0, |found| found.len());
        let grows = at.saturating_add(len as u64).saturating_sub(size);
        let fits = room.map_or(grows, |room| room.min(grows));
        let len = len.saturating_sub(usize::try_from(grows - fits).unwrap_or(0));
        if grows > fits && *lie == Lie::Writes {
            return Some(isize::try_from(len as u64 + grows - fits).unwrap_or(0));
        }
        if grows > fits && len == 0 {
            return None;
        }
        if let Some(room) = room {
            *room -= fits;
        }
        if !open.is_shared {
            let mut before = vec![0; usize::try_from(size.saturating_sub(at).min(len as u64)).unwrap_or(0)];
            if bytes.read_exact_at(&mut before, at).is_ok() {
                open.pieces.push(Piece { at, len: len as u64, before, size });
            }
        }
        Some(run(len))
    }

    /// A file is cut, or made longer by a hole, which takes up no room.
    pub fn cut(&self, (inode, bytes): (u64, &File), to: u64) {
        let mut state = self.state();
        let Some(open) = state.files.get_mut(&inode) else { return };
        let size = bytes.metadata().map_or(0, |found| found.len());
        if !open.is_shared && to != size {
            let mut before = vec![0; usize::try_from(size.saturating_sub(to)).unwrap_or(0)];
            if bytes.read_exact_at(&mut before, to).is_ok() {
                open.pieces.push(Piece { at: to, len: 0, before, size });
            }
        }
    }

    /// A file is flushed.
    pub fn flushed(&self, inode: u64) {
        let mut state = self.state();
        if state.lie == Lie::Flushes {
            return;
        }
        if let Some(open) = state.files.get_mut(&inode) {
            open.pieces.clear();
        }
    }

    /// The names in a folder are flushed.
    pub fn names_flushed(&self, folder: &Path) {
        let mut state = self.state();
        if state.lie == Lie::Flushes {
            return;
        }
        let (flushed, left): (Vec<_>, _) =
            std::mem::take(&mut state.names).into_iter().partition(|naming| naming.path().parent() == Some(folder));
        state.names = left;
        for kept in flushed.iter().filter_map(Naming::kept) {
            // A file that nobody can name any more.
            if let Some(inode) = aside(|| fs::metadata(kept)).ok().filter(|found| found.nlink() == 1) {
                state.files.remove(&inode.ino());
            }
            let _gone_already = aside(|| fs::remove_file(kept));
        }
    }

    /// A file is renamed by `run`, which says 0 when it is.
    pub fn renames(&self, from: &Path, to: &Path, run: impl FnOnce() -> i32) -> i32 {
        let mut state = self.state();
        let replaced = self.keep(&mut state, to);
        let done = run();
        if done == 0 {
            state.names.push(Naming::Renamed { from: from.to_owned(), to: to.to_owned(), replaced });
        }
        done
    }

    /// A file is removed by `run`, which says 0 when it is.
    pub fn removes(&self, path: &Path, run: impl FnOnce() -> i32) -> i32 {
        let mut state = self.state();
        let kept = self.keep(&mut state, path);
        let done = run();
        if let (0, Some(kept)) = (done, kept) {
            state.names.push(Naming::Removed { path: path.to_owned(), kept });
        }
        done
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a file that loses its name, if it is there.
    fn keep(&self, state: &mut State, path: &Path) -> Option<PathBuf> {
        let beside = self.folder.with_extension("kept");
        let kept = beside.join(state.kept.to_string());
        state.kept += 1;
        aside(|| fs::create_dir_all(&beside).and_then(|()| fs::hard_link(path, &kept))).ok().map(|()| kept)
    }
}
