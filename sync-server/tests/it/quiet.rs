//! What residents entrust to a worker is in no log, no error and no audit row.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use gridpass_core::Value;
use gridpass_core::record::Document;
use gridpass_core::wire::{self, Create, EnrolRequest, Nonce, PullRequest};
use rusqlite::Connection;

use crate::hand::{Hand, Server, accepted, record};
use crate::http::{Answer, keep_log, log, post, send};

/// Made up; no person and no place has these.
const NAME: &str = "欧阳金丝雀";
const NUMBER: &str = "370212199902309991";
const PHONE: &str = "19900007654";
const PLACE: &str = "金丝雀路九号";
const SECRET: &str = "canary-code-7f3a";
const CANARIES: [&str; 5] = [NAME, NUMBER, PHONE, PLACE, SECRET];

/// Every way in which a text may be printed.
fn faces(canary: &str) -> [String; 4] {
    let hex = gridpass_core::id::hex(canary.as_bytes());
    let debug = format!("{:?}", canary.as_bytes());
    let escaped = canary.escape_unicode().to_string();
    [canary.to_owned(), hex, debug.trim_matches(['[', ']']).to_owned(), escaped]
}

fn assert_quiet(what: &str, text: &str) {
    for canary in CANARIES {
        for face in faces(canary) {
            let at = text.find(&face).map(|at| text.get(at.saturating_sub(300)..at).unwrap_or_default());
            assert_eq!(at, None, "{what} holds {canary}");
        }
    }
}

/// A signed push of one person.
fn person(server: &Server, phone: &mut Hand, n: u8, puts: &[(&str, Value)]) -> Vec<u8> {
    let change = phone.change(&mut Document::new(), puts);
    let mut actors = Vec::new();
    let mut item = phone.item(record(n), &change, server.base(), &mut actors);
    item.create = Some(Create { collection: "person".into(), home: server.base() });
    wire::pack(&phone.push(phone.count, actors, vec![item]))
}

