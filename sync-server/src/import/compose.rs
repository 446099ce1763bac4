//! One row to one commit: what is new is made, what an import wrote is edited, what people wrote is kept.

use gridpass_core::bucket::{Bucket, BucketClass};
use gridpass_core::catalog::{Collection, Level, NoFacts, Shape};
use gridpass_core::id::{ActorId, BatchId, ChangeHash, GridId, IntentId, RecordId};
use gridpass_core::record::edit::{Edit, plan};
use gridpass_core::record::{Document, check, plain, same, shown_values};
use gridpass_core::wire::{self, FMT_AUTOMERGE, IntentKind, Role};
use gridpass_core::{Value, Values};

use super::ImportError;
use super::report::Problem;
use super::rows::{Ready, Teller};
use crate::catalogs::shared;
use crate::db::{ChangeMeta, RecordFacts};
use crate::log::{Base, By, Files, NewChange, RecordWrite};
use crate::office::Office;

/// The key whose value ends a record.
const END: &str = "end/date";

/// What becomes of a row.
pub(super) enum Step {
    Write(Box<RecordWrite>),
    Unchanged,
    Refused,
}

/// The write of one row against what stands.
pub(super) fn prepare(
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
