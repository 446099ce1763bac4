//! How grids lie on the ground, from a GeoJSON file: one feature per grid, which its property `code` names.
//!
//! A feature that is broken is told and left out, the others are written together. Afterwards the whole district is looked
//! at as it stands with them: grids over each other, addresses in no grid or in another than the one that holds them,
//! grids of an unusual size.

mod look;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use geojson::GeometryValue;
use gridpass_core::catalog::Text;
use gridpass_core::codes::{Crs, Date};
use gridpass_core::id::GridId;
use serde::Deserialize;
use serde_json::Value;

use super::report::{Problem, text};
use crate::app::App;
use crate::db::{DbError, Principal, ShapeRow};
use crate::org::shape::{GridKind, Shape, ShapeError};
use crate::org::{At, Node, OrgError, begin_of, begin_of_day};

/// The largest file that is read.
const MOST_BYTES: u64 = 256 << 20;
/// Why a file is not taken in; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ShapesError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {cause}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{file}: {what}")]
    Unfit {
        /// Its name.
        file: String,
        /// What is wrong and what to do.
        what: &'static str,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// What a person asks for besides the file.
#[derive(Debug, Clone, Copy)]
pub struct ShapeOptions {
    /// The system of the coordinates.
    pub crs: Crs,
    /// From which day the shapes count; today if nothing is said.
    pub from: Option<Date>,
    /// Look at everything, write nothing.
    pub dry_run: bool,
}

/// What became of the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShapeSummary {
    /// Features.
    pub features: u64,
    /// Shapes that are new or differ.
    pub stored: u64,
    /// Shapes that stood already.
    pub unchanged: u64,
    /// Features left out.
    pub refused: u64,
    /// What was told of the district.
    pub told: u64,
}

impl fmt::Display for ShapeSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { features, stored, unchanged, refused, told } = self;
        write!(
            f,
            "{features} features, {stored} shapes stored, {unchanged} unchanged, {refused} refused, {told} warnings"
        )
    }
}

/// Takes in the shapes of a file.
pub fn shapes(
    app: &App,
    path: &Path,
    options: ShapeOptions,
    tell: &mut dyn FnMut(&Problem),
) -> Result<ShapeSummary, ShapesError> {
    let now_ms = app.now_ms();
    let tree = app.tree()?;
    let from_ms = options.from.map_or_else(|| begin_of_day(now_ms), begin_of);
    let mut standing: BTreeMap<GridId, ShapeRow> = BTreeMap::new();
    for row in app.db.shapes(&Principal::SERVER, now_ms)? {
        standing.insert(row.grid, row); // the newest of each
    }
    let mut reading = Reading {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        today_ms: begin_of_day(now_ms),
        from_ms,
        dated: options.from.is_some(),
        // What counts today need not have counted when the day began.
        at: tree.at(options.from.map_or(now_ms, begin_of)),
        places: BTreeMap::new(),
        problems: Vec::new(),
    };
    let mut summary = ShapeSummary::default();
    let mut new = Vec::new();
    for (number, feature) in (1..).zip(reading.features(path)?) {
        summary.features += 1;
        match reading.feature(number, &feature, options.crs, &standing) {
            Some(row) if standing.get(&row.grid).is_some_and(|before| same(before, &row)) => summary.unchanged += 1,
            Some(row) => {
                summary.stored += 1;
                standing.insert(row.grid, row.clone());
                new.push(row);
            }
            None => summary.refused += 1,
        }
    }
    if !options.dry_run && !new.is_empty() {
        app.db.put_shapes(now_ms, new)?;
    }
    let refused = reading.problems.len();
    reading.look(app, &standing)?;
    summary.told = (reading.problems.len() - refused) as u64;
    reading.problems.iter().for_each(tell);
    Ok(summary)
}

fn same(before: &ShapeRow, row: &ShapeRow) -> bool {
    (&before.shape, before.kind, before.groups) == (&row.shape, row.kind, row.groups)
}

