//! A device with a real enrolment, token and assignment, whose program lies. It knows every record of the server, also
//! what a restored server has forgotten, and sends forged items in one push with an honest one.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{ActorId, BatchId, ChangeHash, DeviceId};
use gridpass_core::record::{Built, Change, Document, OpId};
use gridpass_core::seal::SigningKey;
use gridpass_core::wire::{
    ChangeFields, Create, FMT_AUTOMERGE, Intent, IntentKind, MAX_ITEM_BYTES, Nonce, PushAnswer, PushItem, Role,
    Touched, Verdict,
};
use gridpass_phone::transport::Request;
use gridpass_server::db::Principal;

use super::super::model::FORGED;
use super::*;

/// The device's number in the model; no phone has it.
const NUMBER: usize = 1_000;
const NAME: [u8; 16] = [0xf0; 16];
/// A grid that nobody has.
const NOWHERE: GridId = GridId([9; 16]);
/// The kinds of lies: those of an item, then those of a whole push.
const ITEM_LIES: usize = 15;
const OF_ANOTHER_GRID: usize = 11;
const UNDER_A_HASH: usize = 13;
const UNDER_AN_INTENT: usize = 14;
const LIES: usize = ITEM_LIES + 4;
/// How much of an answer is read.
const ANSWER: usize = 4 << 20;

/// What the device remembers.
#[derive(Default)]
pub(super) struct Forger {
    /// Changes of others: record, name, intent.
    known: Vec<(RecordId, ChangeHash, IntentId)>,
}

/// What a lie is made from.
struct Lie<'a> {
    kind: usize,
    text: String,
    actor: ActorId,
    now_ms: i64,
    document: &'a Document,
    /// The writer of another change.
    other: ActorId,
}

impl Play {
    pub(super) fn forge(&mut self, a: usize, b: usize) -> Result<(), Error> {
        if !self.server.runs() {
            return Ok(());
        }
        let (actor, token) = self.forger_signs_in()?;
        let all = self.all_records()?;
        let addresses: Vec<_> = all.iter().filter(|touched| touched.collection == "address").collect();
        let own = |touched: &&&Touched| self.grids.first().is_some_and(|grid| touched.home == Bucket::Place(*grid));
        let mine: Vec<_> = addresses.iter().filter(own).collect();
        let Some(mine) = mine.get(a % mine.len().max(1)) else { return Ok(()) };
        let is_foreign = |touched: &&Touched| touched.home.grid() != mine.home.grid();
        let field_of = |touched: &Touched| match touched.collection.as_str() {
            "address" => Some("estate"),
            "organisation" => Some("fire_lead"),
            _ => None,
        };
        let foreign = all.iter().filter(is_foreign).find_map(|touched| Some((touched, field_of(touched)?)));
        let document = Document::from_changes(mine.changes.iter().map(|change| change.bytes.as_slice()))?;
        self.edits += 1;
        let text = format!("{FORGED}{}", self.edits);
        let lost = |known: &&(RecordId, ChangeHash, IntentId)| known.0 == mine.record && !document.contains(&known.1);
        let taken = self.forger.known.iter().find(lost).copied();
        // What a restored server has forgotten is worth a lie under its name.
        let kind = match (taken, foreign) {
            (Some(_), _) if b.is_multiple_of(3) => UNDER_A_HASH + b % 2,
            (_, Some(_)) if b % 4 == 1 => OF_ANOTHER_GRID,
            _ => b % LIES,
        };
        let other = mine.changes.iter().filter_map(|change| Built::from_trusted(&change.bytes).ok()?.fields().ok());
        let other = other.map(|change| change.actor).find(|other| *other != actor).unwrap_or(ActorId(NAME));
        let lie = Lie { kind, text, actor, now_ms: self.server.app()?.now_ms(), document: &document, other };
        let mut actors = Vec::new();
        let mut items = match (kind, foreign) {
            (OF_ANOTHER_GRID, Some((foreign, field))) => {
                let theirs = Document::from_changes(foreign.changes.iter().map(|change| change.bytes.as_slice()))?;
                let change =
                    theirs.change_putting(actor, lie.now_ms / 1000, vec![(field.into(), lie.text.as_str().into())]);
                vec![self.item(foreign.record, &change, &mut actors)]
            }
            _ => self.lies(&lie, mine, &mut actors),
        };
        let forged = items.len();
        self.edits += 1;
        let village = format!("村{}", self.edits);
        let shown = mine.values.get("village");
        let puts = vec![("village".to_owned(), village.as_str().into())];
        let honest = document.change_putting(actor, lie.now_ms / 1000, puts);
        let mut honest = self.item(mine.record, &honest, &mut actors);
        let known = || self.forger.known.iter().find(|(record, ..)| *record == mine.record).copied();
        if let (UNDER_AN_INTENT, Some((_, _, intent))) = (kind, taken.or_else(known)) {
            // What it may write, under the name of somebody else's save.
            honest.intent.id = intent;
        }
        items.push(honest);
        self.remember(&all, actor);
        let (record, path) = (mine.record, "/sync/v1/push");
        let body = self.push_body(kind, actors, items);
        let request = Request { token: Some(token), ..Request::post(path, body, ANSWER) };
        let answer = self.server.serve(request).map_err(|_| "the server does not answer")?;
        self.count("forged");
        if kind >= ITEM_LIES {
            if !(400..500).contains(&answer.status) {
                self.fault(format!("a forged push of kind {kind} was answered {}", answer.status));
            }
            return Ok(());
        }
        let answer: PushAnswer = wire::unpack(&answer.body, ANSWER)
            .map_err(|_| format!("a push with lies was answered {}", answer.status))?;
        for (n, item) in answer.verdicts.iter().enumerate() {
            match &item.verdict {
                Verdict::Accepted { .. } if n == forged => {
                    let seen = shown.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
                    let edit = ("village".to_owned(), Plain::Text(village.clone()), seen, Rule::Later);
                    self.note(NUMBER, record, "", edit, Fate::OnServerOnly);
                }
                _ if n == forged && kind == UNDER_AN_INTENT => {}
                Verdict::Accepted { .. } | Verdict::Duplicate { .. } if n < forged => {
                    self.fault(format!("a lie of kind {kind} was taken: {:?}", item.verdict));
                }
                other if n == forged => self.fault(format!("lies of kind {kind} hold up other work: {other:?}")),
                _ => {}
            }
        }
        Ok(())
    }

