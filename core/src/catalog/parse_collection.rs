//! Reads one collection file.

use std::collections::{BTreeMap, BTreeSet};

use super::collection::{Collection, Duplicate, DuplicateScope, Level, OneOf, Review, ReviewOn, Rule};
use super::error::Place;
use super::field::{Field, FieldType, Required};
use super::parse::{is_name, need_id, need_retention, need_table};
use super::parse_field::{self, Draft};
use super::reader::Table;
use super::rule::{Expression, Scope};
use super::table::Shelf;
use super::template::{PickPart, Template};
use crate::bucket::BucketClass;

pub(super) fn read(root: &Table<'_>, shelf: &Shelf, envelope: &[Draft]) -> Option<Collection> {
    if !root.has("id") && !root.has("field") {
        return None;
    }
    let id = root.need_text("id")?;
    if !is_name(&id) {
        root.fail(
            "id",
            "bad_name",
            format!("`{id}` is no name; use lower-case letters, digits and `_`, a letter first"),
        );
    }
    let label = root.need_bilingual("label");
    let bucket = root.need_word("bucket", BucketClass::WORDS);
    let icon = root.need_text("icon");
    let order = root.size("order", 0).unwrap_or(u32::MAX);
    let retain = need_retention(root);
    let facts = facts(root);

    let own = root.tables("field").into_iter().filter_map(|table| parse_field::read(&table, shelf, false));
    let mut drafts: Vec<Draft> = own.collect();
    let own_keys: BTreeSet<String> = drafts.iter().map(|draft| draft.field.key.clone()).collect();
    let own_count = drafts.len();
    drafts.extend(envelope.iter().filter(|draft| !own_keys.contains(&draft.field.key)).cloned());
    if root.has("end_table")
        && let Some(table) = need_table(root, "end_table", &shelf.tables)
    {
        let reason = drafts.iter_mut().find(|draft| draft.field.key == "end/reason");
        if let Some(draft) = reason {
            draft.field.field_type = FieldType::Code { table, cascade: None };
        }
    }
    let places = places(root, &drafts, own_count, Field::rule_name);
    let keys = places_of_keys(&drafts);

    let reader = Expressions { root, scope: Scope::new(drafts.iter().map(|draft| &draft.field), &facts) };
    let fields: Vec<Field> = drafts.into_iter().map(|draft| reader.field(draft, &keys)).collect();
    let field = |key: &str| keys.get(key).and_then(|place| fields.get(*place));

    let title = root.need_text("title").and_then(|text| template(root, "title", &text, &field));
    let short = root.text("short").and_then(|text| template(root, "short", &text, &field)).unwrap_or_default();
    let parent = root.text("parent");
    if let Some(parent) = &parent
        && !field(parent).is_some_and(|field| matches!(field.field_type, FieldType::Ref { .. }))
    {
        root.fail("parent", "unknown_field", format!("`{parent}` is no `ref` field here; name one or remove it"));
    }
    let duplicates = reader.duplicates(&keys);
    let review = reader.reviews(&keys, &duplicates);
    let (rules, one_of) = (reader.rules(&keys), reader.one_of(&keys));
    let mut groups = Vec::new();
    for field in &fields {
        if let Some(group) = shelf.groups.get(&field.group)
            && !groups.contains(group)
        {
            groups.push(group.clone());
        }
    }
    Some(Collection {
        id,
        label: label?,
        bucket: bucket?,
        parent,
        icon: icon?,
        order,
        title: title?,
        short,
        review,
        retain: retain?,
        groups,
        rules,
        one_of,
        duplicates,
        facts,
        places: keys,
        rule_names: places,
        fields,
    })
}

fn facts(root: &Table<'_>) -> Vec<String> {
    let mut facts = Vec::new();
    for (name, place) in root.texts("facts") {
        if is_name(&name) {
            facts.push(name);
        } else {
            root.file.fail(&place, "bad_name", format!("`{name}` is no name; use lower-case letters, digits and `_`"));
        }
    }
    facts
}

/// Where each rule name's field stands; two fields with one name are a defect.
fn places(root: &Table<'_>, drafts: &[Draft], own: usize, name: impl Fn(&Field) -> String) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (place, draft) in drafts.iter().enumerate() {
        if places.insert(name(&draft.field), place).is_some() {
            let at = if place < own { draft.key_at.clone() } else { root.at("field") };
            let message = format!("the field `{}` exists already; choose another key", draft.field.key);
            root.file.fail(&at, "duplicate_key", message);
        }
    }
    places
}

fn places_of_keys(drafts: &[Draft]) -> BTreeMap<String, usize> {
    drafts.iter().enumerate().map(|(place, draft)| (draft.field.key.clone(), place)).collect()
}

fn template<'f>(
    root: &Table<'_>,
    key: &str,
    text: &str,
    field: &impl Fn(&str) -> Option<&'f Field>,
) -> Option<Template> {
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(message) => {
            root.fail(key, "bad_template", message);
            return None;
        }
    };
    for pick in template.picks() {
        let Some(field) = field(&pick.field) else {
            root.fail(key, "unknown_field", format!("`{}` is no field here; correct the placeholder", pick.field));
            continue;
        };
        let follows = matches!(pick.part, PickPart::Title | PickPart::Short);
        if follows != matches!(field.field_type, FieldType::Ref { .. }) {
            let message =
                format!("`{}`: `title` and `short` are parts of `ref` fields, and their only ones", pick.field);
            root.fail(key, "bad_template", message);
        }
    }
    Some(template)
}

struct Expressions<'a> {
    root: &'a Table<'a>,
    scope: Scope,
}

