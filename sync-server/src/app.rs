//! What every request needs: database, keys, clock, catalogs, limits.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, CatalogSource};
use gridpass_core::id::{ActorId, RecordId};
use gridpass_core::record::{Shown, ShownValues};
use gridpass_core::wire::{FMT_PLAIN, Role};
use tokio::sync::broadcast;

use crate::catalogs::Catalogs;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Limits};
use crate::db::sqlite::{Opened, Sqlite};
use crate::db::{Database, DbError, Principal};
use crate::ingest::plain_head;
use crate::keys::{KeyError, Keys, random};
use crate::log::{Audit, Commit, Outcome, RecordWrite, Write};
use crate::office::Office;

/// The collection whose records are the published versions of the catalog.
pub const CATALOG: &str = "catalog";

/// A running server.
pub struct App {
    /// The database.
    pub db: Arc<dyn Database>,
    /// The keys.
    pub keys: Keys,
    /// The limits.
    pub limits: Limits,
    /// The settings.
    pub config: Config,
    clock: Clock,
    catalogs: RwLock<Arc<Catalogs>>,
    advanced: broadcast::Sender<Bucket>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Folder(std::io::Error),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A catalog.
    #[error("catalog version {version} cannot be used: {cause}")]
    Catalog {
        /// The version.
        version: u32,
        /// Why.
        cause: String,
    },
}

impl App {
    /// Opens the server in a data folder, which is made if it is not there. The clock starts where the last one ended.
    pub fn open(folder: &Path, clock: impl FnOnce(i64) -> Clock) -> Result<Self, OpenError> {
        std::fs::create_dir_all(folder).map_err(OpenError::Folder)?;
        let config = Config::read(folder)?;
        let keys = Keys::open(&folder.join("keys"))?;
        let (db, opened) = Sqlite::open(folder, u64::from_le_bytes(random()?))?;
        let clock = clock(db.last_time()?);
        let app = Self {
            db: Arc::new(db),
            limits: Limits::from(&config),
            keys,
            config,
            clock,
            catalogs: RwLock::new(Arc::new(Catalogs::new(Vec::new()))),
            advanced: broadcast::channel(1024).0,
        };
        let now_ms = app.now_ms();
        if opened == Opened::Older {
            tracing::warn!("the database is older than its marker; a new epoch begins and phones will offer again");
            let audit = Audit { action: "epoch_renewed", detail: "{}".into(), ..Audit::default() };
            app.db.audit(now_ms, audit)?;
        }
        let office = app.office(now_ms);
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

    /// All published catalogs.
    pub fn catalogs(&self) -> Arc<Catalogs> {
        self.catalogs.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server as a writer. Both actors belong to this epoch, so that a restored server never reuses a sequence.
    pub fn office(&self, now_ms: i64) -> Office {
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
        Office {
            office: actor(b"office"),
            console: actor(b"console"),
            now_ms,
            catalog_version: self.catalogs().newest(),
        }
    }

    /// Tells listeners which buckets have new rows.
    pub fn advanced(&self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            if let Outcome::Stored(stored) = outcome {
                // Nobody listening is no error.
                stored.last.iter().for_each(|(bucket, _)| drop(self.advanced.send(*bucket)));
            }
        }
    }

    /// Listens for buckets with new rows.
    pub fn listen(&self) -> broadcast::Receiver<Bucket> {
        self.advanced.subscribe()
    }

    /// Publishes a version of the catalog: a record of the district, which phones pull like any other.
    pub fn publish(&self, source: &CatalogSource) -> Result<(), OpenError> {
        let refuse = |cause: String| OpenError::Catalog { version: source.version, cause };
        let mut catalog = source.parse().map_err(|errors| refuse(lines(&errors)))?;
        catalog.version = source.version;
        if source.version <= self.catalogs().newest() {
            return Err(refuse(format!("the newest version is {}", self.catalogs().newest())));
        }
        let one = |value: gridpass_core::Value| Shown::One(value);
        let mut shown: ShownValues =
            source.files.iter().map(|(name, text)| (format!("file/{name}"), one(text.as_str().into()))).collect();
        shown.insert("version".into(), one(i64::from(source.version).into()));
        let record = RecordId::derived(CATALOG, &[&source.version.to_be_bytes()]);
        let commit = Commit {
            write: Write::Record(Box::new(RecordWrite {
                record,
                collection: CATALOG.into(),
                generation: 0,
                fmt: FMT_PLAIN,
                base: None,
                changes: Vec::new(),
                heads: vec![plain_head(&shown)],
                shown,
                home: Bucket::District,
                also: Vec::new(),
                tickets: Vec::new(),
                decided: Vec::new(),
            })),
            audit: Audit {
                action: "catalog_published",
                object: Some(record.0.to_vec()),
                detail: serde_json::json!({ "version": source.version }).to_string(),
                ..Audit::default()
            },
        };
        let outcomes = self.db.commit(self.now_ms(), vec![commit])?;
        self.advanced(&outcomes);
        self.load_catalogs()
    }

    fn load_catalogs(&self) -> Result<(), OpenError> {
        let mut sources: Vec<CatalogSource> = Vec::new();
        self.db.bucket_records(&Principal::SERVER, self.now_ms(), Bucket::District, 100, &mut |records| {
            let catalogs = records.into_iter().filter(|record| record.collection == CATALOG);
            sources.extend(catalogs.filter_map(|record| source_of(&record.values)));
            Ok(())
        })?;
        let versions: Vec<Catalog> = sources
            .iter()
            .map(|source| {
                source.parse().map_err(|errors| OpenError::Catalog { version: source.version, cause: lines(&errors) })
            })
            .collect::<Result<_, _>>()?;
        *self.catalogs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Catalogs::new(versions));
        Ok(())
    }
}

fn lines<E: ToString>(errors: &[E]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn source_of(values: &ShownValues) -> Option<CatalogSource> {
    let version = u32::try_from(values.get("version")?.value().as_int()?).ok()?;
    let files = values
        .iter()
        .filter_map(|(key, shown)| Some((key.strip_prefix("file/")?.to_owned(), shown.value().as_str()?.to_owned())))
        .collect();
    Some(CatalogSource { version, files })
}
