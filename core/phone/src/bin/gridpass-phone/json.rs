//! The facade's views as JSON.

use gridpass_core::Value;
use gridpass_core::catalog::{Catalog, Text};
use gridpass_phone::{
    ApiError, Attached, BuildingView, Draft, DueView, FieldView, FileState, FileView, InboxItem, LinkView, LockState,
    MarkView, PhoneState, Problem, ReceiptView, RecordState, RecordView, ResidentView, RowView, Saved,
};
use serde_json::{Value as Json, json};

pub fn row(row: &RowView) -> Json {
    let state = match row.state {
        RecordState::OnPhone => "on_phone",
        RecordState::OnServer => "on_server",
        RecordState::Reviewed => "reviewed",
        RecordState::Returned => "returned",
        RecordState::NeedsYou => "needs_you",
    };
    json!({
        "record": row.record.to_string(),
        "collection": row.collection,
        "title": row.title,
        "parent": row.parent.map(|parent| parent.to_string()),
        "ended": row.ended,
        "conflicts": row.conflicts,
        "state": state,
    })
}

pub fn due(due: &DueView) -> Json {
    json!({
        "record": due.record.to_string(),
        "title": due.title,
        "day": due.day,
        "reason": due.reason,
        "overdue": due.overdue,
        "last_met_ms": due.last_met_ms,
    })
}

pub fn lock(state: LockState) -> &'static str {
    match state {
        LockState::NotEnrolled => "not_enrolled",
        LockState::PinWanted => "pin_wanted",
        LockState::Ready => "ready",
    }
}

pub fn record(view: &RecordView) -> Json {
    let fields: serde_json::Map<String, Json> = view
        .fields
        .iter()
        .map(|field| {
            let shown = match field.values.as_slice() {
                [] => value(&field.value),
                several => json!({ "conflict": several.iter().map(|other| value(&other.value)).collect::<Json>() }),
            };
            (field.key.clone(), shown)
        })
        .collect();
    let mut answer = row(&view.row);
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("fields".into(), fields.into());
        answer.insert("links".into(), view.links.iter().map(link).collect());
        answer.insert("linked_from".into(), view.linked_from.iter().map(link).collect());
        answer.insert("files".into(), view.files.iter().map(file).collect());
        let of_field = |field: &FieldView| Some((field.key.clone(), mark(field.mark.as_ref()?)));
        let marks: serde_json::Map<String, Json> = view.fields.iter().filter_map(of_field).collect();
        answer.insert("marks".into(), marks.into());
        answer.insert("mark".into(), view.mark.as_ref().map(mark).into());
    }
    answer
}

fn mark(mark: &MarkView) -> Json {
    json!({
        "decision": mark.decision,
        "reason": mark.reason,
        "due": mark.due.map(|due| due.to_string()),
        "at_ms": mark.at_ms,
        "changed_since": mark.changed_since,
    })
}

fn file(file: &FileView) -> Json {
    let (state, sent, code) = match &file.state {
        FileState::Waiting { sent } => ("waiting", Some(*sent), None),
        FileState::Stored => ("stored", None, None),
        FileState::Elsewhere => ("elsewhere", None, None),
        FileState::TakenBack => ("taken_back", None, None),
        FileState::NeedsAttention { code } => ("needs_attention", None, Some(code)),
    };
    let text = code.and_then(|code| Catalog::built_in().text(code).cloned());
    json!({
        "key": file.key,
        "hash": file.hash.to_string(),
        "size": file.size,
        "type": file.media_type,
        "purpose": file.purpose,
        "taken_at_ms": file.taken_at_ms,
        "thumb": file.thumb.map(|thumb| thumb.to_string()),
        "state": state,
        "sent": sent,
        "code": code,
        "zh": text.as_ref().map(|text| &text.zh),
        "en": text.as_ref().map(|text| &text.en),
    })
}

pub fn attached(attached: &Attached) -> Json {
    json!({
        "record": attached.record.to_string(),
        "key": attached.key,
        "hash": attached.hash.to_string(),
        "size": attached.size,
        "intent": attached.intent.map(|intent| intent.to_string()),
        "warnings": attached.warnings.iter().map(problem).collect::<Json>(),
    })
}

