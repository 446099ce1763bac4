//! Codes of grids: several schemes are in use side by side, so a code is stored with its scheme, never as a number and
//! never as a key.

use super::division::{Division, Level};
use super::text::{compact, is_alphanumeric, is_digits, part};

/// How a grid code is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GridScheme {
    /// CJ/T 213: 14 digits, community (12) and sequence 01–99.
    Cjt213,
    /// The Beijing local standard for unit grids: 15 digits, community (12) and sequence 001–999 from west to east, north to
    /// south.
    Db11,
    /// Platforms of the newer national scheme: 15 digits, community (12) and sequence 001–999 in order of making.
    Unit,
    /// A scheme of urban platforms: 16 letters and digits, whose parts are not published.
    Urban16,
    /// CJ/T 349-2010: 20 digits, object code (6), community (12; merged ones are numbered from 601) and sequence 01–99.
    Cjt349,
}

impl GridScheme {
    /// Every scheme.
    pub const ALL: [Self; 5] = [Self::Cjt213, Self::Db11, Self::Unit, Self::Urban16, Self::Cjt349];

    /// The stable tag stored beside a code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Cjt213 => "cjt213",
            Self::Db11 => "db11",
            Self::Unit => "unit",
            Self::Urban16 => "urban16",
            Self::Cjt349 => "cjt349",
        }
    }

    /// The scheme with a stored tag.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.code() == code)
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Cjt213 => "14 digits: community (12) and sequence 01-99",
            Self::Db11 | Self::Unit => "15 digits: community (12) and sequence 001-999",
            Self::Urban16 => "16 letters and digits",
            Self::Cjt349 => "20 digits: object (6), community (12) and sequence 01-99",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Cjt213 => 14,
            Self::Db11 | Self::Unit => 15,
            Self::Urban16 => 16,
            Self::Cjt349 => 20,
        }
    }
}

/// A grid code of the right shape for its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridCode {
    /// The scheme it was read by.
    pub scheme: GridScheme,
    /// The regular form: no white space, upper case.
    pub code: String,
    /// The object code of CJ/T 349-2010.
    pub object: Option<String>,
    /// The community at the time the code was given; communities merge, so the grid's place is not read from it.
    pub community: Option<Division>,
    /// The number of the grid in the community, from 1.
    pub sequence: Option<u16>,
}

/// Why a text is no grid code of a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GridCodeError {
    /// Too many or too few characters.
    #[error("a grid code of this scheme has {}: count the characters or choose another scheme", .0.shape())]
    Length(GridScheme),
    /// Characters that have no place there, or no community before the sequence.
    #[error("a grid code of this scheme has {}: compare it with the list of grids", .0.shape())]
    Shape(GridScheme),
    /// A sequence of zeros, or beyond the last.
    #[error("the sequence in a grid code of this scheme lies outside {}: choose a free number", .0.shape())]
    Sequence(GridScheme),
}

impl GridCodeError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::Shape(_) => "shape",
            Self::Sequence(_) => "sequence",
        }
    }
}

/// Checks a code as typed against the shape of its scheme.
pub fn check(scheme: GridScheme, typed: &str) -> Result<GridCode, GridCodeError> {
    let code = compact(typed);
    if code.chars().count() != scheme.length() {
        return Err(GridCodeError::Length(scheme));
    }
    if scheme == GridScheme::Urban16 {
        return if is_alphanumeric(&code) {
            Ok(GridCode { scheme, code, object: None, community: None, sequence: None })
        } else {
            Err(GridCodeError::Shape(scheme))
        };
    }
    if !is_digits(&code) {
        return Err(GridCodeError::Shape(scheme));
    }
    let start = if scheme == GridScheme::Cjt349 { 6 } else { 0 };
    let community: Division = part(&code, start..start + 12).parse().map_err(|_| GridCodeError::Shape(scheme))?;
    if community.level() != Level::Community {
        return Err(GridCodeError::Shape(scheme));
    }
    let sequence = part(&code, start + 12..code.len()).parse().unwrap_or(0);
    if sequence == 0 {
        return Err(GridCodeError::Sequence(scheme));
    }
    let object = (start > 0).then(|| part(&code, 0..start).to_owned());
    Ok(GridCode { scheme, code, object, community: Some(community), sequence: Some(sequence) })
}

/// Makes the code (scheme [`GridScheme::Unit`]) of a community's grid number `sequence`, 1 to 999.
pub fn compose(community: &Division, sequence: u16) -> Result<GridCode, GridCodeError> {
    if sequence > 999 {
        return Err(GridCodeError::Sequence(GridScheme::Unit));
    }
    check(GridScheme::Unit, &format!("{}{sequence:03}", community.padded()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(scheme: GridScheme, typed: &str) -> &'static str {
        check(scheme, typed).unwrap_err().code()
    }

    #[test]
    fn each_scheme_reads_its_own_shape() {
        let read = |scheme, typed| {
            let found = check(scheme, typed).unwrap();
            (found.object, found.community.map(|c| c.to_string()), found.sequence)
        };
        let community = Some("370212001001".to_owned());
        assert_eq!(read(GridScheme::Cjt213, "37021200100107"), (None, community.clone(), Some(7)));
        assert_eq!(read(GridScheme::Db11, "370212 001 001 007"), (None, community.clone(), Some(7)));
        assert_eq!(read(GridScheme::Unit, "370212001001999"), (None, community.clone(), Some(999)));
        assert_eq!(read(GridScheme::Cjt349, "12345637021200100107"), (Some("123456".to_owned()), community, Some(7)));
        assert_eq!(read(GridScheme::Urban16, "370212wg00100107"), (None, None, None));
    }

    #[test]
    fn wrong_shapes_are_named() {
        for scheme in GridScheme::ALL {
            assert_eq!(error(scheme, ""), "length");
            assert_eq!(error(scheme, &"-".repeat(scheme.length())), "shape");
            assert_eq!(GridScheme::from_code(scheme.code()), Some(scheme));
        }
        assert_eq!(error(GridScheme::Cjt213, "370212001001007"), "length");
        assert_eq!(error(GridScheme::Unit, "370212001000007"), "shape");
        assert_eq!(error(GridScheme::Unit, "370212000001007"), "shape");
        assert_eq!(error(GridScheme::Unit, "370212001001000"), "sequence");
        assert_eq!(error(GridScheme::Cjt213, "37021200100100"), "sequence");
    }

    #[test]
    fn made_codes_are_valid_until_the_numbers_run_out() {
        let community: Division = "370212001001".parse().unwrap();
        assert_eq!(compose(&community, 7).unwrap().code, "370212001001007");
        assert_eq!(compose(&community, 0), Err(GridCodeError::Sequence(GridScheme::Unit)));
        assert_eq!(compose(&community, 1000), Err(GridCodeError::Sequence(GridScheme::Unit)));
        let street: Division = "370212001".parse().unwrap();
        assert_eq!(compose(&street, 7), Err(GridCodeError::Shape(GridScheme::Unit)));
    }

    proptest! {
        #[test]
        fn no_text_panics(typed in "\\PC{0,22}|[0-9A-Za-z]{14,20}") {
            for scheme in GridScheme::ALL {
                if let Ok(found) = check(scheme, &typed) {
                    prop_assert_eq!(check(scheme, &found.code), Ok(found.clone()));
                }
            }
        }
    }
}
