//! Reads one `[[field]]`.

use std::sync::Arc;

use super::code_check::CHECKS;
use super::collection::Level;
use super::error::Place;
use super::field::{Field, FieldType, Policy, Required, Search, Sens, TypeName};
use super::form;
use super::key::is_segment;
use super::parse::{is_name, need_max, need_table};
use super::reader::Table;
use super::rule::CLOCK_NAMES;
use super::table::Shelf;

/// A field whose expressions are not compiled yet: they may name any field of the collection.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub field: Field,
    pub required_if: Option<(String, Place)>,
    pub visible_if: Option<(String, Place)>,
    pub key_at: Place,
    pub cascade_at: Place,
}

/// Words CEL keeps for itself; as a field key they could not be named in a rule.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

pub(super) fn read(table: &Table<'_>, shelf: &Shelf, envelope: bool) -> Option<Draft> {
    let key = table.need_text("key").filter(|key| good_key(table, key, envelope));
    let label = table.need_bilingual("label");
    let help = table.bilingual("help");
    let field_type = table.need_word("type", TypeName::WORDS).and_then(|name| field_type(table, name, shelf));
    let policy = table.need_word("policy", Policy::WORDS);
    let sens = table.need_word("sens", Sens::WORDS);
    let group = table.need_text("group");
    if let Some(group) = &group
        && !shelf.groups.contains_key(group)
    {
        table.fail(
            "group",
            "unknown_group",
            format!("there is no field group `{group}`; add a [[group]] with its purpose"),
        );
    }
    let required = table.flag("required");
    let expression = |key: &str| table.text(key).map(|source| (source, table.at(key)));
    let (required_if, visible_if) = (expression("required_if"), expression("visible_if"));
    if required && required_if.is_some() {
        table.fail("required_if", "contradiction", "the field is required anyway; remove `required_if` or `required`");
    }
    let default = table.scalar("default");
    let may_be_unknown = table.flag("may_be_unknown");
    let search = table.word("search", Search::WORDS);
    let scan = table.flag("scan");
    let impersonal = table.word("impersonal", Level::WORDS);
    let check = table.text("check");
    if let Some(check) = &check
        && !CHECKS.contains(&check.as_str())
    {
        let message = format!("there is no code check `{check}`; use one of {}", CHECKS.join(", "));
        table.fail("check", "unknown_check", message);
    }
    let max_accuracy_m = if table.has("max_accuracy_m") && matches!(field_type, Some(FieldType::Geo)) {
        table.size("max_accuracy_m", 1)
    } else {
        None
    };
    let due_days = if table.has("due_days") && matches!(field_type, Some(FieldType::Date)) {
        table.size("due_days", 0)
    } else {
        None
    };
    let (list, filter, retired) = (table.flag("list"), table.flag("filter"), table.flag("retired"));
    let (key_at, cascade_at) = (table.at("key"), table.at("cascade"));
    table.finish();
    let field = Field {
        key: key?,
        label: label?,
        help,
        field_type: field_type?,
        required: if required { Required::Always } else { Required::No },
        visible_if: None,
        default,
        policy: policy?,
        sens: sens?,
        group: group?,
        may_be_unknown,
        list,
        filter,
        search,
        scan,
        impersonal,
        check,
        max_accuracy_m,
        due_days,
        retired,
    };
    consistent(table, &field);
    Some(Draft { field, required_if, visible_if, key_at, cascade_at })
}

fn good_key(table: &Table<'_>, key: &str, envelope: bool) -> bool {
    let name = key.strip_prefix("end/").unwrap_or(key);
    let defect = if !is_name(name) {
        Some("is no field key; use lower-case letters, digits and `_`, a letter first, or `end/` and such a name")
    } else if RESERVED.contains(&key) || CLOCK_NAMES.contains(&key) {
        Some("is a word of the rule language; choose another key")
    } else if key == "s" || (key == "t" && !envelope) {
        Some("is kept for the server and for requests; choose another key")
    } else if key.ends_with("_unknown") || key.ends_with("_off") {
        Some("ends like the key of a marker (`_unknown`, `_off`); choose another key")
    } else {
        None
    };
    if let Some(defect) = defect {
        table.fail("key", "bad_key", format!("`{key}` {defect}"));
    }
    defect.is_none()
}

