//! Rows altered by hand are named.

use gridpass_core::record::Document;
use rusqlite::Connection;

use crate::hand::{START_MS, Server, cursor, record};

/// Two records with two changes each, then one statement by hand; the faults that are found.
fn faults_after(sql: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    for n in 1..3 {
        let mut document = Document::new();
        phone.save(&server, record(n), &mut document, &[("kind", "family".into())]);
        phone.save(&server, record(n), &mut document, &[("kind", "single".into())]);
    }
    assert_eq!(server.faults(), [], "before");
    let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
    connection.execute_batch(sql).unwrap();
    server.faults().into_iter().map(|fault| format!("{} {}: {}", fault.table, fault.row, fault.what)).collect()
}

#[test]
fn every_altered_column_of_a_change_is_named() {
    for (what, sql) in [
        ("bytes", "UPDATE change SET bytes = CAST(x'00' || substr(bytes, 2) AS BLOB) WHERE log_seq = 2"),
        (
            "a byte within",
            "UPDATE change SET bytes = CAST(substr(bytes, 1, 60) || x'41' || substr(bytes, 62) AS BLOB) WHERE log_seq = 2",
        ),
        ("hash", "UPDATE change SET hash = zeroblob(32) WHERE log_seq = 2"),
        ("record", "UPDATE change SET record = zeroblob(16) WHERE log_seq = 2"),
        ("counter", "UPDATE change SET max_op = 90 WHERE log_seq = 2"),
        ("row", "UPDATE change SET log_seq = 4 WHERE log_seq = 2"),
        ("gone", "DELETE FROM change WHERE log_seq = 2"),
    ] {
        assert_ne!(faults_after(sql), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn every_altered_column_of_a_log_row_is_named() {
    const BASE: &str = "bucket = (SELECT bucket FROM change LIMIT 1)";
    for (what, sql) in [
        ("record", "UPDATE log SET record = zeroblob(16) WHERE log_seq = 2 AND "),
        ("hash", "UPDATE log SET change_hash = zeroblob(32) WHERE log_seq = 2 AND "),
        ("kind", "UPDATE log SET kind = 2 WHERE log_seq = 2 AND "),
        ("gone", "DELETE FROM log WHERE log_seq = 3 AND "),
        ("the last gone", "DELETE FROM log WHERE log_seq = 4 AND "),
    ] {
        let found = faults_after(&format!("{sql}{BASE}"));
        assert!(found.iter().any(|fault| fault.starts_with("log") || fault.starts_with("bucket")), "{what}: {found:?}");
    }
    let swapped = format!(
        "UPDATE log SET log_seq = 99 WHERE log_seq = 1 AND {BASE};
         UPDATE log SET log_seq = 1 WHERE log_seq = 3 AND {BASE};
         UPDATE log SET log_seq = 3 WHERE log_seq = 99 AND {BASE};"
    );
    let found = faults_after(&swapped);
    assert!(found.iter().any(|fault| fault.contains("base 1: it, or the order up to it")), "{found:?}");
}

#[test]
fn altered_records_and_buckets_are_named() {
    for (what, sql) in [
        ("values", "UPDATE record SET shown = x'a0' WHERE fmt = 1"),
        ("heads", "UPDATE record SET heads = zeroblob(32) WHERE fmt = 1"),
        ("plain values", "UPDATE record SET shown = x'a0' WHERE fmt = 0"),
        ("distribution", "UPDATE record_bucket SET until = 1 WHERE bucket = 2"),
        ("a row's checksum", "UPDATE log SET checksum_after = 1 WHERE bucket = 2 AND log_seq = 4"),
        ("head", "UPDATE bucket SET head = head + 1 WHERE number = 2"),
    ] {
        assert_ne!(faults_after(sql), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn what_was_altered_is_made_anew_from_changes_and_sent_again() {
    for (what, sql, differed, rows) in [
        ("nothing", "", 0, 0),
        ("values", "UPDATE record SET shown = x'a0' WHERE fmt = 1", 2, 2),
        ("no values at all", "UPDATE record SET shown = x'ff' WHERE fmt = 1", 2, 2),
        ("heads", "UPDATE record SET heads = x'00' WHERE fmt = 1", 2, 2),
        ("checksum", "UPDATE record SET checksum = 1 WHERE fmt = 1", 2, 2),
        ("plain heads", "UPDATE record SET heads = zeroblob(32) WHERE fmt = 0", 1, 0),
        ("head", "UPDATE bucket SET head = head - 1 WHERE number = 2", 1, 0),
        ("sum", "UPDATE bucket SET checksum = 0 WHERE number = 2", 1, 0),
        ("sum of the last row", "UPDATE log SET checksum_after = 1 WHERE bucket = 2 AND log_seq = 4", 1, 0),
        (
            "all of it",
            "UPDATE record SET shown = x'', heads = x'', checksum = 0 WHERE fmt = 1;
             UPDATE bucket SET head = 9, checksum = 9 WHERE number = 2",
            4,
            2,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::open(folder.path());
        let mut phone = server.enrol(1);
        for n in 1..3 {
            let mut document = Document::new();
            phone.save(&server, record(n), &mut document, &[("kind", "family".into())]);
            phone.save(&server, record(n), &mut document, &[("kind", "single".into())]);
        }
        let before = phone.start(&server);
        let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
        connection.execute_batch(sql).unwrap();
        assert_eq!(server.faults().is_empty(), sql.is_empty(), "{what}");
        let done = server.app.db.rebuild(START_MS, &mut |fault| panic!("{what}: {fault:?}")).unwrap();
        assert_eq!((done.records, done.differed), (3, differed), "{what}");
        assert_eq!(server.faults(), [], "{what}");
        assert_eq!(server.app.db.rebuild(START_MS, &mut |_| {}).unwrap().differed, 0, "{what}");

        let answer = phone.pull(&server, vec![cursor(before.number, before.as_of)]);
        let page = answer.pages.iter().find(|page| page.number == before.number).unwrap();
        let sent = page.rows.clone().unwrap_or_default();
        assert_eq!(sent.len(), rows, "{what}");
        for row in sent {
            assert_eq!(row.touched.unwrap().values["kind"].value(), &"single".into(), "{what}");
        }
    }
}

#[test]
fn what_cannot_be_made_anew_is_told_and_left() {
    for (what, sql, named) in [
        ("a change gone", "DELETE FROM change WHERE log_seq = 1", "record"),
        ("plain values", "UPDATE record SET shown = x'a0' WHERE fmt = 0", "record"),
        ("the end of a log", "DELETE FROM log WHERE bucket = 2 AND log_seq = 4", "bucket"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::open(folder.path());
        let mut phone = server.enrol(1);
        for n in 1..3 {
            let mut document = Document::new();
            phone.save(&server, record(n), &mut document, &[("kind", "family".into())]);
            phone.save(&server, record(n), &mut document, &[("kind", "single".into())]);
        }
        let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
        connection.execute_batch(sql).unwrap();
        let before = server.faults();
        let mut left = Vec::new();
        server.app.db.rebuild(START_MS, &mut |fault| left.push(fault)).unwrap();
        assert_eq!(left.iter().map(|fault| fault.table).collect::<Vec<_>>(), [named], "{what}: {left:?}");
        assert!(!before.is_empty() && !server.faults().is_empty(), "{what}");
    }
}
