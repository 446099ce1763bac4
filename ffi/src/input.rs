//! What goes in.

use std::str::FromStr;
use std::sync::Arc;

use gridpass_core::Value;
use gridpass_core::record::edit::Edit;
use gridpass_core::wire::IntentKind;
use gridpass_phone::{Host, ListQuery};

use crate::error::PhoneError;
use crate::host::{Clock, KeyStore, LentClock, LentKeys};

/// Where the phone lies and what the app lends it.
#[derive(uniffi::Record)]
pub struct PhoneInput {
    /// The phone's folder: its database, outbox and files.
    pub folder: String,
    /// The app's version, for the fleet page.
    pub app_version: String,
    /// The PIN the database is or shall be behind, if any.
    #[uniffi(default = None)]
    pub pin: Option<String>,
    /// The place for secrets.
    pub keys: Arc<dyn KeyStore>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

impl PhoneInput {
    pub(crate) fn host(&self) -> Host {
        let mut host = Host::system(Arc::new(LentKeys(self.keys.clone())), &self.app_version);
        host.clock = Arc::new(LentClock(self.clock.clone()));
        host
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum FieldValue {
    /// A cleared field.
    Nothing,
    /// A yes or no.
    Flag {
        /// Which.
        on: bool,
    },
    /// A whole number within ±2^53: counts and milliseconds.
    Whole {
        /// The number.
        number: i64,
    },
    /// A text exactly as typed.
    Text {
        /// The text.
        text: String,
    },
}

impl From<FieldValue> for Value {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Nothing => Self::Null,
            FieldValue::Flag { on } => Self::Bool(on),
            FieldValue::Whole { number } => Self::Int(number),
            FieldValue::Text { text } => Self::Str(text),
        }
    }
}

impl From<Value> for FieldValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(on) => Self::Flag { on },
            Value::Int(number) => Self::Whole { number },
            Value::Str(text) => Self::Text { text },
        }
    }
}

/// A value of one key.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ValueInput {
    /// The key.
    pub key: String,
    /// The value.
    pub value: FieldValue,
}

/// A record to be made; fields that are not named start with what the catalog says.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CreateInput {
    /// Its collection.
    pub collection: String,
    /// Its values.
    pub values: Vec<ValueInput>,
}

/// One field of a form.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct EditInput {
    /// The key.
    pub key: String,
    /// The value the field was shown with; the phone refuses to overwrite another.
    pub seen: FieldValue,
    /// The value it has now.
    pub value: FieldValue,
    /// The other values the field was shown with, where several stood: nobody decides over one he was not shown.
    #[uniffi(default = [])]
    pub beside: Vec<FieldValue>,
}

/// What kind of act a save is, where the plain edit or creation does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ActKind {
    /// A record is ended, or its end undone.
    End,
    /// A visit is written.
    Visit,
}

/// A form to be saved.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SaveInput {
    /// The record; none makes a new one.
    pub record: Option<String>,
    /// The collection of a new record; ignored for one that is there.
    #[uniffi(default = "")]
    pub collection: String,
    /// Every field of the form.
    pub edits: Vec<EditInput>,
    /// What kind of act it is; none for the plain edit or creation.
    #[uniffi(default = None)]
    pub kind: Option<ActKind>,
    /// The visit it is part of.
    #[uniffi(default = None)]
    pub visit: Option<String>,
    /// The grid of a new record, when the user has several; none takes the parent's, else the first.
    #[uniffi(default = None)]
    pub grid: Option<String>,
}

impl TryFrom<SaveInput> for gridpass_phone::SaveInput {
    type Error = PhoneError;

    fn try_from(input: SaveInput) -> Result<Self, PhoneError> {
        let edit = |edit: EditInput| Edit {
            beside: edit.beside.into_iter().map(Into::into).collect(),
            ..Edit::new(edit.key, edit.seen, edit.value)
        };
        Ok(Self {
            record: optional_id("record", input.record)?,
            collection: input.collection,
            edits: input.edits.into_iter().map(edit).collect(),
            kind: input.kind.map(|kind| match kind {
                ActKind::End => IntentKind::END,
                ActKind::Visit => IntentKind::VISIT,
            }),
            visit: optional_id("visit", input.visit)?,
            grid: optional_id("grid", input.grid)?,
            draft: None,
        })
    }
}

/// Which records a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, uniffi::Record)]
pub struct ListInput {
    /// Only of this collection.
    #[uniffi(default = None)]
    pub collection: Option<String>,
    /// Only those that hang on this record.
    #[uniffi(default = None)]
    pub parent: Option<String>,
    /// Only those that have ended, or only those that have not.
    #[uniffi(default = None)]
    pub ended: Option<bool>,
    /// Only those whose keys show these values.
    #[uniffi(default = [])]
    pub values: Vec<ValueInput>,
    /// Goes on after this record of the last page.
    #[uniffi(default = None)]
    pub after: Option<String>,
    /// At most so many; 0 is 100.
    #[uniffi(default = 0)]
    pub limit: u32,
}

impl TryFrom<ListInput> for ListQuery {
    type Error = PhoneError;

    fn try_from(input: ListInput) -> Result<Self, PhoneError> {
        Ok(Self {
            collection: input.collection,
            parent: optional_id("parent", input.parent)?,
            ended: input.ended,
            values: pairs(input.values),
            after: optional_id("after", input.after)?,
            limit: input.limit,
        })
    }
}

/// Keys and values as the phone takes them.
pub(crate) fn pairs(values: Vec<ValueInput>) -> Vec<(String, Value)> {
    values.into_iter().map(|pair| (pair.key, pair.value.into())).collect()
}

/// An identifier that was passed in under a name.
pub(crate) fn id<T: FromStr>(name: &str, text: &str) -> Result<T, PhoneError> {
    text.parse().map_err(|_| PhoneError::unreadable(name, "bad_id"))
}

fn optional_id<T: FromStr>(name: &str, text: Option<String>) -> Result<Option<T>, PhoneError> {
    text.map(|text| id(name, &text)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back_as_it_went_in() {
        for value in [Value::Null, Value::Bool(true), Value::Bool(false), Value::Int(-1), Value::from("海尔山庄")] {
            assert_eq!(Value::from(FieldValue::from(value.clone())), value);
        }
    }

    #[test]
    fn an_identifier_that_cannot_be_read_is_named() {
        let input = ListInput { parent: Some("?".into()), ..ListInput::default() };
        assert_eq!(ListQuery::try_from(input).unwrap_err(), PhoneError::unreadable("parent", "bad_id"));
        let record = "00112233445566778899aabbccddeeff";
        let input = ListInput { after: Some(record.into()), limit: 7, ..ListInput::default() };
        let query = ListQuery::try_from(input).unwrap();
        assert_eq!((query.after.unwrap().to_string(), query.limit), (record.to_owned(), 7));
    }
}
