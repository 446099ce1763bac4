//! The way to the server: bytes out, bytes in. What they mean is not known here.

mod https;
mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use https::{Https, HttpsConnect};
pub use memory::InMemory;

/// A future that owns or borrows what it needs and may move between threads.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// What is done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Asks for what lies there.
    Get,
    /// Asks only for the headers.
    Head,
    /// Hands something in.
    Post,
    /// Goes on handing something in.
    Patch,
}

/// What is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// The path, from `/sync/v1/`.
    pub path: String,
    /// Headers, each a name in lower case and a value of plain ASCII.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The bearer token.
    pub token: Option<String>,
    /// How many bytes of an answer are read at most; a longer one is refused.
    pub limit: usize,
}

impl Request {
    /// Asks for what lies at a path.
    pub fn get(path: impl Into<String>, limit: usize) -> Self {
        Self::new(Method::Get, path, limit)
    }

    /// Hands in a message.
    pub fn post(path: impl Into<String>, message: Vec<u8>, limit: usize) -> Self {
        let mut request = Self::new(Method::Post, path, limit);
        request.body = message;
        request.with("content-type", "application/cbor+zstd")
    }

    /// A request without headers and body.
    pub fn new(method: Method, path: impl Into<String>, limit: usize) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new(), token: None, limit }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server's answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers that are readable text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The `Date` header: the server's clock in milliseconds since 1970.
    pub server_ms: Option<i64>,
}

impl Response {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// There is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nothing came back: no network, no server, a time limit.
    #[error("no answer from the server")]
    NoAnswer,
    /// The server is not the one of the enrolment code.
    #[error("the server's key is not the one of the enrolment")]
    WrongServer,
    /// The answer is larger than it may be.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// The network is switched off on purpose.
    #[error("the network is switched off")]
    Flight,
}

/// Sends one request and waits for its answer. Dropping the future gives up the request.
pub trait Transport: Send + Sync {
    /// The answer to the request.
    fn send(&self, request: Request) -> Answer<'_>;
}

/// Makes the transport to a server.
pub trait Connect: Send + Sync {
    /// The transport to the server at this address whose TLS key has this SHA-256.
    fn connect(&self, url: &str, pin: &[u8; 32]) -> Result<Arc<dyn Transport>, TransportError>;
}

/// No network at all: every request fails at once.
#[derive(Debug, Clone, Copy)]
pub struct Flight;

impl Transport for Flight {
    fn send(&self, _: Request) -> Answer<'_> {
        Box::pin(std::future::ready(Err(TransportError::Flight)))
    }
}

impl Connect for Flight {
    fn connect(&self, _: &str, _: &[u8; 32]) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Self))
    }
}
