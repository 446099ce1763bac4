//! Messages as text with the names of their fields, for people: the command line and the trace print it.
//!
//! On the wire a field is only a number. Every type keeps its names beside it, in a [`Table`] made by `named!`; a test
//! fails when a field has none. What is personal is printed as its shape unless everything is asked for, and what
//! opens a door (tokens, one-time codes) never is.

use minicbor::Decoder;
use minicbor::data::Type;

use super::{
    Challenge, ChallengeAnswer, EnrolRequest, Enrolled, Pack, PullAnswer, PullRequest, PushAnswer, PushRequest,
    ReceiptFile, ReceiptSheet, Token, TokenRequest, WireError,
};
use crate::bucket::Bucket;
use crate::id::hex;

/// How deep a message is printed; the deepest one here has seven levels.
const MAX_DEPTH: usize = 16;
/// The longest byte string that is printed whole: a hash.
const WHOLE_BYTES: usize = 32;

/// A type whose fields have names.
pub trait Named {
    /// The names.
    const TABLE: Table;
}

/// The names of a type's fields.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name of the type.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its key on the wire.
    pub key: u32,
    /// Its name in the source.
    pub name: &'static str,
    /// How it is printed.
    pub holds: Holds,
}

/// What a field holds, once or as a list.
#[derive(Debug, Clone, Copy)]
pub enum Holds {
    /// Numbers, hashes, names of things.
    Plain,
    /// What a resident or a colleague could be known by. Keys of records are not personal, their values are.
    Personal,
    /// What must never be printed.
    Secret,
    /// The short form of a bucket.
    Bucket,
    /// One of a few numbers that have names.
    Code(&'static [(u8, &'static str)]),
    /// Another message.
    Message(&'static Table),
}

/// How much of what is personal is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Only its shape: "text of 3 characters".
    Shape,
    /// Everything but secrets.
    Everything,
}

/// The bodies of requests and answers, and what is kept as a file.
pub const BODIES: &[&Table] = &[
    &EnrolRequest::TABLE,
    &Enrolled::TABLE,
    &Challenge::TABLE,
    &ChallengeAnswer::TABLE,
    &TokenRequest::TABLE,
    &Token::TABLE,
    &PushRequest::TABLE,
    &PushAnswer::TABLE,
    &PullRequest::TABLE,
    &PullAnswer::TABLE,
    &Pack::TABLE,
    &ReceiptSheet::TABLE,
    &ReceiptFile::TABLE,
];

/// Prints a message of type `T`.
pub fn dump<T: Named>(bytes: &[u8], show: Show) -> Result<String, WireError> {
    dump_as(&T::TABLE, bytes, show)
}

/// Prints a message whose fields have these names. Fields without a name are printed as `#key` and taken as personal.
pub fn dump_as(table: &Table, bytes: &[u8], show: Show) -> Result<String, WireError> {
    let mut decoder = Decoder::new(bytes);
    let node = node(&mut decoder, MAX_DEPTH).map_err(|error| WireError::Malformed(error.to_string()))?;
    if decoder.position() != bytes.len() {
        return Err(WireError::Malformed("bytes left over".into()));
    }
    let mut printer = Printer { text: table.name.to_owned(), show };
    match &node {
        Node::Map(entries) => printer.message(table, entries, 1),
        other => printer.line(0, ": ", &printer.inline(other, Holds::Personal)),
    }
    printer.text.push('\n');
    Ok(printer.text)
}

/// Makes the table of a type: `key name` for every field, with what it holds where that is not [`Holds::Plain`].
macro_rules! named {
    (@holds) => { $crate::wire::dump::Holds::Plain };
    (@holds $holds:expr) => { $holds };
    ($type:ident { $($key:literal $name:ident $(: $holds:expr)?),* $(,)? }) => {
        impl $crate::wire::dump::Named for $type {
            const TABLE: $crate::wire::dump::Table = $crate::wire::dump::Table {
                name: stringify!($type),
                fields: &[$($crate::wire::dump::Field {
                    key: $key,
                    name: stringify!($name),
                    holds: named!(@holds $($holds)?),
                }),*],
            };
        }
    };
}
pub(super) use named;

enum Node {
    Null,
    Bool(bool),
    Number(i128),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// What no message here holds (fractions, tags), what lies too deep, and what decoding passes over as well.
    Other,
}

