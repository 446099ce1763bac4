//! Moments as offices write them: a day with the time of the day.

use std::str::FromStr;

use gridpass_core::codes::Date;
use gridpass_core::codes::text::half_width;
use serde::Deserialize;

use super::cells::Cell;
use super::day;

const DAY_MS: i64 = 86_400_000;

/// What a cell says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A moment, in milliseconds since 1970 UTC.
    Moment(i64),
    /// A moment, as the number by which a workbook keeps it.
    Serial(i64),
    /// A day and no time: which of its moments is meant is not known.
    Day(Date),
}

/// A time of the day, in milliseconds since midnight: `09:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(i64);

/// How far the clocks of a place are ahead of UTC, in milliseconds: `+08:00`. China has one time everywhere and no summer
/// time since 1991, so a number is all of its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(i64);

impl Default for Zone {
    fn default() -> Self {
        Self(8 * 3_600_000)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(said: String) -> Result<Self, Self::Error> {
        match time(&said) {
            Some((time, None)) => Ok(time),
            _ => Err("a time of the day is written 09:00"),
        }
    }
}

impl TryFrom<String> for Zone {
    type Error = &'static str;

    fn try_from(said: String) -> Result<Self, Self::Error> {
        match said.as_str() {
            "Asia/Shanghai" => Ok(Self::default()),
            said => said.parse(),
        }
    }
}

impl FromStr for Zone {
    type Err = &'static str;

