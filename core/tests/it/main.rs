//! What the core promises, tried from outside: forged changes, orders of arrival, bytes that must never change.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod world;
