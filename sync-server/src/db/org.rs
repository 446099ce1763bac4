//! The rows of the organisation: units, grids, their shapes.

use gridpass_core::id::{GridId, RecordId, UnitId};

use super::{DbError, Principal};
use crate::org::count::HomeCount;
use crate::org::shape::GridKind;
use crate::org::{Op, Tree};

/// How a grid lies on the ground from one moment until another.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeRow {
    /// The grid.
    pub grid: GridId,
    /// Town or country, where somebody has said it.
    pub kind: Option<GridKind>,
    /// How many groups of residents (居民小组) it has, where somebody has said it.
    pub groups: Option<u32>,
    /// A GeoJSON MultiPolygon in WGS-84.
    pub shape: String,
    /// Its area on the ground, in square metres.
    pub area_m2: i64,
    /// From when it counts.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: Option<i64>,
}

/// A record that lies at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointRow {
    /// The record.
    pub record: RecordId,
    /// The grid that holds it.
    pub grid: GridId,
    /// The `geo` value.
    pub point: String,
}

/// The organisation in the database.
pub trait OrgRows {
    /// A number that every write to units and grids raises.
    fn tree_number(&self, principal: &Principal, now_ms: i64) -> Result<u64, DbError>;

    /// Every version of every unit and grid.
    fn tree(&self, principal: &Principal, now_ms: i64) -> Result<Tree, DbError>;

    /// Applies changes that were drafted on the tree of a number, with an audit row each; false, and nothing written, if
    /// somebody has written to the tree since.
    fn write_tree(&self, now_ms: i64, number: u64, ops: Vec<Op>) -> Result<bool, DbError>;

    /// Makes a grid from now on without a look at the tree; what stands under a unit goes through [`OrgRows::write_tree`].
    fn add_grid(&self, now_ms: i64, id: GridId, unit: &[u8], code: &str, name: &str) -> Result<(), DbError>;

    /// The unit with a code, as of now.
    fn unit_by_code(&self, principal: &Principal, now_ms: i64, code: &str) -> Result<Option<UnitId>, DbError>;

    /// The grid with a code, as of now.
    fn grid_by_code(&self, principal: &Principal, now_ms: i64, code: &str) -> Result<Option<GridId>, DbError>;

    /// Every shape that any grid has ever had, in the order of time.
    fn shapes(&self, principal: &Principal, now_ms: i64) -> Result<Vec<ShapeRow>, DbError>;

    /// Stores shapes, with an audit row each. The one before ends where the next begins; one that begins at the same
    /// moment is replaced.
    fn put_shapes(&self, now_ms: i64, shapes: Vec<ShapeRow>) -> Result<(), DbError>;

    /// How many records of each collection have their home in each grid, those that have ended too.
    fn home_counts(&self, principal: &Principal, now_ms: i64) -> Result<Vec<HomeCount>, DbError>;

    /// Hands on the records of a collection in grids that have not ended and hold a position at a key.
    fn points(
        &self,
        principal: &Principal,
        now_ms: i64,
        collection: &str,
        key: &str,
        take: &mut dyn FnMut(PointRow),
    ) -> Result<(), DbError>;
}
