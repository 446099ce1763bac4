//! The binary beside a server that runs.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::hand::Server;

pub fn gridpass(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridpass-server"));
    command.arg("--data").arg(folder).args(arguments).env_remove("GRIDPASS_PASSPHRASE").output().unwrap()
}

pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_catalog_is_exported_changed_checked_published_and_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, files) = (folder.path().join("data"), folder.path().join("files"));
    let files = files.to_str().unwrap();
    let server = Server::open(&data);
    assert_eq!(server.app.catalogs().newest(), 1);

    assert!(gridpass(&data, &["catalog", "export", files]).status.success());
    let again = gridpass(&data, &["catalog", "export", files]);
    assert!(!again.status.success(), "what is there is not overwritten: {}", told(&again));
    let duty = format!("{files}/tables/duty.toml");
    let text = std::fs::read_to_string(&duty).unwrap();
    std::fs::write(&duty, text.replacen("zh = \"", "zh = \"值", 1)).unwrap();
    let house = format!("{files}/house.toml");
    let good = std::fs::read_to_string(&house).unwrap();
    std::fs::write(&house, good.replace("bucket = \"base\"", "bucket = \"basement\"")).unwrap();

    for command in ["check", "publish"] {
        let refused = gridpass(&data, &["catalog", command, &duty, &house]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            told(&refused).contains("\nhouse.toml:5:10: bucket: `basement` is not a known `bucket`; use one of"),
            "{}",
            told(&refused)
        );
    }
    assert!(gridpass(&data, &["catalog", "check", &duty]).status.success());
    assert_eq!(server.app.catalogs().newest(), 1, "checking publishes nothing");
    assert!(gridpass(&data, &["catalog", "publish", &duty]).status.success());
    assert_eq!(server.app.catalogs().newest(), 2, "published by another process");
    let list = told(&gridpass(&data, &["catalog", "list"]));
    assert!(list.contains("version 2: 19 files, changed: tables/duty.toml\n"), "{list}");
}

#[test]
fn a_backup_is_made_and_restored_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("backup"));
    let (to, passphrase) = (to.to_str().unwrap(), folder.path().join("passphrase"));
    std::fs::write(&passphrase, "correct horse battery\n").unwrap();
    let passphrase = passphrase.to_str().unwrap();
    let server = Server::open(&data);
    let pin = server.app.keys.tls_pin;

    let refused = gridpass(&data, &["backup", to]);
    assert!(told(&refused).contains("set GRIDPASS_PASSPHRASE or name a --passphrase-file"), "{}", told(&refused));
    let made = gridpass(&data, &["backup", to, "--passphrase-file", passphrase]);
    assert!(made.status.success() && told(&made).contains("rows copied and verified"), "{}", told(&made));
    let refused = gridpass(&data, &["restore", to, "--replace"]);
    assert!(
        !refused.status.success() && told(&refused).contains("is open; stop the server first"),
        "{}",
        told(&refused)
    );
    drop(server);
    let refused = gridpass(&data, &["restore", to]);
    assert!(!refused.status.success() && told(&refused).contains("say --replace"), "{}", told(&refused));
    assert!(gridpass(&data, &["restore", to, "--replace"]).status.success());
    let elsewhere = folder.path().join("elsewhere");
    let made = gridpass(&elsewhere, &["restore", to, "--passphrase-file", passphrase]);
    assert!(made.status.success() && told(&made).contains("keys: from the backup"), "{}", told(&made));
    assert!(gridpass(&elsewhere, &["verify"]).status.success());
    assert_eq!(Server::open(&elsewhere).app.keys.tls_pin, pin);
}

