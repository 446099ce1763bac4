//! What the repository promises about itself: whom it is linked with, what its documents name, where it may lie.
//!
//! The modules say `cfg(test)` so that the lints know them as tests and let them unwrap.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod licences;
#[cfg(test)]
mod tree;
