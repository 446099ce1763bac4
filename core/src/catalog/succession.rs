//! Which catalog may follow which: records are kept for years and phones skip versions, so what a key meant once it
//! means for ever. Fields and codes are retired, never removed; with that, checking each version against the one before
//! it checks it against all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Catalog;
use super::collection::Collection;
use super::field::{Field, FieldType, Policy};
use super::table::{ChildForm, ChildKind, CodeTable, PartForm};

/// Why a catalog may not follow another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{what}: {message} [{code}]")]
pub struct SuccessionError {
    /// The collection, field, table or kind, for example `house.nature`.
    pub what: String,
    /// A stable name of the defect.
    pub code: &'static str,
    /// What is wrong and how to put it right, in English.
    pub message: String,
}

impl Catalog {
    /// Whether `new` may be published after `old`: no collection, field, code, kind or role is gone, none has another type,
    /// bucket or class of policy, and nothing that was accepted is refused now.
    ///
    /// `latest` and `decide` are one class: they differ in what is done about two values, not in who writes.
    pub fn check_succession(old: &Self, new: &Self) -> Result<(), Vec<SuccessionError>> {
        let mut run = Run { errors: Vec::new() };
        if new.version <= old.version {
            let message = format!("version {} does not come after {}; raise it", new.version, old.version);
            run.fail("version", "old_version", message);
        }
        for (id, collection) in &old.collections {
            match new.collections.get(id) {
                Some(later) => run.collection(collection, later),
                None => run.fail(id, "gone", "the collection is gone; put its file back"),
            }
        }
        for id in old.roles.keys().filter(|id| !new.roles.contains_key(*id)) {
            run.fail(
                id,
                "gone",
                "the role is gone, but assignments name it; put it back, with no [[role.may]] if need be",
            );
        }
        run.tables(&old.tables, &new.tables);
        run.kinds(&old.kinds, &new.kinds);
        if run.errors.is_empty() { Ok(()) } else { Err(run.errors) }
    }
}

struct Run {
    errors: Vec<SuccessionError>,
}

/// Who writes a key and how often: this never changes.
#[derive(PartialEq)]
enum Class {
    Devices,
    Once,
    Computed,
    Server,
}

fn class(policy: Policy) -> Class {
    match policy {
        Policy::Latest | Policy::Decide => Class::Devices,
        Policy::Once => Class::Once,
        Policy::Computed => Class::Computed,
        Policy::Server => Class::Server,
    }
}

impl Run {
    fn fail(&mut self, what: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(SuccessionError { what: what.to_owned(), code, message: message.into() });
    }

    fn collection(&mut self, old: &Collection, new: &Collection) {
        if old.bucket != new.bucket {
            let message =
                format!("the bucket was `{}`; make another collection for another class", old.bucket.as_str());
            self.fail(&old.id, "bucket_changed", message);
        }
        for field in &old.fields {
            let what = format!("{}.{}", old.id, field.key);
            match new.field(&field.key) {
                Some(later) => self.field(&what, field, later),
                None => self.fail(&what, "gone", "the field is gone; put it back with `retired = true`"),
            }
        }
    }

    fn field(&mut self, what: &str, old: &Field, new: &Field) {
        if class(old.policy) != class(new.policy) {
            let message = format!("the policy was `{}`; use another key", old.policy.as_str());
            self.fail(what, "policy_changed", message);
        }
        if old.field_type.name() != new.field_type.name() {
            let message = format!("the type was `{}`; use another key", old.field_type.name().as_str());
            self.fail(what, "type_changed", message);
        } else if let Some(message) = narrower(&old.field_type, &new.field_type) {
            self.fail(what, "narrower", message);
        }
        if old.may_be_unknown && !new.may_be_unknown {
            self.fail(what, "narrower", "it could be stated as unknown; keep `may_be_unknown = true`");
        }
    }

