//! Search text: pre-cut tokens for indexing, and terms for asking.
//!
//! A full-text index of SQLite finds no Chinese text of one or two characters, so texts are cut here. Every token is
//! made of `a` to `z` and `0` to `9` only: the tokenizers `ascii` and `unicode61` keep such a token whole, whatever
//! edition of Unicode they know. The first letter tells the kind:
//!
//! | token | from |
//! |---|---|
//! | `h` + 4 or 8 | a character and its neighbour, each its number in base 36 with four digits: the token of a pair begins with that of its first character, so a prefix finds one character |
//! | `l` + letters | joined pinyin and initials beginning at any character, and words in Latin letters |
//! | `n` + digits, letters | numbers and codes: the whole, its pieces, its tails of 4 to 6 |
//! | `a` + digits, letters | door labels: `3-2-301` is `a3x2x301`, `a2x301` and `a301` |
//!
//! All terms are prefixes: who types finds more and more exactly.

use std::collections::BTreeSet;

use super::fold::fold;
use super::pinyin::{name_readings, readings};
use super::title::{short_title, title};
use super::{MAX_DEPTH, Records};
use crate::catalog::{Catalog, Collection, Field, FieldType, Search, element};
use crate::{Value, Values};

/// Joined pinyin and Latin words are cut after so many letters, in the index and in queries.
const MAX_LETTERS: usize = 16;
/// Initials are cut after so many letters.
const MAX_INITIALS: usize = 8;
/// A number is cut after so many characters.
const MAX_NUMBER: usize = 40;
/// A query has at most so many terms; what is typed beyond narrows no further.
const MAX_TERMS: usize = 12;

/// One condition of a query: any of these prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term(pub Vec<String>);

impl Term {
    /// Whether an index text (tokens separated by spaces) holds a token with one of the prefixes.
    pub fn matches(&self, index: &str) -> bool {
        index.split(' ').any(|token| self.0.iter().any(|prefix| token.starts_with(prefix.as_str())))
    }
}

/// The terms of what somebody typed; a record is found when all match. Empty for a text without letters and digits.
pub fn query_terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    for piece in pieces(&fold(text)) {
        match piece {
            Piece::Characters(run) if run.len() == 1 => terms.extend(run.iter().map(|c| Term(vec![pair(*c, None)]))),
            Piece::Characters(run) => {
                terms.extend(
                    run.windows(2).filter_map(|two| Some(Term(vec![pair(*two.first()?, two.last().copied())]))),
                );
            }
            Piece::Word(word) if word.bytes().all(|c| c.is_ascii_lowercase()) => {
                terms.push(Term(vec![format!("l{}", cut(&word, MAX_LETTERS))]));
            }
            Piece::Word(word) => {
                let word = cut(&word, MAX_NUMBER);
                terms.push(Term(vec![format!("n{word}"), format!("a{word}")]));
            }
            Piece::Label(parts) => {
                let number: String = parts.concat();
                terms.push(Term(vec![format!("a{}", parts.join("x")), format!("n{}", cut(&number, MAX_NUMBER))]));
            }
        }
    }
    terms.dedup();
    terms.truncate(MAX_TERMS);
    terms
}

/// The terms as a MATCH expression of SQLite's FTS5; nothing for a query without terms. Tokens need no escaping.
pub fn fts5_query(terms: &[Term]) -> Option<String> {
    let any = |term: &Term| {
        let prefixes: Vec<String> = term.0.iter().map(|prefix| format!("\"{prefix}\"*")).collect();
        format!("({})", prefixes.join(" OR "))
    };
    (!terms.is_empty()).then(|| terms.iter().map(any).collect::<Vec<_>>().join(" AND "))
}

/// The tokens of one text, by how it is searched.
pub fn search_tokens(search: Search, text: &str) -> BTreeSet<String> {
    let mut tokens = BTreeSet::new();
    match search {
        Search::Name => written(&mut tokens, &joined(&fold(text)), 'n', &Reading::NAME),
        Search::Address => written(&mut tokens, &fold(text), 'a', &Reading::PLACE),
        Search::Text => written(&mut tokens, &fold(text), 'n', &Reading::NONE),
        Search::Number => number(&mut tokens, &fold(text)),
    }
    tokens
}

