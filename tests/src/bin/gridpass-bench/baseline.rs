//! The same rows with nothing around them: what SQLite and SQLCipher can do at best on this machine, at this moment.

use std::path::Path;
use std::time::{Duration, Instant};

use gridpass_core::id::RecordId;
use gridpass_core::projection::{NoRecords, search_text};
use gridpass_core::record::plain;
use gridpass_tests::world::Error;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::bed::Handset;
use crate::data::COLLECTION;

/// The phone's tables that a pack fills.
const PHONE: [&str; 4] = ["settled", "settled_bucket", "view", "link"];
/// As many records as a pack holds are one transaction, as on the phone.
const PACK: usize = 500;

/// Gives a connection the settings of the phone's database.
pub fn unlock(connection: &Connection, key: &str) -> Result<(), Error> {
    connection.execute_batch(&format!(
        "PRAGMA cipher_log_level = NONE; PRAGMA key = \"{key}\"; PRAGMA cipher_memory_security = OFF;
         PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;"
    ))?;
    keep_statements(connection)
}

/// As phone and server do: each statement is prepared once.
fn keep_statements(connection: &Connection) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// A new encrypted database with the tables and indexes of another.
fn twin(of: &Connection, file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    unlock(&connection, &format!("x'{}'", "5a".repeat(32)))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA secure_delete = FAST;",
    )?;
    make_tables(of, &connection)?;
    Ok(connection)
}

fn make_tables(of: &Connection, to: &Connection) -> Result<(), Error> {
    let mut statement = of.prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'
         AND name NOT LIKE 'search\\_%' ESCAPE '\\' ORDER BY type DESC, rowid",
    )?;
    for sql in statement.query_map([], |row| row.get::<_, String>(0))? {
        to.execute_batch(&sql?)?;
    }
    Ok(())
}

/// Every row of a query.
pub fn rows_of(connection: &Connection, sql: &str) -> Result<Vec<Vec<Value>>, Error> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|column| row.get(column)).collect())?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn insert(connection: &Connection, verb: &str, table: &str, rows: &[Vec<Value>]) -> Result<(), Error> {
    let Some(first) = rows.first() else { return Ok(()) };
    let places = vec!["?"; first.len()].join(", ");
    let mut statement = connection.prepare_cached(&format!("{verb} INTO {table} VALUES ({places})"))?;
    for row in rows {
        statement.execute(params_from_iter(row))?;
    }
    Ok(())
}

/// Bare inserts of the rows a phone has: how long without and with the rows of search. The database stays for updates.
pub fn phone(handset: &Handset, file: &Path) -> Result<(Duration, Duration), Error> {
    let from = handset.database()?;
    let to = twin(&from, file)?;
    let tables: Vec<Vec<Vec<Value>>> = PHONE
        .iter()
        .map(|table| {
            let key = if *table == "link" { "source" } else { "record" };
            rows_of(&from, &format!("SELECT * FROM {table} WHERE {key} IN (SELECT record FROM view) ORDER BY {key}"))
        })
        .collect::<Result<_, Error>>()?;
    let texts = search_rows(handset, &from)?;
    let packs = texts.len().div_ceil(PACK);
    let begun = Instant::now();
    for pack in 0..packs {
        to.execute_batch("BEGIN IMMEDIATE")?;
        for (table, rows) in PHONE.iter().zip(&tables) {
            insert(&to, "INSERT", table, part(rows, pack, packs))?;
        }
        to.execute_batch("COMMIT")?;
    }
    let browsable = begun.elapsed();
    for texts in texts.chunks(PACK) {
        to.execute_batch("BEGIN IMMEDIATE")?;
        let mut statement = to.prepare_cached("INSERT INTO search (rowid, text) VALUES (?1, ?2)")?;
        for (row, text) in texts {
            statement.execute((row, text))?;
        }
        drop(statement);
        to.execute_batch("COMMIT")?;
    }
    Ok((browsable, begun.elapsed()))
}

fn part<T>(rows: &[T], place: usize, of: usize) -> &[T] {
    let size = rows.len().div_ceil(of.max(1));
    rows.get(place * size..).map(|rest| rest.get(..size).unwrap_or(rest)).unwrap_or_default()
}

