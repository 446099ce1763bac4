//! The one real server of a run, stopped, started and put back by the plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use gridpass_core::id::{BlobHash, hex};
use gridpass_phone::transport::{Request, Response, TransportError};
use gridpass_server::app::App;
use gridpass_server::audit::seal::SEALS;
use gridpass_server::blobs::place;
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_server::db::sqlite::{FILE, MARKER};
use gridpass_server::router::router;
use tokio::runtime::Runtime;

use super::calls::{self, aside};
use super::disk::Disk;
use super::moments::{self, Ends};
use super::random::Draw;
use crate::world::{Error, START_MS, call};

/// Limits count real time; a simulation has none.
const NO_LIMITS: &str = "enrols_per_minute = 0\nsign_ins_per_minute = 0\ntokens_per_minute = 0\n\
                         pushes_per_minute = 0\npulls_per_minute = 0\nfiles_per_minute = 0\n";

/// An answer, and how many moments are left of a process that ends soon.
type Served = (Result<Response, TransportError>, Option<u32>);

/// The server.
pub struct Server {
    folder: PathBuf,
    /// Its clock, in milliseconds since 1970.
    pub clock: Arc<AtomicI64>,
    /// What its folder lies on.
    pub disk: Arc<Disk>,
    random: Draw,
    running: Option<(Arc<App>, Router)>,
    runtime: Runtime,
}

impl Server {
    /// A new server whose keys and epochs follow from the seed.
    pub fn new(folder: &Path, seed: u64) -> Result<Self, Error> {
        moments::watch_connections()?;
        let random = Draw::new(seed, 2);
        let keys = folder.join("keys");
        fs::create_dir_all(&keys)?;
        for name in ["signing.key", "sealing.key"] {
            let mut secret = [0; 32];
            random.fill(&mut secret);
            fs::write(keys.join(name), format!("{}\n", hex(&secret)))?;
        }
        fs::write(folder.join("gridpass.toml"), NO_LIMITS)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let clock = Arc::new(AtomicI64::new(START_MS));
        let disk = calls::watch(folder);
        let mut server = Self { folder: folder.to_owned(), clock, disk, random, running: None, runtime };
        server.start()?;
        Ok(server)
    }

