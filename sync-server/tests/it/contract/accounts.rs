//! Passwords, second factors and sessions of people.

use std::thread;

use gridpass_core::id::UserId;
use gridpass_server::auth::lockout;
use gridpass_server::db::{Act, Asked, Database, Factor, NewSession, Principal, Proof, Proven, SessionId, SessionRow};

use super::{Backend, NOW};

const USER: UserId = UserId([1; 16]);
const MINUTE: i64 = 60_000;
const IDLE: i64 = 30 * MINUTE;
const ENDS: i64 = NOW + 12 * 60 * MINUTE;

fn user(db: &dyn Database) {
    db.add_user(NOW, USER, "li", "某").unwrap();
    db.give_password(NOW, USER, "hash", NOW + 1000 * MINUTE, false).unwrap();
}

fn proof(right: bool, factor: Factor) -> Proof {
    Proof { compared: Some("hash".into()), right, renewed: None, factor }
}

fn new(n: u8) -> NewSession {
    let (id, token, agent) = (SessionId([n; 16]), [n; 32], "Firefox, Linux".to_owned());
    NewSession { id, token, lasts_ms: ENDS - NOW, idle_ms: IDLE, address: Some("10.0.0.1".into()), agent }
}

/// Signs in with a proof as session `n`.
fn sign_in(db: &dyn Database, now: i64, n: u8, proof: Proof) -> Proven {
    db.prove(now, Some(USER), proof, Act::SignIn(new(n))).unwrap()
}

/// The same as the only session.
fn one_session(db: &dyn Database, now: i64, right: bool) -> Proven {
    db.end_sessions(now, None, USER, None).unwrap();
    sign_in(db, now, 1, proof(right, Factor::Missing))
}

fn session(db: &dyn Database, now: i64, n: u8) -> Option<SessionRow> {
    db.session(now, [n; 32], IDLE).unwrap()
}

fn names(db: &dyn Database, now: i64) -> Vec<u8> {
    let rows = db.sessions(&Principal::SERVER, now, USER, IDLE, None, 99).unwrap();
    rows.iter().map(|row| row.id.0[0]).collect()
}

pub fn a_session_is_found_by_its_token_until_it_ends(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    assert_eq!(sign_in(db, NOW, 1, proof(true, Factor::Missing)), Proven::Done);
    let row = session(db, NOW, 1).unwrap();
    assert_eq!((row.user, row.began_ms, row.seen_ms, row.ends_ms), (USER, NOW, NOW, ENDS));
    assert_eq!((row.factor_ms, row.password_change), (None, true), "IT gave the password");
    assert_eq!(session(db, NOW, 2), None);
    let renewed = Some("under parameters of now".to_owned());
    assert_eq!(sign_in(db, NOW, 3, Proof { renewed: renewed.clone(), ..proof(false, Factor::Missing) }), Proven::Wrong);
    assert_eq!(sign_in(db, NOW, 3, Proof { renewed: renewed.clone(), ..proof(true, Factor::Missing) }), Proven::Done);
    let account = db.account(&Principal::SERVER, NOW, Asked::User(USER)).unwrap().unwrap();
    assert_eq!(
        (account.password, session(db, NOW, 1).is_some()),
        (renewed, true),
        "the same password under a new hash"
    );
    assert!(session(db, NOW + IDLE - 1, 1).is_some());
    assert_eq!(session(db, NOW + IDLE, 1), None, "idle for too long");
    for n in 1..30 {
        db.touch_session(NOW + n * 29 * MINUTE, SessionId([1; 16])).unwrap();
    }
    assert!(session(db, ENDS - 1, 1).is_some(), "used all the time");
    assert_eq!(session(db, ENDS, 1), None, "all the same it ends");
}

