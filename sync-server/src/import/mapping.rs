//! The mapping file: which sheet is which collection, which column which field.

use std::collections::BTreeMap;

use gridpass_core::Value;
use gridpass_core::catalog::{Catalog, ChildForm, Collection, FieldType, Policy};
use serde::Deserialize;

use super::moment::{TimeOfDay, Zone};
use super::spelling::Spelling;

/// A mapping file. Its tables are imported in order: what is referred to stands first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Whose numbers the keys are: rows of two spaces are never the same record.
    #[serde(default)]
    pub space: String,
    /// What a cell says that holds nothing. 无 stays where an address has no such part, and means no where yes or no is
    /// asked for; 不详 says of a field that may be unknown that it is.
    #[serde(default = "nothing")]
    pub nothing: Vec<String>,
    /// The zone of moments that name none: `+08:00`.
    #[serde(default)]
    pub zone: Zone,
    /// How columns are written where they name records: the same building, room or person in every spelling.
    #[serde(default)]
    pub spelled: BTreeMap<String, Spelling>,
    /// Columns that hold building, unit and room in one.
    #[serde(rename = "split", default)]
    pub splits: Vec<Split>,
    /// The tables.
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
}

/// One sheet as one collection. A sheet may stand in several tables, for example a row of a room for its building too.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The sheet of a workbook, or the name of a CSV file without `.csv`.
    pub sheet: String,
    /// The collection its rows are records of.
    pub collection: String,
    /// The row of the headings, counted from 1; of several the first.
    #[serde(default = "first")]
    pub heading: u32,
    /// How many rows the headings have. A heading under another is named `above/below`.
    #[serde(default = "first")]
    pub heading_rows: u32,
    /// The columns that together name a record; the same name is the same record in every later file. A part that begins
    /// with `=` is what it says, in every row.
    pub key: Many,
    /// Whether several rows may have one key: the first one counts.
    #[serde(default)]
    pub repeats: bool,
    /// Whether a row may lack the key: it is no record of this table then, and that is told.
    #[serde(default)]
    pub may_lack: bool,
    /// The column of the grid's code. Without it the grid given on the command line counts, then the grid of the record
    /// that the row hangs on.
    pub grid: Option<String>,
    /// Values of every row.
    #[serde(default)]
    pub fixed: BTreeMap<String, Value>,
    /// The columns that are read. Others are passed over.
    #[serde(rename = "column", default)]
    pub columns: Vec<Column>,
}

/// A column that holds building, unit and room in one, as `3-2-301`, and the columns it is read as.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The sheet.
    pub sheet: String,
    /// The heading of the column.
    pub from: String,
    /// What the building is called in the tables.
    pub building: String,
    /// What the unit is called.
    pub unit: String,
    /// What the room is called.
    pub room: String,
}

/// One column as one field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its heading; two for a position (latitude, longitude), two for a moment if day and time stand apart, all the key
    /// columns for a reference. `=…` as in a key.
    pub from: Many,
    /// The field.
    pub to: String,
    /// What the sheet says, and what that means. A table's codes and labels are known without.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// Whether the sheet may lack the column.
    #[serde(default)]
    pub optional: bool,
    /// Of a reference that may be of several collections: which. In a field of children it says that a cell lists keys of
    /// records of this collection, and that each record is a child.
    pub of: Option<Of>,
    /// What is said of each record that a cell lists: the child's value.
    pub value: Option<Value>,
    /// The time of the day that is meant where a moment's cell holds only a day. Without it such a row is refused.
    pub time: Option<TimeOfDay>,
    /// The label of every telephone number.
    #[serde(default)]
    pub label: String,
    /// The coordinate system of a position: WGS84, CGCS2000, GCJ02 or BD09.
    pub crs: Option<String>,
    /// The day a position was taken on, if it is known.
    pub as_of: Option<gridpass_core::codes::Date>,
    /// How exact a position is, in metres.
    #[serde(default = "accuracy")]
    pub accuracy_m: u32,
}

/// Which collection a column refers to.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Of {
    /// This one.
    One(String),
    /// The one that another column says.
    By(By),
}

/// A column that says of each row what another refers to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// Its heading.
    pub by: String,
    /// What it says, and which collection that means.
    pub kinds: BTreeMap<String, String>,
}

impl Of {
    /// The collections that may be referred to.
    fn collections(&self) -> Vec<&str> {
        match self {
            Self::One(one) => vec![one],
            Self::By(by) => by.kinds.values().map(String::as_str).collect(),
        }
    }
}

/// One text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Many {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Many {
    /// The texts.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }

    /// The first that is the heading of a column.
    pub fn first(&self) -> &str {
        let texts = self.texts();
        texts.iter().find(|text| said(text).is_none()).or(texts.first()).map_or("", String::as_str)
    }
}

/// What a mapping itself says in place of a heading: `=山海小区` for a sheet that is all of one estate.
pub fn said(heading: &str) -> Option<&str> {
    heading.strip_prefix('=')
}

