//! A folder that may not be written, on a phone and on the server: they say which folder and what to do, and change
//! nothing. Root may write everywhere, so as root the programs run as a user who may not.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use gridpass_core::catalog::Catalog;
use gridpass_tests::programs::{Programs, free_port};
use gridpass_tests::world::Error;

use crate::scene::{Template, copy_scene};

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

/// Tries both; what is wrong.
pub fn play() -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir()?;
    let template = Template::make(Programs::beside_this()?, &folder.path().join("template"), free_port()?, None)?;
    let place = folder.path().join("place");
    copy_scene(&template, &place)?;
    // The programs lie where another user may run them, wherever this build lies.
    let programs = place.join("programs");
    std::fs::create_dir(&programs)?;
    for name in ["gridpass-server", "gridpass-phone"] {
        std::fs::copy(template.programs.folder().join(name), programs.join(name))?;
    }
    let programs = Programs::in_folder(&programs)?;
    set_modes(folder.path(), 0o755, 0o755)?;
    set_modes(&place.join("server"), 0o555, 0o444)?;
    set_modes(&place.join("worker0"), 0o555, 0o444)?;
    let before = (content(&place.join("server"))?, content(&place.join("worker0"))?);

    let mut faults = Vec::new();
    let server = place.join("server");
    for arguments in [&["serve"][..], &["verify"], &["user", "add", "late", "late"], &["backup", "/nowhere"]] {
        let said =
            refused(programs.server(&server).args(arguments).env("GRIDPASS_PASSPHRASE", "a passphrase of a test"))?;
        if !said.contains(&server.display().to_string()) || !said.contains("chown") {
            faults.push(format!("the server says of {arguments:?} in a folder it may not write: {said}"));
        }
    }
    let (phone, keys) = (place.join("worker0"), place.join("worker0-keys"));
    let text = Catalog::built_in().text("storage_read_only").cloned().ok_or("no words for a read-only folder")?;
    let remedy = text.en.split(';').nth(1).ok_or("the words name no remedy")?;
    let record = "00000000000000000000000000000000";
    for arguments in
        [&["--flight", "state"][..], &["--flight", "list"], &["--flight", "set", record, "name=a"], &["sync"]]
    {
        let said = refused(programs.phone(&phone, &keys).args(arguments))?;
        if !said.contains(&phone.display().to_string()) || !said.contains(remedy) {
            faults.push(format!("the phone says of {arguments:?} in a folder it may not write: {said}"));
        }
    }
    if before != (content(&server)?, content(&phone)?) {
        faults.push("something in a folder that may not be written was changed".into());
    }
    set_modes(&place, 0o755, 0o644)?;
    Ok(faults)
}

/// Runs a command as a user who may not write; what it says while it refuses.
fn refused(command: &mut Command) -> Result<String, Error> {
    let is_root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?) == 0;
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true => Err(format!("a command worked where it may not write: {said}").into()),
        false => Ok(said),
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut open, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        }
        found.push(path);
    }
    Ok(found)
}

/// Gives folders and files below a folder these modes; what can be run stays so.
fn set_modes(folder: &Path, folders: u32, of_files: u32) -> Result<(), Error> {
    for path in files(folder)? {
        let program = path.file_name().is_some_and(|name| name == "gridpass-server" || name == "gridpass-phone");
        let mode = if path.is_dir() {
            folders
        } else if program {
            0o755
        } else {
            of_files
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The bytes of every file.
fn content(folder: &Path) -> Result<BTreeMap<PathBuf, Option<Vec<u8>>>, Error> {
    let read = |path: PathBuf| Ok((path.clone(), if path.is_dir() { None } else { Some(std::fs::read(path)?) }));
    files(folder)?.into_iter().map(read).collect()
}
