//! Definitions of collections, fields, code tables, forms and rules.

/// How concurrent values of a field are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// The later observed stands, the other is history.
    Latest,
    /// Both stand until a person decides.
    Decide,
    /// Written once.
    Once,
    /// Never a key, only a projection.
    Computed,
    /// Written by the server only.
    Server,
}
