//! Validation on save: what a record has to say about itself.

use std::collections::BTreeSet;

use super::code_check::code_check;
use super::collection::{Collection, Level, OneOf};
use super::field::{Field, FieldType, Policy, Required};
use super::rule::{Bindings, Expression, Judge, RuleFacts, elements};
use super::table::{ChildForm, CodeTable, PartForm};
use super::text::Text;
use super::{Catalog, form};
use crate::codes::Date;
use crate::{Value, Values};

/// Something to say about a record. It holds words of the catalog only, never a value of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops saving.
    pub level: Level,
    /// The key it is said at.
    pub at: String,
    /// A stable name: of a built-in check, or the id of a rule.
    pub code: String,
    /// The text of a rule. Built-in checks have theirs in the catalog under `code`.
    pub text: Option<Text>,
    /// What the text's placeholders stand for; `label` is always among them.
    pub args: Vec<(&'static str, Text)>,
}

impl Finding {
    /// What is shown: the own text or the catalog's, filled; the bare code if the catalog has none.
    pub fn text(&self, catalog: &Catalog) -> Text {
        let bare = || Text::new(self.code.as_str(), self.code.as_str());
        let text = self.text.clone().or_else(|| catalog.text(&self.code).cloned()).unwrap_or_else(bare);
        text.fill(self.args.iter().map(|(name, value)| (*name, value)))
    }
}

impl Collection {
    /// What is wrong with the form of one put, as [`Collection::check_op`] says it, with the words for its text.
    pub fn check_put(&self, key: &str, value: &Value) -> Option<Finding> {
        self.check_op(key, value).err().map(|error| self.malformed(key, error.code))
    }

    fn label_of(&self, key: &str) -> Vec<(&'static str, Text)> {
        let field = self.key(key).and_then(|form| form.field).or_else(|| self.field(key));
        let label = field.map_or_else(|| Text::new(key, key), |field| field.label.clone());
        vec![("label", label)]
    }

    fn malformed(&self, key: &str, code: &str) -> Finding {
        let max = max_of(self, key).map(|(name, word)| (name, Text::new(word.clone(), word)));
        let mut args = self.label_of(key);
        args.extend(max);
        Finding { level: Level::Error, at: key.to_owned(), code: code.to_owned(), text: None, args }
    }

    /// Judges a record: form, required fields, code tables, bounds, code rules, and the collection's own rules.
    ///
    /// `facts` says when the record is judged and what is known about others. Keys this catalog does not know are
    /// passed over: they may come from a later version. A record that has ended is not asked for what is missing, it is
    /// only told.
    pub fn check(&self, values: &Values, facts: &dyn RuleFacts) -> Vec<Finding> {
        let bindings = Bindings { collection: self, values, now_ms: facts.now_ms() };
        let mut run = Run {
            collection: self,
            values,
            today: Date::in_china(facts.now_ms()),
            judge: Judge::new(&bindings, facts),
            findings: Vec::new(),
            malformed: BTreeSet::new(),
        };
        run.forms();
        for field in self.fields.iter().filter(|field| !matches!(field.policy, Policy::Computed | Policy::Server)) {
            let visible = field.visible_if.as_ref().is_none_or(|expression| run.judge.holds(expression));
            if visible {
                run.required(field);
                run.content(field);
            }
        }
        self.one_of.iter().for_each(|one_of| run.one_of(one_of));
        for rule in &self.rules {
            if run.judge.holds(&rule.when) {
                run.findings.push(Finding {
                    level: rule.level,
                    at: rule.at.clone(),
                    code: rule.id.clone(),
                    text: Some(rule.text.clone()),
                    args: run.collection.label_of(&rule.at),
                });
            }
        }
        run.findings
    }

    /// Whether an expression of this collection holds for a record, for example the `when` of a review or a duplicate.
    pub fn holds(&self, expression: &Expression, values: &Values, facts: &dyn RuleFacts) -> bool {
        let bindings = Bindings { collection: self, values, now_ms: facts.now_ms() };
        Judge::new(&bindings, facts).holds(expression)
    }

    /// Whether the field is asked for and shown: its skip logic holds.
    pub fn visible(&self, field: &Field, values: &Values, facts: &dyn RuleFacts) -> bool {
        field.visible_if.as_ref().is_none_or(|expression| self.holds(expression, values, facts))
    }
}

/// Whether the record has ended.
pub fn ended(values: &Values) -> bool {
    ["end/date", "end/reason"].iter().any(|key| values.get(*key).is_some_and(|value| !value.is_null()))
}

