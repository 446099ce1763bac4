//! One record, the phones that write it, and what a server knows of it.

use std::collections::{BTreeMap, BTreeSet};

use gridpass_core::Value;
use gridpass_core::id::{ActorId, ChangeHash, GrantId, IntentId, RecordId, TicketId};
use gridpass_core::record::check::{Checked, Facts, KeyRule, Refusal, check};
use gridpass_core::record::{Built, Change, Document};
use gridpass_core::wire::{ChangeFields, Intent, IntentKind, PushItem, Reason};

/// A second in November 2023: no test reads a clock.
pub const NOON_S: i64 = 1_700_000_000;

/// The device whose items are checked writes as this actor.
pub const OWN: ActorId = ActorId([0x11; 16]);
/// Another device.
pub const OTHER: ActorId = ActorId([0x22; 16]);
/// The server's office.
pub const OFFICE: ActorId = ActorId([0x99; 16]);

/// A put as tests write it.
pub fn put(key: &str, value: impl Into<Value>) -> (String, Value) {
    (key.to_owned(), value.into())
}

/// A record at the server, with every change that was accepted, in order.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub document: Document,
    pub accepted: Vec<Built>,
    pub quarantine: BTreeMap<ChangeHash, TicketId>,
}

impl World {
    /// A record with a conflict at `phone`: [`OWN`] created it, then [`OTHER`] and [`OWN`] wrote without knowing of
    /// each other. The own last change hides the other's request `t/b`.
    pub fn with_conflict() -> Self {
        let mut world = Self::default();
        let first = vec![put("name", "甲"), put("phone", "1"), put("found_at", "{}"), put("t/a", "{}")];
        world.write(OWN, first);
        let base = world.document.clone();
        world.write(OTHER, vec![put("phone", "2"), put("rooms", 3), put("t/b", "{}")]);
        let late = base.change_putting(OWN, NOON_S, vec![put("phone", "3")]);
        world.accept(late.build().unwrap());
        assert_eq!(world.document.live("phone").len(), 2, "the fixture holds a conflict");
        world
    }

    /// Writes over all that stands and accepts it.
    pub fn write(&mut self, actor: ActorId, puts: Vec<(String, Value)>) -> ChangeHash {
        let built = self.document.change_putting(actor, NOON_S, puts).build().unwrap();
        let hash = built.hash;
        self.accept(built);
        hash
    }

    pub fn accept(&mut self, built: Built) {
        self.document.apply([built.clone()]).unwrap();
        self.accepted.push(built);
    }

    /// What the server answers when the device of [`OWN`] pushes the item.
    pub fn check(&self, item: &PushItem, actors: &[ActorId]) -> Result<Checked, Refusal> {
        self.check_by(&key_rule, item, actors)
    }

    /// The same with another catalog.
    pub fn check_by(
        &self,
        key_rule: &dyn Fn(&str, &Value) -> Result<KeyRule, Reason>,
        item: &PushItem,
        actors: &[ActorId],
    ) -> Result<Checked, Refusal> {
        let own = BTreeSet::from([OWN]);
        let facts = Facts {
            document: &self.document,
            generation: (!self.document.is_empty()).then_some(0),
            actors: &own,
            quarantined: &|hash| self.quarantine.get(hash).copied(),
            key_rule,
        };
        check(item, actors, &facts)
    }

    /// All that anybody can see of the record.
    pub fn seen(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let document = &self.document;
        let last = [OWN, OTHER, OFFICE].map(|actor| document.last_of(actor));
        (document.state(), document.heads(), document.len(), last)
    }

    /// The record loaded again from the bytes of its accepted changes.
    pub fn reloaded(&self) -> Self {
        let document = Document::from_changes(self.accepted.iter().map(Built::bytes)).unwrap();
        Self { document, ..self.clone() }
    }
}

/// A catalog of a few fields: `found_at` is written once, `f…` and the names below are known, and nothing else.
fn key_rule(key: &str, _: &Value) -> Result<KeyRule, Reason> {
    match key {
        "found_at" => Ok(KeyRule { once: true }),
        "name" | "phone" | "rooms" | "note" | "end/date" => Ok(KeyRule { once: false }),
        _ if key.starts_with("t/") || key.starts_with('f') => Ok(KeyRule { once: false }),
        _ => Err(Reason::at("unknown_field", key)),
    }
}

/// The item that pushes a change; the hash is given, so that it can be a lie.
pub fn item_claiming(hash: ChangeHash, change: &Change) -> (PushItem, Vec<ActorId>) {
    let mut actors = Vec::new();
    let change = ChangeFields::new(hash, change, &mut actors);
    let item = PushItem {
        record: RecordId([1; 16]),
        generation: 0,
        fmt: 1,
        create: None,
        change,
        intent: Intent {
            id: IntentId([2; 16]),
            kind: IntentKind::EDIT,
            at_ms: NOON_S * 1000,
            monotonic_ms: 5_000,
            visit: None,
        },
        grant: GrantId([3; 16]),
        catalog_version: 1,
    };
    (item, actors)
}

/// The item that pushes a change under its true hash.
pub fn item(change: &Change) -> (PushItem, Vec<ActorId>) {
    item_claiming(change.build().unwrap().hash, change)
}
