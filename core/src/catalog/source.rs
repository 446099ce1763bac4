//! The travel form of a catalog: its files. The server sends them as data and every side parses them itself, so a phone
//! uses a collection it was never built for.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Catalog, CatalogError};

/// The files of one version, ordered by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct CatalogSource {
    /// The version in the district's log, from 1.
    #[n(0)]
    pub version: u32,
    /// File name and text.
    #[n(1)]
    pub files: Vec<(String, String)>,
}

impl CatalogSource {
    /// A version from its files; of files with one name the last stands.
    pub fn new(version: u32, files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        Self { version, files: files.into_iter().collect() }
    }

    /// The next version: these files with some replaced or added. What belongs to a catalog never leaves it, so there is
    /// no way to drop a file; whether the new version may follow is told by [`Catalog::check_succession`].
    pub fn succeed(&self, changed: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::new(self.version.saturating_add(1), self.files.iter().cloned().chain(changed))
    }

    /// BLAKE3 over version, names and texts with their lengths.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gridpass catalog source v1");
        hasher.update(&self.version.to_le_bytes());
        for part in self.files.iter().flat_map(|(name, text)| [name, text]) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Reads the files; those of the built-in catalog, which most phones and servers are opened with, once for all.
    pub fn parse(&self) -> Result<Catalog, Vec<CatalogError>> {
        if self.is_built_in() { Ok((*Catalog::built_in()).clone()) } else { self.read() }
    }

    /// Reads the files, whatever was read before.
    pub(super) fn read(&self) -> Result<Catalog, Vec<CatalogError>> {
        let catalog = Catalog::parse(&self.files)?;
        Ok(Catalog { version: self.version, ..catalog })
    }
}
