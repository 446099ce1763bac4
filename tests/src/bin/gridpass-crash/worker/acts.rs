//! What a worker does: each save is told before it is called and after it returned.

use gridpass_core::Value;
use gridpass_core::id::RecordId;
use gridpass_core::record::edit::Edit;
use gridpass_phone::{ApiError, AttachInput, Content, SaveInput, Saved};
use gridpass_tests::street::Random;
use serde_json::{Map, Value as Json, json};

use super::tell::json_of;
use super::{Planted, Worker, joined, say, told_of};

/// The keys of a facility that carry the number of the save that wrote them last.
const NAMES: [&str; 4] = ["name", "user_name", "owner_name", "maintainer_name"];
/// Added to a number, this is a time of a visit, in milliseconds since 1970.
const START_MS: i64 = 1_800_000_000_000;
/// What a worker does next.
#[derive(Clone, Copy, Default)]
pub(super) enum Act {
    #[default]
    Create,
    Edit,
    Shared,
    Decide,
    Visit,
    Photo,
    Still,
    Draft,
    DraftSaved,
    DraftGone,
    End,
    Sync,
}

pub(super) const ACTS: [(u64, Act); 12] = [
    (14, Act::Create),
    (32, Act::Edit),
    (8, Act::Shared),
    (3, Act::Decide),
    (8, Act::Visit),
    (9, Act::Photo),
    (3, Act::Still),
    (5, Act::Draft),
    (3, Act::DraftSaved),
    (2, Act::DraftGone),
    (2, Act::End),
    (11, Act::Sync),
];

impl Worker {
    pub(super) fn act(&mut self, act: Act, random: &mut Random, shared: Option<RecordId>) -> Result<(), ApiError> {
        let own = random.pick(&self.own);
        let visit = random.pick(&self.visits);
        let mark = |key: &str| (key.to_owned(), Value::from(format!("{} {}", self.name, self.number)));
        match act {
            Act::Sync => {
                say(&json!({ "say": "sync" }));
                let done = self.runtime.block_on(self.phone.sync());
                say(&json!({ "say": "synced", "failed": done.err().map(|error| told_of(&error)) }));
                Ok(())
            }
            Act::Edit if own != RecordId::default() => {
                let some = 2 + random.below(3) as usize;
                let puts = NAMES.iter().take(some).map(|key| mark(key)).collect();
                self.edit("edit", own, puts)
            }
            Act::Shared if shared.is_some() => {
                self.edit("shared", shared.unwrap_or_default(), vec![mark("name"), mark("owner_name")])
            }
            Act::Decide if shared.is_some() => self.edit("shared", shared.unwrap_or_default(), vec![mark("code")]),
            Act::Still if own != RecordId::default() => {
                self.begin("still", Some(own), &[], &json!({}));
                let saved = self.phone.still(own, "name")?;
                self.acknowledge(&saved, &json!({}));
                Ok(())
            }
            Act::End if own != RecordId::default() => {
                let ended = self.phone.values(own)?.get("end/date").is_some_and(|shown| !shown.value().is_null());
                let puts = match ended {
                    true => vec![("end/date".to_owned(), Value::Null), ("end/reason".to_owned(), Value::Null)],
                    false => {
                        vec![("end/date".to_owned(), "2027-01-15".into()), ("end/reason".to_owned(), "error".into())]
                    }
                };
                self.edit("edit", own, puts)
            }
            Act::Visit if own != RecordId::default() => {
                let at = Value::Int(START_MS + self.number.cast_signed() * 1000);
                let mut puts: Vec<(String, Value)> = vec![
                    ("source".into(), "worker".into()),
                    ("target_kind".into(), "facility".into()),
                    ("target_id".into(), own.to_string().into()),
                    ("mode".into(), "door".into()),
                    ("started_at".into(), at.clone()),
                    ("ended_at".into(), at),
                    ("outcome".into(), "met".into()),
                ];
                puts.push((format!("check/{own}"), "confirmed".into()));
                let record = self.create("visit", puts)?;
                self.visits.push(record);
                Ok(())
            }
            Act::Photo if visit != RecordId::default() => self.photo(visit, random),
            Act::Draft => {
                let puts: Vec<_> = NAMES.iter().map(|key| mark(key)).collect();
                self.begin("draft", None, &puts, &json!({}));
                let draft = self.phone.put_draft(None, "facility", None, edits(&puts))?;
                say(&json!({ "say": "ack", "n": self.number, "draft": draft.to_string() }));
                self.drafts.push(draft);
                Ok(())
            }
            Act::DraftGone if !self.drafts.is_empty() => {
                let draft = self.drafts.swap_remove(0);
                self.begin("draft_gone", None, &[], &json!({ "draft": draft.to_string() }));
                self.phone.discard_draft(draft)?;
                say(&json!({ "say": "ack", "n": self.number, "draft": draft.to_string() }));
                Ok(())
            }
            Act::DraftSaved if !self.drafts.is_empty() => {
                let draft = self.drafts.swap_remove(0);
                let puts = self.facility();
                self.begin("create", None, &puts, &json!({ "draft": draft.to_string() }));
                let input = SaveInput {
                    collection: "facility".into(),
                    edits: edits(&puts),
                    draft: Some(draft),
                    ..SaveInput::default()
                };
                let saved = self.phone.save(input)?;
                self.acknowledge(&saved, &json!({ "draft": draft.to_string() }));
                self.own.push(saved.record);
                Ok(())
            }
            _ => {
                let puts = self.facility();
                let record = self.create("facility", puts)?;
                self.own.push(record);
                Ok(())
            }
        }
    }

