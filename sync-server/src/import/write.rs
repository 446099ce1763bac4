//! Batches of records to commits: what is new is made, what an import wrote is edited, what people wrote is kept.

use std::collections::BTreeMap;

use gridpass_core::bucket::{Bucket, BucketClass};
use gridpass_core::catalog::{Catalog, Collection, Level, NoFacts, Shape};
use gridpass_core::id::{ActorId, BatchId, ChangeHash, GridId, IntentId, RecordId};
use gridpass_core::record::edit::{Edit, plan};
use gridpass_core::record::{Document, check, plain, same, shown_values};
use gridpass_core::wire::{self, FMT_AUTOMERGE, IntentKind, Role};
use gridpass_core::{Value, Values};

use super::mapping::Table;
use super::report::{Problem, Summary};
use super::rows::{Ready, Teller};
use super::source::Source;
use super::{ImportError, TRIES};
use crate::app::App;
use crate::catalogs::shared;
use crate::db::{ChangeMeta, Principal, RecordFacts};
use crate::log::{Audit, Base, By, Commit, Files, NewChange, Outcome, RecordWrite, Write};
use crate::office::Office;

/// The key whose value ends a record.
const END: &str = "end/date";

/// Writes batches and counts.
pub struct Writer<'a> {
    pub(super) app: &'a App,
    pub(super) catalog: &'a Catalog,
    dry_run: bool,
    /// The records of this run with their grids: a dry run stores none of them.
    planned: BTreeMap<RecordId, GridId>,
    /// What became of the rows.
    pub summary: Summary,
}

/// What becomes of a row.
enum Step {
    Write(Box<RecordWrite>),
    Unchanged,
    Refused,
}

impl<'a> Writer<'a> {
    /// A writer of one run.
    pub fn new(app: &'a App, catalog: &'a Catalog, dry_run: bool) -> Self {
        Self { app, catalog, dry_run, planned: BTreeMap::new(), summary: Summary::default() }
    }

