//! Units and grids as people name them: by code, by name, or by a path of either (`中韩街道/金岭管区`).

use gridpass_core::codes::Date;

use super::error::OrgError;
use super::tree::{At, Version};

/// How many of several are named in an error.
const NAMED: usize = 4;

impl<'a> At<'a> {
    /// The one unit or grid of a code, a name or a path. A path need not begin at the top; a code goes before a name.
    pub fn find(&self, said: &str) -> Result<&'a Version, OrgError> {
        let day = Date::in_china(self.now_ms);
        let said = said.trim();
        let parts: Vec<&str> = said.split('/').map(str::trim).filter(|part| !part.is_empty()).collect();
        let Some((last, above)) = parts.split_last() else { return Err(OrgError::NoSuch { said: said.into(), day }) };
        let standing = || self.tree.ever_called(last).filter_map(|node| self.get(node));
        let fits = |version: &&Version| {
            let mut path = self.path(version.node).skip(1);
            above.iter().rev().all(|part| path.next().is_some_and(|unit| is_called(unit, part)))
        };
        let by_code = standing().find(|version| version.code.as_deref() == Some(last) && fits(version));
        if let Some(found) = by_code {
            return Ok(found);
        }
        let named: Vec<&Version> = standing().filter(|version| version.name == *last && fits(version)).collect();
        match named.as_slice() {
            [] => Err(OrgError::NoSuch { said: said.into(), day }),
            [found] => Ok(found),
            several => {
                let name = |version: &&Version| match &version.code {
                    Some(code) => code.clone(),
                    None => self.path_text(version.node),
                };
                let paths = several.iter().take(NAMED).map(name).collect();
                Err(OrgError::Ambiguous { said: said.into(), day, paths })
            }
        }
    }
}

fn is_called(version: &Version, said: &str) -> bool {
    version.name == said || version.code.as_deref() == Some(said)
}
