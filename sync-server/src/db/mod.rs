//! The database behind one trait, so that one contract suite holds for every backend.
//!
//! Calls block; routes run them on blocking threads. Every read takes the [`Principal`] it is made for and the time, so
//! that no read can forget whom it answers.

mod audit;
mod files;
mod org;
mod people;
mod reviews;
pub mod sqlite;

pub use audit::{AuditFilter, AuditRow, AuditRows, ChainState, Cut, Link, Renewal, Walked};
pub use files::{Begun, BlobRow, FileRows, Finished, NewUpload, PartRow, UploadId, UploadRow, UploadState};
pub use org::{OrgRows, PointRow, ShapeRow};
pub use people::*;
pub use reviews::{ReviewRow, ReviewRows, ReviewState, TicketRow};

use std::collections::BTreeMap;
use std::path::Path;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{
    ActorId, BatchId, BlobHash, ChangeHash, DeviceId, GrantId, GridId, IntentId, RecordId, TicketId, UserId,
};
use gridpass_core::wire::{BucketCursor, ChangeRow, Cursor, IntentKind, Nonce, PackRef, Reason, Role, Row, Touched};

use crate::import::batch::Batch;
use crate::log::{Audit, Commit, Outcome};
use crate::org::Node;

/// For whom something is read or done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The person; none for the server itself.
    pub user: Option<UserId>,
    /// The phone.
    pub device: Option<DeviceId>,
    /// The assignment that is used.
    pub grant: Option<GrantId>,
    /// On which side the person stands.
    pub role: Role,
}

impl Principal {
    /// The server itself: commands that IT runs on the machine.
    pub const SERVER: Self = Self { user: None, device: None, grant: None, role: Role::OFFICE };
}

/// A database that does not do what it should. Never says what was in it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The backend failed.
    #[error("the database failed while {step}: {cause}")]
    Backend {
        /// What was being done.
        step: &'static str,
        /// What the backend said.
        cause: String,
    },
    /// The disk is full, read-only or broken: nothing was written, and trying again later may work.
    #[error("the disk refuses while {step}: {cause}")]
    Storage {
        /// What was being done.
        step: &'static str,
        /// What the backend said.
        cause: String,
    },
    /// A row does not read as what it should be.
    #[error("a row of {table} is damaged; run `gridpass-server verify`")]
    Damaged {
        /// The table.
        table: &'static str,
    },
    /// The database was written by a newer version.
    #[error("the database has schema {found}, this program knows {known}: install the newer program")]
    NewerSchema {
        /// The schema found.
        found: u32,
        /// The newest schema known.
        known: u32,
    },
}

/// An item of a push, as far as the database needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct ItemRef {
    /// The record.
    pub record: RecordId,
    /// The generation.
    pub generation: u32,
    /// The claimed hash.
    pub hash: ChangeHash,
    /// The intent.
    pub intent: IntentId,
}

/// All that the checks of a push need to know.
#[derive(Debug, Clone, Default)]
pub struct PushFacts {
    /// Per item, in order, whether it is known already; the last items are left out where there was too much to read.
    pub items: Vec<Known>,
    /// The records that exist or have something in quarantine.
    pub records: BTreeMap<RecordId, RecordFacts>,
}

/// Whether an item is known already.
#[derive(Debug, Clone)]
pub enum Known {
    /// It is new.
    New,
    /// It is stored, under this hash.
    Stored(StoredChange),
    /// Another device has stored something under its intent.
    Taken,
    /// It is in quarantine, from this device.
    Quarantined {
        /// The inbox item.
        ticket: TicketId,
        /// Why.
        reason: Reason,
        /// The inbox item of the rejected change it was made on.
        blocked_by: Option<TicketId>,
    },
}

/// Where a change is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// The bucket that was the record's home.
    pub home: Bucket,
    /// Its row there.
    pub log_seq: u64,
    /// When it was stored.
    pub time_ms: i64,
}

/// A record as the checks need it.
#[derive(Debug, Clone, Default)]
pub struct RecordFacts {
    /// The record itself, if it exists.
    pub row: Option<RecordRow>,
    /// All its changes of the generation that stands.
    pub changes: Vec<ChangeMeta>,
    /// Of each bucket that distributes it, its newest row.
    pub newest: Vec<(Bucket, u64)>,
    /// What of it is in quarantine.
    pub quarantined: BTreeMap<ChangeHash, TicketId>,
    /// The keys with an open conflict ticket.
    pub open: Vec<String>,
}

/// A row of `record`.
#[derive(Debug, Clone)]
pub struct RecordRow {
    /// Its collection.
    pub collection: String,
    /// Its generation.
    pub generation: u32,
    /// Its format.
    pub fmt: u8,
    /// Its heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// Its home.
    pub home: Bucket,
    /// The other buckets that distribute it.
    pub also: Vec<Bucket>,
}

