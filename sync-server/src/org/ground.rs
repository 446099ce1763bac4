//! Grids on the ground: which lie over each other, and in which a position lies.

use std::collections::BTreeSet;

use geo::{BooleanOps, BoundingRect, GeodesicArea, Intersects, Point};
use gridpass_core::codes::Position;
use gridpass_core::id::GridId;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use super::shape::Shape;

/// The outlines of a district with an index over them.
pub struct Ground {
    shapes: Vec<(GridId, Shape)>,
    known: BTreeSet<GridId>,
    boxes: RTree<GeomWithData<Rectangle<[f64; 2]>, usize>>,
}

/// Two grids that lie over each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// One.
    pub one: GridId,
    /// The other.
    pub other: GridId,
    /// The common area on the ground, in square metres.
    pub area_m2: f64,
}

impl Ground {
    /// Outlines, one of each grid.
    pub fn new(shapes: Vec<(GridId, Shape)>) -> Self {
        let boxed = |(place, (_, shape)): (usize, &(GridId, Shape))| {
            let around = shape.polygons.bounding_rect()?;
            let corners = ([around.min().x, around.min().y], [around.max().x, around.max().y]);
            Some(GeomWithData::new(Rectangle::from_corners(corners.0, corners.1), place))
        };
        let boxes = RTree::bulk_load(shapes.iter().enumerate().filter_map(boxed).collect());
        let known = shapes.iter().map(|(grid, _)| *grid).collect();
        Self { shapes, known, boxes }
    }

    /// Whether the outline of a grid is known.
    pub fn knows(&self, grid: GridId) -> bool {
        self.known.contains(&grid)
    }

    /// Pairs with a common area of more than so many square metres. A common border is none.
    pub fn overlaps(&self, more_than_m2: f64) -> Vec<Overlap> {
        let mut found = Vec::new();
        for (one_box, other_box) in self.boxes.intersection_candidates_with_other_tree(&self.boxes) {
            let (Some((one, a)), Some((other, b))) = (self.shapes.get(one_box.data), self.shapes.get(other_box.data))
            else {
                continue;
            };
            if one_box.data < other_box.data {
                let area_m2 = a.polygons.intersection(&b.polygons).geodesic_area_signed().abs();
                if area_m2 > more_than_m2 {
                    found.push(Overlap { one: *one, other: *other, area_m2 });
                }
            }
        }
        found.sort_by_key(|overlap| (overlap.one, overlap.other));
        found
    }

    /// The grids in which a WGS-84 position lies; on a common border all of them.
    pub fn at(&self, position: Position) -> impl Iterator<Item = GridId> {
        let around = AABB::from_point([position.lon, position.lat]);
        let point = Point::new(position.lon, position.lat);
        let near = self.boxes.locate_in_envelope_intersecting(&around).filter_map(|found| self.shapes.get(found.data));
        near.filter(move |(_, shape)| shape.polygons.intersects(&point)).map(|(grid, _)| *grid)
    }
}

#[cfg(test)]
mod tests {
    use geo::{LineString, MultiPolygon, Polygon};

    use super::*;

    /// A rectangle of so many hundred-thousandths of a degree, about a metre each.
    fn grid(n: u8, from: (f64, f64), to: (f64, f64)) -> (GridId, Shape) {
        let at = |x: f64, y: f64| (120.46 + x / 1e5, 36.1 + y / 1e5);
        let ring = LineString::from(vec![at(from.0, from.1), at(to.0, from.1), at(to.0, to.1), at(from.0, to.1)]);
        (GridId([n; 16]), Shape { polygons: MultiPolygon(vec![Polygon::new(ring, Vec::new())]) })
    }

    #[test]
    fn neighbours_share_a_border_and_overlaps_are_measured() {
        let ground = Ground::new(vec![
            grid(1, (0.0, 0.0), (1000.0, 1000.0)),
            grid(2, (1000.0, 0.0), (2000.0, 1000.0)),
            grid(3, (1990.0, 0.0), (3000.0, 500.0)),
            grid(4, (0.0, 1000.0), (999.0, 2000.0)),
        ]);
        let found = ground.overlaps(1.0);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].one, found[0].other), (GridId([2; 16]), GridId([3; 16])));
        // 10 by 500 hundred-thousandths of a degree at 36.1 N: 9.005 m by 554.8 m.
        assert!((found[0].area_m2 - 4996.0).abs() < 2.0, "{}", found[0].area_m2);
    }

    #[test]
    fn a_position_lies_in_its_grid_on_a_border_in_both_and_in_a_gap_in_none() {
        let ground = Ground::new(vec![grid(1, (0.0, 0.0), (1000.0, 1000.0)), grid(2, (1000.0, 0.0), (2000.0, 1000.0))]);
        let at = |x: f64, y: f64| {
            let mut found: Vec<u8> =
                ground.at(Position { lat: 36.1 + y / 1e5, lon: 120.46 + x / 1e5 }).map(|grid| grid.0[0]).collect();
            found.sort_unstable();
            found
        };
        assert_eq!([at(5.0, 5.0), at(1500.0, 5.0), at(1500.0, 1500.0)], [vec![1], vec![2], vec![]]);
        assert!(ground.knows(GridId([2; 16])) && !ground.knows(GridId([3; 16])));
    }
}
