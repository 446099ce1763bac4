//! The audit against what was signed: seals, cuts and archives. The rows themselves are read by the database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gridpass_core::codes::Date;

use super::AuditError;
use super::archive::{self, archives_in};
use super::chain::{Chain, START};
use super::seal::{SEALS, Seal, read_seals};
use crate::app::App;
use crate::db::{ChainState, Cut, Fault, Link, Principal, Renewal};

/// What to compare with beside the server's own files.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// A folder of archives.
    pub archive: Option<PathBuf>,
    /// Seals that were kept elsewhere: copies of [`SEALS`], `backup.toml` of backups.
    pub seals: Vec<PathBuf>,
}

/// What is proved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// How many archived rows were read.
    pub archived: u64,
    /// How many seals stand.
    pub seals: u64,
    /// The newest of them: row and time.
    pub sealed: Option<(i64, i64)>,
    /// The last row that the seals do not speak against.
    pub good_to: i64,
    /// What is no fault and has to be known.
    pub told: Vec<String>,
}

/// Compares the chain with seals, cuts and archives.
pub fn verify_signed(app: &App, beside: &Beside, found: &mut dyn FnMut(Fault)) -> Result<Proof, AuditError> {
    let mut proof = Proof::default();
    let seals = seals(app, beside, &mut proof, found)?;
    let asked: Vec<i64> = seals.iter().map(|seal| seal.seq).collect();
    let state = app.db.chain_state(&Principal::SERVER, app.now_ms(), &asked)?;
    let mut at: BTreeMap<i64, Option<Chain>> = asked.into_iter().zip(state.at.iter().copied()).collect();
    for cut in state.cuts.iter().filter(|cut| !cut.is_by(&app.keys.signing)) {
        found(fault("audit_cut", cut.seq, "this server did not sign it: rows up to there may be gone"));
    }
    let cut = state.cuts.last();
    let archived = match (&beside.archive, cut) {
        (Some(folder), _) => {
            proof.archived = archives(app, folder, cut, &mut at, found)?;
            cut.is_some()
        }
        (None, Some(cut)) => {
            let told =
                format!("rows 1 to {} lie in archives and were not read: name their folder with --archive", cut.seq);
            proof.told.push(told);
            false
        }
        (None, None) => false,
    };
    let from = if archived { 0 } else { cut.map_or(0, |cut| cut.seq) };
    let epochs = Epochs::of(app, &state, cut, found);
    let end = state.end.map_or(0, |end| end.seq);
    proof.good_to = end;
    let (mut missing, mut put_back): (Option<&Seal>, BTreeMap<Option<i64>, &Seal>) = (None, BTreeMap::new());
    for seal in seals.iter().filter(|seal| seal.seq > from) {
        let place = seal.epoch().and_then(|epoch| epochs.until(epoch));
        let holds = at.get(&seal.seq).copied().flatten().map(|chain| seal.link().map(|link| link.chain) == Some(chain));
        match (place, holds) {
            (_, Some(true)) => {
                proof.seals += 1;
                let newest = (seal.seq, seal.at_ms);
                proof.sealed = Some(proof.sealed.map_or(newest, |sealed| sealed.max(newest)));
            }
            // A copy was put in place that did not have the row.
            (Some(until), _) if seal.seq >= until => drop(put_back.insert(Some(until), seal)),
            (None, _) if epochs.is_renewed() => drop(put_back.insert(None, seal)),
            (_, Some(false)) if seal.seq <= proof.good_to => {
                proof.good_to = seal.seq - 1;
                found(fault("audit", seal.seq, &format!("it is not the row that was sealed on {}", time(seal.at_ms))));
            }
            (_, None) if seal.seq > end && missing.is_none_or(|known| known.seq < seal.seq) => missing = Some(seal),
            _ => {} // a row that is missing in the middle is named by whoever reads the rows
        }
    }
    if proof.good_to < end {
        // Where it was altered is not known better than between two seals.
        let good = seals.iter().filter(|seal| seal.seq <= proof.good_to).filter(|seal| holds(&at, seal));
        proof.good_to = good.map(|seal| seal.seq).max().unwrap_or(from);
    }
    if let Some(seal) = missing {
        let what = format!("the rows up to {} that were sealed on {} are missing", seal.seq, time(seal.at_ms));
        found(Fault { table: "audit", row: format!("after {end}"), what });
    }
    for (until, seal) in put_back {
        let (row, sealed) = (seal.seq, time(seal.at_ms));
        proof.told.push(match until {
            Some(until) => format!(
                "this database was put back from a copy at row {}: the rows up to {row} that were sealed on {sealed} are not in it",
                until - 1
            ),
            None => format!(
                "this database was put back from a copy older than its seals: the rows up to {row} that were sealed on {sealed} \
                 are not in it"
            ),
        });
    }
    Ok(proof)
}

fn holds(at: &BTreeMap<i64, Option<Chain>>, seal: &Seal) -> bool {
    let stored = at.get(&seal.seq).copied().flatten();
    stored.is_some() && stored == seal.link().map(|link| link.chain)
}

