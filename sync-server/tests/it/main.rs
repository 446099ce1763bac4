//! The server as its phones meet it, without the network: pushes, pulls, restores, damage.

mod copies;
mod hand;
mod history;
mod imports;
mod pulls;
mod pushes;
