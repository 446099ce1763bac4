//! The kinds of units, from `org/kinds.toml`.

use std::sync::LazyLock;

use gridpass_core::codes::text::half_width;
use serde::Deserialize;

const FILE: &str = include_str!("../../org/kinds.toml");

/// The kind of a grid.
pub const GRID: &str = "grid";

/// A kind of unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// The word that is stored.
    pub id: String,
    /// What sheets write; the first is shown.
    pub words: Vec<String>,
    /// The kinds it may stand under; none stands at the top.
    pub under: Vec<String>,
    /// Whether it has a code.
    pub code: CodeRule,
    /// Whether counts are made by it.
    #[serde(default)]
    pub level: bool,
    /// Whether it may stand under nothing too.
    #[serde(default)]
    pub alone: bool,
}

/// Whether units of a kind have a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRule {
    /// Each has one.
    Must,
    /// One without is known by the unit above and its name.
    May,
}

/// All kinds, what stands above before what stands below.
#[derive(Debug, Default, Deserialize)]
pub struct Kinds {
    #[serde(rename = "kind")]
    kinds: Vec<Kind>,
}

/// The kinds of the program.
pub fn kinds() -> &'static Kinds {
    // The file is part of the program; a test reads it.
    static KINDS: LazyLock<Kinds> = LazyLock::new(|| toml::from_str(FILE).unwrap_or_default());
    &KINDS
}

impl Kind {
    /// What a person reads.
    pub fn word(&self) -> &str {
        self.words.first().unwrap_or(&self.id)
    }
}

impl Kinds {
    /// A kind by the word that is stored.
    pub fn get(&self, id: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.id == id)
    }

    /// A kind by any of its words.
    pub fn by_word(&self, said: &str) -> Option<&Kind> {
        let said = half_width(said);
        self.kinds.iter().find(|kind| kind.id == said || kind.words.contains(&said))
    }

    /// The kinds that counts are made by, from the top.
    pub fn levels(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kind.level)
    }

    /// Every kind, what stands above before what stands below.
    pub fn all(&self) -> &[Kind] {
        &self.kinds
    }

    /// The place of a kind in the order from the top; the last place for one that is not known.
    pub fn rank(&self, id: &str) -> usize {
        self.kinds.iter().position(|kind| kind.id == id).unwrap_or(self.kinds.len())
    }

    /// What a person reads for a stored word.
    pub fn word<'a>(&'a self, id: &'a str) -> &'a str {
        self.get(id).map_or(id, Kind::word)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_file_reads_and_every_kind_stands_below_what_it_stands_under() {
        let kinds: Kinds = toml::from_str(FILE).unwrap();
        let mut seen = BTreeSet::new();
        let mut words = BTreeSet::new();
        for kind in &kinds.kinds {
            seen.insert(kind.id.as_str());
            assert!(kind.under.iter().all(|above| seen.contains(above.as_str())), "{}", kind.id);
            assert!(!kind.words.is_empty() && kind.words.iter().all(|word| words.insert(word.clone())), "{}", kind.id);
        }
        assert_eq!(kinds.levels().map(|kind| kind.id.as_str()).collect::<Vec<_>>().len(), 4);
        assert_eq!(kinds.get(GRID).unwrap().under, ["community"]);
        assert_eq!(kinds.by_word("片区").unwrap().id, "area");
    }
}
