//! Plays seeds: many phones, one server, every fault, a reference model. A plan that fails is made smaller and written
//! down.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to whoever runs it")]

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use gridpass_tests::process::{OWN, cpu_s};
use gridpass_tests::sim::bugs::Planted;
use gridpass_tests::sim::plan::Plan;
use gridpass_tests::sim::{Report, run};
use gridpass_tests::world::Error;

/// What to play.
#[derive(Parser)]
struct Ask {
    /// How many seeds.
    #[arg(long, env = "RUNS", default_value_t = 20)]
    runs: u64,
    /// The first seed.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// How many steps each run has.
    #[arg(long, env = "STEPS", default_value_t = 400)]
    steps: usize,
    /// A plan to play instead.
    #[arg(long, env = "PLAN")]
    plan: Option<PathBuf>,
    /// How many runs go on side by side.
    #[arg(long, env = "JOBS", default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    jobs: usize,
    /// Where a failing plan is written.
    #[arg(long, default_value = "target/sim")]
    out: PathBuf,
    /// Plants every bug in turn and wants each to be noticed.
    #[arg(long)]
    selfcheck: bool,
    /// Plants this one only.
    #[arg(long, env = "BUG")]
    bug: Option<String>,
    /// Where the smallest plan that notices each of them is written.
    #[arg(long, env = "KEEP")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let ask = Ask::parse();
    match if ask.selfcheck { selfcheck(&ask) } else { play(&ask) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the simulation broke off: {error}");
            ExitCode::FAILURE
        }
    }
}

fn played(plan: &Plan, planted: Planted) -> Report {
    let played = catch_unwind(|| run(plan, planted)).unwrap_or_else(|_| Err("a panic".into()));
    played.unwrap_or_else(|error| Report { faults: vec![format!("broke off: {error}")], ..Report::default() })
}

fn play(ask: &Ask) -> Result<bool, Error> {
    let begun = Instant::now();
    let plans: Vec<Plan> = match &ask.plan {
        Some(file) => vec![std::fs::read_to_string(file)?.parse().map_err(|_| "not a plan")?],
        None => (ask.seed..ask.seed.saturating_add(ask.runs)).map(|seed| Plan::draw(seed, ask.steps)).collect(),
    };
    let jobs = ask.jobs.clamp(1, plans.len().max(1));
    let next = AtomicUsize::new(0);
    let worked: Vec<Result<Sum, Error>> = std::thread::scope(|scope| {
        let work = || {
            let mut sum = Sum::default();
            while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                sum.add(plan, played(plan, Planted::Nothing), &ask.out)?;
            }
            Ok(sum)
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a run ended in a panic".into())))
            .collect()
    });
    let (seconds, used) = (begun.elapsed().as_secs_f64(), cpu_s(OWN)?.max(0.01));
    let mut sum = Sum::default();
    for worked in worked {
        sum.join(worked?);
    }
    println!("{}", sum.table());
    let first = plans.first().map_or(0, |plan| plan.seed);
    println!("{} runs from seed {first}, {} failed, {seconds:.0} s", plans.len(), sum.failed);
    println!("{jobs} at a time, {used:.0} s of a core, {:.0} edits in each", sum.edits as f64 / used);
    Ok(sum.failed == 0)
}

/// What many runs came to.
#[derive(Default)]
struct Sum {
    tally: BTreeMap<&'static str, u64>,
    edits: usize,
    failed: usize,
}

impl Sum {
    /// Takes in a run; a plan that failed is made smaller and written down.
    fn add(&mut self, plan: &Plan, report: Report, out: &Path) -> Result<(), Error> {
        self.edits += report.edits;
        for (what, count) in &report.tally {
            *self.tally.entry(what).or_default() += count;
        }
        if report.faults.is_empty() {
            return Ok(());
        }
        self.failed += 1;
        println!("seed {} fails:", plan.seed);
        report.faults.iter().take(8).for_each(|fault| println!("  {fault}"));
        let kind = |report: &Report| {
            let first = report.faults.first();
            first.map(|fault| fault.chars().filter(|c| c.is_alphabetic()).take(12).collect::<String>())
        };
        let wanted = kind(&report);
        let small = plan.clone().shrunk(150, |tried| kind(&played(tried, Planted::Nothing)) == wanted);
        let file = out.join(format!("{}.plan", plan.seed));
        std::fs::create_dir_all(out)?;
        let words: String =
            played(&small, Planted::Nothing).faults.iter().take(4).map(|fault| format!("# {fault}\n")).collect();
        std::fs::write(&file, format!("{words}{small}"))?;
        println!("{words}{small}written to {}", file.display());
        Ok(())
    }