    /// The device has an enrolment, an assignment to the first grid and a token, also on a server that was put back.
    fn forger_signs_in(&mut self) -> Result<(ActorId, String), Error> {
        let app = self.server.app()?.clone();
        let (now_ms, user, device) = (app.now_ms(), UserId(NAME), DeviceId(NAME));
        let key = SigningKey::from_secret(&[NAME[0]; 32]);
        // A restored server may give a count out again: another writer in every epoch.
        let mut nonce = NAME;
        nonce.iter_mut().zip(app.db.epoch().to_be_bytes()).for_each(|(byte, epoch)| *byte = epoch);
        let nonce = Nonce(nonce);
        if app.db.device(&Principal::SERVER, now_ms, device)?.is_none() {
            app.db.add_user(now_ms, user, "forger", "某人")?;
            app.db.add_enrol_code(now_ms, [NAME[0]; 32], user, now_ms + 1_000)?;
            if app.db.enrol(now_ms, [NAME[0]; 32], device, &key.public(), nonce, "forged")?.is_err() {
                return Err("the forger is not enrolled".into());
            }
        }
        let served = if self.planted == Planted::RightEverywhere { usize::MAX } else { 1 };
        for grid in self.grids.iter().copied().take(served) {
            let granted = app.db.assignments(&Principal::SERVER, now_ms, user)?;
            if !granted.iter().any(|row| row.grid() == Some(grid) && row.counts_at(now_ms)) {
                let grant = GrantId::derived("forger", &[&grid.0, &now_ms.to_be_bytes()]);
                let row = AssignmentRow::worker(grant, grid, now_ms);
                app.db.assign(now_ms, user, &row)?;
            }
        }
        let (token, challenge) = (format!("forger {}", self.edits), [7; 32]);
        app.db.add_challenge(now_ms, device, challenge, now_ms + 1_000)?;
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        app.db.take_challenge(now_ms, device, &challenge, hash, now_ms + 60_000, &[nonce], "forged")?;
        Ok((nonce.actor(&key.public()), token))
    }

    fn all_records(&self) -> Result<Vec<Touched>, Error> {
        let app = self.server.app()?;
        let mut found = Vec::new();
        for bucket in self.grids.iter().flat_map(|grid| [Bucket::Place(*grid), Bucket::Base(*grid)]) {
            app.db.bucket_records(&Principal::SERVER, app.now_ms(), bucket, 1000, &mut |records| {
                found.extend(records.into_iter().filter(|record| record.home == bucket));
                Ok(())
            })?;
        }
        found.sort_by_key(|touched| touched.record);
        Ok(found)
    }

    fn remember(&mut self, all: &[Touched], own: ActorId) {
        for touched in all {
            for change in touched.changes.iter().filter(|change| change.author.role == Role::DEVICE) {
                let of = Built::from_trusted(&change.bytes).ok().and_then(|built| Some(built.fields().ok()?.actor));
                let known = (touched.record, change.hash, change.intent);
                if of != Some(own) && !self.forger.known.contains(&known) {
                    self.forger.known.push(known);
                }
            }
        }
    }

