//! Units, grids and shapes.

use gridpass_core::bucket::Bucket;
use gridpass_core::codes::Date;
use gridpass_core::id::{GridId, UnitId};
use gridpass_core::record::ShownValues;
use gridpass_core::wire;
use rusqlite::{Connection, Row, params};

use super::commit::{audit, execute};
use super::{DbError, Sqlite, backend, meta, named, named_or_null, optional, rows};
use crate::db::{OrgRows, PointRow, Principal, ShapeRow};
use crate::log::Audit;
use crate::org::count::HomeCount;
use crate::org::kinds::GRID;
use crate::org::shape::GridKind;
use crate::org::{Node, Op, Tree, Version};

/// Ids lie one after the other in one column.
const ID: usize = 16;

fn number(connection: &Connection) -> Result<u64, DbError> {
    Ok(meta::<i64>(connection, "tree_version")?.unwrap_or(0).cast_unsigned())
}

fn tree(connection: &Connection) -> Result<Tree, DbError> {
    const STEP: &str = "reading the tree";
    const UNITS: &str = "SELECT id, kind, parent, code, name, valid_from, valid_to, succeeds FROM unit";
    const GRIDS: &str =
        "SELECT id, ?1 AS kind, nullif(unit, x'') AS parent, code, name, valid_from, valid_to, succeeds FROM grid";
    let units = rows(connection, STEP, UNITS, [], |row| {
        let node = Node::Unit(named(row, "id")?);
        version(row, node, |id| UnitId::try_from(id).ok().map(Node::Unit))
    })?;
    let grids = rows(connection, STEP, GRIDS, [GRID], |row| {
        let node = Node::Grid(named(row, "id")?);
        version(row, node, |id| GridId::try_from(id).ok().map(Node::Grid))
    })?;
    Ok(Tree::new(number(connection)?, units.into_iter().chain(grids)))
}

fn version(row: &Row<'_>, node: Node, follows: fn(&[u8]) -> Option<Node>) -> rusqlite::Result<Version> {
    let succeeds = row.get_ref("succeeds")?.as_blob_or_null()?.unwrap_or_default();
    Ok(Version {
        node,
        kind: row.get("kind")?,
        parent: named_or_null(row, "parent")?,
        code: row.get::<_, Option<String>>("code")?.filter(|code| !code.is_empty()),
        name: row.get("name")?,
        from_ms: row.get("valid_from")?,
        to_ms: row.get("valid_to")?,
        succeeds: succeeds.chunks_exact(ID).filter_map(follows).collect(),
    })
}

/// The table of a node, and the column of the unit above it.
fn table(node: Node) -> (&'static str, &'static str) {
    match node {
        Node::Unit(_) => ("unit", "parent"),
        Node::Grid(_) => ("grid", "unit"),
    }
}

fn write(connection: &Connection, now: i64, drafted_on: u64, ops: &[Op]) -> Result<bool, DbError> {
    if number(connection)? != drafted_on {
        return Ok(false);
    }
    ops.iter().try_for_each(|op| apply(connection, now, op))?;
    Ok(true)
}

fn apply(connection: &Connection, now: i64, op: &Op) -> Result<(), DbError> {
    let note = |node: Node, unit: &'static str, grid: &'static str, from_ms: i64, changed: &[&str]| {
        let action = if matches!(node, Node::Unit(_)) { unit } else { grid };
        let detail = serde_json::json!({ "from": Date::in_china(from_ms), "changed": changed });
        let object = Some(node.as_bytes().to_vec());
        audit(connection, now, &Audit { action, object, detail: detail.to_string(), ..Audit::default() })
    };
    match op {
        Op::Add(version) => {
            insert(connection, version)?;
            note(version.node, "unit_added", "grid_added", version.from_ms, &[])
        }
        Op::Change { closes, version, changed } => {
            end(connection, version.node, *closes, version.from_ms)?;
            insert(connection, version)?;
            note(version.node, "unit_changed", "grid_changed", version.from_ms, changed)
        }
        Op::Correct { version, changed } => {
            let (table, above) = table(version.node);
            execute(
                connection,
                "correcting the tree",
                &format!("UPDATE {table} SET {above} = ?3, name = ?4 WHERE id = ?1 AND valid_from = ?2"),
                params![version.node.as_bytes(), version.from_ms, parent(version), version.name],
            )?;
            note(version.node, "unit_corrected", "grid_corrected", version.from_ms, changed)
        }
        Op::End { node, from_ms, at_ms } => {
            end(connection, *node, *from_ms, *at_ms)?;
            note(*node, "unit_ended", "grid_ended", *at_ms, &[])
        }
    }
}

