//! Buildings, units, rooms and door numbers: one way to write each, and the order in which they lie.

use std::fmt;

use super::text::{compact, is_alphanumeric, is_digits};

/// The most characters of a building, unit, room or door number.
pub const MAX_PART: usize = 20;

/// The most characters of a road, an estate or a village.
pub const MAX_PLACE: usize = 60;

/// What is written where an address has no such part.
pub const NONE: &str = "无";

/// The signs that tell doors with one number apart.
const STEMS: &str = "甲乙丙丁戊己庚辛壬癸";

/// Why a text is no part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but white space.
    #[error("this part of the address is empty: write it as the plate does, or 无 where there is none")]
    Empty,
    /// More than 20 characters, or 60 of a place.
    #[error("a building, unit, room or door has up to 20 characters and a place up to 60: shorten it")]
    Length,
    /// A mark that has no place there.
    #[error(
        "an address has letters, digits and Chinese characters only, hyphens between numbers: leave other marks out"
    )]
    Punctuation,
    /// Not a number with 号.
    #[error("a door number has digits and 号, 甲 or 乙 beside them, a hyphen before a second number: copy the plate")]
    DoorNumber,
}

impl AddressError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Length => "length",
            Self::Punctuation => "punctuation",
            Self::DoorNumber => "door_number",
        }
    }
}

/// The regular form of a building: `3号楼` for `3`, `3#`, `03栋` or `三号楼`, `A座` for `a` or `A栋`; names such as 综合楼 and
/// 无 stay.
pub fn building(typed: &str) -> Result<String, AddressError> {
    checked(regular_building(typed), MAX_PART, is_part)
}

/// The regular form of a unit: `2单元` for `2`, `02单元`, `二单元` or `2门`; names and 无 stay.
pub fn unit(typed: &str) -> Result<String, AddressError> {
    checked(regular_unit(typed), MAX_PART, is_part)
}

/// The regular form of a room: `301` for `301室` or `三〇一户`, `-1层` for `负一层` or `地下1层`; names such as 东户 stay.
pub fn room(typed: &str) -> Result<String, AddressError> {
    checked(regular_room(typed), MAX_PART, is_part)
}

/// The regular form of a door number: digits and 号, such as `12号`, `甲12号`, `12号乙` or `12-1号`.
pub fn door_number(typed: &str) -> Result<String, AddressError> {
    let typed = compact(typed);
    let number = if typed.contains('号') { typed } else { typed + "号" };
    let (before, after) = number.split_once('号').unwrap_or_default();
    let digits = before.trim_matches(is_stem);
    let stems = before.chars().chain(after.chars()).filter(|c| is_stem(*c)).count();
    let fine =
        stems <= 1 && after.chars().all(is_stem) && digits.split('-').count() <= 2 && digits.split('-').all(is_digits);
    match number.chars().count() {
        1 => Err(AddressError::Empty),
        length if length > MAX_PART => Err(AddressError::Length),
        _ if fine => Ok(number),
        _ => Err(AddressError::DoorNumber),
    }
}

/// The regular form of a road, an estate or a village: no white space and no punctuation.
pub fn place(typed: &str) -> Result<String, AddressError> {
    checked(compact(typed), MAX_PLACE, |c| c.is_alphanumeric() || c == '·')
}

/// The floor that a room's number tells: 3 for `301`, -1 for `负一层`; none for `东户`.
pub fn floor(room: &str) -> Option<i32> {
    floor_of(&regular_room(room))
}

/// A text by whose bytes rooms sort as their doors lie: -2层, -1层, 101, 102, 201, 1001. `floor` wins over the floor that
/// the room's number tells; a room of which neither tells a floor sorts to floor 0.
pub fn room_order(room: &str, floor: Option<i32>) -> String {
    let floor = floor.or_else(|| self::floor(room)).unwrap_or(0).clamp(-999, 8999) + 1000;
    format!("{floor:04} {}", order(&regular_room(room)))
}

