//! Days of the calendar, `YYYY-MM-DD`. China keeps one time zone, so a moment belongs to the day it is in UTC+8.

/// Milliseconds between UTC and the local time of all of China.
const OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// A day of the Gregorian calendar, years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    /// Reads exactly `YYYY-MM-DD`; no other form and no day that does not exist.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            let digits = bytes.get(range)?;
            digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
        };
        let day = Self { year: number(0..4)?, month: number(5..7)?, day: number(8..10)? };
        (day.year >= 1 && day.day >= 1 && day.day <= days_in_month(day.year, day.month)?).then_some(day)
    }

    /// The day a moment (milliseconds UTC) falls on in China.
    pub fn of_moment(ms: i64) -> Self {
        Self::of_number(ms.saturating_add(OFFSET_MS).div_euclid(DAY_MS))
    }

    /// The days since 1970-01-01.
    pub fn number(self) -> i64 {
        // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The day so many days after 1970-01-01, held within years 1 to 9999.
    pub fn of_number(number: i64) -> Self {
        let number = number.clamp(-719_162, 2_932_896) + 719_468;
        let era = number.div_euclid(146_097);
        let day_of_era = number.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month, day: day_of_year - (153 * shifted + 2) / 5 + 1 }
    }

    /// Full years from `self` to `later`, negative when `later` comes first.
    pub fn years_until(self, later: Self) -> i64 {
        let before_birthday = (later.month, later.day) < (self.month, self.day);
        later.year - self.year - i64::from(before_birthday)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(28 + i64::from(leap)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_through_leap_years_and_back() {
        for number in (-719_162..2_932_896).step_by(97) {
            let day = Day::of_number(number);
            assert_eq!(day.number(), number);
            assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
        assert_eq!(Day::parse("1970-01-01").map(Day::number), Some(0));
        assert_eq!(Day::of_number(i64::MAX).to_string(), "9999-12-31");
    }

    #[test]
    fn only_days_that_exist_are_read() {
        assert!(Day::parse("2024-02-29").is_some());
        for text in
            ["2023-02-29", "1900-02-29", "2023-13-01", "2023-00-10", "2023-1-01", "2023/01/01", "", "0000-01-01"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_belongs_to_the_day_in_china() {
        assert_eq!(Day::of_moment(0).to_string(), "1970-01-01");
        assert_eq!(Day::of_moment(16 * 3_600_000 - 1).to_string(), "1970-01-01");
        assert_eq!(Day::of_moment(16 * 3_600_000).to_string(), "1970-01-02");
        assert_eq!(Day::of_moment(i64::MAX).to_string(), "9999-12-31");
    }

    #[test]
    fn a_year_is_full_on_the_birthday() {
        let born = Day::parse("2010-05-20").unwrap();
        assert_eq!(born.years_until(Day::parse("2024-05-19").unwrap()), 13);
        assert_eq!(born.years_until(Day::parse("2024-05-20").unwrap()), 14);
    }
}
