//! What is refused of a tree: which unit, which day, and what to do.

use std::fmt;

use gridpass_core::catalog::Text;
use gridpass_core::codes::Date;

use super::kinds::kinds;

/// A change of the tree, or a question to it, that cannot stand. Units are named by code, or by name where they have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrgError {
    /// No unit or grid is called so as of a day.
    NoSuch {
        /// The code or path.
        said: String,
        /// The day.
        day: Date,
    },
    /// Several are.
    Ambiguous {
        /// The code or path.
        said: String,
        /// The day.
        day: Date,
        /// The paths of some of them.
        paths: Vec<String>,
    },
    /// A name that cannot stand in a path.
    Name {
        /// The name.
        name: String,
    },
    /// A unit must have a code.
    NeedsCode {
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// A unit must stand under another.
    NeedsParent {
        /// The unit.
        unit: String,
        /// Its kind.
        kind: String,
    },
    /// A kind does not stand under another.
    Under {
        /// The unit.
        unit: String,
        /// Its kind.
        kind: String,
        /// The unit above.
        parent: String,
        /// Its kind.
        parent_kind: String,
    },
    /// A unit is known as one of another kind.
    OtherKind {
        /// The unit.
        unit: String,
        /// Its kind.
        kind: String,
    },
    /// The unit above does not exist on a day on which the unit below would.
    ParentLacks {
        /// The unit.
        unit: String,
        /// The unit above.
        parent: String,
        /// The first such day.
        day: Date,
    },
    /// A unit would stand under itself.
    Cycle {
        /// The unit.
        unit: String,
        /// The unit above.
        parent: String,
    },
    /// Another has the code.
    CodeTaken {
        /// The code.
        code: String,
        /// Who has it.
        by: String,
        /// From when both would.
        day: Date,
    },
    /// Another of the kind under the same unit has the name, and neither has a code to tell them apart.
    NameTaken {
        /// The name.
        name: String,
        /// The unit above.
        parent: String,
        /// From when both would.
        day: Date,
    },
    /// A change lies before the unit's newest version.
    Before {
        /// The unit.
        unit: String,
        /// The day that was asked for.
        day: Date,
        /// When its newest version begins.
        begins: Date,
    },
    /// A change would write over a version that has counted already.
    Past {
        /// The unit.
        unit: String,
        /// When that version began.
        day: Date,
    },
    /// The unit has ended by then.
    Ended {
        /// The unit.
        unit: String,
        /// When.
        day: Date,
    },
    /// The unit ended before it was made here.
    Over {
        /// The unit.
        unit: String,
        /// When it ended.
        day: Date,
    },
    /// Others still stand under the unit.
    Holds {
        /// The unit.
        unit: String,
        /// From when it would be gone.
        day: Date,
        /// One that stands under it.
        below: String,
        /// How many do.
        count: usize,
    },
    /// A unit would follow what it cannot.
    Follows {
        /// The unit.
        unit: String,
        /// What it would follow.
        said: String,
    },
    /// What a unit follows is said when it begins.
    FollowsLate {
        /// The unit.
        unit: String,
    },
}

