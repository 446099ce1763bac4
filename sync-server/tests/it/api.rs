//! The frame of the API: its description and what is held against it, its texts, and rubbish of every kind.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use gridpass_server::metrics::ROUTES;
use gridpass_server::routes::api::{PREFIX, openapi};
use gridpass_server::texts::texts;
use serde_json::{Value, json};

use crate::hand::Server;
use crate::http::{Answer, send};
use crate::people::{Carried, call, json_of, settled};

fn described() -> Value {
    serde_json::from_str(openapi()).unwrap()
}

/// Path, method and description of every operation.
fn operations(described: &Value) -> Vec<(String, String, Value)> {
    let paths = described["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, operation)| (path.clone(), method.clone(), operation.clone()))
    });
    each.collect()
}

/// The schema itself, where one is named.
fn resolved<'a>(described: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => &described["components"]["schemas"][name.rsplit('/').next().unwrap()],
        None => schema,
    }
}

/// The schema of an operation's body.
fn body_of<'a>(described: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
    Some(resolved(described, schema))
}

#[test]
fn the_committed_description_is_that_of_the_routes() {
    assert!(
        openapi() == include_str!("../../openapi.json"),
        "`gridpass-server openapi > sync-server/openapi.json` writes it anew; read the difference before you commit it"
    );
}

#[test]
fn every_route_of_the_api_is_described_and_none_is_made_beside_it() {
    let described: BTreeSet<String> = operations(&described()).into_iter().map(|(path, ..)| path).collect();
    let known: BTreeSet<String> =
        ROUTES.iter().filter(|route| route.starts_with(PREFIX)).map(ToString::to_string).collect();
    assert_eq!(described, known, "the metrics know the same routes");
    for (file, source) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let routes = source.split(".route(").skip(1).map(|rest| rest.trim_start().trim_start_matches('"'));
        let beside: Vec<&str> = routes.filter(|route| route.starts_with("/api")).collect();
        assert_eq!(beside, [""; 0], "{file}: say `routes!(…)` in routes/api.rs");
        assert!(!file.ends_with("routes/api.rs") || !source.contains(".route("), "{file}");
    }
}

#[test]
fn every_operation_tells_its_refusals_and_takes_nothing_it_does_not_know() {
    let described = described();
    for (path, method, operation) in operations(&described) {
        let name = format!("{method} {path}");
        let has = |status: &str| operation["responses"].get(status).is_some();
        let open = path.ends_with("/openapi.json");
        let body = body_of(&described, &operation);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for (status, due) in [
            ("500", true),
            ("503", true),
            ("400", !open),
            ("401", !open),
            ("403", !open),
            ("429", !open),
            ("413", body.is_some()),
            ("415", body.is_some()),
            ("404", parameters.iter().any(|parameter| parameter["in"] == "path")),
        ] {
            assert!(has(status) || !due, "{name} does not tell {status}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let schema = response.pointer("/content/application~1json/schema");
            let refusal = schema.is_some_and(|schema| schema["$ref"] == "#/components/schemas/Refusal");
            assert_eq!(refusal, !status.starts_with('2'), "{name} {status}");
        }
        assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{name}");
        if let Some(schema) = body {
            assert_eq!(schema["additionalProperties"], false, "{name} takes unknown fields");
            assert!(schema["example"].is_object(), "{name} shows no example");
            bounded(&described, schema, &name);
        }
        for parameter in &parameters {
            bounded(&described, &parameter["schema"], &format!("{name} {}", parameter["name"]));
        }
    }
}

/// Every text of a request has an end, every number and list too.
fn bounded(described: &Value, schema: &Value, name: &str) {
    let schema = resolved(described, schema);
    let is =
        |kind: &str| schema["type"] == kind || schema["type"].as_array().is_some_and(|all| all.contains(&json!(kind)));
    if is("string") {
        assert!(schema["maxLength"].is_u64() || schema["enum"].is_array(), "{name} has no end: {schema}");
    }
    if is("integer") || is("number") {
        assert!(schema["minimum"].is_number() && schema["maximum"].is_number(), "{name} has no bounds: {schema}");
    }
    if is("array") {
        assert!(schema["maxItems"].is_u64(), "{name} has no end: {schema}");
    }
    // A map, whose keys are data, says what its values are.
    let is_map = schema["additionalProperties"].is_object();
    if is("object") && is_map {
        assert!(schema["maxProperties"].is_u64(), "{name} has no end: {schema}");
        bounded(described, &schema["additionalProperties"], &format!("{name}.*"));
    } else if is("object") {
        assert_eq!(schema["additionalProperties"], false, "{name} takes unknown fields");
    }
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        bounded(described, schema, &format!("{name}.{field}"));
    }
    let inner = ["oneOf", "anyOf", "allOf"].iter().filter_map(|list| schema[list].as_array()).flatten();
    inner.chain(schema.get("items")).for_each(|inner| bounded(described, inner, name));
}

