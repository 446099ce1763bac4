//! What every request needs: database, keys, clock, catalogs, limits.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::CatalogSource;
use gridpass_core::id::ActorId;
use gridpass_core::wire::Role;
use tokio::sync::broadcast;

use crate::auth::Passwords;
use crate::blobs::{self, Blobs, StoreError};
use crate::catalogs::Catalogs;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Limits};
use crate::db::sqlite::{Opened, Sqlite};
use crate::db::{Database, DbError};
use crate::ingest::{Gate, Turns};
use crate::keys::{self, KeyError, Keys, random};
use crate::log::Outcome;
use crate::metrics::Metrics;
use crate::office::Office;
use crate::org::{Tree, TreeCache};
use crate::publish::{PublishError, Published};
use crate::throttle::Throttle;

/// A running server.
pub struct App {
    /// The database.
    pub db: Arc<dyn Database>,
    /// The keys.
    pub keys: Keys,
    /// The bytes of files.
    pub blobs: Blobs,
    /// The limits.
    pub limits: Limits,
    /// How often one address and one phone may ask.
    pub throttle: Throttle,
    /// Hashes and compares passwords.
    pub passwords: Passwords,
    /// Whose pushes are taken in.
    pub turns: Turns,
    /// How many pushes are prepared at once.
    pub preparing: Gate,
    /// The settings.
    pub config: Config,
    /// What is counted and measured.
    pub metrics: Metrics,
    /// The data folder.
    pub folder: PathBuf,
    clock: Clock,
    pub(crate) published: RwLock<Published>,
    advanced: broadcast::Sender<Bucket>,
    trees: TreeCache,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Folder(std::io::Error),
    /// The data folder is not this user's to write.
    #[error(
        "the data folder {} cannot be written by this user ({cause}): give it to the user that the server runs as \
         (chown -R USER {}), or name another with --data; nothing was changed",
        folder.display(),
        folder.display()
    )]
    ReadOnly {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The store of files.
    #[error(transparent)]
    Files(#[from] StoreError),
    /// A catalog.
    #[error("the catalog cannot be used: {0}")]
    Catalog(#[from] PublishError),
}

impl App {
    /// Opens the server in a data folder, which is made if it is not there. The clock starts where the last one ended.
    pub fn open(folder: &Path, clock: impl FnOnce(i64) -> Clock) -> Result<Self, OpenError> {
        Self::open_in(folder, clock, u64::from_le_bytes(random()?))
    }

    /// The same with the number that a new epoch gets if one begins: of what the server draws at random only this
    /// decides what phones are shown, so a simulation hands it in.
    pub fn open_in(folder: &Path, clock: impl FnOnce(i64) -> Clock, fresh_epoch: u64) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(OpenError::Folder)?;
        may_write(folder)?;
        let config = Config::read(folder)?;
        let keys = Keys::open(&folder.join(keys::FOLDER))?;
        let (db, opened) = Sqlite::open(folder, fresh_epoch)?;
        db.set_max_mb(config.max_database_mb)?;
        let clock = clock(db.last_time()?);
        let passwords = Passwords::default();
        let metrics = Metrics::new(db.work(), &passwords);
        let app = Self {
            db: Arc::new(db),
            blobs: Blobs::open(&folder.join(blobs::FOLDER))?,
            limits: Limits::from(&config),
            throttle: Throttle::from(&config),
            passwords,
            turns: Turns::default(),
            preparing: Gate::default(),
            keys,
            config,
            metrics,
            folder: folder.to_owned(),
            clock,
            published: RwLock::default(),
            advanced: broadcast::channel(1024).0,
            trees: TreeCache::default(),
        };
        let now_ms = app.now_ms();
        if opened == Opened::Older {
            tracing::warn!("a copy was put in the database's place; a new epoch begins and phones will offer again");
        }
        if app.db.note_renewal(now_ms)? {
            app.seal_or_tell(); // which rows the copy had is signed before anything is added
        }
        let office = app.office(now_ms, &Catalogs::default());
        app.db.add_server_actors(now_ms, &[(office.office, Role::OFFICE), (office.console, Role::CONSOLE)])?;
        app.load_catalogs()?;
        if app.catalogs().newest() == 0 {
            app.publish(&CatalogSource::built_in())?;
        }
        Ok(app)
    }

    /// The server's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The organisation as it stands in the database.
    pub fn tree(&self) -> Result<Arc<Tree>, DbError> {
        self.trees.tree(self.db.as_ref(), self.now_ms())
    }

    /// The server as a writer. Both actors belong to this epoch, so that a restored server never reuses a sequence.
    pub fn office(&self, now_ms: i64, catalogs: &Catalogs) -> Office {
        let actor = |role: &[u8]| {
            let mut bytes = [0; 16];
            blake3::Hasher::new_derive_key("gridpass server actor v1")
                .update(role)
                .update(&self.keys.signing.public())
                .update(&self.db.epoch().to_be_bytes())
                .finalize_xof()
                .fill(&mut bytes);
            ActorId(bytes)
        };
        Office { office: actor(b"office"), console: actor(b"console"), now_ms, catalog_version: catalogs.newest() }
    }

    /// Tells listeners which buckets have new rows.
    pub fn advanced(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if let Outcome::Stored(stored) = outcome {
                // Nobody listening is no error.
                let buckets = stored.last.iter().map(|(bucket, _)| bucket).chain(&stored.shared);
                buckets.for_each(|bucket| drop(self.advanced.send(*bucket)));
            }
        }
    }

    /// Listens for buckets with new rows.
    pub fn listen(&self) -> broadcast::Receiver<Bucket> {
        self.advanced.subscribe()
    }
}

/// Tries to make a file in the folder. A full disk is not what this asks about: what is there can still be read.
fn may_write(folder: &Path) -> Result<(), OpenError> {
    let file = folder.join(format!(".write-{}", std::process::id()));
    match std::fs::File::create(&file) {
        Err(cause) if matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Err(OpenError::ReadOnly { folder: folder.to_owned(), cause })
        }
        _ => {
            // Left behind it is empty and in nobody's way.
            let _ = std::fs::remove_file(&file);
            Ok(())
        }
    }
}
