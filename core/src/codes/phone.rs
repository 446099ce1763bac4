//! Telephone numbers as people in China write them.

use std::fmt;
use std::str::FromStr;

use super::text::{self, half_width, is_digits, is_invisible, part};

/// The most characters a label of a number may have.
pub const MAX_LABEL: usize = 20;

/// What a number reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhoneKind {
    /// 11 digits that begin 13 to 19.
    Mobile,
    /// 7 or 8 digits, with or without an area code of 3 or 4.
    Landline,
    /// A public service: 3 to 6 digits that begin with 1 or 9, or 10 that begin 400 or 800.
    Service,
    /// `+` and 7 to 15 digits of another country or region.
    International,
}

/// A telephone number. Its text is `13912345678`, `0532-88881234`, `0532-88881234转801`, `12345` or `+85212345678`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone {
    kind: PhoneKind,
    area: String,
    number: String,
    extension: String,
}

/// A number with whose it is: the value of a key of a `phones` field, written `number|label`, or `number` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The number.
    pub phone: Phone,
    /// Up to [`MAX_LABEL`] characters, such as 本人 or 女儿; may be empty.
    pub label: String,
}

/// Why a text is no telephone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Something else than digits and the marks between them.
    #[error("a telephone number has digits, with spaces, hyphens or brackets between them: type it again")]
    Shape,
    /// A number of digits that no kind of number has.
    #[error(
        "a mobile number has 11 digits from 13 to 19, a landline 7 or 8 after an area code of 3 or 4: count the digits"
    )]
    Length,
    /// An extension that is not 1 to 6 digits.
    #[error("an extension has 1 to 6 digits after the number: type it again")]
    Extension,
    /// A label that is too long or holds a bar or invisible characters.
    #[error("a label has up to 20 characters and no bar: shorten it")]
    Label,
}

impl PhoneError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Length => "length",
            Self::Extension => "extension",
            Self::Label => "label",
        }
    }
}

impl Phone {
    /// What the number reaches.
    pub fn kind(&self) -> PhoneKind {
        self.kind
    }

    /// The extension, if there is one: 1 to 6 digits.
    pub fn extension(&self) -> Option<&str> {
        (!self.extension.is_empty()).then_some(&self.extension)
    }

    /// What a dialler takes: digits, `+` before a country code, a comma (pause) before an extension.
    pub fn dial(&self) -> String {
        let pause = if self.extension.is_empty() { "" } else { "," };
        format!("{}{}{pause}{}", self.area, self.number, self.extension)
    }

    /// What may be shown: `139****5678`, `0532-****1234`; services are public and shown whole, extensions never.
    pub fn mask(&self) -> String {
        match self.kind {
            PhoneKind::Mobile => text::mask(&self.number, 3, 4),
            PhoneKind::Landline if self.area.is_empty() => text::mask(&self.number, 0, 4),
            PhoneKind::Landline => format!("{}-{}", self.area, text::mask(&self.number, 0, 4)),
            PhoneKind::Service => self.number.clone(),
            PhoneKind::International => text::mask(&self.number, 3, 2),
        }
    }

    /// The last 4 digits, by which people look a number up; the extension does not count.
    pub fn tail(&self) -> String {
        text::tail(&self.number, 4)
    }
}

impl FromStr for Phone {
    type Err = PhoneError;

    /// Reads a number as typed, with or without +86, with marks between the digits, the extension after 转, ext, x, # or a
    /// comma, or after a hyphen where nothing else makes sense.
    fn from_str(typed: &str) -> Result<Self, PhoneError> {
        let typed: String = half_width(typed).chars().filter(|c| !is_invisible(*c)).collect::<String>().to_lowercase();
        for mark in ["转", "轉", "分机", "ext", "x", "#", ",", ";"] {
            if let Some((number, extension)) = typed.split_once(mark) {
                let extension: String = extension
                    .chars()
                    .filter(|c| !is_mark(*c) && !matches!(c, ':' | '转' | '分' | '机' | '接'))
                    .collect();
                return read(number)?.with_extension(&extension);
            }
        }
        read(&typed).or_else(|error| match typed.rsplit_once('-') {
            Some((number, extension)) => read(number).map_err(|_| error)?.with_extension(extension.trim()),
            None => Err(error),
        })
    }
}

