//! A new worker's phone, the whole of it, in the largest, the median and the smallest grid: enrolment, first screen, all
//! browsable, all searchable; afterwards a sync in which nothing is new, and one of 20 edits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridpass_core::record::edit::Edit;
use gridpass_phone::{ListQuery, SaveInput};
use gridpass_tests::world::Error;

use super::made::Newcomer;
use super::serving::Serving;
use crate::bed::Handset;
use crate::table::{Row, Table, ms, percentile};

/// How often a sync without news is repeated.
const OFTEN: usize = 50;

/// The rows of new phones.
pub async fn rows(new: &[Newcomer], serving: &Serving, folder: &Path, table: &mut Table) -> Result<(), Error> {
    for (size, people, [first, next]) in new {
        table.add(Row::new(0, format!("{size} grid, people"), *people as f64, ""));
        for (which, code) in [("first phone", first), ("next phone", next)] {
            let phone = folder.join(format!("phone-{size}-{which}"));
            let cpu = serving.cpu_s()?;
            let (handset, took) = start(&phone, code, *people).await?;
            let name = |step: &str| format!("{size} grid, {which}: {step}");
            let [enrolled, shown, all, found] = took.map(|took| took.as_secs_f64());
            table.add(Row::new(0, name("enrolled"), enrolled, "s"));
            table.add(Row::new(1, name("then first screen"), shown, "s").at_most(0.2));
            table.add(Row::new(1, name("then all can be browsed"), all, "s").at_most(1.0));
            table.add(Row::new(1, name("then all can be found"), found, "s").at_most(2.0));
            table.add(Row::new(0, name("server"), (serving.cpu_s()? - cpu) * 1000.0, "CPU ms"));
            if which == "next phone" {
                quiet(&handset, &name, table).await?;
                edits(&handset, &name, table).await?;
            }
            drop(handset);
            std::fs::remove_dir_all(&phone)?;
            std::fs::remove_dir_all(phone.with_extension("keys"))?;
        }
    }
    Ok(())
}

/// How long enrolment took, then the first screen, everybody browsable, everybody found.
async fn start(folder: &Path, code: &str, people: usize) -> Result<(Handset, [Duration; 4]), Error> {
    let begun = Instant::now();
    let handset = Handset::enrol(folder, code.to_owned()).await?;
    let enrolled = begun.elapsed();
    let query = ListQuery { collection: Some("person".to_owned()), limit: 50, ..ListQuery::default() };
    let watch = Arc::new(handset.phone.watch(query));
    let begun = Instant::now();
    let screen = tokio::spawn(async move {
        let mut first = None;
        while let Ok(Some(snapshot)) = watch.next().await {
            if snapshot.list.rows.len() >= 50.min(people) {
                first.get_or_insert_with(|| begun.elapsed());
            }
            if snapshot.list.total as usize == people {
                return first.map(|first| (first, begun.elapsed()));
            }
        }
        None
    });
    handset.settle().await?;
    let found = begun.elapsed();
    if handset.phone.search("王", Some("person"), 50)?.is_empty() {
        return Err("a new phone finds nobody".into());
    }
    let screen = tokio::time::timeout(Duration::from_secs(60), screen).await??;
    let (first, all) = screen.ok_or("a new phone does not show everybody")?;
    Ok((handset, [enrolled, first, all, found]))
}

async fn quiet(handset: &Handset, name: &impl Fn(&str) -> String, table: &mut Table) -> Result<(), Error> {
    handset.settle().await?;
    handset.line.take();
    let mut took = Vec::with_capacity(OFTEN);
    for _ in 0..OFTEN {
        let begun = Instant::now();
        handset.settle().await?;
        took.push(ms(begun.elapsed()));
    }
    let calls = handset.line.take();
    let most = calls.iter().map(|call| call.sent.max(call.received)).max().unwrap_or_default();
    let buckets = handset.phone.state()?.buckets.len();
    table.add(Row::new(2, name("nothing new, requests"), calls.len() as f64 / OFTEN as f64, "").at_most(1.0));
    table.add(Row::new(2, name("nothing new, larger body"), most as f64, "bytes").at_most((60 + 40 * buckets) as f64));
    table.add(Row::new(2, name("nothing new, p50"), percentile(&took, 50.0), "ms"));
    Ok(())
}

async fn edits(handset: &Handset, name: &impl Fn(&str) -> String, table: &mut Table) -> Result<(), Error> {
    let query = ListQuery { collection: Some("household".to_owned()), limit: 20, ..ListQuery::default() };
    for row in handset.phone.list(query)?.rows {
        let seen = handset.phone.values(row.record)?;
        let seen = seen.get("best_time").map(|shown| shown.value().clone()).unwrap_or_default();
        let new = if seen == "weekend".into() { "any" } else { "weekend" };
        let edits = vec![Edit::new("best_time", seen, new)];
        handset.phone.save(SaveInput { record: Some(row.record), edits, ..SaveInput::default() })?;
    }
    handset.line.take();
    let begun = Instant::now();
    handset.settle().await?;
    table.add(Row::new(0, name("sync of 20 edits"), ms(begun.elapsed()), "ms"));
    let calls = handset.line.take();
    let push = calls.iter().find(|call| call.path.ends_with("push")).ok_or("the edits were not pushed")?;
    let answer = ms(push.answered.duration_since(push.asked));
    table.add(Row::new(0, name("of this the answer to the push"), answer, "ms"));
    Ok(())
}
