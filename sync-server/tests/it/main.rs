//! The server as its phones and offices meet it, without the network: pushes, pulls, imports, restores, damage.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod api;
#[cfg(test)]
mod audits;
#[cfg(test)]
mod blob_copies;
#[cfg(test)]
mod blobs;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod desks;
#[cfg(test)]
mod events;
#[cfg(test)]
mod hand;
#[cfg(test)]
mod history;
#[cfg(test)]
mod http;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod imports_bad;
#[cfg(test)]
mod imports_errors;
#[cfg(test)]
mod imports_killed;
#[cfg(test)]
mod imports_messy;
#[cfg(test)]
mod imports_propose;
#[cfg(test)]
mod imports_undo;
#[cfg(test)]
mod imports_visits;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod messy;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod org;
#[cfg(test)]
mod org_shapes;
#[cfg(test)]
mod people;
#[cfg(test)]
mod pulls;
#[cfg(test)]
mod pushes;
#[cfg(test)]
mod quiet;
