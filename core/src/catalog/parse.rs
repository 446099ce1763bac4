//! From files to a catalog: first what fields refer to, then the collections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::de::DeTable;

use super::Catalog;
use super::error::{CatalogError, Place};
use super::form::is_code;
use super::key::is_segment;
use super::parse_collection;
use super::parse_field::{self, Draft};
use super::parse_role;
use super::reader::{File, Table};
use super::table::{ChildForm, ChildKind, ChildPart, CodeItem, CodeTable, FieldGroup, PartForm, Retention, Shelf};

/// A name made of lower-case letters, digits and `_`, beginning with a letter.
pub(super) fn is_name(text: &str) -> bool {
    is_segment(text)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| !matches!(byte, b'.' | b'-'))
}

/// Reads `retain`, which a table must have.
pub(super) fn need_retention(table: &Table<'_>) -> Option<Retention> {
    let text = table.need_text("retain")?;
    let retain = Retention::parse(&text);
    if retain.is_none() {
        let message = "retention is written `24 months`, `30 days` or `while_active + 24 months`; write it so";
        table.fail("retain", "bad_retention", message);
    }
    retain
}

impl Catalog {
    /// Reads a catalog from (file name, text). Every defect of every file is told, not only the first.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(files: &[(N, T)]) -> Result<Self, Vec<CatalogError>> {
        let files: Vec<File<'_>> = files.iter().map(|(name, text)| File::new(name.as_ref(), text.as_ref())).collect();
        let documents: Vec<_> = files.iter().map(|file| (file, document(file))).collect();
        let roots: Vec<Table<'_>> = documents
            .iter()
            .filter_map(|(file, map)| map.as_ref().map(|map| Table::new(file, map, Place::default())))
            .collect();
        let mut catalog = Self::default();
        let mut shelf = Shelf::default();
        for root in &roots {
            tables(root, &mut shelf);
            groups(root, &mut shelf);
            targets(root, &mut shelf);
            texts(root, &mut catalog);
        }
        for root in &roots {
            kinds(root, &mut shelf);
        }
        let envelope: Vec<Draft> = roots
            .iter()
            .flat_map(|root| root.tables("envelope"))
            .filter_map(|table| parse_field::read(&table, &shelf, true))
            .collect();
        for root in &roots {
            if let Some(collection) = parse_collection::read(root, &shelf, &envelope) {
                catalog.collections.insert(collection.id.clone(), collection);
            }
        }
        // Also those with defects: a role that names one is right.
        let collections = roots.iter().filter(|root| root.has("id")).filter_map(|root| root.text("id")).collect();
        for root in &roots {
            parse_role::read(root, &mut catalog.roles, &collections);
            root.finish();
        }
        drop(roots);
        drop(documents);
        let mut errors: Vec<CatalogError> = files.into_iter().flat_map(|file| file.errors.into_inner()).collect();
        errors.sort();
        if !errors.is_empty() {
            return Err(errors);
        }
        catalog.tables = shelf.tables;
        catalog.kinds = shelf.kinds;
        catalog.groups = shelf.groups;
        Ok(catalog)
    }
}

fn document<'a>(file: &File<'a>) -> Option<DeTable<'a>> {
    let (document, errors) = DeTable::parse_recoverable(file.text);
    for error in &errors {
        let place = Place { span: error.span().unwrap_or_default(), path: String::new() };
        file.fail(&place, "syntax", format!("{}; correct the TOML", error.message()));
    }
    errors.is_empty().then(|| document.into_inner())
}

/// The `id` of a table, a name nobody has taken yet.
pub(super) fn need_id(table: &Table<'_>, taken: &mut BTreeSet<String>) -> Option<String> {
    let id = table.need_text("id")?;
    if !is_name(&id) {
        table.fail(
            "id",
            "bad_name",
            format!("`{id}` is no name; use lower-case letters, digits and `_`, a letter first"),
        );
        return None;
    }
    if !taken.insert(id.clone()) {
        table.fail("id", "duplicate_id", format!("`{id}` exists already; choose another name"));
        return None;
    }
    Some(id)
}

fn tables(root: &Table<'_>, shelf: &mut Shelf) {
    for table in root.tables("table") {
        let mut taken = shelf.tables.keys().cloned().collect();
        let (id, label) = (need_id(&table, &mut taken), table.need_bilingual("label"));
        let standard = table.text("standard").unwrap_or_default();
        let mut items: Vec<CodeItem> = Vec::new();
        let mut codes = BTreeSet::new();
        for item in table.tables("items") {
            let (code, label, parent) = (item.need_text("code"), item.languages(), item.text("parent"));
            let retired = item.flag("retired");
            item.finish();
            let (Some(code), Some(label)) = (code, label) else { continue };
            if !is_code(&code) {
                item.fail(
                    "code",
                    "bad_code",
                    format!("`{code}` is no code; use 1 to 40 letters, digits, `_`, `.` or `-`"),
                );
            }
            if !codes.insert(code.clone()) {
                item.fail("code", "duplicate_code", format!("`{code}` is in the table already; remove one"));
            }
            items.push(CodeItem { code, label, parent, retired });
        }
        if items.is_empty() {
            table.fail("items", "missing", "the table has no codes; add `items = [{ code = …, zh = …, en = … }]`");
        }
        table.finish();
        if let (Some(id), Some(label)) = (id, label) {
            shelf.tables.insert(id.clone(), Arc::new(CodeTable::new(id, label, standard, items)));
        }
    }
}

