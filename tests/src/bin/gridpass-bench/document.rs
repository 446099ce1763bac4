//! Writes the table into `docs/performance.md`, between its marks, and the picture beside it.

use std::path::Path;

use gridpass_tests::world::Error;

use crate::chart;
use crate::table::{HEADINGS, Table};

const DOCUMENT: &str = "docs/performance.md";
const BEGIN: &str = "<!-- table: written by make bench -->\n";
const END: &str = "<!-- end of table -->";

/// Puts this run's table in place of the last one's.
pub fn write(table: &Table) -> Result<(), Error> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DOCUMENT);
    let text = std::fs::read_to_string(&document)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/performance.md has lost the mark before its table")?;
    let (_, after) = rest.split_once(END).ok_or("docs/performance.md has lost the mark after its table")?;
    let mut lines = vec![line(&HEADINGS.map(str::to_owned)), "|---".repeat(HEADINGS.len()) + "|"];
    lines.extend(table.rows().into_iter().map(|row| line(&row.cells())));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut written = format!("\nA run on {cores} cores.\n\n{}\n", lines.join("\n"));
    for why in &table.left_out {
        written += &format!("\nLeft out: {why}.\n");
    }
    std::fs::write(&document, format!("{before}{BEGIN}{written}\n{END}{after}"))?;
    std::fs::write(document.with_file_name("performance.svg"), chart::svg(&table.rows()))?;
    Ok(())
}

fn line(cells: &[String; 7]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}