/// A text by whose bytes numbers inside texts sort by value: 3号楼 before 10号楼.
pub fn order(text: &str) -> String {
    let mut key = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| c.is_ascii_digit() == first.is_ascii_digit();
        let (run, behind) = rest.split_at_checked(rest.find(|c| !same(c)).unwrap_or(rest.len())).unwrap_or((rest, ""));
        if first.is_ascii_digit() {
            let digits = run.trim_start_matches('0');
            key += &format!("{:03}{digits}", digits.len().min(999));
        } else {
            key += run;
        }
        rest = behind;
    }
    key
}

/// The floor a room's regular form tells: the number before 层, or the digits before the last two of three or more;
/// negative below the ground.
fn floor_of(room: &str) -> Option<i32> {
    let (sign, room) = room.strip_prefix('-').map_or((1, room), |below| (-1, below));
    let end = room.find(|c: char| !c.is_ascii_digit()).unwrap_or(room.len());
    let (digits, behind) = room.split_at_checked(end)?;
    let number: i32 = digits.parse().ok()?;
    match digits.len() {
        _ if behind.starts_with('层') => Some(sign * number),
        3.. => Some(sign * (number / 100)),
        _ if sign < 0 => Some(-number),
        _ => None,
    }
}

/// Building, unit and room as a worker types them in one go; every part in its regular form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShortForm {
    /// `3号楼`.
    pub building: Option<String>,
    /// `2单元`.
    pub unit: Option<String>,
    /// `301`.
    pub room: Option<String>,
}

impl ShortForm {
    /// Reads `3-2-301` (building, unit, room), `3-301` (building, room) and named parts such as `3号楼2单元301室`, `2单元301`
    /// or `3#301`; none where a text cannot be two or three such parts, or one that is named.
    pub fn parse(typed: &str) -> Option<Self> {
        let parts = split(&compact(typed))?;
        if let [(_, None)] = parts.as_slice() {
            return None;
        }
        // Which parts of (building, unit, room) are given, the likeliest first; a named part decides.
        let guesses: &[&[Part]] = match parts.len() {
            1 => &[&[Part::Building], &[Part::Unit], &[Part::Room]],
            2 => &[&[Part::Building, Part::Room], &[Part::Building, Part::Unit], &[Part::Unit, Part::Room]],
            3 => &[&[Part::Building, Part::Unit, Part::Room]],
            _ => return None,
        };
        let fits =
            |guess: &[Part]| guess.iter().zip(&parts).all(|(part, (_, named))| named.is_none_or(|name| name == *part));
        let guess = guesses.iter().find(|guess| fits(guess))?;
        let mut short = Self::default();
        for (part, (text, _)) in guess.iter().zip(&parts) {
            match part {
                Part::Building => short.building = Some(building(text).ok()?),
                Part::Unit => short.unit = Some(unit(text).ok()?),
                Part::Room => short.room = Some(room(text).ok()?),
            }
        }
        Some(short)
    }
}

