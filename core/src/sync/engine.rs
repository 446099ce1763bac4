//! What is done next, and when a sync is over.

use super::backoff::Backoff;

/// How often a sync pushes, pulls and authors again before it leaves the rest to the next one.
pub const MAX_ROUNDS: u32 = 4;

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Get a token.
    Authenticate,
    /// Send the batch whose answer never came, or else the next one, and apply its verdicts.
    Push,
    /// Ask for what is new and take in the answer.
    Pull,
    /// Fetch one pack that is missing and take it in.
    FetchPack,
    /// Make some records searchable that packs brought.
    Index,
    /// Author again what fell.
    Reauthor,
    /// Send the next piece of a file whose record the server knows.
    SendFile,
    /// The sync is over.
    Finish(Finish),
}

/// What came of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A sync is wanted: by the user, by the clock, by the network.
    Begin,
    /// There is a token.
    Authenticated,
    /// Nothing waits to be sent.
    NothingToPush,
    /// A batch was answered and its verdicts are stored.
    Pushed {
        /// Whether any item left the queue.
        progress: bool,
    },
    /// An answer was taken in.
    Pulled {
        /// Whether any cursor moved, bucket came or went.
        progress: bool,
        /// Whether rows wait on the server.
        more: bool,
        /// Whether packs are to be fetched.
        packs: bool,
        /// How long the server asks to wait before the next sync, in milliseconds.
        next_sync_after_ms: u32,
    },
    /// A pack was taken in.
    PackStored {
        /// Whether others are missing.
        more: bool,
    },
    /// The server no longer has the pack: the list of packs has to be asked for again.
    PackGone,
    /// Some records are searchable that were not.
    Indexed {
        /// Whether others are not.
        more: bool,
    },
    /// What fell was authored again.
    Reauthored {
        /// Whether there is something to send because of it.
        to_push: bool,
        /// Whether it was written as an actor the server does not know yet.
        new_actor: bool,
    },
    /// A piece of a file was sent, or there was none to send.
    FileSent {
        /// Whether files are left that can be sent now.
        more: bool,
        /// Whether changes wait that were made meanwhile: they go before files.
        to_push: bool,
    },
    /// The effect failed.
    Failed(Failure),
}

/// Why an effect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No answer: no network, no server, cut off.
    NoAnswer,
    /// The server is there and asks to try again.
    Busy,
    /// The token does not count any more.
    Unauthorized,
    /// The server does not know this device, or has revoked it.
    DeviceRefused,
    /// The server answered something this version does not understand, or refused it as a whole.
    Protocol,
    /// The server wants a newer app.
    UpdateApp,
    /// The phone's own storage failed.
    Storage,
}

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// With what result.
    pub outcome: Outcome,
    /// How long to wait before the next sync that nobody asks for, in milliseconds.
    pub next_sync_after_ms: u32,
}

/// The result of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that could be sent was sent, and nothing waits on the server.
    UpToDate,
    /// Something is left for the next sync.
    Partly,
    /// It failed.
    Failed(Failure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Push,
    Pull,
    Packs,
    Index,
    Reauthor,
    Files,
}

/// The order of a sync: authenticate, push until nothing is left, pull until nothing is left, fetch packs and pull
/// again, make searchable what they brought, author again what fell and go round, a bounded number of times; then files,
/// piece by piece, until none is left. What is saved while files are sent goes before the next piece.
#[derive(Debug, Clone)]
pub struct Engine {
    step: Step,
    round: u32,
    token: bool,
    refreshed: bool,
    left: bool,
    manifests: u32,
    next_sync_after_ms: u32,
    backoff: Backoff,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            step: Step::Push,
            round: 0,
            token: false,
            refreshed: false,
            left: false,
            manifests: 0,
            next_sync_after_ms: 60_000,
            backoff: Backoff::default(),
        }
    }
}

impl Engine {
    /// The token does not say all it should; the next effect is to get another.
    pub fn forget_token(&mut self) {
        self.token = false;
    }

