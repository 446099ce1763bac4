//! What a device may ask but not do: decisions, confirmations, transitions.
//!
//! A request is a write-once key `t/<id>` of the record it is about; the office's ruling is the key `s/v/<id>` of the
//! same record. Both are evidence and stay.

use serde::{Deserialize, Serialize};

use crate::catalog::well_formed;
use crate::id::IntentId;
use crate::value::Value;

/// The prefix of request keys.
pub const REQUEST: &str = "t/";
/// The prefix of keys that only the server writes.
pub const SERVER: &str = "s/";
/// The prefix of rulings.
pub const RULING: &str = "s/v/";

/// A device's request, as the JSON text under `t/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// "This value stands": decides between the concurrent values of a key.
    Resolve {
        /// The key to decide.
        key: String,
        /// The value that shall stand; it need not be one of those that do.
        value: Value,
        /// Digests of all values the decision was made over.
        seen: Vec<String>,
    },
    /// "Still so": confirms the value of a key without writing it again.
    Still {
        /// The confirmed key.
        key: String,
    },
}

/// The server's answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ruling", rename_all = "snake_case")]
pub enum Ruling {
    /// Carried out.
    Accepted,
    /// Kept as evidence without effect.
    Void {
        /// A stable code; the texts are resources.
        reason: String,
    },
}

/// A text under a request key that is not a request this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a request of a known kind")]
pub struct UnknownRequest;

impl Request {
    /// The key and value to put for a request with this name.
    pub fn entry(&self, id: IntentId) -> (String, Value) {
        // A derived serializer over owned data cannot fail; an empty text would be refused as an unknown request.
        (format!("{REQUEST}{id}"), Value::Str(serde_json_canonicalizer::to_string(self).unwrap_or_default()))
    }

    /// Reads the value under a request key. A device wrote it, so it may ask for nothing that a device may not write: a
    /// key of another form or of the server is no request.
    pub fn read(value: &Value) -> Result<Self, UnknownRequest> {
        let may_be_asked = |request: &Self| well_formed(request.key()) && !request.key().starts_with(SERVER);
        let request = value.as_str().and_then(|text| serde_json::from_str(text).ok());
        request.filter(may_be_asked).ok_or(UnknownRequest)
    }

    /// The key the request is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Resolve { key, .. } | Self::Still { key } => key,
        }
    }
}

impl Ruling {
    /// A ruling without effect, with its reason.
    pub fn void(reason: &str) -> Self {
        Self::Void { reason: reason.to_owned() }
    }

    /// The key and value the office puts for the request under `t/<id>`.
    pub fn entry(&self, request_key: &str) -> (String, Value) {
        let id = request_key.strip_prefix(REQUEST).unwrap_or(request_key);
        (format!("{RULING}{id}"), Value::Str(serde_json_canonicalizer::to_string(self).unwrap_or_default()))
    }

    /// Reads the value under a ruling key.
    pub fn read(value: &Value) -> Option<Self> {
        value.as_str().and_then(|text| serde_json::from_str(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_rulings_read_back_and_name_each_other() {
        let request = Request::Resolve { key: "name".into(), value: "甲".into(), seen: vec!["00".into()] };
        let (key, value) = request.entry(IntentId([7; 16]));
        assert_eq!(value.as_str(), Some(r#"{"key":"name","kind":"resolve","seen":["00"],"value":"甲"}"#));
        assert_eq!(Request::read(&value), Ok(request));
        let (ruled, value) = Ruling::void("values_changed").entry(&key);
        assert_eq!(ruled, format!("s/v/{}", IntentId([7; 16])));
        assert_eq!(Ruling::read(&value), Some(Ruling::void("values_changed")));
        assert_eq!(Request::read(&"{}".into()), Err(UnknownRequest));
        assert_eq!(
            Request::read(&Request::Still { key: "s/state".into() }.entry(IntentId([7; 16])).1),
            Err(UnknownRequest)
        );
        let beyond = r#"{"key":"rooms","kind":"resolve","seen":[],"value":9007199254740993}"#;
        assert_eq!(Request::read(&beyond.into()), Err(UnknownRequest), "no record may hold that number");
    }
}
