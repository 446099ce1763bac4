//! The audit as a chain: whatever is done to it by hand is named, with the first row that it was done to.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use gridpass_core::id::{GrantId, RecordId, UserId};
use gridpass_core::record::Document;
use gridpass_server::audit::archive::archives_in;
use gridpass_server::audit::rotate::{self, rotate};
use gridpass_server::audit::seal::SEALS;
use gridpass_server::audit::verify::{Beside, Proof, verify_signed};
use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::db::sqlite::{FILE, MARKER};
use gridpass_server::db::{AuditFilter, Principal, Walked};
use gridpass_server::log::Audit;
use gridpass_server::restore::{Allowed, restore};
use rusqlite::Connection;

use crate::commands::{gridpass, told};
use crate::hand::{Hand, START_MS, Server, record};

const DAY: i64 = 86_400_000;

/// A server on which a phone has saved so many records.
fn busy(folder: &Path, saves: u8) -> (Server, Hand) {
    let server = Server::open(folder);
    let mut phone = server.enrol(1);
    for n in 1..=saves {
        phone.save(&server, record(n), &mut Document::new(), &[("kind", "family".into())]);
    }
    (server, phone)
}

fn sql(server: &Server, text: &str) {
    Connection::open(server.app.folder.join(FILE)).unwrap().execute_batch(text).unwrap();
}

fn end(server: &Server) -> i64 {
    server.app.db.chain_state(&Principal::SERVER, 0, &[]).unwrap().end.unwrap().seq
}

/// What the rows say of themselves, and what the seals say of them.
fn verified(server: &Server, beside: &Beside) -> (Vec<String>, Walked, Proof) {
    let mut faults = Vec::new();
    let mut found =
        |fault: gridpass_server::db::Fault| faults.push(format!("{} {}: {}", fault.table, fault.row, fault.what));
    let walked = server.app.db.verify_audit(&Principal::SERVER, 0, &mut found).unwrap();
    let proof = verify_signed(&server.app, beside, &mut found).unwrap();
    (faults, walked, proof)
}

fn faults(server: &Server) -> Vec<String> {
    verified(server, &Beside::default()).0
}

/// Makes the chain anew from a row on, as somebody would who holds the database and not the keys.
fn forge(server: &Server, from: i64) {
    let connection = Connection::open(server.app.folder.join(FILE)).unwrap();
    let mut before =
        connection.query_row("SELECT chain FROM audit WHERE seq = ?1", [from - 1], |row| row.get(0)).unwrap();
    for row in server.app.db.audit_after(&Principal::SERVER, 0, from - 1, usize::MAX).unwrap() {
        before = row.act().link(before);
        connection.execute("UPDATE audit SET chain = ?2 WHERE seq = ?1", (row.seq, before)).unwrap();
    }
}