/// The number of every card's row with the text it is found by.
fn search_rows(handset: &Handset, database: &Connection) -> Result<Vec<(i64, String)>, Error> {
    let catalog = handset.phone.catalog();
    let form = catalog.collection(COLLECTION).ok_or("the phone does not know the collection")?;
    let mut statement = database.prepare("SELECT id, record FROM view WHERE collection = ?1 ORDER BY id")?;
    let rows = statement.query_map([COLLECTION], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    rows.map(|row| {
        let (number, record) = row?;
        let record = RecordId::try_from(record.as_slice()).map_err(|_| "a row without a record")?;
        let values = plain(&handset.phone.values(record)?);
        Ok((number, search_text(&catalog, form, &values, &NoRecords)))
    })
    .collect()
}

/// Bare durable updates of one row each in an encrypted database with the phone's rows: how long each took.
pub fn updates(handset: &Handset, file: &Path, count: usize) -> Result<Vec<Duration>, Error> {
    let from = handset.database()?;
    let to = twin(&from, file)?;
    let rows = rows_of(&from, "SELECT * FROM settled ORDER BY record")?;
    for rows in rows.chunks(PACK) {
        to.execute_batch("BEGIN IMMEDIATE")?;
        insert(&to, "INSERT", "settled", rows)?;
        to.execute_batch("COMMIT")?;
    }
    let mut update = to.prepare("UPDATE settled SET shown = ?2 WHERE record = ?1")?;
    let step = (rows.len() / count.max(1)).max(1);
    let mut took = Vec::with_capacity(count);
    for row in rows.iter().step_by(step).take(count) {
        let (Some(record), Some(Value::Blob(shown))) = (row.first(), row.get(7)) else { continue };
        let mut shown = shown.clone();
        // SQLite does not write a page that stays the same.
        shown.iter_mut().for_each(|byte| *byte ^= 1);
        let begun = Instant::now();
        update.execute((record, shown))?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// What the server wrote between two moments, to be written again bare.
pub struct Written {
    tables: Vec<(&'static str, &'static str, Vec<Vec<Value>>)>,
}

/// How far the server's tables went.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    log: i64,
    audit: i64,
    changes: i64,
}

/// The server's database file, to read.
pub fn server(file: &Path) -> Result<Connection, Error> {
    Ok(Connection::open(file)?)
}

/// How far the tables went by now, in one bucket.
pub fn mark(connection: &Connection, bucket: i64) -> Result<Mark, Error> {
    let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(Mark {
        log: connection.query_row("SELECT head FROM bucket WHERE number = ?1", [bucket], |row| row.get(0))?,
        audit: one("SELECT coalesce(max(rowid), 0) FROM audit")?,
        changes: one("SELECT count(*) FROM change")?,
    })
}

/// How many changes came between two marks.
pub fn changes_between(from: &Mark, to: &Mark) -> i64 {
    to.changes - from.changes
}

/// The rows that came after a mark.
pub fn written(connection: &Connection, bucket: i64, from: &Mark) -> Result<Written, Error> {
    let Mark { log, audit, .. } = from;
    let new = format!("bucket = {bucket} AND log_seq > {log}");
    let of_new = format!("IN (SELECT batch FROM change WHERE {new})");
    let records = format!("SELECT r.* FROM log l JOIN record r ON r.id = l.record WHERE l.{new} ORDER BY l.log_seq");
    let tables = vec![
        ("change", "INSERT", rows_of(connection, &format!("SELECT * FROM change WHERE {new} ORDER BY log_seq"))?),
        ("log", "INSERT", rows_of(connection, &format!("SELECT * FROM log WHERE {new} ORDER BY log_seq"))?),
        ("record", "INSERT OR REPLACE", rows_of(connection, &records)?),
        ("audit", "INSERT", rows_of(connection, &format!("SELECT * FROM audit WHERE rowid > {audit}"))?),
        (
            "batch",
            "INSERT",
            rows_of(connection, &format!("SELECT * FROM batch WHERE number {of_new} ORDER BY recv_time"))?,
        ),
    ];
    Ok(Written { tables })
}

impl Written {
    /// Writes the rows into a plain database with the server's tables, so many groups, each durable; how long it took.
    pub fn again(&self, of: &Connection, file: &Path, groups: usize) -> Result<Duration, Error> {
        let to = Connection::open(file)?;
        to.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;
             PRAGMA wal_autocheckpoint = 4000;",
        )?;
        keep_statements(&to)?;
        make_tables(of, &to)?;
        let begun = Instant::now();
        for group in 0..groups {
            to.execute_batch("BEGIN IMMEDIATE")?;
            for (table, verb, rows) in &self.tables {
                insert(&to, verb, table, part(rows, group, groups))?;
            }
            to.execute_batch("COMMIT")?;
        }
        Ok(begun.elapsed())
    }
}
