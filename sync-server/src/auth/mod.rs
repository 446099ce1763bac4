//! Who may do what.

pub mod assign;
