//! Many phones in a process of their own: real keys, real changes, signed pushes, one in flight per phone. What is pushed
//! is made beforehand, so that the measured time is the server's and not the generator's.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gridpass_core::id::RecordId;
use gridpass_core::record::Document;
use gridpass_core::wire::PushAnswer;
use gridpass_server::keys::random;
use gridpass_tests::world::Error;
use serde_json::json;
use tokio::sync::Barrier;

use crate::data::COLLECTION;
use crate::hand::{Hand, accepted};
use crate::table::{ms, percentile};
use gridpass_tests::process::{OWN, cpu_s};

/// How many records each phone makes before it is measured.
const RECORDS: usize = 100;

/// Runs them all and prints what they saw; `file` holds an enrolment code per line.
#[expect(clippy::print_stdout, reason = "a command line answers on its streams")]
pub async fn child(file: &Path, phones: usize, items: usize, pushes: usize) -> Result<(), Error> {
    let codes = std::fs::read_to_string(file)?;
    let gate = Arc::new(Barrier::new(phones + 1));
    let tasks: Vec<_> = codes
        .lines()
        .take(phones)
        .map(|code| tokio::spawn(one(code.to_owned(), items, pushes, gate.clone())))
        .collect();
    gate.wait().await;
    let (begun, cpu) = (Instant::now(), cpu_s(OWN)?);
    gate.wait().await;
    let mut took = Vec::new();
    for task in tasks {
        took.append(&mut task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let told = json!({
        "changes": took.len() * items,
        "seconds": seconds,
        "p50": percentile(&took, 50.0),
        "p99": percentile(&took, 99.0),
        "cpu_s": cpu_s(OWN)? - cpu,
    });
    println!("{told}");
    Ok(())
}

async fn one(code: String, items: usize, pushes: usize, gate: Arc<Barrier>) -> Result<Vec<f64>, Error> {
    // Whoever fails beforehand must not leave the others waiting: the process ends with the error.
    let prepared = prepare(&code, items, pushes).await;
    gate.wait().await;
    gate.wait().await;
    let (load, bodies) = prepared?;
    let mut took = Vec::with_capacity(bodies.len());
    for body in bodies {
        let begun = Instant::now();
        let answer: PushAnswer = load.packed("/sync/v1/push", body).await?;
        took.push(ms(begun.elapsed()));
        accepted(&answer, items)?;
    }
    Ok(took)
}

async fn prepare(code: &str, items: usize, pushes: usize) -> Result<(Hand, Vec<Vec<u8>>), Error> {
    let mut load = Hand::enrol(code.parse().map_err(|_| "no enrolment code")?, 2).await?;
    let mut records = Vec::with_capacity(RECORDS);
    for _ in 0..RECORDS {
        records.push((RecordId::new(load.now_ms, random()?), Document::new()));
    }
    let mut first = Vec::with_capacity(RECORDS);
    let mut actors = Vec::new();
    for (record, document) in &mut records {
        let puts = (0..10).map(|n| (field(n).to_owned(), format!("值{n}").into())).collect();
        first.push(load.item(*record, document, puts, Some(COLLECTION), &mut actors)?);
    }
    let body = load.push(actors, first)?;
    accepted(&load.packed("/sync/v1/push", body).await?, RECORDS)?;
    let mut next = 0;
    let mut bodies = Vec::with_capacity(pushes);
    for push in 0..pushes {
        let (mut actors, mut list) = (Vec::new(), Vec::with_capacity(items));
        for _ in 0..items {
            let (record, document) = records.get_mut(next % RECORDS).ok_or("no record")?;
            let puts = vec![("note".to_owned(), format!("第{push}次").into())];
            list.push(load.item(*record, document, puts, None, &mut actors)?);
            next += 1;
        }
        bodies.push(load.push(actors, list)?);
    }
    Ok((load, bodies))
}

/// Text fields of a card, so many that a record is as wide as a real one.
fn field(n: usize) -> &'static str {
    const TEXTS: [&str; 10] =
        ["name", "latin", "phone", "hukou_text", "estate", "room", "workplace", "contact", "contact_phone", "note"];
    TEXTS.get(n % TEXTS.len()).copied().unwrap_or("note")
}
