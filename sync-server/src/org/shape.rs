//! Outlines of grids, as GeoJSON (RFC 7946) holds them: read, checked, measured.

use geo::algorithm::validation::{InvalidMultiPolygon, InvalidPolygon};
use geo::{GeodesicArea, LineString, MultiPolygon, Orient, Polygon, Validation, orient::Direction};
use geojson::GeometryValue;
use gridpass_core::catalog::Text;
use gridpass_core::codes::coordinates::to_e7;
use gridpass_core::codes::{Crs, Position};

/// As many points as one grid may have: more is no outline that somebody drew, and looking whether lines cross takes the
/// square of them.
const MOST_POINTS: usize = 10_000;

/// Degrees in the unit in which they are kept, about a centimetre.
const E7: f64 = 1e7;

/// Town or country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridKind {
    /// 300 to 500 households.
    Urban,
    /// 10 to 15 groups of residents.
    Rural,
}

impl GridKind {
    /// The word that is stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Urban => "urban",
            Self::Rural => "rural",
        }
    }

    /// The kind of a stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Urban, Self::Rural].into_iter().find(|kind| kind.word() == word)
    }
}

/// How a grid lies on the ground: polygons in WGS-84 degrees that neither cross nor overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The polygons.
    pub polygons: MultiPolygon<f64>,
}

/// Why a geometry is no outline of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShapeError {
    /// No GeoJSON geometry.
    Malformed,
    /// A point, a line, a collection.
    Type,
    /// No polygon in it, or no area.
    Empty,
    /// A ring does not end where it begins.
    Open,
    /// A ring has fewer than three corners.
    Corners,
    /// Degrees that are none, or latitude before longitude.
    Range,
    /// Rings cross or touch themselves.
    Crosses,
    /// A hole lies outside its polygon or over another.
    Hole,
    /// Polygons of one grid lie over each other or beside each other.
    Parts,
    /// Too many points.
    Large,
}

impl ShapeError {
    /// A stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "geometry_malformed",
            Self::Type => "geometry_type",
            Self::Empty => "geometry_empty",
            Self::Open => "geometry_open",
            Self::Corners => "geometry_corners",
            Self::Range => "geometry_range",
            Self::Crosses => "geometry_crosses",
            Self::Hole => "geometry_hole",
            Self::Parts => "geometry_parts",
            Self::Large => "geometry_large",
        }
    }

    /// What is wrong and what to do, in both languages.
    pub fn text(self) -> Text {
        let (zh, en) = match self {
            Self::Malformed => (
                "不是 GeoJSON 几何,请从地图软件重新导出",
                "Not a GeoJSON geometry; export it again from the map program",
            ),
            Self::Type => (
                "网格必须是面(Polygon 或 MultiPolygon),请把线或点画成面",
                "A grid is a Polygon or MultiPolygon; draw a line or a point as an area",
            ),
            Self::Empty => ("几何为空或没有面积,请重新绘制", "The geometry is empty or has no area; draw it again"),
            Self::Open => (
                "边界没有闭合,最后一个点必须与第一个点相同,请闭合",
                "The outline is not closed: its last point must be its first; close it",
            ),
            Self::Corners => ("边界少于三个角,请重新绘制", "The outline has fewer than three corners; draw it again"),
            Self::Range => (
                "坐标超出范围:顺序是经度、纬度,单位是度;请核对顺序和坐标系",
                "A coordinate is out of range: longitude comes first, in degrees; check the order and the system",
            ),
            Self::Crosses => {
                ("边界自相交或自相接,请在交叉处改正", "The outline crosses or touches itself; correct it where it does")
            }
            Self::Hole => {
                ("洞必须在面内且互不重叠,请改正", "A hole lies inside its polygon and over no other hole; correct it")
            }
            Self::Parts => (
                "同一网格的几个面互相重叠或相邻,请合并为一个面",
                "Polygons of one grid lie over or along each other; merge them into one",
            ),
            Self::Large => {
                ("一个网格最多 10000 个点,请简化边界", "A grid has at most 10,000 points; simplify its outline")
            }
        };
        Text::new(zh, en)
    }
}

impl Shape {
    /// Reads a geometry whose coordinates are in a system; they are kept in WGS-84 to seven digits, about a centimetre.
    pub fn read(geometry: &GeometryValue, crs: Crs) -> Result<Self, ShapeError> {
        let polygons = match geometry {
            GeometryValue::Polygon { coordinates } => std::slice::from_ref(coordinates),
            GeometryValue::MultiPolygon { coordinates } => coordinates.as_slice(),
            _ => return Err(ShapeError::Type),
        };
        let points: usize = polygons.iter().flatten().map(Vec::len).sum();
        if points == 0 || polygons.iter().any(Vec::is_empty) {
            return Err(ShapeError::Empty);
        }
        if points > MOST_POINTS {
            return Err(ShapeError::Large);
        }
        let polygon = |rings: &Vec<Vec<geojson::Position>>| -> Result<Polygon<f64>, ShapeError> {
            let mut rings = rings.iter().map(|ring| ring_of(ring, crs));
            let outer = rings.next().ok_or(ShapeError::Empty)??;
            Ok(Polygon::new(outer, rings.collect::<Result<_, _>>()?))
        };
        let polygons = MultiPolygon(polygons.iter().map(polygon).collect::<Result<_, _>>()?);
        polygons.check_validation().map_err(|error| invalid(&error))?;
        // Programs differ in which way round a ring goes; the area would be that of the rest of the world.
        let shape = Self { polygons: polygons.orient(Direction::Default) };
        if shape.area_m2() < 1.0 { Err(ShapeError::Empty) } else { Ok(shape) }
    }

