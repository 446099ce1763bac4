//! Users, assignments, phones, codes and tokens.

use gridpass_core::id::{ActorId, DeviceId, GrantId, UserId};
use gridpass_core::wire::{Nonce, Role};
use rusqlite::{Connection, Row, params};

use super::commit::{audit, execute};
use super::{DbError, backend, named, optional, rows};
use crate::db::{AssignmentRow, DeviceRow, Duty, EnrolRefusal, EnrolledRow};
use crate::log::Audit;
use crate::org::Node;

/// What kind of post a stored id names.
const GRID: i64 = 1;
const UNIT: i64 = 2;

pub(super) fn assignments(connection: &Connection, user: UserId) -> Result<Vec<AssignmentRow>, DbError> {
    rows(
        connection,
        "reading assignments",
        "SELECT grant_id, post, post_kind, role, duty, valid_from, valid_to FROM assignment
         WHERE user = ?1 ORDER BY valid_from",
        [user.0],
        |row| {
            let post = match row.get("post_kind")? {
                GRID => Node::Grid(named(row, "post")?),
                _ => Node::Unit(named(row, "post")?),
            };
            let duty: String = row.get("duty")?;
            Ok(AssignmentRow {
                grant: named(row, "grant_id")?,
                post,
                role: row.get("role")?,
                duty: if duty == Duty::Cover.as_str() { Duty::Cover } else { Duty::Primary },
                from_ms: row.get("valid_from")?,
                to_ms: row.get("valid_to")?,
            })
        },
    )
}

pub(super) fn add_user(connection: &Connection, now: i64, id: UserId, login: &str, name: &str) -> Result<(), DbError> {
    execute(
        connection,
        "adding a user",
        "INSERT INTO user (id, login, name, created) VALUES (?1, ?2, ?3, ?4)",
        params![id.0, login, name, now],
    )?;
    note(connection, now, "user_added", id.as_bytes())
}

pub(super) fn user_by_login(connection: &Connection, login: &str) -> Result<Option<UserId>, DbError> {
    let found = connection.query_row("SELECT id FROM user WHERE login = ?1", [login], |row| named(row, "id"));
    optional(found, "finding a user")
}

pub(super) fn assign(
    connection: &Connection,
    now: i64,
    user: UserId,
    assignment: &AssignmentRow,
) -> Result<(), DbError> {
    let (post, kind) = stored(&assignment.post);
    execute(
        connection,
        "assigning",
        "INSERT INTO assignment (grant_id, user, post, post_kind, role, duty, valid_from, valid_to)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            assignment.grant.0,
            user.0,
            post,
            kind,
            assignment.role,
            assignment.duty.as_str(),
            assignment.from_ms,
            assignment.to_ms
        ],
    )?;
    note(connection, now, "assigned", assignment.grant.as_bytes())
}

pub(super) fn end_assignments(
    connection: &Connection,
    now: i64,
    user: UserId,
    post: Node,
    at: i64,
) -> Result<usize, DbError> {
    const STEP: &str = "ending assignments";
    let (post, kind) = stored(&post);
    let ended: Vec<GrantId> = rows(
        connection,
        STEP,
        "UPDATE assignment SET valid_to = ?4 WHERE user = ?1 AND post = ?2 AND post_kind = ?3 AND valid_from <= ?4
         AND (valid_to IS NULL OR valid_to > ?4) RETURNING grant_id",
        params![user.0, post, kind, at],
        |row| named(row, "grant_id"),
    )?;
    ended.iter().try_for_each(|grant| note(connection, now, "unassigned", grant.as_bytes()))?;
    Ok(ended.len())
}

/// A post as it is stored: its id and what it is.
fn stored(post: &Node) -> ([u8; 16], i64) {
    match post {
        Node::Grid(grid) => (grid.0, GRID),
        Node::Unit(unit) => (unit.0, UNIT),
    }
}

pub(super) fn add_enrol_code(
    connection: &Connection,
    now: i64,
    hash: [u8; 32],
    user: UserId,
    expires: i64,
) -> Result<(), DbError> {
    execute(
        connection,
        "giving out a code",
        "INSERT INTO enrol_code (hash, user, made, expires) VALUES (?1, ?2, ?3, ?4)",
        params![hash, user.0, now, expires],
    )?;
    note(connection, now, "enrol_code_made", user.as_bytes())
}

