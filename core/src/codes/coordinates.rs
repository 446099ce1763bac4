//! Positions on the earth, the shifted systems of domestic maps, and the `geo` value of a record.
//!
//! Records keep what the receiver measured (WGS-84); a shifted position is made for a map's display only. The shift is
//! hundreds of metres, enough to put a point into the neighbouring grid, so a position without its system is refused.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// JSON readers everywhere keep whole numbers up to 2^53 exactly.
const MAX_TIME_MS: i64 = 1 << 53;

/// The system a position is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Crs {
    /// What receivers measure.
    Wgs84,
    /// The national system of 2000; centimetres from WGS-84 and here taken as equal.
    Cgcs2000,
    /// The shifted system of domestic maps.
    Gcj02,
    /// Baidu's further shift.
    Bd09,
}

impl Crs {
    /// Every system.
    pub const ALL: [Self; 4] = [Self::Wgs84, Self::Cgcs2000, Self::Gcj02, Self::Bd09];

    /// The stable tag stored in a `geo` value.
    pub fn code(self) -> &'static str {
        match self {
            Self::Wgs84 => "WGS84",
            Self::Cgcs2000 => "CGCS2000",
            Self::Gcj02 => "GCJ02",
            Self::Bd09 => "BD09",
        }
    }

    /// The system with a stored tag.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|crs| crs.code() == code)
    }
}

/// A latitude and a longitude in degrees, north and east positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// −90 to 90.
    pub lat: f64,
    /// −180 to 180.
    pub lon: f64,
}

impl Position {
    /// The great-circle distance in metres on a sphere of 6,371,008.8 m; both positions in the same system.
    pub fn distance_m(self, other: Self) -> f64 {
        const RADIUS_M: f64 = 6_371_008.8;
        let (lat, other_lat) = (self.lat.to_radians(), other.lat.to_radians());
        let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
        let chord =
            half(lat, other_lat) + lat.cos() * other_lat.cos() * half(self.lon.to_radians(), other.lon.to_radians());
        2.0 * RADIUS_M * chord.clamp(0.0, 1.0).sqrt().asin()
    }

    /// Converts between systems; shifts are undone by iteration, to less than 1e-9 degrees.
    pub fn convert(self, from: Crs, to: Crs) -> Self {
        let gcj = |position, crs| match crs {
            Crs::Gcj02 => position,
            Crs::Bd09 => bd09_to_gcj02(position),
            Crs::Wgs84 | Crs::Cgcs2000 => wgs84_to_gcj02(position),
        };
        match (from, to) {
            _ if from == to => self,
            (Crs::Wgs84 | Crs::Cgcs2000, Crs::Wgs84 | Crs::Cgcs2000) => self,
            (_, Crs::Wgs84 | Crs::Cgcs2000) => gcj02_to_wgs84(gcj(self, from)),
            (_, Crs::Gcj02) => gcj(self, from),
            (_, Crs::Bd09) => gcj02_to_bd09(gcj(self, from)),
        }
    }
}

/// Shifts a WGS-84 position as domestic maps do; outside 72.004–137.8347 E and 0.8293–55.8271 N nothing is shifted.
pub fn wgs84_to_gcj02(position: Position) -> Position {
    const AXIS_M: f64 = 6_378_245.0;
    const ECCENTRICITY: f64 = 0.006_693_421_622_965_943;
    let Position { lat, lon } = position;
    if !(72.004..=137.8347).contains(&lon) || !(0.8293..=55.8271).contains(&lat) {
        return position;
    }
    let (x, y) = (lon - 105.0, lat - 35.0);
    let wave = |amplitude: f64, at: f64, period: f64| amplitude * (at * PI / period).sin() * 2.0 / 3.0;
    let ripple = wave(20.0, x, 1.0 / 6.0) + wave(20.0, x, 0.5);
    let root = x.abs().sqrt();
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + ripple
        + wave(20.0, y, 1.0)
        + wave(40.0, y, 3.0)
        + wave(160.0, y, 12.0)
        + wave(320.0, y, 30.0);
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + ripple
        + wave(20.0, x, 1.0)
        + wave(40.0, x, 3.0)
        + wave(150.0, x, 12.0)
        + wave(300.0, x, 30.0);
    let radians = lat.to_radians();
    let magic = 1.0 - ECCENTRICITY * radians.sin().powi(2);
    let north = (north_m / (AXIS_M * (1.0 - ECCENTRICITY) / (magic * magic.sqrt()))).to_degrees();
    let east = (east_m / (AXIS_M / magic.sqrt() * radians.cos())).to_degrees();
    Position { lat: lat + north, lon: lon + east }
}

