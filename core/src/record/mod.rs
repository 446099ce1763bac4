//! One record is one small Automerge document with scalars at its root and nothing else.
//!
//! [`Change`] is what travels, [`Document`] what it adds up to, [`edit`] how a form becomes a change, [`request`] how a
//! device asks for what only the server may decide, [`mark`] what a reviewer says of it, [`check`] what the server makes sure of before it believes a phone,
//! [`history`] who put what over what. Automerge is named nowhere outside this room.

mod change;
mod checksum;
mod document;
mod shown;

pub mod check;
pub mod edit;
pub mod history;
pub mod mark;
pub mod request;

pub use change::{Built, Change, ChangeError, OpId, Put};
pub use checksum::checksum;
pub use document::{Document, Live, State};
pub use shown::{Shown, ShownValues, digest, into_plain, plain, same, shown_values};