struct Reading<'a> {
    file: String,
    today_ms: i64,
    from_ms: i64,
    dated: bool,
    at: At<'a>,
    /// In which feature a grid was named.
    places: BTreeMap<GridId, u32>,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn problem(&mut self, number: u32, grid: &str, code: &str, text: Text, refused: bool) {
        self.problems.push(Problem {
            file: self.file.clone(),
            sheet: "features".to_owned(),
            row: number,
            column: grid.to_owned(),
            shape: None,
            code: code.to_owned(),
            text,
            refused,
        });
    }

    fn features(&self, path: &Path) -> Result<Vec<Value>, ShapesError> {
        let failed = |cause| ShapesError::File { file: self.file.clone(), cause };
        let unfit = |what| ShapesError::Unfit { file: self.file.clone(), what };
        if std::fs::metadata(path).map_err(failed)?.len() > MOST_BYTES {
            return Err(unfit("is larger than 256 MB: simplify the outlines, or split the file"));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let mut json: Value = serde_json::from_slice(bytes)
            .map_err(|_| unfit("is no JSON in UTF-8: export the layer as GeoJSON again"))?;
        if json.get("type").and_then(Value::as_str) != Some("FeatureCollection") {
            return Err(unfit("is no GeoJSON FeatureCollection: export the whole layer as GeoJSON"));
        }
        // Of the first version of GeoJSON; map programs still write it.
        let system = json.pointer("/crs/properties/name").and_then(Value::as_str).unwrap_or("CRS84");
        if !["CRS84", "4326", "4490"].iter().any(|known| system.ends_with(known)) {
            return Err(unfit("says that its coordinates are in another system: export it in EPSG:4326 or EPSG:4490"));
        }
        match json.get_mut("features").map(Value::take) {
            Some(Value::Array(features)) => Ok(features),
            _ => Err(unfit("has no list of features: export the whole layer as GeoJSON")),
        }
    }

    /// Reads a feature; tells what is wrong with it.
    fn feature(
        &mut self,
        number: u32,
        feature: &Value,
        crs: Crs,
        standing: &BTreeMap<GridId, ShapeRow>,
    ) -> Option<ShapeRow> {
        let property = |name: &str| match feature.get("properties").and_then(|all| all.get(name)) {
            Some(Value::String(text)) => Some(text.trim().to_owned()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let Some(code) = property("code").filter(|code| !code.is_empty()) else {
            let text = Text::new(
                "要素没有属性 code,请填写网格编码",
                "The feature has no property code; fill in the code of its grid",
            );
            self.problem(number, "code", "no_code", text, true);
            return None;
        };
        let before = self.problems.len();
        let found = self.at.find(&code).ok().filter(|version| version.code.as_ref() == Some(&code));
        let grid = found.and_then(|version| match version.node {
            // A grid that was made by a clock and not by a day begins in the middle of today.
            Node::Grid(grid) if self.dated => Some((grid, self.from_ms)),
            Node::Grid(grid) => Some((grid, version.from_ms.max(self.from_ms))),
            Node::Unit(_) => None,
        });
        if grid.is_none() {
            self.problem(number, &code, "unknown_grid", text("unknown_grid"), true);
        }
        let shape = match feature.get("geometry").filter(|geometry| !geometry.is_null()) {
            None => Err(ShapeError::Empty),
            Some(geometry) => GeometryValue::deserialize(geometry)
                .map_err(|_| ShapeError::Malformed)
                .and_then(|geometry| Shape::read(&geometry, crs)),
        };
        let shape = shape.map_err(|error| self.problem(number, &code, error.code(), error.text(), true)).ok();
        let kind = match property("kind").as_deref() {
            None | Some("") => Ok(None),
            Some("urban" | "城市" | "城镇") => Ok(Some(GridKind::Urban)),
            Some("rural" | "农村") => Ok(Some(GridKind::Rural)),
            Some(_) => Err(Text::new("kind 须为 urban 或 rural", "kind is urban or rural; write one of them")),
        };
        let kind = kind.map_err(|text| self.problem(number, &code, "kind", text, true)).ok().flatten();
        let groups = match property("groups").filter(|groups| !groups.is_empty()).map(|groups| groups.parse::<u32>()) {
            None => None,
            Some(Ok(groups)) if groups < 1000 => Some(groups),
            Some(_) => {
                let text = Text::new(
                    "groups 须为居民小组数,整数",
                    "groups is the number of 居民小组, a whole number below 1000; correct it",
                );
                self.problem(number, &code, "groups", text, true);
                None
            }
        };
        let (grid, from_ms) = grid?;
        if self.places.insert(grid, number).is_some() {
            self.problem(number, &code, "key_twice", text("key_twice"), true);
        }
        let known = standing.get(&grid);
        let row = ShapeRow {
            grid,
            // What the file does not say stays.
            kind: kind.or(known.and_then(|row| row.kind)),
            groups: groups.or(known.and_then(|row| row.groups)),
            shape: shape.as_ref().map(Shape::to_geojson).unwrap_or_default(),
            area_m2: shape.map(|shape| shape.area_m2().round() as i64).unwrap_or_default(),
            from_ms,
            to_ms: None,
        };
        if let Some(error) =
            known.filter(|before| !same(before, &row)).and_then(|before| self.too_late(&code, from_ms, before))
        {
            self.problem(number, &code, error.code(), error.text(), true);
        }
        (self.problems.len() == before).then_some(row)
    }

    /// Why a shape cannot follow the newest one.
    fn too_late(&self, code: &str, from_ms: i64, newest: &ShapeRow) -> Option<OrgError> {
        let begins = Date::in_china(newest.from_ms);
        if from_ms < newest.from_ms {
            return Some(OrgError::Before { unit: code.into(), day: Date::in_china(from_ms), begins });
        }
        let counted = newest.from_ms == from_ms && from_ms < self.today_ms;
        counted.then(|| OrgError::Past { unit: code.into(), day: begins })
    }
}
