//! What IT watches: true figures, and no label that a request could have chosen.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use gridpass_core::record::Document;
use gridpass_core::wire::{self, PullRequest};
use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::metrics::{self, ROUTES, STATUSES, scrape};

use crate::hand::{START_MS, Server, record};
use crate::http::{post, send};

/// The value of a sample, by its name with labels as they are printed.
pub fn sample(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// All (label, value) of a scrape.
fn labels(text: &str) -> BTreeSet<(String, String)> {
    let sets = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (_, rest) = line.split_once('{')?;
        Some(rest.rsplit_once('}').unwrap().0)
    });
    let pairs = sets.flat_map(|set| set.split(',')).map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned())).collect()
}

#[tokio::test]
async fn requests_pushes_and_pulls_are_counted_by_words_that_no_request_can_choose() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let token = server.token(&phone);
    let mut hand_in = |puts: &[(&str, gridpass_core::Value)], n| {
        let change = phone.change(&mut Document::new(), puts);
        let mut actors = Vec::new();
        let item = phone.item(record(n), &change, server.base(), &mut actors);
        wire::pack(&phone.push(phone.count, actors, vec![item]))
    };
    let (good, bad) = (hand_in(&[("kind", "family".into())], 1), hand_in(&[("欧阳金丝雀", 1.into())], 2));
    for push in [good.clone(), good, bad] {
        assert_eq!(post(&server, "/sync/v1/push", Some(&token), push).await.status, StatusCode::OK);
    }
    let whole = wire::pack(&PullRequest { buckets: Vec::new(), whole: vec![record(1)] });
    assert_eq!(post(&server, "/sync/v1/pull", Some(&token), whole).await.status, StatusCode::OK);
    for path in ["/sync/v1/欧阳金丝雀", "/370212199902309991", "/sync/v1/packs/19900007654?q=canary", "/metrics"] {
        let path: String =
            path.chars().map(|c| if c.is_ascii() { c.to_string() } else { "%E6%AC%A7".into() }).collect();
        for method in [Method::GET, Method::POST, Method::from_bytes(b"CANARY").unwrap()] {
            let request = Request::builder().method(method).uri(&path).header(header::USER_AGENT, "canary");
            let answer = send(&server, request.body(Body::from("canary")).unwrap()).await;
            assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        }
    }
    let text = scrape(&server.app).unwrap();

    let push = "route=\"/sync/v1/push\"";
    assert_eq!(sample(&text, &format!("gridpass_requests_total{{{push},status=\"200\"}}")), 3.0);
    assert_eq!(sample(&text, &format!("gridpass_request_seconds_count{{{push}}}")), 3.0);
    assert!(sample(&text, &format!("gridpass_request_bytes_total{{{push}}}")) > 100.0);
    assert!(sample(&text, &format!("gridpass_response_bytes_total{{{push}}}")) > 100.0);
    assert_eq!(sample(&text, "gridpass_requests_total{route=\"other\",status=\"404\"}"), 9.0);
    for (verdict, count) in [("accepted", 1.0), ("duplicate", 1.0), ("rejected", 1.0)] {
        assert_eq!(sample(&text, &format!("gridpass_push_items_total{{verdict=\"{verdict}\"}}")), count, "{verdict}");
    }
    assert_eq!(sample(&text, "gridpass_pull_rows_total"), 1.0);
    assert_eq!(sample(&text, "gridpass_quarantine_open"), 1.0);
    assert_eq!(sample(&text, "gridpass_devices{state=\"active\",contact=\"day\"}"), 1.0);
    assert_eq!(sample(&text, "gridpass_grants"), 1.0);
    assert_eq!(sample(&text, "gridpass_writer_jobs_waiting"), 0.0);
    assert!(sample(&text, "gridpass_commit_seconds_count") >= 3.0);
    for positive in ["database_bytes", "disk_free_bytes", "memory_bytes", "open_files", "epoch"] {
        assert!(sample(&text, &format!("gridpass_{positive}")) > 0.0, "{positive}");
    }

    let words = "accepted duplicate rejected blocked_by missing stale_generation actor_fork running waiting active \
                 revoked day week month older conflict reopened end_against_edit confirmed_other_value other +Inf";
    let closed: BTreeSet<&str> = words.split(' ').chain(ROUTES).chain(STATUSES).collect();
    for (label, value) in labels(&text) {
        let known = closed.contains(value.as_str())
            || (label == "le" && value.parse::<f64>().is_ok())
            || (label == "version" && value == env!("CARGO_PKG_VERSION"));
        assert!(known, "{label}={value}");
    }
    assert!(labels(&text).len() > 30, "labels were read");
}

#[tokio::test]
async fn every_route_of_the_router_has_its_label() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let source = include_str!("../../src/router.rs");
    let routes: BTreeSet<&str> = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    // Those of the API are held against its description by `api`.
    assert_eq!(routes, ROUTES.into_iter().filter(|route| !route.starts_with("/api/")).collect());
    for route in ROUTES {
        let request = Request::get(route.replace("{hash}", "00").replace("{id}", "00")).body(Body::empty()).unwrap();
        send(&server, request).await;
        let text = scrape(&server.app).unwrap();
        assert!(sample(&text, &format!("gridpass_request_seconds_count{{route=\"{route}\"}}")) > 0.0);
    }
}

#[tokio::test]
async fn a_backup_that_counts_is_seen_and_its_time_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    let last = |server: &Server| sample(&scrape(&server.app).unwrap(), "gridpass_last_backup_timestamp_seconds");
    assert_eq!(last(&server), 0.0);
    let passphrase = Passphrase::new("correct horse battery").unwrap();
    backup(&server.app, &data, &folder.path().join("b"), &passphrase, &mut |fault| panic!("{fault:?}")).unwrap();
    assert_eq!(last(&server), (START_MS / 1000) as f64);
    drop(server);
    assert_eq!(last(&Server::open(&data)), (START_MS / 1000) as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_served_on_a_port_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let listening = metrics::listen(server.app.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listening.address;
    let get = |path: &'static str| {
        tokio::task::spawn_blocking(move || {
            let mut line = TcpStream::connect(address).unwrap();
            write!(line, "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            line.read_to_string(&mut answer).unwrap();
            answer
        })
    };
    let text = get("/metrics").await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK") && text.contains("openmetrics-text") && text.contains("# EOF"),
        "{text}"
    );
    for path in ["/health/live", "/health/ready"] {
        assert!(get(path).await.unwrap().ends_with("ok"));
    }
    assert!(get("/sync/v1/events").await.unwrap().starts_with("HTTP/1.1 404"), "phones have their own port");
    listening.stop();
}

#[test]
fn a_wrong_address_or_log_filter_stops_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        std::fs::write(folder.path().join("gridpass.toml"), text).unwrap();
        gridpass_server::config::Config::read(folder.path())
    };
    for (text, named) in [
        ("metrics_listen = \"9443\"", "metrics_listen: must be an address with a port"),
        ("log = \"gridpass=loud\"", "log: must be error, warn, info, debug or trace"),
    ] {
        let refused = read(text).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
    assert_eq!(read("metrics_listen = \"\"").unwrap().metrics_address().unwrap(), None);
    assert!(read("log = \"warn,gridpass_server=debug\"").is_ok());
    assert_eq!(read("").unwrap().metrics_address().unwrap(), Some("127.0.0.1:9443".parse().unwrap()));
}