    /// A facility of this worker, as its form is filled in.
    fn facility(&self) -> Vec<(String, Value)> {
        let mut puts: Vec<(String, Value)> = NAMES
            .iter()
            .map(|key| ((*key).to_owned(), Value::from(format!("{} {}", self.name, self.number))))
            .collect();
        let address = self.all("address").unwrap_or_default().into_iter().next().unwrap_or_default();
        puts.push(("source".into(), "worker".into()));
        puts.push(("kind".into(), "other".into()));
        puts.push(("state".into(), "in_use".into()));
        puts.push(("address_id".into(), address.to_string().into()));
        puts.push(("code".into(), self.name.as_str().into()));
        puts.push(("code_scheme".into(), "local".into()));
        puts
    }

    fn create(&self, collection: &str, puts: Vec<(String, Value)>) -> Result<RecordId, ApiError> {
        self.begin("create", None, &puts, &json!({}));
        let input = SaveInput { collection: collection.into(), edits: edits(&puts), ..SaveInput::default() };
        let saved = self.phone.save(input)?;
        self.acknowledge(&saved, &json!({}));
        Ok(saved.record)
    }

    fn edit(&self, act: &str, record: RecordId, puts: Vec<(String, Value)>) -> Result<(), ApiError> {
        let shown = self.phone.values(record)?;
        let edits = puts.iter().map(|(key, new)| Edit::over(key, shown.get(key), new.clone()));
        let mut edits: Vec<Edit> = edits.collect();
        self.begin(act, Some(record), &puts, &json!({}));
        match self.planted {
            Some(Planted::EarlyAck) => {
                self.acknowledge(&Saved { record, intent: None, warnings: Vec::new() }, &json!({}));
            }
            Some(Planted::Half) => edits.truncate(1),
            Some(Planted::Forget) => {
                self.acknowledge(&Saved { record, intent: None, warnings: Vec::new() }, &json!({}));
                return Ok(());
            }
            None => {}
        }
        let saved = self.phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() })?;
        self.acknowledge(&saved, &json!({}));
        Ok(())
    }

    /// A photo from some bytes to some chunks of a sealed file.
    fn photo(&self, visit: RecordId, random: &mut Random) -> Result<(), ApiError> {
        let mut bytes = vec![0; 1 + random.below(150_000) as usize];
        let name = format!("{} {}", self.name, self.number);
        blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
        let hash = blake3::hash(&bytes).to_hex().to_string();
        self.begin("photo", Some(visit), &[], &json!({ "hash": hash }));
        let attached = self.phone.attach(AttachInput {
            record: visit,
            field: "photo".into(),
            content: Content::Bytes(bytes),
            media_type: "image/jpeg".into(),
            purpose: None,
            taken_at_ms: None,
            thumb: None,
            visit: None,
        })?;
        let saved = Saved { record: visit, intent: attached.intent, warnings: Vec::new() };
        self.acknowledge(&saved, &json!({ "hash": attached.hash.to_string(), "key": attached.key }));
        Ok(())
    }

    fn begin(&self, act: &str, record: Option<RecordId>, puts: &[(String, Value)], more: &Json) {
        let puts: Map<String, Json> = puts.iter().map(|(key, value)| (key.clone(), json_of(value))).collect();
        let record = record.map(|record| record.to_string());
        let line = json!({ "say": "begin", "n": self.number, "act": act, "record": record, "puts": puts });
        say(&joined(line, more));
    }

    fn acknowledge(&self, saved: &Saved, more: &Json) {
        let intent = saved.intent.map(|intent| intent.to_string());
        let line = json!({ "say": "ack", "n": self.number, "record": saved.record.to_string(), "intent": intent });
        say(&joined(line, more));
    }
}

fn edits(puts: &[(String, Value)]) -> Vec<Edit> {
    puts.iter().map(|(key, new)| Edit::new(key, Value::Null, new.clone())).collect()
}
