//! Telling phones that their buckets have new rows, so that they pull at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use gridpass_core::bucket::Bucket;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::app::App;
use crate::error::ApiError;
use crate::ingest::scope_of;
use crate::routes::packed::{Session, blocking};

/// How often a line without news gets a comment, so that nothing between phone and server thinks it dead.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// How far apart events of one phone are; what happens between them travels together.
const SPACING: Duration = Duration::from_secs(1);

/// Events of a phone's buckets until its token ends or it is revoked.
pub fn events(app: Arc<App>, session: Session) -> impl Stream<Item = Result<Event, Infallible>> {
    let listener = Listener { heard: app.listen(), app, session, told: None, spoke: None };
    stream::unfold(listener, |mut listener| async { Some((Ok(listener.next().await?), listener)) })
}

struct Listener {
    app: Arc<App>,
    session: Session,
    heard: broadcast::Receiver<Bucket>,
    /// The buckets in the phone's scope with the heads it knows; none before the first look.
    told: Option<BTreeMap<Bucket, u64>>,
    spoke: Option<Instant>,
}

impl Listener {
    /// The next event; none when the phone may hear no more.
    async fn next(&mut self) -> Option<Event> {
        if self.told.is_none() {
            self.told = Some(self.heads().await?);
            return Some(Event::default().comment("listening"));
        }
        let quiet = Instant::now() + HEARTBEAT;
        let news = self.wait(quiet).await?;
        if news && let Some(spoke) = self.spoke {
            sleep_until(spoke + SPACING).await;
        }
        while matches!(self.heard.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {}
        // Also without news: rows that another process wrote are found here, and a token that has ended.
        let now = self.heads().await?;
        let told = self.told.replace(now.clone()).unwrap_or_default();
        let advanced: Vec<String> = now
            .iter()
            .filter(|(bucket, head)| told.get(bucket).is_none_or(|told| told < head))
            .map(|(bucket, _)| bucket.to_string())
            .collect();
        if advanced.is_empty() {
            return Some(Event::default().comment(""));
        }
        self.spoke = Some(Instant::now());
        Some(Event::default().event("advanced").data(advanced.join(" ")))
    }

    /// Waits for news of the phone's buckets; false when there are none until the given time.
    async fn wait(&mut self, until: Instant) -> Option<bool> {
        loop {
            match timeout_at(until, self.heard.recv()).await {
                Ok(Ok(bucket)) if self.told.as_ref().is_some_and(|told| !told.contains_key(&bucket)) => {}
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => return Some(true),
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(false),
            }
        }
    }

    /// The heads of the buckets in the phone's scope now; none when its token counts no more.
    async fn heads(&self) -> Option<BTreeMap<Bucket, u64>> {
        let (app, session) = (self.app.clone(), self.session.clone());
        let looked = blocking(move || {
            let now_ms = app.now_ms();
            match app.db.device_by_token(now_ms, session.token)? {
                Some(device) if device.revoked.is_none() => {}
                _ => return Err(ApiError::Unauthorized),
            }
            let buckets = scope_of(&app, &session.device, now_ms)?;
            let heads = app.db.heads(&session.device.principal(), now_ms, &buckets)?;
            // A bucket without a row yet is listened for as well.
            Ok(buckets.into_iter().map(|bucket| (bucket, heads.get(&bucket).copied().unwrap_or(0))).collect())
        });
        looked.await.ok()
    }
}
