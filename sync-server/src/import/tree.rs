//! The organisation tree from one sheet: 级别 (level) 编码 (code) 名称 (name) 上级编码 (code or path of the unit above), and
//! where the sheet has them 类型 (kind) 生效日期 (from) 失效日期 (until) 接替 (what it succeeds).
//!
//! The order of the rows does not matter. What stands as the row says is left alone; what differs becomes a new version
//! from the row's day; what is not known is made. A bad row is told and left out, the others are written together.

use std::collections::BTreeSet;
use std::path::Path;

use gridpass_core::catalog::Text;
use gridpass_core::codes::Date;
use gridpass_core::id::{GridId, UnitId};

use super::cells::{Cell, Row};
use super::convert::{BETWEEN, NOT_WHOLE, text};
use super::report::{Counts, Problem, Summary};
use super::source::{Source, SourceError};
use super::{day, report};
use crate::app::App;
use crate::db::DbError;
use crate::org::kinds::{GRID, Kind, kinds};
use crate::org::{Draft, Node, Op, OrgError, Version, begin_of, begin_of_day};

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

/// A row that says what it should.
struct Line {
    row: u32,
    kind: &'static Kind,
    code: Option<String>,
    name: String,
    above: String,
    from_ms: i64,
    /// Whether the day was said, by the row or the command.
    dated: bool,
    to_ms: Option<i64>,
    succeeds: Vec<String>,
}

