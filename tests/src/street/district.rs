//! A whole district, with the figures of the one this is modelled on (Laoshan, Qingdao) exactly: how many of everything
//! each grid gets, and what is built of it.
//!
//! Addresses are those with a door behind which a house may be; of 182 thousand, 162 thousand have one. The areas,
//! buildings and units above them come on top. Stays of foreigners (3,924) and records of care (6,028) are not made: the
//! catalog has no collections for them. A year of visits comes on top, see `visits`.

use super::Kind;
use super::people::{Mover, People, adult, family};
use super::places::Places;
use super::random::Random;
use super::tree::{self, Grid};

/// Grids.
pub const GRIDS: u64 = 654;
/// Addresses with a door.
pub const ADDRESSES_WITH_A_DOOR: u64 = 182_000;
/// Houses.
pub const HOUSES: u64 = 162_000;
/// People.
pub const PEOPLE: u64 = 427_000;
/// Lifts.
pub const LIFTS: u64 = 2_111;
/// Organisations.
pub const ORGANISATIONS: u64 = 8_079;

/// The smallest part of the district still has grids of several kinds.
pub const MOST_PARTS: u32 = 100;

/// How many of everything a grid gets, and while it is built, still has to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub doors: u64,
    houses: u64,
    people: u64,
    pub lifts: u64,
    pub organisations: u64,
}

/// A total by weights, in whole numbers that add up to it.
fn shares(total: u64, weights: &[u64]) -> Vec<u64> {
    let (mut left, mut weight_left) = (total, weights.iter().sum::<u64>());
    let share = |weight: &u64| {
        let share = (left * weight).checked_div(weight_left).unwrap_or_default();
        (left, weight_left) = (left - share, weight_left - weight);
        share
    };
    weights.iter().map(share).collect()
}

/// The grids of a part of the district, and what each gets.
pub fn grids(part: u32, random: &mut Random) -> (Vec<Grid>, Vec<Quota>) {
    let whole = |figure: u64| figure / u64::from(part);
    let places: Vec<_> = tree::communities().collect();
    // The streets in the town have larger communities, and more grids in each, than those on the coast and in the hills.
    let urban = |code: &str| code.starts_with("370212001") || code.starts_with("370212005");
    let sizes: Vec<u64> =
        places.iter().map(|(code, _)| if urban(code) { 5 + random.below(10) } else { 1 + random.below(4) }).collect();
    let rest = GRIDS - places.len() as u64;
    let mut grids = Vec::new();
    for ((code, name), more) in places.iter().zip(shares(rest, &sizes)) {
        let short = tree::short(name);
        for n in 1..=1 + more {
            let kind = match urban(code) {
                true => {
                    random.weighted(&[(50, Kind::Estate), (36, Kind::Towers), (10, Kind::Shops), (4, Kind::Campus)])
                }
                false if n == 1 => Kind::Village,
                false => random.weighted(&[(5, Kind::Village), (3, Kind::Estate), (2, Kind::Towers), (1, Kind::Shops)]),
            };
            grids.push(Grid { code: format!("{code}{n:03}"), place: short.to_owned(), kind, target: 0 });
        }
    }
    // A part is every so many of the grids.
    let (mut place, count) = (0, whole(GRIDS) as usize);
    grids.retain(|_| {
        place += 1;
        (place - 1) * count / GRIDS as usize != place * count / GRIDS as usize
    });
    let weights: Vec<Quota> = grids.iter().map(|grid| weights(grid.kind, random)).collect();
    let column = |total: u64, of: fn(&Quota) -> u64| {
        shares(whole(total), &weights.iter().map(of).collect::<Vec<_>>()).into_iter()
    };
    let mut quotas = weights.clone();
    let mut set = |total, field: fn(&mut Quota) -> &mut u64, of| {
        quotas.iter_mut().zip(column(total, of)).for_each(|(quota, share)| *field(quota) = share);
    };
    set(ADDRESSES_WITH_A_DOOR, |quota| &mut quota.doors, |weight| weight.doors);
    set(HOUSES, |quota| &mut quota.houses, |weight| weight.houses);
    set(PEOPLE, |quota| &mut quota.people, |weight| weight.people);
    set(LIFTS, |quota| &mut quota.lifts, |weight| weight.lifts);
    set(ORGANISATIONS, |quota| &mut quota.organisations, |weight| weight.organisations);
    (grids, quotas)
}

