//! Recognising a payload by its shape.
//!
//! The top level is skimmed once, its members left as raw JSON; only what the form needs is then read. So a large event costs
//! little more than finding its end, and a mistake can be named by its field.

mod alarm;
mod event_bridge;
mod function_url;
mod member;
mod records;
mod request;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{EventError, Trigger};

/// What Lambda delivers at most in one synchronous invocation: 6 MiB. (Asynchronous ones are smaller.)
pub const PAYLOAD_LIMIT: usize = 6_291_456;

/// The top level of every form.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Shape<'a> {
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    resources: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow, rename = "alarmArn")]
    alarm_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "alarmData")]
    alarm_data: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestContext")]
    request_context: Option<&'a RawValue>,
}

/// Turns a payload, as Lambda delivers it, into what it means.
///
/// # Errors
/// [`EventError`]: too large, not JSON, in no known form, or with a field missing or wrong. An SQS batch is never refused for one
/// of its messages: that one becomes [`HintKind::Unreadable`](crate::HintKind::Unreadable).
pub fn parse(payload: &[u8]) -> Result<Trigger, EventError> {
    if payload.len() > PAYLOAD_LIMIT {
        return Err(EventError::TooLarge { bytes: payload.len(), limit: PAYLOAD_LIMIT });
    }
    let text = std::str::from_utf8(payload).map_err(not_utf8(payload))?;
    let shape = skim(text)?;
    if shape.detail_type.is_some() {
        event_bridge::read(&shape).map(event_bridge::Event::into_trigger)
    } else if let Some(records) = shape.records {
        records::read(records)
    } else if shape.alarm_data.is_some() {
        alarm::direct(&shape)
    } else if shape.request_context.is_some() {
        function_url::read(text)
    } else {
        Err(EventError::NotRecognised { saw: member_names(text) })
    }
}

/// Reads the top level of `text`, which must be a JSON object.
fn skim(text: &str) -> Result<Shape<'_>, EventError> {
    let start = text.trim_ascii_start();
    if !start.starts_with('{') {
        // serde would read a list into a struct, member by member.
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| not_json(&e))?;
        return Err(EventError::NotRecognised { saw: member::kind(start).to_owned() });
    }
    serde_json::from_str(text).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => {
            EventError::NotRecognised { saw: format!("an object with a {}", without_position(&e)) }
        }
        _ => not_json(&e),
    })
}

fn not_json(error: &serde_json::Error) -> EventError {
    EventError::NotJson { line: error.line(), column: error.column(), problem: without_position(error) }
}

/// serde_json ends its messages with the position, which we give apart.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn not_utf8(payload: &[u8]) -> impl FnOnce(std::str::Utf8Error) -> EventError + '_ {
    |e| {
        let good = &payload[..e.valid_up_to()];
        let line = 1 + good.iter().filter(|b| **b == b'\n').count();
        let column = good.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        EventError::NotJson { line, column, problem: "a byte that is not UTF-8".to_owned() }
    }
}

/// Names a foreign object's first members, so that its sender can be found.
fn member_names(text: &str) -> String {
    let members: std::collections::BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_str(text).unwrap_or_default();
    if members.is_empty() {
        return "an object without members".to_owned();
    }
    let names: Vec<String> = members.keys().take(5).map(|name| format!("`{}`", member::clip(name))).collect();
    let more = if members.len() > 5 { ", ..." } else { "" };
    format!("an object with members {}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(payload: &str) -> String {
        parse(payload.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn six_mebibytes_are_read_and_one_byte_more_is_not() {
        let fill = |n: usize| format!("{{{}}}", " ".repeat(n - 2)).into_bytes();
        assert!(matches!(parse(&fill(PAYLOAD_LIMIT)), Err(EventError::NotRecognised { .. })));
        assert_eq!(parse(&fill(PAYLOAD_LIMIT + 1)), Err(EventError::TooLarge { bytes: PAYLOAD_LIMIT + 1, limit: PAYLOAD_LIMIT }));
    }

    #[test]
    fn what_is_not_json_is_named_by_line_and_column() {
        for (payload, line, column) in
            [(&b"{\n  \"a\": x}"[..], 2, 8), (b"", 1, 0), (b"{\"a\":\"\xff\"}", 1, 7), (b"{\"a\":1", 1, 6)]
        {
            match parse(payload) {
                Err(EventError::NotJson { line: l, column: c, .. }) => {
                    assert_eq!((l, c), (line, column), "{}", payload.escape_ascii());
                }
                other => panic!("{}: {other:?}", payload.escape_ascii()),
            }
        }
    }

    #[test]
    fn what_is_in_no_form_is_told_by_what_was_seen() {
        for (payload, saw) in [
            ("{}", "an object without members"),
            ("[1]", "a list"),
            ("7", "a number"),
            (r#"{"b":1,"a":2}"#, "an object with members `a`, `b`"),
            (r#"{"detail-type":"Strange","source":"x","detail":{}}"#, "EventBridge event `Strange` from `x`"),
            (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, "records of `aws:s3`"),
            (r#"{"detail":{},"detail":{}}"#, "an object with a duplicate field `detail`"),
        ] {
            assert!(error(payload).contains(&format!("saw {saw}")), "{payload}: {}", error(payload));
        }
    }
}
