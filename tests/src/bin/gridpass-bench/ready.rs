//! Bar 1: a phone that has nothing becomes a phone that has everything.

use std::time::{Duration, Instant};

use gridpass_phone::ListQuery;
use gridpass_tests::world::Error;

use crate::baseline;
use crate::bed::{Bed, Handset, LARGE};
use crate::data::{COLLECTION, Roster};
use crate::line::Call;
use crate::peer::Pouch;
use crate::table::{Bound, Row, Table};

/// How a start went.
pub struct Started {
    /// Until a live list showed its first rows.
    pub first: Duration,
    /// Until it counted all of them.
    pub all: Duration,
    /// Until the sync returned, which makes everything searchable.
    pub searchable: Duration,
    pub calls: Vec<Call>,
}

/// Enrols a phone in the large grid and syncs it, while a live list is on the screen.
pub async fn phone(bed: &Bed, roster: &Roster, login: &str) -> Result<(Handset, Started), Error> {
    // The server makes packs when the first phone asks for them; the next one finds them.
    let other = bed.enrol(&format!("{login}-before"), &[bed.grid(LARGE)?]).await?;
    other.settle().await?;
    let handset = bed.enrol(login, &[bed.grid(LARGE)?]).await?;
    let query = ListQuery { collection: Some(COLLECTION.to_owned()), limit: 50, ..ListQuery::default() };
    let watch = std::sync::Arc::new(handset.phone.watch(query));
    let wanted = roster.records.len();
    let begun = Instant::now();
    let screen = tokio::spawn({
        let watch = watch.clone();
        async move {
            let (mut first, mut all) = (None, None);
            while let Ok(Some(snapshot)) = watch.next().await {
                if snapshot.list.rows.len() >= 50.min(wanted) {
                    first.get_or_insert_with(|| begun.elapsed());
                }
                if snapshot.list.total as usize == wanted {
                    all = Some(begun.elapsed());
                    break;
                }
            }
            (first, all)
        }
    });
    handset.settle().await?;
    let searchable = begun.elapsed();
    let found = handset.phone.search("王", Some(COLLECTION), 50)?.len();
    let (first, all) = tokio::time::timeout(Duration::from_secs(60), screen).await??;
    if handset.count()? != wanted || found == 0 {
        return Err(format!("the phone has {} of {wanted} cards and finds {found}", handset.count()?).into());
    }
    let (first, all) = (first.ok_or("no first screen")?, all.ok_or("not all on the screen")?);
    let calls = handset.line.take();
    Ok((handset, Started { first, all, searchable, calls }))
}

/// The rows of bar 1.
pub fn rows(
    handset: &Handset,
    started: &Started,
    pouch: Option<&Pouch>,
    roster: &Roster,
    table: &mut Table,
) -> Result<(), Error> {
    let file = handset.folder.with_file_name("bare-ready.db");
    let (bare, bare_search) = baseline::phone(handset, &file)?;
    let seconds = |took: Duration| took.as_secs_f64();
    let count = roster.records.len();
    table.add(Row::new(1, "start: first screen", seconds(started.first), "s").at_most(0.2));
    let name = "bare SQLCipher inserts";
    let row = Row::new(1, format!("start: {count} records can be browsed"), seconds(started.all), "s").at_most(1.0);
    table.add(row.times(name, seconds(bare), Some(Bound::AtMost(2.5))));
    let row = Row::new(1, format!("start: {count} records can be found"), seconds(started.searchable), "s");
    table.add(row.at_most(2.0).times(name, seconds(bare_search), Some(Bound::AtMost(2.5))));
    if let Some(pouch) = pouch {
        let row = Row::new(1, format!("start: {count} records can be browsed"), seconds(started.all), "s");
        table.add(row.faster("PouchDB pull", pouch.all / 1000.0, Some(Bound::AtLeast(5.0))));
    }
    Ok(())
}
