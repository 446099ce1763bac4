//! Stories of phones and a server. The phones are the real thing; the server is a small one written here, with the real
//! wire types and the real checks. No sleep, no real clock, no real network.

mod host;
mod server;

mod damage;
mod one_edit;
mod refused;
mod restored;
mod scope;