/// The sources below a folder, by path.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            // Tests in the same file are none of the server's words.
            let source = source.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            all.push((path.display().to_string(), source));
        }
    }
    all
}

/// The codes that a source says: words in the places where codes stand.
fn codes(file: &str, source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own = ["error.rs", "routes/json.rs"].iter().any(|name| file.ends_with(name));
    let mut before = String::new();
    for (n, part) in source.split('"').enumerate() {
        let word =
            !part.is_empty() && part.chars().all(|char| char.is_ascii_lowercase() || "_0123456789".contains(char));
        let place = before.trim_end();
        let last = place.rsplit(['\n', ';', '{']).next().unwrap_or(place).trim_start();
        let called = ["bad(", "Forbidden(", "refused(", "unauthorized(", "told(", "code:"]
            .iter()
            .any(|call| place.ends_with(call));
        let after_status = last.contains("StatusCode::") && place.ends_with(',');
        let answered = own && place.ends_with("=>");
        if n % 2 == 1 && word && (called || after_status || answered) {
            found.insert(part.to_owned());
        }
        before = part.to_owned();
    }
    found
}

#[test]
fn every_code_of_the_server_has_a_text_in_both_languages_and_every_text_a_code() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // What the audit, imports, the tree and catalogs say are words of other lists.
    let others = ["/src/db/", "/src/import/", "/src/org/", "/src/publish.rs"];
    let speaking = sources.iter().filter(|(file, _)| !others.iter().any(|other| file.contains(other)));
    let said: BTreeSet<String> = speaking.flat_map(|(file, source)| codes(file, source)).collect();
    assert!(said.len() > 50, "codes are found: {said:?}");
    let known: BTreeSet<String> = texts().keys().cloned().collect();
    let without: Vec<_> = said.difference(&known).collect();
    assert_eq!(without, Vec::<&String>::new(), "codes without a text in texts.toml");
    let documented = include_str!("../../../docs/API.md");
    for (code, text) in texts() {
        assert!(sources.iter().any(|(_, source)| source.contains(&format!("\"{code}\""))), "{code} is said nowhere");
        assert!(documented.contains(&format!("`{code}`")), "{code} is not in docs/API.md");
        let numbers = |text: &str| {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next())
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(numbers(&text.zh), numbers(&text.en), "{code}");
        let chinese = |text: &str| text.chars().any(|char| ('\u{4e00}'..='\u{9fff}').contains(&char));
        assert!(chinese(&text.zh) && !chinese(&text.en) && !text.en.is_empty(), "{code}");
    }
}

