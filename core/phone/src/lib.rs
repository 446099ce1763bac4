//! Everything a phone adds to the GridPass core: an encrypted store, the outbox, the way to the server, and the facade
//! that an app holds.
//!
//! | to | use |
//! |---|---|
//! | enrol, open, lock | [`Phone::enroll`], [`Phone::open`], [`Phone::set_pin`] |
//! | read | [`Phone::show`], [`Phone::list`], [`Phone::search`], [`Phone::watch`], [`Phone::due`], [`Phone::building`] |
//! | write | [`Phone::form`], [`Phone::duplicates`], [`Phone::save`], [`Phone::put_draft`] |
//! | files | [`Phone::attach`], [`Phone::take_back`], [`Phone::files`], [`Phone::open_file`], [`Phone::fetch_file`] |
//! | sync | [`Phone::sync`] |
//! | settle what came back | [`Phone::inbox`], [`Phone::receipts`] |
//! | rescue | [`Phone::export`], [`Phone::reset`], [`Phone::check_storage`] |
//! | lend what the app has | [`host::Host`] |
//!
//! A save is durable when the call returns; everything but [`Phone::sync`] and [`Phone::fetch_file`]
//! works without a network.

#![forbid(unsafe_code)]

mod apply;
mod building;
mod due;
mod duplicate;
mod durable;
mod edit;
mod error;
mod files;
pub mod host;
pub mod host_system;
mod inbox;
mod merge;
mod open;
mod outbox;
mod phone;
mod project;
mod read;
mod rebuild;
mod rescue;
mod rights;
mod secrets;
mod storage_check;
mod store;
mod syncing;
pub mod transport;
mod verdicts;
mod watch;

pub use building::{BuildingCounts, BuildingView, FacilityView, HouseView, HouseholdView, PlaceView, ResidentView};
pub use due::DueView;
pub use edit::{SaveInput, Saved};
pub use error::{ApiError, Problem};
pub use files::{AttachInput, Attached, Content, FileState, FileView, OpenFile};
pub use host::Host;
pub use inbox::{InboxItem, InboxWhy};
pub use open::{EnrolInput, LockState};
pub use outbox::{
    Entry as OutboxEntry, FileKey, Header as OutboxHeader, OutboxError, Save as OutboxSave, UnsentFile as OutboxFile,
    read_as_server,
};
pub use phone::Phone;
pub use read::{
    BucketView, FieldView, FormView, LinkView, ListQuery, ListView, MarkView, OtherValue, PhoneState, ReceiptCheck,
    ReceiptView, RecordState, RecordView, RowView,
};
pub use rescue::Exported;
pub use store::draft::Draft;
pub use syncing::SyncReport;
pub use watch::{Snapshot, Watch};
