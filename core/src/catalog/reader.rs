//! Reads TOML tables key by key and notes every defect with its place, so that one look shows all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{CatalogError, Place};
use super::text::Text;
use crate::Value;

/// One file while it is read, and what was found wrong with it.
pub(super) struct File<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub errors: RefCell<Vec<CatalogError>>,
}

impl<'a> File<'a> {
    pub fn new(name: &'a str, text: &'a str) -> Self {
        Self { name, text, errors: RefCell::default() }
    }

    /// Notes a defect. `message` says what is wrong and what to do.
    pub fn fail(&self, place: &Place, code: &'static str, message: impl Into<String>) {
        let (line, column) = place.line_column(self.text);
        self.errors.borrow_mut().push(CatalogError {
            file: self.name.to_owned(),
            line,
            column,
            path: place.path.clone(),
            code,
            message: message.into(),
        });
    }
}

/// One TOML table of a file. Keys nobody asked for are defects, noted by [`Table::finish`].
pub(super) struct Table<'a> {
    pub file: &'a File<'a>,
    map: &'a DeTable<'a>,
    place: Place,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Table<'a> {
    pub fn new(file: &'a File<'a>, map: &'a DeTable<'a>, place: Place) -> Self {
        Self { file, map, place, asked: RefCell::default() }
    }

    fn path(&self, key: &str) -> String {
        if self.place.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.path) }
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.map.get(key)
    }

    /// Where the key's value stands, or the table when the key is missing.
    pub fn at(&self, key: &str) -> Place {
        let span = self.map.get(key).map_or(self.place.span.clone(), Spanned::span);
        Place { span, path: self.path(key) }
    }

    /// Where the table stands.
    pub fn here(&self) -> Place {
        self.place.clone()
    }

    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub fn fail(&self, key: &str, code: &'static str, message: impl Into<String>) {
        self.file.fail(&self.at(key), code, message);
    }

    fn wrong(&self, key: &str, wanted: &str) {
        let found = self.map.get(key).map_or("nothing", |value| value.get_ref().type_str());
        self.fail(key, "wrong_kind", format!("expected {wanted}, found {found}; write `{key}` as {wanted}"));
    }

    pub fn text(&self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(key, "a text in quotes");
        }
        text
    }

    pub fn need_text(&self, key: &str) -> Option<String> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    fn missing(&self, key: &str) {
        self.value(key);
        self.fail(key, "missing", format!("`{key}` is missing; add `{key} = …` here"));
    }

    pub fn flag(&self, key: &str) -> bool {
        let Some(value) = self.value(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(key, "true or false");
            false
        })
    }

    pub fn int(&self, key: &str) -> Option<i64> {
        let value = self.value(key)?;
        let number = value.get_ref().as_integer().and_then(whole);
        if number.is_none() {
            self.wrong(key, "a whole number");
        }
        number
    }

    /// A whole number from `min` up that fits 32 bits.
    pub fn size(&self, key: &str, min: u32) -> Option<u32> {
        let number = self.int(key)?;
        let size = u32::try_from(number).ok().filter(|size| *size >= min);
        if size.is_none() {
            self.fail(key, "out_of_range", format!("`{key}` must be at least {min}; raise it"));
        }
        size
    }

    pub fn scalar(&self, key: &str) -> Option<Value> {
        let value = self.value(key)?;
        let scalar = match value.get_ref() {
            DeValue::String(text) => Some(Value::from(text.as_ref())),
            DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
            DeValue::Integer(number) => whole(number).map(Value::Int),
            _ => None,
        };
        if scalar.is_none() {
            self.wrong(key, "a text, a whole number, true or false");
        }
        scalar
    }

    /// A list of texts; one text alone is a list of one.
    pub fn texts(&self, key: &str) -> Vec<(String, Place)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        if let Some(text) = value.get_ref().as_str() {
            return vec![(text.to_owned(), self.at(key))];
        }
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(key, "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let place = Place { span: item.span(), path: format!("{}[{index}]", self.path(key)) };
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), place)),
                None => self.file.fail(&place, "wrong_kind", "expected a text; put it in quotes"),
            }
        }
        texts
    }

    /// A list whose items are texts or tables.
    pub fn texts_or_tables(&self, key: &str) -> Vec<Result<(String, Place), Table<'a>>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong(key, "a list");
            return Vec::new();
        };
        let mut items = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let place = Place { span: item.span(), path: format!("{}[{index}]", self.path(key)) };
            match item.get_ref() {
                DeValue::String(text) => items.push(Ok((text.to_string(), place))),
                DeValue::Table(map) => items.push(Err(Table::new(self.file, map, place))),
                _ => self.file.fail(&place, "wrong_kind", "expected a text or a table { … }"),
            }
        }
        items
    }

    /// The tables of `[[key]]`.
    pub fn tables(&self, key: &str) -> Vec<Table<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.fail(key, "wrong_kind", format!("expected a list of tables; write it as [[{key}]]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let place = Place { span: item.span(), path: format!("{}[{index}]", self.path(key)) };
            match item.get_ref().as_table() {
                Some(map) => tables.push(Table::new(self.file, map, place)),
                None => self.file.fail(&place, "wrong_kind", format!("expected a table; write it as [[{key}]]")),
            }
        }
        tables
    }

    /// The table of `[key]`.
    pub fn table(&self, key: &str) -> Option<Table<'a>> {
        let value = self.value(key)?;
        let Some(map) = value.get_ref().as_table() else {
            self.fail(key, "wrong_kind", format!("expected a table; write it as [{key}]"));
            return None;
        };
        Some(Table::new(self.file, map, self.at(key)))
    }

    /// Every key of the table with its table, for tables whose keys are names.
    pub fn named_tables(&self) -> Vec<(String, Table<'a>)> {
        let keys: Vec<String> = self.map.keys().map(|key| key.get_ref().to_string()).collect();
        keys.into_iter().filter_map(|key| self.table(&key).map(|table| (key, table))).collect()
    }

    /// A text in both languages: `{ zh = "…", en = "…" }`.
    pub fn bilingual(&self, key: &str) -> Option<Text> {
        let table = self.table(key)?;
        let text = table.languages();
        table.finish();
        text
    }

    pub fn need_bilingual(&self, key: &str) -> Option<Text> {
        if !self.has(key) {
            self.missing(key);
        }
        self.bilingual(key)
    }

    /// The two languages of this very table.
    pub fn languages(&self) -> Option<Text> {
        let [zh, en] = ["zh", "en"].map(|language| {
            let text = self.need_text(language)?;
            if text.trim().is_empty() {
                self.fail(language, "empty_text", format!("the `{language}` text is empty; write it"));
                return None;
            }
            Some(text)
        });
        Some(Text { zh: zh?, en: en? })
    }

    /// One of a fixed set of words.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        self.one_of(key, &text, &self.at(key), words)
    }

    /// A list of words of a fixed set.
    pub fn words<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Vec<T> {
        self.texts(key).iter().filter_map(|(text, place)| self.one_of(key, text, place, words)).collect()
    }

    fn one_of<T: Copy>(&self, key: &str, text: &str, place: &Place, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("`{text}` is not a known `{key}`; use one of {}", allowed.join(", "));
            self.file.fail(place, if key == "type" { "unknown_type" } else { "unknown_word" }, message);
        }
        found
    }

    pub fn need_word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        if !self.has(key) {
            self.missing(key);
        }
        self.word(key, words)
    }

    /// Notes every key that nobody asked for: a misspelt key must not be silently without effect.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.map.keys() {
            if !asked.contains(key.get_ref().as_ref()) {
                let place = Place { span: key.span(), path: self.path(key.get_ref()) };
                let known: Vec<&str> = asked.iter().map(String::as_str).collect();
                let message =
                    format!("`{}` means nothing here; remove it or use one of {}", key.get_ref(), known.join(", "));
                self.file.fail(&place, "unknown_key", message);
            }
        }
    }
}

fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
