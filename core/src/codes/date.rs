//! Days of the calendar, without a clock and without a time zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::{is_digits, part};

/// A day of the proleptic Gregorian calendar from 0001-01-01 to 9999-12-31, written `YYYY-MM-DD` (ISO 8601).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a text or three numbers are no [`Date`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not four, two and two digits.
    #[error("a date is written YYYY-MM-DD: four digits, two, two, joined by hyphens")]
    Shape,
    /// No such day.
    #[error("there is no such day in the calendar: check month and day")]
    Calendar,
}

impl DateError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Calendar => "calendar",
        }
    }
}

impl Date {
    /// The first day there is.
    pub const FIRST: Self = Self { year: 1, month: 1, day: 1 };
    /// The last day there is.
    pub const LAST: Self = Self { year: 9999, month: 12, day: 31 };

    /// A day by its numbers; [`DateError::Calendar`] where the calendar has none.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        let valid =
            (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
        valid.then_some(Self { year, month, day }).ok_or(DateError::Calendar)
    }

    /// Reads eight digits `YYYYMMDD`, the form inside identity numbers.
    pub fn from_digits(digits: &str) -> Result<Self, DateError> {
        if digits.len() != 8 || !is_digits(digits) {
            return Err(DateError::Shape);
        }
        let number = |range| part(digits, range).parse().unwrap_or(0);
        Self::new(number(0..4), number(4..6) as u8, number(6..8) as u8)
    }

    /// The day `days` after 1970-01-01 (before it, if negative); none outside the years 1 to 9999.
    pub fn from_days(days: i64) -> Option<Self> {
        // Years begin on 1 March here, so that the leap day is a year's last; 400 years have 146,097 days.
        let shifted = days.checked_add(719_468)?;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()
    }

    /// The day in China (UTC+8 everywhere) at a time in milliseconds since 1970 UTC, held within the years 1 to 9999.
    pub fn in_china(unix_ms: i64) -> Self {
        Self::nearest(unix_ms.saturating_add(8 * 3_600_000).div_euclid(86_400_000))
    }

    /// The day `days` after 1970-01-01 (before it, if negative), held within the years 1 to 9999.
    pub fn nearest(days: i64) -> Self {
        Self::from_days(days).unwrap_or(if days < 0 { Self::FIRST } else { Self::LAST })
    }

    /// The year, 1 to 9999.
    pub fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01, negative before it.
    pub fn days(self) -> i64 {
        let (year, month) = (i64::from(self.year) - i64::from(self.month <= 2), i64::from(self.month));
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * if month > 2 { month - 3 } else { month + 9 } + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// Days from this day to another, negative if the other is earlier.
    pub fn days_until(self, other: Self) -> i64 {
        other.days() - self.days()
    }

    /// The day `days` later (earlier, if negative); none outside the years 1 to 9999.
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::from_days(self.days().checked_add(days)?)
    }

    /// Full years lived on `day` by somebody born on this day; none before birth.
    ///
    /// A birthday on 29 February falls on the last day of February in other years (Civil Code of China, Art. 202).
    pub fn age_on(self, day: Self) -> Option<u16> {
        let birthday = (self.month, self.day.min(month_length(day.year, self.month)));
        (self <= day).then(|| (day.year - self.year).saturating_sub(u16::from((day.month, day.day) < birthday)))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        match text.as_bytes() {
            [y @ .., b'-', _, _, b'-', _, _] if y.len() == 4 => Self::from_digits(&text.replace('-', "")),
            _ => Err(DateError::Shape),
        }
    }
}

impl TryFrom<String> for Date {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

fn month_length(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn only_real_days_in_one_form_are_read() {
        assert_eq!(date("2024-02-29").to_string(), "2024-02-29");
        for text in ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "2024-00-10", "2024-01-00", "0000-01-01"] {
            assert_eq!(text.parse::<Date>(), Err(DateError::Calendar), "{text}");
        }
        for text in [
            "",
            "2024-2-9",
            "20240209",
            "2024/02/09",
            " 2024-02-09",
            "2024-02-09T00:00",
            "２０２４-02-09",
            "-024-02-09",
        ] {
            assert_eq!(text.parse::<Date>(), Err(DateError::Shape), "{text}");
        }
    }

    #[test]
    fn days_are_counted_over_leap_days_and_centuries() {
        assert_eq!(date("1970-01-01").days(), 0);
        assert_eq!(date("2000-03-01").days(), 11_017);
        assert_eq!(date("2024-02-28").days_until(date("2024-03-01")), 2);
        assert_eq!(date("2023-02-28").days_until(date("2023-03-01")), 1);
        assert_eq!(date("2024-03-01").days_until(date("2023-03-01")), -366);
        assert_eq!(date("2024-12-31").plus_days(1), Some(date("2025-01-01")));
        assert_eq!(date("9999-12-31").plus_days(1), None);
        assert_eq!(Date::from_days(i64::MAX), None);
    }

    #[test]
    fn the_day_in_china_begins_eight_hours_before_the_day_in_greenwich() {
        assert_eq!(Date::in_china(1_735_660_799_999), date("2024-12-31"));
        assert_eq!(Date::in_china(1_735_660_800_000), date("2025-01-01"));
        assert_eq!((Date::in_china(i64::MIN), Date::in_china(i64::MAX)), (Date::FIRST, Date::LAST));
    }

    #[test]
    fn age_changes_on_the_birthday() {
        assert_eq!(date("2011-05-05").age_on(date("2025-05-04")), Some(13));
        assert_eq!(date("2011-05-05").age_on(date("2025-05-05")), Some(14));
        assert_eq!(date("2011-05-05").age_on(date("2011-05-04")), None);
        assert_eq!(date("2012-02-29").age_on(date("2026-02-27")), Some(13));
        assert_eq!(date("2012-02-29").age_on(date("2026-02-28")), Some(14));
        assert_eq!(date("2012-02-29").age_on(date("2028-02-28")), Some(15));
    }

    #[test]
    fn json_holds_the_text() {
        assert_eq!(serde_json::to_string(&date("2024-02-29")).unwrap(), "\"2024-02-29\"");
        assert!(serde_json::from_str::<Date>("\"2023-02-29\"").is_err());
    }

    proptest! {
        #[test]
        fn days_and_texts_round_trip_in_order(days in -719_162i64..=2_932_895) {
            let (day, next) = (Date::from_days(days).unwrap(), Date::from_days(days + 1).unwrap());
            prop_assert_eq!(day.days(), days);
            prop_assert_eq!(day.to_string().parse(), Ok(day));
            prop_assert!(day < next && day.to_string() < next.to_string());
        }

        #[test]
        fn no_text_panics(text: String, days: i64) {
            let _ = (text.parse::<Date>(), Date::from_digits(&text), Date::from_days(days), Date::in_china(days));
        }
    }
}
