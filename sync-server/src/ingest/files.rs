//! Which files an item names and takes back.

use gridpass_core::Value;
use gridpass_core::catalog::FileUse;

use crate::catalogs::Catalogs;
use crate::log::{Files, NamedFile};

/// Reads puts of a collection; `standing` is what stands at a key with them.
pub fn files<'a>(
    catalogs: &Catalogs,
    collection: &str,
    puts: impl Iterator<Item = (&'a str, &'a Value)>,
    standing: &dyn Fn(&str) -> Option<Value>,
) -> Files {
    let is_off = |key: &str| standing(key) == Some(Value::Bool(true));
    let mut files = Files::default();
    for (key, value) in puts {
        match catalogs.file_use(collection, key, value) {
            Some(FileUse::Named(file)) => {
                let taken_back = off_key(key).is_some_and(|off| is_off(&off));
                let named = |hash, size| NamedFile { key: key.to_owned(), hash, size, taken_back };
                files.named.push(named(file.hash, Some(file.size)));
                files.named.extend(file.thumb.map(|thumb| named(thumb, None)));
            }
            Some(FileUse::TakenBack(named)) if *value == Value::Bool(true) => files.taken_back.push(named),
            Some(FileUse::TakenBack(_)) => {}
            None => {}
        }
    }
    files
}

/// The key that takes back what a key names: `photo/<id>` → `photo_off/<id>`.
fn off_key(key: &str) -> Option<String> {
    key.split_once('/').map(|(field, element)| format!("{field}_off/{element}"))
}