/// The index text of a record: tokens separated by spaces, each once. Empty for a collection without searchable fields.
///
/// Searchable fields, and for what hangs on a place also its title, which holds a door label; an address carries the
/// names of the places it is part of, so that `3-2-301` with an estate or its alias finds the room. It must be made
/// again when a record on the way up changes.
pub fn search_text(catalog: &Catalog, collection: &Collection, values: &Values, records: &dyn Records) -> String {
    let mut tokens = BTreeSet::new();
    if collection.fields.iter().all(|field| field.search.is_none()) {
        return String::new();
    }
    for field in &collection.fields {
        if let Some(search) = field.search {
            each_text(field, values, |text| tokens.extend(search_tokens(search, text)));
        }
    }
    let title = title(catalog, collection, values, records).zh;
    if collection.id == "address" {
        let short = short_title(catalog, collection, values, records).zh;
        written(&mut tokens, &fold(&format!("{short} {title}")), 'a', &Reading::NONE);
        above(&mut tokens, collection, values, records);
    } else if collection.parent.is_some() {
        tokens.extend(search_tokens(Search::Name, &title));
    }
    tokens.into_iter().collect::<Vec<_>>().join(" ")
}

/// Whether [`search_text`] reads a key, beside those of the record's titles.
pub fn is_found_by(collection: &Collection, key: &str) -> bool {
    let of = |field: &str| key.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let mut searched = collection.fields.iter().filter(|field| field.search.is_some());
    collection.parent.as_deref() == Some(key) || searched.any(|field| of(&field.key))
}

/// Names and aliases of the places an address is part of, findable from their beginning.
fn above(tokens: &mut BTreeSet<String>, collection: &Collection, values: &Values, records: &dyn Records) {
    let Some(parent) = &collection.parent else { return };
    let mut next = values.get(parent).and_then(Value::as_str).map(str::to_owned);
    for _ in 0..MAX_DEPTH {
        let Some(found) = next.and_then(|id| records.record(&id)) else { return };
        let (_, values) = &*found;
        for field in collection.fields.iter().filter(|field| field.search == Some(Search::Address)) {
            each_text(field, values, |text| written(tokens, &fold(text), 'a', &Reading::BEGINNING));
        }
        next = values.get(parent).and_then(Value::as_str).map(str::to_owned);
    }
}

/// The texts of a field: its value, the numbers of its phones, its children.
fn each_text(field: &Field, values: &Values, mut take: impl FnMut(&str)) {
    if field.field_type.is_scalar() {
        if let Some(text) = values.get(&field.key).and_then(Value::as_str) {
            take(text);
        }
        return;
    }
    let prefix = format!("{}/", field.key);
    for (key, value) in values.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)) {
        let Some(text) = value.as_str().filter(|_| element(key).is_some()) else { continue };
        match field.field_type {
            FieldType::Phones => take(text.split('|').next().unwrap_or_default()),
            _ => take(text),
        }
    }
}

/// How a text is read aloud for the index.
struct Reading {
    /// At most so many readings of one stretch.
    most: usize,
    /// Whether a stretch may begin anywhere or only at the text's beginning.
    anywhere: bool,
    /// Whether a run of characters may begin with a surname.
    surname: bool,
}

impl Reading {
    const NAME: Self = Self { most: 12, anywhere: true, surname: true };
    const PLACE: Self = Self { most: 3, anywhere: true, surname: false };
    const BEGINNING: Self = Self { most: 2, anywhere: false, surname: false };
    const NONE: Self = Self { most: 0, anywhere: false, surname: false };
}

fn written(tokens: &mut BTreeSet<String>, folded: &str, digits: char, reading: &Reading) {
    for piece in pieces(folded) {
        match piece {
            Piece::Characters(run) => {
                for (place, c) in run.iter().enumerate() {
                    tokens.insert(pair(*c, run.get(place + 1).copied()));
                }
                spoken(tokens, &run, reading);
            }
            Piece::Word(word) if word.bytes().all(|c| c.is_ascii_lowercase()) => {
                tokens.insert(format!("l{}", cut(&word, MAX_LETTERS)));
            }
            Piece::Word(word) => {
                tokens.insert(format!("{digits}{}", cut(&word, MAX_NUMBER)));
            }
            Piece::Label(parts) => {
                for from in 0..parts.len() {
                    let label = parts.iter().skip(from).map(String::as_str).collect::<Vec<_>>().join("x");
                    tokens.insert(format!("a{label}"));
                }
            }
        }
    }
}

