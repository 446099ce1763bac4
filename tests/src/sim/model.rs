//! The reference: every edit a user made, with what it had been shown, in maps and lists. Knows nothing of GridPass.

use std::collections::{BTreeMap, BTreeSet};

/// A value as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plain {
    /// Nothing, or cleared.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// How concurrent values of a field are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// All stand until somebody decides.
    People,
    /// One wins.
    Later,
    /// The first that the server takes is the only one.
    Once,
}

/// What became of an edit, as far as its author knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was saved.
    Saved,
    /// The save failed: it may be there or not.
    Uncertain,
    /// Its author discarded it or sent something else for it.
    GivenUp,
    /// The disk it was on was put back; the server had not said that it has it.
    LostWithDisk,
    /// The disk it was on was put back; the server had said that it has it.
    AcknowledgedThenDiskLost,
    /// The server said that it has it, and whoever made it keeps nothing.
    OnServerOnly,
}

impl Fate {
    /// Whether no disk of a phone holds it any more.
    pub fn is_of_a_lost_disk(self) -> bool {
        matches!(self, Self::LostWithDisk | Self::AcknowledgedThenDiskLost | Self::OnServerOnly)
    }
}

/// One edited field of one save.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The save.
    pub save: String,
    /// The phone.
    pub phone: usize,
    /// The record.
    pub record: String,
    /// The field.
    pub key: String,
    /// The value.
    pub value: Plain,
    /// The values the phone showed there.
    pub seen: Vec<Plain>,
    /// How concurrent values are settled.
    pub rule: Rule,
    /// When it was made, by a clock that is right, in milliseconds.
    pub at_ms: i64,
    /// Whether the phone's clock was set since, so that nobody can say when it was made.
    pub clock_set: bool,
    /// What became of it.
    pub fate: Fate,
}

/// What stands on the server and what waits on phones, after everybody is quiet.
#[derive(Debug, Default)]
pub struct End {
    /// Every value phones wrote or asked for, by record and field, in the server's history: each as often as stored.
    pub stored: BTreeMap<(String, String), Vec<Plain>>,
    /// The values that stand.
    pub standing: BTreeMap<(String, String), Vec<Plain>>,
    /// What waits for its author: phone, record, field, value.
    pub waiting: Vec<(usize, String, String, Plain)>,
    /// All that was written into records of which something is pending behind refused work.
    pub behind: Vec<(usize, String, String, Plain)>,
}

/// What every text holds that was forged or altered on the way.
pub const FORGED: char = '伪';
/// What a message may take; edits that are closer have no order that anybody could tell.
const CLOSE_MS: i64 = 3_600_000;

/// All edits of a run.
#[derive(Debug, Default)]
pub struct Model {
    /// The edits, oldest first.
    pub edits: Vec<Edit>,
    /// Phones that were copied or put back: what they hold may be elsewhere too.
    pub copied: Vec<usize>,
    /// Whether the server lost its disk.
    pub server_restored: bool,
}

impl Model {
    /// The phone's disk is what it was when there were `kept` edits; `acknowledged` says of a save that the server said
    /// that it has it.
    pub fn disk_put_back(&mut self, phone: usize, kept: usize, acknowledged: impl Fn(&Edit) -> bool) {
        for edit in self.edits.iter_mut().skip(kept).filter(|edit| edit.phone == phone) {
            edit.fate = match edit.fate {
                Fate::Saved if acknowledged(edit) => Fate::AcknowledgedThenDiskLost,
                Fate::Saved | Fate::LostWithDisk => Fate::LostWithDisk,
                other => other,
            };
        }
        self.copied.push(phone);
    }

    /// The phone's process ended when there were `sure` edits; what its user did after that may be there or not.
    pub fn ended_within(&mut self, phone: usize, sure: usize) {
        let later = self.edits.iter_mut().skip(sure).filter(|edit| edit.phone == phone && edit.fate == Fate::Saved);
        later.for_each(|edit| edit.fate = Fate::Uncertain);
    }

    /// The phone's clock jumped.
    pub fn clock_jumped(&mut self, phone: usize) {
        self.edits.iter_mut().filter(|edit| edit.phone == phone).for_each(|edit| edit.clock_set = true);
    }

    /// The author gave up work.
    pub fn give_up(&mut self, record: &str, key: &str, value: &Plain) {
        for edit in &mut self.edits {
            if edit.record == record && edit.key == key && edit.value == *value {
                edit.fate = Fate::GivenUp;
            }
        }
    }