    fn join(&mut self, other: Self) {
        self.edits += other.edits;
        self.failed += other.failed;
        for (what, count) in other.tally {
            *self.tally.entry(what).or_default() += count;
        }
    }

    /// What happened and how often, as a table of Markdown.
    fn table(&self) -> String {
        let mut table = "| what happened | times |\n|---|---|\n".to_owned();
        let mut row = |words: &str, times: String| table.push_str(&format!("| {words} | {times} |\n"));
        for (words, keys) in TOLD {
            row(
                words,
                keys.iter()
                    .map(|key| grouped(self.tally.get(key).copied().unwrap_or(0)))
                    .collect::<Vec<_>>()
                    .join("; "),
            );
        }
        row("edits of fields", grouped(self.edits as u64));
        row("**runs in which an edit was lost, hidden or shown otherwise somewhere**", format!("**{}**", self.failed));
        table
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What a report tells, and the counts that it tells it of.
const TOLD: &[(&str, &[&str])] = &[
    ("phones with two users", &["shared"]),
    ("requests that the server answered", &["requests"]),
    ("requests that were lost", &["lose_request"]),
    ("answers that were lost after the server had done its work", &["lose_answer"]),
    ("requests that arrived twice; copies of old ones that arrived again", &["twice", "again"]),
    ("answers that were cut off; pushes with an altered item", &["cut", "alter"]),
    ("messages carried late and in any order, in batches", &["carry"]),
    ("phones that ended between two SQL statements or within one; servers", &["died", "server_died"]),
    ("phones that ended otherwise; whose key store, clock or randomness failed", &["kill", "broke_off"]),
    ("phones that lost their power, with what was not flushed; servers", &["lost_power", "server_lost_power"]),
    (
        "phones that became full; times that they said so; servers; times",
        &["full", "phone_full", "full_server", "server_full"],
    ),
    ("servers that stopped and started; put back to an older copy", &["bounce", "restore"]),
    ("phones put back to an older copy; copied, both going on", &["put_back", "clone"]),
    ("phone clocks that jumped, a day back to a year forward", &["clock"]),
    ("assignments that ended or began; records that moved to another grid", &["assign", "moved"]),
    ("forms saved that were opened before other values came in; conflicts decided", &["old_form", "decided"]),
    ("refused work that was sent again; discarded", &["resent", "discarded"]),
    ("forged pushes of a device with a real token", &["forged"]),
    ("photos taken; fetched by others; new catalogs", &["attached", "fetched", "published"]),
    ("times that hours went by and all that was under way was lost", &["wait"]),
];

fn selfcheck(ask: &Ask) -> Result<bool, Error> {
    let mut all = true;
    let is_asked =
        |planted: &Planted| planted.is_possible() && ask.bug.as_ref().is_none_or(|bug| *bug == format!("{planted:?}"));
    for planted in Planted::ALL.into_iter().filter(is_asked) {
        let fault = |plan: &Plan, planted| played(plan, planted).faults.into_iter().next();
        let notices = |plan: &Plan| fault(plan, planted).filter(|_| fault(plan, Planted::Nothing).is_none());
        let mut plans = (ask.seed..ask.seed.saturating_add(ask.runs)).map(|seed| Plan::draw(seed, ask.steps));
        let noticed = plans.find_map(|plan| notices(&plan).map(|how| (plan, how)));
        match &noticed {
            Some((plan, how)) => println!("{planted:?}: noticed with seed {}: {how}", plan.seed),
            None => println!("{planted:?}: NOT noticed"),
        }
        all &= noticed.is_some();
        if let (Some(folder), Some((plan, _))) = (&ask.keep, noticed) {
            std::fs::create_dir_all(folder)?;
            let small = plan.shrunk(150, |tried| notices(tried).is_some());
            std::fs::write(folder.join(format!("{planted:?}.plan")), small.to_string())?;
        }
    }
    Ok(all)
}
