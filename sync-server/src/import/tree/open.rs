//! A line on the tree: which unit it means, and what it makes or changes.

use gridpass_core::codes::Date;
use gridpass_core::id::{GridId, UnitId};

use super::Done;
use super::line::Line;
use crate::org::kinds::GRID;
use crate::org::{Draft, Node, OrgError, Version, begin_of_day};

/// Makes or changes the unit or grid of a line.
pub(super) fn open(draft: &mut Draft, line: &Line) -> Result<(Node, Done), OrgError> {
    let parent = match line.above.as_str() {
        "" => None,
        above => {
            let found =
                draft.tree().at(line.from_ms).find(above).map_err(|error| too_early(draft, line).unwrap_or(error))?;
            let unit = found.node.unit().ok_or_else(|| OrgError::Under {
                unit: line.code.as_deref().unwrap_or(&line.name).into(),
                kind: line.kind.id.clone(),
                parent: found.label().into(),
                parent_kind: found.kind.clone(),
            })?;
            Some(unit)
        }
    };
    let unit = || line.code.as_deref().unwrap_or(&line.name).to_owned();
    let node = known(draft, line, parent);
    if line.over {
        return match node {
            Some(node) => Ok((node, Done::Unchanged)),
            None => Err(OrgError::Over { unit: unit(), day: Date::in_china(line.from_ms.saturating_add(1)) }),
        };
    }
    let succeeds = follows(draft, line)?;
    if let Some((node, newest)) = node.and_then(|node| Some((node, draft.tree().newest(node)?))) {
        if newest.kind != line.kind.id {
            return Err(OrgError::OtherKind { unit: unit(), kind: newest.kind.clone() });
        }
        let same = |version: &Version| version.parent == parent && version.name == line.name;
        // What was made by a clock and not by a day begins in the middle of a day.
        let same_day = !line.dated && begin_of_day(newest.from_ms) == line.from_ms;
        let from_ms = if same_day { newest.from_ms } else { line.from_ms };
        if from_ms < newest.until() {
            let begins = |version: &Version| succeeds.is_empty() || version.succeeds == succeeds;
            if !draft.tree().versions(node).iter().any(begins) {
                return Err(OrgError::FollowsLate { unit: unit() });
            }
            let planned = !line.dated && same(newest);
            if planned || draft.tree().at(from_ms).get(node).is_some_and(same) {
                return Ok((node, Done::Unchanged));
            }
            draft.change(node, from_ms, parent, &line.name)?;
            return Ok((node, Done::Changed));
        }
        if !line.dated {
            return Err(OrgError::Ended { unit: unit(), day: Date::in_china(newest.until()) });
        }
    }
    let version = Version {
        node: node.unwrap_or_else(|| fresh(draft, line, parent)),
        kind: line.kind.id.clone(),
        parent,
        code: line.code.clone(),
        name: line.name.clone(),
        from_ms: line.from_ms,
        to_ms: None,
        succeeds,
    };
    let node = version.node;
    draft.add(version)?;
    Ok((node, Done::Created))
}

/// Why a line of a day before its unit begins cannot stand, whatever stands above then.
fn too_early(draft: &Draft, line: &Line) -> Option<OrgError> {
    let node = line.code.as_ref().and_then(|_| known(draft, line, None))?;
    let begins = draft.tree().versions(node).first()?.from_ms;
    (line.from_ms < begins).then(|| OrgError::Before {
        unit: line.code.clone().unwrap_or_default(),
        day: Date::in_china(line.from_ms),
        begins: Date::in_china(begins),
    })
}

/// The unit or grid that a line means, if there is one: by its code, or by the unit above and its name.
fn known(draft: &Draft, line: &Line, parent: Option<UnitId>) -> Option<Node> {
    let is_grid = line.kind.id == GRID;
    let tree = draft.tree();
    let called = |said: &str| -> Vec<Node> { tree.ever_called(said).collect() };
    match &line.code {
        Some(code) => {
            let has = |node: &Node| tree.versions(*node).iter().any(|version| version.code.as_ref() == Some(code));
            let mut found: Vec<Node> = called(code);
            found.retain(|node| matches!(node, Node::Grid(_)) == is_grid && has(node));
            // One that exists on the day goes before one that had the code before.
            let standing = found.iter().find(|node| tree.at(line.from_ms).get(**node).is_some());
            standing.or(found.first()).copied()
        }
        None => {
            let same = |version: &Version| {
                (version.parent, &version.kind, &version.name) == (parent, &line.kind.id, &line.name)
            };
            let (at, found) = (tree.at(line.from_ms), called(&line.name));
            let standing = found.iter().find(|node| at.get(**node).is_some_and(same));
            standing.or_else(|| found.iter().find(|node| tree.newest(**node).is_some_and(same))).copied()
        }
    }
}

/// The id of what is made: it follows from the code, or from the unit above, the kind and the name. If another has come
/// from those before, the day tells them apart.
fn fresh(draft: &Draft, line: &Line, parent: Option<UnitId>) -> Node {
    let Some(code) = &line.code else {
        let parent = parent.unwrap_or_default();
        let (kind, name) = (line.kind.id.as_bytes(), line.name.as_bytes());
        let first = UnitId::derived("unit by name", &[parent.as_bytes(), kind, name]);
        if draft.tree().versions(Node::Unit(first)).is_empty() {
            return Node::Unit(first);
        }
        let day = line.from_ms.to_be_bytes();
        return Node::Unit(UnitId::derived("unit by name", &[parent.as_bytes(), kind, name, &day]));
    };
    match line.kind.id.as_str() {
        GRID => Node::Grid(GridId::derived("grid", &[code.as_bytes()])),
        _ => Node::Unit(UnitId::derived("unit", &[code.as_bytes()])),
    }
}

/// What a line follows, as it stood the moment before or as it stands then.
fn follows(draft: &Draft, line: &Line) -> Result<Vec<Node>, OrgError> {
    let is_grid = line.kind.id == GRID;
    let find = |said: &String| {
        let at = |now_ms: i64| draft.tree().at(now_ms).find(said).ok().map(|version| version.node);
        let found = at(line.from_ms.saturating_sub(1)).or_else(|| at(line.from_ms));
        found.filter(|node| matches!(node, Node::Grid(_)) == is_grid).ok_or_else(|| OrgError::Follows {
            unit: line.code.as_deref().unwrap_or(&line.name).into(),
            said: said.clone(),
        })
    };
    line.succeeds.iter().map(find).collect()
}