/// A stored change with who made it.
#[derive(Debug, Clone)]
pub struct ChangeMeta {
    /// What travels.
    pub row: ChangeRow,
    /// The writer.
    pub actor: ActorId,
    /// What kind of act it was.
    pub intent_kind: IntentKind,
}

/// A phone.
#[derive(Debug, Clone)]
pub struct DeviceRow {
    /// The enrolment.
    pub id: DeviceId,
    /// Its user.
    pub user: UserId,
    /// Its Ed25519 public key.
    pub public_key: Vec<u8>,
    /// When it was revoked.
    pub revoked: Option<i64>,
    /// All its actors.
    pub actors: Vec<ActorId>,
}

impl DeviceRow {
    /// The phone and its user, for whom something is read or done.
    pub fn principal(&self) -> Principal {
        Principal { user: Some(self.user), device: Some(self.id), grant: None, role: Role::DEVICE }
    }
}

/// As whom somebody serves there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// As the one whose post it is.
    Primary,
    /// For somebody who is away.
    Cover,
}

impl Duty {
    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Cover => "cover",
        }
    }
}

/// An assignment: a role at a post for a time. It ends just before `to_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentRow {
    /// Its number, the grant that every pushed item names.
    pub grant: GrantId,
    /// Where: in a grid, or at a unit and in all that stands below it.
    pub post: Node,
    /// The role, as the catalog names it.
    pub role: String,
    /// As whom.
    pub duty: Duty,
    /// From when it counts.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: Option<i64>,
}

impl AssignmentRow {
    /// A worker's own grid from a time on.
    pub fn worker(grant: GrantId, grid: GridId, from_ms: i64) -> Self {
        Self { grant, post: Node::Grid(grid), role: "worker".into(), duty: Duty::Primary, from_ms, to_ms: None }
    }

    /// The grid, if it is one.
    pub fn grid(&self) -> Option<GridId> {
        if let Node::Grid(grid) = self.post { Some(grid) } else { None }
    }

    /// Whether it counts at a time.
    pub fn counts_at(&self, now_ms: i64) -> bool {
        self.from_ms <= now_ms && self.to_ms.is_none_or(|to| now_ms < to)
    }
}

/// Why an enrolment code is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolRefusal {
    /// Nobody gave out such a code, or it is too old.
    UnknownOrExpired,
    /// Another phone has used it.
    Used,
    /// The phone's key belongs to another user's enrolment or to one that was revoked.
    KeyTaken,
}

/// An enrolment that was made or had been made before with the same code and key.
#[derive(Debug, Clone)]
pub struct EnrolledRow {
    /// The enrolment.
    pub device: DeviceId,
    /// Its user.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
}

/// The state of one bucket for one pull.
#[derive(Debug, Clone)]
pub enum BucketRead {
    /// The phone's cursor stands: the next rows.
    Page {
        /// The number the phone asked with.
        number: u32,
        /// The cursor afterwards, if it moves.
        to: Option<Cursor>,
        /// The last row that a backup holds.
        durable_seq: u64,
        /// The touched records.
        rows: Vec<Row>,
        /// Whether more wait.
        more: bool,
    },
    /// The phone may not hold the bucket, or there is none of this number.
    Gone {
        /// The number the phone asked with.
        number: u32,
        /// The bucket of this number, if there is one in this epoch.
        bucket: Option<Bucket>,
    },
    /// The phone must start the bucket: it has no cursor, or one that does not stand.
    Start {
        /// The bucket's number.
        number: u32,
        /// The bucket.
        bucket: Bucket,
        /// The bucket's head.
        head: Cursor,
    },
}

/// A bucket's packs.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Where to go on pulling after the packs.
    pub as_of: Cursor,
    /// The packs.
    pub packs: Vec<PackRef>,
}

/// A pack to be stored.
#[derive(Debug, Clone)]
pub struct NewPack {
    /// The hash of the bytes.
    pub hash: BlobHash,
    /// The compressed pack.
    pub bytes: Vec<u8>,
    /// How many records it holds.
    pub records: u32,
}

/// A fault that `verify` found; names the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

/// A change that an import made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedChange {
    /// Its number: later ones are larger.
    pub number: i64,
    /// The record.
    pub record: RecordId,
}

/// What a rebuild has looked at and put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Records looked at.
    pub records: u64,
    /// Buckets looked at.
    pub buckets: u64,
    /// How many of them differed and were written anew.
    pub differed: u64,
}

