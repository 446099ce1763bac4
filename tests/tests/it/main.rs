//! What the repository promises about itself: whom it is linked with, what its documents name, where it may lie. And its
//! programs as processes that are killed, on disks that are full.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod tree;