#[test]
fn whatever_is_altered_the_first_broken_row_is_named() {
    const ALTERED: &str = "it, or the order up to it, was altered";
    for (what, text, row, said) in [
        ("time", "UPDATE audit SET at = at + 1 WHERE seq = 4", "4", ALTERED),
        ("person", "UPDATE audit SET who = NULL WHERE seq = {change}", "{change}", ALTERED),
        ("the person's name", "UPDATE who SET user = zeroblob(16)", "{who}", ALTERED),
        ("the phone's name", "UPDATE who SET device = NULL", "{who}", ALTERED),
        ("the grant", "UPDATE who SET grant_id = zeroblob(16) WHERE grant_id IS NULL", "{who}", ALTERED),
        ("act", "UPDATE audit SET action = 'read' WHERE seq = 4", "4", ALTERED),
        ("object", "UPDATE audit SET object = zeroblob(16) WHERE seq = 4", "4", ALTERED),
        ("no object", "UPDATE audit SET object = NULL WHERE seq = 4", "4", ALTERED),
        ("change", "UPDATE audit SET change = change + 1 WHERE seq = {change}", "{change}", ALTERED),
        ("detail", "UPDATE audit SET detail = '{}' WHERE seq = 4", "4", ALTERED),
        ("detail that is no JSON", "UPDATE audit SET detail = 'x' WHERE seq = 4", "4", ALTERED),
        ("link", "UPDATE audit SET chain = zeroblob(16) WHERE seq = 4", "4", ALTERED),
        ("the change's hash", "UPDATE change SET hash = zeroblob(32) WHERE number = 1", "{change}", ALTERED),
        ("the change's record", "UPDATE change SET record = zeroblob(16) WHERE number = 1", "{change}", ALTERED),
        ("the change's writer", "UPDATE writer SET actor = zeroblob(16)", "{change}", ALTERED),
        ("the change itself", "DELETE FROM change WHERE number = 1", "{change}", "the change that it names is missing"),
        ("one row less", "DELETE FROM audit WHERE seq = 4", "4", "the row is missing"),
        ("three rows less", "DELETE FROM audit WHERE seq IN (4, 5, 6)", "4 to 6", "the rows are missing"),
        ("the row of a change", "DELETE FROM audit WHERE seq = {change}", "{change}", "the row is missing"),
        ("the first row", "DELETE FROM audit WHERE seq = 1", "1", "the row is missing"),
        (
            "two rows swapped",
            "UPDATE audit SET seq = -1 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 6;
             UPDATE audit SET seq = 6 WHERE seq = -1",
            "4",
            ALTERED,
        ),
        (
            "a row put between",
            "UPDATE audit SET seq = seq + 1000 WHERE seq > 4; UPDATE audit SET seq = seq - 999 WHERE seq > 1000;
             INSERT INTO audit (seq, at, action, detail, chain) VALUES (5, 1800000000000, 'read', '', zeroblob(16))",
            "5",
            ALTERED,
        ),
        (
            "a row added",
            "INSERT INTO audit (at, action, detail, chain) VALUES (1800000000000, 'read', '', zeroblob(16))",
            "{new}",
            ALTERED,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (server, _) = busy(folder.path(), 3);
        assert_eq!(faults(&server), Vec::<String>::new(), "before");
        let connection = Connection::open(folder.path().join(FILE)).unwrap();
        let first = |of: &str| -> i64 {
            connection.query_row(&format!("SELECT min(seq) FROM audit WHERE {of}"), [], |row| row.get(0)).unwrap()
        };
        let (change, who) = (first("change = 1"), first("who IS NOT NULL"));
        assert!(who > 6, "{who}");
        let filled = |text: &str| {
            text.replace("{change}", &change.to_string())
                .replace("{who}", &who.to_string())
                .replace("{new}", &(end(&server) + 1).to_string())
        };
        let (text, row) = (filled(text), filled(row));
        connection.execute_batch(&text).unwrap();
        let (found, walked, _) = verified(&server, &Beside::default());
        assert_eq!(found, [format!("audit {row}: {said}")], "{what}");
        let first: i64 = row.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(walked.whole_to, first - 1, "{what}");
    }
}

#[test]
fn a_change_without_its_row_is_named_also_where_the_chain_was_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = busy(folder.path(), 3);
    let rows = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
    let of = rows.iter().find(|row| row.change_number == Some(2)).unwrap();
    sql(&server, &format!("DELETE FROM audit WHERE seq = {0}; UPDATE audit SET seq = seq - 1 WHERE seq > {0}", of.seq));
    forge(&server, of.seq);
    let hash = of.change.unwrap().hash;
    let at = rows.iter().find(|row| row.change_number == Some(3)).unwrap().seq - 1;
    assert_eq!(faults(&server), [format!("audit {at}: before it the row of change {hash} is missing")]);
}

