//! Server to phone: rows of logs, and packs for phones that start.

use minicbor::{Decode, Encode};

use super::dump::{Holds, named};
use crate::bucket::Bucket;
use crate::id::{BlobHash, ChangeHash, DeviceId, IntentId, RecordId, UserId};
use crate::record::ShownValues;

/// `POST /sync/v1/pull`: how far the phone has come in each bucket it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct PullRequest {
    /// One entry per bucket the phone has a cursor for.
    #[n(0)]
    pub buckets: Vec<BucketCursor>,
    /// Up to 100 records to be sent whole.
    #[n(1)]
    pub whole: Vec<RecordId>,
}

named!(PullRequest { 0 buckets: Holds::Message(&BucketCursor::TABLE), 1 whole });

/// How far a phone has come in one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BucketCursor {
    /// The bucket's number, which holds within the epoch.
    #[n(0)]
    pub bucket: u32,
    /// How far.
    #[n(1)]
    pub cursor: Cursor,
    /// How many changes of the phone wait in it.
    #[n(2)]
    pub pending: u32,
}

named!(BucketCursor { 0 bucket, 1 cursor: Holds::Message(&Cursor::TABLE), 2 pending });

/// A place in a bucket's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// The log's epoch: a random number that a restored server replaces.
    #[n(0)]
    pub epoch: u64,
    /// The last row that was taken in; 0 before the first.
    #[n(1)]
    pub log_seq: u64,
    /// The log's checksum after that row, as the server gave it.
    #[n(2)]
    pub checksum: u64,
}

named!(Cursor { 0 epoch, 1 log_seq, 2 checksum });

/// The answer to a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct PullAnswer {
    /// Buckets the phone may hold and did not ask for, or must start again, with their packs.
    #[n(0)]
    pub granted: Option<Vec<Granted>>,
    /// Buckets whose scope has ended: push what waits in them.
    #[n(1)]
    pub closing: Option<Vec<Closing>>,
    /// Numbers of buckets the phone must give up.
    #[n(2)]
    pub removed: Option<Vec<u32>>,
    /// One page per bucket that was asked for and stands.
    #[n(3)]
    pub pages: Vec<BucketPage>,
    /// The records that were asked for whole.
    #[n(4)]
    pub whole: Option<Vec<Touched>>,
    /// The server's clock, in milliseconds since 1970.
    #[n(5)]
    pub server_ms: i64,
    /// How long to wait before the next sync that nobody asks for, in milliseconds.
    #[n(6)]
    pub next_sync_after_ms: u32,
}

named!(PullAnswer {
    0 granted: Holds::Message(&Granted::TABLE),
    1 closing: Holds::Message(&Closing::TABLE),
    2 removed,
    3 pages: Holds::Message(&BucketPage::TABLE),
    4 whole: Holds::Message(&Touched::TABLE),
    5 server_ms,
    6 next_sync_after_ms,
});

/// A bucket that the phone starts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Granted {
    /// Its number within the epoch.
    #[n(0)]
    pub number: u32,
    /// Its name.
    #[n(1)]
    pub bucket: Bucket,
    /// Where to go on pulling once the packs are in.
    #[n(2)]
    pub as_of: Cursor,
    /// The packs, most useful first.
    #[n(3)]
    pub packs: Vec<PackRef>,
}

named!(Granted {
    0 number,
    1 bucket: Holds::Bucket,
    2 as_of: Holds::Message(&Cursor::TABLE),
    3 packs: Holds::Message(&PackRef::TABLE),
});

/// A frozen page of a bucket, named by the hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PackRef {
    /// The BLAKE3 hash of the packed bytes.
    #[n(0)]
    pub hash: BlobHash,
    /// Their number.
    #[n(1)]
    pub size: u32,
    /// How many records it holds.
    #[n(2)]
    pub records: u32,
}

named!(PackRef { 0 hash, 1 size, 2 records });

/// The content of a pack (`GET /sync/v1/packs/<hash>`, zstd over CBOR).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Pack {
    /// The bucket.
    #[n(0)]
    pub bucket: Bucket,
    /// The records as they stood when the pack was made.
    #[n(1)]
    pub records: Vec<Touched>,
}

named!(Pack { 0 bucket: Holds::Bucket, 1 records: Holds::Message(&Touched::TABLE) });

