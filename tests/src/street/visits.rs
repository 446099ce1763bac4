//! A year of visits: every household about once in so many days, door after door, by the workers of its grid. Some
//! households are seen to much more often, some are hard to reach; vacant houses and organisations come more seldom. Who
//! was not there is tried again some days later, in the evening. Work is done on working days, seldom on others.

use std::collections::BTreeMap;

use gridpass_core::codes::Date;

use super::people::Home;
use super::random::Random;
use super::sheet::{Cell, Sheet};
use super::{Grid, Street};

/// Days that are looked back on.
const YEAR: i64 = 365;
/// How often somebody who was not there is tried again before the next round.
const TRIES: u32 = 2;
/// About so many households are the work of one worker.
const ROUND: usize = 260;
/// The days without work around Spring Festival, and those from 1 October, as days since 1970.
const HOLIDAYS: [std::ops::RangeInclusive<i64>; 2] = [20_499..=20_507, 20_362..=20_369];

/// The visits to the grids so far.
#[derive(Debug)]
pub struct Visits {
    sheet: Sheet,
    interval: i64,
}

/// Somewhere to go.
struct Place<'a> {
    to: To<'a>,
    /// How far its visits are apart, in hundredths of the interval.
    pace: i64,
    worker: usize,
}

#[derive(Clone, Copy)]
enum To<'a> {
    Household(&'a Home),
    /// A house nobody lives in, from the beginning or since a household has gone.
    House(&'a str),
    Organisation(&'a str),
}

/// A visit that is to be made: to the place of this number, after so many in vain.
struct Due {
    place: usize,
    vain: u32,
}

/// What came of a visit.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Outcome {
    #[default]
    Met,
    Absent,
    Refused,
    Moved,
    WrongAddress,
    Vacant,
}

/// What is verified in a visit, as cells that list numbers: people confirmed, changed, not found, not to be told; the house
/// confirmed, changed; the organisation.
type Checks = [Vec<String>; 7];

impl Visits {
    /// Visits in such an interval, none for 0.
    pub fn new(interval: u32) -> Self {
        let headings = &[
            "走访编号",
            "走访人",
            "对象类型",
            "对象编号",
            "方式",
            "开始时间",
            "结束时间",
            "结果",
            "一致人员",
            "有变化人员",
            "查无人员",
            "无法核实人员",
            "一致房屋",
            "有变化房屋",
            "一致单位",
            "再访时间",
            "需求",
            "告知版本",
        ];
        Self { sheet: Sheet::new("走访", headings), interval: interval.into() }
    }

    /// The rows so far, which are taken out; none where no visits are made.
    pub fn take(&mut self) -> Option<Sheet> {
        (self.interval > 0).then(|| self.sheet.take())
    }

    /// The year of a grid.
    pub fn year(&mut self, grid: &Grid, homes: &[Home], organisations: &[String], random: &mut Random) {
        if self.interval == 0 {
            return;
        }
        let mut places = places(homes, organisations, random);
        let mut agenda = BTreeMap::<i64, Vec<Due>>::new();
        let count = places.len().max(1) as i64;
        for (place, at) in places.iter().enumerate() {
            // Door after door: neighbours are visited in the same days.
            let round = self.apart(at);
            let first = place as i64 * round / count + random.between(0, 6);
            agenda.entry(first).or_default().push(Due { place, vain: 0 });
        }
        let begin = Street::day().days() - YEAR;
        while let Some((day, due)) = agenda.pop_first().filter(|(day, _)| *day < YEAR) {
            let mut today = Vec::new();
            for due in due {
                let share = worked(begin + day);
                if random.percent(if due.vain > 0 { share.max(60) } else { share }) {
                    today.push((minute(due.vain > 0, random), due));
                } else {
                    let later = (day + 1..).find(|day| worked(begin + day) == 100).unwrap_or(YEAR);
                    agenda.entry(later).or_default().push(due);
                }
            }
            today.sort_by_key(|(minute, due)| (*minute, due.place));
            let mut free = BTreeMap::<usize, i64>::new();
            for (minute, due) in today {
                let Some(place) = places.get_mut(due.place) else { continue };
                let free = free.entry(place.worker).or_default();
                let minute = minute.max(*free + random.between(1, 4));
                let (outcome, took) = self.visit(grid, place, &due, (begin + day, minute), random);
                *free = minute + took;
                let next = match (outcome, place.to) {
                    (Outcome::Absent, _) if due.vain < TRIES => {
                        agenda
                            .entry(day + random.between(2, 6))
                            .or_default()
                            .push(Due { place: due.place, vain: due.vain + 1 });
                        continue;
                    }
                    (Outcome::Moved, To::Organisation(_)) => continue,
                    (Outcome::Moved, To::Household(home)) => {
                        (place.to, place.pace) = (To::House(&home.house), 200);
                        self.apart(place)
                    }
                    _ => self.apart(place),
                };
                let next = day + (next * random.between(85, 115) / 100).max(1);
                agenda.entry(next).or_default().push(Due { place: due.place, vain: 0 });
            }
        }
    }

    /// The days between two visits to a place.
    fn apart(&self, place: &Place<'_>) -> i64 {
        (self.interval * place.pace / 100).max(1)
    }

    /// Makes the row of a visit; what came of it and how many minutes it took.
    fn visit(
        &mut self,
        grid: &Grid,
        place: &Place<'_>,
        due: &Due,
        (day, minute): (i64, i64),
        random: &mut Random,
    ) -> (Outcome, i64) {
        let phone = matches!(place.to, To::Household(_)) && random.percent(if due.vain > 0 { 25 } else { 5 });
        let outcome = outcome(place.to, due.vain > 0, random);
        let took = match outcome {
            Outcome::Met if random.percent(2) => random.between(30, 75),
            Outcome::Met => random.between(4, 22),
            Outcome::Absent | Outcome::Refused => random.between(1, 3),
            Outcome::Moved | Outcome::WrongAddress | Outcome::Vacant => random.between(2, 6),
        };
        let checks = checks(place.to, outcome, phone, random);
        let again = match outcome {
            Outcome::Absent if due.vain < TRIES => {
                moment(day + random.between(2, 6), 60 * random.between(18, 19) + 30 * random.between(0, 1))
            }
            Outcome::Absent => "不详".into(),
            _ => Cell::Empty,
        };
        let need = match outcome {
            Outcome::Met if random.percent(4) => random.weighted(&[
                (6, "代办"),
                (5, "报修"),
                (4, "政策咨询"),
                (3, "照护"),
                (2, "帮扶"),
                (2, "调解"),
                (2, "就业"),
            ]),
            _ => "",
        };
        let changed = checks.get(1).is_some_and(|people| !people.is_empty());
        let (kind, number) = match place.to {
            To::Household(home) => ("户", home.household.as_str()),
            To::House(house) => ("房屋", house),
            To::Organisation(organisation) => ("单位", organisation),
        };
        let mut row = vec![
            format!("ZF{:07}", self.sheet.made() + 1).into(),
            format!("{}-{}", grid.code, place.worker + 1).into(),
            kind.into(),
            number.into(),
            (if phone { "电话" } else { "入户" }).into(),
            moment(day, minute),
            moment(day, minute + took),
            outcome.word().into(),
        ];
        row.extend(checks.map(|numbers| Cell::from(numbers.join("、"))));
        row.extend([again, need.into(), (if changed { "2025-06" } else { "" }).into()]);
        self.sheet.rows.push(row);
        (outcome, took)
    }
}

/// Where the workers of a grid go, in the order of the doors, organisations last.
fn places<'a>(homes: &'a [Home], organisations: &'a [String], random: &mut Random) -> Vec<Place<'a>> {
    let of_home = |home: &'a Home| match home.people.is_empty() {
        true => (To::House(&home.house), 200),
        // Elders who live alone and the like; those who work far away.
        false => (To::Household(home), random.weighted(&[(4, 33), (56, 100), (40, 160)])),
    };
    let mut all: Vec<(To<'a>, i64)> = homes.iter().map(of_home).collect();
    all.extend(organisations.iter().map(|organisation| (To::Organisation(organisation), 200)));
    let (workers, count) = (1 + all.len() / ROUND, all.len().max(1));
    let place = |(place, (to, pace))| Place { to, pace, worker: place * workers / count };
    all.into_iter().enumerate().map(place).collect()
}

/// How many of a hundred visits that are due on a day are made on it; the others wait for the next working day.
fn worked(day: i64) -> u64 {
    // 1970-01-01 was a Thursday.
    match (day + 3).rem_euclid(7) {
        _ if HOLIDAYS.iter().any(|days| days.contains(&day)) => 3,
        5 => 35,
        6 => 15,
        _ => 100,
    }
}

/// When in the day a visit begins.
fn minute(evening: bool, random: &mut Random) -> i64 {
    let hour = match evening {
        true => random.weighted(&[(5, 18), (6, 19), (1, 20)]),
        false => random.weighted(&[(4, 8), (10, 9), (10, 10), (5, 11), (3, 13), (9, 14), (9, 15), (7, 16), (3, 17)]),
    };
    let half = if matches!(hour, 8 | 13) { 30 } else { 0 };
    60 * hour + half + random.between(0, 59 - half)
}

fn moment(day: i64, minute: i64) -> Cell {
    let (later, minute) = (minute.div_euclid(1440), minute.rem_euclid(1440));
    Cell::Moment(Date::nearest(day + later), u32::try_from(minute).unwrap_or_default())
}

fn outcome(to: To<'_>, evening: bool, random: &mut Random) -> Outcome {
    use Outcome::{Absent, Met, Moved, Refused, Vacant, WrongAddress};
    let absent = if evening { 90 } else { 150 };
    match to {
        To::Household(_) => {
            random.weighted(&[(800, Met), (absent, Absent), (24, Refused), (6, Moved), (2, WrongAddress)])
        }
        To::House(_) => random.weighted(&[(88, Vacant), (6, Met), (6, Absent)]),
        To::Organisation(_) => random.weighted(&[(90, Met), (7, Absent), (1, Refused), (2, Moved)]),
    }
}

impl Outcome {
    /// The catalog's label.
    fn word(self) -> &'static str {
        match self {
            Self::Met => "见到",
            Self::Absent => "无人",
            Self::Refused => "拒访",
            Self::Moved => "已搬离",
            Self::WrongAddress => "地址有误",
            Self::Vacant => "空置",
        }
    }
}

/// What a visit verified; by phone nobody sees the house.
fn checks(to: To<'_>, outcome: Outcome, phone: bool, random: &mut Random) -> Checks {
    let [mut confirmed, mut changed, mut missing, mut unable, mut house, mut house_changed, mut organisation] =
        Checks::default();
    match (to, outcome) {
        (To::Household(home), Outcome::Met) => {
            for person in &home.people {
                let found = random.weighted(&[(960, 0), (24, 1), (9, 2), (7, 3)]);
                let list = match found {
                    0 => &mut confirmed,
                    1 => &mut changed,
                    2 => &mut missing,
                    _ => &mut unable,
                };
                list.push(person.clone());
            }
            if !phone {
                let list = if random.percent(3) { &mut house_changed } else { &mut house };
                list.push(home.house.clone());
            }
        }
        (To::House(number), Outcome::Vacant) => house.push(number.to_owned()),
        (To::House(number), Outcome::Met) => house_changed.push(number.to_owned()),
        (To::Organisation(number), Outcome::Met) => organisation.push(number.to_owned()),
        _ => {}
    }
    [confirmed, changed, missing, unable, house, house_changed, organisation]
}
