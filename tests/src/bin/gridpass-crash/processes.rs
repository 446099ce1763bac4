//! The processes of a round: how they are started, spoken with, and killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use gridpass_tests::world::Error;
use serde_json::Value as Json;

/// How long a process may be silent before the round counts as failed. Nothing is judged by it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A worker's process.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Json>,
}

/// Who a worker is: a name, the folder of the phone, the folder of its secrets.
#[derive(Debug, Clone)]
pub struct Who {
    /// The name, which everything that the worker writes carries.
    pub name: String,
    /// The phone's folder.
    pub folder: PathBuf,
    /// The folder of its secrets.
    pub keys: PathBuf,
    /// A defect it gets.
    pub planted: Option<String>,
}

impl Who {
    /// The command that this worker is.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("worker").arg(&self.folder).arg(&self.keys).arg(&self.name);
        command.args(self.planted.iter().map(|planted| format!("--plant={planted}")));
        command
    }
}

impl Worker {
    /// Starts a worker; the first line it says is whether its phone opened.
    pub fn start(command: &mut Command) -> Result<Self, Error> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err("a process without streams".into()) };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(line) = serde_json::from_str(&line) else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, lines })
    }

    /// The same, for a phone that has to open.
    pub fn open(command: &mut Command) -> Result<Self, Error> {
        let mut worker = Self::start(command)?;
        let first = worker.next()?;
        match first["say"].as_str() {
            Some("open") => Ok(worker),
            _ => Err(format!("a phone does not open: {first}").into()),
        }
    }

    /// Tells the worker what to do.
    pub fn tell(&mut self, line: &str) -> Result<(), Error> {
        Ok(self.stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.stdin.flush())?)
    }

    /// The next line that it says.
    pub fn next(&mut self) -> Result<Json, Error> {
        self.lines.recv_timeout(PATIENCE).map_err(|_| "a worker's process ended or says nothing".into())
    }

    /// Lines up to the one that begins with a word; that is the last.
    pub fn until(&mut self, says: &[&str]) -> Result<Vec<Json>, Error> {
        let mut lines = Vec::new();
        loop {
            let line = self.next()?;
            let last = line["say"].as_str().is_some_and(|word| says.contains(&word));
            lines.push(line);
            if last {
                return Ok(lines);
            }
        }
    }

    /// Sends kill -9. What it had said before is not lost.
    pub fn strike(&mut self) -> Result<(), Error> {
        Ok(self.child.kill()?)
    }

    /// Waits until it is gone; the lines that it had said.
    pub fn gone(mut self) -> Result<Vec<Json>, Error> {
        self.child.wait()?;
        drop(self.stdin);
        Ok(self.lines.iter().collect())
    }
}

/// A process that ends with whoever holds it.
pub struct Held(pub Child);

impl Drop for Held {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many frames of a write-ahead log lie after its last commit: those of a transaction that a kill cut off.
/// <https://www.sqlite.org/fileformat2.html#walformat>
pub fn torn_frames(log: &Path) -> u64 {
    let bytes = std::fs::read(log).unwrap_or_default();
    let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (Some(page), Some(salts)) = (word(8), bytes.get(16..24)) else { return 0 };
    let (mut at, mut open) = (32, 0);
    while let Some(committed) = word(at + 4).filter(|_| bytes.get(at + 8..at + 16) == Some(salts)) {
        let whole = bytes.len() >= at + 24 + page as usize;
        open = if committed > 0 && whole { 0 } else { open + 1 };
        at += 24 + page as usize;
    }
    open
}
