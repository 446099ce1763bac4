//! Commands with subcommands of their own.

pub mod catalog;
