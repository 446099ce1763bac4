//! Bar 5: a day's work in one push. The wire part of bar 10 beside it.

use std::time::Instant;

use gridpass_tests::world::Error;

use crate::bed::Handset;
use crate::peer::{EDITS, Pouch};
use crate::table::{Bound, Row, Table, ms};

/// The rows of bar 5, and the bytes of a batch of 20.
pub async fn rows(
    handset: &Handset,
    pouch: Option<&Pouch>,
    wanted: &impl Fn(u32) -> bool,
    table: &mut Table,
) -> Result<(), Error> {
    let cards = handset.cards(u32::MAX)?;
    if wanted(10) {
        for record in cards.iter().rev().take(20) {
            handset.edit(*record, "二十个之一")?;
        }
        handset.line.take();
        handset.settle().await?;
        let bytes: usize = handset.line.take().iter().filter(|call| call.path.ends_with("push")).map(|c| c.sent).sum();
        table.add(Row::new(10, "an edit on the wire, 20 in a push", bytes as f64 / 20.0, "bytes").at_most(250.0));
    }
    if wanted(5) {
        for record in cards.iter().take(EDITS) {
            handset.edit(*record, "五百个之一")?;
        }
        handset.line.take();
        let begun = Instant::now();
        handset.settle().await?;
        let whole = ms(begun.elapsed());
        let calls = handset.line.take();
        let pushes: Vec<_> = calls.iter().filter(|call| call.path.ends_with("push")).collect();
        let [push] = pushes.as_slice() else { return Err(format!("{} pushes in place of one", pushes.len()).into()) };
        let answer = ms(push.answered.duration_since(begun));
        let at_server = ms(push.answered.duration_since(push.asked));
        let mut row =
            Row::new(5, format!("push {EDITS} edits of {EDITS} records, to the answer"), answer, "ms").at_most(200.0);
        if let Some(pouch) = pouch {
            row = row.faster("PouchDB push", pouch.push, Some(Bound::AtLeast(20.0)));
        }
        table.add(row);
        table.add(Row::new(5, "of this between request and answer", at_server, "ms"));
        table.add(Row::new(5, "the whole sync: pushed, taken back, settled", whole, "ms"));
    }
    Ok(())
}