#[test]
fn seals_show_an_end_that_was_cut_off_and_a_chain_that_was_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut phone) = busy(folder.path(), 2);
    let first = server.app.seal_audit().unwrap().unwrap();
    assert_eq!(server.app.seal_audit().unwrap().unwrap(), first, "nothing was written since");
    assert_eq!(fs::read_to_string(folder.path().join(SEALS)).unwrap().lines().count(), 1);
    phone.save(&server, record(3), &mut Document::new(), &[("kind", "family".into())]);
    let second = server.app.seal_audit().unwrap().unwrap();
    let (found, _, proof) = verified(&server, &Beside::default());
    assert_eq!((found, proof.seals, proof.sealed), (vec![], 2, Some((second.seq, second.at_ms))));

    // The chain is made anew after an alteration between the two seals: the rows agree with each other.
    let altered = first.seq + 1;
    sql(&server, &format!("UPDATE audit SET at = at + 1 WHERE seq = {altered}"));
    forge(&server, altered);
    let (found, walked, proof) = verified(&server, &Beside::default());
    let named = format!("audit {}: it is not the row that was sealed on 2027-01-15 16:00", second.seq);
    assert_eq!((found, walked.whole_to, proof.good_to), (vec![named], second.seq, first.seq));

    // The end is cut off. What is written later does not hide it.
    let folder = tempfile::tempdir().unwrap();
    let (server, mut phone) = busy(folder.path(), 4);
    let sealed = server.app.seal_audit().unwrap().unwrap().seq;
    sql(&server, &format!("DELETE FROM audit WHERE seq > {0}; DELETE FROM change WHERE number > 2", sealed - 4));
    let missing =
        format!("audit after {}: the rows up to {sealed} that were sealed on 2027-01-15 16:00 are missing", sealed - 4);
    assert_eq!(faults(&server), [missing]);
    for _ in 0..6 {
        server.app.db.audit(START_MS, Audit::of("test")).unwrap();
    }
    server.app.seal_audit().unwrap().unwrap();
    let named = format!("audit {sealed}: it is not the row that was sealed on 2027-01-15 16:00");
    assert_eq!(faults(&server), std::slice::from_ref(&named));

    // Where the file of seals went with the rows, a copy of it or a backup still knows.
    let kept = folder.path().join("kept");
    fs::rename(folder.path().join(SEALS), &kept).unwrap();
    assert_eq!(faults(&server), Vec::<String>::new());
    assert_eq!(verified(&server, &Beside { seals: vec![kept], ..Beside::default() }).0, [named]);
    phone.save(&server, record(9), &mut Document::new(), &[("kind", "family".into())]);
}

#[test]
fn a_seal_that_nobody_signed_is_named_and_a_torn_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = busy(folder.path(), 1);
    let seal = server.app.seal_audit().unwrap().unwrap();
    let file = folder.path().join(SEALS);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.split_at(60).0).unwrap(); // power went while it was written
    assert_eq!(faults(&server), Vec::<String>::new());
    let again = server.app.seal_audit().unwrap().unwrap();
    assert_eq!(again.seq, seal.seq);
    let (found, _, proof) = verified(&server, &Beside::default());
    assert_eq!((found, proof.seals), (vec![], 1));
    assert_eq!(proof.told, ["audit.seals: line 1 is no seal; an end in the midst of writing leaves one"]);

    fs::write(&file, text.replace(&format!("\"seq\":{}", seal.seq), "\"seq\":3")).unwrap();
    let named = "audit audit.seals: 1 seals are not signed with this server's key, the first is of row 3";
    assert_eq!(faults(&server), [named]);
}

