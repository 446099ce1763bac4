//! A run as data: a seed and a list of steps, drawn, written as text, read back and made smaller.

use std::fmt;
use std::str::FromStr;

use super::random::Draw;

/// What a step does. Its numbers choose among what is there when it is played, so a plan that lost a step still plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// A record is made; an organisation names an address.
    Create,
    /// One or two fields of a record are edited, over what the phone shows.
    Edit,
    /// A user goes from door to door: form after form, with nothing else between.
    Round,
    /// A user's whole day: many forms with several fields each.
    Day,
    /// A form is saved as it was opened.
    Resave,
    /// Between concurrent values one is chosen, or a new one.
    Decide,
    /// A value is confirmed.
    Still,
    /// A record ends, or its end is taken back.
    End,
    /// Work that waits for its author is sent again with other values, or discarded.
    Settle,
    /// A form is kept as a draft.
    Draft,
    /// A phone begins to sync.
    Sync,
    /// Some of the messages under way are carried, in any order.
    Carry,
    /// A phone syncs from begin to end while the others wait.
    Whole,
    /// A request is lost.
    LoseRequest,
    /// An answer is lost.
    LoseAnswer,
    /// A request reaches the server now, and once more later.
    Twice,
    /// A request of which somebody kept a copy arrives again.
    Again,
    /// An answer arrives without its end.
    Cut,
    /// A value of a pushed item is altered on the way.
    Alter,
    /// A phone's process ends and starts again.
    Kill,
    /// What a phone's platform lends fails soon, and then the process ends.
    Fail,
    /// A phone's process ends soon between two SQL statements, or within one.
    Die,
    /// The server's process does.
    DieServer,
    /// The server stops and starts.
    Bounce,
    /// The server is away until the next bounce.
    Stop,
    /// The server's file is copied while it is stopped.
    Backup,
    /// The copy is put in the place of the server's file.
    Restore,
    /// A phone's folder is copied.
    Copy,
    /// The copy is put in the place of a phone's folder.
    PutBack,
    /// A phone's folder and key store are copied to another phone, and both go on.
    Clone,
    /// A phone's clock jumps.
    Clock,
    /// An assignment ends, or begins again.
    Assign,
    /// Some hours go by, and what was under way is lost.
    Wait,
    /// A record moves to another grid.
    Move,
    /// A device with a real enrolment sends what it must not, among what it may.
    Forge,
    /// A place is visited, or something is added to a visit: what is written once, among it.
    Visit,
    /// A photo is added to a visit, or taken back.
    Attach,
    /// A photo of somebody else is fetched.
    Fetch,
    /// The office publishes a catalog with a field more.
    Publish,
    /// A phone's app is replaced by one that takes up no published catalog, or by one that does.
    Behind,
    /// A field is edited that only a published catalog has.
    Newer,
    /// A phone loses its power, at once or after some moments of its work: what was not flushed is lost.
    Power,
    /// So does the server.
    PowerServer,
    /// A phone has room for a little more only.
    Full,
    /// So has the server.
    FullServer,
    /// There is room again, on a phone and on the server.
    Room,
}

/// Every act with its name in a file and how often it is drawn.
pub const ACTS: [(Act, &str, usize); 46] = [
    (Act::Create, "create", 6),
    (Act::Edit, "edit", 40),
    (Act::Round, "round", 12),
    (Act::Day, "day", 12),
    (Act::Resave, "resave", 2),
    (Act::Decide, "decide", 6),
    (Act::Still, "still", 2),
    (Act::End, "end", 2),
    (Act::Settle, "settle", 5),
    (Act::Draft, "draft", 2),
    (Act::Sync, "sync", 16),
    (Act::Carry, "carry", 40),
    (Act::Whole, "whole", 4),
    (Act::LoseRequest, "lose_request", 2),
    (Act::LoseAnswer, "lose_answer", 3),
    (Act::Twice, "twice", 3),
    (Act::Again, "again", 2),
    (Act::Cut, "cut", 1),
    (Act::Alter, "alter", 2),
    (Act::Kill, "kill", 2),
    (Act::Fail, "fail", 2),
    (Act::Die, "die", 4),
    (Act::DieServer, "die_server", 2),
    (Act::Bounce, "bounce", 1),
    (Act::Stop, "stop", 1),
    (Act::Backup, "backup", 1),
    (Act::Restore, "restore", 1),
    (Act::Copy, "copy", 1),
    (Act::PutBack, "put_back", 1),
    (Act::Clone, "clone", 1),
    (Act::Clock, "clock", 2),
    (Act::Assign, "assign", 2),
    (Act::Wait, "wait", 6),
    (Act::Move, "move", 2),
    (Act::Forge, "forge", 3),
    (Act::Visit, "visit", 5),
    (Act::Attach, "attach", 3),
    (Act::Fetch, "fetch", 1),
    (Act::Publish, "publish", 1),
    (Act::Behind, "behind", 1),
    (Act::Newer, "newer", 3),
    (Act::Power, "power", 3),
    (Act::PowerServer, "power_server", 2),
    (Act::Full, "full", 1),
    (Act::FullServer, "full_server", 1),
    (Act::Room, "room", 8),
];

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// On which phone.
    pub phone: u8,
    /// Which of the things that are there.
    pub a: u32,
    /// And which other.
    pub b: u32,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From which everything random on phones and server follows.
    pub seed: u64,
    /// How many phones there are.
    pub phones: u8,
    /// How many of them have a second user.
    pub shared: u8,
    /// How many grids there are.
    pub grids: u8,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// The word before the number of phones with a second user, which a plan may leave out.
