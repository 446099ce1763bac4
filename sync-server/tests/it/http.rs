//! Requests to the router as phones send them, and what the server logs meanwhile.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Mutex, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use gridpass_server::router::router;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use crate::hand::Server;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<u64>,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header; empty without it.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// The code of the error envelope; empty for anything else.
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body.get("code").and_then(|code| code.as_str()).unwrap_or_default().to_owned()
    }
}

pub async fn post(server: &Server, path: &str, token: Option<&str>, body: Vec<u8>) -> Answer {
    post_from(server, "10.0.0.1:40000", path, token, body).await
}

pub async fn post_from(server: &Server, peer: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/cbor+zstd");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let peer: SocketAddr = peer.parse().unwrap();
    send(server, request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap()).await
}

pub async fn send(server: &Server, request: Request<Body>) -> Answer {
    let answer: Response = router(server.app.clone()).oneshot(request).await.unwrap();
    let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, retry_after, headers, body: to_bytes(answer.into_body(), 64 << 20).await.unwrap().to_vec() }
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Begins to keep everything that anything in this process logs, on every thread.
pub fn keep_log() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        tracing_subscriber::fmt().json().with_writer(Log).with_max_level(tracing::Level::TRACE).init();
    });
}

/// Everything that was logged since.
pub fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}
