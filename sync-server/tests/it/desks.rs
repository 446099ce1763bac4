//! Desks at the API: who sees what waits, what may be said of it, and who is refused.

use std::path::Path;
use std::sync::atomic::Ordering;

use axum::http::{Method, StatusCode};
use gridpass_core::codes::Date;
use gridpass_core::id::UserId;
use gridpass_core::record::Document;
use gridpass_core::wire::Create;
use gridpass_server::app::App;
use gridpass_server::auth::assign::{NewAssignment, assign};
use gridpass_server::db::{Duty, Principal};
use gridpass_server::import::tree::{TreeOptions, tree};
use gridpass_server::ingest;
use gridpass_server::org::acts;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::hand::{Hand, START_MS, Server, accepted, record};
use crate::http::Answer;
use crate::people::{Carried, GOOD, call, call_with, json_of, settled};

const DAY: i64 = 86_400_000;
const HERE: &str = "370212001001";
const ELSEWHERE: &str = "370212001002";

/// A server whose grid stands under one of two communities, and `li` who is signed in and serves nowhere.
async fn office(folder: &Path) -> (Server, Carried, UserId) {
    let (server, _) = settled(folder).await;
    let sheet = folder.join("网格.csv");
    let rows = "级别,编码,名称,上级编码\n区,370212,崂山区,\n街道,370212001,中韩街道,370212\n\
                社区,370212001001,甲社区,370212001\n社区,370212001002,乙社区,370212001\n";
    std::fs::write(&sheet, rows).unwrap();
    tree(&server.app, &sheet, TreeOptions::default(), &mut |problem| panic!("{problem:?}")).unwrap();
    assert!(acts::move_to(&server.app, "370212001001001", HERE, Date::in_china(START_MS + DAY)).unwrap());
    server.clock.fetch_add(DAY, Ordering::Relaxed);
    let body = json!({ "login": "li", "password": GOOD, "carry": "bearer" });
    let signed = call(&server, &Carried::Not, Method::POST, "/session", Some(body)).await;
    let token = json_of(&signed)["token"].as_str().unwrap().to_owned();
    let li = server.app.db.user_by_login(&Principal::SERVER, server.app.now_ms(), "li").unwrap().unwrap();
    (server, Carried::Bearer(token), li)
}

fn serves(app: &App, user: UserId, role: &str, place: &str) {
    let tree = app.tree().unwrap();
    let found = tree.at(app.now_ms()).find(place).unwrap();
    let (post, kind) = (found.node, found.kind.clone());
    let (role, duty, from_ms) = (role.into(), Duty::Primary, app.now_ms());
    assign(app, NewAssignment { user, post, kind, role, duty, from_ms, to_ms: None }).unwrap();
}

/// A phone makes or changes a house in its grid.
fn save(server: &Server, phone: &mut Hand, document: &mut Document, puts: &[(&str, gridpass_core::Value)]) {
    let change = phone.change(document, puts);
    let mut actors = Vec::new();
    let mut item = phone.item(record(1), &change, server.base(), &mut actors);
    item.create = Some(Create { collection: "house".into(), home: server.base() });
    let answer = ingest::push(&server.app, &phone.device, &phone.push(phone.count, actors, vec![item])).unwrap();
    assert_eq!(accepted(&answer), 1, "{answer:?}");
}

async fn get(server: &Server, session: &Carried, path: &str) -> Answer {
    call(server, session, Method::GET, path, None).await
}

/// Says something over what was looked at.
async fn say(server: &Server, session: &Carried, path: &str, over: &str, body: Value) -> Answer {
    let over = if over.is_empty() { Vec::new() } else { vec![("if-match", over)] };
    call_with(server, session, Method::POST, path, Some(body), &over).await
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    json_of(answer)["items"].as_array().unwrap().clone()
}

