//! What the documents name exists: files behind links, tests behind invariants.

use std::path::{Path, PathBuf};

use crate::tree::{root, tracked_texts};

fn documents() -> Vec<(PathBuf, String)> {
    let texts = tracked_texts().into_iter();
    texts.filter(|(path, _)| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The targets of `[text](target)` that are files of the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' ')).collect()
}

/// Tests in code marks: a path that ends in `.rs`, two colons, the name of a function.
fn tests(text: &str) -> Vec<(&str, &str)> {
    let marked = text.split('`').skip(1).step_by(2);
    marked.filter_map(|mark| mark.split_once("::").filter(|(file, _)| file.ends_with(".rs"))).collect()
}

#[test]
fn every_link_between_documents_leads_to_a_file() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        let folder = root().join(path.parent().unwrap_or(Path::new("")));
        dead.extend(
            links(&text)
                .into_iter()
                .filter(|target| !folder.join(target).exists())
                .map(|t| (path.clone(), t.to_owned())),
        );
    }
    assert_eq!(dead, []);
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    let mut named = 0;
    for (path, text) in documents() {
        for (file, function) in tests(&text) {
            named += 1;
            let source = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if !source.contains(&format!("fn {function}(")) {
                missing.push((path.clone(), format!("{file}::{function}")));
            }
        }
    }
    assert_eq!(missing, []);
    assert!(named > 20, "the invariants name their tests: {named}");
}

#[test]
fn links_and_tests_are_found_in_a_text() {
    assert_eq!(links("[a](b.md), [c](d/e.md#f) [g](https://h) [i](#j)"), ["b.md", "d/e.md"]);
    assert_eq!(tests("`a` holds by `core/x.rs::it_holds` and `B::c`"), [("core/x.rs", "it_holds")]);
}
