//! Bar 10: how large things are, against the records as compact JSON.

use std::path::Path;

use gridpass_tests::world::Error;

use crate::bed::{Bed, Handset};
use crate::data::Roster;
use crate::ready::Started;
use crate::table::{Bound, Row, Table};

const MIB: f64 = 1_048_576.0;
const JSON: &str = "JSON of the records";

fn json_bytes(roster: &Roster) -> f64 {
    roster.lines().len() as f64
}

/// The server's database before any phone came: records and nothing else. The small grid's are in it.
pub fn server(bed: &Bed, roster: &Roster, table: &mut Table) -> Result<(), Error> {
    let held = roster.records.len() + crate::FEW.min(roster.records.len());
    let json = json_bytes(roster) * held as f64 / roster.records.len() as f64;
    let row = Row::new(10, "server's database, imported records", bed.file_bytes()? as f64 / MIB, "MiB");
    table.add(row.times(JSON, json / MIB, Some(Bound::AtMost(4.0))));
    Ok(())
}

/// The phone's folder, and what came over the line to fill it.
pub async fn phone(
    bed: &Bed,
    handset: &Handset,
    started: &Started,
    roster: &Roster,
    table: &mut Table,
) -> Result<(), Error> {
    let json = json_bytes(roster) / MIB;
    handset.database()?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let row = Row::new(10, "phone's folder", folder_bytes(&handset.folder)? as f64 / MIB, "MiB");
    table.add(row.times(JSON, json, Some(Bound::AtMost(4.0))));
    // The catalog comes in a pack too; a phone of an empty grid says how large that one is.
    let empty = gridpass_core::id::GridId(gridpass_server::keys::random()?);
    bed.app.db.add_grid(bed.app.now_ms(), empty, &[], "370212001003001", "空")?;
    let other = bed.enrol("empty", &[empty]).await?;
    other.settle().await?;
    let packs = |calls: &[crate::line::Call]| -> usize {
        calls.iter().filter(|call| call.path.contains("packs")).map(|call| call.received).sum()
    };
    let bytes = packs(&started.calls).saturating_sub(packs(&other.line.take()));
    let row = Row::new(10, "packs", bytes as f64 / MIB, "MiB");
    table.add(row.times(JSON, json, Some(Bound::AtMost(0.5))));
    Ok(())
}

fn folder_bytes(folder: &Path) -> Result<u64, Error> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
