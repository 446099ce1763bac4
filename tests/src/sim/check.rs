//! What is compared when everybody is quiet.

use std::collections::BTreeMap;

use gridpass_core::Value;
use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GridId, RecordId};
use gridpass_core::record::{Built, ShownValues};
use gridpass_core::wire::Role;
use gridpass_server::app::App;
use gridpass_server::audit::verify::{Beside, verify_signed};
use gridpass_server::db::Principal;

use super::handset::Handset;
use super::model::{End, Model, Plain};
use crate::world::Error;

/// A value in the model's words.
pub fn plain(value: &Value) -> Plain {
    match value {
        Value::Null => Plain::Nothing,
        Value::Bool(flag) => Plain::Flag(*flag),
        Value::Int(number) => Plain::Number(*number),
        Value::Str(text) => Plain::Text(text.clone()),
    }
}

/// The field and value that an edit is about: of a request to decide those it asks for; none of other requests.
pub fn about(key: &str, value: &Value) -> Option<(String, Plain)> {
    if !key.starts_with("t/") {
        return Some((key.to_owned(), plain(value)));
    }
    let request: serde_json::Value = serde_json::from_str(value.as_str()?).ok()?;
    let asked: Value = serde_json::from_value(request.get("value")?.clone()).ok()?;
    Some((request.get("key")?.as_str()?.to_owned(), plain(&asked)))
}

/// Compares server, phones and model; says what is wrong.
pub fn check(
    app: &App,
    grids: &[GridId],
    handsets: &[Handset],
    works_in: impl Fn(&Handset, GridId) -> bool,
    model: &Model,
) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    app.db.verify(&Principal::SERVER, app.now_ms(), &mut |fault| faults.push(format!("verify: {fault:?}")))?;
    verify_signed(app, &Beside::default(), &mut |fault| faults.push(format!("seals: {fault:?}")))?;
    let mut end = End::default();
    for grid in grids {
        for bucket in [Bucket::Place(*grid), Bucket::Base(*grid)] {
            let records = read_bucket(app, bucket, &mut end)?;
            for handset in handsets.iter().filter(|handset| works_in(handset, *grid)) {
                compare(app, bucket, &records, handset, &mut faults)?;
            }
        }
    }
    // Work may wait behind what the server refused, of whichever phone that was.
    let inboxes = handsets.iter().map(|handset| Ok(handset.phone()?.inbox()?.len()));
    let is_refused = inboxes.sum::<Result<usize, Error>>()? > 0;
    for handset in handsets {
        let (phone, number) = (handset.phone()?, handset.number);
        let state = phone.state()?;
        let is_lost = |bucket: &Bucket| bucket.grid().is_some_and(|grid| !works_in(handset, grid));
        for held in state.buckets.iter().filter(|held| is_lost(&held.bucket)) {
            let (class, pending, records) = (held.bucket.class(), held.pending, held.records);
            let how = format!("{class:?} {}, {pending} changes wait, {records} records", held.state);
            faults.push(format!("phone {number} holds a grid it lost: {how}"));
        }
        if phone.verify_receipts()?.invalid > 0 {
            faults.push(format!("phone {number} has a false receipt"));
        }
        for draft in &handset.drafts {
            if phone.draft(*draft).is_err() && !model.copied.contains(&number) {
                faults.push(format!("phone {number} lost a draft"));
            }
        }
        let inbox = phone.inbox()?;
        // What only a lost disk could bring to a restored server is missed for ever, and what was made on it waits for it.
        let is_missed = model.server_restored && model.edits.iter().any(|edit| edit.fate.is_of_a_lost_disk());
        if state.unsent > 0 && !is_refused && !is_missed {
            faults.push(format!("phone {number} keeps {} edits to itself", state.unsent));
        }
        for item in inbox {
            for edit in &item.edits {
                let about = about(&edit.key, &edit.new);
                end.waiting.extend(about.map(|(key, value)| (number, item.record.to_string(), key, value)));
            }
        }
        for edit in model.edits.iter().filter(|edit| edit.phone == number && state.unsent > 0) {
            let view = edit.record.parse::<RecordId>().ok().and_then(|record| phone.show(record).ok());
            if view.is_some_and(|view| view.fields.iter().any(|field| field.pending)) {
                end.behind.push((number, edit.record.clone(), edit.key.clone(), edit.value.clone()));
            }
        }
    }
    faults.extend(model.faults(&end));
    Ok(faults)
}

/// What the server holds in a bucket, written down for the model too.
fn read_bucket(app: &App, bucket: Bucket, end: &mut End) -> Result<BTreeMap<RecordId, ShownValues>, Error> {
    let mut touched = Vec::new();
    app.db.bucket_records(&Principal::SERVER, app.now_ms(), bucket, 1000, &mut |records| {
        touched.extend(records);
        Ok(())
    })?;
    for record in &touched {
        let name = record.record.to_string();
        if record.home != bucket {
            continue; // read here because something here names it; told of where it is at home
        }
        for (key, shown) in &record.values {
            end.standing.insert((name.clone(), key.clone()), shown.all().into_iter().map(plain).collect());
        }
        for change in record.changes.iter().filter(|change| change.author.role == Role::DEVICE) {
            for put in Built::from_trusted(&change.bytes)?.fields()?.puts {
                let Some((key, value)) = about(&put.key, &put.value) else { continue };
                let ruling = put.key.strip_prefix("t/").and_then(|id| record.values.get(&format!("s/v/{id}")));
                let void = ruling.is_some_and(|ruling| format!("{ruling:?}").contains("void"));
                if void {
                    // Without effect, kept as evidence.
                    end.waiting.push((usize::MAX, name.clone(), key, value));
                } else {
                    end.stored.entry((name.clone(), key)).or_default().push(value);
                }
            }
        }
    }
    Ok(touched.into_iter().map(|record| (record.record, record.values)).collect())
}

/// Whether a phone shows what the server holds in a bucket.
fn compare(
    app: &App,
    bucket: Bucket,
    records: &BTreeMap<RecordId, ShownValues>,
    handset: &Handset,
    faults: &mut Vec<String>,
) -> Result<(), Error> {
    let (phone, number) = (handset.phone()?, handset.number);
    let state = phone.state()?;
    let Some(held) = state.buckets.iter().find(|held| held.bucket == bucket) else {
        if records.is_empty() {
            return Ok(()); // a bucket begins with its first row
        }
        faults.push(format!("phone {number} does not hold {bucket}"));
        return Ok(());
    };
    let head = app.db.heads(&Principal::SERVER, app.now_ms(), &[bucket])?.get(&bucket).copied().unwrap_or(0);
    if (held.cursor.epoch, held.cursor.log_seq) != (app.db.epoch(), head) {
        faults.push(format!("phone {number} stands at {:?} of {bucket}, the server at {head}", held.cursor));
    }
    if held.records as usize != records.len() {
        faults.push(format!("phone {number} holds {} records of {bucket}, the server {}", held.records, records.len()));
    }
    if state.unsent > 0 {
        return Ok(()); // what waits behind refused work is shown over what is settled
    }
    for (record, values) in records {
        match phone.values(*record) {
            Ok(shown) if shown == *values => {}
            Ok(shown) => {
                let differs = values.iter().find(|(key, value)| shown.get(*key) != Some(value));
                faults.push(format!("phone {number} shows {record} otherwise than the server: {differs:?}"));
            }
            Err(error) => faults.push(format!("phone {number} does not show {record}: {error}")),
        }
    }
    Ok(())
}
