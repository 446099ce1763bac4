//! A day's work of all workers: each goes to forty households, corrects some, and syncs three times. First the syncs are
//! spread over some time, as over a day; then everybody syncs at the same moment, as when a line is back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gridpass_core::record::Document;
use gridpass_core::wire::{BucketCursor, Cursor, PullAnswer, PullRequest, PushAnswer};
use gridpass_server::keys::random;
use gridpass_tests::world::Error;
use tokio::sync::Barrier;

use super::made::Worker;
use super::serving::Serving;
use crate::hand::{Hand, accepted};
use crate::table::{Row, Table, ms, percentile};
use gridpass_tests::process::{OWN, cpu_s};

/// Syncs of a day.
const SYNCS: usize = 3;
/// What each pushes: two visits for each correction.
const ITEMS: usize = 20;
/// How many phones start at the same time.
const STARTING: usize = 16;

/// A phone, how far it has come in its buckets, and the rest of its work.
struct Phone {
    hand: Hand,
    cursors: BTreeMap<u32, Cursor>,
    pushes: Vec<Vec<u8>>,
}

/// What phones saw: how long each push and each pull took, in milliseconds.
#[derive(Default)]
struct Seen {
    pushes: Vec<f64>,
    pulls: Vec<f64>,
}

/// The rows of the day; returns how many changes were pushed.
pub async fn rows(
    workers: Vec<Worker>,
    catalog_version: u32,
    spread: u64,
    serving: &Serving,
    table: &mut Table,
) -> Result<usize, Error> {
    let count = workers.len();
    crate::say(&format!("{count} phones start"));
    let begun = Instant::now();
    let phones = workers.into_iter().map(|worker| Phone::start(worker, catalog_version));
    let mut phones: Vec<Phone> = stream::iter(phones).buffer_unordered(STARTING).try_collect().await?;
    let took = begun.elapsed().as_secs_f64();
    table.add(Row::new(0, "everybody enrols, packs of all grids are made", took, "s"));
    table.add(Row::new(0, "phones", count as f64, ""));
    let mut pushed = 0;
    for (name, over) in [(format!("over {spread} s"), spread), ("all at once".to_owned(), 0)] {
        crate::say(&format!("{count} phones sync a day's work, {name}"));
        let (server, own) = (serving.cpu_s()?, cpu_s(OWN)?);
        let begun = Instant::now();
        let seen = day(&mut phones, Duration::from_secs(over)).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let (server, own) = (serving.cpu_s()? - server, cpu_s(OWN)? - own);
        let changes = seen.pushes.len() * ITEMS;
        pushed += changes;
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let row = |told: &str, figure, unit| Row::new(0, format!("a day {name}: {told}"), figure, unit);
        table.add(row("pushes", seen.pushes.len() as f64 / seconds, "/s"));
        let stored = Row { bar: 6, ..row("changes stored", changes as f64 / seconds, "/s") };
        table.add(if over == 0 { stored.at_least(2000.0) } else { stored });
        table.add(row("answer to a push, p50", percentile(&seen.pushes, 50.0), "ms"));
        let p99 = Row { bar: 6, ..row("answer to a push, p99", percentile(&seen.pushes, 99.0), "ms") };
        table.add(if over == 0 { p99 } else { p99.at_most(250.0) });
        table.add(row("answer to a pull, p50", percentile(&seen.pulls, 50.0), "ms"));
        table.add(row("answer to a pull, p99", percentile(&seen.pulls, 99.0), "ms"));
        table.add(row("phones' share of all cores", own / (cores * seconds) * 100.0, "%"));
        table.add(row("server's share of all cores", server / (cores * seconds) * 100.0, "%"));
        table.add(row("server, each change", server * 1e6 / changes as f64, "CPU µs"));
    }
    Ok(pushed)
}

/// All phones work off the next day of theirs; a sync of each begins at a moment drawn from the time given.
async fn day(phones: &mut Vec<Phone>, over: Duration) -> Result<Seen, Error> {
    let gate = Arc::new(Barrier::new(phones.len()));
    let mut tasks = Vec::with_capacity(phones.len());
    for phone in std::mem::take(phones) {
        let mut moments = [0; SYNCS].map(|_: u32| random().map(u32::from_le_bytes));
        let mut waits = Vec::with_capacity(SYNCS);
        for moment in &mut moments {
            waits.push(over.mul_f64(f64::from(*moment.as_ref().map_err(ToString::to_string)?) / f64::from(u32::MAX)));
        }
        waits.sort();
        tasks.push(tokio::spawn(phone.work(waits, gate.clone())));
    }
    let mut seen = Seen::default();
    for task in tasks {
        let (phone, mut of_phone) = task.await??;
        seen.pushes.append(&mut of_phone.pushes);
        seen.pulls.append(&mut of_phone.pulls);
        phones.push(phone);
    }
    Ok(seen)
}

