//! The catalog this build was made with.

use std::sync::{Arc, LazyLock};

use super::{Catalog, CatalogSource};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// The files of the built-in catalog. A new file is added here and nowhere else.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../catalog/", $name))),)*];
    };
}

files![
    "address.toml",
    "envelope.toml",
    "facility.toml",
    "groups.toml",
    "house.toml",
    "household.toml",
    "kinds.toml",
    "opinion.toml",
    "organisation.toml",
    "person.toml",
    "registers.toml",
    "residence.toml",
    "roles.toml",
    "tables/duty.toml",
    "tables/nationality.toml",
    "tables/standard.toml",
    "task.toml",
    "texts.toml",
    "visit.toml",
];

static BUILT_IN: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    // A test holds that the built-in files parse; a build whose files do not parse offers no collection.
    Arc::new(CatalogSource::built_in().read().unwrap_or_default())
});

impl Catalog {
    /// The built-in catalog, version 1 of the district's catalog log. Parsed once.
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }
}

impl CatalogSource {
    /// The files of the built-in catalog as version 1.
    pub fn built_in() -> Self {
        Self::new(1, FILES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    /// Whether these are the version and the files of the built-in catalog.
    pub(super) fn is_built_in(&self) -> bool {
        self.version == 1
            && self.files.iter().map(|(name, text)| (name.as_str(), text.as_str())).eq(FILES.iter().copied())
    }
}