#[test]
fn a_parameter_is_listed_set_and_refused_with_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::open(&data);
    let list = || told(&gridpass(&data, &["parameter", "list"]));
    assert_eq!(list(), "visit_interval_days = 90 (1 to 3650)\n");
    for value in ["30", "60", "60"] {
        assert!(gridpass(&data, &["parameter", "set", "visit_interval_days", value]).status.success());
    }
    assert_eq!(list(), "visit_interval_days = 60 (1 to 3650)\n");
    let refused = gridpass(&data, &["parameter", "set", "visit_interval_days", "0"]);
    assert!(told(&refused).contains("value: must be a whole number from 1 to 3650"), "{}", told(&refused));
    let refused = gridpass(&data, &["parameter", "set", "visit_days", "7"]);
    assert!(told(&refused).contains("name: no parameter is called so"), "{}", told(&refused));
    assert_eq!(server.faults(), []);
}

#[test]
fn a_login_that_nobody_could_type_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (login, name, named) in [
        ("", "某", "login: must be 1 to 64 characters"),
        (" li", "某", "login: "),
        ("l\ti", "某", "login: "),
        (&"x".repeat(65), "某", "login: "),
        ("li", "", "name: must be 1 to 200 characters"),
    ] {
        let refused = gridpass(&data, &["user", "add", login, name]);
        assert!(!refused.status.success() && told(&refused).contains(named), "{}", told(&refused));
    }
    assert!(gridpass(&data, &["user", "add", &"李".repeat(64), "某"]).status.success());
}

/// The messages and fields of JSON lines.
fn lines(log: &str) -> Vec<serde_json::Value> {
    log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["fields"].clone()).collect()
}

#[test]
fn a_server_tells_its_start_with_its_settings_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "listen = \"127.0.0.1:0\"\nmetrics_listen = \"127.0.0.1:0\"\ndistrict = \"某区\"\n";
    std::fs::write(folder.path().join("gridpass.toml"), settings).unwrap();
    for (signal, filter, told) in [("-INT", "info", true), ("-TERM", "info", true), ("-TERM", "error", false)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridpass-server"));
        command.arg("--data").arg(folder.path()).arg("serve").env("RUST_LOG", filter);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
        assert!(said.next().unwrap().unwrap().starts_with("listening on https://127.0.0.1:"));
        assert!(said.next().unwrap().unwrap().starts_with("metrics on http://127.0.0.1:"));
        assert!(Command::new("kill").args([signal, &server.id().to_string()]).status().unwrap().success());
        let mut log = String::new();
        server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(server.wait().unwrap().success(), "{signal}: {log}");
        assert!(std::fs::read_to_string(folder.path().join("audit.seals")).unwrap().ends_with("}\n"), "it is sealed");
        let messages = lines(&log);
        let begins = messages.iter().find(|line| line["message"] == "serving begins");
        assert_eq!(
            (begins.is_some(), messages.iter().any(|line| line["message"] == "serving has ended")),
            (told, told)
        );
        let Some(begins) = begins else { continue };
        let settings: serde_json::Value = serde_json::from_str(begins["settings"].as_str().unwrap()).unwrap();
        assert_eq!((&settings["district"], &settings["grace_hours"]), (&"某区".into(), &72.into()));
    }
}

#[test]
fn what_it_changes_is_one_line_without_names() {
    let folder = tempfile::tempdir().unwrap();
    let log = |arguments: &[&str]| {
        let output = gridpass(folder.path(), arguments);
        let log = String::from_utf8(output.stderr).unwrap();
        lines(&log.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n"))
    };
    for (arguments, message) in [
        (["user", "add", "zhang", "张三"].as_slice(), "an act of IT"),
        (&["user", "add", "zhang", "张三"], "an act of IT failed"),
        (&["device", "code", "nobody"], "an act of IT failed"),
        (&["parameter", "set", "visit_interval_days", "60"], "an act of IT"),
    ] {
        let lines = log(arguments);
        let line =
            lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{arguments:?} {lines:?}"));
        assert_eq!(line["act"], arguments[..2].join(" "));
        assert!(!format!("{lines:?}").contains("zhang") && !format!("{lines:?}").contains("张三"), "{lines:?}");
    }
    assert!(log(&["parameter", "list"]).is_empty(), "what changes nothing is not told");
}