fn refusals(folder: &Path) -> i64 {
    let connection = Connection::open(folder.join("gridpass.sqlite")).unwrap();
    connection.query_row("SELECT count(*) FROM audit WHERE action = 'refused'", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_supervisor_returns_a_field_and_approves_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session, li) = office(folder.path()).await;
    serves(&server.app, li, "supervisor", HERE);
    let (mut phone, mut document) = (server.enrol(1), Document::new());
    save(&server, &mut phone, &mut document, &[("nature", "rented".into())]);

    let [item] = &items(&get(&server, &session, "/reviews").await)[..] else { panic!() };
    assert_eq!((&item["state"], &item["occasions"][0]["on"]), (&json!("waits"), &json!("new")));
    let path = format!("/reviews/{}", record(1));
    let looked = get(&server, &session, &path).await;
    let (etag, shown) = (looked.header("etag"), json_of(&looked));
    assert_eq!(shown["fields"][0], json!({ "key": "nature", "value": "rented", "masked": false, "mark": null }));

    let decision = format!("{path}/decision");
    let returned = json!({ "decision": "return", "reasons": { "nature": "请核对使用性质" }, "due": "2027-02-01" });
    for (over, body, status, code, field) in [
        ("", returned.clone(), 428, "if_match", "If-Match"),
        ("\"other\"", returned.clone(), 412, "stale", "If-Match"),
        (&etag, json!({ "decision": "return" }), 400, "missing", "reasons"),
        (&etag, json!({ "decision": "return", "reasons": { "shoes": "x" } }), 400, "unknown_key", "reasons.shoes"),
        (&etag, json!({ "decision": "return", "reasons": { "nature": "" } }), 400, "missing", "reasons.nature"),
        (&etag, json!({ "decision": "return", "reasons": { "nature": 5 } }), 400, "wrong_type", "reasons.nature"),
        (&etag, json!({ "decision": "approve", "reasons": { "nature": "x" } }), 400, "unknown_field", "reasons"),
        (&etag, json!({ "decision": "burn" }), 400, "not_in_list", "decision"),
        (&etag, json!({ "decision": "approve", "due": "tomorrow" }), 400, "wrong_type", "due"),
    ] {
        let answer = say(&server, &session, &decision, over, body).await;
        let told = json_of(&answer);
        assert_eq!((answer.status.as_u16(), &told["code"], &told["field"]), (status, &json!(code), &json!(field)));
    }
    assert_eq!(say(&server, &session, &decision, &etag, returned).await.status, StatusCode::NO_CONTENT);
    assert_eq!(items(&get(&server, &session, "/reviews").await), Vec::<Value>::new());
    assert_eq!(items(&get(&server, &session, "/reviews?state=returned").await)[0]["due"], json!("2027-02-01"));
    let mark = server.shown(&phone, record(1), "s/r/nature");
    assert!(mark[0].as_str().unwrap().contains("请核对使用性质"), "{mark:?}");

    document = server.document(&phone, record(1));
    save(&server, &mut phone, &mut document, &[("nature", "vacant".into())]);
    assert_eq!(items(&get(&server, &session, "/reviews").await)[0]["state"], json!("answered"));
    let stale = say(&server, &session, &decision, &etag, json!({ "decision": "approve" })).await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::PRECONDITION_FAILED, "stale"));
    let now = stale.header("etag");
    assert_eq!(get(&server, &session, &path).await.header("etag"), now, "the refusal says as what it stands");
    let approved = say(&server, &session, &decision, &now, json!({ "decision": "approve" })).await;
    assert_eq!(approved.status, StatusCode::NO_CONTENT);
    assert_eq!(items(&get(&server, &session, "/reviews").await), Vec::<Value>::new());
    assert_eq!(server.faults(), []);
}

