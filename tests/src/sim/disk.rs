//! The disk under one folder: what of it was flushed, and how much room is left.
//!
//! What is written to a file is kept from a loss of power when the file was flushed after it; that a file was made,
//! renamed or removed, when its folder was. Of what was not flushed a disk may have written any part: of the bytes of a
//! file nothing, all, some writes, or all up to the middle of one, whole sectors of it; of names the first so many of
//! those of all folders.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::calls::aside;
use super::random::Draw;

/// A disk writes whole sectors.
const SECTOR: u64 = 512;
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

    /// Copies the folder as it is after the power went; what a disk had written of what was not flushed, is drawn.
    pub fn copy_as_flushed(&self, to: &Path, seed: u64) -> std::io::Result<()> {
        let state = self.state();
        aside(|| {
            self.copy(&state, &self.folder, to, seed)?;
            let written = Draw::new(seed, 1).below(state.names.len() + 1);
            for naming in state.names.iter().skip(written).rev() {
                self.undo(&state, naming, to, seed)?;
            }
            Ok(())
        })
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

    fn copy(&self, state: &State, from: &Path, to: &Path, seed: u64) -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.copy(state, &entry.path(), &target, seed)?;
            } else if !entry.file_name().to_string_lossy().ends_with(SHARED) {
                copy_file(state, &entry.path(), &target, seed)?;
            }
        }
        Ok(())
    }

    /// Takes back a name that the disk had not written.
    fn undo(&self, state: &State, naming: &Naming, copy: &Path, seed: u64) -> std::io::Result<()> {
        let in_copy = |path: &Path| path.strip_prefix(&self.folder).map(|path| copy.join(path)).unwrap_or_default();
        match naming {
            Naming::Made(path) => {
                let path = in_copy(path);
                if path.is_dir() {
                    fs::remove_dir_all(path)?;
                } else if path.exists() {
                    fs::remove_file(path)?;
                }
            }
            Naming::Renamed { from, to, replaced } => {
                // A folder that was made and not flushed has gone with all that was in it.
                let _not_there_any_more = fs::rename(in_copy(to), in_copy(from));
                if let Some(replaced) = replaced {
                    bring_back(state, replaced, &in_copy(to), seed)?;
                }
            }
            Naming::Removed { path, kept } => bring_back(state, kept, &in_copy(path), seed)?,
        }
        Ok(())
    }
}

/// Brings back a file that had lost its name, with its folder, if that was removed behind it.
fn bring_back(state: &State, kept: &Path, to: &Path, seed: u64) -> std::io::Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    copy_file(state, kept, to, seed)
}

/// Copies a file with what the disk had written of it.
fn copy_file(state: &State, from: &Path, to: &Path, seed: u64) -> std::io::Result<()> {
    fs::copy(from, to)?;
    if let Some(open) = state.files.get(&fs::metadata(from)?.ino())
        && !open.pieces.is_empty()
    {
        take_back(&OpenOptions::new().write(true).open(to)?, &open.pieces, &Draw::new(seed, 2 + open.number))?;
    }
    Ok(())
}