    /// Starts it over what is in its folder. Where it says that there is no room for that, somebody makes some.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.running.is_none() {
            let fresh = self.random.next();
            let open = || {
                let clock = self.clock.clone();
                App::open_in(&self.folder, |last| Clock::new(last, move || clock.load(Ordering::Relaxed)), fresh)
            };
            let opened = match open() {
                Err(error) if self.disk.is_limited() && error.to_string().contains("make room") => {
                    self.disk.set_room(None);
                    open()
                }
                other => other,
            };
            let app = Arc::new(opened?);
            self.running = Some((app.clone(), router(app)));
        }
        Ok(())
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Ends it in order: the audit is sealed.
    pub fn end(&mut self) {
        if let Some((app, _)) = self.running.take() {
            app.seal_or_tell();
        }
    }

    /// The running server.
    pub fn app(&self) -> Result<&Arc<App>, Error> {
        Ok(&self.running.as_ref().ok_or("the server is stopped")?.0)
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// Answers one request; nothing else happens meanwhile.
    pub fn serve(&self, request: Request) -> Result<Response, TransportError> {
        let (_, router) = self.running.as_ref().ok_or(TransportError::NoAnswer)?;
        self.runtime.block_on(call(router.clone(), request))
    }

    /// Answers one request, if neither its process nor the power ends after so many moments of it: then nobody hears of
    /// it, and it has started again over what its files held. With the answer, how many moments are left.
    pub fn serve_to_the_end(&mut self, request: Request, ends: Option<(u32, Ends)>) -> Result<Served, Error> {
        let Some((left, what)) = ends else { return Ok((self.serve(request), None)) };
        moments::arm(&self.folder, left, what, || ())?;
        let answer = self.serve(request);
        if moments::has_come(&self.folder) {
            self.start_over()?;
            return Ok((Err(TransportError::NoAnswer), None));
        }
        Ok((answer, moments::disarm(&self.folder)))
    }

    /// The power goes now, and comes back.
    pub fn cut_power(&mut self, seed: u64) -> Result<(), Error> {
        moments::arm(&self.folder, 0, Ends::Power(seed), || ())?;
        self.start_over()
    }

    fn start_over(&mut self) -> Result<(), Error> {
        let epoch = self.app().map(|app| app.db.epoch()).ok();
        self.stop();
        moments::put_back(&self.folder)?;
        self.disk.settle();
        if epoch.is_none() {
            return Ok(());
        }
        self.start()?;
        match self.app()?.db.epoch() == epoch.unwrap_or_default() {
            true => Ok(()),
            false => Err("it takes its own files for an older copy".into()),
        }
    }

    /// What is wrong with the files that count as stored.
    pub fn file_faults(&self) -> Result<Vec<String>, Error> {
        let (app, mut faults) = (self.app()?, Vec::new());
        self.runtime.block_on(gridpass_server::blobs::verify(app, &mut |fault| faults.push(format!("{fault:?}"))))?;
        Ok(faults)
    }

    /// The bytes of a file that counts as stored.
    pub fn file(&self, hash: BlobHash) -> Result<Option<Vec<u8>>, Error> {
        let app = self.app()?;
        let counts = app.db.has_blob(&Principal::SERVER, app.now_ms(), hash)?;
        Ok(if counts { Some(fs::read(place(&self.folder, hash))?) } else { None })
    }

    /// Whether the bytes of a file lie in its folder, whatever its database says.
    pub fn has_object(&self, hash: BlobHash) -> bool {
        place(&self.folder, hash).exists()
    }

    /// Copies its file while it is stopped; `with_marker` also what tells it that it is a copy, which comes back with it.
    pub fn copy_to(&mut self, file: &Path, with_marker: bool) -> Result<(), Error> {
        self.stop();
        fs::copy(self.folder.join(FILE), file)?;
        let marker = self.folder.join(MARKER);
        if with_marker && marker.exists() {
            fs::copy(marker, file.with_extension(MARKER))?;
        }
        self.start()
    }

    /// Runs statements on its file while it is stopped.
    pub fn alter(&mut self, sql: &str) -> Result<(), Error> {
        self.stop();
        rusqlite::Connection::open(self.folder.join(FILE))?.execute_batch(sql)?;
        self.start()
    }

    /// Puts a copy in the place of its file.
    pub fn put_back(&mut self, file: &Path) -> Result<(), Error> {
        self.start()?;
        let epoch = self.app()?.db.epoch();
        self.stop();
        aside(|| -> Result<(), Error> {
            for end in ["-wal", "-shm"] {
                let beside = self.folder.join(format!("{FILE}{end}"));
                if beside.exists() {
                    fs::remove_file(beside)?;
                }
            }
            fs::copy(file, self.folder.join(FILE))?;
            let marker = file.with_extension(MARKER);
            if marker.exists() {
                fs::copy(marker, self.folder.join(MARKER))?;
            }
            Ok(())
        })?;
        self.disk.settle();
        self.start()?;
        // No record had changed since the copy, so that only somebody knows that it is one: he gives up its seals.
        let seals = self.folder.join(SEALS);
        if epoch == self.app()?.db.epoch() && seals.exists() {
            aside(|| fs::remove_file(seals))?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        calls::leave(&self.folder);
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod tests {
    use gridpass_server::keys::Keys;

    use super::*;

    #[test]
    fn keys_are_made_whole_or_made_again() {
        for room in (0..3_000).step_by(150) {
            let root = tempfile::tempdir().unwrap();
            let disk = calls::watch(root.path());
            disk.set_room(Some(room));
            let at_first = Keys::open(&root.path().join("keys")).map(|keys| keys.public());
            disk.set_room(None);
            let keys = Keys::open(&root.path().join("keys")).unwrap();
            calls::leave(root.path());
            assert!(at_first.is_ok() || room < 2_000, "there was room for {room}");
            assert!(at_first.is_err() || room > 100, "there was no room in {room}");
            assert!(keys.tls_certificate.contains("END CERTIFICATE"));
        }
    }

    #[test]
    fn keys_that_were_used_outlive_the_power() {
        let mut moments = 0;
        loop {
            moments += 1;
            for seed in 0..4 {
                let root = tempfile::tempdir().unwrap();
                let folder = root.path().join("server");
                fs::create_dir(&folder).unwrap();
                let disk = calls::watch(&folder);
                moments::arm(&folder, moments, Ends::Power(seed), || ()).unwrap();
                Keys::open(&folder.join("keys")).unwrap();
                if !moments::has_come(&folder) {
                    moments::disarm(&folder);
                    // It was not broken off: what it has told phones is kept.
                    let told = Keys::open(&folder.join("keys")).unwrap().tls_pin;
                    moments::arm(&folder, 0, Ends::Power(seed), || ()).unwrap();
                    moments::put_back(&folder).unwrap();
                    disk.settle();
                    assert_eq!(Keys::open(&folder.join("keys")).unwrap().tls_pin, told);
                    calls::leave(&folder);
                    assert!(moments > 20, "{moments} moments");
                    return;
                }
                moments::put_back(&folder).unwrap();
                disk.settle();
                Keys::open(&folder.join("keys")).unwrap();
                calls::leave(&folder);
            }
        }
    }
}
