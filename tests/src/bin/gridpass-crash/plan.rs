//! What a seed says of a round: what runs, who is killed, and when.

use std::time::Duration;

use gridpass_tests::street::Random;

/// How many phones there are.
pub const PHONES: usize = 3;

/// A command that runs beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Beside {
    /// `gridpass-server import` of some addresses.
    #[default]
    Import,
    /// `gridpass-server user add` and `assign`.
    Assign,
    /// `gridpass-server backup`.
    Backup,
}

impl Beside {
    /// Its word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Assign => "assign",
            Self::Backup => "backup",
        }
    }
}

/// When the kill comes.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after the work began.
    After(Duration),
    /// So long after a phone said that it begins its nth save.
    InSave {
        /// Which phone.
        phone: usize,
        /// Which save, from 1.
        nth: u64,
        /// How long after it was said.
        then: Duration,
    },
}

/// One round.
#[derive(Debug, Clone)]
pub struct Round {
    /// Its number, from 1.
    pub number: u64,
    /// The phones that are killed.
    pub phones: Vec<usize>,
    /// Whether the server is killed.
    pub server: bool,
    /// The command that runs beside, and whether it is killed.
    pub beside: Option<(Beside, bool)>,
    /// When.
    pub moment: Moment,
    /// The seeds of the phones' work.
    pub seeds: Vec<u64>,
}

impl Round {
    /// The round of this number under a seed.
    pub fn draw(seed: u64, number: u64) -> Self {
        let random = &mut Random::new(seed, number);
        // Who: a phone, the server, both, or only what runs beside.
        let who = random.weighted(&[(45, 0), (20, 1), (20, 2), (15, 3_u8)]);
        let mut phones: Vec<usize> = (0..PHONES).filter(|_| random.percent(45)).collect();
        if phones.is_empty() {
            phones.push(random.below(PHONES as u64) as usize);
        }
        let first = phones.first().copied().unwrap_or_default();
        let in_save = random.percent(60);
        let micros = |random: &mut Random, most| Duration::from_micros(random.below(most));
        let moment = match (who, in_save) {
            (0 | 2, true) => {
                let nth = 1 + random.below(6);
                Moment::InSave { phone: first, nth, then: micros(random, 9_000) }
            }
            _ => Moment::After(micros(random, 160_000)),
        };
        let beside = (who == 3 || random.percent(30)).then(|| {
            let kinds = [(5, Beside::Import), (3, Beside::Assign), (4, Beside::Backup)];
            (random.weighted(&kinds), who == 3 || random.percent(50))
        });
        Self {
            number,
            phones: if matches!(who, 0 | 2) { phones } else { Vec::new() },
            server: matches!(who, 1 | 2),
            beside,
            moment,
            seeds: (0..PHONES).map(|_| random.below(u64::MAX)).collect(),
        }
    }
}
