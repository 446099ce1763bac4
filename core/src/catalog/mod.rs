//! Definitions of collections, fields, code tables, forms and rules: data, parsed at run time.
//!
//! The same files and the same code are used by phone and server, so a record cannot pass on one side and fail on the
//! other. A collection that is added as a file works on a phone that was never rebuilt for it.
//!
//! | to | use |
//! |---|---|
//! | read files | [`Catalog::parse`], [`Catalog::built_in`] |
//! | know what a key means | [`Collection::key`] |
//! | refuse a malformed value | [`Collection::check_op`] |
//! | judge a record on save | [`Collection::check`] |
//! | know what a supervisor looks at | [`Collection::occasions`] |
//! | know who may do what | [`Role::may`] |
//! | send a catalog, publish the next | [`CatalogSource`], [`Catalog::check_succession`] |

mod built_in;
mod check;
mod code_check;
mod collection;
mod error;
mod field;
mod file;
mod form;
mod key;
mod parse;
mod parse_collection;
mod parse_field;
mod parse_role;
mod reader;
mod review;
mod role;
mod rule;
mod source;
mod succession;
mod table;
mod template;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::bucket::BucketClass;
pub use check::{Finding, ended, filled};
pub use code_check::{CHECKS, CodeFinding, code_check};
pub use collection::{Collection, Duplicate, DuplicateScope, Level, OneOf, Review, ReviewOn, Rule};
pub use error::CatalogError;
pub use field::{Field, FieldType, Policy, Required, Search, Sens, TypeName};
pub use file::{FileRef, FileUse};
pub use form::{FieldError, MAX_ANSWER, MAX_FACT, Shape};
pub use key::{KeyForm, KeyPart, MAX_KEY, MAX_SERVER_KEY, element, well_formed};
pub use review::{Edited, Occasion};
pub use role::{Action, Permission, Role, Thing};
pub use rule::{Expression, MAX_EXPRESSION, NoFacts, RuleFacts};
pub use source::CatalogSource;
pub use succession::SuccessionError;
pub use table::{ChildForm, ChildKind, ChildPart, CodeItem, CodeTable, FieldGroup, PartForm, Retention};
pub use template::{Pick, PickPart, Piece, Template};
pub use text::Text;

/// Every definition of one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// The version in the district's log; 0 for files that were never published.
    pub version: u32,
    /// The collections by name.
    pub collections: BTreeMap<String, Collection>,
    /// The code tables by name.
    pub tables: BTreeMap<String, Arc<CodeTable>>,
    /// The kinds of children by name.
    pub kinds: BTreeMap<String, Arc<ChildKind>>,
    /// The field groups by name.
    pub groups: BTreeMap<String, FieldGroup>,
    /// The roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Texts of findings and errors by code.
    pub texts: BTreeMap<String, Text>,
}

impl Catalog {
    /// A collection by its name.
    pub fn collection(&self, id: &str) -> Option<&Collection> {
        self.collections.get(id)
    }

    /// The text of a finding or error code.
    pub fn text(&self, code: &str) -> Option<&Text> {
        self.texts.get(code)
    }
}
