//! Rights as data: what a user's dated assignments allow.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GrantId, UserId};

use crate::db::{AssignmentRow, Database, DbError, DeviceRow};

/// A user's rights at a moment.
pub struct Rights<'a> {
    /// The user.
    pub user: UserId,
    /// All assignments, ended and future ones too.
    pub assignments: &'a [AssignmentRow],
    /// The moment, in milliseconds since 1970.
    pub now_ms: i64,
    /// How long after its end an assignment still brings work in, in milliseconds.
    pub grace_ms: i64,
}

impl Rights<'_> {
    /// Whether a change made under a grant may be written to a record with this home.
    ///
    /// A grant that is not the user's is judged as the user's current ones.
    pub fn may_write(&self, grant: GrantId, home: Bucket) -> bool {
        let Some(grid) = home.grid() else { return home == Bucket::User(self.user) };
        match self.assignments.iter().find(|assignment| assignment.grant == grant) {
            Some(assignment) => {
                let end = assignment.to_ms.map(|to| to.saturating_add(self.grace_ms));
                assignment.grid == grid && assignment.from_ms <= self.now_ms && end.is_none_or(|end| self.now_ms <= end)
            }
            None => {
                self.assignments.iter().any(|assignment| assignment.grid == grid && assignment.counts_at(self.now_ms))
            }
        }
    }

    /// Until when work in a bucket that the user no longer has is still taken; nothing where none is.
    pub fn closing_until(&self, bucket: Bucket) -> Option<i64> {
        let grid = bucket.grid()?;
        let ended =
            self.assignments.iter().filter(|assignment| assignment.grid == grid).filter_map(|ended| ended.to_ms);
        ended.map(|to| to.saturating_add(self.grace_ms)).filter(|until| self.now_ms <= *until).max()
    }
}

/// The buckets a user's phone may hold at a moment.
pub fn scope(user: UserId, assignments: &[AssignmentRow], now_ms: i64) -> Vec<Bucket> {
    let mut buckets = vec![Bucket::District, Bucket::User(user)];
    for assignment in assignments.iter().filter(|assignment| assignment.counts_at(now_ms)) {
        for bucket in [Bucket::Place(assignment.grid), Bucket::Base(assignment.grid)] {
            if !buckets.contains(&bucket) {
                buckets.push(bucket);
            }
        }
    }
    buckets
}

/// The buckets a phone may hold at a moment.
pub fn scope_of(db: &dyn Database, device: &DeviceRow, now_ms: i64) -> Result<Vec<Bucket>, DbError> {
    let assignments = db.assignments(&device.principal(), now_ms, device.user)?;
    Ok(scope(device.user, &assignments, now_ms))
}

#[cfg(test)]
mod tests {
    use gridpass_core::id::GridId;

    use super::*;

    const USER: UserId = UserId([1; 16]);
    const GRID: GridId = GridId([2; 16]);

    fn assignment(grant: u8, grid: GridId, from_ms: i64, to_ms: Option<i64>) -> AssignmentRow {
        AssignmentRow { grant: GrantId([grant; 16]), grid, role: "worker".into(), from_ms, to_ms }
    }

    #[test]
    fn a_grant_counts_from_its_start_until_its_end_and_some_grace() {
        let assignments = [assignment(1, GRID, 100, Some(200)), assignment(2, GRID, 500, None)];
        let may = |grant, now_ms| {
            let rights = Rights { user: USER, assignments: &assignments, now_ms, grace_ms: 50 };
            rights.may_write(GrantId([grant; 16]), Bucket::Base(GRID))
        };
        assert_eq!([99, 100, 250, 251].map(|now| may(1, now)), [false, true, true, false]);
        assert_eq!([300, 500].map(|now| may(9, now)), [false, true], "an unknown grant is judged as the current one");
    }

    #[test]
    fn a_bucket_closes_when_the_last_of_its_ended_assignments_has_had_its_grace() {
        let other = GridId([3; 16]);
        let assignments =
            [assignment(1, GRID, 0, Some(100)), assignment(2, GRID, 0, Some(200)), assignment(3, other, 0, None)];
        let until = |bucket, now_ms| {
            Rights { user: USER, assignments: &assignments, now_ms, grace_ms: 50 }.closing_until(bucket)
        };
        assert_eq!([200, 250, 251].map(|now| until(Bucket::Base(GRID), now)), [Some(250), Some(250), None]);
        assert_eq!(until(Bucket::Base(other), 200), None, "it has not ended");
        assert_eq!(until(Bucket::User(USER), 200), None);
    }

    #[test]
    fn nobody_writes_into_another_grid_another_user_or_the_district() {
        let assignments = [assignment(1, GRID, 0, None)];
        let rights = Rights { user: USER, assignments: &assignments, now_ms: 10, grace_ms: 0 };
        let may = |home| rights.may_write(GrantId([1; 16]), home);
        assert!(may(Bucket::Place(GRID)) && may(Bucket::User(USER)));
        assert!(!may(Bucket::Place(GridId([3; 16]))));
        assert!(!may(Bucket::User(UserId([3; 16]))));
        assert!(!may(Bucket::District));
    }

    #[test]
    fn the_scope_is_what_counts_now() {
        let other = GridId([3; 16]);
        let assignments =
            [assignment(1, GRID, 0, Some(10)), assignment(2, other, 5, None), assignment(3, other, 0, None)];
        assert_eq!(
            scope(USER, &assignments, 10),
            [Bucket::District, Bucket::User(USER), Bucket::Place(other), Bucket::Base(other)]
        );
    }
}