/// What offices write where there is nothing to write.
fn nothing() -> Vec<String> {
    ["无", "不详", "未知", "暂无", "没有", "/", "\\", "-", "--", "—", "——", "N/A"].map(str::to_owned).to_vec()
}

fn first() -> u32 {
    1
}

fn accuracy() -> u32 {
    10
}

/// A mapping that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("the mapping cannot be read: {0}")]
    File(std::io::Error),
    /// The file is no mapping.
    #[error("the mapping: {0}")]
    Form(#[from] toml::de::Error),
    /// No catalog was published.
    #[error("no catalog is published; run `gridpass-server init`")]
    NoCatalog,
    /// The catalog does not agree.
    #[error("the mapping, table {sheet}: {at}: {what}")]
    Table {
        /// The sheet.
        sheet: String,
        /// The collection, field or column.
        at: String,
        /// What is wrong, and what to do.
        what: &'static str,
    },
}

impl Mapping {
    /// Reads a mapping file.
    pub fn read(path: &std::path::Path) -> Result<Self, MappingError> {
        Ok(toml::from_str(&std::fs::read_to_string(path).map_err(MappingError::File)?)?)
    }

    /// Whether the catalog knows every collection and field, and each has a type that can be read from cells.
    pub fn check(&self, catalog: &Catalog) -> Result<(), MappingError> {
        for table in &self.tables {
            let refuse = |at: &str, what| MappingError::Table { sheet: table.sheet.clone(), at: at.to_owned(), what };
            let collection = catalog
                .collection(&table.collection)
                .ok_or_else(|| refuse(&table.collection, "no such collection; use one of the catalog's"))?;
            if table.key.texts().is_empty() || table.heading == 0 || !(1..=5).contains(&table.heading_rows) {
                let what = "name at least one key column, count rows from 1, and give headings 1 to 5 rows";
                return Err(refuse("key, heading, heading_rows", what));
            }
            for (key, value) in &table.fixed {
                collection
                    .check_op(key, value)
                    .map_err(|_| refuse(key, "this is no value of such a field; compare it with the catalog"))?;
            }
            for column in &table.columns {
                column.check(collection).map_err(|what| refuse(&column.to, what))?;
                for of in column.of.iter().flat_map(Of::collections).filter(|of| *of != "self") {
                    catalog.collection(of).ok_or_else(|| refuse(of, "no such collection; use one of the catalog's"))?;
                }
            }
        }
        Ok(())
    }
}

impl Column {
    fn check(&self, collection: &Collection) -> Result<(), &'static str> {
        let field = collection.field(&self.to).ok_or("no such field; use one of the collection's")?;
        if matches!(field.policy, Policy::Computed | Policy::Server) {
            return Err("the field is computed or the server's; leave the column out");
        }
        let fits = |to: &[String]| {
            let known = |of: &str| to.iter().any(|to| to == of || (to == "self" && of == collection.id));
            self.of.iter().flat_map(Of::collections).all(|of| of == "self" || known(of))
        };
        if self.time.is_some() && field.field_type != FieldType::Ts {
            return Err("only a moment has a time of the day; leave time out");
        }
        if self.value.is_some() && !matches!(&field.field_type, FieldType::Children { .. } if self.of.is_some()) {
            return Err("value is said of listed records; give of = \"…\" and a field of children, or leave value out");
        }
        match &field.field_type {
            FieldType::Geo if self.from.texts().len() != 2 => Err("a position has two columns: latitude, longitude"),
            FieldType::Geo if self.crs.as_deref().and_then(gridpass_core::codes::Crs::from_code).is_none() => {
                Err("a position needs crs = \"WGS84\", \"CGCS2000\", \"GCJ02\" or \"BD09\"")
            }
            FieldType::Ref { to } | FieldType::Refs { to } if to.len() > 1 && self.of.is_none() => {
                Err("the reference may be of several collections; say which with of = \"…\"")
            }
            FieldType::Ref { to } | FieldType::Refs { to } if !fits(to) => {
                Err("the field refers to no such collection; compare it with the catalog")
            }
            FieldType::Children { kind } if self.of.is_some() => {
                let code = self.value.as_ref().and_then(Value::as_str).unwrap_or_default();
                match &kind.form {
                    ChildForm::Code(table) if table.item(code).is_some() => Ok(()),
                    ChildForm::Code(_) => Err("listed records need value = \"…\", a code of the field's table"),
                    _ => Err("only a field whose children are codes takes listed records; leave of out"),
                }
            }
            FieldType::Ts if self.from.texts().len() <= 2 => Ok(()),
            FieldType::Media { .. } | FieldType::Answers | FieldType::Facts => {
                Err("such a field cannot be imported; leave the column out")
            }
            FieldType::Geo | FieldType::Ref { .. } | FieldType::Refs { .. } => Ok(()),
            _ if self.from.texts().len() != 1 => Err("such a field has one column"),
            _ => Ok(()),
        }
    }
}
