//! What a phone hears while it listens. Time is tokio's own and stands still while nobody waits.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode, header};
use futures_util::StreamExt;
use gridpass_core::catalog::CatalogSource;
use gridpass_core::id::GridId;
use gridpass_core::record::Document;
use gridpass_server::router::router;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::hand::{Hand, Server, record};

async fn listen(server: &Server, token: &str) -> (StatusCode, BodyDataStream) {
    let request = Request::get("/sync/v1/events").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = router(server.app.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (answer.status(), answer.into_body().into_data_stream())
}

async fn heard(stream: &mut BodyDataStream) -> Option<String> {
    Some(String::from_utf8(stream.next().await?.unwrap().to_vec()).unwrap())
}

fn save(server: &Server, phone: &mut Hand, n: u8) {
    phone.save(server, record(n), &mut Document::new(), &[("kind", "family".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_phone_hears_of_its_buckets_once_whatever_happened_and_not_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (mut one, mut two) = (server.enrol(1), server.enrol(2));
    let (status, mut stream) = listen(&server, &server.token(&one)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(heard(&mut stream).await.unwrap(), ": listening\n\n");

    for n in 0..20 {
        save(&server, &mut two, n);
    }
    let base = server.base().to_string();
    assert_eq!(heard(&mut stream).await.unwrap(), format!("event: advanced\ndata: {base}\n\n"), "twenty in one");
    let before = Instant::now();
    save(&server, &mut one, 30);
    let next = server.app.newest_catalog().succeed([("texts.toml".to_owned(), texts())]);
    server.app.publish(&next).unwrap();
    let news = heard(&mut stream).await.unwrap();
    let named: BTreeSet<&str> = news.trim().rsplit_once("data: ").unwrap().1.split(' ').collect();
    assert_eq!(named, [base.as_str(), "district"].into(), "both in one");
    assert!(before.elapsed() >= Duration::from_millis(900), "not more than one a second: {:?}", before.elapsed());

    // A row of a grid that is not the phone's: nothing but the heartbeat.
    let elsewhere = Server { app: server.app.clone(), clock: server.clock.clone(), grid: GridId([9; 16]) };
    let mut three = elsewhere.enrol(3);
    save(&elsewhere, &mut three, 40);
    assert_eq!(three.start(&elsewhere).as_of.log_seq, 1);
    let before = Instant::now();
    assert_eq!(heard(&mut stream).await.unwrap(), ": \n\n");
    assert!((25..27).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

/// A file of the built-in catalog with one more line.
fn texts() -> String {
    let files = CatalogSource::built_in().files;
    files.into_iter().find(|(name, _)| name == "texts.toml").map(|(_, text)| format!("{text}\n# more\n")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn rows_of_another_process_are_heard_with_the_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let one = server.enrol(1);
    let (_, mut stream) = listen(&server, &server.token(&one)).await;
    heard(&mut stream).await.unwrap();
    let other = Server::open(folder.path());
    other.app.publish(&other.app.newest_catalog().succeed([("texts.toml".to_owned(), texts())])).unwrap();
    assert_eq!(heard(&mut stream).await.unwrap(), "event: advanced\ndata: district\n\n");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_phone_hears_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let (one, mut two) = (server.enrol(1), server.enrol(2));
    assert_eq!(listen(&server, "no token").await.0, StatusCode::UNAUTHORIZED);
    let token = server.token(&one);
    let (_, mut stream) = listen(&server, &token).await;
    heard(&mut stream).await.unwrap();
    let (_, mut quiet) = listen(&server, &token).await;
    heard(&mut quiet).await.unwrap();
    server.app.db.revoke(server.app.now_ms(), one.device.id).unwrap();
    assert_eq!(heard(&mut quiet).await, None, "ends with the heartbeat");
    save(&server, &mut two, 1);
    assert_eq!(heard(&mut stream).await, None, "ends with the first news");
}
