//! What may be written: plain data, prepared by whoever decides, applied by the database and by nothing else.
//!
//! A [`Commit`] names what it was prepared against. Where that no longer stands the database answers
//! [`Outcome::Stale`] and applies nothing of it; the one who prepared it looks again.

mod audit;

pub use audit::Audit;
use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::Occasion;
use gridpass_core::codes::Date;
use gridpass_core::id::{
    ActorId, BatchId, BlobHash, ChangeHash, DeviceId, GrantId, IntentId, KeyId, RecordId, TicketId, UserId,
};
use gridpass_core::record::mark::Decision;
use gridpass_core::record::{Built, Change, Shown, ShownValues};
use gridpass_core::wire::{IntentKind, Reason, Role};

/// The collections whose records are read in every grid that names them: what stands above a house, and where people
/// work. References to all others may point at what a phone does not hold.
pub const READ_WHERE_NAMED: [&str; 2] = ["address", "organisation"];

/// One thing to write, whole or not at all, with its audit row.
#[derive(Debug, Clone)]
pub struct Commit {
    /// What.
    pub write: Write,
    /// Who did it.
    pub audit: Audit,
}

impl Commit {
    /// About how much there is to write: rows, and a kilobyte of bytes as one more. An edit of one field is six.
    pub fn work(&self) -> usize {
        match &self.write {
            Write::Record(write) => {
                let text = |value: &Value| if let Value::Str(text) = value { text.len() } else { 1 };
                let shown =
                    |(key, shown): (&String, &Shown)| key.len() + shown.all().into_iter().map(text).sum::<usize>();
                let bytes = write.changes.iter().map(|change| change.built.bytes().len()).sum::<usize>()
                    + write.shown.iter().map(shown).sum::<usize>();
                let logs = 1 + write.also.len();
                3 + logs
                    + write.changes.len() * (1 + logs)
                    + write.tickets.len()
                    + write.decided.len()
                    + write.names.len() * 3
                    + write.files.work()
                    + bytes / 1024
            }
            Write::Quarantine(item) => 2 + item.files.work() + item.item.len() / 1024,
            Write::Batch(_) => 2,
            Write::Nothing => 1,
        }
    }
}

/// What a commit writes.
#[derive(Debug, Clone)]
pub enum Write {
    /// Changes of one record and what follows from them.
    Record(Box<RecordWrite>),
    /// An item that is kept and not applied.
    Quarantine(Box<Quarantined>),
    /// The proof of who sent a push.
    Batch(BatchProof),
    /// Nothing: only the audit row.
    Nothing,
}

/// Changes of one record, and the record with them.
#[derive(Debug, Clone)]
pub struct RecordWrite {
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// Its generation.
    pub generation: u32,
    /// Its format.
    pub fmt: u8,
    /// What it was prepared against; none for a record that must not exist yet.
    pub base: Option<Base>,
    /// The changes, in causal order; none for a record of plain values.
    pub changes: Vec<NewChange>,
    /// The heads with the changes.
    pub heads: Vec<ChangeHash>,
    /// What is shown with the changes.
    pub shown: ShownValues,
    /// The bucket that is its home afterwards.
    pub home: Bucket,
    /// The other buckets that distribute it afterwards.
    pub also: Vec<Bucket>,
    /// Records that its values name; those of [`READ_WHERE_NAMED`] in other grids are read in the grid of its home from
    /// then on.
    pub names: Vec<RecordId>,
    /// What waits for a person.
    pub tickets: Vec<NewTicket>,
    /// Keys whose open conflict tickets are decided.
    pub decided: Vec<String>,
    /// What it means for the supervisor's queue.
    pub review: ReviewWrite,
    /// The files it names and takes back.
    pub files: Files,
}

/// What a write means for the supervisor's queue.
#[derive(Debug, Clone, Default)]
pub struct ReviewWrite {
    /// Why a supervisor is asked to look; empty for most.
    pub occasions: Vec<Occasion>,
    /// Something that was returned was written again.
    pub answered: bool,
    /// What a supervisor said.
    pub said: Option<Said>,
}

