//! A phone's line to the server, with a note of everything that went over it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gridpass_phone::transport::{Answer, Connect, HttpsConnect, Request, Transport, TransportError};

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    pub sent: usize,
    pub received: usize,
    pub asked: Instant,
    pub answered: Instant,
}

/// HTTPS with notes.
#[derive(Clone, Default)]
pub struct Line {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Line {
    /// What went over it since the last time somebody asked.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Connect for Line {
    fn connect(&self, url: &str, pin: &[u8; 32]) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Noted { inner: HttpsConnect.connect(url, pin)?, line: self.clone() }))
    }
}

struct Noted {
    inner: Arc<dyn Transport>,
    line: Line,
}

impl Transport for Noted {
    fn send(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let (path, sent) = (request.path.clone(), request.body.len());
            let asked = Instant::now();
            let answer = self.inner.send(request).await?;
            let call = Call { path, sent, received: answer.body.len(), asked, answered: Instant::now() };
            self.line.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            Ok(answer)
        })
    }
}
