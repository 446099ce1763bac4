//! From a filled form to what is put into the record.

use minicbor::{Decode, Encode};

use super::request::Request;
use super::shown::{Shown, ShownValues, digest, same};
use crate::catalog::Policy;
use crate::id::IntentId;
use crate::value::Value;

/// One field of a saved form: what it was shown with and what it holds now.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Edit {
    /// The key.
    #[n(0)]
    pub key: String,
    /// The value the field was shown with; nothing and cleared are the same.
    #[n(1)]
    pub seen: Value,
    /// The value it was saved with.
    #[n(2)]
    pub new: Value,
    /// The other values that were shown there, where several stood. Nobody decides over a value that was not shown to
    /// him.
    #[cbor(n(3), default, skip_if = "Vec::is_empty")]
    pub beside: Vec<Value>,
}

impl Edit {
    /// An edit of a field that was shown with one value.
    pub fn new(key: impl Into<String>, seen: impl Into<Value>, new: impl Into<Value>) -> Self {
        Self { key: key.into(), seen: seen.into(), new: new.into(), beside: Vec::new() }
    }

    /// An edit of a field by somebody who is shown all that stands in it now.
    pub fn over(key: impl Into<String>, shown: Option<&Shown>, new: impl Into<Value>) -> Self {
        let seen = shown.map(|shown| shown.value().clone()).unwrap_or_default();
        let beside = shown.filter(|shown| shown.is_conflict()).map(|shown| shown.all().into_iter().skip(1).cloned());
        Self { beside: beside.into_iter().flatten().collect(), ..Self::new(key, seen, new) }
    }

    /// A value that stands and was not shown when the field was edited.
    fn unseen<'a>(&self, now: &'a Shown) -> Option<&'a Value> {
        let known = |value: &Value| same(value, &self.seen) || self.beside.iter().any(|other| same(value, other));
        now.all().into_iter().find(|value| !known(value))
    }
}

/// Why a field cannot be saved as it is. The typed value is kept; the form asks again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Another value came in since the form was opened. Saving would overwrite what was never seen.
    #[error("{key}: another value came in since the form was opened; look at it and decide")]
    SeenChanged {
        /// The key.
        key: String,
        /// What is shown now.
        now: Value,
    },
    /// The field is written once, and it is.
    #[error("{key}: written once and cannot be changed")]
    WrittenOnce {
        /// The key.
        key: String,
    },
    /// The field is computed, the server's, or not in the catalog.
    #[error("{key}: not a field that a device writes")]
    NotWritable {
        /// The key.
        key: String,
    },
}

impl EditError {
    /// The key of the field.
    pub fn key(&self) -> &str {
        match self {
            Self::SeenChanged { key, .. } | Self::WrittenOnce { key } | Self::NotWritable { key } => key,
        }
    }
}

