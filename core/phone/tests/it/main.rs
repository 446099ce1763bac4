//! Stories of phones and a server. The phones are the real thing; the server is a small one written here, with the real
//! wire types and the real checks. No sleep, no real clock, no real network.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod blobs;
#[cfg(test)]
mod host;
#[cfg(test)]
mod server;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod files;
#[cfg(test)]
mod https;
#[cfg(test)]
mod live;
#[cfg(test)]
mod one_edit;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod scope;
#[cfg(test)]
mod search;
#[cfg(test)]
mod texts;
