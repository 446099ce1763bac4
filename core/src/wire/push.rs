//! Phone to server: changes, and the verdict on each.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::dump::{Holds, named};
use super::encode;
use super::receipt::ReceiptSheet;
use crate::bucket::Bucket;
use crate::id::{ActorId, BatchId, ChangeHash, DeviceId, GrantId, IntentId, KeyId, RecordId, TicketId};
use crate::record;
use crate::value::Value;

/// Up to [`super::MAX_PUSH_ITEMS`] changes of one device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PushRequest {
    /// The push.
    #[n(0)]
    pub batch: BatchId,
    /// The device's signing key.
    #[n(1)]
    pub key: KeyId,
    /// The actors that the items name by their place in this list.
    #[n(2)]
    pub actors: Vec<ActorId>,
    /// The changes, in the order they were made.
    #[n(3)]
    pub items: Vec<PushItem>,
    /// The Ed25519 signature over [`PushRequest::message`], 64 bytes.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
    /// The phone's wall clock when it sent the push, in milliseconds since 1970.
    #[n(5)]
    pub sent_ms: i64,
    /// The phone's monotonic clock at the same moment, in milliseconds.
    #[n(6)]
    pub sent_monotonic_ms: i64,
}

named!(PushRequest {
    0 batch,
    1 key,
    2 actors,
    3 items: Holds::Message(&PushItem::TABLE),
    4 signature,
    5 sent_ms,
    6 sent_monotonic_ms,
});

impl PushRequest {
    /// What the device signs: that these changes, for these intents, are its own.
    pub fn message(device: DeviceId, batch: BatchId, items: &[PushItem]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"push1").update(device.as_bytes()).update(batch.as_bytes());
        for item in items {
            hasher
                .update(item.record.as_bytes())
                .update(&item.generation.to_be_bytes())
                .update(item.change.hash.as_bytes())
                .update(item.intent.id.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}

/// One change of one record, with what the server needs to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PushItem {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// Its generation.
    #[n(1)]
    pub generation: u32,
    /// The format of the record, [`super::FMT_AUTOMERGE`].
    #[n(2)]
    pub fmt: u8,
    /// How to create the record if the server does not have it; sent until the record is settled.
    #[n(3)]
    pub create: Option<Create>,
    /// The change.
    #[n(4)]
    pub change: ChangeFields,
    /// Why it was made.
    #[n(5)]
    pub intent: Intent,
    /// The assignment under which it was made.
    #[n(6)]
    pub grant: GrantId,
    /// The version of the catalog it was made with.
    #[n(7)]
    pub catalog_version: u32,
}

named!(PushItem {
    0 record,
    1 generation,
    2 fmt,
    3 create: Holds::Message(&Create::TABLE),
    4 change: Holds::Message(&ChangeFields::TABLE),
    5 intent: Holds::Message(&Intent::TABLE),
    6 grant,
    7 catalog_version,
});

/// How to create a record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Create {
    /// Its collection.
    #[n(0)]
    pub collection: String,
    /// The bucket that shall be its home.
    #[n(1)]
    pub home: Bucket,
}

named!(Create { 0 collection, 1 home: Holds::Bucket });

/// A change as fields; actors are places in the push's list.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChangeFields {
    /// The hash of the Automerge change that the other fields build.
    #[n(0)]
    pub hash: ChangeHash,
    /// The writer.
    #[n(1)]
    pub actor: u32,
    /// The writer's count of its changes of this record, from 1.
    #[n(2)]
    pub actor_seq: u64,
    /// The counter of the first operation.
    #[n(3)]
    pub start_op: u64,
    /// Seconds since 1970 by the phone's clock.
    #[n(4)]
    pub time_s: i64,
    /// The changes it was made on.
    #[n(5)]
    pub deps: Vec<ChangeHash>,
    /// What was put.
    #[n(6)]
    pub puts: Vec<PutFields>,
}

named!(ChangeFields {
    0 hash,
    1 actor,
    2 actor_seq,
    3 start_op,
    4 time_s,
    5 deps,
    6 puts: Holds::Message(&PutFields::TABLE),
});

/// A put as fields.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PutFields {
    /// The key.
    #[n(0)]
    pub key: String,
    /// The value.
    #[n(1)]
    pub value: Value,
    /// The operations replaced: (counter, place of the actor in the push's list).
    #[n(2)]
    pub pred: Vec<(u64, u32)>,
}

named!(PutFields { 0 key, 1 value: Holds::Personal, 2 pred });

/// Why a change was made: one save by a user.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Intent {
    /// Its name; it survives when the change is authored again.
    #[n(0)]
    pub id: IntentId,
    /// What kind of act it was.
    #[n(1)]
    pub kind: IntentKind,
    /// When, by the phone's clock, in milliseconds since 1970.
    #[n(2)]
    pub at_ms: i64,
    /// When, by the phone's monotonic clock, in milliseconds; comparable with [`PushRequest::sent_monotonic_ms`]
    /// while the phone was not restarted between the two.
    #[n(3)]
    pub monotonic_ms: i64,
    /// The visit during which it was made.
    #[n(4)]
    pub visit: Option<RecordId>,
}

