//! People at the API: the life of an account, waiting, second factors, sessions and their ends, foreign pages.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use data_encoding::BASE32_NOPAD;
use gridpass_server::auth::totp;
use gridpass_server::metrics::scrape;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::commands::{gridpass, told};
use crate::hand::Server;
use crate::http::{Answer, keep_log, log, send};
use crate::metrics::sample;

/// A password that may be chosen.
pub const GOOD: &str = "correct horse battery";
const MINUTE: i64 = 60_000;

/// How a caller shows the session.
#[derive(Clone, Default)]
pub enum Carried {
    #[default]
    Not,
    Cookie(String),
    Bearer(String),
}

/// Sends a request as a page of the server or another system does.
pub async fn call(server: &Server, carried: &Carried, method: Method, path: &str, body: Option<Value>) -> Answer {
    call_with(server, carried, method, path, body, &[]).await
}

/// The same with headers of its own.
pub async fn call_with(
    server: &Server,
    carried: &Carried,
    method: Method,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Answer {
    let peer: SocketAddr = "10.0.0.1:40000".parse().unwrap();
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).extension(ConnectInfo(peer));
    request = request.header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0");
    request = match carried {
        Carried::Not => request,
        Carried::Bearer(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        Carried::Cookie(token) => request
            .header(header::COOKIE, format!("theme=dark; __Host-gridpass={token}"))
            .header("x-gridpass", "1")
            .header("sec-fetch-site", "same-origin"),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    send(server, request.body(body).unwrap()).await
}

pub fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// The token in the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.split(['=', ';']).nth(1).unwrap().to_owned()
}

pub async fn sign_in(server: &Server, login: &str, password: &str) -> Answer {
    sign_in_with(server, json!({ "login": login, "password": password })).await
}

async fn sign_in_with(server: &Server, body: Value) -> Answer {
    call(server, &Carried::Not, Method::POST, "/session", Some(body)).await
}

/// A server with a user `li`, and the initial password that IT gave.
pub fn with_li(folder: &std::path::Path) -> (Server, String) {
    // Tests sign in more often than an office does.
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("gridpass.toml"), "passwords_per_minute = 0\n").unwrap();
    let server = Server::open(folder);
    assert!(gridpass(folder, &["user", "add", "li", "李某"]).status.success());
    let given = initial(folder, &[]);
    (server, given)
}

fn initial(folder: &std::path::Path, more: &[&str]) -> String {
    let given = gridpass(folder, &[&["user", "password", "li"], more].concat());
    assert!(given.status.success(), "{}", told(&given));
    String::from_utf8(given.stdout).unwrap().trim().to_owned()
}

/// A server where `li` has chosen the password, with a session.
pub async fn settled(folder: &std::path::Path) -> (Server, Carried) {
    let (server, given) = with_li(folder);
    let session = Carried::Cookie(cookie(&sign_in(&server, "li", &given).await));
    let change = json!({ "old": given, "new": GOOD });
    let changed = call(&server, &session, Method::PUT, "/password", Some(change)).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    (server, session)
}

fn later(server: &Server, ms: i64) {
    server.clock.fetch_add(ms, Ordering::Relaxed);
}

