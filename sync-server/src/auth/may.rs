//! The one place that says no to people: what somebody may do, by the assignments that count now, the roles of the newest
//! catalog and the tree as it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Action, Role, Sens};
use gridpass_core::id::{GrantId, GridId, UserId};

use crate::app::App;
use crate::catalogs::Catalogs;
use crate::db::{AssignmentRow, DbError, Principal};
use crate::error::ApiError;
use crate::log::Audit;
use crate::org::{Node, Tree};

/// What somebody wants to do: to which collection or thing, up to which class of fields.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What.
    pub action: Action,
    /// To records of this collection, or to this thing.
    pub on: &'a str,
    /// Up to this class.
    pub class: Sens,
}

/// What a person may do at a moment.
pub struct Mandate {
    user: UserId,
    held: Vec<AssignmentRow>,
    catalogs: Arc<Catalogs>,
    tree: Arc<Tree>,
    now_ms: i64,
}

impl Mandate {
    /// Of a person, now.
    pub fn of(app: &App, user: UserId) -> Result<Self, DbError> {
        let now_ms = app.now_ms();
        let principal = Principal { user: Some(user), ..Principal::SERVER };
        let mut held = app.db.assignments(&principal, now_ms, user)?;
        held.retain(|row| row.counts_at(now_ms));
        Ok(Self { user, held, catalogs: app.catalogs(), tree: app.tree()?, now_ms })
    }

    fn role(&self, row: &AssignmentRow) -> Option<&Role> {
        self.catalogs.roles().get(&row.role)
    }

    /// The assignment that lets the person do it to what lies at a place, if one does.
    pub fn may(&self, wish: Wish<'_>, place: Node) -> Option<GrantId> {
        let at = self.tree.at(self.now_ms);
        let reaches = |row: &&AssignmentRow| match row.post {
            // A post in a grid is one on a phone; it opens no desk.
            Node::Grid(_) => false,
            Node::Unit(unit) => at.within(place, unit),
        };
        let allows =
            |row: &&AssignmentRow| self.role(row).is_some_and(|role| role.may(wish.action, wish.on, wish.class));
        self.held.iter().filter(reaches).find(allows).map(|row| row.grant)
    }

    /// The grids in which the person may do something to records of any collection.
    pub fn grids(&self, action: Action) -> BTreeSet<GridId> {
        let at = self.tree.at(self.now_ms);
        let may = |role: &Role| role.permissions.iter().any(|permission| permission.actions.contains(&action));
        let posts = self.held.iter().filter(|row| self.role(row).is_some_and(may));
        posts.filter_map(|row| row.post.unit()).flat_map(|unit| at.grids_under(unit)).collect()
    }

    /// The same for what lies in a bucket; nobody's desk reaches a bucket of no grid.
    pub fn may_in(&self, wish: Wish<'_>, home: Bucket) -> Option<GrantId> {
        self.may(wish, Node::Grid(home.grid()?))
    }

    /// The assignment that lets the person do it, or a refusal, which the audit notes.
    pub fn permit(&self, app: &App, wish: Wish<'_>, home: Bucket, object: &[u8]) -> Result<GrantId, ApiError> {
        match self.may_in(wish, home) {
            Some(grant) => Ok(grant),
            None => {
                let detail = serde_json::json!({ "do": wish.action.as_str(), "on": wish.on });
                let audit = Audit::of("refused").by(self.user).on(object).detail(&detail);
                app.db.audit(self.now_ms, audit)?;
                // Whether there is such a thing is not told to who may not know of it.
                Err(ApiError::NotFound)
            }
        }
    }
}