#[test]
fn a_database_put_back_from_a_copy_is_told_and_an_end_cut_off_after_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("backup"));
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    let (server, mut phone) = busy(&data, 2);
    backup(&server.app, &data, &copy, &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
    for n in 3..9 {
        phone.save(&server, record(n), &mut Document::new(), &[("kind", "family".into())]);
    }
    let lost = server.app.seal_audit().unwrap().unwrap().seq;
    drop(server);
    let clock = |last| gridpass_server::clock::Clock::new(last, || START_MS);
    let allowed = Allowed { replace: true, ..Allowed::default() };
    restore(&data, &copy, allowed, Some(&passphrase), clock, &mut |fault| panic!("{fault:?}")).unwrap();

    let server = Server::open(&data);
    let rows = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
    let renewed = rows.iter().find(|row| row.action == "epoch_renewed").unwrap().seq;
    assert_eq!(rows.last().unwrap().action, "restored");
    let told = format!(
        "this database was put back from a copy at row {}: the rows up to {lost} that were sealed on 2027-01-15 16:00 \
         are not in it",
        renewed - 1
    );
    let (found, _, proof) = verified(&server, &Beside::default());
    assert_eq!((found, proof.told), (vec![], vec![told.clone()]));

    // The copy's own seal is checked as before, and so are the rows since.
    for _ in 0..20 {
        server.app.db.audit(START_MS, Audit::of("test")).unwrap();
    }
    let sealed = server.app.seal_audit().unwrap().unwrap().seq;
    assert!(sealed > lost);
    assert_eq!(verified(&server, &Beside::default()).2.told, [told]);
    sql(&server, &format!("DELETE FROM audit WHERE seq > {}", sealed - 2));
    let named =
        format!("audit after {}: the rows up to {sealed} that were sealed on 2027-01-15 16:00 are missing", sealed - 2);
    assert_eq!(faults(&server), [named]);
    sql(&server, &format!("UPDATE audit SET at = 1 WHERE seq = {0}", renewed - 2));
    forge(&server, renewed - 2);
    let found = faults(&server);
    assert!(found.iter().any(|fault| fault.contains("it is not the row that was sealed")), "{found:?}");
}

#[test]
fn a_backup_brings_its_seal_to_a_new_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy, other) = (folder.path().join("data"), folder.path().join("backup"), folder.path().join("other"));
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    let (server, _) = busy(&data, 2);
    backup(&server.app, &data, &copy, &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
    let clock = |last| gridpass_server::clock::Clock::new(last, || START_MS);
    restore(&other, &copy, Allowed::default(), Some(&passphrase), clock, &mut |fault| panic!("{fault:?}")).unwrap();
    let (found, _, proof) = verified(&Server::open(&other), &Beside::default());
    assert_eq!((found, proof.seals, proof.told), (vec![], 3, vec![]), "of the backup, the new epoch, and the end");
    // Elsewhere the note of the backup speaks against a database that was made anew.
    sql(&server, "UPDATE audit SET at = at + 1 WHERE seq = 3");
    forge(&server, 3);
    fs::remove_file(data.join(SEALS)).unwrap();
    assert_eq!(faults(&server), Vec::<String>::new());
    let beside = Beside { seals: vec![copy.join("backup.toml")], ..Beside::default() };
    let found = verified(&server, &beside).0;
    assert!(found.len() == 1 && found[0].contains("it is not the row that was sealed"), "{found:?}");
}

#[test]
fn a_cut_that_pretends_a_copy_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = busy(folder.path(), 4);
    let sealed = server.app.seal_audit().unwrap().unwrap().seq;
    drop(server);
    // Rows go, and the marker is altered so that the server takes its file for an older copy.
    let connection = Connection::open(folder.path().join(FILE)).unwrap();
    connection.execute("DELETE FROM audit WHERE seq > ?1", [sealed - 3]).unwrap();
    drop(connection);
    fs::write(folder.path().join(MARKER), format!("{:016x} {:020}\n", 5, 0)).unwrap();
    let server = Server::open(folder.path());
    let (_, _, proof) = verified(&server, &Beside::default());
    let told = format!("this database was put back from a copy at row {}: the rows up to {sealed}", sealed - 3);
    assert!(proof.told.len() == 1 && proof.told[0].starts_with(&told), "{:?}", proof.told);
}

/// Days with a few saves each; returns the time at which the last one begins.
fn days(server: &Server, phone: &mut Hand) -> i64 {
    for n in 10..40 {
        if n % 10 == 0 {
            server.clock.fetch_add(DAY, Ordering::Relaxed);
            server.app.seal_audit().unwrap();
        }
        phone.save(server, record(n), &mut Document::new(), &[("kind", "family".into())]);
    }
    server.clock.load(Ordering::Relaxed)
}

