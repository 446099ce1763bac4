//! Device clocks never decide order or rights; this is only what people are told.

use gridpass_core::wire::{Intent, PushRequest};

/// When an intent happened by the server's clock: as long before the push arrived as the phone says it was before the
/// push was sent. A phone whose wall clock was set back in between is asked by its monotonic clock.
pub fn corrected_ms(intent: &Intent, push: &PushRequest, now_ms: i64) -> i64 {
    let by_wall = push.sent_ms.saturating_sub(intent.at_ms);
    let by_monotonic = push.sent_monotonic_ms.saturating_sub(intent.monotonic_ms);
    let age = if by_wall >= 0 { by_wall } else { by_monotonic.max(0) };
    now_ms.saturating_sub(age).max(0)
}

/// Whether the phone's clock is more than five minutes off.
pub fn is_off(push: &PushRequest, now_ms: i64) -> bool {
    now_ms.saturating_sub(push.sent_ms).unsigned_abs() > 5 * 60 * 1000
}

#[cfg(test)]
mod tests {
    use gridpass_core::id::{BatchId, IntentId, KeyId};
    use gridpass_core::wire::IntentKind;

    use super::*;

    fn push(sent_ms: i64, sent_monotonic_ms: i64) -> PushRequest {
        PushRequest {
            batch: BatchId::default(),
            key: KeyId::default(),
            actors: Vec::new(),
            items: Vec::new(),
            signature: Vec::new(),
            sent_ms,
            sent_monotonic_ms,
        }
    }

    fn intent(at_ms: i64, monotonic_ms: i64) -> Intent {
        Intent { id: IntentId::default(), kind: IntentKind::EDIT, at_ms, monotonic_ms, visit: None }
    }

    #[test]
    fn a_clock_a_year_ahead_is_corrected_and_flagged() {
        const YEAR: i64 = 365 * 86_400_000;
        let now = 100 * YEAR;
        let ahead = push(now + YEAR, 5_000_000);
        assert_eq!(corrected_ms(&intent(now + YEAR - 60_000, 4_940_000), &ahead, now), now - 60_000);
        assert!(is_off(&ahead, now));
        assert!(!is_off(&push(now - 1000, 0), now));
    }

    #[test]
    fn a_clock_set_back_in_between_is_asked_by_the_monotonic_one() {
        let set_back = push(1_000, 5_000_000);
        assert_eq!(corrected_ms(&intent(90_000_000, 4_940_000), &set_back, 70_000_000), 69_940_000);
        assert_eq!(corrected_ms(&intent(90_000_000, 9_000_000), &set_back, 70_000_000), 70_000_000, "restarted too");
    }
}
