//! What the simulation lends a phone: clocks it moves, randomness from the seed, and a moment when all of it fails.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gridpass_core::catalog::Catalog;
use gridpass_phone::Host;
use gridpass_phone::host::{Clock, HostError, KeyStore, Random};
use gridpass_phone::transport::InMemory;

use super::net::Net;
use super::random::Draw;

/// What a key store holds.
pub type Secrets = BTreeMap<String, Vec<u8>>;
/// The version of a built-in catalog that no published one comes after.
const NEVER_OVERTAKEN: u32 = 1_000_000;

/// Everything of a phone that outlives its process and its folder, as the app has it for one user of it.
#[derive(Clone)]
pub struct Platform {
    /// The user.
    user: usize,
    /// The wall clock, in milliseconds since 1970.
    pub wall: Arc<AtomicI64>,
    /// The clock that nobody sets.
    monotonic: Arc<AtomicI64>,
    /// The key store, by user.
    secrets: Arc<Mutex<BTreeMap<usize, Secrets>>>,
    random: Arc<Draw>,
    /// How many calls still work; negative = all.
    left: Arc<AtomicI64>,
    /// Whether the app on it takes up no published catalog.
    pub behind: Arc<AtomicBool>,
}

impl Platform {
    /// A platform of its own.
    pub fn new(seed: u64, phone: usize, wall_ms: i64) -> Self {
        Self {
            user: phone,
            wall: Arc::new(AtomicI64::new(wall_ms)),
            monotonic: Arc::new(AtomicI64::new(1_000)),
            secrets: Arc::default(),
            random: Arc::new(Draw::new(seed, 100 + phone as u64)),
            left: Arc::new(AtomicI64::new(-1)),
            behind: Arc::default(),
        }
    }

    /// The same secrets on another phone.
    pub fn cloned(&self, seed: u64, phone: usize) -> Self {
        let other = Self::new(seed, phone, self.wall.load(Ordering::Relaxed));
        other.set_secrets(self.secrets());
        other
    }

    /// For another user of the same phone.
    pub fn shared(&self, seed: u64, user: usize) -> Self {
        let Self { random, left, .. } = Self::new(seed, user, 0);
        Self { user, random, left, ..self.clone() }
    }

    /// Whether it is of the same phone.
    pub fn is_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.wall, &other.wall)
    }

    /// Time goes by.
    pub fn pass(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
        self.monotonic.fetch_add(ms, Ordering::Relaxed);
    }

    /// What is kept under a name.
    pub fn secret(&self, name: &str) -> Option<Vec<u8>> {
        self.with_secrets(|kept| kept.get(name).cloned())
    }

    /// All that is kept.
    pub fn secrets(&self) -> Secrets {
        self.with_secrets(|kept| kept.clone())
    }

    /// Keeps what was kept once.
    pub fn set_secrets(&self, secrets: Secrets) {
        self.with_secrets(|kept| *kept = secrets);
    }

    fn with_secrets<T>(&self, work: impl FnOnce(&mut Secrets) -> T) -> T {
        work(self.secrets.lock().unwrap_or_else(PoisonError::into_inner).entry(self.user).or_default())
    }

    /// Fails for good after so many more calls; a negative number mends it.
    pub fn fail_after(&self, calls: i64) {
        self.left.store(calls, Ordering::Relaxed);
    }

    /// Whether it fails now.
    pub fn failing(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// The host of a phone.
    pub fn host(&self, net: &Net, phone: usize) -> Host {
        let net = net.clone();
        Host {
            keys: Arc::new(self.clone()),
            clock: Arc::new(self.clone()),
            random: Arc::new(self.clone()),
            connect: Arc::new(InMemory::new_async(move |request| net.send(phone, request))),
            catalog: match self.behind.load(Ordering::Relaxed) {
                true => Arc::new(Catalog { version: NEVER_OVERTAKEN, ..(*Catalog::built_in()).clone() }),
                false => Catalog::built_in(),
            },
            app_version: "simulation".into(),
        }
    }

    fn call(&self, step: &str) -> Result<(), HostError> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(HostError::new(step)),
            left => {
                self.left.store(if left > 0 { left - 1 } else { left }, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl KeyStore for Platform {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.call("key store")?;
        Ok(self.secret(name))
    }

    fn store(&self, name: &str, secret: &[u8]) -> Result<(), HostError> {
        self.call("key store")?;
        self.with_secrets(|kept| kept.insert(name.to_owned(), secret.to_vec()));
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), HostError> {
        self.call("key store")?;
        self.with_secrets(|kept| kept.remove(name));
        Ok(())
    }
}

impl Clock for Platform {
    fn wall_ms(&self) -> Result<i64, HostError> {
        self.call("clock")?;
        Ok(self.wall.fetch_add(1, Ordering::Relaxed))
    }

    fn monotonic_ms(&self) -> Result<i64, HostError> {
        self.call("clock")?;
        Ok(self.monotonic.load(Ordering::Relaxed))
    }
}

impl Random for Platform {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), HostError> {
        self.call("randomness")?;
        self.random.fill(bytes);
        Ok(())
    }
}
