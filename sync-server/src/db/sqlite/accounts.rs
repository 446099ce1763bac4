//! Passwords and second factors: who has shown what, how often it was wrong, and what follows.

use gridpass_core::id::UserId;
use rusqlite::{Connection, params};

use super::commit::{audit, execute};
use super::{DbError, backend, named, optional, sessions};
use crate::auth::lockout;
use crate::db::{AccountRow, Act, Asked, Factor, Proof, Proven, SessionId, TotpRow};
use crate::log::Audit;

pub(super) fn account(connection: &Connection, asked: Asked<'_>) -> Result<Option<AccountRow>, DbError> {
    let (login, user) = match asked {
        Asked::Login(login) => (Some(login), None),
        Asked::User(user) => (None, Some(user.0)),
    };
    let found = connection
        .prepare_cached(
            "SELECT u.id, u.login, u.name, p.hash, t.secret, t.confirmed,
             (SELECT count(*) FROM recovery_code r WHERE r.user = u.id AND r.used IS NULL) AS codes
             FROM user u LEFT JOIN password p ON p.user = u.id LEFT JOIN totp t ON t.user = u.id
             WHERE u.login = ?1 OR u.id = ?2",
        )
        .and_then(|mut statement| {
            statement.query_row(params![login, user], |row| {
                let confirmed = row.get::<_, Option<i64>>("confirmed")?.is_some();
                let secret = row.get::<_, Option<Vec<u8>>>("secret")?;
                Ok(AccountRow {
                    user: named(row, "id")?,
                    login: row.get("login")?,
                    name: row.get("name")?,
                    password: row.get("hash")?,
                    totp: secret.map(|secret| TotpRow { secret, confirmed }),
                    recovery_codes: row.get("codes")?,
                })
            })
        });
    optional(found, "finding an account")
}

/// What stands while a proof is looked at.
struct Standing {
    hash: String,
    disabled: bool,
    until: Option<i64>,
    failures: u32,
    locked_until: Option<i64>,
    probes: u32,
    totp: Option<i64>,
}

fn standing(connection: &Connection, user: UserId) -> Result<Option<Standing>, DbError> {
    let found = connection.query_row(
        "SELECT p.hash, u.disabled IS NOT NULL AS disabled, p.until, p.failures, p.locked_until, p.probes, t.last_step
         FROM user u JOIN password p ON p.user = u.id LEFT JOIN totp t ON t.user = u.id AND t.confirmed IS NOT NULL
         WHERE u.id = ?1",
        [user.0],
        |row| {
            Ok(Standing {
                hash: row.get("hash")?,
                disabled: row.get("disabled")?,
                until: row.get("until")?,
                failures: row.get("failures")?,
                locked_until: row.get("locked_until")?,
                probes: row.get("probes")?,
                totp: row.get("last_step")?,
            })
        },
    );
    optional(found, "looking at a proof")
}

pub(super) fn prove(
    connection: &Connection,
    now: i64,
    user: Option<UserId>,
    proof: Proof,
    act: Act,
) -> Result<Proven, DbError> {
    let refused = |why| refuse(connection, now, user, &act, why);
    let Some(user) = user else { return refused("unknown").map(|()| Proven::Wrong) };
    let Some(stands) = standing(connection, user)? else { return refused("no_password").map(|()| Proven::Wrong) };
    if stands.disabled {
        return refused("disabled").map(|()| Proven::Wrong);
    }
    if stands.until.is_some_and(|until| until <= now) {
        return refused("initial_password_too_old").map(|()| Proven::Wrong);
    }
    if proof.compared.as_ref() != Some(&stands.hash) {
        return refused("changed_meanwhile").map(|()| Proven::Wrong); // it says nothing about the one that holds now
    }
    if let Some(until_ms) = stands.locked_until.filter(|until| now < *until) {
        refused("locked")?;
        if proof.right && stands.probes < lockout::PROBES {
            return Ok(Proven::Locked { until_ms });
        }
        count_probe(connection, user)?;
        return Ok(Proven::Wrong);
    }
    if !proof.right {
        refused("password")?;
        fail(connection, now, user, stands.failures)?;
        return Ok(Proven::Wrong);
    }
    let mut shown = false;
    if let (Some(last_step), Act::SignIn(_) | Act::ShowFactor(_)) = (stands.totp, &act) {
        if proof.factor == Factor::Missing {
            return refused("factor_missing").map(|()| Proven::FactorMissing);
        }
        if !use_up(connection, now, user, last_step, proof.factor)? {
            refused("factor")?;
            fail(connection, now, user, stands.failures)?;
            return Ok(Proven::WrongFactor);
        }
        shown = true;
    }
    execute(
        connection,
        "counting a proof",
        "UPDATE password SET hash = coalesce(?2, hash), failures = 0, locked_until = NULL, probes = 0 WHERE user = ?1",
        params![user.0, proof.renewed],
    )?;
    match act {
        Act::SignIn(new) => sessions::begin(connection, now, user, &new, shown)?,
        Act::ShowFactor(session) if shown => sessions::show_factor(connection, now, user, session)?,
        Act::ShowFactor(_) => return Ok(Proven::WrongFactor), // there is none to show
        Act::ChangePassword { hash, keep } => change(connection, now, user, &hash, keep)?,
        Act::BeginTotp { secret } => begin_totp(connection, now, user, &secret)?,
    }
    Ok(Proven::Done)
}

