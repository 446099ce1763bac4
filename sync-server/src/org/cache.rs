//! The tree of a running server.

use std::sync::{Arc, Mutex, PoisonError};

use super::tree::Tree;
use crate::db::{Database, DbError, Principal};

/// The tree as it was loaded last. Commands beside the server write to it too, so the number in the database decides.
#[derive(Debug, Default)]
pub struct TreeCache {
    loaded: Mutex<Option<Arc<Tree>>>,
}

impl TreeCache {
    /// The tree as it stands, loaded again if anybody has written to it.
    pub fn tree(&self, db: &dyn Database, now_ms: i64) -> Result<Arc<Tree>, DbError> {
        let number = db.tree_number(&Principal::SERVER, now_ms)?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match loaded.as_ref() {
            Some(tree) if tree.number() == number => Ok(tree.clone()),
            _ => Ok(loaded.insert(Arc::new(db.tree(&Principal::SERVER, now_ms)?)).clone()),
        }
    }
}
