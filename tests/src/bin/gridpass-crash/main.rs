//! Real processes on real files, killed at any instant: nothing that was acknowledged may be lost, nothing may be half.
//!
//! `make crash RUNS=500 SEED=1`. Each round three phones save, attach, verify and sync against a server over HTTPS, while
//! imports, assignments and backups run beside it; at an instant that the seed draws some of them get kill -9. Then all
//! are opened again and held against the ledger of what was acknowledged. A round that fails says seed and round, and its
//! folders stay; `ROUND=17` plays that round alone, as far as processes come to the same place again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to whoever runs it")]
#![expect(clippy::indexing_slicing, reason = "indexing JSON that is not there gives null and does not panic")]

mod disk;
mod full_disk;
mod ledger;
mod plan;
mod processes;
mod read_only;
mod round;
mod rows;
mod scene;
mod tally;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use gridpass_tests::programs::{Programs, free_port};
use gridpass_tests::world::Error;

use plan::Round;
use scene::{Scene, Template};
use tally::Tally;

/// What to play.
#[derive(Parser)]
struct Ask {
    #[command(subcommand)]
    part: Option<Part>,
    /// How many rounds.
    #[arg(long, env = "RUNS", default_value_t = 60)]
    runs: u64,
    /// The seed.
    #[arg(long, env = "SEED", default_value_t = 1)]
    seed: u64,
    /// Only this round.
    #[arg(long, env = "ROUND")]
    round: Option<u64>,
    /// How many rounds are played over the same files before all heals.
    #[arg(long, default_value_t = 20)]
    world: u64,
    /// A defect to plant into the workers, `early-ack`, `half` or `forget`: the checks have to notice it.
    #[arg(long, env = "BREAK")]
    plant: Option<String>,
    /// Where the folders of a failing round are kept.
    #[arg(long, default_value = "target/crash")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Part {
    /// A full disk, on a phone and on the server.
    FullDisk,
    /// A folder that may not be written, on a phone and on the server.
    ReadOnly,
    /// A worker's process.
    #[command(hide = true)]
    Worker {
        folder: PathBuf,
        keys: PathBuf,
        name: String,
        #[arg(long)]
        plant: Option<worker::Planted>,
    },
}

fn main() -> ExitCode {
    let ask = Ask::parse();
    let done = match &ask.part {
        Some(Part::Worker { folder, keys, name, plant }) => worker::run(folder, keys, name, *plant).map(|()| true),
        Some(Part::FullDisk) => disk::may_mount().and_then(|inside| match inside {
            Some(done) => Ok(done),
            None => full_disk::play().map(|faults| held("a full disk", &faults)),
        }),
        Some(Part::ReadOnly) => read_only::play().map(|faults| held("a read-only folder", &faults)),
        None => rounds(&ask),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("gridpass-crash broke off: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rounds(ask: &Ask) -> Result<bool, Error> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let template =
        Template::make(Programs::beside_this()?, &folder.path().join("template"), free_port()?, ask.plant.clone())?;
    let numbers: Vec<u64> = ask.round.map_or_else(|| (1..=ask.runs).collect(), |round| vec![round]);
    let mut tally = Tally::default();
    for world in numbers.chunks(usize::try_from(ask.world.max(1))?) {
        tally.worlds += 1;
        let place = folder.path().join("world");
        let mut scene = Scene::new(&template, &place)?;
        let mut whole = true;
        for number in world {
            let round = Round::draw(ask.seed, *number);
            let played = round::play(&mut scene, &round, &mut tally);
            whole = told(ask, *number, &round, played);
            if !whole {
                break;
            }
        }
        if whole {
            let last = world.last().copied().unwrap_or_default();
            let healed = round::heal(&mut scene, &mut tally);
            whole = told(ask, last, &"healing", healed);
        }
        drop(scene);
        if whole {
            std::fs::remove_dir_all(&place)?;
        } else {
            tally.failed += 1;
            let kept = ask.out.join(format!("seed-{}-world-{}", ask.seed, tally.worlds));
            if kept.exists() {
                std::fs::remove_dir_all(&kept)?;
            }
            gridpass_tests::world::copy_folder(&place, &kept)?;
            println!("the folders are kept in {}", kept.display());
            std::fs::remove_dir_all(&place)?;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{tally}\n{seconds:.1} s, {:.1} rounds/s", tally.rounds as f64 / seconds.max(0.001));
    Ok(tally.failed == 0)
}

/// Says what is wrong with a round; whether nothing is.
fn told(ask: &Ask, number: u64, round: &dyn std::fmt::Debug, played: Result<Vec<String>, Error>) -> bool {
    let faults = played.unwrap_or_else(|error| vec![format!("broke off: {error}")]);
    if faults.is_empty() {
        return true;
    }
    println!("SEED={} ROUND={number} fails: {round:?}", ask.seed);
    faults.iter().take(12).for_each(|fault| println!("  {fault}"));
    false
}

/// Says what is wrong with a part; whether nothing is.
fn held(part: &str, faults: &[String]) -> bool {
    faults.iter().for_each(|fault| println!("{part}: {fault}"));
    if faults.is_empty() {
        println!("{part}: every check held");
    }
    faults.is_empty()
}
