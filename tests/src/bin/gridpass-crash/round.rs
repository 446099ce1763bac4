//! Playing a round: everybody works, somebody is killed, everything is looked at.

use std::path::PathBuf;
use std::process::Child;
use std::time::Instant;

use gridpass_tests::world::Error;
use serde_json::Value as Json;

use crate::plan::{Beside, Moment, PHONES, Round};
use crate::processes::torn_frames;
use crate::scene::{Scene, estate, sheet};
use crate::tally::Tally;

/// How many addresses a sheet has.
const ROWS: usize = 40;

/// What runs beside, with what it would leave.
struct Running {
    kind: Beside,
    child: Child,
    mark: String,
    folder: PathBuf,
}

/// Plays a round; what is wrong after it.
pub fn play(scene: &mut Scene<'_>, round: &Round, tally: &mut Tally) -> Result<Vec<String>, Error> {
    for (phone, seed) in round.seeds.iter().enumerate() {
        let from = scene.ledgers.get(phone).map_or(0, |ledger| ledger.last());
        worker(scene, phone)?.tell(&format!("work {seed} {from}"))?;
    }
    let mut beside = match round.beside {
        Some((kind, _)) => Some(begin(scene, kind, round.number)?),
        None => None,
    };
    wait(scene, round)?;
    strike(scene, round, beside.as_mut(), tally)?;
    for phone in (0..PHONES).filter(|phone| !round.phones.contains(phone)) {
        worker(scene, phone)?.tell("rest")?;
        for line in worker(scene, phone)?.until(&["rests"])? {
            take(scene, phone, &line);
        }
    }
    if round.server {
        scene.start_server()?;
    }
    let mut faults = Vec::new();
    if let Some(running) = beside {
        faults.extend(end(scene, running, matches!(round.beside, Some((_, true))), tally)?);
    }
    for phone in &round.phones {
        scene.start_phone(*phone)?;
    }
    faults.extend(look(scene, false, tally)?);
    tally.rounds += 1;
    Ok(faults)
}

pub fn worker<'a>(scene: &'a mut Scene<'_>, phone: usize) -> Result<&'a mut crate::processes::Worker, Error> {
    scene.workers.get_mut(phone).and_then(Option::as_mut).ok_or_else(|| "no such worker".into())
}

pub fn take(scene: &mut Scene<'_>, phone: usize, line: &Json) {
    if let Some(ledger) = scene.ledgers.get_mut(phone) {
        ledger.take(line);
    }
}

