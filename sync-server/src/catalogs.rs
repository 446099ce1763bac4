//! All published versions of the catalog.

use gridpass_core::bucket::BucketClass;
use gridpass_core::catalog::{Catalog, Collection, FieldType, FileUse, Level, NoFacts, Policy, Sens, element};
use gridpass_core::id::RecordId;
use gridpass_core::record::check::KeyRule;
use gridpass_core::wire::Reason;
use gridpass_core::{Value, Values};

use crate::ingest::Roles;
use crate::log::READ_WHERE_NAMED;

/// All published versions. Keys and types are never reused, so a key that any version knows is known.
#[derive(Default)]
pub struct Catalogs {
    /// Oldest first.
    versions: Vec<Catalog>,
    roles: Roles,
}

/// The record that a value names, where it may be one of [`READ_WHERE_NAMED`].
pub fn shared(collection: &Collection, key: &str, value: &Value) -> Option<RecordId> {
    let form = collection.key(key)?;
    let own = |to: &str| if to == "self" { collection.id.clone() } else { to.to_owned() };
    let is_shared = |to: &[String]| to.iter().any(|to| READ_WHERE_NAMED.contains(&own(to).as_str()));
    match (&form.field?.field_type, value) {
        (FieldType::Ref { to }, Value::Str(id)) if is_shared(to) => id.parse().ok(),
        (FieldType::Refs { to }, Value::Bool(true)) if is_shared(to) => element(key)?.parse().ok(),
        _ => None,
    }
}

impl Catalogs {
    /// From the versions, in any order.
    pub fn new(mut versions: Vec<Catalog>) -> Self {
        versions.sort_by_key(|catalog| catalog.version);
        let newest = versions.last().map(|catalog| &catalog.roles).filter(|roles| !roles.is_empty());
        // Versions of builds before there were roles name none.
        let roles = newest.cloned().unwrap_or_else(|| Catalog::built_in().roles.clone());
        Self { versions, roles }
    }

    /// The newest version's number; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.versions.last().map_or(0, |catalog| catalog.version)
    }

    /// The newest version.
    pub fn newest_catalog(&self) -> Option<&Catalog> {
        self.versions.last()
    }

    /// A collection as the newest version has it, or the last that had it.
    pub fn collection(&self, id: &str) -> Option<&Collection> {
        self.all(id).next()
    }

    /// The roles that count now: those of the newest version.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// How sensitive the values of a key are, by the newest version that knows it; restricted where none does.
    pub fn sens(&self, collection: &str, key: &str) -> Sens {
        self.all(collection).find_map(|found| found.key(key)).map_or(Sens::S4, |form| form.sens)
    }

    fn all(&self, collection: &str) -> impl Iterator<Item = &Collection> {
        self.versions.iter().rev().filter_map(move |catalog| catalog.collection(collection))
    }

    /// The class of a collection's bucket; none for a collection nobody has published.
    pub fn class(&self, collection: &str) -> Option<BucketClass> {
        self.all(collection).next().map(|found| found.bucket)
    }

    /// The policy of a key, by the newest version that knows it.
    pub fn policy(&self, collection: &str, key: &str) -> Option<Policy> {
        self.all(collection).find_map(|found| found.key(key)).map(|form| form.policy)
    }

    /// Whether any version knows the key and takes the value there.
    pub fn key_rule(&self, collection: &str, key: &str, value: &Value) -> Result<KeyRule, Reason> {
        let mut refusal = Reason::new("unknown_collection");
        for found in self.all(collection) {
            match found.check_op(key, value) {
                Ok(()) => return Ok(KeyRule { once: found.key(key).is_some_and(|form| form.write_once()) }),
                Err(error) => refusal = Reason::at(error.code, &error.field),
            }
        }
        Err(refusal)
    }

    /// What a value at a key says about a file, by the newest version that knows the key as one of files.
    pub fn file_use(&self, collection: &str, key: &str, value: &Value) -> Option<FileUse> {
        self.all(collection).find_map(|found| found.file_use(key, value))
    }

    /// The record that a value names and that is read wherever the value is, by any version.
    pub fn names(&self, collection: &str, key: &str, value: &Value) -> Option<RecordId> {
        self.all(collection).find_map(|found| shared(found, key, value))
    }

    /// What the rules of the item's version say against a record; soft on the server.
    pub fn findings(&self, version: u32, collection: &str, values: &Values, now_ms: i64) -> Vec<Reason> {
        let named =
            self.versions.iter().find(|catalog| catalog.version == version).and_then(|c| c.collection(collection));
        let Some(rules) = named.or_else(|| self.all(collection).next()) else { return Vec::new() };
        let findings = rules.check(values, &NoFacts(now_ms));
        findings
            .into_iter()
            .filter(|finding| finding.level == Level::Error)
            .map(|finding| Reason::at(&finding.code, &finding.at))
            .collect()
    }
}
