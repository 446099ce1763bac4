//! PouchDB with express-pouchdb over the same records, in Node; see `peer/peer.js`.

use std::path::Path;
use std::process::Command;

use gridpass_tests::world::Error;

use crate::data::Roster;

/// How many documents are edited and pushed.
pub const EDITS: usize = 500;
const SCRIPT: &str = include_str!("peer/peer.js");

/// What PouchDB took, in milliseconds.
pub struct Pouch {
    /// A pull of all records.
    pub all: f64,
    /// A push of [`EDITS`] edited ones.
    pub push: f64,
}

/// Runs it; `modules` is the folder where `npm ci` ran. Why it is left out where it cannot run.
pub fn run(roster: &Roster, modules: &Path, folder: &Path) -> Result<Result<Pouch, String>, Error> {
    let left_out = |why: &str| Ok(Err(format!("the PouchDB rows of bars 1 and 5: {why}")));
    if !Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return left_out("node 20 or newer is not there");
    }
    if !modules.join("node_modules/pouchdb").exists() {
        return left_out("its packages are not installed (`npm ci` did not run or failed)");
    }
    std::fs::create_dir_all(folder)?;
    let (records, script) = (folder.join("records.jsonl"), modules.join("peer.js"));
    std::fs::write(&records, roster.lines())?;
    std::fs::write(&script, SCRIPT)?;
    let output = Command::new("node").arg(&script).arg(&records).arg(folder).arg(EDITS.to_string()).output()?;
    if !output.status.success() {
        return Err(format!("peer.js: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let told: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let figure = |key: &str| {
        told.get(key).and_then(serde_json::Value::as_f64).ok_or_else(|| format!("peer.js does not tell {key}"))
    };
    Ok(Ok(Pouch { all: figure("all")?, push: figure("push")? }))
}
