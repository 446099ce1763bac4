//! The district's sheets, imported into a server; who works in which grid.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GrantId, GridId, RecordId, UserId};
use gridpass_core::record::Document;
use gridpass_core::wire::EnrolCode;
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::sqlite::FILE;
use gridpass_server::db::{AssignmentRow, Principal};
use gridpass_server::import::tree::{TreeOptions, tree};
use gridpass_server::import::{self, Mapping, Options};
use gridpass_server::keys::random;
use gridpass_tests::street::{self, Form, Plan, Scale};
use gridpass_tests::world::Error;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use gridpass_tests::process::{OWN, cpu_s, peak_kb};

/// How the sheets are read: the mapping that is shipped.
const MAPPING: &str = include_str!("../../../../../sync-server/import/street.toml");
/// How many households of a grid a worker goes round.
const ROUND: usize = 40;

/// A district on a server.
pub struct Made {
    pub records: usize,
    /// The grids' codes with how many people are in them, fewest people first.
    pub grids: Vec<(String, usize)>,
}

/// How its import went, kept beside what it made.
#[derive(Serialize, Deserialize)]
pub struct Imported {
    pub created: u64,
    pub seconds: f64,
    pub cpu_s: f64,
    pub peak_mib: f64,
}

/// A worker with a code for a phone, and the households the worker goes to.
pub struct Worker {
    pub code: String,
    pub households: Vec<(RecordId, Document)>,
}

/// Writes the sheets and imports them, unless a folder of an earlier run holds them; the figures of the district have to
/// be what the sheets hold and what the server says it made.
pub fn district(scale: Scale, seed: u64, folder: &Path, server: &Path) -> Result<(Made, Imported), Error> {
    let Scale::District { part } = scale else { return Err("no district".into()) };
    let sheets = folder.join("sheets");
    let begun = Instant::now();
    let written = street::write(Plan::new(scale, seed), &sheets, Form::Csv, &mut |_| {})?;
    let rows = |collection: &str| {
        written.iter().find(|(known, ..)| *known == Some(collection)).map_or(0, |(_, _, rows)| *rows as u64)
    };
    let figures = [
        ("house", street::HOUSES),
        ("person", street::PEOPLE),
        ("facility", street::LIFTS),
        ("organisation", street::ORGANISATIONS),
    ];
    for (collection, figure) in figures {
        if rows(collection) != figure / u64::from(part) {
            return Err(format!("{} of {collection} in place of {figure} / {part}", rows(collection)).into());
        }
    }
    let records = written.iter().filter(|(collection, ..)| collection.is_some()).map(|(_, _, rows)| rows).sum();
    crate::say(&format!("{records} records written in {:.1} s", begun.elapsed().as_secs_f64()));
    let made = Made { records, grids: grids(&sheets)? };
    let marker = server.join("imported.json");
    if marker.exists() {
        return Ok((made, serde_json::from_slice(&std::fs::read(marker)?)?));
    }
    std::fs::create_dir_all(server)?;
    let limits = "enrols_per_minute = 0\nsign_ins_per_minute = 0\ntokens_per_minute = 0\npushes_per_minute = 0\n\
                  pulls_per_minute = 0\n";
    std::fs::write(server.join(gridpass_server::config::FILE), limits)?;
    // In a process of its own: this one has had phones, and a peak of memory never goes down.
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("district-import").args([server, &sheets]);
    let files = written.iter().filter(|(known, ..)| known.is_some()).map(|(_, name, _)| name);
    let output = child.args(files).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the import failed".into());
    }
    let imported: Imported = serde_json::from_slice(&output.stdout)?;
    if imported.created != records as u64 {
        return Err(format!("{} of {records} rows were imported", imported.created).into());
    }
    std::fs::write(marker, serde_json::to_vec(&imported)?)?;
    Ok((made, imported))
}

/// Imports sheets into a server and prints how it went: what the child process does.
#[expect(clippy::print_stdout, reason = "a child answers on its streams")]
pub fn import(server: &Path, sheets: &Path, names: &[String]) -> Result<(), Error> {
    let app = App::open(server, Clock::system)?;
    let file = |name: &str| sheets.join(name).with_extension("csv");
    tree(&app, &file("网格"), TreeOptions::default(), &mut |_| ())?;
    let mapping: Mapping = toml::from_str(MAPPING)?;
    let files: Vec<_> = names.iter().map(|name| file(name)).collect();
    let (begun, cpu) = (Instant::now(), cpu_s(OWN)?);
    let summary = import::run(&app, &mapping, &Options::default(), &files, &mut |_| {})?;
    let imported = Imported {
        created: summary.collections.values().map(|counts| counts.created).sum(),
        seconds: begun.elapsed().as_secs_f64(),
        cpu_s: cpu_s(OWN)? - cpu,
        peak_mib: peak_kb(OWN)? as f64 / 1024.0,
    };
    println!("{}", serde_json::to_string(&imported)?);
    Ok(())
}

