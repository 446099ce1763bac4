//! Fields: what one entry of a record means, where its keys are, and who may decide about it.

use std::sync::Arc;

use super::collection::Level;
use super::rule::Expression;
use super::table::{ChildKind, CodeTable};
use super::text::Text;
use crate::Value;

/// A closed set of words as they are written in catalog files.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every word with its meaning.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)*];

            /// The word as it is written in catalog files.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}
pub(super) use words;

words! {
    /// What happens when two people write the same key without knowing of each other.
    Policy {
        /// The value observed later stands, the other remains in the history.
        Latest = "latest",
        /// Both are shown until somebody decides.
        Decide = "decide",
        /// The key is written once and never again.
        Once = "once",
        /// Never a key: worked out from other records on both sides.
        Computed = "computed",
        /// Written by the server's office only, under `s/`.
        Server = "server",
    }
}

words! {
    /// How sensitive a field is.
    Sens {
        /// Public.
        S0 = "S0",
        /// Internal.
        S1 = "S1",
        /// Personal.
        S2 = "S2",
        /// Sensitive: masked, a reason to open, every read audited.
        S3 = "S3",
        /// Restricted: need to know.
        S4 = "S4",
    }
}

words! {
    /// How a field is made searchable.
    Search {
        /// A person's or organisation's name: characters, pairs, pinyin, initials.
        Name = "name",
        /// An identity number or a phone: its tails and its whole.
        Number = "number",
        /// A text: characters and pairs.
        Text = "text",
        /// An address or an alias of a place: as a name, and door labels such as `3-2-301`.
        Address = "address",
    }
}

words! {
    /// The name of a field type in catalog files.
    TypeName {
        /// A text.
        Text = "text",
        /// A whole number.
        Int = "int",
        /// A decimal number.
        Dec = "dec",
        /// Yes or no.
        Bool = "bool",
        /// A day.
        Date = "date",
        /// A moment.
        Ts = "ts",
        /// A code.
        Code = "code",
        /// An administrative division.
        Division = "division",
        /// A reference.
        Ref = "ref",
        /// A position.
        Geo = "geo",
        /// A set of codes.
        Codes = "codes",
        /// A set of references.
        Refs = "refs",
        /// Telephone numbers.
        Phones = "phones",
        /// Files.
        Media = "media",
        /// Small parts of the record.
        Children = "children",
        /// Answers to questions.
        Answers = "answers",
        /// Facts.
        Facts = "facts",
    }
}

/// The type of a field and with it the form of its keys and values. The first ten have one scalar key `f`, the others
/// one key per element, `f/<element>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldType {
    /// A text exactly as typed.
    Text {
        /// At most so many Unicode characters.
        max: u32,
        /// Shown as a box of several lines.
        multiline: bool,
    },
    /// A whole number; outside the bounds it is implausible, not malformed.
    Int {
        /// The smallest plausible number.
        min: Option<i64>,
        /// The largest plausible number.
        max: Option<i64>,
    },
    /// A decimal number as a text, `-?digits[.digits]`.
    Dec {
        /// The smallest plausible number, a decimal.
        min: Option<String>,
        /// The largest plausible number, a decimal.
        max: Option<String>,
    },
    /// Yes or no.
    Bool,
    /// `YYYY-MM-DD`.
    Date,
    /// Milliseconds UTC since 1970.
    Ts,
    /// A code of a table.
    Code {
        /// The table.
        table: Arc<CodeTable>,
        /// The field whose code must be the item's parent.
        cascade: Option<String>,
    },
    /// An administrative division code of 6, 9 or 12 digits.
    Division {
        /// Exactly so many digits, if given.
        digits: Option<u32>,
    },
    /// The identifier of another record, 32 hexadecimal digits.
    Ref {
        /// The collections it may be of; `self` is the collection the field stands in.
        to: Vec<String>,
    },
    /// A position: RFC 8785 JSON `{lat_e7, lon_e7, acc_cm, crs, provider, mock, fixed_at}`.
    Geo,
    /// `f/<code>` = true or false.
    Codes {
        /// The table.
        table: Arc<CodeTable>,
    },
    /// `f/<id>` = true or false.
    Refs {
        /// The collections they may be of.
        to: Vec<String>,
    },
    /// `f/<id>` = `number|label`.
    Phones,
    /// `f/<id>` = write-once JSON `{hash, size, type, taken_at, purpose, thumb}`; `f_off/<id>` = true takes it back.
    Media {
        /// The purposes a file may have; without a table any.
        purposes: Option<Arc<CodeTable>>,
        /// Keys are `f/<purpose>/<id>`.
        by_purpose: bool,
    },
    /// `f/<id>` = a small part of the record.
    Children {
        /// What a child holds.
        kind: Arc<ChildKind>,
    },
    /// `f/<question>` = an answer.
    Answers,
    /// `f/<id>` = a write-once fact.
    Facts,
}