    /// What is wrong with an end.
    pub fn faults(&self, end: &End) -> Vec<String> {
        let mut faults = Vec::new();
        for edit in &self.edits {
            let at = (edit.record.clone(), edit.key.clone());
            let times = end.stored.get(&at).map_or(0, |all| all.iter().filter(|value| **value == edit.value).count());
            let is_in = |all: &[(usize, String, String, Plain)]| {
                all.iter()
                    .any(|(_, record, key, value)| *record == edit.record && *key == edit.key && *value == edit.value)
            };
            let waits = is_in(&end.waiting);
            let must = match edit.fate {
                // What a restored server lost comes back from phones that still hold it.
                Fate::Saved => true,
                Fate::AcknowledgedThenDiskLost | Fate::OnServerOnly => !self.server_restored,
                Fate::Uncertain | Fate::GivenUp | Fate::LostWithDisk => false,
            };
            let name = format!("phone {} {}/{} = {:?}", edit.phone, edit.record, edit.key, edit.value);
            if must && times == 0 && !waits && !is_in(&end.behind) {
                faults.push(format!("vanished: {name}"));
            }
            // A flag is written again and again; every other value is written once.
            let once = !matches!(edit.value, Plain::Flag(_) | Plain::Nothing);
            if once && times > 1 {
                faults.push(format!("stored {times} times: {name}"));
            }
            if once && times > 0 && waits && !self.copied.contains(&edit.phone) && !self.server_restored {
                faults.push(format!("stored and waiting: {name}"));
            }
        }
        for (at, value) in end.standing.iter().chain(&end.stored).flat_map(|(at, all)| all.iter().map(move |v| (at, v)))
        {
            if matches!(value, Plain::Text(text) if text.contains(FORGED)) {
                faults.push(format!("forged and stands: {}/{} = {value:?}", at.0, at.1));
            }
        }
        for (at, standing) in &end.standing {
            self.judge(at, standing, end, &mut faults);
            self.judge_winner(at, standing, end, &mut faults);
        }
        faults
    }

    /// Of edits of one field whose writers did not know of each other, the one made later stands.
    fn judge_winner(&self, at: &(String, String), standing: &[Plain], end: &End, faults: &mut Vec<String>) {
        let stored = |edit: &&Edit| end.stored.get(at).is_some_and(|all| all.contains(&edit.value));
        let here: Vec<&Edit> = self.edits.iter().filter(|edit| (&edit.record, &edit.key) == (&at.0, &at.1)).collect();
        let written: Vec<&Edit> = here.iter().copied().filter(stored).collect();
        let sure = |edit: &&Edit| {
            edit.rule == Rule::Later
                && edit.fate == Fate::Saved
                && !edit.clock_set
                && !matches!(edit.value, Plain::Flag(_) | Plain::Nothing)
                && !self.copied.contains(&edit.phone)
        };
        if !written.iter().all(sure) {
            return;
        }
        let known: BTreeSet<Plain> = written.iter().flat_map(|edit| knew(&here, edit)).collect();
        let mut last: Vec<&Edit> = written.into_iter().filter(|edit| !known.contains(&edit.value)).collect();
        last.sort_by_key(|edit| std::cmp::Reverse(edit.at_ms));
        if let [later, earlier, ..] = last[..]
            && later.at_ms.saturating_sub(earlier.at_ms) > CLOSE_MS
            && standing != std::slice::from_ref(&later.value)
        {
            faults.push(format!("made later and not shown: {}/{} = {:?}, but {standing:?}", at.0, at.1, later.value));
        }
    }

    /// One field: nothing stands that nobody wrote, nothing unsettled is hidden.
    fn judge(&self, at: &(String, String), standing: &[Plain], end: &End, faults: &mut Vec<String>) {
        let here: Vec<&Edit> = self.edits.iter().filter(|edit| (&edit.record, &edit.key) == (&at.0, &at.1)).collect();
        if here.is_empty() {
            return;
        }
        for value in standing.iter().filter(|value| **value != Plain::Nothing) {
            if !here.iter().any(|edit| edit.value == *value) {
                faults.push(format!("nobody wrote {}/{} = {value:?}", at.0, at.1));
            }
        }
        let stored = |value: &Plain| end.stored.get(at).is_some_and(|all| all.contains(value));
        for edit in here.iter().filter(|edit| stored(&edit.value)) {
            let replaced = here.iter().any(|other| stored(&other.value) && knew(&here, other).contains(&edit.value));
            let visible = standing.contains(&edit.value);
            match edit.rule {
                Rule::People if !visible && !replaced => {
                    faults.push(format!("hidden before a decision: {}/{} = {:?}", at.0, at.1, edit.value));
                }
                Rule::Later if standing.len() > 1 => {
                    faults.push(format!("no winner at {}/{}: {standing:?}", at.0, at.1));
                    return;
                }
                Rule::Once if standing != std::slice::from_ref(&edit.value) => {
                    faults.push(format!("written once is {:?} at {}/{}, but {standing:?}", edit.value, at.0, at.1));
                    return;
                }
                _ => {}
            }
        }
    }
}

/// The values that whoever wrote an edit had before him: those he was shown, those he had written himself (a conflict is
/// shown until the decision about it comes back), and those that their writers were shown.
fn knew(here: &[&Edit], edit: &Edit) -> BTreeSet<Plain> {
    let mut known = BTreeSet::new();
    let before = here.iter().take_while(|other| !std::ptr::eq(**other, edit));
    let own = before.filter(|other| other.phone == edit.phone && other.value != edit.value);
    let mut next: Vec<Plain> = edit.seen.iter().cloned().chain(own.map(|own| own.value.clone())).collect();
    while let Some(value) = next.pop() {
        if known.insert(value.clone()) {
            let writers = here.iter().filter(|other| other.value == value);
            next.extend(writers.flat_map(|writer| writer.seen.clone()));
        }
    }
    known
}