#[test]
fn a_rotated_audit_is_one_chain_with_its_archives() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let (server, mut phone) = busy(&folder.path().join("data"), 3);
    let today = days(&server, &mut phone);
    let all = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
    assert!(
        matches!(rotate(&server.app, today + 1, &archive), Err(error) if error.to_string().starts_with("before: "))
    );
    fs::create_dir(&archive).unwrap();
    let other = fs::File::create(archive.join("audit.part")).unwrap();
    other.lock().unwrap();
    let refused = rotate(&server.app, today, &archive).unwrap_err().to_string();
    assert!(refused.contains("another rotation"), "{refused}");
    drop(other);
    for before in [today - DAY, today - DAY, today] {
        let done = rotate(&server.app, before, &archive).unwrap();
        assert_eq!(done.archive.is_some(), done.rows > 0);
    }
    let files = archives_in(&archive).unwrap();
    assert_eq!(files.len(), 2);
    let kept = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
    assert!(
        kept.iter().all(|row| row.at_ms >= today)
            && kept.iter().filter(|row| row.action == "audit_rotated").count() >= 1
    );
    let mut archived = Vec::new();
    for file in &files {
        gridpass_server::audit::archive::read(file, &server.app.keys.signing, &mut |row| archived.push(row.clone()))
            .unwrap();
    }
    let plain = |rows: &[gridpass_server::db::AuditRow]| -> Vec<_> {
        rows.iter().map(|row| gridpass_server::db::AuditRow { change_number: None, ..row.clone() }).collect()
    };
    assert_eq!(plain(&archived), plain(&all[..archived.len()]), "no row is lost and none is altered");
    assert_eq!(archived.last().unwrap().seq + 1, kept[0].seq);

    assert_eq!(server.faults(), []);
    let (found, _, proof) = verified(&server, &Beside::default());
    let told =
        format!("rows 1 to {} lie in archives and were not read: name their folder with --archive", archived.len());
    assert_eq!((found, proof.told), (vec![], vec![told]));
    let beside = Beside { archive: Some(archive.clone()), ..Beside::default() };
    let (found, _, proof) = verified(&server, &beside);
    assert_eq!((found, proof.archived, proof.told), (vec![], archived.len() as u64, vec![]));
    assert_eq!(proof.seals, 3, "seals of archived rows are compared too");

    // The chain goes on, also where the rest went too.
    phone.save(&server, record(50), &mut Document::new(), &[("kind", "family".into())]);
    server.clock.fetch_add(DAY, Ordering::Relaxed);
    rotate(&server.app, today + DAY, &archive).unwrap();
    phone.save(&server, record(51), &mut Document::new(), &[("kind", "family".into())]);
    assert_eq!(verified(&server, &beside).0, Vec::<String>::new());
    assert_eq!(server.faults(), []);

    // A byte of an archive, an archive, the cut.
    let file = archives_in(&archive).unwrap().remove(1);
    let bytes = fs::read(&file).unwrap();
    let mut altered = bytes.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    fs::write(&file, altered).unwrap();
    let found = verified(&server, &beside).0;
    assert!(found[0].starts_with("archive ") && found[1].contains("no archive in"), "{found:?}");
    fs::remove_file(&file).unwrap();
    let found = verified(&server, &beside).0;
    assert!(found.len() == 1 && found[0].contains("no archive in"), "{found:?}");
    fs::write(&file, bytes).unwrap();
    assert_eq!(verified(&server, &beside).0, Vec::<String>::new());
    sql(&server, "UPDATE audit_cut SET change = change + 1");
    let found = faults(&server);
    assert!(found[0].starts_with("audit_cut ") && found[0].contains("did not sign it"), "{found:?}");
}

#[test]
fn rows_that_somebody_deletes_as_if_they_had_been_rotated_are_missed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = busy(folder.path(), 3);
    let seal = server.app.seal_audit().unwrap().unwrap();
    let signature = seal.signature.clone();
    sql(
        &server,
        &format!(
            "INSERT INTO audit_cut SELECT seq, chain, 99, at, '[]', x'{}', x'{signature}' FROM audit WHERE seq = 5;
             DELETE FROM audit WHERE seq <= 5",
            seal.key
        ),
    );
    assert_eq!(faults(&server), ["audit_cut 5: this server did not sign it: rows up to there may be gone"]);
}