#[tokio::test]
async fn a_conflict_is_decided_once_over_the_values_that_were_shown_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session, li) = office(folder.path()).await;
    serves(&server.app, li, "supervisor", HERE);
    let (mut one, mut other, mut document) = (server.enrol(1), server.enrol(2), Document::new());
    save(&server, &mut one, &mut document, &[("nature", "rented".into())]);
    for (phone, owner) in [(&mut one, "赵一"), (&mut other, "钱二")] {
        save(&server, phone, &mut document.clone(), &[("owner_name", owner.into())]);
    }

    let [ticket] = &items(&get(&server, &session, "/tickets").await)[..] else { panic!() };
    let path = format!("/tickets/{}", ticket["id"].as_str().unwrap());
    let looked = get(&server, &session, &path).await;
    let (etag, opened) = (looked.header("etag"), json_of(&looked));
    let mut values: Vec<_> = opened["values"].as_array().unwrap().iter().map(|value| value["value"].clone()).collect();
    values.sort_by_key(ToString::to_string);
    assert_eq!(values, [json!("赵一"), json!("钱二")]);
    assert!(opened["values"].as_array().unwrap().iter().all(|value| value["user"].is_string()), "{opened}");

    let decision = format!("{path}/decision");
    for (over, value, status, code) in [
        ("", json!("孙三"), 428, "if_match"),
        ("\"other\"", json!("孙三"), 412, "stale"),
        (&etag, json!(["孙三"]), 400, "wrong_type"),
        (&etag, json!(1.5), 400, "wrong_type"),
        (&etag, json!("长".repeat(51)), 400, "form"),
    ] {
        let answer = say(&server, &session, &decision, over, json!({ "value": value })).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code));
    }
    assert_eq!(
        say(&server, &session, &decision, &etag, json!({ "value": "孙三" })).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(server.shown(&one, record(1), "owner_name"), ["孙三".into()]);
    let again = say(&server, &session, &decision, &etag, json!({ "value": "李四" })).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "decided"));

    let undone = call(&server, &session, Method::POST, &format!("{path}/undo"), None).await;
    let reopened = json_of(&undone)["ticket"].as_str().unwrap().to_owned();
    let [open] = &items(&get(&server, &session, "/tickets").await)[..] else { panic!() };
    assert_eq!((&open["id"], &open["kind"]), (&json!(reopened), &json!("reopened")));
    let early = call(&server, &session, Method::POST, &format!("/tickets/{reopened}/undo"), None).await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::CONFLICT, "still_open"));
    assert_eq!(server.faults(), []);
}

#[tokio::test]
async fn who_has_no_right_there_is_told_nothing_and_noted_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session, li) = office(folder.path()).await;
    let (mut one, mut other, mut document) = (server.enrol(1), server.enrol(2), Document::new());
    save(&server, &mut one, &mut document, &[("nature", "rented".into())]);
    for (phone, owner) in [(&mut one, "赵一"), (&mut other, "钱二")] {
        save(&server, phone, &mut document.clone(), &[("owner_name", owner.into())]);
    }
    let ticket = server.app.db.tickets(&Principal::SERVER, server.app.now_ms(), None, None, 1).unwrap().remove(0).id;
    let changes = |folder: &Path| -> i64 {
        let connection = Connection::open(folder.join("gridpass.sqlite")).unwrap();
        connection.query_row("SELECT count(*) FROM change", [], |row| row.get(0)).unwrap()
    };
    let before = changes(folder.path());
    let (look, see) = (format!("/reviews/{}", record(1)), format!("/tickets/{ticket}"));
    let mut noted = refusals(folder.path());
    // Nobody; one of another community; one whose role has no such right; a worker of this very grid.
    for (role, place) in [
        (None, ""),
        (Some("supervisor"), ELSEWHERE),
        (Some("dispatcher"), "370212001"),
        (Some("security_admin"), "370212"),
        (Some("worker"), "370212001001001"),
    ] {
        if let Some(role) = role {
            serves(&server.app, li, role, place);
        }
        for list in ["/reviews", "/tickets"] {
            assert_eq!(items(&get(&server, &session, list).await), Vec::<Value>::new(), "{role:?}");
        }
        for (path, body) in [
            (look.clone(), None),
            (format!("{look}/decision"), Some(json!({ "decision": "approve" }))),
            (see.clone(), None),
            (format!("{see}/decision"), Some(json!({ "value": "孙三" }))),
            (format!("{see}/undo"), Some(json!({}))),
        ] {
            let method = if body.is_some() { Method::POST } else { Method::GET };
            let answer = call_with(&server, &session, method, &path, body, &[("if-match", "\"x\"")]).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::NOT_FOUND, "not_found"),
                "{role:?} {path}"
            );
            noted += 1;
            assert_eq!(refusals(folder.path()), noted, "{role:?} {path}");
        }
    }
    assert_eq!(changes(folder.path()), before);
    assert_eq!(server.faults(), []);
}
