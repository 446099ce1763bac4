//! Stories of phones and a server, told with the real code of both.

mod concurrent;
mod lines;
mod one_edit;
