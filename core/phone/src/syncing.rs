//! Driving a sync: the engine says what comes next, this carries it out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, BlobHash, DeviceId};
use gridpass_core::sync::{self, Effect, Event, Failure, Outcome};
use gridpass_core::wire::{
    self, BucketCursor, Challenge, ChallengeAnswer, Nonce, PullAnswer, PullRequest, PushAnswer, PushRequest, Token,
    TokenRequest, WireError,
};
use minicbor::{Decode, Encode};
use serde::Deserialize;
use tokio::task::JoinSet;

use crate::edit::push_item;
use crate::error::{ApiError, FULL};
use crate::files;
use crate::outbox::OutboxError;
use crate::phone::{Inner, Phone};
use crate::secrets::Enrolment;
use crate::store::bucket::BucketState;
use crate::store::pending::{self, Batch, PendingState};
use crate::store::{self, StoreError, bucket, locked, meta, settled};
use crate::transport::{Request, Response, TransportError};

/// The largest answer about enrolment and tokens, in bytes.
pub(crate) const SMALL_ANSWER: usize = 1 << 20;
/// The largest unpacked answer to a push, in bytes.
const PUSH_ANSWER: usize = 4 << 20;
/// The largest unpacked answer to a pull, and the largest pack, in bytes.
pub(crate) const PULL_ANSWER: usize = 64 << 20;

/// How many packs are stored together.
const PACKS_AT_ONCE: u32 = 4;

/// A pack that is missing: its bucket, its name, its size in bytes.
type Missing = (Bucket, BlobHash, u32);

/// Packs that came.
#[derive(Default)]
struct Fetched {
    /// Each with its bucket, its name and its bytes.
    packs: Vec<(Bucket, BlobHash, Vec<u8>)>,
    /// Why the next one did not come: the server has it no more, or a failure.
    end: Option<Option<Stop>>,
}

/// Packs that are being fetched while the ones before them are stored. Dropping it gives them up.
#[derive(Default)]
struct Ahead {
    wanted: Vec<Missing>,
    fetching: JoinSet<Fetched>,
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncReport {
    /// Whether all was sent and all was fetched; otherwise the next sync goes on.
    pub complete: bool,
    /// How many changes wait on this phone.
    pub unsent: u32,
    /// How many files are not stored on the server.
    pub unsent_files: u32,
    /// When the app should sync again if nobody asks before, in milliseconds.
    pub next_sync_after_ms: u32,
}

/// An answer that is not what was asked for.
pub(crate) struct Answered {
    pub status: u16,
    pub code: String,
    pub failure: Failure,
}

impl Phone {
    /// Sends what waits and fetches what is new. Giving up the future is safe at any moment; what was stored stays.
    pub async fn sync(&self) -> Result<SyncReport, ApiError> {
        let inner = &self.inner;
        let mut engine = inner.engine.lock().await;
        if inner.stale_token.load(Ordering::Acquire) {
            engine.forget_token();
        }
        inner.store.write(|tx| {
            pending::move_all(tx, PendingState::Waits, PendingState::Queued)?;
            pending::offer_again(tx)
        })?;
        inner.restarts.store(0, Ordering::Release);
        inner.begin_sending();
        // What a killed app left of its packs is found without a network too.
        while inner.index()? {
            tokio::task::yield_now().await;
        }
        let mut event = Event::Begin;
        let mut ahead = Ahead::default();
        let mut code = String::new();
        loop {
            let random = u64::from_le_bytes(inner.host.random()?);
            let step = match engine.handle(event, random) {
                Effect::Authenticate => inner.authenticate().await,
                Effect::Push => inner.push().await,
                Effect::Pull => inner.pull().await,
                Effect::FetchPack => inner.fetch_packs(&mut ahead).await,
                Effect::Index => inner.index_some().await,
                Effect::Reauthor => inner.reauthor().map_err(|error| inner.stopped(&error)),
                Effect::SendFile => inner.send_file().await,
                Effect::Finish(finish) => {
                    inner.committed();
                    if let Outcome::Failed(failure) = finish.outcome {
                        return Err(ApiError::of_sync(failure, &code, finish.next_sync_after_ms));
                    }
                    inner.note_sync()?;
                    let (unsent, unsent_files, left) = inner.store.read(|db| {
                        let left = files::ready(db, &BTreeSet::new())?;
                        Ok((unsent(db)?, store::files::unsent(db)?.0, left.len()))
                    })?;
                    return Ok(SyncReport {
                        complete: finish.outcome == Outcome::UpToDate && unsent == 0 && left == 0,
                        unsent,
                        unsent_files,
                        next_sync_after_ms: finish.next_sync_after_ms,
                    });
                }
            };
            event = step.unwrap_or_else(|stop| {
                code = stop.code;
                Event::Failed(stop.failure)
            });
            if let Event::Reauthored { to_push: false, .. } = event {
                // The records are done; a line that is too bad for files does not make them old.
                inner.note_sync()?;
            }
        }
    }
}

/// How many changes are not stored on the server.
pub(crate) fn unsent(db: &rusqlite::Connection) -> store::Result<u32> {
    let states = [PendingState::Queued, PendingState::Fallen, PendingState::Waits, PendingState::Unknown];
    states.into_iter().try_fold(0, |sum, state| Ok(sum + pending::count(db, state)?))
}

/// Why a step ended a sync.
pub(crate) struct Stop {
    pub failure: Failure,
    pub code: String,
}

impl From<TransportError> for Stop {
    fn from(error: TransportError) -> Self {
        let (failure, code) = match error {
            TransportError::NoAnswer => (Failure::NoAnswer, "no_answer"),
            TransportError::Flight => (Failure::NoAnswer, "flight"),
            TransportError::WrongServer => (Failure::DeviceRefused, "wrong_server"),
            TransportError::TooLarge => (Failure::Protocol, "answer_too_large"),
        };
        Self { failure, code: code.to_owned() }
    }
}

impl From<Answered> for Stop {
    fn from(answered: Answered) -> Self {
        Self { failure: answered.failure, code: answered.code }
    }
}

/// A request that got no answer while nothing was at stake.
pub(crate) fn no_answer(error: TransportError) -> ApiError {
    let stop = Stop::from(error);
    ApiError::of_sync(stop.failure, &stop.code, 5_000)
}

#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(default)]
    code: String,
}

