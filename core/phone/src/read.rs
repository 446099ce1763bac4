//! What screens ask for: records, forms, lists, search, receipts, the state of the phone.

use gridpass_core::bucket::Bucket;
use gridpass_core::catalog::{Catalog, Policy, Text};
use gridpass_core::codes::Date;
use gridpass_core::id::{ChangeHash, DeviceId, IntentId, RecordId, UserId};
use gridpass_core::record::mark::{Decision, MARK, Mark, digest_of};
use gridpass_core::record::{Shown, ShownValues, plain};
use gridpass_core::seal;
use gridpass_core::value::Value;
use gridpass_core::wire::{self, Author, Cursor, Grant, ReceiptFile};
use rusqlite::Connection;

use crate::error::ApiError;
use crate::files::{FileView, file_views};
use crate::merge::{self, load, policy};
use crate::phone::Phone;
use crate::project;
use crate::rights::Rights;
use crate::store::bucket::{self, BucketState};
use crate::store::pending::{self, PendingState};
use crate::store::view::{self, APPROVED, RETURNED, Select, ViewRow};
use crate::store::{self, draft, files, locked, meta, quarantine, receipt};
use crate::syncing::unsent;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// Something of it is only on this phone.
    OnPhone,
    /// All of it is stored on the server.
    OnServer,
    /// A supervisor approved it.
    Reviewed,
    /// A supervisor returned it.
    Returned,
    /// Something of it waits for its author.
    NeedsYou,
}

/// A record as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowView {
    /// The record.
    pub record: RecordId,
    /// Its collection.
    pub collection: String,
    /// What it is called.
    pub title: String,
    /// The same, short.
    pub short: String,
    /// The record it hangs on.
    pub parent: Option<RecordId>,
    /// Whether it has ended.
    pub ended: bool,
    /// At how many keys different values stand.
    pub conflicts: u32,
    /// Where it stands.
    pub state: RecordState,
}

/// Which records a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Only of this collection.
    pub collection: Option<String>,
    /// Only those that hang on this record.
    pub parent: Option<RecordId>,
    /// Only those that have ended, or only those that have not.
    pub ended: Option<bool>,
    /// Only those whose keys show these values.
    pub values: Vec<(String, Value)>,
    /// Goes on after this record of the last page.
    pub after: Option<RecordId>,
    /// At most so many; 0 is 100.
    pub limit: u32,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListView {
    /// The rows, in order of their titles.
    pub rows: Vec<RowView>,
    /// Where the next page goes on; none on the last.
    pub next: Option<RecordId>,
    /// How many there are without `values` and pages.
    pub total: u32,
}

/// A value that stands beside the shown one, with who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherValue {
    /// The value.
    pub value: Value,
    /// The change that wrote it.
    pub change: ChangeHash,
    /// Who wrote it; none for what is only on this phone.
    pub author: Option<Author>,
    /// When, by the corrected clock, in milliseconds since 1970.
    pub time_ms: Option<i64>,
}

/// One key of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldView {
    /// The key.
    pub key: String,
    /// What is written beside it; none for keys the catalog does not know.
    pub label: Option<Text>,
    /// The shown value.
    pub value: Value,
    /// Every value that stands, the shown one first, when they differ; else empty.
    pub values: Vec<OtherValue>,
    /// How concurrent values are settled; none for keys that no device writes.
    pub policy: Option<Policy>,
    /// Whether a change of it is only on this phone.
    pub pending: bool,
    /// What a supervisor said of it.
    pub mark: Option<MarkView>,
}

/// What a supervisor said of a field or of the whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkView {
    /// Whether it is right, or to be looked at again.
    pub decision: Decision,
    /// Why, in the supervisor's words.
    pub reason: String,
    /// Until when it is to be looked at again.
    pub due: Option<Date>,
    /// When it was said, in milliseconds since 1970.
    pub at_ms: i64,
    /// Whether it was edited since.
    pub changed_since: bool,
}