#[tokio::test]
async fn no_log_line_error_or_audit_row_holds_what_was_sent() {
    keep_log();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let mut phone = server.enrol(1);
    let token = server.token(&phone);
    let connection = Connection::open(folder.path().join("gridpass.sqlite")).unwrap();
    let mut answers: Vec<(&str, Answer, StatusCode)> = Vec::new();

    let push = |puts: &[(&str, Value)], n, phone: &mut Hand| person(&server, phone, n, puts);
    let good = push(
        &[
            ("name", NAME.into()),
            ("id_no", NUMBER.into()),
            ("phone/0000000000000000000000000000000a", format!("{PHONE}|self").into()),
        ],
        1,
        &mut phone,
    );
    let wrong_type = push(&[("gender", NAME.into()), ("birth", NUMBER.into()), ("name", 7.into())], 2, &mut phone);
    let unknown_key = push(&[(SECRET, PLACE.into())], 3, &mut phone);
    let mut unsigned = good.clone();
    unsigned.truncate(unsigned.len() - 9);
    for (what, body, status) in [
        ("a good push", good.clone(), StatusCode::OK),
        ("the same again", good, StatusCode::OK),
        ("wrong types", wrong_type, StatusCode::OK),
        ("an unknown key", unknown_key, StatusCode::OK),
        ("torn", unsigned, StatusCode::BAD_REQUEST),
        ("no message", wire::pack(&NAME.to_owned()), StatusCode::BAD_REQUEST),
        ("no packing", NAME.as_bytes().to_vec(), StatusCode::BAD_REQUEST),
        ("too large", PLACE.repeat(100_000).into_bytes(), StatusCode::BAD_REQUEST),
    ] {
        answers.push((what, post(&server, "/sync/v1/push", Some(&token), body).await, status));
    }
    let mut other = server.enrol(2);
    let forged = person(&server, &mut other, 4, &[("name", NAME.into())]);
    let enrol = |app_version: &str| EnrolRequest {
        code: SECRET.into(),
        public_key: vec![1; 32],
        nonce: Nonce([1; 16]),
        app_version: app_version.into(),
    };
    for (what, path, token, body, status) in [
        ("forged", "/sync/v1/push", Some(token.as_str()), forged, StatusCode::BAD_REQUEST),
        ("another's token", "/sync/v1/pull", Some(SECRET), Vec::new(), StatusCode::UNAUTHORIZED),
        ("a guessed code", "/sync/v1/enroll", None, wire::pack(&enrol("1")), StatusCode::FORBIDDEN),
        ("a long version", "/sync/v1/enroll", None, wire::pack(&enrol(&PLACE.repeat(9))), StatusCode::BAD_REQUEST),
        ("no route", "/sync/v1/canary-code-7f3a", None, Vec::new(), StatusCode::NOT_FOUND),
    ] {
        answers.push((what, post(&server, path, token, body).await, status));
    }
    let pack = Request::get(format!("/sync/v1/packs/{SECRET}?q={NUMBER}"));
    let pack = pack.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    answers.push(("no hash", send(&server, pack).await, StatusCode::BAD_REQUEST));
    let pack = Request::get("/sync/v1/packs/8a17e%88845cc4");
    let pack = pack.header(header::AUTHORIZATION, format!("Bearer {token}")).body(Body::empty()).unwrap();
    answers.push(("no text", send(&server, pack).await, StatusCode::BAD_REQUEST));

    // A file: its name and its bytes are nobody's business either.
    let picture = PLACE.repeat(50).into_bytes();
    let hash = gridpass_core::id::hex(blake3::hash(&picture).as_bytes());
    let file = format!("{{\"hash\":\"{hash}\",\"size\":{},\"type\":\"image/jpeg\"}}", picture.len());
    let change =
        phone.change(&mut Document::new(), &[("photo/0000000000000000000000000000000b", file.as_str().into())]);
    let mut actors = Vec::new();
    let mut item = phone.item(record(9), &change, server.base(), &mut actors);
    item.create = Some(Create { collection: "house".into(), home: server.base() });
    let body = wire::pack(&phone.push(phone.count, actors, vec![item]));
    answers.push(("a house", post(&server, "/sync/v1/push", Some(&token), body).await, StatusCode::OK));
    let name = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, NAME);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &hash);
    let tus = |request: axum::http::request::Builder| {
        request.header(header::AUTHORIZATION, format!("Bearer {token}")).header("tus-resumable", "1.0.0")
    };
    let create = |metadata: String| {
        let request = tus(Request::post("/sync/v1/uploads")).header("upload-length", picture.len());
        request.header("upload-metadata", metadata).body(Body::empty()).unwrap()
    };
    let append = |body: Vec<u8>| {
        let request = tus(Request::patch(format!("/sync/v1/uploads/{hash}"))).header("upload-offset", "0");
        request.header(header::CONTENT_TYPE, "application/offset+octet-stream").body(Body::from(body)).unwrap()
    };
    let mut other = picture.clone();
    other.rotate_left(1);
    let mut longer = picture.clone();
    longer.extend_from_slice(NAME.as_bytes());
    for (what, request, status) in [
        ("no hash in the metadata", create(format!("filename {name},hash {name}")), StatusCode::BAD_REQUEST),
        ("a file", create(format!("filename {name},hash {encoded}")), StatusCode::CREATED),
        ("too long a file", append(longer), StatusCode::PAYLOAD_TOO_LARGE),
        ("another file", append(other), StatusCode::UNPROCESSABLE_ENTITY),
        ("the file again", create(format!("hash {encoded}")), StatusCode::CREATED),
        ("its bytes", append(picture.clone()), StatusCode::NO_CONTENT),
    ] {
        answers.push((what, send(&server, request).await, status));
    }
    // The folder of the files is in the way of a file: what is logged names no path and no whole hash.
    let blobs = folder.path().join("blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    std::fs::write(&blobs, b"").unwrap();
    let get = tus(Request::get(format!("/sync/v1/blobs/{hash}"))).body(Body::empty()).unwrap();
    answers.push(("a broken store", send(&server, get).await, StatusCode::SERVICE_UNAVAILABLE));

    // A damaged row: the error that reaches the log knows the table, not the row.
    connection.execute("UPDATE record SET shown = ?1 WHERE fmt = 1", [NAME.as_bytes()]).unwrap();
    let whole = wire::pack(&PullRequest { buckets: Vec::new(), whole: vec![record(1)] });
    answers.push((
        "damage",
        post(&server, "/sync/v1/pull", Some(&token), whole).await,
        StatusCode::INTERNAL_SERVER_ERROR,
    ));
    assert!(server.app.db.add_user(0, gridpass_core::id::UserId([9; 16]), "user1", NAME).is_err());

    for (what, answer, status) in &answers {
        assert_eq!(answer.status, *status, "{what}");
        if *what == "a good push" {
            let answer: wire::PushAnswer = wire::unpack(&answer.body, 1 << 20).unwrap();
            assert_eq!(accepted(&answer), 1, "{answer:?}");
        }
        if *status != StatusCode::OK {
            assert_quiet(what, &String::from_utf8_lossy(&answer.body));
        }
    }
    let log = log();
    assert!(log.contains("a row of record is damaged"), "the log is kept");
    assert!(log.contains("the store of files refuses while reading a file"), "and the store's step");
    assert_quiet("the log", &log);
    assert_quiet("the metrics", &gridpass_server::metrics::scrape(&server.app).unwrap());
    // One line for each request, of any test of this process: words, numbers, and the end of the phone's id.
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let lines: Vec<_> = lines
        .filter(|line| line["fields"]["message"] == "answered" || line["fields"]["message"] == "refused")
        .collect();
    let phone = phone.device.id.to_string().split_off(24);
    for (route, status, code, phone) in [
        ("/sync/v1/push", "200", None, Some(phone.as_str())),
        ("/sync/v1/push", "400", Some("signature"), Some(phone.as_str())),
        ("/sync/v1/pull", "401", Some("token"), None),
        ("/sync/v1/uploads", "201", None, Some(phone.as_str())),
        ("other", "404", Some("not_found"), None),
    ] {
        let same = |line: &&serde_json::Value| {
            let field = |name: &str| line["fields"][name].as_str();
            (field("route"), field("status"), field("code"), field("phone")) == (Some(route), Some(status), code, phone)
        };
        assert!(lines.iter().find(same).is_some_and(|line| line["fields"]["ms"].is_u64()), "{route} {status}");
    }
    for line in &lines {
        for (name, value) in line["fields"].as_object().unwrap() {
            let (known, text) = (gridpass_server::metrics::ROUTES, value.as_str().unwrap_or_default());
            let good = match name.as_str() {
                "message" | "status" | "code" => true,
                "route" => text == "other" || known.contains(&text),
                "request" => text.len() == 16,
                "phone" | "person" => text.len() == 8,
                "ms" | "bytes_in" | "bytes_out" => value.is_u64(),
                _ => false,
            };
            assert!(good, "{name} {value}");
        }
    }
    let rows = server.app.db.audit_after(&gridpass_server::db::Principal::SERVER, 0, 0, usize::MAX).unwrap();
    let rows: Vec<String> = rows
        .into_iter()
        .map(|row| {
            let object = row.object.unwrap_or_default();
            format!("{} {} {} {object:?}", row.action, row.detail, String::from_utf8_lossy(&object))
        })
        .collect();
    assert!(
        rows.iter().any(|row| row.starts_with("created ")) && rows.iter().any(|row| row.starts_with("quarantined "))
    );
    // The audit names keys: a made-up one stands there as it came.
    assert_quiet("the audit", &rows.join("\n").replace(SECRET, "<key>"));
}
