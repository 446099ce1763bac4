//! People who sign in: passwords, waiting after wrong ones, second factors, sessions, and the person a request comes from;
//! and who serves where.
//!
//! What is decided is decided here and written by [`PeopleRows`](crate::db::PeopleRows) in one transaction; routes and
//! commands only call.

pub mod account;
pub mod assign;
pub mod lockout;
pub mod may;
pub mod password;
pub mod person;
pub mod session;
pub mod totp;

pub use password::Passwords;
pub use person::{Newcomer, Person, recent};
