//! The network of the simulation: it holds every message, and the plan says what becomes of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridpass_phone::transport::{Answer, Request, Response, TransportError};
use tokio::sync::oneshot;

/// A message under way.
pub struct Mail {
    /// Who sent it.
    pub phone: usize,
    /// The request.
    pub request: Request,
    /// The answer, once the server has given it.
    pub answer: Option<Result<Response, TransportError>>,
    to: oneshot::Sender<Result<Response, TransportError>>,
}

impl Mail {
    /// Hands an answer to whoever waits for it, if anybody does.
    pub fn hand(self, answer: Result<Response, TransportError>) {
        let _nobody_waits = self.to.send(answer);
    }
}

/// All that is under way.
#[derive(Clone, Default)]
pub struct Net(Arc<Mutex<Held>>);

/// What the network holds.
#[derive(Default)]
pub struct Held {
    next: u64,
    /// Messages, by when they were sent.
    pub mail: BTreeMap<u64, Mail>,
    /// Copies of requests that may arrive again.
    pub copies: Vec<Request>,
}

impl Net {
    /// Takes a request; its answer comes when the plan says so.
    pub fn send(&self, phone: usize, request: Request) -> Answer<'static> {
        let (to, answer) = oneshot::channel();
        let mut held = self.held();
        held.next += 1;
        let at = held.next;
        held.mail.insert(at, Mail { phone, request, answer: None, to });
        drop(held);
        Box::pin(async move { answer.await.unwrap_or(Err(TransportError::NoAnswer)) })
    }

    /// How many messages were sent by now.
    pub fn sent(&self) -> u64 {
        self.held().next
    }

    /// What a phone sent after the first so many messages of all was never sent.
    pub fn forget(&self, phone: usize, sent: u64) {
        self.held().mail.retain(|name, mail| mail.phone != phone || *name <= sent);
    }

    /// What is under way.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The messages of one phone, or of all, that have an answer, or that have none; any without `answered`.
    pub fn names(&self, phone: Option<usize>, answered: Option<bool>) -> Vec<u64> {
        let held = self.held();
        let wanted = |mail: &Mail| {
            phone.is_none_or(|phone| phone == mail.phone)
                && answered.is_none_or(|answered| answered == mail.answer.is_some())
        };
        held.mail.iter().filter(|(_, mail)| wanted(mail)).map(|(name, _)| *name).collect()
    }
}
