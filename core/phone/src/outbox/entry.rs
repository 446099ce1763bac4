//! What an entry of the outbox says.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GrantId, IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::Intent;
use minicbor::{Decode, Encode};

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