/// A bucket whose scope has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Closing {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// When the last push is taken, in milliseconds since 1970 by the server's clock.
    #[n(1)]
    pub until_ms: i64,
}

named!(Closing { 0 number, 1 until_ms });

/// The next rows of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BucketPage {
    /// The bucket's number.
    #[n(0)]
    pub number: u32,
    /// The cursor after this page; none when nothing is new.
    #[n(1)]
    pub to: Option<Cursor>,
    /// The last row that a backup holds.
    #[n(2)]
    pub durable_seq: u64,
    /// Every touched record once.
    #[n(3)]
    pub rows: Option<Vec<Row>>,
    /// Whether more rows wait.
    #[n(4)]
    pub more: bool,
}

named!(BucketPage {
    0 number,
    1 to: Holds::Message(&Cursor::TABLE),
    2 durable_seq,
    3 rows: Holds::Message(&Row::TABLE),
    4 more,
});

/// What a row of a log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct RowKind(#[n(0)] pub u8);

impl RowKind {
    const NAMES: &[(u8, &str)] = &[(1, "change"), (2, "put"), (3, "remove")];

    /// A change of a record.
    pub const CHANGE: Self = Self(1);
    /// The whole record: it entered the bucket, or has a new generation.
    pub const PUT: Self = Self(2);
    /// The record left the bucket.
    pub const REMOVE: Self = Self(3);
}

/// One touched record of a page.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Row {
    /// What happened. A kind the phone does not know stops the bucket.
    #[n(0)]
    pub kind: RowKind,
    /// The record.
    #[n(1)]
    pub record: RecordId,
    /// The record as it stands now; absent when it left.
    #[n(2)]
    pub touched: Option<Touched>,
    /// Where it went when it left, if the phone may know.
    #[n(3)]
    pub moved_to: Option<Bucket>,
}

named!(Row {
    0 kind: Holds::Code(RowKind::NAMES),
    1 record,
    2 touched: Holds::Message(&Touched::TABLE),
    3 moved_to: Holds::Bucket,
});

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Touched {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// Its collection.
    #[n(1)]
    pub collection: String,
    /// Its generation.
    #[n(2)]
    pub generation: u32,
    /// Its format.
    #[n(3)]
    pub fmt: u8,
    /// The bucket that is its home.
    #[n(4)]
    pub home: Bucket,
    /// The changes no other change was made on.
    #[n(5)]
    pub heads: Vec<ChangeHash>,
    /// What is shown, and what stands behind it.
    #[n(6)]
    pub values: ShownValues,
    /// The changes that are new since the cursor; all of them in a pack or after a PUT.
    #[n(7)]
    pub changes: Vec<ChangeRow>,
}

named!(Touched {
    0 record,
    1 collection,
    2 generation,
    3 fmt,
    4 home: Holds::Bucket,
    5 heads,
    6 values: Holds::Personal,
    7 changes: Holds::Message(&ChangeRow::TABLE),
});

/// One change with who made it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChangeRow {
    /// Its hash.
    #[n(0)]
    pub hash: ChangeHash,
    /// The bytes that the server built from the pushed fields.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    /// Who made it.
    #[n(2)]
    pub author: Author,
    /// When, by the corrected clock, in milliseconds since 1970.
    #[n(3)]
    pub time_ms: i64,
    /// Why.
    #[n(4)]
    pub intent: IntentId,
}

named!(ChangeRow { 0 hash, 1 bytes: Holds::Personal, 2 author: Holds::Message(&Author::TABLE), 3 time_ms, 4 intent });

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Author {
    /// On which side.
    #[n(0)]
    pub role: Role,
    /// The user, if a person.
    #[n(1)]
    pub user: Option<UserId>,
    /// The enrolment, if a phone.
    #[n(2)]
    pub device: Option<DeviceId>,
}

named!(Author { 0 role: Holds::Code(Role::NAMES), 1 user, 2 device });

/// On which side a change was made. A role that the reader does not know is read as a device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Role(#[n(0)] pub u8);

impl Role {
    const NAMES: &[(u8, &str)] = &[(1, "device"), (2, "console"), (3, "office")];

    /// A phone.
    pub const DEVICE: Self = Self(1);
    /// The server, where it merges like a phone: edits at a desk, imports.
    pub const CONSOLE: Self = Self(2);
    /// The server's decisions, which are shown before all others.
    pub const OFFICE: Self = Self(3);
}
