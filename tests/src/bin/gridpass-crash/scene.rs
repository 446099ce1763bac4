//! The folders and processes of a world in which rounds are played: a server, phones, and what the ledgers know of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gridpass_tests::programs::{Programs, answer, printed};
use gridpass_tests::world::{Error, copy_folder};
use serde_json::Value as Json;

use crate::ledger::Ledger;
use crate::plan::PHONES;
use crate::processes::{Held, Who, Worker};
use crate::rows::Rows;

/// The code of the one grid.
pub const GRID: &str = "370299001001001";
const PASSPHRASE: &str = "a passphrase of a test";

/// What every world begins as: a server with a grid and some addresses, and phones that are enrolled and synced.
pub struct Template {
    pub programs: Programs,
    /// This program, which is also the workers' processes.
    pub this: PathBuf,
    folder: PathBuf,
    planted: Option<String>,
}

impl Template {
    /// Makes it in a folder.
    pub fn make(programs: Programs, folder: &Path, port: u16, planted: Option<String>) -> Result<Self, Error> {
        let template = Self { programs, this: std::env::current_exe()?, folder: folder.to_owned(), planted };
        let data = folder.join("server");
        std::fs::create_dir_all(&data)?;
        // One machine is all phones here, so no limit of how often an address may ask.
        let limits =
            ["enrols", "sign_ins", "tokens", "pushes", "pulls", "files"].map(|what| format!("{what}_per_minute = 0\n"));
        let address = format!("listen = \"127.0.0.1:{port}\"\nurl = \"https://127.0.0.1:{port}\"\n");
        std::fs::write(data.join("gridpass.toml"), format!("{address}{}", limits.concat()))?;
        let server = |arguments: &[&str]| printed(template.programs.server(&data).args(arguments));
        server(&["init"])?;
        server(&["grid", "add", GRID, "一网格"])?;
        let (mapping, sheet) = (mapping(folder)?, sheet(folder, "起点", 3)?);
        printed(template.programs.server(&data).args(["import", "--mapping"]).args([&mapping, &sheet]))?;
        let _running = Held(template.programs.serve(&data, &folder.join("server.log"))?);
        for who in template.workers(folder) {
            server(&["user", "add", &who.name, &who.name])?;
            server(&["user", "assign", &who.name, GRID])?;
            let code = server(&["device", "code", &who.name])?;
            let phone = |arguments: &[&str]| answer(template.programs.phone(&who.folder, &who.keys).args(arguments));
            phone(&["enroll", code.trim()])?;
            phone(&["sync"])?;
            if who.name == "worker0" {
                let list = phone(&["list", "address"])?;
                let address = list["rows"][0]["record"].as_str().ok_or("no address came")?.to_owned();
                let fields =
                    ["kind=other", "name=共用", "user_name=共用", "code=共用", "code_scheme=local"].map(str::to_owned);
                let fields = fields.into_iter().chain([format!("address_id={address}")]);
                answer(template.programs.phone(&who.folder, &who.keys).args(["new", "facility"]).args(fields))?;
                phone(&["sync"])?;
            }
        }
        Ok(template)
    }

    fn workers(&self, folder: &Path) -> Vec<Who> {
        let who = |number| {
            let name = format!("worker{number}");
            Who {
                folder: folder.join(&name),
                keys: folder.join(format!("{name}-keys")),
                name,
                planted: self.planted.clone(),
            }
        };
        (0..PHONES).map(who).collect()
    }
}

/// The mapping that reads the sheets of this tool.
fn mapping(folder: &Path) -> Result<PathBuf, Error> {
    let file = folder.join("mapping.toml");
    let columns = [("层级", "level"), ("小区", "estate"), ("用途", "usage")];
    let columns = columns.map(|(from, to)| format!("    {{ from = \"{from}\", to = \"{to}\" }},\n")).concat();
    let table = "[[table]]\nsheet = \"*\"\ncollection = \"address\"\nkey = \"地址编号\"\ngrid = \"网格编码\"\n";
    std::fs::write(&file, format!("{table}column = [\n{columns}]\n").replace("\"*\"", "\"地址\""))?;
    Ok(file)
}

/// A sheet with so many addresses whose estates begin with a mark.
pub fn sheet(folder: &Path, mark: &str, rows: usize) -> Result<PathBuf, Error> {
    let folder = folder.join(format!("sheet-{mark}"));
    std::fs::create_dir_all(&folder)?;
    let rows = (0..rows).map(|row| format!("{mark}{row},{GRID},area,{},residential\n", estate(mark, row)));
    let file = folder.join("地址.csv");
    std::fs::write(&file, format!("地址编号,网格编码,层级,小区,用途\n{}", rows.collect::<String>()))?;
    Ok(file)
}

