//! What the user's roles allow, so that nobody types what the server would refuse.

use gridpass_core::Value;
use gridpass_core::bucket::{Bucket, BucketClass};
use gridpass_core::catalog::{Action, Catalog, Collection, Role, Sens};
use gridpass_core::id::{GrantId, GridId, UserId};
use gridpass_core::record::request::{REQUEST, Request};
use gridpass_core::wire::Grant;

use crate::error::{ApiError, Problem};

/// The user's assignments by the roles of a catalog. A role it does not know is left to the server.
pub(crate) struct Rights<'a> {
    catalog: &'a Catalog,
    grants: &'a [Grant],
    user: UserId,
}

impl<'a> Rights<'a> {
    pub fn new(catalog: &'a Catalog, grants: &'a [Grant], user: UserId) -> Self {
        Self { catalog, grants, user }
    }

    fn role(&self, grant: &Grant) -> Option<&Role> {
        self.catalog.roles.get(grant.role.as_deref()?)
    }

    /// Whether an assignment lets the user do something to a record with this home.
    fn may(&self, grant: &Grant, home: Bucket, (action, on, class): (Action, &str, Sens)) -> bool {
        let own = home == Bucket::User(self.user);
        let there = own || home.grid() == Some(grant.grid);
        let allows = |role: &Role| (own || role.phone.contains(&home.class())) && role.may(action, on, class);
        there && self.role(grant).is_none_or(allows)
    }

    /// The home of a new record: by its collection, in the grid asked for, else in this one if it is the user's, else in
    /// the user's first that takes it. What none of them takes is the user's own report.
    pub fn home(&self, form: &Collection, asked: Option<GridId>, near: Option<GridId>) -> Result<Bucket, ApiError> {
        let own = Bucket::User(self.user);
        let make = (Action::Write, form.id.as_str(), Sens::S0);
        let may = |home: &Bucket| self.grants.iter().any(|grant| self.may(grant, *home, make));
        if form.bucket == BucketClass::User {
            return if self.grants.is_empty() || may(&own) { Ok(own) } else { Err(refused("not_your_role")) };
        }
        let own_grids = self.grants.iter().map(|grant| grant.grid);
        let grids: Vec<GridId> = asked.map_or_else(|| near.into_iter().chain(own_grids).collect(), |grid| vec![grid]);
        let mut homes = grids.into_iter().filter_map(|grid| Bucket::of_grid(form.bucket, grid));
        match homes.find(may) {
            Some(home) => Ok(home),
            None if self.grants.is_empty() => Err(refused("no_grid")),
            None if asked.is_some_and(|grid| !self.grants.iter().any(|grant| grant.grid == grid)) => {
                Err(refused("not_your_grid"))
            }
            None if may(&own) => Ok(own),
            None => Err(refused("not_your_role")),
        }
    }

    /// The assignment under which values are put on a record with this home: without any the server takes the user's
    /// current one. Keys that no assignment allows are problems of the form.
    pub fn grant(&self, form: &Collection, home: Bucket, puts: &[(String, Value)]) -> Result<GrantId, ApiError> {
        let problems = |grant: &Grant| {
            let refused = puts.iter().filter(|(key, value)| {
                let sens = |key: &str| form.key(key).map_or(Sens::S4, |form| form.sens);
                let what = match key.starts_with(REQUEST).then(|| Request::read(value)) {
                    Some(Ok(Request::Resolve { key, .. })) => (Action::Decide, form.id.as_str(), sens(&key)),
                    _ => (Action::Write, form.id.as_str(), sens(key)),
                };
                !self.may(grant, home, what)
            });
            refused.map(|(key, _)| Problem::at(key, "not_your_role")).collect::<Vec<_>>()
        };
        let there = |grant: &&Grant| home.grid().is_none_or(|grid| grid == grant.grid);
        let mut fewest: Option<Vec<Problem>> = None;
        for grant in self.grants.iter().filter(there) {
            let problems = problems(grant);
            if problems.is_empty() {
                return Ok(grant.grant);
            }
            if fewest.as_ref().is_none_or(|fewest| problems.len() < fewest.len()) {
                fewest = Some(problems);
            }
        }
        match fewest {
            Some(problems) => Err(ApiError::Input { problems }),
            None => Ok(self.grants.first().map(|grant| grant.grant).unwrap_or_default()),
        }
    }
}

fn refused(code: &str) -> ApiError {
    ApiError::input(Problem::of_form(code))
}
