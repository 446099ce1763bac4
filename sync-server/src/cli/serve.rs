//! `gridpass-server serve`.

use std::sync::Arc;

use gridpass_server::app::App;
use gridpass_server::audit::seal::seal_regularly;
use gridpass_server::router::router;
use gridpass_server::serve::serve;
use gridpass_server::{blobs, metrics};
use tokio::signal::unix::{SignalKind, signal};

/// How many requests are worked on at the same time; others wait. Each holds its bodies, changes and documents in memory
/// while it waits for the disk, and a group commit needs no more of them.
const AT_WORK: usize = 64;

/// Serves phones, and IT beside them, until SIGINT or SIGTERM.
pub fn run(app: Arc<App>) -> Result<(), Box<dyn std::error::Error>> {
    app.blobs.clear_unwritten()?;
    match app.take_up_built_in() {
        Ok(Some(version)) => tracing::info!(version, "this program's catalog was published"),
        Ok(None) => {}
        // What holds goes on; its own files and this program's do not fit together.
        Err(error) => tracing::warn!(error = %error, "this program's catalog is not taken up"),
    }
    let (listen, for_it, app) = (app.config.listen, app.config.metrics_address()?, app);
    let runtime = tokio::runtime::Builder::new_multi_thread().max_blocking_threads(AT_WORK).enable_all().build()?;
    runtime.block_on(async move {
        // Before anybody is told that it runs: whoever ends it then ends it in order.
        let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let serving = serve(router(app.clone()), &app.keys, listen)?;
        let settings = serde_json::to_string(&app.config).unwrap_or_default();
        let epoch = format!("{:016x}", app.db.epoch());
        tracing::info!(version = env!("CARGO_PKG_VERSION"), epoch, settings, "serving begins");
        let watched = match for_it {
            None => None,
            // Phones matter more than figures: a port that is taken is told, and they are served all the same.
            Some(address) => metrics::listen(app.clone(), address)
                .await
                .inspect_err(|error| tracing::error!(error = %error, "metrics are not served: metrics_listen"))
                .ok(),
        };
        say!("listening on https://{}", serving.address);
        if let Some(watched) = &watched {
            say!("metrics on http://{}/metrics", watched.address);
        }
        let sweeping = tokio::spawn(blobs::sweep_daily(app.clone()));
        let sealing = tokio::spawn(seal_regularly(app.clone()));
        let why = tokio::select! {
            _ = interrupted.recv() => "SIGINT",
            _ = terminated.recv() => "SIGTERM",
        };
        tracing::info!(why, "serving ends: requests under way get ten seconds");
        sweeping.abort();
        sealing.abort();
        if let Some(watched) = watched {
            watched.stop();
        }
        serving.stop().await
    })?;
    tracing::info!("serving has ended");
    Ok(())
}
