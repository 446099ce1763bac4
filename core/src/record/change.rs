//! One change of one record, as plain fields.
//!
//! A change travels to the server as these fields and never as Automerge bytes: both sides build the Automerge change
//! from the fields, and the hash tells whether they built the same. See `docs/sync.md`, "What the server checks".

use std::num::NonZeroU64;

use automerge::{ExpandedChange, legacy};
use minicbor::{Decode, Encode};

use crate::id::{ActorId, ChangeHash};
use crate::value::Value;

/// The name of one operation: Automerge's counter and the actor that wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct OpId {
    /// One more than the largest counter the writer had seen in the record.
    #[n(0)]
    pub counter: u64,
    /// Who wrote the operation.
    #[n(1)]
    pub actor: ActorId,
}

/// A value put at a key of the record's root map. There is no other operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The new value.
    pub value: Value,
    /// The operations this one replaces: all that the writer saw at the key.
    pub pred: Vec<OpId>,
}

/// What one save wrote into one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who wrote it.
    pub actor: ActorId,
    /// 1 for the actor's first change of the record, then one more each time.
    pub actor_seq: u64,
    /// The counter of the first operation; the others follow.
    pub start_op: u64,
    /// When, in seconds since 1970. It only tells people; nothing is ordered by it.
    pub time_s: i64,
    /// The changes this one was made on.
    pub deps: Vec<ChangeHash>,
    /// What was put.
    pub puts: Vec<Put>,
}

/// A change as Automerge holds it.
#[derive(Debug, Clone)]
pub struct Built {
    /// Its hash.
    pub hash: ChangeHash,
    pub(super) change: automerge::Change,
}

/// A change that cannot be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The counter of the first operation is zero.
    #[error("the first operation's counter must be at least 1")]
    ZeroStart,
    /// There is nothing in it.
    #[error("a change without operations")]
    Empty,
    /// Bytes that Automerge does not read as a change.
    #[error("bytes that are not an Automerge change")]
    Unreadable,
    /// An operation that records do not hold.
    #[error("an operation other than a scalar put at the root")]
    ForeignOperation,
    /// A change whose ancestors are not there.
    #[error("a change whose ancestors are missing")]
    MissingAncestor,
}

impl Change {
    /// The largest operation counter in the change.
    pub fn max_op(&self) -> u64 {
        self.start_op.saturating_add(self.puts.len() as u64).saturating_sub(1)
    }

    /// Builds the Automerge change: root puts and nothing else, whatever the fields say.
    pub fn build(&self) -> Result<Built, ChangeError> {
        if self.puts.is_empty() {
            return Err(ChangeError::Empty);
        }
        let change = automerge::Change::from(ExpandedChange {
            operations: self.puts.iter().map(expand).collect(),
            actor_id: actor_id(self.actor),
            hash: None,
            seq: self.actor_seq,
            start_op: NonZeroU64::new(self.start_op).ok_or(ChangeError::ZeroStart)?,
            time: self.time_s,
            message: None,
            deps: self.deps.iter().map(|hash| automerge::ChangeHash(hash.0)).collect(),
            extra_bytes: Vec::new(),
            author: None,
        });
        Ok(Built { hash: ChangeHash(change.hash().0), change })
    }
}

impl Built {
    /// The change's bytes, uncompressed: what `change` rows and pull answers hold.
    pub fn bytes(&self) -> &[u8] {
        self.change.raw_bytes()
    }

    /// Reads bytes that this program built or the server sent. Never call it with bytes a phone pushed.
    ///
    /// Automerge takes a change whose checksum is wrong and fails later; here it is not taken.
    pub fn from_trusted(bytes: &[u8]) -> Result<Self, ChangeError> {
        let change = automerge::Change::from_bytes(bytes.to_vec()).map_err(|_| ChangeError::Unreadable)?;
        let hash = ChangeHash(change.hash().0);
        match bytes.get(4..8) == hash.0.get(..4) {
            true => Ok(Self { hash, change }),
            false => Err(ChangeError::Unreadable),
        }
    }

    /// The fields of the change.
    pub fn fields(&self) -> Result<Change, ChangeError> {
        let expanded = self.change.decode();
        Ok(Change {
            actor: actor(&expanded.actor_id)?,
            actor_seq: expanded.seq,
            start_op: expanded.start_op.get(),
            time_s: expanded.time,
            deps: expanded.deps.iter().map(|hash| ChangeHash(hash.0)).collect(),
            puts: expanded.operations.into_iter().map(collapse).collect::<Result<_, _>>()?,
        })
    }

    /// The changes it was made on, without decoding the operations.
    pub fn deps(&self) -> Vec<ChangeHash> {
        self.change.deps().iter().map(|hash| ChangeHash(hash.0)).collect()
    }

    /// Who wrote it, the writer's count, and the largest counter, without decoding the operations.
    pub fn position(&self) -> Result<(ActorId, u64, u64), ChangeError> {
        Ok((actor(self.change.actor_id())?, self.change.seq(), self.change.max_op()))
    }
}

pub(super) fn actor_id(actor: ActorId) -> automerge::ActorId {
    automerge::ActorId::from(actor.as_bytes())
}

pub(super) fn actor(id: &automerge::ActorId) -> Result<ActorId, ChangeError> {
    ActorId::try_from(id.to_bytes()).map_err(|_| ChangeError::ForeignOperation)
}

pub(super) fn scalar(value: &Value) -> automerge::ScalarValue {
    match value {
        Value::Null => automerge::ScalarValue::Null,
        Value::Bool(flag) => automerge::ScalarValue::Boolean(*flag),
        Value::Int(number) => automerge::ScalarValue::Int(*number),
        Value::Str(text) => automerge::ScalarValue::Str(text.as_str().into()),
    }
}

pub(super) fn value(scalar: &automerge::ScalarValue) -> Result<Value, ChangeError> {
    match scalar {
        automerge::ScalarValue::Null => Ok(Value::Null),
        automerge::ScalarValue::Boolean(flag) => Ok(Value::Bool(*flag)),
        automerge::ScalarValue::Int(number) => Ok(Value::Int(*number)),
        automerge::ScalarValue::Str(text) => Ok(Value::Str(text.to_string())),
        _ => Err(ChangeError::ForeignOperation),
    }
}

fn expand(put: &Put) -> legacy::Op {
    legacy::Op {
        action: legacy::OpType::Put(scalar(&put.value)),
        obj: legacy::ObjectId::Root,
        key: legacy::Key::Map(put.key.as_str().into()),
        pred: put.pred.iter().map(|op| legacy::OpId(op.counter, actor_id(op.actor))).collect(),
        insert: false,
    }
}

fn collapse(op: legacy::Op) -> Result<Put, ChangeError> {
    let legacy::Op {
        action: legacy::OpType::Put(put),
        obj: legacy::ObjectId::Root,
        key: legacy::Key::Map(key),
        pred,
        insert: false,
    } = op
    else {
        return Err(ChangeError::ForeignOperation);
    };
    let op_id = |op: legacy::OpId| Ok(OpId { counter: op.counter(), actor: actor(op.actor())? });
    Ok(Put { key: key.to_string(), value: value(&put)?, pred: pred.into_iter().map(op_id).collect::<Result<_, _>>()? })
}
