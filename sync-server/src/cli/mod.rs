//! Commands that are more than a call.

/// Prints a line. A reader that has gone away (`| head`) is no error.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}
pub(crate) use say;

pub mod assign;
pub mod audit;
pub mod backup;
pub mod catalog;
pub mod grid;
pub mod import;
pub mod serve;
mod table;
pub mod unit;
pub mod user;
pub mod verify;

/// Prints a fault.
pub fn print(fault: gridpass_server::db::Fault) {
    say!("{} {}: {}", fault.table, fault.row, fault.what);
}

/// Prints a text as it is.
pub fn print_text(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
