//! A small disk that can be filled: 8 MB of memory, mounted for one test.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use gridpass_tests::world::Error;

/// How large a disk is.
const SIZE: &str = "8m";
/// Set in the process that runs in a namespace of its own.
const INSIDE: &str = "GRIDPASS_CRASH_INSIDE";

/// A mounted disk; unmounted when it is dropped.
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk over a folder, which is made.
    pub fn mount(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={SIZE},mode=755"), "none"])
            .arg(folder)
            .output()?;
        match mounted.status.success() {
            true => Ok(Self { folder: folder.to_owned() }),
            false => Err(format!("mount: {}", String::from_utf8_lossy(&mounted.stderr).trim()).into()),
        }
    }

    /// Fills what is free but so many bytes.
    pub fn fill(&self, but: u64) -> Result<(), Error> {
        let mut file = File::create(self.ballast())?;
        let (mut size, mut piece) = (0, 1 << 20);
        while piece >= 512 {
            match file.write(&vec![0xA5; piece]) {
                Ok(written) if written > 0 => size += written as u64,
                _ => piece /= 2,
            }
        }
        Ok(file.set_len(size.saturating_sub(but))?)
    }

    /// Frees what was filled.
    pub fn free(&self) -> Result<(), Error> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that is being killed may hold it a moment longer; then it goes with the last one.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// Makes sure that this process may mount: as it is, or as a process in namespaces of its own, whose success is told. An
/// error says what is missing.
pub fn may_mount() -> Result<Option<bool>, Error> {
    let folder = tempfile::tempdir()?;
    let refused = match Disk::mount(folder.path()) {
        Ok(_) => return Ok(None),
        Err(refused) => refused,
    };
    let needs =
        "a full disk is tried on a disk of memory: run this as root, or where users may make namespaces (unshare -rm)";
    if std::env::var_os(INSIDE).is_some() {
        return Err(format!("{needs}; {refused}").into());
    }
    let mut again = Command::new("unshare");
    again.arg("-rm").arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    let status = again.status().map_err(|error| format!("{needs}; {refused}; unshare: {error}"))?;
    Ok(Some(status.success()))
}
