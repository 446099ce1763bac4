//! Work that waits for the network or for a change. It runs on a runtime of its own, because a Kotlin or Swift caller
//! polls a future on whatever thread it is on, and it ends when its caller gives up.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use gridpass_phone::ApiError;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::PhoneError;

static RUNTIME: LazyLock<Option<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).thread_name("gridpass").enable_all().build().ok());

static RUNNING: AtomicU32 = AtomicU32::new(0);

/// How many jobs run in this process: syncs, enrolments and live lists that somebody waits for. For diagnostics, and
/// for tests that nothing is left behind.
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(1);

    /// Says when it is dropped.
    struct Told(mpsc::Sender<()>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }

    #[test]
    fn work_ends_with_whoever_waits_for_it() {
        let (started, starts) = mpsc::channel();
        let (ended, ends) = mpsc::channel();
        let work = async move {
            let _told = Told(ended);
            started.send(()).unwrap();
            std::future::pending::<Result<(), ApiError>>().await
        };
        {
            let mut waiting = pin!(run(work));
            assert_eq!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
            starts.recv_timeout(DEADLINE).unwrap();
            assert_eq!(ends.try_recv(), Err(mpsc::TryRecvError::Empty));
        }
        ends.recv_timeout(DEADLINE).unwrap();
    }

    #[tokio::test]
    async fn work_that_panics_is_a_defect_and_no_crash() {
        let done = run(async { if true { panic!("on purpose") } else { Ok(()) } }).await;
        assert_eq!(done, Err(bug("a job")));
    }
}
