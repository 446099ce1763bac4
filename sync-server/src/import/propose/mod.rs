//! A proposal of a mapping: what the headings of workbooks mean, by words that offices use, the catalog's labels and the
//! shapes of the cells. What is not sure, and what nobody knew, stands in it as comments.
//!
//! | file | subject |
//! |---|---|
//! | `words` | what columns are called, as data |
//! | `look` | where the headings of a sheet are, and what its columns mean |
//! | `write` | the mapping as text |

mod look;
mod words;
mod write;

use std::path::PathBuf;

use gridpass_core::catalog::Catalog;
use gridpass_core::codes::Date;

use super::source::{Source, SourceError};

/// A mapping for the files as TOML text. `today` serves to judge identity numbers.
pub fn propose(catalog: &Catalog, files: &[PathBuf], today: Date) -> Result<String, SourceError> {
    let words = words::Words::new(catalog);
    let sources: Vec<Source> = files.iter().map(|path| Source::open(path)).collect::<Result<_, _>>()?;
    let mut sheets = Vec::new();
    for source in &sources {
        for sheet in source.sheets() {
            sheets.push((source.name.as_str(), sheet, look::look(source, sheet, &words, today)?));
        }
    }
    Ok(write::write(catalog, &words, &sheets))
}
