//! What a phone was asked to save and what it said, held against what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::rows::Rows;

/// Where a save stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It was begun, and nothing was said of it: it may be there wholly, or not at all.
    Open,
    /// The phone said that it is saved, or it was found wholly.
    Saved,
    /// The phone refused it, or it was found not to be there.
    Not,
}

/// One save.
#[derive(Debug, Clone)]
pub struct Save {
    act: String,
    record: Option<String>,
    puts: Map<String, Json>,
    hash: Option<String>,
    draft: Option<String>,
    intent: Option<String>,
    stand: Stand,
}

/// Everything that one phone was asked to save, in order.
pub struct Ledger {
    /// The worker's name, which its records carry.
    pub name: String,
    saves: BTreeMap<u64, Save>,
    /// Whether a sync is under way.
    pub in_sync: bool,
    /// Bucket → epoch and last row, as told last.
    cursors: BTreeMap<String, (String, u64)>,
    /// What the phone refused, with how often: its words in both languages.
    pub refused: BTreeMap<String, u64>,
    /// Open saves that were found wholly, and those that were not found.
    pub found: [u64; 2],
}

fn text(line: &Json, key: &str) -> Option<String> {
    line[key].as_str().map(str::to_owned)
}

impl Ledger {
    pub fn new(name: &str) -> Self {
        let (saves, cursors, refused) = Default::default();
        Self { name: name.to_owned(), saves, in_sync: false, cursors, refused, found: [0; 2] }
    }

    /// The number of the last save.
    pub fn last(&self) -> u64 {
        self.saves.keys().next_back().copied().unwrap_or(0)
    }

    /// How many saves were acknowledged.
    pub fn saved(&self) -> u64 {
        self.saves.values().filter(|save| save.stand == Stand::Saved).count() as u64
    }

    /// Whether a save is under way.
    pub fn in_save(&self) -> bool {
        self.saves.values().next_back().is_some_and(|save| save.stand == Stand::Open)
    }

    /// Takes in what the phone's process says.
    pub fn take(&mut self, line: &Json) {
        let number = line["n"].as_u64().unwrap_or(0);
        match line["say"].as_str().unwrap_or_default() {
            "begin" => {
                let save = Save {
                    act: text(line, "act").unwrap_or_default(),
                    record: text(line, "record"),
                    puts: line["puts"].as_object().cloned().unwrap_or_default(),
                    hash: text(line, "hash"),
                    draft: text(line, "draft"),
                    intent: None,
                    stand: Stand::Open,
                };
                self.saves.insert(number, save);
            }
            "ack" => {
                if let Some(save) = self.saves.get_mut(&number) {
                    save.stand = Stand::Saved;
                    save.record = text(line, "record").or(save.record.take());
                    save.draft = text(line, "draft").or(save.draft.take());
                    save.intent = text(line, "intent");
                }
            }
            "refused" => {
                let words = format!(
                    "{} / {}",
                    line["zh"].as_str().unwrap_or_default(),
                    line["en"].as_str().unwrap_or_default()
                );
                *self
                    .refused
                    .entry(format!("{words} ({})", line["error"].as_str().unwrap_or_default()))
                    .or_default() += 1;
                if let Some(save) = self.saves.get_mut(&number) {
                    save.stand = Stand::Not;
                }
            }
            "sync" => self.in_sync = true,
            "synced" => self.in_sync = false,
            _ => {}
        }
    }

