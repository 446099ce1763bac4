//! Bar 6: many phones push at the same time.

use std::path::Path;
use std::process::Command;

use gridpass_tests::world::Error;

use crate::baseline;
use crate::bed::{Bed, SMALL};
use crate::table::{Bound, Row, Table};
use gridpass_tests::process::{OWN, cpu_s};

/// How many phones have a push in flight.
const PHONES: usize = 32;

/// The rows of bar 6.
pub async fn rows(bed: &Bed, folder: &Path, table: &mut Table) -> Result<(), Error> {
    for (items, pushes, least) in [(10, 40, 2000.0), (1, 100, 600.0)] {
        let grid = bed.grid(SMALL)?;
        let mut codes = String::new();
        for phone in 0..PHONES {
            codes.push_str(&bed.code(&format!("load-{items}-{phone}"), &[grid])?);
            codes.push('\n');
        }
        let file = folder.join(format!("codes-{items}"));
        std::fs::write(&file, codes)?;
        let database = baseline::server(&bed.folder.join(gridpass_server::db::sqlite::FILE))?;
        let name = gridpass_core::bucket::Bucket::Base(grid).to_bytes();
        let number: i64 = database.query_row("SELECT number FROM bucket WHERE name = ?1", [name], |row| row.get(0))?;
        let start = baseline::mark(&database, number)?;
        let cpu = cpu_s(OWN)?;
        let output = Command::new(std::env::current_exe()?)
            .arg("load")
            .arg(&file)
            .args([PHONES, items, pushes].map(|number| number.to_string()))
            .output()?;
        if !output.status.success() {
            return Err(format!("the load process: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let cpu = cpu_s(OWN)? - cpu;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let figure = |key: &str| {
            told.get(key)
                .and_then(serde_json::Value::as_f64)
                .ok_or_else(|| format!("the load process does not tell {key}"))
        };
        let (changes, seconds) = (figure("changes")?, figure("seconds")?);
        let end = baseline::mark(&database, number)?;
        let created = PHONES as i64 * 100;
        if baseline::changes_between(&start, &end) != changes as i64 + created {
            return Err("the server does not hold every change that was accepted".into());
        }
        let bare = baseline::written(&database, number, &start)?;
        // A group for every round of pushes that were in flight together, and one for what was made beforehand.
        let took = bare.again(&database, &folder.join(format!("bare-ingest-{items}.db")), pushes + PHONES)?;
        let bare = (changes + created as f64) / took.as_secs_f64();
        let what = |what: &str| format!("{PHONES} phones, {items} per push: {what}");
        let row = Row::new(6, what("changes stored"), changes / seconds, "/s").at_least(least);
        table.add(row.times("bare grouped inserts", bare, Some(Bound::AtLeast(0.3))));
        table.add(Row::new(6, what("p99 of an answer"), figure("p99")?, "ms").at_most(250.0));
        let share = figure("cpu_s")? / (cores() * seconds) * 100.0;
        table.add(Row::new(6, what("load generator's share of all cores"), share, "%"));
        table.add(Row::new(6, what("server, preparation of the load included"), cpu, "CPU s"));
    }
    Ok(())
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}
