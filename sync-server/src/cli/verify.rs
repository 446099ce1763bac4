//! `gridpass-server verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gridpass_core::bucket::Bucket;
use gridpass_server::app::App;
use gridpass_server::blobs;
use gridpass_server::db::{Fault, Principal};
use gridpass_server::receipts::{self, Finding};

type Error = Box<dyn std::error::Error>;

/// What is verified; everything without more.
#[derive(Args)]
pub struct VerifyArgs {
    /// Only the buckets of a grid, by its code, or one bucket by its name (`grid/<id>/base`, `user/<id>`, `district`).
    #[arg(long)]
    bucket: Option<String>,
    /// Whether what a phone has receipts for is stored: the file of `gridpass-phone receipts --export`.
    #[arg(long, value_name = "FILE", conflicts_with = "bucket")]
    receipts: Option<PathBuf>,
}

/// Verifies; fails if there is a fault.
pub fn run(app: App, args: &VerifyArgs) -> Result<ExitCode, Error> {
    let good = match (&args.bucket, &args.receipts) {
        (_, Some(file)) => receipts_of(&app, file)?,
        (Some(name), None) => buckets(&app, name)?,
        (None, None) => everything(app)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn everything(app: App) -> Result<bool, Error> {
    let mut faults = 0u64;
    let mut tell = |fault: Fault| {
        faults += 1;
        super::print(fault);
    };
    let rows = app.db.verify(&Principal::SERVER, app.now_ms(), &mut tell)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let files = runtime.block_on(blobs::verify(&Arc::new(app), &mut tell))?;
    say!("{rows} rows and {files} files verified, {faults} faults");
    Ok(faults == 0)
}

fn buckets(app: &App, name: &str) -> Result<bool, Error> {
    let grid = app.db.grid_by_code(&Principal::SERVER, app.now_ms(), name)?;
    let buckets = match (grid, name.parse()) {
        (Some(grid), _) => vec![Bucket::Place(grid), Bucket::Base(grid), Bucket::Restricted(grid)],
        (None, Ok(bucket)) => vec![bucket],
        (None, Err(_)) => {
            return Err(
                "bucket: no grid has this code, and it is no bucket's name: grid/<id>/base, user/<id>, district".into(),
            );
        }
    };
    let mut faults = 0u64;
    let rows = app.db.verify_buckets(&Principal::SERVER, app.now_ms(), &buckets, &mut |fault| {
        faults += 1;
        super::print(fault);
    })?;
    if rows == 0 {
        return Err("bucket: nothing was ever written into it".into());
    }
    say!("{rows} rows verified, {faults} faults");
    Ok(faults == 0)
}

fn receipts_of(app: &App, file: &Path) -> Result<bool, Error> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let (mut good, mut bad) = (0u64, 0u64);
    receipts::check(app, &bytes, &mut |receipt, finding| {
        *(if finding.is_good() { &mut good } else { &mut bad }) += 1;
        let said = match finding {
            Finding::Stored { home, log_seq } => format!("stored, {home} {log_seq}"),
            Finding::SavedAs { hash, home, log_seq } => format!("its save is stored as {hash}, {home} {log_seq}"),
            Finding::Elsewhere { home, log_seq } => format!("stored in another row than was signed, {home} {log_seq}"),
            Finding::Missing => format!("MISSING, it was signed for {} {}", receipt.home, receipt.log_seq),
            Finding::Forged => "FORGED, this server has not signed it".to_owned(),
        };
        say!("receipt {} {}: {said}", receipt.record, receipt.hash);
    })?;
    say!("{} receipts, {good} stored, {bad} not", good + bad);
    Ok(bad == 0)
}
