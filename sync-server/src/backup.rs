//! Backups: a folder with a copy of the database, the files, the keys sealed under a passphrase, and the settings.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gridpass_core::bucket::Bucket;
use gridpass_core::codes::Date;
use gridpass_core::seal::SecretKey;
use gridpass_core::wire;
use minicbor::bytes::ByteVec;

use crate::app::App;
use crate::blobs;
use crate::config;
use crate::contents::Contents;
use crate::db::sqlite::{FILE, verify_copy};
use crate::db::{DbError, Fault};
use crate::keys::{FOLDER, KeyError, random, write_new};

/// The sealed keys in a backup: 16 bytes of salt, then what [`SecretKey::seal`] gives.
pub const SEALED_KEYS: &str = "keys.sealed";
/// What the sealed keys are about.
const ABOUT: &[u8] = b"gridpass keys v1";
/// The fewest characters of a passphrase.
const PASSPHRASE_MIN: usize = 12;

/// What the keys in a backup are sealed under.
pub struct Passphrase(String);

impl Passphrase {
    /// A passphrase of at least 12 characters; the end of the line is no part of it.
    pub fn new(text: &str) -> Result<Self, BackupError> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().count() < PASSPHRASE_MIN {
            return Err(BackupError::ShortPassphrase);
        }
        Ok(Self(text.to_owned()))
    }

    fn key(&self, salt: &[u8; 16]) -> Result<SecretKey, BackupError> {
        SecretKey::from_pin(&self.0, salt).map_err(|_| BackupError::Keys)
    }
}

/// Why a backup is not made or not used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder.
    #[error("{step} {name}: {cause}")]
    File {
        /// What was being done.
        step: &'static str,
        /// The file.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The folder of a new backup holds something.
    #[error("{0} is not empty; name a folder that is not there yet")]
    NotEmpty(String),
    /// The passphrase is too short.
    #[error("the passphrase must have at least {PASSPHRASE_MIN} characters")]
    ShortPassphrase,
    /// The sealed keys do not open.
    #[error("the sealed keys do not open: another passphrase, or the file was altered")]
    Keys,
    /// The copy does not add up.
    #[error("{0} faults were found in the copy; it does not count as a backup")]
    Faults(u64),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The error of a step on a file.
pub(crate) fn at<'a>(step: &'static str, file: &'a Path) -> impl Fn(std::io::Error) -> BackupError + 'a {
    move |cause| BackupError::File { step, name: file.display().to_string(), cause }
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// How many rows were verified.
    pub rows: u64,
    /// How many files were copied; the others an earlier backup beside it had already.
    pub copied: u64,
}

/// Makes a backup of the server in `data` while it works, and verifies it. Only then phones learn which of their changes
/// it holds. Each fault goes to `found`; a lost file is one and does not keep the backup from counting.
pub fn backup(
    app: &App,
    data: &Path,
    to: &Path,
    passphrase: &Passphrase,
    found: &mut dyn FnMut(Fault),
) -> Result<BackedUp, BackupError> {
    let (made, heads) = make(app, data, to, passphrase, found)?;
    app.db.durable(app.now_ms(), &heads)?;
    Ok(made)
}

/// Makes the next of a row of backups in `folder`, named by the time, and drops all but the newest `keep`.
pub fn backup_next(
    app: &App,
    data: &Path,
    folder: &Path,
    keep: usize,
    passphrase: &Passphrase,
    found: &mut dyn FnMut(Fault),
) -> Result<BackedUp, BackupError> {
    let now_ms = app.now_ms();
    let (making, done) = (folder.join(".making"), folder.join(stamp(now_ms)));
    if making.exists() {
        fs::remove_dir_all(&making).map_err(at("removing", &making))?; // one that was not finished
    }
    if done.exists() {
        return Err(BackupError::NotEmpty(done.display().to_string()));
    }
    let (made, heads) = make(app, data, &making, passphrase, found)?;
    fs::rename(&making, &done).map_err(at("renaming", &making))?;
    sync_folder(folder)?;
    app.db.durable(now_ms, &heads)?;
    let mut all = backups_in(folder)?;
    all.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_stamp)); // and nobody else's
    for old in all.iter().take(all.len().saturating_sub(keep.max(1))) {
        fs::remove_dir_all(old).map_err(at("removing", old))?;
    }
    Ok(made)
}

