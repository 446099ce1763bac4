//! The real streets and communities, made-up areas between them, and made-up grids in some of them.

use std::collections::BTreeMap;

use super::random::Random;
use super::sheet::Sheet;
use super::{Kind, Scale};

/// The rows of 370212 with their codes; see the note beside the file.
const DIVISIONS: &str = include_str!("../../data/laoshan.csv");

/// The street that grids are made in.
const STREET: &str = "370212001";

/// A grid.
#[derive(Debug, Clone)]
pub struct Grid {
    /// Its code: the community's and three digits.
    pub code: String,
    /// The community's name without 社区居民委员会.
    pub place: String,
    /// What is built there.
    pub kind: Kind,
    /// About how many records it gets.
    pub target: usize,
}

/// Code and name of every street (9 digits) and community (12 digits).
pub fn divisions() -> impl Iterator<Item = (&'static str, &'static str)> {
    DIVISIONS.lines().skip(1).filter_map(|line| line.split_once(','))
}

/// Code and name of every community.
pub fn communities() -> impl Iterator<Item = (&'static str, &'static str)> {
    divisions().filter(|(code, _)| code.len() == 12)
}

/// A community's name without 社区居民委员会.
pub fn short(name: &str) -> &str {
    name.trim_end_matches("居民委员会").trim_end_matches("村民委员会").trim_end_matches("社区")
}

/// The grids of a scale of at most one street.
pub fn grids(scale: Scale, random: &mut Random) -> Vec<Grid> {
    let communities = communities().filter(|(code, _)| code.starts_with(STREET));
    let (records, most) = match scale {
        Scale::Small => (300, 3),
        _ => (30_000, 30),
    };
    let mut grids = Vec::new();
    for (place, (code, name)) in communities.enumerate() {
        let short = short(name);
        let village = short.ends_with('庄') || short.ends_with('村');
        // Eight communities are large enough for two grids.
        let number = if scale == Scale::Street && place % 3 != 1 && grids.len() + 1 < most {
            1 + u8::from(place % 3 == 0)
        } else {
            1
        };
        for n in 1..=number {
            let kind = match (scale, grids.len()) {
                (Scale::Small, 0) => Kind::Towers,
                (Scale::Small, 1) => Kind::Village,
                (Scale::Small, _) => Kind::Shops,
                _ if village && n == 1 => Kind::Village,
                _ => random.weighted(&[(6, Kind::Estate), (3, Kind::Towers), (1, Kind::Shops)]),
            };
            grids.push(Grid { code: format!("{code}{n:03}"), place: short.to_owned(), kind, target: 0 });
        }
    }
    grids.truncate(most);
    let weights: Vec<u64> =
        grids.iter().map(|_| if scale == Scale::Small { 100 } else { 40 + random.below(120) }).collect();
    let all: u64 = weights.iter().sum();
    for (grid, weight) in grids.iter_mut().zip(weights) {
        grid.target = (records * weight / all.max(1)) as usize;
    }
    grids
}

/// How many communities stand under a made-up area (管区), at most.
const OF_AN_AREA: usize = 8;

/// The communities of each made-up area, with the street and the name of the area. Real areas have no codes, and no list of
/// them is public: here each is called after the first of its communities.
pub fn areas() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let mut areas = Vec::new();
    for (street, _) in divisions().filter(|(code, _)| code.len() == 9) {
        let communities: Vec<_> = communities().filter(|(code, _)| code.starts_with(street)).collect();
        let (all, number) = (communities.len(), communities.len().div_ceil(OF_AN_AREA));
        for n in 0..number {
            let some = communities.get(n * all / number..(n + 1) * all / number).unwrap_or_default();
            let name = some.first().map(|(_, name)| short(name)).unwrap_or_default();
            areas.push((street, format!("{name}管区"), some.iter().map(|(code, _)| *code).collect()));
        }
    }
    areas
}

/// The sheet of units and grids that a server makes its tree from.
pub fn sheet(grids: &[Grid]) -> Sheet {
    let mut sheet = Sheet::new("网格", &["级别", "编码", "名称", "上级编码"]);
    sheet.rows.push(vec!["区".into(), "370212".into(), "崂山区".into(), "".into()]);
    for (code, name) in divisions().filter(|(code, _)| code.len() == 9) {
        sheet.rows.push(vec!["街道".into(), code.into(), name.into(), "370212".into()]);
    }
    let mut above = BTreeMap::new();
    for (street, name, communities) in areas() {
        above.extend(communities.into_iter().map(|code| (code, format!("{street}/{name}"))));
        sheet.rows.push(vec!["管区".into(), "".into(), name.into(), street.into()]);
    }
    for (code, name) in communities() {
        let area = above.get(code).cloned().unwrap_or_default();
        sheet.rows.push(vec!["社区".into(), code.into(), name.into(), area.into()]);
    }
    for grid in grids {
        let name = format!("{}第{}网格", grid.place, grid.code.get(12..).unwrap_or_default());
        let above = grid.code.get(..12).unwrap_or_default();
        sheet.rows.push(vec!["网格".into(), grid.code.clone().into(), name.into(), above.into()]);
    }
    sheet
}
