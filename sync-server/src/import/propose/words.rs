//! What columns are called, from `import/headings.toml` and the catalog's labels.

use std::collections::BTreeMap;

use gridpass_core::Value;
use gridpass_core::catalog::Catalog;
use gridpass_core::codes::text::half_width;
use serde::Deserialize;

const FILE: &str = include_str!("../../../import/headings.toml");

/// The words of the file, and what labels mean.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    #[serde(rename = "meaning")]
    pub meanings: Vec<Meaning>,
    /// `collection.field` with what holds where no column is mapped to it.
    pub fixed: BTreeMap<String, Value>,
    /// Labels of the catalog's fields as words, to the meaning's place.
    #[serde(skip)]
    known: BTreeMap<String, usize>,
}

/// What a column may mean.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Meaning {
    pub id: String,
    /// `collection.field`; the first of a collection that the sheet is about.
    #[serde(default)]
    pub fields: Vec<String>,
    #[serde(default)]
    pub words: Vec<String>,
    /// How cells look where the heading is not known.
    pub shape: Option<Shape>,
    /// Words that the cells may hold.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
}

/// How cells look.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Shape {
    Identity,
    Uscc,
    Mobile,
}

impl Words {
    /// The words, and the labels of fields that no word of theirs is given for.
    pub fn new(catalog: &Catalog) -> Self {
        // The file is part of the program; a test reads it.
        let mut words: Self = toml::from_str(FILE).unwrap_or_default();
        for collection in ["person", "house", "organisation", "facility", "residence"] {
            let fields = catalog.collection(collection).map(|found| found.fields.as_slice()).unwrap_or_default();
            for field in fields {
                let name = format!("{collection}.{}", field.key);
                let known = words.meanings.iter().any(|meaning| meaning.fields.contains(&name));
                if !known && !field.key.contains('/') && field.record_key().is_some() {
                    let (fields, labels) = (vec![name.clone()], vec![field.label.zh.clone()]);
                    words.meanings.push(Meaning { id: name, fields, words: labels, ..Meaning::default() });
                }
            }
        }
        for (place, meaning) in words.meanings.iter().enumerate() {
            for word in &meaning.words {
                words.known.entry(bare(word)).or_insert(place);
            }
        }
        words
    }

    /// What a heading means: all of it, or one of its parts between strokes, the last first.
    pub fn of(&self, heading: &str) -> Option<&Meaning> {
        let place = self.known.get(&bare(heading)).or_else(|| {
            let mut parts = heading.split(['/', '、']).rev();
            parts.find_map(|part| self.known.get(&bare(part)))
        });
        place.and_then(|place| self.meanings.get(*place))
    }
}

/// A heading without white space, marks, and what stands in brackets.
fn bare(heading: &str) -> String {
    let heading = half_width(heading).to_lowercase();
    let heading = heading.split(['(', '[']).next().unwrap_or_default();
    heading.chars().filter(|c| !c.is_whitespace() && !matches!(c, '*' | ':')).collect()
}
