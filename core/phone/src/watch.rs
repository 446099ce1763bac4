//! Lists that stay current: pull objects, not listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::ApiError;
use crate::phone::Phone;
use crate::read::{ListQuery, ListView};

/// A list as it stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The list.
    pub list: ListView,
}

/// A live list: every call of [`Watch::next`] waits until the list is different from the last one.
pub struct Watch {
    phone: Phone,
    query: ListQuery,
    commits: tokio::sync::Mutex<tokio::sync::watch::Receiver<u64>>,
    last: std::sync::Mutex<Option<ListView>>,
    stopped: Arc<AtomicBool>,
    stop: tokio::sync::Notify,
}

impl Phone {
    /// A live list. Dropping it, or [`Watch::stop`], ends its work.
    pub fn watch(&self, query: ListQuery) -> Watch {
        Watch {
            phone: self.clone(),
            query,
            commits: tokio::sync::Mutex::new(self.inner.commits.subscribe()),
            last: std::sync::Mutex::default(),
            stopped: Arc::default(),
            stop: tokio::sync::Notify::new(),
        }
    }
}

impl Watch {
    /// The list when it is different from the last one returned, the first time at once; nothing after
    /// [`Watch::stop`].
    pub async fn next(&self) -> Result<Option<Snapshot>, ApiError> {
        let mut commits = self.commits.lock().await;
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Ok(None);
            }
            commits.mark_unchanged();
            let list = self.phone.list(self.query.clone())?;
            {
                let mut last = crate::store::locked(&self.last);
                if last.as_ref() != Some(&list) {
                    *last = Some(list.clone());
                    return Ok(Some(Snapshot { list }));
                }
            }
            let stop = self.stop.notified();
            tokio::select! {
                changed = commits.changed() => if changed.is_err() { return Ok(None) },
                () = stop => return Ok(None),
            }
        }
    }

    /// Ends the list: a call that waits returns nothing, and so does every later one.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.stop.notify_one();
    }
}
