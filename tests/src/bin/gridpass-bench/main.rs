//! Measures what phones and server reach against the bars of `docs/performance.md`, each with a bare baseline of the same
//! run. Nothing fails because it is slow; what is functionally wrong ends the run.
//!
//! | file | subject |
//! |---|---|
//! | `data` | 30,000 records of twenty fields from a seed |
//! | `bed` | a server behind loopback HTTPS, and phones enrolled at it |
//! | `line` | what goes over a phone's line, and when |
//! | `ready`, `quiet`, `saving`, `searching`, `pushing`, `ingest`, `memory`, `bytes`, `restoring` | the bars |
//! | `load` | many phones in a process of their own |
//! | `hand` | a phone without a database, for loads |
//! | `district` | a whole district on one server: import, a day of 735 phones, new phones; `make load` |
//! | `process` | processor time and memory of processes |
//! | `baseline` | the same rows with nothing around them |
//! | `peer` | PouchDB beside it |
//! | `table`, `document`, `chart` | what is printed and written |
#![expect(clippy::print_stderr, reason = "somebody waits for it and sees how far it is")]

mod baseline;
mod bed;
mod bytes;
mod chart;
mod data;
mod district;
mod document;
mod hand;
mod ingest;
mod line;
mod load;
mod memory;
mod peer;
mod process;
mod pushing;
mod quiet;
mod ready;
mod restoring;
mod saving;
mod searching;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gridpass_tests::world::Error;

use bed::Bed;
use data::Roster;
use table::Table;

#[derive(Parser)]
#[command(about = "Measures phones and server; `make bench` runs it")]
struct Options {
    /// Only these bars, as 1,5.
    #[arg(long, env = "BARS", value_delimiter = ',')]
    bars: Vec<u32>,
    /// How many records the large grid holds.
    #[arg(long, env = "RECORDS", default_value_t = 30_000)]
    records: usize,
    /// How many edits bar 13 has a restored server offered again; all records take some minutes.
    #[arg(long, env = "OFFERED", default_value_t = 5_000)]
    offered: usize,
    /// The same seed gives the same records.
    #[arg(long, env = "SEED", default_value_t = 20_270_115)]
    seed: u64,
    /// Where results go.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Where the node modules of the peer lie.
    #[arg(long, default_value = "target/bench/peer")]
    peer: PathBuf,
    #[command(subcommand)]
    child: Option<Child>,
}

/// What runs in a process of its own, started by this program.
#[derive(Subcommand)]
enum Child {
    /// A phone that starts, lists and searches; prints its peak of memory.
    #[command(hide = true)]
    Phone { code: String, folder: PathBuf, word: String },
    /// Phones that push as fast as they are answered; prints what they saw.
    #[command(hide = true)]
    Load { file: PathBuf, phones: usize, items: usize, pushes: usize },
    /// A whole district: imports it, and has its phones sync a day's work with a server process. `make load` runs it.
    District(district::Options),
    /// The import of a district; prints how it went.
    #[command(hide = true)]
    DistrictImport { server: PathBuf, sheets: PathBuf, names: Vec<String> },
}

/// The smaller grid, for what must not grow with the number of records.
const FEW: usize = 300;

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.child {
        Some(Child::Phone { code, folder, word }) => memory::child(code, folder, word).await,
        Some(Child::Load { file, phones, items, pushes }) => load::child(file, *phones, *items, *pushes).await,
        Some(Child::District(district)) => district::run(district, options.seed, &options.folder).await,
        Some(Child::DistrictImport { server, sheets, names }) => district::import(server, sheets, names),
        None => run(&options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gridpass-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Error> {
    let wanted = |bar: u32| options.bars.is_empty() || options.bars.contains(&bar);
    let folder = tempfile::tempdir()?;
    let roster = Roster::new(options.records, options.seed)?;
    let mut table = Table::default();
    say(&format!("{} records of twenty fields; making the server", roster.records.len()));
    let bed = Bed::new(&folder.path().join("server"), &roster, FEW).await?;

    // Before phones: what the server holds is records and nothing else.
    if wanted(10) {
        bytes::server(&bed, &roster, &mut table)?;
    }
    let pouch = if wanted(1) || wanted(5) {
        say("PouchDB");
        let pouch = peer::run(&roster, &options.peer, &folder.path().join("peer"))?;
        if let Err(why) = &pouch {
            table.left_out(why);
        }
        pouch.ok()
    } else {
        None
    };
    say("a phone starts (1)");
    let (handset, started) = ready::phone(&bed, &roster, "ready").await?;
    if wanted(1) {
        ready::rows(&handset, &started, pouch.as_ref(), &roster, &mut table)?;
    }
    if wanted(2) {
        say("nothing changed (2)");
        quiet::rows(&bed, &roster, &handset, &mut table).await?;
    }
    if wanted(4) {
        say("search (4)");
        searching::rows(&handset, &roster, &mut table)?;
    }
    if wanted(10) {
        bytes::phone(&bed, &handset, &started, &roster, &mut table).await?;
    }
    if wanted(3) {
        say("saves (3)");
        saving::rows(&handset, &folder.path().join("bare"), &mut table)?;
    }
    if wanted(5) || wanted(10) {
        say("a push of 500 (5), of 20 (10)");
        handset.settle().await?;
        pushing::rows(&handset, pouch.as_ref(), &wanted, &mut table).await?;
    }
    if wanted(6) {
        say("many phones (6)");
        ingest::rows(&bed, folder.path(), &mut table).await?;
    }
    if wanted(9) {
        say("memory of a phone (9)");
        memory::rows(&bed, folder.path(), &roster, &mut table)?;
    }
    if wanted(13) || wanted(10) {
        say("a server put back (13)");
        restoring::rows(bed, folder.path(), options.offered.min(options.records), &mut table).await?;
    }
    table.print();
    table.write(&options.folder.join("results.json"), options.records, options.seed)?;
    if options.bars.is_empty() {
        document::write(&table)?;
    }
    Ok(())
}

/// What is being measured, while somebody waits.
fn say(what: &str) {
    eprintln!("  {what}");
}