impl fmt::Display for ShortForm {
    /// Writes `3-2-301`, `3-301` without a unit, and full names without a building or a room, as hyphens would mislead
    /// then; a part without a number keeps its name, and 无 is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |part: &Option<String>| part.clone().filter(|part| part != NONE);
        let bare = |part: &str, name| part.strip_suffix(name).unwrap_or(part).to_owned();
        match (given(&self.building), given(&self.unit), given(&self.room)) {
            (Some(building), None, Some(room)) => write!(f, "{}-{room}", bare(&building, "号楼")),
            (Some(building), Some(unit), Some(room)) => {
                write!(f, "{}-{}-{room}", bare(&building, "号楼"), bare(&unit, "单元"))
            }
            (building, unit, room) => {
                [building, unit, room].into_iter().flatten().try_for_each(|part| f.write_str(&part))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Building,
    Unit,
    Room,
}

/// Cuts a regular text at hyphens and after the words that name a part; none where an unknown character stands.
fn split(text: &str) -> Option<Vec<(String, Option<Part>)>> {
    const NAMES: [(&str, Part); 13] = [
        ("号楼", Part::Building),
        ("#楼", Part::Building),
        ("#", Part::Building),
        ("栋", Part::Building),
        ("幢", Part::Building),
        ("座", Part::Building),
        ("楼", Part::Building),
        ("单元", Part::Unit),
        ("门", Part::Unit),
        ("室", Part::Room),
        ("房", Part::Room),
        ("户", Part::Room),
        ("号", Part::Room),
    ];
    let mut parts = Vec::new();
    let mut current = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((name, behind, part)) =
            NAMES.into_iter().find_map(|(name, part)| Some((name, rest.strip_prefix(name)?, part)))
        {
            if current.is_empty() {
                return None;
            }
            if !arabic(&current).contains(|c: char| c.is_ascii_alphanumeric()) {
                current += name;
            }
            parts.push((std::mem::take(&mut current), Some(part)));
            rest = behind;
            continue;
        }
        match c {
            '-' | '–' | '—' | '/' | '_' if current.is_empty() && parts.is_empty() => return None,
            '-' | '–' | '—' | '/' | '_' if current.is_empty() => {}
            '-' | '–' | '—' | '/' | '_' => parts.push((std::mem::take(&mut current), None)),
            _ if c.is_ascii_alphanumeric() || is_numeral(c) || is_stem(c) || "东西南北中".contains(c) => {
                current.push(c)
            }
            _ => return None,
        }
        rest = rest.strip_prefix(c).unwrap_or_default();
    }
    if !current.is_empty() {
        parts.push((current, None));
    }
    Some(parts)
}

fn regular_building(typed: &str) -> String {
    let text = arabic(&compact(typed));
    let core = without_suffix(&text, &["号楼", "#楼", "栋", "幢", "座", "楼", "#", "号"]);
    if core.bytes().all(|b| b.is_ascii_alphabetic()) && !core.is_empty() {
        format!("{core}座")
    } else if is_numbered(core) {
        format!("{}号楼", without_zeros(core))
    } else {
        text
    }
}

fn regular_unit(typed: &str) -> String {
    let text = arabic(&compact(typed));
    let core = without_suffix(&text, &["单元", "门"]);
    if is_numbered(core) || is_alphanumeric(core) || core.chars().count() == 1 && core.chars().all(is_stem) {
        format!("{}单元", without_zeros(core))
    } else {
        text
    }
}

fn regular_room(typed: &str) -> String {
    let text = arabic(&compact(typed));
    let text = match text.strip_prefix('负').or_else(|| text.strip_prefix("地下")) {
        Some(below) if below.starts_with(|c: char| c.is_ascii_digit()) => format!("-{below}"),
        _ => text,
    };
    let core = without_suffix(&text, &["室", "房间", "房", "户", "号"]);
    let digits = core.strip_prefix('-').unwrap_or(core);
    if is_numbered(digits) { core.to_owned() } else { text }
}

/// Whether a text is a number as on a plate: letters, digits and single hyphens with at least one digit, 甲 or 乙 beside it.
fn is_numbered(text: &str) -> bool {
    let core = text.trim_matches(is_stem);
    core.split('-').all(is_alphanumeric) && core.contains(|c: char| c.is_ascii_digit())
}

fn without_suffix<'t>(text: &'t str, suffixes: &[&str]) -> &'t str {
    suffixes.iter().find_map(|suffix| text.strip_suffix(suffix)).unwrap_or(text)
}

fn without_zeros(number: &str) -> &str {
    match number.trim_start_matches('0') {
        short if short.starts_with(|c: char| c.is_ascii_digit()) => short,
        _ => number,
    }
}

fn checked(regular: String, most: usize, belongs: impl Fn(char) -> bool) -> Result<String, AddressError> {
    if regular.is_empty() {
        Err(AddressError::Empty)
    } else if regular.chars().count() > most {
        Err(AddressError::Length)
    } else if !regular.chars().all(belongs) || !regular.chars().any(char::is_alphanumeric) {
        Err(AddressError::Punctuation)
    } else {
        Ok(regular)
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '-'
}

fn is_stem(c: char) -> bool {
    STEMS.contains(c)
}

fn is_numeral(c: char) -> bool {
    "〇零一二三四五六七八九十百".contains(c)
}

/// Writes every run of Chinese numerals in digits: 十二 and 一〇一 become 12 and 101. A run that is no number stays.
fn arabic(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let numeral = is_numeral(first);
        let end = rest.find(|c| is_numeral(c) != numeral).unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        match number(run).filter(|_| numeral) {
            Some(number) => written += &number,
            None => written += run,
        }
        rest = behind;
    }
    written
}

