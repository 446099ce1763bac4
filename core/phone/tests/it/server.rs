//! A server that fits in one file: everything in memory, one lock, no rights. It answers with the real wire types, runs
//! the real checks on every item, and does what a test tells it to do wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, FileRef};
use gridpass_core::id::{
    ActorId, BlobHash, ChangeHash, DeviceId, GrantId, GridId, IntentId, RecordId, TicketId, UserId,
};
use gridpass_core::record::check::{self, Facts, KeyRule, Refusal};
use gridpass_core::record::{Document, checksum, shown_values};
use gridpass_core::seal::{OpeningKey, SigningKey, key_id, verify};
use gridpass_core::value::Value;
use gridpass_core::wire::*;
use gridpass_phone::transport::{Connect, InMemory, Request, Response, TransportError};

use crate::blobs::Blobs;
use crate::host::NOON;

pub const GRID: GridId = GridId([1; 16]);
pub const OTHER_GRID: GridId = GridId([2; 16]);
pub const BASE: Bucket = Bucket::Base(GRID);

#[derive(Clone)]
pub struct Server {
    world: Arc<Mutex<World>>,
    watcher: Arc<Mutex<Option<Watcher>>>,
}

/// Looks at every moment at which a phone may be killed: before and after each request.
type Watcher = Box<dyn FnMut(&World) + Send>;

/// A record on the server.
#[derive(Clone)]
pub struct Stored {
    pub collection: String,
    pub home: Bucket,
    pub generation: u32,
    pub document: Document,
    pub rows: Vec<ChangeRow>,
    /// A plain record's values.
    pub plain: Option<gridpass_core::record::ShownValues>,
    pub heads: Vec<ChangeHash>,
}

#[derive(Clone)]
struct LogRow {
    record: RecordId,
    kind: RowKind,
    moved_to: Option<Bucket>,
    checksum: u64,
}

#[derive(Clone)]
struct Enrolment {
    user: UserId,
    public: Vec<u8>,
    actors: BTreeSet<ActorId>,
    token: String,
}

/// All of it; cloned by tests that restore a backup.
#[derive(Clone)]
pub struct World {
    pub epoch: u64,
    pub records: BTreeMap<RecordId, Stored>,
    members: BTreeMap<Bucket, BTreeSet<RecordId>>,
    logs: BTreeMap<Bucket, Vec<LogRow>>,
    /// (record, intent) of everything accepted, with its hash and the row of the home bucket.
    intents: BTreeMap<(RecordId, IntentId), (ChangeHash, u64)>,
    quarantine: BTreeMap<(RecordId, ChangeHash), (TicketId, Reason)>,
    devices: BTreeMap<DeviceId, Enrolment>,
    packs: BTreeMap<BlobHash, Vec<u8>>,
    pub buckets: Vec<Bucket>,
    pub closing: BTreeSet<Bucket>,
    pub rules: Rules,
    pub seen: Seen,
    pub blobs: Blobs,
    tokens: u32,
}

