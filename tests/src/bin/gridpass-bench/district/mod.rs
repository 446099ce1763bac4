//! A whole district on one server: how long its workbooks take to import, how many phones sync a day's work with it, how
//! long a new phone takes, what `verify` and a backup cost; and the same for parts of it, so that whatever grows faster
//! than the number of records is seen. The server runs in a process of its own, the phones in this one.
//!
//! | file | subject |
//! |---|---|
//! | `made` | the district's sheets, imported; its workers |
//! | `serving` | the process of the server |
//! | `starting` | phones that start, with nothing left out |
//! | `day` | a day's work of everybody, by phones without a database |
//! | `scales` | the figures of several scales beside each other |

mod day;
mod made;
mod scales;
mod serving;
mod starting;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::db::Principal;
use gridpass_tests::street::Scale;
use gridpass_tests::world::Error;

use crate::document;
use crate::table::{Row, Table};
use scales::Scales;

/// What the load is.
#[derive(Args)]
pub struct Options {
    /// The scales, one after the other: laoshan, or parts of it.
    #[arg(long, env = "SCALE", value_delimiter = ',', default_value = "laoshan/16,laoshan/4,laoshan")]
    scale: Vec<Scale>,
    /// How many workers the whole district has; a part has a part of them.
    #[arg(long, env = "PHONES", default_value_t = 735)]
    phones: usize,
    /// Over how many seconds the syncs of a day are spread, before all come at once.
    #[arg(long, env = "SPREAD", default_value_t = 60)]
    spread: u64,
    /// Where the servers' folders are kept and used again; without it they are made anew and removed.
    #[arg(long, env = "KEEP")]
    keep: Option<PathBuf>,
}

const MIB: f64 = 1_048_576.0;

/// Imports sheets into a server, as a process of its own.
pub fn import(server: &Path, sheets: &Path, names: &[String]) -> Result<(), Error> {
    made::import(server, sheets, names)
}

/// Measures every scale, prints the table and writes it down.
pub async fn run(options: &Options, seed: u64, results: &Path) -> Result<(), Error> {
    let mut scales = Scales::default();
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    for scale in &options.scale {
        let Scale::District { part } = *scale else { return Err("SCALE: laoshan, or a part as laoshan/16".into()) };
        let phones = (options.phones / part as usize).max(1);
        let folder = folder.join(format!("laoshan-{part}-{seed}"));
        scales.0.push(one(*scale, seed, &folder, (phones, options.spread)).await?);
    }
    scales.print();
    scales.write(&results.join("district.json"), seed)?;
    let whole = options.scale.contains(&Scale::District { part: 1 });
    if whole && options.scale.len() > 1 {
        document::write_district(&scales.markdown())?;
    }
    Ok(())
}

/// One scale: how many records it has, and its figures.
async fn one(scale: Scale, seed: u64, folder: &Path, (phones, spread): (usize, u64)) -> Result<(usize, Table), Error> {
    let mut table = Table::default();
    let server = folder.join("server");
    let (made, imported) = made::district(scale, seed, folder, &server)?;
    let records = made.records;
    table.add(Row::new(0, "records", records as f64, ""));
    table.add(Row::new(0, "grids", made.grids.len() as f64, ""));
    table.add(Row::new(0, "import", records as f64 / imported.seconds, "rows/s"));
    table.add(Row::new(0, "import, processor", imported.cpu_s * 1e6 / records as f64, "µs/row"));
    table.add(Row::new(9, "import, peak of memory", imported.peak_mib, "MiB").at_most(200.0));
    let app = App::open(&server, Clock::system)?;
    let workers = made::workers(&app, &made, &server, phones)?;
    let new = made::newcomers(&app, &made)?;
    let catalog_version = app.catalogs().newest();
    let before = made::changes(&server)?;
    drop(app);

    crate::say(&format!("{records} records, {phones} phones: the server starts"));
    let serving = serving::Serving::start(&server).await?;
    starting::rows(&new, &serving, folder, &mut table).await?;
    let pushed = day::rows(workers, catalog_version, spread, &serving, &mut table).await?;
    table.add(Row::new(9, "server, peak of memory", serving.peak_mib()?, "MiB").at_most(200.0));
    serving.stop()?;

    crate::say(&format!("{records} records: verify, backup"));
    let app = App::open(&server, Clock::system)?;
    let stored = made::changes(&server)? - before;
    if stored < pushed as i64 {
        return Err(format!("the server stored {stored} changes where {pushed} were accepted").into());
    }
    let begun = Instant::now();
    let mut faults = 0u64;
    app.db.verify(&Principal::SERVER, app.now_ms(), &mut |_| faults += 1)?;
    if faults > 0 {
        return Err(format!("verify found {faults} faults").into());
    }
    table.add(Row::new(0, "verify", begun.elapsed().as_secs_f64(), "s"));
    let copy = folder.join("copy.sqlite");
    let begun = Instant::now();
    app.db.backup(&copy)?;
    table.add(Row::new(0, "copy of the database for a backup", begun.elapsed().as_secs_f64(), "s"));
    let size = std::fs::metadata(&copy)?.len() as f64 / MIB;
    table.add(Row::new(0, "database with its day", size, "MiB"));
    std::fs::remove_file(copy)?;
    Ok((records, table))
}
