//! Codes that identify people, organisations, places and equipment: pure functions over text.
//!
//! A worker's typing is first made regular (width, white space, case), then checked. A check **blocks** only on shape and
//! on what the standard itself makes impossible; everything merely doubtful comes back as a warning beside the value. Every
//! error and warning has a stable `code()` for programs and an English sentence for people, and neither ever repeats what
//! was typed, so both may be logged.
//!
//! | file | subject | outside rule |
//! |---|---|---|
//! | [`address`] | buildings, units, rooms, door numbers and their order | – |
//! | [`coordinates`] | positions, map shifts, the `geo` value | WGS-84, GCJ-02, BD-09, RFC 8785 |
//! | [`credit`] | unified social credit codes | GB 32100-2015 |
//! | [`date`] | days of the calendar | ISO 8601 |
//! | [`division`] | administrative divisions, urban-rural classes | GB/T 2260, GB/T 10114 |
//! | [`grid_code`] | grid codes of several schemes | CJ/T 213, CJ/T 349-2010 |
//! | [`identity`] | identity documents of residents and visitors | GB 11643-1999, GB/T 2261.1 |
//! | [`lift`] | equipment, registration and rescue codes of lifts | TSG 08-2017 |
//! | [`name`] | names of people | GB 18030-2022 |
//! | [`phone`] | telephone numbers | – |
//! | [`text`] | width, white space, masking | – |

pub mod address;
pub mod coordinates;
pub mod credit;
pub mod date;
pub mod division;
pub mod grid_code;
pub mod identity;
pub mod lift;
pub mod name;
pub mod phone;
pub mod text;

pub use coordinates::{Crs, Geo, Position};
pub use date::Date;
pub use division::Division;
pub use identity::{Gender, IdKind, Identity};
pub use phone::Phone;
