//! Answers to pulls, and packs for phones that start.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::BlobHash;
use gridpass_core::wire::{self, BucketPage, Closing, Cursor, Granted, Pack, PackRef, PullAnswer, PullRequest};

use crate::app::App;
use crate::db::{BucketRead, DeviceRow, Manifest, NewPack, Principal};
use crate::error::ApiError;
use crate::ingest::{Rights, scope, scope_of};

/// The most records that may be asked for whole.
const MAX_WHOLE: usize = 100;
/// The most buckets a phone may name.
const MAX_BUCKETS: usize = 1000;
/// How many rows of a log are always few: a phone pulls them in one or two pages.
const FEW: u64 = 200;

/// Answers a pull of an authenticated phone.
pub fn pull(app: &App, device: &DeviceRow, request: &PullRequest) -> Result<PullAnswer, ApiError> {
    if request.whole.len() > MAX_WHOLE {
        return Err(ApiError::bad("too_many_records", "whole"));
    }
    if request.buckets.len() > MAX_BUCKETS {
        return Err(ApiError::bad("too_many_buckets", "buckets"));
    }
    let now_ms = app.now_ms();
    let principal = device.principal();
    let assignments = app.db.assignments(&principal, now_ms, device.user)?;
    let catalogs = app.catalogs();
    let roles = catalogs.roles();
    let scope = scope(device.user, &assignments, roles, now_ms);
    let rights = Rights { user: device.user, assignments: &assignments, roles, now_ms, grace_ms: app.limits.grace_ms };
    let waits = |number| request.buckets.iter().any(|asked| asked.bucket == number && asked.pending > 0);
    let reads = app.db.pull(&principal, now_ms, &scope, &request.buckets, app.limits.pull_rows)?;
    let (mut granted, mut closing, mut removed, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for read in reads {
        match read {
            BucketRead::Page { number, to, durable_seq, rows, more } => {
                let rows = (!rows.is_empty()).then_some(rows);
                pages.push(BucketPage { number, to, durable_seq, rows, more });
            }
            // Nothing more is sent; what waits on the phone is still taken for a while.
            BucketRead::Gone { number, bucket } => {
                match bucket.and_then(|bucket| rights.closing_until(bucket)).filter(|_| waits(number)) {
                    Some(until_ms) => closing.push(Closing { number, until_ms }),
                    None => removed.push(number),
                }
            }
            BucketRead::Start { number, bucket, head } => {
                let Manifest { as_of, packs } = packs_of(app, &principal, now_ms, bucket, head)?;
                granted.push(Granted { number, bucket, as_of, packs });
            }
        }
    }
    let whole = match request.whole.as_slice() {
        [] => None,
        records => Some(app.db.whole(&principal, now_ms, &scope, records)?),
    };
    Ok(PullAnswer {
        granted: (!granted.is_empty()).then_some(granted),
        closing: (!closing.is_empty()).then_some(closing),
        removed: (!removed.is_empty()).then_some(removed),
        pages,
        whole,
        server_ms: now_ms,
        next_sync_after_ms: app.limits.next_sync_after_ms,
    })
}

/// The bytes of a pack that the phone may have; gone when it was replaced.
pub fn pack(app: &App, device: &DeviceRow, hash: BlobHash) -> Result<Vec<u8>, ApiError> {
    let now_ms = app.now_ms();
    let principal = device.principal();
    let scope = scope_of(app, device, now_ms)?;
    app.db.pack(&principal, now_ms, &scope, hash)?.ok_or(ApiError::Gone)
}

/// The packs of a bucket; made anew when a tenth of it has changed since they were. A few changes are pulled after them:
/// in a young grid where many work, packs would else be gone before the phones that were told of them can ask.
fn packs_of(app: &App, principal: &Principal, now_ms: i64, bucket: Bucket, head: Cursor) -> Result<Manifest, ApiError> {
    if let Some(manifest) = app.db.manifest(principal, now_ms, bucket)? {
        let records: u64 = manifest.packs.iter().map(|pack| u64::from(pack.records)).sum();
        let changed = head.log_seq.saturating_sub(manifest.as_of.log_seq);
        if changed <= FEW.max(records / 10) {
            return Ok(manifest);
        }
    }
    let mut packs = Vec::new();
    let as_of = app.db.bucket_records(principal, now_ms, bucket, app.limits.pack_records, &mut |records| {
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let bytes = wire::pack(&Pack { bucket, records });
        packs.push(NewPack { hash: BlobHash(*blake3::hash(&bytes).as_bytes()), bytes, records: count });
        Ok(())
    })?;
    let manifest = Manifest {
        as_of,
        packs: packs
            .iter()
            .map(|pack| PackRef {
                hash: pack.hash,
                size: u32::try_from(pack.bytes.len()).unwrap_or(u32::MAX),
                records: pack.records,
            })
            .collect(),
    };
    app.db.put_manifest(now_ms, bucket, as_of, packs)?;
    Ok(manifest)
}
