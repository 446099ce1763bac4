//! What commands do to the tree: drafted on what stands, written whole, drafted again if somebody was faster.

use gridpass_core::codes::Date;
use gridpass_core::id::GridId;

use super::draft::Draft;
use super::error::OrgError;
use super::kinds::GRID;
use super::tree::{Node, Version};
use super::{begin_of, begin_of_day};
use crate::app::App;
use crate::db::DbError;

/// How often a change is drafted again because somebody else wrote to the tree meanwhile.
const TRIES: usize = 4;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The change cannot stand.
    #[error(transparent)]
    Org(#[from] OrgError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Others write to the tree all the time.
    #[error("others write to the tree at the same time: nothing was written, run the command again")]
    Busy,
}

/// Drafts a change and writes it with all it needs.
pub fn edit<T>(app: &App, mut act: impl FnMut(&mut Draft) -> Result<T, OrgError>) -> Result<T, ActError> {
    for _ in 0..TRIES {
        let (tree, now_ms) = (app.tree()?, app.now_ms());
        let mut draft = Draft::new(&tree, now_ms);
        let done = act(&mut draft)?;
        let ops = draft.ops();
        if ops.is_empty() || app.db.write_tree(now_ms, tree.number(), ops)? {
            return Ok(done);
        }
    }
    Err(ActError::Busy)
}

/// Makes a grid from a day, from today if none is said. Under no unit it is in no count until a sheet or a move puts it
/// under a community.
pub fn add_grid(
    app: &App,
    code: &str,
    name: &str,
    under: Option<&str>,
    from: Option<Date>,
) -> Result<GridId, ActError> {
    let from_ms = from.map_or_else(|| begin_of_day(app.now_ms()), begin_of);
    let id = GridId::derived("grid", &[code.as_bytes()]);
    edit(app, |draft| {
        let parent = match under {
            None => None,
            Some(under) => {
                let found = draft.tree().at(from_ms).find(under)?;
                Some(found.node.unit().ok_or_else(|| not_under(code, GRID, found))?)
            }
        };
        draft.add(Version {
            node: Node::Grid(id),
            kind: GRID.into(),
            parent,
            code: Some(code.into()),
            name: name.into(),
            from_ms,
            to_ms: None,
            succeeds: Vec::new(),
        })
    })?;
    Ok(id)
}

/// Lets a unit or grid stand under another from a day. False if it does already.
pub fn move_to(app: &App, what: &str, under: &str, from: Date) -> Result<bool, ActError> {
    edit(app, |draft| {
        let at = draft.tree().at(begin_of(from));
        let (what, above) = (at.find(what)?.clone(), at.find(under)?);
        let parent = above.node.unit().ok_or_else(|| not_under(what.label(), &what.kind, above))?;
        draft.change(what.node, begin_of(from), Some(parent), &what.name)
    })
}

/// Calls a unit or grid otherwise from a day. False if it is called so already.
pub fn rename(app: &App, what: &str, name: &str, from: Date) -> Result<bool, ActError> {
    edit(app, |draft| {
        let what = draft.tree().at(begin_of(from)).find(what)?.clone();
        draft.change(what.node, begin_of(from), what.parent, name.trim())
    })
}

/// Ends a unit or grid: on that day it does not exist any more. False if it ends then already.
pub fn end(app: &App, what: &str, from: Date) -> Result<bool, ActError> {
    edit(app, |draft| {
        // An end that is moved is looked for on the last day on which it exists.
        let day_before = begin_of(from).saturating_sub(1);
        let tree = draft.tree();
        let found = tree.at(day_before).find(what).or_else(|error| {
            let now = tree.at(begin_of_day(day_before).min(app.now_ms())).find(what);
            now.map_err(|_| error)
        });
        let node = found?.node;
        draft.end(node, begin_of(from))
    })
}

/// A thing named as a unit above that is a grid.
fn not_under(unit: &str, kind: &str, above: &Version) -> OrgError {
    OrgError::Under {
        unit: unit.into(),
        kind: kind.into(),
        parent: above.label().into(),
        parent_kind: above.kind.clone(),
    }
}