named!(Intent { 0 id, 1 kind: Holds::Code(IntentKind::NAMES), 2 at_ms, 3 monotonic_ms, 4 visit });

/// What kind of act a save was. Kinds that this version does not know are kept as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct IntentKind(#[n(0)] pub u8);

impl IntentKind {
    const NAMES: &[(u8, &str)] = &[
        (0, "edit"),
        (1, "create"),
        (2, "end"),
        (3, "resolve"),
        (4, "still"),
        (5, "visit"),
        (6, "office"),
        (7, "import"),
    ];

    /// A form was saved.
    pub const EDIT: Self = Self(0);
    /// A record was made.
    pub const CREATE: Self = Self(1);
    /// A record was ended or its end undone.
    pub const END: Self = Self(2);
    /// A conflict was decided.
    pub const RESOLVE: Self = Self(3);
    /// A value was confirmed.
    pub const STILL: Self = Self(4);
    /// A visit was written.
    pub const VISIT: Self = Self(5);
    /// The server decided.
    pub const OFFICE: Self = Self(6);
    /// A row was imported.
    pub const IMPORT: Self = Self(7);
}

/// The server's answer to a push: one verdict per item, in the order of the items.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PushAnswer {
    /// The verdicts.
    #[n(0)]
    pub verdicts: Vec<ItemVerdict>,
    /// The receipts of all accepted and duplicate items.
    #[n(1)]
    pub sheet: Option<ReceiptSheet>,
    /// The server's clock, in milliseconds since 1970.
    #[n(2)]
    pub server_ms: i64,
    /// How long to wait before the next sync that nobody asks for, in milliseconds.
    #[n(3)]
    pub next_sync_after_ms: u64,
}

named!(PushAnswer {
    0 verdicts: Holds::Message(&ItemVerdict::TABLE),
    1 sheet: Holds::Message(&ReceiptSheet::TABLE),
    2 server_ms,
    3 next_sync_after_ms,
});

/// The verdict on one item.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ItemVerdict {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// The change as it was pushed.
    #[n(1)]
    pub hash: ChangeHash,
    /// The verdict.
    #[n(2)]
    pub verdict: Verdict,
}

named!(ItemVerdict { 0 record, 1 hash, 2 verdict: Holds::Message(&Verdict::TABLE) });

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Stored.
    Accepted {
        /// Where it will come back; none when the device does not hold the record's bucket.
        via: Option<Via>,
        /// What the server noticed (codes of soft findings).
        notes: Vec<Reason>,
    },
    /// Was stored before.
    Duplicate {
        /// Where the record's newest row will come back.
        via: Option<Via>,
        /// The hash it is stored under; it differs from the pushed one when the same intent was authored again.
        stored: ChangeHash,
    },
    /// Kept in quarantine and not applied.
    Rejected {
        /// The inbox item.
        ticket: TicketId,
        /// Why.
        reason: Reason,
    },
    /// Waits behind a rejected item.
    BlockedBy {
        /// The inbox item of the rejected one.
        ticket: TicketId,
    },
    /// Made on changes the server does not have.
    Missing {
        /// Those changes.
        deps: Vec<ChangeHash>,
    },
    /// The record has been rolled over.
    StaleGeneration {
        /// The generation that stands.
        generation: u32,
    },
    /// The actor's count is taken by another change: the database was copied.
    ActorFork,
    /// A verdict that this version does not know: the item stays pending until the app is updated.
    Unknown,
}

impl Verdict {
    const NAMES: &[(u8, &str)] = &[
        (1, "accepted"),
        (2, "duplicate"),
        (3, "rejected"),
        (4, "blocked by"),
        (5, "missing"),
        (6, "stale generation"),
        (7, "actor fork"),
    ];
}

/// A verdict as a map, so that a newer server's verdict is read as [`Verdict::Unknown`] instead of breaking the answer.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
struct VerdictFields {
    #[n(0)]
    kind: u8,
    #[n(1)]
    via: Option<Via>,
    #[n(2)]
    notes: Option<Vec<Reason>>,
    #[n(3)]
    stored: Option<ChangeHash>,
    #[n(4)]
    ticket: Option<TicketId>,
    #[n(5)]
    reason: Option<Reason>,
    #[n(6)]
    deps: Option<Vec<ChangeHash>>,
    #[n(7)]
    generation: Option<u32>,
}

named!(Verdict {
    0 kind: Holds::Code(Verdict::NAMES),
    1 via: Holds::Message(&Via::TABLE),
    2 notes: Holds::Message(&Reason::TABLE),
    3 stored,
    4 ticket,
    5 reason: Holds::Message(&Reason::TABLE),
    6 deps,
    7 generation,
});

