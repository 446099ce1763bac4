//! `gridpass-server import`: workbooks and CSV files become records.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{Args, Subcommand};
use gridpass_core::codes::Date;
use gridpass_core::id::BatchId;
use gridpass_server::app::App;
use gridpass_server::db::Principal;
use gridpass_server::import::errors::ErrorBook;
use gridpass_server::import::propose::propose;
use gridpass_server::import::undo::{Undone, undo};
use gridpass_server::import::{self, Mapping, MappingError, Problem, Progress, Watch};

type Error = Box<dyn std::error::Error>;

/// Taking in files, and what goes with it.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ImportArgs {
    #[command(subcommand)]
    command: Option<ImportCommand>,
    #[command(flatten)]
    run: RunArgs,
}

impl ImportArgs {
    /// What is noted in the log when it is done.
    pub fn act(&self) -> Option<&'static str> {
        match self.command {
            None => (!self.run.dry_run).then_some("import"),
            Some(ImportCommand::Undo { .. }) => Some("import undo"),
            Some(ImportCommand::Propose { .. } | ImportCommand::List) => None,
        }
    }
}

/// What goes with imports.
#[derive(Subcommand)]
enum ImportCommand {
    /// Propose a mapping for files that nobody has mapped yet, by their headings and the shapes of their cells.
    Propose {
        /// Where to write the mapping; a file that is not there yet. Without it the mapping is printed.
        #[arg(long)]
        out: Option<PathBuf>,
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List the imports by which records were taken in.
    List,
    /// Take an import back: what stood before stands again, except for what was edited since.
    Undo {
        /// The import's batch, as it was printed at its end and as `import list` names it.
        batch: BatchId,
    },
}

/// Taking in files.
#[derive(Args)]
struct RunArgs {
    /// The mapping: which sheet is which collection, which column which field.
    #[arg(long, required = true)]
    mapping: Option<PathBuf>,
    /// Only this sheet.
    #[arg(long)]
    sheet: Option<String>,
    /// Look at everything and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Whose numbers the keys of the sheets are: two offices that both count from 1 need two names.
    #[arg(long)]
    space: Option<String>,
    /// The code of the grid of rows that name none.
    #[arg(long)]
    grid: Option<String>,
    /// Write what is told about rows to a workbook too; a file that is not there yet.
    #[arg(long, value_name = "FILE.xlsx")]
    errors: Option<PathBuf>,
    /// Tell how far it is after so many rows, where nobody looks on at a terminal.
    #[arg(long, value_name = "ROWS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    progress: u64,
    /// The files, in any order.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Runs a command.
pub fn run(app: &App, args: ImportArgs) -> Result<ExitCode, Error> {
    match args.command {
        None => take_in(app, args.run),
        Some(ImportCommand::Propose { out, files }) => {
            let catalogs = app.catalogs();
            let catalog = catalogs.newest_catalog().ok_or(MappingError::NoCatalog)?;
            let text = propose(catalog, &files, Date::in_china(app.now_ms()))?;
            match out {
                Some(path) => std::fs::File::create_new(&path)
                    .and_then(|mut file| file.write_all(text.as_bytes()))
                    .map_err(|error| format!("{}: {error}", path.display()))?,
                None => say!("{}", text.trim_end()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(ImportCommand::List) => list(app).map(|()| ExitCode::SUCCESS),
        Some(ImportCommand::Undo { batch }) => take_back(app, batch).map(|()| ExitCode::SUCCESS),
    }
}

fn take_in(app: &App, args: RunArgs) -> Result<ExitCode, Error> {
    let mapping = Mapping::read(&args.mapping.ok_or("--mapping: name the mapping")?)?;
    let errors = args.errors.as_deref().map(ErrorBook::create).transpose()?;
    let options = import::Options { sheet: args.sheet, space: args.space, grid: args.grid, dry_run: args.dry_run };
    let mut looker = Looker {
        errors,
        stop: stop_on_signal()?,
        begun: Instant::now(),
        every: args.progress,
        told: 0,
        person: std::io::stderr().is_terminal(),
    };
    let summary = import::run_watched(app, &mapping, &options, &args.files, &mut looker);
    looker.end_line();
    // What was told until then is kept, whatever the import ended with.
    let told = looker.errors.take().map(ErrorBook::finish).transpose();
    let summary = summary?;
    say!("{}", summary.to_string().trim_end());
    if let (Some(told), Some(path)) = (told?, &args.errors) {
        say!("{told} problems in {}", path.display());
    }
    if let Some(batch) = summary.batch {
        say!("batch {batch}");
    }
    if summary.stopped {
        return Err("stopped; what was taken in stays, and the same command goes on".into());
    }
    Ok(if summary.refused() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who sits at the terminal, or reads the streams.
struct Looker {
    errors: Option<ErrorBook>,
    stop: Arc<AtomicBool>,
    begun: Instant,
    every: u64,
    told: u64,
    person: bool,
}

impl Watch for Looker {
    fn tell(&mut self, problem: &Problem) {
        self.end_line();
        say!("{problem}");
        if let Some(errors) = &mut self.errors {
            errors.add(problem);
        }
    }

    fn go_on(&mut self, progress: &Progress<'_>) -> bool {
        let Progress { sheet, collection, row, last, done } = *progress;
        if self.person || done / self.every > self.told {
            self.told = done / self.every;
            let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
            let last = last.map_or_else(String::new, |last| format!("/{last}"));
            let line =
                format!("{sheet} → {collection}: row {row}{last}, {done} rows, {:.0} rows/s", done as f64 / seconds);
            let mut stream = std::io::stderr();
            // One line that is written over where a person looks. Nobody may look any more: no error.
            let _ = if self.person { write!(stream, "\r\x1b[K{line}") } else { writeln!(stream, "{line}") };
        }
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Looker {
    /// Ends the line that is written over.
    fn end_line(&self) {
        if self.person {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A flag that Ctrl-C sets: the import ends after the rows it has in hand. A second Ctrl-C ends the process at once, which
/// loses nothing either.
fn stop_on_signal() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    })?;
    Ok(stop)
}

fn list(app: &App) -> Result<(), Error> {
    for batch in app.db.import_batches(&Principal::SERVER, app.now_ms())? {
        let state = match () {
            () if batch.was("import_undone") => "undone",
            () if batch.was("import_ended") => "ended",
            () => "not ended",
        };
        let begun = batch.said.iter().find(|(action, _)| action == "import_begun").map(|(_, detail)| detail.as_str());
        let files = begun.and_then(|detail| serde_json::from_str::<serde_json::Value>(detail).ok());
        let files = files.as_ref().and_then(|detail| detail["files"].as_array()).cloned().unwrap_or_default();
        let files: Vec<&str> = files.iter().filter_map(serde_json::Value::as_str).collect();
        let day = Date::in_china(batch.begun_ms);
        say!("{} {day} {} changes, {state}: {}", batch.id, batch.changes, files.join(" "));
    }
    Ok(())
}

fn take_back(app: &App, batch: BatchId) -> Result<(), Error> {
    let Undone { ended, restored, unchanged, kept } = undo(app, batch, &mut |kept| say!("{kept}"))?;
    say!("{ended} records ended, {restored} restored, {unchanged} without anything to take back, {kept} kept");
    Ok(())
}
