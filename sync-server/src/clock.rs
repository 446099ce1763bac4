//! The server's time: never backwards, across restarts too, and the only time for grants, codes and deadlines.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that never goes back.
pub struct Clock {
    wall: Box<dyn Fn() -> i64 + Send + Sync>,
    last: AtomicI64,
}

impl Clock {
    /// The machine's clock, but never before `last_ms`, the newest time that was ever recorded.
    pub fn system(last_ms: i64) -> Self {
        Self::new(last_ms, || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    /// A clock of one's own, for tests and the demo.
    pub fn new(last_ms: i64, wall: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self { wall: Box::new(wall), last: AtomicI64::new(last_ms) }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        let wall = (self.wall)();
        self.last.fetch_max(wall, Ordering::Relaxed).max(wall)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn it_stands_still_while_the_wall_clock_is_behind() {
        let wall = Arc::new(AtomicI64::new(50));
        let shared = wall.clone();
        let clock = Clock::new(100, move || shared.load(Ordering::Relaxed));
        assert_eq!(clock.now_ms(), 100);
        wall.store(120, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), 120);
        wall.store(3, Ordering::Relaxed);
        assert_eq!(clock.now_ms(), 120);
    }
}
