//! Changes of the tree. Each is checked against all that stands, then noted; a database applies the notes together.

use gridpass_core::codes::Date;
use gridpass_core::id::UnitId;

use super::begin_of_day;
use super::error::OrgError;
use super::kinds::{CodeRule, kinds};
use super::tree::{Node, Tree, Version};

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A version of what did not exist then.
    Add(Version),
    /// The version that begins at `closes` ends where this one begins.
    Change {
        /// The beginning of the version before.
        closes: i64,
        /// The next.
        version: Version,
        /// What is new: `parent`, `name`.
        changed: Vec<&'static str>,
    },
    /// A version that has not counted yet, or only today, is put right.
    Correct {
        /// As it shall be.
        version: Version,
        /// What is new.
        changed: Vec<&'static str>,
    },
    /// A version ends.
    End {
        /// Whose.
        node: Node,
        /// Where it begins.
        from_ms: i64,
        /// Where it ends.
        at_ms: i64,
    },
}

/// A tree that is being changed.
#[derive(Debug)]
pub struct Draft {
    tree: Tree,
    now_ms: i64,
    ops: Vec<Op>,
}

impl Draft {
    /// Begins with what stands.
    pub fn new(tree: &Tree, now_ms: i64) -> Self {
        Self { tree: tree.clone(), now_ms, ops: Vec::new() }
    }

    /// The tree with the changes so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The changes, in the order they have to be applied.
    pub fn ops(self) -> Vec<Op> {
        self.ops
    }

    /// Makes a unit or grid, or lets one that has ended exist again.
    pub fn add(&mut self, version: Version) -> Result<(), OrgError> {
        let name = version.name.trim();
        if name.is_empty() || name.contains('/') {
            return Err(OrgError::Name { name: version.name });
        }
        if let Some(newest) = self.tree.newest(version.node) {
            if newest.kind != version.kind {
                return Err(OrgError::OtherKind { unit: version.label().into(), kind: newest.kind.clone() });
            }
            if version.from_ms < newest.until() {
                return Err(self.before(newest, version.from_ms));
            }
        }
        self.settle(&version)?;
        self.tree.put(version.clone());
        self.ops.push(Op::Add(version));
        Ok(())
    }

    /// Lets a unit or grid stand elsewhere or be called otherwise from a moment. False if it does already.
    pub fn change(&mut self, node: Node, at_ms: i64, parent: Option<UnitId>, name: &str) -> Result<bool, OrgError> {
        let newest = self.standing(node, at_ms)?;
        let changed: Vec<&str> = [("parent", newest.parent != parent), ("name", newest.name != name)]
            .into_iter()
            .filter_map(|(what, differs)| differs.then_some(what))
            .collect();
        if changed.is_empty() {
            return Ok(false);
        }
        if name.trim().is_empty() || name.contains('/') {
            return Err(OrgError::Name { name: name.into() });
        }
        let closes = newest.from_ms;
        if at_ms == closes && at_ms < begin_of_day(self.now_ms) {
            return Err(OrgError::Past { unit: newest.label().into(), day: Date::in_china(at_ms) });
        }
        let version = Version { parent, name: name.into(), from_ms: at_ms, ..newest.clone() };
        self.settle(&version)?;
        if at_ms == closes {
            self.tree.put(version.clone());
            self.ops.push(Op::Correct { version, changed });
        } else {
            self.tree.put(Version { to_ms: Some(at_ms), ..newest.clone() });
            // What it follows is said of its beginning.
            let version = Version { succeeds: Vec::new(), ..version };
            self.tree.put(version.clone());
            self.ops.push(Op::Change { closes, version, changed });
        }
        Ok(true)
    }

    /// Ends a unit or grid. An end that has not come yet may be moved. False if it ends then already.
    pub fn end(&mut self, node: Node, at_ms: i64) -> Result<bool, OrgError> {
        let Some(newest) = self.tree.newest(node).cloned() else { return Err(self.unknown(node, at_ms)) };
        if newest.to_ms == Some(at_ms) {
            return Ok(false);
        }
        if at_ms <= newest.from_ms {
            return Err(self.before(&newest, at_ms));
        }
        match newest.to_ms {
            Some(to_ms) if to_ms < begin_of_day(self.now_ms) => {
                return Err(OrgError::Ended { unit: newest.label().into(), day: Date::in_china(to_ms) });
            }
            // Later than before: what stands above has to be there as long.
            Some(to_ms) if to_ms < at_ms => self.settle(&Version { to_ms: Some(at_ms), ..newest.clone() })?,
            _ => self.holds_nothing(&newest, at_ms)?,
        }
        let from_ms = newest.from_ms;
        self.tree.put(Version { to_ms: Some(at_ms), ..newest });
        self.ops.push(Op::End { node, from_ms, at_ms });
        Ok(true)
    }