    /// Reads what [`Shape::to_geojson`] wrote.
    pub fn stored(text: &str) -> Option<Self> {
        Self::read(&serde_json::from_str(text).ok()?, Crs::Wgs84).ok()
    }

    /// A GeoJSON MultiPolygon; equal outlines are equal texts if they begin at the same corner.
    pub fn to_geojson(&self) -> String {
        let ring = |ring: &LineString<f64>| ring.coords().map(|c| [c.x, c.y]).collect::<Vec<_>>();
        let polygon = |polygon: &Polygon<f64>| {
            std::iter::once(polygon.exterior()).chain(polygon.interiors()).map(ring).collect::<Vec<_>>()
        };
        let coordinates: Vec<_> = self.polygons.iter().map(polygon).collect();
        serde_json::json!({ "type": "MultiPolygon", "coordinates": coordinates }).to_string()
    }

    /// The area on the ground, in square metres: on the ellipsoid of WGS-84 (Karney 2013), its sides taken as the shortest
    /// ways. RFC 7946 has them straight in degrees; along a side of 1 km that is 1 cm, of a grid less than 1 in 50,000.
    pub fn area_m2(&self) -> f64 {
        self.polygons.geodesic_area_signed().abs()
    }
}

fn ring_of(ring: &[geojson::Position], crs: Crs) -> Result<LineString<f64>, ShapeError> {
    let corners = ring.iter().map(|point| point.as_slice());
    let corners: Vec<(i32, i32)> = corners.map(|point| corner(point, crs)).collect::<Result<_, _>>()?;
    let (Some(first), Some(last)) = (ring.first(), ring.last()) else { return Err(ShapeError::Empty) };
    if first.as_slice().get(..2) != last.as_slice().get(..2) {
        return Err(ShapeError::Open);
    }
    if has_spike(&corners) {
        return Err(ShapeError::Crosses);
    }
    Ok(corners.into_iter().map(|(lat, lon)| (f64::from(lon) / E7, f64::from(lat) / E7)).collect())
}

fn corner(point: &[f64], crs: Crs) -> Result<(i32, i32), ShapeError> {
    let [lon, lat, ..] = *point else { return Err(ShapeError::Malformed) };
    let position = Position { lat, lon };
    // Before a conversion too: it would take what is no position anywhere.
    to_e7(position).and_then(|_| to_e7(position.convert(crs, Crs::Wgs84))).ok_or(ShapeError::Range)
}

/// Whether a ring goes back on itself: a line out and the same way back, which no test of crossings notices.
fn has_spike(corners: &[(i32, i32)]) -> bool {
    let mut ring: Vec<(i128, i128)> = corners.iter().map(|(lat, lon)| (i128::from(*lat), i128::from(*lon))).collect();
    ring.dedup();
    ring.pop();
    if ring.len() < 3 {
        return false; // too few corners, which is told as such
    }
    let next = ring.iter().cycle().skip(1);
    let last = ring.iter().cycle().skip(2);
    ring.iter().zip(next).zip(last).any(|((a, b), c)| {
        let (ab, bc) = ((b.0 - a.0, b.1 - a.1), (c.0 - b.0, c.1 - b.1));
        ab.0 * bc.1 == ab.1 * bc.0 && ab.0 * bc.0 + ab.1 * bc.1 < 0
    })
}