#[test]
fn a_rotation_that_ends_between_any_two_steps_loses_no_row_and_is_finished_by_the_next() {
    for steps in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        let (server, mut phone) = busy(&folder.path().join("data"), 3);
        let today = days(&server, &mut phone);
        let all = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
        let old = all.iter().take_while(|row| row.at_ms < today).count();
        fs::create_dir(&archive).unwrap();
        fs::write(archive.join("audit.part"), b"half of an archive").unwrap();
        let app = &server.app;
        if steps > 0 {
            let written = rotate::write(app, today, &archive).unwrap().unwrap();
            if steps > 1 {
                rotate::cut(app, &written).unwrap();
            }
            if steps > 2 {
                assert_eq!(app.db.drop_rotated(today, 7).unwrap(), 7);
            }
        }
        let beside = Beside { archive: Some(archive.clone()), ..Beside::default() };
        if steps > 0 {
            assert_eq!(verified(&server, &beside).0, Vec::<String>::new(), "{steps}");
        }
        assert_eq!(server.faults(), [], "{steps}");
        let server = {
            let now = server.clock.load(Ordering::Relaxed);
            let data = server.app.folder.clone();
            drop(server);
            let server = Server::open(&data);
            server.clock.store(now, Ordering::Relaxed);
            server
        };
        let done = rotate(&server.app, today, &archive).unwrap();
        assert_eq!(done.rows + done.left, (if steps == 3 { old - 7 } else { old }) as u64, "{steps}");
        assert!(!archive.join("audit.part").exists());
        let (found, _, proof) = verified(&server, &beside);
        assert_eq!((found, proof.archived), (vec![], old as u64), "{steps}");
        assert_eq!(server.faults(), [], "{steps}");
        let kept = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
        assert_eq!(kept[0].seq, all[old].seq, "{steps}");
    }
}

#[test]
fn what_the_audit_says_of_imports_outlives_its_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(Server::open(&data));
    let (mapping, sheet) = (folder.path().join("mapping.toml"), folder.path().join("地址.csv"));
    let table = "[[table]]\nsheet = \"地址\"\ncollection = \"address\"\nkey = \"编号\"\ngrid = \"网格编码\"\n\
                 fixed = { level = \"area\", usage = \"residential\" }\ncolumn = [{ from = \"小区\", to = \"estate\" }]\n";
    fs::write(&mapping, table).unwrap();
    fs::write(&sheet, "编号,网格编码,小区\n1,370212001001001,甲\n").unwrap();
    let import = ["import", "--mapping", mapping.to_str().unwrap(), sheet.to_str().unwrap()];
    let taken = gridpass(&data, &import);
    assert!(taken.status.success(), "{}", told(&taken));
    let listed = || told(&gridpass(&data, &["import", "list"]));
    let before = listed();
    assert!(before.contains("地址.csv") && before.lines().count() == 1, "{before}");
    let server = Server::open(&data);
    server.clock.fetch_add(DAY, Ordering::Relaxed);
    assert!(rotate(&server.app, START_MS + DAY, &folder.path().join("archive")).unwrap().rows > 5);
    assert_eq!(listed(), before);
    // The batch has ended: the same file again is another one.
    let again = gridpass(&data, &import);
    assert!(again.status.success(), "{}", told(&again));
    assert_eq!(listed().lines().count(), 2);
    assert_eq!(server.faults(), []);
}

#[test]
fn altered_rows_are_not_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let (server, mut phone) = busy(&folder.path().join("data"), 3);
    let today = days(&server, &mut phone);
    sql(&server, "UPDATE audit SET at = at + 1 WHERE seq = 4");
    let before = end(&server);
    let refused = rotate(&server.app, today, &archive).unwrap_err().to_string();
    assert!(refused.starts_with("audit 4: ") && refused.contains("nothing was rotated"), "{refused}");
    assert_eq!((end(&server), archives_in(&archive).unwrap().len()), (before, 0));
}

