//! A real server and real phones in one process: the server's own router behind the phones' transport, clocks that the
//! story moves, and a line that the story cuts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http;
use gridpass_core::catalog::Catalog;
use gridpass_core::id::{GrantId, GridId, UserId};
use gridpass_core::wire::EnrolCode;
use gridpass_phone::host::{Clock as PhoneClock, Host, HostError, KeyStore};
use gridpass_phone::host_system::SystemRandom;
use gridpass_phone::transport::{Answer, InMemory, Method, Request, Response, TransportError};
use gridpass_phone::{ApiError, EnrolInput, Phone, SyncReport};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::{AssignmentRow, Fault, Principal};
use gridpass_server::keys::random;
use gridpass_server::router::router;
use tempfile::TempDir;
use tower::ServiceExt;

/// Why a world cannot be made or used; a story shows it and ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// When stories begin: 2027-01-15, in milliseconds since 1970.
pub const START_MS: i64 = 1_800_000_000_000;

/// The grid of all stories.
const GRID_CODE: &str = "370212001001001";

/// A server with one grid.
pub struct World {
    folder: TempDir,
    server: Mutex<Option<Arc<App>>>,
    router: Arc<Mutex<Option<axum::Router>>>,
    /// The server's clock.
    pub clock: Arc<AtomicI64>,
    /// The grid everybody works in.
    pub grid: GridId,
}

impl World {
    /// A new server in a folder of its own.
    pub fn new() -> Result<Self, Error> {
        let world = Self::empty(GridId(random()?))?;
        world.start()?;
        world.server()?.db.add_grid(START_MS, world.grid, &[], GRID_CODE, "中韩第一网格")?;
        Ok(world)
    }

    /// A server over a copy of another's folder.
    pub fn over(folder: &Path) -> Result<Self, Error> {
        let mut world = Self::empty(GridId::default())?;
        copy_folder(folder, &world.server_folder())?;
        world.start()?;
        let grid = world.server()?.db.grid_by_code(&Principal::SERVER, START_MS, GRID_CODE)?;
        world.grid = grid.ok_or("a server without the grid of all stories")?;
        Ok(world)
    }

