//! The rows of the table: what was measured, what was to be reached, what the bare limit of the same run is.

use std::path::Path;

use gridpass_tests::world::Error;
use serde_json::{Value as Json, json};

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Bound {
    /// Whether the figure holds it.
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    /// How much of what is allowed a figure uses up: 1 is just reached, 2 is twice too much.
    pub fn used(self, figure: f64) -> f64 {
        match self {
            Self::AtMost(most) => figure / most,
            Self::AtLeast(least) => least / figure,
        }
    }

    /// As the table shows it.
    pub fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {} {unit}", number(most)),
            Self::AtLeast(least) => format!("≥ {} {unit}", number(least)),
        }
    }
}

/// A figure of the same run to compare with.
#[derive(Debug, Clone)]
pub struct Against {
    pub name: &'static str,
    pub figure: f64,
    /// Ours by theirs or theirs by ours, as `bound` is meant.
    pub ratio: f64,
    pub bound: Option<Bound>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Row {
    /// 0 for what no bar asks for.
    pub bar: u32,
    pub what: String,
    pub unit: &'static str,
    pub ours: f64,
    pub bound: Option<Bound>,
    pub against: Option<Against>,
}

impl Row {
    pub fn new(bar: u32, what: impl Into<String>, ours: f64, unit: &'static str) -> Self {
        Self { bar, what: what.into(), unit, ours, bound: None, against: None }
    }

    pub fn at_most(self, most: f64) -> Self {
        Self { bound: Some(Bound::AtMost(most)), ..self }
    }

    pub fn at_least(self, least: f64) -> Self {
        Self { bound: Some(Bound::AtLeast(least)), ..self }
    }

    /// How many times the figure of `name` ours is.
    pub fn times(self, name: &'static str, figure: f64, bound: Option<Bound>) -> Self {
        let ratio = self.ours / figure;
        Self { against: Some(Against { name, figure, ratio, bound }), ..self }
    }

    /// How many times faster than `name` we are.
    pub fn faster(self, name: &'static str, figure: f64, bound: Option<Bound>) -> Self {
        let ratio = figure / self.ours;
        Self { against: Some(Against { name, figure, ratio, bound }), ..self }
    }

    /// Whether everything asked of the line holds; none where nothing is asked.
    pub fn reached(&self) -> Option<bool> {
        let against = self.against.as_ref();
        let ratio = against.and_then(|against| Some(against.bound?.holds(against.ratio)));
        let own = self.bound.map(|bound| bound.holds(self.ours));
        match (own, ratio) {
            (None, None) => None,
            (own, ratio) => Some(own.unwrap_or(true) && ratio.unwrap_or(true)),
        }
    }

    /// The cells: number, what, ours, bar, baseline, ratio, reached.
    pub fn cells(&self) -> [String; 7] {
        let against = self.against.as_ref();
        let ratio = |against: &Against| {
            let asked = against.bound.map(|bound| format!(" ({})", bound.text("x"))).unwrap_or_default();
            format!("{}x{asked}", number(against.ratio))
        };
        [
            if self.bar == 0 { String::new() } else { self.bar.to_string() },
            self.what.clone(),
            format!("{} {}", number(self.ours), self.unit),
            self.bound.map(|bound| bound.text(self.unit)).unwrap_or_default(),
            against.map(|a| format!("{}: {} {}", a.name, number(a.figure), self.unit)).unwrap_or_default(),
            against.map(ratio).unwrap_or_default(),
            match self.reached() {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => String::new(),
            },
        ]
    }

    fn json(&self) -> Json {
        let bound = |bound: Bound| match bound {
            Bound::AtMost(most) => json!({ "at_most": most }),
            Bound::AtLeast(least) => json!({ "at_least": least }),
        };
        json!({
            "bar": self.bar,
            "what": self.what,
            "unit": self.unit,
            "ours": self.ours,
            "bound": self.bound.map(bound),
            "baseline": self.against.as_ref().map(|against| json!({
                "name": against.name,
                "figure": against.figure,
                "ratio": against.ratio,
                "bound": against.bound.map(bound),
            })),
            "reached": self.reached(),
        })
    }
}

/// All lines, and what was left out.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    pub left_out: Vec<String>,
}

/// The headings.
pub const HEADINGS: [&str; 7] = ["bar", "what", "measured", "to reach", "baseline of the run", "ratio", "reached"];

impl Table {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn left_out(&mut self, why: &str) {
        self.left_out.push(why.to_owned());
    }

    /// The lines in the order in which they were added.
    pub fn added(&self) -> &[Row] {
        &self.rows
    }

    /// The lines in order of their bars.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.bar);
        rows
    }

    /// Prints it, columns under each other.
    #[expect(clippy::print_stdout, reason = "a command line answers on its streams")]
    pub fn print(&self) {
        let lines: Vec<[String; 7]> =
            std::iter::once(HEADINGS.map(str::to_owned)).chain(self.rows().into_iter().map(Row::cells)).collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        println!();
        for cells in &lines {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width(column) + 2 - cell.chars().count()));
            }
            println!("{}", line.trim_end());
        }
        for why in &self.left_out {
            println!("\nLeft out: {why}");
        }
    }

    /// Writes it as JSON.
    pub fn write(&self, file: &Path, records: usize, seed: u64) -> Result<(), Error> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, serde_json::to_string_pretty(&self.json(records, seed))? + "\n")?;
        Ok(())
    }

    /// The table as JSON.
    pub fn json(&self, records: usize, seed: u64) -> Json {
        let rows: Vec<Json> = self.rows().into_iter().map(Row::json).collect();
        json!({ "records": records, "seed": seed, "rows": rows, "left_out": self.left_out })
    }
}

/// Three figures that count, without an exponent.
pub fn number(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 || size == figure.abs().trunc() => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.1 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}

/// The figure below which `percent` of all lie.
pub fn percentile(figures: &[f64], percent: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// Milliseconds that something took.
pub fn ms(took: std::time::Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