/// Reads an answer, or says what its status asks for.
pub(crate) fn answered<T: for<'b> Decode<'b, ()>>(response: &Response, limit: usize) -> Result<T, Answered> {
    let status = response.status;
    if status == 200 {
        return wire::unpack(&response.body, limit).map_err(|error| Answered {
            status,
            code: match error {
                WireError::TooLarge { .. } => "answer_too_large".to_owned(),
                WireError::Malformed(_) => "answer_malformed".to_owned(),
            },
            failure: Failure::Protocol,
        });
    }
    Err(refusal(response))
}

/// What an answer that refuses asks for.
pub(crate) fn refusal(response: &Response) -> Answered {
    let status = response.status;
    let body: ErrorBody = serde_json::from_slice(&response.body).unwrap_or_default();
    let code = match body.code.as_str() {
        "" => format!("http_{status}"),
        "storage" => "server_storage".to_owned(), // the phone's own storage has words of its own
        code => code.to_owned(),
    };
    let failure = match (status, code.as_str()) {
        (_, "revoked" | "device_unknown" | "signature") => Failure::DeviceRefused,
        (_, "update_app") | (426, _) => Failure::UpdateApp,
        (401, _) => Failure::Unauthorized,
        (_, "challenge") | (408 | 425 | 429 | 500.., _) => Failure::Busy,
        _ => Failure::Protocol,
    };
    Answered { status, code, failure }
}

impl Inner {
    /// What a failure of the phone's own storage does to a sync.
    pub(crate) fn stopped(&self, error: &StoreError) -> Stop {
        tracing::error!(%error, "a sync stopped at the phone's storage");
        let code = match error {
            StoreError::Full { .. } | StoreError::Outbox(OutboxError::Full { .. }) => FULL,
            _ => "sync",
        };
        Stop { failure: Failure::Storage, code: code.to_owned() }
    }

    async fn post<A: for<'b> Decode<'b, ()>>(&self, path: &str, body: Vec<u8>, limit: usize) -> Result<A, Stop> {
        let response = self.exchange(Request::post(path, body, limit)).await?;
        Ok(answered(&response, limit)?)
    }

