//! Enrolling, opening, locking.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32};
use std::sync::{Arc, Mutex, RwLock};

use gridpass_core::id::ChangeHash;
use gridpass_core::sync::Engine;
use gridpass_core::wire::{self, EnrolCode, EnrolRequest, Enrolled, Nonce};
use rusqlite::Transaction;

use crate::durable;
use crate::edit::empty;
use crate::error::{ApiError, Problem};
use crate::files::{self, Files};
use crate::host::Host;
use crate::merge::load;
use crate::outbox::{Entry, Outbox, Owner, Save};
use crate::phone::{Inner, Phone};
use crate::project::project;
use crate::secrets::{self, DeviceKey, Enrolment};
use crate::store::pending::{self, Pending, PendingState};
use crate::store::{self, DAMAGED, Store, StoreError, draft, meta};
use crate::syncing::{self, Answered};
use crate::transport::Request;

const OUTBOX: &str = "outbox";

/// What enrolling needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolInput {
    /// The text of the enrolment code.
    pub code: String,
    /// The PIN the database shall be behind, if any.
    pub pin: Option<String>,
}

/// What an app has to ask for before it can open the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// An enrolment code.
    NotEnrolled,
    /// The PIN.
    PinWanted,
    /// Nothing.
    Ready,
}

impl Phone {
    /// What opening will need.
    pub fn lock_state(host: &Host) -> Result<LockState, ApiError> {
        Ok(match (Enrolment::load(host)?, secrets::has_pin(host)?) {
            (None, _) | (_, None) => LockState::NotEnrolled,
            (_, Some(true)) => LockState::PinWanted,
            (_, Some(false)) => LockState::Ready,
        })
    }

    /// Enrols this phone with a one-time code, and opens it. Enrolling again with the same key and database, after a
    /// server was restored or a device was replaced, keeps everything that is on the phone.
    pub async fn enroll(folder: &Path, host: Host, input: EnrolInput) -> Result<Self, ApiError> {
        let code: EnrolCode = input.code.parse().map_err(|_| ApiError::input(Problem::at("code", "bad_enrol_code")))?;
        let device = DeviceKey::load_or_make(&host)?;
        let known = Enrolment::load(&host)?;
        let (nonces, begun, grants) = match &known {
            Some(known) => (known.nonces.clone(), known.begun, known.grants.clone()),
            None => (vec![Nonce(host.random()?)], false, Vec::new()),
        };
        let nonce = *nonces.last().ok_or_else(|| ApiError::bug("an enrolment without a nonce"))?;
        let transport = host.connect.connect(&code.url, &code.pin).map_err(syncing::no_answer)?;
        let request = EnrolRequest {
            code: code.code,
            public_key: device.signing.public().to_vec(),
            nonce,
            app_version: host.app_version.clone(),
        };
        let answer = transport
            .send(Request::post("/sync/v1/enroll", wire::pack(&request), syncing::SMALL_ANSWER))
            .await
            .map_err(syncing::no_answer)?;
        let enrolled: Enrolled = match syncing::answered(&answer, syncing::SMALL_ANSWER) {
            Ok(enrolled) => enrolled,
            Err(Answered { code, status, .. }) if (400..500).contains(&status) => {
                return Err(ApiError::input(Problem::at("code", &code)));
            }
            Err(Answered { code, .. }) => return Err(ApiError::Later { code, after_ms: 5_000 }),
        };
        Enrolment {
            url: code.url,
            pin: code.pin.to_vec(),
            device: enrolled.device,
            user: enrolled.user,
            user_name: enrolled.user_name,
            district: enrolled.district,
            keys: enrolled.keys,
            nonces,
            begun,
            grants,
        }
        .store(&host)?;
        if secrets::has_pin(&host)?.is_none() {
            secrets::make_database_key(&host, input.pin.as_deref())?;
        }
        Self::open(folder, host, input.pin.as_deref())
    }

