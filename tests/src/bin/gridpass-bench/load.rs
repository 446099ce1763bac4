//! Many phones in a process of their own: real keys, real changes, signed pushes, one in flight per phone. What is pushed
//! is made beforehand, so that the measured time is the server's and not the generator's.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, GrantId, IntentId, RecordId};
use gridpass_core::record::Document;
use gridpass_core::seal::SigningKey;
use gridpass_core::wire::{
    self, Challenge, ChallengeAnswer, ChangeFields, Create, EnrolCode, EnrolRequest, Enrolled, FMT_AUTOMERGE, Intent,
    IntentKind, Nonce, PushAnswer, PushItem, PushRequest, Token, TokenRequest, Verdict,
};
use gridpass_phone::transport::{Https, Request, Transport};
use gridpass_server::keys::random;
use gridpass_tests::world::Error;
use minicbor::{Decode, Encode};
use serde_json::json;
use tokio::sync::Barrier;

use crate::data::COLLECTION;
use crate::table::{ms, percentile};

/// How many records each phone makes before it is measured.
const RECORDS: usize = 100;
/// Answers are smaller than this.
const LIMIT: usize = 4 << 20;
/// Ticks of /proc/self/stat in a second, which Linux has fixed for programs.
const TICKS: f64 = 100.0;

/// One phone.
struct Load {
    https: Https,
    token: Option<String>,
    key: SigningKey,
    device: gridpass_core::id::DeviceId,
    actor: ActorId,
    grant: GrantId,
    home: Bucket,
    now_ms: i64,
    count: u64,
}

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
    let (begun, cpu) = (Instant::now(), cpu_s()?);
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
        "cpu_s": cpu_s()? - cpu,
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

fn accepted(answer: &PushAnswer, items: usize) -> Result<(), Error> {
    let verdicts = answer.verdicts.iter();
    let stored = verdicts.filter(|item| matches!(item.verdict, Verdict::Accepted { .. })).count();
    let receipts = answer.sheet.as_ref().map_or(0, |sheet| sheet.receipts.len());
    match (stored, receipts) == (items, items) {
        true => Ok(()),
        false => Err(format!("{stored} of {items} items were accepted, with {receipts} receipts").into()),
    }
}

async fn prepare(code: &str, items: usize, pushes: usize) -> Result<(Load, Vec<Vec<u8>>), Error> {
    let mut load = Load::enrol(code.parse().map_err(|_| "no enrolment code")?).await?;
    let mut records = Vec::with_capacity(RECORDS);
    for _ in 0..RECORDS {
        records.push((RecordId::new(load.now_ms, random()?), Document::new()));
    }
    let mut first = Vec::with_capacity(RECORDS);
    let mut actors = Vec::new();
    for (record, document) in &mut records {
        let puts = (0..10).map(|n| (field(n).to_owned(), format!("值{n}").into())).collect();
        first.push(load.item(*record, document, puts, true, &mut actors)?);
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
            list.push(load.item(*record, document, puts, false, &mut actors)?);
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

impl Load {
    async fn enrol(code: EnrolCode) -> Result<Self, Error> {
        let https = Https::new(&code.url, code.pin)?;
        let key = SigningKey::from_secret(&random()?);
        let nonce = Nonce(random()?);
        let mut load = Self {
            https,
            token: None,
            device: gridpass_core::id::DeviceId::default(),
            actor: nonce.actor(&key.public()),
            grant: GrantId::default(),
            home: Bucket::District,
            now_ms: 0,
            count: 0,
            key,
        };
        let app_version = "bench".to_owned();
        let public_key = load.key.public().to_vec();
        let request = EnrolRequest { code: code.code, public_key, nonce, app_version: app_version.clone() };
        let enrolled: Enrolled = load.ask("/sync/v1/enroll", &request).await?;
        load.device = enrolled.device;
        let device = load.device;
        let asked: ChallengeAnswer = load.ask("/sync/v1/challenge", &Challenge { device }).await?;
        let nonces = vec![nonce];
        let message = TokenRequest::message(device, &asked.challenge, &nonces);
        let (key, signature) = (load.key.id(), load.key.sign(&message));
        let request = TokenRequest { device, key, challenge: asked.challenge, nonces, app_version, signature };
        let token: Token = load.ask("/sync/v1/token", &request).await?;
        let grant = token.grants.first().ok_or("no assignment")?;
        (load.grant, load.home) = (grant.grant, Bucket::Base(grant.grid));
        load.now_ms = token.until_ms - 3_600_000;
        load.token = Some(token.token);
        Ok(load)
    }

    async fn ask<A: for<'b> Decode<'b, ()>>(&self, path: &str, message: &impl Encode<()>) -> Result<A, Error> {
        self.packed(path, wire::pack(message)).await
    }

    async fn packed<A: for<'b> Decode<'b, ()>>(&self, path: &str, body: Vec<u8>) -> Result<A, Error> {
        let request = Request { token: self.token.clone(), ..Request::post(path, body, LIMIT) };
        let answer = self.https.send(request).await?;
        match answer.status {
            200 => Ok(wire::unpack(&answer.body, LIMIT)?),
            status => Err(format!("{path}: {status} {}", String::from_utf8_lossy(&answer.body)).into()),
        }
    }

    /// A change that puts values on a record, as an item; the record goes on with it.
    fn item(
        &mut self,
        record: RecordId,
        document: &mut Document,
        puts: Vec<(String, gridpass_core::Value)>,
        create: bool,
        actors: &mut Vec<ActorId>,
    ) -> Result<PushItem, Error> {
        let change = document.change_putting(self.actor, self.now_ms / 1000, unique(puts));
        let built = change.build()?;
        let hash = built.hash;
        document.apply([built])?;
        self.count += 1;
        Ok(PushItem {
            record,
            generation: 0,
            fmt: FMT_AUTOMERGE,
            create: create.then(|| Create { collection: COLLECTION.to_owned(), home: self.home }),
            change: ChangeFields::new(hash, &change, actors),
            intent: Intent {
                id: IntentId::derived("bench intent", &[self.actor.as_bytes(), &self.count.to_be_bytes()]),
                kind: if create { IntentKind::CREATE } else { IntentKind::EDIT },
                at_ms: self.now_ms,
                monotonic_ms: 0,
                visit: None,
            },
            grant: self.grant,
            catalog_version: 2,
        })
    }

    /// A signed push, packed.
    fn push(&self, actors: Vec<ActorId>, items: Vec<PushItem>) -> Result<Vec<u8>, Error> {
        let batch = BatchId::new(self.now_ms, random()?);
        let signature = self.key.sign(&PushRequest::message(self.device, batch, &items));
        let (key, sent_ms) = (self.key.id(), self.now_ms);
        Ok(wire::pack(&PushRequest { batch, key, actors, items, signature, sent_ms, sent_monotonic_ms: 0 }))
    }
}

/// Each key once, the last value of it.
fn unique(puts: Vec<(String, gridpass_core::Value)>) -> Vec<(String, gridpass_core::Value)> {
    puts.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

/// Processor seconds this process has used.
pub fn cpu_s() -> Result<f64, Error> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|word| word.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}