impl Line {
    fn collection(&self) -> &'static str {
        if self.kind.id == GRID { GRID } else { "unit" }
    }
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

    /// Reads a row; tells everything that is wrong with its cells.
    fn line(&mut self, row: &Row, begin_ms: i64, dated: bool) -> Option<Line> {
        if row.banner || self.lacks {
            return None;
        }
        for column in MUST {
            if row.headings.place(column).is_none() {
                self.lacks = true;
                self.problem(1, column, "no_column", report::text("no_column"));
            }
        }
        if self.lacks {
            return None;
        }
        let before = self.problems.len();
        let mut said = |column: &str| {
            text(row.cell(column).unwrap_or(&Cell::Empty)).unwrap_or_else(|code| {
                self.problem(row.number, column, code, report::text(code));
                String::new()
            })
        };
        let [level, kind, code, name, above, follows] =
            ["级别", "类型", "编码", "名称", "上级编码", "接替"].map(|column| said(column).trim().to_owned());
        let mut at = |column: &str| self.day(row, column);
        let (from, to) = (at("生效日期"), at("失效日期"));
        let (from_ms, to_ms) = (from.map_or(begin_ms, begin_of), to.map(begin_of));
        let kind = match (level.as_str(), kind.as_str()) {
            ("" | "其他", "") => Err("no_level"),
            ("" | "其他", kind) => kinds().by_word(kind).ok_or("no_such_level"),
            (level, "") => kinds().by_word(level).ok_or("no_such_level"),
            _ => Err("two_levels"),
        };
        let kind = kind.map_err(|code| self.problem(row.number, "级别", code, unknown_level(code))).ok();
        if name.is_empty() {
            let text = Text::new("名称不能为空,请填写", "The name is empty; fill it in");
            self.problem(row.number, "名称", "no_name", text);
        }
        if to_ms.is_some_and(|to_ms| to_ms <= from_ms) {
            let text = Text::new(
                "失效日期必须晚于生效日期(没有填写生效日期时为导入当日或 --from),请改正",
                "It ends before it begins; without 生效日期 it begins with --from, or today. Correct the days",
            );
            self.problem(row.number, "失效日期", "ends_before", text);
        }
        let succeeds = follows.split(BETWEEN.as_slice()).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let code = (!code.is_empty()).then_some(code);
        let dated = dated || from.is_some();
        let Some(kind) = kind.filter(|_| self.problems.len() == before) else {
            self.bad.push(if kind.is_some_and(|kind| kind.id == GRID) { GRID } else { "unit" });
            return None;
        };
        Some(Line { row: row.number, kind, code, name, above, from_ms, dated, to_ms, succeeds })
    }

    fn day(&mut self, row: &Row, column: &str) -> Option<Date> {
        let cell = row.cell(column).unwrap_or(&Cell::Empty);
        let code = match text(cell) {
            Ok(said) if said.is_empty() => return None,
            Ok(said) => match day::read(cell, &said) {
                Some(day::Said::Day(day) | day::Said::Serial(day)) => return Some(day),
                Some(day::Said::Month(..) | day::Said::Year(_)) => NOT_WHOLE,
                None => "not_a_date",
            },
            // Told with the other texts of the row where it is one of theirs.
            Err(code) => code,
        };
        self.problem(row.number, column, code, report::text(code));
        None
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

fn unknown_level(code: &str) -> Text {
    let words: Vec<&str> = kinds().all().iter().map(Kind::word).collect();
    let words = words.join("、");
    match code {
        "two_levels" => Text::new(
            "级别已经说明是什么,类型只在级别为空或“其他”时填写",
            "级别 says what it is; fill in 类型 only where 级别 is empty or 其他",
        ),
        _ => Text::new(
            format!("级别(或类型)须为以下之一:{words}"),
            format!("级别, or 类型 where 级别 is empty or 其他, is one of {words}; write one of them"),
        ),
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

/// Makes or changes the unit or grid of a line.
fn open(draft: &mut Draft, line: &Line) -> Result<(Node, Done), OrgError> {
    let parent = match line.above.as_str() {
        "" => None,
        above => {
            let found =
                draft.tree().at(line.from_ms).find(above).map_err(|error| too_early(draft, line).unwrap_or(error))?;
            let unit = found.node.unit().ok_or_else(|| OrgError::Under {
                unit: line.code.as_deref().unwrap_or(&line.name).into(),
                kind: line.kind.id.clone(),
                parent: found.label().into(),
                parent_kind: found.kind.clone(),
            })?;
            Some(unit)
        }
    };
    let unit = || line.code.as_deref().unwrap_or(&line.name).to_owned();
    let succeeds = follows(draft, line)?;
    let node = known(draft, line, parent);
    if let Some((node, newest)) = node.and_then(|node| Some((node, draft.tree().newest(node)?))) {
        if newest.kind != line.kind.id {
            return Err(OrgError::OtherKind { unit: unit(), kind: newest.kind.clone() });
        }
        let same = |version: &Version| version.parent == parent && version.name == line.name;
        // What was made by a clock and not by a day begins in the middle of a day.
        let same_day = !line.dated && begin_of_day(newest.from_ms) == line.from_ms;
        let from_ms = if same_day { newest.from_ms } else { line.from_ms };
        if from_ms < newest.until() {
            let begins = |version: &Version| succeeds.is_empty() || version.succeeds == succeeds;
            if !draft.tree().versions(node).iter().any(begins) {
                return Err(OrgError::FollowsLate { unit: unit() });
            }
            let planned = !line.dated && same(newest);
            if planned || draft.tree().at(from_ms).get(node).is_some_and(same) {
                return Ok((node, Done::Unchanged));
            }
            draft.change(node, from_ms, parent, &line.name)?;
            return Ok((node, Done::Changed));
        }
        if !line.dated {
            return Err(OrgError::Ended { unit: unit(), day: Date::in_china(newest.until()) });
        }
    }
    let version = Version {
        node: node.unwrap_or_else(|| fresh(draft, line, parent)),
        kind: line.kind.id.clone(),
        parent,
        code: line.code.clone(),
        name: line.name.clone(),
        from_ms: line.from_ms,
        to_ms: None,
        succeeds,
    };
    let node = version.node;
    draft.add(version)?;
    Ok((node, Done::Created))
}

/// Why a line of a day before its unit begins cannot stand, whatever stands above then.
fn too_early(draft: &Draft, line: &Line) -> Option<OrgError> {
    let node = line.code.as_ref().and_then(|_| known(draft, line, None))?;
    let begins = draft.tree().versions(node).first()?.from_ms;
    (line.from_ms < begins).then(|| OrgError::Before {
        unit: line.code.clone().unwrap_or_default(),
        day: Date::in_china(line.from_ms),
        begins: Date::in_china(begins),
    })
}

/// The unit or grid that a line means, if there is one: by its code, or by the unit above and its name.
fn known(draft: &Draft, line: &Line, parent: Option<UnitId>) -> Option<Node> {
    let is_grid = line.kind.id == GRID;
    let tree = draft.tree();
    let called = |said: &str| -> Vec<Node> { tree.ever_called(said).collect() };
    match &line.code {
        Some(code) => {
            let has = |node: &Node| tree.versions(*node).iter().any(|version| version.code.as_ref() == Some(code));
            let mut found: Vec<Node> = called(code);
            found.retain(|node| matches!(node, Node::Grid(_)) == is_grid && has(node));
            // One that exists on the day goes before one that had the code before.
            let standing = found.iter().find(|node| tree.at(line.from_ms).get(**node).is_some());
            standing.or(found.first()).copied()
        }
        None => {
            let same = |version: &Version| {
                (version.parent, &version.kind, &version.name) == (parent, &line.kind.id, &line.name)
            };
            let (at, found) = (tree.at(line.from_ms), called(&line.name));
            let standing = found.iter().find(|node| at.get(**node).is_some_and(same));
            standing.or_else(|| found.iter().find(|node| tree.newest(**node).is_some_and(same))).copied()
        }
    }
}

/// The id of what is made: it follows from the code, or from the unit above, the kind and the name. If another has come
/// from those before, the day tells them apart.
fn fresh(draft: &Draft, line: &Line, parent: Option<UnitId>) -> Node {
    let Some(code) = &line.code else {
        let parent = parent.unwrap_or_default();
        let (kind, name) = (line.kind.id.as_bytes(), line.name.as_bytes());
        let first = UnitId::derived("unit by name", &[parent.as_bytes(), kind, name]);
        if draft.tree().versions(Node::Unit(first)).is_empty() {
            return Node::Unit(first);
        }
        let day = line.from_ms.to_be_bytes();
        return Node::Unit(UnitId::derived("unit by name", &[parent.as_bytes(), kind, name, &day]));
    };
    match line.kind.id.as_str() {
        GRID => Node::Grid(GridId::derived("grid", &[code.as_bytes()])),
        _ => Node::Unit(UnitId::derived("unit", &[code.as_bytes()])),
    }
}

/// What a line follows, as it stood the moment before or as it stands then.
fn follows(draft: &Draft, line: &Line) -> Result<Vec<Node>, OrgError> {
    let is_grid = line.kind.id == GRID;
    let find = |said: &String| {
        let at = |now_ms: i64| draft.tree().at(now_ms).find(said).ok().map(|version| version.node);
        let found = at(line.from_ms.saturating_sub(1)).or_else(|| at(line.from_ms));
        found.filter(|node| matches!(node, Node::Grid(_)) == is_grid).ok_or_else(|| OrgError::Follows {
            unit: line.code.as_deref().unwrap_or(&line.name).into(),
            said: said.clone(),
        })
    };
    line.succeeds.iter().map(find).collect()
}