#[test]
fn a_database_of_a_build_before_gets_its_chain_from_the_first_row() {
    let folder = tempfile::tempdir().unwrap();
    let made = {
        let (server, mut phone) = busy(folder.path(), 3);
        days(&server, &mut phone);
        server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap()
    };
    // Back to what the build before had.
    let old = Connection::open(folder.path().join(FILE)).unwrap();
    old.execute_batch(
        "DROP VIEW audited; DROP TABLE audit_cut; DROP TABLE import_said; ALTER TABLE audit RENAME TO newer;
         DROP INDEX audit_object; DROP INDEX audit_subject; DROP INDEX audit_change; DROP INDEX audit_renewed;
         CREATE TABLE audit (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, who INTEGER REFERENCES who (number),
             action TEXT NOT NULL, object BLOB, change INTEGER, detail TEXT NOT NULL) STRICT;
         INSERT INTO audit SELECT seq, at, who, action, object, change, iif(detail = '', '{}', detail) FROM newer;
         DROP TABLE newer;
         CREATE VIEW audited AS SELECT a.seq, a.at FROM audit a;
         DROP TABLE grid_shape; DROP INDEX unit_code; DROP INDEX grid_code; DROP INDEX record_home;
         DELETE FROM meta WHERE key = 'tree_version';
         DROP TRIGGER unit_made; DROP TRIGGER unit_changed; DROP TRIGGER unit_gone;
         DROP TRIGGER grid_made; DROP TRIGGER grid_changed; DROP TRIGGER grid_gone;
         DROP TABLE password; DROP TABLE totp; DROP TABLE recovery_code; DROP TABLE session;
         PRAGMA user_version = 5;",
    )
    .unwrap();
    drop(old);
    fs::remove_file(folder.path().join(SEALS)).unwrap();
    let server = Server::open(folder.path());
    assert_eq!(server.faults(), []);
    let rows = server.app.db.audit_after(&Principal::SERVER, 0, 0, usize::MAX).unwrap();
    let plain = |row: &gridpass_server::db::AuditRow| {
        let detail = row.detail.replace("{}", "");
        gridpass_server::db::AuditRow { chain: [0; 16], detail, ..row.clone() }
    };
    assert_eq!(rows.iter().map(plain).collect::<Vec<_>>(), made.iter().map(plain).collect::<Vec<_>>());
    sql(&server, "UPDATE audit SET at = at + 1 WHERE seq = 1");
    assert_eq!(faults(&server), ["audit 1: it, or the order up to it, was altered"]);
}

