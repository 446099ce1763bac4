//! One phone of a run: a folder, a platform, and a process that the plan ends.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use gridpass_core::id::{IntentId, RecordId, UserId};
use gridpass_core::record::ShownValues;
use gridpass_phone::{ApiError, Phone, SyncReport};
use tokio::runtime::Runtime;

use super::bugs::Planted;
use super::calls::{self, aside};
use super::disk::Disk;
use super::host::{Platform, Secrets};
use super::moments::{self, Ends};
use super::net::Net;
use crate::world::Error;

type Syncing = Pin<Box<dyn Future<Output = Result<SyncReport, ApiError>> + Send>>;

/// How often a sync that waits is asked again.
const TURNS: usize = 4;

/// What a process leaves behind at its end, beside its folder.
struct Left {
    secrets: Secrets,
    /// The last message that was sent by anybody.
    sent: u64,
    /// How many edits there were in the world.
    noted: usize,
    /// What has ended.
    ends: Ends,
}

/// One phone.
pub struct Handset {
    /// Its number.
    pub number: usize,
    /// Its folder.
    pub folder: PathBuf,
    /// What outlives folder and process.
    pub platform: Platform,
    /// Its user.
    pub user: UserId,
    /// The copy of its folder, with how many edits there were in the world.
    pub copy: Option<(PathBuf, usize)>,
    /// Its drafts.
    pub drafts: Vec<IntentId>,
    /// Forms that were opened on it: record, collection, what they showed.
    pub forms: Vec<(RecordId, String, ShownValues)>,
    /// What its folder lies on.
    pub disk: Arc<Disk>,
    /// What a process that ended left behind.
    left: Arc<Mutex<Option<Left>>>,
    phone: Option<Phone>,
    sync: Option<Syncing>,
    net: Net,
    /// What the phone fetches beside its sync runs here, on this thread.
    runtime: Runtime,
}

impl Handset {
    /// A phone over a folder with an enrolment.
    pub fn new(number: usize, folder: PathBuf, platform: Platform, user: UserId, net: &Net) -> Result<Self, Error> {
        let disk = calls::watch(&folder);
        let mut handset = Self {
            number,
            folder,
            disk,
            platform,
            user,
            copy: None,
            drafts: Vec::new(),
            forms: Vec::new(),
            left: Arc::default(),
            phone: None,
            sync: None,
            net: net.clone(),
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
        };
        handset.open()?;
        Ok(handset)
    }

    /// The open phone.
    pub fn phone(&self) -> Result<&Phone, Error> {
        Ok(self.phone.as_ref().ok_or("the phone is closed")?)
    }

    /// Ends the process, with whatever it was doing.
    pub fn close(&mut self) {
        self.give_up_sync();
        self.phone = None;
        self.forms.clear();
        self.platform.fail_after(-1);
    }

    /// Starts the process. Where it says that there is no room for that, its user makes some.
    pub fn open(&mut self) -> Result<(), Error> {
        let open = || Phone::open(&self.folder, self.platform.host(&self.net, self.number), None);
        let opened = match open() {
            Err(ApiError::Full { .. }) if self.disk.is_limited() => {
                self.disk.set_room(None);
                open()
            }
            other => other,
        };
        self.phone = Some(opened?);
        Ok(())
    }

    /// Ends the process and starts it again.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.close();
        self.open()
    }

    /// Has its process or the power end after so many moments of its work; `noted` counts the edits of the world.
    pub fn end_within(&mut self, moments: u32, ends: Ends, noted: Arc<AtomicUsize>) -> Result<(), Error> {
        let left = Arc::new(Mutex::new(None));
        self.left = left.clone();
        let (leaves, platform, net) = (left, self.platform.clone(), self.net.clone());
        moments::arm(&self.folder, moments, ends, move || {
            let left =
                Left { secrets: platform.secrets(), sent: net.sent(), noted: noted.load(Ordering::Relaxed), ends };
            *leaves.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        })
    }

    /// Ends its process as it was at its moment, if that has come, and starts it again; how many edits there were then, and
    /// what has ended.
    pub fn end_if_due(&mut self, planted: Planted) -> Result<Option<(usize, Ends)>, Error> {
        if !moments::has_come(&self.folder) {
            return Ok(None);
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(left) = left else { return Ok(None) };
        self.close();
        moments::put_back(&self.folder)?;
        aside(|| planted.on_ended(&self.folder))?;
        self.disk.settle();
        self.platform.set_secrets(left.secrets);
        self.net.forget(self.number, left.sent);
        self.open()?;
        Ok(Some((left.noted, left.ends)))
    }

    /// Its process does not end for now.
    pub fn let_live(&mut self) {
        moments::disarm(&self.folder);
    }

    /// Begins to sync, if it does not.
    pub fn begin_sync(&mut self) -> Result<(), Error> {
        if self.sync.is_none() {
            let phone = self.phone()?.clone();
            self.sync = Some(Box::pin(async move { phone.sync().await }));
        }
        Ok(())
    }

    /// Gives up a sync.
    pub fn give_up_sync(&mut self) {
        self.sync = None;
        self.run_beside();
    }

    /// Lets what was begun beside the sync go on, or end when the sync was given up.
    fn run_beside(&self) {
        self.runtime.block_on(tokio::task::yield_now());
    }

    /// Whether it syncs.
    pub fn syncs(&self) -> bool {
        self.sync.is_some()
    }

    /// Goes on until it waits for the network; the result when the sync has ended.
    pub fn go_on(&mut self) -> Option<Result<SyncReport, ApiError>> {
        // A sync that waits for what goes on beside it is asked again after that had its turn.
        for _ in 0..TURNS {
            let sync = self.sync.as_mut()?;
            let polled = {
                let _inside = self.runtime.enter();
                sync.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            };
            if let Poll::Ready(result) = polled {
                self.give_up_sync();
                return Some(result);
            }
            self.run_beside();
        }
        None
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        self.close();
        calls::leave(&self.folder);
    }
}
