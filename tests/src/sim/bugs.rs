//! Bugs planted at edges that the simulation owns (messages, files, secrets, clocks, what an app does with a form), to
//! see that it notices.

use std::path::Path;

use gridpass_core::Value;
use gridpass_core::id::hex;
use gridpass_core::record::{Built, Shown};
use gridpass_core::wire::{self, ItemVerdict, PullAnswer, PushAnswer, PushRequest, Role, Touched, Verdict};
use gridpass_phone::transport::{Request, Response};
use minicbor::Decode;

use super::calls;
use super::disk::Lie;
use super::host::Platform;
use super::server::Server;
use crate::world::Error;

/// What is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// Nothing.
    #[default]
    Nothing,
    /// Some pushes are answered with `accepted` and go nowhere.
    SwallowedPush,
    /// Older copies of phones are put back, and nobody takes note of what they cost.
    SilentPutBack,
    /// Some pulled values differ from those the server sent.
    AlteredPull,
    /// A phone that pulls throws away what waits.
    DroppedPending,
    /// A phone forgets some of the records of a page it has taken in.
    HalfPage,
    /// The server leaves a number of a bucket's log out.
    SkippedNumber,
    /// A phone that was copied goes on as the same writer, and is told that all is well.
    ReusedActor,
    /// The server believes what phones say the time is.
    TrustedClock,
    /// A server that was put back goes on in the same epoch.
    KeptEpoch,
    /// A form that is saved as it was opened decides over the conflict in it.
    ErasedConflict,
    /// The verdicts of some changes never arrive.
    LostVerdict,
    /// What a phone wrote is shown over what the server wrote after it.
    OverruledServer,
    /// Records that leave a grid stay on its phones.
    ForgottenRemove,
    /// What a phone wrote last is not on its disk when its process ends.
    LyingDisk,
    /// The server lets a device write where no assignment lets it.
    RightEverywhere,
    /// What is refused because it was written already is answered with `accepted`.
    HiddenRefusal,
    /// A phone counts new files as handed in.
    CountedFile,
    /// A phone keeps the first catalog it got.
    IgnoredCatalog,
    /// The disks of phones say that they have flushed what they have not.
    UnflushedPhone,
    /// The server's disk does.
    UnflushedServer,
    /// The disks of phones, when full, say that they have written what they have not.
    SwallowedWrite,
}

const LIMIT: usize = 64 << 20;

/// The database key as a phone keeps it without a PIN.
#[derive(Decode)]
#[cbor(map)]
struct StoredKey {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: Vec<u8>,
}

impl Planted {
    /// Every bug.
    pub const ALL: [Self; 21] = [
        Self::SwallowedPush,
        Self::SilentPutBack,
        Self::AlteredPull,
        Self::DroppedPending,
        Self::HalfPage,
        Self::SkippedNumber,
        Self::ReusedActor,
        Self::TrustedClock,
        Self::KeptEpoch,
        Self::ErasedConflict,
        Self::LostVerdict,
        Self::OverruledServer,
        Self::ForgottenRemove,
        Self::LyingDisk,
        Self::RightEverywhere,
        Self::HiddenRefusal,
        Self::CountedFile,
        Self::IgnoredCatalog,
        Self::UnflushedPhone,
        Self::UnflushedServer,
        Self::SwallowedWrite,
    ];

    /// Whether it is in what messages say.
    pub fn is_of_the_line(self) -> bool {
        use Planted::{
            AlteredPull, HiddenRefusal, LostVerdict, OverruledServer, ReusedActor, SwallowedPush, TrustedClock,
        };
        matches!(self, SwallowedPush | AlteredPull | ReusedActor | TrustedClock | LostVerdict)
            || matches!(self, OverruledServer | HiddenRefusal)
    }

    /// Whether it shows now and then only.
    pub fn is_now_and_then(self) -> bool {
        matches!(self, Self::SwallowedPush | Self::AlteredPull)
    }

    /// Does something to a new phone's database.
    pub fn on_phone(self, folder: &Path, platform: &Platform) -> Result<(), Error> {
        let trigger = match self {
            Self::DroppedPending => "AFTER UPDATE OF log_seq ON bucket BEGIN DELETE FROM pending WHERE state = 0; END",
            Self::ForgottenRemove => "BEFORE DELETE ON settled_bucket BEGIN SELECT raise(IGNORE); END",
            Self::CountedFile => "AFTER INSERT ON file BEGIN UPDATE file SET state = 1 WHERE hash = NEW.hash; END",
            Self::IgnoredCatalog => {
                "BEFORE INSERT ON settled WHEN NEW.collection = 'catalog' BEGIN SELECT raise(IGNORE); END"
            }
            // Every fourth record, by its name.
            Self::HalfPage => {
                "BEFORE INSERT ON settled WHEN unicode(hex(substr(NEW.record, 16))) % 4 = 0
                 BEGIN SELECT raise(IGNORE); END"
            }
            _ => return Ok(()),
        };
        let stored = platform.secret("database_key").ok_or("a phone without a key")?;
        let key: StoredKey = wire::decode(&stored).map_err(|_| "the key cannot be read")?;
        let connection = rusqlite::Connection::open(folder.join("phone.db"))?;
        connection
            .execute_batch(&format!("PRAGMA key = \"x'{}'\"; CREATE TRIGGER planted {trigger};", hex(&key.key)))?;
        Ok(())
    }

