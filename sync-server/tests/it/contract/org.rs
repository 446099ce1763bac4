//! Units, grids and shapes.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GridId, UnitId};
use gridpass_server::db::{Principal, ShapeRow};
use gridpass_server::org::shape::GridKind;
use gridpass_server::org::{Node, Op, Version};

use super::{A, B, Backend, Draft, NOW, intent, store};

const SERVER: &Principal = &Principal::SERVER;

fn unit(n: u8, parent: Option<u8>, code: Option<&str>, from_ms: i64) -> Version {
    Version {
        node: Node::Unit(UnitId([n; 16])),
        kind: "area".into(),
        parent: parent.map(|n| UnitId([n; 16])),
        code: code.map(str::to_owned),
        name: format!("{n}号"),
        from_ms,
        to_ms: None,
        succeeds: Vec::new(),
    }
}

pub fn changes_of_the_tree_are_written_whole_and_raise_its_number(backend: &dyn Backend) {
    let db = backend.db();
    let number = db.tree_number(SERVER, NOW).unwrap();
    let merged = Version {
        succeeds: vec![Node::Unit(UnitId([1; 16])), Node::Unit(UnitId([2; 16]))],
        ..unit(3, Some(1), None, NOW)
    };
    let grid = Version {
        node: Node::Grid(GridId([4; 16])),
        kind: "grid".into(),
        ..unit(4, Some(3), Some("370212001001001"), NOW)
    };
    let made = [unit(1, None, Some("370212"), NOW), unit(2, Some(1), Some("370212001"), NOW), merged, grid];
    assert!(db.write_tree(NOW, number, made.iter().cloned().map(Op::Add).collect()).unwrap());
    let tree = db.tree(SERVER, NOW).unwrap();
    assert!(tree.number() > number && tree.number() == db.tree_number(SERVER, NOW).unwrap());
    for version in &made {
        assert_eq!(tree.versions(version.node), std::slice::from_ref(version));
    }

    let moved = Version { parent: Some(UnitId([2; 16])), from_ms: NOW + 10, succeeds: Vec::new(), ..made[2].clone() };
    let ops = vec![
        Op::Change { closes: NOW, version: moved.clone(), changed: vec!["parent"] },
        Op::Correct { version: Version { name: "一".into(), ..made[3].clone() }, changed: vec!["name"] },
        Op::End { node: made[1].node, from_ms: NOW, at_ms: NOW + 20 },
    ];
    assert!(!db.write_tree(NOW, number, ops.clone()).unwrap(), "drafted on what no longer stands");
    assert_eq!(db.tree_number(SERVER, NOW).unwrap(), tree.number(), "nothing was written");
    assert!(db.write_tree(NOW, tree.number(), ops).unwrap());
    let after = db.tree(SERVER, NOW).unwrap();
    assert!(after.number() > tree.number());
    assert_eq!(after.versions(moved.node), [Version { to_ms: Some(NOW + 10), ..made[2].clone() }, moved]);
    assert_eq!(after.newest(made[3].node).unwrap().name, "一");
    assert_eq!(after.newest(made[1].node).unwrap().to_ms, Some(NOW + 20));

    // A part that fails leaves nothing of the whole.
    let twice = vec![Op::Add(unit(9, None, None, NOW)), Op::Add(unit(1, None, None, NOW))];
    assert!(db.write_tree(NOW, after.number(), twice).is_err());
    assert_eq!(db.tree_number(SERVER, NOW).unwrap(), after.number());
    assert!(db.tree(SERVER, NOW).unwrap().versions(Node::Unit(UnitId([9; 16]))).is_empty());
}

pub fn a_code_is_a_units_or_grids_as_of_a_moment(backend: &dyn Backend) {
    let db = backend.db();
    db.add_grid(NOW, GridId([1; 16]), &[], "370212001001001", "一网格").unwrap();
    let next = Version {
        node: Node::Grid(GridId([2; 16])),
        kind: "grid".into(),
        ..unit(2, None, Some("370212001001001"), NOW + 10)
    };
    let units = [Op::Add(Version { to_ms: Some(NOW + 10), ..unit(1, None, Some("370212"), NOW) })];
    let end = Op::End { node: Node::Grid(GridId([1; 16])), from_ms: NOW, at_ms: NOW + 10 };
    let ops = units.into_iter().chain([end, Op::Add(next)]).collect();
    assert!(db.write_tree(NOW, db.tree_number(SERVER, NOW).unwrap(), ops).unwrap());
    let grid = |now| db.grid_by_code(SERVER, now, "370212001001001").unwrap().map(|grid| grid.0[0]);
    assert_eq!([grid(NOW - 1), grid(NOW), grid(NOW + 9), grid(NOW + 10)], [None, Some(1), Some(1), Some(2)]);
    let unit = |now| db.unit_by_code(SERVER, now, "370212").unwrap().map(|unit| unit.0[0]);
    assert_eq!([unit(NOW - 1), unit(NOW + 9), unit(NOW + 10)], [None, Some(1), None]);
    assert_eq!(db.unit_by_code(SERVER, NOW, "370212001001001").unwrap(), None, "a grid is no unit");
}

pub fn a_shape_ends_where_the_next_begins(backend: &dyn Backend) {
    let db = backend.db();
    let row = |n: u8, from_ms| ShapeRow {
        grid: GridId([1; 16]),
        kind: Some(GridKind::Rural),
        groups: Some(12),
        shape: format!("{{\"type\":\"MultiPolygon\",\"coordinates\":[{n}]}}"),
        area_m2: i64::from(n),
        from_ms,
        to_ms: None,
    };
    let other = ShapeRow { grid: GridId([2; 16]), kind: None, groups: None, ..row(9, NOW) };
    db.put_shapes(NOW, vec![row(1, NOW), other.clone()]).unwrap();
    db.put_shapes(NOW, vec![row(2, NOW + 10)]).unwrap();
    db.put_shapes(NOW, vec![row(3, NOW + 10)]).unwrap();
    let first = ShapeRow { to_ms: Some(NOW + 10), ..row(1, NOW) };
    assert_eq!(db.shapes(SERVER, NOW).unwrap(), [first, other, row(3, NOW + 10)]);
}

pub fn records_are_counted_and_placed_by_their_home(backend: &dyn Backend) {
    let db = backend.db();
    for (n, home) in [(1, A), (2, A), (3, B), (4, Bucket::District)] {
        let mut draft = Draft::new(n, home);
        store(db, draft.put(1, intent(n), &format!("点{n}")));
        if n == 2 {
            draft.home = B;
            store(db, draft.moved());
        }
    }
    let mut found: Vec<_> = db.home_counts(SERVER, NOW).unwrap();
    found.sort_by_key(|count| count.grid);
    let found: Vec<_> = found.iter().map(|count| (count.grid.0[0], count.collection.as_str(), count.records)).collect();
    assert_eq!(found, [(1, "household", 1), (2, "household", 2)], "where they lie now, of grids only");
    let mut placed = Vec::new();
    db.points(SERVER, NOW, "household", "kind", &mut |row| placed.push((row.grid.0[0], row.point))).unwrap();
    placed.sort();
    assert_eq!(placed, [(1, "点1".to_owned()), (2, "点2".to_owned()), (2, "点3".to_owned())]);
    db.points(SERVER, NOW, "address", "kind", &mut |_| panic!("of another collection")).unwrap();
}
