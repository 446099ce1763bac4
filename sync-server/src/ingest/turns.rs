//! One push of each phone at a time: the next one waits, so that no phone is ahead of the others by asking twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gridpass_core::id::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// How many pushes of a phone may wait while one is taken in.
const WAITING: usize = 4;

type Pushing = Arc<Mutex<BTreeMap<DeviceId, (usize, Arc<Semaphore>)>>>;

/// The phones whose pushes are taken in or wait.
#[derive(Default)]
pub struct Turns(Pushing);

/// A phone's turn, until it is dropped.
pub struct Turn {
    // Given on before the place is left.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a phone's queue.
struct Place {
    pushing: Pushing,
    device: DeviceId,
}

impl Turns {
    /// Waits for the phone's other pushes; [`ApiError::Busy`] when four of them wait already.
    pub async fn take(&self, device: DeviceId) -> Result<Turn, ApiError> {
        const BROKEN: ApiError = ApiError::Internal("the queue of a phone is broken");
        let (place, semaphore) = {
            let mut pushing = self.0.lock().map_err(|_| BROKEN)?;
            let (count, semaphore) = pushing.entry(device).or_insert_with(|| (0, Arc::new(Semaphore::new(1))));
            if *count > WAITING {
                return Err(ApiError::Busy);
            }
            *count += 1;
            (Place { pushing: self.0.clone(), device }, semaphore.clone())
        };
        let permit = semaphore.acquire_owned().await.map_err(|_| BROKEN)?;
        Ok(Turn { _permit: permit, _place: place })
    }
}

impl Turns {
    /// How many pushes are taken in, and how many wait.
    pub fn count(&self) -> (u64, u64) {
        let Ok(pushing) = self.0.lock() else { return (0, 0) };
        let waiting: usize = pushing.values().map(|(count, _)| count.saturating_sub(1)).sum();
        (pushing.len() as u64, waiting as u64)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut pushing) = self.pushing.lock() else { return };
        if let Some((count, _)) = pushing.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                pushing.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_phone_has_one_turn_others_have_theirs_and_who_leaves_is_forgotten() {
        let turns = Turns::default();
        let first = turns.take(DeviceId([1; 16])).await.unwrap();
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let mut next = Box::pin(turns.take(DeviceId([1; 16])));
                assert!(futures_now(&mut next).is_none());
                next
            })
            .collect();
        assert!(matches!(turns.take(DeviceId([1; 16])).await, Err(ApiError::Busy)));
        assert_eq!(turns.count(), (1, 4));
        drop(turns.take(DeviceId([2; 16])).await.unwrap());
        drop(first);
        for next in waiting {
            drop(next.await.unwrap());
        }
        assert!(turns.0.lock().unwrap().is_empty());
    }

    /// What a future gives without waiting.
    fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
