//! What a record is called.

use super::{MAX_DEPTH, Records};
use crate::catalog::{Catalog, Collection, Field, FieldType, Pick, PickPart, Piece, Template, Text};
use crate::codes::Date;
use crate::{Value, Values};

/// What is written into addresses where a building has no number or no unit: it stands for nothing.
const NONE: &str = "无";

/// A record's title in both languages. What points nowhere here is left out.
pub fn title(catalog: &Catalog, collection: &Collection, values: &Values, records: &dyn Records) -> Text {
    Render { catalog, records }.text(&collection.title, collection, values, 0)
}

/// A record's short title; its title when the short one is empty.
pub fn short_title(catalog: &Catalog, collection: &Collection, values: &Values, records: &dyn Records) -> Text {
    let short = Render { catalog, records }.text(&collection.short, collection, values, 0);
    if short.zh.is_empty() { title(catalog, collection, values, records) } else { short }
}

/// A field's value as it is shown: the label of a code, the day of a moment, the labels of a set, else the value.
pub fn shown(catalog: &Catalog, field: &Field, values: &Values) -> Text {
    if !field.field_type.is_scalar() {
        return elements(field, values);
    }
    let value = field.record_key().and_then(|key| values.get(&key)).unwrap_or(&Value::Null);
    match (&field.field_type, value) {
        (FieldType::Code { table, .. }, Value::Str(code)) => {
            table.item(code).map_or_else(|| Text::new(code.as_str(), code.as_str()), |item| item.label.clone())
        }
        (FieldType::Ts, Value::Int(moment)) => same(Date::in_china(*moment).to_string()),
        (_, Value::Str(text)) => same(text.clone()),
        (_, Value::Int(number)) => same(number.to_string()),
        (_, Value::Bool(flag)) => catalog.text(if *flag { "yes" } else { "no" }).cloned().unwrap_or_default(),
        (_, Value::Null) => Text::default(),
    }
}

fn elements(field: &Field, values: &Values) -> Text {
    let prefix = format!("{}/", field.key);
    let mut shown: Vec<Text> = Vec::new();
    for (key, value) in values.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)) {
        let element = key.get(prefix.len()..).unwrap_or_default();
        match (&field.field_type, value) {
            (FieldType::Codes { table }, Value::Bool(true)) => {
                shown.push(table.item(element).map_or_else(|| same(element.to_owned()), |item| item.label.clone()));
            }
            (FieldType::Phones, Value::Str(text)) => {
                shown.push(same(text.split('|').next().unwrap_or_default().to_owned()))
            }
            (FieldType::Children { .. }, Value::Str(text)) => shown.push(same(text.clone())),
            _ => {}
        }
    }
    let joined = |pick: fn(&Text) -> &str, joint: &str| shown.iter().map(pick).collect::<Vec<_>>().join(joint);
    Text { zh: joined(|text| &text.zh, "、"), en: joined(|text| &text.en, ", ") }
}

fn same(text: String) -> Text {
    Text { en: text.clone(), zh: text }
}

struct Render<'a> {
    catalog: &'a Catalog,
    records: &'a dyn Records,
}

impl Render<'_> {
    fn text(&self, template: &Template, collection: &Collection, values: &Values, depth: usize) -> Text {
        let mut text = Text::default();
        let mut between: Option<&str> = None;
        for piece in &template.pieces {
            match piece {
                Piece::Literal(literal) => between = Some(literal),
                Piece::Placeholder(picks) => {
                    let found = picks.iter().map(|pick| self.pick(pick, collection, values, depth));
                    let Some(found) = found.into_iter().find(|found| !found.zh.is_empty()) else { continue };
                    if let Some(literal) = between.take().filter(|_| !text.zh.is_empty()) {
                        text.zh.push_str(literal);
                        text.en.push_str(literal);
                    }
                    text.zh.push_str(&found.zh);
                    text.en.push_str(&found.en);
                }
            }
        }
        text
    }

    fn pick(&self, pick: &Pick, collection: &Collection, values: &Values, depth: usize) -> Text {
        let Some(field) = collection.field(&pick.field) else { return Text::default() };
        match pick.part {
            PickPart::Value => {
                Some(shown(self.catalog, field, values)).filter(|text| text.zh != NONE).unwrap_or_default()
            }
            PickPart::Number => {
                same(shown(self.catalog, field, values).zh.chars().filter(char::is_ascii_digit).collect())
            }
            PickPart::Title | PickPart::Short => {
                let id = values.get(&pick.field).and_then(Value::as_str).filter(|_| depth < MAX_DEPTH);
                let Some(found) = id.and_then(|id| self.records.record(id)) else { return Text::default() };
                let (id, values) = &*found;
                let Some(other) = self.catalog.collection(id) else { return Text::default() };
                let template = if pick.part == PickPart::Title { &other.title } else { &other.short };
                self.text(template, other, values, depth + 1)
            }
        }
    }
}
