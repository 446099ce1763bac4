//! The organisation of the district as of any moment: units, the grids under them, and how grids lie on the ground.
//!
//! A unit or grid is a row of versions that never overlap; each says name and parent from one midnight of the district to
//! another. A change closes the newest version and opens the next. Which kind may stand under which is data
//! (`org/kinds.toml`); nothing reads a level or a parent from a code.
//!
//! | file | subject |
//! |---|---|
//! | [`kinds`] | the kinds of units and which may stand under which |
//! | [`tree`] | the tree in memory, as of a moment |
//! | [`find`] | units by code or by path |
//! | [`draft`] | changes of the tree, checked before they are written |
//! | [`acts`] | what commands do to the tree, drafted and written |
//! | [`error`] | what is refused, with unit, day and remedy |
//! | [`cache`] | the tree of a running server, loaded again when it was written to |
//! | [`count`] | grids and records by units of a level |
//! | [`shape`] | outlines of grids: read, checked, measured |
//! | [`ground`] | which grids lie over each other, which addresses lie in none |

pub mod acts;
pub mod cache;
pub mod count;
pub mod draft;
pub mod error;
pub mod find;
pub mod ground;
pub mod kinds;
pub mod shape;
pub mod tree;

pub use cache::TreeCache;
pub use draft::{Draft, Op};
pub use error::OrgError;
pub use tree::{At, Node, Tree, Version};

use gridpass_core::codes::Date;

/// How far the clocks of the district are ahead of UTC, in milliseconds: Asia/Shanghai, without summer time since 1991.
const AHEAD_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// The moment at which a day of the district begins, in milliseconds since 1970.
pub fn begin_of(day: Date) -> i64 {
    day.days() * DAY_MS - AHEAD_MS
}

/// The moment at which the day of a moment began in the district.
pub fn begin_of_day(now_ms: i64) -> i64 {
    begin_of(Date::in_china(now_ms))
}
