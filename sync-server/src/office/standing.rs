//! A record as it stands, and the write that puts values over it: what desks, imports and decisions have in common.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::Collection;
use gridpass_core::id::{ActorId, BatchId, IntentId, RecordId};
use gridpass_core::record::{Document, ShownValues, check, shown_values};
use gridpass_core::wire::{self, FMT_AUTOMERGE, IntentKind, Role};

use crate::catalogs::shared;
use crate::db::{DbError, RecordFacts};
use crate::log::{Base, By, Files, NewChange, RecordWrite, ReviewWrite};
use crate::office::Office;

/// A record as it stands; an empty one where there is none yet.
pub struct Standing {
    /// Its row and changes.
    pub facts: RecordFacts,
    /// What they add up to.
    pub document: Document,
}

/// What is put into a record, by whom and as what.
pub struct Act {
    /// The server's writer: [`Office::office`] or [`Office::console`].
    pub actor: ActorId,
    /// Who stands behind it.
    pub by: By,
    /// The keys and values.
    pub puts: Vec<(String, Value)>,
    /// Why: one per record.
    pub intent: IntentId,
    /// What kind of act.
    pub kind: IntentKind,
    /// The import it is part of.
    pub batch: Option<BatchId>,
}

impl Standing {
    /// A record from its stored changes.
    pub fn of(facts: RecordFacts) -> Result<Self, DbError> {
        let bytes = facts.changes.iter().map(|change| change.row.bytes.as_slice());
        let document = Document::from_changes(bytes).map_err(|_| DbError::Damaged { table: "change" })?;
        Ok(Self { facts, document })
    }

    /// What is shown of it.
    pub fn shown(&self) -> ShownValues {
        shown_values(&self.document.state(), |actor| self.is_office(actor))
    }

    fn is_office(&self, actor: &ActorId) -> bool {
        self.facts.changes.iter().any(|change| change.row.author.role == Role::OFFICE && change.actor == *actor)
    }

    /// The write that puts values over what stands; none if the record would become too large.
    pub fn write(
        mut self,
        office: &Office,
        collection: &Collection,
        record: RecordId,
        home: Bucket,
        act: Act,
    ) -> Result<Option<RecordWrite>, DbError> {
        const UNBUILDABLE: DbError = DbError::Damaged { table: "change" };
        let Act { actor, by, puts, intent, kind, batch } = act;
        let names = puts.iter().filter_map(|(key, value)| shared(collection, key, value)).collect();
        let change = self.document.change_putting(actor, office.now_ms.div_euclid(1000), puts);
        let built = change.build().map_err(|_| UNBUILDABLE)?;
        self.document.apply([built.clone()]).map_err(|_| UNBUILDABLE)?;
        let state = self.document.state();
        if check::device_bytes(&state) > wire::MAX_RECORD_BYTES || change.puts.len() > wire::MAX_PUTS {
            return Ok(None);
        }
        // The office's first word in the record counts at once.
        let by_office = by.role == Role::OFFICE;
        let shown = shown_values(&state, |of| self.is_office(of) || (by_office && *of == actor));
        let base = self.facts.row.as_ref().map(|row| Base {
            generation: row.generation,
            heads: row.heads.clone(),
            home: row.home,
            also: row.also.clone(),
        });
        Ok(Some(RecordWrite {
            record,
            collection: collection.id.clone(),
            generation: base.as_ref().map_or(0, |base| base.generation),
            fmt: FMT_AUTOMERGE,
            changes: vec![NewChange {
                change,
                built,
                by,
                intent,
                intent_kind: kind,
                visit: None,
                catalog_version: office.catalog_version,
                device_ms: office.now_ms,
                corrected_ms: office.now_ms,
                batch,
            }],
            heads: self.document.heads(),
            shown,
            home,
            base,
            also: self.facts.row.map(|row| row.also).unwrap_or_default(),
            names,
            tickets: Vec::new(),
            decided: Vec::new(),
            review: ReviewWrite::default(),
            files: Files::default(),
        }))
    }
}
