//! `gridpass-server verify`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use gridpass_core::bucket::Bucket;
use gridpass_server::app::App;
use gridpass_server::audit::verify::{Beside, Proof, time, verify_signed};
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
    /// Only the audit: its chain against what the server has sealed.
    #[arg(long, conflicts_with_all = ["bucket", "receipts"])]
    audit: bool,
    /// The folder of the archives of `audit rotate`: read as one chain with the rows here.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bucket", "receipts"])]
    archive: Option<PathBuf>,
    /// Seals that were kept elsewhere: a copy of `audit.seals`, or the `backup.toml` of a backup.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bucket", "receipts"])]
    seals: Vec<PathBuf>,
}

impl VerifyArgs {
    fn beside(&self) -> Beside {
        Beside { archive: self.archive.clone(), seals: self.seals.clone() }
    }
}

/// Verifies; fails if there is a fault.
pub fn run(app: &Arc<App>, args: &VerifyArgs) -> Result<ExitCode, Error> {
    let good = match (&args.bucket, &args.receipts) {
        (_, Some(file)) => receipts_of(app, file)?,
        (Some(name), None) => buckets(app, name)?,
        (None, None) if args.audit => audit(app, &args.beside())?,
        (None, None) => everything(app, &args.beside())?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn everything(app: &Arc<App>, beside: &Beside) -> Result<bool, Error> {
    let mut faults = 0u64;
    let mut tell = |fault: Fault| {
        faults += 1;
        super::print(fault);
    };
    let rows = app.db.verify(&Principal::SERVER, app.now_ms(), &mut tell)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let files = runtime.block_on(blobs::verify(app, &mut tell))?;
    let proof = verify_signed(app, beside, &mut tell)?;
    signed(&proof);
    say!("{rows} rows and {files} files verified, {faults} faults");
    Ok(faults == 0)
}

/// The audit alone, and up to where it is certain.
fn audit(app: &App, beside: &Beside) -> Result<bool, Error> {
    let mut faults = 0u64;
    let mut tell = |fault: Fault| {
        faults += 1;
        super::print(fault);
    };
    let walked = app.db.verify_audit(&Principal::SERVER, app.now_ms(), &mut tell)?;
    let proof = verify_signed(app, beside, &mut tell)?;
    signed(&proof);
    let (rows, archived, whole) = (walked.rows, proof.archived, walked.whole_to.min(proof.good_to));
    say!("{rows} rows of the audit and {archived} archived ones verified, {faults} faults");
    if faults > 0 {
        say!("the rows up to {whole} are as they were written");
    }
    Ok(faults == 0)
}

/// What seals say.
fn signed(proof: &Proof) {
    proof.told.iter().for_each(|told| say!("{told}"));
    match proof.sealed {
        Some((seq, at_ms)) => say!("{} seals stand, the newest of row {seq}, {}", proof.seals, time(at_ms)),
        None => say!("no seal stands: the chain holds together, its end and its whole are proved by nothing"),
    }
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
