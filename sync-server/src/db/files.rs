//! The rows of files: which are stored, who names them, who has brought them, and how far uploads are.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{BadId, BlobHash, DeviceId, hex};

use super::{DbError, Principal};

/// The name of one upload. A file that is begun again gets a new one, so that its pieces are never mixed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(pub [u8; 16]);

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl TryFrom<&[u8]> for UploadId {
    type Error = BadId;

    fn try_from(bytes: &[u8]) -> Result<Self, BadId> {
        bytes.try_into().map(Self).map_err(|_| BadId)
    }
}

/// A stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobRow {
    /// The hash of its bytes.
    pub hash: BlobHash,
    /// How many bytes.
    pub size: u64,
}

/// How far a phone is with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadState {
    /// It has begun none.
    Nothing,
    /// It has brought so much.
    Under(UploadRow),
    /// The file is stored and the phone needs to bring no more.
    Complete {
        /// How many bytes.
        size: u64,
    },
}

/// An upload that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadRow {
    /// Its name.
    pub id: UploadId,
    /// What the bytes must hash to.
    pub hash: BlobHash,
    /// How many bytes there will be.
    pub length: u64,
    /// How many have arrived.
    pub offset: u64,
}

/// A piece of an upload that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Where it begins.
    pub start: u64,
    /// How many bytes.
    pub size: u64,
    /// What its object is called.
    pub name: String,
}

/// An upload to be begun.
#[derive(Debug, Clone, Copy)]
pub struct NewUpload {
    /// Its name, if there is none under way.
    pub id: UploadId,
    /// The phone.
    pub device: DeviceId,
    /// The file.
    pub hash: BlobHash,
    /// How many bytes there will be.
    pub length: u64,
    /// How many bytes the files of one phone may have together.
    pub max_bytes: u64,
    /// How many uploads of one phone may be under way.
    pub max_open: u32,
}

/// What became of beginning an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is where it is, which may be complete.
    At(UploadState),
    /// No item of the phone names the file.
    NoReference,
    /// Every item that names it says another size.
    OtherSize,
    /// The phone's files are too many or too large together.
    Quota,
    /// The file is being dropped this moment.
    Busy,
}

/// What became of completing an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The file counts as stored.
    Stored,
    /// Somebody else completed or dropped the upload.
    Gone,
    /// Nothing of the phone names the file any more: the upload is dropped.
    NoReference,
    /// The file is being dropped this moment.
    Busy,
}

/// The rows of files. Everything that is decided over several rows is decided in one transaction.
pub trait FileRows {
    /// How far the principal's phone is with a file.
    fn upload(&self, principal: &Principal, now_ms: i64, hash: BlobHash) -> Result<UploadState, DbError>;

    /// Begins an upload, or finds the one that is under way.
    fn begin_upload(&self, now_ms: i64, new: NewUpload) -> Result<Begun, DbError>;

    /// Notes a stored piece. False if another came first or the upload is gone: then the piece does not count.
    fn add_part(&self, now_ms: i64, id: UploadId, part: PartRow) -> Result<bool, DbError>;

    /// The pieces of an upload in order.
    fn parts(&self, principal: &Principal, now_ms: i64, id: UploadId) -> Result<Vec<PartRow>, DbError>;

    /// Counts an upload's file as stored: its object is there and hashed. Its phone's references are proven with that.
    fn finish_upload(&self, now_ms: i64, id: UploadId) -> Result<Finished, DbError>;

    /// Forgets an upload and its pieces.
    fn drop_upload(&self, now_ms: i64, id: UploadId) -> Result<(), DbError>;

    /// Whether an upload is under way.
    fn has_upload(&self, principal: &Principal, now_ms: i64, id: UploadId) -> Result<bool, DbError>;

    /// The uploads that nothing was added to since a time.
    fn idle_uploads(&self, principal: &Principal, now_ms: i64, since_ms: i64) -> Result<Vec<UploadId>, DbError>;

    /// The uploads whose bytes have all arrived and which are not complete.
    fn arrived_uploads(&self, principal: &Principal, now_ms: i64) -> Result<Vec<UploadRow>, DbError>;

    /// A file that the principal may read: one record in the scope names it, by a phone that had it; or an item of the
    /// principal's own in quarantine does.
    fn readable_blob(
        &self,
        principal: &Principal,
        now_ms: i64,
        scope: &[Bucket],
        hash: BlobHash,
    ) -> Result<Option<BlobRow>, DbError>;

    /// Whether a file counts as stored.
    fn has_blob(&self, principal: &Principal, now_ms: i64, hash: BlobHash) -> Result<bool, DbError>;

    /// Stored files in order of their hashes, after one.
    fn blobs(
        &self,
        principal: &Principal,
        now_ms: i64,
        after: Option<BlobHash>,
        limit: usize,
    ) -> Result<Vec<BlobRow>, DbError>;

    /// Forgets a file whose object is lost: whoever names it brings it again.
    fn lose_blob(&self, now_ms: i64, hash: BlobHash) -> Result<(), DbError>;

    /// Marks the files that nothing has named since a time as being dropped; returns all that are so marked.
    fn condemn_blobs(&self, now_ms: i64, since_ms: i64) -> Result<Vec<BlobHash>, DbError>;

    /// Marks an object that no row knows as being dropped. False if a row knows it, or an upload may be completing it.
    fn condemn_stray(&self, now_ms: i64, hash: BlobHash) -> Result<bool, DbError>;

    /// Forgets a file that was marked and whose object is deleted.
    fn blob_dropped(&self, now_ms: i64, hash: BlobHash) -> Result<(), DbError>;
}