pub fn sessions_are_listed_in_pages_and_end_one_by_one_or_all(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    for n in 1..6 {
        // The last two begin at the same time: then their names decide.
        let now = NOW + i64::from(n.min(4));
        assert_eq!(sign_in(db, now, n, proof(true, Factor::Missing)), Proven::Done);
    }
    let mut below = None;
    let mut listed = Vec::new();
    loop {
        let rows = db.sessions(&Principal::SERVER, NOW, USER, IDLE, below, 2).unwrap();
        let Some(last) = rows.last() else { break };
        below = Some((last.began_ms, last.id));
        listed.extend(rows.iter().map(|row| row.id.0[0]));
    }
    assert_eq!(listed, [5, 4, 3, 2, 1]);
    let end = |user, n: u8| db.end_session(NOW, Some(USER), user, SessionId([n; 16]), "session_ended").unwrap();
    assert!(end(USER, 2) && !end(USER, 2));
    assert!(!end(UserId([9; 16]), 3), "another's");
    assert_eq!(names(db, NOW), [5, 4, 3, 1]);
    assert_eq!(db.end_sessions(NOW, Some(USER), USER, Some(SessionId([4; 16]))).unwrap(), 3);
    assert_eq!((names(db, NOW), session(db, NOW, 5)), (vec![4], None));
    assert_eq!(db.end_sessions(NOW, None, USER, None).unwrap(), 1);
    assert_eq!(names(db, NOW), [0u8; 0]);
}

pub fn sessions_end_with_the_password_and_with_the_user(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    for n in 1..4 {
        sign_in(db, NOW, n, proof(true, Factor::Missing));
    }
    let change = |right, hash: &str| {
        let act = Act::ChangePassword { hash: hash.into(), keep: SessionId([2; 16]) };
        db.prove(NOW, Some(USER), proof(right, Factor::Missing), act).unwrap()
    };
    assert_eq!(change(false, "other"), Proven::Wrong);
    assert_eq!(names(db, NOW), [3, 2, 1]);
    assert_eq!(change(true, "new hash"), Proven::Done);
    assert_eq!(names(db, NOW), [2]);
    assert!(!session(db, NOW, 2).unwrap().password_change);
    assert_eq!(sign_in(db, NOW, 4, proof(true, Factor::Missing)), Proven::Wrong, "compared with the one before");
    let right = Proof { compared: Some("new hash".into()), ..proof(true, Factor::Missing) };
    assert_eq!(sign_in(db, NOW, 4, right.clone()), Proven::Done);

    assert!(db.set_disabled(NOW, USER, true).unwrap() && !db.set_disabled(NOW, USER, true).unwrap());
    assert_eq!(names(db, NOW), [0u8; 0]);
    assert_eq!(sign_in(db, NOW, 5, right.clone()), Proven::Wrong);
    assert!(db.set_disabled(NOW, USER, false).unwrap() && !db.set_disabled(NOW, USER, false).unwrap());
    assert_eq!((names(db, NOW), session(db, NOW, 4)), (vec![], None), "what has ended stays ended");
    assert_eq!(sign_in(db, NOW, 5, right), Proven::Done);
    db.give_password(NOW, USER, "third", NOW + 10, false).unwrap();
    assert_eq!(names(db, NOW), [0u8; 0]);
    let right = Proof { compared: Some("third".into()), ..proof(true, Factor::Missing) };
    assert_eq!(sign_in(db, NOW + 10, 6, right), Proven::Wrong, "nobody has used it in time");
}

pub fn an_account_waits_after_wrong_proofs_in_a_row(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    let try_at = |now, right| one_session(db, now, right);
    for _ in 0..2 {
        for _ in 0..lockout::FREE {
            assert_eq!(try_at(NOW, false), Proven::Wrong);
        }
        assert_eq!(try_at(NOW, true), Proven::Done, "a right one begins the row anew");
    }
    let mut now = NOW;
    for _ in 0..lockout::FREE {
        try_at(now, false);
    }
    for minutes in [1, 5, 15, 60, 60] {
        assert_eq!(try_at(now, false), Proven::Wrong);
        let until_ms = now + minutes * MINUTE;
        assert_eq!(try_at(until_ms - 1, true), Proven::Locked { until_ms });
        now = until_ms;
    }
    assert_eq!(try_at(now, true), Proven::Done);
    assert_eq!(try_at(now, false), Proven::Wrong);
    assert!(db.unlock(now, USER).unwrap() && !db.unlock(now, USER).unwrap(), "a wrong one is forgotten");
}

pub fn waiting_cannot_be_used_for_guessing(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    let try_at = |now, right| one_session(db, now, right);
    for _ in 0..=lockout::FREE {
        try_at(NOW, false);
    }
    let until_ms = NOW + MINUTE;
    for _ in 0..lockout::PROBES {
        assert_eq!(try_at(NOW, true), Proven::Locked { until_ms });
        assert_eq!(try_at(NOW, false), Proven::Wrong);
    }
    assert_eq!(try_at(NOW, true), Proven::Wrong, "nobody is told any more");
    assert_eq!(try_at(until_ms, true), Proven::Done, "and the waiting is not longer for it");
    // Of many at the same time no more are looked at than one after the other.
    thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(move || try_at(until_ms, false)))));
    assert_eq!(try_at(until_ms, true), Proven::Wrong);
    assert!(db.unlock(until_ms, USER).unwrap());
    assert_eq!(try_at(until_ms, true), Proven::Done);
}