fn field_type(table: &Table<'_>, name: TypeName, shelf: &Shelf) -> Option<FieldType> {
    Some(match name {
        TypeName::Text => FieldType::Text { multiline: table.flag("multiline"), max: need_max(table)? },
        TypeName::Int => {
            let (min, max) = (table.int("min"), table.int("max"));
            if min.zip(max).is_some_and(|(min, max)| min > max) {
                table.fail("min", "out_of_range", "`min` is larger than `max`; swap them");
            }
            FieldType::Int { min, max }
        }
        TypeName::Dec => FieldType::Dec { min: decimal(table, "min"), max: decimal(table, "max") },
        TypeName::Bool => FieldType::Bool,
        TypeName::Date => FieldType::Date,
        TypeName::Ts => FieldType::Ts,
        TypeName::Code => {
            FieldType::Code { cascade: table.text("cascade"), table: need_table(table, "table", &shelf.tables)? }
        }
        TypeName::Division => FieldType::Division { digits: table.size("digits", 6) },
        TypeName::Ref => FieldType::Ref { to: targets(table, shelf)? },
        TypeName::Geo => FieldType::Geo,
        TypeName::Codes => {
            let codes = need_table(table, "table", &shelf.tables)?;
            if let Some(item) = codes.items.iter().find(|item| !is_segment(&item.code)) {
                let message = format!("`{}` cannot be part of a key; use lower-case codes in this table", item.code);
                table.fail("table", "bad_code", message);
            }
            FieldType::Codes { table: codes }
        }
        TypeName::Refs => FieldType::Refs { to: targets(table, shelf)? },
        TypeName::Phones => FieldType::Phones,
        TypeName::Media => {
            let purposes = if table.has("table") { Some(need_table(table, "table", &shelf.tables)?) } else { None };
            FieldType::Media { purposes, by_purpose: table.flag("by_purpose") }
        }
        TypeName::Children => {
            let id = table.need_text("kind")?;
            let Some(kind) = shelf.kinds.get(&id) else {
                table.fail("kind", "unknown_kind", format!("there is no kind `{id}`; add a [[kind]] with this id"));
                return None;
            };
            FieldType::Children { kind: Arc::clone(kind) }
        }
        TypeName::Answers => FieldType::Answers,
        TypeName::Facts => FieldType::Facts,
    })
}

fn decimal(table: &Table<'_>, key: &str) -> Option<String> {
    let text = table.text(key)?;
    if !form::is_decimal(&text) {
        table.fail(key, "bad_decimal", "write a decimal number in quotes, such as \"0.5\"");
        return None;
    }
    Some(text)
}

fn targets(table: &Table<'_>, shelf: &Shelf) -> Option<Vec<String>> {
    if !table.has("to") {
        table.fail("to", "missing", "a reference needs to say what it points at; add `to = \"person\"`");
    }
    let mut to = Vec::new();
    for (target, place) in table.texts("to") {
        if target != "self" && !shelf.targets.contains(&target) {
            let message = format!("there is no collection or register `{target}`; correct it or add a [[register]]");
            table.file.fail(&place, "unknown_target", message);
        }
        to.push(target);
    }
    (!to.is_empty()).then_some(to)
}

/// Attributes that contradict each other.
fn consistent(table: &Table<'_>, field: &Field) {
    let written_by_devices = !matches!(field.policy, Policy::Computed | Policy::Server);
    let scalar = field.field_type.is_scalar();
    if field.may_be_unknown && !scalar {
        table.fail("may_be_unknown", "contradiction", "only a field with one key can be unknown; remove it");
    }
    if field.key.contains('/') && !scalar {
        table.fail("type", "contradiction", "a key with `/` holds one value; use a scalar type or a plain key");
    }
    if !written_by_devices && (field.required != Required::No || field.may_be_unknown || field.default.is_some()) {
        let message = "nobody fills a computed or server field; remove `required`, `default` and `may_be_unknown`";
        table.fail("policy", "contradiction", message);
    }
    if let Some(default) = &field.default
        && (!scalar || form::whole(field, default, false).is_err())
    {
        table.fail("default", "bad_default", "the default does not have the field's form; correct it");
    }
    if let (Some(default), FieldType::Code { table: codes, .. }) = (&field.default, &field.field_type)
        && default.as_str().is_some_and(|code| codes.item(code).is_none())
    {
        table.fail("default", "bad_default", "the default is not in the code table; use one of its codes");
    }
}