/// Takes a code once; the same code with the same key gives the same enrolment again.
pub(super) fn enrol(
    connection: &Connection,
    now: i64,
    code_hash: [u8; 32],
    device: DeviceId,
    public_key: &[u8],
    nonce: Nonce,
    app_version: &str,
) -> Result<Result<EnrolledRow, EnrolRefusal>, DbError> {
    const STEP: &str = "enrolling";
    struct Code {
        user: UserId,
        user_name: String,
        expires: i64,
        used: Option<(Vec<u8>, DeviceId)>,
    }
    let found = connection.query_row(
        "SELECT c.user, u.name, c.expires, c.public_key, c.device FROM enrol_code c JOIN user u ON u.id = c.user
         WHERE c.hash = ?1",
        [code_hash],
        |row| {
            let used = match row.get::<_, Option<Vec<u8>>>("public_key")? {
                Some(key) => Some((key, named(row, "device")?)),
                None => None,
            };
            Ok(Code { user: named(row, "user")?, user_name: row.get("name")?, expires: row.get("expires")?, used })
        },
    );
    let Some(code) = optional(found, STEP)? else { return Ok(Err(EnrolRefusal::UnknownOrExpired)) };
    let enrolled = |device| EnrolledRow { device, user: code.user, user_name: code.user_name.clone() };
    match &code.used {
        Some((key, device)) if key == public_key => {
            add_actor(connection, now, *device, public_key, nonce)?;
            return Ok(Ok(enrolled(*device)));
        }
        Some(_) => return Ok(Err(EnrolRefusal::Used)),
        None if code.expires <= now => return Ok(Err(EnrolRefusal::UnknownOrExpired)),
        None => {}
    }
    // A phone that enrols again with its key is the phone it was.
    let known =
        connection.query_row("SELECT id, user, revoked FROM device WHERE public_key = ?1", [public_key], |row| {
            Ok((named(row, "id")?, named::<UserId>(row, "user")?, row.get::<_, Option<i64>>("revoked")?))
        });
    let device = match optional(known, STEP)? {
        Some((known, user, None)) if user == code.user => known,
        Some(_) => return Ok(Err(EnrolRefusal::KeyTaken)),
        None => {
            let key_id = gridpass_core::seal::key_id(public_key);
            execute(
                connection,
                STEP,
                "INSERT INTO device (id, user, key_id, public_key, app_version, enrolled, last_contact)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                params![device.0, code.user.0, key_id.0, public_key, app_version, now],
            )?;
            device
        }
    };
    execute(
        connection,
        STEP,
        "UPDATE enrol_code SET public_key = ?2, device = ?3 WHERE hash = ?1",
        params![code_hash, public_key, device.0],
    )?;
    add_actor(connection, now, device, public_key, nonce)?;
    note(connection, now, "enrolled", device.as_bytes())?;
    Ok(Ok(enrolled(device)))
}

fn add_actor(
    connection: &Connection,
    now: i64,
    device: DeviceId,
    public_key: &[u8],
    nonce: Nonce,
) -> Result<(), DbError> {
    execute(
        connection,
        "adding an actor",
        "INSERT INTO actor (id, role, device, nonce, since) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING",
        params![nonce.actor(public_key).0, Role::DEVICE.0, device.0, nonce.0, now],
    )
}

