//! One row of the audit, as whoever acts says it.

use std::borrow::Cow;

use gridpass_core::id::{DeviceId, GrantId, RecordId, UserId};
use serde_json::{Map, Value};

/// The most characters of a reason that are kept.
const REASON_MAX: usize = 200;

/// One row of the audit: who did what to what. Never a value of a record.
///
/// ```
/// use gridpass_core::id::{RecordId, UserId};
/// use gridpass_server::log::Audit;
///
/// let (clerk, person) = (UserId([1; 16]), RecordId([2; 16]));
/// let audit = Audit::of("opened").by(clerk).on(person.as_bytes()).fields(["id_no"]).reason("申请高龄补贴");
/// assert_eq!(audit.stored_detail(), r#"{"fields":["id_no"],"reason":"申请高龄补贴"}"#);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// The person.
    pub user: Option<UserId>,
    /// The phone.
    pub device: Option<DeviceId>,
    /// The assignment that was used.
    pub grant: Option<GrantId>,
    /// What was done, a stable word.
    pub action: &'static str,
    /// The bytes of the id of what it was done to.
    pub object: Option<Vec<u8>>,
    /// The person's record that the act is about, where the object is something else.
    pub subject: Option<RecordId>,
    /// Why a sensitive field was opened or an export made, as it was typed.
    pub reason: Option<String>,
    /// The names of the fields that were read.
    pub fields: Vec<String>,
    /// Keys and codes, as a JSON object; not those of a stored change, which its row names.
    pub detail: String,
}

impl Audit {
    /// The row of an act of the server itself, about nothing yet.
    pub fn of(action: &'static str) -> Self {
        Self { action, ..Self::default() }
    }

    /// Who did it.
    pub fn by(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// On which phone.
    pub fn device(self, device: DeviceId) -> Self {
        Self { device: Some(device), ..self }
    }

    /// By which assignment.
    pub fn grant(self, grant: GrantId) -> Self {
        Self { grant: Some(grant), ..self }
    }

    /// What it was done to: the bytes of its id.
    pub fn on(self, object: &[u8]) -> Self {
        Self { object: Some(object.to_vec()), ..self }
    }

    /// The person's record that it is about.
    pub fn subject(self, subject: RecordId) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// Why.
    pub fn reason(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// The names of the fields that were read.
    pub fn fields<T: Into<String>>(self, fields: impl IntoIterator<Item = T>) -> Self {
        Self { fields: fields.into_iter().map(Into::into).collect(), ..self }
    }

    /// Keys and codes: a JSON object.
    pub fn detail(self, detail: &Value) -> Self {
        Self { detail: detail.to_string(), ..self }
    }

    /// What is stored of all that goes beyond an ordinary row: a JSON object, or nothing.
    pub fn stored_detail(&self) -> Cow<'_, str> {
        let is_ordinary = self.subject.is_none() && self.reason.is_none() && self.fields.is_empty();
        if is_ordinary && matches!(self.detail.as_str(), "" | "{}") {
            return Cow::Borrowed("");
        }
        let said = match self.detail.as_str() {
            "" => Some(Map::new()),
            detail => serde_json::from_str::<Map<String, Value>>(detail).ok(),
        };
        if is_ordinary && said.is_some() {
            return Cow::Borrowed(&self.detail);
        }
        // Whatever was said is kept, in a form that can be searched.
        let mut said = said.unwrap_or_else(|| Map::from_iter([("detail".to_owned(), self.detail.clone().into())]));
        if let Some(subject) = self.subject {
            said.insert("subject".into(), subject.to_string().into());
        }
        if let Some(reason) = &self.reason {
            said.insert("reason".into(), reason.chars().take(REASON_MAX).collect::<String>().into());
        }
        if !self.fields.is_empty() {
            said.insert("fields".into(), self.fields.clone().into());
        }
        Cow::Owned(Value::Object(said).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_row_stores_nothing_more_and_the_others_an_object() {
        assert_eq!(Audit::of("pushed").stored_detail(), "");
        assert_eq!(Audit { detail: "{}".into(), ..Audit::of("pushed") }.stored_detail(), "");
        assert_eq!(Audit { detail: r#"{"b":1,"a":2}"#.into(), ..Audit::default() }.stored_detail(), r#"{"b":1,"a":2}"#);
        let about = Audit::of("opened").subject(RecordId([10; 16])).detail(&serde_json::json!({ "rows": 3 }));
        assert_eq!(about.stored_detail(), format!(r#"{{"rows":3,"subject":"{}"}}"#, "0a".repeat(16)));
        let long = Audit::of("exported").reason(&"字".repeat(500)).stored_detail().into_owned();
        assert_eq!(serde_json::from_str::<Value>(&long).unwrap()["reason"], "字".repeat(REASON_MAX));
        for no_object in ["[1]", "7", "{", "text"] {
            let kept = Audit { detail: no_object.into(), ..Audit::default() }.stored_detail().into_owned();
            assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["detail"], no_object);
        }
    }
}
