//! Bar 13: a server is put back from a copy that is older than what its phones have receipts for. The server's bytes per
//! edit for bar 10 beside it.

use std::path::Path;
use std::time::Instant;

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_server::db::Principal;
use gridpass_server::db::sqlite::FILE;
use gridpass_tests::world::Error;

use crate::bed::{Bed, LARGE};
use crate::table::{Row, Table};

/// The rows of bar 13: a phone has edited so many cards once each, and the copy knows nothing of it.
pub async fn rows(bed: Bed, folder: &Path, offered: usize, table: &mut Table) -> Result<(), Error> {
    let handset = bed.enrol("restored", &[bed.grid(LARGE)?]).await?;
    handset.settle().await?;
    let copy = folder.join("older.sqlite");
    bed.app.db.backup(&copy)?;
    let mut cards = handset.cards(u32::MAX)?;
    cards.truncate(offered);
    let begun = Instant::now();
    for record in &cards {
        handset.edit(*record, "备份之后")?;
    }
    let saved = begun.elapsed().as_secs_f64();
    let before = bed.file_bytes()?;
    let begun = Instant::now();
    handset.settle().await?;
    let pushed = begun.elapsed().as_secs_f64();
    handset.settle().await?;
    let per_edit = bed.file_bytes()?.saturating_sub(before) as f64 / cards.len().max(1) as f64;

    let bed = bed
        .restarted(|server| {
            for ending in ["", "-wal", "-shm"] {
                let file = server.join(format!("{FILE}{ending}"));
                if file.exists() {
                    std::fs::remove_file(file)?;
                }
            }
            std::fs::copy(&copy, server.join(FILE))?;
            Ok(())
        })
        .await?;
    handset.line.take();
    let begun = Instant::now();
    let report = handset.phone.sync().await?;
    let took = begun.elapsed().as_secs_f64();
    let requests = handset.line.take().len();

    // One sync, nothing of what had a receipt missing, both sides the same.
    let state = handset.phone.state()?;
    if !report.complete || state.unsent > 0 || state.inbox > 0 {
        return Err(format!("after one sync {} are unsent, {} in the inbox", state.unsent, state.inbox).into());
    }
    let grid = bed.grid(LARGE)?;
    let scope = [Bucket::Base(grid)];
    for records in cards.chunks(100) {
        let whole = bed.app.db.whole(&Principal::SERVER, bed.app.now_ms(), &scope, records)?;
        let note = Value::from("备份之后");
        let with = whole.iter().filter(|record| record.values.get("note").is_some_and(|shown| *shown.value() == note));
        let with = with.count();
        if with != records.len() {
            return Err(format!("{} edits with a receipt are missing on the server", records.len() - with).into());
        }
    }
    let mut faults = 0;
    bed.app.db.verify(&Principal::SERVER, bed.app.now_ms(), &mut |_| faults += 1)?;
    let heads = bed.app.db.heads(&Principal::SERVER, bed.app.now_ms(), &scope)?;
    let held = state.buckets.iter().find(|held| scope.contains(&held.bucket)).ok_or("the bucket is gone")?;
    if faults > 0 || heads.get(&held.bucket) != Some(&held.cursor.log_seq) {
        return Err(format!("{faults} faults on the restored server, or the phone is not at its head").into());
    }
    let count = cards.len();
    table.add(Row::new(10, "server's database, each edit", per_edit, "bytes").at_most(450.0));
    table.add(Row::new(13, format!("{count} edited records offered again, one sync"), took, "s").at_most(5.0));
    table.add(Row::new(13, "requests of this sync", requests as f64, ""));
    table.add(Row::new(13, "before it: the edits saved, one durable save each", saved, "s"));
    table.add(Row::new(13, "before it: the edits pushed and settled the first time", pushed, "s"));
    Ok(())
}