pub(super) fn knows_actors(connection: &Connection, actors: &[(ActorId, Role)]) -> Result<bool, DbError> {
    const STEP: &str = "finding the server's writers";
    let mut find =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM actor WHERE id = ?1)").map_err(backend(STEP))?;
    for (actor, _) in actors {
        if !find.query_row([actor.0], |row| row.get::<_, bool>(0)).map_err(backend(STEP))? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn add_server_actors(connection: &Connection, now: i64, actors: &[(ActorId, Role)]) -> Result<(), DbError> {
    for (actor, role) in actors {
        execute(
            connection,
            "noting the server's writers",
            "INSERT INTO actor (id, role, since) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
            params![actor.0, role.0, now],
        )?;
    }
    Ok(())
}

pub(super) fn device(connection: &Connection, id: DeviceId) -> Result<Option<DeviceRow>, DbError> {
    const STEP: &str = "finding a phone";
    let found = connection
        .prepare_cached("SELECT id, user, public_key, revoked FROM device WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.0], device_row));
    with_actors(connection, optional(found, STEP)?)
}

pub(super) fn device_by_token(
    connection: &Connection,
    now: i64,
    token_hash: [u8; 32],
) -> Result<Option<DeviceRow>, DbError> {
    const STEP: &str = "finding a token";
    let found = connection
        .prepare_cached(
            "SELECT d.id, d.user, d.public_key, d.revoked FROM token t JOIN device d ON d.id = t.device
             WHERE t.hash = ?1 AND t.expires > ?2",
        )
        .and_then(|mut statement| statement.query_row(params![token_hash, now], device_row));
    with_actors(connection, optional(found, STEP)?)
}

fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        id: named(row, "id")?,
        user: named(row, "user")?,
        public_key: row.get("public_key")?,
        revoked: row.get("revoked")?,
        actors: Vec::new(),
    })
}

fn with_actors(connection: &Connection, found: Option<DeviceRow>) -> Result<Option<DeviceRow>, DbError> {
    let Some(mut device) = found else { return Ok(None) };
    device.actors =
        rows(connection, "reading actors", "SELECT id FROM actor WHERE device = ?1", [device.id.0], |row| {
            named::<ActorId>(row, "id")
        })?;
    Ok(Some(device))
}

pub(super) fn add_challenge(
    connection: &Connection,
    now: i64,
    device: DeviceId,
    challenge: [u8; 32],
    expires: i64,
) -> Result<(), DbError> {
    const STEP: &str = "storing a challenge";
    execute(connection, STEP, "DELETE FROM challenge WHERE expires <= ?1 OR device = ?2", params![now, device.0])?;
    execute(
        connection,
        STEP,
        "INSERT INTO challenge (challenge, device, expires) VALUES (?1, ?2, ?3)",
        params![challenge, device.0, expires],
    )
}

#[expect(clippy::too_many_arguments, reason = "one row of each of three tables, written together")]
pub(super) fn take_challenge(
    connection: &Connection,
    now: i64,
    device: DeviceId,
    challenge: &[u8],
    token_hash: [u8; 32],
    expires: i64,
    nonces: &[Nonce],
    app_version: &str,
) -> Result<bool, DbError> {
    const STEP: &str = "giving out a token";
    let taken = connection
        .execute(
            "DELETE FROM challenge WHERE challenge = ?1 AND device = ?2 AND expires > ?3",
            params![challenge, device.0, now],
        )
        .map_err(backend(STEP))?;
    if taken == 0 {
        return Ok(false);
    }
    let public_key: Vec<u8> = connection
        .query_row("SELECT public_key FROM device WHERE id = ?1", [device.0], |row| row.get(0))
        .map_err(backend(STEP))?;
    for nonce in nonces {
        add_actor(connection, now, device, &public_key, *nonce)?;
    }
    execute(connection, STEP, "DELETE FROM token WHERE expires <= ?1", [now])?;
    execute(
        connection,
        STEP,
        "INSERT INTO token (hash, device, expires) VALUES (?1, ?2, ?3)",
        params![token_hash, device.0, expires],
    )?;
    execute(
        connection,
        STEP,
        "UPDATE device SET last_contact = ?2, app_version = ?3 WHERE id = ?1",
        params![device.0, now, app_version],
    )?;
    Ok(true)
}

pub(super) fn revoke(connection: &Connection, now: i64, device: DeviceId) -> Result<bool, DbError> {
    const STEP: &str = "revoking a phone";
    let revoked = connection
        .execute("UPDATE device SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL", params![device.0, now])
        .map_err(backend(STEP))?;
    execute(connection, STEP, "DELETE FROM token WHERE device = ?1", [device.0])?;
    if revoked > 0 {
        note(connection, now, "device_revoked", device.as_bytes())?;
    }
    Ok(revoked > 0)
}

fn note(connection: &Connection, now: i64, action: &'static str, object: &[u8]) -> Result<(), DbError> {
    audit(connection, now, &Audit { action, object: Some(object.to_vec()), detail: "{}".into(), ..Audit::default() })
}