    /// Writes a batch of rows of one sheet.
    pub fn write(
        &mut self,
        source: &Source,
        table: &Table,
        collection: &Collection,
        rows: Vec<Ready>,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<(), ImportError> {
        if rows.is_empty() {
            return Ok(());
        }
        let teller = Teller { catalog: self.catalog, table, source };
        let now_ms = self.app.now_ms();
        let mut placed = self.place(collection, &teller, rows, tell)?;
        let before = self.summary.counts(&collection.id).to_owned();
        for attempt in 1..=TRIES {
            if placed.is_empty() {
                break;
            }
            let last = attempt == TRIES;
            placed = self.attempt(source, collection, &teller, now_ms, placed, last, tell)?;
        }
        let counts = *self.summary.counts(&collection.id);
        if !self.dry_run {
            let detail = serde_json::json!({
                "file": gridpass_core::id::hex(&source.hash),
                "collection": collection.id,
                "created": counts.created - before.created,
                "changed": counts.changed - before.changed,
                "kept": counts.kept - before.kept,
            });
            let audit = Audit { action: "import_batch", detail: detail.to_string(), ..Audit::default() };
            self.app.db.audit(now_ms, audit)?;
        }
        Ok(())
    }

    /// The rows whose grid is known and which refer to what is there, each with its grid.
    fn place(
        &mut self,
        collection: &Collection,
        teller: &Teller<'_>,
        rows: Vec<Ready>,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Vec<(Ready, GridId)>, ImportError> {
        let targets: Vec<RecordId> = rows
            .iter()
            .flat_map(|row| &row.refs)
            .map(|(_, to)| *to)
            .filter(|to| !self.planned.contains_key(to))
            .collect();
        let homes = self.app.db.homes(&Principal::SERVER, self.app.now_ms(), &targets)?;
        let mut placed = Vec::new();
        for row in rows {
            let grid_of = |to: &RecordId| self.planned.get(to).copied().or_else(|| homes.get(to)?.grid());
            let known = |to: &RecordId| self.planned.contains_key(to) || homes.contains_key(to);
            let lost = row.refs.iter().find(|(_, to)| !known(to)).map(|(key, _)| key.as_str());
            let parent = row.refs.iter().find(|(key, _)| collection.parent.as_ref() == Some(key));
            let grid = row.grid.or_else(|| grid_of(&parent?.1));
            match (lost, grid) {
                (None, Some(grid)) => {
                    self.planned.insert(row.record, grid);
                    placed.push((row, grid));
                    continue;
                }
                (Some(key), _) => tell(&teller.problem(row.row, teller.heading(key), None, "no_such_record", true)),
                (None, None) => {
                    let column = teller.table.grid.as_deref().unwrap_or("grid");
                    tell(&teller.problem(row.row, column, None, "no_grid", true));
                }
            }
            self.summary.counts(&collection.id).refused += 1;
        }
        Ok(placed)
    }

    /// Prepares and writes rows; those whose record has moved on meanwhile come back.
    #[expect(clippy::too_many_arguments, reason = "one batch and where it comes from")]
    fn attempt(
        &mut self,
        source: &Source,
        collection: &Collection,
        teller: &Teller<'_>,
        now_ms: i64,
        rows: Vec<(Ready, GridId)>,
        last: bool,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Vec<(Ready, GridId)>, ImportError> {
        let office = self.app.office(now_ms, &self.app.catalogs());
        let batch = self.summary.batch;
        let records: Vec<RecordId> = rows.iter().map(|(row, _)| row.record).collect();
        let mut facts = self.app.db.standing(&Principal::SERVER, now_ms, &records)?;
        let (mut commits, mut written) = (Vec::new(), Vec::new());
        for (row, grid) in rows {
            let facts = facts.remove(&row.record).unwrap_or_default();
            let mut kept = 0;
            let mut note = |problem: &Problem| {
                kept += u64::from(problem.code == "differs_kept");
                tell(problem);
            };
            let step = prepare(&office, collection, teller, (&row, grid), facts, (&source.hash, batch), &mut note)?;
            let counts = self.summary.counts(&collection.id);
            match step {
                Step::Unchanged => {
                    counts.unchanged += 1;
                    counts.repaired += u64::from(row.repaired);
                }
                Step::Refused => {
                    counts.refused += 1;
                    self.planned.remove(&row.record);
                }
                Step::Write(write) if self.dry_run => {
                    counts.repaired += u64::from(row.repaired);
                    match write.base {
                        Some(_) => counts.changed += 1,
                        None => counts.created += 1,
                    }
                }
                Step::Write(write) => {
                    let object = Some(row.record.0.to_vec());
                    let audit = Audit { action: "imported", object, detail: "{}".into(), ..Audit::default() };
                    written.push((row, grid, write.base.is_none(), kept));
                    commits.push(Commit { write: Write::Record(write), audit });
                    continue;
                }
            }
            counts.kept += kept;
        }
        let outcomes = if commits.is_empty() { Vec::new() } else { self.app.db.commit(now_ms, commits)? };
        self.app.advanced(&outcomes);
        let counts = self.summary.counts(&collection.id);
        let mut again = Vec::new();
        for ((row, grid, new, kept), outcome) in written.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Stored(_) => {
                    counts.kept += kept;
                    counts.repaired += u64::from(row.repaired);
                    if new { counts.created += 1 } else { counts.changed += 1 }
                }
                Outcome::Stale if last => counts.refused += 1,
                Outcome::Stale => again.push((row, grid)),
            }
        }
        Ok(again)
    }
}

/// The write of one row against what stands.
fn prepare(
    office: &Office,
    collection: &Collection,
    teller: &Teller<'_>,
    (row, grid): (&Ready, GridId),
    facts: RecordFacts,
    (file, batch): (&[u8; 32], Option<BatchId>),
    tell: &mut dyn FnMut(&Problem),
) -> Result<Step, ImportError> {
    let bytes = facts.changes.iter().map(|change| change.row.bytes.as_slice());
    let document = Document::from_changes(bytes).map_err(|_| ImportError::Damaged)?;
    let imported = |hash: &ChangeHash| {
        facts.changes.iter().any(|change| change.row.hash == *hash && change.intent_kind == IntentKind::IMPORT)
    };
    let shown = shown_values(&document.state(), |actor| is_office(&facts, actor));
    let old = plain(&shown);
    let mut edits = Vec::new();
    for (key, new) in &row.values {
        let live = document.live(key);
        let now = old.get(key).cloned().unwrap_or_default();
        if same(&now, new) {
            continue;
        }
        // How a record came to be known does not change with a later file.
        if key == "source" && !live.is_empty() {
            continue;
        }
        match live.as_slice() {
            [] => {}
            [one] if imported(&one.change) => {}
            _ => {
                tell(&teller.problem(row.row, teller.heading(key), Some(Shape::of(new)), "differs_kept", false));
                continue;
            }
        }
        edits.push(Edit::over(key.as_str(), shown.get(key), new.clone()));
    }
    // A row that comes again takes back that an undo has ended its record.
    if let ([end], false) = (document.live(END).as_slice(), row.values.contains_key(END))
        && !end.value.is_null()
        && facts.changes.iter().any(|change| change.row.hash == end.change && is_undo(change))
    {
        for key in [END, "end/reason"] {
            edits.push(Edit::over(key, shown.get(key), Value::Null));
        }
    }
    let policy = |key: &str| collection.key(key).map(|form| form.policy);
    let puts = plan(&shown, &edits, policy, || IntentId([0; 16])).unwrap_or_default();
    if let Some(standing) = &facts.row
        && standing.home.grid() != Some(grid)
    {
        let column = teller.table.grid.as_deref().unwrap_or("grid");
        tell(&teller.problem(row.row, column, None, "other_grid", false));
    }
    if puts.is_empty() {
        return Ok(Step::Unchanged);
    }
    if !judge(office, collection, teller, row.row, &old, &puts, tell) {
        return Ok(Step::Refused);
    }
    let home = facts.row.as_ref().map_or_else(|| home(collection.bucket, grid), |standing| standing.home);
    // The same row over the same state is one act.
    let heads: Vec<u8> = document.heads().iter().flat_map(|hash| hash.0).collect();
    let intent = IntentId::derived("import", &[file, row.record.as_bytes(), &heads]);
    let composed = Composed { puts, intent, kind: IntentKind::IMPORT, batch, home };
    match compose(office, collection, row.record, document, facts, composed)? {
        Some(write) => Ok(Step::Write(Box::new(write))),
        None => {
            tell(&teller.problem(row.row, "", None, "too_large", true));
            Ok(Step::Refused)
        }
    }
}

/// What is put into a record, and as what.
pub(super) struct Composed {
    pub puts: Vec<(String, Value)>,
    pub intent: IntentId,
    pub kind: IntentKind,
    pub batch: Option<BatchId>,
    pub home: Bucket,
}

/// The write that puts values over what stands; none if the record would become too large.
pub(super) fn compose(
    office: &Office,
    collection: &Collection,
    record: RecordId,
    mut document: Document,
    facts: RecordFacts,
    composed: Composed,
) -> Result<Option<RecordWrite>, ImportError> {
    let Composed { puts, intent, kind, batch, home } = composed;
    let names = puts.iter().filter_map(|(key, value)| shared(collection, key, value)).collect();
    let change = document.change_putting(office.console, office.now_ms.div_euclid(1000), puts);
    let built = change.build().map_err(|_| ImportError::Damaged)?;
    let base = facts.row.as_ref().map(|standing| Base {
        generation: standing.generation,
        heads: standing.heads.clone(),
        home: standing.home,
        also: standing.also.clone(),
    });
    document.apply([built.clone()]).map_err(|_| ImportError::Damaged)?;
    let state = document.state();
    if check::device_bytes(&state) > wire::MAX_RECORD_BYTES || change.puts.len() > wire::MAX_PUTS {
        return Ok(None);
    }
    let shown = shown_values(&state, |actor| is_office(&facts, actor));
    Ok(Some(RecordWrite {
        record,
        collection: collection.id.clone(),
        generation: base.as_ref().map_or(0, |base| base.generation),
        fmt: FMT_AUTOMERGE,
        changes: vec![NewChange {
            change,
            built,
            by: By { role: Role::CONSOLE, user: None, device: None, grant: None },
            intent,
            intent_kind: kind,
            visit: None,
            catalog_version: office.catalog_version,
            device_ms: office.now_ms,
            corrected_ms: office.now_ms,
            batch,
        }],
        heads: document.heads(),
        shown,
        home,
        base,
        also: facts.row.map(|standing| standing.also).unwrap_or_default(),
        names,
        tickets: Vec::new(),
        decided: Vec::new(),
        files: Files::default(),
    }))
}

fn is_office(facts: &RecordFacts, actor: &ActorId) -> bool {
    facts.changes.iter().any(|change| change.row.author.role == Role::OFFICE && change.actor == *actor)
}

/// Whether a change ended a record because the import that made it was undone.
pub(super) fn is_undo(change: &ChangeMeta) -> bool {
    let author = &change.row.author;
    author.role == Role::CONSOLE && author.user.is_none() && change.intent_kind == IntentKind::END
}

/// Tells what the rules say of the record with the puts; whether it may be written. What was wrong before does not stop it.
fn judge(
    office: &Office,
    collection: &Collection,
    teller: &Teller<'_>,
    row: u32,
    old: &Values,
    puts: &[(String, Value)],
    tell: &mut dyn FnMut(&Problem),
) -> bool {
    let facts = NoFacts(office.now_ms);
    let mut values = old.clone();
    values.extend(puts.iter().cloned());
    let before = if old.is_empty() { Vec::new() } else { collection.check(old, &facts) };
    let mut good = true;
    for finding in collection.check(&values, &facts).into_iter().filter(|finding| !before.contains(finding)) {
        let refused = finding.level == Level::Error;
        good &= !refused;
        tell(&teller.finding(row, &finding, &values, refused));
    }
    good
}

/// The bucket of a grid that the records of a collection lie in.
fn home(class: BucketClass, grid: GridId) -> Bucket {
    match class {
        BucketClass::Place => Bucket::Place(grid),
        BucketClass::Restricted => Bucket::Restricted(grid),
        BucketClass::Base | BucketClass::User | BucketClass::District => Bucket::Base(grid),
    }
}
