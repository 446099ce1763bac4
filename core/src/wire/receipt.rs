//! Receipts: the signed form of change rows.

use minicbor::{Decode, Encode};

use super::dump::{Holds, named};
use super::encode;
use crate::bucket::Bucket;
use crate::id::{ChangeHash, DeviceId, IntentId, KeyId, RecordId};

/// The server's word that it has stored one change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// The record's generation.
    #[n(1)]
    pub generation: u32,
    /// The change.
    #[n(2)]
    pub hash: ChangeHash,
    /// The bucket that is the record's home.
    #[n(3)]
    pub home: Bucket,
    /// The row of the home bucket's log.
    #[n(4)]
    pub log_seq: u64,
    /// The log's epoch.
    #[n(5)]
    pub epoch: u64,
    /// When the server stored it, in milliseconds since 1970.
    #[n(6)]
    pub time_ms: i64,
}

named!(Receipt { 0 record, 1 generation, 2 hash, 3 home: Holds::Bucket, 4 log_seq, 5 epoch, 6 time_ms });

/// The receipts of one answer, signed together.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptSheet {
    /// The server's signing key.
    #[n(0)]
    pub key: KeyId,
    /// The receipts.
    #[n(1)]
    pub receipts: Vec<Receipt>,
    /// The Ed25519 signature over [`ReceiptSheet::message`], 64 bytes.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

named!(ReceiptSheet { 0 key, 1 receipts: Holds::Message(&Receipt::TABLE), 2 signature });

impl ReceiptSheet {
    /// What is signed.
    pub fn message(key: KeyId, receipts: &[Receipt]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"receipt1").update(key.as_bytes());
        for receipt in receipts {
            hasher.update(&encode(receipt));
        }
        *hasher.finalize().as_bytes()
    }
}

/// Of which save a change with a receipt was made. A restored server may have the same save as another change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptedSave {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// The change.
    #[n(1)]
    pub hash: ChangeHash,
    /// The save.
    #[n(2)]
    pub intent: IntentId,
}

named!(ReceiptedSave { 0 record, 1 hash, 2 intent });

/// All receipts of a phone as a file, packed, for whoever asks the server whether it still has what it signed for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptFile {
    /// The phone.
    #[n(0)]
    pub device: DeviceId,
    /// What the server signed, oldest first.
    #[n(1)]
    pub sheets: Vec<ReceiptSheet>,
    /// The saves behind the changes; nobody has signed this.
    #[n(2)]
    pub saves: Vec<ReceiptedSave>,
}

named!(ReceiptFile {
    0 device, 1 sheets: Holds::Message(&ReceiptSheet::TABLE), 2 saves: Holds::Message(&ReceiptedSave::TABLE)
});

impl ReceiptFile {
    /// The largest file that is read, unpacked, in bytes: a million receipts and more.
    pub const MAX_BYTES: usize = 256 << 20;
}