/// What a supervisor said of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The decision: one that approves takes the record out of the queue.
    pub decision: Decision,
    /// Until when its author is asked to look again.
    pub due: Option<Date>,
}

/// What a write says about files.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Whose phone says it.
    pub by: Option<(UserId, DeviceId)>,
    /// What that phone may read.
    pub scope: Vec<Bucket>,
    /// The files that keys name.
    pub named: Vec<NamedFile>,
    /// The keys whose files are taken back; that is for ever.
    pub taken_back: Vec<String>,
}

impl Files {
    /// What is looked up and written, in rows.
    fn work(&self) -> usize {
        (self.named.len() + self.taken_back.len()) * 5
    }
}

/// A key that names a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The key.
    pub key: String,
    /// The file.
    pub hash: BlobHash,
    /// How many bytes, where the key says so: of a small picture it does not.
    pub size: Option<u64>,
    /// Whether it was taken back already.
    pub taken_back: bool,
}

/// How a record stood when a commit was prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its generation.
    pub generation: u32,
    /// Its heads, sorted.
    pub heads: Vec<ChangeHash>,
    /// Its home.
    pub home: Bucket,
    /// The other buckets that distribute it, in order.
    pub also: Vec<Bucket>,
}

/// A change row without what the log gives it.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// The fields.
    pub change: Change,
    /// The change as this server built it.
    pub built: Built,
    /// Who made it.
    pub by: By,
    /// Why: one per record.
    pub intent: IntentId,
    /// What kind of act.
    pub intent_kind: IntentKind,
    /// The visit it was made in.
    pub visit: Option<RecordId>,
    /// The version of the catalog it was made with.
    pub catalog_version: u32,
    /// When it was made by the maker's clock, in milliseconds since 1970.
    pub device_ms: i64,
    /// The same by the server's clock.
    pub corrected_ms: i64,
    /// The push that brought it.
    pub batch: Option<BatchId>,
}

/// Who made a change.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// On which side.
    pub role: Role,
    /// The person.
    pub user: Option<UserId>,
    /// The phone.
    pub device: Option<DeviceId>,
    /// The assignment.
    pub grant: Option<GrantId>,
}

/// Something that waits for a person.
#[derive(Debug, Clone)]
pub struct NewTicket {
    /// Its name.
    pub id: TicketId,
    /// The key it is about; empty for the whole record.
    pub key: String,
    /// What kind: `conflict`, `end_against_edit`, `confirmed_other_value`, `reopened`.
    pub kind: &'static str,
    /// The values and who wrote them.
    pub detail: Vec<u8>,
}

/// An item that is kept and not applied.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The inbox item.
    pub ticket: TicketId,
    /// The record.
    pub record: RecordId,
    /// Its generation.
    pub generation: u32,
    /// The hash that the item claims.
    pub hash: ChangeHash,
    /// Its intent.
    pub intent: IntentId,
    /// The writer, if the item names one.
    pub actor: Option<ActorId>,
    /// The phone that pushed it.
    pub device: DeviceId,
    /// Its user.
    pub user: UserId,
    /// The item as it came, with its actors in place.
    pub item: Vec<u8>,
    /// Why.
    pub reason: Reason,
    /// The inbox item of the rejected change it was made on.
    pub blocked_by: Option<TicketId>,
    /// The files it names and takes back.
    pub files: Files,
}

/// The proof of who sent a push.
#[derive(Debug, Clone)]
pub struct BatchProof {
    /// The phone.
    pub device: DeviceId,
    /// The push.
    pub batch: BatchId,
    /// The phone's key.
    pub key: KeyId,
    /// What was signed.
    pub digest: [u8; 32],
    /// The signature.
    pub signature: Vec<u8>,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Written.
    Stored(Stored),
    /// What it was prepared against no longer stands; nothing was written.
    Stale,
}

/// Where a written record's rows are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Of each bucket that distributes the record, the last row written.
    pub last: Vec<(Bucket, u64)>,
    /// Other buckets with new rows: those that got a record it names.
    pub shared: Vec<Bucket>,
    /// Of each change, its row in the home bucket.
    pub home: Vec<(ChangeHash, u64)>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
}
