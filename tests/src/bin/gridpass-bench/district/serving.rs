//! The process of the server.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gridpass_tests::world::Error;

use gridpass_tests::process::{cpu_s, peak_kb};

/// Where it listens: no other program of a test or the demo does.
const ADDRESS: &str = "127.0.0.1:18473";
/// The same as phones are told it.
pub const URL: &str = "https://127.0.0.1:18473";

/// A server that runs until it is stopped or forgotten.
pub struct Serving {
    child: Child,
}

impl Serving {
    /// Starts the server's own binary, which lies beside this one, over a folder.
    pub async fn start(folder: &Path) -> Result<Self, Error> {
        let program = std::env::current_exe()?.with_file_name("gridpass-server");
        if !program.exists() {
            return Err("gridpass-server is not built; `make load` builds it".into());
        }
        let settings = folder.join(gridpass_server::config::FILE);
        let text = std::fs::read_to_string(&settings)?;
        let kept = text.lines().filter(|line| !line.starts_with("listen")).map(|line| format!("{line}\n"));
        std::fs::write(&settings, format!("listen = \"{ADDRESS}\"\n{}", kept.collect::<String>()))?;
        let mut command = Command::new(program);
        command.arg("--data").arg(folder).arg("serve").stdout(Stdio::null()).stderr(Stdio::null());
        let mut serving = Self { child: command.spawn()? };
        while TcpStream::connect(ADDRESS).is_err() {
            if let Some(status) = serving.child.try_wait()? {
                return Err(format!("the server ended: {status}; does another one listen at {ADDRESS}?").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(serving)
    }

    /// Processor seconds it has used.
    pub fn cpu_s(&self) -> Result<f64, Error> {
        cpu_s(&self.child.id().to_string())
    }

    /// The most memory it had in use at once, in MiB.
    pub fn peak_mib(&self) -> Result<f64, Error> {
        Ok(peak_kb(&self.child.id().to_string())? as f64 / 1024.0)
    }

    /// Stops it.
    pub fn stop(mut self) -> Result<(), Error> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Of a run that failed; a stopped server is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