/// One link between two records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The key of the record that names the other.
    pub key: String,
    /// The other record.
    pub record: RecordId,
    /// What it is called; none when it is not on this phone ("other grid").
    pub title: Option<String>,
    /// Its collection, if it is on this phone.
    pub collection: Option<String>,
}

/// A record with everything a screen shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// Its row.
    pub row: RowView,
    /// Its keys in order.
    pub fields: Vec<FieldView>,
    /// The records it names.
    pub links: Vec<LinkView>,
    /// The records that name it.
    pub linked_from: Vec<LinkView>,
    /// The files it names.
    pub files: Vec<FileView>,
    /// What a supervisor said of it as a whole.
    pub mark: Option<MarkView>,
}

/// A form: the fields of a collection with what is shown in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormView {
    /// The record; none for a new one.
    pub record: Option<RecordId>,
    /// The collection.
    pub collection: String,
    /// The version of the catalog the form is made from.
    pub catalog_version: u32,
    /// The fields a device writes, in the order of the form; of fields with several keys those that are there.
    pub fields: Vec<FieldView>,
}

/// The server's word for one change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptView {
    /// The change.
    pub change: ChangeHash,
    /// The save it came from.
    pub intent: Option<IntentId>,
    /// When the server stored it, in milliseconds since 1970.
    pub time_ms: i64,
    /// The row of the home bucket's log.
    pub log_seq: u64,
    /// Whether the server's signature was checked and is right.
    pub valid: bool,
}

/// What checking all receipts found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiptCheck {
    /// Receipts with a right signature.
    pub valid: u32,
    /// Receipts without.
    pub invalid: u32,
}

/// How the phone stands with one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketView {
    /// The bucket.
    pub bucket: Bucket,
    /// `loading`, `open`, `closing` or `stopped`.
    pub state: String,
    /// How far the phone has come.
    pub cursor: Cursor,
    /// The phone's own checksum.
    pub checksum: u64,
    /// How many records it holds.
    pub records: u32,
    /// How many changes wait in it.
    pub pending: u32,
    /// How many packs are missing.
    pub missing_packs: u32,
}

/// The state of the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneState {
    /// The enrolment.
    pub device: DeviceId,
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub user_name: String,
    /// The district's name.
    pub district: String,
    /// The assignments the server named last.
    pub grants: Vec<Grant>,
    /// The version of the catalog in use.
    pub catalog_version: u32,
    /// The buckets.
    pub buckets: Vec<BucketView>,
    /// Changes that are not stored on the server.
    pub unsent: u32,
    /// Changes that are stored and have not come back.
    pub accepted: u32,
    /// Work that waits for its author.
    pub inbox: u32,
    /// Forms that are being filled in.
    pub drafts: u32,
    /// Changes whose verdict this app does not know: it has to be updated.
    pub update_app: bool,
    /// Records that a search does not find yet: the sync that brought them is making them searchable.
    pub unsearchable: u32,
    /// When the last sync ended, by the phone's clock, in milliseconds since 1970.
    pub synced_ms: Option<i64>,
    /// How far the phone's clock is before the server's, in milliseconds.
    pub ahead_ms: Option<i64>,
    /// How many entries the outbox holds.
    pub outbox: u32,
    /// Files that are not stored on the server.
    pub unsent_files: u32,
    /// How many bytes they hold.
    pub unsent_file_bytes: u64,
}

impl Phone {
    /// A record with its fields and links.
    pub fn show(&self, record: RecordId) -> Result<RecordView, ApiError> {
        let catalog = self.inner.catalog();
        let view = self.inner.store.read(|db| {
            let Some(row) = view::get(db, record)? else { return Ok(None) };
            let Some(loaded) = load(db, record)? else { return Ok(None) };
            let row = row_view(db, row)?;
            let fields = loaded.screen.keys().map(|key| field_view(&catalog, &loaded, key)).collect();
            Ok(Some(RecordView {
                row,
                fields,
                links: link_views(db, view::links_from(db, record)?)?,
                linked_from: link_views(db, view::links_to(db, record)?)?,
                files: file_views(db, &catalog, &loaded.collection, &loaded.screen)?,
                mark: mark_view(&loaded, ""),
            }))
        })?;
        view.ok_or(ApiError::NotFound)
    }

