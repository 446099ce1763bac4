//! What the app lends: a place for secrets and clocks, written in Kotlin or Swift. Each may fail.

use std::sync::Arc;

use gridpass_phone::host;

/// What the app lends did not work; the step that asked for it is named by [`PhoneError::Storage`].
///
/// [`PhoneError::Storage`]: crate::PhoneError::Storage
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum HostError {
    /// It failed, for whatever reason.
    #[error("what the app lends failed")]
    Failed,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for HostError {
    /// The reason holds a stack trace and perhaps values, so it goes nowhere.
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// A place for secrets that outlives the database: the platform's key store.
#[uniffi::export(with_foreign)]
pub trait KeyStore: Send + Sync {
    /// The secret of this name, if there is one.
    fn load(&self, name: String) -> Result<Option<Vec<u8>>, HostError>;
    /// Stores a secret over what was there; when it returns the secret is durable.
    fn store(&self, name: String, secret: Vec<u8>) -> Result<(), HostError>;
    /// Forgets a secret.
    fn delete(&self, name: String) -> Result<(), HostError>;
}

/// The phone's clocks. They decide nothing but what people are shown.
#[uniffi::export(with_foreign)]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970; may be wrong and may jump.
    fn wall_ms(&self) -> Result<i64, HostError>;
    /// Milliseconds since some moment; goes on while the phone sleeps and never goes back while it runs.
    fn monotonic_ms(&self) -> Result<i64, HostError>;
}

/// The app's key store as the phone knows it.
pub(crate) struct LentKeys(pub Arc<dyn KeyStore>);

impl host::KeyStore for LentKeys {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, host::HostError> {
        self.0.load(name.to_owned()).map_err(|_| host::HostError::new("key store, load"))
    }

    fn store(&self, name: &str, secret: &[u8]) -> Result<(), host::HostError> {
        self.0.store(name.to_owned(), secret.to_vec()).map_err(|_| host::HostError::new("key store, store"))
    }

    fn delete(&self, name: &str) -> Result<(), host::HostError> {
        self.0.delete(name.to_owned()).map_err(|_| host::HostError::new("key store, delete"))
    }
}

/// The app's clocks as the phone knows them.
pub(crate) struct LentClock(pub Arc<dyn Clock>);

impl host::Clock for LentClock {
    fn wall_ms(&self) -> Result<i64, host::HostError> {
        self.0.wall_ms().map_err(|_| host::HostError::new("wall clock"))
    }

    fn monotonic_ms(&self) -> Result<i64, host::HostError> {
        self.0.monotonic_ms().map_err(|_| host::HostError::new("monotonic clock"))
    }
}
