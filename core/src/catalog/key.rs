//! Keys of a record: their form, and which field and policy a key belongs to.

use super::collection::Collection;
use super::field::{Field, FieldType, Policy, Sens};

/// A key a device writes is at most this many bytes.
pub const MAX_KEY: usize = 96;

/// A key under `s/` is at most this many bytes; only the server writes it.
pub const MAX_SERVER_KEY: usize = 200;

/// What a key of a collection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyForm<'a> {
    /// The field. Keys the server keeps its own books under (`s/v/…`, `s/r/…`, `s/c/…`) have none.
    pub field: Option<&'a Field>,
    /// Which of the field's keys.
    pub part: KeyPart,
    /// What happens on concurrent writing of this key. Files and facts are [`Policy::Once`] whatever the field says.
    pub policy: Policy,
    /// How sensitive its values are.
    pub sens: Sens,
}

/// Which of a field's keys a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPart {
    /// The one scalar key.
    Whole,
    /// One element of several, `f/<element>`.
    Element,
    /// `f_unknown`.
    Unknown,
    /// `f_off/<id>`.
    Off,
    /// A key of the server's own books.
    Server,
}

impl KeyForm<'_> {
    /// Whether the key may be written only when it is absent.
    pub fn write_once(&self) -> bool {
        self.policy == Policy::Once
    }
}

/// Whether a key has the form of a record's key (`docs/sync.md`, "Record"): one to three segments of
/// `[a-z0-9_.-]{1,40}` joined by `/`, at most [`MAX_KEY`] bytes; under `s/` anything without control characters up to
/// [`MAX_SERVER_KEY`] bytes.
pub fn well_formed(key: &str) -> bool {
    if let Some(rest) = key.strip_prefix("s/") {
        return !rest.is_empty() && key.len() <= MAX_SERVER_KEY && !key.chars().any(char::is_control);
    }
    key.len() <= MAX_KEY && key.split('/').count() <= 3 && key.split('/').all(is_segment)
}

/// What follows the field in the key of an element.
pub fn element(key: &str) -> Option<&str> {
    key.split_once('/').map(|(_, element)| element)
}

pub(super) fn is_segment(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
}

/// 32 lower-case hexadecimal digits.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}

impl Collection {
    /// What a record's key means here; nothing when no field has such a key.
    pub fn key<'a>(&'a self, key: &str) -> Option<KeyForm<'a>> {
        if !well_formed(key) {
            return None;
        }
        if let Some(rest) = key.strip_prefix("s/") {
            return Some(self.server_key(rest));
        }
        if let Some(field) = self.field(key).filter(|field| field.field_type.is_scalar()) {
            return device_form(field, KeyPart::Whole, field.policy);
        }
        let stated_unknown = key.strip_suffix("_unknown").and_then(|key| self.field(key));
        if let Some(field) = stated_unknown.filter(|field| field.may_be_unknown) {
            return device_form(field, KeyPart::Unknown, Policy::Latest);
        }
        let (head, rest) = key.split_once('/')?;
        if let Some(field) = self.field(head) {
            let policy = match field.field_type {
                FieldType::Media { .. } | FieldType::Facts if field.policy != Policy::Computed => Policy::Once,
                _ => field.policy,
            };
            return device_form(field, KeyPart::Element, policy).filter(|_| is_element(&field.field_type, rest));
        }
        let field = self.field(head.strip_suffix("_off")?)?;
        let taken_back = matches!(field.field_type, FieldType::Media { .. }) && is_element(&field.field_type, rest);
        device_form(field, KeyPart::Off, Policy::Latest).filter(|_| taken_back)
    }

    fn server_key<'a>(&'a self, rest: &str) -> KeyForm<'a> {
        let own = |key: &str| self.field(key).filter(|field| field.policy == Policy::Server);
        let (head, element) = rest.split_once('/').map_or((rest, None), |(head, element)| (head, Some(element)));
        let found = match element {
            None => own(head).filter(|field| field.field_type.is_scalar()).map(|field| (field, KeyPart::Whole)),
            Some(element) => own(head)
                .filter(|field| !field.field_type.is_scalar() && is_element(&field.field_type, element))
                .map(|field| (field, KeyPart::Element)),
        };
        if let Some((field, part)) = found {
            return KeyForm { field: Some(field), part, policy: Policy::Server, sens: field.sens };
        }
        // Copies of conflicting values are as sensitive as the key they were taken from.
        let copied = rest.strip_prefix("c/").filter(|key| !key.starts_with("s/")).and_then(|key| self.key(key));
        let sens = copied.map_or(Sens::S1, |form| form.sens);
        KeyForm { field: None, part: KeyPart::Server, policy: Policy::Server, sens }
    }
}

fn device_form(field: &Field, part: KeyPart, policy: Policy) -> Option<KeyForm<'_>> {
    let written_by_devices = !matches!(field.policy, Policy::Computed | Policy::Server);
    written_by_devices.then_some(KeyForm { field: Some(field), part, policy, sens: field.sens })
}

fn is_element(field_type: &FieldType, element: &str) -> bool {
    match field_type {
        _ if field_type.is_scalar() => false,
        FieldType::Refs { .. } => is_id(element),
        FieldType::Media { by_purpose: true, .. } => {
            element.split_once('/').is_some_and(|(purpose, id)| is_segment(purpose) && is_segment(id))
        }
        _ => is_segment(element),
    }
}