impl Phone {
    fn with_extension(self, extension: &str) -> Result<Self, PhoneError> {
        if is_digits(extension) && extension.len() <= 6 {
            Ok(Self { extension: extension.to_owned(), ..self })
        } else {
            Err(PhoneError::Extension)
        }
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hyphen = if self.area.is_empty() { "" } else { "-" };
        let turn = if self.extension.is_empty() { "" } else { "转" };
        write!(f, "{}{hyphen}{}{turn}{}", self.area, self.number, self.extension)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({:?}, {})", self.kind, self.mask())
    }
}

impl FromStr for Labelled {
    type Err = PhoneError;

    fn from_str(value: &str) -> Result<Self, PhoneError> {
        let (phone, label) = value.split_once('|').unwrap_or((value, ""));
        let label = label.trim();
        if label.chars().count() > MAX_LABEL || label.chars().any(|c| c == '|' || is_invisible(c)) {
            return Err(PhoneError::Label);
        }
        Ok(Self { phone: phone.parse()?, label: label.to_owned() })
    }
}

impl fmt::Display for Labelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.phone, self.label)
    }
}

/// What people put between digits.
fn is_mark(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '(' | ')' | '.' | '·' | '–' | '—' | '/')
}

/// Reads a number without an extension.
fn read(text: &str) -> Result<Phone, PhoneError> {
    let text: String = text.chars().filter(|c| !is_mark(*c)).collect();
    let abroad = text.strip_prefix('+').or_else(|| text.strip_prefix("00"));
    let digits = abroad.unwrap_or(&text);
    if !is_digits(digits) {
        return Err(PhoneError::Shape);
    }
    let home = match abroad {
        Some(digits) => match digits.strip_prefix("86") {
            Some(home) => home,
            None if (7..=15).contains(&digits.len()) => {
                return Ok(phone(PhoneKind::International, "", &format!("+{digits}")));
            }
            None => return Err(PhoneError::Length),
        },
        None => digits.strip_prefix("86").filter(|rest| is_mobile(rest)).unwrap_or(digits),
    };
    if is_mobile(home) {
        return Ok(phone(PhoneKind::Mobile, "", home));
    }
    if abroad.is_none() || home.starts_with('0') {
        return read_home(home);
    }
    read_home(home).or_else(|_| read_home(&format!("0{home}")))
}

fn read_home(digits: &str) -> Result<Phone, PhoneError> {
    let area = match digits.as_bytes() {
        [b'0', b'1' | b'2', ..] => 3,
        [b'0', ..] => 4,
        _ => 0,
    };
    let (code, number) = (part(digits, 0..area), part(digits, area..digits.len()));
    let local = matches!(number.len(), 7 | 8) && !number.starts_with(['0', '1', '9']);
    let short = (3..=6).contains(&number.len()) && number.starts_with(['1', '9']);
    let free = number.len() == 10 && (number.starts_with("400") || number.starts_with("800"));
    match (area, local, short || free) {
        (_, true, _) => Ok(phone(PhoneKind::Landline, code, number)),
        (0, _, true) => Ok(phone(PhoneKind::Service, "", number)),
        _ => Err(PhoneError::Length),
    }
}

fn phone(kind: PhoneKind, area: &str, number: &str) -> Phone {
    Phone { kind, area: area.to_owned(), number: number.to_owned(), extension: String::new() }
}

