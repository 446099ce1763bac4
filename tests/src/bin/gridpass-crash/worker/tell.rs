//! What a phone tells of itself.

use gridpass_core::Value;
use gridpass_phone::ApiError;
use serde_json::{Map, Value as Json, json};

use super::Worker;

impl Worker {
    /// Everything that is on the phone, and what its own checks say.
    pub(super) fn tell(&self) -> Result<Json, ApiError> {
        let (mut records, mut receipts) = (Map::new(), Vec::new());
        for collection in ["address", "facility", "visit"] {
            for record in self.all(collection)? {
                let shown = self.phone.values(record)?;
                let values: Map<String, Json> = shown
                    .iter()
                    .map(|(key, shown)| (key.clone(), shown.all().into_iter().map(json_of).collect::<Json>()))
                    .collect();
                let mut files = Vec::new();
                for file in self.phone.show(record)?.files {
                    let bytes = self.phone.read_file(&file.hash);
                    let whole = bytes
                        .as_ref()
                        .ok()
                        .map(|bytes| bytes.as_ref().map(|bytes| *blake3::hash(bytes).as_bytes() == file.hash.0));
                    // Here and whole, not here, or here and not what it should be.
                    let stand = match whole {
                        Some(Some(true)) => "whole",
                        Some(None) => "elsewhere",
                        _ => "broken",
                    };
                    files.push(json!({ "hash": file.hash.to_string(), "key": file.key, "stand": stand }));
                }
                for receipt in self.phone.receipts(record)? {
                    receipts.push(json!({
                        "record": record.to_string(),
                        "intent": receipt.intent.map(|intent| intent.to_string()),
                        "change": receipt.change.to_string(),
                        "log_seq": receipt.log_seq,
                        "valid": receipt.valid,
                    }));
                }
                let of = json!({ "collection": collection, "values": values, "files": files });
                records.insert(record.to_string(), of);
            }
        }
        let state = self.phone.state()?;
        let buckets: Vec<Json> = state
            .buckets
            .iter()
            .map(|held| {
                let cursor = (held.cursor.epoch.to_string(), held.cursor.log_seq);
                let sum = (held.checksum.to_string(), held.records);
                json!({ "name": held.bucket.to_string(), "epoch": cursor.0, "log_seq": cursor.1, "sum": sum.0, "records": sum.1 })
            })
            .collect();
        let drafts: Map<String, Json> = self
            .phone
            .drafts()?
            .into_iter()
            .map(|draft| {
                let edits = draft.edits.iter().map(|edit| (edit.key.clone(), json_of(&edit.new)));
                (draft.id.to_string(), edits.collect::<Map<_, _>>().into())
            })
            .collect();
        let found = self.phone.search(&self.name, Some("facility"), 1)?.len();
        Ok(json!({
            "say": "told",
            "records": records,
            "receipts": receipts,
            "drafts": drafts,
            "buckets": buckets,
            "unsent": state.unsent,
            "inbox": state.inbox,
            "unsent_files": state.unsent_files,
            "found": found,
            "faults": self.phone.check_storage()?,
        }))
    }
}

/// A value as it is told.
pub(super) fn json_of(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
