//! Who asks too often waits, and a full disk is told apart from a defect.

use axum::http::StatusCode;
use gridpass_core::record::Document;
use gridpass_core::wire::{self, EnrolRequest, Nonce, PullRequest, PushAnswer};

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