    /// The form of a record.
    pub fn form(&self, record: RecordId) -> Result<FormView, ApiError> {
        let loaded = self.inner.store.read(|db| load(db, record))?.ok_or(ApiError::NotFound)?;
        self.form_of(Some(record), &loaded)
    }

    /// The form of a new record; refused where the user's roles let him make none.
    pub fn new_form(&self, collection: &str) -> Result<FormView, ApiError> {
        let catalog = self.inner.catalog();
        let form = catalog.collection(collection).ok_or(ApiError::Update)?;
        let enrolment = self.inner.enrolment();
        Rights::new(&catalog, &enrolment.grants, enrolment.user).home(form, None, None)?;
        self.form_of(None, &merge::new_record(RecordId::default(), collection))
    }

    fn form_of(&self, record: Option<RecordId>, loaded: &merge::Loaded) -> Result<FormView, ApiError> {
        let catalog = self.inner.catalog();
        let form = catalog.collection(&loaded.collection).ok_or(ApiError::Update)?;
        let mut fields = Vec::new();
        for field in form.fields.iter().filter(|field| !matches!(field.policy, Policy::Computed | Policy::Server)) {
            if field.field_type.is_scalar() {
                let mut shown = field_view(&catalog, loaded, &field.key);
                if record.is_none() {
                    shown.value = field.default.clone().unwrap_or_default();
                }
                fields.push(shown);
            } else {
                let prefix = format!("{}/", field.key);
                let keys = loaded.screen.keys().filter(|key| key.starts_with(&prefix));
                fields.extend(keys.map(|key| field_view(&catalog, loaded, key)));
            }
        }
        let collection = loaded.collection.clone();
        Ok(FormView { record, collection, catalog_version: catalog.version, fields })
    }

    /// The shown value of every key of a record.
    pub fn values(&self, record: RecordId) -> Result<ShownValues, ApiError> {
        self.inner.shown(record)
    }

    /// One page of a list.
    pub fn list(&self, query: ListQuery) -> Result<ListView, ApiError> {
        Ok(self.inner.store.read(|db| list(db, &query))?)
    }

    /// The records that hang on a record.
    pub fn children(&self, record: RecordId, collection: Option<String>) -> Result<Vec<RowView>, ApiError> {
        let query = ListQuery { parent: Some(record), collection, limit: u32::MAX, ..ListQuery::default() };
        Ok(self.list(query)?.rows)
    }

    /// Records found by what was typed: characters, beginnings of words, tails of numbers. At most `limit`; 0 is 50.
    pub fn search(&self, typed: &str, collection: Option<&str>, limit: u32) -> Result<Vec<RowView>, ApiError> {
        let Some(expression) = project::search_expression(typed) else { return Ok(Vec::new()) };
        let limit = if limit == 0 { 50 } else { limit };
        Ok(self.inner.store.read(|db| {
            let rows = view::search(db, &expression, collection, limit)?;
            rows.into_iter().map(|row| row_view(db, row)).collect()
        })?)
    }

    /// The receipts of a record, each with its signature checked.
    pub fn receipts(&self, record: RecordId) -> Result<Vec<ReceiptView>, ApiError> {
        let keys = self.inner.enrolment().keys;
        Ok(self.inner.store.read(|db| {
            let mut views = Vec::new();
            for receipt::Signed { hash, intent, sheet, position } in receipt::of_record(db, record)? {
                if let Some(receipt) = sheet.receipts.get(position) {
                    let said = receipt.record == record && receipt.hash == hash;
                    views.push(ReceiptView {
                        change: hash,
                        intent,
                        time_ms: receipt.time_ms,
                        log_seq: receipt.log_seq,
                        valid: said && seal::verify_receipts(&keys, &sheet).is_ok(),
                    });
                }
            }
            Ok(views)
        })?)
    }

