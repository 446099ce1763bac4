//! What travels between phone and server: CBOR maps with integer keys.
//!
//! A key is never used again for something else, and unknown keys are passed over, so that a newer side can talk to an
//! older one. Every type has a snapshot test (`core/tests/it/wire.rs`) that fails when its bytes change. Field names, for
//! people, are in [`dump`].

pub mod dump;

mod enrol;
mod pull;
mod push;
mod receipt;

pub use enrol::{
    BadEnrolCode, Challenge, ChallengeAnswer, EnrolCode, EnrolRequest, Enrolled, Grant, Nonce, PublicKeys, Token,
    TokenRequest,
};
pub use pull::{
    Author, BucketCursor, BucketPage, ChangeRow, Closing, Cursor, Granted, Pack, PackRef, PullAnswer, PullRequest,
    Role, Row, RowKind, Touched,
};
pub use push::{
    ChangeFields, Create, Intent, IntentKind, ItemVerdict, PushAnswer, PushItem, PushRequest, PutFields, Reason,
    Verdict, Via,
};
pub use receipt::{Receipt, ReceiptFile, ReceiptSheet, ReceiptedSave};

use minicbor::{Decode, Encode};

use crate::bucket::Bucket;

/// Records are Automerge documents.
pub const FMT_AUTOMERGE: u8 = 1;
/// Records are plain values that only the server writes.
pub const FMT_PLAIN: u8 = 0;

/// The largest unpacked body of a push, in bytes.
pub const MAX_PUSH_BYTES: usize = 1 << 20;
/// The most items of a push.
pub const MAX_PUSH_ITEMS: usize = 500;
/// The largest item of a push, in bytes.
pub const MAX_ITEM_BYTES: usize = 64 << 10;
/// The most values one change may put.
pub const MAX_PUTS: usize = 2000;
/// The most that the keys written by devices may hold in one record, in bytes.
pub const MAX_RECORD_BYTES: usize = 32 << 10;
/// The largest file a record may name, in bytes. A server may be set to take less.
pub const MAX_FILE_BYTES: u64 = 32 << 20;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not the CBOR of this type.
    #[error("not a message of this kind: {0}")]
    Malformed(String),
    /// Compressed bytes that unpack to more than is allowed, or do not unpack.
    #[error("unpacks to more than {limit} bytes or is damaged")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Encodes a message.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    // Writing into a vector cannot fail, and no type here refuses to be encoded.
    minicbor::to_vec(message).unwrap_or_default()
}

/// Decodes a message; bytes left over are an error.
pub fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, WireError> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|error| WireError::Malformed(error.to_string()))?;
    match decoder.position() == bytes.len() {
        true => Ok(message),
        false => Err(WireError::Malformed("bytes left over".into())),
    }
}

/// Encodes and compresses a message.
pub fn pack<T: Encode<()>>(message: &T) -> Vec<u8> {
    let bytes = encode(message);
    zstd::bulk::compress(&bytes, 3).unwrap_or_default()
}

/// Unpacks and decodes a message whose unpacked form has at most `limit` bytes.
pub fn unpack<T: for<'b> Decode<'b, ()>>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    decode(&unpacked(bytes, limit)?)
}

/// Unpacks a pack and hands on its bucket and its records, one after the other: never are all of them decoded at once.
/// Where `take` says no, nothing more is read.
pub fn each_of_pack(
    bytes: &[u8],
    limit: usize,
    mut take: impl FnMut(Bucket, Touched) -> bool,
) -> Result<(), WireError> {
    let unpacked = unpacked(bytes, limit)?;
    let mut decoder = minicbor::Decoder::new(&unpacked);
    let malformed = |error: minicbor::decode::Error| WireError::Malformed(error.to_string());
    let missing = || WireError::Malformed("a pack without its bucket before its records".into());
    let entries = decoder.map().map_err(malformed)?.ok_or_else(missing)?;
    let (mut bucket, mut records) = (None, false);
    for _ in 0..entries {
        match decoder.u32().map_err(malformed)? {
            0 => bucket = Some(decoder.decode().map_err(malformed)?),
            1 => {
                let (bucket, count) = (bucket.ok_or_else(missing)?, decoder.array().map_err(malformed)?);
                for _ in 0..count.ok_or_else(missing)? {
                    if !take(bucket, decoder.decode().map_err(malformed)?) {
                        return Ok(());
                    }
                }
                records = true;
            }
            _ => decoder.skip().map_err(malformed)?,
        }
    }
    match records && decoder.position() == unpacked.len() {
        true => Ok(()),
        false => Err(missing()),
    }
}

fn unpacked(bytes: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let announced = zstd::zstd_safe::get_frame_content_size(bytes)
        .map_err(|_| WireError::Malformed("not a compressed message".into()))?;
    if announced.is_some_and(|size| size > limit as u64) {
        return Err(WireError::TooLarge { limit });
    }
    zstd::bulk::decompress(bytes, limit).map_err(|_| WireError::TooLarge { limit })
}
