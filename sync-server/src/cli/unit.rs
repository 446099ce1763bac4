//! `gridpass-server unit`: the tree as of a day, and changes of it.

use std::collections::BTreeMap;

use clap::Subcommand;
use gridpass_core::codes::Date;
use gridpass_core::id::UnitId;
use gridpass_server::app::App;
use gridpass_server::db::Principal;
use gridpass_server::org::count::{Sum, count};
use gridpass_server::org::kinds::{GRID, Kind, kinds};
use gridpass_server::org::{At, Node, acts, begin_of};

use super::table::Table;

type Error = Box<dyn std::error::Error>;

/// Units of the organisation. A unit or grid is named by its code, its name, or a path: 中韩街道/金岭管区.
#[derive(Subcommand)]
pub enum UnitCommand {
    /// Print the tree: kind, code, name, since when, how many grids stand below.
    List {
        /// As of the beginning of this day, YYYY-MM-DD; as of now without it.
        #[arg(long)]
        as_of: Option<Date>,
    },
    /// Let a unit or grid stand under another from a day, which may be in the future.
    Move {
        /// Its code or path.
        unit: String,
        /// The code or path of the unit above.
        #[arg(long)]
        under: String,
        /// From 00:00 of this day, YYYY-MM-DD.
        #[arg(long)]
        from: Date,
    },
    /// Call a unit or grid otherwise from a day.
    Rename {
        /// Its code or path.
        unit: String,
        /// The new name.
        name: String,
        /// From 00:00 of this day, YYYY-MM-DD.
        #[arg(long)]
        from: Date,
    },
    /// End a unit or grid: from this day on it does not exist. Nothing may stand under it by then.
    End {
        /// Its code or path.
        unit: String,
        /// From 00:00 of this day, YYYY-MM-DD.
        #[arg(long)]
        from: Date,
    },
    /// Count grids and records by the units of a level; records as they lie now, those that have ended too.
    Counts {
        /// The tree as of the beginning of this day, YYYY-MM-DD; as of now without it.
        #[arg(long)]
        as_of: Option<Date>,
        /// The level.
        #[arg(long, default_value = "street", value_parser = levels())]
        level: String,
    },
}

fn levels() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(kinds().levels().map(|kind| kind.id.as_str()).collect::<Vec<_>>())
}

impl UnitCommand {
    /// What is noted in the log when it is done.
    pub fn act(&self) -> Option<&'static str> {
        match self {
            Self::Move { .. } => Some("unit move"),
            Self::Rename { .. } => Some("unit rename"),
            Self::End { .. } => Some("unit end"),
            Self::List { .. } | Self::Counts { .. } => None,
        }
    }
}

/// Runs a command.
pub fn run(app: &App, command: UnitCommand) -> Result<(), Error> {
    let at_ms = |as_of: Option<Date>| as_of.map_or_else(|| app.now_ms(), begin_of);
    match command {
        UnitCommand::List { as_of } => list(app.tree()?.at(at_ms(as_of))),
        UnitCommand::Counts { as_of, level } => counts(app, app.tree()?.at(at_ms(as_of)), &level)?,
        UnitCommand::Move { unit, under, from } => {
            changed(acts::move_to(app, &unit, &under, from)?, format_args!("{unit} stands under {under} from {from}"));
        }
        UnitCommand::Rename { unit, name, from } => {
            changed(acts::rename(app, &unit, &name, from)?, format_args!("{unit} is called {name} from {from}"));
        }
        UnitCommand::End { unit, from } => {
            changed(acts::end(app, &unit, from)?, format_args!("{unit} does not exist from {from}"));
        }
    }
    Ok(())
}

fn changed(changed: bool, what: std::fmt::Arguments<'_>) {
    match changed {
        true => say!("{what}"),
        false => say!("{what} already; nothing was changed"),
    }
}

fn list(at: At<'_>) {
    let mut below: BTreeMap<UnitId, usize> = BTreeMap::new();
    for grid in at.grids() {
        for unit in at.path(Node::Grid(grid)).filter_map(|version| version.node.unit()) {
            *below.entry(unit).or_default() += 1;
        }
    }
    let mut table = Table::new(&["unit", "code", "kind", "since", "until", "grids"]);
    for (depth, version) in at.units() {
        table.row(vec![
            format!("{}{}", "  ".repeat(depth), version.name),
            version.code.clone().unwrap_or_default(),
            kinds().word(&version.kind).to_owned(),
            Date::in_china(version.from_ms).to_string(),
            version.to_ms.map(|to_ms| Date::in_china(to_ms).to_string()).unwrap_or_default(),
            version.node.unit().and_then(|unit| below.get(&unit)).copied().unwrap_or(0).to_string(),
        ]);
    }
    say!("{table}");
    let loose = at.tops().into_iter().filter(|version| version.kind == GRID).count();
    if loose > 0 {
        say!("{loose} grids stand under no unit: put them there by `unit move` or `grid import`");
    }
}

fn counts(app: &App, at: At<'_>, level: &str) -> Result<(), Error> {
    let homes = app.db.home_counts(&Principal::SERVER, app.now_ms())?;
    let sums = count(at, level, &homes);
    let collections: Vec<&String> = sums.total.records.keys().collect();
    let headings: Vec<&str> =
        ["unit", "code", "grids"].into_iter().chain(collections.iter().map(|name| name.as_str())).collect();
    let mut table = Table::new(&headings);
    let mut row = |name: String, code: &str, sum: &Sum| {
        let records = collections.iter().map(|name| sum.records.get(*name).copied().unwrap_or(0).to_string());
        table.row([name, code.to_owned(), sum.grids.to_string()].into_iter().chain(records).collect());
    };
    for (version, sum) in &sums.units {
        // A name may stand under several units.
        let name = if version.code.is_some() { version.name.clone() } else { at.path_text(version.node) };
        row(name, version.code.as_deref().unwrap_or_default(), sum);
    }
    if sums.elsewhere != Sum::default() {
        let kind = kinds().get(level).map_or(level, Kind::word);
        row(format!("under no {kind}, or in grids that do not exist then"), "", &sums.elsewhere);
    }
    row("all".into(), "", &sums.total);
    say!("{table}");
    Ok(())
}