fn fault(table: &'static str, row: i64, what: &str) -> Fault {
    Fault { table, row: row.to_string(), what: what.to_owned() }
}

/// A time for people: the day and the minute in China.
pub fn time(ms: i64) -> String {
    let minute = (ms + 8 * 3_600_000).div_euclid(60_000).rem_euclid(1440);
    format!("{} {:02}:{:02}", Date::in_china(ms), minute / 60, minute % 60)
}

/// The seals that this server signed, of its own file and of others.
fn seals(app: &App, beside: &Beside, proof: &mut Proof, found: &mut dyn FnMut(Fault)) -> Result<Vec<Seal>, AuditError> {
    let mut all = Vec::new();
    let own = app.folder.join(SEALS);
    for file in std::iter::once(&own).chain(&beside.seals) {
        let (seals, torn) = read_seals(file)?;
        let name = if *file == own { SEALS.to_owned() } else { file.display().to_string() };
        if *file != own && seals.is_empty() {
            found(Fault { table: "audit", row: name.clone(), what: "there is no seal in this file".into() });
        }
        for line in torn {
            proof.told.push(format!("{name}: line {line} is no seal; an end in the midst of writing leaves one"));
        }
        let (good, bad): (Vec<Seal>, Vec<Seal>) = seals.into_iter().partition(|seal| seal.is_by(&app.keys.signing));
        if let Some(first) = bad.first() {
            let what =
                format!("{} seals are not signed with this server's key, the first is of row {}", bad.len(), first.seq);
            found(Fault { table: "audit", row: name, what });
        }
        all.extend(good);
    }
    all.sort_by_key(|seal| (seal.seq, seal.at_ms));
    Ok(all)
}

/// The epochs of the database's rows in order, each with the row at which the next began.
struct Epochs(Vec<(u64, i64)>);

impl Epochs {
    fn of(app: &App, state: &ChainState, cut: Option<&Cut>, found: &mut dyn FnMut(Fault)) -> Self {
        let rotated = cut.map_or(0, |cut| cut.seq);
        let before = cut.into_iter().flat_map(|cut| &cut.renewals);
        let here = state.renewals.iter().filter(|renewal| renewal.seq > rotated);
        let renewals: Vec<&Renewal> = before.chain(here).collect();
        let mut epochs: Vec<(u64, i64)> = renewals.iter().map(|renewal| (renewal.before, renewal.seq)).collect();
        epochs.push((app.db.epoch(), i64::MAX));
        let follows = |(renewal, (epoch, _)): (&&Renewal, &(u64, i64))| renewal.epoch == *epoch;
        if let Some(wrong) = renewals.iter().zip(epochs.iter().skip(1)).find(|pair| !follows(*pair)) {
            found(fault("audit", wrong.0.seq, "the epoch that it began is not the next one's, or the database's"));
        }
        Self(epochs)
    }

    /// The row at which an epoch ended; none if the database had no such one.
    fn until(&self, epoch: u64) -> Option<i64> {
        self.0.iter().find(|(known, _)| *known == epoch).map(|(_, until)| *until)
    }

    fn is_renewed(&self) -> bool {
        self.0.len() > 1
    }
}

/// Reads the archives up to the cut as one chain, and notes the chain after the rows that are asked for; returns how many
/// rows they hold.
fn archives(
    app: &App,
    folder: &Path,
    cut: Option<&Cut>,
    at: &mut BTreeMap<i64, Option<Chain>>,
    found: &mut dyn FnMut(Fault),
) -> Result<u64, AuditError> {
    let mut whole = Vec::new();
    for file in archives_in(folder)? {
        match archive::read(&file, &app.keys.signing, &mut |_| {}) {
            Ok(archive) => whole.push(archive),
            Err(what) => found(Fault { table: "archive", row: file.display().to_string(), what }),
        }
    }
    let to = cut.map_or(Link { seq: 0, chain: START }, |cut| Link { seq: cut.seq, chain: cut.chain });
    let mut end = Link { seq: 0, chain: START };
    let mut rows = 0;
    while end != to {
        // Of several that go on from here, as after a copy was put back, the one that reaches farthest.
        let next = whole.iter().filter(|archive| archive.after == end && archive.cut.seq <= to.seq);
        let Some(next) = next.max_by_key(|archive| archive.cut.seq) else {
            let what = format!("no archive in {} holds them", folder.display());
            found(Fault { table: "audit", row: format!("{} to {}", end.seq + 1, to.seq), what });
            break;
        };
        let read = archive::read(&next.file, &app.keys.signing, &mut |row| {
            rows += 1;
            if let Some(asked) = at.get_mut(&row.seq) {
                *asked = Some(row.chain);
            }
        });
        if let Err(what) = read {
            found(Fault { table: "archive", row: next.file.display().to_string(), what });
            break;
        }
        end = Link { seq: next.cut.seq, chain: next.cut.chain };
    }
    Ok(rows)
}
