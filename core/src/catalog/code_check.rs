//! Where fields meet the code rules: identity numbers, credit codes, phones, names.

use super::collection::Level;
use super::date::Day;
use crate::Values;

/// The checks a field may name with `check = "…"`.
pub const CHECKS: [&str; 9] =
    ["identity", "uscc", "phone", "division", "lift_code", "door_no", "building", "unit", "person_name"];

/// What a code check has to say about one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeFinding {
    /// Whether the value must not be saved so.
    pub level: Level,
    /// The field it is said at when that is another one, for example the birth date a number contradicts.
    pub at: Option<&'static str>,
    /// A stable name, also the key of its text.
    pub code: &'static str,
}

/// Checks `value` by the named check. `values` is the whole record: an identity number is judged by its `id_type` and
/// compared with `birth` and `gender`. `today` is the day the record is judged on.
pub fn code_check(_name: &str, _value: &str, _values: &Values, _today: Day) -> Vec<CodeFinding> {
    Vec::new()
}
