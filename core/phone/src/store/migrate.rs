//! Bringing a database to the newest schema: numbered files, one transaction each.

use rusqlite::Connection;

use super::{Result, StoreError};

/// Every schema step, in order; the place in the list is its number minus one.
const STEPS: &[&str] =
    &[include_str!("../../migrations/001_start.sql"), include_str!("../../migrations/002_files.sql")];

/// The newest schema.
pub(super) const LATEST: u32 = STEPS.len() as u32;

/// Runs the steps the database does not have.
pub(super) fn run(connection: &mut Connection) -> Result<()> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > LATEST {
        return Err(StoreError::Newer { found, known: LATEST });
    }
    for (number, step) in (1_u32..).zip(STEPS).filter(|(number, _)| *number > found) {
        let tx = connection.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}
