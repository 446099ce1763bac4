//! Peace.

use super::*;

/// How long a wait is.
const WAIT_MS: i64 = 2 * 3_600_000;

impl Play {
    /// Some hours go by; nothing is under way any more.
    pub(super) fn wait(&mut self) -> Result<(), Error> {
        for number in 0..self.handsets.len() {
            self.handset(number)?.give_up_sync();
        }
        self.net.held().mail.clear();
        self.pass(WAIT_MS);
        Ok(())
    }

    /// Everything works again, and everybody syncs until nothing changes.
    pub(super) fn heal(&mut self) -> Result<(), Error> {
        self.server_ends = None;
        self.server.disk.set_room(None);
        self.handsets.iter_mut().for_each(|handset| {
            handset.let_live();
            handset.disk.set_room(None);
        });
        self.server.start()?;
        for name in self.net.names(None, Some(false)) {
            self.serve(name);
        }
        for number in 0..self.handsets.len() {
            self.handset(number)?.restart()?;
        }
        self.net.held().mail.clear();
        self.settle_down()?;
        // What waits in a grid that was lost is taken for some days, and then its author is told.
        self.pass(AFTER_GRACE_MS);
        self.settle_down()
    }

    /// Everybody syncs until nothing changes.
    pub(super) fn settle_down(&mut self) -> Result<(), Error> {
        let mut last = String::new();
        for _ in 0..ROUNDS {
            for number in 0..self.handsets.len() {
                self.server.clock.fetch_add(1_000, Ordering::Relaxed);
                self.whole(number)?;
            }
            let now = self.fingerprint()?;
            if now == last {
                return Ok(());
            }
            last = now;
        }
        self.fault("it does not become quiet".into());
        Ok(())
    }

    /// Where phones and server stand.
    pub(super) fn fingerprint(&self) -> Result<String, Error> {
        let app = self.server.app()?;
        let mut text = format!("{}", app.db.epoch());
        for handset in &self.handsets {
            let state = handset.phone()?.state()?;
            text.push_str(&format!("{:?} {} {} {};", state.buckets, state.unsent, state.inbox, state.drafts));
            for record in rows(handset.phone()?, "organisation")? {
                text.push_str(&format!("{record} {:?}", handset.phone()?.values(record)?));
            }
        }
        Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}