    fn empty(grid: GridId) -> Result<Self, Error> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            server: Mutex::new(None),
            router: Arc::default(),
            clock: Arc::new(AtomicI64::new(START_MS)),
            grid,
        })
    }

    /// Starts the server over what is in its folder.
    pub fn start(&self) -> Result<(), Error> {
        let clock = self.clock.clone();
        let app = App::open(&self.server_folder(), |last| Clock::new(last, move || clock.load(Ordering::Relaxed)))?;
        let app = Arc::new(app);
        *lock(&self.router) = Some(router(app.clone()));
        *lock(&self.server) = Some(app);
        Ok(())
    }

    /// Stops the server; its files lie still afterwards.
    pub fn stop(&self) {
        lock(&self.router).take();
        lock(&self.server).take();
    }

    /// The running server.
    pub fn server(&self) -> Result<Arc<App>, Error> {
        lock(&self.server).clone().ok_or_else(|| "the server is stopped".into())
    }

    /// The server's folder.
    pub fn server_folder(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// Hands a request to the server's routes, as it is.
    pub async fn ask(&self, request: Request) -> Result<Response, TransportError> {
        let router = lock(&self.router).clone();
        call(router.ok_or(TransportError::NoAnswer)?, request).await
    }

    /// What `verify` finds.
    pub fn faults(&self) -> Result<Vec<Fault>, Error> {
        let mut faults = Vec::new();
        let server = self.server()?;
        server.db.verify(&Principal::SERVER, server.now_ms(), &mut |fault| faults.push(fault))?;
        Ok(faults)
    }

    /// Enrols a phone of a new user who works in the grid, and syncs it.
    pub async fn phone(&self, login: &str) -> Result<Worker, Error> {
        self.phone_in(login, self.grid).await
    }

    /// Enrols a phone of a new user who works in a grid, and syncs it.
    pub async fn phone_in(&self, login: &str, grid: GridId) -> Result<Worker, Error> {
        self.phone_keeping(login, grid, Arc::new(MemoryKeys::default())).await
    }

    /// Enrols a phone that keeps its secrets in a store, and syncs it.
    pub async fn phone_keeping(&self, login: &str, grid: GridId, keys: Arc<dyn KeyStore>) -> Result<Worker, Error> {
        self.phone_of(login, &[AssignmentRow::worker(GrantId(random()?), grid, START_MS)], keys).await
    }

    /// Enrols a phone of a new user with these assignments, and syncs it.
    pub async fn phone_of(
        &self,
        login: &str,
        assignments: &[AssignmentRow],
        keys: Arc<dyn KeyStore>,
    ) -> Result<Worker, Error> {
        let server = self.server()?;
        let user = UserId(random()?);
        server.db.add_user(START_MS, user, login, login)?;
        for assignment in assignments {
            server.db.assign(START_MS, user, assignment)?;
        }
        let code = format!("code-{login}");
        let until = self.clock.load(Ordering::Relaxed) + 3_600_000;
        server.db.add_enrol_code(START_MS, *blake3::hash(code.as_bytes()).as_bytes(), user, until)?;
        let (line, clock) = self.line_and_clock();
        let host = self.host(&line, &clock, keys);
        let folder = self.folder.path().join(login);
        let code = EnrolCode { url: "https://localhost".into(), code, pin: server.keys.tls_pin }.to_string();
        let phone = Phone::enroll(&folder, host.clone(), EnrolInput { code, pin: None }).await?;
        let worker = Worker { phone, folder, host, line, clock };
        worker.sync().await?;
        Ok(worker)
    }

    /// Opens a phone over the folder and the secrets of another.
    pub fn opened(&self, folder: PathBuf, keys: Arc<dyn KeyStore>) -> Result<Worker, Error> {
        let (line, clock) = self.line_and_clock();
        let host = self.host(&line, &clock, keys);
        let phone = Phone::open(&folder, host.clone(), None)?;
        Ok(Worker { phone, folder, host, line, clock })
    }

    fn line_and_clock(&self) -> (Line, Arc<AtomicI64>) {
        (Line::default(), Arc::new(AtomicI64::new(self.clock.load(Ordering::Relaxed))))
    }

    fn host(&self, line: &Line, clock: &Arc<AtomicI64>, keys: Arc<dyn KeyStore>) -> Host {
        let (router, line) = (self.router.clone(), line.clone());
        let connect = InMemory::new_async(move |request| carry(router.clone(), line.clone(), request));
        Host {
            keys,
            clock: Arc::new(MovedClock(clock.clone())),
            random: Arc::new(SystemRandom),
            connect: Arc::new(connect),
            catalog: Catalog::built_in(),
            app_version: "story".into(),
        }
    }
}

/// A worker's phone.
pub struct Worker {
    /// The phone.
    pub phone: Phone,
    /// Its folder.
    pub folder: PathBuf,
    /// What its platform lends.
    pub host: Host,
    /// Its line to the server.
    pub line: Line,
    /// Its wall clock, in milliseconds since 1970.
    pub clock: Arc<AtomicI64>,
}

impl Worker {
    /// Sends what waits and fetches what is new.
    pub async fn sync(&self) -> Result<SyncReport, ApiError> {
        self.phone.sync().await
    }

    /// Ends the process of the phone and starts another over the same folder.
    pub fn restart(self) -> Result<Self, ApiError> {
        let Self { phone, folder, host, line, clock } = self;
        drop(phone);
        let phone = Phone::open(&folder, host.clone(), None)?;
        Ok(Self { phone, folder, host, line, clock })
    }

    /// Copies the phone's folder.
    pub fn copy_to(&self, folder: &Path) -> std::io::Result<()> {
        copy_folder(&self.folder, folder)
    }
}