/// Sets a second factor up: its secret and the recovery codes.
async fn with_totp(server: &Server, session: &Carried) -> (Vec<u8>, Vec<String>) {
    let begun = call(server, session, Method::POST, "/totp", Some(json!({ "password": GOOD }))).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    let begun = json_of(&begun);
    let secret = BASE32_NOPAD.decode(begun["secret"].as_str().unwrap().as_bytes()).unwrap();
    assert!(begun["uri"].as_str().unwrap().starts_with("otpauth://totp/GridPass:li?secret="));
    let confirmed = call(server, session, Method::PUT, "/totp", Some(json!({ "code": code(server, &secret) }))).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    let codes = json_of(&confirmed)["recovery_codes"].as_array().unwrap().clone();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

fn code(server: &Server, secret: &[u8]) -> String {
    totp::shown(secret, server.app.now_ms())
}

/// Actions and details of the audit, in order.
fn audit(folder: &std::path::Path) -> Vec<(String, String)> {
    let connection = Connection::open(folder.join("gridpass.sqlite")).unwrap();
    let mut rows = connection.prepare("SELECT action, detail FROM audit ORDER BY seq").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn the_life_of_an_account() {
    keep_log();
    let folder = tempfile::tempdir().unwrap();
    let (server, given) = with_li(folder.path());
    assert_eq!(given.split('-').map(str::len).collect::<Vec<_>>(), [5; 4], "{given}");

    let signed_in = sign_in(&server, "li", &given).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{signed_in:?}");
    let who = json_of(&signed_in);
    assert_eq!((&who["user"]["login"], &who["user"]["name"]), (&json!("li"), &json!("李某")));
    assert_eq!((&who["ends_at"], &who["password_change"]), (&json!("2027-01-15T20:00:00Z"), &json!(true)));
    assert_eq!((&who["session"]["agent"], &who["session"]["address"]), (&json!("Firefox, Linux"), &json!("10.0.0.1")));
    assert!(who.get("token").is_none() && signed_in.header("set-cookie").starts_with("__Host-gridpass="));
    let session = Carried::Cookie(cookie(&signed_in));

    // Nothing but changing the password until it is changed.
    let locked_out = call(&server, &session, Method::GET, "/sessions", None).await;
    assert_eq!((locked_out.status, locked_out.code().as_str()), (StatusCode::FORBIDDEN, "password_change"));
    for (new, code) in
        [("short", "password_short"), ("1234567890", "password_common"), (given.as_str(), "password_same")]
    {
        let change = json!({ "old": given, "new": new });
        let refused = call(&server, &session, Method::PUT, "/password", Some(change)).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, code));
        assert_eq!(json_of(&refused)["field"], "new");
    }
    let wrong = json!({ "old": "something else", "new": GOOD });
    let refused = call(&server, &session, Method::PUT, "/password", Some(wrong)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::BAD_REQUEST, "password_wrong"));
    let other = Carried::Cookie(cookie(&sign_in(&server, "li", &given).await));
    let change = json!({ "old": given, "new": GOOD });
    let changed = call(&server, &session, Method::PUT, "/password", Some(change)).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    let ended = call(&server, &other, Method::GET, "/session", None).await;
    assert_eq!((ended.status, ended.code().as_str()), (StatusCode::UNAUTHORIZED, "session"));
    assert_eq!(sign_in(&server, "li", &given).await.status, StatusCode::UNAUTHORIZED);

    // Another system carries the token itself.
    let body = json!({ "login": "li", "password": GOOD, "carry": "bearer" });
    let signed_in = sign_in_with(&server, body).await;
    assert_eq!(signed_in.header("set-cookie"), "");
    let bearer = Carried::Bearer(json_of(&signed_in)["token"].as_str().unwrap().to_owned());
    let listed = json_of(&call(&server, &bearer, Method::GET, "/sessions", None).await);
    let current: Vec<_> = listed["items"].as_array().unwrap().iter().map(|row| row["current"] == true).collect();
    assert_eq!(current.iter().filter(|current| **current).count(), 1, "{listed}");
    assert_eq!((current.len(), &listed["next"]), (2, &Value::Null));

    // One by one, all others, this one.
    let first = json_of(&call(&server, &session, Method::GET, "/session", None).await);
    let id = format!("/sessions/{}", first["session"]["id"].as_str().unwrap());
    assert_eq!(call(&server, &bearer, Method::DELETE, &id, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&server, &bearer, Method::DELETE, &id, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(&server, &session, Method::GET, "/session", None).await.status, StatusCode::UNAUTHORIZED);
    let third = Carried::Cookie(cookie(&sign_in(&server, "li", GOOD).await));
    assert_eq!(call(&server, &bearer, Method::DELETE, "/sessions", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&server, &third, Method::GET, "/session", None).await.status, StatusCode::UNAUTHORIZED);
    let out = call(&server, &bearer, Method::DELETE, "/session", None).await;
    assert_eq!((out.status, out.header("set-cookie").contains("Max-Age=0")), (StatusCode::NO_CONTENT, true));
    assert_eq!(call(&server, &bearer, Method::GET, "/session", None).await.status, StatusCode::UNAUTHORIZED);

    // What IT does beside the server.
    let session = Carried::Cookie(cookie(&sign_in(&server, "li", GOOD).await));
    let listed = told(&gridpass(folder.path(), &["user", "sessions", "li"]));
    assert!(listed.contains("since 2027-01-15T08:00:00Z") && listed.contains("10.0.0.1  Firefox, Linux"), "{listed}");
    assert!(told(&gridpass(folder.path(), &["user", "sessions", "li", "--end"])).contains("1 sessions ended"));
    assert_eq!(call(&server, &session, Method::GET, "/session", None).await.status, StatusCode::UNAUTHORIZED);
    let session = Carried::Cookie(cookie(&sign_in(&server, "li", GOOD).await));
    assert!(gridpass(folder.path(), &["user", "disable", "li"]).status.success());
    assert_eq!(call(&server, &session, Method::GET, "/session", None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&server, "li", GOOD).await.code(), "sign_in");
    assert!(gridpass(folder.path(), &["user", "enable", "li"]).status.success());
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::OK);
    let again = initial(folder.path(), &[]);
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::UNAUTHORIZED);
    later(&server, 72 * 60 * MINUTE);
    assert_eq!(sign_in(&server, "li", &again).await.status, StatusCode::UNAUTHORIZED, "three days are over");
    assert!(gridpass(folder.path(), &["user", "unlock", "li"]).status.success(), "after one wrong one");
    for command in [["user", "unlock", "li"], ["user", "enable", "li"], ["user", "password", "nobody"]] {
        let refused = gridpass(folder.path(), &command);
        assert!(!refused.status.success() && told(&refused).contains("login: "), "{}", told(&refused));
    }

    let rows = audit(folder.path());
    let actions: Vec<&str> = rows.iter().map(|(action, _)| action.as_str()).collect();
    for action in [
        "password_given",
        "signed_in",
        "proof_refused",
        "password_changed",
        "session_ended",
        "sign_in_refused",
        "signed_out",
        "user_disabled",
        "user_enabled",
    ] {
        assert!(actions.contains(&action), "{action} in {actions:?}");
    }
    // The log knows the user's end of the id, and nothing that was typed.
    let person = who["user"]["id"].as_str().unwrap().to_owned().split_off(24);
    let log = log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(lines.into_iter().any(|line| line["fields"]["person"] == json!(person)
        && line["fields"]["route"] == "/api/v1/sessions/{id}"
        && line["fields"]["status"] == "204"));
    for secret in [GOOD, given.as_str(), again.as_str(), "something else"] {
        assert!(!log.contains(secret), "{secret}");
    }
    let text = scrape(&server.app).unwrap();
    assert!(sample(&text, "gridpass_sign_ins_total{result=\"good\"}") >= 6.0, "{text}");
    assert!(sample(&text, "gridpass_sign_ins_total{result=\"refused\"}") >= 4.0);
    assert_eq!(server.faults(), []);
}

