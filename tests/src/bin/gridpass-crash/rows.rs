//! What the server's database holds, read beside the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gridpass_core::id::hex;
use gridpass_core::record::{Built, ShownValues};
use gridpass_core::wire;
use gridpass_tests::world::Error;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

/// A change of a phone.
pub struct Change {
    pub record: String,
    pub hash: String,
    pub log_seq: u64,
    pub puts: BTreeMap<String, Json>,
}

/// What was read.
#[derive(Default)]
pub struct Rows {
    /// Every change under its intent.
    pub changes: BTreeMap<String, Vec<Change>>,
    /// What every record shows: all values that stand at each key.
    pub shown: BTreeMap<String, BTreeMap<String, Vec<Json>>>,
    /// How often each address stands, by its estate.
    pub estates: BTreeMap<String, u64>,
    /// Login → how many assignments.
    pub users: BTreeMap<String, u64>,
    /// Files that are stored.
    pub files: BTreeSet<String>,
    /// Bucket → head and checksum.
    pub buckets: BTreeMap<String, (u64, u64)>,
}

impl Rows {
    /// Reads the database of a server's folder.
    pub fn read(data: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = Connection::open_with_flags(data.join("gridpass.sqlite"), flags)?;
        let mut rows = Self::default();
        let mut query = db.prepare("SELECT intent, record, hash, log_seq, bytes FROM change")?;
        let mut found = query.query([])?;
        while let Some(row) = found.next()? {
            let text = |at| row.get::<_, Vec<u8>>(at).map(|bytes| hex(&bytes));
            let fields = Built::from_trusted(&row.get::<_, Vec<u8>>(4)?)?.fields()?;
            let puts = fields.puts.into_iter().map(|put| Ok((put.key, serde_json::to_value(put.value)?)));
            let change = Change {
                record: text(1)?,
                hash: text(2)?,
                log_seq: row.get::<_, i64>(3)?.cast_unsigned(),
                puts: puts.collect::<Result<_, Error>>()?,
            };
            rows.changes.entry(text(0)?).or_default().push(change);
        }
        let mut query = db.prepare("SELECT id, collection, shown FROM record")?;
        let mut found = query.query([])?;
        while let Some(row) = found.next()? {
            let shown: ShownValues = wire::decode(&row.get::<_, Vec<u8>>(2)?)?;
            let mut values = BTreeMap::new();
            for (key, shown) in &shown {
                let all: Result<Vec<Json>, _> = shown.all().into_iter().map(serde_json::to_value).collect();
                values.insert(key.clone(), all?);
            }
            let estate = values.get("estate").and_then(|all| all.first()?.as_str());
            if let Some(estate) = estate.filter(|_| row.get::<_, String>(1).is_ok_and(|of| of == "address")) {
                *rows.estates.entry(estate.to_owned()).or_default() += 1;
            }
            rows.shown.insert(hex(&row.get::<_, Vec<u8>>(0)?), values);
        }
        let counts =
            "SELECT login, count(grant_id) FROM user LEFT JOIN assignment a ON a.user = user.id GROUP BY login";
        rows.users = pairs(&db, counts, |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        let files = pairs(&db, "SELECT hash, 0 FROM blob", |row| Ok((hex(&row.get::<_, Vec<u8>>(0)?), ())))?;
        rows.files = files.into_keys().collect();
        rows.buckets = pairs(&db, "SELECT name, head, checksum FROM bucket", |row| {
            let name: Vec<u8> = row.get(0)?;
            let name = gridpass_core::bucket::Bucket::try_from(name.as_slice());
            let name = name.map(|bucket| bucket.to_string()).unwrap_or_default();
            Ok((name, (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned())))
        })?;
        Ok(rows)
    }
}

fn pairs<K: Ord, V>(
    db: &Connection,
    sql: &str,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<(K, V)>,
) -> Result<BTreeMap<K, V>, Error> {
    let mut query = db.prepare(sql)?;
    let rows = query.query_map([], |row| read(row))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
