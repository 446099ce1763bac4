//! Taking an import back: what stood before stands again, except for what somebody has edited since.
//!
//! Nothing leaves the history. A record that the import made ends as entered by mistake; a field that it changed gets its
//! old value; both are ordinary changes that phones pull.

use std::collections::BTreeSet;
use std::fmt;

use gridpass_core::Value;
use gridpass_core::catalog::Catalog;
use gridpass_core::codes::Date;
use gridpass_core::id::{BatchId, ChangeHash, IntentId, RecordId};
use gridpass_core::record::{Built, Live, same};
use gridpass_core::wire::IntentKind;

use super::compose::{Composed, compose, is_undo};
use super::{ImportError, TRIES};
use crate::app::App;
use crate::db::{Principal, RecordFacts};
use crate::log::{Audit, Commit, Outcome, RecordWrite, Write};
use crate::office::{Office, Standing};

/// How many changes are taken back together.
const BATCH: usize = 500;

/// The reason with which records end that an import should not have made. Every collection has it.
const MISTAKE: &str = "error";

/// What an import wrote and what stays all the same, because it was edited since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// The key; empty for a record that was made by the import.
    pub key: String,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, collection, key } = self;
        match key.is_empty() {
            true => write!(f, "kept {collection} {record}: 导入后又有人修改,保留 / edited since; it stays"),
            false => write!(f, "kept {collection} {record} [{key}]: 导入后又有人修改,保留 / edited since; it stays"),
        }
    }
}

/// What an undo has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undone {
    /// Records that the import had made and that have ended now.
    pub ended: u64,
    /// Records with fields that have their old values again.
    pub restored: u64,
    /// Records at which nothing was left to do.
    pub unchanged: u64,
    /// Records and fields that were edited since.
    pub kept: u64,
}

/// Takes an import back; what stays is told. A second time nothing is left to do.
pub fn undo(app: &App, batch: BatchId, tell: &mut dyn FnMut(&Kept)) -> Result<Undone, ImportError> {
    let now_ms = app.now_ms();
    if !app.db.import_batches(&Principal::SERVER, now_ms)?.iter().any(|known| known.id == batch) {
        return Err(ImportError::NoBatch);
    }
    let catalogs = app.catalogs();
    let catalog = catalogs.newest_catalog().ok_or(super::MappingError::NoCatalog)?;
    let mut undone = Undone::default();
    let mut before = i64::MAX;
    loop {
        // What was written last is taken back first: who lives in a house before the house.
        let page = app.db.import_changes(&Principal::SERVER, app.now_ms(), batch, before, BATCH)?;
        let Some(last) = page.last() else { break };
        before = last.number;
        let mut waiting: Vec<RecordId> = Vec::new();
        for change in &page {
            if !waiting.contains(&change.record) {
                waiting.push(change.record);
            }
        }
        for attempt in 1..=TRIES {
            if waiting.is_empty() {
                break;
            }
            waiting = attempt_undo(app, catalog, batch, &waiting, attempt == TRIES, &mut undone, tell)?;
        }
    }
    let detail = serde_json::json!({ "ended": undone.ended, "restored": undone.restored, "kept": undone.kept });
    let object = Some(batch.0.to_vec());
    let audit = Audit { action: "import_undone", object, detail: detail.to_string(), ..Audit::default() };
    app.db.audit(app.now_ms(), audit)?;
    Ok(undone)
}

