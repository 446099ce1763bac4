//! What is left of an intent when its change fell and it is authored again.

use crate::catalog::Policy;
use crate::id::IntentId;
use crate::record::ShownValues;
use crate::record::edit::{Edit, EditError, plan};
use crate::value::Value;

/// An intent's edits, laid over what stands now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reauthored {
    /// What is put.
    pub puts: Vec<(String, Value)>,
    /// The edits that are sent, or that stand already because somebody else said the same.
    pub sent: Vec<Edit>,
    /// The edits that would overwrite what their author never saw. A person decides.
    pub needs_you: Vec<(Edit, EditError)>,
}

/// Lays the edits of an intent over what is shown now, each for itself.
///
/// `trusted` is for a change the server once gave a receipt for and lost: it is put on what its author saw, whatever
/// that was called, and what results is an ordinary conflict. Request keys are named by (intent, key), so that asking
/// again asks the same.
pub fn reauthor(
    shown: &ShownValues,
    intent: IntentId,
    edits: &[Edit],
    policy: impl Fn(&str) -> Option<Policy>,
    trusted: bool,
) -> Reauthored {
    let mut result = Reauthored::default();
    for edit in edits {
        let mut laid = edit.clone();
        if trusted {
            laid = Edit::over(edit.key.as_str(), shown.get(&edit.key), edit.new.clone());
        }
        let request = || IntentId::derived("request", &[intent.as_bytes(), edit.key.as_bytes()]);
        match plan(shown, std::slice::from_ref(&laid), &policy, request) {
            Ok(puts) => {
                result.puts.extend(puts);
                result.sent.push(edit.clone());
            }
            Err(errors) => result.needs_you.extend(errors.into_iter().map(|error| (edit.clone(), error))),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Shown;

    fn edit(key: &str, seen: &str, new: &str) -> Edit {
        Edit::new(key, seen, new)
    }

    fn laid(shown: &[(&str, &str)], edits: &[Edit], trusted: bool) -> Reauthored {
        let shown = shown.iter().map(|(key, value)| ((*key).to_owned(), Shown::One((*value).into()))).collect();
        reauthor(&shown, IntentId([1; 16]), edits, |_| Some(Policy::Latest), trusted)
    }

    #[test]
    fn edits_of_untouched_fields_go_on_and_the_others_wait_for_their_author() {
        let edits = [edit("phone", "1", "2"), edit("name", "甲", "乙"), edit("usage", "a", "b")];
        let result = laid(&[("phone", "1"), ("name", "丙"), ("usage", "b")], &edits, false);
        assert_eq!(result.puts, [("phone".into(), "2".into())]);
        assert_eq!(result.sent, [edits[0].clone(), edits[2].clone()], "somebody else said the same of usage");
        let now = "丙".into();
        assert_eq!(result.needs_you, [(edits[1].clone(), EditError::SeenChanged { key: "name".into(), now })]);
    }

    #[test]
    fn a_receipted_edit_is_put_again_whatever_stands() {
        let edits = [edit("name", "甲", "乙")];
        let result = laid(&[("name", "丙")], &edits, true);
        assert_eq!(result.puts, [("name".into(), "乙".into())]);
        assert!(result.needs_you.is_empty());
    }
}
