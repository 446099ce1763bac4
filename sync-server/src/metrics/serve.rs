//! The listener for IT: plain HTTP, on the machine itself by default, never on the phones' port.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::task::JoinHandle;

use super::scrape;
use crate::app::App;
use crate::error::ApiError;
use crate::routes::{health, packed};

/// A listener that runs until it is stopped.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

/// Begins to serve metrics and health to IT; with port 0 the system chooses a free one.
pub async fn listen(app: Arc<App>, listen: SocketAddr) -> std::io::Result<Listening> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(app);
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(error = %error, "metrics are not served any more");
        }
    });
    Ok(Listening { address, task })
}

impl Listening {
    /// Ends.
    pub fn stop(self) {
        self.task.abort();
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    let text = packed::blocking(move || Ok(scrape(&app)?)).await?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
