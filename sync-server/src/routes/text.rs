//! How texts, numbers and times of requests and answers are read and written.

use gridpass_core::codes::Date;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One line of so many characters, without control characters.
pub fn line<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(reader: D) -> Result<String, D::Error> {
    let text = secret::<D, MIN, MAX>(reader)?;
    if text.chars().any(char::is_control) { Err(fault("control_character", &[])) } else { Ok(text) }
}

/// The same where it may be left out.
pub fn line_if<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    reader: D,
) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(reader)? else { return Ok(None) };
    let text = long::<D::Error, MIN, MAX>(text)?;
    if text.chars().any(char::is_control) { Err(fault("control_character", &[])) } else { Ok(Some(text)) }
}

/// So many characters of any kind: passwords.
pub fn secret<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(reader: D) -> Result<String, D::Error> {
    long::<D::Error, MIN, MAX>(String::deserialize(reader)?)
}

fn long<E: Error, const MIN: usize, const MAX: usize>(text: String) -> Result<String, E> {
    match text.chars().count() {
        count if count < MIN => Err(fault("too_short", &[("min", MIN)])),
        count if count > MAX => Err(fault("too_long", &[("max", MAX)])),
        _ => Ok(text),
    }
}

/// A whole number between two, as a query string has it.
pub fn number<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    reader: D,
) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(reader)?;
    match text.parse::<usize>() {
        Ok(number) if (MIN..=MAX).contains(&number) => Ok(Some(number)),
        _ => Err(fault("out_of_range", &[("min", MIN), ("max", MAX)])),
    }
}

/// A day, `YYYY-MM-DD`, that may be left out.
pub fn day_if<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Date>, D::Error> {
    let Some(text) = Option::<String>::deserialize(reader)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| D::Error::custom("not a day"))
}

/// An error that `json` knows again.
fn fault<E: Error>(code: &str, args: &[(&str, usize)]) -> E {
    let args: String = args.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    E::custom(format_args!("~{code}{args}"))
}

/// A time of the server as RFC 3339, in UTC with milliseconds.
pub fn rfc3339(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// The same, to be written into an answer.
pub fn time<S: Serializer>(ms: &i64, writer: S) -> Result<S::Ok, S::Error> {
    writer.serialize_str(&rfc3339(*ms))
}

/// The same where there may be none.
pub fn time_if<S: Serializer>(ms: &Option<i64>, writer: S) -> Result<S::Ok, S::Error> {
    match ms {
        Some(ms) => writer.serialize_str(&rfc3339(*ms)),
        None => writer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(rfc3339(1_800_000_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339(1_800_000_000_250), "2027-01-15T08:00:00.25Z");
        assert_eq!(rfc3339(i64::MAX), "", "no year has five digits");
    }
}
