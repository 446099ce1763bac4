//! Rows altered by hand are named.

use std::path::Path;

use gridpass_core::record::Document;
use gridpass_core::wire::{self, ReceiptFile};
use gridpass_server::receipts::{self, Finding};
use rusqlite::Connection;

use crate::commands::gridpass;
use crate::hand::{Hand, START_MS, Server, cursor, record};

/// A server with two records of two changes each, and the phone that wrote them.
fn two_records(folder: &Path) -> (Server, Hand) {
    let server = Server::open(folder);
    let mut phone = server.enrol(1);
    for n in 1..3 {
        let mut document = Document::new();
        phone.save(&server, record(n), &mut document, &[("kind", "family".into())]);
        phone.save(&server, record(n), &mut document, &[("kind", "single".into())]);
    }
    (server, phone)
}

/// Two records, then one statement by hand; the faults that are found.
fn faults_after(sql: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = two_records(folder.path());
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
        let (server, phone) = two_records(folder.path());
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
        let (server, _) = two_records(folder.path());
        let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
        connection.execute_batch(sql).unwrap();
        let before = server.faults();
        let mut left = Vec::new();
        server.app.db.rebuild(START_MS, &mut |fault| left.push(fault)).unwrap();
        assert_eq!(left.iter().map(|fault| fault.table).collect::<Vec<_>>(), [named], "{what}: {left:?}");
        assert!(!before.is_empty() && !server.faults().is_empty(), "{what}");
    }
}

/// One statement each, and the one line that names it.
const FIVE: [(&str, &str); 5] = [
    (
        "UPDATE change SET bytes = CAST(substr(bytes, 1, 60) || x'41' || substr(bytes, 62) AS BLOB)
         WHERE bucket = 2 AND log_seq = 3",
        "change {2} {hash}: the bytes are not a change",
    ),
    ("DELETE FROM log WHERE bucket = 2 AND log_seq = 2", "log {base} 2: the row is missing"),
    ("UPDATE record SET shown = x'a0' WHERE id = ?1", "record {1}: the values are not those of its changes"),
    ("UPDATE bucket SET head = head + 1 WHERE number = 1", "bucket district: the head is not the last row"),
    ("DELETE FROM audit WHERE seq = 3", "audit 3: the row is missing"),
];

#[test]
fn five_damages_at_once_are_each_named_once_and_what_can_be_mended_is() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = two_records(folder.path());
    assert_eq!(server.faults(), []);
    let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
    let hash: Vec<u8> =
        connection.query_row("SELECT hash FROM change WHERE bucket = 2 AND log_seq = 3", [], |row| row.get(0)).unwrap();
    let named = |line: &str| {
        let line = line.replace("{1}", &record(1).to_string()).replace("{2}", &record(2).to_string());
        line.replace("{hash}", &gridpass_core::id::hex(&hash)).replace("{base}", &server.base().to_string())
    };
    let told = || {
        let faults = server.faults().into_iter();
        let mut lines: Vec<_> = faults.map(|fault| format!("{} {}: {}", fault.table, fault.row, fault.what)).collect();
        lines.sort();
        lines
    };
    for (sql, _) in FIVE {
        let of_record: &[&dyn rusqlite::ToSql] = if sql.contains("?1") { &[&record(1).0] } else { &[] };
        assert_eq!(connection.execute(sql, of_record).unwrap(), 1, "{sql}");
    }
    let mut expected: Vec<_> = FIVE.iter().map(|(_, line)| named(line)).collect();
    expected.sort();
    assert_eq!(told(), expected);

    // Values and heads are made anew; a change that was altered, a lost row and a lost audit row stay and stay named.
    let mut left = Vec::new();
    server
        .app
        .db
        .rebuild(START_MS, &mut |fault| left.push(format!("{} {}: {}", fault.table, fault.row, fault.what)))
        .unwrap();
    let cannot = named("record {2}: it cannot be made from what is stored; restore a backup");
    assert_eq!(left, [cannot]);
    expected.retain(|line| !line.starts_with("record") && !line.starts_with("bucket"));
    assert_eq!(told(), expected);
}

