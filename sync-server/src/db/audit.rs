//! The rows of the audit: read, searched, verified and rotated. They are written with what they are about.

use std::collections::BTreeMap;

use gridpass_core::id::{DeviceId, GrantId, RecordId, UserId};
use serde::{Deserialize, Serialize};

use super::{DbError, Fault, Principal};
use crate::audit::chain::{Chain, OfChange};

/// A row of the audit, names by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number, one more than that of the row before.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The person; none for the server and its commands.
    pub user: Option<UserId>,
    /// The phone.
    pub device: Option<DeviceId>,
    /// The assignment.
    pub grant: Option<GrantId>,
    /// What was done, a stable word.
    pub action: String,
    /// What it was done to, where that is no stored change.
    pub object: Option<Vec<u8>>,
    /// The stored change that it is about.
    pub change: Option<OfChange>,
    /// The change's number in its table, which a row names it by.
    pub change_number: Option<i64>,
    /// JSON, or nothing.
    pub detail: String,
    /// The chain after it.
    pub chain: Chain,
}

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The row.
    pub seq: i64,
    /// The chain after it.
    pub chain: Chain,
}

/// A copy was put in the place of the database: a new epoch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The row that says so.
    pub seq: i64,
    /// The epoch of the rows before.
    pub before: u64,
    /// The epoch of this row and those after it.
    pub epoch: u64,
}

/// Where a rotation cut the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The last row that lies in archives.
    pub seq: i64,
    /// The chain after it.
    pub chain: Chain,
    /// The largest number of a change up to there.
    pub change: i64,
    /// When it was cut, in milliseconds since 1970.
    pub at_ms: i64,
    /// The copies that were put in place up to there.
    pub renewals: Vec<Renewal>,
    /// The id of the key that signed this.
    pub key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// What is looked for in the audit. Everything that is named must hold.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Acts on it, through its changes, or about it.
    pub record: Option<RecordId>,
    /// Acts of this person.
    pub user: Option<UserId>,
    /// Acts of this word.
    pub action: Option<String>,
    /// From this time on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before this time.
    pub to_ms: Option<i64>,
    /// Rows older than this one.
    pub before: Option<i64>,
}

/// What is known of the chain at one moment.
#[derive(Debug, Clone, Default)]
pub struct ChainState {
    /// All cuts in order.
    pub cuts: Vec<Cut>,
    /// The last row.
    pub end: Option<Link>,
    /// The copies that were put in place, of the rows that are here.
    pub renewals: Vec<Renewal>,
    /// The chain after each row that was asked for, if it is here.
    pub at: Vec<Option<Chain>>,
}

/// What was read of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// How many rows.
    pub rows: u64,
    /// The last row up to which nothing is wrong.
    pub whole_to: i64,
}

/// The rows of the audit.
pub trait AuditRows {
    /// Rows after one, in order.
    fn audit_after(
        &self,
        principal: &Principal,
        now_ms: i64,
        after: i64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, DbError>;

    /// The newest rows that a filter lets through, the newest first.
    fn audit_list(
        &self,
        principal: &Principal,
        now_ms: i64,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditRow>, DbError>;

    /// The logins of users.
    fn logins(&self, principal: &Principal, now_ms: i64, users: &[UserId])
    -> Result<BTreeMap<UserId, String>, DbError>;

    /// What is known of the chain, with its values after some rows, all of one moment.
    fn chain_state(&self, principal: &Principal, now_ms: i64, rows: &[i64]) -> Result<ChainState, DbError>;

    /// Reads the chain from where it was cut, and looks for the row of every stored change. Of broken rows the first is
    /// named.
    fn verify_audit(&self, principal: &Principal, now_ms: i64, found: &mut dyn FnMut(Fault))
    -> Result<Walked, DbError>;

    /// Notes in the audit that a copy was put in the place of the database, if that was not noted yet.
    fn note_renewal(&self, now_ms: i64) -> Result<bool, DbError>;

    /// Cuts the audit: the rows up to there lie in an archive that was read back. False if its last row is not here.
    fn cut_audit(&self, now_ms: i64, cut: Cut, detail: String) -> Result<bool, DbError>;

    /// Deletes up to so many of the oldest rows that lie in archives; returns how many.
    fn drop_rotated(&self, now_ms: i64, limit: usize) -> Result<usize, DbError>;
}