    fn from_str(said: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a zone is written +08:00, Z or Asia/Shanghai";
        if said.eq_ignore_ascii_case("Z") {
            return Ok(Self(0));
        }
        let (ahead, rest) = match (said.strip_prefix('+'), said.strip_prefix('-')) {
            (Some(rest), _) => (1, rest),
            (_, Some(rest)) => (-1, rest),
            _ => return Err(WRONG),
        };
        let digits: String = rest.chars().filter(|c| *c != ':').collect();
        let number = digits.parse::<i64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let (hours, minutes) = match (digits.len(), number) {
            (1 | 2, Some(hours)) => (hours, 0),
            (4, Some(number)) => (number / 100, number % 100),
            _ => return Err(WRONG),
        };
        let whole = hours <= 14 && minutes < 60;
        whole.then_some(Self(ahead * (hours * 60 + minutes) * 60_000)).ok_or(WRONG)
    }
}

impl Zone {
    /// The moment at which the clocks of the zone show a time of a day.
    pub fn at(self, day: Date, time: TimeOfDay) -> i64 {
        day.days() * DAY_MS + time.0 - self.0
    }
}

/// Reads a moment: a workbook's own, its serial number, or written with the year first, as `2026-03-05 14:30`,
/// `2026/3/5 14:30:05`, `2026年3月5日 14时30分`, `2026年3月5日下午2:30`, `20260305143005` or `2026-03-05T14:30:05+08:00`. What
/// names no zone of its own is in the given one.
pub fn read(cell: &Cell, said: &str, zone: Zone) -> Option<Said> {
    if let Cell::Moment(day, seconds) = cell {
        return Some(Said::Moment(zone.at(*day, TimeOfDay(i64::from(*seconds) * 1000))));
    }
    let said = half_width(said);
    let said = said.trim();
    if let Some((day, time)) = said.split_at_checked(8).filter(|(_, time)| matches!(time.len(), 4 | 6)) {
        let apart: String = time.chars().enumerate().flat_map(|(n, c)| colon_before(n).chain([c])).collect();
        if said.bytes().all(|byte| byte.is_ascii_digit()) {
            let (day, (time, _)) = (Date::from_digits(day).ok()?, self::time(&apart)?);
            return Some(Said::Moment(zone.at(day, time)));
        }
    }
    // Only a number with a point has a time of the day.
    if let (Some(day::Said::Serial(day)), Some((_, fraction))) = (day::read(&number(said), said), said.split_once('.'))
    {
        let part: f64 = format!("0.{fraction}").parse().ok()?;
        // Whole seconds: the rest is what the number could not hold.
        return Some(Said::Serial(zone.at(day, TimeOfDay((part * 86_400.0).round() as i64 * 1000))));
    }
    let Some(mark) = said.find([':', '时', '点']) else {
        return match day::read(cell, said) {
            Some(day::Said::Day(day) | day::Said::Serial(day)) => Some(Said::Day(day)),
            _ => None,
        };
    };
    let before = said.get(..mark)?.trim_end_matches(|c: char| c.is_ascii_digit());
    let written = before.trim_end();
    let half = ["上午", "下午", "AM", "PM"].into_iter().find(|half| written.ends_with(half)).unwrap_or_default();
    let day = written.strip_suffix(half)?.trim_end_matches([' ', 'T', 't']);
    let Some(day::Said::Day(day)) = day::read(&Cell::Empty, day) else { return None };
    let (time_of_day, own) = time(&format!("{half}{}", said.get(before.len()..)?))?;
    Some(Said::Moment(own.unwrap_or(zone).at(day, time_of_day)))
}

/// Reads a moment out of two cells, that of the day and that of the time.
pub fn joined(day: (&Cell, &str), time: (&Cell, &str), zone: Zone) -> Option<Said> {
    let (day::Said::Day(day) | day::Said::Serial(day)) = day::read(day.0, day.1)? else { return None };
    let part = match time.0 {
        Cell::Empty => return Some(Said::Day(day)),
        Cell::Number(part) if (0.0..1.0).contains(part) => TimeOfDay((part * 86_400.0).round() as i64 * 1000),
        _ => match self::time(time.1)? {
            (time, None) => time,
            _ => return None,
        },
    };
    Some(Said::Moment(zone.at(day, part)))
}

/// A text as the number it is in a CSV file, so that a serial number with a fraction is known as one.
fn number(said: &str) -> Cell {
    said.parse().map_or(Cell::Empty, Cell::Number)
}

fn colon_before(place: usize) -> impl Iterator<Item = char> {
    (place > 0 && place.is_multiple_of(2)).then_some(':').into_iter()
}

/// A time of the day, and the zone behind it: `14:30`, `14:30:05.250Z`, `14时30分`, `14点`, `下午2:30`, `2:30 PM`.
fn time(said: &str) -> Option<(TimeOfDay, Option<Zone>)> {
    let said = half_width(said).trim().to_uppercase();
    let (said, before) = match (said.strip_prefix("下午"), said.strip_prefix("PM")) {
        (Some(rest), _) | (_, Some(rest)) => (rest, Some(12)),
        _ => match (said.strip_prefix("上午"), said.strip_prefix("AM")) {
            (Some(rest), _) | (_, Some(rest)) => (rest, Some(0)),
            _ => (said.as_str(), None),
        },
    };
    let (said, behind) = match (said.strip_suffix("PM"), said.strip_suffix("AM")) {
        (Some(rest), _) => (rest, Some(12)),
        (_, Some(rest)) => (rest, Some(0)),
        _ => (said, None),
    };
    let zone = said.find(['Z', '+', '-']);
    let (said, zone) = match zone.and_then(|at| said.split_at_checked(at)) {
        Some((time, zone)) => (time, Some(zone.parse::<Zone>().ok()?)),
        None => (said, None),
    };
    // 14时30分05秒 is 14:30:05, 14点 is 14:00.
    let said: String =
        said.trim().chars().filter(|c| *c != '秒').map(|c| if "时点分".contains(c) { ':' } else { c }).collect();
    let mut parts = said.split(':').map(str::trim);
    let mut next = |most: f64| match parts.next() {
        None | Some("") => Some(0.0),
        Some(part) if part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
            part.parse::<f64>().ok().filter(|number| *number < most)
        }
        Some(_) => None,
    };
    let first = said.bytes().next().filter(u8::is_ascii_digit).filter(|_| said.contains(':'));
    let (_, hour, minute, second) = (first?, next(24.0)?, next(60.0)?, next(60.0)?);
    let hour = match (before.or(behind), hour as i64) {
        (None, hour) => hour,
        (Some(half), hour @ 1..=12) => hour % 12 + half,
        (Some(_), hour @ 13..) if before == Some(12) || behind == Some(12) => hour,
        _ => return None,
    };
    let whole = hour as f64 * 3600.0 + minute * 60.0 + second;
    let plain = parts.next().is_none_or(str::is_empty) && minute.fract() == 0.0;
    plain.then_some((TimeOfDay((whole * 1000.0).round() as i64), zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-05 14:30 in China.
    const HALF_PAST_TWO: i64 = 1_772_692_200_000;

    fn text(said: &str) -> Option<Said> {
        read(&Cell::Text(said.into()), said, Zone::default())
    }

    fn number(number: f64) -> Option<Said> {
        read(&Cell::Number(number), &number.to_string(), Zone::default())
    }

    #[test]
    fn moments_are_read_in_every_habit() {
        for said in [
            "2026-03-05 14:30",
            "2026-03-05  14:30:00",
            "2026/3/5 14:30",
            "2026.3.5 14:30",
            "2026. 3. 5 14:30",
            "２０２６－０３－０５　１４：３０",
            "2026年3月5日 14时30分",
            "2026年3月5日14时30分",
            "2026年3月5日14点30分",
            "2026年3月5日下午2:30",
            "2026/3/5 下午 2:30",
            "2026-3-5 2:30 PM",
            "202603051430",
            "20260305143000",
            "2026-03-05T14:30:00+08:00",
            "2026-03-05T06:30:00Z",
            "2026-03-05T06:30:00.000Z",
            "2026-03-05T01:30-0500",
        ] {
            assert_eq!(text(said), Some(Said::Moment(HALF_PAST_TWO)), "{said}");
        }
        assert_eq!(text("2026年3月5日 14时30分05秒"), Some(Said::Moment(HALF_PAST_TWO + 5000)));
        assert_eq!(text("2026/3/5 14:30:05"), Some(Said::Moment(HALF_PAST_TWO + 5000)));
        assert_eq!(text("2026-03-05T14:30:05.250+08"), Some(Said::Moment(HALF_PAST_TWO + 5250)));
        assert_eq!(text("2026-03-05 14点"), Some(Said::Moment(HALF_PAST_TWO - 30 * 60_000)));
        assert_eq!(text("2026-03-05 12:00 AM"), Some(Said::Moment(HALF_PAST_TWO - 870 * 60_000)));
        assert_eq!(text("2026-03-05 00:00"), Some(Said::Moment(HALF_PAST_TWO - 870 * 60_000)), "midnight was said");
    }

    #[test]
    fn a_number_with_a_fraction_is_a_moment_of_a_workbook() {
        let half_past_two = 46_086.0 + 14.5 / 24.0;
        assert_eq!(number(half_past_two), Some(Said::Serial(HALF_PAST_TWO)));
        assert_eq!(text("46086.604166666664"), Some(Said::Serial(HALF_PAST_TWO)));
        assert_eq!(text("46086.60417"), Some(Said::Serial(HALF_PAST_TWO)), "as far as a workbook shows it");
        assert_eq!(number(20_260_305_143_000.0), Some(Said::Moment(HALF_PAST_TWO)));
        let day = Date::new(2026, 3, 5).unwrap();
        assert_eq!((number(46_086.0), text("46086")), (Some(Said::Day(day)), Some(Said::Day(day))));
        let at = Cell::Moment(day, 14 * 3600 + 30 * 60);
        assert_eq!(read(&at, "", Zone::default()), Some(Said::Moment(HALF_PAST_TWO)));
    }

    #[test]
    fn another_zone_moves_what_names_none() {
        let zone = |said: &str| Zone::try_from(said.to_owned());
        let tokyo = |said: &str| read(&Cell::Empty, said, zone("+09:00").unwrap());
        assert_eq!(tokyo("2026-03-05 15:30"), Some(Said::Moment(HALF_PAST_TWO)));
        assert_eq!(tokyo("2026-03-05T14:30+08:00"), Some(Said::Moment(HALF_PAST_TWO)));
        assert_eq!(zone("Asia/Shanghai"), Ok(Zone::default()));
        for wrong in ["", "8", "+8:0:0", "+25:00", "+08:60", "Europe/Berlin", "+-8"] {
            assert!(zone(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_is_no_moment_and_no_time_is_invented() {
        let day = Date::new(2026, 3, 5).unwrap();
        for said in ["2026-03-05", "2026年3月5日", "20260305", "2026/3/5"] {
            assert_eq!(text(said), Some(Said::Day(day)), "{said}");
        }
        for said in [
            "昨天下午",
            "14:30",
            "2026-03",
            "2026-03-05 25:00",
            "2026-03-05 14:60",
            "2026-03-05 14:30:61",
            "2026-02-30 10:00",
            "2026-03-05 上午14:30",
            "2026-03-05 14:30:05:07",
            "2026-03-05 :30",
            "2026-03-05 14:3O",
            "5/3/2026 14:30",
            "",
            "2026-03-05 14:30+99",
            "202603052530",
            "2026-03-05 1.5:30",
        ] {
            assert_eq!(text(said), None, "{said}");
        }
    }

    #[test]
    fn day_and_time_may_stand_in_two_cells() {
        let of =
            |day: &str, time: Cell, said: &str| joined((&Cell::Text(day.into()), day), (&time, said), Zone::default());
        let written = |said: &str| of("2026年3月5日", Cell::Text(said.into()), said);
        for said in ["14:30", "14时30分", "下午2:30"] {
            assert_eq!(written(said), Some(Said::Moment(HALF_PAST_TWO)), "{said}");
        }
        assert_eq!(of("2026-03-05", Cell::Number(14.5 / 24.0), "0.6"), Some(Said::Moment(HALF_PAST_TWO)));
        assert_eq!(of("2026-03-05", Cell::Empty, ""), Some(Said::Day(Date::new(2026, 3, 5).unwrap())));
        assert_eq!((written("午后"), of("三月", Cell::Empty, "")), (None, None));
        assert!(TimeOfDay::try_from("09:00".to_owned()).is_ok() && TimeOfDay::try_from("9".to_owned()).is_err());
    }
}
