//! A server behind loopback HTTPS with a large and a small grid, and phones enrolled at it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridpass_core::Value;
use gridpass_core::catalog::Catalog;
use gridpass_core::id::{GrantId, GridId, RecordId, UserId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::EnrolCode;
use gridpass_phone::host::{Host, KeyStore};
use gridpass_phone::host_system::{FileKeyStore, SystemClock, SystemRandom};
use gridpass_phone::{EnrolInput, ListQuery, Phone, SaveInput};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::AssignmentRow;
use gridpass_server::import::{self, Options};
use gridpass_server::keys::random;
use gridpass_server::router::router;
use gridpass_server::serve::{Serving, serve};
use gridpass_tests::world::Error;
use rusqlite::Connection;

use crate::data::{self, COLLECTION, Roster};
use crate::line::Line;

/// The grid with all records.
pub const LARGE: &str = "370212001001001";
/// The grid with few.
pub const SMALL: &str = "370212001001002";

/// A running server.
pub struct Bed {
    pub folder: PathBuf,
    pub app: Arc<App>,
    address: SocketAddr,
    serving: Serving,
}

impl Bed {
    /// A server with all cards in the large grid and the first `few` in the small one.
    pub async fn new(folder: &Path, roster: &Roster, few: usize) -> Result<Self, Error> {
        std::fs::create_dir_all(folder)?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let limits = "enrols_per_minute = 0\nsign_ins_per_minute = 0\ntokens_per_minute = 0\npushes_per_minute = 0\n\
                      pulls_per_minute = 0\n";
        std::fs::write(folder.join("gridpass.toml"), format!("listen = \"{address}\"\n{limits}"))?;
        let bed = Self::open(folder, address)?;
        let (file, text) = data::CATALOG;
        bed.app.publish(&bed.app.next_catalog(vec![(file.to_owned(), text.to_owned())])?)?;
        bed.fill(LARGE, roster, roster.records.len())?;
        bed.fill(SMALL, roster, few)?;
        Ok(bed)
    }

    /// Makes a grid and imports the first `count` cards into it, as records of its own.
    pub fn fill(&self, code: &str, roster: &Roster, count: usize) -> Result<GridId, Error> {
        let grid = GridId(random()?);
        self.app.db.add_grid(self.app.now_ms(), grid, &[], code, code)?;
        let sheet = roster.sheet(&self.folder, count)?;
        let options = Options { grid: Some(code.to_owned()), space: Some(code.to_owned()), ..Options::default() };
        let mut told = None;
        let tell = &mut |problem: &import::Problem| told = told.take().or(Some(problem.to_string()));
        let summary = import::run(&self.app, &data::mapping()?, &options, std::slice::from_ref(&sheet), tell)?;
        std::fs::remove_file(sheet)?;
        match summary.refused() {
            0 => Ok(grid),
            refused => Err(format!("{refused} cards were refused: {}", told.unwrap_or_default()).into()),
        }
    }

    fn open(folder: &Path, address: SocketAddr) -> Result<Self, Error> {
        let app = Arc::new(App::open(folder, Clock::system)?);
        let serving = serve(router(app.clone()), &app.keys, address)?;
        Ok(Self { folder: folder.to_owned(), app, address, serving })
    }

    /// Stops the server, does `meanwhile` to its folder, and starts it again.
    pub async fn restarted(self, meanwhile: impl FnOnce(&Path) -> Result<(), Error>) -> Result<Self, Error> {
        let Self { folder, app, address, serving } = self;
        serving.stop().await?;
        drop(app);
        meanwhile(&folder)?;
        Self::open(&folder, address)
    }

    /// The grid of a code.
    pub fn grid(&self, code: &str) -> Result<GridId, Error> {
        let principal = gridpass_server::db::Principal::SERVER;
        Ok(self.app.db.grid_by_code(&principal, self.app.now_ms(), code)?.ok_or("the grid is not there")?)
    }

    /// A code by which a new user, assigned to these grids, enrols a phone.
    pub fn code(&self, login: &str, grids: &[GridId]) -> Result<String, Error> {
        let (db, now_ms) = (&self.app.db, self.app.now_ms());
        let user = UserId(random()?);
        db.add_user(now_ms, user, login, login)?;
        for grid in grids {
            let grant = GrantId(random()?);
            let row = AssignmentRow::worker(grant, *grid, now_ms);
            db.assign(now_ms, user, &row)?;
        }
        let code = format!("code-{login}");
        db.add_enrol_code(now_ms, *blake3::hash(code.as_bytes()).as_bytes(), user, now_ms + 3_600_000)?;
        let url = format!("https://{}", self.address);
        Ok(EnrolCode { url, code, pin: self.app.keys.tls_pin }.to_string())
    }

    /// An enrolled phone that has not synced.
    pub async fn enrol(&self, login: &str, grids: &[GridId]) -> Result<Handset, Error> {
        let code = self.code(login, grids)?;
        let folder = self.folder.with_file_name(format!("phone-{login}"));
        Handset::enrol(&folder, code).await
    }

    /// Writes everything from the log into the database file; its size in bytes.
    pub fn file_bytes(&self) -> Result<u64, Error> {
        let file = self.folder.join(gridpass_server::db::sqlite::FILE);
        Connection::open(&file)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(std::fs::metadata(file)?.len())
    }
}

/// A phone with its line.
pub struct Handset {
    pub phone: Phone,
    pub folder: PathBuf,
    pub line: Line,
    keys: FileKeyStore,
}

impl Handset {
    /// Enrols a phone in a folder with the code.
    pub async fn enrol(folder: &Path, code: String) -> Result<Self, Error> {
        let line = Line::default();
        let keys = FileKeyStore::new(folder.with_extension("keys"));
        let host = Host {
            keys: Arc::new(keys.clone()),
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
            connect: Arc::new(line.clone()),
            catalog: Catalog::built_in(),
            app_version: "bench".into(),
        };
        let phone = Phone::enroll(folder, host, EnrolInput { code, pin: None }).await?;
        Ok(Self { phone, folder: folder.to_owned(), line, keys })
    }

    /// Syncs until nothing waits.
    pub async fn settle(&self) -> Result<(), Error> {
        match self.phone.sync().await?.complete {
            true => Ok(()),
            false => Err("a sync left something behind".into()),
        }
    }

    /// The cards on the phone, in order of the list, at most so many.
    pub fn cards(&self, limit: u32) -> Result<Vec<RecordId>, Error> {
        let query = ListQuery { collection: Some(COLLECTION.to_owned()), limit, ..ListQuery::default() };
        Ok(self.phone.list(query)?.rows.into_iter().map(|row| row.record).collect())
    }

    /// How many cards are on the phone.
    pub fn count(&self) -> Result<usize, Error> {
        let query = ListQuery { collection: Some(COLLECTION.to_owned()), limit: 1, ..ListQuery::default() };
        Ok(self.phone.list(query)?.total as usize)
    }

    /// Saves another note on a card.
    pub fn edit(&self, record: RecordId, new: &str) -> Result<(), Error> {
        let seen = self.seen(record)?;
        self.save(record, seen, new)
    }

    /// The note as a form shows it.
    pub fn seen(&self, record: RecordId) -> Result<Value, Error> {
        Ok(self.phone.values(record)?.get("note").map(|shown| shown.value().clone()).unwrap_or_default())
    }

    /// Saves a form in which the note is another.
    pub fn save(&self, record: RecordId, seen: Value, new: &str) -> Result<(), Error> {
        let edits = vec![Edit::new("note", seen, new)];
        let saved = self.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() })?;
        saved.intent.map(|_| ()).ok_or_else(|| "a save wrote nothing".into())
    }

    /// The key of the phone's database, as PRAGMA key takes it.
    pub fn database_key(&self) -> Result<String, Error> {
        let stored = self.keys.load("database_key")?.ok_or("the phone has no database key")?;
        // A byte string of 32 bytes; the salt beside it is empty without a PIN.
        let at = stored.windows(2).position(|mark| mark == [0x58, 0x20]).ok_or("the key is not stored plainly")?;
        let key = stored.get(at + 2..at + 34).ok_or("the key is cut off")?;
        Ok(format!("x'{}'", gridpass_core::id::hex(key)))
    }

    /// Opens the phone's database beside the phone, to read.
    pub fn database(&self) -> Result<Connection, Error> {
        let connection = Connection::open(self.folder.join("phone.db"))?;
        crate::baseline::unlock(&connection, &self.database_key()?)?;
        Ok(connection)
    }
}