/// Notes a proof that does not hold; nothing of what was typed.
fn refuse(
    connection: &Connection,
    now: i64,
    user: Option<UserId>,
    act: &Act,
    why: &'static str,
) -> Result<(), DbError> {
    let action = if matches!(act, Act::SignIn(_)) { "sign_in_refused" } else { "proof_refused" };
    let detail = serde_json::json!({ "why": why }).to_string();
    audit(connection, now, &Audit { user, action, detail, ..Audit::default() })
}

fn fail(connection: &Connection, now: i64, user: UserId, failures: u32) -> Result<(), DbError> {
    let failures = failures.saturating_add(1);
    let wait_ms = lockout::wait_ms(failures);
    execute(
        connection,
        "counting a wrong password",
        "UPDATE password SET failures = ?2, locked_until = ?3, probes = 0 WHERE user = ?1",
        params![user.0, failures, wait_ms.map(|wait| now + wait)],
    )?;
    if let Some(wait_ms) = wait_ms {
        let detail = serde_json::json!({ "minutes": wait_ms / 60_000 }).to_string();
        audit(connection, now, &Audit { user: Some(user), action: "account_locked", detail, ..Audit::default() })?;
    }
    Ok(())
}

fn count_probe(connection: &Connection, user: UserId) -> Result<(), DbError> {
    execute(connection, "counting a probe", "UPDATE password SET probes = probes + 1 WHERE user = ?1", [user.0])
}

/// Uses a second factor up. False if it is none, or was used before.
fn use_up(connection: &Connection, now: i64, user: UserId, last_step: i64, factor: Factor) -> Result<bool, DbError> {
    const STEP: &str = "using a second factor";
    match factor {
        Factor::Step(step) if step.cast_signed() > last_step => {
            let sql = "UPDATE totp SET last_step = ?2 WHERE user = ?1";
            execute(connection, STEP, sql, params![user.0, step.cast_signed()])?;
            Ok(true)
        }
        Factor::Recovery(hash) => {
            let used = connection
                .execute(
                    "UPDATE recovery_code SET used = ?3 WHERE user = ?1 AND hash = ?2 AND used IS NULL",
                    params![user.0, hash, now],
                )
                .map_err(backend(STEP))?;
            if used > 0 {
                note(connection, now, Some(user), "recovery_code_used", user)?;
            }
            Ok(used > 0)
        }
        Factor::Step(_) | Factor::Missing | Factor::Wrong => Ok(false),
    }
}

fn change(connection: &Connection, now: i64, user: UserId, hash: &str, keep: SessionId) -> Result<(), DbError> {
    execute(
        connection,
        "changing a password",
        "UPDATE password SET hash = ?2, since = ?3, until = NULL WHERE user = ?1",
        params![user.0, hash, now],
    )?;
    note(connection, now, Some(user), "password_changed", user)?;
    sessions::end_all(connection, now, Some(user), user, Some(keep)).map(|_| ())
}

