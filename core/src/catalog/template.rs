//! Title templates: what a record is called, built from its fields.
//!
//! A template is text with placeholders `{a|b.part}`: the first of the alternatives that has a value. Parts are `label`
//! (a code's label), `number` (the digits of a text, `3号楼` is `3`), `title` and `short` (of the record a `ref` points
//! at). A text between two placeholders is shown only when both sides are.

/// A template, read once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Its pieces in order.
    pub pieces: Vec<Piece>,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A text as it stands.
    Literal(String),
    /// The first alternative that has a value.
    Placeholder(Vec<Pick>),
}

/// One alternative of a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The field's key.
    pub field: String,
    /// What of it.
    pub part: PickPart,
}

/// What of a field a placeholder shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickPart {
    /// The value; of a code its label.
    Value,
    /// The digits of the value.
    Number,
    /// The title of the record it points at.
    Title,
    /// The short title of the record it points at.
    Short,
}

impl Template {
    /// Reads a template; an error says what is wrong and what to do.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            push_literal(&mut pieces, literal)?;
            let Some((inside, after)) = after.split_once('}') else {
                return Err("a placeholder is not closed; add `}`".to_owned());
            };
            pieces.push(Piece::Placeholder(inside.split('|').map(pick).collect::<Result<_, _>>()?));
            rest = after;
        }
        push_literal(&mut pieces, rest)?;
        Ok(Self { pieces })
    }

    /// Every field the template names.
    pub fn picks(&self) -> impl Iterator<Item = &Pick> {
        self.pieces.iter().flat_map(|piece| match piece {
            Piece::Literal(_) => &[],
            Piece::Placeholder(picks) => picks.as_slice(),
        })
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains('}') {
        return Err("`}` without `{`; remove it".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
    Ok(())
}

fn pick(text: &str) -> Result<Pick, String> {
    let (field, part) = text.split_once('.').unwrap_or((text, "value"));
    let part = match part {
        "value" | "label" => PickPart::Value,
        "number" => PickPart::Number,
        "title" => PickPart::Title,
        "short" => PickPart::Short,
        _ => return Err(format!("`{part}` is no part of a field; use label, number, title or short")),
    };
    Ok(Pick { field: field.to_owned(), part })
}
