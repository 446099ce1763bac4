//! Readings of characters, plain letters `a` to `z`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ::pinyin::ToPinyinMulti;

/// Readings of surnames where they differ from the usual ones.
static SURNAMES: LazyLock<Vec<(Vec<char>, Vec<&'static str>)>> = LazyLock::new(|| {
    let lines = include_str!("surnames.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.chars().collect(), words.collect()))
        })
        .collect()
});

/// Every reading of a character, the usual one first; none for what has no reading.
pub(super) fn readings(c: char) -> Vec<String> {
    let mut readings = Vec::new();
    for reading in c.to_pinyin_multi().into_iter().flatten() {
        for letters in spellings(reading.plain()) {
            if !readings.contains(&letters) {
                readings.push(letters);
            }
        }
    }
    readings
}

/// Readings of every character of a name, the surname's own reading first.
pub(super) fn name_readings(name: &[char]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = name.iter().map(|c| readings(*c)).collect();
    let surname = SURNAMES.iter().find(|(surname, _)| name.starts_with(surname));
    for (readings, own) in all.iter_mut().zip(surname.into_iter().flat_map(|(_, own)| own)) {
        readings.retain(|reading| reading != own);
        readings.insert(0, (*own).to_owned());
    }
    all
}

/// A syllable as people type it: `lü` is typed `lv`, also `lu`.
fn spellings(syllable: &str) -> BTreeSet<String> {
    let typed = |umlaut: &str| syllable.replace('ü', umlaut).replace('ê', "e");
    [typed("v"), typed("u")]
        .into_iter()
        .filter(|letters| !letters.is_empty() && letters.bytes().all(|letter| letter.is_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(name: &str) -> String {
        let name: Vec<char> = name.chars().collect();
        name_readings(&name).iter().filter_map(|readings| readings.first().cloned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn surnames_are_read_as_surnames() {
        for (name, reading) in [
            ("单雄信", "shan"),
            ("曾国", "zeng"),
            ("仇英", "qiu"),
            ("解缙", "xie"),
            ("查良镛", "zha"),
            ("盖叫天", "ge"),
            ("尉迟恭", "yu chi"),
            ("万俟卨", "mo qi"),
        ] {
            assert!(first(name).starts_with(reading), "{name}: {}", first(name));
        }
    }

    #[test]
    fn every_reading_is_kept_and_written_as_it_is_typed() {
        assert!(readings('重').len() >= 2, "{:?}", readings('重'));
        assert!(readings('吕').contains(&"lv".to_owned()) && readings('吕').contains(&"lu".to_owned()));
        assert!(readings('a').is_empty() && readings('1').is_empty());
    }
}
