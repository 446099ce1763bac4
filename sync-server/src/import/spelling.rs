//! One way to write what names a record or is checked by a code, so that `3栋` and `３#` of two rows are one building.

use std::collections::BTreeMap;

use gridpass_core::catalog::{Catalog, Field};
use gridpass_core::codes::identity::{self, IdKind};
use gridpass_core::codes::text::{compact, half_width};
use gridpass_core::codes::{address, credit, name};
use gridpass_core::id::RecordId;
use serde::Deserialize;

use super::cells::Cell;
use super::convert::text;
use super::mapping::Mapping;
use super::moment::Zone;

/// How a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// `3号楼`.
    Building,
    /// `2单元`.
    Unit,
    /// `301`.
    Room,
    /// `12号`.
    DoorNo,
    /// A road, an estate or a village.
    Place,
    /// The name of a person.
    PersonName,
    /// A credit code.
    Uscc,
    /// An identity number; 15 digits become 18 characters where it names a record.
    Identity,
    /// The code of a lift.
    LiftCode,
}

impl Spelling {
    /// The spelling of a field with a code check.
    pub fn of(field: &Field) -> Option<Self> {
        Some(match field.check.as_deref()? {
            "building" => Self::Building,
            "unit" => Self::Unit,
            "door_no" => Self::DoorNo,
            "person_name" => Self::PersonName,
            "uscc" => Self::Uscc,
            "identity" => Self::Identity,
            "lift_code" => Self::LiftCode,
            _ => return None,
        })
    }

    /// The regular form of a value. What is refused or may mean two things stays as it is, and is told by the field's
    /// check: `3-2` of a building may be its second unit.
    pub fn value(self, said: &str) -> String {
        let bare = |said: &str| said.chars().all(|c| c.is_ascii_digit() || c == '-') && said.contains('-');
        match self {
            Self::Building | Self::Unit if bare(&compact(said)) => compact(said),
            Self::Identity => compact(said),
            _ => self.name(said),
        }
    }

    /// The regular form where a value names a record.
    pub fn name(self, said: &str) -> String {
        let written = match self {
            Self::Building => address::building(said).ok(),
            Self::Unit => address::unit(said).ok(),
            Self::Room => address::room(said).ok(),
            Self::DoorNo => address::door_number(said).ok(),
            Self::Place => address::place(said).ok(),
            Self::PersonName => Some(name::normalise(said)),
            Self::Uscc => Some(credit::normalise(said)),
            Self::Identity => Some(identity::normalise(IdKind::Resident, said)),
            Self::LiftCode => Some(compact(said)),
        };
        written.unwrap_or_else(|| said.to_owned())
    }

    /// What is told where the regular form is another text than what was said; nothing where only capitals and the marks
    /// inside a name differ.
    pub fn repair(self, said: &str, written: &str) -> Option<&'static str> {
        match self {
            _ if said.to_ascii_uppercase() == written => None,
            Self::Building | Self::Unit | Self::Room | Self::DoorNo | Self::Place => Some("repaired_address"),
            Self::PersonName if half_width(said) == said && !said.contains(char::is_whitespace) => None,
            _ => Some("repaired_spelling"),
        }
    }

    /// Whether 无 is a value: the address has no such part.
    pub fn may_be_none(self) -> bool {
        matches!(self, Self::Building | Self::Unit | Self::Room | Self::DoorNo)
    }
}

/// How the columns of a mapping are read where they name records, and the zone of moments that name none.
pub struct Keys<'a> {
    pub(super) zone: Zone,
    space: &'a str,
    nothing: &'a [String],
    spelled: &'a BTreeMap<String, Spelling>,
    checks: BTreeMap<&'a str, Spelling>,
}

impl<'a> Keys<'a> {
    /// The spellings that the mapping gives, and those of buildings and units by the check of the field they are mapped
    /// to; `space` says whose keys they are.
    pub fn new(mapping: &'a Mapping, catalog: &'a Catalog, space: &'a str) -> Self {
        let columns = mapping.tables.iter().flat_map(|table| {
            let collection = catalog.collection(&table.collection);
            table.columns.iter().filter_map(move |column| Some((column, collection?.field(&column.to)?)))
        });
        let checked = columns.filter_map(|(column, field)| {
            let check = Spelling::of(field).filter(|check| [Spelling::Building, Spelling::Unit].contains(check))?;
            Some((column.from.texts().first()?.as_str(), check))
        });
        let zone = mapping.zone;
        Self { zone, space, nothing: &mapping.nothing, spelled: &mapping.spelled, checks: checked.collect() }
    }

    /// How the mapping says that a column is written.
    pub fn spelled(&self, heading: &str) -> Option<Spelling> {
        self.spelled.get(heading).copied()
    }

    /// Whether a text says that there is nothing.
    pub fn is_nothing(&self, said: &str) -> bool {
        let said = half_width(said);
        said.is_empty() || self.nothing.iter().any(|word| half_width(word).eq_ignore_ascii_case(&said))
    }

    /// The record of a key.
    pub fn record(&self, collection: &str, parts: &[String]) -> RecordId {
        record_id(self.space, collection, parts)
    }

    /// The parts of a key as they name a record: width and white space do not matter. None where one is empty.
    pub fn parts(&self, headings: &[String], cells: &[&Cell]) -> Result<Option<Vec<String>>, &'static str> {
        let part = |(heading, cell): (&String, &&Cell)| {
            let spelling = self.spelled(heading).or_else(|| self.checks.get(heading.as_str()).copied());
            let said = text(cell)?;
            Ok(match spelling {
                Some(spelling) if spelling.may_be_none() && !said.is_empty() && self.is_nothing(&said) => {
                    address::NONE.to_owned()
                }
                _ if self.is_nothing(&said) => String::new(),
                Some(spelling) => compact(&spelling.name(&said)),
                None => compact(&said),
            })
        };
        let parts: Vec<String> = headings.iter().zip(cells).map(part).collect::<Result<_, &'static str>>()?;
        Ok((!parts.iter().any(String::is_empty)).then_some(parts))
    }
}

/// The id of the record that a sheet names by a key. `space` says whose keys they are.
pub fn record_id(space: &str, collection: &str, key: &[String]) -> RecordId {
    let space = (!space.is_empty()).then_some(space.as_bytes());
    let key = key.iter().map(String::as_bytes);
    let parts: Vec<&[u8]> = std::iter::once(collection.as_bytes()).chain(key).collect();
    match space {
        Some(space) => RecordId::derived("import of a space", &[&[space], parts.as_slice()].concat()),
        None => RecordId::derived("import", &parts),
    }
}
