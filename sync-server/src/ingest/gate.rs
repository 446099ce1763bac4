//! How many pushes are prepared at the same time.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Lets a few in at a time. Whoever prepares a push holds its records as documents, which are far larger than
/// their changes: more than a few for each core would cost memory and be no faster. Those who wait for the disk hold none.
pub struct Gate {
    most: usize,
    inside: Mutex<usize>,
    left: Condvar,
}

/// A place inside, until it is dropped.
pub struct Inside<'a>(&'a Gate);

impl Default for Gate {
    /// Two for each core.
    fn default() -> Self {
        Self::new(2 * std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
    }
}

impl Gate {
    /// A gate for so many.
    fn new(most: usize) -> Self {
        Self { most, inside: Mutex::default(), left: Condvar::new() }
    }

    /// Waits for a place. Whoever has one must not ask for another.
    pub fn enter(&self) -> Inside<'_> {
        let full = |inside: &mut usize| *inside >= self.most;
        let mut inside = self.left.wait_while(self.count(), full).unwrap_or_else(PoisonError::into_inner);
        *inside += 1;
        Inside(self)
    }

    /// Nothing panics while it holds the lock.
    fn count(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_few_are_inside_at_once_and_everybody_gets_in() {
        const MOST: usize = 3;
        let gate = Gate::new(MOST);
        let (inside, most, entered) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        // As many as may wait for each other inside, so that many do get in.
        let barrier = Barrier::new(MOST);
        std::thread::scope(|scope| {
            for _ in 0..10 * MOST {
                scope.spawn(|| {
                    let _place = gate.enter();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    barrier.wait();
                    entered.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!((most.into_inner(), entered.into_inner(), *gate.count()), (MOST, 10 * MOST, 0));
    }

    #[test]
    fn who_panics_inside_leaves() {
        let gate = Gate::new(1);
        let run = || {
            let _place = gate.enter();
            panic!("a defect")
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        drop(gate.enter());
    }
}