/// Copies a folder with everything in it.
pub fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A phone's line to the server.
#[derive(Clone, Default)]
pub struct Line {
    cut: Arc<AtomicBool>,
    left: Arc<Mutex<Option<u32>>>,
    lose_answers: Arc<AtomicU32>,
    twice: Arc<AtomicBool>,
    requests: Arc<AtomicU32>,
    heard: Arc<Mutex<Option<Vec<Request>>>>,
}

impl Line {
    /// Keeps every request that goes over the line from now on.
    pub fn listen(&self) {
        *lock(&self.heard) = Some(Vec::new());
    }

    /// What was heard since.
    pub fn heard(&self) -> Vec<Request> {
        lock(&self.heard).take().unwrap_or_default()
    }

    /// Cuts the line, or mends it.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    /// Lets so many more requests through and then cuts the line, as it happens in the middle of a file.
    pub fn cut_after(&self, requests: u32) {
        *lock(&self.left) = Some(requests);
    }

    /// Whether the next request gets through.
    fn carries(&self) -> bool {
        let mut left = lock(&self.left);
        if *left == Some(0) {
            *left = None;
            self.cut(true);
        }
        *left = left.map(|left| left - 1);
        !self.cut.load(Ordering::Relaxed)
    }

    /// Loses the next answers to pushes: the server has done its work and the phone does not know.
    pub fn lose_answers(&self, count: u32) {
        self.lose_answers.store(count, Ordering::Relaxed);
    }

    /// Sends every request twice, at the same time.
    pub fn twice(&self, twice: bool) {
        self.twice.store(twice, Ordering::Relaxed);
    }

    /// How many requests went over the line since the last call.
    pub fn requests(&self) -> u32 {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

fn carry(router: Arc<Mutex<Option<axum::Router>>>, line: Line, request: Request) -> Answer<'static> {
    Box::pin(async move {
        line.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(heard) = lock(&line.heard).as_mut() {
            heard.push(request.clone());
        }
        let router = lock(&router).clone();
        let Some(router) = router.filter(|_| line.carries()) else {
            return Err(TransportError::NoAnswer);
        };
        let push = request.path.ends_with("push");
        let other = line.twice.load(Ordering::Relaxed).then(|| call(router.clone(), request.clone()));
        let answer = match other {
            Some(other) => tokio::join!(call(router, request), other).0,
            None => call(router, request).await,
        };
        let lost = push
            && line.lose_answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if lost { Err(TransportError::NoAnswer) } else { answer }
    })
}

/// Hands a request to the routes.
pub(crate) async fn call(router: axum::Router, request: Request) -> Result<Response, TransportError> {
    let mut builder = http::Request::builder().uri(&request.path);
    if let Some(token) = &request.token {
        builder = builder.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
    }
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let asked = builder
        .method(match request.method {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Post => http::Method::POST,
            Method::Patch => http::Method::PATCH,
        })
        .body(Body::from(request.body))
        .map_err(|_| TransportError::NoAnswer)?;
    let answer = router.oneshot(asked).await.map_err(|_| TransportError::NoAnswer)?;
    let status = answer.status().as_u16();
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = answer.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
    let body = to_bytes(answer.into_body(), request.limit).await.map_err(|_| TransportError::TooLarge)?;
    Ok(Response { status, headers, body: body.to_vec(), server_ms: None })
}

/// Secrets in memory; they outlive the phone's folder as a platform's key store does.
#[derive(Default)]
pub struct MemoryKeys(Mutex<BTreeMap<String, Vec<u8>>>);

impl KeyStore for MemoryKeys {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(lock(&self.0).get(name).cloned())
    }

    fn store(&self, name: &str, secret: &[u8]) -> Result<(), HostError> {
        lock(&self.0).insert(name.to_owned(), secret.to_vec());
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), HostError> {
        lock(&self.0).remove(name);
        Ok(())
    }
}

struct MovedClock(Arc<AtomicI64>);

impl PhoneClock for MovedClock {
    fn wall_ms(&self) -> Result<i64, HostError> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn monotonic_ms(&self) -> Result<i64, HostError> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