/// Counts for those who watch the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Census {
    /// Phones: state, how long since their last contact, how many.
    pub devices: Vec<(&'static str, &'static str, u64)>,
    /// Open tickets by kind.
    pub tickets: BTreeMap<String, u64>,
    /// Items in quarantine that are not settled.
    pub quarantine: u64,
    /// Assignments that count now.
    pub grants: u64,
    /// Stored files.
    pub files: u64,
    /// How large they are together.
    pub file_bytes: u64,
    /// When the last backup was made that counts, in milliseconds since 1970; 0 = never.
    pub last_backup_ms: u64,
}

/// Commits that a database has got and works on.
pub struct Underway(pub(crate) Box<dyn FnOnce() -> Result<Vec<Outcome>, DbError>>);

impl Underway {
    /// Waits until they are on disk.
    pub fn wait(self) -> Result<Vec<Outcome>, DbError> {
        self.0()
    }
}

/// The database of a server.
pub trait Database: AuditRows + FileRows + OrgRows + PeopleRows + ReviewRows + Send + Sync {
    /// The epoch of the logs.
    fn epoch(&self) -> u64;

    /// Applies commits in order, each whole or not at all; returns when they are on disk.
    fn commit(&self, now_ms: i64, commits: Vec<Commit>) -> Result<Vec<Outcome>, DbError> {
        self.commit_later(now_ms, commits)?.wait()
    }

    /// The same for somebody who has other work meanwhile. Whoever does not wait does not know what became of them.
    fn commit_later(&self, now_ms: i64, commits: Vec<Commit>) -> Result<Underway, DbError>;

    /// Looks up what the checks of a push need, in one read.
    fn push_facts(
        &self,
        principal: &Principal,
        now_ms: i64,
        items: &[ItemRef],
        most_bytes: usize,
    ) -> Result<PushFacts, DbError>;

    /// Makes ready for very many rows, or for ordinary work again; `commit` stays as safe as it is.
    fn bulk(&self, many: bool) -> Result<(), DbError>;