#[tokio::test]
async fn an_account_waits_and_nobody_can_tell_it_from_one_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = settled(folder.path()).await;
    assert!(gridpass(folder.path(), &["user", "add", "wu", "吴某"]).status.success());
    /// All that a caller sees but the request's name.
    fn seen(answer: &Answer) -> (StatusCode, Vec<(String, String)>, Value) {
        let named = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
        let headers = named.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let mut body = json_of(answer);
        body["request_id"] = Value::Null;
        (answer.status, headers, body)
    }
    let unknown = seen(&sign_in(&server, "wang", GOOD).await);
    assert_eq!((unknown.0, &unknown.2["code"]), (StatusCode::UNAUTHORIZED, &json!("sign_in")));
    assert_eq!(seen(&sign_in(&server, "wu", GOOD).await), unknown, "without a password");
    assert_eq!(seen(&sign_in(&server, "li\u{3000}", GOOD).await), unknown);
    for n in 0..5 {
        assert_eq!(seen(&sign_in(&server, "li", "wrong horse").await), unknown, "{n}");
    }
    for _ in 0..3 {
        assert_eq!(seen(&sign_in(&server, "li", "wrong horse").await), unknown, "while it waits");
    }
    // The same work for all: one hashing, one commit.
    let worked = || {
        let text = scrape(&server.app).unwrap();
        ["passwords_total", "writer_jobs_total"].map(|name| sample(&text, &format!("gridpass_{name}")))
    };
    for (login, password) in [("wang", GOOD), ("wu", GOOD), ("li", "wrong horse"), ("li", GOOD)] {
        let before = worked();
        sign_in(&server, login, password).await;
        let after = worked();
        assert_eq!([after[0] - before[0], after[1] - before[1]], [1.0, 1.0], "{login} {password}");
    }
    let right = sign_in(&server, "li", GOOD).await;
    assert_eq!((right.retry_after, &json_of(&right)["args"]["retry_after"]), (Some(60), &json!(60)));
    let mut but_for_that = seen(&right);
    but_for_that.1.retain(|(name, _)| name != "retry-after" && name != "content-length");
    but_for_that.2["args"] = json!({});
    let mut plain = unknown.clone();
    plain.1.retain(|(name, _)| name != "content-length");
    assert_eq!(but_for_that, plain);
    later(&server, MINUTE - 1);
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::UNAUTHORIZED);
    later(&server, 1);
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::OK);

    for _ in 0..5 {
        sign_in(&server, "li", "wrong horse").await;
    }
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::UNAUTHORIZED);
    assert!(gridpass(folder.path(), &["user", "unlock", "li"]).status.success());
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::OK);

    let rows = audit(folder.path());
    assert!(rows.contains(&("sign_in_refused".into(), "{\"why\":\"unknown\"}".into())), "{rows:?}");
    assert!(rows.contains(&("account_locked".into(), "{\"minutes\":1}".into())));
    assert!(rows.contains(&("account_unlocked".into(), String::new())));
    assert!(rows.iter().all(|(action, detail)| !format!("{action}{detail}").contains("wang")), "nobody's login");
}

