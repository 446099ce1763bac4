//! [`PeopleRows`] over the writer and the readers.

use gridpass_core::id::UserId;

use super::{DbError, Sqlite, accounts, sessions};
use crate::db::{AccountRow, Act, Asked, PeopleRows, Principal, Proof, Proven, SessionId, SessionRow};

impl PeopleRows for Sqlite {
    fn account(&self, _: &Principal, _: i64, asked: Asked<'_>) -> Result<Option<AccountRow>, DbError> {
        self.read("finding an account", |tx| accounts::account(tx, asked))
    }

    fn prove(&self, now_ms: i64, user: Option<UserId>, proof: Proof, act: Act) -> Result<Proven, DbError> {
        self.writer.run("looking at a proof", now_ms, move |c| accounts::prove(c, now_ms, user, proof, act))
    }

    fn give_password(
        &self,
        now_ms: i64,
        user: UserId,
        hash: &str,
        until_ms: i64,
        drop_totp: bool,
    ) -> Result<(), DbError> {
        let hash = hash.to_owned();
        self.writer.run("giving a password", now_ms, move |c| {
            accounts::give_password(c, now_ms, user, &hash, until_ms, drop_totp)
        })
    }

    fn unlock(&self, now_ms: i64, user: UserId) -> Result<bool, DbError> {
        self.writer.run("unlocking an account", now_ms, move |c| accounts::unlock(c, now_ms, user))
    }

    fn set_disabled(&self, now_ms: i64, user: UserId, disabled: bool) -> Result<bool, DbError> {
        self.writer.run("disabling a user", now_ms, move |c| accounts::set_disabled(c, now_ms, user, disabled))
    }

    fn confirm_totp(
        &self,
        now_ms: i64,
        user: UserId,
        session: SessionId,
        step: u64,
        recovery: &[[u8; 32]],
    ) -> Result<bool, DbError> {
        let recovery = recovery.to_vec();
        self.writer.run("confirming a second factor", now_ms, move |c| {
            accounts::confirm_totp(c, now_ms, user, session, step, &recovery)
        })
    }

    fn remove_totp(&self, now_ms: i64, user: UserId) -> Result<bool, DbError> {
        self.writer.run("removing a second factor", now_ms, move |c| accounts::remove_totp(c, now_ms, Some(user), user))
    }

    fn session(&self, now_ms: i64, token: [u8; 32], idle_ms: i64) -> Result<Option<SessionRow>, DbError> {
        self.read("finding a session", |tx| sessions::by_token(tx, now_ms, token, idle_ms))
    }

    fn touch_session(&self, now_ms: i64, id: SessionId) -> Result<(), DbError> {
        self.writer.run("noting a session's use", now_ms, move |c| sessions::touch(c, now_ms, id))
    }

    fn sessions(
        &self,
        _: &Principal,
        now_ms: i64,
        user: UserId,
        idle_ms: i64,
        below: Option<(i64, SessionId)>,
        limit: usize,
    ) -> Result<Vec<SessionRow>, DbError> {
        self.read("listing sessions", |tx| sessions::of_user(tx, now_ms, user, idle_ms, below, limit))
    }

    fn end_session(
        &self,
        now_ms: i64,
        by: Option<UserId>,
        user: UserId,
        id: SessionId,
        action: &'static str,
    ) -> Result<bool, DbError> {
        self.writer.run("ending a session", now_ms, move |c| sessions::end(c, now_ms, by, user, id, action))
    }

    fn end_sessions(
        &self,
        now_ms: i64,
        by: Option<UserId>,
        user: UserId,
        keep: Option<SessionId>,
    ) -> Result<usize, DbError> {
        self.writer.run("ending sessions", now_ms, move |c| sessions::end_all(c, now_ms, by, user, keep))
    }
}
