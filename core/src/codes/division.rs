//! Codes of administrative divisions, read by shape; the names, and what was in force when, come from data.
//!
//! No code tells a management area (管区, the level between street and community): the national system has none, so the
//! dated tree of units alone knows it.

use std::fmt;
use std::str::FromStr;

use super::text::{compact, is_digits, part};

/// A division from province to community: 6 digits (GB/T 2260), 9 with the street (GB/T 10114), 12 with the committee.
///
/// The shortest form is kept: the padded `370212001000` of statistical tables is the street `370212001`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Division(String);

/// What a division is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 省级: `370000`.
    Province,
    /// 地级: `370200`.
    City,
    /// 县级: `370212`.
    County,
    /// 乡级: `370212001`.
    Street,
    /// 村级: `370212001001`.
    Community,
}

/// The kind of a division at street level, told by its number (GB/T 10114).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreetKind {
    /// 街道: 001–099.
    Street,
    /// 镇: 100–199.
    Town,
    /// 乡: 200–399.
    Township,
    /// 其他 (farms, development zones …): 400–599.
    Other,
}

/// The urban-rural class of a community (城乡分类代码, three digits of the national statistics).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UrbanRural {
    /// 主城区.
    MainCity,
    /// 城乡结合区.
    CityFringe,
    /// 镇中心区.
    TownCentre,
    /// 镇乡结合区.
    TownFringe,
    /// 特殊区域.
    Special,
    /// 乡中心区.
    TownshipCentre,
    /// 村庄.
    Village,
}

/// Why a text is no division code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DivisionError {
    /// Not 6, 9 or 12 digits.
    #[error("a division code has 6, 9 or 12 digits: count them")]
    Length,
    /// Not digits, a first digit that no region has, or a gap between the levels.
    #[error(
        "a division code has digits only, begins with 1 to 8 and has no 00 or 000 before a lower level: type it again"
    )]
    Shape,
}

impl DivisionError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Shape => "shape",
        }
    }
}

impl Division {
    /// The shortest form: 6, 9 or 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form of statistical tables: 12 digits, lower levels filled with zeros.
    pub fn padded(&self) -> String {
        format!("{:0<12}", self.0)
    }

    /// What the division is.
    pub fn level(&self) -> Level {
        match (self.0.len(), part(&self.0, 2..6)) {
            (12, _) => Level::Community,
            (9, _) => Level::Street,
            (_, "0000") => Level::Province,
            (_, digits) if digits.ends_with("00") => Level::City,
            _ => Level::County,
        }
    }

    /// The division one level up by the code alone; none above a province.
    pub fn parent(&self) -> Option<Self> {
        let upper = match self.level() {
            Level::Province => return None,
            Level::City => format!("{}0000", part(&self.0, 0..2)),
            Level::County => format!("{}00", part(&self.0, 0..4)),
            Level::Street => part(&self.0, 0..6).to_owned(),
            Level::Community => part(&self.0, 0..9).to_owned(),
        };
        Some(Self(upper))
    }

    /// Whether another division lies in this one, or is it.
    pub fn contains(&self, other: &Self) -> bool {
        let significant = match self.level() {
            Level::Province => part(&self.0, 0..2),
            Level::City => part(&self.0, 0..4),
            _ => &self.0,
        };
        other.0.starts_with(significant)
    }

    /// The kind of the street a street or community belongs to; none above, and none for numbers from 600 on.
    pub fn street_kind(&self) -> Option<StreetKind> {
        match part(&self.0, 6..9).parse::<u16>().ok()? {
            1..=99 => Some(StreetKind::Street),
            100..=199 => Some(StreetKind::Town),
            200..=399 => Some(StreetKind::Township),
            400..=599 => Some(StreetKind::Other),
            _ => None,
        }
    }
}

impl FromStr for Division {
    type Err = DivisionError;

    /// Reads a code as typed: full-width digits and white space do not matter.
    fn from_str(typed: &str) -> Result<Self, DivisionError> {
        let code = compact(typed);
        if !matches!(code.chars().count(), 6 | 9 | 12) {
            return Err(DivisionError::Length);
        }
        let (street, community) = (part(&code, 6..9), part(&code, 9..12));
        let given = |level| !matches!(level, "" | "000");
        // A few cities have streets but no counties: 441900003.
        let gap = part(&code, 2..4) == "00" && (part(&code, 4..6) != "00" || given(street));
        let region = matches!(code.as_bytes().first(), Some(b'1'..=b'8'));
        if !is_digits(&code) || !region || gap || given(community) && !given(street) {
            return Err(DivisionError::Shape);
        }
        let length = if given(community) {
            12
        } else if given(street) {
            9
        } else {
            6
        };
        Ok(Self(part(&code, 0..length).to_owned()))
    }
}

