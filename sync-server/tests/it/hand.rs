//! A server in a folder and phones made by hand: they build items from fields and know no more than the protocol.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, DeviceId, GrantId, GridId, IntentId, RecordId, UserId};
use gridpass_core::record::{Change, Document};
use gridpass_core::seal::SigningKey;
use gridpass_core::wire::{
    BucketCursor, ChangeFields, Create, Cursor, FMT_AUTOMERGE, Granted, Intent, IntentKind, Nonce, PullAnswer,
    PullRequest, PushAnswer, PushItem, PushRequest, Verdict,
};
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::{AssignmentRow, DeviceRow, Fault, Principal};
use gridpass_server::{ingest, pull};

pub const START_MS: i64 = 1_800_000_000_000;

/// A server whose clock the test moves.
pub struct Server {
    pub app: Arc<App>,
    pub clock: Arc<AtomicI64>,
    pub grid: GridId,
}

impl Server {
    pub fn open(folder: &Path) -> Self {
        let clock = Arc::new(AtomicI64::new(START_MS));
        let shared = clock.clone();
        let app = App::open(folder, |last| Clock::new(last, move || shared.load(Ordering::Relaxed))).unwrap();
        let grid = GridId::derived("grid", &[b"1"]);
        if app.db.grid_by_code(&Principal::SERVER, START_MS, "370212001001001").unwrap().is_none() {
            app.db.add_grid(START_MS, grid, &[], "370212001001001", "一网格").unwrap();
        }
        Self { app: Arc::new(app), clock, grid }
    }

    pub fn base(&self) -> Bucket {
        Bucket::Base(self.grid)
    }

    /// Enrols a phone of a new user who works in the grid.
    pub fn enrol(&self, n: u8) -> Hand {
        self.enrol_as(n, "worker")
    }

    /// The same in another role.
    pub fn enrol_as(&self, n: u8, role: &str) -> Hand {
        let db = &self.app.db;
        let user = UserId([n; 16]);
        let grant = GrantId([n; 16]);
        db.add_user(START_MS, user, &format!("user{n}"), "某").unwrap();
        let assignment = AssignmentRow { role: role.into(), ..AssignmentRow::worker(grant, self.grid, START_MS) };
        db.assign(START_MS, user, &assignment).unwrap();
        db.add_enrol_code(START_MS, [n; 32], user, START_MS + 1000).unwrap();
        let key = SigningKey::from_secret(&[n; 32]);
        let nonce = Nonce([n; 16]);
        let device = DeviceId([n; 16]);
        db.enrol(START_MS, [n; 32], device, &key.public(), nonce, "test").unwrap().unwrap();
        let device = db.device(&Principal::SERVER, START_MS, device).unwrap().unwrap();
        Hand { actor: nonce.actor(&key.public()), key, device, grant, count: 0 }
    }

    /// A token of a phone, good for a minute.
    pub fn token(&self, phone: &Hand) -> String {
        let (db, device, token) = (&self.app.db, phone.device.id, format!("token of {}", phone.device.id));
        db.add_challenge(START_MS, device, device.0.repeat(2).try_into().unwrap(), START_MS + 1000).unwrap();
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        db.take_challenge(START_MS, device, &device.0.repeat(2), hash, START_MS + 60_000, &[], "test").unwrap();
        token
    }

    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.app.db.verify(&Principal::SERVER, self.app.now_ms(), &mut |fault| faults.push(fault)).unwrap();
        faults
    }

    /// The record as the server would send it.
    pub fn document(&self, phone: &Hand, record: RecordId) -> Document {
        let request = PullRequest { buckets: Vec::new(), whole: vec![record] };
        let whole = pull::pull(&self.app, &phone.device, &request).unwrap().whole.unwrap();
        Document::from_changes(whole[0].changes.iter().map(|change| change.bytes.as_slice())).unwrap()
    }

    /// The values at a key, the shown one first.
    pub fn shown(&self, phone: &Hand, record: RecordId, key: &str) -> Vec<Value> {
        let request = PullRequest { buckets: Vec::new(), whole: vec![record] };
        let whole = pull::pull(&self.app, &phone.device, &request).unwrap().whole.unwrap();
        whole[0].values.get(key).map(|shown| shown.all().into_iter().cloned().collect()).unwrap_or_default()
    }
}

/// A phone made by hand.
pub struct Hand {
    pub actor: ActorId,
    pub key: SigningKey,
    pub device: DeviceRow,
    pub grant: GrantId,
    pub count: u8,
}

pub fn record(n: u8) -> RecordId {
    RecordId::derived("record", &[&[n]])
}

impl Hand {
    /// The change that puts the values on a document; it is applied to it.
    pub fn change(&self, document: &mut Document, puts: &[(&str, Value)]) -> Change {
        let puts = puts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let change = document.change_putting(self.actor, START_MS / 1000, puts);
        document.apply([change.build().unwrap()]).unwrap();
        change
    }

    /// An item for a change; `actors` is the push's list.
    pub fn item(&mut self, record: RecordId, change: &Change, home: Bucket, actors: &mut Vec<ActorId>) -> PushItem {
        self.count += 1;
        PushItem {
            record,
            generation: 0,
            fmt: FMT_AUTOMERGE,
            create: Some(Create { collection: "household".into(), home }),
            change: ChangeFields::new(change.build().unwrap().hash, change, actors),
            intent: Intent {
                id: IntentId::derived("intent", &[self.actor.as_bytes(), &[self.count], record.as_bytes()]),
                kind: IntentKind::EDIT,
                at_ms: START_MS,
                monotonic_ms: 0,
                visit: None,
            },
            grant: self.grant,
            catalog_version: 1,
        }
    }

    /// A signed push of the items.
    pub fn push(&self, batch: u8, actors: Vec<ActorId>, items: Vec<PushItem>) -> PushRequest {
        let batch = BatchId([batch; 16]);
        let signature = self.key.sign(&PushRequest::message(self.device.id, batch, &items));
        let key = self.key.id();
        PushRequest { batch, key, actors, items, signature, sent_ms: START_MS, sent_monotonic_ms: 0 }
    }

    /// Pushes one change of one record and returns the answer.
    pub fn save(
        &mut self,
        server: &Server,
        record: RecordId,
        document: &mut Document,
        puts: &[(&str, Value)],
    ) -> PushAnswer {
        let change = self.change(document, puts);
        let mut actors = Vec::new();
        let item = self.item(record, &change, server.base(), &mut actors);
        let count = self.count;
        ingest::push(&server.app, &self.device, &self.push(count, actors, vec![item])).unwrap()
    }

    pub fn pull(&self, server: &Server, buckets: Vec<BucketCursor>) -> PullAnswer {
        pull::pull(&server.app, &self.device, &PullRequest { buckets, whole: Vec::new() }).unwrap()
    }

    /// Starts the grid's base bucket: its number and where to pull on.
    pub fn start(&self, server: &Server) -> Granted {
        let granted = self.pull(server, Vec::new()).granted.unwrap();
        granted.into_iter().find(|granted| granted.bucket == server.base()).unwrap()
    }
}

pub fn cursor(bucket: u32, cursor: Cursor) -> BucketCursor {
    BucketCursor { bucket, cursor, pending: 0 }
}

pub fn accepted(answer: &PushAnswer) -> usize {
    answer.verdicts.iter().filter(|verdict| matches!(verdict.verdict, Verdict::Accepted { .. })).count()
}