    /// Takes in what happened and says what comes next. `random` spreads the waits after failures.
    pub fn handle(&mut self, event: Event, random: u64) -> Effect {
        if !matches!(event, Event::Failed(_) | Event::Begin | Event::Authenticated) {
            self.refreshed = false;
        }
        if let Event::FileSent { .. } = event {
            // The line carries: a cut between two pieces is no reason to wait longer and longer.
            self.backoff.reset();
        }
        match event {
            Event::Begin => {
                (self.step, self.round, self.refreshed, self.left, self.manifests) = (Step::Push, 0, false, false, 0);
                self.go(Step::Push)
            }
            Event::Authenticated => {
                self.token = true;
                self.go(self.step)
            }
            Event::Pushed { progress: true } => self.go(Step::Push),
            Event::Pushed { progress: false } | Event::NothingToPush => self.go(Step::Pull),
            Event::Pulled { progress, more, packs, next_sync_after_ms } => {
                self.next_sync_after_ms = next_sync_after_ms;
                match (packs, more, progress) {
                    (true, ..) => self.go(Step::Packs),
                    (false, true, true) => self.go(Step::Pull),
                    (false, true, false) => self.fail(Failure::Protocol, random),
                    (false, false, _) => self.go(Step::Index),
                }
            }
            Event::Indexed { more: true } => self.go(Step::Index),
            Event::Indexed { more: false } => self.go(Step::Reauthor),
            Event::PackStored { more: true } => self.go(Step::Packs),
            Event::PackStored { more: false } => self.go(Step::Pull),
            Event::PackGone => {
                self.manifests += 1;
                match self.manifests <= MAX_ROUNDS {
                    true => self.go(Step::Pull),
                    false => self.fail(Failure::Busy, random),
                }
            }
            Event::Reauthored { to_push, new_actor } => {
                self.token &= !new_actor;
                self.round += 1;
                match (to_push, self.round < MAX_ROUNDS) {
                    (true, true) => self.go(Step::Push),
                    (true, false) => self.files_after(Outcome::Partly),
                    (false, _) => self.files_after(Outcome::UpToDate),
                }
            }
            Event::FileSent { to_push: true, .. } if self.round < MAX_ROUNDS => self.go(Step::Push),
            Event::FileSent { more: true, .. } => self.go(Step::Files),
            Event::FileSent { more: false, to_push } => {
                let left = self.left || to_push;
                self.finish(if left { Outcome::Partly } else { Outcome::UpToDate })
            }
            Event::Failed(Failure::Unauthorized) if !self.refreshed => {
                (self.token, self.refreshed) = (false, true);
                self.go(self.step)
            }
            // A server that forgets tokens at once, because it was put back or starts again and again, says nothing
            // about the device; the way to a token says so when it does.
            Event::Failed(Failure::Unauthorized) => {
                self.token = false;
                self.fail(Failure::Busy, random)
            }
            Event::Failed(failure) => self.fail(failure, random),
        }
    }

    /// The records are done, as far as this sync does them: files come now.
    fn files_after(&mut self, outcome: Outcome) -> Effect {
        self.left = outcome == Outcome::Partly;
        self.go(Step::Files)
    }

    fn go(&mut self, step: Step) -> Effect {
        self.step = step;
        match step {
            _ if !self.token => Effect::Authenticate,
            Step::Push => Effect::Push,
            Step::Pull => Effect::Pull,
            Step::Packs => Effect::FetchPack,
            Step::Index => Effect::Index,
            Step::Reauthor => Effect::Reauthor,
            Step::Files => Effect::SendFile,
        }
    }

    fn finish(&mut self, outcome: Outcome) -> Effect {
        self.backoff.reset();
        Effect::Finish(Finish { outcome, next_sync_after_ms: self.next_sync_after_ms })
    }