    /// Checks the server's signature under every receipt on the phone; needs no network.
    pub fn verify_receipts(&self) -> Result<ReceiptCheck, ApiError> {
        let keys = self.inner.enrolment().keys;
        Ok(self.inner.store.read(|db| {
            let mut check = ReceiptCheck::default();
            receipt::sheets(db, |sheet| {
                let count = u32::try_from(sheet.receipts.len()).unwrap_or(u32::MAX);
                match seal::verify_receipts(&keys, &sheet) {
                    Ok(()) => check.valid += count,
                    Err(_) => check.invalid += count,
                }
            })?;
            Ok(check)
        })?)
    }

    /// All receipts of the phone as a file for `gridpass-server verify --receipts`. It holds ids and hashes, nothing of
    /// what was typed.
    pub fn receipt_file(&self) -> Result<Vec<u8>, ApiError> {
        let device = self.inner.enrolment().device;
        Ok(self.inner.store.read(|db| {
            let mut sheets = Vec::new();
            receipt::sheets(db, |sheet| sheets.push(sheet))?;
            Ok(wire::pack(&ReceiptFile { device, sheets, saves: receipt::saves(db)? }))
        })?)
    }

    /// The state of the phone.
    pub fn state(&self) -> Result<PhoneState, ApiError> {
        let enrolment = self.inner.enrolment();
        let catalog_version = self.inner.catalog().version;
        let outbox = u32::try_from(locked(&self.inner.outbox).len()).unwrap_or(u32::MAX);
        Ok(self.inner.store.read(|db| {
            let mut buckets = Vec::new();
            for held in bucket::all(db)? {
                let (checksum, records) = bucket::sum(db, &held.bucket)?;
                buckets.push(BucketView {
                    bucket: held.bucket,
                    state: state_word(held.state).to_owned(),
                    cursor: held.cursor,
                    checksum,
                    records,
                    pending: pending::count_in(db, &held.bucket)?,
                    missing_packs: bucket::missing_packs(db, &held.bucket)?,
                });
            }
            let (unsent_files, unsent_file_bytes) = files::unsent(db)?;
            Ok(PhoneState {
                device: enrolment.device,
                user: enrolment.user,
                user_name: enrolment.user_name.clone(),
                district: enrolment.district.clone(),
                grants: enrolment.grants.clone(),
                catalog_version,
                buckets,
                unsent: unsent(db)?,
                accepted: pending::count(db, PendingState::Accepted)?,
                inbox: u32::try_from(quarantine::all(db)?.len()).unwrap_or(u32::MAX),
                drafts: u32::try_from(draft::all(db)?.len()).unwrap_or(u32::MAX),
                update_app: pending::count(db, PendingState::Unknown)? > 0,
                unsearchable: match meta::get(db, meta::SEARCHABLE_TO)? {
                    Some(number) => view::count_after(db, number)?,
                    None => 0,
                },
                synced_ms: meta::get(db, meta::SYNCED_MS)?,
                ahead_ms: meta::get(db, meta::AHEAD_MS)?,
                outbox,
                unsent_files,
                unsent_file_bytes,
            })
        })?)
    }
}

fn state_word(state: BucketState) -> &'static str {
    match state {
        BucketState::Loading => "loading",
        BucketState::Open => "open",
        BucketState::Closing => "closing",
        BucketState::Stopped => "stopped",
    }
}

