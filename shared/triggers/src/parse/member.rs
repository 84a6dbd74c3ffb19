//! Reading single members, so that a mistake is named by form, field and what was expected.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::EventError;

/// A member that may be absent; JSON's `null` counts as absent.
pub(super) type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

pub(super) fn wrong(form: &'static str, field: &str, problem: impl Into<String>) -> EventError {
    EventError::WrongForm { form, field: field.to_owned(), problem: problem.into() }
}

/// What kind of JSON value a text begins with.
pub(super) fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn expected(form: &'static str, field: &str, raw: Raw<'_>, what: &str) -> EventError {
    let seen = raw.map_or("missing", |r| kind(r.get()));
    wrong(form, field, format!("is {seen}, expected {what}"))
}

/// A string.
pub(super) fn text<'a>(form: &'static str, field: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, EventError> {
    let found = raw.ok_or_else(|| expected(form, field, raw, "a string"))?;
    match serde_json::from_str::<Text<'a>>(found.get()) {
        Ok(Text(text)) => Ok(text),
        Err(_) if found.get().starts_with('"') => Err(wrong(form, field, "has an escape that is not Unicode, expected a string")),
        Err(_) => Err(expected(form, field, raw, "a string")),
    }
}

/// A string that is not empty: names and ids.
pub(super) fn name<'a>(form: &'static str, field: &str, raw: Raw<'a>) -> Result<Cow<'a, str>, EventError> {
    let text = text(form, field, raw)?;
    if text.is_empty() { Err(wrong(form, field, "is empty, expected a name or id")) } else { Ok(text) }
}

/// A string, or nothing.
pub(super) fn optional_text<'a>(form: &'static str, field: &str, raw: Raw<'a>) -> Result<Option<Cow<'a, str>>, EventError> {
    raw.map(|_| text(form, field, raw)).transpose()
}

/// A boolean.
pub(super) fn boolean(form: &'static str, field: &str, raw: Raw<'_>) -> Result<bool, EventError> {
    match raw.map(RawValue::get) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err(expected(form, field, raw, "true or false")),
    }
}

/// A boolean; absent is false.
pub(super) fn flag(form: &'static str, field: &str, raw: Raw<'_>) -> Result<bool, EventError> {
    if raw.is_none() { Ok(false) } else { boolean(form, field, raw) }
}

/// A time, with `Z` (EventBridge) or `+0000` (CloudWatch) as offset.
pub(super) fn time(form: &'static str, field: &str, raw: Raw<'_>) -> Result<Timestamp, EventError> {
    let text = text(form, field, raw)?;
    text.parse().map_err(|_| wrong(form, field, format!("is `{}`, expected a time such as 2026-03-01T12:00:00Z", clip(&text))))
}

/// An object.
pub(super) fn object<'a, T: Deserialize<'a>>(form: &'static str, field: &str, raw: Raw<'a>) -> Result<T, EventError> {
    let Some(found) = raw.filter(|r| r.get().starts_with('{')) else { return Err(expected(form, field, raw, "an object")) };
    serde_json::from_str(found.get())
        .map_err(|e| wrong(form, field, format!("is an object with a {}", super::without_position(&e))))
}

/// A list; its members stay raw.
pub(super) fn list<'a>(form: &'static str, field: &str, raw: Raw<'a>) -> Result<Vec<&'a RawValue>, EventError> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Items<'a>(#[serde(borrow)] Vec<&'a RawValue>);
    let Some(found) = raw.filter(|r| r.get().starts_with('[')) else { return Err(expected(form, field, raw, "a list")) };
    serde_json::from_str::<Items<'a>>(found.get()).map(|i| i.0).map_err(|_| expected(form, field, raw, "a list"))
}

/// A foreign text for a message: at most 80 characters, nothing that moves a terminal's cursor.
pub(super) fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        clipped.push_str("...");
    }
    clipped
}