/// The estate of a row of a sheet.
pub fn estate(mark: &str, row: usize) -> String {
    format!("{mark}第{row}小区")
}

/// Copies what every world begins as, without running anything.
pub fn copy_scene(template: &Template, folder: &Path) -> Result<(), Error> {
    Ok(copy_folder(&template.folder, folder)?)
}

/// A world.
pub struct Scene<'a> {
    template: &'a Template,
    pub folder: PathBuf,
    server: Option<Held>,
    pub workers: Vec<Option<Worker>>,
    pub ledgers: Vec<Ledger>,
    who: Vec<Who>,
    /// Sheets that were imported to the end: their mark and how many rows.
    pub imported: Vec<(String, usize)>,
    /// Users that were added and assigned.
    pub assigned: Vec<String>,
}

impl<'a> Scene<'a> {
    /// A fresh copy of the template, with everything running.
    pub fn new(template: &'a Template, folder: &Path) -> Result<Self, Error> {
        copy_scene(template, folder)?;
        let who = template.workers(folder);
        let mut scene = Self {
            template,
            folder: folder.to_owned(),
            server: None,
            workers: who.iter().map(|_| None).collect(),
            ledgers: who.iter().map(|who| Ledger::new(&who.name)).collect(),
            who,
            imported: Vec::new(),
            assigned: Vec::new(),
        };
        scene.start_server()?;
        (0..PHONES).try_for_each(|phone| scene.start_phone(phone))?;
        Ok(scene)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("server")
    }

    pub fn mapping(&self) -> PathBuf {
        self.folder.join("mapping.toml")
    }

    pub fn start_server(&mut self) -> Result<(), Error> {
        let log = self.folder.join("server.log");
        self.server = Some(Held(self.template.programs.serve(&self.data(), &log)?));
        Ok(())
    }

    /// Sends the server kill -9; it is gone when its write-ahead log is looked at.
    pub fn strike_server(&mut self) -> Result<(), Error> {
        match &mut self.server {
            Some(server) => Ok(server.0.kill()?),
            None => Ok(()),
        }
    }

    pub fn server_gone(&mut self) {
        self.server.take();
    }

    pub fn start_phone(&mut self, phone: usize) -> Result<(), Error> {
        let (Some(who), Some(worker)) = (self.who.get(phone), self.workers.get_mut(phone)) else { return Ok(()) };
        *worker = Some(Worker::open(&mut who.command(&self.template.this))?);
        Ok(())
    }

    /// Starts a phone that may refuse to open; what it says.
    pub fn try_phone(&mut self, phone: usize) -> Result<Json, Error> {
        let (Some(who), Some(worker)) = (self.who.get(phone), self.workers.get_mut(phone)) else {
            return Err("no such worker".into());
        };
        let mut started = Worker::start(&mut who.command(&self.template.this))?;
        let said = started.next()?;
        *worker = Some(started);
        Ok(said)
    }

    /// Kills a phone that rests.
    pub fn kill_phone(&mut self, phone: usize) -> Result<(), Error> {
        if let Some(mut struck) = self.workers.get_mut(phone).and_then(Option::take) {
            struck.strike()?;
            struck.gone()?;
        }
        Ok(())
    }

    /// A phone's write-ahead log.
    pub fn log_of(&self, phone: usize) -> PathBuf {
        self.who.get(phone).map(|who| who.folder.join("phone.db-wal")).unwrap_or_default()
    }

    /// A command beside the server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.template.programs.server(&self.data());
        command.args(arguments).env("GRIDPASS_PASSPHRASE", PASSPHRASE);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The same, to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<String, Error> {
        printed(self.template.programs.server(&self.data()).args(arguments).env("GRIDPASS_PASSPHRASE", PASSPHRASE))
    }

    /// Restores a backup into an empty folder: what it says and whether it worked.
    pub fn restore(&self, backup: &Path, into: &Path) -> Result<String, Error> {
        let mut command = self.template.programs.server(into);
        printed(command.arg("restore").arg(backup).env("GRIDPASS_PASSPHRASE", PASSPHRASE))
    }

    /// What the server's own check says of another folder.
    pub fn verify(&self, data: &Path) -> Result<String, Error> {
        printed(self.template.programs.server(data).arg("verify"))
    }

    /// The server's rows.
    pub fn rows(&self) -> Result<Rows, Error> {
        Rows::read(&self.data())
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        for worker in self.workers.iter_mut().filter_map(Option::take) {
            // A worker ends by itself when nobody speaks with it any more; this one need not finish anything.
            let mut worker = worker;
            let _ = worker.strike();
            let _ = worker.gone();
        }
    }
}
