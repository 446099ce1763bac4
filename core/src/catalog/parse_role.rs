//! Reads `[[role]]`.

use std::collections::{BTreeMap, BTreeSet};

use super::field::Sens;
use super::parse::{is_name, need_id};
use super::reader::Table;
use super::role::{Action, Permission, Role, Thing};
use crate::bucket::BucketClass;

/// Reads the roles of a file; `collections` are all that this catalog defines.
pub(super) fn read(root: &Table<'_>, roles: &mut BTreeMap<String, Role>, collections: &BTreeSet<String>) {
    for table in root.tables("role") {
        let mut taken = roles.keys().cloned().collect();
        let (id, label) = (need_id(&table, &mut taken), table.need_bilingual("label"));
        let mut posts = Vec::new();
        for (post, place) in table.texts("post") {
            if !is_name(&post) {
                let message = format!("`{post}` is no kind of post; use `grid` or a kind of unit");
                table.file.fail(&place, "bad_name", message);
            }
            posts.push(post);
        }
        if posts.is_empty() {
            table.fail("post", "missing", "a role needs a place where it is held; add `post = [\"community\"]`");
        }
        let phone = table.words("phone", BucketClass::WORDS);
        if phone.iter().any(|class| !matches!(class, BucketClass::Place | BucketClass::Base)) {
            let message = "phones hold `place` and `base` of a grid; what is restricted comes by name, the rest always";
            table.fail("phone", "unknown_word", message);
        }
        if !phone.is_empty() && !posts.iter().any(|post| post == Role::GRID) {
            table.fail("phone", "contradiction", "only a role held at a grid has buckets of it; add `grid` to `post`");
        }
        let exclusive = table.text("exclusive");
        let permissions = table.tables("may").iter().filter_map(|table| permission(table, collections)).collect();
        table.finish();
        if let (Some(id), Some(label)) = (id, label) {
            roles.insert(id.clone(), Role { id, label, posts, phone, exclusive, permissions });
        }
    }
}

fn permission(table: &Table<'_>, collections: &BTreeSet<String>) -> Option<Permission> {
    let actions = table.words("do", Action::WORDS);
    if actions.is_empty() {
        table.fail("do", "missing", "nothing is allowed here; add `do = [\"read\"]`");
    }
    let mut on = Vec::new();
    for (name, place) in table.texts("on") {
        let is_thing = Thing::WORDS.iter().any(|(word, _)| *word == name);
        if name != Permission::EVERY && !is_thing && !collections.contains(&name) {
            let things: Vec<&str> = Thing::WORDS.iter().map(|(word, _)| *word).collect();
            let message = format!("there is no collection `{name}`; name one, `*` or one of {}", things.join(", "));
            table.file.fail(&place, "unknown_target", message);
        }
        on.push(name);
    }
    if on.is_empty() {
        table.fail("on", "missing", "`on` names no collection; add one, or `*` for all");
    }
    let to = table.need_word("to", Sens::WORDS);
    table.finish();
    Some(Permission { actions, on, to: to? })
}
