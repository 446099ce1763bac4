//! Whether the server still has what its receipts say it stored.

use std::collections::BTreeMap;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ChangeHash, IntentId, RecordId};
use gridpass_core::seal;
use gridpass_core::wire::{self, Receipt, ReceiptFile, WireError};

use crate::app::App;
use crate::db::{DbError, ItemRef, Known, Principal, StoredChange};

/// How many receipts are looked up at once.
const PIECE: usize = 500;

/// What the server finds for a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The change is stored. After a restore it may have come again, with another row than the receipt names.
    Stored {
        /// The bucket that was its home when it was stored.
        home: Bucket,
        /// Its row there.
        log_seq: u64,
    },
    /// Another change of the same save is stored: a restored server was sent the save again.
    SavedAs {
        /// That change.
        hash: ChangeHash,
        /// Its home.
        home: Bucket,
        /// Its row there.
        log_seq: u64,
    },
    /// The change is stored in this epoch in another row than the server signed for.
    Elsewhere {
        /// Its home.
        home: Bucket,
        /// Its row there.
        log_seq: u64,
    },
    /// The server does not have the change that it signed for.
    Missing,
    /// This server has not signed the receipt.
    Forged,
}

impl Finding {
    /// Whether the receipt is kept.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Stored { .. } | Self::SavedAs { .. })
    }
}

/// A file of receipts that cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// Not such a file.
    #[error("the file holds no receipts: write it with `gridpass-phone receipts --export FILE` ({0})")]
    NotReceipts(WireError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Checks every receipt of a [`ReceiptFile`] as it was packed, and hands each with its finding to `tell`.
pub fn check(app: &App, file: &[u8], tell: &mut dyn FnMut(&Receipt, Finding)) -> Result<(), ReceiptError> {
    let file: ReceiptFile = wire::unpack(file, ReceiptFile::MAX_BYTES).map_err(ReceiptError::NotReceipts)?;
    let saves: BTreeMap<(RecordId, ChangeHash), IntentId> =
        file.saves.into_iter().map(|save| ((save.record, save.hash), save.intent)).collect();
    let keys = app.keys.public();
    for sheet in &file.sheets {
        let signed = seal::verify_receipts(&keys, sheet).is_ok();
        for piece in sheet.receipts.chunks(PIECE) {
            let found = if signed { look_up(app, piece, &saves)? } else { vec![Finding::Forged; piece.len()] };
            piece.iter().zip(found).for_each(|(receipt, finding)| tell(receipt, finding));
        }
    }
    Ok(())
}

fn look_up(
    app: &App,
    receipts: &[Receipt],
    saves: &BTreeMap<(RecordId, ChangeHash), IntentId>,
) -> Result<Vec<Finding>, DbError> {
    let items: Vec<ItemRef> = receipts
        .iter()
        .map(|receipt| {
            let Receipt { record, generation, hash, .. } = *receipt;
            ItemRef { record, generation, hash, intent: saves.get(&(record, hash)).copied().unwrap_or_default() }
        })
        .collect();
    let facts = app.db.push_facts(&Principal::SERVER, app.now_ms(), &items, usize::MAX)?;
    let finding = |receipt: &Receipt, known: &Known| {
        let Known::Stored(StoredChange { hash, home, log_seq, .. }) = *known else { return Finding::Missing };
        let same_row = (home, log_seq) == (receipt.home, receipt.log_seq);
        match hash == receipt.hash {
            false => Finding::SavedAs { hash, home, log_seq },
            true if same_row || receipt.epoch != app.db.epoch() => Finding::Stored { home, log_seq },
            true => Finding::Elsewhere { home, log_seq },
        }
    };
    Ok(receipts.iter().zip(&facts.items).map(|(receipt, known)| finding(receipt, known)).collect())
}
