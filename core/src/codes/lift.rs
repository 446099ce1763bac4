//! Codes on lifts (电梯): what makers, registrars and rescuers number them by.

use super::date::Date;
use super::text::{compact, is_alphanumeric, is_digits, part};

/// Which shape of equipment or registration code a lift bears; all three are met in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EquipScheme {
    /// 设备代码 (TSG 08-2017): 17 characters, class (4 digits), maker (5), year (4 digits), sequence (4 digits).
    Equipment17,
    /// 注册代码: 20 digits, class (4), division (6), year and month (6), sequence (4).
    Registration20,
    /// Older registration codes: 21 letters and digits that hold an organisation code.
    Legacy21,
}

impl EquipScheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::Equipment17, Self::Registration20, Self::Legacy21];

    /// The stable tag stored beside a code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Equipment17 => "equip_17",
            Self::Registration20 => "reg_20",
            Self::Legacy21 => "reg_21",
        }
    }

    /// The scheme with a stored tag.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.code() == code)
    }

    fn length(self) -> usize {
        match self {
            Self::Equipment17 => 17,
            Self::Registration20 => 20,
            Self::Legacy21 => 21,
        }
    }
}

/// An equipment or registration code of the right shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EquipCode {
    /// Told by the length.
    pub scheme: EquipScheme,
    /// The regular form: no white space, upper case.
    pub code: String,
    /// What is doubtful though it blocks nothing.
    pub warnings: Vec<EquipWarning>,
}

/// Why a text is no code of a lift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiftError {
    /// Not 17, 20 or 21 characters.
    #[error("an equipment code has 17 characters, a registration code 20 or 21: count them on the plate")]
    Length,
    /// Characters that have no place there.
    #[error("an equipment or registration code has digits and letters in fixed places: compare it with the plate")]
    Shape,
    /// A registration code without a real month of a year.
    #[error("digits 11 to 16 of a registration code are a year and a month: compare them with the plate")]
    Month,
    /// Not 1 to 32 characters of a use registration number.
    #[error(
        "a use registration number has up to 32 letters, digits, Chinese characters, hyphens and brackets: copy the sticker"
    )]
    UseRegistration,
    /// Not 4 to 8 letters and digits.
    #[error("a rescue code has 4 to 8 letters and digits: copy the sign in the car")]
    RescueCode,
}

impl LiftError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Shape => "shape",
            Self::Month => "month",
            Self::UseRegistration => "use_registration",
            Self::RescueCode => "rescue_code",
        }
    }
}

/// What is doubtful in an equipment code that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum EquipWarning {
    /// The class is not 3xxx, which the catalogue of special equipment gives to lifts.
    #[error("the code does not begin with 3, the class of lifts: make sure that it is the lift's plate")]
    Class,
    /// Made or registered before 1950 or after today.
    #[error("the year inside the code lies in the future or before 1950: compare it with the plate")]
    Year,
}

impl EquipWarning {
    /// The stable name of the warning.
    pub fn code(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Year => "year",
        }
    }
}

/// Checks an equipment or registration code as typed and tells its scheme; `today` serves to doubt the year.
pub fn check_equipment(typed: &str, today: Date) -> Result<EquipCode, LiftError> {
    let code = compact(typed);
    let length = code.chars().count();
    let scheme = EquipScheme::ALL.into_iter().find(|scheme| scheme.length() == length).ok_or(LiftError::Length)?;
    let (well_formed, year) = match scheme {
        EquipScheme::Equipment17 => (is_digits(part(&code, 0..4)) && is_digits(part(&code, 9..17)), part(&code, 9..13)),
        EquipScheme::Registration20 => (is_digits(&code), part(&code, 10..14)),
        EquipScheme::Legacy21 => (true, ""),
    };
    if !is_alphanumeric(&code) || !well_formed {
        return Err(LiftError::Shape);
    }
    if scheme == EquipScheme::Registration20 && !matches!(part(&code, 14..16).parse(), Ok(1..=12)) {
        return Err(LiftError::Month);
    }
    let mut warnings = Vec::new();
    if scheme != EquipScheme::Legacy21 && !code.starts_with('3') {
        warnings.push(EquipWarning::Class);
    }
    if year.parse::<u16>().is_ok_and(|year| !(1950..=today.year()).contains(&year)) {
        warnings.push(EquipWarning::Year);
    }
    Ok(EquipCode { scheme, code, warnings })
}

