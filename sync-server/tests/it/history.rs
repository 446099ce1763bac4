//! Rows altered by hand are named.

use gridpass_core::record::Document;
use rusqlite::Connection;

use crate::hand::{Server, record};

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
        ("head", "UPDATE bucket SET head = head + 1 WHERE number = 2"),
    ] {
        assert_ne!(faults_after(sql), Vec::<String>::new(), "{what}");
    }
}
