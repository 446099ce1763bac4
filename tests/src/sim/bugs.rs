//! Bugs planted at edges that the simulation owns, to see that it notices.

use gridpass_core::Value;
use gridpass_core::record::Shown;
use gridpass_core::wire::{self, ItemVerdict, PullAnswer, PushAnswer, PushRequest, Verdict};
use gridpass_phone::transport::{Request, Response};

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
}

const LIMIT: usize = 64 << 20;

impl Planted {
    /// Every bug.
    pub const ALL: [Self; 3] = [Self::SwallowedPush, Self::SilentPutBack, Self::AlteredPull];

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
        let pulls = self == Self::AlteredPull && request.path.ends_with("/pull");
        if !pulls || answer.status != 200 {
            return;
        }
        let Ok(mut pull) = wire::unpack::<PullAnswer>(&answer.body, LIMIT) else { return };
        for page in &mut pull.pages {
            let Some(rows) = &mut page.rows else { continue };
            for touched in rows.iter_mut().filter_map(|row| row.touched.as_mut()) {
                for key in ["name", "estate"] {
                    if let Some(shown) = touched.values.get_mut(key) {
                        *shown = Shown::One(Value::from("别的"));
                    }
                }
            }
        }
        answer.body = wire::pack(&pull);
    }
}
