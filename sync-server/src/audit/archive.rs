//! Archives: rows of the audit that were rotated out of the database, as compressed lines of JSON with a signed end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use gridpass_core::id::{DeviceId, GrantId, KeyId, UserId, hex, unhex};
use gridpass_core::seal::{SigningKey, verify};
use serde::{Deserialize, Serialize};

use super::chain::{Chain, OfChange};
use super::{AuditError, at};
use crate::db::{AuditRow, Cut, Link, Renewal};

/// How an archive's name ends.
pub const ENDING: &str = ".jsonl.zst";

/// A line of an archive.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first: where the rows go on from.
    After(Place),
    /// A row.
    Row(Box<RowLine>),
    /// The last: the cut, signed.
    End(EndLine),
}

#[derive(Serialize, Deserialize)]
struct Place {
    seq: i64,
    chain: String,
}

#[derive(Serialize, Deserialize)]
struct RowLine {
    seq: i64,
    at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant: Option<GrantId>,
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<OfChange>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    chain: String,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    seq: i64,
    chain: String,
    change: i64,
    at_ms: i64,
    renewals: Vec<Renewal>,
    key: String,
    signature: String,
}

impl Cut {
    /// Signs it.
    pub(super) fn signed(mut self, key: &SigningKey) -> Self {
        self.key = key.id().0.to_vec();
        self.signature = key.sign(&self.message());
        self
    }

    /// Whether this key signed it.
    pub fn is_by(&self, key: &SigningKey) -> bool {
        KeyId::try_from(self.key.as_slice()) == Ok(key.id())
            && verify(&key.public(), &self.message(), &self.signature).is_ok()
    }

    fn message(&self) -> Vec<u8> {
        let Self { seq, chain, change, at_ms, renewals, key, .. } = self;
        let renewals = serde_json::to_string(renewals).unwrap_or_default();
        let (chain, key) = (hex(chain), hex(key));
        format!("gridpass audit cut v1\n{seq}\n{chain}\n{change}\n{at_ms}\n{renewals}\n{key}").into_bytes()
    }
}

/// An archive that is being written.
pub(super) struct Writing<'a> {
    file: &'a Path,
    out: zstd::Encoder<'static, fs::File>,
}

impl<'a> Writing<'a> {
    /// Begins one after a row, over what a rotation that was ended left there.
    pub(super) fn begin(file: &'a Path, after: Link) -> Result<Self, AuditError> {
        let failed = at("writing", file);
        let made = fs::File::options().write(true).create(true).truncate(false).open(file).map_err(&failed)?;
        made.try_lock().map_err(|_| failed(std::io::Error::other("another rotation writes it; wait for its end")))?;
        let out = made.set_len(0).and_then(|()| zstd::Encoder::new(made, 9)).map_err(&failed)?;
        let mut writing = Self { file, out };
        writing.line(&Line::After(Place { seq: after.seq, chain: hex(&after.chain) }))?;
        Ok(writing)
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &AuditRow) -> Result<(), AuditError> {
        self.line(&Line::Row(Box::new(RowLine {
            seq: row.seq,
            at_ms: row.at_ms,
            user: row.user,
            device: row.device,
            grant: row.grant,
            action: row.action.clone(),
            object: row.object.as_deref().map(hex),
            change: row.change,
            detail: row.detail.clone(),
            chain: hex(&row.chain),
        })))
    }

    /// Ends it with the signed cut and makes it durable.
    pub(super) fn end(mut self, cut: &Cut) -> Result<(), AuditError> {
        self.line(&Line::End(EndLine {
            seq: cut.seq,
            chain: hex(&cut.chain),
            change: cut.change,
            at_ms: cut.at_ms,
            renewals: cut.renewals.clone(),
            key: hex(&cut.key),
            signature: hex(&cut.signature),
        }))?;
        self.out.finish().and_then(|file| file.sync_all()).map_err(at("writing", self.file))
    }

