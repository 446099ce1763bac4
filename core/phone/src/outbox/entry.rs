//! What an entry of the outbox says.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BlobHash, GrantId, IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::Intent;
use minicbor::{Decode, Encode};
use zeroize::Zeroize;

use crate::store::draft::Draft;

/// One entry. Kinds are numbers that are never used again for something else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// A form was saved.
    #[n(0)]
    Save(#[n(0)] Box<Save>),
    /// A form is being filled in; the last entry of a draft counts.
    #[n(1)]
    Draft(#[n(0)] Box<Draft>),
    /// A draft is no more.
    #[n(2)]
    DraftGone(#[n(0)] IntentId),
    /// A record names a file that the server does not have yet; one entry for each record that names it.
    #[n(3)]
    File(#[n(0)] Box<UnsentFile>),
}

/// One save that was not handed in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Save {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// Its collection.
    #[n(1)]
    pub collection: String,
    /// The home it shall get, if it was made on this phone and is not settled.
    #[n(2)]
    pub create_home: Option<Bucket>,
    /// Why.
    #[n(3)]
    pub intent: Intent,
    /// What was changed.
    #[n(4)]
    pub edits: Vec<Edit>,
    /// The assignment it was made under.
    #[n(5)]
    pub grant: GrantId,
    /// The catalog it was made with.
    #[n(6)]
    pub catalog_version: u32,
}

/// One file that was not handed in: its sealed bytes lie beside the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct UnsentFile {
    /// The hash of its bytes.
    #[n(0)]
    pub hash: BlobHash,
    /// What the sealed file is called.
    #[n(1)]
    pub name: String,
    /// The key it is sealed under.
    #[n(2)]
    pub key: FileKey,
    /// How many bytes it holds.
    #[n(3)]
    pub size: u64,
    /// The record that names it.
    #[n(4)]
    pub record: RecordId,
    /// The key of the record that names it.
    #[n(5)]
    pub at: String,
    /// Whether it is a small picture of another file.
    #[n(6)]
    pub small: bool,
    /// When it was added, by the phone's clock, in milliseconds since 1970.
    #[n(7)]
    pub since_ms: i64,
}

/// The key of one sealed file. It is not shown.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct FileKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