    /// Holds what a phone tells of itself against the ledger; what is wrong. docs/sync.md: I21 (no save vanishes), I31
    /// and I32 (photos are whole), I22 (cursors do not go back), I10 (receipts), I34 (what was saved is found).
    pub fn check_phone(&mut self, told: &Json) -> Vec<String> {
        self.in_sync = false;
        let mut faults: Vec<String> = told["faults"].as_array().into_iter().flatten().map(|f| f.to_string()).collect();
        if told["inbox"] != 0 {
            faults.push(format!("{} saves came back to their author", told["inbox"]));
        }
        for receipt in told["receipts"].as_array().into_iter().flatten().filter(|receipt| receipt["valid"] != true) {
            faults.push(format!("a receipt does not hold: {receipt}"));
        }
        let records = told["records"].as_object().cloned().unwrap_or_default();
        self.settle_open(&records, told, &mut faults);
        let mut expected: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
        let mut drafts: BTreeMap<&str, &Map<String, Json>> = BTreeMap::new();
        for save in self.saves.values().filter(|save| save.stand == Stand::Saved) {
            match (save.act.as_str(), save.record.as_deref(), save.draft.as_deref()) {
                ("create" | "edit", Some(record), draft) => {
                    expected.entry(record).or_default().extend(save.puts.clone());
                    draft.map(|draft| drafts.remove(draft));
                }
                ("draft", _, Some(draft)) => drop(drafts.insert(draft, &save.puts)),
                ("draft_gone", _, Some(draft)) => drop(drafts.remove(draft)),
                ("photo", Some(record), _) => {
                    let hash = save.hash.as_deref().unwrap_or_default();
                    if !has_file(&records, record, hash) {
                        faults.push(format!("an acknowledged photo of {record} is not there whole: {hash}"));
                    }
                }
                _ => {}
            }
        }
        for (record, values) in expected {
            for (key, value) in values {
                if shows(&records, record, &key) != Some(&value) {
                    let shown = shows(&records, record, &key);
                    faults.push(format!(
                        "acknowledged {key} of {record} is not there: {value} was saved, {shown:?} is shown"
                    ));
                }
            }
        }
        for (draft, puts) in drafts {
            if told["drafts"][draft].as_object() != Some(puts) {
                faults.push(format!("an acknowledged draft is not there as it was: {draft}"));
            }
        }
        let broken = |file: &&Json| file["stand"] == "broken";
        let files = records.values().flat_map(|record| record["files"].as_array().into_iter().flatten());
        faults.extend(files.filter(broken).map(|file| format!("a file is here and not whole: {file}")));
        let has_own = self.saves.values().any(|save| save.act == "create" && save.stand == Stand::Saved);
        if has_own && told["found"] == 0 {
            faults.push("what was saved is not found by a search".into());
        }
        faults.extend(self.check_cursors(told));
        faults.into_iter().map(|fault| format!("{}: {fault}", self.name)).collect()
    }

    /// A save that was cut off is there wholly, or not at all.
    fn settle_open(&mut self, records: &Map<String, Json>, told: &Json, faults: &mut Vec<String>) {
        let known: BTreeSet<String> = self.saves.values().filter_map(|save| save.record.clone()).collect();
        let Some(save) = self.saves.values_mut().next_back().filter(|save| save.stand == Stand::Open) else { return };
        let mut record = save.record.clone();
        let there: Vec<bool> = match save.act.as_str() {
            "create" => {
                let marks = |id: &String| {
                    ["name", "started_at"]
                        .iter()
                        .filter(|key| save.puts.contains_key(**key))
                        .all(|key| shows(records, id, key) == save.puts.get(*key))
                        && shows(records, id, "target_id") == save.puts.get("target_id")
                };
                record = records.keys().find(|id| !known.contains(*id) && marks(id)).cloned();
                let id = record.clone().unwrap_or_default();
                let mut there: Vec<bool> =
                    save.puts.iter().map(|(key, value)| shows(records, &id, key) == Some(value)).collect();
                // A draft is saved in the same transaction.
                there.extend(save.draft.iter().map(|draft| told["drafts"].get(draft).is_none()));
                there
            }
            "edit" | "shared" => {
                let id = save.record.clone().unwrap_or_default();
                save.puts.iter().map(|(key, value)| stands(records, &id, key, value)).collect()
            }
            "photo" => {
                let (id, hash) = (save.record.clone().unwrap_or_default(), save.hash.clone().unwrap_or_default());
                vec![has_file(records, &id, &hash)]
            }
            "draft" => {
                let drafts = told["drafts"].as_object();
                let found =
                    drafts.and_then(|drafts| drafts.iter().find(|(_, puts)| puts.as_object() == Some(&save.puts)));
                save.draft = found.map(|(draft, _)| draft.clone());
                vec![found.is_some()]
            }
            "draft_gone" => vec![save.draft.as_ref().is_some_and(|draft| told["drafts"].get(draft).is_none())],
            _ => vec![false],
        };
        let wholly = there.iter().all(|there| *there);
        if !wholly && there.iter().any(|there| *there) && save.act != "shared" {
            faults.push(format!("half of a save is there: {save:?}"));
        }
        save.record = record;
        save.stand = if wholly { Stand::Saved } else { Stand::Not };
        self.found[usize::from(!wholly)] += 1;
    }

