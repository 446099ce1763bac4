//! Writes a made-up street or district as workbooks or CSV files, for demonstrations and measurements.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line answers on its streams")]

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use gridpass_tests::street::{Form, Plan, Progress, Scale, write};

#[derive(Parser)]
#[command(
    about = "A made-up street or district: units, grids, addresses, organisations, houses, people, lifts and visits"
)]
struct Cli {
    /// small (3 grids, about 300 records), street (30 grids, about 30,000 records), laoshan (a district: 654 grids,
    /// about 2 million records) or a part of it, as laoshan/16.
    #[arg(long, default_value = "small")]
    scale: Scale,
    /// The same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// After how many days a household is visited again, about; 0 for no visits. A district has 90, a street 0.
    #[arg(long)]
    visit_interval_days: Option<u32>,
    /// CSV files instead of workbooks.
    #[arg(long)]
    csv: bool,
    /// The folder, made if it is not there.
    folder: PathBuf,
}

fn main() -> Result<(), gridpass_tests::world::Error> {
    let cli = Cli::parse();
    let form = match cli.scale {
        _ if cli.csv => Form::Csv,
        Scale::District { .. } => Form::StreamedWorkbook,
        Scale::Small | Scale::Street => Form::Workbook,
    };
    let (begun, watched) = (Instant::now(), std::io::stderr().is_terminal());
    let usual = Plan::new(cli.scale, cli.seed);
    let visit_interval_days = cli.visit_interval_days.unwrap_or(usual.visit_interval_days);
    let plan = Plan { visit_interval_days, ..usual };
    let written = write(plan, &cli.folder, form, &mut |Progress { grids, of, records }| {
        if watched {
            let rate = records as f64 / begun.elapsed().as_secs_f64();
            let bar = "#".repeat(grids * 30 / of.max(1));
            let end = if grids == of { "\n" } else { "" };
            eprint!("\r[{bar:<30}] {:>3} %  {records} records, {rate:.0}/s{end}", grids * 100 / of.max(1));
        }
    })?;
    let mut records = 0;
    for (collection, sheet, rows) in written {
        if let Some(collection) = collection {
            println!("{collection}: {rows} rows in {sheet}");
            records += rows;
        } else {
            println!("units and grids: {rows} rows in {sheet}");
        }
    }
    println!("{records} records; make the units and grids first, then import");
    Ok(())
}
