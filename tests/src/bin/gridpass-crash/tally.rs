//! What was counted over all rounds.

use std::collections::BTreeMap;
use std::fmt;

/// The counts.
#[derive(Default)]
pub struct Tally {
    pub rounds: u64,
    pub failed: u64,
    pub worlds: u64,
    /// Kills by where they hit.
    pub killed: BTreeMap<&'static str, u64>,
    /// Kills that left frames of a transaction without its commit in the write-ahead log.
    pub torn_phone: u64,
    pub torn_server: u64,
    /// Cut-off saves that were found wholly, and not at all.
    pub found: [u64; 2],
    pub saves: u64,
    pub receipts: u64,
    pub rows: u64,
    /// Backups that were restored and verified, and cut-off ones that were refused.
    pub restored: u64,
    pub refused: u64,
    /// What phones refused.
    pub refusals: BTreeMap<String, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: u64 = self.killed.values().sum();
        let each: Vec<String> = self.killed.iter().map(|(what, count)| format!("{what} {count}")).collect();
        writeln!(f, "{} rounds in {} worlds, {} failed", self.rounds, self.worlds, self.failed)?;
        writeln!(f, "{kills} kills: {}", each.join(", "))?;
        writeln!(
            f,
            "inside a transaction: {} saves begun and not acknowledged ({} found whole, {} not at all); torn logs: {} on phones, {} on servers",
            self.found.iter().sum::<u64>(),
            self.found[0],
            self.found[1],
            self.torn_phone,
            self.torn_server
        )?;
        write!(
            f,
            "{} saves acknowledged, {} receipts held against the server, {} rows verified, {} backups restored, {} cut-off ones refused",
            self.saves, self.receipts, self.rows, self.restored, self.refused
        )?;
        self.refusals.iter().try_for_each(|(words, count)| write!(f, "\nrefused {count} times: {words}"))
    }
}
