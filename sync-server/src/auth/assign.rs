//! Giving somebody a role at a post for a time.

use gridpass_core::catalog::Role;
use gridpass_core::id::{GrantId, UserId};

use crate::app::App;
use crate::db::{AssignmentRow, DbError, Duty, Principal};
use crate::keys::{KeyError, random};
use crate::org::Node;

/// A role at a post, from a moment until just before another.
#[derive(Debug, Clone)]
pub struct NewAssignment {
    /// Who.
    pub user: UserId,
    /// Where.
    pub post: Node,
    /// What the post is: the kind of the grid or unit.
    pub kind: String,
    /// As what.
    pub role: String,
    /// As whom.
    pub duty: Duty,
    /// From when, in milliseconds since 1970.
    pub from_ms: i64,
    /// Until when; none for open.
    pub to_ms: Option<i64>,
}

/// Why nobody is assigned.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// The catalog has no such role.
    #[error("role: there is no role `{role}`; use one of {}", known.join(", "))]
    UnknownRole {
        /// The role.
        role: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The role is not held there.
    #[error("role: `{role}` is not held at a {kind}; it is held at: {}", posts.join(", "))]
    Post {
        /// The role.
        role: String,
        /// What the post is.
        kind: String,
        /// Where the role is held.
        posts: Vec<String>,
    },
    /// It ends before it begins.
    #[error("to: the assignment would end before it begins; give a later day")]
    Backwards,
    /// The person has a role that excludes this one at that time.
    #[error(
        "role: `{role}` excludes `{held}`, which this person holds at that time; end that first or choose somebody else"
    )]
    Exclusive {
        /// The role.
        role: String,
        /// The one that is held.
        held: String,
    },
    /// The person serves there already at that time.
    #[error("from: this person serves there as `{role}` at that time already; end that first (user unassign)")]
    Already {
        /// The role.
        role: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// Assigns somebody; the answer is the grant.
pub fn assign(app: &App, new: NewAssignment) -> Result<GrantId, AssignError> {
    let now_ms = app.now_ms();
    let catalogs = app.catalogs();
    let roles = catalogs.roles();
    let NewAssignment { user, post, kind, role, duty, from_ms, to_ms } = new;
    let Some(found) = roles.get(&role) else {
        return Err(AssignError::UnknownRole { role, known: roles.keys().cloned().collect() });
    };
    if !found.posts.contains(&kind) {
        return Err(AssignError::Post { role, kind, posts: found.posts.clone() });
    }
    let row = AssignmentRow { grant: GrantId(random()?), post, role, duty, from_ms, to_ms };
    if to_ms.is_some_and(|to| to <= from_ms) {
        return Err(AssignError::Backwards);
    }
    let held = app.db.assignments(&Principal::SERVER, now_ms, user)?;
    let meanwhile = || held.iter().filter(|held| overlap(held, &row));
    if meanwhile().any(|held| held.post == row.post && held.role == row.role) {
        return Err(AssignError::Already { role: row.role });
    }
    let excluded = |held: &&AssignmentRow| {
        let group = |role: &Role| role.exclusive.clone();
        held.role != row.role && found.exclusive.is_some() && roles.get(&held.role).and_then(group) == found.exclusive
    };
    if let Some(held) = meanwhile().find(excluded) {
        return Err(AssignError::Exclusive { role: row.role, held: held.role.clone() });
    }
    app.db.assign(now_ms, user, &row)?;
    Ok(row.grant)
}

/// Whether two assignments count at some time together.
fn overlap(one: &AssignmentRow, other: &AssignmentRow) -> bool {
    let before = |one: &AssignmentRow, other: &AssignmentRow| one.to_ms.is_some_and(|to| to <= other.from_ms);
    !before(one, other) && !before(other, one)
}
