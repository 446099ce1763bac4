//! The repository as its users get it: every tracked file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every tracked text file: its path from the root and its text.
pub fn tracked_texts() -> Vec<(PathBuf, String)> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).unwrap();
    let text = |name: &str| Some((name.into(), std::fs::read_to_string(root().join(name)).ok()?));
    names.split('\0').filter(|name| !name.is_empty()).filter_map(text).collect()
}

/// Where a text names a folder at the root of a machine that only its developer has.
fn machine_paths(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    // Put together here, so that this file does not name one.
    for folder in ["root", "work", "home", "Users"] {
        let path = format!("/{folder}/");
        let begins = |at: usize| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            before.is_none_or(|before| !before.is_ascii_alphanumeric() && !"._-".contains(before))
        };
        found.extend(text.match_indices(&path).map(|(at, _)| at).filter(|at| begins(*at)));
    }
    found
}

#[test]
fn no_tracked_file_names_a_folder_of_one_machine() {
    let texts = tracked_texts();
    assert!(texts.len() > 100, "only {} files are tracked", texts.len());
    let line = |text: &str, at: usize| text.get(..at).unwrap().lines().count();
    let found: Vec<_> = texts
        .iter()
        .flat_map(|(path, text)| machine_paths(text).into_iter().map(move |at| (path, line(text, at))))
        .map(|(path, line)| format!("{}:{line}", path.display()))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_path_of_a_machine_is_told_from_the_end_of_another_path() {
    let sep = "/";
    assert_eq!(machine_paths(&format!("see {sep}root{sep}x")), [4]);
    assert_eq!(machine_paths(&format!("({sep}home{sep}a, \"{sep}work{sep}b\"")).len(), 2);
    assert_eq!(machine_paths("crates/work/src and https://example.org/root/x"), [0_usize; 0]);
}
