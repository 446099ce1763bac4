//! A made-up street or district: the real streets and communities of a district, and in some grids people, houses,
//! organisations and lifts that do not exist. The same scale and seed give the same bytes on every machine.
//!
//! | file | subject |
//! |---|---|
//! | `random` | numbers that follow from a seed |
//! | `words` | names, phones, places of origin |
//! | `tree` | units and grids |
//! | `places` | addresses, lifts and what a building is for |
//! | `people` | houses, households, people, residences |
//! | `visits` | a year of visits |
//! | `district` | how many of everything each grid of a whole district gets, and what is built of it |
//! | `sheet` | sheets in memory |
//! | `file` | sheets as workbooks and CSV files |

mod district;
mod file;
mod people;
mod places;
mod random;
mod sheet;
mod tree;
mod visits;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;

use gridpass_core::codes::Date;

pub use district::{ADDRESSES_WITH_A_DOOR, GRIDS, HOUSES, LIFTS, ORGANISATIONS, PEOPLE};
pub use file::Form;
pub use random::Random;
pub use sheet::{Cell, Sheet};
pub use tree::{Grid, areas, divisions};

use crate::world::Error;
use district::Quota;
use file::SheetFile;
use people::People;
use places::Places;
use visits::Visits;

/// How large a street is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// 3 grids, about 300 records.
    Small,
    /// 30 grids of one street, about 30,000 records.
    Street,
    /// A whole district of 654 grids, with the figures of `district`, or one part of so many of it: fewer grids of the
    /// same kinds. 1 is the whole.
    District {
        /// The divisor of every figure.
        part: u32,
    },
}

impl std::str::FromStr for Scale {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        const KNOWN: &str = "a scale is small, street, laoshan, or a part of it as laoshan/16";
        match word.split_once('/') {
            None if word == "small" => Ok(Self::Small),
            None if word == "street" => Ok(Self::Street),
            None if word == "laoshan" => Ok(Self::District { part: 1 }),
            Some(("laoshan", part)) => match part.parse() {
                Ok(part @ 1..=district::MOST_PARTS) => Ok(Self::District { part }),
                _ => Err(KNOWN),
            },
            _ => Err(KNOWN),
        }
    }
}

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How large.
    pub scale: Scale,
    /// The same seed gives the same.
    pub seed: u64,
    /// After how many days a household is visited again, about; 0 for a street without visits.
    pub visit_interval_days: u32,
}

impl Plan {
    /// A scale and a seed with what is usual: a district has a year of visits, a street has none.
    pub fn new(scale: Scale, seed: u64) -> Self {
        let visit_interval_days = if matches!(scale, Scale::District { .. }) { 90 } else { 0 };
        Self { scale, seed, visit_interval_days }
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
    /// Houses of students, many in a room.
    Campus,
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

    /// Makes a street, all of it in memory.
    pub fn new(plan: Plan) -> Self {
        let mut maker = Maker::new(plan);
        while maker.grid() {}
        Self { tree: maker.tree(), sheets: maker.take() }
    }

    /// How many records the sheets hold.
    pub fn records(&self) -> usize {
        self.sheets.iter().map(|(_, sheet)| sheet.rows.len()).sum()
    }

    /// The sheet of a collection.
    pub fn sheet(&self, collection: &str) -> Option<&Sheet> {
        self.sheets.iter().find(|(name, _)| *name == collection).map(|(_, sheet)| sheet)
    }
}

/// How far the files of a street are.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Grids that are written.
    pub grids: usize,
    /// Grids there will be.
    pub of: usize,
    /// Records that are written.
    pub records: usize,
}

/// What was written: the files with their collections (none for that of units and grids) and rows.
pub type Written = Vec<(Option<&'static str>, &'static str, usize)>;

