//! The figures of several scales beside each other, so that what grows faster than the number of records is seen.

use std::path::Path;

use gridpass_tests::world::Error;
use serde_json::Value as Json;

use crate::document::line;
use crate::table::{Row, Table};

/// The tables of the scales, each with how many records it has; every table has the same lines.
#[derive(Default)]
pub struct Scales(pub Vec<(usize, Table)>);

impl Scales {
    /// A line per figure: what, its bar, what is to be reached, and a cell per scale.
    fn lines(&self) -> Vec<Vec<String>> {
        let mut heading = vec!["what".to_owned(), "bar".to_owned(), "to reach".to_owned()];
        heading.extend(self.0.iter().map(|(records, _)| format!("{records} records")));
        let mut lines = vec![heading];
        let Some((_, last)) = self.0.last() else { return lines };
        for row in last.added() {
            let [bar, what, _, to_reach, ..] = row.cells();
            let mut cells = vec![what, bar, to_reach];
            for (_, table) in &self.0 {
                let found = table.added().iter().find(|other| other.what == row.what);
                cells.push(found.map(cell).unwrap_or_default());
            }
            lines.push(cells);
        }
        lines
    }

    /// The figures for the document.
    pub fn markdown(&self) -> String {
        let mut lines: Vec<String> = self.lines().iter().map(|cells| line(cells)).collect();
        lines.insert(1, "|---".repeat(3 + self.0.len()) + "|");
        lines.join("\n") + "\n"
    }

    /// Prints them, columns under each other.
    #[expect(clippy::print_stdout, reason = "a command line answers on its streams")]
    pub fn print(&self) {
        let lines = self.lines();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        println!();
        for cells in &lines {
            let pad =
                |(column, cell): (usize, &String)| cell.clone() + &" ".repeat(width(column) + 2 - cell.chars().count());
            println!("{}", cells.iter().enumerate().map(pad).collect::<String>().trim_end());
        }
    }

    /// Writes them as JSON, a table per scale.
    pub fn write(&self, file: &Path, seed: u64) -> Result<(), Error> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let tables: Vec<Json> = self.0.iter().map(|(records, table)| table.json(*records, seed)).collect();
        Ok(std::fs::write(file, serde_json::to_string_pretty(&tables)? + "\n")?)
    }
}

fn cell(row: &Row) -> String {
    let [_, _, measured, ..] = row.cells();
    if row.reached() == Some(false) { format!("{} (missed)", measured.trim_end()) } else { measured }
}