/// What a grid gets of everything, compared with other grids.
fn weights(kind: Kind, random: &mut Random) -> Quota {
    // One grid of twelve is a very large estate.
    let size = (40 + random.below(120)) * if random.below(12) == 0 { 3 } else { 1 };
    let (people, lifts, organisations) = match kind {
        Kind::Estate => (24, 0, 3),
        Kind::Towers => (24, 1, 4),
        Kind::Village => (27, 0, 3),
        Kind::Shops => (21, 0, 26),
        Kind::Campus => (58, 0, 1),
    };
    Quota { doors: size, houses: size, people: size * people, lifts: size * lifts, organisations: size * organisations }
}

/// So many of what is left as go with a part of a whole; all of it with the last part.
pub fn going_with(left: &mut u64, part: u64, of: u64) -> u64 {
    let going = if part >= of { *left } else { *left * part / of };
    *left -= going;
    going
}

/// Builds a grid and fills it, so that it has its quota exactly.
pub fn fill(grid: &Grid, quota: Quota, places: &mut Places, people: &mut People, random: &mut Random) {
    let mut left = quota;
    left.organisations -= places.begin(grid, random).min(left.organisations);
    while left.doors > 0 {
        let before = left.doors;
        let building = Building::next(grid.kind, left.doors, random);
        let lifts = going_with(&mut left.lifts, building.doors, before);
        let organisations = going_with(&mut left.organisations, building.doors, before);
        let doors = places.raise(grid, building, lifts, organisations, random);
        for door in &doors {
            // So many of the doors that are left have a house.
            if random.below(left.doors) < left.houses {
                left.houses -= 1;
                let (nature, kind, movers) = household(grid.kind, &mut left, random);
                people.settle(grid, door, nature, kind, movers, random);
            }
            left.doors -= 1;
        }
    }
}

/// What is raised next.
#[derive(Debug, Clone, Copy)]
pub struct Building {
    pub doors: u64,
    pub units: u64,
    pub on_a_floor: u64,
}

impl Building {
    fn next(kind: Kind, left: u64, random: &mut Random) -> Self {
        let mut between = |first, last| random.between(first, last).cast_unsigned();
        let (units, floors, on_a_floor) = match kind {
            Kind::Village => (1, 1, 1),
            Kind::Shops => (1, 2, between(1, 4)),
            Kind::Estate => (between(2, 5), 6, 2),
            Kind::Towers => (between(1, 2), between(11, 32), between(2, 4)),
            Kind::Campus => (1, 6, between(8, 20)),
        };
        Self { doors: (units * floors * on_a_floor).min(left), units, on_a_floor }
    }
}