    /// The newest version, which must be that of the moment.
    fn standing(&self, node: Node, at_ms: i64) -> Result<Version, OrgError> {
        let Some(newest) = self.tree.newest(node) else { return Err(self.unknown(node, at_ms)) };
        if at_ms < newest.from_ms {
            return Err(self.before(newest, at_ms));
        }
        match newest.to_ms {
            Some(to_ms) if to_ms <= at_ms => {
                Err(OrgError::Ended { unit: newest.label().into(), day: Date::in_china(to_ms) })
            }
            _ => Ok(newest.clone()),
        }
    }

    fn before(&self, newest: &Version, at_ms: i64) -> OrgError {
        let (day, begins) = (Date::in_china(at_ms), Date::in_china(newest.from_ms));
        OrgError::Before { unit: newest.label().into(), day, begins }
    }

    fn unknown(&self, node: Node, at_ms: i64) -> OrgError {
        OrgError::NoSuch { said: gridpass_core::id::hex(node.as_bytes()), day: Date::in_china(at_ms) }
    }

    /// Whether a version may stand beside all others.
    fn settle(&self, version: &Version) -> Result<(), OrgError> {
        let unit = || version.label().to_owned();
        let kind = kinds().get(&version.kind);
        if version.code.is_none() && kind.is_some_and(|kind| kind.code == CodeRule::Must) {
            return Err(OrgError::NeedsCode { name: version.name.clone(), kind: version.kind.clone() });
        }
        match version.parent {
            Some(parent) => self.stands_under(version, parent)?,
            None if kind.is_some_and(|kind| kind.under.is_empty() || kind.alone) => {}
            None => return Err(OrgError::NeedsParent { unit: unit(), kind: version.kind.clone() }),
        }
        self.code_is_free(version)?;
        self.name_is_free(version)
    }

    /// Whether the unit above is of a fitting kind, exists as long, and does not stand under this one.
    fn stands_under(&self, version: &Version, parent: UnitId) -> Result<(), OrgError> {
        let unit = || version.label().to_owned();
        let above = self.tree.versions(Node::Unit(parent));
        let Some(newest) = above.last() else {
            let parent = gridpass_core::id::hex(parent.as_bytes());
            return Err(OrgError::ParentLacks { unit: unit(), parent, day: Date::in_china(version.from_ms) });
        };
        if !kinds().get(&version.kind).is_some_and(|kind| kind.under.contains(&newest.kind)) {
            return Err(OrgError::Under {
                unit: unit(),
                kind: version.kind.clone(),
                parent: newest.label().into(),
                parent_kind: newest.kind.clone(),
            });
        }
        let mut covered = version.from_ms;
        for part in above.iter().filter(|part| part.meets(version.from_ms, version.until())) {
            if part.from_ms > covered {
                break;
            }
            covered = part.until();
        }
        if covered < version.until() {
            let day = Date::in_china(covered);
            return Err(OrgError::ParentLacks { unit: unit(), parent: newest.label().into(), day });
        }
        if self.leads_to(parent, version.node, version.from_ms, version.until()) {
            return Err(OrgError::Cycle { unit: unit(), parent: newest.label().into() });
        }
        Ok(())
    }

    /// Whether the way up from a unit comes to a node at any moment of a time.
    fn leads_to(&self, from: UnitId, node: Node, from_ms: i64, until_ms: i64) -> bool {
        if Node::Unit(from) == node {
            return true;
        }
        let parts = self.tree.versions(Node::Unit(from)).iter().filter(|part| part.meets(from_ms, until_ms));
        let mut above =
            parts.filter_map(|part| Some((part.parent?, part.from_ms.max(from_ms), part.until().min(until_ms))));
        // What stands has no circle, so each way up ends.
        above.any(|(parent, from_ms, until_ms)| self.leads_to(parent, node, from_ms, until_ms))
    }

    fn code_is_free(&self, version: &Version) -> Result<(), OrgError> {
        let Some(code) = &version.code else { return Ok(()) };
        let others = self.tree.ever_called(code).filter(|node| *node != version.node);
        let mut taken = others.flat_map(|node| self.tree.versions(node));
        match taken.find(|other| other.code.as_ref() == Some(code) && other.meets(version.from_ms, version.until())) {
            Some(other) => Err(OrgError::CodeTaken {
                code: code.clone(),
                by: other.name.clone(),
                day: Date::in_china(other.from_ms.max(version.from_ms)),
            }),
            None => Ok(()),
        }
    }

