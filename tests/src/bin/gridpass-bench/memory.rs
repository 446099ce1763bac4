//! Bar 9, the phone's part: the peak of memory of a process that holds all records.

use std::path::Path;
use std::process::Command;

use gridpass_tests::world::Error;
use serde_json::json;

use crate::bed::{Bed, Handset, LARGE};
use crate::data::Roster;
use crate::table::{Row, Table};
use gridpass_tests::process::{OWN, peak_kb};

/// Measures a phone in a process of its own.
pub fn rows(bed: &Bed, folder: &Path, roster: &Roster, table: &mut Table) -> Result<(), Error> {
    let code = bed.code("memory", &[bed.grid(LARGE)?])?;
    let output = Command::new(std::env::current_exe()?)
        .args(["phone".as_ref(), code.as_ref(), folder.join("phone-memory").as_os_str(), "王".as_ref()])
        .output()?;
    if !output.status.success() {
        return Err(format!("the phone process: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let told: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let count = roster.records.len();
    let figure = |key: &str| told.get(key).and_then(serde_json::Value::as_f64).unwrap_or_default();
    if figure("cards") != count as f64 {
        return Err(format!("the phone process has {} of {count} cards", figure("cards")).into());
    }
    let mib = |key: &str| figure(key) / 1024.0;
    let what = |which: &str| format!("phone process, {count} records: peak after {which}");
    table.add(Row::new(9, what("the start"), mib("started_kb"), "MiB").at_most(40.0));
    table.add(Row::new(9, what("start, lists and searches"), mib("peak_kb"), "MiB").at_most(40.0));
    table.add(Row::new(9, "the same process before it begins", mib("before_kb"), "MiB"));
    Ok(())
}

/// The phone process.
#[expect(clippy::print_stdout, reason = "a command line answers on its streams")]
pub async fn child(code: &str, folder: &Path, word: &str) -> Result<(), Error> {
    let before_kb = peak_kb(OWN)?;
    let handset = Handset::enrol(folder, code.to_owned()).await?;
    handset.settle().await?;
    let started_kb = peak_kb(OWN)?;
    let mut after = None;
    for _ in 0..20 {
        let query = gridpass_phone::ListQuery {
            collection: Some(crate::data::COLLECTION.to_owned()),
            after,
            ..gridpass_phone::ListQuery::default()
        };
        after = handset.phone.list(query)?.next;
        handset.phone.search(word, None, 50)?;
    }
    let told = json!({
        "cards": handset.count()?, "before_kb": before_kb, "started_kb": started_kb, "peak_kb": peak_kb(OWN)?,
    });
    println!("{told}");
    Ok(())
}
