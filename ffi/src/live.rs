//! Lists that stay current, as objects that are asked.

use std::sync::Arc;

use gridpass_phone::Watch;

use crate::error::PhoneError;
use crate::jobs;
use crate::view::ListView;

/// A live list: each call of [`LiveList::next`] waits until the list is different from the last one.
#[derive(uniffi::Object)]
pub struct LiveList {
    watch: Arc<Watch>,
}

impl LiveList {
    pub(crate) fn new(watch: Watch) -> Arc<Self> {
        Arc::new(Self { watch: Arc::new(watch) })
    }
}

#[uniffi::export]
impl LiveList {
    /// The list when it is different from the last one returned, the first time at once; nothing after
    /// [`LiveList::stop`].
    pub async fn next(&self) -> Result<Option<ListView>, PhoneError> {
        let watch = self.watch.clone();
        let snapshot = jobs::run(async move { watch.next().await }).await?;
        Ok(snapshot.map(|snapshot| snapshot.list.into()))
    }

    /// Ends the list: a call that waits returns nothing, and so does every later one.
    pub fn stop(&self) {
        self.watch.stop();
    }
}