fn node(d: &mut Decoder<'_>, depth: usize) -> Result<Node, minicbor::decode::Error> {
    let kind = d.datatype()?;
    let Some(deeper) = depth.checked_sub(1) else { return d.skip().map(|()| Node::Other) };
    Ok(match kind {
        Type::Null | Type::Undefined => d.skip().map(|()| Node::Null)?,
        Type::Bool => Node::Bool(d.bool()?),
        Type::Bytes => Node::Bytes(d.bytes()?.to_vec()),
        Type::String => Node::Text(d.str()?.to_owned()),
        Type::Array | Type::ArrayIndef => {
            let length = d.array()?;
            Node::List(each(d, length, |d| node(d, deeper))?)
        }
        Type::Map | Type::MapIndef => {
            let length = d.map()?;
            Node::Map(each(d, length, |d| Ok((node(d, deeper)?, node(d, deeper)?)))?)
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            Node::Number(d.int()?.into())
        }
        _ => d.skip().map(|()| Node::Other)?,
    })
}

/// Reads as many as announced, or up to the end mark. Nothing is set aside for what is only announced.
fn each<T>(
    d: &mut Decoder<'_>,
    length: Option<u64>,
    mut read: impl FnMut(&mut Decoder<'_>) -> Result<T, minicbor::decode::Error>,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let mut all = Vec::new();
    while length.is_none_or(|length| (all.len() as u64) < length) {
        if length.is_none() && d.datatype()? == Type::Break {
            d.skip()?;
            break;
        }
        all.push(read(d)?);
    }
    Ok(all)
}

struct Printer {
    text: String,
    show: Show,
}

impl Printer {
    fn message(&mut self, table: &Table, entries: &[(Node, Node)], indent: usize) {
        for (key, value) in entries {
            let field = table.fields.iter().find(|field| matches!(key, Node::Number(key) if *key == field.key.into()));
            match (field, key) {
                (Some(field), _) => self.entry(field.name, value, field.holds, indent),
                (None, Node::Number(key)) => self.entry(&format!("#{key}"), value, Holds::Personal, indent),
                (None, _) => self.entry("#", value, Holds::Personal, indent),
            }
        }
    }

    fn entry(&mut self, name: &str, value: &Node, holds: Holds, indent: usize) {
        self.start(indent, name);
        self.value(value, holds, indent);
    }

    /// Prints what comes after a name: on the same line if it holds no map, else below it.
    fn value(&mut self, value: &Node, holds: Holds, indent: usize) {
        match value {
            Node::Map(entries) => match holds {
                Holds::Message(table) => self.message(table, entries, indent + 1),
                _ => {
                    for (key, value) in entries {
                        let name = match key {
                            Node::Text(text) => format!("{text:?}"),
                            other => self.inline(other, Holds::Personal),
                        };
                        self.entry(&name, value, holds, indent + 1);
                    }
                }
            },
            Node::List(values) if values.iter().any(|value| matches!(value, Node::Map(_))) => {
                for value in values {
                    self.start(indent + 1, "-");
                    self.value(value, holds, indent + 1);
                }
            }
            flat => self.line(0, ": ", &self.inline(flat, holds)),
        }
    }

    fn start(&mut self, indent: usize, name: &str) {
        self.text.push('\n');
        self.line(indent, name, "");
    }

    fn line(&mut self, indent: usize, name: &str, value: &str) {
        self.text.extend(std::iter::repeat_n("  ", indent));
        self.text.push_str(name);
        self.text.push_str(value);
    }

    fn inline(&self, value: &Node, holds: Holds) -> String {
        let hidden = match holds {
            Holds::Secret => true,
            Holds::Personal => self.show == Show::Shape,
            Holds::Plain | Holds::Bucket | Holds::Code(_) | Holds::Message(_) => false,
        };
        match value {
            Node::List(values) => {
                let values: Vec<_> = values.iter().map(|value| self.inline(value, holds)).collect();
                format!("[{}]", values.join(", "))
            }
            Node::Map(entries) => format!("map of {}", entries.len()),
            Node::Null => "nothing".to_owned(),
            Node::Other => "something".to_owned(),
            Node::Text(text) if hidden => format!("text of {} characters", text.chars().count()),
            Node::Bytes(bytes) if hidden => format!("{} bytes", bytes.len()),
            Node::Number(_) if hidden => "a number".to_owned(),
            Node::Bool(_) if hidden => "yes or no".to_owned(),
            Node::Text(text) => format!("{text:?}"),
            Node::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Node::Number(number) => match holds {
                Holds::Code(codes) => match codes.iter().find(|(code, _)| i128::from(*code) == *number) {
                    Some((_, name)) => format!("{number} ({name})"),
                    None => format!("{number} (unknown)"),
                },
                _ => number.to_string(),
            },
            Node::Bytes(bytes) => match (holds, Bucket::try_from(bytes.as_slice())) {
                (Holds::Bucket, Ok(bucket)) => bucket.to_string(),
                _ if bytes.len() <= WHOLE_BYTES => hex(bytes),
                _ if self.show == Show::Everything => format!("{} ({} bytes)", hex(bytes), bytes.len()),
                _ => format!("{} bytes", bytes.len()),
            },
        }
    }
}