impl OrgError {
    /// A stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuch { .. } => "no_such_unit",
            Self::Ambiguous { .. } => "ambiguous_unit",
            Self::Name { .. } => "unit_name",
            Self::NeedsCode { .. } => "unit_code",
            Self::NeedsParent { .. } => "unit_parent",
            Self::Under { .. } => "unit_under",
            Self::OtherKind { .. } => "unit_kind",
            Self::ParentLacks { .. } => "parent_lacks",
            Self::Cycle { .. } => "unit_cycle",
            Self::CodeTaken { .. } => "code_taken",
            Self::NameTaken { .. } => "name_taken",
            Self::Before { .. } => "before_newest",
            Self::Past { .. } => "past_version",
            Self::Ended { .. } => "unit_ended",
            Self::Over { .. } => "unit_over",
            Self::Holds { .. } => "unit_holds",
            Self::Follows { .. } => "unit_follows",
            Self::FollowsLate { .. } => "follows_late",
        }
    }

    /// Whether another change of the same sheet may let this one stand.
    pub fn may_wait(&self) -> bool {
        matches!(self, Self::NoSuch { .. } | Self::ParentLacks { .. } | Self::Holds { .. } | Self::Follows { .. })
    }

    /// The column of a sheet that has to be corrected.
    pub fn column(&self) -> &'static str {
        match self {
            Self::NoSuch { .. } | Self::Ambiguous { .. } | Self::NeedsParent { .. } | Self::Under { .. } => "上级编码",
            Self::ParentLacks { .. } | Self::Cycle { .. } => "上级编码",
            Self::Name { .. } | Self::NameTaken { .. } => "名称",
            Self::NeedsCode { .. } | Self::CodeTaken { .. } => "编码",
            Self::OtherKind { .. } => "级别",
            Self::Before { .. } | Self::Past { .. } | Self::Ended { .. } => "生效日期",
            Self::Over { .. } => "生效日期",
            Self::Holds { .. } => "失效日期",
            Self::Follows { .. } | Self::FollowsLate { .. } => "接替",
        }
    }

    /// What is wrong and what to do, in both languages.
    pub fn text(&self) -> Text {
        let word = |kind: &str| kinds().word(kind).to_owned();
        let above = |kind: &str| -> Vec<String> {
            kinds().get(kind).map(|kind| kind.under.iter().map(|above| word(above)).collect()).unwrap_or_default()
        };
        let (zh, en) = match self {
            Self::NoSuch { said, day } => (
                format!("{day} 没有“{said}”这个单位或网格,请核对编码或“上级/名称”,或先建立"),
                format!("no unit or grid is called {said} as of {day}; check the code or path, or make it first"),
            ),
            Self::Ambiguous { said, day, paths } => (
                format!("{day} 有多个“{said}”,请写编码或完整路径,如 {}", paths.join("、")),
                format!(
                    "several are called {said} as of {day}; write the code or more of the path: {}",
                    paths.join(", ")
                ),
            ),
            Self::Name { name } => (
                format!("名称“{name}”不能为空,也不能含“/”,请改正"),
                format!("a name is not empty and holds no “/”: {name}; correct it"),
            ),
            Self::NeedsCode { name, kind } => (
                format!("{}“{name}”必须有编码,请填写", word(kind)),
                format!("{name} ({}) must have a code; fill it in", word(kind)),
            ),
            Self::NeedsParent { unit, kind } => (
                format!("{}“{unit}”必须有上级({}),请填写", word(kind), above(kind).join("、")),
                format!("{unit} ({}) must stand under one of {}; name it", word(kind), above(kind).join(", ")),
            ),
            Self::Under { unit, kind, parent, parent_kind } => (
                format!(
                    "{}“{unit}”不能在{}“{parent}”之下,只能在{}之下",
                    word(kind),
                    word(parent_kind),
                    above(kind).join("、")
                ),
                format!(
                    "{unit} ({}) cannot stand under {parent} ({}); name one of {}",
                    word(kind),
                    word(parent_kind),
                    above(kind).join(", ")
                ),
            ),
            Self::OtherKind { unit, kind } => (
                format!("“{unit}”已登记为{},级别不能改变;请用新编码建立并写明接替", word(kind)),
                format!("{unit} is known as {}, a kind never changes; make a new unit that succeeds it", word(kind)),
            ),
            Self::ParentLacks { unit, parent, day } => (
                format!("上级“{parent}”在 {day} 不存在,“{unit}”不能在其下;请改日期、换上级或先建立上级"),
                format!(
                    "{parent} does not exist on {day}, so {unit} cannot stand under it; \
                     choose another day, end it by then, or name another unit above"
                ),
            ),
            Self::Cycle { unit, parent } => (
                format!("“{parent}”在“{unit}”之下,不能作它的上级,请换上级"),
                format!("{parent} stands under {unit} and cannot stand above it; name another unit above"),
            ),
            Self::CodeTaken { code, by, day } => (
                format!("编码 {code} 在 {day} 已属于“{by}”,请改编码或先注销“{by}”"),
                format!("the code {code} is that of {by} on {day}; choose another or end {by} by then"),
            ),
            Self::NameTaken { name, parent, day } => (
                format!("“{parent}”之下在 {day} 已有“{name}”且没有编码可区分,请改名称或填编码"),
                format!(
                    "{parent} has another {name} on {day} and no code tells them apart; change the name or give codes"
                ),
            ),
            Self::Before { unit, day, begins } => (
                format!("“{unit}”的最新记录自 {begins} 起,不能从 {day} 起改变;请写 {begins} 或以后"),
                format!("the newest version of {unit} begins on {begins}, after {day}; choose that day or a later one"),
            ),
            Self::Past { unit, day } => (
                format!("“{unit}”自 {day} 起的记录已经生效,不能改写;请写以后的日期"),
                format!("what holds of {unit} since {day} has counted already and stays; choose a later day"),
            ),
            Self::Ended { unit, day } => (
                format!("“{unit}”已于 {day} 失效,请核对日期"),
                format!("{unit} has ended on {day}; choose an earlier day, or import it again from that day or later"),
            ),
            Self::Over { unit, day } => (
                format!("“{unit}”于 {day} 已失效,但没有登记过;要登记历史请填写生效日期"),
                format!("{unit} ended on {day} and was never known here; fill in 生效日期 if it shall be"),
            ),
            Self::Holds { unit, day, below, count } => (
                format!("“{unit}”之下在 {day} 还有 {count} 个单位或网格(如“{below}”),请先移走或注销"),
                format!("{count} still stand under {unit} on {day} ({below} is one); move or end them by then first"),
            ),
            Self::Follows { unit, said } => (
                format!("“{unit}”不能接替“{said}”:没有这个单位,或类别不同,请核对"),
                format!("{unit} cannot succeed {said}: there is none, or a grid would follow a unit; check it"),
            ),
            Self::FollowsLate { unit } => (
                format!("“{unit}”已经存在,接替关系只能在建立时填写"),
                format!("{unit} exists already; what it succeeds is said when it begins"),
            ),
        };
        Text::new(zh, en)
    }
}

impl fmt::Display for OrgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().en)
    }
}

impl std::error::Error for OrgError {}
