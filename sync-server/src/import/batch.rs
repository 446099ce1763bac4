//! Imports as batches: what was taken in together can be listed and undone together.

use gridpass_core::id::BatchId;

use super::mapping::Mapping;
use super::source::Source;
use super::{ImportError, Options};
use crate::app::App;
use crate::db::Principal;
use crate::keys::random;
use crate::log::{Audit, BatchProof, Commit, Write};

/// What an import of the server is signed with: nothing. It lies among the pushes of phones as one of no phone.
const UNSIGNED: &[u8] = &[];

/// An import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// When it began, in milliseconds since 1970.
    pub begun_ms: i64,
    /// What was taken in: a hash of mapping, options and files.
    pub digest: [u8; 32],
    /// How many changes it made.
    pub changes: u64,
    /// What the audit says of it, in order: `import_begun`, `import_ended`, `import_undone`, with the files' names.
    pub said: Vec<(String, String)>,
}

impl Batch {
    /// Whether the audit says so.
    pub fn was(&self, action: &str) -> bool {
        self.said.iter().any(|(said, _)| said == action)
    }
}

/// Begins the batch of an import. The same files by the same mapping go on with the batch of a run that was ended in its
/// middle, so that it is one import to undo.
pub(super) fn begin(
    app: &App,
    mapping: &Mapping,
    options: &Options,
    sources: &[Source],
) -> Result<BatchId, ImportError> {
    let now_ms = app.now_ms();
    let mut hasher = blake3::Hasher::new_derive_key("gridpass import batch v1");
    hasher.update(format!("{mapping:?}{:?}{:?}{:?}", options.sheet, options.space, options.grid).as_bytes());
    for source in sources {
        hasher.update(&source.hash);
    }
    let digest = *hasher.finalize().as_bytes();
    let batches = app.db.import_batches(&Principal::SERVER, now_ms)?;
    let unfinished = |batch: &&Batch| {
        batch.digest == digest && !["import_ended", "import_undone"].iter().any(|action| batch.was(action))
    };
    if let Some(batch) = batches.iter().rev().find(unfinished) {
        return Ok(batch.id);
    }
    let id = BatchId(random()?);
    let proof = BatchProof {
        device: Default::default(),
        batch: id,
        key: Default::default(),
        digest,
        signature: UNSIGNED.to_vec(),
    };
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let detail = serde_json::json!({ "files": names }).to_string();
    let audit = Audit { action: "import_begun", object: Some(id.0.to_vec()), detail, ..Audit::default() };
    app.db.commit(now_ms, vec![Commit { write: Write::Batch(proof), audit }])?;
    Ok(id)
}

/// Ends a batch.
pub(super) fn end(app: &App, batch: BatchId) -> Result<(), ImportError> {
    let audit =
        Audit { action: "import_ended", object: Some(batch.0.to_vec()), detail: "{}".into(), ..Audit::default() };
    Ok(app.db.audit(app.now_ms(), audit)?)
}
