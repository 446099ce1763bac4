//! Rights as data: what a user's dated assignments allow, by the roles of the catalog.

use std::collections::BTreeMap;

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Action, Role, Sens};
use gridpass_core::id::{GrantId, UserId};

use crate::app::App;
use crate::db::{AssignmentRow, DbError, DeviceRow};

/// The roles by name.
pub type Roles = BTreeMap<String, Role>;

/// A user's rights at a moment.
pub struct Rights<'a> {
    /// The user.
    pub user: UserId,
    /// All assignments, ended and future ones too.
    pub assignments: &'a [AssignmentRow],
    /// The roles that they name.
    pub roles: &'a Roles,
    /// The moment, in milliseconds since 1970.
    pub now_ms: i64,
    /// How long after its end an assignment still brings work in, in milliseconds.
    pub grace_ms: i64,
}

impl Rights<'_> {
    /// Whether something made under a grant may be done to a record of the collection `on` with this home.
    ///
    /// A grant that is not the user's is judged as the user's current ones. In the user's own bucket the role counts
    /// whether the assignment has ended or not: work at hand is finished.
    pub fn may(&self, grant: GrantId, home: Bucket, (action, on, class): (Action, &str, Sens)) -> bool {
        let own = home == Bucket::User(self.user);
        let counts = |assignment: &AssignmentRow| match home.grid() {
            Some(grid) => {
                assignment.grid() == Some(grid) && self.until(assignment).is_none_or(|end| self.now_ms <= end)
            }
            None => own,
        };
        let allows = |assignment: &AssignmentRow| {
            assignment.from_ms <= self.now_ms
                && counts(assignment)
                && self
                    .roles
                    .get(&assignment.role)
                    .is_some_and(|role| (own || role.phone.contains(&home.class())) && role.may(action, on, class))
        };
        match self.assignments.iter().find(|assignment| assignment.grant == grant) {
            Some(named) => allows(named),
            None => {
                let current = |assignment: &&AssignmentRow| own || assignment.counts_at(self.now_ms);
                self.assignments.iter().filter(current).any(allows)
            }
        }
    }

    /// Until when work under an assignment is taken.
    fn until(&self, assignment: &AssignmentRow) -> Option<i64> {
        assignment.to_ms.map(|to| to.saturating_add(self.grace_ms))
    }

    /// Until when work in a bucket that the user no longer has is still taken; nothing where none is.
    pub fn closing_until(&self, bucket: Bucket) -> Option<i64> {
        let grid = bucket.grid()?;
        let had = |assignment: &&AssignmentRow| {
            assignment.grid() == Some(grid)
                && self.roles.get(&assignment.role).is_some_and(|role| role.phone.contains(&bucket.class()))
        };
        let ended = self.assignments.iter().filter(had).filter_map(|ended| self.until(ended));
        ended.filter(|until| self.now_ms <= *until).max()
    }
}

/// The buckets a user's phone may hold at a moment.
pub fn scope(user: UserId, assignments: &[AssignmentRow], roles: &Roles, now_ms: i64) -> Vec<Bucket> {
    let mut buckets = vec![Bucket::District, Bucket::User(user)];
    for assignment in assignments.iter().filter(|assignment| assignment.counts_at(now_ms)) {
        let (Some(grid), Some(role)) = (assignment.grid(), roles.get(&assignment.role)) else { continue };
        let held = role.phone.iter().filter_map(|class| Bucket::of_grid(*class, grid));
        for bucket in held {
            if !buckets.contains(&bucket) {
                buckets.push(bucket);
            }
        }
    }
    buckets
}

/// The buckets a phone may hold at a moment.
pub fn scope_of(app: &App, device: &DeviceRow, now_ms: i64) -> Result<Vec<Bucket>, DbError> {
    let assignments = app.db.assignments(&device.principal(), now_ms, device.user)?;
    Ok(scope(device.user, &assignments, app.catalogs().roles(), now_ms))
}

#[cfg(test)]
mod tests {
    use gridpass_core::catalog::Catalog;
    use gridpass_core::id::{GridId, UnitId};

    use super::*;
    use crate::org::Node;

    const USER: UserId = UserId([1; 16]);
    const GRID: GridId = GridId([2; 16]);
    const HOUSE: (Action, &str, Sens) = (Action::Write, "house", Sens::S2);
    const TASK: (Action, &str, Sens) = (Action::Write, "task", Sens::S1);

    fn assignment(grant: u8, grid: GridId, from_ms: i64, to_ms: Option<i64>) -> AssignmentRow {
        AssignmentRow { to_ms, ..AssignmentRow::worker(GrantId([grant; 16]), grid, from_ms) }
    }