pub fn a_second_factor_is_shown_once(backend: &dyn Backend) {
    let db = backend.db();
    user(db);
    sign_in(db, NOW, 1, proof(true, Factor::Missing));
    let begin = |secret: u8| {
        let act = Act::BeginTotp { secret: vec![secret] };
        db.prove(NOW, Some(USER), proof(true, Factor::Missing), act).unwrap()
    };
    let confirm = |step| db.confirm_totp(NOW, USER, SessionId([1; 16]), step, &[[1; 32], [2; 32]]).unwrap();
    let account = || db.account(&Principal::SERVER, NOW, Asked::Login("li")).unwrap().unwrap();
    assert!(!confirm(100), "none was begun");
    assert_eq!((begin(1), begin(2)), (Proven::Done, Proven::Done));
    assert_eq!(sign_in(db, NOW, 2, proof(true, Factor::Missing)), Proven::Done, "it does not count yet");
    assert!(confirm(100) && !confirm(101));
    assert_eq!(session(db, NOW, 1).unwrap().factor_ms, Some(NOW));
    let totp = account().totp.unwrap();
    assert_eq!((totp.secret, totp.confirmed, account().recovery_codes), (vec![2], true, 2));
    begin(3);
    assert_eq!(account().totp.unwrap().secret, [2], "one that counts is not replaced");

    let with = |factor| sign_in(db, NOW, 3, proof(true, factor));
    assert_eq!(with(Factor::Missing), Proven::FactorMissing);
    assert_eq!((with(Factor::Wrong), with(Factor::Step(100))), (Proven::WrongFactor, Proven::WrongFactor));
    assert_eq!(sign_in(db, NOW, 3, proof(false, Factor::Step(101))), Proven::Wrong, "and is not used up by that");
    assert_eq!((with(Factor::Step(101)), with(Factor::Step(101))), (Proven::Done, Proven::WrongFactor));
    assert_eq!(session(db, NOW, 3).unwrap().factor_ms, Some(NOW));
    let recover = |n, code: u8| sign_in(db, NOW, n, proof(true, Factor::Recovery([code; 32])));
    assert_eq!((recover(4, 1), recover(5, 1), recover(5, 9)), (Proven::Done, Proven::WrongFactor, Proven::WrongFactor));
    assert_eq!(account().recovery_codes, 1);
    let show = |step| {
        let act = Act::ShowFactor(SessionId([1; 16]));
        db.prove(NOW + MINUTE, Some(USER), proof(true, Factor::Step(step)), act).unwrap()
    };
    assert_eq!((show(101), show(102)), (Proven::WrongFactor, Proven::Done));
    assert_eq!(session(db, NOW, 1).unwrap().factor_ms, Some(NOW + MINUTE));
    let wrong = (0..9).map(|_| with(Factor::Wrong)).filter(|proven| *proven == Proven::WrongFactor).count();
    assert_eq!(wrong, 5, "guessing codes ends like guessing passwords");
    assert!(db.remove_totp(NOW, USER).unwrap() && !db.remove_totp(NOW, USER).unwrap());
    assert_eq!((account().totp, account().recovery_codes), (None, 0));
}

pub fn nobody_signs_in_without_a_password(backend: &dyn Backend) {
    let db = backend.db();
    db.add_user(NOW, USER, "li", "某").unwrap();
    let none = Proof { compared: None, ..proof(false, Factor::Missing) };
    assert_eq!(sign_in(db, NOW, 1, none.clone()), Proven::Wrong);
    assert_eq!(sign_in(db, NOW, 1, Proof { right: true, ..none.clone() }), Proven::Wrong);
    assert_eq!(db.prove(NOW, None, Proof { right: true, ..none }, Act::SignIn(new(1))).unwrap(), Proven::Wrong);
    assert_eq!(names(db, NOW), [0u8; 0]);
    assert!(db.account(&Principal::SERVER, NOW, Asked::Login("wang")).unwrap().is_none());
    assert_eq!(db.account(&Principal::SERVER, NOW, Asked::User(USER)).unwrap().unwrap().password, None);
}
