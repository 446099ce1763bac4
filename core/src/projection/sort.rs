//! Keys that sort as people expect when compared byte by byte.

use std::fmt::Write;

use super::fold::fold;
use super::pinyin::{name_readings, readings};
use super::{MAX_DEPTH, Records};
use crate::catalog::Collection;
use crate::{Value, Values};

/// The key of a name: the pinyin of its characters, surnames read as surnames, then the name itself.
pub fn name_key(name: &str) -> String {
    let folded: Vec<char> = fold(name).chars().filter(|c| !c.is_whitespace()).collect();
    let mut key = String::new();
    for (c, readings) in folded.iter().zip(name_readings(&folded)) {
        match readings.first() {
            Some(syllable) => key.push_str(syllable),
            None => key.push(*c),
        }
        key.push(' ');
    }
    key.push('\u{1}');
    key.extend(folded);
    key
}

/// The key of a text with numbers: `3号楼` comes before `10号楼`; characters by their pinyin.
pub fn natural_key(text: &str) -> String {
    let mut key = String::new();
    let mut digits = String::new();
    for c in fold(text).chars().chain(std::iter::once('\u{1}')) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            let significant = digits.trim_start_matches('0');
            // A longer number is larger, so its length comes first: one letter for each, `a` for none.
            let length = char::from(b'a' + u8::try_from(significant.len().min(25)).unwrap_or(25));
            let _ = write!(key, "0{length}{significant}");
            digits.clear();
        }
        match readings(c).first() {
            Some(syllable) => {
                key.push_str(syllable);
                key.push(' ');
            }
            None => key.push(c),
        }
    }
    key
}

/// The key of an address in the order of doors: the places it is part of from the top, then floor, then room.
pub fn place_key(collection: &Collection, values: &Values, records: &dyn Records) -> String {
    let mut chain = vec![level_key(values)];
    let mut next = parent(collection, values);
    for _ in 0..MAX_DEPTH {
        let Some(found) = next.and_then(|id| records.record(&id)) else { break };
        chain.push(level_key(&found.1));
        next = parent(collection, &found.1);
    }
    chain.reverse();
    chain.join("\u{2}")
}

fn parent(collection: &Collection, values: &Values) -> Option<String> {
    collection.parent.as_ref().and_then(|key| values.get(key)).and_then(Value::as_str).map(str::to_owned)
}

fn level_key(values: &Values) -> String {
    let mut key = String::new();
    if let Some(floor) = values.get("floor").and_then(Value::as_int) {
        let _ = write!(key, "{:04}\u{1}", floor.saturating_add(1_000).clamp(0, 9_999));
    }
    for part in ["village", "road", "door_no", "estate", "building", "unit", "room"] {
        if let Some(text) = values.get(part).and_then(Value::as_str) {
            key.push_str(&natural_key(text));
        }
    }
    key
}