/// Undoes [`wgs84_to_gcj02`] by iteration.
pub fn gcj02_to_wgs84(position: Position) -> Position {
    invert(wgs84_to_gcj02, position)
}

/// Shifts a GCJ-02 position as Baidu does.
pub fn gcj02_to_bd09(position: Position) -> Position {
    const TURN: f64 = PI * 3000.0 / 180.0;
    let Position { lat: y, lon: x } = position;
    let radius = x.hypot(y) + 0.000_02 * (y * TURN).sin();
    let angle = y.atan2(x) + 0.000_003 * (x * TURN).cos();
    Position { lat: radius * angle.sin() + 0.006, lon: radius * angle.cos() + 0.0065 }
}

/// Undoes [`gcj02_to_bd09`] by iteration.
pub fn bd09_to_gcj02(position: Position) -> Position {
    invert(gcj02_to_bd09, position)
}

/// Finds what `forward` takes to `target`. The shift changes slowly from place to place, so that each round brings the
/// guess some thousand times nearer; near the edge of the shifted area the nearest guess has to do.
fn invert(forward: fn(Position) -> Position, target: Position) -> Position {
    let mut guess = target;
    for _ in 0..12 {
        let Position { lat, lon } = forward(guess);
        let (lat_error, lon_error) = (lat - target.lat, lon - target.lon);
        guess = Position { lat: guess.lat - lat_error, lon: guess.lon - lon_error };
        if lat_error.abs().max(lon_error.abs()) < 1e-12 {
            break;
        }
    }
    guess
}

/// Where a position came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// A satellite receiver.
    Gps,
    /// Radio cells and access points.
    Network,
    /// The phone's own mixture.
    Fused,
    /// A finger on a map.
    Map,
    /// Another system's data.
    Import,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 5] = [Self::Gps, Self::Network, Self::Fused, Self::Map, Self::Import];

    /// The stable tag stored in a `geo` value.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gps => "gps",
            Self::Network => "network",
            Self::Fused => "fused",
            Self::Map => "map",
            Self::Import => "import",
        }
    }

    /// The provider with a stored tag.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.code() == code)
    }
}

/// The value of a `geo` field; its text is canonical JSON (RFC 8785), so that equal positions are equal texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geo {
    /// Latitude in 1e-7 degrees, north positive: ±900,000,000.
    pub lat_e7: i32,
    /// Longitude in 1e-7 degrees, east positive: ±1,800,000,000.
    pub lon_e7: i32,
    /// Accuracy in centimetres: the radius the receiver states. None where there is no radius, as on a map.
    pub acc_cm: Option<u32>,
    /// The system of the position.
    pub crs: Crs,
    /// Where the position came from.
    pub provider: Provider,
    /// Whether the phone said that the position was made up.
    pub mock: bool,
    /// When it was measured: milliseconds since 1970 UTC.
    pub fixed_at: i64,
}

/// Why a text is no `geo` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GeoError {
    /// Not an object of exactly the members of [`Geo`], each of its type.
    #[error(
        "a position is a JSON object of lat_e7, lon_e7, acc_cm, crs, provider, mock and fixed_at: write every member"
    )]
    Shape,
    /// No system, or an unknown one.
    #[error("a position names its system, WGS84, CGCS2000, GCJ02 or BD09: add crs")]
    Crs,
    /// An unknown provider.
    #[error("a position comes from gps, network, fused, map or import: name one of them as provider")]
    Provider,
    /// A degree or a time out of range.
    #[error("latitude lies within 90 degrees, longitude within 180, time within 2^53 ms: measure again")]
    Range,
    /// Right members in another form.
    #[error("a position is canonical JSON (RFC 8785), members sorted and no spaces: write it with this library")]
    Canonical,
}

impl GeoError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Crs => "crs",
            Self::Provider => "provider",
            Self::Range => "range",
            Self::Canonical => "canonical",
        }
    }
}

impl Geo {
    /// The position in its own system.
    pub fn position(&self) -> Position {
        Position { lat: f64::from(self.lat_e7) / 1e7, lon: f64::from(self.lon_e7) / 1e7 }
    }

    /// The position in another system, for a map's display or for a distance.
    pub fn position_in(&self, crs: Crs) -> Position {
        self.position().convert(self.crs, crs)
    }

    /// The distance to another position in metres, whatever their systems.
    pub fn distance_m(&self, other: &Self) -> f64 {
        self.position_in(Crs::Wgs84).distance_m(other.position_in(Crs::Wgs84))
    }
}