fn begin_totp(connection: &Connection, now: i64, user: UserId, secret: &[u8]) -> Result<(), DbError> {
    execute(
        connection,
        "beginning a second factor",
        "INSERT INTO totp (user, secret, made) VALUES (?1, ?2, ?3)
         ON CONFLICT (user) DO UPDATE SET secret = excluded.secret, made = excluded.made WHERE confirmed IS NULL",
        params![user.0, secret, now],
    )?;
    note(connection, now, Some(user), "totp_begun", user)
}

pub(super) fn confirm_totp(
    connection: &Connection,
    now: i64,
    user: UserId,
    session: SessionId,
    step: u64,
    recovery: &[[u8; 32]],
) -> Result<bool, DbError> {
    const STEP: &str = "confirming a second factor";
    let confirmed = connection
        .execute(
            "UPDATE totp SET confirmed = ?2, last_step = ?3 WHERE user = ?1 AND confirmed IS NULL",
            params![user.0, now, step.cast_signed()],
        )
        .map_err(backend(STEP))?;
    if confirmed == 0 {
        return Ok(false);
    }
    execute(connection, STEP, "DELETE FROM recovery_code WHERE user = ?1", [user.0])?;
    for hash in recovery {
        let sql = "INSERT INTO recovery_code (user, hash) VALUES (?1, ?2)";
        execute(connection, STEP, sql, params![user.0, hash])?;
    }
    note(connection, now, Some(user), "totp_confirmed", user)?;
    sessions::show_factor(connection, now, user, session)?;
    Ok(true)
}

pub(super) fn remove_totp(
    connection: &Connection,
    now: i64,
    by: Option<UserId>,
    user: UserId,
) -> Result<bool, DbError> {
    const STEP: &str = "removing a second factor";
    execute(connection, STEP, "DELETE FROM recovery_code WHERE user = ?1", [user.0])?;
    let removed = connection.execute("DELETE FROM totp WHERE user = ?1", [user.0]).map_err(backend(STEP))?;
    if removed > 0 {
        note(connection, now, by, "totp_removed", user)?;
    }
    Ok(removed > 0)
}

pub(super) fn give_password(
    connection: &Connection,
    now: i64,
    user: UserId,
    hash: &str,
    until: i64,
    drop_totp: bool,
) -> Result<(), DbError> {
    execute(
        connection,
        "giving a password",
        "INSERT INTO password (user, hash, since, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user) DO UPDATE SET hash = excluded.hash, since = excluded.since, until = excluded.until,
         failures = 0, locked_until = NULL, probes = 0",
        params![user.0, hash, now, until],
    )?;
    note(connection, now, None, "password_given", user)?;
    if drop_totp {
        remove_totp(connection, now, None, user)?;
    }
    sessions::end_all(connection, now, None, user, None).map(|_| ())
}

pub(super) fn unlock(connection: &Connection, now: i64, user: UserId) -> Result<bool, DbError> {
    let unlocked = connection
        .execute(
            "UPDATE password SET failures = 0, locked_until = NULL, probes = 0
             WHERE user = ?1 AND (failures > 0 OR locked_until IS NOT NULL)",
            [user.0],
        )
        .map_err(backend("unlocking an account"))?;
    if unlocked > 0 {
        note(connection, now, None, "account_unlocked", user)?;
    }
    Ok(unlocked > 0)
}

pub(super) fn set_disabled(connection: &Connection, now: i64, user: UserId, disabled: bool) -> Result<bool, DbError> {
    let changed = connection
        .execute(
            "UPDATE user SET disabled = ?2 WHERE id = ?1 AND (disabled IS NULL) = (?2 IS NOT NULL)",
            params![user.0, disabled.then_some(now)],
        )
        .map_err(backend("disabling a user"))?;
    if changed > 0 {
        note(connection, now, None, if disabled { "user_disabled" } else { "user_enabled" }, user)?;
    }
    if disabled {
        sessions::end_all(connection, now, None, user, None)?;
    }
    Ok(changed > 0)
}

fn note(
    connection: &Connection,
    now: i64,
    by: Option<UserId>,
    action: &'static str,
    user: UserId,
) -> Result<(), DbError> {
    let object = Some(user.as_bytes().to_vec());
    audit(connection, now, &Audit { user: by, action, object, detail: "{}".into(), ..Audit::default() })
}
