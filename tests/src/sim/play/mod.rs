//! Playing a plan.
//!
//! | file | subject |
//! |---|---|
//! | `user` | what users fill in on their phones |
//! | `decide` | what they decide, confirm and end, and what becomes of work that waits for them |
//! | `line` | what becomes of messages |
//! | `disk` | copies of phones, full disks, processes that end |
//! | `office` | assignments, and records that move to another grid |
//! | `catalogs` | catalogs that are published, and phones that stay behind |
//! | `forger` | a device that sends what it must not |
//! | `visits` | visits, and what is written once |
//! | `photos` | files of visits, from their phone to the server and to other phones |
//! | `heal` | peace, after which everything is compared |

mod catalogs;
mod decide;
mod disk;
mod forger;
mod heal;
mod line;
mod office;
mod photos;
mod user;
mod visits;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gridpass_core::Value;
use gridpass_core::id::{GrantId, GridId, IntentId, RecordId, UserId};
use gridpass_core::record::{ShownValues, edit};
use gridpass_core::wire::{self, EnrolCode, PushRequest};
use gridpass_phone::{ApiError, EnrolInput, InboxItem, ListQuery, Phone, SaveInput, Saved};
use gridpass_server::db::AssignmentRow;
use tempfile::TempDir;

use super::bugs::Planted;
use super::calls::aside;
use super::check::{about, check, plain};
use super::files::Photo;
use super::handset::Handset;
use super::host::Platform;
use super::model::{Edit, Fate, Model, Plain, Rule};
use super::moments::Ends;
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
    let assigned = &play.assigned;
    let works_in = |handset: &Handset, grid| assigned.get(&(handset.user, grid)) == Some(&true);
    let found = check(play.server.app()?, &play.grids, &play.handsets, works_in, &play.model)?;
    play.report.faults.extend(found);
    play.check_photos()?;
    play.check_catalogs()?;
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
    grids: Vec<GridId>,
    handsets: Vec<Handset>,
    /// Who works in which grid; `false` where it has ended.
    assigned: BTreeMap<(UserId, GridId), bool>,
    model: Model,
    /// How many edits the model knows, for whoever ends in the midst of a save.
    noted: Arc<AtomicUsize>,
    /// In how many moments of its work the server's process or power ends.
    server_ends: Option<(u32, Ends)>,
    report: Report,
    edits: i64,
    forger: forger::Forger,
    photos: Vec<Photo>,
}

impl Play {
    fn new(plan: &Plan, planted: Planted) -> Result<Self, Error> {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
        let server = Server::new(&folder.path().join("server"), plan.seed)?;
        let grids: Vec<_> = (1..=plan.grids.max(1)).map(|number| GridId([number; 16])).collect();
        for (number, grid) in (1..).zip(&grids) {
            let code = format!("37029900100100{number}");
            server.app()?.db.add_grid(START_MS, *grid, &[], &code, &format!("第{number}网格"))?;
        }
        let mut play = Self {
            folder,
            seed: plan.seed,
            planted,
            draw: Draw::new(plan.seed, 3),
            net: Net::default(),
            server,
            backup: false,
            grids,
            handsets: Vec::new(),
            assigned: BTreeMap::new(),
            model: Model::default(),
            noted: Arc::default(),
            server_ends: None,
            report: Report::default(),
            edits: 0,
            forger: forger::Forger::default(),
            photos: Vec::new(),
        };
        planted.on_server(&mut play.server)?;
        play.server.disk.lies(planted.lie_of_server());
        let phones = usize::from(plan.phones.max(1));
        for number in 0..phones + usize::from(plan.shared) {
            play.enrol(number, number.checked_sub(phones))?;
        }
        Ok(play)
    }