/// What the server does wrong, or strictly.
#[derive(Clone)]
pub struct Rules {
    /// No network.
    pub offline: bool,
    /// Carries out a request of this path and loses the answer, so many times.
    pub lose_answers: (&'static str, u32),
    /// Answers this status to this path, so many times.
    pub status: (&'static str, u16, u32),
    /// Refuses changes that put this value anywhere.
    pub refuse: Option<Value>,
    /// Verdicts to give instead of checking, for changes that put this key.
    pub instead: Option<(&'static str, Verdict, u32)>,
    /// How many rows a page has at most.
    pub page: usize,
    /// How many records a pack has at most.
    pub pack: usize,
    /// Sends rows of a kind nobody knows.
    pub strange_rows: bool,
    /// Says a wrong checksum.
    pub wrong_sum: bool,
}

/// What reached the server.
#[derive(Clone, Default)]
pub struct Seen {
    pub requests: Vec<String>,
    pub pushes: Vec<PushRequest>,
    pub nonces: usize,
}

const SECRET: [u8; 32] = [7; 32];

pub fn sealing_key() -> OpeningKey {
    OpeningKey::from_secret(&[8; 32])
}

impl Server {
    pub fn new() -> Self {
        let rules = Rules {
            offline: false,
            lose_answers: ("", 0),
            status: ("", 0, 0),
            refuse: None,
            instead: None,
            page: 100,
            pack: 100,
            strange_rows: false,
            wrong_sum: false,
        };
        let buckets = vec![Bucket::District, Bucket::Place(GRID), BASE];
        let world = World {
            epoch: 0xfeed_0000_0000_0001,
            records: BTreeMap::new(),
            members: BTreeMap::new(),
            logs: BTreeMap::new(),
            intents: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            devices: BTreeMap::new(),
            packs: BTreeMap::new(),
            buckets,
            closing: BTreeSet::new(),
            rules,
            seen: Seen::default(),
            blobs: Blobs::default(),
            tokens: 0,
        };
        Self { world: Arc::new(Mutex::new(world)), watcher: Arc::default() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Looks at every moment from now on; `None` looks away.
    pub fn watch(&self, watcher: Option<Watcher>) {
        *self.watcher.lock().unwrap() = watcher;
    }

    fn look(&self) {
        if let Some(watcher) = self.watcher.lock().unwrap().as_mut() {
            watcher(&self.world());
        }
    }

    pub fn rules(&self, set: impl FnOnce(&mut Rules)) {
        set(&mut self.world().rules);
    }

    /// Puts a backup back: as a restored server does, in a new epoch.
    pub fn restore(&self, backup: World) {
        let mut world = self.world();
        let seen = world.seen.clone();
        *world = World { epoch: world.epoch + 1, seen, packs: BTreeMap::new(), ..backup };
    }

    pub fn network(&self) -> Arc<dyn Connect> {
        let server = self.clone();
        Arc::new(InMemory::new(move |request| {
            server.look();
            let answer = server.world().serve(request);
            server.look();
            answer
        }))
    }

    pub fn code(&self, user: u8) -> String {
        let url = "https://gridpass.test".to_owned();
        EnrolCode { url, code: format!("user{user}"), pin: [9; 32] }.to_string()
    }

    /// What stands at a key of a record.
    pub fn values(&self, record: RecordId, key: &str) -> Vec<Value> {
        let world = self.world();
        let live = world.records[&record].document.live(key);
        live.into_iter().map(|live| live.value).collect()
    }

    /// How many changes of the record were accepted.
    pub fn changes(&self, record: RecordId) -> usize {
        self.world().records.get(&record).map_or(0, |stored| stored.rows.len())
    }

    /// The server's console writes a value over all that stands.
    pub fn console_writes(&self, record: RecordId, key: &str, value: &str) {
        let mut world = self.world();
        let document = &world.records[&record].document;
        let actor = ActorId([0xc0; 16]);
        let change = document.change_putting(actor, NOON / 1000, vec![(key.to_owned(), value.into())]);
        let built = change.build().unwrap();
        let author = Author { role: Role::CONSOLE, user: None, device: None };
        let intent = IntentId::derived("console", &[built.hash.as_bytes()]);
        world.append(record, built, author, intent);
    }

    /// A supervisor approves refused work: the server writes its values under the same intent.
    pub fn approve(&self, record: RecordId, intent: IntentId, key: &str, value: &str) {
        let mut world = self.world();
        let document = &world.records[&record].document;
        let puts = vec![(key.to_owned(), value.into())];
        let built = document.change_putting(ActorId([0xc0; 16]), NOON / 1000, puts).build().unwrap();
        world.append(record, built, Author { role: Role::CONSOLE, user: None, device: None }, intent);
    }

    /// Another phone stores a change under the intent of this one's.
    pub fn another_phone_writes(&self, record: RecordId, intent: IntentId, key: &str, value: &str) {
        let mut world = self.world();
        let document = &world.records[&record].document;
        let puts = vec![(key.to_owned(), value.into())];
        let built = document.change_putting(ActorId([0xa7; 16]), NOON / 1000, puts).build().unwrap();
        let device = Some(DeviceId([0xa7; 16]));
        world.append(record, built, Author { role: Role::DEVICE, user: None, device }, intent);
    }

    /// The record's history is rolled over: a new generation with the values that stand.
    pub fn roll_over(&self, record: RecordId) {
        let mut world = self.world();
        let stored = world.records.get_mut(&record).unwrap();
        let values = shown_values(&stored.document.state(), |_| false);
        let puts = values.into_iter().map(|(key, shown)| (key, shown.value().clone())).collect();
        let built = Document::new().change_putting(ActorId([0xc1; 16]), NOON / 1000, puts).build().unwrap();
        (stored.generation, stored.document, stored.rows) = (stored.generation + 1, Document::new(), Vec::new());
        let author = Author { role: Role::CONSOLE, user: None, device: None };
        let intent = IntentId::derived("roll", &[built.hash.as_bytes()]);
        world.append(record, built, author, intent);
        world.log(BASE, record, RowKind::PUT, None);
    }

    /// A plain record of the district.
    pub fn publish(&self, collection: &str, values: Vec<(String, Value)>) -> RecordId {
        let mut world = self.world();
        let record = RecordId::derived("plain", &[collection.as_bytes(), &world.records.len().to_le_bytes()]);
        let shown: gridpass_core::record::ShownValues =
            values.into_iter().map(|(key, value)| (key, gridpass_core::record::Shown::One(value))).collect();
        let hash = ChangeHash(*blake3::hash(&encode(&shown)).as_bytes());
        let stored = Stored {
            collection: collection.to_owned(),
            home: Bucket::District,
            generation: 0,
            document: Document::new(),
            rows: Vec::new(),
            plain: Some(shown),
            heads: vec![hash],
        };
        world.records.insert(record, stored);
        world.log(Bucket::District, record, RowKind::PUT, None);
        record
    }

    /// A record leaves the bucket.
    pub fn remove(&self, bucket: Bucket, record: RecordId, moved_to: Option<Bucket>) {
        let mut world = self.world();
        world.log(bucket, record, RowKind::REMOVE, moved_to);
        if let Some(moved_to) = moved_to {
            if let Some(stored) = world.records.get_mut(&record) {
                stored.home = moved_to;
            }
            world.log(moved_to, record, RowKind::PUT, None);
        }
    }
}

fn packed<T: minicbor::Encode<()>>(message: &T) -> Response {
    Response { status: 200, body: pack(message), server_ms: Some(NOON), ..Response::default() }
}

pub fn refused(status: u16, code: &str) -> Response {
    let body = format!("{{\"code\":\"{code}\",\"args\":{{}}}}").into_bytes();
    Response { status, body, ..Response::default() }
}

impl World {
    fn serve(&mut self, request: Request) -> Result<Response, TransportError> {
        if self.rules.offline {
            return Err(TransportError::NoAnswer);
        }
        let path = request.path.trim_start_matches("/sync/v1/").to_owned();
        self.seen.requests.push(path.split('/').next().unwrap().to_owned());
        let (wrong, status, times) = self.rules.status;
        if path.starts_with(wrong) && times > 0 {
            self.rules.status.2 -= 1;
            return Ok(refused(status, "test"));
        }
        let response = self.answer(&path, request);
        if std::mem::take(&mut self.blobs.hang_up) {
            return Err(TransportError::NoAnswer);
        }
        let (lost, times) = self.rules.lose_answers;
        if times > 0 && path.starts_with(lost) {
            self.rules.lose_answers.1 -= 1;
            return Err(TransportError::NoAnswer);
        }
        Ok(response)
    }

    fn answer(&mut self, path: &str, request: Request) -> Response {
        let body = &request.body;
        match path {
            "enroll" => self.enroll(unpack(body, 1 << 20).unwrap()),
            "challenge" => packed(&ChallengeAnswer { challenge: vec![5; 32] }),
            "token" => self.token(unpack(body, 1 << 20).unwrap()),
            _ => {
                let token = request.token.clone().unwrap_or_default();
                let device = self.devices.iter().find(|(_, known)| known.token == token && !token.is_empty());
                let Some(device) = device.map(|(device, _)| *device) else { return refused(401, "token") };
                match path {
                    "push" => self.push(device, unpack(body, MAX_PUSH_BYTES).unwrap()),
                    "pull" => self.pull(unpack(body, 1 << 20).unwrap()),
                    _ if path.starts_with("uploads") => self.uploads(device, &request),
                    _ if path.starts_with("blobs/") => self.download(&request),
                    _ => self.pack(path.trim_start_matches("packs/")),
                }
            }
        }
    }

    fn enroll(&mut self, request: EnrolRequest) -> Response {
        let user = UserId::derived("user", &[request.code.as_bytes()]);
        let device = DeviceId::derived("device", &[&request.public_key]);
        let actors = [request.nonce.actor(&request.public_key)].into();
        let token = String::new();
        self.devices.insert(device, Enrolment { user, public: request.public_key, actors, token });
        let signing = SigningKey::from_secret(&SECRET);
        let sealing = sealing_key().public().to_vec();
        packed(&Enrolled {
            device,
            user,
            user_name: request.code,
            keys: PublicKeys {
                signing_id: signing.id(),
                signing: signing.public().to_vec(),
                sealing_id: key_id(&sealing),
                sealing,
            },
            district: "测试区".to_owned(),
        })
    }

    fn token(&mut self, request: TokenRequest) -> Response {
        self.tokens += 1;
        let token = format!("token {}", self.tokens);
        let Some(device) = self.devices.get_mut(&request.device) else { return refused(403, "device_unknown") };
        if request.nonces.len() > TokenRequest::MAX_NONCES {
            return refused(400, "too_many");
        }
        let message = TokenRequest::message(request.device, &request.challenge, &request.nonces);
        verify(&device.public, &message, &request.signature).unwrap();
        self.seen.nonces = request.nonces.len();
        device.actors.extend(request.nonces.iter().map(|nonce| nonce.actor(&device.public)));
        device.token.clone_from(&token);
        let grants = vec![Grant { grant: GrantId([3; 16]), grid: GRID, role: None }];
        packed(&Token { token, until_ms: NOON, grants })
    }

    /// The token ends now.
    pub fn end_tokens(&mut self) {
        self.devices.values_mut().for_each(|device| device.token.clear());
    }

    fn push(&mut self, device: DeviceId, request: PushRequest) -> Response {
        self.seen.pushes.push(request.clone());
        let public = self.devices[&device].public.clone();
        verify(&public, &PushRequest::message(device, request.batch, &request.items), &request.signature).unwrap();
        let mut receipts = Vec::new();
        let mut verdicts = Vec::new();
        for item in &request.items {
            let verdict = self.judge(device, item, &request.actors);
            if let Verdict::Accepted { .. } | Verdict::Duplicate { .. } = verdict {
                let (hash, log_seq) = self.intents[&(item.record, item.intent.id)];
                let home = self.records[&item.record].home;
                let (record, generation, epoch) = (item.record, item.generation, self.epoch);
                receipts.push(Receipt { record, generation, hash, home, log_seq, epoch, time_ms: NOON });
            }
            verdicts.push(ItemVerdict { record: item.record, hash: item.change.hash, verdict });
        }
        let sheet = (!receipts.is_empty()).then(|| SigningKey::from_secret(&SECRET).sign_receipts(receipts));
        packed(&PushAnswer { verdicts, sheet, server_ms: NOON, next_sync_after_ms: 60_000 })
    }

    fn via(&self, home: Bucket, log_seq: u64) -> Option<Via> {
        self.buckets.contains(&home).then_some(Via { bucket: home, epoch: self.epoch, log_seq })
    }

    fn judge(&mut self, device: DeviceId, item: &PushItem, actors: &[ActorId]) -> Verdict {
        if let Some((key, verdict, times)) = &mut self.rules.instead
            && *times > 0
            && item.change.puts.iter().any(|put| put.key == *key)
        {
            *times -= 1;
            return verdict.clone();
        }
        let (record, hash) = (item.record, item.change.hash);
        if let Some((ticket, reason)) = self.quarantine.get(&(record, hash)) {
            return Verdict::Rejected { ticket: *ticket, reason: reason.clone() };
        }
        if let Some((stored, log_seq)) = self.intents.get(&(record, item.intent.id)) {
            return Verdict::Duplicate { via: self.via(self.records[&record].home, *log_seq), stored: *stored };
        }
        let catalog = Catalog::built_in();
        let known = self.records.get(&record);
        let collection = match (known, &item.create) {
            (Some(stored), _) => stored.collection.clone(),
            (None, Some(create)) => create.collection.clone(),
            (None, None) => return Verdict::Missing { deps: item.change.deps.clone() },
        };
        let nothing = Document::new();
        let refuse = self.rules.refuse.clone();
        let key_rule = |key: &str, value: &Value| {
            let form = catalog.collection(&collection).unwrap();
            if refuse.as_ref() == Some(value) {
                return Err(Reason::at("refused", key));
            }
            match form.check_op(key, value) {
                Ok(()) => Ok(KeyRule { once: form.key(key).is_some_and(|form| form.write_once()) }),
                Err(error) => Err(Reason::at(error.code, key)),
            }
        };
        let facts = Facts {
            document: known.map_or(&nothing, |stored| &stored.document),
            generation: known.map(|stored| stored.generation),
            actors: &self.devices[&device].actors,
            quarantined: &|hash| self.quarantine.get(&(record, *hash)).map(|(ticket, _)| *ticket),
            key_rule: &key_rule,
        };
        let checked = match check::check(item, actors, &facts) {
            Ok(checked) => checked,
            Err(Refusal::Rejected(reason)) => {
                let ticket = TicketId::derived("ticket", &[hash.as_bytes()]);
                self.quarantine.insert((record, hash), (ticket, reason.clone()));
                let named = item.change.puts.iter().filter_map(|put| FileRef::parse(&put.value));
                self.blobs.in_quarantine.extend(named.flat_map(|file| file.hashes().collect::<Vec<_>>()));
                return Verdict::Rejected { ticket, reason };
            }
            Err(Refusal::BlockedBy(ticket)) => return Verdict::BlockedBy { ticket },
            Err(Refusal::Missing(deps)) => return Verdict::Missing { deps },
            Err(Refusal::StaleGeneration(generation)) => return Verdict::StaleGeneration { generation },
            Err(Refusal::ActorFork) => return Verdict::ActorFork,
        };
        if let Some(create) = item.create.as_ref().filter(|_| known.is_none()) {
            let stored = Stored {
                collection,
                home: create.home,
                generation: 0,
                document: Document::new(),
                rows: Vec::new(),
                plain: None,
                heads: Vec::new(),
            };
            self.records.insert(record, stored);
        }
        let author = Author { role: Role::DEVICE, user: Some(self.devices[&device].user), device: Some(device) };
        let log_seq = self.append(record, checked.built, author, item.intent.id);
        Verdict::Accepted { via: self.via(self.records[&record].home, log_seq), notes: Vec::new() }
    }

    fn append(
        &mut self,
        record: RecordId,
        built: gridpass_core::record::Built,
        author: Author,
        intent: IntentId,
    ) -> u64 {
        let stored = self.records.get_mut(&record).unwrap();
        let (hash, bytes) = (built.hash, built.bytes().to_vec());
        stored.document.apply([built]).unwrap();
        stored.heads = stored.document.heads();
        stored.rows.push(ChangeRow { hash, bytes, author, time_ms: NOON, intent });
        let home = stored.home;
        self.log(home, record, RowKind::CHANGE, None);
        let log_seq = self.logs[&home].len() as u64;
        self.intents.insert((record, intent), (hash, log_seq));
        log_seq
    }

    fn log(&mut self, bucket: Bucket, record: RecordId, kind: RowKind, moved_to: Option<Bucket>) {
        let members = self.members.entry(bucket).or_default();
        match kind {
            RowKind::REMOVE => members.remove(&record),
            _ => members.insert(record),
        };
        let sum = |record: &RecordId| {
            let stored = &self.records[record];
            checksum(*record, stored.generation, &stored.heads)
        };
        let checksum = members.iter().map(sum).fold(0, u64::wrapping_add);
        self.logs.entry(bucket).or_default().push(LogRow { record, kind, moved_to, checksum });
    }

    fn cursor(&self, bucket: Bucket, log_seq: u64) -> Cursor {
        let rows = self.logs.get(&bucket).map(Vec::as_slice).unwrap_or_default();
        let at = rows.get((log_seq as usize).wrapping_sub(1));
        let wrong = u64::from(self.rules.wrong_sum);
        Cursor { epoch: self.epoch, log_seq, checksum: at.map_or(0, |row| row.checksum).wrapping_add(wrong) }
    }

    fn touched(&self, record: RecordId, since: usize) -> Touched {
        let stored = &self.records[&record];
        let fmt = if stored.plain.is_some() { FMT_PLAIN } else { FMT_AUTOMERGE };
        let values = stored.plain.clone().unwrap_or_else(|| shown_values(&stored.document.state(), |_| false));
        Touched {
            record,
            collection: stored.collection.clone(),
            generation: stored.generation,
            fmt,
            home: stored.home,
            heads: stored.heads.clone(),
            values,
            changes: stored.rows[since.min(stored.rows.len())..].to_vec(),
        }
    }

    fn pull(&mut self, request: PullRequest) -> Response {
        let mut answer = PullAnswer { server_ms: NOON, next_sync_after_ms: 60_000, ..PullAnswer::default() };
        let number = |bucket: &Bucket| {
            let all = [Bucket::District, Bucket::Place(GRID), BASE, Bucket::Base(OTHER_GRID)];
            all.iter().position(|known| known == bucket).unwrap() as u32
        };
        let (mut granted, mut removed, mut closing) = (Vec::new(), Vec::new(), Vec::new());
        for bucket in self.buckets.clone() {
            let asked = request.buckets.iter().find(|asked| asked.bucket == number(&bucket));
            let stands = asked.is_some_and(|asked| {
                asked.cursor.epoch == self.epoch && asked.cursor == self.cursor(bucket, asked.cursor.log_seq)
            });
            match asked.filter(|_| stands) {
                Some(asked) => answer.pages.push(self.page(number(&bucket), bucket, asked.cursor.log_seq)),
                None => granted.push(self.grant(number(&bucket), bucket)),
            }
            if self.closing.contains(&bucket) {
                closing.push(Closing { number: number(&bucket), until_ms: NOON });
            }
        }
        let gone = |asked: &&BucketCursor| !self.buckets.iter().any(|bucket| number(bucket) == asked.bucket);
        removed.extend(request.buckets.iter().filter(gone).map(|asked| asked.bucket));
        answer.granted = (!granted.is_empty()).then_some(granted);
        answer.removed = (!removed.is_empty()).then_some(removed);
        answer.closing = (!closing.is_empty()).then_some(closing);
        packed(&answer)
    }

    fn page(&self, number: u32, bucket: Bucket, from: u64) -> BucketPage {
        let rows = self.logs.get(&bucket).map(Vec::as_slice).unwrap_or_default();
        let new = &rows[from as usize..rows.len().min(from as usize + self.rules.page)];
        let to = from + new.len() as u64;
        let mut told = BTreeSet::new();
        let mut page = Vec::new();
        for row in new {
            if !told.insert(row.record) {
                continue;
            }
            let here = self.members.get(&bucket).is_some_and(|members| members.contains(&row.record));
            let kind = match (here, self.rules.strange_rows) {
                (_, true) => RowKind(77),
                (true, _) => {
                    if row.kind == RowKind::REMOVE {
                        RowKind::PUT
                    } else {
                        row.kind
                    }
                }
                (false, _) => RowKind::REMOVE,
            };
            let last = new.iter().rfind(|last| last.record == row.record).unwrap();
            let touched = here.then(|| self.touched(row.record, 0));
            page.push(Row { kind, record: row.record, touched, moved_to: last.moved_to });
        }
        BucketPage {
            number,
            to: (to > from).then(|| self.cursor(bucket, to)),
            durable_seq: 0,
            rows: (!page.is_empty()).then_some(page),
            more: (to as usize) < rows.len(),
        }
    }

    fn grant(&mut self, number: u32, bucket: Bucket) -> Granted {
        let members: Vec<_> = self.members.get(&bucket).into_iter().flatten().copied().collect();
        let mut packs = Vec::new();
        for part in members.chunks(self.rules.pack) {
            let records = part.iter().map(|record| self.touched(*record, 0)).collect();
            let bytes = pack(&Pack { bucket, records });
            let hash = BlobHash(*blake3::hash(&bytes).as_bytes());
            packs.push(PackRef { hash, size: bytes.len() as u32, records: part.len() as u32 });
            self.packs.insert(hash, bytes);
        }
        let head = self.logs.get(&bucket).map_or(0, Vec::len) as u64;
        Granted { number, bucket, as_of: self.cursor(bucket, head), packs }
    }

    fn pack(&self, hash: &str) -> Response {
        let hash = BlobHash(gridpass_core::id::unhex(hash).unwrap());
        match self.packs.get(&hash) {
            Some(bytes) => Response { status: 200, body: bytes.clone(), ..Response::default() },
            None => refused(410, "gone"),
        }
    }
}
