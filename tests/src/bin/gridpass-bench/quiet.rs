//! Bar 2: a sync in which nothing has changed.

use std::time::Instant;

use gridpass_tests::world::Error;

use crate::bed::{Bed, Handset, SMALL};
use crate::data::Roster;
use crate::table::{Bound, Row, Table, ms, percentile};

/// How often it is repeated for the times.
const OFTEN: usize = 100;

/// The rows of bar 2, for few and many records, few and many buckets.
pub async fn rows(bed: &Bed, roster: &Roster, large: &Handset, table: &mut Table) -> Result<(), Error> {
    let small = bed.enrol("quiet-small", &[bed.grid(SMALL)?]).await?;
    small.settle().await?;
    let mut grids = Vec::new();
    for n in 0..10 {
        grids.push(bed.fill(&format!("3702120010021{n:02}"), roster, 10)?);
    }
    let wide = bed.enrol("quiet-wide", &grids).await?;
    wide.settle().await?;
    let few = one(table, "small grid", &small).await?;
    let many = one(table, &format!("{} records", roster.records.len()), large).await?;
    one(table, "10 grids", &wide).await?;
    let row = Row::new(2, "nothing new: p50 with all records, against few", many, "ms");
    table.add(row.times("few records", few, Some(Bound::AtMost(1.5))));
    Ok(())
}

async fn one(table: &mut Table, whose: &str, handset: &Handset) -> Result<f64, Error> {
    handset.settle().await?;
    let buckets = handset.phone.state()?.buckets.len();
    handset.line.take();
    handset.settle().await?;
    let calls = handset.line.take();
    let allowed = (60 + 40 * buckets) as f64;
    let (sent, received) = calls.iter().fold((0, 0), |(sent, got), call| (sent + call.sent, got + call.received));
    let name = |what: &str| format!("nothing new, {whose}, {buckets} buckets: {what}");
    table.add(Row::new(2, name("requests"), calls.len() as f64, "").at_most(1.0));
    table.add(Row::new(2, name("sent"), sent as f64, "bytes").at_most(allowed));
    table.add(Row::new(2, name("received"), received as f64, "bytes").at_most(allowed));
    let mut took = Vec::with_capacity(OFTEN);
    for _ in 0..OFTEN {
        let begun = Instant::now();
        handset.settle().await?;
        took.push(ms(begun.elapsed()));
    }
    Ok(percentile(&took, 50.0))
}
