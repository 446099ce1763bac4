//! A server in the same process, for tests and simulations.

use std::sync::Arc;

use super::{Answer, Connect, Request, Response, Transport, TransportError};

type Serve = dyn Fn(Request) -> Answer<'static> + Send + Sync;

/// A transport whose other side is a closure.
#[derive(Clone)]
pub struct InMemory {
    serve: Arc<Serve>,
}

impl InMemory {
    /// A server that answers at once.
    pub fn new(serve: impl Fn(Request) -> Result<Response, TransportError> + Send + Sync + 'static) -> Self {
        Self { serve: Arc::new(move |request| Box::pin(std::future::ready(serve(request)))) }
    }

    /// A server that answers in time.
    pub fn new_async(serve: impl Fn(Request) -> Answer<'static> + Send + Sync + 'static) -> Self {
        Self { serve: Arc::new(serve) }
    }
}

impl Transport for InMemory {
    fn send(&self, request: Request) -> Answer<'_> {
        (self.serve)(request)
    }
}

impl Connect for InMemory {
    fn connect(&self, _: &str, _: &[u8; 32]) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}
