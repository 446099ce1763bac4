//! What is left of a disk when the power went.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::super::calls::aside;
use super::super::random::Draw;
use super::{Disk, Naming, Piece, SHARED, State};

/// A disk writes whole sectors.
const SECTOR: u64 = 512;

impl Disk {
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
