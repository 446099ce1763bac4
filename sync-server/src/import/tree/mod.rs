//! The organisation tree from one sheet: 级别 (level) 编码 (code) 名称 (name) 上级编码 (code or path of the unit above), and
//! where the sheet has them 类型 (kind) 生效日期 (from) 失效日期 (until) 接替 (what it succeeds).
//!
//! The order of the rows does not matter. What stands as the row says is left alone; what differs becomes a new version
//! from the row's day; what is not known is made. A bad row is told and left out, the others are written together.

mod line;
mod open;

use std::collections::BTreeSet;
use std::path::Path;

use gridpass_core::catalog::Text;
use gridpass_core::codes::Date;

use super::report::{self, Counts, Problem, Summary};
use super::source::{Source, SourceError};
use crate::app::App;
use crate::db::DbError;
use crate::org::kinds::kinds;
use crate::org::{Draft, Op, OrgError, begin_of, begin_of_day};
use line::Line;
use open::open;

/// The sheet of a workbook that holds the tree.
pub const SHEET: &str = "网格";

const MUST: [&str; 4] = ["级别", "编码", "名称", "上级编码"];

/// How often the sheet is taken in again because somebody else wrote to the tree meanwhile.
const TRIES: usize = 4;

/// Why a tree is not taken in; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The file has no such sheet.
    #[error("the workbook has no sheet 网格: name the sheet so")]
    NoSheet,
    /// Nothing stands under the headings.
    #[error("the sheet has no row under its headings: nothing to take in")]
    Empty,
    /// Others write to the tree all the time.
    #[error("others write to the tree at the same time: nothing was written, run the command again")]
    Busy,
}

/// What a person asks for besides the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct TreeOptions {
    /// From which day rows count that name none; today if this does not either.
    pub from: Option<Date>,
    /// Look at everything, write nothing.
    pub dry_run: bool,
}

/// Makes and changes the units and grids of a file. Ids follow from codes, so every server makes the same; those of units
/// without a code follow from the unit above and the name. The counts are by `unit` and `grid`.
pub fn tree(
    app: &App,
    path: &Path,
    options: TreeOptions,
    tell: &mut dyn FnMut(&Problem),
) -> Result<Summary, TreeError> {
    let source = Source::open(path)?;
    let sheet = match source.sheets().as_slice() {
        [only] => (*only).to_owned(),
        _ => SHEET.to_owned(),
    };
    if !source.has(&sheet) {
        return Err(TreeError::NoSheet);
    }
    let now_ms = app.now_ms();
    let mut reading = Reading { source: &source, sheet: &sheet, problems: Vec::new(), lacks: false, bad: Vec::new() };
    let begin_ms = options.from.map_or_else(|| begin_of_day(now_ms), begin_of);
    let mut lines = Vec::new();
    source.rows(&sheet, 1, 1, &mut |row| -> Result<(), TreeError> {
        lines.extend(reading.line(&row, begin_ms, options.from.is_some()));
        Ok(())
    })?;
    if lines.is_empty() && reading.problems.is_empty() {
        return Err(TreeError::Empty);
    }
    let refused = reading.problems.len();
    for _ in 0..TRIES {
        let tree = app.tree()?;
        reading.problems.truncate(refused);
        let (ops, summary) = reading.take(&lines, Draft::new(&tree, now_ms));
        if options.dry_run || ops.is_empty() || app.db.write_tree(now_ms, tree.number(), ops)? {
            reading.problems.sort_by_key(|problem| problem.row);
            reading.problems.iter().for_each(tell);
            return Ok(summary);
        }
    }
    Err(TreeError::Busy)
}

/// What became of a row.
enum Done {
    Created,
    Changed,
    Unchanged,
}

struct Reading<'a> {
    source: &'a Source,
    sheet: &'a str,
    problems: Vec<Problem>,
    /// Whether a column is missing, which is told once.
    lacks: bool,
    /// What the rows that cannot be read are about.
    bad: Vec<&'static str>,
}

impl Reading<'_> {
    fn problem(&mut self, row: u32, column: &str, code: &str, text: Text) {
        self.problems.push(Problem {
            file: self.source.name.clone(),
            sheet: self.sheet.to_owned(),
            row,
            column: column.to_owned(),
            shape: None,
            code: code.to_owned(),
            text,
            refused: true,
        });
    }

    /// Takes in all lines: first what is made and changed, from the top, then what ends, from below.
    fn take(&mut self, lines: &[Line], mut draft: Draft) -> (Vec<Op>, Summary) {
        let mut summary = Summary::default();
        for collection in &self.bad {
            let counts = summary.counts(collection);
            (counts.rows, counts.refused) = (counts.rows + 1, counts.refused + 1);
        }
        let mut order: Vec<&Line> = lines.iter().collect();
        order.sort_by_key(|line| (kinds().rank(&line.kind.id), line.from_ms, line.row));
        let mut twice = BTreeSet::new();
        order.retain(|line| {
            summary.counts(line.collection()).rows += 1;
            let named = line.code.as_deref().unwrap_or(&line.name);
            let above = if line.code.is_some() { "" } else { line.above.as_str() };
            let first = twice.insert((named, above, line.kind.id.as_str(), line.from_ms));
            if !first {
                self.problem(line.row, "编码", "key_twice", report::text("key_twice"));
                summary.counts(line.collection()).refused += 1;
            }
            first
        });
        let mut standing = Vec::new();
        let mut opened = until_nothing_moves(order, |line| open(&mut draft, line));
        opened.done.sort_by_key(|(line, _)| std::cmp::Reverse((kinds().rank(&line.kind.id), line.row)));
        for (line, (node, done)) in opened.done {
            standing.push((line, node));
            let counts = summary.counts(line.collection());
            match done {
                Done::Created => counts.created += 1,
                Done::Changed => counts.changed += 1,
                Done::Unchanged => counts.unchanged += 1,
            }
        }
        let ending = standing.into_iter().filter_map(|(line, node)| Some((line, node, line.to_ms?))).collect();
        let ended = until_nothing_moves(ending, |(_, node, to_ms)| draft.end(*node, *to_ms));
        for ((line, ..), changed) in ended.done {
            let counts: &mut Counts = summary.counts(line.collection());
            if changed && counts.unchanged > 0 {
                (counts.unchanged, counts.changed) = (counts.unchanged - 1, counts.changed + 1);
            }
        }
        let left = opened.left.into_iter().chain(ended.left.into_iter().map(|((line, ..), error)| (line, error)));
        for (line, error) in left {
            summary.counts(line.collection()).refused += 1;
            self.problem(line.row, error.column(), error.code(), error.text());
        }
        (draft.ops(), summary)
    }
}

/// What was done with items, and what could not be with any order of them.
struct Moved<T, D> {
    done: Vec<(T, D)>,
    left: Vec<(T, OrgError)>,
}

/// Tries items until no more of them can be done: one may wait for another that comes later.
fn until_nothing_moves<T, D>(items: Vec<T>, mut act: impl FnMut(&T) -> Result<D, OrgError>) -> Moved<T, D> {
    let (mut done, mut waiting) = (Vec::new(), items);
    loop {
        let (before, mut left) = (waiting.len(), Vec::new());
        for item in waiting {
            match act(&item) {
                Ok(what) => done.push((item, what)),
                Err(error) => left.push((item, error)),
            }
        }
        // What cannot wait for anything is not tried again.
        if left.len() == before || left.iter().all(|(_, error)| !error.may_wait()) {
            return Moved { done, left };
        }
        waiting = left.into_iter().map(|(item, _)| item).collect();
    }
}
