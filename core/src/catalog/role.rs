//! Roles: what somebody who holds one may do, to records of which collection, up to which class of fields.

use super::field::{Sens, words};
use super::text::Text;
use crate::bucket::BucketClass;

words! {
    /// What somebody does.
    Action {
        /// Sees; sensitive fields are masked.
        Read = "read",
        /// Sees a masked field, for a reason.
        Open = "open",
        /// Makes and changes.
        Write = "write",
        /// Chooses between values, rules on requests.
        Decide = "decide",
        /// Approves, returns, asks.
        Review = "review",
        /// Takes in or closes what was refused and kept.
        Settle = "settle",
        /// Takes out as a file.
        Export = "export",
        /// Follows every change by program.
        Feed = "feed",
    }
}

words! {
    /// What is administered beside records.
    Thing {
        /// Units and grids.
        Unit = "unit",
        /// People who sign in.
        Account = "account",
        /// Who serves where.
        Assignment = "assignment",
        /// Signed-in people.
        Session = "session",
        /// Phones.
        Device = "device",
        /// The collections.
        Catalog = "catalog",
        /// The district's numbers.
        Parameter = "parameter",
        /// Files that are taken in.
        Import = "import",
        /// Who did what.
        Audit = "audit",
    }
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub id: String,
    /// What it is called.
    pub label: Text,
    /// Where it may be held: [`Role::GRID`], or kinds of units.
    pub posts: Vec<String>,
    /// The buckets of the grid that a phone of this role holds.
    pub phone: Vec<BucketClass>,
    /// Of the roles with the same word here one person has at most one.
    pub exclusive: Option<String>,
    /// What it may do; what is not named here is refused.
    pub permissions: Vec<Permission>,
}

/// Some actions that a role may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The actions.
    pub actions: Vec<Action>,
    /// The collections and things; [`Permission::EVERY`] is every collection.
    pub on: Vec<String>,
    /// Up to this class of fields.
    pub to: Sens,
}

impl Permission {
    /// The word for every collection. It covers no thing.
    pub const EVERY: &'static str = "*";

    fn covers(&self, on: &str) -> bool {
        let is_thing = || Thing::WORDS.iter().any(|(word, _)| *word == on);
        self.on.iter().any(|named| named == on || (named == Self::EVERY && !is_thing()))
    }
}

impl Role {
    /// The word for a grid as a post.
    pub const GRID: &'static str = "grid";

    /// Whether it may do `action` to fields of `class` in records of the collection `on`, or to the thing `on`.
    pub fn may(&self, action: Action, on: &str, class: Sens) -> bool {
        self.up_to(action, on).is_some_and(|most| class <= most)
    }

    /// The most sensitive class of fields for which it may do `action` to records of the collection `on`.
    pub fn up_to(&self, action: Action, on: &str) -> Option<Sens> {
        let fitting = self.permissions.iter().filter(|permission| permission.actions.contains(&action));
        fitting.filter(|permission| permission.covers(on)).map(|permission| permission.to).max()
    }
}
