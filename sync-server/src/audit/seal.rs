//! Seals: signed words, outside the database, on how far the chain had come. A chain alone cannot show that its end was
//! cut off or that all of it was made anew; a seal that is kept elsewhere can.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gridpass_core::id::{KeyId, hex, unhex};
use gridpass_core::seal::{SigningKey, verify};
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::{AuditError, at};
use crate::app::App;
use crate::db::{Link, Principal};

/// The file of seals in the data folder: a line of JSON each.
pub const SEALS: &str = "audit.seals";
/// How often a server that works seals.
const EVERY: Duration = Duration::from_secs(600);

/// How far the chain had come at a time, signed by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The last row.
    pub seq: i64,
    /// The chain after it, in hexadecimal digits.
    pub chain: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The epoch of the database, in hexadecimal digits.
    pub epoch: String,
    /// The id of the key.
    pub key: KeyId,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Seal {
    fn new(key: &SigningKey, end: Link, at_ms: i64, epoch: u64) -> Self {
        let mut seal = Self {
            seq: end.seq,
            chain: hex(&end.chain),
            at_ms,
            epoch: hex(&epoch.to_be_bytes()),
            key: key.id(),
            signature: String::new(),
        };
        seal.signature = hex(&key.sign(&seal.message()));
        seal
    }

    fn message(&self) -> Vec<u8> {
        let Self { seq, chain, at_ms, epoch, key, .. } = self;
        format!("gridpass audit seal v1\n{seq}\n{chain}\n{at_ms}\n{epoch}\n{key}").into_bytes()
    }

    /// Whether this key signed it.
    pub fn is_by(&self, key: &SigningKey) -> bool {
        let signature = unhex::<64>(&self.signature);
        self.key == key.id()
            && signature.is_ok_and(|signature| verify(&key.public(), &self.message(), &signature).is_ok())
    }

    /// The chain that it is about.
    pub fn link(&self) -> Option<Link> {
        let chain: Chain = unhex(&self.chain).ok()?;
        Some(Link { seq: self.seq, chain })
    }

    /// The epoch that it is of.
    pub fn epoch(&self) -> Option<u64> {
        u64::from_str_radix(&self.epoch, 16).ok()
    }
}

/// The seals of a file in their order, and the numbers of lines that are none: a crash may have torn one. A copy of
/// [`SEALS`], or a `backup.toml`.
pub fn read_seals(file: &Path) -> Result<(Vec<Seal>, Vec<usize>), AuditError> {
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(at("reading", file)(error)),
    };
    if let Some(seal) = crate::contents::seal_in(&text) {
        return Ok((vec![seal], Vec::new()));
    }
    let (mut seals, mut torn) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(seal) => seals.push(seal),
            Err(_) => torn.push(number),
        }
    }
    Ok((seals, torn))
}

/// Adds a seal to a file of seals and makes it durable. Nothing is added after the same row again.
pub(crate) fn append(file: &Path, make: impl FnOnce(Option<Seal>) -> Option<Seal>) -> Result<Option<Seal>, AuditError> {
    let failed = at("writing", file);
    let is_new = !file.exists();
    let mut open = fs::File::options().read(true).append(true).create(true).open(file).map_err(&failed)?;
    open.lock().map_err(&failed)?; // commands write beside the server
    let size = open.seek(SeekFrom::End(0)).map_err(&failed)?;
    open.seek(SeekFrom::Start(size.saturating_sub(4096))).map_err(&failed)?;
    let mut tail = Vec::new();
    open.read_to_end(&mut tail).map_err(&failed)?;
    let text = String::from_utf8_lossy(&tail);
    let last = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    let Some(seal) = make(last) else { return Ok(None) };
    let line = serde_json::to_string(&seal).unwrap_or_default();
    // What a crash has torn ends with its line.
    let begin = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    open.write_all(format!("{begin}{line}\n").as_bytes()).and_then(|()| open.sync_data()).map_err(&failed)?;
    match file.parent() {
        Some(folder) if is_new => fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)?,
        _ => {}
    }
    Ok(Some(seal))
}

impl App {
    /// Seals the audit as it stands, if something was written since the last seal; returns the newest seal.
    pub fn seal_audit(&self) -> Result<Option<Seal>, AuditError> {
        let mut newest = None;
        let mut failed = None;
        let made = append(&self.folder.join(SEALS), |last| {
            let look = || {
                let known: Vec<i64> = last.iter().map(|last| last.seq).collect();
                let state = self.db.chain_state(&Principal::SERVER, self.now_ms(), &known)?;
                let stands = last.as_ref().zip(state.at.first().copied().flatten());
                if let Some((last, chain)) = stands
                    && last.epoch() == Some(self.db.epoch())
                    && hex(&chain) != last.chain
                {
                    tracing::error!(
                        seq = last.seq,
                        "the audit was altered after it was sealed: `verify --audit` names where"
                    );
                }
                Ok(state.end)
            };
            let end = look().unwrap_or_else(|error: crate::db::DbError| {
                failed = Some(error);
                None
            })?;
            if last.as_ref().is_some_and(|last| last.link() == Some(end) && last.epoch() == Some(self.db.epoch())) {
                newest = last;
                return None;
            }
            Some(Seal::new(&self.keys.signing, end, self.now_ms(), self.db.epoch()))
        })?;
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(made.or(newest)),
        }
    }

    /// The same where nothing more can be done about a failure than to tell it.
    pub fn seal_or_tell(&self) {
        if let Err(error) = self.seal_audit() {
            tracing::error!(error = %error, "the audit was not sealed; the next seal covers this one's rows");
        }
    }
}

/// Seals at once and then every ten minutes, where something was written.
pub async fn seal_regularly(app: Arc<App>) {
    loop {
        let sealing = app.clone();
        // A panic there has been told already.
        let _ = tokio::task::spawn_blocking(move || sealing.seal_or_tell()).await;
        tokio::time::sleep(EVERY).await;
    }
}