/// Makes a street and writes its sheets into a folder, grid by grid: memory holds one grid.
pub fn write(plan: Plan, folder: &Path, form: Form, tell: &mut dyn FnMut(Progress)) -> Result<Written, Error> {
    std::fs::create_dir_all(folder)?;
    let mut maker = Maker::new(plan);
    let begin = |sheet: &Sheet| SheetFile::new(folder, sheet, form, Street::day());
    let tree = maker.tree();
    let mut file = begin(&tree)?;
    file.add(&tree.rows)?;
    file.end()?;
    let mut written = vec![(None, tree.name, tree.rows.len())];
    let mut files = Vec::new();
    for (collection, sheet) in maker.take() {
        files.push(begin(&sheet)?);
        written.push((Some(collection), sheet.name, 0));
    }
    let (mut grids, mut records) = (0, 0);
    while maker.grid() {
        for (place, (_, sheet)) in maker.take().into_iter().enumerate() {
            let (Some(file), Some((_, _, rows))) = (files.get_mut(place), written.get_mut(place + 1)) else { continue };
            file.add(&sheet.rows)?;
            *rows += sheet.rows.len();
            records += sheet.rows.len();
        }
        grids += 1;
        tell(Progress { grids, of: maker.grids.len(), records });
    }
    files.into_iter().try_for_each(SheetFile::end)?;
    Ok(written)
}

/// Makes a street grid by grid.
struct Maker {
    seed: u64,
    grids: Vec<Grid>,
    /// What each grid gets exactly, of a district; elsewhere a grid has about as many records as its target.
    quotas: Vec<Quota>,
    next: usize,
    places: Places,
    people: People,
    visits: Visits,
}

/// Tells the numbers of visits apart from those of everything else, which do not change with the visits.
const VISITS: u64 = 0x7615_17ED;

impl Maker {
    fn new(Plan { scale, seed, visit_interval_days }: Plan) -> Self {
        let visits = Visits::new(visit_interval_days);
        let mut random = Random::new(seed, 0);
        let (grids, quotas) = match scale {
            Scale::District { part } => district::grids(part, &mut random),
            Scale::Small | Scale::Street => (tree::grids(scale, &mut random), Vec::new()),
        };
        Self { seed, grids, quotas, next: 0, places: Places::default(), people: People::default(), visits }
    }

    fn tree(&self) -> Sheet {
        tree::sheet(&self.grids)
    }

    /// Makes the next grid; false when there is none.
    fn grid(&mut self) -> bool {
        let Self { seed, grids, quotas, next, places, people, visits } = self;
        let Some(grid) = grids.get(*next) else { return false };
        let quota = quotas.get(*next).copied();
        *next += 1;
        let mut random = Random::new(*seed, *next as u64);
        let organisations = places.organisations();
        match quota {
            Some(quota) => district::fill(grid, quota, places, people, &mut random),
            None => fill(grid, places, people, &mut random),
        }
        let (homes, organisations) = (people.take_homes(), places.organisations_since(organisations));
        visits.year(grid, &homes, &organisations, &mut Random::new(*seed ^ VISITS, *next as u64));
        true
    }

    /// The rows made so far, which are taken out, as sheets in the order of the mapping with their collections.
    fn take(&mut self) -> Vec<(&'static str, Sheet)> {
        let [addresses, organisations, lifts] = self.places.take();
        let [houses, persons, households, residences] = self.people.take();
        let mut sheets = vec![
            ("address", addresses),
            ("organisation", organisations),
            ("house", houses),
            ("person", persons),
            ("household", households),
            ("residence", residences),
            ("facility", lifts),
        ];
        sheets.extend(self.visits.take().map(|visits| ("visit", visits)));
        sheets
    }
}

/// Builds and fills a grid until it has about as many records as its target.
fn fill(grid: &Grid, places: &mut Places, people: &mut People, random: &mut Random) {
    let begun = places.len() + people.len();
    let left = |places: &Places, people: &People| grid.target.saturating_sub(places.len() + people.len() - begun);
    places.begin(grid, random);
    while left(places, people) > 0 {
        let doors = places.building(grid, left(places, people), random);
        for door in &doors {
            if left(places, people) == 0 {
                break;
            }
            people.move_in(grid, door, random);
        }
    }
}
