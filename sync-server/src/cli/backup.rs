//! `gridpass-server backup` and `restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use gridpass_server::app::App;
use gridpass_server::backup::{Passphrase, backup};
use gridpass_server::clock::Clock;
use gridpass_server::db::Fault;
use gridpass_server::restore::restore;

type Error = Box<dyn std::error::Error>;

/// Making a backup.
#[derive(Args)]
pub struct BackupArgs {
    /// The folder of the backup, not there yet or empty.
    folder: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Using a backup.
#[derive(Args)]
pub struct RestoreArgs {
    /// The folder of the backup.
    folder: PathBuf,
    /// Set an existing database aside.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// What the keys are sealed under.
#[derive(Args)]
struct PassphraseArgs {
    /// A file with the passphrase of the keys; without it the variable `GRIDPASS_PASSPHRASE`.
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    fn read(&self) -> Result<Option<Passphrase>, Error> {
        let text = match &self.passphrase_file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?,
            None => match std::env::var("GRIDPASS_PASSPHRASE") {
                Ok(text) => text,
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(Passphrase::new(&text)?))
    }
}

/// Makes a backup.
pub fn run_backup(app: &App, data: &Path, args: &BackupArgs) -> Result<(), Error> {
    let passphrase = args.passphrase.read()?.ok_or("set GRIDPASS_PASSPHRASE or name a --passphrase-file")?;
    let rows = backup(app, data, &args.folder, &passphrase, &mut print)?;
    say!("{rows} rows copied and verified");
    Ok(())
}

/// Restores a backup; no server may be running over the data folder.
pub fn run_restore(data: &Path, args: &RestoreArgs) -> Result<(), Error> {
    let passphrase = args.passphrase.read()?;
    let restored = restore(data, &args.folder, args.replace, passphrase.as_ref(), Clock::system, &mut print)?;
    if let Some(folder) = &restored.set_aside {
        say!("what was in place lies in {}", folder.display());
    }
    say!("keys: {}", if restored.keys { "from the backup" } else { "those in place" });
    say!("{} rows restored and verified; a new epoch has begun", restored.rows);
    Ok(())
}

fn print(fault: Fault) {
    say!("{} {}: {}", fault.table, fault.row, fault.what);
}