/// The backups in a folder that are whole, in order of their names.
fn backups_in(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let entries = fs::read_dir(folder).map_err(at("reading", folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(at("reading", folder)));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>()?;
    paths.retain(|path| path.join(SEALED_KEYS).exists() && !path.ends_with(".making"));
    paths.sort();
    Ok(paths)
}

/// A time as `20270115T080000Z`.
fn stamp(now_ms: i64) -> String {
    let seconds = now_ms.div_euclid(1000);
    let (day, second) = (Date::nearest(seconds.div_euclid(86_400)), seconds.rem_euclid(86_400));
    let day = day.to_string().replace('-', "");
    format!("{day}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn is_stamp(name: &str) -> bool {
    let form = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    name.len() == 16 && name.bytes().enumerate().all(form)
}

/// Makes a backup that does not count yet; returns the last row of each bucket that it holds.
fn make(
    app: &App,
    data: &Path,
    to: &Path,
    passphrase: &Passphrase,
    found: &mut dyn FnMut(Fault),
) -> Result<(BackedUp, BTreeMap<Bucket, u64>), BackupError> {
    fs::create_dir_all(to).map_err(at("making", to))?;
    if fs::read_dir(to).map_err(at("reading", to))?.next().is_some() {
        return Err(BackupError::NotEmpty(to.display().to_string()));
    }
    // A backup that has no seal is better than none.
    let seal = app.seal_audit().inspect_err(|error| tracing::error!(error = %error, "the audit was not sealed"));
    let heads = app.db.backup(&to.join(FILE))?;
    let mut faults = 0;
    let rows = verify_copy(&to.join(FILE), &mut |fault| {
        faults += 1;
        found(fault);
    })?;
    let earlier = match to.parent().filter(|beside| beside.exists()) {
        Some(beside) => backups_in(beside)?,
        None => Vec::new(),
    };
    let copied = blobs::back_up(app, data, to, &earlier, found)?;
    seal_keys(&data.join(FOLDER), &to.join(SEALED_KEYS), passphrase)?;
    let settings = data.join(config::FILE);
    if settings.exists() {
        fs::copy(&settings, to.join(config::FILE)).map_err(at("copying", &settings))?;
    }
    Contents::write(to, app.now_ms(), seal.ok().flatten())?;
    sync_folder(to)?;
    if faults > 0 {
        return Err(BackupError::Faults(faults));
    }
    Ok((BackedUp { rows, copied }, heads))
}

fn seal_keys(folder: &Path, to: &Path, passphrase: &Passphrase) -> Result<(), BackupError> {
    let mut files: BTreeMap<String, ByteVec> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(at("reading", folder))? {
        let path = entry.map_err(at("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read(&path).map_err(at("reading", &path))?.into());
    }
    let salt = random()?;
    let sealed = passphrase.key(&salt)?.seal(random()?, ABOUT, &wire::encode(&files));
    let mut file = fs::File::create_new(to).map_err(at("writing", to))?;
    file.write_all(&[salt.as_slice(), &sealed].concat()).and_then(|()| file.sync_all()).map_err(at("writing", to))
}

/// The key files in sealed keys, by name.
pub(crate) fn open_keys(file: &Path, passphrase: &Passphrase) -> Result<BTreeMap<String, ByteVec>, BackupError> {
    let bytes = fs::read(file).map_err(at("reading", file))?;
    let (salt, sealed) = bytes.split_first_chunk::<16>().ok_or(BackupError::Keys)?;
    let plain = passphrase.key(salt)?.open(ABOUT, sealed).map_err(|_| BackupError::Keys)?;
    wire::decode(&plain).map_err(|_| BackupError::Keys)
}

/// Writes key files into a folder that has none, readable by the owner only.
pub(crate) fn write_keys(folder: &Path, files: &BTreeMap<String, ByteVec>) -> Result<(), BackupError> {
    fs::create_dir_all(folder).map_err(at("making", folder))?;
    for (name, bytes) in files {
        if name.contains(['/', '\\']) {
            return Err(BackupError::Keys);
        }
        write_new(&folder.join(name), bytes)?;
    }
    sync_folder(folder)
}

/// Makes new and renamed files of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("writing", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_a_name_that_sorts() {
        assert_eq!(stamp(0), "19700101T000000Z");
        assert_eq!(stamp(951_782_400_000), "20000229T000000Z");
        assert_eq!(stamp(1_800_000_000_000), "20270115T080000Z");
        assert_eq!(stamp(1_861_919_999_999), "20281231T235959Z");
    }
}
