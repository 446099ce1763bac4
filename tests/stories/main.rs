//! Stories of phones and a server, told with the real code of both.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod assignments;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod buildings;
#[cfg(test)]
mod catalogs;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod district;
#[cfg(test)]
mod duplicates;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod one_edit;
#[cfg(test)]
mod photos;
#[cfg(test)]
mod restores;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod scope;
#[cfg(test)]
mod searching;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod upgrades;
#[cfg(test)]
mod visits;
