//! The sum by which phone and server know that they hold the same records.

use crate::id::{ChangeHash, RecordId};

/// A record's share of its buckets' checksums; a bucket's checksum is the wrapping sum over its records.
///
/// It is the first 8 bytes, little endian, of BLAKE3(record ‖ generation, big endian ‖ heads in order).
pub fn checksum(record: RecordId, generation: u32, heads: &[ChangeHash]) -> u64 {
    let mut sorted = heads.to_vec();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(record.as_bytes()).update(&generation.to_be_bytes());
    sorted.iter().for_each(|head| {
        hasher.update(head.as_bytes());
    });
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
