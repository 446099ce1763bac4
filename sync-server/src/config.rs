//! Settings: one TOML file, read once. Every setting has a default that works.

use std::net::SocketAddr;
use std::path::Path;

use gridpass_core::wire;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The settings' file in the data folder.
pub const FILE: &str = "gridpass.toml";

/// The settings of `gridpass.toml` in the data folder.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where `serve` listens.
    pub listen: SocketAddr,
    /// The address phones use, `https://…` without a path.
    pub url: String,
    /// The name of the district, shown on phones.
    pub district: String,
    /// How long after its end an assignment still brings work in, in hours.
    pub grace_hours: u32,
    /// How long phones wait between syncs that nobody asks for, in seconds.
    pub sync_every_s: u32,
    /// How long an enrolment code is good, in hours.
    pub enrol_code_hours: u32,
    /// Enrolments per minute and address; twice as many at once. 0 = no limit, here and below.
    pub enrols_per_minute: u32,
    /// Challenges and tokens per minute and address.
    pub sign_ins_per_minute: u32,
    /// Tokens per minute and phone.
    pub tokens_per_minute: u32,
    /// Pushes per minute and phone.
    pub pushes_per_minute: u32,
    /// Pulls, packs and event streams per minute and phone.
    pub pulls_per_minute: u32,
    /// Requests about files per minute and phone.
    pub files_per_minute: u32,
    /// Passwords typed per minute and address.
    pub passwords_per_minute: u32,
    /// Requests per minute and person.
    pub person_requests_per_minute: u32,
    /// After how long without a request a person's session ends, in minutes.
    pub session_idle_minutes: u32,
    /// When a person's session ends at the latest, in hours.
    pub session_hours: u32,
    /// How long a password that IT gave is good, in hours.
    pub initial_password_hours: u32,
    /// How large one file may be, in megabytes of 1,048,576 bytes; at most 32.
    pub max_file_mb: u32,
    /// How large the files that one phone has brought may be together, in such megabytes.
    pub files_mb_per_phone: u32,
    /// How large the database may become, in megabytes; 0 = as large as the disk.
    pub max_database_mb: u32,
    /// Where metrics and health are served to IT, over plain HTTP; empty = nowhere.
    pub metrics_listen: String,
    /// What is logged: a level, or `tracing` directives like `info,gridpass_server=debug`. `RUST_LOG` goes before it.
    pub log: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            url: "https://localhost:8443".into(),
            district: "GridPass".into(),
            grace_hours: 72,
            sync_every_s: 300,
            enrol_code_hours: 72,
            enrols_per_minute: 10,
            sign_ins_per_minute: 600,
            tokens_per_minute: 30,
            pushes_per_minute: 600,
            pulls_per_minute: 1200,
            files_per_minute: 1200,
            passwords_per_minute: 30,
            person_requests_per_minute: 600,
            session_idle_minutes: 30,
            session_hours: 12,
            initial_password_hours: 72,
            max_file_mb: 32,
            files_mb_per_phone: 4096,
            max_database_mb: 0,
            metrics_listen: "127.0.0.1:9443".into(),
            log: "info".into(),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("gridpass.toml cannot be read: {0}")]
    File(std::io::Error),
    /// The file says something that is no setting.
    #[error("gridpass.toml: {0}")]
    Setting(String),
}

impl Config {
    /// Reads `gridpass.toml` in the folder; without one all defaults hold.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let config: Self = match std::fs::read_to_string(folder.join(FILE)) {
            Ok(text) => toml::from_str(&text).map_err(|error| ConfigError::Setting(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(ConfigError::File(error)),
        };
        if !config.url.starts_with("https://") {
            return Err(ConfigError::Setting("url: must start with https://, phones take nothing else".into()));
        }
        let largest = wire::MAX_FILE_BYTES >> 20;
        if config.max_file_mb == 0 || u64::from(config.max_file_mb) > largest {
            return Err(ConfigError::Setting(format!(
                "max_file_mb: must be from 1 to {largest}, phones make none larger"
            )));
        }
        for (setting, value) in [
            ("session_idle_minutes", config.session_idle_minutes),
            ("session_hours", config.session_hours),
            ("initial_password_hours", config.initial_password_hours),
        ] {
            if value == 0 {
                return Err(ConfigError::Setting(format!("{setting}: must be 1 or more, or nobody could sign in")));
            }
        }
        config.metrics_address()?;
        EnvFilter::try_new(&config.log).map_err(|_| {
            ConfigError::Setting("log: must be error, warn, info, debug or trace, or directives".into())
        })?;
        Ok(config)
    }

    /// Where metrics are served, if they are.
    pub fn metrics_address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let wrong = |_| {
            ConfigError::Setting("metrics_listen: must be an address with a port, like 127.0.0.1:9443, or empty".into())
        };
        (!self.metrics_listen.is_empty()).then(|| self.metrics_listen.parse().map_err(wrong)).transpose()
    }
}

/// The limits that requests are held to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long after its end an assignment still brings work in, in milliseconds.
    pub grace_ms: i64,
    /// How long phones wait between syncs that nobody asks for, in milliseconds.
    pub next_sync_after_ms: u32,
    /// The most rows of one pull answer.
    pub pull_rows: usize,
    /// How many records a pack holds.
    pub pack_records: usize,
    /// How long a token is good, in milliseconds.
    pub token_ms: i64,
    /// How long a challenge is good, in milliseconds.
    pub challenge_ms: i64,
    /// After how long without a request a person's session ends, in milliseconds.
    pub session_idle_ms: i64,
    /// When a person's session ends at the latest, in milliseconds after its beginning.
    pub session_ms: i64,
    /// How long a password that IT gave is good, in milliseconds.
    pub initial_password_ms: i64,
    /// How large one file may be, in bytes.
    pub max_file_bytes: u64,
    /// How large the files of one phone may be together, in bytes.
    pub phone_file_bytes: u64,
    /// How many uploads of one phone may be under way.
    pub phone_uploads: u32,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self {
            grace_ms: i64::from(config.grace_hours) * 3_600_000,
            next_sync_after_ms: config.sync_every_s.saturating_mul(1000),
            pull_rows: 500,
            pack_records: 500,
            token_ms: 3_600_000,
            challenge_ms: 60_000,
            session_idle_ms: i64::from(config.session_idle_minutes) * 60_000,
            session_ms: i64::from(config.session_hours) * 3_600_000,
            initial_password_ms: i64::from(config.initial_password_hours) * 3_600_000,
            max_file_bytes: u64::from(config.max_file_mb) << 20,
            phone_file_bytes: u64::from(config.files_mb_per_phone) << 20,
            phone_uploads: 200,
        }
    }
}