#[tokio::test]
async fn passwords_of_one_address_are_slowed_down() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gridpass.toml"), "passwords_per_minute = 1\n").unwrap();
    let server = Server::open(folder.path());
    for expected in [StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(sign_in(&server, "wang", GOOD).await.status, expected);
    }
    let refused = sign_in(&server, "wang", GOOD).await;
    assert_eq!((refused.code().as_str(), refused.retry_after.is_some()), ("too_many_requests", true));
}

#[tokio::test]
async fn a_second_factor_is_set_up_shown_once_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session) = settled(folder.path()).await;
    for (method, body, code) in [
        (Method::PUT, json!({ "code": "123456" }), "totp_not_begun"),
        (Method::POST, json!({ "password": "wrong horse" }), "password_wrong"),
        (Method::POST, json!({ "password": GOOD }), ""),
        (Method::PUT, json!({ "code": "12345" }), "totp_wrong"),
    ] {
        assert_eq!(call(&server, &session, method, "/totp", Some(body)).await.code(), code);
    }
    let (secret, recovery) = with_totp(&server, &session).await;
    assert_eq!(recovery.len(), 10);
    let who = json_of(&call(&server, &session, Method::GET, "/session", None).await);
    assert_eq!((&who["totp"], &who["recovery_codes"]), (&json!(true), &json!(10)));
    let again = call(&server, &session, Method::POST, "/totp", Some(json!({ "password": GOOD }))).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "totp_on"));

    let with = |totp: String| sign_in_with(&server, json!({ "login": "li", "password": GOOD, "totp": totp }));
    assert_eq!(sign_in(&server, "li", GOOD).await.code(), "totp_needed");
    assert_eq!(sign_in(&server, "li", "wrong horse").await.code(), "sign_in");
    assert_eq!(with(code(&server, &secret)).await.code(), "totp_wrong", "it has confirmed the secret");
    later(&server, 30_000);
    let shown = code(&server, &secret);
    let signed_in = with(shown.clone()).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{signed_in:?}");
    let replayed = with(shown.clone()).await;
    assert_eq!((replayed.status, replayed.code().as_str()), (StatusCode::UNAUTHORIZED, "totp_wrong"));
    let lost_phone = with(recovery[3].to_uppercase()).await;
    assert_eq!(lost_phone.status, StatusCode::OK, "{lost_phone:?}");
    assert_eq!(json_of(&lost_phone)["recovery_codes"], 9);
    assert_eq!(with(recovery[3].clone()).await.code(), "totp_wrong");

    // The secret is nobody's who has only the database.
    let stored: Vec<u8> = Connection::open(folder.path().join("gridpass.sqlite"))
        .unwrap()
        .query_row("SELECT secret FROM totp", [], |row| row.get(0))
        .unwrap();
    assert!(!stored.windows(secret.len()).any(|window| window == secret.as_slice()));

    // Removing it needs it shown in the last ten minutes.
    let session = Carried::Cookie(cookie(&signed_in));
    later(&server, 10 * MINUTE);
    let old = call(&server, &session, Method::DELETE, "/totp", None).await;
    assert_eq!((old.status, old.code().as_str()), (StatusCode::FORBIDDEN, "second_factor"));
    let show = |code: String| call(&server, &session, Method::POST, "/session/factor", Some(json!({ "code": code })));
    assert_eq!(show(shown).await.code(), "totp_wrong");
    assert_eq!(show(" ".into()).await.code(), "totp_wrong");
    assert_eq!(show(code(&server, &secret)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(call(&server, &session, Method::DELETE, "/totp", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(sign_in(&server, "li", GOOD).await.status, StatusCode::OK);
    assert_eq!(show("123456".into()).await.code(), "totp_not_begun");

    // IT removes it for who has lost all.
    with_totp(&server, &session).await;
    assert_eq!(sign_in(&server, "li", GOOD).await.code(), "totp_needed");
    let given = initial(folder.path(), &[]);
    assert_eq!(sign_in(&server, "li", &given).await.code(), "totp_needed", "a new password alone does not");
    let given = initial(folder.path(), &["--drop-totp"]);
    assert_eq!(sign_in(&server, "li", &given).await.status, StatusCode::OK);

    let actions: Vec<String> = audit(folder.path()).into_iter().map(|(action, _)| action).collect();
    for action in ["totp_begun", "totp_confirmed", "recovery_code_used", "factor_shown", "totp_removed"] {
        assert!(actions.iter().any(|noted| noted == action), "{action}");
    }
}

#[tokio::test]
async fn a_session_ends_idle_and_absolutely() {
    let folder = tempfile::tempdir().unwrap();
    let (server, idle) = settled(folder.path()).await;
    let used = Carried::Cookie(cookie(&sign_in(&server, "li", GOOD).await));
    async fn alive(server: &Server, session: &Carried) -> bool {
        call(server, session, Method::GET, "/session", None).await.status == StatusCode::OK
    }
    later(&server, 29 * MINUTE);
    assert!(alive(&server, &used).await);
    later(&server, MINUTE);
    assert!(alive(&server, &used).await && !alive(&server, &idle).await);
    for _ in 0..23 {
        later(&server, 30 * MINUTE - 60_001);
        assert!(alive(&server, &used).await);
    }
    let began = json_of(&call(&server, &used, Method::GET, "/session", None).await);
    assert_eq!(began["session"]["began_at"], "2027-01-15T08:00:00Z");
    server.clock.store(crate::hand::START_MS + 12 * 60 * MINUTE - 1, Ordering::Relaxed);
    assert!(alive(&server, &used).await);
    later(&server, 1);
    assert!(!alive(&server, &used).await);
}

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookie() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session) = settled(folder.path()).await;
    let Carried::Cookie(token) = session.clone() else { panic!() };
    let asked = |method: Method, headers: Vec<(&'static str, &'static str)>| {
        let mut request = Request::builder().method(method).uri("/api/v1/session");
        request = request.header(header::COOKIE, format!("__Host-gridpass={token}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        send(&server, request.body(Body::empty()).unwrap())
    };
    for foreign in [
        vec![],
        vec![("x-gridpass", "1")],
        vec![("sec-fetch-site", "same-origin")],
        vec![("x-gridpass", "1"), ("sec-fetch-site", "cross-site")],
        vec![("x-gridpass", "1"), ("origin", "https://evil.example"), ("host", "10.0.0.5")],
    ] {
        let refused = asked(Method::DELETE, foreign.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "csrf"), "{foreign:?}");
    }
    assert_eq!(asked(Method::GET, vec![("sec-fetch-site", "cross-site")]).await.status, StatusCode::OK);
    let request = Request::post("/api/v1/session").header("origin", "https://evil.example").header("host", "10.0.0.5");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let body = json!({ "login": "li", "password": GOOD }).to_string();
    assert_eq!(send(&server, request.body(Body::from(body)).unwrap()).await.code(), "csrf", "nor sign a browser in");
    let ours = asked(Method::DELETE, vec![("x-gridpass", "1"), ("origin", "https://10.0.0.5"), ("host", "10.0.0.5")]);
    assert_eq!(ours.await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_over_tls_and_stays_signed_in_by_its_cookie() {
    let folder = tempfile::tempdir().unwrap();
    let (server, given) = with_li(folder.path());
    let routes = gridpass_server::router::router(server.app.clone());
    let serving = gridpass_server::serve::serve(routes, &server.app.keys, "127.0.0.1:0".parse().unwrap()).unwrap();
    let certificate = reqwest::Certificate::from_pem(server.app.keys.tls_certificate.as_bytes()).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        reqwest::Client::builder().tls_certs_only([certificate]).resolve("localhost", serving.address).build().unwrap();
    let origin = format!("https://localhost:{}", serving.address.port());
    let address = format!("{origin}/api/v1/session");
    let body = json!({ "login": "li", "password": given }).to_string();
    let send = client.post(&address).header("content-type", "application/json").header("origin", &origin);
    let answer = send.body(body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["__Host-gridpass=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.headers()[name], value);
    }
    let carried = cookie.split(';').next().unwrap().to_owned();
    let who = client.get(&address).header("cookie", &carried).send().await.unwrap();
    let who: Value = serde_json::from_slice(&who.bytes().await.unwrap()).unwrap();
    assert_eq!((&who["user"]["login"], &who["session"]["address"]), (&json!("li"), &json!("127.0.0.1")));
    let out = client.delete(&address).header("cookie", &carried).header("x-gridpass", "1").header("origin", &origin);
    assert_eq!(out.send().await.unwrap().status().as_u16(), 204);
    let after = client.get(&address).header("cookie", &carried).send().await.unwrap();
    assert_eq!(after.status().as_u16(), 401);
    serving.stop().await.unwrap();
}
