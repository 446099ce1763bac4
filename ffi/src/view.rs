//! What comes out.

use gridpass_core::catalog::Text;
use gridpass_phone as phone;

use crate::error::ProblemView;
use crate::input::FieldValue;

/// What an app has to ask for before it can open the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum LockState {
    /// An enrolment code.
    NotEnrolled,
    /// The PIN.
    PinWanted,
    /// Nothing.
    Ready,
}

impl From<phone::LockState> for LockState {
    fn from(state: phone::LockState) -> Self {
        match state {
            phone::LockState::NotEnrolled => Self::NotEnrolled,
            phone::LockState::PinWanted => Self::PinWanted,
            phone::LockState::Ready => Self::Ready,
        }
    }
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
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

impl From<phone::RecordState> for RecordState {
    fn from(state: phone::RecordState) -> Self {
        match state {
            phone::RecordState::OnPhone => Self::OnPhone,
            phone::RecordState::OnServer => Self::OnServer,
            phone::RecordState::Reviewed => Self::Reviewed,
            phone::RecordState::Returned => Self::Returned,
            phone::RecordState::NeedsYou => Self::NeedsYou,
        }
    }
}

/// A record as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RowView {
    /// The record.
    pub record: String,
    /// Its collection.
    pub collection: String,
    /// What it is called.
    pub title: String,
    /// The same, short.
    pub short: String,
    /// The record it hangs on.
    pub parent: Option<String>,
    /// Whether it has ended.
    pub ended: bool,
    /// At how many keys different values stand.
    pub conflicts: u32,
    /// Where it stands.
    pub state: RecordState,
}

impl From<phone::RowView> for RowView {
    fn from(row: phone::RowView) -> Self {
        Self {
            record: row.record.to_string(),
            collection: row.collection,
            title: row.title,
            short: row.short,
            parent: row.parent.map(|parent| parent.to_string()),
            ended: row.ended,
            conflicts: row.conflicts,
            state: row.state.into(),
        }
    }
}

/// One page of a list, as it stood at one moment.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ListView {
    /// The rows, in order of their titles.
    pub rows: Vec<RowView>,
    /// Where the next page goes on; none on the last.
    pub next: Option<String>,
    /// How many there are without `values` and pages.
    pub total: u32,
}

impl From<phone::ListView> for ListView {
    fn from(list: phone::ListView) -> Self {
        Self {
            rows: list.rows.into_iter().map(Into::into).collect(),
            next: list.next.map(|next| next.to_string()),
            total: list.total,
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct TextView {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<Text> for TextView {
    fn from(text: Text) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

/// A value that stands at a key beside others.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OtherValueView {
    /// The value.
    pub value: FieldValue,
    /// When it was written, by the corrected clock; none for what is only on this phone.
    pub time_ms: Option<i64>,
}

impl From<phone::OtherValue> for OtherValueView {
    fn from(other: phone::OtherValue) -> Self {
        Self { value: other.value.into(), time_ms: other.time_ms }
    }
}

/// One key of a record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FieldView {
    /// The key.
    pub key: String,
    /// What is written beside it; none for keys the catalog does not know.
    pub label: Option<TextView>,
    /// The shown value.
    pub value: FieldValue,
    /// Every value that stands, the shown one first, when they differ; else empty.
    pub values: Vec<OtherValueView>,
    /// Whether a change of it is only on this phone.
    pub pending: bool,
}

impl From<phone::FieldView> for FieldView {
    fn from(field: phone::FieldView) -> Self {
        Self {
            key: field.key,
            label: field.label.map(Into::into),
            value: field.value.into(),
            values: field.values.into_iter().map(Into::into).collect(),
            pending: field.pending,
        }
    }
}

/// One link between two records.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LinkView {
    /// The key of the record that names the other.
    pub key: String,
    /// The other record.
    pub record: String,
    /// What it is called; none when it is not on this phone ("other grid").
    pub title: Option<String>,
    /// Its collection, if it is on this phone.
    pub collection: Option<String>,
}

impl From<phone::LinkView> for LinkView {
    fn from(link: phone::LinkView) -> Self {
        Self { key: link.key, record: link.record.to_string(), title: link.title, collection: link.collection }
    }
}

/// A record with everything a screen shows of it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RecordView {
    /// Its row.
    pub row: RowView,
    /// Its keys in order.
    pub fields: Vec<FieldView>,
    /// The records it names.
    pub links: Vec<LinkView>,
    /// The records that name it.
    pub linked_from: Vec<LinkView>,
}

impl From<phone::RecordView> for RecordView {
    fn from(record: phone::RecordView) -> Self {
        Self {
            row: record.row.into(),
            fields: record.fields.into_iter().map(Into::into).collect(),
            links: record.links.into_iter().map(Into::into).collect(),
            linked_from: record.linked_from.into_iter().map(Into::into).collect(),
        }
    }
}

/// What came of a save.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SavedView {
    /// The record.
    pub record: String,
    /// The intent; none when nothing was different and nothing was written.
    pub intent: Option<String>,
    /// What the rules have to say and what did not stop the save.
    pub warnings: Vec<ProblemView>,
}

