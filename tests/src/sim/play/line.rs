//! What becomes of messages.

use gridpass_phone::transport::{Request, Response, TransportError};

use super::*;

impl Play {
    pub(super) fn serve(&mut self, name: u64) {
        let asked = self.net.held().mail.get(&name).filter(|mail| mail.answer.is_none()).map(|m| m.request.clone());
        let Some(mut request) = asked else { return };
        let lies = self.planted.is_of_the_line() && (!self.planted.is_now_and_then() || self.draw.below(4) == 0);
        if lies {
            self.planted.asks(&mut request, self.server.clock.load(Ordering::Relaxed));
        }
        let answer = match lies.then(|| self.planted.answers(&request)).flatten() {
            Some(answer) => Ok(answer),
            None => self.asked(request.clone()),
        };
        let answer = answer.map(|mut answer| {
            if lies {
                self.planted.touches(&request, &mut answer);
            }
            answer
        });
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        if status == 503 && self.server.disk.is_limited() {
            self.count("server_full");
        } else if status >= 500 {
            self.fault(format!("the server answered 5xx to {}", request.path));
        }
        self.count("requests");
        if let Some(mail) = self.net.held().mail.get_mut(&name) {
            mail.answer = Some(answer);
        }
    }

    /// Has the server answer, if it does not end in the midst of it.
    fn asked(&mut self, request: Request) -> Result<Response, TransportError> {
        let ends = self.server_ends.take();
        let (answer, died) = match self.server.serve_to_the_end(request, ends) {
            Ok((answer, left)) => {
                let left = left.zip(ends).map(|(left, (_, what))| (left, what));
                self.server_ends = left;
                (answer, ends.filter(|_| left.is_none()))
            }
            Err(error) => {
                self.fault(format!("the server does not start again: {error}"));
                return Err(TransportError::NoAnswer);
            }
        };
        match died {
            Some((_, Ends::Process)) => self.count("server_died"),
            Some((_, Ends::Power(_))) => self.count("server_lost_power"),
            None => {}
        }
        answer
    }

    pub(super) fn hand(&mut self, name: u64) {
        let mail = self.net.held().mail.remove(&name);
        if let Some(mut mail) = mail
            && let Some(answer) = mail.answer.take()
        {
            mail.hand(answer);
        }
    }

    pub(super) fn go_on(&mut self, number: usize) -> Result<bool, Error> {
        let gone_on = self.handset(number)?.go_on();
        if self.ended(number)? {
            return Ok(true);
        }
        match gone_on {
            None => Ok(false),
            Some(Ok(_)) => {
                self.count("syncs");
                Ok(true)
            }
            Some(Err(error)) => {
                self.count("failed_syncs");
                self.refused(number, &error)?;
                Ok(true)
            }
        }
    }

    /// Moves some messages one step on: to the server, or back.
    pub(super) fn carry(&mut self, moves: usize, b: usize) -> Result<(), Error> {
        for n in 0..moves {
            let names = self.net.names(None, None);
            let Some(name) = names.get((b + n * 7) % names.len().max(1)).copied() else { return Ok(()) };
            let (phone, answered) = match self.net.held().mail.get(&name) {
                Some(mail) => (mail.phone, mail.answer.is_some()),
                None => continue,
            };
            if answered {
                self.hand(name);
                self.go_on(phone)?;
            } else {
                self.serve(name);
            }
        }
        Ok(())
    }

    pub(super) fn line(&mut self, act: Act, a: usize, b: usize) -> Result<(), Error> {
        let names = self.net.names(None, Some(matches!(act, Act::LoseAnswer | Act::Cut)));
        let Some(name) = names.get(a % names.len().max(1)).copied() else { return Ok(()) };
        match act {
            Act::Twice => {
                let copy = self.net.held().mail.get(&name).map(|mail| mail.request.clone());
                self.net.held().copies.extend(copy);
                self.serve(name);
            }
            Act::Alter => {
                if let Some(mail) = self.net.held().mail.get_mut(&name) {
                    let body = &mut mail.request.body;
                    match body.len().checked_sub(1) {
                        Some(last) if mail.request.method == gridpass_phone::transport::Method::Patch => {
                            body.iter_mut().skip(b.min(last)).take(1).for_each(|byte| *byte ^= 1);
                        }
                        _ => alter(body, b),
                    }
                }
                self.serve(name);
            }
            _ => {
                let Some(mut mail) = self.net.held().mail.remove(&name) else { return Ok(()) };
                let number = mail.phone;
                match mail.answer.take() {
                    Some(Ok(mut answer)) if act == Act::Cut => {
                        answer.body.truncate(answer.body.len() * (b % 10) / 10);
                        mail.hand(Ok(answer));
                    }
                    _ => mail.hand(Err(TransportError::NoAnswer)),
                }
                self.go_on(number)?;
            }
        }
        Ok(())
    }

    /// A sync of one phone from begin to end.
    pub(super) fn whole(&mut self, number: usize) -> Result<(), Error> {
        self.handset(number)?.begin_sync()?;
        for _ in 0..MANY {
            if self.go_on(number)? {
                return Ok(());
            }
            for name in self.net.names(Some(number), None) {
                self.serve(name);
                self.hand(name);
            }
            if !self.handset(number)?.syncs() {
                return Ok(());
            }
        }
        self.fault(format!("the sync of phone {number} does not end"));
        self.handset(number)?.give_up_sync();
        Ok(())
    }
}

/// Alters a text in one item of a push: its hash fits no more.
fn alter(body: &mut Vec<u8>, which: usize) {
    let Ok(mut push) = wire::unpack::<PushRequest>(body, 4 << 20) else { return };
    let items = push.items.len().max(1);
    let Some(item) = push.items.get_mut(which % items) else { return };
    for put in &mut item.change.puts {
        if let Value::Str(text) = &mut put.value {
            text.push(super::super::model::FORGED);
        }
    }
    *body = wire::pack(&push);
}
