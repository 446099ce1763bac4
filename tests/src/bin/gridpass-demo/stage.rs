//! What the morning is played on: folders, processes, the bad line.

use std::path::{Path, PathBuf};
use std::process::Child;

use gridpass_core::id::unhex;
use gridpass_core::wire::EnrolCode;
use gridpass_tests::chaos::Chaos;
use gridpass_tests::programs::{Programs, answer, free_port, printed};
use gridpass_tests::street::{self, Form, Plan, Scale};
use gridpass_tests::world::{Error, copy_folder};
use serde_json::Value as Json;

/// The folder of everything the demo makes.
const FOLDER: &str = ".demo";
/// The mapping that reads the workbooks.
const MAPPING: &str = "sync-server/import/street.toml";
/// The workbooks, one per kind of record.
const SHEETS: [&str; 7] = ["地址.xlsx", "单位.xlsx", "房屋.xlsx", "户.xlsx", "人口.xlsx", "居住.xlsx", "电梯.xlsx"];
/// The seed of the street and of the weather.
const SEED: u64 = 20_270_115;

pub struct Stage {
    folder: PathBuf,
    programs: Programs,
    server: Child,
    pub chaos: Chaos,
    /// The record that the morning was about.
    pub record: String,
    checks: u32,
    failed: u32,
}

/// A phone: a folder, a folder for its secrets, and a process for every command.
#[derive(Clone)]
pub struct Handset {
    pub name: &'static str,
    programs: Programs,
    pub folder: PathBuf,
    keys: PathBuf,
}

impl Stage {
    /// Starts a server over an empty folder and a bad line before it.
    pub async fn set_up() -> Result<Self, Error> {
        let programs = Programs::beside_this()?;
        let folder = PathBuf::from(FOLDER);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let data = folder.join("server");
        std::fs::create_dir_all(&data)?;
        let port = free_port()?;
        let url = format!("https://127.0.0.1:{port}");
        let settings = format!("listen = \"127.0.0.1:{port}\"\nurl = \"{url}\"\ndistrict = \"崂山区(演示)\"\n");
        std::fs::write(data.join("gridpass.toml"), settings)?;
        let pin = unhex::<32>(printed(programs.server(&data).arg("init"))?.trim())?;
        let server = programs.serve(&data, &folder.join("server.log"))?;
        let chaos = Chaos::start(&folder.join("line"), &url, &pin, SEED)?;
        println!("A server at {url}, a bad line before it at {}; everything lies in {FOLDER}/.\n", chaos.url);
        Ok(Self { folder, programs, server, chaos, record: String::new(), checks: 0, failed: 0 })
    }

    /// Runs a command of the server and returns what it prints.
    pub fn server(&self, arguments: &[&str]) -> Result<String, Error> {
        printed(self.programs.server(&self.data()).args(arguments))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("server")
    }

    /// Writes the workbooks of a small street and makes its grids; how many records the workbooks hold.
    pub fn workbooks(&self) -> Result<u64, Error> {
        let folder = self.folder.join("workbooks");
        let written = street::write(Plan::new(Scale::Small, SEED), &folder, Form::Workbook, &mut |_| {})?;
        self.server(&["grid", "import", &folder.join("网格.xlsx").display().to_string()])?;
        Ok(written.iter().filter(|(collection, ..)| collection.is_some()).map(|(_, _, rows)| *rows as u64).sum())
    }

    /// Imports the workbooks; how many records were or would be created.
    pub fn import(&self, options: &[&str]) -> Result<u64, Error> {
        let files = SHEETS.map(|sheet| self.folder.join("workbooks").join(sheet).display().to_string());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let printed = self.server(&[&["import", "--mapping", MAPPING], options, &files].concat())?;
        let created = printed.split(", ").filter_map(|part| part.strip_suffix(" created")?.parse::<u64>().ok());
        Ok(created.sum())
    }

    /// How many rows the server verifies: it grows with everything that is stored.
    pub fn rows(&self) -> Result<u64, Error> {
        let verified = self.server(&["verify"])?;
        let last = verified.lines().last().and_then(|line| line.split(' ').next()?.parse().ok());
        last.ok_or_else(|| "verify says no number of rows".into())
    }

    /// Makes a photo of so many bytes that do not compress; where it lies.
    pub fn photo(&self, size: usize) -> Result<String, Error> {
        let path = self.folder.join("photo.jpg");
        let mut bytes = vec![0; size];
        blake3::Hasher::new().update(&SEED.to_le_bytes()).finalize_xof().fill(&mut bytes);
        std::fs::write(&path, bytes)?;
        Ok(path.display().to_string())
    }

