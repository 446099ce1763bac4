//! Serving over TLS with the server's own key.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::keys::Keys;

/// A server that runs until it is stopped.
pub struct Serving {
    /// Where it listens.
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Starts serving routes under the keys' certificate; with port 0 the system chooses a free one.
pub fn serve(routes: Router, keys: &Keys, listen: SocketAddr) -> std::io::Result<Serving> {
    let config = tls(keys)?;
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(config)))?
        .handle(handle.clone())
        .serve(routes.into_make_service_with_connect_info::<SocketAddr>());
    Ok(Serving { address, handle, task: tokio::spawn(server) })
}

impl Serving {
    /// Waits until the server ends.
    pub async fn ended(self) -> std::io::Result<()> {
        self.task.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
    }

    /// Lets requests finish, at most for ten seconds, and ends.
    pub async fn stop(self) -> std::io::Result<()> {
        self.handle.graceful_shutdown(Some(Duration::from_secs(10)));
        self.ended().await
    }
}

fn tls(keys: &Keys) -> std::io::Result<ServerConfig> {
    let certificates = CertificateDer::pem_slice_iter(keys.tls_certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(std::io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(keys.tls_key.as_bytes()).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(std::io::Error::other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
