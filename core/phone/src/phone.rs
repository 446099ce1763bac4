//! The phone an app holds: its parts, and what they share.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gridpass_core::catalog::{Catalog, CatalogSource};
use gridpass_core::id::{ActorId, IntentId};
use gridpass_core::record::ShownValues;
use gridpass_core::sync::Engine;
use rusqlite::Connection;

use crate::error::ApiError;
use crate::files::Files;
use crate::host::Host;
use crate::outbox::{Entry, Outbox, OutboxError};
use crate::secrets::{DeviceKey, Enrolment};
use crate::store::{self, Store, files, locked, meta, pending, settled};
use crate::transport::Transport;

/// One enrolment on one phone. Cheap to clone; all clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    pub(crate) inner: Arc<Inner>,
}

/// What every part of the phone uses.
pub(crate) struct Inner {
    pub host: Host,
    pub store: Store,
    /// Locked only by who holds the store's writer, or by nobody else.
    pub outbox: Mutex<Outbox>,
    pub enrolment: Mutex<Enrolment>,
    pub device: DeviceKey,
    pub transport: Arc<dyn Transport>,
    /// One sync at a time; the engine remembers failures between them.
    pub engine: tokio::sync::Mutex<Engine>,
    pub token: Mutex<Option<String>>,
    /// One proof of the device's key at a time: a challenge ends the one before it.
    pub authenticating: tokio::sync::Mutex<()>,
    pub files: Files,
    /// The token was given before something that the server has to be told, or has to tell: a new actor, other grids.
    pub stale_token: AtomicBool,
    /// How far the phone's clock is before the server's, in milliseconds, as the last answer told.
    pub ahead_ms: AtomicI64,
    /// How often this sync started a bucket again because its checksum differed.
    pub restarts: AtomicU32,
    pub catalog: RwLock<Arc<Catalog>>,
    /// Counts commits, so that live lists know when to look.
    pub commits: tokio::sync::watch::Sender<u64>,
}

impl Phone {
    /// The catalog in use.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.catalog()
    }
}

/// The clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub wall_ms: i64,
    pub monotonic_ms: i64,
    /// The server's clock, as the last answer told it: what is to be kept for a time is kept by this one, because a
    /// phone's own may jump.
    pub server_ms: i64,
}

impl Inner {
    pub fn now(&self) -> Result<Now, ApiError> {
        let (wall_ms, monotonic_ms) = (self.host.clock.wall_ms()?, self.host.clock.monotonic_ms()?);
        Ok(Now { wall_ms, monotonic_ms, server_ms: wall_ms.saturating_sub(self.ahead_ms.load(Ordering::Relaxed)) })
    }

    /// The clocks when an answer came that the server gave at `server_ms`.
    pub fn answered(&self, server_ms: i64) -> Result<Now, ApiError> {
        let wall_ms = self.host.clock.wall_ms()?;
        self.ahead_ms.store(wall_ms.saturating_sub(server_ms), Ordering::Relaxed);
        self.now()
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn enrolment(&self) -> Enrolment {
        locked(&self.enrolment).clone()
    }

    /// The actor of this database file.
    pub fn actor(&self, db: &Connection) -> store::Result<ActorId> {
        let nonce = meta::nonce(db)?.ok_or_else(|| ApiError::bug("database without a nonce"))?;
        Ok(nonce.actor(&self.device.signing.public()))
    }

    pub fn intent_id(&self, now: Now) -> Result<IntentId, ApiError> {
        Ok(IntentId::new(now.wall_ms, self.host.random()?))
    }

    /// Something was committed: live lists look again.
    pub fn committed(&self) {
        self.commits.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Writes entries to the outbox and waits until they are durable.
    pub fn outbox_append(&self, entries: Vec<Entry>) -> Result<(), OutboxError> {
        let nonce = || self.host.random().map_err(|_| OutboxError::Io { step: "randomness" });
        locked(&self.outbox).append(entries, &self.device.signing, nonce)
    }

    /// Lets go of the entries that are stored elsewhere: handed in, or superseded. A failure is no loss: the entries
    /// stay and the next trim takes them. So a full disk, on which the shorter file has no room beside the old one, is
    /// no failure.
    pub fn outbox_trim(&self) -> Result<(), ApiError> {
        Ok(self.store.write(|tx| {
            let intents: BTreeSet<_> = pending::intents(tx)?.into_iter().collect();
            let drafts: BTreeSet<_> = store::draft::all(tx)?.into_iter().map(|draft| draft.id).collect();
            let unsent = files::unsent_names(tx)?;
            let mut outbox = locked(&self.outbox);
            let newest: BTreeMap<_, _> = outbox
                .entries()
                .filter_map(|entry| match entry {
                    Entry::Draft(draft) => Some((draft.id, draft.changed_ms)),
                    _ => None,
                })
                .collect();
            let trimmed = outbox.trim(|entry| match entry {
                Entry::Save(save) => intents.contains(&save.intent.id),
                Entry::Draft(draft) => drafts.contains(&draft.id) && newest.get(&draft.id) == Some(&draft.changed_ms),
                Entry::DraftGone(_) => false,
                Entry::File(file) => unsent.contains(&(file.name.clone(), file.record, file.at.clone())),
            });
            match trimmed {
                Err(OutboxError::Full { .. }) => tracing::warn!("the disk is full; the outbox is made shorter later"),
                trimmed => trimmed?,
            }
            Ok(())
        })?)
    }

    /// Takes the newest catalog the server has sent that can be read; the host's until then, and again when a server that
    /// was put back has none.
    pub fn load_catalog(&self) -> Result<(), ApiError> {
        let records = self.store.read(|db| settled::plain_records(db, CATALOG))?;
        let mut newer: Vec<_> = records
            .iter()
            .filter_map(|(_, shown)| Some((version_of(shown)?, shown)))
            .filter(|(version, _)| *version > self.host.catalog.version)
            .collect();
        newer.sort_by_key(|(version, _)| Reverse(*version));
        let newest = newer.into_iter().find_map(|(version, shown)| catalog_of(version, shown));
        let catalog = newest.map_or_else(|| self.host.catalog.clone(), Arc::new);
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        Ok(())
    }
}

/// The collection by which catalogs reach phones: `version`, and `file/<name>` with the text of each file.
pub(crate) const CATALOG: &str = "catalog";

fn version_of(shown: &ShownValues) -> Option<u32> {
    u32::try_from(shown.get("version")?.value().as_int()?).ok()
}

fn catalog_of(version: u32, shown: &ShownValues) -> Option<Catalog> {
    let files = shown
        .iter()
        .filter_map(|(key, text)| Some((key.strip_prefix("file/")?.to_owned(), text.value().as_str()?.to_owned())));
    match CatalogSource::new(version, files).parse() {
        Ok(catalog) => Some(catalog),
        Err(errors) => {
            tracing::error!(version, errors = errors.len(), "a catalog from the server cannot be read");
            None
        }
    }
}