    /// Row and changes of those of the records that exist; nothing of the quarantine, the log and the inbox.
    fn standing(
        &self,
        principal: &Principal,
        now_ms: i64,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, RecordFacts>, DbError>;

    /// The imports, in the order they were begun.
    fn import_batches(&self, principal: &Principal, now_ms: i64) -> Result<Vec<Batch>, DbError>;

    /// Changes of an import whose number is below `before`, the newest first.
    fn import_changes(
        &self,
        principal: &Principal,
        now_ms: i64,
        batch: BatchId,
        before: i64,
        limit: usize,
    ) -> Result<Vec<ImportedChange>, DbError>;

    /// The changes of a record that an import made.
    fn import_hashes(
        &self,
        principal: &Principal,
        now_ms: i64,
        batch: BatchId,
        record: RecordId,
    ) -> Result<Vec<ChangeHash>, DbError>;

    /// The homes of those of the records that exist.
    fn homes(
        &self,
        principal: &Principal,
        now_ms: i64,
        records: &[RecordId],
    ) -> Result<BTreeMap<RecordId, Bucket>, DbError>;

    /// The last row of each of the buckets that exist.
    fn heads(&self, principal: &Principal, now_ms: i64, buckets: &[Bucket]) -> Result<BTreeMap<Bucket, u64>, DbError>;

    /// Reads the next rows of all buckets in one read; `scope` is what the principal may hold. At most `limit` rows.
    fn pull(
        &self,
        principal: &Principal,
        now_ms: i64,
        scope: &[Bucket],
        cursors: &[BucketCursor],
        limit: usize,
    ) -> Result<Vec<BucketRead>, DbError>;

    /// Records as they stand, with all their changes, as far as they lie in the scope.
    fn whole(
        &self,
        principal: &Principal,
        now_ms: i64,
        scope: &[Bucket],
        records: &[RecordId],
    ) -> Result<Vec<Touched>, DbError>;

    /// All records of a bucket as they stand, in pieces of `size`, with the cursor they stand for.
    fn bucket_records(
        &self,
        principal: &Principal,
        now_ms: i64,
        bucket: Bucket,
        size: usize,
        take: &mut dyn FnMut(Vec<Touched>) -> Result<(), DbError>,
    ) -> Result<Cursor, DbError>;

    /// The packs of a bucket, if there are any.
    fn manifest(&self, principal: &Principal, now_ms: i64, bucket: Bucket) -> Result<Option<Manifest>, DbError>;

    /// Stores the packs of a bucket in place of those before.
    fn put_manifest(&self, now_ms: i64, bucket: Bucket, as_of: Cursor, packs: Vec<NewPack>) -> Result<(), DbError>;

    /// The bytes of a pack of a bucket in the scope.
    fn pack(
        &self,
        principal: &Principal,
        now_ms: i64,
        scope: &[Bucket],
        hash: BlobHash,
    ) -> Result<Option<Vec<u8>>, DbError>;

    /// Notes the server's own writers of this epoch.
    fn add_server_actors(&self, now_ms: i64, actors: &[(ActorId, Role)]) -> Result<(), DbError>;

    /// The assignments of a user, ended and future ones too.
    fn assignments(&self, principal: &Principal, now_ms: i64, user: UserId) -> Result<Vec<AssignmentRow>, DbError>;

    /// Makes a user; the login must be new.
    fn add_user(&self, now_ms: i64, id: UserId, login: &str, name: &str) -> Result<(), DbError>;

    /// The user with a login.
    fn user_by_login(&self, principal: &Principal, now_ms: i64, login: &str) -> Result<Option<UserId>, DbError>;

    /// Assigns a user.
    fn assign(&self, now_ms: i64, user: UserId, assignment: &AssignmentRow) -> Result<(), DbError>;

    /// Ends the assignments of a user to a post that count at a time, from then on. Returns how many ended.
    fn end_assignments(&self, now_ms: i64, user: UserId, post: Node, at_ms: i64) -> Result<usize, DbError>;

    /// Gives out a one-time enrolment code, by its hash.
    fn add_enrol_code(&self, now_ms: i64, hash: [u8; 32], user: UserId, expires_ms: i64) -> Result<(), DbError>;

    /// Uses an enrolment code.
    fn enrol(
        &self,
        now_ms: i64,
        code_hash: [u8; 32],
        device: DeviceId,
        public_key: &[u8],
        nonce: Nonce,
        app_version: &str,
    ) -> Result<Result<EnrolledRow, EnrolRefusal>, DbError>;

    /// A phone by its enrolment.
    fn device(&self, principal: &Principal, now_ms: i64, id: DeviceId) -> Result<Option<DeviceRow>, DbError>;

    /// The phone that holds a token.
    fn device_by_token(&self, now_ms: i64, token_hash: [u8; 32]) -> Result<Option<DeviceRow>, DbError>;

    /// Stores a challenge.
    fn add_challenge(&self, now_ms: i64, device: DeviceId, challenge: [u8; 32], expires_ms: i64)
    -> Result<(), DbError>;

    /// Takes a challenge: true once, if it is the device's and not too old. Then the token and the actors of the
    /// phone's database files are stored.
    #[expect(clippy::too_many_arguments, reason = "one row of each of three tables, written together")]
    fn take_challenge(
        &self,
        now_ms: i64,
        device: DeviceId,
        challenge: &[u8],
        token_hash: [u8; 32],
        expires_ms: i64,
        nonces: &[Nonce],
        app_version: &str,
    ) -> Result<bool, DbError>;

    /// Revokes a phone: its tokens are gone at once.
    fn revoke(&self, now_ms: i64, device: DeviceId) -> Result<bool, DbError>;

    /// Writes an audit row for what the other calls do not cover.
    fn audit(&self, now_ms: i64, audit: Audit) -> Result<(), DbError>;

    /// Writes a consistent copy of the database to a file that is not there yet, while it is in use. Returns the last row
    /// of each bucket that the copy holds.
    fn backup(&self, to: &Path) -> Result<BTreeMap<Bucket, u64>, DbError>;

    /// Notes that a backup in a safe place holds these rows, so that phones learn it.
    fn durable(&self, now_ms: i64, heads: &BTreeMap<Bucket, u64>) -> Result<(), DbError>;

    /// Compares every stored row with what it must add up to; hands each fault to `found`.
    fn verify(&self, principal: &Principal, now_ms: i64, found: &mut dyn FnMut(Fault)) -> Result<u64, DbError>;

    /// The same for the logs of some buckets and the records that they distribute now; buckets that do not exist hold
    /// nothing.
    fn verify_buckets(
        &self,
        principal: &Principal,
        now_ms: i64,
        buckets: &[Bucket],
        found: &mut dyn FnMut(Fault),
    ) -> Result<u64, DbError>;

    /// Makes records and buckets anew from changes and logs, piece by piece while the database is in use. Corrected
    /// records are sent to the phones again; what cannot be made anew goes to `found` and stays as it is.
    fn rebuild(&self, now_ms: i64, found: &mut dyn FnMut(Fault)) -> Result<Rebuilt, DbError>;

    /// Counts for those who watch the server.
    fn census(&self, principal: &Principal, now_ms: i64) -> Result<Census, DbError>;

    /// The way of every change of a record, as JSON lines for people.
    fn trace(&self, principal: &Principal, now_ms: i64, record: RecordId) -> Result<Vec<serde_json::Value>, DbError>;
}
