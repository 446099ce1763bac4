//! What phones get.

use std::sync::atomic::Ordering;

use gridpass_core::record::{Document, checksum};
use gridpass_core::wire::{self, BucketCursor, BucketPage, Closing, Pack, RowKind};
use gridpass_server::org::Node;
use gridpass_server::pull;

use crate::hand::{START_MS, Server, cursor, record};

#[test]
fn packs_and_then_rows_add_up_to_the_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut documents: Vec<Document> = (0..20).map(|_| Document::new()).collect();
    for (n, document) in (0..).zip(&mut documents) {
        phone.save(&server, record(n), document, &[("kind", "family".into())]);
    }
    let granted = phone.start(&server);
    let mut held = std::collections::BTreeMap::new();
    for pack in &granted.packs {
        let bytes = pull::pack(&server.app, &phone.device, pack.hash).unwrap();
        assert_eq!(blake3::hash(&bytes).as_bytes(), &pack.hash.0);
        let pack: Pack = wire::unpack(&bytes, 8 << 20).unwrap();
        held.extend(pack.records.into_iter().map(|touched| (touched.record, (touched.generation, touched.heads))));
    }
    assert_eq!(held.len(), 20);
    phone.save(&server, record(3), &mut documents[3], &[("kind", "single".into())]);
    phone.save(&server, record(3), &mut documents[3], &[("kind", "shared".into())]);
    phone.save(&server, record(40), &mut Document::new(), &[("kind", "single".into())]);

    let answer = phone.pull(&server, vec![cursor(granted.number, granted.as_of)]);
    let page = &answer.pages[0];
    let rows = page.rows.as_ref().unwrap();
    assert_eq!(rows.iter().map(|row| row.kind).collect::<Vec<_>>(), [RowKind::CHANGE, RowKind::PUT]);
    assert_eq!(rows[0].touched.as_ref().unwrap().changes.len(), 2, "every touched record once, with all that is new");
    held.extend(
        rows.iter()
            .filter_map(|row| row.touched.as_ref())
            .map(|touched| (touched.record, (touched.generation, touched.heads.clone()))),
    );
    let sum =
        held.iter().fold(0u64, |sum, (id, (generation, heads))| sum.wrapping_add(checksum(*id, *generation, heads)));
    let to = page.to.unwrap();
    assert_eq!((page.more, to.log_seq, to.checksum), (false, 23, sum));
}

#[test]
fn packs_stay_while_little_comes_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let first = phone.start(&server);
    let mut other = Document::new();
    for kind in ["single", "shared"].into_iter().cycle().take(200) {
        phone.save(&server, record(2), &mut other, &[("kind", kind.into())]);
    }
    assert_eq!(phone.start(&server).packs, first.packs, "a phone that was told of them can still ask for them");
    assert!(pull::pack(&server.app, &phone.device, first.packs[0].hash).is_ok());
    phone.save(&server, record(2), &mut other, &[("kind", "family".into())]);
    assert_ne!(phone.start(&server).packs, first.packs);
}

#[test]
fn nothing_new_is_one_small_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let granted = phone.pull(&server, Vec::new()).granted.unwrap();
    let cursors: Vec<_> = granted.iter().map(|granted| cursor(granted.number, granted.as_of)).collect();
    let answer = phone.pull(&server, cursors.clone());
    assert!(answer.granted.is_none() && answer.removed.is_none());
    assert_eq!(answer.pages.len(), cursors.len());
    assert!(answer.pages.iter().all(|page| matches!(page, BucketPage { to: None, rows: None, more: false, .. })));
    assert!(wire::encode(&answer).len() <= 60 + 40 * cursors.len());
}

#[test]
fn a_cursor_that_is_no_place_in_the_log_starts_the_bucket_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let granted = phone.start(&server);
    let mut ahead = granted.as_of;
    ahead.log_seq += 1;
    let mut other_epoch = granted.as_of;
    other_epoch.epoch ^= 1;
    let mut other_sum = granted.as_of;
    other_sum.checksum ^= 1;
    for stale in [ahead, other_epoch, other_sum] {
        let answer = phone.pull(&server, vec![cursor(granted.number, stale)]);
        let again = answer.granted.unwrap();
        assert!(again.iter().any(|again| again.bucket == server.base() && again.as_of == granted.as_of));
    }
    assert_eq!(phone.pull(&server, vec![cursor(999, granted.as_of)]).removed, Some(vec![999]));
}

#[test]
fn nobody_reads_what_no_assignment_lets_him() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut two) = (server.enrol(1), server.enrol(2));
    one.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let granted = one.start(&server);
    two.device.user = gridpass_core::id::UserId([77; 16]);
    let answer = two.pull(&server, vec![cursor(granted.number, granted.as_of)]);
    assert_eq!(answer.removed, Some(vec![granted.number]));
    let asked = wire::PullRequest { buckets: Vec::new(), whole: vec![record(1)] };
    assert_eq!(pull::pull(&server.app, &two.device, &asked).unwrap().whole, Some(vec![]));
    assert!(pull::pack(&server.app, &two.device, granted.packs[0].hash).is_err());
}

#[test]
fn a_bucket_whose_scope_ended_closes_while_work_waits_and_is_gone_after_it_or_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    phone.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let granted = phone.start(&server);
    let ended = server
        .app
        .db
        .end_assignments(START_MS + 1000, phone.device.user, Node::Grid(server.grid), START_MS + 1000)
        .unwrap();
    assert_eq!(ended, 1);
    let until_ms = START_MS + 1000 + server.app.limits.grace_ms;
    let asked = |pending| vec![BucketCursor { bucket: granted.number, cursor: granted.as_of, pending }];
    let at = |now_ms, pending| {
        server.clock.store(now_ms, Ordering::Relaxed);
        let answer = phone.pull(&server, asked(pending));
        assert!(answer.pages.is_empty(), "nothing more is sent");
        (answer.closing, answer.removed)
    };
    let number = granted.number;
    assert_eq!(at(START_MS + 2000, 2), (Some(vec![Closing { number, until_ms }]), None));
    assert_eq!(at(START_MS + 2000, 0), (None, Some(vec![number])));
    assert_eq!(at(until_ms + 1, 2), (None, Some(vec![number])));
}