/// Whether anything is in the field: a value, an element that is set, a file that was not taken back.
pub fn filled(field: &Field, values: &Values) -> bool {
    if field.field_type.is_scalar() {
        return values.get(&field.key).is_some_and(|value| !value.is_null());
    }
    let taken_back = |element: &str| values.get(&format!("{}_off/{element}", field.key)) == Some(&Value::Bool(true));
    elements(values, &field.key).any(|(element, value)| match field.field_type {
        FieldType::Codes { .. } | FieldType::Refs { .. } => *value == Value::Bool(true),
        FieldType::Media { .. } => !taken_back(element),
        _ => !value.is_null(),
    })
}

struct Run<'a> {
    collection: &'a Collection,
    values: &'a Values,
    today: Date,
    judge: Judge<'a>,
    findings: Vec<Finding>,
    /// Keys whose value has not even its form: nothing more is said about them.
    malformed: BTreeSet<&'a str>,
}

impl<'a> Run<'a> {
    fn find(&mut self, level: Level, at: &str, code: &str, more: impl IntoIterator<Item = (&'static str, String)>) {
        let mut args = self.collection.label_of(at);
        args.extend(more.into_iter().map(|(name, word)| (name, Text::new(word.clone(), word))));
        self.findings.push(Finding { level, at: at.to_owned(), code: code.to_owned(), text: None, args });
    }

    fn forms(&mut self) {
        let values = self.values;
        for (key, value) in values.iter().filter(|(key, _)| !key.starts_with("s/")) {
            match self.collection.check_op(key, value) {
                Ok(()) => {}
                // Clearing a write-once key is a matter of the operation, not of the record.
                Err(error) if matches!(error.code, "unknown_key" | "cannot_clear") => {}
                Err(error) => {
                    self.malformed.insert(key);
                    self.findings.push(self.collection.malformed(key, error.code));
                }
            }
        }
    }

    fn required(&mut self, field: &Field) {
        let required = match &field.required {
            Required::No => false,
            Required::Always => true,
            Required::If(expression) => self.judge.holds(expression),
        };
        if required && !field.retired && !self.answered(field) {
            self.find(self.missing_level(&field.key), &field.key, "required", []);
        }
    }

    /// What is missing in an ended record is told; what is missing about the end itself must be given.
    fn missing_level(&self, key: &str) -> Level {
        if ended(self.values) && !key.starts_with("end/") { Level::Warn } else { Level::Error }
    }

    /// Filled, or stated to be unknown.
    fn answered(&self, field: &Field) -> bool {
        let unknown = || self.values.get(&format!("{}_unknown", field.key)) == Some(&Value::Bool(true));
        filled(field, self.values) || (field.may_be_unknown && unknown())
    }

    fn one_of(&mut self, one_of: &OneOf) {
        if one_of.when.as_ref().is_some_and(|expression| !self.judge.holds(expression)) {
            return;
        }
        let fields: Vec<&Field> = one_of.fields.iter().filter_map(|key| self.collection.field(key)).collect();
        let Some(first) = fields.first().filter(|_| !fields.iter().any(|field| self.answered(field))) else { return };
        let labels = |pick: fn(&Text) -> &str, joint: &str| {
            fields.iter().map(|field| pick(&field.label)).collect::<Vec<_>>().join(joint)
        };
        let text = Text { zh: labels(|text| &text.zh, "、"), en: labels(|text| &text.en, ", ") };
        let mut args = self.collection.label_of(&first.key);
        args.push(("fields", text));
        let level = self.missing_level(&first.key);
        self.findings.push(Finding { level, at: first.key.clone(), code: "one_of".to_owned(), text: None, args });
    }

    /// What stands in the field against its table, its bounds and its code rule.
    fn content(&mut self, field: &'a Field) {
        let values = self.values;
        if field.field_type.is_scalar() {
            match values.get(&field.key) {
                Some(value) if !value.is_null() && !self.malformed.contains(field.key.as_str()) => {
                    self.scalar(field, value);
                }
                _ => {}
            }
        } else {
            for (element, value) in elements(values, &field.key) {
                self.element(field, element, value);
            }
        }
    }

    fn scalar(&mut self, field: &'a Field, value: &Value) {
        let key = field.key.as_str();
        match (&field.field_type, value) {
            (FieldType::Code { table, cascade }, Value::Str(code)) => {
                self.coded(key, table, code);
                let upper = cascade.as_ref().map(|upper| self.values.get(upper).and_then(Value::as_str));
                let parent = table.item(code).and_then(|item| item.parent.as_deref());
                if let (Some(upper), Some(parent)) = (upper, parent)
                    && upper != Some(parent)
                {
                    self.find(Level::Error, key, "cascade", []);
                }
            }
            (FieldType::Int { min, max }, Value::Int(number)) => {
                if min.is_some_and(|min| *number < min) {
                    self.find(Level::Error, key, "too_small", min.map(|min| ("min", min.to_string())));
                }
                if max.is_some_and(|max| *number > max) {
                    self.find(Level::Error, key, "too_large", max.map(|max| ("max", max.to_string())));
                }
            }
            (FieldType::Dec { min, max }, Value::Str(text)) => {
                let number = |text: &str| text.parse::<f64>().ok();
                let beyond = |bound: &Option<String>, is: fn(f64, f64) -> bool| {
                    bound.clone().filter(|bound| number(text).zip(number(bound)).is_some_and(|(a, b)| is(a, b)))
                };
                if let Some(min) = beyond(min, |a, b| a < b) {
                    self.find(Level::Error, key, "too_small", [("min", min)]);
                }
                if let Some(max) = beyond(max, |a, b| a > b) {
                    self.find(Level::Error, key, "too_large", [("max", max)]);
                }
            }
            (FieldType::Geo, Value::Str(text)) => self.accuracy(field, text),
            (_, Value::Str(text)) if names_a_person(text) => {
                if let Some(level) = field.impersonal {
                    self.find(level, key, "personal_data", []);
                }
            }
            _ => {}
        }
        if let (Some(name), Value::Str(text)) = (&field.check, value) {
            self.code_rule(key, name, text);
        }
    }

    fn element(&mut self, field: &'a Field, element: &str, value: &Value) {
        let key = format!("{}/{element}", field.key);
        if self.malformed.contains(key.as_str()) {
            return;
        }
        match (&field.field_type, value) {
            (FieldType::Codes { table }, Value::Bool(true)) => self.coded(&key, table, element),
            (FieldType::Media { purposes: Some(table), by_purpose }, Value::Str(text)) => {
                let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
                let stated = json.as_ref().and_then(|json| json.get("purpose")?.as_str());
                let purpose = if *by_purpose { element.split('/').next() } else { stated };
                if let Some(purpose) = purpose {
                    self.coded(&key, table, purpose);
                }
            }
            (FieldType::Children { kind }, Value::Str(text)) => match &kind.form {
                ChildForm::Text { .. } => {}
                ChildForm::Code(table) => self.coded(&key, table, text),
                ChildForm::Parts(parts) => {
                    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
                    for part in parts {
                        if let (PartForm::Code(table), Some(code)) =
                            (&part.form, json.get(&part.key).and_then(serde_json::Value::as_str))
                        {
                            self.coded(&key, table, code);
                        }
                    }
                }
            },
            _ => {}
        }
        if let (Some(name), Value::Str(text)) = (&field.check, value) {
            let text = text.split('|').next().unwrap_or_default();
            self.code_rule(&key, name, text);
        }
    }

    fn coded(&mut self, key: &str, table: &CodeTable, code: &str) {
        if table.item(code).is_none() {
            self.find(Level::Error, key, "not_in_table", []);
        }
    }

    /// A position that was measured, not picked, must be precise enough.
    fn accuracy(&mut self, field: &Field, text: &str) {
        let Some(max) = field.max_accuracy_m else { return };
        let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let picked = json.get("provider").and_then(serde_json::Value::as_str) == Some(form::PICKED_ON_MAP);
        let accuracy_cm = json.get("acc_cm").and_then(serde_json::Value::as_i64).unwrap_or(0);
        if !picked && accuracy_cm > i64::from(max) * 100 {
            self.find(Level::Warn, &field.key, "imprecise_position", [("max", max.to_string())]);
        }
    }

    fn code_rule(&mut self, key: &str, name: &str, text: &str) {
        for found in code_check(name, text, self.values, self.today) {
            self.find(found.level, found.at.unwrap_or(key), found.code, []);
        }
    }
}

fn max_of(collection: &Collection, key: &str) -> Option<(&'static str, String)> {
    let field = collection.key(key)?.field?;
    let max = match &field.field_type {
        FieldType::Text { max, .. } => *max,
        FieldType::Answers => form::MAX_ANSWER,
        FieldType::Facts => form::MAX_FACT,
        FieldType::Children { kind } => match kind.form {
            ChildForm::Text { max } => max,
            _ => return None,
        },
        _ => return None,
    };
    Some(("max", max.to_string()))
}

/// Whether a text holds something like an identity number or a mobile number: a run of digits, joined across the
/// spaces and dashes people put between them.
fn names_a_person(text: &str) -> bool {
    let folded = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{3000}')).map(|c| match c {
        '\u{ff10}'..='\u{ff19}' => char::from_u32(u32::from(c) - 0xff10 + 0x30).unwrap_or(c),
        other => other,
    });
    let text: String = folded.collect();
    text.split(|c: char| !c.is_ascii_digit()).any(|run| {
        let mobile = run.len() == 11 && run.starts_with('1') && !matches!(run.as_bytes().get(1), Some(b'0'..=b'2'));
        mobile || (15..=18).contains(&run.len())
    })
}
