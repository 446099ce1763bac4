//! The scalar values a record may hold.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Deserializer, Serialize};

/// The largest whole number a value may hold: 2^53, which JSON readers everywhere keep exactly.
pub const MAX_INT: i64 = 1 << 53;

/// One scalar at the root of a record. There are no nested values: lists, maps and texts merge in ways a worker cannot
/// be shown, so anything larger is several keys, or JSON in a text that is replaced whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A cleared field.
    #[default]
    Null,
    /// A yes or no, and the state of an element of a set.
    Bool(bool),
    /// A whole number: counts and milliseconds. What is beyond ±[`MAX_INT`] no record takes.
    Int(#[serde(deserialize_with = "within_range")] i64),
    /// A text exactly as typed.
    Str(String),
}

/// The shown value of every key of a record.
pub type Values = BTreeMap<String, Value>;

impl Value {
    /// Whether nothing is there.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The yes or no, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

fn within_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    match number.unsigned_abs() <= MAX_INT.unsigned_abs() {
        true => Ok(number),
        false => Err(serde::de::Error::custom("whole number beyond 2^53")),
    }
}

impl<C> Encode<C> for Value {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Null => e.null()?,
            Self::Bool(flag) => e.bool(*flag)?,
            Self::Int(number) => e.i64(*number)?,
            Self::Str(text) => e.str(text)?,
        };
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Value {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.datatype()? {
            Type::Null => d.null().map(|()| Self::Null),
            Type::Bool => d.bool().map(Self::Bool),
            Type::String => d.str().map(Self::from),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                // A number out of range is refused with its item (`Collection::check_op`), not with the whole message.
                let number = d.int()?;
                Ok(Self::Int(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            other => Err(minicbor::decode::Error::type_mismatch(other).with_message("no record holds such a value")),
        }
    }
}