#[test]
fn lost_audit_rows_and_lost_records_are_named_also_at_the_end() {
    const GAP: &str = "DELETE FROM audit WHERE seq IN (2, 3)";
    assert_eq!(faults_after(GAP), ["audit 2 to 3: the rows are missing"]);
    let found = faults_after("DELETE FROM audit WHERE change = (SELECT max(number) FROM change)");
    assert!(found.len() == 1 && found[0].ends_with("rows are missing: a newer change has none"), "{found:?}");
    let lost = format!("record {}: its row is missing", record(1));
    let sql = format!("DELETE FROM record WHERE id = x'{}'", record(1));
    assert!(faults_after(&sql).contains(&lost), "{:?}", faults_after(&sql));
}

#[test]
fn one_grid_or_one_bucket_is_verified_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
    connection.execute("UPDATE record SET shown = x'a0' WHERE fmt = 1", []).unwrap();
    connection.execute("UPDATE bucket SET head = head + 1 WHERE name = x'05'", []).unwrap();
    let verify = |bucket: &str| {
        let output = gridpass(folder.path(), &["verify", "--bucket", bucket]);
        (
            output.status.success(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let values = format!("record {}: the values are not those of its changes\n", record(1));
    for grid in ["370212001001001", &server.base().to_string()] {
        assert_eq!(verify(grid), (false, format!("{values}3 rows verified, 1 faults\n")), "{grid}");
    }
    let (good, said) = verify("district");
    assert!(!good && said.starts_with("bucket district: the head is not the last row\n"), "{said}");
    for (unknown, what) in [("370212001001999", "no grid has this code"), ("user/0a", "no bucket's name")] {
        let (good, said) = verify(unknown);
        assert!(!good && said.contains(what), "{said}");
    }
}

#[test]
fn a_receipt_is_found_where_it_says_and_one_without_its_change_or_signature_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut save =
        |n| phone.save(&server, record(n), &mut Document::new(), &[("kind", "family".into())]).sheet.unwrap();
    let (kept, lost, mut forged) = (save(1), save(2), save(3));
    forged.receipts[0].log_seq = 1;
    let file = ReceiptFile { device: phone.device.id, sheets: vec![kept, lost, forged], saves: Vec::new() };
    let written = folder.path().join("receipts");
    std::fs::write(&written, wire::pack(&file)).unwrap();
    let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
    connection.execute("DELETE FROM change WHERE record = ?1", [record(2).0]).unwrap();

    let output = gridpass(folder.path(), &["verify", "--receipts", written.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let line = |sheet: usize, what: &str| {
        let receipt = &file.sheets[sheet].receipts[0];
        format!("receipt {} {}: {what}\n", receipt.record, receipt.hash)
    };
    let base = server.base();
    let expected = [
        line(0, &format!("stored, {base} 1")),
        line(1, &format!("MISSING, it was signed for {base} 2")),
        line(2, "FORGED, this server has not signed it"),
        "3 receipts, 1 stored, 2 not\n".to_owned(),
    ];
    assert_eq!((output.status.code(), said), (Some(1), expected.concat()));

    connection.execute("UPDATE change SET log_seq = 9 WHERE record = ?1", [record(1).0]).unwrap();
    let mut found = Vec::new();
    receipts::check(&server.app, &wire::pack(&file), &mut |_, finding| found.push(finding)).unwrap();
    assert_eq!(found[0], Finding::Elsewhere { home: base, log_seq: 9 });
    let no_file = receipts::check(&server.app, b"receipts", &mut |_, _| {}).unwrap_err();
    assert!(no_file.to_string().contains("gridpass-phone receipts --export FILE"), "{no_file}");
}
