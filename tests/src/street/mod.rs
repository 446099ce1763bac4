//! A made-up street: the real streets and communities of a district, and in some grids people, houses, organisations and
//! lifts that do not exist. The same scale and seed give the same bytes on every machine.
//!
//! | file | subject |
//! |---|---|
//! | `random` | numbers that follow from a seed |
//! | `words` | names, phones, places of origin |
//! | `tree` | units and grids |
//! | `places` | addresses, lifts and what a building is for |
//! | `people` | houses, households, people, residences |
//! | `sheet` | sheets as workbooks and CSV files |

mod people;
mod places;
mod random;
mod sheet;
mod tree;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;

use gridpass_core::codes::Date;

pub use random::Random;
pub use sheet::{Cell, Sheet};
pub use tree::{Grid, divisions};

use people::People;
use places::Places;

/// How large a street is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 3 grids, about 300 records.
    Small,
    /// 30 grids of one street, about 30,000 records.
    Street,
}

impl std::str::FromStr for Scale {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "small" => Ok(Self::Small),
            "street" => Ok(Self::Street),
            _ => Err("a scale is small or street"),
        }
    }
}

/// What is built in a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Houses of six floors without lifts.
    #[default]
    Estate,
    /// Towers with lifts.
    Towers,
    /// Yards along lanes, many of them let.
    Village,
    /// A road of shops with flats above.
    Shops,
}

/// A street.
#[derive(Debug, Clone, PartialEq)]
pub struct Street {
    /// The units and grids, for `gridpass-server grid import`.
    pub tree: Sheet,
    /// The sheets of records in the order of the mapping `sync-server/import/street.toml`, with their collections.
    pub sheets: Vec<(&'static str, Sheet)>,
}

impl Street {
    /// The day the sheets were made on: a constant, so that nothing depends on when they are made again.
    pub fn day() -> Date {
        Date::nearest(20_605)
    }

    /// Makes a street.
    pub fn new(scale: Scale, seed: u64) -> Self {
        let grids = tree::grids(scale, &mut Random::new(seed, 0));
        let mut places = Places::default();
        let mut people = People::default();
        for (stream, grid) in (1..).zip(&grids) {
            let mut random = Random::new(seed, stream);
            let begun = places.len() + people.len();
            let left =
                |places: &Places, people: &People| grid.target.saturating_sub(places.len() + people.len() - begun);
            places.begin(grid, &mut random);
            while left(&places, &people) > 0 {
                let doors = places.building(grid, left(&places, &people), &mut random);
                for door in &doors {
                    if left(&places, &people) == 0 {
                        break;
                    }
                    people.move_in(grid, door, &mut random);
                }
            }
        }
        let [addresses, organisations, lifts] = places.into_sheets();
        let [houses, persons, households, residences] = people.into_sheets();
        let sheets = vec![
            ("address", addresses),
            ("organisation", organisations),
            ("house", houses),
            ("person", persons),
            ("household", households),
            ("residence", residences),
            ("facility", lifts),
        ];
        Self { tree: tree::sheet(&grids), sheets }
    }

    /// How many records the sheets hold.
    pub fn records(&self) -> usize {
        self.sheets.iter().map(|(_, sheet)| sheet.rows.len()).sum()
    }

    /// The sheet of a collection.
    pub fn sheet(&self, collection: &str) -> Option<&Sheet> {
        self.sheets.iter().find(|(name, _)| *name == collection).map(|(_, sheet)| sheet)
    }

    /// Writes all sheets into a folder, as workbooks or as CSV files.
    pub fn write(&self, folder: &Path, csv: bool) -> Result<(), crate::world::Error> {
        std::fs::create_dir_all(folder)?;
        self.tree.write(folder, csv, Self::day())?;
        self.sheets.iter().try_for_each(|(_, sheet)| sheet.write(folder, csv, Self::day()))
    }
}
