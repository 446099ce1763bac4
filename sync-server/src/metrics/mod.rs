//! What IT watches, in the text format of Prometheus. Label values are words of this program, never of a request: they
//! are `&'static str`, so that no id and nothing a resident could be known by can become one.

mod labels;
mod process;
mod scrape;
mod serve;

pub use labels::{OTHER, ROUTES, STATUSES, route_label, status_label};
pub use scrape::scrape;
pub use serve::{Listening, listen};

use std::time::Duration;

use gridpass_core::wire::{PullAnswer, PushAnswer, Verdict};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::auth::Passwords;
use crate::db::sqlite::Work;

/// One label.
type One = [(&'static str, &'static str); 1];
/// Two labels.
type Two = [(&'static str, &'static str); 2];

/// All that is counted and measured in one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Two, Counter>,
    seconds: Family<One, Histogram, fn() -> Histogram>,
    bytes_in: Family<One, Counter>,
    bytes_out: Family<One, Counter>,
    items: Family<One, Counter>,
    rows: Counter,
    sign_ins: Family<One, Counter>,
    gauges: Gauges,
}

/// What is read when somebody asks.
#[derive(Default)]
struct Gauges {
    pushes: Family<One, Gauge>,
    devices: Family<Two, Gauge>,
    tickets: Family<One, Gauge>,
    quarantine: Gauge,
    grants: Gauge,
    files: Gauge,
    file_bytes: Gauge,
    database_bytes: Gauge,
    wal_bytes: Gauge,
    disk_free_bytes: Gauge,
    last_backup: Gauge,
    epoch: Gauge,
    memory_bytes: Gauge,
    cpu_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
    open_files: Gauge,
}

/// Bounds of durations, in seconds: a commit of a fast disk to the longest request.
pub(crate) fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0])
}

impl Metrics {
    /// Nothing counted yet; the database and the passwords count their own work.
    pub fn new(work: &Work, passwords: &Passwords) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            bytes_in: Family::default(),
            bytes_out: Family::default(),
            items: Family::default(),
            rows: Counter::default(),
            sign_ins: Family::default(),
            gauges: Gauges::default(),
        };
        let Self { registry, requests, seconds, bytes_in, bytes_out, items, rows, sign_ins, gauges } = &mut metrics;
        let registry = registry.sub_registry_with_prefix("gridpass");
        registry.register("requests", "Requests that were answered", requests.clone());
        registry.register("request_seconds", "How long requests took", seconds.clone());
        registry.register("request_bytes", "Bytes of bodies, as requests announced them", bytes_in.clone());
        registry.register("response_bytes", "Bytes of bodies of answers whose length was known", bytes_out.clone());
        registry.register("push_items", "Pushed items by verdict", items.clone());
        registry.register("pull_rows", "Records that pulls have handed out", rows.clone());
        registry.register("sign_ins", "People who signed in, and who were refused", sign_ins.clone());
        registry.register("passwords", "Passwords that were hashed or compared", passwords.worked.clone());
        registry.register("commit_seconds", "How long commits took, all jobs of each together", work.seconds.clone());
        registry.register("writer_jobs", "Jobs that were committed or refused", work.jobs.clone());
        registry.register("writer_jobs_waiting", "Jobs that wait for the one writer", work.waiting.clone());
        let g = gauges;
        registry.register(
            "pushes",
            "Pushes that are taken in, and those that wait for their phone's turn",
            g.pushes.clone(),
        );
        registry.register("devices", "Phones by state and last contact", g.devices.clone());
        registry.register("tickets_open", "What waits for a person, by kind", g.tickets.clone());
        registry.register("quarantine_open", "Refused items that are not settled", g.quarantine.clone());
        registry.register("grants", "Assignments that count now", g.grants.clone());
        registry.register("files", "Files that are stored", g.files.clone());
        registry.register("file_bytes", "How large they are together", g.file_bytes.clone());
        registry.register("database_bytes", "The database's file", g.database_bytes.clone());
        registry.register("wal_bytes", "Its write-ahead log", g.wal_bytes.clone());
        registry.register("disk_free_bytes", "What is free on the disk of the data folder", g.disk_free_bytes.clone());
        registry.register(
            "last_backup_timestamp_seconds",
            "When the last complete backup was made; 0 = never",
            g.last_backup.clone(),
        );
        registry.register("epoch", "Changes when the server was restored", g.epoch.clone());
        registry.register("memory_bytes", "Resident memory of the process", g.memory_bytes.clone());
        registry.register("cpu_seconds", "CPU time of the process since its start", g.cpu_seconds.clone());
        registry.register("open_files", "Open files and sockets of the process", g.open_files.clone());
        let version = Family::<One, Gauge>::default();
        version.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build", "The version of the program", version);
        metrics
    }

    /// Counts a request that was answered.
    pub fn answered(&self, route: &'static str, status: &'static str, took: Duration, bytes: (u64, u64)) {
        self.requests.get_or_create(&[("route", route), ("status", status)]).inc();
        self.seconds.get_or_create(&[("route", route)]).observe(took.as_secs_f64());
        self.bytes_in.get_or_create(&[("route", route)]).inc_by(bytes.0);
        self.bytes_out.get_or_create(&[("route", route)]).inc_by(bytes.1);
    }

    /// Counts the verdicts of a push; returns how many items were not taken.
    pub fn pushed(&self, answer: &PushAnswer) -> u64 {
        let mut refused = 0;
        for item in &answer.verdicts {
            let (verdict, taken) = match item.verdict {
                Verdict::Accepted { .. } => ("accepted", true),
                Verdict::Duplicate { .. } => ("duplicate", true),
                Verdict::Rejected { .. } => ("rejected", false),
                Verdict::BlockedBy { .. } => ("blocked_by", false),
                Verdict::Missing { .. } => ("missing", false),
                Verdict::StaleGeneration { .. } => ("stale_generation", false),
                Verdict::ActorFork => ("actor_fork", false),
                Verdict::Unknown => (OTHER, false),
            };
            self.items.get_or_create(&[("verdict", verdict)]).inc();
            refused += u64::from(!taken);
        }
        refused
    }

    /// Counts somebody who signed in or was refused.
    pub fn signed_in(&self, good: bool) {
        self.sign_ins.get_or_create(&[("result", if good { "good" } else { "refused" })]).inc();
    }

    /// Counts the records of a pull's answer.
    pub fn pulled(&self, answer: &PullAnswer) {
        let rows = answer.pages.iter().map(|page| page.rows.as_ref().map_or(0, Vec::len)).sum::<usize>();
        let whole = answer.whole.as_ref().map_or(0, Vec::len);
        self.rows.inc_by((rows + whole) as u64);
    }
}