fn invalid(error: &InvalidMultiPolygon) -> ShapeError {
    match error {
        InvalidMultiPolygon::ElementsOverlaps(..) | InvalidMultiPolygon::ElementsTouchOnALine(..) => ShapeError::Parts,
        InvalidMultiPolygon::InvalidPolygon(_, error) => match error {
            InvalidPolygon::TooFewPointsInRing(_) => ShapeError::Corners,
            InvalidPolygon::SelfIntersection(_) => ShapeError::Crosses,
            InvalidPolygon::NonFiniteCoord(..) => ShapeError::Range,
            InvalidPolygon::InteriorRingNotContainedInExteriorRing(_)
            | InvalidPolygon::IntersectingRingsOnALine(..)
            | InvalidPolygon::IntersectingRingsOnAnArea(..) => ShapeError::Hole,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(coordinates: serde_json::Value) -> Result<Shape, ShapeError> {
        let geometry = serde_json::json!({ "type": "Polygon", "coordinates": coordinates });
        Shape::read(&serde_json::from_value(geometry).unwrap(), Crs::Wgs84)
    }

    /// A square of 0.01 degrees.
    fn square() -> serde_json::Value {
        serde_json::json!([[[120.46, 36.1], [120.47, 36.1], [120.47, 36.11], [120.46, 36.11], [120.46, 36.1]]])
    }

    #[test]
    fn an_area_is_that_on_the_ground_whichever_way_the_ring_goes() {
        let shape = read(square()).unwrap();
        // 0.01 degrees at 36.105 N by the radii of curvature of WGS-84: 1109.61 m north, 900.44 m east.
        assert!((shape.area_m2() - 999_137.0).abs() < 20.0, "{}", shape.area_m2());
        let mut turned = square();
        turned[0].as_array_mut().unwrap().reverse();
        assert_eq!(read(turned).unwrap().area_m2(), shape.area_m2());
        assert_eq!(Shape::stored(&shape.to_geojson()), Some(shape));
    }

    #[test]
    fn a_hole_is_no_area_and_lies_inside() {
        let hole = |x: f64| serde_json::json!([[x, 36.102], [x, 36.104], [x + 0.002, 36.104], [x, 36.102]]);
        let with = |holes: Vec<serde_json::Value>| {
            let mut rings = square();
            rings.as_array_mut().unwrap().extend(holes);
            read(rings)
        };
        let whole = read(square()).unwrap().area_m2();
        let less = whole - with(vec![hole(120.462)]).unwrap().area_m2();
        assert!((less / whole - 0.02).abs() < 0.001, "{less}");
        assert_eq!(with(vec![hole(120.472)]), Err(ShapeError::Hole));
        assert_eq!(with(vec![hole(120.462), hole(120.4625)]), Err(ShapeError::Hole));
    }

    #[test]
    fn every_kind_of_broken_outline_is_told_apart() {
        let ring = |points: &[[f64; 2]]| read(serde_json::json!([points]));
        let [a, b, c, d] = [[120.46, 36.1], [120.47, 36.1], [120.47, 36.11], [120.46, 36.11]];
        assert_eq!(ring(&[a, b, c, d]), Err(ShapeError::Open));
        assert_eq!(ring(&[a, c, b, d, a]), Err(ShapeError::Crosses), "a bow");
        assert_eq!(ring(&[a, b, a]), Err(ShapeError::Corners));
        assert_eq!(ring(&[a, a, a, a]), Err(ShapeError::Corners));
        assert_eq!(ring(&[a, b, [120.48, 36.1], b, c, d, a]), Err(ShapeError::Crosses), "a spike");
        let middle = [120.465, 36.105];
        assert_eq!(ring(&[a, b, middle, c, d, middle, a]), Err(ShapeError::Crosses), "touches itself");
        assert_eq!(ring(&[[36.1, 120.46], [36.1, 120.47], [36.11, 120.47], [36.1, 120.46]]), Err(ShapeError::Range));
        assert_eq!(read(serde_json::json!([])), Err(ShapeError::Empty));
        assert_eq!(read(serde_json::json!([[]])), Err(ShapeError::Empty));
        assert_eq!(ring(&[a, [120.46, 36.100_000_1], [120.460_000_1, 36.1], a]), Err(ShapeError::Empty), "a speck");
        assert!(ring(&[a, a, b, b, c, d, a]).is_ok(), "a corner that is said twice");
        let many: Vec<[f64; 2]> = (0..=10_000).map(|n| [120.0 + f64::from(n) / 1e5, 36.0]).collect();
        assert_eq!(ring(&many), Err(ShapeError::Large));
        let two = serde_json::json!({ "type": "MultiPolygon", "coordinates": [square(), square()] });
        assert_eq!(Shape::read(&serde_json::from_value(two).unwrap(), Crs::Wgs84), Err(ShapeError::Parts));
        assert_eq!(Shape::read(&GeometryValue::new_point(a), Crs::Wgs84), Err(ShapeError::Type));
    }

    #[test]
    fn shifted_outlines_come_back_to_where_they_are() {
        let shape = read(square()).unwrap();
        for crs in [Crs::Gcj02, Crs::Bd09] {
            let shift = |point: &serde_json::Value| {
                let at = Position { lat: point[1].as_f64().unwrap(), lon: point[0].as_f64().unwrap() };
                let at = at.convert(Crs::Wgs84, crs);
                serde_json::json!([at.lon, at.lat])
            };
            let ring: Vec<_> = square()[0].as_array().unwrap().iter().map(shift).collect();
            let geometry = serde_json::json!({ "type": "Polygon", "coordinates": [ring] });
            let found = Shape::read(&serde_json::from_value(geometry).unwrap(), crs).unwrap();
            assert_eq!(found, shape, "{crs:?}");
        }
    }
}
