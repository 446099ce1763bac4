//! Older copies put in place of the database.

use std::fs;
use std::path::Path;

use gridpass_core::record::Document;

use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::restore::{Allowed, restore};

use crate::hand::{START_MS, Server, cursor, record};

#[test]
fn an_older_copy_of_the_file_begins_a_new_epoch_and_phones_start_again() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("yesterday");
    let database = folder.path().join("gridpass.sqlite");
    let (cursor_before, number) = {
        let server = Server::open(folder.path());
        let mut phone = server.enrol(1);
        let mut document = Document::new();
        phone.save(&server, record(1), &mut document, &[("kind", "family".into())]);
        server.app.db.backup(&copy).unwrap();
        phone.save(&server, record(1), &mut document, &[("kind", "single".into())]);
        let granted = phone.start(&server);
        (granted.as_of, granted.number)
    };
    fs::copy(&copy, &database).unwrap();
    let server = Server::open(folder.path());
    let device = gridpass_core::id::DeviceId([1; 16]);
    assert_ne!(server.app.db.epoch(), cursor_before.epoch);
    let device = server.app.db.device(&gridpass_server::db::Principal::SERVER, 0, device).unwrap().unwrap();
    let request = gridpass_core::wire::PullRequest { buckets: vec![cursor(number, cursor_before)], whole: Vec::new() };
    let answer = gridpass_server::pull::pull(&server.app, &device, &request).unwrap();
    assert!(answer.granted.unwrap().iter().any(|granted| granted.number == number));
    assert_eq!(server.faults(), []);
}

#[test]
fn the_same_file_opened_again_keeps_its_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let epoch = {
        let server = Server::open(folder.path());
        let mut phone = server.enrol(1);
        phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
        server.app.db.epoch()
    };
    assert_eq!(Server::open(folder.path()).app.db.epoch(), epoch);
}

#[test]
fn a_copy_from_before_an_earlier_restore_begins_a_new_epoch_too() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("yesterday");
    let database = folder.path().join("gridpass.sqlite");
    let mut epochs = Vec::new();
    for _ in 0..3 {
        let server = Server::open(folder.path());
        epochs.push(server.app.db.epoch());
        if !copy.exists() {
            server.app.db.backup(&copy).unwrap();
        }
        let mut phone = server.enrol(1);
        phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
        drop(server);
        fs::copy(&copy, &database).unwrap();
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
}

#[test]
fn phones_learn_what_a_backup_holds_and_nobody_comes_in_with_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(&folder.path().join("data"));
    let mut phone = server.enrol(1);
    let mut document = Document::new();
    phone.save(&server, record(1), &mut document, &[("kind", "family".into())]);
    let granted = phone.start(&server);
    let durable = |server: &Server| {
        let answer = phone.pull(server, vec![cursor(granted.number, granted.as_of)]);
        answer.pages[0].durable_seq
    };
    assert_eq!(durable(&server), 0);
    let (app, token) = (&server.app, [5; 32]);
    app.db.add_challenge(START_MS, phone.device.id, [4; 32], START_MS + 1000).unwrap();
    assert!(app.db.take_challenge(START_MS, phone.device.id, &[4; 32], token, START_MS + 1000, &[], "test").unwrap());

    let (passphrase, to) = (Passphrase::new("correct horse battery").unwrap(), folder.path().join("backup"));
    backup(app, &folder.path().join("data"), &to, &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
    assert_eq!(durable(&server), 1);
    assert!(app.db.device_by_token(START_MS, token).unwrap().is_some(), "the living server keeps them");
    let again = backup(app, &folder.path().join("data"), &to, &passphrase, &mut |_| {}).unwrap_err();
    assert!(again.to_string().ends_with("is not empty; name a folder that is not there yet"), "{again}");

    let clock = |last| gridpass_server::clock::Clock::new(last, || START_MS);
    let restored = folder.path().join("restored");
    restore(&restored, &to, Allowed::default(), Some(&passphrase), clock, &mut |fault| panic!("{fault:?}")).unwrap();
    let restored = Server::open(&restored);
    assert!(restored.app.db.device_by_token(START_MS, token).unwrap().is_none());
    assert_eq!(restored.app.keys.tls_pin, app.keys.tls_pin);
}

