//! What the app lends the phone: a place for secrets, clocks, randomness and a way to the server. Each may fail.

use std::sync::Arc;

use gridpass_core::catalog::Catalog;

use crate::transport::{Connect, HttpsConnect};

/// Something the host lends did not work. The step names what was asked for, never what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the phone's {step} failed")]
pub struct HostError {
    /// What was asked for.
    pub step: String,
}

impl HostError {
    /// The failure of a named step.
    pub fn new(step: &str) -> Self {
        Self { step: step.to_owned() }
    }
}

/// A place for secrets that outlives the database: the platform's key store.
pub trait KeyStore: Send + Sync {
    /// The secret of this name, if there is one.
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Stores a secret over what was there; when it returns the secret is durable.
    fn store(&self, name: &str, secret: &[u8]) -> Result<(), HostError>;
    /// Forgets a secret.
    fn delete(&self, name: &str) -> Result<(), HostError>;
}

/// The phone's clocks. They decide nothing but what people are shown.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970; may be wrong and may jump.
    fn wall_ms(&self) -> Result<i64, HostError>;
    /// Milliseconds since some moment; never goes back while the phone runs.
    fn monotonic_ms(&self) -> Result<i64, HostError>;
}

/// A source of secret random bytes.
pub trait Random: Send + Sync {
    /// Fills all bytes.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), HostError>;
}

/// All that the app lends.
#[derive(Clone)]
pub struct Host {
    /// The place for secrets.
    pub keys: Arc<dyn KeyStore>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub random: Arc<dyn Random>,
    /// The way to the server.
    pub connect: Arc<dyn Connect>,
    /// The catalog that is used until the server's arrives.
    pub catalog: Arc<Catalog>,
    /// The app's version, for the fleet page.
    pub app_version: String,
}

impl Host {
    /// A host with the system's clocks and randomness, HTTPS, the built-in catalog, and the given place for secrets.
    pub fn system(keys: Arc<dyn KeyStore>, app_version: &str) -> Self {
        Self {
            keys,
            clock: Arc::new(crate::host_system::SystemClock::default()),
            random: Arc::new(crate::host_system::SystemRandom),
            connect: Arc::new(HttpsConnect),
            catalog: Catalog::built_in(),
            app_version: app_version.to_owned(),
        }
    }

    /// As many random bytes as the caller names.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], HostError> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map(|()| bytes)
    }
}