    /// How many files the server has stored.
    pub fn stored_files(&self) -> Result<usize, Error> {
        let mut files = 0;
        for folder in std::fs::read_dir(self.data().join("blobs"))? {
            let folder = folder?;
            // The first two digits of the hash; parts of unfinished files lie elsewhere.
            if folder.file_name().len() == 2 {
                files += std::fs::read_dir(folder.path())?.count();
            }
        }
        Ok(files)
    }

    /// Kills the server in the middle of its life and starts it again.
    pub fn kill_server(&mut self) -> Result<(), Error> {
        self.server.kill()?;
        self.server.wait()?;
        self.server = self.programs.serve(&self.data(), &self.folder.join("server.log"))?;
        Ok(())
    }

    /// A user with a grid, and a phone that is enrolled through the bad line.
    pub fn enrol(&self, name: &'static str, grid: &str) -> Result<Handset, Error> {
        self.server(&["user", "add", name, name])?;
        self.server(&["user", "assign", name, grid])?;
        let code: EnrolCode = self.server(&["device", "code", name])?.trim().parse()?;
        let code = EnrolCode { url: self.chaos.url.clone(), pin: self.chaos.pin, ..code };
        let handset = Handset {
            name,
            programs: self.programs.clone(),
            folder: self.folder.join(name),
            keys: self.folder.join(format!("{name}-keys")),
        };
        handset.run(&["enroll", &code.to_string()])?;
        Ok(handset)
    }

    /// One thing the demo claims, with the figures it rests on.
    pub fn check(&mut self, claim: &str, holds: bool, figures: &str) {
        self.checks += 1;
        self.failed += u32::from(!holds);
        println!("  {} {claim}: {figures}", if holds { "✔" } else { "✘" });
    }

    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// A heading.
    pub fn scene(&self, text: &str) {
        println!("{text}");
    }

    /// Waits until somebody ends it.
    pub async fn stay_up(&self) {
        let phone = format!("target/debug/gridpass-phone --folder {FOLDER}/li --key-dir {FOLDER}/li-keys");
        println!("\nThe server stays up. By hand, in another window:");
        println!("  {phone} state");
        println!("  {phone} list household");
        println!("  {phone} show {}", self.record);
        println!("  {phone} --flight set {} name=…     # no network; then `sync`", self.record);
        println!("  target/debug/gridpass-server --data {FOLDER}/server verify");
        println!("  target/debug/gridpass-server --data {FOLDER}/server trace {}", self.record);
        println!("End with Ctrl-C.");
        // Without signals the demo ends at once, which is all it can do.
        let _ = tokio::signal::ctrl_c().await;
    }

    pub async fn tear_down(mut self) {
        // Nothing is left to do where one of them has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = self.chaos.stop().await;
    }
}

impl Handset {
    /// Runs a command of the phone; its answer.
    pub fn run(&self, arguments: &[&str]) -> Result<Json, Error> {
        let run = answer(self.programs.phone(&self.folder, &self.keys).args(arguments));
        run.map_err(|error| format!("{}: {error}", self.name).into())
    }

    /// The same without any network.
    pub fn in_flight(&self, arguments: &[&str]) -> Result<Json, Error> {
        self.run(&[&["--flight"], arguments].concat())
    }

    /// Syncs until everything is through; how many attempts it took.
    pub fn sync(&self) -> Result<u32, Error> {
        let mut last = String::new();
        for attempt in 1..=60 {
            match self.run(&["sync"]) {
                Ok(report) if report["complete"] == true && report["unsent"] == 0 => return Ok(attempt),
                Ok(report) => last = report.to_string(),
                Err(error) => last = error.to_string(),
            }
        }
        Err(format!("{}: no sync came through in 60 attempts: {last}", self.name).into())
    }

    /// Keeps a copy of the phone's folder.
    pub fn keep_copy(&self) -> Result<PathBuf, Error> {
        let copy = self.folder.with_extension("copy");
        copy_folder(&self.folder, &copy)?;
        Ok(copy)
    }

    /// Puts a copy in place of the phone's folder.
    pub fn put_back(&self, copy: &Path) -> Result<(), Error> {
        std::fs::remove_dir_all(&self.folder)?;
        copy_folder(copy, &self.folder)?;
        Ok(())
    }

    /// Whether any file of the phone's folder holds the bytes.
    pub fn holds(&self, needle: &str) -> Result<bool, Error> {
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read(&path)?.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
