//! Plays seeds: many phones, one server, every fault, a reference model. A plan that fails is made smaller and written
//! down.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to whoever runs it")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
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
    /// Where a failing plan is written.
    #[arg(long, default_value = "target/sim")]
    out: PathBuf,
    /// Plants every bug in turn and wants each to be noticed.
    #[arg(long)]
    selfcheck: bool,
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
    run(plan, planted)
        .unwrap_or_else(|error| Report { faults: vec![format!("broke off: {error}")], ..Report::default() })
}

fn play(ask: &Ask) -> Result<bool, Error> {
    let begun = Instant::now();
    let plans: Vec<Plan> = match &ask.plan {
        Some(file) => vec![std::fs::read_to_string(file)?.parse().map_err(|_| "not a plan")?],
        None => (ask.seed..ask.seed.saturating_add(ask.runs)).map(|seed| Plan::draw(seed, ask.steps)).collect(),
    };
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut edits, mut failed) = (0, 0);
    for plan in &plans {
        let report = played(plan, Planted::Nothing);
        edits += report.edits;
        for (what, count) in &report.tally {
            *tally.entry(what).or_default() += count;
        }
        if report.faults.is_empty() {
            continue;
        }
        failed += 1;
        println!("seed {} fails:", plan.seed);
        report.faults.iter().take(8).for_each(|fault| println!("  {fault}"));
        let kind = |report: &Report| {
            let first = report.faults.first();
            first.map(|fault| fault.chars().filter(|c| c.is_alphabetic()).take(12).collect::<String>())
        };
        let wanted = kind(&report);
        let small = plan.clone().shrunk(150, |tried| kind(&played(tried, Planted::Nothing)) == wanted);
        let file = ask.out.join(format!("{}.plan", plan.seed));
        std::fs::create_dir_all(&ask.out)?;
        let words: String =
            played(&small, Planted::Nothing).faults.iter().take(4).map(|fault| format!("# {fault}\n")).collect();
        std::fs::write(&file, format!("{words}{small}"))?;
        println!("{words}{small}written to {}", file.display());
    }
    let seconds = begun.elapsed().as_secs_f64().max(0.001);
    println!("seeds {}..{}: {} runs, {failed} failed", ask.seed, ask.seed + ask.runs - 1, plans.len());
    println!("{edits} edits in {seconds:.1} s, {:.0} edits/s", edits as f64 / seconds);
    println!("{}", tally.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", "));
    Ok(failed == 0)
}

fn selfcheck(ask: &Ask) -> Result<bool, Error> {
    let mut all = true;
    for planted in Planted::ALL {
        let fault = |seed, planted| played(&Plan::draw(seed, ask.steps), planted).faults.into_iter().next();
        let noticed = (ask.seed..ask.seed.saturating_add(ask.runs)).find_map(|seed| {
            fault(seed, planted).filter(|_| fault(seed, Planted::Nothing).is_none()).map(|how| (seed, how))
        });
        match &noticed {
            Some((seed, how)) => println!("{planted:?}: noticed with seed {seed}: {how}"),
            None => println!("{planted:?}: NOT noticed"),
        }
        all &= noticed.is_some();
    }
    Ok(all)
}