    fn item(&mut self, record: RecordId, change: &Change, actors: &mut Vec<ActorId>) -> PushItem {
        self.edits += 1;
        let at_ms = self.server.clock.load(Ordering::Relaxed);
        let hash = change.build().map_or(ChangeHash([0; 32]), |built| built.hash);
        let id = IntentId::derived("forger", &[&self.edits.to_be_bytes()]);
        PushItem {
            record,
            generation: 0,
            fmt: FMT_AUTOMERGE,
            create: None,
            change: ChangeFields::new(hash, change, actors),
            intent: Intent { id, kind: IntentKind::EDIT, at_ms, monotonic_ms: 0, visit: None },
            grant: GrantId(NAME),
            catalog_version: 1,
        }
    }

    /// A lie about a record, and what is made on it.
    fn lies(&mut self, lie: &Lie<'_>, about: &Touched, actors: &mut Vec<ActorId>) -> Vec<PushItem> {
        let put = |key: &str| vec![(key.to_owned(), Value::from(lie.text.as_str()))];
        let time_s = lie.now_ms / 1000;
        let mut change = lie.document.change_putting(lie.actor, time_s, put("estate"));
        let mut record = about.record;
        let (mut create, mut generation, mut claimed) = (None, 0, None);
        match lie.kind {
            0 => change = lie.document.change_putting(lie.other, time_s, put("estate")),
            1 => change = lie.document.change_putting(lie.actor, time_s, put("s/estate")),
            2 => change = lie.document.change_putting(lie.actor, time_s, put(&format!("s/v/{}", IntentId(NAME)))),
            3 => change.actor_seq += 1,
            4 => change.actor_seq = 1.max(change.actor_seq - 1) + u64::from(change.actor_seq == 1),
            5 => change.start_op += 1,
            6 => change.deps.push(ChangeHash([0xff; 32])),
            7 => change.puts.iter_mut().for_each(|put| match put.pred.is_empty() {
                true => put.pred.push(OpId { counter: 1, actor: lie.other }),
                false => put.pred.clear(),
            }),
            8 => change = lie.document.change_putting(lie.actor, time_s, put("forged")),
            9 => change.puts.iter_mut().for_each(|put| put.value = lie.text.repeat(MAX_ITEM_BYTES / 3).as_str().into()),
            10 | OF_ANOTHER_GRID => {
                record = RecordId::derived("forger", &[lie.text.as_bytes()]);
                change = Document::new().change_putting(lie.actor, time_s, put("estate"));
                let elsewhere = [Bucket::Place(NOWHERE), Bucket::District, Bucket::User(UserId([1; 16]))];
                let home = elsewhere.get(lie.text.len() % 3).copied().unwrap_or(Bucket::District);
                create = Some(Create { collection: "address".into(), home });
            }
            12 => generation = 1,
            UNDER_A_HASH => {
                claimed = self.forger.known.iter().find(|(of, hash, _)| *of == record && !lie.document.contains(hash))
            }
            _ => return Vec::new(),
        }
        let claimed = claimed.map_or(ChangeHash([1; 32]), |(_, hash, _)| *hash);
        let mut forged = self.item(record, &change, actors);
        (forged.create, forged.generation) = (create, generation);
        if lie.kind == UNDER_A_HASH {
            forged.change.hash = claimed;
        }
        let mut then = lie.document.change_putting(lie.actor, time_s, put("estate"));
        then.deps = vec![forged.change.hash];
        then.actor_seq += 1;
        let then = self.item(record, &then, actors);
        vec![forged, then]
    }

    fn push_body(&self, kind: usize, actors: Vec<ActorId>, items: Vec<PushItem>) -> Vec<u8> {
        let (key, batch) =
            (SigningKey::from_secret(&[NAME[0]; 32]), BatchId::derived("forger", &[&self.edits.to_be_bytes()]));
        let signer =
            if kind == ITEM_LIES { SigningKey::from_secret(&[1; 32]) } else { SigningKey::from_secret(&[NAME[0]; 32]) };
        let signature = signer.sign(&PushRequest::message(DeviceId(NAME), batch, &items));
        let sent_ms = self.server.clock.load(Ordering::Relaxed);
        let mut push = PushRequest { batch, key: key.id(), actors, items, signature, sent_ms, sent_monotonic_ms: 0 };
        match kind.checked_sub(ITEM_LIES) {
            // It unpacks to far more than anybody sends.
            Some(1) => push.signature = vec![0; 64 << 20],
            Some(2) => push.items = push.items.iter().cycle().take(wire::MAX_PUSH_ITEMS + 1).cloned().collect(),
            Some(3) => {
                let mut body = wire::pack(&push);
                self.draw.fill(&mut body);
                return body;
            }
            _ => {}
        }
        wire::pack(&push)
    }
}