    fn name_is_free(&self, version: &Version) -> Result<(), OrgError> {
        if version.code.is_some() {
            return Ok(());
        }
        let others = self.tree.ever_called(&version.name).filter(|node| *node != version.node);
        let same = |other: &&Version| {
            other.code.is_none()
                && (other.parent, &other.kind, &other.name) == (version.parent, &version.kind, &version.name)
                && other.meets(version.from_ms, version.until())
        };
        match others.flat_map(|node| self.tree.versions(node)).find(same) {
            Some(other) => {
                let above = version.parent.and_then(|parent| self.tree.newest(Node::Unit(parent)));
                Err(OrgError::NameTaken {
                    name: version.name.clone(),
                    parent: above.map(|above| above.label().to_owned()).unwrap_or_default(),
                    day: Date::in_china(other.from_ms.max(version.from_ms)),
                })
            }
            None => Ok(()),
        }
    }

    /// Whether nothing stands under a unit from a moment on.
    fn holds_nothing(&self, version: &Version, at_ms: i64) -> Result<(), OrgError> {
        let Node::Unit(unit) = version.node else { return Ok(()) };
        let stays = |part: &&Version| part.parent == Some(unit) && part.until() > at_ms;
        let below: Vec<&Version> =
            self.tree.ever_below(unit).filter_map(|node| self.tree.versions(node).iter().find(stays)).collect();
        match below.first() {
            Some(first) => Err(OrgError::Holds {
                unit: version.label().into(),
                day: Date::in_china(at_ms),
                below: first.label().into(),
                count: below.len(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use gridpass_core::id::GridId;

    use super::*;
    use crate::org::begin_of;

    fn at(day: &str) -> i64 {
        begin_of(day.parse().unwrap())
    }

    fn unit(n: u8, kind: &str, parent: Option<u8>, code: Option<&str>) -> Version {
        Version {
            node: Node::Unit(UnitId([n; 16])),
            kind: kind.into(),
            parent: parent.map(|n| UnitId([n; 16])),
            code: code.map(str::to_owned),
            name: format!("{n}号"),
            from_ms: at("2027-01-01"),
            to_ms: None,
            succeeds: Vec::new(),
        }
    }

    fn node(n: u8) -> Node {
        Node::Unit(UnitId([n; 16]))
    }

    /// District 1, streets 2 and 3, department 4 with 5 under it, area 6 under 2.
    fn draft() -> Draft {
        let mut draft = Draft::new(&Tree::default(), at("2027-01-15"));
        for version in [
            unit(1, "district", None, Some("370212")),
            unit(2, "street", Some(1), Some("370212001")),
            unit(3, "street", Some(1), Some("370212002")),
            unit(4, "department", Some(1), None),
            unit(5, "department", Some(4), None),
            unit(6, "area", Some(2), None),
        ] {
            draft.add(version).unwrap();
        }
        draft
    }

    #[test]
    fn a_kind_stands_under_its_kinds_only() {
        let mut draft = draft();
        let mut refused = |version: Version| draft.add(version).unwrap_err().code();
        assert_eq!(refused(unit(7, "area", Some(1), None)), "unit_under");
        assert_eq!(refused(unit(7, "street", None, Some("7"))), "unit_parent");
        assert_eq!(refused(unit(7, "community", Some(6), None)), "unit_code");
        assert_eq!(refused(unit(7, "pond", Some(6), None)), "unit_under");
        assert_eq!(refused(unit(7, "area", Some(9), None)), "parent_lacks");
        assert_eq!(refused(Version { name: " ".into(), ..unit(7, "area", Some(2), None) }), "unit_name");
        assert_eq!(
            refused(Version { kind: "street".into(), to_ms: None, ..unit(6, "area", Some(1), Some("6")) }),
            "unit_kind"
        );
        let grid = Version { node: Node::Grid(GridId([8; 16])), ..unit(8, "grid", None, Some("8")) };
        draft.add(grid).unwrap();
        let error =
            draft.change(Node::Grid(GridId([8; 16])), at("2027-02-01"), Some(UnitId([6; 16])), "8号").unwrap_err();
        assert_eq!(error.to_string(), "8 (网格) cannot stand under 6号 (管区); name one of 社区");
    }

    #[test]
    fn nothing_stands_under_itself_at_any_time() {
        let mut draft = draft();
        let error = draft.change(node(4), at("2027-02-01"), Some(UnitId([5; 16])), "4号").unwrap_err();
        assert_eq!(error.code(), "unit_cycle");
        assert_eq!(
            draft.change(node(4), at("2027-02-01"), Some(UnitId([4; 16])), "4号").unwrap_err().code(),
            "unit_cycle"
        );
        // From March on 5 stands elsewhere, but before it would close a circle.
        draft.change(node(5), at("2027-03-01"), Some(UnitId([1; 16])), "5号").unwrap();
        assert!(draft.change(node(4), at("2027-02-01"), Some(UnitId([5; 16])), "4号").is_err());
        assert!(draft.change(node(4), at("2027-03-01"), Some(UnitId([5; 16])), "4号").unwrap());
    }

    #[test]
    fn what_stands_above_exists_as_long() {
        let mut draft = draft();
        assert_eq!(draft.end(node(2), at("2027-02-01")).unwrap_err().code(), "unit_holds");
        draft.change(node(6), at("2027-02-01"), Some(UnitId([3; 16])), "6号").unwrap();
        assert!(draft.end(node(2), at("2027-02-01")).unwrap(), "what stood under it has moved by then");
        let late = draft.change(node(6), at("2027-02-10"), Some(UnitId([2; 16])), "6号").unwrap_err();
        assert!(late.to_string().contains("370212001 does not exist on 2027-02-10"), "{late}");
        let early = Version { from_ms: at("2026-12-31"), ..unit(7, "area", Some(3), None) };
        let early = draft.add(early).unwrap_err();
        assert!(early.to_string().contains("370212002 does not exist on 2026-12-31"), "{early}");
        // A gap in the middle is found too.
        draft.add(Version { from_ms: at("2027-04-01"), ..unit(2, "street", Some(1), Some("370212001")) }).unwrap();
        let over = Version { from_ms: at("2027-01-20"), ..unit(7, "area", Some(2), None) };
        let over = draft.add(over).unwrap_err();
        assert!(over.to_string().contains("370212001 does not exist on 2027-02-01"), "{over}");
    }

    #[test]
    fn a_code_and_a_name_without_code_are_one_units_at_a_time() {
        let mut draft = draft();
        assert_eq!(draft.add(unit(7, "street", Some(1), Some("370212001"))).unwrap_err().code(), "code_taken");
        let same = |from_ms| Version { name: "6号".into(), from_ms, ..unit(7, "area", Some(2), None) };
        assert_eq!(draft.add(same(at("2027-03-01"))).unwrap_err().code(), "name_taken");
        draft.add(Version { code: Some("G7".into()), node: node(8), ..same(at("2027-03-01")) }).unwrap();
        draft.end(node(6), at("2027-03-01")).unwrap();
        draft.add(same(at("2027-03-01"))).unwrap();
        draft.change(node(7), at("2027-04-01"), Some(UnitId([3; 16])), "6号").unwrap();
        assert_eq!(
            draft.end(node(6), at("2027-03-02")).unwrap_err().code(),
            "name_taken",
            "an end that is moved too far"
        );
    }

    #[test]
    fn a_change_closes_a_version_and_opens_the_next() {
        let mut draft = draft();
        assert!(!draft.change(node(6), at("2027-02-01"), Some(UnitId([2; 16])), "6号").unwrap());
        assert!(draft.change(node(6), at("2027-02-01"), Some(UnitId([2; 16])), "新管区").unwrap());
        let names = |draft: &Draft| -> Vec<(String, i64, Option<i64>)> {
            let versions = draft.tree().versions(node(6)).iter();
            versions.map(|version| (version.name.clone(), version.from_ms, version.to_ms)).collect()
        };
        let (january, february) = (at("2027-01-01"), at("2027-02-01"));
        assert_eq!(names(&draft), [("6号".into(), january, Some(february)), ("新管区".into(), february, None)]);
        assert_eq!(draft.change(node(6), january, None, "x").unwrap_err().code(), "before_newest");
        assert_eq!(draft.change(node(3), january, Some(UnitId([1; 16])), "x").unwrap_err().code(), "past_version");
        assert!(draft.change(node(6), february, Some(UnitId([2; 16])), "更新管区").unwrap());
        assert_eq!(names(&draft).len(), 2, "what has not counted yet is put right");
        assert_eq!(draft.end(node(6), february).unwrap_err().code(), "before_newest");
        draft.end(node(6), at("2027-03-01")).unwrap();
        assert_eq!(draft.change(node(6), at("2027-03-01"), None, "x").unwrap_err().code(), "unit_ended");
        assert_eq!(
            draft.add(Version { from_ms: at("2027-02-20"), ..unit(6, "area", Some(2), None) }).unwrap_err().code(),
            "before_newest"
        );
    }
}
