//! Reading what is only looked up when somebody asks, and writing all of it down.

use std::path::Path;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;

use super::process::{disk_free, size, this_process};
use super::{Metrics, OTHER};
use crate::app::App;
use crate::db::sqlite::{FILE, beside};
use crate::db::{Census, DbError, Principal};

/// The kinds of tickets (docs/sync.md, "Server tables").
const TICKETS: [&str; 4] = ["conflict", "reopened", "end_against_edit", "confirmed_other_value"];

/// All metrics of a server as text. It reads the database, so it may wait for the disk.
pub fn scrape(app: &App) -> Result<String, DbError> {
    let now_ms = app.now_ms();
    let census = app.db.census(&Principal::SERVER, now_ms)?;
    app.metrics.look(app, &census);
    let mut text = String::new();
    encode(&mut text, &app.metrics.registry)
        .map_err(|_| DbError::Backend { step: "writing metrics", cause: "they cannot be written".into() })?;
    Ok(text)
}

impl Metrics {
    fn look(&self, app: &App, census: &Census) {
        let g = &self.gauges;
        let (running, waiting) = app.turns.count();
        g.pushes.get_or_create(&[("state", "running")]).set(clamped(running));
        g.pushes.get_or_create(&[("state", "waiting")]).set(clamped(waiting));
        for (state, contact, count) in &census.devices {
            g.devices.get_or_create(&[("state", state), ("contact", contact)]).set(clamped(*count));
        }
        for kind in TICKETS {
            g.tickets.get_or_create(&[("kind", kind)]).set(clamped(census.tickets.get(kind).copied().unwrap_or(0)));
        }
        let others = census.tickets.iter().filter(|(kind, _)| !TICKETS.contains(&kind.as_str()));
        g.tickets.get_or_create(&[("kind", OTHER)]).set(clamped(others.map(|(_, count)| count).sum()));
        let file = app.folder.join(FILE);
        let process = this_process();
        for (gauge, value) in [
            (&g.quarantine, census.quarantine),
            (&g.grants, census.grants),
            (&g.files, census.files),
            (&g.file_bytes, census.file_bytes),
            (&g.database_bytes, size(&file)),
            (&g.wal_bytes, size(&beside(&file, "-wal"))),
            (&g.disk_free_bytes, disk_free(free_of(&app.folder))),
            (&g.last_backup, census.last_backup_ms / 1000),
            // Of a random number the upper bits do: a sample is a float of 53 bits.
            (&g.epoch, app.db.epoch() >> 11),
            (&g.memory_bytes, process.memory_bytes),
            (&g.open_files, process.open_files),
        ] {
            set(gauge, value);
        }
        g.cpu_seconds.set(process.cpu_seconds);
    }
}

/// The folder; the present one where it has no name.
fn free_of(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(clamped(value));
}

fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
