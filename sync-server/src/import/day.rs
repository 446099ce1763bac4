//! Days as offices write them.

use gridpass_core::codes::Date;
use gridpass_core::codes::text::half_width;

use super::cells::Cell;

/// The days a workbook counts from its own beginning: 1927 to 2099.
const SERIAL: std::ops::RangeInclusive<f64> = 10_000.0..=73_050.0;

/// Day 25,569 of a workbook is 1970-01-01.
const EPOCH: i64 = 25_569;

/// What a cell says of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A whole day.
    Day(Date),
    /// A whole day, as the number by which a workbook keeps days.
    Serial(Date),
    /// A year and its month, or each of the months it may be. A catalog's date is a whole day.
    Month(u16, Vec<u8>),
    /// A year.
    Year(u16),
}

/// Reads a day: a workbook's own, its serial number, or written with the year first, as `2024-5-1`, `2024/05/01`,
/// `2024.5.1`, `20240501` or `2024年5月1日`; months as `1985.3`, `1985年3月` or `198503`.
pub fn read(cell: &Cell, said: &str) -> Option<Said> {
    if let Cell::Day(day) | Cell::Moment(day, _) = cell {
        return Some(Said::Day(*day));
    }
    let said = half_width(said);
    let said = said.trim();
    let digits = said.bytes().all(|byte| byte.is_ascii_digit());
    match (said.len(), said.parse::<f64>()) {
        (5, Ok(number)) if digits && SERIAL.contains(&number) => {
            return Date::from_days(number as i64 - EPOCH).map(Said::Serial);
        }
        // With hours behind the point.
        (7.., Ok(number)) if matches!(cell, Cell::Number(_)) && SERIAL.contains(&number) => {
            return Date::from_days(number as i64 - EPOCH).map(Said::Serial);
        }
        (8, Ok(_)) if digits => return Date::from_digits(said).ok().map(Said::Day),
        (6, Ok(number)) if digits => {
            let (year, month) = (number as u32 / 100, number as u32 % 100);
            return months(u16::try_from(year).ok()?, vec![u8::try_from(month).ok()?]);
        }
        _ => {}
    }
    // A time of the day behind the day says nothing here.
    let day = said.split_once([' ', 'T']).filter(|(_, time)| time.contains(':')).map_or(said, |(day, _)| day);
    let numbers: Vec<u16> = day
        .split(['-', '/', '.', '年', '月', '日'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    match *numbers.as_slice() {
        [year] if year >= 1000 => Some(Said::Year(year)),
        // 1985.1 as a number is January, or October that has lost its nought.
        [year, 1] if matches!(cell, Cell::Number(_)) => months(year, vec![1, 10]),
        [year, month] => months(year, vec![u8::try_from(month).ok()?]),
        [year, month, day] if year >= 1000 => {
            Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?).ok().map(Said::Day)
        }
        _ => None,
    }
}

fn months(year: u16, months: Vec<u8>) -> Option<Said> {
    (year >= 1000 && months.iter().all(|month| (1..=12).contains(month))).then_some(Said::Month(year, months))
}

impl Said {
    /// Whether a day is what was said, as far as it was said.
    pub fn fits(&self, day: Date) -> bool {
        match self {
            Self::Day(said) | Self::Serial(said) => *said == day,
            Self::Month(year, months) => *year == day.year() && months.contains(&day.month()),
            Self::Year(year) => *year == day.year(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(said: &str) -> Option<Said> {
        read(&Cell::Text(said.into()), said)
    }

    fn number(number: f64) -> Option<Said> {
        read(&Cell::Number(number), &number.to_string())
    }

    #[test]
    fn whole_days_are_read_in_every_habit() {
        let day = Date::new(1985, 3, 12).unwrap();
        for said in [
            "1985-3-12",
            "1985/03/12",
            "1985.3.12",
            "19850312",
            "1985年3月12日",
            "１９８５．３．１２",
            "1985-03-12 00:00:00",
            "1985. 3. 12",
        ] {
            assert_eq!(text(said), Some(Said::Day(day)), "{said}");
        }
        assert_eq!(text("31118"), Some(Said::Serial(day)), "a CSV file of a column that was not formatted");
        assert_eq!(number(31118.0), Some(Said::Serial(day)));
        assert_eq!(number(31118.5), Some(Said::Serial(day)));
        assert_eq!(number(19850312.0), Some(Said::Day(day)));
    }

    #[test]
    fn a_month_is_a_month_and_no_day_is_invented() {
        for said in ["1985.3", "1985年3月", "198503", "1985-03"] {
            assert_eq!(text(said), Some(Said::Month(1985, vec![3])), "{said}");
        }
        assert_eq!(number(1985.3), Some(Said::Month(1985, vec![3])));
        assert_eq!(number(1985.1), Some(Said::Month(1985, vec![1, 10])), "1985.10 as a number");
        assert_eq!(text("1985.1"), Some(Said::Month(1985, vec![1])));
        assert_eq!(text("1985年"), Some(Said::Year(1985)));
        for said in ["3.12", "1985.13", "昨天", "12/3/1985", "", "1985-02-30"] {
            assert_eq!(text(said), None, "{said}");
        }
    }
}
