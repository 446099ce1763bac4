//! What is told of a district with its shapes: overlaps, gaps that hold addresses, odd sizes.

use std::collections::BTreeMap;

use gridpass_core::catalog::Text;
use gridpass_core::codes::{Crs, Geo};
use gridpass_core::id::{GridId, RecordId};

use super::{Reading, ShapesError};
use crate::app::App;
use crate::db::{Principal, ShapeRow};
use crate::org::Node;
use crate::org::ground::{Ground, Overlap};
use crate::org::shape::{GridKind, Shape};

/// A common area that is told, in square metres; less is how programs round.
const OVERLAP_M2: f64 = 1.0;
/// The households of a grid in a town.
const HOUSEHOLDS: std::ops::RangeInclusive<u64> = 300..=500;
/// The groups of residents (居民小组) of a grid in the country.
const GROUPS: std::ops::RangeInclusive<u32> = 10..=15;
/// How many records or grids are named of many.
const NAMED: usize = 3;

impl Reading<'_> {
    /// Looks at the district with all its shapes.
    pub(super) fn look(&mut self, app: &App, standing: &BTreeMap<GridId, ShapeRow>) -> Result<(), ShapesError> {
        let now_ms = app.now_ms();
        let at = self.at;
        let there = |row: &&ShapeRow| at.get(Node::Grid(row.grid)).is_some();
        let rows: Vec<&ShapeRow> = standing.values().filter(there).collect();
        let ground = Ground::new(rows.iter().filter_map(|row| Some((row.grid, Shape::stored(&row.shape)?))).collect());
        self.overlaps(&ground);
        self.without_shape(&ground);
        self.addresses(app, &ground)?;
        let mut households: BTreeMap<GridId, u64> = BTreeMap::new();
        for count in app.db.home_counts(&Principal::SERVER, now_ms)? {
            if count.collection == "household" {
                *households.entry(count.grid).or_default() += count.records;
            }
        }
        for row in rows {
            self.size(row, &households);
        }
        Ok(())
    }

    fn overlaps(&mut self, ground: &Ground) {
        let named = |overlap: Overlap| {
            let mut pair = [overlap.one, overlap.other].map(|grid| (self.name(grid), grid));
            pair.sort();
            (pair, overlap.area_m2)
        };
        let mut found: Vec<_> = ground.overlaps(OVERLAP_M2).into_iter().map(named).collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        for ([(one, grid), (other, _)], area_m2) in found {
            let area = area_m2.round();
            let text = Text::new(
                format!("网格 {one} 与 {other} 重叠 {area} 平方米,请修正边界"),
                format!("{one} and {other} overlap by {area} m²; correct one of the outlines"),
            );
            self.problem(self.place(grid), &one, "grids_overlap", text, false);
        }
    }

    fn without_shape(&mut self, ground: &Ground) {
        let mut without: Vec<String> =
            self.at.grids().filter(|grid| !ground.knows(*grid)).map(|grid| self.name(grid)).collect();
        without.sort();
        if !without.is_empty() {
            let (count, first) = (without.len(), without.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
            let text = Text::new(
                format!("还有 {count} 个网格没有边界(如 {first}),请补充"),
                format!("{count} grids have no outline yet ({first} …); draw them"),
            );
            self.problem(0, "", "grids_without_shape", text, false);
        }
    }

    /// Addresses in no grid or in another than the one that holds them, by both.
    fn addresses(&mut self, app: &App, ground: &Ground) -> Result<(), ShapesError> {
        let mut apart: BTreeMap<(GridId, Option<GridId>), Vec<RecordId>> = BTreeMap::new();
        app.db.points(&Principal::SERVER, app.now_ms(), "address", "point", &mut |row| {
            let Ok(geo) = row.point.parse::<Geo>() else { return };
            let mut lies = ground.at(geo.position_in(Crs::Wgs84)).peekable();
            let first = lies.peek().copied();
            // Where the holder has no outline, a place outside the others may well be in it.
            if !lies.any(|grid| grid == row.grid) && (first.is_some() || ground.knows(row.grid)) {
                apart.entry((row.grid, first)).or_default().push(row.record);
            }
        })?;
        for ((holder, lies), records) in apart {
            let (held, count) = (self.name(holder), records.len());
            let first = records.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let (code, text) = match lies {
                None => (
                    "addresses_in_gap",
                    Text::new(
                        format!("网格 {held} 的 {count} 个地址不在任何网格内,请修正边界或定位;记录 {first}"),
                        format!(
                            "{count} addresses of {held} lie in no grid; correct the outlines or their positions: {first}"
                        ),
                    ),
                ),
                Some(lies) => {
                    let lies = self.name(lies);
                    (
                        "addresses_elsewhere",
                        Text::new(
                            format!(
                                "网格 {held} 的 {count} 个地址在网格 {lies} 内,请修正边界、定位或归属;记录 {first}"
                            ),
                            format!(
                                "{count} addresses of {held} lie in {lies}; correct an outline, their positions, \
                                 or which grid holds them: {first}"
                            ),
                        ),
                    )
                }
            };
            self.problem(self.place(holder), &held, code, text, false);
        }
        Ok(())
    }

    /// Grids that are larger or smaller than the rules of the district have them.
    fn size(&mut self, row: &ShapeRow, households: &BTreeMap<GridId, u64>) {
        let grid = self.name(row.grid);
        let held = households.get(&row.grid).copied().unwrap_or(0);
        let (code, text) = match (row.kind, row.groups) {
            // Before any household is taken in, every grid would be told.
            (Some(GridKind::Urban), _) if !households.is_empty() && !HOUSEHOLDS.contains(&held) => (
                "households_of_grid",
                Text::new(
                    format!("城市网格 {grid} 有 {held} 户,应为 300 至 500 户,请调整"),
                    format!("the urban grid {grid} has {held} households, not 300 to 500; redraw it"),
                ),
            ),
            (Some(GridKind::Rural), Some(groups)) if !GROUPS.contains(&groups) => (
                "groups_of_grid",
                Text::new(
                    format!("农村网格 {grid} 有 {groups} 个居民小组,应为 10 至 15 个,请调整"),
                    format!("the rural grid {grid} has {groups} groups of residents, not 10 to 15; redraw it"),
                ),
            ),
            _ => return,
        };
        self.problem(self.place(row.grid), &grid, code, text, false);
    }

    fn name(&self, grid: GridId) -> String {
        let version = self.at.get(Node::Grid(grid));
        version.map_or_else(|| grid.to_string(), |version| version.label().to_owned())
    }

    fn place(&self, grid: GridId) -> u32 {
        self.places.get(&grid).copied().unwrap_or(0)
    }
}