/// Who lives in the next house: its nature, the kind of the household, its people. However it comes, the people that are
/// left go with the houses that are left; the last house takes the rest.
fn household(kind: Kind, left: &mut Quota, random: &mut Random) -> (&'static str, &'static str, Vec<Mover>) {
    // In hundredths: how many people a house needs, how many an ordinary one has here, and a crowded one.
    let (ordinary, crowded) = match kind {
        Kind::Village => (230, 650),
        Kind::Campus => (200, 650),
        Kind::Shops => (185, 600),
        Kind::Estate | Kind::Towers => (200, 550),
    };
    let (people, houses) = (left.people, left.houses + 1);
    let needed = people * 100 / houses;
    let drawn = match needed {
        _ if random.percent(needed.saturating_sub(ordinary) * 100 / (crowded - ordinary)) => crowd(kind, random),
        _ if random.percent(ordinary.saturating_sub(needed) * 100 / ordinary) => ("空置", "", Vec::new()),
        _ => ordinary_one(kind, random),
    };
    let (nature, household, mut movers) = drawn;
    movers.truncate(usize::try_from(people).unwrap_or(usize::MAX));
    if houses == 1 {
        while (movers.len() as u64) < people {
            movers.push(adult("员工", random));
        }
    }
    left.people -= movers.len() as u64;
    match movers.len() {
        0 if matches!(nature, "空置" | "办公" | "经营") => (nature, "", movers),
        0 => ("空置", "", movers),
        _ if houses == 1 && household.is_empty() => ("集体宿舍", "集体户", movers),
        _ => (nature, household, movers),
    }
}

fn ordinary_one(kind: Kind, random: &mut Random) -> (&'static str, &'static str, Vec<Mover>) {
    let nature = match kind {
        Kind::Village | Kind::Shops => random.weighted(&[(48, "自住"), (37, "出租"), (9, "空置"), (6, "经营")]),
        Kind::Estate | Kind::Towers | Kind::Campus => {
            random.weighted(&[(66, "自住"), (20, "出租"), (11, "空置"), (3, "办公")])
        }
    };
    match nature {
        "自住" => {
            let class = random.weighted(&[(14, "人户一致"), (4, "区内人户分离"), (2, "流入人口")]);
            (nature, "家庭户", family("产权人", class, random))
        }
        "出租" if random.percent(60) => {
            let class = random.weighted(&[(1, "区内人户分离"), (4, "流入人口")]);
            (nature, "家庭户", family("承租人", class, random))
        }
        "出租" => (nature, "合租户", several(2, 4, "承租人", random)),
        _ => (nature, "", Vec::new()),
    }
}

/// A house in which many live.
fn crowd(kind: Kind, random: &mut Random) -> (&'static str, &'static str, Vec<Mover>) {
    match kind {
        Kind::Campus => ("集体宿舍", "集体户", students(random)),
        Kind::Village => ("出租", "合租户", several(5, 8, "承租人", random)),
        Kind::Shops => ("集体宿舍", "集体户", several(5, 8, "员工", random)),
        Kind::Estate | Kind::Towers if random.percent(40) => ("出租", "合租户", several(4, 7, "承租人", random)),
        Kind::Estate | Kind::Towers => ("自住", "家庭户", generations(random)),
    }
}

fn several(least: i64, most: i64, role: &'static str, random: &mut Random) -> Vec<Mover> {
    (0..random.between(least, most)).map(|_| adult(role, random)).collect()
}

fn students(random: &mut Random) -> Vec<Mover> {
    let mut students = several(6, 8, "借住", random);
    let male = random.percent(50);
    students.iter_mut().for_each(|student| (student.male, student.age) = (male, random.between(18, 25)));
    students
}

/// Parents, their grown child with a family, all under one roof.
fn generations(random: &mut Random) -> Vec<Mover> {
    let mut movers = family("产权人", "人户一致", random);
    let (surname, age) = movers.first().map_or(("王", 40), |head| (head.surname, head.age));
    let mut join = |surname, male, age: i64, relation| {
        movers.push(Mover {
            surname, male, age: age.clamp(0, 99), relation, role: "家庭成员", class: "人户一致"
        });
    };
    if age < 60 {
        join(surname, true, age + random.between(24, 30), "父母");
        join(super::words::surname(random), false, age + random.between(22, 29), "父母");
        join(surname, random.percent(51), age - random.between(25, 34), "子");
    } else {
        join(surname, true, age - random.between(24, 30), "子");
        join(super::words::surname(random), false, age - random.between(24, 30), "其他");
        join(surname, random.percent(51), age - random.between(50, 58), "其他");
    }
    movers
}
