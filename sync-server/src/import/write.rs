//! Batches of rows to commits. While one is written, the next is read and prepared.

use std::collections::BTreeMap;

use gridpass_core::catalog::{Catalog, Collection};
use gridpass_core::id::{GridId, RecordId};

use super::compose::{Step, prepare};
use super::mapping::Table;
use super::report::{Problem, Summary};
use super::rows::{Ready, Teller};
use super::source::Source;
use super::{ImportError, TRIES};
use crate::app::App;
use crate::db::sqlite::Scratch;
use crate::db::{Principal, RecordFacts, Underway};
use crate::log::{Audit, Commit, Outcome, Write};

/// Writes batches and counts.
pub struct Writer<'a> {
    pub(super) app: &'a App,
    pub(super) catalog: &'a Catalog,
    dry_run: bool,
    /// In a dry run, which stores none of them: the records of the run with their grids.
    planned: Scratch,
    underway: Option<Batch>,
    /// What became of the rows.
    pub summary: Summary,
}

/// One sheet of one file as records of one collection.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The file.
    pub source: &'a Source,
    /// The sheet.
    pub table: &'a Table,
    /// The collection.
    pub collection: &'a Collection,
}

/// Records with the grids they lie in.
type Grids = BTreeMap<RecordId, Option<GridId>>;

/// A row with its grid and with what stands.
type Placed = (Ready, GridId, RecordFacts);

/// Rows that are written together.
#[derive(Default)]
struct Batch {
    /// What the database has got; none where nothing is to be written.
    commits: Option<Underway>,
    /// The rows of the commits.
    written: Vec<Written>,
    /// All records of the batch: until it is on disk, a read may not find them.
    grids: Grids,
    created: u64,
    changed: u64,
    kept: u64,
}

/// A row whose commit the database has got.
struct Written {
    row: Ready,
    grid: GridId,
    new: bool,
    kept: u64,
}

impl<'a> Writer<'a> {
    /// A writer of one run.
    pub fn new(app: &'a App, catalog: &'a Catalog, dry_run: bool) -> Self {
        Self { app, catalog, dry_run, planned: Scratch::default(), underway: None, summary: Summary::default() }
    }