    /// Opens the phone. A damaged database is set aside and rebuilt from the outbox and, at the next sync, the server.
    pub fn open(folder: &Path, host: Host, pin: Option<&str>) -> Result<Self, ApiError> {
        let none = || ApiError::Enrol { code: "not_enrolled".to_owned() };
        let enrolment = Enrolment::load(&host)?.ok_or_else(none)?;
        let device = DeviceKey::load(&host)?.ok_or_else(none)?;
        let key = secrets::database_key(&host, pin)?.ok_or_else(none)?;
        std::fs::create_dir_all(folder).map_err(StoreError::io("make the folder"))?;
        if !durable::may_write(folder) {
            return Err(ApiError::ReadOnly { folder: folder.display().to_string() });
        }
        let mark = folder.join(DAMAGED);
        if mark.exists() {
            store::set_aside(folder, host.clock.wall_ms()?)?;
            std::fs::remove_file(&mark).map_err(|_| StoreError::Io { step: "set aside" })?;
        }
        let store = match Store::open(folder, key.clone()) {
            Err(StoreError::Damaged { .. }) => {
                tracing::error!("the database is damaged and is set aside");
                store::set_aside(folder, host.clock.wall_ms()?)?;
                Store::open(folder, key)?
            }
            other => other?,
        };
        let pin: [u8; 32] =
            enrolment.pin.as_slice().try_into().map_err(|_| ApiError::bug("an enrolment without a pin"))?;
        let owner = Owner {
            device: enrolment.device,
            signing: &device.signing,
            wrapping: &device.wrapping,
            server: &enrolment.keys.sealing,
        };
        let outbox = Outbox::open(&folder.join(OUTBOX), &owner, host.random()?)?;
        let transport = host.connect.connect(&enrolment.url, &pin).map_err(syncing::no_answer)?;
        let catalog = RwLock::new(host.catalog.clone());
        let files = Files::of(folder);
        let ahead_ms = store.read(|db| meta::get(db, meta::AHEAD_MS))?.unwrap_or(0);
        let inner = Inner {
            host,
            store,
            outbox: Mutex::new(outbox),
            enrolment: Mutex::new(enrolment),
            device,
            transport,
            engine: tokio::sync::Mutex::new(Engine::default()),
            token: Mutex::new(None),
            authenticating: tokio::sync::Mutex::default(),
            files,
            stale_token: AtomicBool::new(false),
            ahead_ms: AtomicI64::new(ahead_ms),
            restarts: AtomicU32::new(0),
            catalog,
            commits: tokio::sync::watch::Sender::new(0),
        };
        inner.start()?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Puts the database behind a PIN, changes the PIN, or takes it away. The old one is needed if there is one.
    pub fn set_pin(&self, old: Option<&str>, new: Option<&str>) -> Result<(), ApiError> {
        let host = &self.inner.host;
        let key = secrets::database_key(host, old)?.ok_or_else(|| ApiError::bug("an open phone without a key"))?;
        secrets::store_database_key(host, &key, new)
    }

    /// Begins again with an empty database when the PIN is forgotten or the database key is lost. The old database is
    /// set aside; what was not handed in comes back from the outbox, the rest from the server.
    pub fn reset(folder: &Path, host: Host, new_pin: Option<&str>) -> Result<Self, ApiError> {
        store::set_aside(folder, host.clock.wall_ms()?)?;
        secrets::make_database_key(&host, new_pin)?;
        Self::open(folder, host, new_pin)
    }
}

impl Inner {
    /// Brings the database and what lies beside it into step.
    fn start(&self) -> Result<(), ApiError> {
        self.load_catalog()?;
        let nonce = self.store.read(meta::nonce)?;
        match nonce {
            None => self.begin()?,
            Some(nonce) => {
                let mut enrolment = store::locked(&self.enrolment);
                if enrolment.nonces.last() != Some(&nonce) {
                    // An older copy of the database was put back: its nonce is the current one again.
                    enrolment.nonces.retain(|known| *known != nonce);
                    enrolment.nonces.push(nonce);
                    enrolment.store(&self.host)?;
                }
                drop(enrolment);
                self.store
                    .write(|tx| pending::move_all(tx, PendingState::Unknown, PendingState::Queued).map(|_| ()))?;
            }
        }
        self.outbox_trim()?;
        self.discard_orphans()
    }

    /// A database that was just made: as a new actor, with what the outbox holds.
    fn begin(&self) -> Result<(), ApiError> {
        let entries: Vec<Entry> = store::locked(&self.outbox).entries().cloned().collect();
        let nonce = {
            let mut enrolment = store::locked(&self.enrolment);
            // The nonce told when enrolling is of the first database; every later one gets its own.
            let nonce = match enrolment.nonces.last() {
                Some(last) if !enrolment.begun => *last,
                _ => Nonce(self.host.random()?),
            };
            enrolment.begun = true;
            if !enrolment.nonces.contains(&nonce) {
                enrolment.nonces.push(nonce);
            }
            enrolment.store(&self.host)?;
            nonce
        };
        let catalog = self.catalog();
        self.store.write(|tx| {
            meta::put(tx, meta::NONCE, &nonce)?;
            for entry in &entries {
                match entry {
                    Entry::Save(save) => bring_back(tx, save)?,
                    Entry::Draft(draft) => draft::put(tx, draft)?,
                    Entry::DraftGone(draft) => draft::remove(tx, *draft).map(|_| ())?,
                    Entry::File(_) => {}
                }
            }
            files::bring_back(tx, &catalog, self, &entries)?;
            for pending in pending::all(tx)? {
                if let Some(loaded) = load(tx, pending.record)? {
                    project(tx, &catalog, &loaded)?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// A save of the outbox becomes pending work that is authored again on what is pulled.
fn bring_back(tx: &Transaction<'_>, save: &Save) -> store::Result<()> {
    let known = pending::of_record(tx, save.record)?;
    if known.iter().any(|pending| pending.intent.id == save.intent.id) {
        return Ok(());
    }
    let pending = Pending {
        collection: save.collection.clone(),
        create_home: save.create_home,
        // No change has this hash: nothing stands on it, and nothing is taken for it.
        hash: ChangeHash::default(),
        intent: save.intent.clone(),
        edits: save.edits.clone(),
        grant: save.grant,
        catalog_version: save.catalog_version,
        state: PendingState::Fallen,
        ..empty(save.record)
    };
    pending::add(tx, &pending).map(|_| ())
}