    /// Sends a request with the present token.
    pub(crate) async fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let token = locked(&self.token).clone();
        let response = self.transport.send(Request { token, ..request }).await?;
        if let Some(server_ms) = response.server_ms {
            let ahead_ms = self.host.clock.wall_ms().unwrap_or(server_ms).saturating_sub(server_ms);
            self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// The phone is in step with the server now.
    fn note_sync(&self) -> Result<(), ApiError> {
        let now = self.now()?;
        Ok(self.store.write(|tx| {
            meta::put(tx, meta::SYNCED_MS, &now.wall_ms)?;
            meta::put(tx, meta::AHEAD_MS, &self.ahead_ms.load(Ordering::Relaxed))
        })?)
    }

    /// Proves the device's key and gets a token.
    pub(crate) async fn authenticate(&self) -> Result<Event, Stop> {
        let _one = self.authenticating.lock().await;
        *locked(&self.token) = None;
        let Enrolment { device, nonces, .. } = self.enrolment();
        let mut parts = nonces.chunks(TokenRequest::MAX_NONCES);
        let current = parts.next_back().unwrap_or_default();
        for earlier in parts {
            self.ask_token(device, earlier).await?;
        }
        let token = self.ask_token(device, current).await?;
        let mut enrolment = locked(&self.enrolment);
        if enrolment.grants != token.grants {
            enrolment.grants = token.grants;
            let stored = enrolment.store(&self.host);
            stored.map_err(|_| Stop { failure: Failure::Storage, code: "enrolment".to_owned() })?;
        }
        drop(enrolment);
        *locked(&self.token) = Some(token.token);
        self.stale_token.store(false, Ordering::Release);
        Ok(Event::Authenticated)
    }

    async fn ask_token(&self, device: DeviceId, nonces: &[Nonce]) -> Result<Token, Stop> {
        let challenge = wire::pack(&Challenge { device });
        let ChallengeAnswer { challenge } = self.post("/sync/v1/challenge", challenge, SMALL_ANSWER).await?;
        let message = TokenRequest::message(device, &challenge, nonces);
        let request = TokenRequest {
            device,
            key: self.device.signing.id(),
            challenge,
            nonces: nonces.to_vec(),
            app_version: self.host.app_version.clone(),
            signature: self.device.signing.sign(&message),
        };
        self.post("/sync/v1/token", wire::pack(&request), SMALL_ANSWER).await
    }

    async fn push(&self) -> Result<Event, Stop> {
        let batch = self.store.write(|tx| self.next_batch(tx)).map_err(|error| self.stopped(&error))?;
        let Some(batch) = batch else { return Ok(Event::NothingToPush) };
        let response = self.exchange(Request::post("/sync/v1/push", batch.body.clone(), PUSH_ANSWER)).await?;
        let answer: PushAnswer = match answered(&response, PUSH_ANSWER) {
            Ok(answer) => answer,
            Err(refused) => {
                if matches!(refused.status, 400 | 413 | 415 | 422) {
                    // The batch as a whole will never be taken; its items go into a new one.
                    self.store.write(|tx| pending::close_batches(tx)).map_err(|error| self.stopped(&error))?;
                }
                return Err(refused.into());
            }
        };
        let progress = self.take_verdicts(&batch, &answer).map_err(|error| self.stopped(&error))?;
        // The file is written anew for it: while much waits, not before half of it has gone.
        let waiting = self.store.read(|db| pending::count(db, PendingState::Queued));
        let waiting = usize::try_from(waiting.map_err(|error| self.stopped(&error))?).unwrap_or(usize::MAX);
        if locked(&self.outbox).len() >= waiting.saturating_mul(2) {
            self.outbox_trim().map_err(|_| Stop { failure: Failure::Storage, code: "outbox".to_owned() })?;
        }
        self.committed();
        Ok(Event::Pushed { progress })
    }

    /// The batch without an answer, or a new one of what waits, signed and stored.
    fn next_batch(&self, tx: &rusqlite::Transaction<'_>) -> store::Result<Option<Batch>> {
        if let Some(open) = pending::open_batch(tx)? {
            // The same items under the same signature. When each was made is told from when they are sent: now.
            let request: PushRequest = wire::unpack(&open.body, wire::MAX_PUSH_BYTES)
                .map_err(|_| ApiError::bug("a stored push that cannot be read"))?;
            let now = self.now()?;
            let request = PushRequest { sent_ms: now.wall_ms, sent_monotonic_ms: now.monotonic_ms, ..request };
            return Ok(Some(Batch { body: wire::pack(&request), ..open }));
        }
        let waiting = pending::to_send(tx, wire::MAX_PUSH_ITEMS)?;
        let mut actors: Vec<ActorId> = Vec::new();
        let mut items = Vec::with_capacity(waiting.len());
        for pending in &waiting {
            items.push(push_item(pending, &mut actors)?);
        }
        items.truncate(sync::batch(items.iter().map(|item| item.size())));
        if items.is_empty() {
            return Ok(None);
        }
        let now = self.now()?;
        let id = BatchId::new(now.wall_ms, self.host.random()?);
        let signature = self.device.signing.sign(&PushRequest::message(self.enrolment().device, id, &items));
        let places = waiting.iter().zip(&items).map(|(pending, item)| (pending.place, item.change.hash)).collect();
        let request = PushRequest {
            batch: id,
            key: self.device.signing.id(),
            actors,
            items,
            signature,
            sent_ms: now.wall_ms,
            sent_monotonic_ms: now.monotonic_ms,
        };
        let batch = Batch { id, body: wire::pack(&request), items: places };
        pending::put_batch(tx, &batch)?;
        Ok(Some(batch))
    }

    async fn pull(&self) -> Result<Event, Stop> {
        let request = self.store.read(pull_request).map_err(|error| self.stopped(&error))?;
        let answer: PullAnswer = self.post("/sync/v1/pull", packed(&request), PULL_ANSWER).await?;
        let event = self.take_pull(&request, answer).map_err(|error| self.stopped(&error))?;
        self.committed();
        if self.stale_token.load(Ordering::Acquire) {
            self.authenticate().await?;
        }
        Ok(event)
    }

    async fn index_some(&self) -> Result<Event, Stop> {
        let more = self.index().map_err(|error| self.stopped(&error))?;
        // Whoever runs the sync may look after something else, or give it up, between two transactions.
        tokio::task::yield_now().await;
        Ok(Event::Indexed { more })
    }

    /// Stores the packs that are next together, and has those after them fetched meanwhile. The first of all buckets come
    /// one by one, so that there is something on the screen; every page of an index that a pack touches is written once
    /// for all packs of a step.
    async fn fetch_packs(self: &Arc<Self>, ahead: &mut Ahead) -> Result<Event, Stop> {
        let missing = |skipped| self.store.read(|db| bucket::next_packs(db, PACKS_AT_ONCE, skipped));
        let next = missing(0).map_err(|error| self.stopped(&error))?;
        if next.is_empty() {
            return Ok(Event::PackStored { more: false });
        }
        let Ahead { wanted, mut fetching } = std::mem::take(ahead);
        let came = match wanted == next {
            true => fetching.join_next().await.and_then(Result::ok),
            false => None, // none were fetched, or the list of packs is another by now
        };
        let fetched = match came {
            Some(fetched) => fetched,
            None => self.clone().packs(next).await,
        };
        if fetched.packs.is_empty() {
            return fetched.end.flatten().map_or(Ok(Event::PackGone), Err);
        }
        if fetched.end.is_none() {
            // What stopped the last of them is met again by the next step, which says it.
            ahead.wanted = missing(fetched.packs.len()).map_err(|error| self.stopped(&error))?;
            ahead.fetching.spawn(self.clone().packs(ahead.wanted.clone()));
        }
        let more = self.take_packs(fetched.packs).map_err(|error| match error {
            StoreError::Refused(_) => Stop { failure: Failure::Protocol, code: "pack_malformed".to_owned() },
            error => self.stopped(&error),
        })?;
        self.committed();
        Ok(Event::PackStored { more })
    }

    /// Fetches packs, one after the other, until one does not come.
    async fn packs(self: Arc<Self>, wanted: Vec<Missing>) -> Fetched {
        let mut fetched = Fetched::default();
        for (bucket, hash, size) in wanted {
            match self.pack_bytes(bucket, hash, size).await {
                Ok(Some(pack)) => fetched.packs.push(pack),
                Ok(None) => fetched.end = Some(None),
                Err(stop) => fetched.end = Some(Some(stop)),
            }
            if fetched.end.is_some() {
                break;
            }
        }
        fetched
    }

    /// The bytes of a pack as its name says they are; none where the server has it no more.
    async fn pack_bytes(
        &self,
        bucket: Bucket,
        hash: BlobHash,
        size: u32,
    ) -> Result<Option<(Bucket, BlobHash, Vec<u8>)>, Stop> {
        let limit = usize::try_from(size).unwrap_or(usize::MAX).min(PULL_ANSWER);
        let response = self.exchange(Request::get(format!("/sync/v1/packs/{hash}"), limit)).await?;
        match response.status {
            200 if *blake3::hash(&response.body).as_bytes() == hash.0 => {}
            200 => return Err(Stop { failure: Failure::Protocol, code: "pack_altered".to_owned() }),
            404 | 410 => return Ok(None),
            _ => {
                return match answered::<PullAnswer>(&response, limit) {
                    Err(answered) => Err(answered.into()),
                    Ok(_) => Err(Stop { failure: Failure::Protocol, code: "pack".to_owned() }),
                };
            }
        }
        Ok(Some((bucket, hash, response.body)))
    }
}

fn packed<T: Encode<()>>(message: &T) -> Vec<u8> {
    wire::pack(message)
}

/// How far the phone has come in each bucket that has a cursor, and which records it wants whole.
fn pull_request(db: &rusqlite::Connection) -> store::Result<PullRequest> {
    let mut buckets = Vec::new();
    for held in bucket::all(db)?.iter().filter(|held| held.state != BucketState::Loading) {
        let pending = pending::count_in(db, &held.bucket)?;
        buckets.push(BucketCursor { bucket: held.number, cursor: held.cursor, pending });
    }
    Ok(PullRequest { buckets, whole: settled::wanted(db)? })
}