/// The grids with their people.
fn grids(sheets: &Path) -> Result<Vec<(String, usize)>, Error> {
    let mut people = BTreeMap::<String, usize>::new();
    let mut reader = csv::Reader::from_path(sheets.join("人口.csv"))?;
    let place = reader.headers()?.iter().position(|heading| heading == "网格编码").ok_or("no column of grids")?;
    for row in reader.records() {
        *people.entry(row?.get(place).unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut grids: Vec<_> = people.into_iter().collect();
    grids.sort_by_key(|(_, people)| *people);
    Ok(grids)
}

/// So many workers, one in each grid and then a second one in some.
pub fn workers(app: &App, made: &Made, server: &Path, count: usize) -> Result<Vec<Worker>, Error> {
    let database = Connection::open(server.join(FILE))?;
    let mut workers = Vec::with_capacity(count);
    for (place, (grid, _)) in made.grids.iter().cycle().take(count).enumerate() {
        let (code, grid) = code(app, grid)?;
        let mut statement = database.prepare_cached(
            "SELECT r.id FROM bucket b JOIN record_bucket rb ON rb.bucket = b.number JOIN record r ON r.id = rb.record
             WHERE b.name = ?1 AND rb.until IS NULL AND r.collection = 'household' LIMIT ?2 OFFSET ?3",
        )?;
        // A second worker of a grid goes to other households, where there are enough of them.
        let skipped = place / made.grids.len() * ROUND;
        let of = |skipped: usize, statement: &mut rusqlite::CachedStatement<'_>| -> Result<Vec<RecordId>, Error> {
            let name = Bucket::Base(grid).to_bytes();
            let ids =
                statement.query_map(params![name, ROUND as i64, skipped as i64], |row| row.get::<_, Vec<u8>>(0))?;
            ids.map(|id| Ok(RecordId::try_from(id?.as_slice()).map_err(|_| "no record")?)).collect()
        };
        let mut ids = of(skipped, &mut statement)?;
        if ids.is_empty() {
            ids = of(0, &mut statement)?;
        }
        let whole = app.db.whole(&Principal::SERVER, app.now_ms(), &[Bucket::Base(grid)], &ids)?;
        let households = whole.iter().map(|touched| {
            let changes = touched.changes.iter().map(|change| change.bytes.as_slice());
            Ok((touched.record, Document::from_changes(changes).map_err(|_| "a stored change is damaged")?))
        });
        workers.push(Worker { code, households: households.collect::<Result<_, Error>>()? });
    }
    Ok(workers)
}

/// What people call a grid by its size, with its people and two codes: for a phone that is the first and for the next.
pub type Newcomer = (&'static str, usize, [String; 2]);

/// New workers of the largest, the median and the smallest grid.
pub fn newcomers(app: &App, made: &Made) -> Result<Vec<Newcomer>, Error> {
    let last = made.grids.len().saturating_sub(1);
    let places = [("largest", last), ("median", last / 2), ("smallest", 0)];
    let newcomer = |(name, place): (&'static str, usize)| {
        let (grid, people) = made.grids.get(place).ok_or("a district without grids")?;
        Ok((name, *people, [code(app, grid)?.0, code(app, grid)?.0]))
    };
    places.into_iter().map(newcomer).collect()
}

/// A code of the phone of a new user in a grid; the server's address comes in its place later.
fn code(app: &App, grid: &str) -> Result<(String, GridId), Error> {
    let (db, now_ms) = (&app.db, app.now_ms());
    let grid = db.grid_by_code(&Principal::SERVER, now_ms, grid)?.ok_or("a grid is not there")?;
    let user = UserId(random()?);
    let login = user.to_string();
    db.add_user(now_ms, user, &login, &login)?;
    let grant = GrantId(random()?);
    db.assign(now_ms, user, &AssignmentRow::worker(grant, grid, now_ms))?;
    let until_ms = now_ms + 24 * 3_600_000;
    db.add_enrol_code(now_ms, *blake3::hash(login.as_bytes()).as_bytes(), user, until_ms)?;
    let url = super::serving::URL.to_owned();
    Ok((EnrolCode { url, code: login, pin: app.keys.tls_pin }.to_string(), grid))
}

/// How many changes a server has stored.
pub fn changes(server: &Path) -> Result<i64, Error> {
    Ok(Connection::open(server.join(FILE))?.query_row("SELECT count(*) FROM change", [], |row| row.get(0))?)
}
