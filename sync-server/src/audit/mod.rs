//! The audit as a chain that can be verified, searched and rotated (docs/sync.md, "Audit").

pub mod archive;
pub mod chain;
pub mod rotate;
pub mod seal;
pub mod verify;

/// Why the audit cannot be sealed, verified or rotated.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file or folder.
    #[error("{step} {name}: {cause}")]
    File {
        /// What was being done.
        step: &'static str,
        /// The file.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The rows that were to go into an archive do not add up: they stay where they are.
    #[error("audit {seq}: it, or the order up to it, was altered; nothing was rotated; run `verify --audit`")]
    Broken {
        /// The first broken row.
        seq: i64,
    },
    /// The archive that was written does not read back as what went into it.
    #[error("{name} does not read back as it was written ({what}); no row was deleted; look at the disk")]
    Unreadable {
        /// The file.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// Today's rows stay.
    #[error("before: must be today or earlier")]
    InFuture,
    /// The database.
    #[error(transparent)]
    Database(#[from] crate::db::DbError),
}

/// The error of a step on a file.
pub(crate) fn at<'a>(step: &'static str, file: &'a std::path::Path) -> impl Fn(std::io::Error) -> AuditError + 'a {
    move |cause| AuditError::File { step, name: file.display().to_string(), cause }
}
