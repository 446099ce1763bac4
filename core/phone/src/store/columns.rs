//! Identifiers, messages and unsigned numbers as SQLite columns.

use gridpass_core::wire;
use minicbor::Decode;
use rusqlite::Row;
use rusqlite::types::Type;

fn bad(at: usize, kind: Type) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(at, String::new(), kind)
}

/// An identifier, hash or bucket.
pub fn id<T: for<'a> TryFrom<&'a [u8]>>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    T::try_from(row.get_ref(at)?.as_blob().map_err(|_| bad(at, Type::Blob))?).map_err(|_| bad(at, Type::Blob))
}

/// An identifier that may be absent.
pub fn id_or_none<T: for<'a> TryFrom<&'a [u8]>>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>> {
    match row.get_ref(at)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => id(row, at).map(Some),
    }
}

/// A message.
pub fn cbor<T: for<'b> Decode<'b, ()>>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    wire::decode(row.get_ref(at)?.as_blob().map_err(|_| bad(at, Type::Blob))?).map_err(|_| bad(at, Type::Blob))
}

/// An unsigned number that is stored bit by bit.
pub fn bits(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::cast_unsigned)
}