fn is_mobile(digits: &str) -> bool {
    digits.len() == 11 && matches!(digits.as_bytes(), [b'1', b'3'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn regular(typed: &str) -> String {
        typed.parse::<Phone>().unwrap().to_string()
    }

    fn error(typed: &str) -> &'static str {
        typed.parse::<Phone>().unwrap_err().code()
    }

    #[test]
    fn mobile_numbers_have_one_form() {
        for typed in [
            "13900000001",
            "139 0000 0001",
            "139-0000-0001",
            "１３９０００００００１",
            "+86 139 0000 0001",
            "8613900000001",
            "0086-13900000001",
        ] {
            assert_eq!(regular(typed), "13900000001", "{typed}");
        }
        assert_eq!(regular("17000000001转1234"), "17000000001转1234");
    }

    #[test]
    fn landlines_keep_their_area_code_and_extension() {
        for typed in ["053288880001", "0532-88880001", "（0532）8888 0001", "+86 532 88880001", "+86 (0)532-88880001"]
        {
            assert_eq!(regular(typed), "0532-88880001", "{typed}");
        }
        for typed in [
            "0532-88880001-801",
            "0532-88880001转801",
            "053288880001 ext. 801",
            "0532-88880001 转 分机:801",
            "0532-88880001,801",
            "0532-88880001x801",
        ] {
            assert_eq!(regular(typed), "0532-88880001转801", "{typed}");
        }
        assert_eq!(regular("010-88880001"), "010-88880001");
        assert_eq!(regular("0633-8888001"), "0633-8888001");
        assert_eq!(regular("8888 0001"), "88880001");
    }

    #[test]
    fn services_and_other_countries_are_numbers_too() {
        for (typed, kind) in [
            ("110", PhoneKind::Service),
            ("12345", PhoneKind::Service),
            ("96333", PhoneKind::Service),
            ("400-000-0001", PhoneKind::Service),
            ("+852 1234 5678", PhoneKind::International),
            ("0082-2-123-4567", PhoneKind::International),
            ("13900000001", PhoneKind::Mobile),
            ("88880001", PhoneKind::Landline),
        ] {
            assert_eq!(typed.parse::<Phone>().unwrap().kind(), kind, "{typed}");
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        for typed in
            ["1390000000", "139000000011", "12900000001", "0532-888800011", "0532-188880", "12", "+86", "+123456"]
        {
            assert_eq!(error(typed), "length", "{typed}");
        }
        for typed in ["", "无", "139ooooooo1", "+", "139+00000001"] {
            assert_eq!(error(typed), "shape", "{typed}");
        }
        for typed in ["0532-88880001转", "0532-88880001转1234567", "0532-88880001转a"] {
            assert_eq!(error(typed), "extension", "{typed}");
        }
    }

    #[test]
    fn dialling_masking_and_looking_up() {
        let phone: Phone = "0532-88880001转801".parse().unwrap();
        assert_eq!(
            (phone.dial().as_str(), phone.mask().as_str(), phone.tail().as_str()),
            ("053288880001,801", "0532-****0001", "0001")
        );
        assert_eq!(phone.extension(), Some("801"));
        let phone: Phone = "13912345678".parse().unwrap();
        assert_eq!(
            (phone.dial().as_str(), phone.mask().as_str(), phone.tail().as_str()),
            ("13912345678", "139****5678", "5678")
        );
        assert!(!format!("{phone:?}").contains("1234"), "a number never reaches a log");
        assert_eq!("12345".parse::<Phone>().unwrap().mask(), "12345");
        assert_eq!("+85212345678".parse::<Phone>().unwrap().mask(), "+85*******78");
    }

    #[test]
    fn values_name_whose_number_it_is() {
        let value: Labelled = "139 0000 0001| 女儿 ".parse().unwrap();
        assert_eq!((value.label.as_str(), value.to_string().as_str()), ("女儿", "13900000001|女儿"));
        assert_eq!("13900000001|".parse::<Labelled>().unwrap().to_string(), "13900000001|");
        let error = |value: &str| value.parse::<Labelled>().unwrap_err().code();
        assert_eq!(error("13900000001|a|b"), "label");
        assert_eq!(error(&format!("13900000001|{}", "女".repeat(21))), "label");
        assert_eq!(error("|女儿"), "shape");
    }

    proptest! {
        #[test]
        fn the_regular_form_stays(typed in "\\PC{0,20}|[0-9+() 转x-]{3,20}|1[3-9][0-9]{9}|0[0-9]{9,11}(-[0-9]{1,6})?") {
            if let Ok(phone) = typed.parse::<Phone>() {
                prop_assert_eq!(phone.to_string().parse(), Ok(phone.clone()));
                prop_assert_eq!(phone.dial().parse(), Ok(phone));
            }
            if let Ok(value) = typed.parse::<Labelled>() {
                prop_assert_eq!(value.to_string().parse(), Ok(value));
            }
        }
    }
}