    fn fail(&mut self, failure: Failure, random: u64) -> Effect {
        self.token &= failure != Failure::DeviceRefused;
        let next_sync_after_ms = self.backoff.fail(random);
        Effect::Finish(Finish { outcome: Outcome::Failed(failure), next_sync_after_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING_NEW: Event = pulled(false, false, false);

    const fn pulled(progress: bool, more: bool, packs: bool) -> Event {
        Event::Pulled { progress, more, packs, next_sync_after_ms: 30_000 }
    }

    const INDEXED: Event = Event::Indexed { more: false };
    const NO_FILE: Event = Event::FileSent { more: false, to_push: false };

    const fn sent(more: bool, to_push: bool) -> Event {
        Event::FileSent { more, to_push }
    }

    const fn reauthored(to_push: bool) -> Event {
        Event::Reauthored { to_push, new_actor: false }
    }

    fn done(outcome: Outcome) -> Effect {
        Effect::Finish(Finish { outcome, next_sync_after_ms: 30_000 })
    }

    /// Tells a story: what happened, and what is done next.
    fn story(engine: &mut Engine, lines: &[(Event, Effect)]) {
        for (place, (event, expected)) in lines.iter().enumerate() {
            assert_eq!(engine.handle(*event, 0), *expected, "line {place}: {event:?}");
        }
    }

    #[test]
    fn a_day_of_work_is_sent_before_anything_is_fetched() {
        story(
            &mut Engine::default(),
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::Pushed { progress: true }, Effect::Push),
                (Event::Pushed { progress: true }, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (pulled(true, true, false), Effect::Pull),
                (pulled(true, false, false), Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (NO_FILE, done(Outcome::UpToDate)),
                (Event::Begin, Effect::Push),
            ],
        );
    }

    #[test]
    fn a_new_phone_fetches_its_packs_and_pulls_what_they_lack() {
        story(
            &mut Engine::default(),
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (pulled(true, false, true), Effect::FetchPack),
                (Event::PackStored { more: true }, Effect::FetchPack),
                (Event::PackGone, Effect::Pull),
                (pulled(true, false, true), Effect::FetchPack),
                (Event::PackStored { more: false }, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (Event::Indexed { more: true }, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (NO_FILE, done(Outcome::UpToDate)),
            ],
        );
    }

    #[test]
    fn an_ended_token_is_renewed_and_the_same_step_taken_again() {
        let mut engine = Engine::default();
        let unauthorized = Event::Failed(Failure::Unauthorized);
        story(
            &mut engine,
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (unauthorized, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (unauthorized, Effect::Authenticate),
                (Event::Authenticated, Effect::Pull),
            ],
        );
        let refused = engine.handle(unauthorized, 0);
        assert!(
            matches!(refused, Effect::Finish(Finish { outcome: Outcome::Failed(Failure::Busy), .. })),
            "a fresh token that does not count: {refused:?}"
        );
        assert_eq!(engine.handle(Event::Begin, 0), Effect::Authenticate, "the next sync begins with another one");
    }

    #[test]
    fn verdicts_without_progress_end_the_sync_after_a_few_rounds() {
        let mut engine = Engine::default();
        story(&mut engine, &[(Event::Begin, Effect::Authenticate), (Event::Authenticated, Effect::Push)]);
        for round in 1..=MAX_ROUNDS {
            let next = if round < MAX_ROUNDS { Effect::Push } else { Effect::SendFile };
            story(
                &mut engine,
                &[
                    (Event::Pushed { progress: false }, Effect::Pull),
                    (NOTHING_NEW, Effect::Index),
                    (INDEXED, Effect::Reauthor),
                    (reauthored(true), next),
                ],
            );
        }
        story(&mut engine, &[(sent(true, true), Effect::SendFile), (NO_FILE, done(Outcome::Partly))]);
    }

    #[test]
    fn files_go_when_the_records_are_done_and_a_save_meanwhile_goes_before_the_next_piece() {
        story(
            &mut Engine::default(),
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (sent(true, false), Effect::SendFile),
                (sent(true, true), Effect::Push),
                (Event::Pushed { progress: true }, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (sent(true, false), Effect::SendFile),
                (NO_FILE, done(Outcome::UpToDate)),
            ],
        );
    }

    #[test]
    fn somebody_who_saves_without_end_does_not_keep_files_back_for_ever() {
        let mut engine = Engine::default();
        story(&mut engine, &[(Event::Begin, Effect::Authenticate), (Event::Authenticated, Effect::Push)]);
        for _ in 1..MAX_ROUNDS {
            story(
                &mut engine,
                &[
                    (Event::NothingToPush, Effect::Pull),
                    (NOTHING_NEW, Effect::Index),
                    (INDEXED, Effect::Reauthor),
                    (reauthored(false), Effect::SendFile),
                    (sent(true, true), Effect::Push),
                ],
            );
        }
        story(
            &mut engine,
            &[
                (Event::NothingToPush, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (sent(true, true), Effect::SendFile),
                (sent(false, true), done(Outcome::Partly)),
            ],
        );
    }

    #[test]
    fn a_token_that_ends_between_two_pieces_is_renewed_and_the_file_goes_on() {
        story(
            &mut Engine::default(),
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::NothingToPush, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (reauthored(false), Effect::SendFile),
                (sent(true, false), Effect::SendFile),
                (Event::Failed(Failure::Unauthorized), Effect::Authenticate),
                (Event::Authenticated, Effect::SendFile),
                (NO_FILE, done(Outcome::UpToDate)),
            ],
        );
    }

    #[test]
    fn an_actor_the_server_does_not_know_is_told_before_the_next_push() {
        story(
            &mut Engine::default(),
            &[
                (Event::Begin, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
                (Event::Pushed { progress: false }, Effect::Pull),
                (NOTHING_NEW, Effect::Index),
                (INDEXED, Effect::Reauthor),
                (Event::Reauthored { to_push: true, new_actor: true }, Effect::Authenticate),
                (Event::Authenticated, Effect::Push),
            ],
        );
    }

    #[test]
    fn a_server_that_promises_more_and_sends_nothing_is_not_asked_for_ever() {
        let mut engine = Engine::default();
        story(&mut engine, &[(Event::Begin, Effect::Authenticate), (Event::Authenticated, Effect::Push)]);
        story(&mut engine, &[(Event::NothingToPush, Effect::Pull)]);
        let end = engine.handle(pulled(false, true, false), 0);
        assert!(matches!(end, Effect::Finish(Finish { outcome: Outcome::Failed(Failure::Protocol), .. })), "{end:?}");
        let mut gone = 0;
        engine.handle(Event::Begin, 0);
        while !matches!(engine.handle(Event::PackGone, 0), Effect::Finish(_)) {
            gone += 1;
            assert!(gone < 100);
        }
    }

    #[test]
    fn waits_grow_while_there_is_no_answer_and_are_forgotten_after_one() {
        let mut engine = Engine::default();
        let wait = |engine: &mut Engine| {
            engine.handle(Event::Begin, 0);
            match engine.handle(Event::Failed(Failure::NoAnswer), 0) {
                Effect::Finish(finish) => finish.next_sync_after_ms,
                other => panic!("{other:?}"),
            }
        };
        let (first, second) = (wait(&mut engine), wait(&mut engine));
        assert!(first < second);
        engine.handle(Event::Begin, 0);
        engine.handle(Event::Authenticated, 0);
        engine.handle(Event::NothingToPush, 0);
        engine.handle(NOTHING_NEW, 0);
        engine.handle(reauthored(false), 0);
        engine.handle(NO_FILE, 0);
        assert_eq!(wait(&mut engine), first);
        engine.handle(Event::Begin, 0);
        engine.handle(NO_FILE, 0);
        assert_eq!(wait(&mut engine), first, "pieces arrive, whatever cuts them off");
    }
}
