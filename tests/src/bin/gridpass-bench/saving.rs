//! Bar 3: one edit on the phone, from the filled form to the durable row.

use std::path::Path;
use std::time::Instant;

use gridpass_tests::world::Error;

use crate::baseline;
use crate::bed::Handset;
use crate::table::{Bound, Row, Table, ms, percentile};

const OFTEN: usize = 400;

/// The rows of bar 3.
pub fn rows(handset: &Handset, folder: &Path, table: &mut Table) -> Result<(), Error> {
    std::fs::create_dir_all(folder)?;
    let cards = handset.cards(u32::MAX)?;
    let step = (cards.len() / OFTEN).max(1);
    let mut took = Vec::with_capacity(OFTEN);
    for (n, record) in cards.iter().step_by(step).take(OFTEN).enumerate() {
        let seen = handset.seen(*record)?;
        let begun = Instant::now();
        handset.save(*record, seen, &format!("改于第{n}次"))?;
        took.push(ms(begun.elapsed()));
    }
    let bare: Vec<f64> =
        baseline::updates(handset, &folder.join("bare-updates.db"), OFTEN)?.into_iter().map(ms).collect();
    let name = "bare durable update";
    for percent in [50.0, 95.0] {
        let (ours, bare) = (percentile(&took, percent), percentile(&bare, percent));
        let bound = (percent > 90.0).then_some(Bound::AtMost(5.0));
        table.add(Row::new(3, format!("save one edit, p{percent}"), ours, "ms").times(name, bare, bound));
        if percent > 90.0 {
            table.add(Row::new(3, "save one edit, p95 over the bare update's", ours - bare, "ms").at_most(3.0));
        }
    }
    Ok(())
}
