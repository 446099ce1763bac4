//! The rows of people who sign in: passwords, second factors, sessions.

use std::str::FromStr;

use gridpass_core::id::{BadId, UserId, hex, unhex};

use super::{DbError, Principal};

/// The name of a session, which is not its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for SessionId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        unhex(text).map(Self)
    }
}

impl TryFrom<&[u8]> for SessionId {
    type Error = BadId;

    fn try_from(bytes: &[u8]) -> Result<Self, BadId> {
        bytes.try_into().map(Self).map_err(|_| BadId)
    }
}

/// How an account is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// By what somebody typed.
    Login(&'a str),
    /// By its user.
    User(UserId),
}

/// A user as far as signing in needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// The user.
    pub user: UserId,
    /// The login.
    pub login: String,
    /// The name that is shown.
    pub name: String,
    /// The hash of the password, with its parameters.
    pub password: Option<String>,
    /// The second factor.
    pub totp: Option<TotpRow>,
    /// How many recovery codes are left.
    pub recovery_codes: u32,
}

/// The secret of a user's codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpRow {
    /// The secret, sealed.
    pub secret: Vec<u8>,
    /// Whether a code has confirmed it.
    pub confirmed: bool,
}

/// What somebody has shown, as it was found to be.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The hash that the password was compared with.
    pub compared: Option<String>,
    /// Whether the password was right.
    pub right: bool,
    /// The same password under the parameters of now, where they have changed.
    pub renewed: Option<String>,
    /// The second factor.
    pub factor: Factor,
}

/// A second factor that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// None.
    Missing,
    /// The code of this step of time.
    Step(u64),
    /// Something of the form of a recovery code, by its hash.
    Recovery([u8; 32]),
    /// Something else.
    Wrong,
}

/// What is done when the proof holds, in the same transaction.
#[derive(Debug, Clone)]
pub enum Act {
    /// A session begins.
    SignIn(NewSession),
    /// The second factor is shown again in a session.
    ShowFactor(SessionId),
    /// Another password holds from now on; all sessions but this one end.
    ChangePassword {
        /// The hash of the new one.
        hash: String,
        /// The session that goes on.
        keep: SessionId,
    },
    /// A secret waits for the code that confirms it, in the place of another that waited.
    BeginTotp {
        /// The secret, sealed.
        secret: Vec<u8>,
    },
}

/// What became of a proof and its act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// It holds and the act is done.
    Done,
    /// It does not hold, or the account does not take any.
    Wrong,
    /// The password is right; the second factor is wrong or was used before.
    WrongFactor,
    /// The password is right and a second factor is needed.
    FactorMissing,
    /// The proof is right and the account waits after too many wrong ones.
    Locked {
        /// Until when.
        until_ms: i64,
    },
}

/// A session to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its name.
    pub id: SessionId,
    /// BLAKE3 of its token.
    pub token: [u8; 32],
    /// After how long it ends at the latest.
    pub lasts_ms: i64,
    /// After how long without a request sessions end.
    pub idle_ms: i64,
    /// From where.
    pub address: Option<String>,
    /// With which program, in short.
    pub agent: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub began_ms: i64,
    /// When it was used last, to the minute.
    pub seen_ms: i64,
    /// When it ends at the latest.
    pub ends_ms: i64,
    /// When a second factor was shown last.
    pub factor_ms: Option<i64>,
    /// From where.
    pub address: Option<String>,
    /// With which program, in short.
    pub agent: String,
    /// Whether the user must change the password first.
    pub password_change: bool,
}

/// The rows of people who sign in. What is decided over several rows is decided in one transaction, and every act and
/// refusal leaves its audit row in it.
pub trait PeopleRows {
    /// An account; those of disabled users too.
    fn account(&self, principal: &Principal, now_ms: i64, asked: Asked<'_>) -> Result<Option<AccountRow>, DbError>;

    /// Counts a proof as right or wrong, and does the act if it holds. Without a user it is a login that nobody has.
    fn prove(&self, now_ms: i64, user: Option<UserId>, proof: Proof, act: Act) -> Result<Proven, DbError>;

    /// Gives a user a password that has to be changed by `until_ms`. Sessions end, waiting is over, and with `drop_totp`
    /// the second factor is gone.
    fn give_password(
        &self,
        now_ms: i64,
        user: UserId,
        hash: &str,
        until_ms: i64,
        drop_totp: bool,
    ) -> Result<(), DbError>;

    /// Ends the waiting after wrong passwords. False if there was none.
    fn unlock(&self, now_ms: i64, user: UserId) -> Result<bool, DbError>;

    /// Disables a user, whose sessions end, or enables one. False if it was so before.
    fn set_disabled(&self, now_ms: i64, user: UserId, disabled: bool) -> Result<bool, DbError>;

    /// Confirms the secret that waits with the code of a step, in a session; from now on only these recovery codes
    /// count. False if none waits.
    fn confirm_totp(
        &self,
        now_ms: i64,
        user: UserId,
        session: SessionId,
        step: u64,
        recovery: &[[u8; 32]],
    ) -> Result<bool, DbError>;

    /// Removes secret and recovery codes. False if there were none.
    fn remove_totp(&self, now_ms: i64, user: UserId) -> Result<bool, DbError>;

    /// The session of a token, if it has not ended and its user is not disabled.
    fn session(&self, now_ms: i64, token: [u8; 32], idle_ms: i64) -> Result<Option<SessionRow>, DbError>;

    /// Notes that a session is used.
    fn touch_session(&self, now_ms: i64, id: SessionId) -> Result<(), DbError>;

    /// The sessions of a user that have not ended, the newest first, below a place in that order.
    fn sessions(
        &self,
        principal: &Principal,
        now_ms: i64,
        user: UserId,
        idle_ms: i64,
        below: Option<(i64, SessionId)>,
        limit: usize,
    ) -> Result<Vec<SessionRow>, DbError>;

    /// Ends a session of a user, noted under `action`. False if there is none of this name.
    fn end_session(
        &self,
        now_ms: i64,
        by: Option<UserId>,
        user: UserId,
        id: SessionId,
        action: &'static str,
    ) -> Result<bool, DbError>;

    /// Ends the sessions of a user, but for one. Returns how many.
    fn end_sessions(
        &self,
        now_ms: i64,
        by: Option<UserId>,
        user: UserId,
        keep: Option<SessionId>,
    ) -> Result<usize, DbError>;
}
