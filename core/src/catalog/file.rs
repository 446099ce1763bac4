//! A file as a record names it: by the hash of its bytes. The bytes travel on their own.

use serde_json::{Map, Value as Json};

use super::collection::Collection;
use super::field::FieldType;
use super::form;
use super::key::KeyPart;
use crate::Value;
use crate::id::{BlobHash, hex, unhex};

/// The value of a key of a `media` field, `{hash, size, type, taken_at, purpose, thumb}` as RFC 8785 JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// The BLAKE3 hash of the bytes.
    pub hash: BlobHash,
    /// How many bytes.
    pub size: u64,
    /// The media type, such as `image/jpeg`.
    pub media_type: String,
    /// When it was made, in milliseconds since 1970.
    pub taken_at_ms: Option<i64>,
    /// The code of what it is for.
    pub purpose: Option<String>,
    /// The hash of a small picture of it, a file of its own.
    pub thumb: Option<BlobHash>,
}

impl FileRef {
    /// Reads the value of a key; nothing when it is not the value of a file.
    pub fn parse(value: &Value) -> Option<Self> {
        let parts = form::file(value.as_str()?).ok()?;
        let text = |key| parts.get(key).and_then(Json::as_str);
        let hash = |key| Some(BlobHash(unhex(text(key)?).ok()?));
        Some(Self {
            hash: hash("hash")?,
            size: parts.get("size")?.as_u64()?,
            media_type: text("type")?.to_owned(),
            taken_at_ms: parts.get("taken_at").and_then(Json::as_i64),
            purpose: text("purpose").map(str::to_owned),
            thumb: hash("thumb"),
        })
    }

    /// The value of a key that names the file.
    pub fn to_value(&self) -> Value {
        let mut parts = Map::new();
        parts.insert("hash".into(), hex(&self.hash.0).into());
        parts.insert("size".into(), self.size.into());
        parts.insert("type".into(), self.media_type.clone().into());
        parts.extend(self.taken_at_ms.map(|at| ("taken_at".to_owned(), at.into())));
        parts.extend(self.purpose.clone().map(|purpose| ("purpose".to_owned(), purpose.into())));
        parts.extend(self.thumb.map(|thumb| ("thumb".to_owned(), hex(&thumb.0).into())));
        // The keys are ASCII and the numbers whole: this is the canonical form once the keys are in order.
        Value::from(serde_json_canonicalizer::to_string(&Json::Object(parts)).unwrap_or_default())
    }

    /// The files it names: itself, and its small picture.
    pub fn hashes(&self) -> impl Iterator<Item = BlobHash> {
        std::iter::once(self.hash).chain(self.thumb)
    }
}

/// What a put says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileUse {
    /// The key names the file.
    Named(FileRef),
    /// The file that this key names is taken back.
    TakenBack(String),
}

impl Collection {
    /// What a value at a key says about a file; nothing for the keys of other fields.
    pub fn file_use(&self, key: &str, value: &Value) -> Option<FileUse> {
        let form = self.key(key)?;
        let field = form.field.filter(|field| matches!(field.field_type, FieldType::Media { .. }))?;
        match form.part {
            KeyPart::Element => FileRef::parse(value).map(FileUse::Named),
            KeyPart::Off => {
                let (_, element) = key.split_once('/')?;
                Some(FileUse::TakenBack(format!("{}/{element}", field.key)))
            }
            _ => None,
        }
    }
}
