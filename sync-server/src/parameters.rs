//! Numbers that the district sets and phones pull: one record of plain values.

use gridpass_core::bucket::Bucket;
use gridpass_core::parameter::{COLLECTION, Parameter};
use gridpass_core::record::ShownValues;

use crate::app::App;
use crate::db::{DbError, Principal};
use crate::ingest::plain_head;
use crate::log::{Audit, Base, Commit, Outcome, Write};
use crate::publish::plain_write;

/// How often a number is set again because another process was faster.
const TRIES: usize = 8;

/// Why a parameter is not set.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// There is none of this name.
    #[error("name: no parameter is called so; `parameter list` names them")]
    Unknown,
    /// The number makes no sense.
    #[error("value: must be a whole number from {min} to {max}")]
    OutOfRange {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Others were faster again and again.
    #[error("others set parameters at the same time; try again")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl App {
    /// What the district has set.
    pub fn parameters(&self) -> Result<ShownValues, DbError> {
        let (now_ms, scope) = (self.now_ms(), [Bucket::District]);
        let found = self.db.whole(&Principal::SERVER, now_ms, &scope, &[Parameter::record()])?;
        Ok(found.into_iter().next().map(|record| record.values).unwrap_or_default())
    }

    /// Sets a parameter; phones take it up at their next sync.
    pub fn set_parameter(&self, name: &str, number: i64) -> Result<(), ParameterError> {
        let parameter = Parameter::named(name).ok_or(ParameterError::Unknown)?;
        if !parameter.takes(number) {
            return Err(ParameterError::OutOfRange { min: parameter.min, max: parameter.max });
        }
        for _ in 0..TRIES {
            let before = self.parameters()?;
            let after = parameter.set(&before, number);
            if after == before {
                return Ok(());
            }
            let base = (!before.is_empty()).then(|| Base {
                generation: 0,
                heads: vec![plain_head(&before)],
                home: Bucket::District,
                also: Vec::new(),
            });
            let record = Parameter::record();
            let audit = Audit {
                action: "parameter_set",
                object: Some(record.0.to_vec()),
                detail: serde_json::json!({ "name": name, "value": number }).to_string(),
                ..Audit::default()
            };
            let write = Write::Record(Box::new(plain_write(record, COLLECTION, base, after)));
            let outcomes = self.db.commit(self.now_ms(), vec![Commit { write, audit }])?;
            if !outcomes.contains(&Outcome::Stale) {
                self.advanced(&outcomes);
                return Ok(());
            }
        }
        Err(ParameterError::Busy)
    }
}