/// Takes back of a file what the disk had not written.
fn take_back(file: &File, pieces: &[Piece], draw: &Draw) -> std::io::Result<()> {
    let (kind, torn) = (draw.below(4), draw.below(pieces.len()));
    // Up to where each piece is written; one that is a cut is done or not.
    let written: Vec<u64> = (0..)
        .zip(pieces)
        .map(|(number, piece)| {
            let end = piece.at + piece.len;
            match kind {
                0 => piece.at,
                1 => end.max(piece.at + 1),
                2 if number == torn => (piece.at + draw.next() % (piece.len + 1)) / SECTOR * SECTOR,
                2 if number > torn => piece.at,
                3 if draw.below(2) == 0 => piece.at,
                _ => end.max(piece.at + 1),
            }
            .max(piece.at)
        })
        .collect();
    for (piece, written) in pieces.iter().zip(&written).rev() {
        let from = usize::try_from(written - piece.at).unwrap_or(0);
        file.write_all_at(piece.before.get(from..).unwrap_or_default(), *written)?;
        // Beyond the end of what was there before is nothing, if the file is so long at all.
        let (nothing, end) = (piece.at + piece.before.len() as u64, piece.at + piece.len);
        let nothing = nothing.max(*written);
        file.write_all_at(&vec![0; usize::try_from(end.saturating_sub(nothing)).unwrap_or(0)], nothing)?;
    }
    let mut size = pieces.first().map_or(0, |piece| piece.size);
    for (piece, written) in pieces.iter().zip(&written).filter(|(piece, written)| **written > piece.at) {
        size = if piece.len == 0 { piece.at } else { size.max(*written) };
    }
    file.set_len(size)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use super::super::calls::{leave, watch};
    use super::*;

    /// What a folder holds after each of many losses of power.
    fn after(folder: &Path, disk: &Disk) -> BTreeSet<BTreeMap<String, Vec<u8>>> {
        let copy = folder.with_extension("copy");
        (0..200)
            .map(|seed| {
                disk.copy_as_flushed(&copy, seed).unwrap();
                let names = fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path());
                let held = names
                    .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
                    .collect();
                fs::remove_dir_all(&copy).unwrap();
                held
            })
            .collect()
    }

    fn held(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
    }

    #[test]
    fn what_was_flushed_stays_and_of_the_rest_any_part() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("disk");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old"), [1; 2000]).unwrap();
        let disk = watch(&folder);
        assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &[1; 2000])])]));

        let mut old = OpenOptions::new().write(true).open(folder.join("old")).unwrap();
        old.write_all(&[2; 1024]).unwrap();
        let torn = |sectors: usize| [vec![2; sectors * 512], vec![1; 2000 - sectors * 512]].concat();
        let parts = BTreeSet::from([0, 1, 2].map(|sectors| held(&[("old", &torn(sectors))])));
        assert_eq!(after(&folder, &disk), parts);
        old.sync_data().unwrap();
        assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &torn(2))])]));
        old.set_len(100).unwrap();
        assert_eq!(after(&folder, &disk), BTreeSet::from([held(&[("old", &torn(2))]), held(&[("old", &[2; 100])])]));
        old.sync_all().unwrap();

        // A new file is there when its folder was flushed, and its bytes when it was.
        let mut new = File::create(folder.join("new")).unwrap();
        new.write_all(&[3; 10]).unwrap();
        new.sync_all().unwrap();
        let (without, with) = (held(&[("old", &[2; 100])]), held(&[("old", &[2; 100]), ("new", &[3; 10])]));
        assert_eq!(after(&folder, &disk), BTreeSet::from([without.clone(), with.clone()]));
        File::open(&folder).unwrap().sync_all().unwrap();
        assert_eq!(after(&folder, &disk), BTreeSet::from([with.clone()]));

        // In the place of another it is there when the folder was flushed; before, one or the other.
        fs::rename(folder.join("new"), folder.join("old")).unwrap();
        let renamed = held(&[("old", &[3; 10])]);
        assert_eq!(after(&folder, &disk), BTreeSet::from([with, renamed.clone()]));
        File::open(&folder).unwrap().sync_all().unwrap();
        fs::remove_file(folder.join("old")).unwrap();
        assert_eq!(after(&folder, &disk), BTreeSet::from([renamed, held(&[])]));

        // One that lies has flushed nothing.
        disk.lies(Lie::Flushes);
        File::open(&folder).unwrap().sync_all().unwrap();
        assert_eq!(after(&folder, &disk).len(), 2);
        leave(&folder);
    }

    #[test]
    fn a_full_disk_takes_what_there_is_room_for() {
        let root = tempfile::tempdir().unwrap();
        let disk = watch(root.path());
        let mut file = File::create(root.path().join("file")).unwrap();
        disk.set_room(Some(15));
        file.write_all(&[1; 10]).unwrap();
        let full = file.write_all(&[2; 10]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(fs::create_dir(root.path().join("other")).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        assert_eq!(fs::read(root.path().join("file")).unwrap(), [vec![1; 10], vec![2; 5]].concat());
        // In the room that it has, it is written on.
        file.write_all_at(&[3; 15], 0).unwrap();
        disk.set_room(None);
        file.write_all(&[4; 10]).unwrap();
        assert_eq!(fs::read(root.path().join("file")).unwrap(), [vec![3; 15], vec![4; 10]].concat());

        disk.lies(Lie::Writes);
        disk.set_room(Some(0));
        file.write_all(&[5; 10]).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 25);
        leave(root.path());
    }
}
