//! A worker with a phone, in a process of its own that may be killed at any instant: it saves as fast as the phone lets
//! it, and tells each save on standard output before it is called and after it returned.
//!
//! | told | to do |
//! |---|---|
//! | `work SEED NUMBER` | save, attach, verify, sync at random until something else is told; numbers go up from here |
//! | `rest` | end the work, and say so |
//! | `sync` | sync until everything is through |
//! | `tell` | say everything that is on the phone |
//!
//! Each line that it says is one write, so that a killed process leaves whole lines.

mod acts;
mod tell;

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use gridpass_core::id::{IntentId, RecordId};
use gridpass_phone::host::Host;
use gridpass_phone::host_system::FileKeyStore;
use gridpass_phone::{ApiError, ListQuery, Phone};
use gridpass_tests::street::Random;
use gridpass_tests::world::Error;
use serde_json::{Value as Json, json};

use acts::ACTS;

/// A defect that is planted into a worker, so that the checks can be seen to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Planted {
    /// It acknowledges a save before the phone has it.
    EarlyAck,
    /// It acknowledges a form of which it has saved one field.
    Half,
    /// It acknowledges what it never saves.
    Forget,
}

/// Opens the phone and does what it is told until nobody tells it anything.
pub fn run(folder: &Path, keys: &Path, name: &str, planted: Option<Planted>) -> Result<(), Error> {
    let host = Host::system(Arc::new(FileKeyStore::new(keys)), "gridpass-crash");
    let phone = match Phone::open(folder, host, None) {
        Ok(phone) => phone,
        Err(error) => {
            say(&joined(json!({ "say": "closed" }), &told_of(&error)));
            return Ok(());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, told) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut worker = Worker {
        phone,
        runtime,
        name: name.to_owned(),
        number: 0,
        own: Vec::new(),
        visits: Vec::new(),
        drafts: Vec::new(),
        planted,
    };
    worker.find_own()?;
    say(&json!({ "say": "open" }));
    let mut next = told.recv().ok();
    while let Some(line) = next.take() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["work", seed, number] => {
                worker.number = number.parse()?;
                next = worker.work(&mut Random::new(seed.parse()?, 0), &told);
                continue;
            }
            ["rest"] => say(&json!({ "say": "rests" })),
            ["sync"] => worker.sync_through(),
            ["tell"] => say(&worker.tell()?),
            _ => return Err(format!("a worker does not know how to {line}").into()),
        }
        next = told.recv().ok();
    }
    Ok(())
}

fn say(line: &Json) {
    let mut stdout = std::io::stdout().lock();
    // Whoever listened may be gone: then this process ends with its standard input.
    let _ = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush());
}

struct Worker {
    phone: Phone,
    runtime: tokio::runtime::Runtime,
    name: String,
    number: u64,
    /// Facilities that nobody else writes.
    own: Vec<RecordId>,
    visits: Vec<RecordId>,
    drafts: Vec<IntentId>,
    planted: Option<Planted>,
}

impl Worker {
    /// The records of an earlier process of this phone: what carries its name, and the visits of those.
    fn find_own(&mut self) -> Result<(), ApiError> {
        let text = |record: RecordId, key: &str| -> Result<String, ApiError> {
            let shown = self.phone.values(record)?;
            Ok(shown.get(key).and_then(|shown| shown.value().as_str()).unwrap_or_default().to_owned())
        };
        for record in self.all("facility")? {
            if text(record, "code")? == self.name {
                self.own.push(record);
            }
        }
        for record in self.all("visit")? {
            let visited = text(record, "target_id")?;
            if self.own.iter().any(|own| own.to_string() == visited) {
                self.visits.push(record);
            }
        }
        self.drafts = self.phone.drafts()?.into_iter().map(|draft| draft.id).collect();
        Ok(())
    }

    fn all(&self, collection: &str) -> Result<Vec<RecordId>, ApiError> {
        let query = ListQuery { collection: Some(collection.to_owned()), limit: u32::MAX, ..ListQuery::default() };
        Ok(self.phone.list(query)?.rows.into_iter().map(|row| row.record).collect())
    }

    fn work(&mut self, random: &mut Random, told: &Receiver<String>) -> Option<String> {
        let shared = self.shared();
        loop {
            match told.try_recv() {
                Ok(line) => return Some(line),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            self.number += 1;
            let act = random.weighted(&ACTS);
            if let Err(error) = self.act(act, random, shared) {
                let number = json!({ "say": "refused", "n": self.number });
                say(&joined(number, &told_of(&error)));
            }
        }
    }

    /// The facility that every worker writes.
    fn shared(&self) -> Option<RecordId> {
        let facilities = self.all("facility").unwrap_or_default();
        facilities.into_iter().find(|record| {
            let shown = self.phone.values(*record).unwrap_or_default();
            shown.get("user_name").is_some_and(|shown| shown.all().iter().any(|value| value.as_str() == Some("共用")))
        })
    }

    fn sync_through(&self) {
        let mut last = json!({});
        for _ in 0..50 {
            match self.runtime.block_on(self.phone.sync()) {
                Ok(report) if report.complete && report.unsent == 0 && report.unsent_files == 0 => {
                    return say(&json!({ "say": "through" }));
                }
                Ok(report) => last = json!({ "report": format!("{report:?}") }),
                Err(error) => last = told_of(&error),
            }
        }
        say(&joined(json!({ "say": "not through" }), &last));
    }
}

/// An error as its user and the log get it.
fn told_of(error: &ApiError) -> Json {
    let problems = match error {
        ApiError::Input { problems } => problems.iter().map(|at| format!("{} {:?}", at.code, at.key)).collect(),
        _ => Vec::new(),
    };
    let text = error.text();
    json!({ "error": format!("{error} {}", problems.join(", ")), "zh": text.zh, "en": text.en })
}

fn joined(mut line: Json, more: &Json) -> Json {
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    line
}
