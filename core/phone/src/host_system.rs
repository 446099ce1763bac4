//! The system's clocks and randomness, and secrets as files for phones that run on a desk. The only file of this crate
//! that asks the system for them.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::host::{Clock, HostError, KeyStore, Random};

/// The system's clocks, moved by an offset for tests of wrong clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
    offset_ms: i64,
}

impl SystemClock {
    /// The system's clocks with the wall clock moved by so many milliseconds.
    #[expect(clippy::disallowed_methods, reason = "the edge where the phone's real clock is read")]
    pub fn moved(offset_ms: i64) -> Self {
        Self { start: Instant::now(), offset_ms }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::moved(0)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the edge where the phone's real clock is read")]
    fn wall_ms(&self) -> Result<i64, HostError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| HostError::new("wall clock"))?;
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.offset_ms))
    }

    fn monotonic_ms(&self) -> Result<i64, HostError> {
        Ok(i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the edge where the phone's real randomness is drawn")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), HostError> {
        getrandom::fill(bytes).map_err(|_| HostError::new("randomness"))
    }
}

/// Secrets as files that only their owner may read, in a folder of their own. For desks and tests: an app uses the
/// platform's key store.
#[derive(Debug, Clone)]
pub struct FileKeyStore {
    folder: PathBuf,
}

impl FileKeyStore {
    /// A store in this folder, which is made when the first secret is stored.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, name: &str) -> Result<PathBuf, HostError> {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain { Ok(self.folder.join(name)) } else { Err(HostError::new("key name")) }
    }
}

impl KeyStore for FileKeyStore {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        match std::fs::read(self.path(name)?) {
            Ok(secret) => Ok(Some(secret)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(_) => Err(HostError::new("key store, load")),
        }
    }

    fn store(&self, name: &str, secret: &[u8]) -> Result<(), HostError> {
        let failed = |_| HostError::new("key store, store");
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let path = self.path(name)?;
        let fresh = path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&fresh).map_err(failed)?;
        file.write_all(secret).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)?;
        crate::durable::sync_folder(&self.folder).map_err(failed)
    }

    fn delete(&self, name: &str) -> Result<(), HostError> {
        match std::fs::remove_file(self.path(name)?) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(_) => Err(HostError::new("key store, delete")),
        }
    }
}
