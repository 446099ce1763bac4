//! Older copies put in place of the database.

use gridpass_core::record::Document;

use crate::hand::{Server, cursor, record};

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
    std::fs::copy(&copy, &database).unwrap();
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
        std::fs::copy(&copy, &database).unwrap();
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 3);
}