pub fn building(view: &BuildingView) -> Json {
    let places = view.places.iter().map(|place| {
        let houses = place.houses.iter().map(|house| {
            let households = house.households.iter().map(|household| {
                json!({
                    "record": household.row.record.to_string(),
                    "title": household.row.title,
                    "kind": text(&household.kind),
                    "people": household.people.iter().map(resident).collect::<Json>(),
                })
            });
            json!({
                "record": house.row.record.to_string(),
                "nature": text(&house.nature),
                "households": households.collect::<Json>(),
                "people": house.people.iter().map(resident).collect::<Json>(),
            })
        });
        let facilities = place.facilities.iter().map(|facility| {
            json!({
                "record": facility.row.record.to_string(),
                "title": facility.row.title,
                "kind": text(&facility.kind),
            })
        });
        let organisations =
            place.organisations.iter().map(|row| json!({ "record": row.record.to_string(), "title": row.title }));
        json!({
            "record": place.row.record.to_string(),
            "level": place.level,
            "label": place.label,
            "depth": place.depth,
            "houses": houses.collect::<Json>(),
            "facilities": facilities.collect::<Json>(),
            "organisations": organisations.collect::<Json>(),
        })
    });
    let counts = &view.counts;
    json!({
        "places": places.collect::<Json>(),
        "counts": {
            "buildings": counts.buildings,
            "units": counts.units,
            "rooms": counts.rooms,
            "houses": counts.houses,
            "households": counts.households,
            "people": counts.people,
            "facilities": counts.facilities,
            "organisations": counts.organisations,
        },
    })
}

fn resident(resident: &ResidentView) -> Json {
    json!({
        "person": resident.person.to_string(),
        "name": resident.name,
        "head": resident.head,
        "relation": resident.relation,
        "relation_text": text(&resident.relation_text),
        "role": text(&resident.role),
        "main": resident.main,
    })
}

fn text(text: &Text) -> Json {
    json!({ "zh": text.zh, "en": text.en })
}

fn link(link: &LinkView) -> Json {
    json!({
        "key": link.key,
        "record": link.record.to_string(),
        "collection": link.collection,
        "title": link.title,
    })
}

pub fn saved(saved: &Saved) -> Json {
    json!({
        "record": saved.record.to_string(),
        "intent": saved.intent.map(|intent| intent.to_string()),
        "warnings": saved.warnings.iter().map(problem).collect::<Json>(),
    })
}

pub fn inbox_item(item: &InboxItem) -> Json {
    json!({
        "item": item.id.to_string(),
        "record": item.record.to_string(),
        "collection": item.collection,
        "title": item.title,
        "why": format!("{:?}", item.why),
        "code": item.reason.code,
        "text": text(&item.text),
        "field": item.reason.field,
        "edits": item.edits.iter().zip(&item.now).map(|(edit, now)| json!({
            "key": edit.key,
            "seen": value(&edit.seen),
            "new": value(&edit.new),
            "now": now.all().into_iter().map(value).collect::<Vec<_>>(),
        })).collect::<Json>(),
    })
}

pub fn draft(draft: &Draft) -> Json {
    json!({
        "draft": draft.id.to_string(),
        "collection": draft.collection,
        "record": draft.record.map(|record| record.to_string()),
        "catalog_version": draft.catalog_version,
        "fields": draft.edits.iter().map(|edit| (edit.key.clone(), value(&edit.new))).collect::<serde_json::Map<_, _>>(),
    })
}

pub fn receipt(receipt: &ReceiptView) -> Json {
    json!({
        "change": receipt.change.to_string(),
        "intent": receipt.intent.map(|intent| intent.to_string()),
        "stored_ms": receipt.time_ms,
        "log_seq": receipt.log_seq,
        "valid": receipt.valid,
    })
}

pub fn state(state: &PhoneState) -> Json {
    json!({
        "device": state.device.to_string(),
        "user": state.user.to_string(),
        "user_name": state.user_name,
        "district": state.district,
        "catalog_version": state.catalog_version,
        "unsent": state.unsent,
        "accepted": state.accepted,
        "inbox": state.inbox,
        "drafts": state.drafts,
        "outbox": state.outbox,
        "unsent_files": state.unsent_files,
        "unsent_file_bytes": state.unsent_file_bytes,
        "unsearchable": state.unsearchable,
        "synced_ms": state.synced_ms,
        "buckets": state.buckets.iter().map(|bucket| json!({
            "bucket": bucket.bucket.to_string(),
            "state": bucket.state,
            "epoch": format!("{:016x}", bucket.cursor.epoch),
            "log_seq": bucket.cursor.log_seq,
            "checksum": format!("{:016x}", bucket.checksum),
            "records": bucket.records,
            "pending": bucket.pending,
        })).collect::<Json>(),
    })
}

pub fn error(error: &ApiError) -> Json {
    let problems = match error {
        ApiError::Input { problems } => problems.iter().map(problem).collect(),
        _ => Json::Null,
    };
    json!({ "error": error.to_string(), "text": text(&error.text()), "problems": problems })
}

fn problem(problem: &Problem) -> Json {
    json!({ "key": problem.key, "code": problem.code, "zh": problem.text.zh, "en": problem.text.en })
}

fn value(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