/// Waits for the moment of the kill.
fn wait(scene: &mut Scene<'_>, round: &Round) -> Result<(), Error> {
    match round.moment {
        Moment::After(wait) => std::thread::sleep(wait),
        Moment::InSave { phone, nth, then } => {
            let mut begun = 0;
            while begun < nth {
                let line = worker(scene, phone)?.next()?;
                begun += u64::from(line["say"] == "begin");
                take(scene, phone, &line);
            }
            let until = Instant::now() + then;
            // Sleeping is too coarse for a place inside a transaction.
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
    }
    Ok(())
}

/// Kills everybody at once, and notes where they were.
fn strike(scene: &mut Scene<'_>, round: &Round, beside: Option<&mut Running>, tally: &mut Tally) -> Result<(), Error> {
    for phone in &round.phones {
        worker(scene, *phone)?.strike()?;
    }
    if round.server {
        scene.strike_server()?;
    }
    if let (Some(running), Some((kind, true))) = (beside, round.beside) {
        let ended = running.child.try_wait()?.is_some();
        running.child.kill()?;
        if !ended {
            *tally.killed.entry(kind.word()).or_default() += 1;
        }
    }
    for phone in &round.phones {
        let Some(struck) = scene.workers.get_mut(*phone).and_then(Option::take) else { continue };
        for line in struck.gone()? {
            take(scene, *phone, &line);
        }
        let Some(ledger) = scene.ledgers.get(*phone) else { continue };
        let place = match (ledger.in_save(), ledger.in_sync) {
            (true, _) => "phone in a save",
            (_, true) => "phone in a sync",
            _ => "phone between",
        };
        *tally.killed.entry(place).or_default() += 1;
        tally.torn_phone += u64::from(torn_frames(&scene.log_of(*phone)) > 0);
    }
    if round.server {
        scene.server_gone();
        let syncing = scene.ledgers.iter().any(|ledger| ledger.in_sync);
        *tally.killed.entry(if syncing { "server during a sync" } else { "server" }).or_default() += 1;
        tally.torn_server += u64::from(torn_frames(&scene.data().join("gridpass.sqlite-wal")) > 0);
    }
    Ok(())
}

/// Starts what runs beside.
fn begin(scene: &Scene<'_>, kind: Beside, number: u64) -> Result<Running, Error> {
    let mark = format!("r{number}");
    let folder = scene.folder.join(format!("backup-{mark}"));
    let child = match kind {
        Beside::Import => {
            let file = sheet(&scene.folder, &mark, ROWS)?;
            scene.command(&["import", "--mapping"]).arg(scene.mapping()).arg(file).spawn()?
        }
        Beside::Assign => scene.command(&["user", "add", &mark, &mark]).spawn()?,
        Beside::Backup => scene.command(&["backup"]).arg(&folder).spawn()?,
    };
    Ok(Running { kind, child, mark, folder })
}

/// Looks at what ran beside: done when it said so, and otherwise as if it had never run, or done when it is run again.
fn end(scene: &mut Scene<'_>, mut running: Running, killed: bool, tally: &mut Tally) -> Result<Vec<String>, Error> {
    let done = running.child.wait()?.success();
    let Running { kind, mark, folder, .. } = running;
    let mut faults = Vec::new();
    if !done && !killed {
        faults.push(format!("{} beside the server failed by itself", kind.word()));
    }
    match kind {
        Beside::Import => {
            if !done {
                let file = sheet(&scene.folder, &mark, ROWS)?.display().to_string();
                scene.run(&["import", "--mapping", &scene.mapping().display().to_string(), &file])?;
            }
            scene.imported.push((mark, ROWS));
        }
        Beside::Assign => {
            let there = scene.rows()?.users.contains_key(&mark);
            if done && !there {
                faults.push(format!("the user {mark} was added and is not there"));
            }
            if !there {
                scene.run(&["user", "add", &mark, &mark])?;
            }
            scene.run(&["user", "assign", &mark, crate::scene::GRID])?;
            scene.assigned.push(mark);
        }
        Beside::Backup => {
            let into = scene.folder.join(format!("restored-{mark}"));
            match scene.restore(&folder, &into) {
                Ok(_) => {
                    let verified = scene.verify(&into);
                    tally.restored += 1;
                    faults.extend(verified.err().map(|error| format!("a restored backup has faults: {error}")));
                }
                Err(error) if done => faults.push(format!("a backup that was made cannot be restored: {error}")),
                Err(_) => {
                    tally.refused += 1;
                    if into.join("gridpass.sqlite").exists() {
                        faults.push("a backup that was cut off was put in place".into());
                    }
                }
            }
            for folder in [folder, into] {
                if folder.exists() {
                    std::fs::remove_dir_all(folder)?;
                }
            }
        }
    }
    Ok(faults)
}

/// Looks at phones and server; when all has `healed` also at what they must have in common.
pub fn look(scene: &mut Scene<'_>, healed: bool, tally: &mut Tally) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    (0..PHONES).try_for_each(|phone| worker(scene, phone)?.tell("tell"))?;
    for phone in 0..PHONES {
        let line = worker(scene, phone)?.until(&["told"])?.pop().unwrap_or_default();
        told.push(line);
    }
    let rows = scene.rows()?;
    let mut faults = Vec::new();
    for (ledger, told) in scene.ledgers.iter_mut().zip(&told) {
        let before = ledger.found;
        faults.extend(ledger.check_phone(told));
        tally.found[0] += ledger.found[0] - before[0];
        tally.found[1] += ledger.found[1] - before[1];
        faults.extend(ledger.check_receipts(told, &rows));
        if healed {
            faults.extend(ledger.check_server(&rows));
            tally.receipts += told["receipts"].as_array().map_or(0, Vec::len) as u64;
        }
    }
    for (mark, count) in &scene.imported {
        let wrong = (0..*count).filter(|row| rows.estates.get(&estate(mark, *row)) != Some(&1)).count();
        if wrong > 0 {
            faults.push(format!("{wrong} of {count} rows of the sheet {mark} are not there exactly once"));
        }
    }
    let unassigned = scene.assigned.iter().filter(|login| rows.users.get(*login) != Some(&1));
    faults.extend(unassigned.map(|login| format!("{login} is not assigned exactly once")));
    // I16, I22, I28: rows, records, logs without gaps, checksums, files.
    match scene.run(&["verify"]) {
        Ok(said) => tally.rows += said.split(' ').next().and_then(|rows| rows.parse::<u64>().ok()).unwrap_or(0),
        Err(error) => faults.push(format!("verify: {error}")),
    }
    if healed {
        faults.extend(equal(&told, &rows));
    }
    Ok(faults)
}

/// docs/sync.md, I23: phones and server show the same.
fn equal(told: &[Json], rows: &crate::rows::Rows) -> Vec<String> {
    let mut faults = Vec::new();
    for (phone, told) in told.iter().enumerate() {
        let (unsent, files) = (&told["unsent"], &told["unsent_files"]);
        if *unsent != 0 || *files != 0 {
            faults.push(format!("worker{phone}: {unsent} changes and {files} files never left the phone"));
        }
        for held in told["buckets"].as_array().into_iter().flatten() {
            let name = held["name"].as_str().unwrap_or_default();
            let sum = held["sum"].as_str().and_then(|sum| sum.parse::<u64>().ok()).unwrap_or(0);
            let there = (held["log_seq"].as_u64().unwrap_or(0), sum);
            let here = rows.buckets.get(name).copied().unwrap_or_default();
            if there != here {
                faults.push(format!("worker{phone}: {name} is at {there:?}, on the server at {here:?}"));
            }
        }
        for (id, record) in told["records"].as_object().into_iter().flatten() {
            let shown = rows.shown.get(id).map(serde_json::to_value).and_then(Result::ok).unwrap_or_default();
            if shown != record["values"] {
                faults.push(format!("worker{phone} shows {id} as {}, the server as {shown}", record["values"]));
            }
        }
    }
    faults
}

/// Lets everything heal: all sync until nothing waits, twice around, and then all show the same.
pub fn heal(scene: &mut Scene<'_>, tally: &mut Tally) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    for _ in 0..2 {
        for phone in 0..PHONES {
            worker(scene, phone)?.tell("sync")?;
            let lines = worker(scene, phone)?.until(&["through", "not through"])?;
            faults.extend(
                lines.iter().filter(|line| line["say"] != "through").map(|line| format!("worker{phone}: {line}")),
            );
        }
    }
    faults.extend(look(scene, true, tally)?);
    for ledger in &scene.ledgers {
        tally.saves += ledger.saved();
        for (words, count) in &ledger.refused {
            *tally.refusals.entry(words.clone()).or_default() += count;
        }
    }
    Ok(faults)
}
