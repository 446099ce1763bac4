//! How long an account waits after wrong passwords and codes.

const MINUTE_MS: i64 = 60_000;

/// So many wrong ones in a row are free.
pub const FREE: u32 = 4;

/// So many more are compared while an account waits; after that nobody is told any more that a password was right, so
/// that waiting cannot be used for guessing.
pub const PROBES: u32 = 5;

/// How long an account waits after so many wrong ones in a row, in milliseconds: a minute after the fifth, then five, a
/// quarter of an hour, an hour.
pub fn wait_ms(failures: u32) -> Option<i64> {
    let minutes = match failures.checked_sub(FREE)? {
        0 => return None,
        1 => 1,
        2 => 5,
        3 => 15,
        _ => 60,
    };
    Some(minutes * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_waits_a_minute_and_the_eighth_an_hour() {
        let waits: Vec<_> = (0..11).map(|failures| wait_ms(failures).map(|ms| ms / MINUTE_MS)).collect();
        let (none, hour) = (None, Some(60));
        assert_eq!(waits, [none, none, none, none, none, Some(1), Some(5), Some(15), hour, hour, hour]);
    }
}
