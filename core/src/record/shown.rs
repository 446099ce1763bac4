//! What a person is shown of a record: one value per key, and the others behind it while they stand.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};
use unicode_normalization::UnicodeNormalization;

use super::document::{Live, State};
use crate::id::{ActorId, ChangeHash};
use crate::value::{Value, Values};

/// The values of one key, the shown one first. More than one stand only when they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// One value, or several equal ones.
    One(Value),
    /// Different values of writers who did not know of each other, each with its change.
    Several(Vec<(Value, ChangeHash)>),
}

/// What is shown of a record, by key.
pub type ShownValues = BTreeMap<String, Shown>;

impl Shown {
    /// The value that is shown.
    pub fn value(&self) -> &Value {
        const NOTHING: &Value = &Value::Null;
        match self {
            Self::One(value) => value,
            Self::Several(values) => values.first().map_or(NOTHING, |(value, _)| value),
        }
    }

    /// Every value that stands, the shown one first.
    pub fn all(&self) -> Vec<&Value> {
        match self {
            Self::One(value) => vec![value],
            Self::Several(values) => values.iter().map(|(value, _)| value).collect(),
        }
    }

    /// Whether different values stand.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Several(_))
    }
}

/// What is shown of a record: the office's value where it is among those that stand, else Automerge's choice.
///
/// Equal values of several writers are one value: nobody has to decide between them.
pub fn shown_values(state: &State, is_office: impl Fn(&ActorId) -> bool) -> ShownValues {
    state.iter().map(|(key, live)| (key.clone(), shown(live, &is_office))).collect()
}

fn shown(live: &[Live], is_office: impl Fn(&ActorId) -> bool) -> Shown {
    let mut ordered: Vec<_> = live.iter().collect();
    ordered.sort_by_key(|live| !is_office(&live.op.actor)); // stable: Automerge's order within each half
    let mut different: Vec<&Live> = Vec::new();
    for live in ordered {
        if !different.iter().any(|other| same(&other.value, &live.value)) {
            different.push(live);
        }
    }
    match different.as_slice() {
        [] => Shown::One(Value::Null),
        [only] => Shown::One(only.value.clone()),
        several => Shown::Several(several.iter().map(|live| (live.value.clone(), live.change)).collect()),
    }
}

/// The shown value of every key, without the others behind it.
pub fn plain(values: &ShownValues) -> Values {
    values.iter().map(|(key, shown)| (key.clone(), shown.value().clone())).collect()
}

/// The same, where nothing else is wanted of them.
pub fn into_plain(values: ShownValues) -> Values {
    let only = |shown| match shown {
        Shown::One(value) => value,
        Shown::Several(values) => values.into_iter().next().map(|(value, _)| value).unwrap_or_default(),
    };
    values.into_iter().map(|(key, shown)| (key, only(shown))).collect()
}

/// Whether two values say the same: texts are compared in Unicode normalisation form C, as typed otherwise.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => a == b || a.nfc().eq(b.nfc()),
        _ => a == b,
    }
}

/// A short digest of a value, by which a decision names the values it was made over (16 hex digits).
pub fn digest(value: &Value) -> String {
    let normal = match value {
        Value::Str(text) => Value::Str(text.nfc().collect()),
        other => other.clone(),
    };
    let mut hasher = blake3::Hasher::new_derive_key("gridpass value digest v1");
    // Writing into a vector cannot fail.
    hasher.update(&minicbor::to_vec(&normal).unwrap_or_default());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    crate::id::hex(&bytes)
}

/// `value` where one stands, `[[value, change] …]` where several do.
impl<C> Encode<C> for Shown {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::One(value) => value.encode(e, ctx),
            Self::Several(values) => {
                e.array(values.len() as u64)?;
                for (value, change) in values {
                    e.array(2)?;
                    value.encode(e, ctx)?;
                    change.encode(e, ctx)?;
                }
                Ok(())
            }
        }
    }
}

impl<'b, C> Decode<'b, C> for Shown {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.datatype()? {
            Type::Array | Type::ArrayIndef => Vec::<(Value, ChangeHash)>::decode(d, ctx).map(Self::Several),
            _ => Value::decode(d, ctx).map(Self::One),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::OpId;

    fn live(value: &str, counter: u64, by: u8) -> Live {
        Live { value: value.into(), op: OpId { counter, actor: ActorId([by; 16]) }, change: ChangeHash([by; 32]) }
    }

    #[test]
    fn the_office_is_shown_even_when_a_phone_counted_further() {
        let office = |actor: &ActorId| actor.0[0] == 9;
        let shown = shown(&[live("phone", 90, 1), live("office", 3, 9)], office);
        assert_eq!(shown.all(), [&Value::from("office"), &Value::from("phone")]);
        assert!(shown.is_conflict());
    }

    #[test]
    fn equal_values_are_no_conflict_even_when_composed_differently() {
        let shown = shown(&[live("é", 2, 2), live("e\u{301}", 2, 1)], |_| false);
        assert_eq!(shown, Shown::One("é".into()));
        assert_eq!(digest(&"é".into()), digest(&"e\u{301}".into()));
        assert_ne!(digest(&"1".into()), digest(&Value::Int(1)));
    }
}
