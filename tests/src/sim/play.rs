//! Playing a plan.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use gridpass_core::Value;
use gridpass_core::id::{GrantId, GridId, IntentId, RecordId, UserId};
use gridpass_core::record::edit;
use gridpass_core::wire::{self, EnrolCode, PushRequest};
use gridpass_phone::{ApiError, EnrolInput, InboxItem, ListQuery, Phone, SaveInput, Saved};
use gridpass_server::db::AssignmentRow;
use tempfile::TempDir;

use super::bugs::Planted;
use super::check::{about, check, plain};
use super::handset::Handset;
use super::host::Platform;
use super::model::{Edit, Fate, Model, Plain, Rule};
use super::net::Net;
use super::plan::{Act, Plan, Step};
use super::random::Draw;
use super::server::Server;
use crate::world::{Error, START_MS, copy_folder};

/// The fields that are edited: collection, key, how concurrent values are settled.
const FIELDS: [(&str, &str, Rule); 10] = [
    ("organisation", "name", Rule::People),
    ("organisation", "lead_name", Rule::People),
    ("organisation", "fire_lead", Rule::Later),
    ("organisation", "staff_count", Rule::Later),
    ("organisation", "hazard/gas", Rule::Later),
    ("organisation", "name", Rule::People),
    ("address", "estate", Rule::Later),
    ("address", "road", Rule::Later),
    ("address", "building", Rule::People),
    ("address", "alias/0000000000000000000000000000000a", Rule::Later),
];
/// More messages than any sync has.
const MANY: usize = 200;
/// Longer than work is taken after its grid was lost: 72 hours.
const AFTER_GRACE_MS: i64 = 73 * 3_600_000;
/// More rounds of syncs than any run needs to become quiet.
const ROUNDS: usize = 16;

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What was wrong, in words.
    pub faults: Vec<String>,
    /// How often what was done and what happened.
    pub tally: BTreeMap<&'static str, u64>,
    /// How many fields were edited.
    pub edits: usize,
    /// A digest of how phones and server stood at the end: the same for the same plan.
    pub fingerprint: String,
}

/// Plays a plan, heals everything, and compares.
pub fn run(plan: &Plan, planted: Planted) -> Result<Report, Error> {
    let mut play = Play::new(plan, planted)?;
    for step in &plan.steps {
        play.step(step)?;
    }
    play.heal()?;
    let (folder, grid) = (&play.assigned, play.grid);
    let assigned = |handset: &Handset| folder.get(&handset.user).copied().unwrap_or(false);
    let found = check(play.server.app()?, grid, &play.handsets, assigned, &play.model)?;
    play.report.faults.extend(found);
    play.report.edits = play.model.edits.len();
    play.report.fingerprint = play.fingerprint()?;
    Ok(play.report)
}

struct Play {
    folder: TempDir,
    seed: u64,
    planted: Planted,
    draw: Draw,
    net: Net,
    server: Server,
    backup: bool,
    grid: GridId,
    handsets: Vec<Handset>,
    assigned: BTreeMap<UserId, bool>,
    model: Model,
    report: Report,
    edits: i64,
}