/// The unit above as its column keeps it: a grid under none has an empty one.
fn parent(version: &Version) -> Option<Vec<u8>> {
    let parent = version.parent.map(|parent| parent.0.to_vec());
    if matches!(version.node, Node::Grid(_)) { Some(parent.unwrap_or_default()) } else { parent }
}

fn insert(connection: &Connection, version: &Version) -> Result<(), DbError> {
    const STEP: &str = "adding to the tree";
    let Version { node, kind, code, name, from_ms, to_ms, .. } = version;
    let succeeds: Vec<u8> = version.succeeds.iter().flat_map(|node| *node.as_bytes()).collect();
    let succeeds = (!succeeds.is_empty()).then_some(succeeds);
    match node {
        Node::Unit(id) => execute(
            connection,
            STEP,
            "INSERT INTO unit (id, kind, parent, code, name, valid_from, valid_to, succeeds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![id.0, kind, parent(version), code, name, from_ms, to_ms, succeeds],
        ),
        Node::Grid(id) => execute(
            connection,
            STEP,
            "INSERT INTO grid (id, unit, code, name, valid_from, valid_to, succeeds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id.0, parent(version), code.as_deref().unwrap_or_default(), name, from_ms, to_ms, succeeds],
        ),
    }
}

fn end(connection: &Connection, node: Node, from_ms: i64, at_ms: i64) -> Result<(), DbError> {
    let (table, _) = table(node);
    let sql = format!("UPDATE {table} SET valid_to = ?3 WHERE id = ?1 AND valid_from = ?2");
    execute(connection, "ending a version", &sql, params![node.as_bytes(), from_ms, at_ms])
}

fn add_grid(connection: &Connection, now: i64, id: GridId, unit: &[u8], code: &str, name: &str) -> Result<(), DbError> {
    let version = Version {
        node: Node::Grid(id),
        kind: GRID.into(),
        parent: UnitId::try_from(unit).ok(),
        code: Some(code.into()),
        name: name.into(),
        from_ms: now,
        to_ms: None,
        succeeds: Vec::new(),
    };
    apply(connection, now, &Op::Add(version))
}

/// The id that a code has in a table as of a moment.
fn by_code<T: for<'a> TryFrom<&'a [u8]>>(
    connection: &Connection,
    table: &'static str,
    now: i64,
    code: &str,
) -> Result<Option<T>, DbError> {
    let sql = format!(
        "SELECT id FROM {table} WHERE code = ?1 AND valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2) LIMIT 1"
    );
    optional(connection.query_row(&sql, params![code, now], |row| named(row, "id")), "finding a code")
}

fn shapes(connection: &Connection) -> Result<Vec<ShapeRow>, DbError> {
    rows(
        connection,
        "reading shapes",
        "SELECT grid, kind, groups, shape, area_m2, valid_from, valid_to FROM grid_shape ORDER BY valid_from, grid",
        [],
        |row| {
            Ok(ShapeRow {
                grid: named(row, "grid")?,
                kind: row.get::<_, Option<String>>("kind")?.as_deref().and_then(GridKind::from_word),
                groups: row.get("groups")?,
                shape: row.get("shape")?,
                area_m2: row.get("area_m2")?,
                from_ms: row.get("valid_from")?,
                to_ms: row.get("valid_to")?,
            })
        },
    )
}

fn put_shape(connection: &Connection, now: i64, shape: &ShapeRow) -> Result<(), DbError> {
    const STEP: &str = "storing a shape";
    let ShapeRow { grid, kind, groups, shape, area_m2, from_ms, to_ms } = shape;
    execute(
        connection,
        STEP,
        "UPDATE grid_shape SET valid_to = ?2 WHERE grid = ?1 AND valid_from < ?2 AND coalesce(valid_to, ?2 + 1) > ?2",
        params![grid.0, from_ms],
    )?;
    execute(
        connection,
        STEP,
        "INSERT INTO grid_shape (grid, kind, groups, shape, area_m2, valid_from, valid_to)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (grid, valid_from) DO UPDATE
         SET kind = excluded.kind, groups = excluded.groups, shape = excluded.shape, area_m2 = excluded.area_m2",
        params![grid.0, kind.map(GridKind::word), groups, shape, area_m2, from_ms, to_ms],
    )?;
    let detail = serde_json::json!({ "from": Date::in_china(*from_ms) }).to_string();
    audit(connection, now, &Audit { action: "grid_shaped", object: Some(grid.0.to_vec()), detail, ..Audit::default() })
}

