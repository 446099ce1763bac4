//! The tree in memory: every version of every unit and grid, and what stands as of a moment.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::id::{GridId, UnitId};

use super::kinds::GRID;

/// A place of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A unit.
    Unit(UnitId),
    /// A grid.
    Grid(GridId),
}

impl Node {
    /// The bytes of its id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Unit(id) => id.as_bytes(),
            Self::Grid(id) => id.as_bytes(),
        }
    }

    /// The unit, if it is one.
    pub fn unit(self) -> Option<UnitId> {
        if let Self::Unit(id) = self { Some(id) } else { None }
    }
}

/// What holds of a unit or grid from one moment until another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Of what.
    pub node: Node,
    /// Its kind, a word of `org/kinds.toml`.
    pub kind: String,
    /// The unit above.
    pub parent: Option<UnitId>,
    /// Its code.
    pub code: Option<String>,
    /// Its name.
    pub name: String,
    /// From when it counts, in milliseconds since 1970.
    pub from_ms: i64,
    /// Until when, not included.
    pub to_ms: Option<i64>,
    /// What it follows: one unit, or several that were merged.
    pub succeeds: Vec<Node>,
}

impl Version {
    /// Whether it counts at a moment.
    pub fn counts_at(&self, now_ms: i64) -> bool {
        self.from_ms <= now_ms && now_ms < self.until()
    }

    /// Whether it counts at any moment of a time.
    pub fn meets(&self, from_ms: i64, until_ms: i64) -> bool {
        self.from_ms < until_ms && from_ms < self.until()
    }

    /// When it ends; the end of time if it does not.
    pub fn until(&self) -> i64 {
        self.to_ms.unwrap_or(i64::MAX)
    }

    /// What people call it in a message: the code, or the name where there is none.
    pub fn label(&self) -> &str {
        self.code.as_deref().unwrap_or(&self.name)
    }
}

/// Every version of every unit and grid, as they stood in the database at one number.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    number: u64,
    /// The versions of each, in the order of time.
    nodes: BTreeMap<Node, Vec<Version>>,
    /// What has ever stood under a unit.
    below: BTreeMap<UnitId, BTreeSet<Node>>,
    /// What has ever been called so, by code or by name.
    called: BTreeMap<String, BTreeSet<Node>>,
}

impl Tree {
    /// A tree of versions; `number` is that of the database, which every write to the tree raises.
    pub fn new(number: u64, versions: impl IntoIterator<Item = Version>) -> Self {
        let mut tree = Self { number, ..Self::default() };
        versions.into_iter().for_each(|version| tree.put(version));
        tree
    }

    /// The number of the database it was loaded at.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The tree as of a moment; costs nothing.
    pub fn at(&self, now_ms: i64) -> At<'_> {
        At { tree: self, now_ms }
    }

    /// The versions of a unit or grid in the order of time; none if it never was.
    pub fn versions(&self, node: Node) -> &[Version] {
        self.nodes.get(&node).map(Vec::as_slice).unwrap_or_default()
    }

    /// The newest version of a unit or grid.
    pub fn newest(&self, node: Node) -> Option<&Version> {
        self.versions(node).last()
    }

    /// Every unit and grid that ever was, with its versions.
    pub fn all(&self) -> impl Iterator<Item = &[Version]> {
        self.nodes.values().map(Vec::as_slice)
    }

    /// What has ever stood under a unit.
    pub fn ever_below(&self, unit: UnitId) -> impl Iterator<Item = Node> {
        self.below.get(&unit).into_iter().flatten().copied()
    }

    /// What has ever had a code or a name.
    pub fn ever_called(&self, said: &str) -> impl Iterator<Item = Node> {
        self.called.get(said).into_iter().flatten().copied()
    }

    /// Adds a version, in place of the one that begins at the same moment if there is one.
    pub(super) fn put(&mut self, version: Version) {
        if let Some(parent) = version.parent {
            self.below.entry(parent).or_default().insert(version.node);
        }
        for said in version.code.iter().chain([&version.name]) {
            self.called.entry(said.clone()).or_default().insert(version.node);
        }
        let versions = self.nodes.entry(version.node).or_default();
        match versions.binary_search_by_key(&version.from_ms, |version| version.from_ms) {
            Ok(place) => versions.splice(place..=place, [version]).for_each(drop),
            Err(place) => versions.insert(place, version),
        }
    }
}

