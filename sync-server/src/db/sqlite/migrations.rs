//! The numbered files of the schema.

use rusqlite::Connection;

use super::{DbError, audit, backend};

/// The rows of builds before get their links after it.
const AUDIT: &str = include_str!("../../../migrations/sqlite/006_audit.sql");

const FILES: &[&str] = &[
    include_str!("../../../migrations/sqlite/001_truth.sql"),
    include_str!("../../../migrations/sqlite/002_blobs.sql"),
    include_str!("../../../migrations/sqlite/003_imports.sql"),
    include_str!("../../../migrations/sqlite/004_assignment.sql"),
    include_str!("../../../migrations/sqlite/005_review.sql"),
    AUDIT,
    include_str!("../../../migrations/sqlite/007_org.sql"),
    include_str!("../../../migrations/sqlite/008_people.sql"),
];

/// How many of the files a database has; one that has more than this program knows is refused.
pub(super) fn check(connection: &Connection) -> Result<u32, DbError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(backend("migrating"))?;
    let known = u32::try_from(FILES.len()).unwrap_or(u32::MAX);
    if found > known { Err(DbError::NewerSchema { found, known }) } else { Ok(found) }
}

/// Applies the files that a database does not have, each in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), DbError> {
    let found = check(connection)?;
    let step = backend("migrating");
    for (number, sql) in (1u32..).zip(FILES).skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        let transaction = connection.transaction().map_err(&step)?;
        transaction.execute_batch(sql).map_err(&step)?;
        if *sql == AUDIT {
            audit::link_old_rows(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", number).map_err(&step)?;
        transaction.commit().map_err(&step)?;
    }
    Ok(())
}