fn home_counts(connection: &Connection) -> Result<Vec<HomeCount>, DbError> {
    let counted: Vec<(Bucket, String, i64)> = rows(
        connection,
        "counting records",
        "SELECT b.name, r.collection, r.records FROM
         (SELECT home, collection, count(*) AS records FROM record GROUP BY home, collection) r
         JOIN bucket b ON b.number = r.home",
        [],
        |row| Ok((named(row, "name")?, row.get("collection")?, row.get("records")?)),
    )?;
    let of_a_grid = |(bucket, collection, records): (Bucket, String, i64)| {
        Some(HomeCount { grid: bucket.grid()?, collection, records: records.cast_unsigned() })
    };
    Ok(counted.into_iter().filter_map(of_a_grid).collect())
}

fn points(connection: &Connection, collection: &str, key: &str, take: &mut dyn FnMut(PointRow)) -> Result<(), DbError> {
    const STEP: &str = "reading positions";
    let mut statement = connection
        .prepare_cached(
            "SELECT r.id, r.shown, b.name FROM record r JOIN bucket b ON b.number = r.home WHERE r.collection = ?1",
        )
        .map_err(backend(STEP))?;
    let mut found = statement.query([collection]).map_err(backend(STEP))?;
    while let Some(row) = found.next().map_err(backend(STEP))? {
        let home: Bucket = named(row, "name").map_err(backend(STEP))?;
        let shown = row.get_ref("shown").and_then(|shown| Ok(shown.as_blob()?)).map_err(backend(STEP))?;
        let values: ShownValues = wire::decode(shown).map_err(|_| DbError::Damaged { table: "record" })?;
        let text = |key: &str| values.get(key).and_then(|shown| shown.value().as_str());
        if let (Some(grid), Some(point), None) = (home.grid(), text(key), text("end/date")) {
            take(PointRow { record: named(row, "id").map_err(backend(STEP))?, grid, point: point.to_owned() });
        }
    }
    Ok(())
}

impl OrgRows for Sqlite {
    fn tree_number(&self, _: &Principal, _: i64) -> Result<u64, DbError> {
        self.read("looking at the tree", |tx| number(tx))
    }

    fn tree(&self, _: &Principal, _: i64) -> Result<Tree, DbError> {
        self.read("reading the tree", |tx| tree(tx))
    }

    fn write_tree(&self, now_ms: i64, number: u64, ops: Vec<Op>) -> Result<bool, DbError> {
        self.writer.run("writing the tree", now_ms, move |c| write(c, now_ms, number, &ops))
    }

    fn add_grid(&self, now_ms: i64, id: GridId, unit: &[u8], code: &str, name: &str) -> Result<(), DbError> {
        let (unit, code, name) = (unit.to_vec(), code.to_owned(), name.to_owned());
        self.writer.run("adding a grid", now_ms, move |c| add_grid(c, now_ms, id, &unit, &code, &name))
    }

    fn unit_by_code(&self, _: &Principal, now_ms: i64, code: &str) -> Result<Option<UnitId>, DbError> {
        self.read("finding a unit", |tx| by_code(tx, "unit", now_ms, code))
    }

    fn grid_by_code(&self, _: &Principal, now_ms: i64, code: &str) -> Result<Option<GridId>, DbError> {
        self.read("finding a grid", |tx| by_code(tx, "grid", now_ms, code))
    }

    fn shapes(&self, _: &Principal, _: i64) -> Result<Vec<ShapeRow>, DbError> {
        self.read("reading shapes", |tx| shapes(tx))
    }

    fn put_shapes(&self, now_ms: i64, shapes: Vec<ShapeRow>) -> Result<(), DbError> {
        self.writer
            .run("storing shapes", now_ms, move |c| shapes.iter().try_for_each(|shape| put_shape(c, now_ms, shape)))
    }

    fn home_counts(&self, _: &Principal, _: i64) -> Result<Vec<HomeCount>, DbError> {
        self.read("counting records", |tx| home_counts(tx))
    }

    fn points(
        &self,
        _: &Principal,
        _: i64,
        collection: &str,
        key: &str,
        take: &mut dyn FnMut(PointRow),
    ) -> Result<(), DbError> {
        self.read("reading positions", |tx| points(tx, collection, key, take))
    }
}