fn list(db: &Connection, query: &ListQuery) -> store::Result<ListView> {
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let after = match query.after {
        Some(after) => view::get(db, after)?.map(|row| (row.sort, row.record)),
        None => None,
    };
    let mut select = Select {
        collection: query.collection.clone(),
        parent: query.parent,
        ended: query.ended,
        after,
        limit: limit.max(100),
    };
    let total = view::count(db, &select)?;
    let mut rows = Vec::new();
    let mut next = None;
    'pages: loop {
        let page = view::select(db, &select)?;
        let full = page.len() >= usize::try_from(select.limit).unwrap_or(usize::MAX);
        for row in page {
            if rows.len() >= wanted {
                next = rows.last().map(|row: &RowView| row.record);
                break 'pages;
            }
            select.after = Some((row.sort.clone(), row.record));
            if shows(db, row.record, &query.values)? {
                rows.push(row_view(db, row)?);
            }
        }
        if !full {
            break;
        }
    }
    Ok(ListView { rows, next, total })
}

fn shows(db: &Connection, record: RecordId, values: &[(String, Value)]) -> store::Result<bool> {
    if values.is_empty() {
        return Ok(true);
    }
    let shown = merge::shown(db, record)?.unwrap_or_default();
    let is = |(key, value): &(String, Value)| match shown.get(key) {
        Some(standing) => standing.value() == value,
        None => value.is_null(),
    };
    Ok(values.iter().all(is))
}

pub(crate) fn row_view(db: &Connection, row: ViewRow) -> store::Result<RowView> {
    let state = if quarantine::has(db, row.record)? {
        RecordState::NeedsYou
    } else if pending::is_on_phone(db, row.record)? {
        RecordState::OnPhone
    } else {
        match row.review {
            APPROVED => RecordState::Reviewed,
            RETURNED => RecordState::Returned,
            _ => RecordState::OnServer,
        }
    };
    Ok(RowView {
        record: row.record,
        collection: row.collection,
        title: row.title,
        short: row.short,
        parent: row.parent,
        ended: row.ended,
        conflicts: row.conflicts,
        state,
    })
}

fn field_view(catalog: &Catalog, loaded: &merge::Loaded, key: &str) -> FieldView {
    let shown = loaded.screen.get(key);
    let values = match shown {
        Some(Shown::Several(values)) => values
            .iter()
            .map(|(value, change)| {
                let row = loaded.settled.iter().flat_map(|settled| &settled.changes).find(|row| row.hash == *change);
                let (author, time_ms) = (row.map(|row| row.author), row.map(|row| row.time_ms));
                OtherValue { value: value.clone(), change: *change, author, time_ms }
            })
            .collect(),
        _ => Vec::new(),
    };
    let form = catalog.collection(&loaded.collection).and_then(|form| form.key(key));
    let waits = |pending: &pending::Pending| {
        pending.state != PendingState::Accepted && pending.edits.iter().any(|edit| edit.key == key)
    };
    FieldView {
        key: key.to_owned(),
        label: form.and_then(|form| form.field).map(|field| field.label.clone()),
        value: shown.map_or(Value::Null, |shown| shown.value().clone()),
        values,
        policy: policy(catalog, &loaded.collection, key),
        pending: loaded.pending.iter().any(waits),
        mark: mark_view(loaded, key),
    }
}

/// What a supervisor said of a key; empty for the whole record.
fn mark_view(loaded: &merge::Loaded, key: &str) -> Option<MarkView> {
    let Mark { decision, reason, due, at_ms, digest, .. } =
        Mark::read(loaded.screen.get(&format!("{MARK}{key}"))?.value())?;
    let changed_since = digest != digest_of(key, &plain(&loaded.screen));
    Some(MarkView { decision, reason, due, at_ms, changed_since })
}

fn link_views(db: &Connection, links: Vec<(String, RecordId)>) -> store::Result<Vec<LinkView>> {
    let mut views = Vec::with_capacity(links.len());
    for (key, record) in links {
        let row = view::get(db, record)?;
        let (title, collection) = row.map_or((None, None), |row| (Some(row.title), Some(row.collection)));
        views.push(LinkView { key, record, title, collection });
    }
    Ok(views)
}
