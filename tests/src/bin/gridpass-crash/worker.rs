//! A worker with a phone, in a process of its own that may be killed at any instant: it saves as fast as the phone lets
//! it, and tells each save on standard output before it is called and after it returned.
//!
//! | told | to do |
//! |---|---|
//! | `work SEED NUMBER` | save, attach, verify, sync at random until something else is told; numbers go up from here |
//! | `rest` | end the work, and say so |
//! | `sync` | sync until everything is through |
//! | `tell` | say everything that is on the phone |
//!
//! Each line that it says is one write, so that a killed process leaves whole lines.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use gridpass_core::Value;
use gridpass_core::id::{IntentId, RecordId};
use gridpass_core::record::edit::Edit;
use gridpass_phone::host::Host;
use gridpass_phone::host_system::FileKeyStore;
use gridpass_phone::{ApiError, AttachInput, Content, ListQuery, Phone, SaveInput, Saved};
use gridpass_tests::street::Random;
use gridpass_tests::world::Error;
use serde_json::{Map, Value as Json, json};

/// The keys of a facility that carry the number of the save that wrote them last.
pub const NAMES: [&str; 4] = ["name", "user_name", "owner_name", "maintainer_name"];
/// Added to a number, this is a time of a visit, in milliseconds since 1970.
const START_MS: i64 = 1_800_000_000_000;

/// A defect that is planted into a worker, so that the checks can be seen to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// It acknowledges a save before the phone has it.
    EarlyAck,
    /// It acknowledges a form of which it has saved one field.
    Half,
    /// It acknowledges what it never saves.
    Forget,
}

/// Opens the phone and does what it is told until nobody tells it anything.
pub fn run(folder: &Path, keys: &Path, name: &str, planted: Option<Planted>) -> Result<(), Error> {
    let host = Host::system(Arc::new(FileKeyStore::new(keys)), "gridpass-crash");
    let phone = match Phone::open(folder, host, None) {
        Ok(phone) => phone,
        Err(error) => {
            say(&joined(json!({ "say": "closed" }), &told_of(&error)));
            return Ok(());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, told) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut worker = Worker {
        phone,
        runtime,
        name: name.to_owned(),
        number: 0,
        own: Vec::new(),
        visits: Vec::new(),
        drafts: Vec::new(),
        planted,
    };
    worker.find_own()?;
    say(&json!({ "say": "open" }));
    let mut next = told.recv().ok();
    while let Some(line) = next.take() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["work", seed, number] => {
                worker.number = number.parse()?;
                next = worker.work(&mut Random::new(seed.parse()?, 0), &told);
                continue;
            }
            ["rest"] => say(&json!({ "say": "rests" })),
            ["sync"] => worker.sync_through(),
            ["tell"] => say(&worker.tell()?),
            _ => return Err(format!("a worker does not know how to {line}").into()),
        }
        next = told.recv().ok();
    }
    Ok(())
}

fn say(line: &Json) {
    let mut stdout = std::io::stdout().lock();
    // Whoever listened may be gone: then this process ends with its standard input.
    let _ = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush());
}

struct Worker {
    phone: Phone,
    runtime: tokio::runtime::Runtime,
    name: String,
    number: u64,
    /// Facilities that nobody else writes.
    own: Vec<RecordId>,
    visits: Vec<RecordId>,
    drafts: Vec<IntentId>,
    planted: Option<Planted>,
}

/// What a worker does next.
#[derive(Clone, Copy, Default)]
enum Act {
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

const ACTS: [(u64, Act); 12] = [
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
    /// The records of an earlier process of this phone: what carries its name, and the visits of those.
    fn find_own(&mut self) -> Result<(), ApiError> {
        let text = |record: RecordId, key: &str| -> Result<String, ApiError> {
            let shown = self.phone.values(record)?;
            Ok(shown.get(key).and_then(|shown| shown.value().as_str()).unwrap_or_default().to_owned())
        };
        for record in self.all("facility")? {
            if text(record, "code")? == self.name {
                self.own.push(record);
            }
        }
        for record in self.all("visit")? {
            let visited = text(record, "target_id")?;
            if self.own.iter().any(|own| own.to_string() == visited) {
                self.visits.push(record);
            }
        }
        self.drafts = self.phone.drafts()?.into_iter().map(|draft| draft.id).collect();
        Ok(())
    }

    fn all(&self, collection: &str) -> Result<Vec<RecordId>, ApiError> {
        let query = ListQuery { collection: Some(collection.to_owned()), limit: u32::MAX, ..ListQuery::default() };
        Ok(self.phone.list(query)?.rows.into_iter().map(|row| row.record).collect())
    }

    fn work(&mut self, random: &mut Random, told: &Receiver<String>) -> Option<String> {
        let shared = self.shared();
        loop {
            match told.try_recv() {
                Ok(line) => return Some(line),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            self.number += 1;
            let act = random.weighted(&ACTS);
            if let Err(error) = self.act(act, random, shared) {
                let number = json!({ "say": "refused", "n": self.number });
                say(&joined(number, &told_of(&error)));
            }
        }
    }

    /// The facility that every worker writes.
    fn shared(&self) -> Option<RecordId> {
        let facilities = self.all("facility").unwrap_or_default();
        facilities.into_iter().find(|record| {
            let shown = self.phone.values(*record).unwrap_or_default();
            shown.get("user_name").is_some_and(|shown| shown.all().iter().any(|value| value.as_str() == Some("共用")))
        })
    }

    fn act(&mut self, act: Act, random: &mut Random, shared: Option<RecordId>) -> Result<(), ApiError> {
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
        let seen = |key: &str| shown.get(key).map(|shown| shown.value().clone()).unwrap_or_default();
        let edits = puts.iter().map(|(key, new)| Edit { seen: seen(key), key: key.clone(), new: new.clone() });
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

    fn sync_through(&self) {
        let mut last = json!({});
        for _ in 0..50 {
            match self.runtime.block_on(self.phone.sync()) {
                Ok(report) if report.complete && report.unsent == 0 && report.unsent_files == 0 => {
                    return say(&json!({ "say": "through" }));
                }
                Ok(report) => last = json!({ "report": format!("{report:?}") }),
                Err(error) => last = told_of(&error),
            }
        }
        say(&joined(json!({ "say": "not through" }), &last));
    }

    /// Everything that is on the phone, and what its own checks say.
    fn tell(&self) -> Result<Json, ApiError> {
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

/// An error as its user and the log get it.
fn told_of(error: &ApiError) -> Json {
    let problems = match error {
        ApiError::Input { problems } => problems.iter().map(|at| format!("{} {:?}", at.code, at.key)).collect(),
        _ => Vec::new(),
    };
    let text = error.text();
    json!({ "error": format!("{error} {}", problems.join(", ")), "zh": text.zh, "en": text.en })
}

fn edits(puts: &[(String, Value)]) -> Vec<Edit> {
    puts.iter().map(|(key, new)| Edit { key: key.clone(), seen: Value::Null, new: new.clone() }).collect()
}

fn json_of(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

fn joined(mut line: Json, more: &Json) -> Json {
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    line
}