impl From<&Verdict> for VerdictFields {
    fn from(verdict: &Verdict) -> Self {
        let none = Self::default();
        match verdict.clone() {
            Verdict::Accepted { via, notes } => {
                Self { kind: 1, via, notes: (!notes.is_empty()).then_some(notes), ..none }
            }
            Verdict::Duplicate { via, stored } => Self { kind: 2, via, stored: Some(stored), ..none },
            Verdict::Rejected { ticket, reason } => {
                Self { kind: 3, ticket: Some(ticket), reason: Some(reason), ..none }
            }
            Verdict::BlockedBy { ticket } => Self { kind: 4, ticket: Some(ticket), ..none },
            Verdict::Missing { deps } => Self { kind: 5, deps: Some(deps), ..none },
            Verdict::StaleGeneration { generation } => Self { kind: 6, generation: Some(generation), ..none },
            Verdict::ActorFork => Self { kind: 7, ..none },
            Verdict::Unknown => none,
        }
    }
}

impl From<VerdictFields> for Verdict {
    fn from(fields: VerdictFields) -> Self {
        match fields {
            VerdictFields { kind: 1, via, notes, .. } => Self::Accepted { via, notes: notes.unwrap_or_default() },
            VerdictFields { kind: 2, via, stored: Some(stored), .. } => Self::Duplicate { via, stored },
            VerdictFields { kind: 3, ticket: Some(ticket), reason: Some(reason), .. } => {
                Self::Rejected { ticket, reason }
            }
            VerdictFields { kind: 4, ticket: Some(ticket), .. } => Self::BlockedBy { ticket },
            VerdictFields { kind: 5, deps, .. } => Self::Missing { deps: deps.unwrap_or_default() },
            VerdictFields { kind: 6, generation: Some(generation), .. } => Self::StaleGeneration { generation },
            VerdictFields { kind: 7, .. } => Self::ActorFork,
            _ => Self::Unknown,
        }
    }
}

impl<C> Encode<C> for Verdict {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        VerdictFields::from(self).encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Verdict {
    fn decode(d: &mut minicbor::Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        VerdictFields::decode(d, ctx).map(Self::from)
    }
}

/// Where a change comes back: the row of a log that the device pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Via {
    /// The bucket.
    #[n(0)]
    pub bucket: Bucket,
    /// The log's epoch.
    #[n(1)]
    pub epoch: u64,
    /// The row.
    #[n(2)]
    pub log_seq: u64,
}

named!(Via { 0 bucket: Holds::Bucket, 1 epoch, 2 log_seq });

/// A stable code with the field it is about; texts are resources of the reader.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Reason {
    /// The code.
    #[n(0)]
    pub code: String,
    /// The key of the field, if it is about one.
    #[n(1)]
    pub field: Option<String>,
    /// What the text names, never a value of a personal field.
    #[n(2)]
    pub args: BTreeMap<String, String>,
}

named!(Reason { 0 code, 1 field, 2 args });

impl Reason {
    /// A reason without a field.
    pub fn new(code: &str) -> Self {
        Self { code: code.to_owned(), field: None, args: BTreeMap::new() }
    }

    /// A reason about a field.
    pub fn at(code: &str, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(code) }
    }
}

/// A place in the actor list that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an actor beyond the end of the push's list")]
pub struct UnknownActor;

impl ChangeFields {
    /// The fields of a change; actors that are not in the list yet are added to it.
    pub fn new(hash: ChangeHash, change: &record::Change, actors: &mut Vec<ActorId>) -> Self {
        let mut place = |actor: ActorId| {
            let found = actors.iter().position(|known| *known == actor).unwrap_or_else(|| {
                actors.push(actor);
                actors.len() - 1
            });
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        Self {
            hash,
            actor: place(change.actor),
            actor_seq: change.actor_seq,
            start_op: change.start_op,
            time_s: change.time_s,
            deps: change.deps.clone(),
            puts: change
                .puts
                .iter()
                .map(|put| PutFields {
                    key: put.key.clone(),
                    value: put.value.clone(),
                    pred: put.pred.iter().map(|op| (op.counter, place(op.actor))).collect(),
                })
                .collect(),
        }
    }

    /// The change, with actors looked up in the push's list.
    pub fn to_change(&self, actors: &[ActorId]) -> Result<record::Change, UnknownActor> {
        let actor =
            |place: u32| usize::try_from(place).ok().and_then(|place| actors.get(place)).copied().ok_or(UnknownActor);
        let put = |put: &PutFields| {
            let pred = put
                .pred
                .iter()
                .map(|(counter, place)| Ok(record::OpId { counter: *counter, actor: actor(*place)? }))
                .collect::<Result<_, _>>()?;
            Ok(record::Put { key: put.key.clone(), value: put.value.clone(), pred })
        };
        Ok(record::Change {
            actor: actor(self.actor)?,
            actor_seq: self.actor_seq,
            start_op: self.start_op,
            time_s: self.time_s,
            deps: self.deps.clone(),
            puts: self.puts.iter().map(put).collect::<Result<_, _>>()?,
        })
    }
}

impl PushItem {
    /// How many bytes the item takes.
    pub fn size(&self) -> usize {
        encode(self).len()
    }
}
