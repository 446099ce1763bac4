//! Who asks too often waits, and a full disk is told apart from a defect.

use axum::http::StatusCode;
use gridpass_core::catalog::FileRef;
use gridpass_core::id::{BlobHash, RecordId};
use gridpass_core::record::Document;
use gridpass_core::wire::{self, EnrolRequest, Nonce, PullRequest, PushAnswer, PushRequest};
use gridpass_server::ingest::Slices;
use tokio::task::JoinSet;

use crate::hand::{Hand, Server, accepted, record};
use crate::http::{keep_log, log, post, post_from};

#[tokio::test]
async fn guessing_codes_from_one_address_is_stopped_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let guess = |n: u32| {
        let code = format!("guess {n}");
        wire::pack(&EnrolRequest { code, public_key: vec![1; 32], nonce: Nonce([1; 16]), app_version: "1".into() })
    };
    for n in 0..20 {
        let answer = post(&server, "/sync/v1/enroll", None, guess(n)).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "code_unknown_or_expired"));
    }
    let answer = post(&server, "/sync/v1/enroll", None, guess(20)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    assert!((1..=6).contains(&answer.retry_after.unwrap()), "{answer:?}");
    let other = post_from(&server, "10.0.0.2:40000", "/sync/v1/enroll", None, guess(21)).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_phone_that_runs_wild_waits_and_its_colleague_does_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gridpass.toml"), "pulls_per_minute = 3\npushes_per_minute = 1\n").unwrap();
    let server = Server::open(folder.path());
    let (mut wild, calm) = (server.enrol(1), server.enrol(2));
    let (token, other) = (server.token(&wild), server.token(&calm));
    let pull = || wire::pack(&PullRequest { buckets: Vec::new(), whole: Vec::new() });
    for expected in [[StatusCode::OK; 6].as_slice(), &[StatusCode::TOO_MANY_REQUESTS; 2]].concat() {
        let answer = post(&server, "/sync/v1/pull", Some(&token), pull()).await;
        assert_eq!((answer.status, answer.retry_after.is_some()), (expected, expected != StatusCode::OK));
    }
    assert_eq!(post(&server, "/sync/v1/pull", Some(&other), pull()).await.status, StatusCode::OK);
    for (n, expected) in (0..).zip([StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]) {
        let push = one_item(&server, &mut wild, n, "family");
        assert_eq!(post(&server, "/sync/v1/push", Some(&token), push).await.status, expected);
    }
}

fn one_item(server: &Server, phone: &mut Hand, n: u8, value: &str) -> Vec<u8> {
    let change = phone.change(&mut Document::new(), &[("kind", value.into())]);
    let mut actors = Vec::new();
    let item = phone.item(record(n), &change, server.base(), &mut actors);
    wire::pack(&phone.push(phone.count, actors, vec![item]))
}

/// A push of so many new records, each with as many files as it holds: much to look up and to write for its bytes.
fn heavy(server: &Server, phone: &mut Hand, records: u32) -> PushRequest {
    let mut actors = Vec::new();
    let items = (0..records).map(|n| {
        let files = (0..180u32).map(|file| {
            let hash = BlobHash(*blake3::hash(&[n.to_be_bytes(), file.to_be_bytes()].concat()).as_bytes());
            let pointer = FileRef {
                hash,
                size: 1000,
                media_type: "image/jpeg".into(),
                taken_at_ms: None,
                purpose: None,
                thumb: None,
            };
            (format!("photo/{file:032x}"), pointer.to_value())
        });
        let puts: Vec<(String, gridpass_core::Value)> = files.collect();
        let puts: Vec<_> = puts.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let change = phone.change(&mut Document::new(), &puts);
        let mut item = phone.item(RecordId::derived("heavy", &[&n.to_be_bytes()]), &change, server.base(), &mut actors);
        item.create.as_mut().unwrap().collection = "visit".into();
        item
    });
    let items = items.collect();
    phone.push(1, actors, items)
}