async fn raw(server: &Server, carried: &Carried, path: &str, kind: Option<&str>, body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(if path == "/password" { Method::PUT } else { Method::POST });
    if let Carried::Bearer(token) | Carried::Cookie(token) = carried {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    send(server, request.uri(format!("/api/v1{path}")).body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn what_is_wrong_with_a_body_is_named_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path());
    let json = Some("application/json");
    let long = "长".repeat(65);
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for (kind, body, status, code, field) in [
        (json, r#"{"login":"li"}"#.to_owned(), 400, "missing", "password"),
        (json, r#"{"login":"li","password":"x","rôle":1}"#.to_owned(), 400, "unknown_field", "rle"),
        (json, r#"{"login":"li","password":"x","admin":true}"#.to_owned(), 400, "unknown_field", "admin"),
        (json, r#"{"login":7,"password":"x"}"#.to_owned(), 400, "wrong_type", "login"),
        (json, r#"{"login":null,"password":"x"}"#.to_owned(), 400, "wrong_type", "login"),
        (json, r#"{"login":"li","login":"li","password":"x"}"#.to_owned(), 400, "duplicate", "login"),
        (json, format!(r#"{{"login":"{long}","password":"x"}}"#), 400, "too_long", "login"),
        (json, r#"{"login":"","password":"x"}"#.to_owned(), 400, "too_short", "login"),
        (json, r#"{"login":"l\u0000i","password":"x"}"#.to_owned(), 400, "control_character", "login"),
        (json, r#"{"login":"li","password":"x","carry":"pigeon"}"#.to_owned(), 400, "not_in_list", "carry"),
        (json, r#"["li"]"#.to_owned(), 400, "wrong_type", "body"),
        (json, r#"{"login":"li","password":"#.to_owned(), 400, "not_json", "body"),
        (json, r#"{"login":"li","password":"x"} {}"#.to_owned(), 400, "not_json", "body"),
        (json, String::new(), 400, "not_json", "body"),
        (json, r#"["li","correct horse",null,"cookie"]"#.to_owned(), 400, "wrong_type", "body"),
        (json, "7".to_owned(), 400, "wrong_type", "body"),
        (json, deep.clone(), 400, "wrong_type", "body"),
        (json, format!(r#"{{"login":{deep},"password":"x"}}"#), 400, "wrong_type", "login"),
        (json, format!(r#"{{"login":"li","password":"{}"}}"#, "x".repeat(70_000)), 413, "body_too_large", "body"),
        (None, r#"{"login":"li","password":"x"}"#.to_owned(), 415, "json_type", "Content-Type"),
        (Some("text/plain"), r#"{"login":"li","password":"x"}"#.to_owned(), 415, "json_type", "Content-Type"),
        (Some("application/json; charset=gbk"), "{}".to_owned(), 415, "json_type", "Content-Type"),
    ] {
        let answer = raw(&server, &Carried::Not, "/session", kind, body.clone().into_bytes()).await;
        let told = json_of(&answer);
        assert_eq!(
            (answer.status.as_u16(), &told["code"], &told["field"]),
            (status, &json!(code), &json!(field)),
            "{}",
            body.chars().take(80).collect::<String>()
        );
    }
    let too_long = format!(r#"{{"login":"{long}","password":"x"}}"#).into_bytes();
    let told = json_of(&raw(&server, &Carried::Not, "/session", json, too_long).await);
    assert_eq!((&told["args"], &told["message"]), (&json!({ "max": 64 }), &json!("内容太长：最多 64 个字符")));
    let not_utf8 = raw(&server, &Carried::Not, "/session", json, b"{\"login\":\"\xff\"}".to_vec()).await;
    assert_eq!(not_utf8.code(), "not_json");
}

#[tokio::test]
async fn queries_ids_methods_and_paths_are_refused_with_the_envelope() {
    let folder = tempfile::tempdir().unwrap();
    let (server, session) = settled(folder.path()).await;
    let name = "x".repeat(300);
    for (method, path, status, code, field) in [
        ("GET", "/sessions?limit=0", 400, "out_of_range", json!("limit")),
        ("GET", "/sessions?limit=201", 400, "out_of_range", json!("limit")),
        ("GET", "/sessions?limit=-1", 400, "out_of_range", json!("limit")),
        ("GET", "/sessions?limit=five", 400, "out_of_range", json!("limit")),
        ("GET", "/sessions?limit=5&limit=6", 400, "duplicate", json!("limit")),
        ("GET", "/sessions?page=2", 400, "unknown_field", json!("page")),
        ("GET", "/sessions?after=abc", 400, "cursor", json!("after")),
        ("GET", "/sessions?after=", 400, "too_short", json!("after")),
        ("GET", "/sessions?after=%00%ff", 400, "control_character", json!("after")),
        ("DELETE", "/sessions/1", 400, "id", json!("id")),
        ("DELETE", "/sessions/'%20OR%201=1--", 400, "id", json!("id")),
        ("DELETE", "/sessions/00000000000000000000000000000000", 404, "not_found", Value::Null),
        ("PATCH", "/session", 405, "method", Value::Null),
        ("GET", "/nothing", 404, "not_found", Value::Null),
        ("GET", "", 404, "not_found", Value::Null),
        ("GET", name.as_str(), 404, "not_found", Value::Null),
    ] {
        let answer = call(&server, &session, method.parse().unwrap(), path, None).await;
        let told = json_of(&answer);
        let got = (answer.status.as_u16(), &told["code"], &told["field"]);
        assert_eq!(got, (status, &json!(code), &field), "{method} {path}");
        if !path.starts_with("xxx") {
            assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{method} {path}");
        }
    }
    let allowed = call(&server, &session, Method::PATCH, "/session", None).await.header("allow");
    assert!(["GET", "POST", "DELETE"].iter().all(|method| allowed.contains(method)), "{allowed}");
    let page = json_of(&call(&server, &session, Method::GET, "/sessions?limit=1", None).await);
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));

    let request = Request::get("/api/v1/session").header("accept-language", "en-GB,en;q=0.9,zh;q=0.1");
    let english = send(&server, request.body(Body::empty()).unwrap()).await;
    assert!(json_of(&english)["message"].as_str().unwrap().starts_with("Not signed in"), "{english:?}");
    let served = call(&server, &Carried::Not, Method::GET, "/openapi.json", None).await;
    assert_eq!((served.status, served.body == openapi().as_bytes()), (StatusCode::OK, true));
}

/// Values that no field was made for.
fn rubbish() -> Vec<Value> {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": [deep] });
    }
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e308),
        json!(18_446_744_073_709_551_615u64),
        json!([]),
        json!({}),
        json!([[["x"]]]),
        deep,
        json!(""),
        json!("\u{0}\u{1b}[2J\u{202e}"),
        json!("'; DROP TABLE user; --"),
        json!("' OR '1'='1"),
        json!("%s%n{{7*7}}${jndi:ldap://x}"),
        json!("../../keys/signing.key"),
        json!("\u{1f600}\u{0301}".repeat(100)),
        json!("x".repeat(60_000)),
    ]
}

#[tokio::test]
async fn rubbish_at_every_route_gives_the_envelope_and_never_a_defect() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path()).unwrap();
    let (server, session) = settled(folder.path()).await;
    let described = described();
    let mut tried = 0;
    for (path, method, operation) in operations(&described) {
        let route = path.strip_prefix(PREFIX).unwrap().to_owned();
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut requests: Vec<(String, Option<Value>)> = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            for value in rubbish() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let text: String = text.bytes().take(3000).map(|byte| format!("%{byte:02x}")).collect();
                let at = match parameter["in"].as_str().unwrap() {
                    "path" => route.replace(&format!("{{{name}}}"), if text.is_empty() { "%20" } else { &text }),
                    _ => format!("{route}?{name}={text}"),
                };
                requests.push((at, None));
            }
        }
        if let Some(schema) = body_of(&described, &operation) {
            let example = schema["example"].as_object().unwrap().clone();
            for value in rubbish() {
                requests.push((route.clone(), Some(value.clone())));
                for field in schema["properties"].as_object().unwrap().keys() {
                    let mut body = example.clone();
                    body.insert(field.clone(), value.clone());
                    requests.push((route.clone(), Some(Value::Object(body))));
                }
                let mut body = example.clone();
                body.insert("more".into(), value);
                requests.push((route.clone(), Some(Value::Object(body))));
            }
            requests.push((route.clone(), None));
        }
        for (at, body) in requests {
            // Every other request has no session: the frame is the same for who may not be there at all.
            let carried = if tried % 5 == 4 { Carried::Not } else { session.clone() };
            let answer = call(&server, &carried, method.clone(), &at, body.clone()).await;
            tried += 1;
            let shown = body.map(|body| body.to_string().chars().take(120).collect::<String>()).unwrap_or_default();
            let what = format!("{method} {} {shown} -> {answer:?}", at.chars().take(120).collect::<String>());
            assert!(answer.status.as_u16() < 500, "{what}");
            let statuses = operation["responses"].as_object().unwrap();
            assert!(statuses.contains_key(answer.status.as_str()), "not described: {what}");
            if !answer.status.is_success() {
                let told = json_of(&answer);
                assert!(texts().contains_key(told["code"].as_str().unwrap()), "{what}");
                assert!(!told["message"].as_str().unwrap().contains('{'), "{what}");
                assert_eq!(told.as_object().unwrap().len(), 5, "{what}");
            }
        }
    }
    assert!(tried > 200, "{tried}");
    assert_eq!(server.faults(), []);
}