    fn check_cursors(&mut self, told: &Json) -> Vec<String> {
        let mut faults = Vec::new();
        for held in told["buckets"].as_array().into_iter().flatten() {
            let Some(name) = text(held, "name") else { continue };
            let now = (text(held, "epoch").unwrap_or_default(), held["log_seq"].as_u64().unwrap_or(0));
            if let Some(before) = self.cursors.insert(name.clone(), now.clone())
                && before.0 == now.0
                && before.1 > now.1
            {
                faults.push(format!("the cursor of {name} went back from {} to {}", before.1, now.1));
            }
        }
        faults
    }

    /// Holds the receipts that a phone has against the server's rows. docs/sync.md, I9: an accepted change is stored
    /// exactly once, with one receipt.
    pub fn check_receipts(&self, told: &Json, rows: &Rows) -> Vec<String> {
        let mut faults = Vec::new();
        for receipt in told["receipts"].as_array().into_iter().flatten() {
            let of = |key: &str| text(receipt, key).unwrap_or_default();
            let changes = rows.changes.get(&of("intent")).map(Vec::as_slice).unwrap_or_default();
            let same = |change: &&crate::rows::Change| {
                (&change.record, &change.hash, Some(change.log_seq))
                    == (&of("record"), &of("change"), receipt["log_seq"].as_u64())
            };
            if changes.iter().filter(same).count() != 1 || changes.len() != 1 {
                faults.push(format!("{}: a receipt is for {} stored changes: {receipt}", self.name, changes.len()));
            }
        }
        faults
    }

    /// When all has healed: every save is one change on the server with all that was put. docs/sync.md, I9 and I21.
    pub fn check_server(&self, rows: &Rows) -> Vec<String> {
        let mut faults = Vec::new();
        let is_change = |save: &&Save| !matches!(save.act.as_str(), "draft" | "draft_gone");
        for save in self.saves.values().filter(is_change) {
            let named =
                save.intent.as_ref().map(|intent| rows.changes.get(intent).map(Vec::as_slice).unwrap_or_default());
            match (save.stand, named) {
                (Stand::Saved, Some([change])) => {
                    let request = save.act == "shared" && change.puts.keys().any(|key| key.starts_with("t/"));
                    let whole = save.puts.iter().all(|(key, value)| change.puts.get(key) == Some(value));
                    if !whole && !request {
                        faults.push(format!("half of a save is on the server: {save:?}, {:?}", change.puts));
                    }
                }
                (Stand::Saved, Some(changes)) => {
                    faults.push(format!("an acknowledged save is {} changes on the server: {save:?}", changes.len()));
                }
                // Found after a kill that took the answer: known by what it put.
                (Stand::Saved, None) if save.act != "shared" && !save.puts.is_empty() => {
                    let all = || rows.changes.values().flatten();
                    let same = all().filter(|change| {
                        Some(&change.record) == save.record.as_ref()
                            && save.puts.iter().all(|(key, value)| change.puts.get(key) == Some(value))
                    });
                    let count = same.count();
                    // The same end may be put many times; names and times are put once.
                    if count == 0 || (count > 1 && save.puts.keys().all(|key| !key.starts_with("end/"))) {
                        faults.push(format!("a save that is on the phone is {count} changes on the server: {save:?}"));
                    }
                }
                _ => {}
            }
            if let Some(hash) =
                save.hash.as_ref().filter(|hash| save.stand == Stand::Saved && !rows.files.contains(*hash))
            {
                faults.push(format!("a photo is not on the server: {hash}"));
            }
        }
        faults.into_iter().map(|fault| format!("{}: {fault}", self.name)).collect()
    }
}

fn shows<'a>(records: &'a Map<String, Json>, record: &str, key: &str) -> Option<&'a Json> {
    records.get(record)?["values"].get(key)?.get(0)
}

/// Whether the value is the one that is shown or one of several.
fn stands(records: &Map<String, Json>, record: &str, key: &str, value: &Json) -> bool {
    let all = records.get(record).and_then(|record| record["values"].get(key)?.as_array());
    all.map_or(value.is_null(), |all| all.contains(value))
}

fn has_file(records: &Map<String, Json>, record: &str, hash: &str) -> bool {
    let files = records.get(record).and_then(|record| record["files"].as_array());
    files.into_iter().flatten().any(|file| file["hash"] == hash && file["stand"] == "whole")
}