#[test]
fn a_copy_with_a_fault_does_not_count_as_a_backup_and_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    server.enrol(1).save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let (passphrase, to) = (Passphrase::new("correct horse battery").unwrap(), folder.path().join("backup"));
    backup(&server.app, &data, &to, &passphrase, &mut |_| {}).unwrap();
    let connection = rusqlite::Connection::open(data.join("gridpass.sqlite")).unwrap();
    let durable =
        || connection.query_row("SELECT sum(durable_seq) FROM bucket", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = durable();
    connection
        .execute_batch("UPDATE record SET shown = x'a0' WHERE fmt = 1; UPDATE bucket SET durable_seq = 0")
        .unwrap();
    let mut faults = 0;
    let refused =
        backup(&server.app, &data, &folder.path().join("bad"), &passphrase, &mut |_| faults += 1).unwrap_err();
    assert_eq!((faults, durable(), before), (1, 0, 2));
    assert!(refused.to_string().contains("1 faults"), "{refused}");

    let clock = |last| gridpass_server::clock::Clock::new(last, || START_MS);
    let empty = folder.path().join("empty");
    let refused =
        restore(&empty, &folder.path().join("bad"), Allowed::default(), Some(&passphrase), clock, &mut |_| {})
            .unwrap_err();
    assert!(refused.to_string().contains("1 faults"), "{refused}");
    assert!(!empty.join("gridpass.sqlite").exists());
}

type Damage = Box<dyn Fn(&Path)>;

#[test]
fn a_backup_that_was_cut_short_is_refused_with_what_is_wrong_and_nothing_is_put_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    server.enrol(1).save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    let cut = |name: &str, to: u64| {
        let name = name.to_owned();
        move |backup: &Path| fs::OpenOptions::new().write(true).open(backup.join(&name)).unwrap().set_len(to).unwrap()
    };
    let gone = |name: &str| {
        let name = name.to_owned();
        move |backup: &Path| fs::remove_file(backup.join(&name)).unwrap()
    };
    let altered = |backup: &Path| {
        let mut bytes = fs::read(backup.join("gridpass.sqlite")).unwrap();
        let last = bytes.len() - 100;
        bytes[last] ^= 1;
        fs::write(backup.join("gridpass.sqlite"), bytes).unwrap();
    };
    let of_another = |backup: &Path| {
        fs::write(backup.join("backup.toml"), "version = \"0.1.0\"\nmade_ms = 1\npart = []\nfiles = []\n").unwrap();
    };
    let with_its_log = |backup: &Path| fs::write(backup.join("gridpass.sqlite-wal"), b"log").unwrap();
    let cases: [(&str, Damage, &str); 10] = [
        ("database cut", Box::new(cut("gridpass.sqlite", 8192)), "gridpass.sqlite has 8192 of "),
        ("database empty", Box::new(cut("gridpass.sqlite", 0)), "gridpass.sqlite has 0 of "),
        ("database gone", Box::new(gone("gridpass.sqlite")), "gridpass.sqlite is missing"),
        ("database altered", Box::new(altered), "gridpass.sqlite was altered"),
        ("keys gone", Box::new(gone("keys.sealed")), "keys.sealed is missing"),
        ("keys cut", Box::new(cut("keys.sealed", 20)), "keys.sealed has 20 of "),
        ("never finished", Box::new(gone("backup.toml")), "has no readable backup.toml"),
        ("note cut", Box::new(cut("backup.toml", 30)), "has no readable backup.toml"),
        ("another's note", Box::new(of_another), "backup.toml does not name gridpass.sqlite"),
        ("a server's folder", Box::new(with_its_log), "has a write-ahead log beside it"),
    ];
    for (n, (what, damage, said)) in cases.into_iter().enumerate() {
        let (to, place) = (folder.path().join(format!("backup{n}")), folder.path().join(format!("place{n}")));
        backup(&server.app, &data, &to, &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
        damage(&to);
        let clock = |last| gridpass_server::clock::Clock::new(last, || START_MS);
        let refused = restore(&place, &to, Allowed::default(), Some(&passphrase), clock, &mut |_| {}).unwrap_err();
        assert!(refused.to_string().contains(said), "{what}: {refused}");
        assert!(!place.exists(), "{what}");
    }
}
