//! The GridPass sync server: takes in what phones push, orders it, and hands it out again.
//!
//! One line through the rooms: `routes -> ingest | office -> log -> pull`. Whoever prepares something to write
//! ([`ingest`], [`office`], the commands of the binary) hands a plain-data [`log::Commit`] to the [`db::Database`], and
//! nothing else writes records.

#![forbid(unsafe_code)]

pub mod app;
pub mod audit;
pub mod auth;
pub mod backup;
pub mod blobs;
pub mod catalogs;
pub mod clock;
pub mod config;
pub mod contents;
pub mod db;
pub mod error;
pub mod events;
pub mod import;
pub mod ingest;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod office;
pub mod org;
pub mod parameters;
pub mod publish;
pub mod pull;
pub mod receipts;
pub mod request_log;
pub mod restore;
pub mod router;
pub mod routes;
pub mod serve;
pub mod texts;
pub mod throttle;