    /// Whether this system can have it: disks lie where their calls are seen.
    pub fn is_possible(self) -> bool {
        calls::ARE_SEEN || (self.lie_of_phone() == Lie::None && self.lie_of_server() == Lie::None)
    }

    /// How the disk of a phone lies.
    pub fn lie_of_phone(self) -> Lie {
        match self {
            Self::UnflushedPhone => Lie::Flushes,
            Self::SwallowedWrite => Lie::Writes,
            _ => Lie::None,
        }
    }

    /// How the server's disk lies.
    pub fn lie_of_server(self) -> Lie {
        if self == Self::UnflushedServer { Lie::Flushes } else { Lie::None }
    }

    /// Does something to the files of a phone whose process has ended.
    pub fn on_ended(self, folder: &Path) -> Result<(), Error> {
        if self == Self::LyingDisk {
            for file in ["phone.db-wal", "outbox"] {
                let file = folder.join(file);
                if file.exists() {
                    std::fs::remove_file(file)?;
                }
            }
        }
        Ok(())
    }

    /// Does something to a new server's database.
    pub fn on_server(self, server: &mut Server) -> Result<(), Error> {
        match self {
            Self::SkippedNumber => server.alter(
                "CREATE TRIGGER planted AFTER UPDATE OF head ON bucket WHEN NEW.head = 5
                 BEGIN UPDATE bucket SET head = 6 WHERE number = NEW.number; END",
            ),
            _ => Ok(()),
        }
    }

    /// Does something to a request.
    pub fn asks(self, request: &mut Request, server_ms: i64) {
        if self != Self::TrustedClock || !request.path.ends_with("/push") {
            return;
        }
        let Ok(mut push) = wire::unpack::<PushRequest>(&request.body, LIMIT) else { return };
        (push.sent_ms, push.sent_monotonic_ms) = (server_ms, 0);
        request.body = wire::pack(&push);
    }

    /// An answer in the server's place.
    pub fn answers(self, request: &Request) -> Option<Response> {
        if self != Self::SwallowedPush || !request.path.ends_with("/push") {
            return None;
        }
        let push: PushRequest = wire::unpack(&request.body, LIMIT).ok()?;
        let stored = |item: &wire::PushItem| ItemVerdict {
            record: item.record,
            hash: item.change.hash,
            verdict: Verdict::Accepted { via: None, notes: Vec::new() },
        };
        let verdicts = push.items.iter().map(stored).collect();
        let answer = PushAnswer { verdicts, sheet: None, server_ms: 0, next_sync_after_ms: 300_000 };
        Some(Response { status: 200, body: wire::pack(&answer), ..Response::default() })
    }

    /// Does something to an answer.
    pub fn touches(self, request: &Request, answer: &mut Response) {
        if answer.status != 200 {
            return;
        }
        if request.path.ends_with("/push") {
            let Ok(mut push) = wire::unpack::<PushAnswer>(&answer.body, LIMIT) else { return };
            match self {
                Self::ReusedActor => push.verdicts.iter_mut().for_each(|item| {
                    if item.verdict == Verdict::ActorFork {
                        item.verdict = Verdict::Accepted { via: None, notes: Vec::new() };
                    }
                }),
                Self::HiddenRefusal => push.verdicts.iter_mut().for_each(|item| {
                    if matches!(&item.verdict, Verdict::Rejected { reason, .. } if reason.code == "written_once") {
                        item.verdict = Verdict::Accepted { via: None, notes: Vec::new() };
                    }
                }),
                Self::LostVerdict => push.verdicts.retain(|item| item.hash.0.first().is_none_or(|byte| byte % 4 != 0)),
                _ => return,
            }
            answer.body = wire::pack(&push);
        } else if request.path.ends_with("/pull") {
            let Ok(mut pull) = wire::unpack::<PullAnswer>(&answer.body, LIMIT) else { return };
            for rows in pull.pages.iter_mut().filter_map(|page| page.rows.as_mut()) {
                match self {
                    Self::AlteredPull => rows.iter_mut().filter_map(|row| row.touched.as_mut()).for_each(altered),
                    Self::OverruledServer => rows.iter_mut().filter_map(|row| row.touched.as_mut()).for_each(overruled),
                    _ => return,
                }
            }
            answer.body = wire::pack(&pull);
        }
    }
}

fn altered(touched: &mut Touched) {
    for key in ["name", "estate"] {
        if let Some(shown) = touched.values.get_mut(key) {
            *shown = Shown::One(Value::from("别的"));
        }
    }
}

/// Of a value that the console wrote beside one of a device, the device's is shown.
fn overruled(touched: &mut Touched) {
    let puts = |role: Role| {
        let of = touched.changes.iter().filter(move |change| change.author.role == role);
        let fields = of.filter_map(|change| Built::from_trusted(&change.bytes).ok()?.fields().ok());
        fields.flat_map(|fields| fields.puts).map(|put| (put.key, put.value)).collect::<Vec<_>>()
    };
    let (office, device) = (puts(Role::CONSOLE), puts(Role::DEVICE));
    for (key, value) in office {
        let other = device.iter().find(|(at, other)| *at == key && *other != value);
        if let (Some((_, other)), Some(shown)) = (other, touched.values.get_mut(&key)) {
            *shown = Shown::One(other.clone());
        }
    }
}
