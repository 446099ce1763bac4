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
use crate::log::{Audit, Base, Commit, Files, Outcome, RecordWrite, Write};

/// The collection whose records are the published versions of the catalog.
pub const CATALOG: &str = "catalog";

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
        self.catalog_sources().map(|(_, sources)| sources)
    }

    /// Every published version, and the row of the district's log they stand for.
    fn catalog_sources(&self) -> Result<(u64, Vec<CatalogSource>), DbError> {
        let mut sources: Vec<CatalogSource> = Vec::new();
        let cursor =
            self.db.bucket_records(&Principal::SERVER, self.now_ms(), Bucket::District, 100, &mut |records| {
                let catalogs = records.into_iter().filter(|record| record.collection == CATALOG);
                sources.extend(catalogs.filter_map(|record| source_of(&record.values)));
                Ok(())
            })?;
        sources.sort_by_key(|source| source.version);
        Ok((cursor.log_seq, sources))
    }

    pub(crate) fn load_catalogs(&self) -> Result<(), PublishError> {
        let (head, sources) = self.catalog_sources()?;
        let newest = sources.last().cloned().unwrap_or_default();
        let known = self.published.read().unwrap_or_else(PoisonError::into_inner).newest.version;
        if newest.version == known {
            self.published.write().unwrap_or_else(PoisonError::into_inner).head = head;
            return Ok(());
        }
        let versions: Vec<Catalog> = sources
            .iter()
            .map(CatalogSource::parse)
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
        check(&self.newest_catalog(), source).map_err(PublishError::Defects)?;
        let one = |value: gridpass_core::Value| Shown::One(value);
        let mut shown: ShownValues =
            source.files.iter().map(|(name, text)| (key_of(name), one(text.as_str().into()))).collect();
        shown.insert("version".into(), one(i64::from(source.version).into()));
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