    fn line(&mut self, line: &Line) -> Result<(), AuditError> {
        let failed = at("writing", self.file);
        let mut text = serde_json::to_vec(line).map_err(std::io::Error::other).map_err(&failed)?;
        text.push(b'\n');
        self.out.write_all(&text).map_err(&failed)
    }
}

/// An archive that adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The file.
    pub file: PathBuf,
    /// The row that it goes on from.
    pub after: Link,
    /// Its signed end.
    pub cut: Cut,
}

/// Reads an archive and works its chain out again; each row goes to `each`. What is wrong is named with its row.
pub fn read(file: &Path, key: &SigningKey, each: &mut dyn FnMut(&AuditRow)) -> Result<Archive, String> {
    let opened = fs::File::open(file).and_then(zstd::Decoder::new).map_err(|error| error.to_string())?;
    let (mut after, mut end): (Option<Link>, Option<Link>) = (None, None);
    for line in BufReader::new(opened).lines() {
        let last = end.map_or(0, |end| end.seq);
        let broken = |what: &str| format!("after row {last} {what}");
        let line = line.map_err(|_| broken("it cannot be unpacked: it was cut short or altered"))?;
        match (serde_json::from_str(&line).map_err(|_| broken("a line cannot be read"))?, end) {
            (Line::After(Place { seq, chain }), None) => {
                end = Some(Link { seq, chain: unhex(&chain).map_err(|_| broken("a line cannot be read"))? });
                after = end;
            }
            (Line::Row(row), Some(before)) => {
                let row = row.read().ok_or_else(|| broken("a line cannot be read"))?;
                if row.seq != before.seq + 1 {
                    return Err(broken("a row is missing"));
                }
                if row.act().link(before.chain) != row.chain {
                    return Err(format!("row {}: it, or the order up to it, was altered", row.seq));
                }
                each(&row);
                end = Some(Link { seq: row.seq, chain: row.chain });
            }
            (Line::End(read), Some(last)) => {
                let cut = read.read().ok_or_else(|| broken("a line cannot be read"))?;
                if (cut.seq, cut.chain) != (last.seq, last.chain) {
                    return Err(broken("rows are missing"));
                }
                if !cut.is_by(key) {
                    return Err("its end was not signed by this server".into());
                }
                let after = after.unwrap_or(last);
                return Ok(Archive { file: file.to_owned(), after, cut });
            }
            _ => return Err(broken("a line is out of place")),
        }
    }
    Err(format!("after row {} its end is missing", end.map_or(0, |end| end.seq)))
}

impl RowLine {
    fn read(self) -> Option<AuditRow> {
        let bytes = |text: &String| -> Option<Vec<u8>> {
            let pairs = text.as_bytes().chunks(2);
            pairs.map(|pair| Some(unhex::<1>(std::str::from_utf8(pair).ok()?).ok()?[0])).collect()
        };
        let object = match &self.object {
            Some(text) => Some(bytes(text)?),
            None => None,
        };
        let chain: Chain = unhex(&self.chain).ok()?;
        Some(AuditRow {
            seq: self.seq,
            at_ms: self.at_ms,
            user: self.user,
            device: self.device,
            grant: self.grant,
            action: self.action,
            object,
            change: self.change,
            change_number: None,
            detail: self.detail,
            chain,
        })
    }
}

impl EndLine {
    fn read(self) -> Option<Cut> {
        Some(Cut {
            seq: self.seq,
            chain: unhex(&self.chain).ok()?,
            change: self.change,
            at_ms: self.at_ms,
            renewals: self.renewals,
            key: unhex::<8>(&self.key).ok()?.to_vec(),
            signature: unhex::<64>(&self.signature).ok()?.to_vec(),
        })
    }
}

/// The archives in a folder, in order of their names.
pub fn archives_in(folder: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let failed = at("reading", folder);
    let entries = fs::read_dir(folder).map_err(&failed)?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(&failed)?;
    files.retain(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(ENDING)));
    files.sort();
    Ok(files)
}