/// Takes back what a batch wrote into records; those that have moved on meanwhile come back.
fn attempt_undo(
    app: &App,
    catalog: &Catalog,
    batch: BatchId,
    records: &[RecordId],
    last: bool,
    undone: &mut Undone,
    tell: &mut dyn FnMut(&Kept),
) -> Result<Vec<RecordId>, ImportError> {
    let now_ms = app.now_ms();
    let office = app.office(now_ms, &app.catalogs());
    let mut facts = app.db.standing(&Principal::SERVER, now_ms, records)?;
    let (mut commits, mut written) = (Vec::new(), Vec::new());
    for record in records {
        let Some(facts) = facts.remove(record).filter(|facts| facts.row.is_some()) else { continue };
        let own: BTreeSet<ChangeHash> =
            app.db.import_hashes(&Principal::SERVER, now_ms, batch, *record)?.into_iter().collect();
        let mut kept = 0;
        let mut note = |found: &Kept| {
            kept += 1;
            tell(found);
        };
        let Some((write, ends)) = take_back(&office, catalog, *record, facts, &own, &mut note)? else {
            if kept > 0 {
                undone.kept += kept
            } else {
                undone.unchanged += 1
            }
            continue;
        };
        let object = Some(record.0.to_vec());
        let audit = Audit { action: "import_taken_back", object, detail: "{}".into(), ..Audit::default() };
        commits.push(Commit { write: Write::Record(Box::new(write)), audit });
        written.push((*record, ends, kept));
    }
    let outcomes = if commits.is_empty() { Vec::new() } else { app.db.commit(now_ms, commits)? };
    app.advanced(&outcomes);
    let mut again = Vec::new();
    for ((record, ends, kept), outcome) in written.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Stored(_) => {
                undone.kept += kept;
                if ends { undone.ended += 1 } else { undone.restored += 1 }
            }
            Outcome::Stale if last => undone.kept += 1,
            Outcome::Stale => again.push(record),
        }
    }
    Ok(again)
}

/// The write that takes back what the changes `own` did to a record, and whether it ends the record.
fn take_back(
    office: &Office,
    catalog: &Catalog,
    record: RecordId,
    facts: RecordFacts,
    own: &BTreeSet<ChangeHash>,
    tell: &mut dyn FnMut(&Kept),
) -> Result<Option<(RecordWrite, bool)>, ImportError> {
    let Some(row) = facts.row.clone() else { return Ok(None) };
    let Some(collection) = catalog.collection(&row.collection) else { return Ok(None) };
    let standing = Standing::of(facts)?;
    let (facts, document) = (&standing.facts, &standing.document);
    let kept = |key: &str| Kept { record, collection: row.collection.clone(), key: key.to_owned() };
    let fields = |hash: &ChangeHash| {
        let change = facts.changes.iter().find(|change| change.row.hash == *hash);
        change.and_then(|change| Built::from_trusted(&change.row.bytes).ok()?.fields().ok())
    };
    let first = own.iter().filter_map(|hash| fields(hash).map(|change| (*hash, change)));
    let mut first: Vec<_> = first.collect();
    first.sort_by_key(|(_, change)| change.start_op);
    let created = first.first().is_some_and(|(_, change)| change.deps.is_empty());
    let mut puts: Vec<(String, Value)> = Vec::new();
    if created {
        // Who has ended it already, an undo or a person, has said it.
        let ended = document.live("end/date").iter().any(|live| !live.value.is_null());
        if ended {
            return Ok(None);
        }
        if facts.changes.iter().any(|change| !own.contains(&change.row.hash) && !is_undo(change)) {
            tell(&kept(""));
            return Ok(None);
        }
        puts.push(("end/date".into(), Date::in_china(office.now_ms).to_string().into()));
        puts.push(("end/reason".into(), MISTAKE.into()));
    } else {
        let mut seen = BTreeSet::new();
        for (_, change) in &first {
            for put in change.puts.iter().filter(|put| seen.insert(put.key.clone())) {
                let before = document.live_at(&put.key, &change.deps);
                let old = before.first().map_or(Value::Null, |live: &Live| live.value.clone());
                let now = document.live(&put.key);
                let stands = now.first().map_or(Value::Null, |live| live.value.clone());
                match now.as_slice() {
                    _ if same(&stands, &old) => {}
                    [one] if own.contains(&one.change) => puts.push((put.key.clone(), old)),
                    _ => tell(&kept(&put.key)),
                }
            }
        }
    }
    if puts.is_empty() {
        return Ok(None);
    }
    let heads: Vec<u8> = document.heads().iter().flat_map(|hash| hash.0).collect();
    let intent = IntentId::derived("import undone", &[record.as_bytes(), &heads]);
    let kind = if created { IntentKind::END } else { IntentKind::IMPORT };
    let home = row.home;
    let write = compose(office, collection, record, standing, Composed { puts, intent, kind, batch: None, home })?;
    Ok(write.map(|write| (write, created)))
}
