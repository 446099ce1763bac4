//! A bad network: a reverse proxy between phones and the server, with a TLS key of its own that enrolment codes pin.
//!
//! What it does to a request is drawn from a seed, so that the same morning has the same weather.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::response::Response as HttpResponse;
use futures_util::stream;
use gridpass_phone::transport::{Connect, HttpsConnect, Method, Request, Response, Transport};
use gridpass_server::keys::Keys;
use gridpass_server::serve::{Serving, serve};

use crate::world::Error;

/// The largest body that passes, in bytes.
const LIMIT: usize = 64 << 20;

/// How bad the line is; chances are in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// A request is lost before it reaches the server.
    pub lose_request: u8,
    /// The server's answer is lost: it has done its work, and the phone does not know.
    pub lose_answer: u8,
    /// A request reaches the server twice, the second time later: behind what was sent after it.
    pub twice: u8,
    /// An answer breaks off in the middle.
    pub cut: u8,
    /// The longest delay of a request, in milliseconds.
    pub delay_ms: u64,
}

/// What the line has done so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that came in.
    pub requests: AtomicU32,
    /// Requests that were lost.
    pub lost_requests: AtomicU32,
    /// Answers that were lost.
    pub lost_answers: AtomicU32,
    /// Requests that were sent on twice.
    pub doubled: AtomicU32,
    /// Answers that broke off.
    pub cut: AtomicU32,
    /// Requests that came in while the line was down.
    pub offline: AtomicU32,
    /// Bytes of bodies that reached the server, the first time.
    pub carried: AtomicU64,
}

/// A running bad network.
pub struct Chaos {
    /// The address that phones use, `https://…`.
    pub url: String,
    /// The SHA-256 of the proxy's TLS key.
    pub pin: [u8; 32],
    line: Arc<Line>,
    serving: Serving,
}

struct Line {
    server: Arc<dyn Transport>,
    weather: Mutex<Weather>,
    down: AtomicBool,
    /// How many bytes of bodies are still carried.
    left: Mutex<Option<u64>>,
    seed: AtomicU64,
    tally: Tally,
}

impl Chaos {
    /// Starts a proxy to the server at `url` with this pin; its keys lie in `folder`.
    pub fn start(folder: &Path, url: &str, pin: &[u8; 32], seed: u64) -> Result<Self, Error> {
        let keys = Keys::open(folder)?;
        let line = Arc::new(Line {
            server: HttpsConnect.connect(url, pin)?,
            weather: Mutex::default(),
            down: AtomicBool::new(false),
            left: Mutex::default(),
            seed: AtomicU64::new(seed),
            tally: Tally::default(),
        });
        let routes = Router::new().fallback(carry).with_state(line.clone());
        let serving = serve(routes, &keys, SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self { url: format!("https://{}", serving.address), pin: keys.tls_pin, line, serving })
    }

    /// Changes the weather.
    pub fn weather(&self, weather: Weather) {
        *self.line.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    /// Takes the line down, or up again.
    pub fn down(&self, down: bool) {
        self.line.down.store(down, Ordering::Relaxed);
    }

    /// Carries so many more bytes of bodies, then takes the line down in the middle of a request.
    pub fn cut_after(&self, bytes: u64) {
        *self.line.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
    }

    /// What the line has done so far.
    pub fn tally(&self) -> &Tally {
        &self.line.tally
    }

    /// Ends the proxy.
    pub async fn stop(self) -> std::io::Result<()> {
        self.serving.stop().await
    }
}

impl Line {
    /// A number below `below`, from the seed (splitmix64).
    fn draw(&self, below: u64) -> u64 {
        let mut z = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(below).unwrap_or(0)
    }

    /// Cuts a body where the line ends; whether it did.
    fn cuts(&self, body: &mut Vec<u8>) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bytes) = *left else { return false };
        *left = bytes.checked_sub(body.len() as u64);
        if left.is_none() {
            body.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            self.down.store(true, Ordering::Relaxed);
        }
        left.is_none()
    }

    fn happens(&self, percent: u8) -> bool {
        self.draw(100) < u64::from(percent)
    }
}

async fn carry(State(line): State<Arc<Line>>, request: HttpRequest) -> HttpResponse {
    let count = |counter: &AtomicU32| counter.fetch_add(1, Ordering::Relaxed);
    let weather = *line.weather.lock().unwrap_or_else(PoisonError::into_inner);
    count(&line.tally.requests);
    if line.down.load(Ordering::Relaxed) {
        count(&line.tally.offline);
        return broken(Bytes::new());
    }
    if line.happens(weather.lose_request) {
        count(&line.tally.lost_requests);
        return broken(Bytes::new());
    }
    let Some(mut request) = read(request).await else { return broken(Bytes::new()) };
    let ends_here = line.cuts(&mut request.body);
    line.tally.carried.fetch_add(request.body.len() as u64, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(line.draw(weather.delay_ms.saturating_add(1)))).await;
    if line.happens(weather.twice) {
        count(&line.tally.doubled);
        let (line, again) = (line.clone(), request.clone());
        let later = Duration::from_millis(line.draw(weather.delay_ms.saturating_mul(3).saturating_add(1)));
        tokio::spawn(async move {
            tokio::time::sleep(later).await;
            // The answer of a request nobody waits for is nobody's.
            let _ = line.server.send(again).await;
        });
    }
    let Ok(answer) = line.server.send(request).await else { return broken(Bytes::new()) };
    if ends_here {
        return broken(Bytes::new());
    }
    if line.happens(weather.lose_answer) {
        count(&line.tally.lost_answers);
        return broken(Bytes::new());
    }
    if line.happens(weather.cut) && !answer.body.is_empty() {
        count(&line.tally.cut);
        let kept = usize::try_from(line.draw(answer.body.len() as u64)).unwrap_or(0);
        let part = answer.body.get(..kept).map(Bytes::copy_from_slice).unwrap_or_default();
        return broken(part);
    }
    whole(answer)
}

async fn read(request: HttpRequest) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query()?.to_string();
    let token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(ToOwned::to_owned);
    let method = match parts.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PATCH" => Method::Patch,
        _ => return None,
    };
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let headers = SENT_ON.into_iter().filter_map(|name| Some((name, text(name)?))).collect();
    let body = to_bytes(body, LIMIT).await.ok()?.to_vec();
    Some(Request { method, path, headers, body, token, limit: LIMIT })
}

/// The headers of requests that mean something to the server.
const SENT_ON: [&str; 6] =
    ["content-type", "range", "tus-resumable", "upload-length", "upload-metadata", "upload-offset"];
/// The headers of answers that mean something to a phone.
const SENT_BACK: [&str; 2] = ["content-range", "upload-offset"];

fn whole(answer: Response) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let told = SENT_BACK.map(|name| (name, answer.header(name).and_then(|value| value.parse().ok())));
    let mut response = HttpResponse::new(Body::from(answer.body));
    for (name, value) in told {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    *response.status_mut() = status;
    response
}

/// An answer that breaks off: the connection ends before the body does.
fn broken(part: Bytes) -> HttpResponse {
    let end = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    HttpResponse::new(Body::from_stream(stream::iter([Ok(part), Err(end)])))
}
