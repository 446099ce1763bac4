//! Stories, tools and data that prove GridPass: real phones and a real server together.

pub mod chaos;
pub mod process;
pub mod programs;
pub mod sim;
pub mod street;
pub mod world;