impl FieldType {
    /// The type's name in catalog files.
    pub const fn name(&self) -> TypeName {
        match self {
            Self::Text { .. } => TypeName::Text,
            Self::Int { .. } => TypeName::Int,
            Self::Dec { .. } => TypeName::Dec,
            Self::Bool => TypeName::Bool,
            Self::Date => TypeName::Date,
            Self::Ts => TypeName::Ts,
            Self::Code { .. } => TypeName::Code,
            Self::Division { .. } => TypeName::Division,
            Self::Ref { .. } => TypeName::Ref,
            Self::Geo => TypeName::Geo,
            Self::Codes { .. } => TypeName::Codes,
            Self::Refs { .. } => TypeName::Refs,
            Self::Phones => TypeName::Phones,
            Self::Media { .. } => TypeName::Media,
            Self::Children { .. } => TypeName::Children,
            Self::Answers => TypeName::Answers,
            Self::Facts => TypeName::Facts,
        }
    }

    /// Whether the field is one scalar key; otherwise it has one key per element.
    pub const fn is_scalar(&self) -> bool {
        !matches!(
            self,
            Self::Codes { .. }
                | Self::Refs { .. }
                | Self::Phones
                | Self::Media { .. }
                | Self::Children { .. }
                | Self::Answers
                | Self::Facts
        )
    }

    /// The code table values or elements come from.
    pub fn table(&self) -> Option<&Arc<CodeTable>> {
        match self {
            Self::Code { table, .. } | Self::Codes { table } => Some(table),
            Self::Media { purposes, .. } => purposes.as_ref(),
            _ => None,
        }
    }
}

/// When a field must be filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Required {
    /// Never.
    #[default]
    No,
    /// Always, while it is visible.
    Always,
    /// When the expression holds.
    If(Expression),
}

/// One field of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's key. A `server` field is stored under `s/<key>`, a `computed` one is never stored.
    pub key: String,
    /// What is shown beside it.
    pub label: Text,
    /// A hint below it.
    pub help: Option<Text>,
    /// Type, bounds, table.
    pub field_type: FieldType,
    /// When it must be filled.
    pub required: Required,
    /// Skip logic: shown and asked for only when this holds.
    pub visible_if: Option<Expression>,
    /// What a new record starts with.
    pub default: Option<Value>,
    /// What happens on concurrent writing.
    pub policy: Policy,
    /// How sensitive it is.
    pub sens: Sens,
    /// The field group it belongs to.
    pub group: String,
    /// Whether "unknown" may be stated, by `<key>_unknown = true` beside a cleared field.
    pub may_be_unknown: bool,
    /// Shown as a column of lists.
    pub list: bool,
    /// Offered as a filter of lists.
    pub filter: bool,
    /// How it is searched.
    pub search: Option<Search>,
    /// Scanning a code with this value opens the record.
    pub scan: bool,
    /// A text that must not hold numbers of people; how serious it is when it does.
    pub impersonal: Option<Level>,
    /// The code check its value must pass, see [`super::CHECKS`].
    pub check: Option<String>,
    /// A position is taken as imprecise beyond so many metres, unless picked on the map.
    pub max_accuracy_m: Option<u32>,
    /// A day is shown as due so many days before, and red after.
    pub due_days: Option<u32>,
    /// No longer offered. Fields never leave a collection, because records keep them.
    pub retired: bool,
}

impl Field {
    /// The key a record holds it under: `s/<key>` for server fields. Computed fields have none.
    pub fn record_key(&self) -> Option<String> {
        match self.policy {
            Policy::Computed => None,
            Policy::Server => Some(format!("s/{}", self.key)),
            _ => Some(self.key.clone()),
        }
    }

    /// The name rules know it by: `end/date` is `end_date`.
    pub fn rule_name(&self) -> String {
        self.key.replace('/', "_")
    }
}
