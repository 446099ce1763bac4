//! Writes a made-up street as workbooks or CSV files, for demonstrations and measurements.
#![expect(clippy::print_stdout, reason = "a command line answers on its streams")]

use std::path::PathBuf;

use clap::Parser;
use gridpass_tests::street::{Scale, Street};

#[derive(Parser)]
#[command(about = "A made-up street: units, grids, addresses, organisations, houses, people and lifts")]
struct Cli {
    /// small (3 grids, about 300 records) or street (30 grids, about 30,000 records).
    #[arg(long, default_value = "small")]
    scale: Scale,
    /// The same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// CSV files instead of workbooks.
    #[arg(long)]
    csv: bool,
    /// The folder, made if it is not there.
    folder: PathBuf,
}

fn main() -> Result<(), gridpass_tests::world::Error> {
    let cli = Cli::parse();
    let street = Street::new(cli.scale, cli.seed);
    street.write(&cli.folder, cli.csv)?;
    for (collection, sheet) in &street.sheets {
        println!("{collection}: {} rows in {}", sheet.rows.len(), sheet.name);
    }
    println!("{} records; make the grids of {} first, then import", street.records(), street.tree.name);
    Ok(())
}
