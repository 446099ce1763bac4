//! The command line of the server.
#![expect(clippy::print_stderr, reason = "a command line answers on its streams")]

mod cli;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use gridpass_core::id::{DeviceId, RecordId};
use gridpass_core::parameter::Parameter;
use gridpass_core::wire::EnrolCode;
use gridpass_server::app::App;
use gridpass_server::clock::Clock;
use gridpass_server::config::Config;
use gridpass_server::db::Principal;
use gridpass_server::keys::random;
use gridpass_server::routes::api::openapi;
use tracing_subscriber::EnvFilter;

use crate::cli::say;

#[derive(Parser)]
#[command(version, about = "The GridPass sync server")]
struct Cli {
    /// The data folder: database, keys and gridpass.toml.
    #[arg(long, env = "GRIDPASS_DATA", default_value = "data", global = true)]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the data folder, the keys and the database, and print the fingerprint of the TLS key.
    Init,
    /// Serve phones.
    Serve,
    /// Users.
    #[command(subcommand)]
    User(cli::user::UserCommand),
    /// Grids.
    #[command(subcommand)]
    Grid(cli::grid::GridCommand),
    /// Units of the organisation, as of any day.
    #[command(subcommand)]
    Unit(cli::unit::UnitCommand),
    /// Phones.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Take in workbooks and CSV files: addresses, houses, people, organisations, lifts.
    Import(Box<cli::import::ImportArgs>),
    /// The collections, as files.
    #[command(subcommand)]
    Catalog(cli::catalog::CatalogCommand),
    /// Numbers that the district sets and phones take up.
    #[command(subcommand)]
    Parameter(ParameterCommand),
    /// Copy database, keys and settings into a folder and verify the copy; the server may serve meanwhile.
    Backup(cli::backup::BackupArgs),
    /// Put a backup in place and verify it; no server may run.
    Restore(cli::backup::RestoreArgs),
    /// Compare every stored row with what it must add up to, or a phone's receipts with what is stored.
    Verify(cli::verify::VerifyArgs),
    /// Who did what: search it, and move old rows into archives.
    #[command(subcommand)]
    Audit(cli::audit::AuditCommand),
    /// Make records and buckets anew from changes and logs, after a fault that `verify` found.
    Rebuild,
    /// Print the description of the HTTP API (OpenAPI); needs no data folder.
    Openapi,
    /// Print the way of every change of a record.
    Trace {
        /// The record.
        record: RecordId,
    },
}

#[derive(Subcommand)]
enum ParameterCommand {
    /// Every parameter with what holds, and from where to where it may be set.
    List,
    /// Set a parameter.
    Set {
        /// Its name.
        name: String,
        /// A whole number.
        value: i64,
    },
}

#[derive(Subcommand)]
enum DeviceCommand {
    /// Print a one-time enrolment code for a user's phone.
    Code {
        /// The login.
        login: String,
    },
    /// Refuse a phone from now on: lost, broken, handed back.
    Revoke {
        /// The phone's id, as its command `state` and the audit name it.
        device: DeviceId,
    },
}

impl Command {
    /// What is noted in the log when it is done: commands that change something and answer a person, not a program.
    fn act(&self) -> Option<&'static str> {
        Some(match self {
            Self::Init => "init",
            Self::User(command) => return command.act(),
            Self::Grid(command) => return command.act(),
            Self::Unit(command) => return command.act(),
            Self::Device(DeviceCommand::Code { .. }) => "device code",
            Self::Device(DeviceCommand::Revoke { .. }) => "device revoke",
            Self::Import(args) => return args.act(),
            Self::Parameter(ParameterCommand::Set { .. }) => "parameter set",
            Self::Catalog(cli::catalog::CatalogCommand::Publish { .. }) => "catalog publish",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Rebuild => "rebuild",
            Self::Audit(cli::audit::AuditCommand::Rotate { .. }) => "audit rotate",
            _ => return None,
        })
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli.data);
    let act = cli.command.act();
    let done = run(cli);
    if let Some(act) = act {
        match &done {
            Ok(code) => tracing::info!(act, good = *code == ExitCode::SUCCESS, "an act of IT"),
            Err(_) => tracing::warn!(act, "an act of IT failed"),
        }
    }
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gridpass-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs as JSON on standard error what `RUST_LOG` or the setting `log` asks for. Settings that cannot be read are told when
/// the server opens.
fn start_log(data: &Path) {
    let set = Config::read(data).unwrap_or_default().log;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(set));
    tracing_subscriber::fmt().json().with_writer(std::io::stderr).with_env_filter(filter).init();
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match &cli.command {
        Command::Restore(args) => {
            cli::backup::run_restore(&cli.data, args)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Openapi => {
            cli::print_text(openapi());
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let app = Arc::new(App::open(&cli.data, Clock::system)?);
    let is_act = cli.command.act().is_some() || matches!(cli.command, Command::Serve);
    let done = command(&app, cli);
    if is_act {
        app.seal_or_tell();
    }
    done
}

fn command(app: &Arc<App>, cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let now_ms = app.now_ms();
    match cli.command {
        Command::Init => say!("{}", gridpass_core::id::hex(&app.keys.tls_pin)),
        Command::Serve => cli::serve::run(app.clone())?,
        Command::User(command) => cli::user::run(app, command)?,
        Command::Grid(command) => return cli::grid::run(app, command),
        Command::Unit(command) => cli::unit::run(app, command)?,
        Command::Import(args) => return cli::import::run(app, *args),
        Command::Device(DeviceCommand::Code { login }) => {
            let user = cli::user::of(app, &login)?;
            let code = gridpass_core::id::hex(&random::<10>()?);
            let until = now_ms + i64::from(app.config.enrol_code_hours) * 3_600_000;
            app.db.add_enrol_code(now_ms, *blake3::hash(code.as_bytes()).as_bytes(), user, until)?;
            say!("{}", EnrolCode { url: app.config.url.clone(), code, pin: app.keys.tls_pin });
        }
        Command::Device(DeviceCommand::Revoke { device }) => match app.db.revoke(now_ms, device)? {
            true => say!("{device} revoked"),
            false => return Err("device: no phone of this id, or revoked before; nothing was changed".into()),
        },
        Command::Parameter(ParameterCommand::List) => {
            let set = app.parameters()?;
            for parameter in Parameter::ALL {
                let Parameter { name, min, max, .. } = parameter;
                say!("{name} = {} ({min} to {max})", parameter.of(Some(&set)));
            }
        }
        Command::Parameter(ParameterCommand::Set { name, value }) => app.set_parameter(&name, value)?,
        Command::Catalog(command) => cli::catalog::run(app, command)?,
        Command::Backup(args) => cli::backup::run_backup(app, &cli.data, &args)?,
        Command::Restore(_) | Command::Openapi => {} // before the database is opened
        Command::Verify(args) => return cli::verify::run(app, &args),
        Command::Audit(command) => cli::audit::run(app, command)?,
        Command::Rebuild => {
            let mut left = 0u64;
            let done = app.db.rebuild(now_ms, &mut |fault| {
                left += 1;
                cli::print(fault);
            })?;
            say!(
                "{} records and {} buckets rebuilt, {} differed, {left} left as they are",
                done.records,
                done.buckets,
                done.differed
            );
            return Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Trace { record } => {
            let lines = app.db.trace(&Principal::SERVER, now_ms, record)?;
            if lines.is_empty() {
                return Err("record: no change of such a record is stored".into());
            }
            lines.iter().for_each(|line| say!("{line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
