//! One row to one commit: what is new is made, what an import wrote is edited, what people wrote is kept.

use gridpass_core::bucket::{Bucket, BucketClass};
use gridpass_core::catalog::{Collection, Level, NoFacts, Shape};
use gridpass_core::id::{BatchId, ChangeHash, GridId, IntentId, RecordId};
use gridpass_core::record::edit::{Edit, plan};
use gridpass_core::record::{plain, same};
use gridpass_core::wire::{IntentKind, Role};
use gridpass_core::{Value, Values};

use super::ImportError;
use super::report::Problem;
use super::rows::{Ready, Teller};
use crate::db::{ChangeMeta, RecordFacts};
use crate::log::{By, RecordWrite};
use crate::office::{Act, Office, Standing};

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
    let standing = Standing::of(facts)?;
    let (facts, document) = (&standing.facts, &standing.document);
    let imported = |hash: &ChangeHash| {
        facts.changes.iter().any(|change| change.row.hash == *hash && change.intent_kind == IntentKind::IMPORT)
    };
    let shown = standing.shown();
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
    if let Some(known) = &facts.row
        && known.home.grid() != Some(grid)
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
    let home = facts.row.as_ref().map_or_else(|| home(collection.bucket, grid), |known| known.home);
    // The same row over the same state is one act.
    let heads: Vec<u8> = document.heads().iter().flat_map(|hash| hash.0).collect();
    let intent = IntentId::derived("import", &[file, row.record.as_bytes(), &heads]);
    let composed = Composed { puts, intent, kind: IntentKind::IMPORT, batch, home };
    match compose(office, collection, row.record, standing, composed)? {
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
    standing: Standing,
    composed: Composed,
) -> Result<Option<RecordWrite>, ImportError> {
    let Composed { puts, intent, kind, batch, home } = composed;
    let by = By { role: Role::CONSOLE, user: None, device: None, grant: None };
    let act = Act { actor: office.console, by, puts, intent, kind, batch };
    Ok(standing.write(office, collection, record, home, act)?)
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