    /// Prepares rows and hands them to the database, once that has those before them on disk. No record comes twice
    /// between two calls of [`Writer::settle`].
    pub fn write(
        &mut self,
        part: &Part<'_>,
        rows: Vec<Ready>,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<(), ImportError> {
        if rows.is_empty() {
            return self.settle(part, tell);
        }
        let mut batch = Batch::default();
        let placed = self.place(part, rows, &mut batch, tell)?;
        let commits = self.prepare(part, placed, &mut batch, tell)?;
        self.settle(part, tell)?;
        self.hand_over(&mut batch, commits)?;
        self.underway = Some(batch);
        Ok(())
    }

    /// Waits until what was handed over is on disk. Rows that phones were faster with are prepared and written again.
    pub fn settle(&mut self, part: &Part<'_>, tell: &mut dyn FnMut(&Problem)) -> Result<(), ImportError> {
        let Some(mut batch) = self.underway.take() else { return Ok(()) };
        for attempt in 1.. {
            let again = self.outcomes(part, &mut batch, attempt == TRIES)?;
            if again.is_empty() {
                break;
            }
            let again = self.standing(again)?;
            let commits = self.prepare(part, again, &mut batch, tell)?;
            self.hand_over(&mut batch, commits)?;
        }
        if self.dry_run {
            let mut planned = batch.grids.into_iter();
            return Ok(planned.try_for_each(|(record, grid)| self.planned.put(record, grid))?);
        }
        let detail = serde_json::json!({
            "file": gridpass_core::id::hex(&part.source.hash),
            "collection": part.collection.id,
            "created": batch.created,
            "changed": batch.changed,
            "kept": batch.kept,
        });
        let audit = Audit { action: "import_batch", detail: detail.to_string(), ..Audit::default() };
        Ok(self.app.db.audit(self.app.now_ms(), audit)?)
    }

    /// The rows whose grid is known and which refer to what is there.
    fn place(
        &mut self,
        part: &Part<'_>,
        rows: Vec<Ready>,
        batch: &mut Batch,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Vec<Placed>, ImportError> {
        let (now_ms, collection) = (self.app.now_ms(), part.collection);
        let teller = self.teller(part);
        let before = self.underway.as_ref().map(|batch| &batch.grids);
        let mut unread = Grids::new();
        let mut referred = Vec::new();
        for to in rows.iter().flat_map(|row| &row.refs).map(|reference| reference.to) {
            match before.and_then(|grids| grids.get(&to)).copied() {
                Some(grid) => drop(unread.insert(to, grid)),
                None => match self.planned.get(to)? {
                    Some(grid) => drop(unread.insert(to, grid)),
                    None => referred.push(to),
                },
            }
        }
        let homes = self.app.db.homes(&Principal::SERVER, now_ms, &referred)?;
        let records: Vec<RecordId> = rows.iter().map(|row| row.record).collect();
        let mut standing = self.app.db.standing(&Principal::SERVER, now_ms, &records)?;
        let mut placed = Vec::with_capacity(rows.len());
        let mut refused = 0;
        for row in rows {
            // None is a record that is not there, and one that lies in no grid has none.
            let grid_of = |to: &RecordId| {
                batch
                    .grids
                    .get(to)
                    .or_else(|| unread.get(to))
                    .copied()
                    .or_else(|| homes.get(to).map(|home| home.grid()))
            };
            let lost = row.refs.iter().find(|reference| grid_of(&reference.to).is_none());
            let lost = lost.map(|reference| reference.column);
            let parent = row.refs.iter().find(|reference| collection.parent.as_ref() == Some(&reference.key));
            let grid = row.grid.or_else(|| grid_of(&parent?.to)?);
            match (lost, grid) {
                (None, Some(grid)) => {
                    let facts = standing.remove(&row.record).unwrap_or_default();
                    // A record stays where it is, whatever the row says.
                    let lies = facts.row.as_ref().map_or(Some(grid), |standing| standing.home.grid());
                    batch.grids.insert(row.record, lies);
                    placed.push((row, grid, facts));
                    continue;
                }
                (Some(column), _) => {
                    let heading = part.table.columns.get(column).map_or("", |column| column.from.first());
                    tell(&teller.problem(row.row, heading, None, "no_such_record", true));
                }
                (None, None) => {
                    let column = part.table.grid.as_deref().unwrap_or("grid");
                    tell(&teller.problem(row.row, column, None, "no_grid", true));
                }
            }
            refused += 1;
        }
        self.summary.counts(&collection.id).refused += refused;
        Ok(placed)
    }

    /// Rows with what stands now.
    fn standing(&self, rows: Vec<(Ready, GridId)>) -> Result<Vec<Placed>, ImportError> {
        let records: Vec<RecordId> = rows.iter().map(|(row, _)| row.record).collect();
        let mut standing = self.app.db.standing(&Principal::SERVER, self.app.now_ms(), &records)?;
        let of = |(row, grid): (Ready, GridId)| {
            let facts = standing.remove(&row.record).unwrap_or_default();
            (row, grid, facts)
        };
        Ok(rows.into_iter().map(of).collect())
    }

    /// The commits of rows; those that need none are counted.
    fn prepare(
        &mut self,
        part: &Part<'_>,
        rows: Vec<Placed>,
        batch: &mut Batch,
        tell: &mut dyn FnMut(&Problem),
    ) -> Result<Vec<Commit>, ImportError> {
        let office = self.app.office(self.app.now_ms(), &self.app.catalogs());
        let (teller, collection) = (self.teller(part), part.collection);
        let of = (&part.source.hash, self.summary.batch);
        let counts = self.summary.counts(&collection.id);
        let mut commits = Vec::new();
        for (row, grid, facts) in rows {
            let mut kept = 0;
            let mut note = |problem: &Problem| {
                kept += u64::from(problem.code == "differs_kept");
                tell(problem);
            };
            let step = prepare(&office, collection, &teller, (&row, grid), facts, of, &mut note)?;
            match step {
                Step::Unchanged => {
                    counts.unchanged += 1;
                    counts.repaired += u64::from(row.repaired);
                }
                Step::Refused => {
                    counts.refused += 1;
                    batch.grids.remove(&row.record);
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
                    batch.written.push(Written { row, grid, new: write.base.is_none(), kept });
                    commits.push(Commit { write: Write::Record(write), audit });
                    continue;
                }
            }
            counts.kept += kept;
            batch.kept += kept;
        }
        Ok(commits)
    }

    fn hand_over(&self, batch: &mut Batch, commits: Vec<Commit>) -> Result<(), ImportError> {
        if !commits.is_empty() {
            batch.commits = Some(self.app.db.commit_later(self.app.now_ms(), commits)?);
        }
        Ok(())
    }

    /// Waits for the commits of a batch and counts them; the rows whose record has moved on meanwhile come back.
    fn outcomes(
        &mut self,
        part: &Part<'_>,
        batch: &mut Batch,
        last: bool,
    ) -> Result<Vec<(Ready, GridId)>, ImportError> {
        let Some(commits) = batch.commits.take() else { return Ok(Vec::new()) };
        let outcomes = commits.wait()?;
        self.app.advanced(&outcomes);
        let counts = self.summary.counts(&part.collection.id);
        let mut again = Vec::new();
        for (Written { row, grid, new, kept }, outcome) in batch.written.drain(..).zip(outcomes) {
            match outcome {
                Outcome::Stored(_) => {
                    let count = if new { &mut batch.created } else { &mut batch.changed };
                    *count += 1;
                    batch.kept += kept;
                    counts.created += u64::from(new);
                    counts.changed += u64::from(!new);
                    counts.kept += kept;
                    counts.repaired += u64::from(row.repaired);
                }
                Outcome::Stale if last => counts.refused += 1,
                Outcome::Stale => again.push((row, grid)),
            }
        }
        Ok(again)
    }

    fn teller<'p>(&self, part: &Part<'p>) -> Teller<'p>
    where
        'a: 'p,
    {
        Teller { catalog: self.catalog, table: part.table, source: part.source }
    }
}
