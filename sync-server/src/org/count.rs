//! Grids and records, counted by the units of a level.

use std::collections::BTreeMap;

use gridpass_core::id::GridId;

use super::tree::{At, Node, Version};

/// How many records of a collection have their home in a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeCount {
    /// The grid.
    pub grid: GridId,
    /// The collection.
    pub collection: String,
    /// How many.
    pub records: u64,
}

/// What lies under a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Grids.
    pub grids: u64,
    /// Records by collection.
    pub records: BTreeMap<String, u64>,
}

/// What lies under the units of a level, and elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Sums<'a> {
    /// The units in their order; those with nothing too.
    pub units: Vec<(&'a Version, Sum)>,
    /// What lies under no unit of the level, and records in grids that do not exist then.
    pub elsewhere: Sum,
    /// All together.
    pub total: Sum,
}

impl Sum {
    fn add(&mut self, other: &HomeCount) {
        *self.records.entry(other.collection.clone()).or_default() += other.records;
    }
}

/// Counts by the units of a kind. The tree is as of its moment, the records are as they lie now.
pub fn count<'a>(at: At<'a>, kind: &str, homes: &[HomeCount]) -> Sums<'a> {
    let mut sums = Sums::default();
    let mut places = BTreeMap::new();
    for (_, version) in at.units().into_iter().filter(|(_, version)| version.kind == kind) {
        places.insert(version.node, sums.units.len());
        sums.units.push((version, Sum::default()));
    }
    let place = |grid: GridId| at.above(Node::Grid(grid), kind).and_then(|unit| places.get(&unit.node)).copied();
    let mut note = |grid: GridId, note: &dyn Fn(&mut Sum)| {
        note(&mut sums.total);
        match place(grid).and_then(|place| sums.units.get_mut(place)) {
            Some((_, sum)) => note(sum),
            None => note(&mut sums.elsewhere),
        }
    };
    at.grids().for_each(|grid| note(grid, &|sum| sum.grids += 1));
    homes.iter().for_each(|home| note(home.grid, &|sum| sum.add(home)));
    sums
}