/// What a saved form puts into the record; nothing where nothing was changed.
///
/// A field equal to what it was shown with is left out, because putting a value again would silently take away every
/// other value that stands beside it. Where different values stand at a `decide` key, the save becomes a request to
/// decide, named by `request_id`. All fields are saved or none.
pub fn plan(
    shown: &ShownValues,
    edits: &[Edit],
    policy: impl Fn(&str) -> Option<Policy>,
    mut request_id: impl FnMut() -> IntentId,
) -> Result<Vec<(String, Value)>, Vec<EditError>> {
    const NOTHING: &Shown = &Shown::One(Value::Null);
    let mut puts = Vec::new();
    let mut errors = Vec::new();
    for edit in edits.iter().filter(|edit| !same(&edit.seen, &edit.new)) {
        let Edit { key, seen, new, .. } = edit;
        let now = shown.get(key).unwrap_or(NOTHING);
        let settled = !now.is_conflict() && same(now.value(), new);
        let key = key.clone();
        match policy(&key) {
            Some(Policy::Latest | Policy::Decide) if settled => {}
            Some(Policy::Latest | Policy::Decide) if !same(now.value(), seen) => {
                errors.push(EditError::SeenChanged { key, now: now.value().clone() });
            }
            Some(Policy::Decide) if now.is_conflict() => {
                if let Some(unseen) = edit.unseen(now) {
                    errors.push(EditError::SeenChanged { key, now: unseen.clone() });
                    continue;
                }
                let seen = now.all().into_iter().map(digest).collect();
                let request = Request::Resolve { key, value: new.clone(), seen }.entry(request_id());
                if !shown.contains_key(&request.0) {
                    puts.push(request); // else a copy of this phone has asked already
                }
            }
            Some(Policy::Latest | Policy::Decide) => puts.push((key, new.clone())),
            Some(Policy::Once) if settled => {}
            Some(Policy::Once) if shown.contains_key(&key) => errors.push(EditError::WrittenOnce { key }),
            Some(Policy::Once) => puts.push((key, new.clone())),
            Some(Policy::Computed | Policy::Server) | None => errors.push(EditError::NotWritable { key }),
        }
    }
    if errors.is_empty() { Ok(puts) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChangeHash;

    const ID: IntentId = IntentId([5; 16]);

    fn edit(key: &str, seen: impl Into<Value>, new: impl Into<Value>) -> Edit {
        Edit::new(key, seen, new)
    }

    fn saved(shown: &[(&str, Shown)], edits: &[Edit]) -> Result<Vec<(String, Value)>, Vec<EditError>> {
        let shown = shown.iter().map(|(key, shown)| ((*key).to_owned(), shown.clone())).collect();
        let policy = |key: &str| match key {
            "phone" => Some(Policy::Latest),
            "name" => Some(Policy::Decide),
            "found_at" => Some(Policy::Once),
            "age" => Some(Policy::Computed),
            _ => None,
        };
        plan(&shown, edits, policy, || ID)
    }

    fn one(value: &str) -> Shown {
        Shown::One(value.into())
    }

    fn two(first: &str, second: &str) -> Shown {
        Shown::Several(vec![(first.into(), ChangeHash([1; 32])), (second.into(), ChangeHash([2; 32]))])
    }

    #[test]
    fn an_unchanged_form_puts_nothing_and_erases_no_conflict() {
        let shown = [("name", two("甲", "乙")), ("phone", one("1"))];
        assert_eq!(saved(&shown, &[edit("name", "甲", "甲"), edit("phone", "1", "1")]), Ok(vec![]));
        assert_eq!(saved(&[], &[edit("phone", Value::Null, Value::Null)]), Ok(vec![]));
    }

    #[test]
    fn what_came_in_unseen_is_never_overwritten() {
        let refused = saved(&[("phone", one("2"))], &[edit("phone", "1", "3")]).unwrap_err();
        assert_eq!(refused, [EditError::SeenChanged { key: "phone".into(), now: "2".into() }]);
        assert_eq!(saved(&[("phone", one("3"))], &[edit("phone", "1", "3")]), Ok(vec![]), "somebody said the same");
    }

    #[test]
    fn deciding_a_conflict_is_a_request_that_names_what_was_seen() {
        let both = two("甲", "乙");
        let puts = saved(&[("name", both.clone())], &[Edit::over("name", Some(&both), "乙")]).unwrap();
        let request = Request::Resolve {
            key: "name".into(),
            value: "乙".into(),
            seen: vec![digest(&"甲".into()), digest(&"乙".into())],
        };
        assert_eq!(puts, [request.entry(ID)]);
        let asked = [("name", both.clone()), (request.entry(ID).0.as_str(), one("{}"))].map(|(k, v)| (k.to_owned(), v));
        let again = plan(&asked.into(), &[Edit::over("name", Some(&both), "乙")], |_| Some(Policy::Decide), || ID);
        assert_eq!(again, Ok(vec![]), "it was asked already");
        let confirmed = saved(&[("phone", two("1", "2"))], &[edit("phone", "1", "3")]).unwrap();
        assert_eq!(confirmed, [("phone".into(), "3".into())], "a latest field is simply written");
    }

    #[test]
    fn nobody_decides_over_a_value_that_came_in_unseen() {
        let both = [("name", two("甲", "乙"))];
        let refused = |edit| saved(&both, &[edit]).unwrap_err();
        let unseen = |now: &str| vec![EditError::SeenChanged { key: "name".into(), now: now.into() }];
        assert_eq!(refused(edit("name", "甲", "丙")), unseen("乙"));
        let saw_others = Edit { beside: vec!["丁".into()], ..edit("name", "甲", "丙") };
        assert_eq!(refused(saw_others), unseen("乙"));
        let saw_more = Edit { beside: vec!["丁".into(), "乙".into()], ..edit("name", "甲", "丙") };
        assert_eq!(saved(&both, &[saw_more]).unwrap().len(), 1, "one that was shown has gone meanwhile");
    }

    #[test]
    fn once_computed_and_foreign_keys_are_refused_and_nothing_of_the_form_is_saved() {
        let shown = [("found_at", one("1"))];
        let edits = [
            edit("phone", Value::Null, "1"),
            edit("found_at", "1", "2"),
            edit("age", Value::Null, "3"),
            edit("s/state", Value::Null, "x"),
        ];
        let refused = saved(&shown, &edits).unwrap_err();
        assert_eq!(refused.iter().map(EditError::key).collect::<Vec<_>>(), ["found_at", "age", "s/state"]);
    }
}
