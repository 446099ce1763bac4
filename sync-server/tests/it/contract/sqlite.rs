//! SQLite under the contract.

use gridpass_core::bucket::Bucket;
use gridpass_core::id::{GridId, UnitId, UserId};
use gridpass_server::db::sqlite::{FILE, Sqlite};
use gridpass_server::db::{Act, Asked, Database, Factor, NewSession, PeopleRows, Principal, Proof, Proven, SessionId};
use gridpass_server::org::Node;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::Backend;

struct InFolder {
    db: Sqlite,
    folder: TempDir,
}

fn open() -> InFolder {
    let folder = tempfile::tempdir().unwrap();
    InFolder { db: Sqlite::open(folder.path(), 7).unwrap().0, folder }
}

impl Backend for InFolder {
    fn db(&self) -> &dyn Database {
        &self.db
    }

    fn raise_floor(&self, bucket: Bucket, floor: u64) {
        let connection = Connection::open(self.folder.path().join(FILE)).unwrap();
        let (name, floor) = (bucket.to_bytes(), floor.cast_signed());
        let of = "bucket = (SELECT number FROM bucket WHERE name = ?1)";
        connection.execute(&format!("DELETE FROM log WHERE {of} AND log_seq <= ?2"), params![name, floor]).unwrap();
        connection.execute("UPDATE bucket SET floor = ?2 WHERE name = ?1", params![name, floor]).unwrap();
    }
}

crate::database_contract!(open());

#[test]
fn a_database_from_before_there_were_files_is_taken_over_and_a_copy_of_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    let first = include_str!("../../../migrations/sqlite/001_truth.sql");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(first).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1; INSERT INTO meta (key, value) VALUES ('epoch', 5), ('last_time', 9);
         INSERT INTO user (id, login, name, created) VALUES (x'01010101010101010101010101010101', 'li', '某', 1);",
    )
    .unwrap();
    drop(old); // in rollback mode: as a backup of that version lies there
    let (db, opened) = Sqlite::open(folder.path(), 7).unwrap();
    assert_eq!((opened, db.epoch()), (gridpass_server::db::sqlite::Opened::Older, 7));
    let server = Principal::SERVER;
    assert_eq!(db.user_by_login(&server, 0, "li").unwrap(), Some(UserId([1; 16])));
    let files: &dyn gridpass_server::db::FileRows = &db;
    assert_eq!(files.blobs(&server, 0, None, 9).unwrap(), []);
    assert_eq!(db.last_time().unwrap(), 9);
}

#[test]
fn units_and_grids_from_before_the_tree_was_dated_are_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    let old = Connection::open(&file).unwrap();
    old.execute_batch(include_str!("../../../migrations/sqlite/001_truth.sql")).unwrap();
    old.execute_batch(include_str!("../../../migrations/sqlite/002_blobs.sql")).unwrap();
    old.execute_batch(include_str!("../../../migrations/sqlite/003_imports.sql")).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 3; INSERT INTO meta (key, value) VALUES ('epoch', 5), ('last_time', 9);
         INSERT INTO unit (id, kind, parent, code, name, valid_from)
         VALUES (x'01010101010101010101010101010101', 'community', NULL, '370212001001', '某社区', 5);
         INSERT INTO grid (id, unit, code, name, valid_from)
         VALUES (x'02020202020202020202020202020202', x'01010101010101010101010101010101', '370212001001001', '一', 6),
                (x'03030303030303030303030303030303', x'', '370212001001002', '二', 6);",
    )
    .unwrap();
    drop(old);
    let (db, _) = Sqlite::open(folder.path(), 7).unwrap();
    let (db, server): (&dyn Database, _) = (&db, Principal::SERVER);
    let tree = db.tree(&server, 9).unwrap();
    let [unit, one, other] = [Node::Unit(UnitId([1; 16])), Node::Grid(GridId([2; 16])), Node::Grid(GridId([3; 16]))];
    assert!(tree.at(6).within(one, UnitId([1; 16])) && !tree.at(6).within(other, UnitId([1; 16])));
    assert!(tree.at(4).get(unit).is_none() && tree.at(5).get(unit).is_some());
    assert_eq!(db.grid_by_code(&server, 9, "370212001001002").unwrap(), Some(GridId([3; 16])));
    let before = db.tree_number(&server, 9).unwrap();
    Connection::open(&file).unwrap().execute("UPDATE unit SET name = '别社区'", []).unwrap();
    assert!(db.tree_number(&server, 9).unwrap() > before, "whoever writes raises it");
}

#[test]
fn users_from_before_people_signed_in_are_there_without_a_password_and_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(folder.path().join(FILE)).unwrap();
    for migration in [
        include_str!("../../../migrations/sqlite/001_truth.sql"),
        include_str!("../../../migrations/sqlite/002_blobs.sql"),
        include_str!("../../../migrations/sqlite/003_imports.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.execute_batch(
        "PRAGMA user_version = 3; INSERT INTO meta (key, value) VALUES ('epoch', 5), ('last_time', 9);
         INSERT INTO user (id, login, name, created) VALUES (x'01010101010101010101010101010101', 'li', '某', 1);
         INSERT INTO user (id, login, name, created, disabled)
         VALUES (x'02020202020202020202020202020202', 'wu', '某', 1, 2);",
    )
    .unwrap();
    drop(old);
    let (db, _) = Sqlite::open(folder.path(), 7).unwrap();
    let server = Principal::SERVER;
    let account = |login| db.account(&server, 9, Asked::Login(login)).unwrap().unwrap();
    assert_eq!((account("li").user, account("li").password), (UserId([1; 16]), None));
    db.give_password(9, UserId([1; 16]), "hash", 99, false).unwrap();
    assert_eq!(account("li").password.as_deref(), Some("hash"));
    assert!(!db.set_disabled(9, account("wu").user, true).unwrap(), "disabled before there was a command");
}

#[test]
fn a_database_that_was_put_back_has_no_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let (db, _) = Sqlite::open(folder.path(), 7).unwrap();
    let user = UserId([1; 16]);
    db.add_user(1, user, "li", "某").unwrap();
    db.give_password(1, user, "hash", 99, false).unwrap();
    let proof = Proof { compared: Some("hash".into()), right: true, renewed: None, factor: Factor::Missing };
    let (id, token) = (SessionId([1; 16]), [1; 32]);
    let new = NewSession { id, token, lasts_ms: 98, idle_ms: 99, address: None, agent: "other".into() };
    assert_eq!(db.prove(1, Some(user), proof, Act::SignIn(new)).unwrap(), Proven::Done);
    assert!(db.session(1, token, 99).unwrap().is_some());
    let copy = folder.path().join("copy");
    db.backup(&copy).unwrap();
    assert!(db.end_session(1, None, user, id, "session_ended").unwrap());
    drop(db);
    std::fs::rename(copy, folder.path().join(FILE)).unwrap();
    let (db, _) = Sqlite::open(folder.path(), 8).unwrap();
    assert_eq!(db.session(1, token, 99).unwrap(), None, "it had been ended since");
}
