//! The phone as apps hold it.

use std::path::Path;
use std::sync::Arc;

use gridpass_phone::EnrolInput;
use tokio::sync::Notify;

use crate::error::PhoneError;
use crate::input::{CreateInput, ListInput, PhoneInput, SaveInput, id, pairs};
use crate::jobs;
use crate::live::LiveList;
use crate::view::{
    InboxItemView, ListView, LockState, ReceiptView, RecordView, RowView, SavedView, StateView, SyncView,
};

/// What opening this phone will need.
#[uniffi::export]
pub fn lock_state(input: PhoneInput) -> Result<LockState, PhoneError> {
    Ok(gridpass_phone::Phone::lock_state(&input.host())?.into())
}

/// One enrolment on one phone. A folder is opened once at a time.
#[derive(uniffi::Object)]
pub struct Phone {
    phone: gridpass_phone::Phone,
    stop: Notify,
}

impl Phone {
    fn new(phone: gridpass_phone::Phone) -> Arc<Self> {
        Arc::new(Self { phone, stop: Notify::new() })
    }
}

#[uniffi::export]
impl Phone {
    /// Enrols this phone with the text of a one-time code, and opens it.
    #[uniffi::constructor]
    pub async fn enrol(code: String, input: PhoneInput) -> Result<Arc<Self>, PhoneError> {
        let phone = jobs::run(async move {
            let (folder, host) = (Path::new(&input.folder), input.host());
            gridpass_phone::Phone::enroll(folder, host, EnrolInput { code, pin: input.pin.clone() }).await
        });
        Ok(Self::new(phone.await?))
    }

    /// Opens the phone. A damaged database is set aside and rebuilt from the outbox and, at the next sync, the server.
    #[uniffi::constructor]
    pub fn open(input: PhoneInput) -> Result<Arc<Self>, PhoneError> {
        let phone = gridpass_phone::Phone::open(Path::new(&input.folder), input.host(), input.pin.as_deref())?;
        Ok(Self::new(phone))
    }

    /// The state of the phone.
    pub fn state(&self) -> Result<StateView, PhoneError> {
        Ok(self.phone.state()?.into())
    }

    /// Records found by what was typed: characters, beginnings of words, tails of numbers. At most `limit`; 0 is 50.
    pub fn search(&self, typed: String, collection: Option<String>, limit: u32) -> Result<Vec<RowView>, PhoneError> {
        let rows = self.phone.search(&typed, collection.as_deref(), limit)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// One page of a list.
    pub fn list(&self, query: ListInput) -> Result<ListView, PhoneError> {
        Ok(self.phone.list(query.try_into()?)?.into())
    }

    /// A live list.
    pub fn watch(&self, query: ListInput) -> Result<Arc<LiveList>, PhoneError> {
        Ok(LiveList::new(self.phone.watch(query.try_into()?)))
    }

    /// A record with its fields and links.
    pub fn show(&self, record: String) -> Result<RecordView, PhoneError> {
        Ok(self.phone.show(id("record", &record)?)?.into())
    }

    /// Makes a record from keys and values; when it returns, the record is durable.
    pub fn create(&self, input: CreateInput) -> Result<SavedView, PhoneError> {
        Ok(self.phone.create(&input.collection, pairs(input.values))?.into())
    }

    /// Saves a form; when it returns, the save is durable. A form in which nothing is different writes nothing.
    pub fn save(&self, input: SaveInput) -> Result<SavedView, PhoneError> {
        Ok(self.phone.save(input.try_into()?)?.into())
    }

    /// Everything that waits for its author, oldest first.
    pub fn inbox(&self) -> Result<Vec<InboxItemView>, PhoneError> {
        Ok(self.phone.inbox()?.into_iter().map(Into::into).collect())
    }

    /// The receipts of a record, each with its signature checked.
    pub fn receipts(&self, record: String) -> Result<Vec<ReceiptView>, PhoneError> {
        Ok(self.phone.receipts(id("record", &record)?)?.into_iter().map(Into::into).collect())
    }

    /// Sends what waits and fetches what is new. Giving it up is safe at any moment; what was stored stays.
    pub async fn sync(&self) -> Result<SyncView, PhoneError> {
        let phone = self.phone.clone();
        tokio::select! {
            report = jobs::run(async move { phone.sync().await }) => Ok(report?.into()),
            () = self.stop.notified() => Err(PhoneError::Stopped),
        }
    }

    /// Ends the syncs that run, which say so by [`PhoneError::Stopped`]. The phone stays usable. For callers whose own
    /// cancellation does not reach a waiting call, as in Swift.
    pub fn stop(&self) {
        self.stop.notify_waiters();
    }
}