fn number(numerals: &str) -> Option<String> {
    let value = |c| "〇一二三四五六七八九".chars().position(|known| known == c).or_else(|| (c == '零').then_some(0));
    if !numerals.contains(['十', '百']) {
        return numerals.chars().map(|c| value(c).and_then(|v| char::from_digit(v as u32, 10))).collect();
    }
    let (mut total, mut digit) = (0, None);
    for c in numerals.chars() {
        match c {
            '百' if total == 0 => total = digit.take()? * 100,
            '十' if total % 100 == 0 => total += digit.take().filter(|digit| *digit > 0).unwrap_or(1) * 10,
            '百' | '十' => return None,
            _ if digit.is_some_and(|digit| digit > 0) => return None,
            _ => digit = Some(value(c)?),
        }
    }
    Some((total + digit.unwrap_or(0)).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn short(building: Option<&str>, unit: Option<&str>, room: Option<&str>) -> Option<ShortForm> {
        let owned = |part: Option<&str>| part.map(str::to_owned);
        Some(ShortForm { building: owned(building), unit: owned(unit), room: owned(room) })
    }

    #[test]
    fn buildings_have_one_form() {
        for typed in ["3", "３", "3#", "3#楼", "3号楼", "03栋", "3幢", "三号楼", "3 号 楼", "3座", "3楼"] {
            assert_eq!(building(typed).as_deref(), Ok("3号楼"), "{typed}");
        }
        for (typed, regular) in [
            ("十二号楼", "12号楼"),
            ("一百零八栋", "108号楼"),
            ("二十号楼", "20号楼"),
            ("a", "A座"),
            ("A栋", "A座"),
            ("b2楼", "B2号楼"),
            ("12-1", "12-1号楼"),
            ("甲3号楼", "甲3号楼"),
            ("综合楼", "综合楼"),
            ("无", "无"),
        ] {
            assert_eq!(building(typed).as_deref(), Ok(regular), "{typed}");
        }
    }

    #[test]
    fn units_and_rooms_have_one_form() {
        for (typed, regular) in [
            ("2", "2单元"),
            ("02单元", "2单元"),
            ("二单元", "2单元"),
            ("2门", "2单元"),
            ("a单元", "A单元"),
            ("甲", "甲单元"),
            ("东单元", "东单元"),
            ("无", "无"),
        ] {
            assert_eq!(unit(typed).as_deref(), Ok(regular), "{typed}");
        }
        for (typed, regular) in [
            ("301室", "301"),
            ("三〇一户", "301"),
            ("301", "301"),
            ("0301", "0301"),
            ("b101房", "B101"),
            ("负一层", "-1层"),
            ("地下1层", "-1层"),
            ("-101室", "-101"),
            ("东户", "东户"),
            ("地下室", "地下室"),
            ("无", "无"),
        ] {
            assert_eq!(room(typed).as_deref(), Ok(regular), "{typed}");
        }
    }

    #[test]
    fn wrong_parts_are_named() {
        let code = |found: Result<String, AddressError>| found.unwrap_err().code();
        assert_eq!(
            (code(building(" ")), code(unit("")), code(room("\u{3000}")), code(place(""))),
            ("empty", "empty", "empty", "empty")
        );
        assert_eq!((code(room(&"1".repeat(21))), code(place(&"村".repeat(61)))), ("length", "length"));
        assert_eq!(
            (code(building("3,4")), code(room("---")), code(place("金岭花园(东区)"))),
            ("punctuation", "punctuation", "punctuation")
        );
        assert_eq!(place("金岭 花园").as_deref(), Ok("金岭花园"));
    }

    #[test]
    fn door_numbers_are_digits_and_a_sign() {
        for (typed, regular) in [
            ("12", "12号"),
            ("１２号", "12号"),
            ("12 甲", "12甲号"),
            ("甲12号", "甲12号"),
            ("12号乙", "12号乙"),
            ("12-1", "12-1号"),
        ] {
            assert_eq!(door_number(typed).as_deref(), Ok(regular), "{typed}");
        }
        for typed in ["号", "", "东12号", "12号楼", "甲12乙号", "12--1", "12-1-1号", "甲", "12号12号"] {
            assert!(door_number(typed).is_err(), "{typed}");
        }
        assert_eq!(door_number("").unwrap_err().code(), "empty");
        assert_eq!(door_number("东12号").unwrap_err().code(), "door_number");
    }

    #[test]
    fn rooms_sort_as_their_doors_lie() {
        let wanted = [
            "-2层",
            "-1层",
            "负一层储藏室",
            "1",
            "2",
            "东户",
            "101",
            "101A",
            "102",
            "110",
            "201",
            "901",
            "1001",
            "1002",
            "11层",
            "1201",
        ];
        let mut rooms = wanted;
        rooms.reverse();
        rooms.sort_by_key(|room| room_order(room, None));
        assert_eq!(rooms, wanted);
        assert!(room_order("东户", Some(2)) > room_order("102", Some(1)), "the recorded floor wins");
        assert!(room_order("东户", Some(2)) < room_order("301", None));
        assert!(order("3号楼") < order("10号楼") && order("10号楼") < order("10号楼甲"));
    }

    #[test]
    fn short_forms_are_read() {
        for typed in [
            "3-2-301",
            "３－２－３０１",
            "3—2—301",
            "3/2/301",
            "3号楼2单元301室",
            "三号楼二单元301",
            "3#2-301",
            "3栋-2单元-301户",
            "3-2单元-301",
        ] {
            assert_eq!(ShortForm::parse(typed), short(Some("3号楼"), Some("2单元"), Some("301")), "{typed}");
        }
        for typed in ["3-301", "3号楼301", "3#301室"] {
            assert_eq!(ShortForm::parse(typed), short(Some("3号楼"), None, Some("301")), "{typed}");
        }
        assert_eq!(ShortForm::parse("2单元301"), short(None, Some("2单元"), Some("301")));
        assert_eq!(ShortForm::parse("3-2单元"), short(Some("3号楼"), Some("2单元"), None));
        assert_eq!(ShortForm::parse("3号楼"), short(Some("3号楼"), None, None));
        assert_eq!(ShortForm::parse("3-2-东户"), short(Some("3号楼"), Some("2单元"), Some("东户")));
        assert_eq!(ShortForm::parse("A座1201"), short(Some("A座"), None, Some("1201")));
        for typed in ["", "301", "-", "3-2-301-1", "张三", "单元", "301室3号楼", "2024年"] {
            assert_eq!(ShortForm::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn short_forms_are_written() {
        let written = |building, unit, room| short(building, unit, room).unwrap().to_string();
        assert_eq!(written(Some("3号楼"), Some("2单元"), Some("301")), "3-2-301");
        assert_eq!(written(Some("3号楼"), Some("无"), Some("301")), "3-301");
        assert_eq!(written(Some("综合楼"), None, Some("东户")), "综合楼-东户");
        assert_eq!(written(Some("3号楼"), Some("2单元"), None), "3号楼2单元");
        assert_eq!(written(None, Some("2单元"), Some("301")), "2单元301");
    }

    proptest! {
        #[test]
        fn regular_forms_stay(typed in "\\PC{0,24}|[0-9A-Ca０-９ 甲乙东西号楼栋座#单元室户层负地下一二三十百〇-]{0,12}") {
            for regular in [building, unit, room, door_number, place] {
                if let Ok(once) = regular(&typed) {
                    prop_assert_eq!(regular(&once), Ok(once.clone()));
                }
            }
            let _ = (room_order(&typed, None), order(&typed), ShortForm::parse(&typed).map(|short| short.to_string()));
        }

        #[test]
        fn short_forms_round_trip(building in 1u16..400, unit in prop::option::of(1u8..20), floor in 1u16..50, door in 1u16..20) {
            let short = ShortForm {
                building: Some(format!("{building}号楼")),
                unit: unit.map(|unit| format!("{unit}单元")),
                room: Some(format!("{floor}{door:02}")),
            };
            prop_assert_eq!(ShortForm::parse(&short.to_string()), Some(short));
        }

        #[test]
        fn order_follows_floors_and_doors(a in (1i32..60, 1u8..40), b in (1i32..60, 1u8..40)) {
            let key = |(floor, door): (i32, u8)| room_order(&format!("{floor}{door:02}"), None);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }
    }
}
