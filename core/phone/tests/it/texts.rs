//! Every refusal has words in both languages.

use std::collections::BTreeSet;
use std::path::Path;

use gridpass_core::catalog::Catalog;
use gridpass_phone::ApiError;

/// What the source says before a code that a user is shown.
const BEFORE: [&str; 9] = [
    "Problem::of_form(",
    "Problem::at(what, ",
    "Problem::at(\"code\", ",
    "Enrol { code: ",
    "Locked { code: ",
    "locked(",
    "EditError::",
    "refused(",
    "Problem::at(key, ",
];

/// The codes in the phone's own source that a user is shown.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms = [source.clone(), source.join("files"), source.join("bin/gridpass-phone")];
    for file in rooms.iter().flat_map(|room| std::fs::read_dir(room).unwrap()) {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            let lines = text.lines().flat_map(|line| BEFORE.iter().filter_map(move |before| line.split_once(before)));
            codes.extend(lines.filter_map(|(_, rest)| rest.split('"').nth(1).map(str::to_owned)));
        }
    }
    codes.retain(|code| code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')));
    codes
}

#[test]
fn every_code_of_the_phone_has_a_text() {
    let (catalog, codes) = (Catalog::built_in(), codes());
    for known in
        ["read_only", "no_conflict", "written_once", "pin_wrong", "not_enrolled", "bad_enrol_code", "file_empty"]
    {
        assert!(codes.contains(known), "{known} is found in the source: {codes:?}");
    }
    let silent: Vec<_> = codes.iter().filter(|code| catalog.text(code).is_none()).collect();
    assert!(silent.is_empty(), "no text in texts.toml: {silent:?}");
}

#[test]
fn every_kind_of_error_says_what_to_do() {
    let code = || "a_code_of_a_newer_server".to_owned();
    let errors = [
        ApiError::Later { code: code(), after_ms: 1 },
        ApiError::Input { problems: vec![] },
        ApiError::NotFound,
        ApiError::Update,
        ApiError::Storage { step: String::new(), damaged: false },
        ApiError::Storage { step: String::new(), damaged: true },
        ApiError::Full { step: String::new() },
        ApiError::ReadOnly { folder: "/phone".to_owned() },
        ApiError::Bug { step: String::new() },
    ];
    for error in errors {
        let text = error.text();
        assert!(text.en.contains(' ') && text.zh.chars().any(|c| c > '\u{4e00}'), "{error:?}: {text:?}");
    }
    assert!(ApiError::Enrol { code: code() }.text().zh.contains("重新注册"));
    let refused = ApiError::Enrol { code: "revoked".to_owned() };
    assert!(refused.text().zh.contains("停用"));
    assert!(ApiError::ReadOnly { folder: "/phone".to_owned() }.text().en.contains("/phone"));
    let server = ApiError::Later { code: "server_storage".to_owned(), after_ms: 1 };
    assert!(server.text().zh.starts_with("服务器"), "whose disk it is: {:?}", server.text());
}
