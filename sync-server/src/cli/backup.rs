//! `gridpass-server backup` and `restore`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gridpass_server::app::App;
use gridpass_server::backup::{BackedUp, Passphrase, backup, backup_next};
use gridpass_server::clock::Clock;
use gridpass_server::restore::{Allowed, restore};

type Error = Box<dyn std::error::Error>;

/// Making a backup.
#[derive(Args)]
pub struct BackupArgs {
    /// The folder of the backup, not there yet or empty; with --follow the folder of all backups.
    folder: PathBuf,
    /// Make the next backup after so many seconds, until the command is ended.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    follow: Option<u32>,
    /// How many backups --follow keeps.
    #[arg(long, default_value_t = 24, requires = "follow")]
    keep: usize,
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
    /// Do without keys and files that the backup should have and has not.
    #[arg(long)]
    incomplete: bool,
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
    let Some(seconds) = args.follow else {
        told(backup(app, data, &args.folder, &passphrase, &mut super::print)?);
        return Ok(());
    };
    std::fs::create_dir_all(&args.folder).map_err(|error| format!("{}: {error}", args.folder.display()))?;
    told(backup_next(app, data, &args.folder, args.keep, &passphrase, &mut super::print)?);
    loop {
        std::thread::sleep(Duration::from_secs(seconds.into()));
        match backup_next(app, data, &args.folder, args.keep, &passphrase, &mut super::print) {
            Ok(made) => told(made),
            // A full disk or a folder that is away for a while: the next one may work.
            Err(error) => tracing::error!(error = %error, "a backup was not made; the next is tried"),
        }
    }
}

fn told(BackedUp { rows, copied }: BackedUp) {
    say!("{rows} rows copied and verified, {copied} files copied");
}

/// Restores a backup; no server may be running over the data folder.
pub fn run_restore(data: &Path, args: &RestoreArgs) -> Result<(), Error> {
    let passphrase = args.passphrase.read()?;
    let restored = restore(
        data,
        &args.folder,
        Allowed { replace: args.replace, incomplete: args.incomplete },
        passphrase.as_ref(),
        Clock::system,
        &mut super::print,
    )?;
    if let Some(folder) = &restored.set_aside {
        say!("what was in place lies in {}", folder.display());
    }
    say!("keys: {}", if restored.keys { "from the backup" } else { "those in place" });
    say!("{} files from the backup, {} lost: phones bring those again", restored.files, restored.lost);
    say!("{} rows restored and verified; a new epoch has begun", restored.rows);
    Ok(())
}
