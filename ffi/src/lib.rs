//! The phone for Kotlin and Swift: maps the facade of [`gridpass_phone`] and decides nothing.
//!
//! Records that come out end in `View`, records that go in end in `Input`. Identifiers are 32 lower-case hexadecimal
//! digits, times are milliseconds since 1970. Every call that can fail says so by [`PhoneError`].
//!
//! [`Phone::enrol`], [`Phone::sync`] and [`LiveList::next`] wait for something: their work runs on a runtime of its own
//! and ends when the waiting call is given up or stopped. Everything else returns soon and reads or writes files, so an
//! app calls it beside its main thread.

mod error;
mod host;
mod input;
mod jobs;
mod live;
mod phone;
mod view;

pub use error::{PhoneError, ProblemView};
pub use host::{Clock, HostError, KeyStore};
pub use input::{ActKind, CreateInput, EditInput, FieldValue, ListInput, PhoneInput, SaveInput, ValueInput};
pub use jobs::running_jobs;
pub use live::LiveList;
pub use phone::{Phone, lock_state};
pub use view::{
    FieldView, InboxEditView, InboxItemView, InboxWhy, LinkView, ListView, LockState, OtherValueView, ReceiptView,
    RecordState, RecordView, RowView, SavedView, StateView, SyncView, TextView,
};

uniffi::setup_scaffolding!();
