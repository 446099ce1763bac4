//! One row of the sheet as a line that says what it should.

use gridpass_core::catalog::Text;
use gridpass_core::codes::Date;

use super::super::cells::{Cell, Row};
use super::super::convert::{BETWEEN, NOT_WHOLE, text};
use super::super::{day, report};
use super::{MUST, Reading};
use crate::org::begin_of;
use crate::org::kinds::{GRID, Kind, kinds};

/// A row that says what it should.
pub(super) struct Line {
    pub(super) row: u32,
    pub(super) kind: &'static Kind,
    pub(super) code: Option<String>,
    pub(super) name: String,
    pub(super) above: String,
    pub(super) from_ms: i64,
    /// Whether the day was said, by the row or the command.
    pub(super) dated: bool,
    pub(super) to_ms: Option<i64>,
    /// Whether it tells of an end only: one that lies before the day from which rows count that name none.
    pub(super) over: bool,
    pub(super) succeeds: Vec<String>,
}

impl Line {
    pub(super) fn collection(&self) -> &'static str {
        if self.kind.id == GRID { GRID } else { "unit" }
    }
}

impl Reading<'_> {
    /// Reads a row; tells everything that is wrong with its cells.
    pub(super) fn line(&mut self, row: &Row, begin_ms: i64, dated: bool) -> Option<Line> {
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
        let over = from.is_none() && to_ms.is_some_and(|to_ms| to_ms <= from_ms);
        let from_ms = to_ms.filter(|_| over).map_or(from_ms, |to_ms| to_ms.saturating_sub(1));
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
                "失效日期必须晚于生效日期,请改正",
                "It ends on the day it begins or before; correct the days",
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
        Some(Line { row: row.number, kind, code, name, above, from_ms, dated, to_ms, over, succeeds })
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
            Err(code) => code,
        };
        self.problem(row.number, column, code, report::text(code));
        None
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