    /// Enrols a user, on a phone of his own or beside the user of another.
    fn enrol(&mut self, number: usize, beside: Option<usize>) -> Result<(), Error> {
        let user = UserId([u8::try_from(number + 1)?; 16]);
        let app = self.server.app()?.clone();
        app.db.add_user(START_MS, user, &format!("user{number}"), "某人")?;
        let code = format!("code-{number}");
        app.db.add_enrol_code(START_MS, *blake3::hash(code.as_bytes()).as_bytes(), user, START_MS + 3_600_000)?;
        // Hardly a phone's clock is right.
        let off_ms = [0, -86_400_000, 7_200_000, 31_536_000_000].get(self.draw.below(4)).copied().unwrap_or(0);
        let platform = match beside {
            None => Platform::new(self.seed, number, START_MS + off_ms),
            Some(other) => {
                let seed = self.seed;
                self.count("shared");
                self.handset(other)?.platform.shared(seed, number)
            }
        };
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
        self.planted.on_phone(&folder, &platform)?;
        let handset = Handset::new(number, folder, platform, user, &self.net)?;
        handset.disk.lies(self.planted.lie_of_phone());
        self.handsets.push(handset);
        // Everybody works in the first grid, every other user in all.
        for grid in self.grids.clone().into_iter().take(if number % 2 == 1 { usize::MAX } else { 1 }) {
            self.assign(user, grid)?;
        }
        self.whole(number)
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

    /// Who uses the same phone, this one among them.
    fn users_of_phone(&self, number: usize) -> Vec<usize> {
        let Some(handset) = self.handsets.get(number) else { return Vec::new() };
        let others = self.handsets.iter().filter(|other| other.platform.is_with(&handset.platform));
        others.map(|other| other.number).collect()
    }

    /// Time goes by for all.
    fn pass(&mut self, ms: i64) {
        self.server.clock.fetch_add(ms, Ordering::Relaxed);
        for (number, handset) in self.handsets.iter().enumerate() {
            if !self.handsets.iter().take(number).any(|other| other.platform.is_with(&handset.platform)) {
                handset.platform.pass(ms);
            }
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), Error> {
        let number = usize::from(step.phone).checked_rem(self.handsets.len()).unwrap_or(0);
        let (a, b) = (step.a as usize, step.b as usize);
        self.pass(500);
        let name = super::plan::ACTS.iter().find(|(act, ..)| *act == step.act).map_or("", |(_, name, _)| *name);
        self.count(name);
        match step.act {
            Act::Create => self.create(number, a)?,
            Act::Edit => self.edit(number, a, b)?,
            Act::Round => self.round(number, a, b)?,
            Act::Day => self.day(number, a, b)?,
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
            Act::Die => {
                let noted = self.noted.clone();
                self.handset(number)?.end_within(moments_to(a, b), Ends::Process, noted)?;
            }
            Act::DieServer => self.server_ends = Some((moments_to(a, b), Ends::Process)),
            Act::Power => {
                let (ends, noted) = (Ends::Power(self.draw.next()), self.noted.clone());
                self.handset(number)?.end_within(moments_to(a, b) - 1, ends, noted)?;
            }
            Act::PowerServer => self.power_server(a, b)?,
            Act::Full => {
                for user in self.users_of_phone(number) {
                    self.handset(user)?.disk.set_room(Some(room(a, b)));
                }
            }
            Act::FullServer => self.server.disk.set_room(Some(room(a, b))),
            Act::Room => {
                for user in self.users_of_phone(number) {
                    self.handset(user)?.disk.set_room(None);
                }
                self.server.disk.set_room(None);
            }
            Act::Assign | Act::Move | Act::Forge | Act::Publish | Act::Backup | Act::Restore
                if self.server.disk.is_limited() =>
            {
                self.count("office_waits");
            }
            Act::Bounce => {
                self.server.end();
                self.server.start()?;
            }
            Act::Stop => self.server.stop(),
            Act::Backup if self.server.runs() => {
                let marker = self.planted == Planted::KeptEpoch;
                self.server.copy_to(&self.folder.path().join("backup"), marker)?;
                self.backup = true;
            }
            Act::Restore if self.backup => {
                self.note_handed_in();
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
                self.users_of_phone(number).into_iter().for_each(|user| self.model.clock_jumped(user));
            }
            Act::Wait => self.wait()?,
            Act::Assign => self.change_assignment(number, b)?,
            Act::Move => self.move_record(a)?,
            Act::Forge => self.forge(a, b)?,
            Act::Attach => self.attach(number, a, b)?,
            Act::Fetch => self.fetch(number, a, b)?,
            Act::Publish => self.publish()?,
            Act::Behind => self.change_app(number)?,
            Act::Newer => self.edit_newer(number, a, b)?,
            Act::Visit => self.visit(number, a, b)?,
        }
        self.ended(number).map(|_| ())
    }
}

/// In how many moments a process ends: now and then at once, now and then after much work.
fn moments_to(a: usize, b: usize) -> u32 {
    1 + u32::try_from(a * 97 % (1 << (b % 12))).unwrap_or(0)
}

/// For how many bytes there is still room: for none, for a page, for some saves or some hundred.
fn room(a: usize, b: usize) -> u64 {
    (a * 131 % (1 << (b % 20))) as u64
}

/// The records of a collection, in order of their names.
fn rows(phone: &Phone, collection: &str) -> Result<Vec<RecordId>, Error> {
    let query = ListQuery { collection: Some(collection.to_owned()), limit: 10_000, ..ListQuery::default() };
    let mut rows: Vec<_> = phone.list(query)?.rows.into_iter().map(|row| row.record).collect();
    rows.sort();
    Ok(rows)
}
