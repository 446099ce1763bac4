//! Whom the workspace is linked with: licences, banned crates, and one of each where two would be a defect.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::SplitWhitespace;

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

use crate::tree::root;

/// Licences under which a dependency may be used, with their exceptions.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0", // asks for the source of its own files only
    "Unicode-3.0",
    "WTFPL",
    "Zlib",
    "blessing", // SQLite's public domain
];

/// Crates that must not be in the lock file, whatever the platform, and why.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-rs", "a second provider of rustls"),
    ("aws-lc-sys", "a second provider of rustls"),
    ("boring", "a second TLS library"),
    ("diesel", "a second SQLite link"),
    ("hyper-tls", "a second TLS library"),
    ("libsql", "a second SQLite link"),
    ("native-tls", "a second TLS library"),
    ("openssl", "a second TLS library; openssl-sys is there for SQLCipher only"),
    ("sqlx", "a second SQLite link"),
    ("sqlx-core", "a second SQLite link"),
    ("webpki-roots", "phones trust the pinned key of their server and nobody else"),
];

/// Crates of which the lock file holds exactly one version.
const ONE: &[&str] = &["automerge", "libsqlite3-sys", "ring", "rusqlite", "rustls", "tokio"];

fn metadata() -> Metadata {
    // What is built on this machine is here already, so this needs no network.
    let options = ["--locked", "--offline", "--filter-platform", "host-tuple"].map(str::to_owned);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(options.to_vec())
        .exec()
        .unwrap()
}

/// Name and version of every package of the lock file: those of other platforms too.
fn locked() -> BTreeSet<(String, String)> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let value = |line: Option<&str>, name: &str| {
        Some(line?.strip_prefix(name)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let packages = lock.split("[[package]]\n").skip(1);
    packages
        .map(|package| {
            let mut lines = package.lines();
            (value(lines.next(), "name").unwrap(), value(lines.next(), "version").unwrap())
        })
        .collect()
}

/// Whether a licence expression (SPDX, or the older form with `/`) can be met with allowed licences alone.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words) && words.next().is_none()
}

fn any(words: &mut Peekable<SplitWhitespace<'_>>) -> bool {
    let mut holds = all(words);
    while words.next_if_eq(&"OR").is_some() {
        holds |= all(words);
    }
    holds
}

fn all(words: &mut Peekable<SplitWhitespace<'_>>) -> bool {
    let mut holds = one(words);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words);
    }
    holds
}

fn one(words: &mut Peekable<SplitWhitespace<'_>>) -> bool {
    let Some(licence) = words.next() else { return false };
    if licence == "(" {
        let holds = any(words);
        return words.next() == Some(")") && holds;
    }
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()),
        None => ALLOWED.contains(&licence),
    }
}

#[test]
fn every_dependency_can_be_used_under_an_allowed_licence() {
    let packages = metadata().packages;
    assert!(packages.len() > 100, "only {} packages", packages.len());
    let refused: Vec<_> = packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(is_allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn an_expression_is_read_as_its_words_say() {
    for allowed in ["MIT", "MIT OR GPL-3.0-only", "GPL-3.0-only/MIT", "(MIT OR X) AND (ISC OR Y)", "X OR MIT AND ISC"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in
        ["", "GPL-3.0-only", "MIT AND X", "(MIT OR X) AND Y", "MIT WITH X", "(MIT", "MIT ISC", "X AND MIT OR Y"]
    {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn no_banned_crate_is_locked() {
    let locked = locked();
    let found: Vec<_> = BANNED.iter().filter(|(banned, _)| locked.iter().any(|(name, _)| name == banned)).collect();
    assert_eq!(found, Vec::<&(&str, &str)>::new());
}

#[test]
fn there_is_one_version_of_what_must_agree_with_itself() {
    let locked = locked();
    for name in ONE {
        let versions: Vec<_> = locked.iter().filter(|(locked, _)| locked == name).map(|(_, version)| version).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn ring_is_the_one_provider_of_rustls_and_openssl_serves_only_sqlite() {
    let metadata = metadata();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let name = |id: &cargo_metadata::PackageId| metadata[id].name.to_string();
    let rustls = nodes.iter().find(|node| name(&node.id) == "rustls").unwrap();
    let providers: Vec<String> = rustls
        .features
        .iter()
        .map(ToString::to_string)
        .filter(|feature| ["ring", "aws", "aws-lc-rs", "aws_lc_rs", "fips"].contains(&feature.as_str()))
        .collect();
    assert_eq!(providers, ["ring"]);
    let linked: Vec<_> = nodes
        .iter()
        .filter(|node| node.dependencies.iter().any(|id| name(id) == "openssl-sys"))
        .map(|node| name(&node.id))
        .collect();
    assert_eq!(linked, ["libsqlite3-sys"]);
}