impl Play {
    fn new(plan: &Plan, planted: Planted) -> Result<Self, Error> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
        let server = Server::new(&folder.path().join("server"), plan.seed)?;
        let grid = GridId([1; 16]);
        server.app()?.db.add_grid(START_MS, grid, &[], "370299001001001", "第一网格")?;
        let mut play = Self {
            folder,
            seed: plan.seed,
            planted,
            draw: Draw::new(plan.seed, 3),
            net: Net::default(),
            server,
            backup: false,
            grid,
            handsets: Vec::new(),
            assigned: BTreeMap::new(),
            model: Model::default(),
            report: Report::default(),
            edits: 0,
        };
        for number in 0..usize::from(plan.phones.max(1)) {
            play.enrol(number)?;
        }
        Ok(play)
    }

    fn enrol(&mut self, number: usize) -> Result<(), Error> {
        let user = UserId([u8::try_from(number + 1)?; 16]);
        let app = self.server.app()?.clone();
        app.db.add_user(START_MS, user, &format!("user{number}"), "某人")?;
        let code = format!("code-{number}");
        app.db.add_enrol_code(START_MS, *blake3::hash(code.as_bytes()).as_bytes(), user, START_MS + 3_600_000)?;
        let platform = Platform::new(self.seed, number, START_MS);
        let folder = self.folder.path().join(format!("phone{number}"));
        let code = EnrolCode { url: "https://localhost".into(), code, pin: app.keys.tls_pin }.to_string();
        let host = platform.host(&self.net, number);
        let mut enrolling = Box::pin(Phone::enroll(&folder, host, EnrolInput { code, pin: None }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..10 {
            if let std::task::Poll::Ready(phone) = enrolling.as_mut().poll(&mut context) {
                drop(phone?);
                break;
            }
            for name in self.net.names(Some(number), None) {
                self.serve(name);
                self.hand(name);
            }
        }
        drop(enrolling);
        self.handsets.push(Handset::new(number, folder, platform, user, &self.net)?);
        self.assign(user)?;
        self.whole(number)
    }

    fn assign(&mut self, user: UserId) -> Result<(), Error> {
        let mut grant = [0; 16];
        self.draw.fill(&mut grant);
        let app = self.server.app()?;
        let now_ms = app.now_ms();
        let row = AssignmentRow {
            grant: GrantId(grant),
            grid: self.grid,
            role: "worker".into(),
            from_ms: now_ms,
            to_ms: None,
        };
        app.db.assign(now_ms, user, &row)?;
        self.assigned.insert(user, true);
        Ok(())
    }

    fn count(&mut self, what: &'static str) {
        *self.report.tally.entry(what).or_default() += 1;
    }

    fn fault(&mut self, fault: String) {
        self.report.faults.push(fault);
    }

    fn handset(&mut self, number: usize) -> Result<&mut Handset, Error> {
        Ok(self.handsets.get_mut(number).ok_or("no such phone")?)
    }

    fn phone(&self, number: usize) -> Result<Phone, Error> {
        Ok(self.handsets.get(number).ok_or("no such phone")?.phone()?.clone())
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        let number = usize::from(step.phone).checked_rem(self.handsets.len()).unwrap_or(0);
        let (a, b) = (step.a as usize, step.b as usize);
        self.server.clock.fetch_add(500, Ordering::Relaxed);
        for handset in &self.handsets {
            handset.platform.wall.fetch_add(500, Ordering::Relaxed);
        }
        let name = super::plan::ACTS.iter().find(|(act, ..)| *act == step.act).map_or("", |(_, name, _)| *name);
        self.count(name);
        match step.act {
            Act::Create => self.create(number, a)?,
            Act::Edit => self.edit(number, a, b)?,
            Act::Resave => self.resave(number, a)?,
            Act::Decide => self.decide(number, a, b)?,
            Act::Still => self.still(number, a)?,
            Act::End => self.end(number, a)?,
            Act::Settle => self.settle(number, a, b)?,
            Act::Draft => self.keep_draft(number, a)?,
            Act::Sync => {
                self.handset(number)?.begin_sync()?;
                self.go_on(number)?;
            }
            Act::Carry => self.carry(a % 10 + 1, b)?,
            Act::Whole => self.whole(number)?,
            Act::LoseRequest | Act::LoseAnswer | Act::Cut | Act::Twice | Act::Alter => self.line(step.act, a, b)?,
            Act::Again => {
                let copies = self.net.held().copies.clone();
                if let Some(copy) = copies.get(a % copies.len().max(1)) {
                    let _answer_for_nobody = self.server.serve(copy.clone());
                }
            }
            Act::Kill => self.handset(number)?.restart()?,
            Act::Fail => self.handset(number)?.platform.fail_after(i64::from(step.a % 40) + 1),
            Act::Bounce => {
                self.server.stop();
                self.server.start()?;
            }
            Act::Stop => self.server.stop(),
            Act::Backup if self.server.runs() => {
                self.server.copy_to(&self.folder.path().join("backup"))?;
                self.backup = true;
            }
            Act::Restore if self.backup => {
                self.server.put_back(&self.folder.path().join("backup"))?;
                self.model.server_restored = true;
                self.reassign()?;
            }
            Act::Backup | Act::Restore => {}
            Act::Copy => self.copy(number)?,
            Act::PutBack => self.put_back(number)?,
            Act::Clone => self.clone_phone(number)?,
            Act::Clock => {
                let jump = [-86_400_000, -1_000, 7_200_000, 31_536_000_000].get(a % 4).copied().unwrap_or(0);
                self.handset(number)?.platform.wall.fetch_add(jump, Ordering::Relaxed);
            }
            Act::Assign => self.change_assignment(number)?,
        }
        Ok(())
    }

    // What users do.

    fn create(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        self.edits += 1;
        let text = format!("新{}", self.edits);
        let addresses = rows(&phone, "address")?;
        let (collection, key, rule, more) = match addresses.get(a % addresses.len().max(1)) {
            Some(address) if !a.is_multiple_of(3) => (
                "organisation",
                "name",
                Rule::People,
                vec![
                    ("kind".to_owned(), "self_employed".into()),
                    ("address_id".to_owned(), address.to_string().into()),
                    ("state".to_owned(), "operating".into()),
                    ("lead_name".to_owned(), "某人".into()),
                ],
            ),
            _ => (
                "address",
                "estate",
                Rule::Later,
                vec![("level".to_owned(), "area".into()), ("usage".to_owned(), "residential".into())],
            ),
        };
        let mut values = more;
        values.push((key.to_owned(), text.as_str().into()));
        let saved = phone.create(collection, values);
        if collection == "organisation"
            && let Ok(Saved { record, intent: Some(intent), .. }) = &saved
        {
            let made = ("lead_name".to_owned(), Plain::Text("某人".into()), Vec::new(), Rule::People);
            self.note(number, *record, &intent.to_string(), made, Fate::Saved);
        }
        self.saved(number, None, saved, vec![(key.to_owned(), Plain::Text(text), Vec::new(), rule)])
    }

    fn edit(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((mut record, mut collection)) = self.pick(&phone, a)? else { return Ok(()) };
        let mut shown = phone.values(record)?;
        // A form that was opened some time ago is saved now; what came in meanwhile was not shown to anybody.
        let forms = &mut self.handset(number)?.forms;
        if b.is_multiple_of(4) {
            forms.push((record, collection.clone(), shown.clone()));
        }
        if b % 4 == 1 && !forms.is_empty() {
            (record, collection, shown) = forms.swap_remove(a % forms.len().max(1));
            self.count("old_form");
        }
        let fields: Vec<_> = FIELDS.iter().filter(|(of, ..)| *of == collection).collect();
        let mut edits: Vec<edit::Edit> = Vec::new();
        let mut noted = Vec::new();
        for n in 0..1 + usize::from(b.is_multiple_of(7)) {
            let Some((_, key, rule)) = fields.get((b + n) % fields.len().max(1)) else { continue };
            if edits.iter().any(|edit| edit.key == *key) {
                continue;
            }
            self.edits += 1;
            let standing = shown.get(*key);
            let new = match *key {
                "staff_count" => Value::Int(self.edits),
                "hazard/gas" => Value::Bool(standing.and_then(|shown| shown.value().as_bool()) != Some(true)),
                _ => format!("值{}", self.edits).as_str().into(),
            };
            let all = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
            noted.push(((*key).to_owned(), plain(&new), all, *rule));
            edits.push(edit::Edit::over(*key, standing, new));
        }
        let saved = phone.save(SaveInput { record: Some(record), edits, ..SaveInput::default() });
        self.saved(number, Some(record), saved, noted)
    }

    fn resave(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, _)) = self.pick(&phone, a)? else { return Ok(()) };
        let fields = match phone.form(record) {
            Ok(form) => form.fields,
            Err(error) => return self.refused(number, &error),
        };
        let same = fields.into_iter();
        let same = same.map(|field| edit::Edit::new(field.key, field.value.clone(), field.value));
        let input = SaveInput { record: Some(record), edits: same.collect(), ..SaveInput::default() };
        match phone.save(input) {
            Ok(Saved { intent: Some(_), .. }) => self.fault("an unchanged form wrote something".into()),
            Ok(_) => {}
            Err(error) => self.refused(number, &error)?,
        }
        Ok(())
    }

    fn decide(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let state = phone.list(ListQuery { limit: 10_000, ..ListQuery::default() })?;
        let torn: Vec<_> = state.rows.into_iter().filter(|row| row.conflicts > 0).collect();
        let Some(row) = torn.get(a % torn.len().max(1)) else { return Ok(()) };
        let shown = phone.values(row.record)?;
        let Some((key, standing)) = shown.iter().find(|(_, shown)| shown.is_conflict()) else { return Ok(()) };
        let rule = FIELDS.iter().find(|(_, known, _)| known == key).map_or(Rule::People, |(.., rule)| *rule);
        self.edits += 1;
        let value = format!("定{}", self.edits);
        let all: Vec<Plain> = standing.all().into_iter().map(plain).collect();
        let saved = match b % 2 {
            0 => {
                let seen = standing.all().into_iter().cloned().collect();
                phone.resolve(row.record, key, value.as_str().into(), seen)
            }
            _ => {
                let edits = vec![edit::Edit::over(key.as_str(), Some(standing), value.as_str())];
                phone.save(SaveInput { record: Some(row.record), edits, ..SaveInput::default() })
            }
        };
        self.count("decided");
        self.saved(number, Some(row.record), saved, vec![(key.clone(), Plain::Text(value), all, rule)])
    }

    fn still(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, collection)) = self.pick(&phone, a)? else { return Ok(()) };
        let key = if collection == "address" { "estate" } else { "name" };
        let saved = phone.still(record, key);
        self.saved(number, Some(record), saved, Vec::new())
    }

    fn end(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let Some((record, collection)) = self.pick(&phone, a)? else { return Ok(()) };
        if collection != "organisation" {
            return Ok(());
        }
        let ended = phone.show(record)?.row.ended;
        let saved = match ended {
            true => phone.undo_end(record),
            false => phone.end(record, "2027-01-14", "error", Vec::new()),
        };
        self.saved(number, Some(record), saved, Vec::new())
    }

    fn settle(&mut self, number: usize, a: usize, b: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let items = phone.inbox()?;
        let Some(item) = items.get(a % items.len().max(1)) else { return Ok(()) };
        let InboxItem { id, record, edits, .. } = item.clone();
        let given_up: Vec<_> = edits.iter().filter_map(|edit| about(&edit.key, &edit.new)).collect();
        let asks = edits.iter().any(|edit| edit.key.starts_with("t/"));
        let done = if b.is_multiple_of(2) || asks {
            self.count("discarded");
            phone.discard(id).map(|()| Vec::new())
        } else {
            self.count("resent");
            let shown = phone.values(record).unwrap_or_default();
            let mut again = Vec::new();
            let mut noted = Vec::new();
            for edit in edits {
                let Value::Str(_) = edit.new else { continue };
                let Some((_, key, rule)) = FIELDS.iter().find(|(_, key, _)| *key == edit.key) else {
                    again.push(edit);
                    continue;
                };
                self.edits += 1;
                let new: Value = format!("再{}", self.edits).as_str().into();
                let standing = shown.get(*key);
                let all = standing.map(|shown| shown.all().into_iter().map(plain).collect()).unwrap_or_default();
                noted.push(((*key).to_owned(), plain(&new), all, *rule));
                again.push(edit::Edit::over(edit.key, standing, new));
            }
            phone.edit_and_resend(id, again).map(|_| noted)
        };
        match done {
            Ok(noted) => {
                for (key, value) in given_up {
                    self.model.give_up(&record.to_string(), &key, &value);
                }
                for entry in noted {
                    self.note(number, record, "resent", entry, Fate::Saved);
                }
            }
            Err(error) => {
                // With a platform that fails in its middle it may have happened.
                if self.handset(number)?.platform.failing() {
                    for (key, value) in given_up {
                        self.model.give_up(&record.to_string(), &key, &value);
                    }
                }
                self.refused(number, &error)?;
            }
        }
        Ok(())
    }

    fn keep_draft(&mut self, number: usize, a: usize) -> Result<(), Error> {
        let phone = self.phone(number)?;
        let drafts = self.handset(number)?.drafts.clone();
        let edits = vec![edit::Edit::new("estate", Value::Null, "草稿")];
        match drafts.get(a % (drafts.len() + 1)) {
            Some(draft) => match phone.discard_draft(*draft) {
                Ok(()) => self.handset(number)?.drafts.retain(|kept| kept != draft),
                Err(error) => {
                    self.handset(number)?.drafts.retain(|kept| kept != draft);
                    self.refused(number, &error)?;
                }
            },
            None => match phone.put_draft(None, "address", None, edits) {
                Ok(draft) => self.handset(number)?.drafts.push(draft),
                Err(error) => self.refused(number, &error)?,
            },
        }
        Ok(())
    }

    /// A record the phone shows, with its collection.
    fn pick(&self, phone: &Phone, a: usize) -> Result<Option<(RecordId, String)>, Error> {
        let rows = phone.list(ListQuery { limit: 10_000, ..ListQuery::default() })?.rows;
        let mut rows: Vec<_> = rows
            .into_iter()
            .filter(|row| matches!(row.collection.as_str(), "address" | "organisation"))
            .map(|row| (row.record, row.collection))
            .collect();
        rows.sort();
        // Few records, so that phones meet in them.
        let few = rows.len().min(6);
        Ok(rows.into_iter().nth(a.checked_rem(few).unwrap_or(0)))
    }

    /// Takes note of what a save came to.
    fn saved(
        &mut self,
        number: usize,
        record: Option<RecordId>,
        saved: Result<Saved, ApiError>,
        edits: Vec<(String, Plain, Vec<Plain>, Rule)>,
    ) -> Result<(), Error> {
        match saved {
            Ok(Saved { record, intent: Some(intent), .. }) => {
                self.count("saved");
                for edit in edits {
                    self.note(number, record, &intent.to_string(), edit, Fate::Saved);
                }
            }
            Ok(_) => {}
            Err(error) => {
                if self.handset(number)?.platform.failing() {
                    for edit in edits {
                        let Some(record) = record else { break };
                        self.note(number, record, "", edit, Fate::Uncertain);
                    }
                }
                self.refused(number, &error)?;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        phone: usize,
        record: RecordId,
        save: &str,
        (key, value, seen, rule): (String, Plain, Vec<Plain>, Rule),
        fate: Fate,
    ) {
        let (save, record) = (save.to_owned(), record.to_string());
        self.model.edits.push(Edit { save, phone, record, key, value, seen, rule, fate });
    }

    /// An error that the phone may show; one that it may not is a fault.
    fn refused(&mut self, number: usize, error: &ApiError) -> Result<(), Error> {
        if self.handset(number)?.platform.failing() {
            self.count("broke_off");
            return self.handset(number)?.restart();
        }
        match error {
            ApiError::Input { .. } | ApiError::NotFound => self.count("refused"),
            ApiError::Later { .. } => self.count("later"),
            _ => self.fault(format!("phone {number}: {error:?}")),
        }
        Ok(())
    }

    // What the network does.

    fn serve(&mut self, name: u64) {
        let asked = self.net.held().mail.get(&name).filter(|mail| mail.answer.is_none()).map(|m| m.request.clone());
        let Some(request) = asked else { return };
        let lies = self.planted != Planted::Nothing && self.draw.below(4) == 0;
        let answer = match lies.then(|| self.planted.answers(&request)).flatten() {
            Some(answer) => Ok(answer),
            None => self.server.serve(request.clone()),
        };
        let answer = answer.map(|mut answer| {
            if lies {
                self.planted.touches(&request, &mut answer);
            }
            answer
        });
        if answer.as_ref().is_ok_and(|answer| answer.status >= 500) {
            self.fault(format!("the server answered 5xx to {}", request.path));
        }
        self.count("requests");
        if let Some(mail) = self.net.held().mail.get_mut(&name) {
            mail.answer = Some(answer);
        }
    }

    fn hand(&mut self, name: u64) {
        let mail = self.net.held().mail.remove(&name);
        if let Some(mut mail) = mail
            && let Some(answer) = mail.answer.take()
        {
            mail.hand(answer);
        }
    }

    fn go_on(&mut self, number: usize) -> Result<bool, Error> {
        match self.handset(number)?.go_on() {
            None => Ok(false),
            Some(Ok(_)) => {
                self.count("syncs");
                Ok(true)
            }
            Some(Err(error)) => {
                self.count("failed_syncs");
                self.refused(number, &error)?;
                Ok(true)
            }
        }
    }

    /// Moves some messages one step on: to the server, or back.
    fn carry(&mut self, moves: usize, b: usize) -> Result<(), Error> {
        for n in 0..moves {
            let names = self.net.names(None, None);
            let Some(name) = names.get((b + n * 7) % names.len().max(1)).copied() else { return Ok(()) };
            let (phone, answered) = match self.net.held().mail.get(&name) {
                Some(mail) => (mail.phone, mail.answer.is_some()),
                None => continue,
            };
            if answered {
                self.hand(name);
                self.go_on(phone)?;
            } else {
                self.serve(name);
            }
        }
        Ok(())
    }

    fn line(&mut self, act: Act, a: usize, b: usize) -> Result<(), Error> {
        let names = self.net.names(None, Some(matches!(act, Act::LoseAnswer | Act::Cut)));
        let Some(name) = names.get(a % names.len().max(1)).copied() else { return Ok(()) };
        match act {
            Act::Twice => {
                let copy = self.net.held().mail.get(&name).map(|mail| mail.request.clone());
                self.net.held().copies.extend(copy);
                self.serve(name);
            }
            Act::Alter => {
                if let Some(mail) = self.net.held().mail.get_mut(&name) {
                    alter(&mut mail.request.body, b);
                }
                self.serve(name);
            }
            _ => {
                let Some(mut mail) = self.net.held().mail.remove(&name) else { return Ok(()) };
                let number = mail.phone;
                match mail.answer.take() {
                    Some(Ok(mut answer)) if act == Act::Cut => {
                        answer.body.truncate(answer.body.len() * (b % 10) / 10);
                        mail.hand(Ok(answer));
                    }
                    _ => mail.hand(Err(gridpass_phone::transport::TransportError::NoAnswer)),
                }
                self.go_on(number)?;
            }
        }
        Ok(())
    }

    /// A sync of one phone from begin to end.
    fn whole(&mut self, number: usize) -> Result<(), Error> {
        self.handset(number)?.begin_sync()?;
        for _ in 0..MANY {
            if self.go_on(number)? {
                return Ok(());
            }
            for name in self.net.names(Some(number), None) {
                self.serve(name);
                self.hand(name);
            }
            if !self.handset(number)?.syncs() {
                return Ok(());
            }
        }
        self.fault(format!("the sync of phone {number} does not end"));
        self.handset(number)?.give_up_sync();
        Ok(())
    }

    // What happens to disks and assignments.

    fn copy(&mut self, number: usize) -> Result<(), Error> {
        let edits = self.model.edits.len();
        let to = self.folder.path().join(format!("copy{number}"));
        let handset = self.handset(number)?;
        handset.close();
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        copy_folder(&handset.folder, &to)?;
        handset.copy = Some((to, edits));
        handset.open()
    }

    fn put_back(&mut self, number: usize) -> Result<(), Error> {
        let Some((copy, kept)) = self.handset(number)?.copy.clone() else { return Ok(()) };
        self.handset(number)?.restart()?;
        let phone = self.phone(number)?;
        // What the phone keeps for its author is on this disk only, whatever became of the rest of its save.
        let kept_here: Vec<_> = phone
            .inbox()?
            .into_iter()
            .flat_map(|item| item.edits.into_iter().map(move |edit| (item.record.to_string(), edit)))
            .filter_map(|(record, edit)| about(&edit.key, &edit.new).map(|(key, value)| (record, key, value)))
            .collect();
        let acknowledged = |edit: &Edit| {
            if kept_here.contains(&(edit.record.clone(), edit.key.clone(), edit.value.clone())) {
                return false;
            }
            let receipts = edit.record.parse().map(|record: RecordId| phone.receipts(record));
            let Ok(Ok(receipts)) = receipts else { return false };
            edit.save.parse::<IntentId>().is_ok_and(|save| receipts.iter().any(|receipt| receipt.intent == Some(save)))
        };
        if self.planted != Planted::SilentPutBack {
            self.model.disk_put_back(number, kept, acknowledged);
        }
        drop(phone);
        let handset = self.handset(number)?;
        handset.close();
        fs::remove_dir_all(&handset.folder)?;
        copy_folder(&copy, &handset.folder)?;
        handset.open()
    }

    fn clone_phone(&mut self, number: usize) -> Result<(), Error> {
        if self.handsets.len() >= 7 {
            return Ok(());
        }
        let (other, seed) = (self.handsets.len(), self.seed);
        let to = self.folder.path().join(format!("phone{other}"));
        let handset = self.handset(number)?;
        handset.close();
        copy_folder(&handset.folder, &to)?;
        let (platform, user) = (handset.platform.cloned(seed, other), handset.user);
        handset.open()?;
        self.handsets.push(Handset::new(other, to, platform, user, &self.net)?);
        self.model.copied.extend([number, other]);
        Ok(())
    }

    fn change_assignment(&mut self, number: usize) -> Result<(), Error> {
        if !self.server.runs() {
            return Ok(());
        }
        let user = self.handset(number)?.user;
        if self.assigned.get(&user) == Some(&true) {
            let app = self.server.app()?;
            app.db.end_assignments(app.now_ms(), user, self.grid)?;
            self.assigned.insert(user, false);
            Ok(())
        } else {
            self.assign(user)
        }
    }

    /// After a restore the office looks at its assignments again.
    fn reassign(&mut self) -> Result<(), Error> {
        for (user, assigned) in self.assigned.clone() {
            let app = self.server.app()?;
            app.db.end_assignments(app.now_ms(), user, self.grid)?;
            if assigned {
                self.assign(user)?;
            }
        }
        Ok(())
    }

    // What comes afterwards.

    /// Everything works again, and everybody syncs until nothing changes.
    fn heal(&mut self) -> Result<(), Error> {
        self.server.start()?;
        for name in self.net.names(None, Some(false)) {
            self.serve(name);
        }
        for number in 0..self.handsets.len() {
            self.handset(number)?.restart()?;
        }
        self.net.held().mail.clear();
        self.settle_down()?;
        // What waits in a grid that was lost is taken for some days, and then its author is told.
        self.server.clock.fetch_add(AFTER_GRACE_MS, Ordering::Relaxed);
        self.handsets.iter().for_each(|handset| {
            handset.platform.wall.fetch_add(AFTER_GRACE_MS, Ordering::Relaxed);
        });
        self.settle_down()
    }

    /// Everybody syncs until nothing changes.
    fn settle_down(&mut self) -> Result<(), Error> {
        let mut last = String::new();
        for _ in 0..ROUNDS {
            for number in 0..self.handsets.len() {
                self.server.clock.fetch_add(1_000, Ordering::Relaxed);
                self.whole(number)?;
            }
            let now = self.fingerprint()?;
            if now == last {
                return Ok(());
            }
            last = now;
        }
        self.fault("it does not become quiet".into());
        Ok(())
    }

    /// Where phones and server stand.
    fn fingerprint(&self) -> Result<String, Error> {
        let app = self.server.app()?;
        let mut text = format!("{}", app.db.epoch());
        for handset in &self.handsets {
            let state = handset.phone()?.state()?;
            text.push_str(&format!("{:?} {} {} {};", state.buckets, state.unsent, state.inbox, state.drafts));
            for record in rows(handset.phone()?, "organisation")? {
                text.push_str(&format!("{record} {:?}", handset.phone()?.values(record)?));
            }
        }
        Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

/// The records of a collection, in order of their names.
fn rows(phone: &Phone, collection: &str) -> Result<Vec<RecordId>, Error> {
    let query = ListQuery { collection: Some(collection.to_owned()), limit: 10_000, ..ListQuery::default() };
    let mut rows: Vec<_> = phone.list(query)?.rows.into_iter().map(|row| row.record).collect();
    rows.sort();
    Ok(rows)
}

/// Alters a text in one item of a push: its hash fits no more.
fn alter(body: &mut Vec<u8>, which: usize) {
    let Ok(mut push) = wire::unpack::<PushRequest>(body, 4 << 20) else { return };
    let items = push.items.len().max(1);
    let Some(item) = push.items.get_mut(which % items) else { return };
    for put in &mut item.change.puts {
        if let Value::Str(text) = &mut put.value {
            text.push('伪');
        }
    }
    *body = wire::pack(&push);
}