impl Phone {
    /// Enrols, pulls what a phone with its packs would pull, and makes the work of two days.
    async fn start(worker: Worker, catalog_version: u32) -> Result<Self, Error> {
        let hand = Hand::enrol(worker.code.parse().map_err(|_| "no enrolment code")?, catalog_version).await?;
        let mut phone = Self { hand, cursors: BTreeMap::new(), pushes: Vec::new() };
        phone.pull(&mut Seen::default()).await?;
        phone.pull(&mut Seen::default()).await?;
        let mut households = worker.households;
        let round = households.len().max(1);
        for n in 0..2 * SYNCS {
            let (mut actors, mut items) = (Vec::new(), Vec::with_capacity(ITEMS));
            for item in 0..ITEMS {
                let at = (n * ITEMS + item) % round;
                let (household, document) = households.get_mut(at).ok_or("a grid without households")?;
                let (hand, home) = (&mut phone.hand, household.to_string());
                items.push(if item % 3 == 2 {
                    let time = ["any", "weekend", "workday_evening"].get(n % 3).copied().unwrap_or("any");
                    let puts = vec![("best_time".to_owned(), time.into())];
                    hand.item(*household, document, puts, None, &mut actors)?
                } else {
                    let visit = gridpass_core::id::RecordId::new(hand.now_ms, random()?);
                    let at_ms = hand.now_ms - 60_000 * i64::try_from(ITEMS - item)?;
                    let puts = vec![
                        (format!("check/{home}"), "confirmed".into()),
                        ("source".to_owned(), "worker".into()),
                        ("target_kind".to_owned(), "household".into()),
                        ("target_id".to_owned(), home.into()),
                        ("mode".to_owned(), "door".into()),
                        ("started_at".to_owned(), at_ms.into()),
                        ("ended_at".to_owned(), (at_ms + 50_000).into()),
                        ("outcome".to_owned(), "met".into()),
                    ];
                    hand.item(visit, &mut Document::new(), puts, Some("visit"), &mut actors)?
                });
            }
            phone.pushes.push(phone.hand.push(actors, items)?);
        }
        phone.pushes.reverse();
        Ok(phone)
    }

    async fn work(mut self, waits: Vec<Duration>, gate: Arc<Barrier>) -> Result<(Self, Seen), Error> {
        gate.wait().await;
        let begun = Instant::now();
        let mut seen = Seen::default();
        for wait in waits {
            tokio::time::sleep(wait.saturating_sub(begun.elapsed())).await;
            let body = self.pushes.pop().ok_or("no work is left")?;
            let asked = Instant::now();
            let answer: PushAnswer = self.hand.packed("/sync/v1/push", body).await?;
            seen.pushes.push(ms(asked.elapsed()));
            accepted(&answer, ITEMS)?;
            self.pull(&mut seen).await?;
        }
        Ok((self, seen))
    }

    /// Pulls until nothing is new.
    async fn pull(&mut self, seen: &mut Seen) -> Result<(), Error> {
        loop {
            let cursors = self.cursors.iter().map(|(bucket, cursor)| (*bucket, *cursor));
            let buckets = cursors.map(|(bucket, cursor)| BucketCursor { bucket, cursor, pending: 0 }).collect();
            let asked = Instant::now();
            let answer: PullAnswer =
                self.hand.ask("/sync/v1/pull", &PullRequest { buckets, whole: Vec::new() }).await?;
            seen.pulls.push(ms(asked.elapsed()));
            for granted in answer.granted.into_iter().flatten() {
                self.cursors.insert(granted.number, granted.as_of);
            }
            for page in &answer.pages {
                if let Some(to) = page.to {
                    self.cursors.insert(page.number, to);
                }
            }
            if !answer.pages.iter().any(|page| page.more) {
                return Ok(());
            }
        }
    }
}