#[test]
fn who_has_seen_or_changed_a_person_is_found_whatever_the_act_was_on() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut phone) = busy(folder.path(), 3);
    let (person, clerk) = (record(2), UserId([7; 16]));
    server.app.db.add_user(START_MS, clerk, "clerk", "某").unwrap();
    let mut document = server.document(&phone, person);
    server.clock.fetch_add(3 * DAY, Ordering::Relaxed);
    phone.save(&server, person, &mut document, &[("kind", "single".into())]);
    let opened =
        Audit::of("opened").by(clerk).grant(GrantId([8; 16])).on(&person.0).fields(["id_no"]).reason("核对补贴");
    let exported = Audit::of("exported").by(clerk).on(b"a file").subject(person).reason("报表");
    for audit in [opened, exported, Audit::of("exported").by(clerk).on(b"another").subject(record(3))] {
        server.app.db.audit(server.app.now_ms(), audit).unwrap();
    }
    let list = |filter: &AuditFilter, limit| server.app.db.audit_list(&Principal::SERVER, 0, filter, limit).unwrap();
    let acts = |filter: &AuditFilter| list(filter, 100).into_iter().map(|row| row.action).collect::<Vec<_>>();
    let of_person = AuditFilter { record: Some(person), ..AuditFilter::default() };
    assert_eq!(acts(&of_person), ["exported", "opened", "changed", "created"]);
    assert_eq!(acts(&AuditFilter { user: Some(clerk), ..of_person.clone() }), ["exported", "opened"]);
    assert_eq!(acts(&AuditFilter { action: Some("opened".into()), ..AuditFilter::default() }), ["opened"]);
    assert_eq!(acts(&AuditFilter { user: Some(clerk), ..AuditFilter::default() }), ["exported", "exported", "opened"]);
    let (from, to) = (Some(START_MS + DAY), Some(START_MS + DAY));
    assert_eq!(acts(&AuditFilter { to_ms: to, ..of_person.clone() }), ["created"]);
    assert_eq!(acts(&AuditFilter { from_ms: from, action: Some("changed".into()), ..of_person.clone() }), ["changed"]);
    assert_eq!(acts(&AuditFilter { from_ms: from, ..AuditFilter::default() }).len(), 5, "with the push");
    assert_eq!(acts(&AuditFilter { record: Some(RecordId([9; 16])), ..AuditFilter::default() }), Vec::<String>::new());
    for limit in 1..4 {
        for filter in [AuditFilter::default(), of_person.clone()] {
            let (mut pages, mut filter) = (Vec::new(), filter);
            let all = list(&filter, 1000);
            loop {
                let page = list(&filter, limit);
                let Some(last) = page.last() else { break };
                filter.before = Some(last.seq);
                pages.extend(page);
            }
            assert_eq!(pages, all, "{limit}");
        }
    }
    assert_eq!(server.faults(), []);

    let printed = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let output = gridpass(folder.path(), &[&["audit", "list"], arguments].concat());
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let lines =
        printed(&["--record", &person.to_string(), "--user", "clerk", "--from", "2027-01-18", "--to", "2027-01-18"]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["detail"], serde_json::json!({ "fields": ["id_no"], "reason": "核对补贴" }));
    assert_eq!((&lines[0]["login"], &lines[0]["detail"]["subject"]), (&"clerk".into(), &person.to_string().into()));
    assert_eq!((&lines[1]["grant"], &lines[1]["at"]), (&"08".repeat(16).into(), &"2027-01-18 16:00".into()));
    assert_eq!(printed(&["--to", "2027-01-14"]).len(), 0);
    assert_eq!(printed(&["--limit", "3", "--after", "4"]).len(), 3);
    let refused = gridpass(folder.path(), &["audit", "list", "--user", "nobody"]);
    assert!(told(&refused).contains("user: nobody has this login"), "{}", told(&refused));
}

#[test]
fn the_commands_verify_rotate_and_say_how_far_all_is_certain() {
    let folder = tempfile::tempdir().unwrap();
    let (data, archive) = (folder.path().join("data"), folder.path().join("archive"));
    let (server, mut phone) = busy(&data, 3);
    days(&server, &mut phone);
    drop(server);
    let (archive, run) = (archive.to_str().unwrap(), |arguments: &[&str]| gridpass(&data, arguments));
    let rotated = run(&["audit", "rotate", "--before", "2027-01-18", "--to", archive]);
    assert!(rotated.status.success() && told(&rotated).contains("rows moved into"), "{}", told(&rotated));
    let again = run(&["audit", "rotate", "--before", "2027-01-18", "--to", archive]);
    assert!(again.status.success() && told(&again).contains("no rows before 2027-01-18"), "{}", told(&again));
    let future = run(&["audit", "rotate", "--before", "2099-01-01", "--to", archive]);
    assert!(
        !future.status.success() && told(&future).contains("before: must be today or earlier"),
        "{}",
        told(&future)
    );
    for arguments in [vec!["verify", "--audit", "--archive", archive], vec!["verify", "--audit"], vec!["verify"]] {
        let good = run(&arguments);
        assert!(good.status.success(), "{}", told(&good));
        let says = told(&good);
        assert!(says.contains(", 0 faults") && says.contains("seals stand, the newest of row"), "{says}");
    }
    let connection = Connection::open(data.join(FILE)).unwrap();
    let last: i64 = connection.query_row("SELECT max(seq) FROM audit", [], |row| row.get(0)).unwrap();
    connection.execute("DELETE FROM audit WHERE seq = ?1", [last - 1]).unwrap();
    for arguments in [["verify", "--audit"].as_slice(), &["verify"]] {
        let bad = run(arguments);
        let (says, named) = (told(&bad), format!("audit {}: the row is missing", last - 1));
        assert!(!bad.status.success() && says.contains(&named), "{says}");
        let certain = format!("the rows up to {} are as they were written", last - 2);
        assert_eq!(says.contains(&certain), arguments.len() == 2, "{says}");
    }
}