/// The tree as of a moment.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub(super) tree: &'a Tree,
    pub(super) now_ms: i64,
}

impl<'a> At<'a> {
    /// A unit or grid, if it exists then.
    pub fn get(&self, node: Node) -> Option<&'a Version> {
        let versions = self.tree.versions(node);
        let begun = versions.partition_point(|version| version.from_ms <= self.now_ms);
        versions.get(begun.checked_sub(1)?).filter(|version| version.counts_at(self.now_ms))
    }

    /// A unit or grid and everything above it, upward; empty if it does not exist then.
    pub fn path(&self, node: Node) -> impl Iterator<Item = &'a Version> + use<'a> {
        let at = *self;
        let mut seen = BTreeSet::new();
        std::iter::successors(at.get(node), move |below| {
            // A circle is never written; if a row was altered by hand, the path ends where it would begin again.
            seen.insert(below.node);
            let above = Node::Unit(below.parent?);
            if seen.contains(&above) { None } else { at.get(above) }
        })
    }

    /// Whether a unit or grid is a unit or stands somewhere under it; false if it does not exist then.
    pub fn within(&self, node: Node, unit: UnitId) -> bool {
        self.path(node).any(|version| version.node == Node::Unit(unit))
    }

    /// What stands directly under a unit, by kind, code and name.
    pub fn below(&self, unit: UnitId) -> Vec<&'a Version> {
        let standing = self.tree.ever_below(unit).filter_map(|node| self.get(node));
        in_order(standing.filter(|version| version.parent == Some(unit)).collect())
    }

    /// What stands under nothing, or under what does not exist then.
    pub fn tops(&self) -> Vec<&'a Version> {
        let standing = self.tree.nodes.keys().filter_map(|node| self.get(*node));
        let loose = |version: &&Version| version.parent.is_none_or(|parent| self.get(Node::Unit(parent)).is_none());
        in_order(standing.filter(loose).collect())
    }

    /// Every unit that exists then with how deep it stands, from the top, what stands below right after what stands above.
    pub fn units(&self) -> Vec<(usize, &'a Version)> {
        let (mut units, mut waiting) = (Vec::new(), Vec::new());
        waiting.extend(self.tops().into_iter().rev().map(|version| (0, version)));
        while let Some((depth, version)) = waiting.pop() {
            let Node::Unit(unit) = version.node else { continue };
            units.push((depth, version));
            waiting.extend(self.below(unit).into_iter().rev().map(|version| (depth + 1, version)));
        }
        units
    }

    /// Every grid that exists then.
    pub fn grids(&self) -> impl Iterator<Item = GridId> + use<'a> {
        let at = *self;
        // Grids are ordered behind units.
        let grids = self.tree.nodes.range(Node::Grid(GridId::default())..);
        grids.filter_map(move |(node, _)| match at.get(*node)?.node {
            Node::Grid(grid) => Some(grid),
            Node::Unit(_) => None,
        })
    }

    /// All grids under a unit.
    pub fn grids_under(&self, unit: UnitId) -> Vec<GridId> {
        let (mut grids, mut units, mut seen) = (Vec::new(), vec![unit], BTreeSet::from([unit]));
        while let Some(unit) = units.pop() {
            for node in self.tree.ever_below(unit) {
                match self.get(node) {
                    Some(version) if version.parent == Some(unit) => match version.node {
                        Node::Grid(grid) => grids.push(grid),
                        Node::Unit(below) if seen.insert(below) => units.push(below),
                        Node::Unit(_) => {}
                    },
                    _ => {}
                }
            }
        }
        grids.sort_unstable();
        grids
    }

    /// The unit of a kind that a unit or grid is or stands under.
    pub fn above(&self, node: Node, kind: &str) -> Option<&'a Version> {
        self.path(node).find(|version| version.kind == kind)
    }

    /// The names from the top to a unit or grid, as a path that finds it.
    pub fn path_text(&self, node: Node) -> String {
        let mut names: Vec<&str> = self.path(node).map(|version| version.name.as_str()).collect();
        names.reverse();
        names.join("/")
    }
}