impl Expressions<'_> {
    fn compile(&self, source: &str, place: &Place) -> Option<Expression> {
        match Expression::compile(source, &self.scope) {
            Ok(expression) => Some(expression),
            Err((code, message)) => {
                self.root.file.fail(place, code, message);
                None
            }
        }
    }

    fn when(&self, table: &Table<'_>) -> Option<Expression> {
        self.compile(&table.text("when")?, &table.at("when"))
    }

    /// An expression about the record alone: what is asked for and shown must not depend on what a phone happens to hold.
    fn alone(&self, source: &Option<(String, Place)>) -> Option<Expression> {
        let (source, place) = source.as_ref()?;
        let expression = self.compile(source, place)?;
        if expression.reads_others() {
            let message = "this may not depend on other records; use a [[rule]] with level \"warn\"";
            self.root.file.fail(place, "reads_others", message);
        }
        Some(expression)
    }

    fn field(&self, draft: Draft, keys: &BTreeMap<String, usize>) -> Field {
        let mut field = draft.field;
        if let Some(expression) = self.alone(&draft.required_if) {
            field.required = Required::If(expression);
        }
        field.visible_if = self.alone(&draft.visible_if);
        if let FieldType::Code { cascade: Some(upper), .. } = &field.field_type
            && !keys.contains_key(upper)
        {
            let message = format!("`{upper}` is no field here; cascade from a `code` field of this collection");
            self.root.file.fail(&draft.cascade_at, "unknown_field", message);
        }
        field
    }

    fn known(&self, table: &Table<'_>, key: &str, keys: &BTreeMap<String, usize>) -> Vec<String> {
        let mut fields = Vec::new();
        for (field, place) in table.texts(key) {
            if !keys.contains_key(&field) {
                self.root.file.fail(&place, "unknown_field", format!("`{field}` is no field here; correct it"));
            }
            fields.push(field);
        }
        if fields.is_empty() {
            table.fail(key, "missing", format!("`{key}` names no field; add one"));
        }
        fields
    }

    fn rules(&self, keys: &BTreeMap<String, usize>) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut taken = BTreeSet::new();
        for table in self.root.tables("rule") {
            let id = need_id(&table, &mut taken);
            table.need_text("when");
            let when = self.when(&table);
            let level = table.need_word("level", Level::WORDS);
            let at = table.need_text("at").filter(|_| !self.known(&table, "at", keys).is_empty());
            let text = table.need_bilingual("text");
            table.finish();
            if when.as_ref().is_some_and(Expression::reads_others) && level == Some(Level::Error) {
                let message = "a rule that reads other records may only warn; write level = \"warn\"";
                table.fail("level", "reads_others", message);
            }
            if let (Some(id), Some(when), Some(level), Some(at), Some(text)) = (id, when, level, at, text) {
                rules.push(Rule { id, when, level, at, text });
            }
        }
        rules
    }

    fn one_of(&self, keys: &BTreeMap<String, usize>) -> Vec<OneOf> {
        let tables = self.root.tables("one_of");
        let read = |table: &Table<'_>| {
            let fields = self.known(table, "fields", keys);
            let when = self.alone(&table.text("when").map(|source| (source, table.at("when"))));
            table.finish();
            OneOf { fields, when }
        };
        tables.iter().map(read).collect()
    }

    fn duplicates(&self, keys: &BTreeMap<String, usize>) -> Vec<Duplicate> {
        let mut duplicates = Vec::new();
        let mut taken = BTreeSet::new();
        for table in self.root.tables("duplicate") {
            let id = need_id(&table, &mut taken);
            let fields = self.known(&table, "fields", keys);
            let scope = table.need_word("scope", DuplicateScope::WORDS);
            let when = self.when(&table);
            let text = table.need_bilingual("text");
            table.finish();
            if let (Some(id), Some(scope), Some(text)) = (id, scope, text) {
                duplicates.push(Duplicate { id, fields, scope, when, text });
            }
        }
        duplicates
    }

    fn reviews(&self, keys: &BTreeMap<String, usize>, duplicates: &[Duplicate]) -> Vec<Review> {
        let mut reviews = Vec::new();
        for item in self.root.texts_or_tables("review") {
            let (text, place, when) = match item {
                Ok((text, place)) => (Some(text), place, None),
                Err(table) => {
                    let (text, when, place) = (table.need_text("on"), self.when(&table), table.here());
                    table.finish();
                    (text, place, when)
                }
            };
            let Some(text) = text else { continue };
            match review_on(&text, keys, duplicates) {
                Some(on) => reviews.push(Review { on, when }),
                None => {
                    let message = format!(
                        "`{text}` is no occasion; use new, end, end_elsewhere, merge, sample:<percent>, field:<key of a \
                         field> or duplicate:<id of a [[duplicate]]>"
                    );
                    self.root.file.fail(&place, "unknown_review", message);
                }
            }
        }
        reviews
    }
}

fn review_on(text: &str, keys: &BTreeMap<String, usize>, duplicates: &[Duplicate]) -> Option<ReviewOn> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    match (word, rest) {
        ("new", "") => Some(ReviewOn::New),
        ("end", "") => Some(ReviewOn::End),
        ("end_elsewhere", "") => Some(ReviewOn::EndElsewhere),
        ("merge", "") => Some(ReviewOn::Merge),
        ("field", key) => keys.contains_key(key).then(|| ReviewOn::Field(key.to_owned())),
        ("duplicate", id) => {
            duplicates.iter().any(|duplicate| duplicate.id == id).then(|| ReviewOn::Duplicate(id.to_owned()))
        }
        ("sample", percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(ReviewOn::Sample),
        _ => None,
    }
}
