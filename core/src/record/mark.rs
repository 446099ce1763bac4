//! A reviewer's word about a record or one of its keys: the server's key `s/r/<key>`, `s/r/` for the whole record.
//!
//! A mark names what it was said about by a digest. Whether that still stands is derived: an edit changes no mark.

use serde::{Deserialize, Serialize};

use super::request::{REQUEST, SERVER};
use super::shown::digest;
use crate::codes::Date;
use crate::id::UserId;
use crate::{Value, Values};

/// The prefix of marks.
pub const MARK: &str = "s/r/";

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is right.
    Approved,
    /// Its author looks again.
    Returned,
}

/// A reviewer's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What is said.
    pub decision: Decision,
    /// Why, in the reviewer's words; empty for an approval.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Until when the author is asked to look again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Date>,
    /// The digest of what it is said about, see [`digest_of`].
    pub digest: String,
    /// Who says it.
    pub user: UserId,
    /// When, in milliseconds since 1970 by the server's clock.
    pub at_ms: i64,
}

impl Mark {
    /// The key and value to put for a mark on a key; empty = the whole record.
    pub fn entry(&self, key: &str) -> (String, Value) {
        // A derived serializer over owned data cannot fail; an empty text is no mark.
        (format!("{MARK}{key}"), Value::Str(serde_json_canonicalizer::to_string(self).unwrap_or_default()))
    }

    /// Reads the value under a key of marks.
    pub fn read(value: &Value) -> Option<Self> {
        value.as_str().and_then(|text| serde_json::from_str(text).ok())
    }

    /// Every mark of a record with the key it is on.
    pub fn all(values: &Values) -> impl Iterator<Item = (&str, Self)> {
        let marks = values.range(MARK.to_owned()..).take_while(|(key, _)| key.starts_with(MARK));
        marks.filter_map(|(key, value)| Some((key.strip_prefix(MARK)?, Self::read(value)?)))
    }

    /// Whether what it was said about is no longer what stands.
    pub fn changed_since(&self, key: &str, values: &Values) -> bool {
        self.digest != digest_of(key, values)
    }
}

/// The digest of the value shown at a key; of the whole record for an empty key: all that devices write, without their
/// requests.
pub fn digest_of(key: &str, values: &Values) -> String {
    if !key.is_empty() {
        return digest(values.get(key).unwrap_or(&Value::Null));
    }
    let written = values.iter().filter(|(key, _)| !key.starts_with(SERVER) && !key.starts_with(REQUEST));
    let mut hasher = blake3::Hasher::new_derive_key("gridpass record digest v1");
    for (key, value) in written.filter(|(_, value)| !value.is_null()) {
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key.as_bytes()).update(digest(value).as_bytes());
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    crate::id::hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(entries: &[(&str, &str)]) -> Values {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
    }

    #[test]
    fn a_mark_reads_back_and_knows_when_what_it_is_about_has_changed() {
        let before = values(&[("name", "王芳"), ("birth", "1985-03-01")]);
        let mark = Mark {
            decision: Decision::Returned,
            reason: "出生日期与证件不符".into(),
            due: Some("2025-06-08".parse().unwrap()),
            digest: digest_of("birth", &before),
            user: UserId([7; 16]),
            at_ms: 1_748_750_400_000,
        };
        let (key, value) = mark.entry("birth");
        assert_eq!(key, "s/r/birth");
        let mut after = before.clone();
        after.insert(key, value);
        assert_eq!(Mark::all(&after).collect::<Vec<_>>(), [("birth", mark.clone())]);
        assert!(!mark.changed_since("birth", &after));
        after.insert("birth".into(), "1985-03-02".into());
        assert!(mark.changed_since("birth", &after));
    }

    #[test]
    fn the_digest_of_a_record_is_of_what_devices_wrote() {
        let before = values(&[("name", "王芳"), ("note", "甲")]);
        let of = |more: &[(&str, &str)]| {
            let mut values = before.clone();
            values.extend(self::values(more));
            digest_of("", &values)
        };
        assert_eq!(of(&[("s/r/", "x"), ("t/00", "y")]), digest_of("", &before));
        assert_ne!(of(&[("note", "乙")]), digest_of("", &before));
        let mut cleared = before.clone();
        cleared.insert("phone".into(), Value::Null);
        assert_eq!(digest_of("", &cleared), digest_of("", &before), "what was cleared is as what never was");
        assert_ne!(digest_of("", &values(&[("ab", "c")])), digest_of("", &values(&[("a", "bc")])));
    }
}