/// By kind from the top, grids last, then by code and name.
fn in_order(mut found: Vec<&Version>) -> Vec<&Version> {
    let rank = |version: &Version| (version.kind == GRID, super::kinds::kinds().rank(&version.kind));
    found.sort_by(|a, b| (rank(a), &a.code, &a.name).cmp(&(rank(b), &b.code, &b.name)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(node: Node, kind: &str, parent: Option<u32>, name: String) -> Version {
        let parent = parent.map(unit_id);
        Version { node, kind: kind.into(), parent, code: None, name, from_ms: 0, to_ms: None, succeeds: Vec::new() }
    }

    fn unit_id(n: u32) -> UnitId {
        UnitId::derived("test", &[&n.to_be_bytes()])
    }

    fn grid(n: u32) -> Node {
        Node::Grid(GridId::derived("test", &[&n.to_be_bytes()]))
    }

    /// District 0, streets from 1 on, communities from 1000 on, each with so many grids.
    fn district(streets: u32, communities: u32, grids: u32) -> Tree {
        let mut versions = vec![version(Node::Unit(unit_id(0)), "district", None, "区".into())];
        for street in 1..=streets {
            versions.push(version(Node::Unit(unit_id(street)), "street", Some(0), format!("{street}街道")));
            for community in 0..communities {
                let community = 1000 * street + community;
                let unit = Node::Unit(unit_id(community));
                versions.push(version(unit, "community", Some(street), format!("{community}社区")));
                for n in 0..grids {
                    versions.push(version(grid(1000 * community + n), GRID, Some(community), format!("{n}网格")));
                }
            }
        }
        Tree::new(1, versions)
    }

    #[test]
    fn grids_are_found_under_every_unit_of_a_large_district() {
        let mut tree = district(20, 50, 20);
        let now = tree.at(5);
        assert_eq!(now.grids().count(), 20_000);
        assert_eq!(now.grids_under(unit_id(0)).len(), 20_000);
        assert!((1..=20).all(|street| now.grids_under(unit_id(street)).len() == 1000));
        assert_eq!(now.grids_under(unit_id(3007)).len(), 20);
        assert!(now.within(grid(3_007_004), unit_id(3)) && !now.within(grid(3_007_004), unit_id(4)));
        assert_eq!(now.find("3街道/3007社区/4网格").unwrap().node, grid(3_007_004));
        assert!(matches!(now.find("4网格"), Err(crate::org::OrgError::Ambiguous { paths, .. }) if paths.len() == 4));

        let community = tree.newest(Node::Unit(unit_id(3007))).unwrap().clone();
        tree.put(Version { to_ms: Some(10), ..community.clone() });
        tree.put(Version { parent: Some(unit_id(4)), from_ms: 10, ..community });
        let count = |now, street| tree.at(now).grids_under(unit_id(street)).len();
        assert_eq!([count(9, 3), count(9, 4), count(10, 3), count(10, 4)], [1000, 1000, 980, 1020]);
        assert_eq!(tree.at(10).path_text(grid(3_007_004)), "区/4街道/3007社区/4网格");
        assert_eq!(tree.at(-1).grids().count(), 0);
        assert!(!tree.at(-1).within(grid(3_007_004), unit_id(0)));
    }

    #[test]
    fn a_circle_that_somebody_wrote_by_hand_ends_the_way_up() {
        let a = version(Node::Unit(unit_id(1)), "department", Some(2), "a".into());
        let b = version(Node::Unit(unit_id(2)), "department", Some(1), "b".into());
        let tree = Tree::new(1, [a, b]);
        assert_eq!(tree.at(0).path(Node::Unit(unit_id(1))).count(), 2);
        assert!(tree.at(0).grids_under(unit_id(1)).is_empty());
    }
}
