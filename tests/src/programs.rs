//! The programs as processes: a server, and phones that are a process for every command.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use crate::world::Error;

/// The folder with the programs of this build.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// Those beside the program that asks, where one build puts all of them.
    pub fn beside_this() -> Result<Self, Error> {
        let this = std::env::current_exe()?;
        Self::in_folder(this.parent().ok_or("the program has no folder")?)
    }

    /// Those of a folder.
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        for program in [SERVER, PHONE] {
            if !folder.join(program).exists() {
                let folder = folder.display();
                return Err(format!(
                    "{program} is not in {folder}: cargo build --workspace --all-features --bins makes it"
                )
                .into());
            }
        }
        Ok(Self(folder.to_owned()))
    }

    /// The folder that they lie in.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// A command of the server over its data folder.
    pub fn server(&self, data: &Path) -> Command {
        let mut command = Command::new(self.0.join(SERVER));
        command.arg("--data").arg(data).env_remove("GRIDPASS_PASSPHRASE");
        command
    }

    /// A command of a phone over its folder and the folder of its secrets.
    pub fn phone(&self, folder: &Path, keys: &Path) -> Command {
        let mut command = Command::new(self.0.join(PHONE));
        command.arg("--folder").arg(folder).arg("--key-dir").arg(keys);
        command
    }

    /// Starts the server and waits until it says that it listens; its log is added to a file.
    pub fn serve(&self, data: &Path, log: &Path) -> Result<Child, Error> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = self.server(data).arg("serve").stdout(Stdio::piped()).stderr(file).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.starts_with("listening") {
            return Ok(child);
        }
        child.wait()?;
        Err(format!("the server does not start; see {}", log.display()).into())
    }
}

const SERVER: &str = "gridpass-server";
const PHONE: &str = "gridpass-phone";

/// Runs a command to its end; what it printed, or what it said instead.
pub fn printed(command: &mut Command) -> Result<String, Error> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => {
            let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
            let told = String::from_utf8_lossy(&output.stdout);
            Err(format!("{}: {}{}", arguments.join(" "), said.trim(), told.trim()).into())
        }
    }
}

/// Runs a command of a phone to its end; its answer.
pub fn answer(command: &mut Command) -> Result<Json, Error> {
    Ok(serde_json::from_str(&printed(command)?)?)
}

/// A port that is free now and that no connection of this machine takes by itself: a server that is started again
/// gets it again.
pub fn free_port() -> Result<u16, Error> {
    let first = u16::try_from(std::process::id() % 8_000)?;
    let ports = (0..12_000).map(|more| 20_000 + (first + more) % 12_000);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().ok_or_else(|| "no port from 20000 to 31999 is free".into())
}