impl From<phone::Saved> for SavedView {
    fn from(saved: phone::Saved) -> Self {
        Self {
            record: saved.record.to_string(),
            intent: saved.intent.map(|intent| intent.to_string()),
            warnings: saved.warnings.into_iter().map(Into::into).collect(),
        }
    }
}

/// Why work waits for its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum InboxWhy {
    /// The server refused it; it keeps a copy that a supervisor may approve.
    Rejected,
    /// It needs a decision: it would overwrite what its author never saw, or it could not be sent.
    NeedsYou,
}

impl From<phone::InboxWhy> for InboxWhy {
    fn from(why: phone::InboxWhy) -> Self {
        match why {
            phone::InboxWhy::Rejected => Self::Rejected,
            phone::InboxWhy::NeedsYou => Self::NeedsYou,
        }
    }
}

/// One field of work that waits for its author.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct InboxEditView {
    /// The key.
    pub key: String,
    /// The value the field was shown with.
    pub seen: FieldValue,
    /// The value that was saved.
    pub value: FieldValue,
    /// The value that is shown now.
    pub now: FieldValue,
    /// The other values that stand there now.
    pub beside: Vec<FieldValue>,
}

/// One piece of work that waits for its author.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct InboxItemView {
    /// Its name.
    pub item: String,
    /// The record.
    pub record: String,
    /// Its collection.
    pub collection: String,
    /// What the record is called, if it is on the phone.
    pub title: String,
    /// Why it waits.
    pub why: InboxWhy,
    /// The reason, with the field it is about.
    pub reason: ProblemView,
    /// What was changed.
    pub edits: Vec<InboxEditView>,
    /// When it was made, by the phone's clock.
    pub at_ms: i64,
}

impl From<phone::InboxItem> for InboxItemView {
    fn from(item: phone::InboxItem) -> Self {
        let edits = item.edits.into_iter().zip(item.now).map(|(edit, now)| InboxEditView {
            key: edit.key,
            seen: edit.seen.into(),
            value: edit.new.into(),
            now: now.value().clone().into(),
            beside: now.all().into_iter().skip(1).cloned().map(Into::into).collect(),
        });
        Self {
            item: item.id.to_string(),
            record: item.record.to_string(),
            collection: item.collection,
            title: item.title,
            why: item.why.into(),
            reason: ProblemView { key: item.reason.field, code: item.reason.code, text: item.text.into() },
            edits: edits.collect(),
            at_ms: item.at_ms,
        }
    }
}

/// The server's word for one change of a record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ReceiptView {
    /// The change: 64 hexadecimal digits.
    pub change: String,
    /// The save it came from.
    pub intent: Option<String>,
    /// When the server stored it.
    pub time_ms: i64,
    /// Whether the server's signature was checked and is right.
    pub valid: bool,
}

impl From<phone::ReceiptView> for ReceiptView {
    fn from(receipt: phone::ReceiptView) -> Self {
        Self {
            change: receipt.change.to_string(),
            intent: receipt.intent.map(|intent| intent.to_string()),
            time_ms: receipt.time_ms,
            valid: receipt.valid,
        }
    }
}

/// The state of the phone.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct StateView {
    /// The enrolment.
    pub device: String,
    /// The user.
    pub user: String,
    /// The user's name.
    pub user_name: String,
    /// The district's name.
    pub district: String,
    /// The version of the catalog in use.
    pub catalog_version: u32,
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
    /// When the last sync ended, by the phone's clock.
    pub synced_ms: Option<i64>,
    /// How far the phone's clock is before the server's, in milliseconds.
    pub ahead_ms: Option<i64>,
}

impl From<phone::PhoneState> for StateView {
    fn from(state: phone::PhoneState) -> Self {
        Self {
            device: state.device.to_string(),
            user: state.user.to_string(),
            user_name: state.user_name,
            district: state.district,
            catalog_version: state.catalog_version,
            unsent: state.unsent,
            accepted: state.accepted,
            inbox: state.inbox,
            drafts: state.drafts,
            update_app: state.update_app,
            synced_ms: state.synced_ms,
            ahead_ms: state.ahead_ms,
        }
    }
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SyncView {
    /// Whether all was sent and all was fetched; otherwise the next sync goes on.
    pub complete: bool,
    /// How many changes wait on this phone.
    pub unsent: u32,
    /// When the app should sync again if nobody asks before, in milliseconds.
    pub next_sync_after_ms: u32,
}

impl From<phone::SyncReport> for SyncView {
    fn from(report: phone::SyncReport) -> Self {
        Self { complete: report.complete, unsent: report.unsent, next_sync_after_ms: report.next_sync_after_ms }
    }
}