/// The regular form of a use registration number (使用登记证编号), as in `梯11鲁B00001(18)`; provinces shape it differently, so
/// only its characters are checked.
pub fn use_registration(typed: &str) -> Result<String, LiftError> {
    let number = compact(typed);
    let written = |c: char| c.is_alphanumeric() || matches!(c, '-' | '(' | ')');
    let fine = (1..=32).contains(&number.chars().count())
        && number.chars().all(written)
        && number.chars().any(char::is_alphanumeric);
    if fine { Ok(number) } else { Err(LiftError::UseRegistration) }
}

/// The regular form of a rescue code (应急救援识别码): 4 to 8 letters and digits.
pub fn rescue_code(typed: &str) -> Result<String, LiftError> {
    let code = compact(typed);
    if (4..=8).contains(&code.len()) && is_alphanumeric(&code) { Ok(code) } else { Err(LiftError::RescueCode) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> Date {
        Date::new(2025, 6, 1).unwrap()
    }

    fn error(typed: &str) -> &'static str {
        check_equipment(typed, today()).unwrap_err().code()
    }

    #[test]
    fn three_shapes_are_told_by_their_length() {
        for (typed, scheme) in [
            ("3110 1a060 2015 0012", EquipScheme::Equipment17),
            ("３１１０370212201506 0012", EquipScheme::Registration20),
            ("c60412345678937021200", EquipScheme::Legacy21),
        ] {
            let found = check_equipment(typed, today()).unwrap();
            assert_eq!((found.scheme, found.warnings), (scheme, vec![]), "{typed}");
            assert_eq!(EquipScheme::from_code(scheme.code()), Some(scheme));
        }
    }

    #[test]
    fn wrong_shapes_are_named() {
        assert_eq!(error(""), "length");
        assert_eq!(error("311010060201500012"), "length");
        assert_eq!(error("31A0100602015001A"), "shape");
        assert_eq!(error("3110-006020150012"), "shape");
        assert_eq!(error("3110370212201506001A"), "shape");
        assert_eq!(error("31103702122015130012"), "month");
        assert_eq!(error("31103702122015000012"), "month");
    }

    #[test]
    fn other_equipment_and_odd_years_only_warn() {
        let warnings = |typed| check_equipment(typed, today()).unwrap().warnings;
        assert_eq!(warnings("41103702122015060012"), [EquipWarning::Class]);
        assert_eq!(warnings("31103702122026060012"), [EquipWarning::Year]);
        assert_eq!(warnings("31103702121949060012"), [EquipWarning::Year]);
    }

    #[test]
    fn stickers_are_made_regular() {
        assert_eq!(use_registration("梯11鲁b00001（18）").as_deref(), Ok("梯11鲁B00001(18)"));
        for typed in ["", "()", "梯11;鲁B", &"1".repeat(33)] {
            assert_eq!(use_registration(typed), Err(LiftError::UseRegistration), "{typed}");
        }
        assert_eq!(rescue_code(" ａ123 45").as_deref(), Ok("A12345"));
        for typed in ["123", "123456789", "12-45", "一二三四"] {
            assert_eq!(rescue_code(typed), Err(LiftError::RescueCode), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_regular_forms_stay(typed in "\\PC{0,24}|[0-9A-Z]{17,21}") {
            if let Ok(found) = check_equipment(&typed, today()) {
                prop_assert_eq!(check_equipment(&found.code, today()), Ok(found.clone()));
            }
            for regular in [use_registration, rescue_code] {
                if let Ok(once) = regular(&typed) {
                    prop_assert_eq!(regular(&once), Ok(once.clone()));
                }
            }
        }
    }
}
