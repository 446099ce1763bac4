//! The pure rules of GridPass, shared by the phone and the server.
//!
//! Nothing here opens a file, a socket or a database, reads a clock or draws a random number: all of that is handed in,
//! so that the same code can be driven by a phone, by a server and by a simulation.
//!
//! | room | what it holds | may use |
//! |---|---|---|
//! | [`id`], [`value`] | names of things and the scalar values of a record | nothing |
//! | [`codes`] | identity numbers, credit codes, divisions, coordinates | nothing |
//! | [`catalog`] | definitions of collections, fields, code tables and rules | `codes` |
//! | [`sync`] | the phone's side of a sync, without input or output | `record`, `wire` |
//! | [`parameter`] | numbers that a district may set | nothing |
//! | [`projection`] | titles, computed fields, sort keys, search text | `catalog`, `codes` |

#![forbid(unsafe_code)]

pub mod bucket;
pub mod catalog;
pub mod codes;
pub mod id;
pub mod parameter;
pub mod projection;
pub mod record;
pub mod seal;
pub mod sync;
pub mod value;
pub mod wire;

pub use value::{Value, Values};
