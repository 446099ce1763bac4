//! What a backup holds, written into it last: a backup without this was not finished.

use std::fs;
use std::io::Write;
use std::path::Path;

use gridpass_core::id::{BlobHash, hex, unhex};
use serde::{Deserialize, Serialize};

use crate::audit::seal::Seal;
use crate::backup::{BackupError, SEALED_KEYS, at};
use crate::blobs;
use crate::config;
use crate::db::sqlite::FILE;

/// The file in a backup that says what is in it.
pub const CONTENTS: &str = "backup.toml";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// The version of the program that made it.
    version: String,
    /// When, in milliseconds since 1970.
    made_ms: i64,
    /// Database, sealed keys and settings, each with its size and its BLAKE3 hash.
    part: Vec<Part>,
    /// The hashes of the files.
    files: Vec<String>,
    /// How far the audit had come; none in backups of builds before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seal: Option<Seal>,
}

/// The seal that a `backup.toml` holds, if the text is one.
pub(crate) fn seal_in(text: &str) -> Option<Seal> {
    toml::from_str::<Contents>(text).ok()?.seal
}

/// One part of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
    blake3: String,
}

/// What is wrong with a backup.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    /// With the database or the settings: nothing can be made of that.
    pub fatal: Vec<String>,
    /// With keys and files: those in place may do, and phones bring files again.
    pub lacking: Vec<String>,
}

impl Contents {
    /// Notes what is in a backup and makes the note durable.
    pub fn write(folder: &Path, now_ms: i64, seal: Option<Seal>) -> Result<(), BackupError> {
        let mut part = Vec::new();
        for name in [FILE, SEALED_KEYS, config::FILE] {
            let path = folder.join(name);
            if path.exists() {
                part.push(Part::of(&path, name).map_err(at("reading", &path))?);
            }
        }
        let files = blobs::files_in(folder)?.iter().map(|hash| hex(&hash.0)).collect();
        let contents = Self { version: env!("CARGO_PKG_VERSION").to_owned(), made_ms: now_ms, part, files, seal };
        let path = folder.join(CONTENTS);
        let text = toml::to_string(&contents).map_err(|error| at("writing", &path)(std::io::Error::other(error)))?;
        fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(at("writing", &path))
    }

    /// What a backup must hold; none where it does not say so or what it says cannot be read.
    pub fn read(folder: &Path) -> Option<Self> {
        toml::from_str(&fs::read_to_string(folder.join(CONTENTS)).ok()?).ok()
    }

    /// Compares a backup with what it must hold. Files that are in place in `data` need not be in it.
    pub fn compare(&self, folder: &Path, data: &Path) -> Wrong {
        let mut wrong = Wrong::default();
        if !self.part.iter().any(|part| part.name == FILE) {
            wrong.fatal.push(format!("{CONTENTS} does not name {FILE}"));
        }
        for part in &self.part {
            let of_keys = part.name == SEALED_KEYS;
            let list = if of_keys { &mut wrong.lacking } else { &mut wrong.fatal };
            match Part::of(&folder.join(&part.name), &part.name) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    list.push(format!("{} is missing", part.name))
                }
                Err(error) => list.push(format!("{}: {error}", part.name)),
                Ok(found) if found.bytes != part.bytes => {
                    list.push(format!("{} has {} of {} bytes", part.name, found.bytes, part.bytes));
                }
                Ok(found) if found != *part => list.push(format!("{} was altered", part.name)),
                Ok(_) => {}
            }
        }
        let hashes = self.files.iter().filter_map(|text| unhex(text).ok()).map(BlobHash);
        let lost = hashes.filter(|hash| !blobs::place(folder, *hash).exists() && !blobs::place(data, *hash).exists());
        match lost.count() {
            0 => {}
            lost => wrong.lacking.push(format!("{lost} of {} files are missing", self.files.len())),
        }
        wrong
    }
}

impl Part {
    fn of(path: &Path, name: &str) -> std::io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut fs::File::open(path)?, &mut hasher)?;
        Ok(Self { name: name.to_owned(), bytes, blake3: hex(hasher.finalize().as_bytes()) })
    }
}