const SHARED: &str = "shared";

/// A text that is no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlan;

impl Plan {
    /// Draws a plan.
    pub fn draw(seed: u64, steps: usize) -> Self {
        let draw = Draw::new(seed, 1);
        let phones = 2 + draw.below(4);
        let grids = 1 + draw.below(2);
        let shared = draw.below(2);
        let total = ACTS.iter().map(|(.., weight)| weight).sum();
        let step = |_| {
            let mut at = draw.below(total);
            let mut act = Act::Edit;
            for (drawn, _, weight) in ACTS {
                if at < weight {
                    act = drawn;
                    break;
                }
                at -= weight;
            }
            let number = || u32::try_from(draw.below(1000)).unwrap_or(0);
            Step { act, phone: u8::try_from(draw.below(phones + shared)).unwrap_or(0), a: number(), b: number() }
        };
        // A district with an address and an organisation that every phone may hold.
        let founded = [(Act::Create, 0), (Act::Whole, 0), (Act::Create, 1), (Act::Whole, 0)];
        let founded = founded.map(|(act, a)| Step { act, phone: 0, a, b: 0 });
        let steps = founded.into_iter().chain((0..steps).map(step)).collect();
        let small = |number| u8::try_from(number).unwrap_or(2);
        Self { seed, phones: small(phones), shared: small(shared), grids: small(grids), steps }
    }

    /// The smallest plan found that still fails: pieces are left out, large ones first, while it does.
    pub fn shrunk(mut self, mut budget: usize, fails: impl Fn(&Self) -> bool) -> Self {
        let mut size = self.steps.len().div_ceil(2);
        while size > 0 {
            let (mut at, mut less) = (0, false);
            while at < self.steps.len() && budget > 0 {
                let mut tried = self.clone();
                tried.steps.drain(at..(at + size).min(self.steps.len()));
                budget -= 1;
                if fails(&tried) {
                    (self, less) = (tried, true);
                } else {
                    at += size;
                }
            }
            if budget == 0 {
                break;
            }
            size = if size == 1 && !less { 0 } else { size.div_ceil(2).min(size.max(2) - 1).max(1) };
        }
        self
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} phones {} grids {} {SHARED} {}", self.seed, self.phones, self.grids, self.shared)?;
        for step in &self.steps {
            let name = ACTS.iter().find(|(act, ..)| *act == step.act).map_or("", |(_, name, _)| name);
            writeln!(f, "{name} {} {} {}", step.phone, step.a, step.b)?;
        }
        Ok(())
    }
}

impl FromStr for Plan {
    type Err = NoPlan;

    fn from_str(text: &str) -> Result<Self, NoPlan> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let mut head = lines.next().ok_or(NoPlan)?.split_whitespace();
        let mut number = |name| match (head.next(), head.next()) {
            (Some(word), Some(number)) if word == name => number.parse::<u64>().map_err(|_| NoPlan),
            (None, None) if name == SHARED => Ok(0),
            _ => Err(NoPlan),
        };
        let small = |number: u64| u8::try_from(number).map_err(|_| NoPlan);
        let (seed, phones, grids) = (number("seed")?, small(number("phones")?)?, small(number("grids")?)?);
        let shared = small(number(SHARED)?)?;
        let step = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let act = ACTS.iter().find(|(_, known, _)| *known == name)?.0;
            let phone = words.next()?.parse().ok()?;
            let (a, b) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Step { act, phone, a, b })
        };
        let steps = lines.map(|line| step(line).ok_or(NoPlan)).collect::<Result<_, _>>()?;
        Ok(Self { seed, phones, shared, grids, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_from_its_text() {
        let plan = Plan::draw(7, 50);
        assert_eq!(plan.to_string().parse::<Plan>().ok(), Some(plan));
        assert!("seed x".parse::<Plan>().is_err());
    }

    #[test]
    fn a_failing_plan_is_shrunk_to_what_makes_it_fail() {
        let fails = |plan: &Plan| plan.steps.iter().filter(|step| step.act == Act::Edit).count() >= 2;
        let small = Plan::draw(7, 80).shrunk(1000, fails);
        assert_eq!(small.steps.len(), 2, "{small}");
    }
}
