//! A phone made by hand: real key, real changes, signed pushes over HTTPS, and no database of its own. What it pushes can
//! be made beforehand, so that a measured time is the server's.

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, DeviceId, GrantId, IntentId, RecordId};
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

/// Answers are smaller than this.
const LIMIT: usize = 4 << 20;

/// One phone.
pub struct Hand {
    https: Https,
    token: Option<String>,
    key: SigningKey,
    device: DeviceId,
    actor: ActorId,
    grant: GrantId,
    /// The newest catalog of the server.
    pub catalog_version: u32,
    /// The grid's bucket of records that are no places.
    pub home: Bucket,
    /// The server's time when the phone signed in.
    pub now_ms: i64,
    count: u64,
}

impl Hand {
    /// Enrols and signs in; records it makes follow the catalog of a version.
    pub async fn enrol(code: EnrolCode, catalog_version: u32) -> Result<Self, Error> {
        let https = Https::new(&code.url, code.pin)?;
        let key = SigningKey::from_secret(&random()?);
        let nonce = Nonce(random()?);
        let mut load = Self {
            https,
            token: None,
            device: DeviceId::default(),
            actor: nonce.actor(&key.public()),
            grant: GrantId::default(),
            catalog_version,
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

    /// The answer to a message.
    pub async fn ask<A: for<'b> Decode<'b, ()>>(&self, path: &str, message: &impl Encode<()>) -> Result<A, Error> {
        self.packed(path, wire::pack(message)).await
    }

    /// The answer to a packed message.
    pub async fn packed<A: for<'b> Decode<'b, ()>>(&self, path: &str, body: Vec<u8>) -> Result<A, Error> {
        let request = Request { token: self.token.clone(), ..Request::post(path, body, LIMIT) };
        let answer = self.https.send(request).await?;
        match answer.status {
            200 => Ok(wire::unpack(&answer.body, LIMIT)?),
            status => Err(format!("{path}: {status} {}", String::from_utf8_lossy(&answer.body)).into()),
        }
    }

    /// A change that puts values on a record, which it makes in a collection or edits, as an item; the document goes on
    /// with it.
    pub fn item(
        &mut self,
        record: RecordId,
        document: &mut Document,
        puts: Vec<(String, Value)>,
        create: Option<&str>,
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
            create: create.map(|collection| Create { collection: collection.to_owned(), home: self.home }),
            change: ChangeFields::new(hash, &change, actors),
            intent: Intent {
                id: IntentId::derived("bench intent", &[self.actor.as_bytes(), &self.count.to_be_bytes()]),
                kind: if create.is_some() { IntentKind::CREATE } else { IntentKind::EDIT },
                at_ms: self.now_ms,
                monotonic_ms: 0,
                visit: None,
            },
            grant: self.grant,
            catalog_version: self.catalog_version,
        })
    }

    /// A signed push, packed.
    pub fn push(&self, actors: Vec<ActorId>, items: Vec<PushItem>) -> Result<Vec<u8>, Error> {
        let batch = BatchId::new(self.now_ms, random()?);
        let signature = self.key.sign(&PushRequest::message(self.device, batch, &items));
        let (key, sent_ms) = (self.key.id(), self.now_ms);
        Ok(wire::pack(&PushRequest { batch, key, actors, items, signature, sent_ms, sent_monotonic_ms: 0 }))
    }
}

/// Whether every item was accepted, each with a receipt.
pub fn accepted(answer: &PushAnswer, items: usize) -> Result<(), Error> {
    let verdicts = answer.verdicts.iter();
    let stored = verdicts.filter(|item| matches!(item.verdict, Verdict::Accepted { .. })).count();
    let receipts = answer.sheet.as_ref().map_or(0, |sheet| sheet.receipts.len());
    match (stored, receipts) == (items, items) {
        true => Ok(()),
        false => Err(format!("{stored} of {items} items were accepted, with {receipts} receipts").into()),
    }
}

/// Each key once, the last value of it.
fn unique(puts: Vec<(String, Value)>) -> Vec<(String, Value)> {
    puts.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}
