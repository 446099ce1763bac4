//! Users, phones, codes, challenges, tokens.

use std::thread;

use gridpass_core::id::{DeviceId, GrantId, GridId, UserId};
use gridpass_core::wire::Nonce;
use gridpass_server::db::{AssignmentRow, Database, EnrolRefusal, Principal};

use super::{Backend, NOW};

const USER: UserId = UserId([1; 16]);
const CODE: [u8; 32] = [1; 32];
const KEY: [u8; 32] = [2; 32];

fn enrolled(db: &dyn Database) -> DeviceId {
    db.add_user(NOW, USER, "li", "某").unwrap();
    db.add_enrol_code(NOW, CODE, USER, NOW + 1000).unwrap();
    db.enrol(NOW, CODE, DeviceId([1; 16]), &KEY, Nonce([1; 16]), "1").unwrap().unwrap().device
}

pub fn enrolling_again_with_the_same_code_and_key_changes_nothing(backend: &dyn Backend) {
    let db = backend.db();
    let device = enrolled(db);
    let enrol =
        |now, code, n: u8, key: &[u8]| db.enrol(now, code, DeviceId([n; 16]), key, Nonce([n; 16]), "1").unwrap();
    let again = enrol(NOW + 5000, CODE, 9, &KEY).unwrap();
    assert_eq!((again.device, again.user, again.user_name.as_str()), (device, USER, "某"));
    let row = db.device(&Principal::SERVER, NOW, device).unwrap().unwrap();
    assert_eq!(row.actors.len(), 2, "each database file writes as its own actor");
    assert!(db.device(&Principal::SERVER, NOW, DeviceId([9; 16])).unwrap().is_none());
    assert_eq!(enrol(NOW, CODE, 3, &[3; 32]).unwrap_err(), EnrolRefusal::Used);
    assert_eq!(enrol(NOW, [7; 32], 3, &[3; 32]).unwrap_err(), EnrolRefusal::UnknownOrExpired);
    db.add_enrol_code(NOW, [8; 32], USER, NOW + 1000).unwrap();
    assert_eq!(enrol(NOW + 1000, [8; 32], 3, &[3; 32]).unwrap_err(), EnrolRefusal::UnknownOrExpired);
    assert!(enrol(NOW + 999, [8; 32], 3, &[3; 32]).is_ok());
    assert!(db.add_user(NOW, UserId([5; 16]), "li", "别").is_err(), "a login is one person's");
}

pub fn a_challenge_is_taken_once(backend: &dyn Backend) {
    let db = backend.db();
    let device = enrolled(db);
    let take = |now, device, challenge: u8, token: u8| {
        db.take_challenge(now, device, &[challenge; 32], [token; 32], NOW + 9000, &[Nonce([4; 16])], "2").unwrap()
    };
    db.add_challenge(NOW, device, [1; 32], NOW + 100).unwrap();
    assert!(!take(NOW, DeviceId([9; 16]), 1, 1), "another phone's");
    assert!(!take(NOW, device, 2, 1), "never given out");
    assert!(!take(NOW + 100, device, 1, 1), "too old");
    let taken = thread::scope(|scope| {
        let tries: Vec<_> = (10..18).map(|n| scope.spawn(move || take(NOW, device, 1, n))).collect();
        tries.into_iter().map(|attempt| attempt.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1, "of eight at the same time");
    db.add_challenge(NOW, device, [3; 32], NOW + 100).unwrap();
    db.add_challenge(NOW, device, [4; 32], NOW + 100).unwrap();
    assert!(!take(NOW, device, 3, 3), "the next replaces it");
    assert!(take(NOW, device, 4, 4));
    let actors = db.device(&Principal::SERVER, NOW, device).unwrap().unwrap().actors;
    assert_eq!(actors.len(), 2, "the nonces that came with it are the phone's actors");
}

pub fn a_token_ends_with_its_time_and_at_once_with_its_phone(backend: &dyn Backend) {
    let db = backend.db();
    let device = enrolled(db);
    for n in [1, 2] {
        db.add_challenge(NOW, device, [n; 32], NOW + 100).unwrap();
        assert!(db.take_challenge(NOW, device, &[n; 32], [n; 32], NOW + 1000, &[], "1").unwrap());
    }
    let of = |now, n: u8| db.device_by_token(now, [n; 32]).unwrap().map(|row| row.id);
    assert_eq!([of(NOW, 1), of(NOW + 999, 2), of(NOW + 1000, 1), of(NOW, 3)], [Some(device), Some(device), None, None]);
    assert!(db.revoke(NOW, device).unwrap());
    assert!(!db.revoke(NOW + 1, device).unwrap(), "once");
    assert_eq!([of(NOW, 1), of(NOW, 2)], [None, None]);
    assert_eq!(db.device(&Principal::SERVER, NOW, device).unwrap().unwrap().revoked, Some(NOW));
}

pub fn an_assignment_counts_from_its_start_until_its_end(backend: &dyn Backend) {
    let db = backend.db();
    db.add_user(NOW, USER, "li", "某").unwrap();
    db.add_grid(NOW, GridId([1; 16]), &[], "370212001001001", "一网格").unwrap();
    assert_eq!(db.grid_by_code(&Principal::SERVER, NOW, "370212001001001").unwrap(), Some(GridId([1; 16])));
    assert_eq!(db.user_by_login(&Principal::SERVER, NOW, "li").unwrap(), Some(USER));
    for (n, to_ms) in [(1, Some(NOW + 10)), (2, None)] {
        let row =
            AssignmentRow { to_ms, ..AssignmentRow::worker(GrantId([n; 16]), GridId([1; 16]), NOW + i64::from(n)) };
        db.assign(NOW, USER, &row).unwrap();
    }
    let rows = db.assignments(&Principal::SERVER, NOW, USER).unwrap();
    let counting = |now| rows.iter().filter(|row| row.counts_at(now)).map(|row| row.grant.0[0]).collect::<Vec<_>>();
    assert_eq!([counting(NOW), counting(NOW + 2), counting(NOW + 10)], [vec![], vec![1, 2], vec![2]]);
    assert!(db.assignments(&Principal::SERVER, NOW, UserId([9; 16])).unwrap().is_empty());
}
