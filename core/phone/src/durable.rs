//! Files that are there, whole, after a crash.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Whether there is no room for what was to be written.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// Whether this process may make files in the folder; a full disk is not what this asks about.
pub(crate) fn may_write(folder: &Path) -> bool {
    let file = folder.join("write.new");
    let refused =
        |error: io::Error| matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
    let may = !File::create(&file).is_err_and(refused);
    // Left behind it is in nobody's way, and the next opening takes it.
    let _ = std::fs::remove_file(&file);
    may
}

/// Makes a rename or a new file in this folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Folders cannot be opened everywhere; where they cannot, the rename itself is durable.
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(_) => Ok(()),
    }
}

/// Writes a file so that either the old or the new content is there, never a part.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    put_in_place(path, content)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// The same without waiting for the folder; returns the new file, open behind its content.
pub(crate) fn put_in_place(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut file = File::create(&fresh)?;
    let placed = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&fresh, path));
    if let Err(error) = placed {
        // On a full disk the part that was written would keep its room.
        let _ = std::fs::remove_file(&fresh);
        return Err(error);
    }
    Ok(file)
}