fn groups(root: &Table<'_>, shelf: &mut Shelf) {
    for table in root.tables("group") {
        let id = table.need_text("id");
        if let Some(id) = &id {
            if !id.split('.').all(is_name) {
                table.fail(
                    "id",
                    "bad_name",
                    format!("`{id}` is no name; use names joined by `.`, such as `house.base`"),
                );
            }
            if shelf.groups.contains_key(id) {
                table.fail("id", "duplicate_id", format!("`{id}` exists already; choose another name"));
            }
        }
        let texts = ["label", "purpose", "basis", "notice"].map(|key| table.need_bilingual(key));
        let retain = need_retention(&table);
        table.finish();
        if let (Some(id), [Some(label), Some(purpose), Some(basis), Some(notice)], Some(retain)) = (id, texts, retain) {
            shelf.groups.insert(id.clone(), FieldGroup { id, label, purpose, basis, notice, retain });
        }
    }
}

/// What a `ref` may point at: collections, and registers that are kept elsewhere.
fn targets(root: &Table<'_>, shelf: &mut Shelf) {
    if root.has("id") {
        shelf.targets.extend(root.text("id"));
    }
    for table in root.tables("register") {
        shelf.targets.extend(table.need_text("id"));
        table.need_bilingual("label");
        table.finish();
    }
}

fn texts(root: &Table<'_>, catalog: &mut Catalog) {
    let Some(texts) = root.table("text") else { return };
    for (key, table) in texts.named_tables() {
        let text = table.languages();
        table.finish();
        if let Some(text) = text
            && catalog.texts.insert(key.clone(), text).is_some()
        {
            texts.fail(&key, "duplicate_id", format!("the text `{key}` exists already; remove one"));
        }
    }
    texts.finish();
}

fn kinds(root: &Table<'_>, shelf: &mut Shelf) {
    for table in root.tables("kind") {
        let mut taken = shelf.kinds.keys().cloned().collect();
        let (id, label) = (need_id(&table, &mut taken), table.need_bilingual("label"));
        let form = child_form(&table, &shelf.tables);
        table.finish();
        if let (Some(id), Some(label), Some(form)) = (id, label, form) {
            shelf.kinds.insert(id.clone(), Arc::new(ChildKind { id, label, form }));
        }
    }
}

#[derive(Clone, Copy)]
enum PartWord {
    Text,
    Code,
    Date,
    Int,
    Bool,
}

fn child_form(table: &Table<'_>, tables: &BTreeMap<String, Arc<CodeTable>>) -> Option<ChildForm> {
    if table.has("type") {
        return match table.word("type", &[("text", PartWord::Text), ("code", PartWord::Code)])? {
            PartWord::Text => Some(ChildForm::Text { max: need_max(table)? }),
            _ => Some(ChildForm::Code(need_table(table, "table", tables)?)),
        };
    }
    let words = [
        ("text", PartWord::Text),
        ("code", PartWord::Code),
        ("date", PartWord::Date),
        ("int", PartWord::Int),
        ("bool", PartWord::Bool),
    ];
    let mut parts = Vec::new();
    let mut keys = BTreeSet::new();
    for part in table.tables("part") {
        let key = part.need_text("key");
        if let Some(key) = &key
            && (!is_name(key) || !keys.insert(key.clone()))
        {
            part.fail("key", "bad_name", format!("`{key}` is no name or is used twice; choose another"));
        }
        let label = part.need_bilingual("label");
        let form = part.need_word("type", &words).and_then(|word| match word {
            PartWord::Text => Some(PartForm::Text { max: need_max(&part)? }),
            PartWord::Code => Some(PartForm::Code(need_table(&part, "table", tables)?)),
            PartWord::Date => Some(PartForm::Date),
            PartWord::Int => Some(PartForm::Int),
            PartWord::Bool => Some(PartForm::Bool),
        });
        let required = part.flag("required");
        part.finish();
        if let (Some(key), Some(label), Some(form)) = (key, label, form) {
            parts.push(ChildPart { key, label, required, form });
        }
    }
    if parts.is_empty() {
        table.fail("part", "missing", "a kind needs a `type` or at least one [[kind.part]]; add one");
        return None;
    }
    Some(ChildForm::Parts(parts))
}

/// The largest length in characters a text may have, required.
pub(super) fn need_max(table: &Table<'_>) -> Option<u32> {
    if !table.has("max") {
        table.fail("max", "missing", "a text needs a largest length; add `max = 50`");
    }
    table.size("max", 1)
}

/// The code table named by `key`, required.
pub(super) fn need_table(
    table: &Table<'_>,
    key: &str,
    tables: &BTreeMap<String, Arc<CodeTable>>,
) -> Option<Arc<CodeTable>> {
    let id = table.need_text(key)?;
    let found = tables.get(&id).cloned();
    if found.is_none() {
        table.fail(key, "unknown_table", format!("there is no code table `{id}`; add a [[table]] with this id"));
    }
    found
}
