//! A full disk, on a phone and on the server: what was acknowledged stays, what is refused is refused with words that say
//! what to do, and when there is room again the same processes go on. docs/sync.md, I21.

use std::path::Path;

use gridpass_core::catalog::Catalog;
use gridpass_tests::programs::{Programs, free_port};
use gridpass_tests::world::Error;

use crate::disk::Disk;
use crate::plan::PHONES;
use crate::round::{heal, look, take, worker};
use crate::scene::{Scene, Template, sheet};
use crate::tally::Tally;

/// How often saves and syncs are refused before it is looked what is there.
const REFUSALS: u64 = 40;

/// Plays both; what is wrong.
pub fn play() -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir()?;
    let template = Template::make(Programs::beside_this()?, &folder.path().join("template"), free_port()?, None)?;
    let mut faults = phone(&template, &folder.path().join("phone"))?;
    faults.extend(server(&template, &folder.path().join("server"))?);
    Ok(faults)
}

/// The words of a code, as a phone tells them.
fn words(code: &str) -> Result<(String, String), Error> {
    let text = Catalog::built_in().text(code).cloned().ok_or_else(|| format!("{code} has no words"))?;
    Ok((text.zh, text.en))
}

/// Lets a phone work until so many saves or syncs were refused more; which words none of them should have said.
fn until_refused(scene: &mut Scene<'_>, phone: usize, seed: u64, code: &str) -> Result<Vec<String>, Error> {
    let (zh, en) = words(code)?;
    let from = scene.ledgers.get(phone).map_or(0, |ledger| ledger.last());
    worker(scene, phone)?.tell(&format!("work {seed} {from}"))?;
    let (mut refusals, mut others, mut resting) = (0, Vec::new(), false);
    loop {
        let line = worker(scene, phone)?.next()?;
        take(scene, phone, &line);
        let refused = if line["say"] == "synced" { &line["failed"] } else { &line };
        if refused["zh"].is_string() {
            refusals += 1;
            if refused["zh"] != zh.as_str() || refused["en"] != en.as_str() {
                others.push(format!("other words than those of {code}: {refused}"));
            }
        }
        if refusals == REFUSALS && !resting {
            resting = true;
            worker(scene, phone)?.tell("rest")?;
        }
        if line["say"] == "rests" {
            return Ok(others);
        }
    }
}

/// Lets a phone work until it has acknowledged so many saves more.
fn until_saved(scene: &mut Scene<'_>, phone: usize, seed: u64, saves: u64) -> Result<(), Error> {
    let from = scene.ledgers.get(phone).map_or(0, |ledger| ledger.last());
    worker(scene, phone)?.tell(&format!("work {seed} {from}"))?;
    let mut saved = 0;
    while saved < saves {
        let line = worker(scene, phone)?.next()?;
        saved += u64::from(line["say"] == "ack");
        take(scene, phone, &line);
    }
    worker(scene, phone)?.tell("rest")?;
    for line in worker(scene, phone)?.until(&["rests"])? {
        take(scene, phone, &line);
    }
    Ok(())
}

fn phone(template: &Template, place: &Path) -> Result<Vec<String>, Error> {
    let disk = Disk::mount(&place.join("worker0"))?;
    let mut scene = Scene::new(template, place)?;
    let mut tally = Tally::default();
    disk.fill(900 << 10)?;
    let mut faults = until_refused(&mut scene, 0, 1, "storage_full")?;
    // Reading, searching and the photos that are there.
    faults.extend(look(&mut scene, false, &mut tally)?);
    disk.free()?;
    // The same process goes on when there is room.
    until_saved(&mut scene, 0, 2, 20)?;
    faults.extend(look(&mut scene, false, &mut tally)?);
    // Killed and opened again on a disk without a byte: it opens, or says what to do and changes nothing.
    disk.fill(0)?;
    faults.extend(until_refused(&mut scene, 0, 3, "storage_full")?);
    scene.kill_phone(0)?;
    let (zh, _) = words("storage_full")?;
    let said = scene.try_phone(0)?;
    if said["say"] != "open" && said["zh"] != zh.as_str() {
        faults.push(format!("opened on a full disk the phone says: {said}"));
    }
    println!("a phone that is opened on a full disk: {}", said["say"]);
    disk.free()?;
    if said["say"] != "open" {
        scene.start_phone(0)?;
    }
    faults.extend(look(&mut scene, false, &mut tally)?);
    until_saved(&mut scene, 0, 4, 20)?;
    faults.extend(heal(&mut scene, &mut tally)?);
    println!("a full phone: {} saves acknowledged in all, none lost\n{tally}", tally.saves);
    Ok(faults)
}

fn server(template: &Template, place: &Path) -> Result<Vec<String>, Error> {
    let disk = Disk::mount(&place.join("server"))?;
    let mut scene = Scene::new(template, place)?;
    let mut tally = Tally::default();
    let mut faults = Vec::new();
    let (zh, en) = words("server_storage")?;
    for phone in 0..PHONES {
        until_saved(&mut scene, phone, 1, 15)?;
    }
    disk.fill(0)?;
    for seed in 2..=3 {
        for phone in 0..PHONES {
            // Every save succeeds; no sync does, and says whose disk is full.
            until_saved(&mut scene, phone, seed, 10)?;
            worker(&mut scene, phone)?.tell("sync")?;
            let said = worker(&mut scene, phone)?.until(&["through", "not through"])?.pop().unwrap_or_default();
            if said["zh"] != zh.as_str() || said["en"] != en.as_str() {
                faults.push(format!("synced with a server on a full disk the phone says: {said}"));
            }
        }
        faults.extend(look(&mut scene, false, &mut tally)?);
        // What is asked for beside it says the same, and nothing of it is there.
        let (mapping, backup) = (scene.mapping().display().to_string(), place.join("server/backup"));
        let file = sheet(&scene.folder, "full", 40)?.display().to_string();
        let asked: [&[&str]; 3] = [
            &["import", "--mapping", &mapping, &file],
            &["backup", &backup.display().to_string()],
            &["user", "add", "late", "late"],
        ];
        for arguments in asked {
            match scene.run(arguments) {
                Ok(said) => faults.push(format!("{} on a full disk says: {said}", arguments[0])),
                Err(error) if error.to_string().contains("make room") => {}
                Err(error) => faults.push(format!("{} on a full disk does not say what to do: {error}", arguments[0])),
            }
        }
        if scene.restore(&backup, &place.join("restored")).is_ok() {
            faults.push("a backup that had no room was restored".into());
        }
        if backup.exists() {
            std::fs::remove_dir_all(&backup)?;
        }
        if scene.rows()?.users.contains_key("late") {
            faults.push("a user that was refused is there".into());
        }
        let marker = std::fs::read_to_string(scene.data().join("heads"))?;
        if marker.split_whitespace().count() != 2 {
            faults.push(format!("the marker of heads is lost on a full disk: {marker:?}"));
        }
        // The second time as a process that was started on the full disk.
        scene.strike_server()?;
        scene.server_gone();
        scene.start_server()?;
    }
    disk.free()?;
    faults.extend(heal(&mut scene, &mut tally)?);
    let log = std::fs::read_to_string(place.join("server.log"))?;
    if !log.lines().any(|line| line.contains("\"ERROR\"") && line.contains("make room")) {
        faults.push("the log does not say that the disk is full".into());
    }
    faults.extend(log.lines().filter(|line| line.contains("panicked")).map(str::to_owned));
    println!("a full server: {} saves acknowledged on phones, none lost\n{tally}", tally.saves);
    Ok(faults)
}
