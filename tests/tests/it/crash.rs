//! Real processes on real files: a part of what `make crash` plays, and what a full disk and a read-only folder do.

use std::process::{Command, Output};

use crate::tree::root;

/// Plays a part of `gridpass-crash`. Server and phone lie beside it when the whole workspace is tested with all features,
/// as `make test` does; where they do not, it says how they are made.
fn crash(arguments: &[&str]) -> Output {
    let mut played = Command::new(env!("CARGO_BIN_EXE_gridpass-crash"));
    played.current_dir(root()).args(arguments).env_remove("SEED").env_remove("RUNS").env_remove("ROUND");
    played.env_remove("BREAK").output().unwrap()
}

fn holds(arguments: &[&str]) {
    let played = crash(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&played.stdout), String::from_utf8_lossy(&played.stderr));
    assert!(played.status.success(), "{said}");
}

#[test]
fn what_was_acknowledged_is_there_after_phones_and_server_are_killed_at_any_instant() {
    holds(&["--runs", "40", "--seed", "20270115"]);
}

#[test]
fn a_full_disk_loses_nothing_says_what_to_do_and_is_left_behind_when_there_is_room() {
    holds(&["full-disk"]);
}

#[test]
fn a_folder_that_may_not_be_written_is_named_with_the_remedy_and_not_changed() {
    holds(&["read-only"]);
}

#[test]
fn a_save_that_is_acknowledged_and_lost_or_half_is_noticed() {
    for planted in ["forget", "half"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().display().to_string();
        let played = crash(&["--runs", "10", "--plant", planted, "--out", &out]);
        let said = String::from_utf8_lossy(&played.stdout);
        assert!(!played.status.success() && said.contains("is not there: "), "{planted}: {said}");
    }
}
