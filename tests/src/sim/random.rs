//! Numbers and bytes that follow from a seed and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

/// A series of numbers (splitmix64).
#[derive(Debug)]
pub struct Draw(AtomicU64);

impl Draw {
    /// The series of a seed; `stream` tells the series of one seed apart.
    pub fn new(seed: u64, stream: u64) -> Self {
        let draw = Self(AtomicU64::new(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        draw.next();
        draw
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&self, end: usize) -> usize {
        usize::try_from(self.next().checked_rem(end as u64).unwrap_or(0)).unwrap_or(0)
    }

    /// Fills bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        blake3::Hasher::new().update(&self.next().to_le_bytes()).finalize_xof().fill(bytes);
    }
}