    fn tables(&mut self, old: &BTreeMap<String, Arc<CodeTable>>, new: &BTreeMap<String, Arc<CodeTable>>) {
        for (id, table) in old {
            let Some(later) = new.get(id) else {
                self.fail(id, "gone", "the code table is gone; put it back");
                continue;
            };
            for item in table.items.iter().filter(|item| later.item(&item.code).is_none()) {
                let what = format!("{id}.{}", item.code);
                self.fail(&what, "gone", "the code is gone; put it back with `retired = true`");
            }
        }
    }

    fn kinds(&mut self, old: &BTreeMap<String, Arc<ChildKind>>, new: &BTreeMap<String, Arc<ChildKind>>) {
        for (id, kind) in old {
            let Some(later) = new.get(id) else {
                self.fail(id, "gone", "the kind is gone; put it back");
                continue;
            };
            let (old, new) = match (&kind.form, &later.form) {
                (ChildForm::Parts(old), ChildForm::Parts(new)) => (old, new),
                (ChildForm::Text { max: old }, ChildForm::Text { max: new }) if old <= new => continue,
                (ChildForm::Code(old), ChildForm::Code(new)) if old.id == new.id => continue,
                _ => {
                    self.fail(id, "type_changed", "its children had another form; use another kind");
                    continue;
                }
            };
            for part in old {
                let what = format!("{id}.{}", part.key);
                let same = new.iter().find(|later| later.key == part.key);
                match same {
                    None => self.fail(&what, "gone", "the part is gone; put it back"),
                    Some(later) if !same_part(&part.form, &later.form) => {
                        self.fail(&what, "type_changed", "the part had another type or was longer; use another key");
                    }
                    Some(later) if later.required && !part.required => {
                        self.fail(&what, "narrower", "the part was not required; leave it so");
                    }
                    Some(_) => {}
                }
            }
            for part in new.iter().filter(|part| part.required && !old.iter().any(|known| known.key == part.key)) {
                let what = format!("{id}.{}", part.key);
                self.fail(&what, "narrower", "children without this part exist; do not require it");
            }
        }
    }
}

fn same_part(old: &PartForm, new: &PartForm) -> bool {
    match (old, new) {
        (PartForm::Text { max: old }, PartForm::Text { max: new }) => old <= new,
        (PartForm::Code(old), PartForm::Code(new)) => old.id == new.id,
        (old, new) => old == new,
    }
}

/// What `new` refuses although `old` took it.
fn narrower(old: &FieldType, new: &FieldType) -> Option<String> {
    match (old, new) {
        (FieldType::Text { max: old, multiline: old_lines }, FieldType::Text { max, multiline }) => {
            (max < old).then(|| format!("texts of {old} characters exist; keep `max` at least so")).or_else(|| {
                (*old_lines && !multiline).then(|| "texts of several lines exist; keep `multiline = true`".to_owned())
            })
        }
        (FieldType::Code { table: old, .. }, FieldType::Code { table: new, .. })
        | (FieldType::Codes { table: old }, FieldType::Codes { table: new }) => {
            (old.id != new.id).then(|| format!("its codes were of `{}`; keep that table or use another key", old.id))
        }
        (FieldType::Ref { to: old }, FieldType::Ref { to: new })
        | (FieldType::Refs { to: old }, FieldType::Refs { to: new }) => old
            .iter()
            .find(|target| !new.contains(target))
            .map(|target| format!("it could point at `{target}`; keep that in `to`")),
        (FieldType::Division { digits: old }, FieldType::Division { digits: new }) => {
            (new.is_some() && old != new).then(|| "codes of other lengths exist; leave `digits` as it was".to_owned())
        }
        (FieldType::Media { by_purpose: old, .. }, FieldType::Media { by_purpose: new, .. }) => {
            (old != new).then(|| "its keys had another form; leave `by_purpose` as it was".to_owned())
        }
        (FieldType::Children { kind: old }, FieldType::Children { kind: new }) => {
            (old.id != new.id).then(|| format!("its children were of the kind `{}`; use another key", old.id))
        }
        _ => None,
    }
}
