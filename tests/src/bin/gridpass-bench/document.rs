//! Writes the table into `docs/performance.md`, between its marks, and the picture beside it.

use std::path::{Path, PathBuf};

use gridpass_tests::world::Error;

use crate::chart;
use crate::table::{HEADINGS, Table};

const DOCUMENT: &str = "docs/performance.md";
const TABLE: [&str; 2] = ["<!-- table: written by make bench -->\n", "<!-- end of table -->"];
const DISTRICT: [&str; 2] = ["<!-- district: written by make load -->\n", "<!-- end of district -->"];

/// Puts this run's table in place of the last one's.
pub fn write(table: &Table) -> Result<(), Error> {
    let mut lines = vec![line(&HEADINGS.map(str::to_owned)), "|---".repeat(HEADINGS.len()) + "|"];
    lines.extend(table.rows().into_iter().map(|row| line(&row.cells())));
    let mut written = lines.join("\n") + "\n";
    for why in &table.left_out {
        written += &format!("\nLeft out: {why}.\n");
    }
    put(&written, TABLE)?;
    std::fs::write(document().with_file_name("performance.svg"), chart::svg(&table.rows()))?;
    Ok(())
}

/// The same for the table of the district, which its own part of the program lays out.
pub fn write_district(table: &str) -> Result<(), Error> {
    put(table, DISTRICT)
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT)
}

fn put(table: &str, [begin, end]: [&str; 2]) -> Result<(), Error> {
    let text = std::fs::read_to_string(document())?;
    let (before, rest) = text.split_once(begin).ok_or("docs/performance.md has lost the mark before a table")?;
    let (_, after) = rest.split_once(end).ok_or("docs/performance.md has lost the mark after a table")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let written = format!("\nA run on {cores} cores.\n\n{table}");
    std::fs::write(document(), format!("{before}{begin}{written}\n{end}{after}"))?;
    Ok(())
}

/// A line of a table.
pub fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}
