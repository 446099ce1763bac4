//! SQLite under the contract.

use gridpass_core::bucket::Bucket;
use gridpass_server::db::Database;
use gridpass_server::db::sqlite::{FILE, Sqlite};
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