/// Joined pinyin and initials of a run of characters.
fn spoken(tokens: &mut BTreeSet<String>, run: &[char], reading: &Reading) {
    if reading.most == 0 {
        return;
    }
    let all: Vec<Vec<String>> =
        if reading.surname { name_readings(run) } else { run.iter().map(|c| readings(*c)).collect() };
    let starts = if reading.anywhere { all.len() } else { 1 };
    for from in 0..starts {
        let mut stretches = vec![(String::new(), String::new())];
        for readings in all.iter().skip(from).take_while(|readings| !readings.is_empty()).take(MAX_LETTERS) {
            let taken = (reading.most / stretches.len()).clamp(1, readings.len());
            stretches = stretches
                .iter()
                .flat_map(|(letters, initials)| {
                    readings.iter().take(taken).map(move |syllable| {
                        let initial = cut(syllable, 1);
                        (format!("{letters}{syllable}"), format!("{initials}{initial}"))
                    })
                })
                .collect();
            stretches.dedup();
        }
        for (letters, initials) in stretches.iter().filter(|(letters, _)| !letters.is_empty()) {
            tokens.insert(format!("l{}", cut(letters, MAX_LETTERS)));
            tokens.insert(format!("l{}", cut(initials, MAX_INITIALS)));
        }
    }
}

/// The whole number, its pieces, its tails.
fn number(tokens: &mut BTreeSet<String>, folded: &str) {
    let whole: String = folded.chars().filter(char::is_ascii_alphanumeric).collect();
    if whole.is_empty() {
        return;
    }
    tokens.insert(format!("n{}", cut(&whole, MAX_NUMBER)));
    for piece in folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|piece| piece.len() >= 5) {
        tokens.insert(format!("n{}", cut(piece, MAX_NUMBER)));
    }
    for length in 4..=6 {
        if let Some(tail) = whole.len().checked_sub(length).and_then(|from| whole.get(from..)) {
            tokens.insert(format!("n{tail}"));
        }
    }
}

/// A stretch of a folded text.
enum Piece {
    /// Characters that are searched one by one and in pairs.
    Characters(Vec<char>),
    /// ASCII letters and digits without a break.
    Word(String),
    /// Numbers joined by `-`.
    Label(Vec<String>),
}

fn pieces(folded: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for stretch in folded.split(|c: char| !c.is_alphanumeric() && c != '-') {
        let mut rest = stretch;
        while let Some(first) = rest.chars().next() {
            let ascii = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let end = rest.find(|c: char| ascii(c) != ascii(first)).unwrap_or(rest.len());
            let (stretch, after) = rest.split_at(end);
            rest = after;
            if !ascii(first) {
                pieces.push(Piece::Characters(stretch.chars().collect()));
                continue;
            }
            let parts: Vec<String> = stretch.split('-').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            if parts.len() > 1 && parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit())) {
                pieces.push(Piece::Label(parts));
            } else {
                pieces.extend(parts.into_iter().map(Piece::Word));
            }
        }
    }
    pieces
}

/// Without the spaces between characters: a name written `张 三` is `张三`.
fn joined(folded: &str) -> String {
    let chars: Vec<char> = folded.chars().collect();
    let beside = |place: Option<usize>| place.and_then(|place| chars.get(place)).is_some_and(|c| !c.is_ascii());
    let keep = |place: usize, c: char| !(c.is_whitespace() && beside(place.checked_sub(1)) && beside(Some(place + 1)));
    chars.iter().enumerate().filter(|(place, c)| keep(*place, **c)).map(|(_, c)| c).collect()
}

fn pair(first: char, second: Option<char>) -> String {
    let mut token = String::with_capacity(9);
    token.push('h');
    for c in std::iter::once(first).chain(second) {
        let number = u32::from(c);
        for weight in [46_656, 1_296, 36, 1] {
            token.extend(char::from_digit(number / weight % 36, 36));
        }
    }
    token
}

/// The first `most` characters of an ASCII text.
fn cut(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}