/// Degrees in the unit of a `geo` value, 1e-7 degrees; none for a position outside the earth.
pub fn to_e7(position: Position) -> Option<(i32, i32)> {
    let within = |degrees: f64, limit: f64| (degrees.abs() <= limit).then(|| (degrees * 1e7).round() as i32);
    Some((within(position.lat, 90.0)?, within(position.lon, 180.0)?))
}

impl fmt::Display for Geo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{\"acc_cm\":")?;
        match self.acc_cm {
            Some(radius) => write!(f, "{radius}")?,
            None => f.write_str("null")?,
        }
        let (crs, provider) = (self.crs.code(), self.provider.code());
        write!(f, ",\"crs\":\"{crs}\",\"fixed_at\":{},\"lat_e7\":{}", self.fixed_at, self.lat_e7)?;
        write!(f, ",\"lon_e7\":{},\"mock\":{},\"provider\":\"{provider}\"}}", self.lon_e7, self.mock)
    }
}

impl FromStr for Geo {
    type Err = GeoError;

    fn from_str(text: &str) -> Result<Self, GeoError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            lat_e7: i32,
            lon_e7: i32,
            acc_cm: Option<u32>,
            crs: Option<String>,
            provider: String,
            mock: bool,
            fixed_at: i64,
        }
        let members: Members = serde_json::from_str(text).map_err(|_| GeoError::Shape)?;
        let geo = Self {
            lat_e7: members.lat_e7,
            lon_e7: members.lon_e7,
            acc_cm: members.acc_cm,
            crs: members.crs.as_deref().and_then(Crs::from_code).ok_or(GeoError::Crs)?,
            provider: Provider::from_code(&members.provider).ok_or(GeoError::Provider)?,
            mock: members.mock,
            fixed_at: members.fixed_at,
        };
        let on_earth = geo.lat_e7.unsigned_abs() <= 900_000_000 && geo.lon_e7.unsigned_abs() <= 1_800_000_000;
        if !on_earth || geo.fixed_at.unsigned_abs() > MAX_TIME_MS.unsigned_abs() {
            return Err(GeoError::Range);
        }
        if geo.to_string() == text { Ok(geo) } else { Err(GeoError::Canonical) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(lat: f64, lon: f64) -> Position {
        Position { lat, lon }
    }

    fn near(found: Position, wanted: Position, degrees: f64) -> bool {
        (found.lat - wanted.lat).abs() < degrees && (found.lon - wanted.lon).abs() < degrees
    }

    fn geo() -> Geo {
        Geo {
            lat_e7: 361_000_000,
            lon_e7: 1_204_600_000,
            acc_cm: Some(850),
            crs: Crs::Wgs84,
            provider: Provider::Gps,
            mock: false,
            fixed_at: 1_735_660_800_000,
        }
    }

    #[test]
    fn published_shifts_come_out() {
        let here = at(39.915, 116.404);
        assert!(near(wgs84_to_gcj02(here), at(39.916_404_281_501_64, 116.410_244_499_169_38), 1e-10));
        assert!(near(gcj02_to_bd09(here), at(39.921_336_993_510_21, 116.410_369_493_710_29), 1e-10));
        // Another implementation, whose axis differs by 1.7e-5.
        for (wgs, gcj) in [
            (at(31.177_427_6, 121.527_210_6), at(31.175_303_983_645_97, 121.531_541_859_215)),
            (at(22.543_847, 113.912_316), at(22.540_796_131_694_766, 113.917_176_480_836_3)),
            (at(39.911_954, 116.377_817), at(39.913_345_455_360_69, 116.384_047_224_556_57)),
        ] {
            assert!(near(wgs84_to_gcj02(wgs), gcj, 1e-6));
        }
    }

    #[test]
    fn the_shift_is_hundreds_of_metres_inside_and_nothing_outside() {
        // Evenly spread over the mainland's box; the exact mean depends on the area alone.
        let spread = |step: u16, ratio: f64| (f64::from(step) * ratio).fract();
        let shifts: Vec<f64> = (1..=2000)
            .map(|step| at(18.0 + 35.0 * spread(step, 0.754_877_666), 73.0 + 62.0 * spread(step, 0.569_840_291)))
            .map(|here| here.distance_m(wgs84_to_gcj02(here)))
            .collect();
        let mean = shifts.iter().sum::<f64>() / shifts.len() as f64;
        assert!((390.0..430.0).contains(&mean), "mean {mean}");
        assert!(shifts.iter().all(|shift| *shift < 1000.0));
        for outside in [at(36.1, 138.0), at(36.1, 72.0), at(0.5, 110.0), at(56.0, 110.0), at(-33.9, 151.2)] {
            assert_eq!(wgs84_to_gcj02(outside), outside);
            assert_eq!(gcj02_to_wgs84(outside), outside);
        }
    }

    #[test]
    fn distances_are_metres() {
        assert!((at(36.0, 120.0).distance_m(at(37.0, 120.0)) - 111_195.1).abs() < 1.0);
        assert!((at(0.0, 0.0).distance_m(at(0.0, 180.0)) - 20_015_115.0).abs() < 10.0);
        assert_eq!(at(36.0, 120.0).distance_m(at(36.0, 120.0)), 0.0);
        let shifted = Geo { crs: Crs::Gcj02, ..geo() };
        assert!((100.0..900.0).contains(&geo().distance_m(&shifted)), "the same degrees are elsewhere on another map");
    }

    #[test]
    fn a_geo_value_has_one_text() {
        let text = r#"{"acc_cm":850,"crs":"WGS84","fixed_at":1735660800000,"lat_e7":361000000,"lon_e7":1204600000,"mock":false,"provider":"gps"}"#;
        assert_eq!(geo().to_string(), text);
        assert_eq!(text.parse(), Ok(geo()));
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&json).unwrap(), text, "RFC 8785");
        let picked = Geo { acc_cm: None, provider: Provider::Map, ..geo() };
        assert_eq!(picked.to_string().parse(), Ok(picked));
    }

    #[test]
    fn wrong_values_are_named() {
        let error = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
            let mut json = serde_json::from_str(&geo().to_string()).unwrap();
            change(&mut json);
            serde_json_canonicalizer::to_string(&json).unwrap().parse::<Geo>().unwrap_err().code()
        };
        assert_eq!(error(&|json| drop(json.remove("crs"))), "crs", "a missing system is refused");
        assert_eq!(error(&|json| drop(json.insert("crs".into(), "EPSG:4326".into()))), "crs");
        assert_eq!(error(&|json| drop(json.remove("mock"))), "shape");
        assert_eq!(error(&|json| drop(json.remove("acc_cm"))), "canonical", "an unknown radius is written as null");
        assert_eq!(error(&|json| drop(json.insert("alt".into(), 1.into()))), "shape");
        assert_eq!(error(&|json| drop(json.insert("lat_e7".into(), 36.1.into()))), "shape");
        assert_eq!(error(&|json| drop(json.insert("provider".into(), "dream".into()))), "provider");
        assert_eq!(error(&|json| drop(json.insert("lat_e7".into(), 900_000_001.into()))), "range");
        assert_eq!(error(&|json| drop(json.insert("lon_e7".into(), (-1_800_000_001).into()))), "range");
        assert_eq!(error(&|json| drop(json.insert("fixed_at".into(), ((1i64 << 53) + 2).into()))), "range");
        assert_eq!(geo().to_string().replace(':', ": ").parse::<Geo>().unwrap_err().code(), "canonical");
        assert_eq!("".parse::<Geo>().unwrap_err().code(), "shape");
    }

    #[test]
    fn degrees_become_whole_numbers() {
        assert_eq!(to_e7(at(36.1, -120.46)), Some((361_000_000, -1_204_600_000)));
        assert_eq!(to_e7(at(90.1, 0.0)), None);
        assert_eq!(to_e7(at(f64::NAN, 0.0)), None);
    }

    proptest! {
        #[test]
        fn conversions_round_trip(lat in 4.0f64..53.0, lon in 74.0f64..135.0) {
            let here = at(lat, lon);
            for from in Crs::ALL {
                for to in Crs::ALL {
                    let back = here.convert(from, to).convert(to, from);
                    prop_assert!(near(back, here, 1e-9), "{from:?} {to:?} {back:?}");
                }
            }
        }

        #[test]
        fn no_position_panics(lat: f64, lon: f64, text: String) {
            for from in Crs::ALL {
                for to in Crs::ALL {
                    let _ = to_e7(at(lat, lon).convert(from, to));
                }
            }
            let _ = (at(lat, lon).distance_m(at(lon, lat)), text.parse::<Geo>());
        }

        #[test]
        fn every_geo_value_round_trips(lat_e7 in -900_000_000..=900_000_000i32, lon_e7 in -1_800_000_000..=1_800_000_000i32, acc_cm: Option<u32>, mock: bool, fixed_at in -MAX_TIME_MS..=MAX_TIME_MS) {
            for (crs, provider) in Crs::ALL.into_iter().zip(Provider::ALL) {
                let geo = Geo { lat_e7, lon_e7, acc_cm, crs, provider, mock, fixed_at };
                prop_assert_eq!(geo.to_string().parse(), Ok(geo));
                prop_assert_eq!(to_e7(geo.position()), Some((lat_e7, lon_e7)));
            }
        }
    }
}