    fn of_role(role: &str, row: AssignmentRow) -> AssignmentRow {
        AssignmentRow { role: role.into(), ..row }
    }

    fn rights<'a>(assignments: &'a [AssignmentRow], roles: &'a Roles, now_ms: i64) -> Rights<'a> {
        Rights { user: USER, assignments, roles, now_ms, grace_ms: 50 }
    }

    #[test]
    fn a_grant_counts_from_its_start_until_its_end_and_some_grace() {
        let assignments = [assignment(1, GRID, 100, Some(200)), assignment(2, GRID, 500, None)];
        let catalog = Catalog::built_in();
        let may = |grant, now_ms| {
            rights(&assignments, &catalog.roles, now_ms).may(GrantId([grant; 16]), Bucket::Base(GRID), HOUSE)
        };
        assert_eq!([99, 100, 250, 251].map(|now| may(1, now)), [false, true, true, false]);
        assert_eq!([300, 500].map(|now| may(9, now)), [false, true], "an unknown grant is judged as the current one");
    }

    #[test]
    fn a_bucket_closes_when_the_last_of_its_ended_assignments_has_had_its_grace() {
        let other = GridId([3; 16]);
        let assignments =
            [assignment(1, GRID, 0, Some(100)), assignment(2, GRID, 0, Some(200)), assignment(3, other, 0, None)];
        let catalog = Catalog::built_in();
        let until = |bucket, now_ms| rights(&assignments, &catalog.roles, now_ms).closing_until(bucket);
        assert_eq!([200, 250, 251].map(|now| until(Bucket::Base(GRID), now)), [Some(250), Some(250), None]);
        assert_eq!(until(Bucket::Base(other), 200), None, "it has not ended");
        assert_eq!(until(Bucket::User(USER), 200), None);
        assert_eq!(until(Bucket::Restricted(GRID), 200), None, "no phone ever had it");
    }

    #[test]
    fn nobody_writes_into_another_grid_another_user_or_the_district() {
        let assignments = [assignment(1, GRID, 0, None)];
        let catalog = Catalog::built_in();
        let may = |home, what| rights(&assignments, &catalog.roles, 10).may(GrantId([1; 16]), home, what);
        assert!(may(Bucket::Place(GRID), HOUSE) && may(Bucket::User(USER), TASK));
        assert!(!may(Bucket::Place(GridId([3; 16])), HOUSE));
        assert!(!may(Bucket::Restricted(GRID), HOUSE));
        assert!(!may(Bucket::User(UserId([3; 16])), TASK));
        assert!(!may(Bucket::District, HOUSE));
    }

    #[test]
    fn a_member_writes_tasks_and_opinions_of_his_own_and_nothing_of_the_grid() {
        let assignments = [of_role("member", assignment(1, GRID, 0, Some(20)))];
        let catalog = Catalog::built_in();
        let may = |now_ms, home, what| rights(&assignments, &catalog.roles, now_ms).may(GrantId([1; 16]), home, what);
        let opinion = (Action::Write, "opinion", Sens::S1);
        assert!(may(10, Bucket::User(USER), TASK) && may(10, Bucket::User(USER), opinion));
        assert!(may(99, Bucket::User(USER), TASK), "what is at hand is finished");
        for (home, what) in [
            (Bucket::User(USER), HOUSE),
            (Bucket::User(USER), (Action::Write, "person", Sens::S0)),
            (Bucket::Place(GRID), (Action::Write, "facility", Sens::S0)),
            (Bucket::Base(GRID), opinion),
        ] {
            assert!(!may(10, home, what), "{home} {what:?}");
        }
    }

    #[test]
    fn the_scope_is_what_counts_now_by_role() {
        let (other, third) = (GridId([3; 16]), GridId([4; 16]));
        let assignments = [
            assignment(1, GRID, 0, Some(10)),
            assignment(2, other, 5, None),
            assignment(3, other, 0, None),
            of_role("member", assignment(4, third, 0, None)),
            of_role("a role nobody knows", assignment(5, GRID, 0, None)),
            AssignmentRow { post: Node::Unit(UnitId(GRID.0)), ..of_role("supervisor", assignment(6, GRID, 0, None)) },
        ];
        assert_eq!(
            scope(USER, &assignments, &Catalog::built_in().roles, 10),
            [Bucket::District, Bucket::User(USER), Bucket::Place(other), Bucket::Base(other), Bucket::Place(third)]
        );
    }
}
