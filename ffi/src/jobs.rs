//! Work that waits for the network or for a change. It runs on a runtime of its own, because a Kotlin or Swift caller
//! polls a future on whatever thread it is on, and it ends when its caller gives up.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gridpass_phone::ApiError;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::PhoneError;

static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).thread_name("gridpass").enable_all().build().ok()
});

static RUNNING: AtomicU32 = AtomicU32::new(0);

/// How many jobs run in this process: syncs, enrolments and live lists that somebody waits for. For diagnostics, and for
/// tests that nothing is left behind.
#[uniffi::export]
pub fn running_jobs() -> u32 {
    RUNNING.load(Ordering::Acquire)
}

/// Runs the work on the runtime. Dropping the future ends the work at its next step.
pub(crate) async fn run<T, F>(work: F) -> Result<T, PhoneError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send + 'static,
{
    let runtime = RUNTIME.as_ref().ok_or_else(|| bug("starting the runtime"))?;
    let counted = Counted::new();
    let mut job = AbortOnDrop(runtime.spawn(async move {
        let _counted = counted;
        work.await
    }));
    Ok((&mut job.0).await.map_err(|_| bug("a job"))??)
}

fn bug(step: &str) -> PhoneError {
    PhoneError::Bug { step: step.to_owned() }
}

/// A job that ends with whoever waits for it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One running job; counts until its work is dropped, not until it was told to end.
struct Counted;

impl Counted {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}
