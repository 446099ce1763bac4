//! The catalog's versions in the district's log: loading them, judging the next one, publishing it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, CatalogError, CatalogSource, SuccessionError, well_formed};
use gridpass_core::id::RecordId;
use gridpass_core::record::{Shown, ShownValues};
use gridpass_core::wire::FMT_PLAIN;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::app::App;
use crate::catalogs::Catalogs;
use crate::db::{DbError, Principal};
use crate::ingest::plain_head;
use crate::log::{Audit, Base, Commit, Files, Outcome, RecordWrite, ReviewWrite, Write};

/// The collection whose records are the published versions of the catalog.
pub const CATALOG: &str = "catalog";

/// The key that says that no person published a version.
const BY_PROGRAM: &str = "by_program";

/// What is published, as of a row of the district's log.
#[derive(Default)]
pub(crate) struct Published {
    head: u64,
    newest: CatalogSource,
    catalogs: Arc<Catalogs>,
}

/// What is wrong with the next version of the catalog, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The file's name in the catalog.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong and how to put it right.
    pub message: String,
    /// A stable name of the defect.
    pub code: &'static str,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {} [{}]", self.file, self.line, self.column, self.message, self.code)
    }
}

/// Why a version is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Its files are not right.
    #[error("these files cannot be published:{}", .0.iter().map(|defect| format!("\n{defect}")).collect::<String>())]
    Defects(Vec<Defect>),
    /// It is what is published already.
    #[error("nothing in these files differs from version {0}, the newest")]
    Unchanged(u32),
    /// Another process was faster.
    #[error("version {0} was published meanwhile; check the files over it and publish again")]
    Overtaken(u32),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl App {
    /// All published catalogs. A version that another process has published is taken up: one row is read to know.
    pub fn catalogs(&self) -> Arc<Catalogs> {
        self.published(|published| published.catalogs.clone())
    }

    /// The files of the newest version.
    pub fn newest_catalog(&self) -> CatalogSource {
        self.published(|published| published.newest.clone())
    }

    fn published<T>(&self, read: impl Fn(&Published) -> T) -> T {
        let (head, known) = {
            let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
            (published.head, read(&published))
        };
        let now = match self.db.heads(&Principal::SERVER, self.now_ms(), &[Bucket::District]) {
            Ok(heads) => heads.get(&Bucket::District).copied().unwrap_or(0),
            Err(error) => {
                tracing::error!(error = %error, "the catalog's version cannot be looked up; the last known one is used");
                return known;
            }
        };
        if now == head {
            return known;
        }
        if let Err(error) = self.load_catalogs() {
            tracing::error!(error = %error, "a published catalog cannot be used; the last known one is used");
            self.published.write().unwrap_or_else(PoisonError::into_inner).head = now; // said once
        }
        read(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every published version, oldest first.
    pub fn catalog_versions(&self) -> Result<Vec<CatalogSource>, DbError> {
        self.catalog_sources().map(|(_, versions)| versions.into_iter().map(|(source, _)| source).collect())
    }

    /// Every published version and whether a program took it up of itself, oldest first, and the row of the district's
    /// log they stand for.
    fn catalog_sources(&self) -> Result<(u64, Vec<(CatalogSource, bool)>), DbError> {
        let mut versions: Vec<(CatalogSource, bool)> = Vec::new();
        let cursor =
            self.db.bucket_records(&Principal::SERVER, self.now_ms(), Bucket::District, 100, &mut |records| {
                let catalogs = records.into_iter().filter(|record| record.collection == CATALOG);
                let version = |values: &ShownValues| Some((source_of(values)?, values.contains_key(BY_PROGRAM)));
                versions.extend(catalogs.filter_map(|record| version(&record.values)));
                Ok(())
            })?;
        versions.sort_by_key(|(source, _)| source.version);
        Ok((cursor.log_seq, versions))
    }

    /// Takes up what a newer program has in its built-in catalog: every built-in file that nobody here has changed. A
    /// catalog that would not be right, or not follow, is not published; what holds goes on.
    pub fn take_up_built_in(&self) -> Result<Option<u32>, PublishError> {
        let (_, versions) = self.catalog_sources()?;
        let Some((newest, _)) = versions.last() else { return Ok(None) };
        let built_in = CatalogSource::built_in();
        let text = |source: &CatalogSource, name: &str| {
            source.files.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        };
        let is_own = |name: &str| {
            versions.windows(2).any(|pair| match pair {
                [(before, _), (after, by_program)] => !by_program && text(before, name) != text(after, name),
                _ => false,
            })
        };
        let files: Vec<(String, String)> = built_in.files.into_iter().filter(|(name, _)| !is_own(name)).collect();
        let next = newest.succeed(files);
        if next.files == newest.files {
            return Ok(None);
        }
        self.publish_by(&next, true)?;
        Ok(Some(next.version))
    }

    pub(crate) fn load_catalogs(&self) -> Result<(), PublishError> {
        let (head, versions) = self.catalog_sources()?;
        let newest = versions.last().map(|(source, _)| source.clone()).unwrap_or_default();
        let known = self.published.read().unwrap_or_else(PoisonError::into_inner).newest.version;
        if newest.version == known {
            self.published.write().unwrap_or_else(PoisonError::into_inner).head = head;
            return Ok(());
        }
        let versions: Vec<Catalog> = versions
            .iter()
            .map(|(source, _)| source.parse())
            .collect::<Result<_, _>>()
            .map_err(|errors| PublishError::Defects(errors.into_iter().map(Defect::from).collect()))?;
        let catalogs = Arc::new(Catalogs::new(versions));
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Published { head, newest, catalogs };
        Ok(())
    }

    /// The next version: the newest with these files replaced or added. Every defect is told.
    pub fn next_catalog(&self, files: Vec<(String, String)>) -> Result<CatalogSource, PublishError> {
        let newest = self.newest_catalog();
        let next = newest.succeed(files);
        if next.files == newest.files {
            return Err(PublishError::Unchanged(newest.version));
        }
        check(&newest, &next).map_err(PublishError::Defects)?;
        Ok(next)
    }

    /// Publishes a version of the catalog: a record of the district, which phones pull like any other.
    pub fn publish(&self, source: &CatalogSource) -> Result<(), PublishError> {
        self.publish_by(source, false)
    }

    fn publish_by(&self, source: &CatalogSource, by_program: bool) -> Result<(), PublishError> {
        check(&self.newest_catalog(), source).map_err(PublishError::Defects)?;
        let one = |value: gridpass_core::Value| Shown::One(value);
        let mut shown: ShownValues =
            source.files.iter().map(|(name, text)| (key_of(name), one(text.as_str().into()))).collect();
        shown.insert("version".into(), one(i64::from(source.version).into()));
        if by_program {
            shown.insert(BY_PROGRAM.into(), one(true.into()));
        }
        let record = RecordId::derived(CATALOG, &[&source.version.to_be_bytes()]);
        let audit = Audit {
            action: "catalog_published",
            object: Some(record.0.to_vec()),
            detail: serde_json::json!({ "version": source.version }).to_string(),
            ..Audit::default()
        };
        let commit = Commit { write: Write::Record(Box::new(plain_write(record, CATALOG, None, shown))), audit };
        let outcomes = self.db.commit(self.now_ms(), vec![commit])?;
        if outcomes.contains(&Outcome::Stale) {
            return Err(PublishError::Overtaken(source.version));
        }
        self.advanced(&outcomes);
        self.load_catalogs()
    }
}

/// The write of a record of plain values in the district's bucket.
pub(crate) fn plain_write(record: RecordId, collection: &str, base: Option<Base>, shown: ShownValues) -> RecordWrite {
    RecordWrite {
        record,
        collection: collection.into(),
        generation: 0,
        fmt: FMT_PLAIN,
        base,
        changes: Vec::new(),
        heads: vec![plain_head(&shown)],
        shown,
        home: Bucket::District,
        also: Vec::new(),
        names: Vec::new(),
        tickets: Vec::new(),
        decided: Vec::new(),
        review: ReviewWrite::default(),
        files: Files::default(),
    }
}

/// The name that a file on disk has in the catalog: that of the one published file of the same name, else its own, with
/// the folder it lies in if that is `tables`.
pub fn name_in(catalog: &CatalogSource, path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut same = catalog.files.iter().filter(|(known, _)| known.rsplit('/').next() == Some(&name));
    match (same.next(), same.next()) {
        (Some((known, _)), None) => known.clone(),
        _ if path.parent().is_some_and(|parent| parent.ends_with("tables")) => format!("tables/{name}"),
        _ => name.into_owned(),
    }
}

/// Whether `next` reads and may follow `newest`.
fn check(newest: &CatalogSource, next: &CatalogSource) -> Result<(), Vec<Defect>> {
    let names: Vec<Defect> = next
        .files
        .iter()
        .filter(|(name, _)| !well_formed(&key_of(name)))
        .map(|(name, _)| Defect {
            file: name.clone(),
            line: 1,
            column: 1,
            message: "the file's name must be lower-case letters, digits, `_`, `-` and `.`; rename it".into(),
            code: "file_name",
        })
        .collect();
    if !names.is_empty() {
        return Err(names);
    }
    let of_files = |errors: Vec<CatalogError>| errors.into_iter().map(Defect::from).collect::<Vec<_>>();
    let later = next.parse().map_err(of_files)?;
    if newest.version == 0 {
        return Ok(());
    }
    let earlier = newest.parse().map_err(of_files)?;
    Catalog::check_succession(&earlier, &later)
        .map_err(|errors| errors.into_iter().map(|error| placed(newest, next, error)).collect())
}

fn key_of(file: &str) -> String {
    format!("file/{file}")
}

fn source_of(values: &ShownValues) -> Option<CatalogSource> {
    let version = u32::try_from(values.get("version")?.value().as_int()?).ok()?;
    let files = values
        .iter()
        .filter_map(|(key, shown)| Some((key.strip_prefix("file/")?.to_owned(), shown.value().as_str()?.to_owned())))
        .collect();
    Some(CatalogSource { version, files })
}

impl From<CatalogError> for Defect {
    fn from(error: CatalogError) -> Self {
        let message = if error.path.is_empty() { error.message } else { format!("{}: {}", error.path, error.message) };
        Self { file: error.file, line: error.line, column: error.column, message, code: error.code }
    }
}

/// A defect of succession is about a name; this finds where the name is defined, or was in the version before.
fn placed(newest: &CatalogSource, next: &CatalogSource, error: SuccessionError) -> Defect {
    let (id, member) = match error.what.split_once('.') {
        Some((id, member)) => (id, Some(member)),
        None => (error.what.as_str(), None),
    };
    let found = find(next, id, member).or_else(|| find(next, id, None));
    let (file, line, column) =
        found.or_else(|| find(newest, id, None).map(|(file, ..)| (file, 1, 1))).unwrap_or_default();
    Defect { file, line, column, message: format!("{}: {}", error.what, error.message), code: error.code }
}

/// The place of the table whose `id` is `id`, or of the table within it whose `key` or `code` is `member`.
fn find(source: &CatalogSource, id: &str, member: Option<&str>) -> Option<(String, usize, usize)> {
    source.files.iter().find_map(|(name, text)| {
        let root = DeTable::parse(text).ok()?;
        let defined = find_table(root.get_ref(), &["id"], id)?;
        let value = match member {
            Some(member) => find_table(defined.0, &["key", "code"], member)?.1,
            None => defined.1,
        };
        let before = text.get(..value.span().start)?;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Some((name.clone(), before.matches('\n').count() + 1, column))
    })
}

type Found<'t> = (&'t DeTable<'t>, &'t Spanned<DeValue<'t>>);

fn find_table<'t>(table: &'t DeTable<'t>, keys: &[&str], name: &str) -> Option<Found<'t>> {
    let own = keys.iter().filter_map(|key| table.get(*key)).find(|value| value.get_ref().as_str() == Some(name));
    own.map(|value| (table, value)).or_else(|| table.values().find_map(|value| find_within(value, keys, name)))
}

fn find_within<'t>(value: &'t Spanned<DeValue<'t>>, keys: &[&str], name: &str) -> Option<Found<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => find_table(table, keys, name),
        DeValue::Array(items) => items.iter().find_map(|item| find_within(item, keys, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn changed(source: &CatalogSource, file: &str, from: &str, to: &str) -> (String, String) {
        let text = &source.files.iter().find(|(name, _)| name == file).unwrap().1;
        assert!(text.contains(from));
        (file.to_owned(), text.replacen(from, to, 1))
    }

    #[test]
    fn a_newer_programs_files_are_taken_up_but_for_those_the_district_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::open(folder.path(), Clock::system).unwrap();
        assert_eq!(app.take_up_built_in().unwrap(), None, "it is what was published first");
        let built_in = CatalogSource::built_in();
        let own = changed(&built_in, "house.toml", "实有房屋", "房屋");
        app.publish(&app.next_catalog(vec![own.clone()]).unwrap()).unwrap();
        // As a program had it whose opinions were called otherwise.
        let earlier = changed(&built_in, "opinion.toml", "社情民意", "民意");
        app.publish_by(&app.next_catalog(vec![earlier]).unwrap(), true).unwrap();

        assert_eq!(app.take_up_built_in().unwrap(), Some(4));
        let newest = app.newest_catalog();
        assert_eq!(newest.files, built_in.succeed(vec![own]).files);
        assert_eq!(app.take_up_built_in().unwrap(), None);
        assert_eq!(app.catalogs().newest(), 4);
    }
}