#[test]
fn a_heavy_push_is_written_in_slices_and_a_light_one_comes_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut busy, mut light) = (server.enrol(1), server.enrol(2));
    let request = heavy(&server, &mut busy, 24);
    let mut slices = Slices::new(&server.app, &busy.device, &request).unwrap();
    assert!(slices.step().unwrap(), "there is more than one slice");
    let between = light.save(&server, record(1), &mut Document::new(), &[("kind", "family".into())]);
    let mut more = 1;
    while slices.step().unwrap() {
        more += 1;
    }
    assert!(more >= 4, "one slice is at most a fifth of the heaviest push");
    let answer = slices.answer().unwrap();
    assert_eq!((accepted(&answer), accepted(&between)), (24, 1));
    let rows: Vec<u64> = answer.sheet.unwrap().receipts.iter().map(|receipt| receipt.log_seq).collect();
    let row = between.sheet.unwrap().receipts[0].log_seq;
    assert!(rows.iter().any(|own| *own < row) && rows.iter().filter(|own| **own > row).count() > 12, "{row} {rows:?}");
    assert_eq!(server.faults(), []);
}

#[test]
fn what_a_phone_saves_in_a_day_is_one_slice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let mut actors = Vec::new();
    let items: Vec<_> = (0..250u32)
        .map(|n| {
            let change = phone.change(&mut Document::new(), &[("kind", "family".into())]);
            phone.count = 0;
            phone.item(RecordId::derived("day", &[&n.to_be_bytes()]), &change, server.base(), &mut actors)
        })
        .collect();
    let request = phone.push(1, actors, items);
    let mut slices = Slices::new(&server.app, &phone.device, &request).unwrap();
    assert!(!slices.step().unwrap(), "nothing is left after the first");
    assert_eq!(accepted(&slices.answer().unwrap()), 250);
}

#[tokio::test]
async fn one_push_of_a_phone_is_taken_in_at_a_time_four_wait_and_its_colleague_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = std::sync::Arc::new(Server::open(folder.path()));
    let (mut wild, mut calm) = (server.enrol(1), server.enrol(2));
    let (token, other) = (server.token(&wild), server.token(&calm));
    let push = one_item(&server, &mut wild, 0, "family");
    let turn = server.app.turns.take(wild.device.id).await.unwrap();
    let mut pushes = JoinSet::new();
    for _ in 0..5 {
        let (server, token, push) = (server.clone(), token.clone(), push.clone());
        pushes.spawn(async move { post(&server, "/sync/v1/push", Some(&token), push).await });
    }
    let first = pushes.join_next().await.unwrap().unwrap();
    assert_eq!((first.status, first.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"), "the others wait");
    let calm = one_item(&server, &mut calm, 1, "family");
    assert_eq!(post(&server, "/sync/v1/push", Some(&other), calm).await.status, StatusCode::OK);
    assert!(pushes.try_join_next().is_none());
    drop(turn);
    let mut receipts = Vec::new();
    while let Some(answer) = pushes.join_next().await {
        let answer: PushAnswer = wire::unpack(&answer.unwrap().body, 1 << 20).unwrap();
        receipts.push(answer.sheet.unwrap().receipts);
    }
    assert_eq!(receipts.len(), 4);
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]), "the same push gets the same receipt");
}

#[tokio::test]
async fn a_full_disk_is_told_writes_nothing_and_heals() {
    keep_log();
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("gridpass.toml");
    std::fs::write(&settings, "max_database_mb = 1\n").unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let token = server.token(&phone);
    let good = one_item(&server, &mut phone, 0, "family");
    // Items that are refused are kept whole: they fill what is left.
    let long = "long ".repeat(6_000);
    let mut rounds = 0..50;
    let full = loop {
        let n = rounds.next().expect("one megabyte is full at last");
        let answer = post(&server, "/sync/v1/push", Some(&token), one_item(&server, &mut phone, 100 + n, &long)).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
    };
    assert_eq!((full.status, full.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "storage"));
    assert!(log().contains("the disk refuses while committing"), "the log names the step");
    assert_eq!(server.faults(), [], "nothing of it was written");
    let read = wire::pack(&PullRequest { buckets: Vec::new(), whole: Vec::new() });
    drop(server);

    std::fs::write(&settings, "").unwrap();
    let server = Server::open(folder.path());
    assert_eq!(post(&server, "/sync/v1/pull", Some(&token), read).await.status, StatusCode::OK);
    let answer = post(&server, "/sync/v1/push", Some(&token), good).await;
    let answer: PushAnswer = wire::unpack(&answer.body, 1 << 20).unwrap();
    assert_eq!(accepted(&answer), 1, "there is room again");
    assert_eq!(server.faults(), []);
}