impl fmt::Display for Division {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UrbanRural {
    const CODES: [(Self, &str); 7] = [
        (Self::MainCity, "111"),
        (Self::CityFringe, "112"),
        (Self::TownCentre, "121"),
        (Self::TownFringe, "122"),
        (Self::Special, "123"),
        (Self::TownshipCentre, "210"),
        (Self::Village, "220"),
    ];

    /// The three digits.
    pub fn code(self) -> &'static str {
        Self::CODES.into_iter().find(|(class, _)| *class == self).map_or("", |(_, code)| code)
    }

    /// The class with three digits.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::CODES.into_iter().find(|(_, known)| *known == code).map(|(class, _)| class)
    }

    /// Whether the class counts as urban: its code begins with 1.
    pub fn is_urban(self) -> bool {
        self.code().starts_with('1')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn division(code: &str) -> Division {
        code.parse().unwrap()
    }

    #[test]
    fn levels_follow_from_the_digits() {
        for (code, level) in [
            ("370000", Level::Province),
            ("370200", Level::City),
            ("370212", Level::County),
            ("370212001", Level::Street),
            ("370212001001", Level::Community),
        ] {
            assert_eq!(division(code).level(), level, "{code}");
            assert_eq!(division(&division(code).padded()), division(code), "{code}");
        }
        assert_eq!(division("３７０２１２ 001000").as_str(), "370212001");
        assert_eq!(division("370212000000").as_str(), "370212");
    }

    #[test]
    fn no_level_lies_between_street_and_community() {
        let up = |code: &str| division(code).parent().map(|upper| upper.to_string());
        assert_eq!(up("370212001001").as_deref(), Some("370212001"));
        assert_eq!(up("370212001").as_deref(), Some("370212"));
        assert_eq!(up("370212").as_deref(), Some("370200"));
        assert_eq!(up("370200").as_deref(), Some("370000"));
        assert_eq!(up("370000"), None);
        assert_eq!(up("441900003").as_deref(), Some("441900"), "a city without counties");
    }

    #[test]
    fn wrong_shapes_are_named() {
        let error = |typed: &str| typed.parse::<Division>().unwrap_err().code();
        assert_eq!(error(""), "length");
        assert_eq!(error("37021"), "length");
        assert_eq!(error("370212001001001"), "length");
        assert_eq!(error("3702A2"), "shape");
        assert_eq!(error("070212"), "shape");
        assert_eq!(error("970212"), "shape");
        assert_eq!(error("370012"), "shape");
        assert_eq!(error("370000001"), "shape");
        assert_eq!(error("370212000001"), "shape");
    }

    #[test]
    fn streets_are_told_by_their_number() {
        let kind = |number: &str| division(&format!("370212{number}")).street_kind();
        assert_eq!((kind("001"), kind("099")), (Some(StreetKind::Street), Some(StreetKind::Street)));
        assert_eq!((kind("100"), kind("199")), (Some(StreetKind::Town), Some(StreetKind::Town)));
        assert_eq!((kind("200"), kind("399")), (Some(StreetKind::Township), Some(StreetKind::Township)));
        assert_eq!((kind("400"), kind("599")), (Some(StreetKind::Other), Some(StreetKind::Other)));
        assert_eq!((kind("600"), division("370212").street_kind()), (None, None));
    }

    #[test]
    fn divisions_contain_what_lies_below() {
        assert!(division("370000").contains(&division("370212001")));
        assert!(division("370200").contains(&division("370212")));
        assert!(!division("370212").contains(&division("370200")));
        assert!(!division("370212001").contains(&division("370212002001")));
    }

    #[test]
    fn urban_rural_classes_round_trip() {
        assert_eq!(UrbanRural::from_code("111"), Some(UrbanRural::MainCity));
        assert!(UrbanRural::TownFringe.is_urban() && !UrbanRural::Village.is_urban());
        assert!(
            UrbanRural::CODES
                .into_iter()
                .all(|(class, code)| UrbanRural::from_code(class.code()) == Some(class) && class.code() == code)
        );
        assert_eq!(UrbanRural::from_code("113"), None);
    }

    proptest! {
        #[test]
        fn reading_keeps_the_shortest_form(typed in "\\PC{0,14}|[1-8][0-9]{5}([0-9]{3}){0,2}") {
            if let Ok(code) = typed.parse::<Division>() {
                prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
                prop_assert_eq!(code.padded().parse(), Ok(code.clone()));
                prop_assert!(code.parent().is_none_or(|upper| upper.contains(&code) && upper.level() < code.level()));
            }
        }
    }
}
