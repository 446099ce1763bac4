//! What an app would lend: secrets, clocks and randomness that a test holds in its hand, and a phone in a folder.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gridpass_core::catalog::Catalog;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_core::value::Value;
use gridpass_phone::host::{Clock, Host, HostError, KeyStore, Random};
use gridpass_phone::{ApiError, EnrolInput, Phone, SaveInput, Saved, SyncReport};

use crate::server::{Server, World};

/// 2025-06-01 12:00 in China.
pub const NOON: i64 = 1_748_750_400_000;

#[derive(Default)]
pub struct Secrets(pub Mutex<BTreeMap<String, Vec<u8>>>);

impl KeyStore for Secrets {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn store(&self, name: &str, secret: &[u8]) -> Result<(), HostError> {
        self.0.lock().unwrap().insert(name.to_owned(), secret.to_vec());
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), HostError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

/// A clock that moves a second with every look.
pub struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn wall_ms(&self) -> Result<i64, HostError> {
        Ok(self.0.fetch_add(1000, Ordering::Relaxed))
    }

    fn monotonic_ms(&self) -> Result<i64, HostError> {
        Ok(self.0.load(Ordering::Relaxed) - NOON)
    }
}

/// Bytes that differ every time and are the same in every run.
pub struct Seeded {
    seed: u64,
    count: AtomicU64,
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), HostError> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(&count.to_le_bytes()).finalize_xof().fill(bytes);
        Ok(())
    }
}

/// One phone: its folder, its secrets, and the phone itself while it is open.
pub struct Handset {
    pub folder: PathBuf,
    pub host: Host,
    pub secrets: Arc<Secrets>,
    open: Option<Phone>,
    _temporary: tempfile::TempDir,
}

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn run_with_network<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub fn edit(key: &str, seen: impl Into<Value>, new: impl Into<Value>) -> Edit {
    Edit::new(key, seen, new)
}

impl Handset {
    /// A phone that is enrolled for a user of the server.
    pub fn enrolled(server: &Server, user: u8) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let secrets = Arc::new(Secrets::default());
        let host = Host {
            keys: secrets.clone(),
            clock: Arc::new(Ticks(AtomicI64::new(NOON))),
            random: Arc::new(Seeded { seed: u64::from(user), count: AtomicU64::new(0) }),
            connect: server.network(),
            catalog: Catalog::built_in(),
            app_version: "test".to_owned(),
        };
        let folder = temporary.path().join("phone");
        let code = server.code(user);
        let open = run(Phone::enroll(&folder, host.clone(), EnrolInput { code, pin: None })).unwrap();
        Self { folder, host, secrets, open: Some(open), _temporary: temporary }
    }

    /// The open phone.
    pub fn phone(&self) -> &Phone {
        self.open.as_ref().unwrap()
    }

    /// Kills the app: nothing is said to the phone.
    pub fn kill(&mut self) {
        self.open = None;
    }

    /// Opens the phone again.
    pub fn start(&mut self) -> &Phone {
        self.open = None;
        self.open = Some(Phone::open(&self.folder, self.host.clone(), None).unwrap());
        self.phone()
    }

    /// A copy of the folder as it is, as a crash would leave it.
    pub fn snapshot(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.folder, copy.path());
        copy
    }

    /// Syncs, with a copy of the folder and of the server at every request: where a crash may leave both.
    pub fn moments_of_a_sync(&self, server: &Server) -> Vec<(tempfile::TempDir, World)> {
        let moments: Arc<Mutex<Vec<_>>> = Arc::default();
        let (folder, seen) = (self.folder.clone(), moments.clone());
        server.watch(Some(Box::new(move |world| {
            let copy = tempfile::tempdir().unwrap();
            copy_files(&folder, copy.path());
            seen.lock().unwrap().push((copy, world.clone()));
        })));
        self.sync();
        server.watch(None);
        std::mem::take(&mut *moments.lock().unwrap())
    }

    /// Puts a copy of the folder back, as after a crash or a restored backup, and opens the phone.
    pub fn put_back(&mut self, copy: &Path) -> &Phone {
        self.open = None;
        std::fs::remove_dir_all(&self.folder).unwrap();
        std::fs::create_dir_all(&self.folder).unwrap();
        copy_files(copy, &self.folder);
        self.start()
    }

    pub fn sync(&self) -> SyncReport {
        run(self.phone().sync()).unwrap()
    }

    pub fn try_sync(&self) -> Result<SyncReport, ApiError> {
        run(self.phone().sync())
    }

    pub fn save(&self, record: RecordId, edits: Vec<Edit>) -> Saved {
        self.phone().save(SaveInput { record: Some(record), edits, ..SaveInput::default() }).unwrap()
    }

    /// A person with a name.
    pub fn person(&self, name: &str) -> RecordId {
        let values = vec![
            ("name".into(), name.into()),
            ("id_missing".into(), "not_shown".into()),
            ("gender".into(), "1".into()),
            ("birth".into(), "1980-05-06".into()),
            ("nationality".into(), "CHN".into()),
            ("pop_class".into(), "here".into()),
        ];
        self.phone().create("person", values).unwrap().record
    }

    /// The shown value of a key.
    pub fn value(&self, record: RecordId, key: &str) -> Value {
        self.phone().values(record).unwrap().get(key).map_or(Value::Null, |shown| shown.value().clone())
    }
}

pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap().path();
        let copy = to.join(file.file_name().unwrap());
        if file.is_dir() {
            copy_files(&file, &copy);
        } else {
            std::fs::copy(&file, copy).unwrap();
        }
    }
}
