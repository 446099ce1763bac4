//! How long to wait after a failure.

/// The longest wait, in milliseconds.
const LONGEST_MS: u32 = 15 * 60_000;
/// The wait after the first failure, in milliseconds.
const SHORTEST_MS: u32 = 2_000;

/// Waits that double with every failure in a row, spread by randomness so that phones that lost the server together
/// do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Forgets the failures: something worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and says how long to wait, in milliseconds: between half and all of the doubled wait.
    pub fn fail(&mut self, random: u64) -> u32 {
        let whole = SHORTEST_MS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let spread = random % u64::from(half + 1);
        half + u32::try_from(spread).unwrap_or(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_and_are_bounded() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.fail(u64::MAX)).collect();
        assert!(waits.windows(2).take(8).all(|pair| pair[0] < pair[1]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_MS && *wait >= SHORTEST_MS / 2));
        backoff.reset();
        assert_eq!(backoff.fail(0), SHORTEST_MS / 2);
        assert_ne!(Backoff::default().fail(1), Backoff::default().fail(77));
    }
}
