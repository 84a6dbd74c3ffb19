//! Events that are lists of records: SNS, SQS and DynamoDB streams.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::member::{self, Raw, wrong};
use super::{alarm, event_bridge, skim};
use crate::{EventError, Hint, HintKind, TableKey, Trigger};

const SNS: &str = "SNS event";
const SQS: &str = "SQS event";
const STREAM: &str = "DynamoDB stream event";

/// A record of any of the three. SNS alone writes its members with a capital.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    event_source: Raw<'a>,
    #[serde(borrow, rename = "EventSource")]
    sns_event_source: Raw<'a>,
    #[serde(borrow, rename = "Sns")]
    sns: Raw<'a>,
    #[serde(borrow)]
    message_id: Raw<'a>,
    #[serde(borrow)]
    body: Raw<'a>,
    #[serde(borrow)]
    dynamodb: Raw<'a>,
}

pub(super) fn read(raw: &RawValue) -> Result<Trigger, EventError> {
    const FORM: &str = "event with records";
    let items = member::list(FORM, "Records", Some(raw))?;
    let Some(first) = items.first() else { return Err(wrong(FORM, "Records", "is empty, expected at least one record")) };
    let first: Record<'_> = member::object(FORM, "Records[0]", Some(first))?;
    let (field, source) = match first.sns_event_source {
        Some(raw) => ("Records[0].EventSource", Some(raw)),
        None => ("Records[0].eventSource", first.event_source),
    };
    match &*member::text(FORM, field, source)? {
        "aws:sns" => each(SNS, &items, sns).map(Trigger::Alarm),
        "aws:sqs" => Ok(Trigger::Hints(items.iter().enumerate().map(|(i, item)| sqs(i, item)).collect())),
        "aws:dynamodb" => each(STREAM, &items, stream).map(Trigger::TableChanges),
        other => Err(EventError::NotRecognised { saw: format!("records of `{}`", member::clip(other)) }),
    }
}

fn each<'a, T>(
    form: &'static str,
    items: &[&'a RawValue],
    read: impl Fn(&str, Record<'a>) -> Result<T, EventError>,
) -> Result<Vec<T>, EventError> {
    let one = |(i, item): (usize, &&'a RawValue)| {
        let path = format!("Records[{i}]");
        let record = member::object(form, &path, Some(item))?;
        read(&path, record)
    };
    items.iter().enumerate().map(one).collect()
}

fn sns(path: &str, record: Record<'_>) -> Result<crate::AlarmEvent, EventError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Notification<'a> {
        #[serde(borrow, rename = "Message")]
        message: Raw<'a>,
    }
    let notification: Notification<'_> = member::object(SNS, &format!("{path}.Sns"), record.sns)?;
    alarm::sns_message(&member::text(SNS, &format!("{path}.Sns.Message"), notification.message)?)
}

/// One message of the hint queue. Never fails: a bad message becomes a hint that says so, and the batch goes on.
fn sqs(index: usize, item: &RawValue) -> Hint {
    let path = format!("Records[{index}]");
    let record: Record<'_> = match member::object(SQS, &path, Some(item)) {
        Ok(record) => record,
        Err(e) => return Hint { message_id: None, kind: HintKind::Unreadable { problem: e.to_string() } },
    };
    let message_id = member::text(SQS, "messageId", record.message_id).ok().map(|id| id.into_owned());
    let kind = hint_of(&path, &record).unwrap_or_else(|e| HintKind::Unreadable { problem: e.to_string() });
    Hint { message_id, kind }
}

fn hint_of(path: &str, record: &Record<'_>) -> Result<HintKind, EventError> {
    let field = format!("{path}.body");
    let body = member::text(SQS, &field, record.body)?;
    let shape = skim(&body)?;
    if shape.detail_type.is_none() {
        return Err(wrong(SQS, &field, "has no `detail-type`, expected an EventBridge event"));
    }
    match event_bridge::read(&shape)? {
        event_bridge::Event::Hint(kind) => Ok(kind),
        event_bridge::Event::Command(c) => {
            Ok(HintKind::Command { command_id: c.command_id, instance: c.instance, status: c.status })
        }
        event_bridge::Event::Other(other) => Err(wrong(
            SQS,
            &field,
            format!("is {}, expected an event of EC2, ECS, SSM or Health", member::clip(&other.describe())),
        )),
    }
}

fn stream(path: &str, record: Record<'_>) -> Result<TableKey, EventError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Change<'a> {
        #[serde(borrow, rename = "Keys")]
        keys: Raw<'a>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Keys<'a> {
        #[serde(borrow)]
        pk: Raw<'a>,
        #[serde(borrow)]
        sk: Raw<'a>,
    }
    let change: Change<'_> = member::object(STREAM, &format!("{path}.dynamodb"), record.dynamodb)?;
    let keys: Keys<'_> = member::object(STREAM, &format!("{path}.dynamodb.Keys"), change.keys)?;
    Ok(TableKey { pk: string_attribute(path, "pk", keys.pk)?, sk: string_attribute(path, "sk", keys.sk)? })
}

fn string_attribute(path: &str, name: &str, raw: Raw<'_>) -> Result<String, EventError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Attribute<'a> {
        #[serde(borrow, rename = "S")]
        s: Raw<'a>,
    }
    let field = format!("{path}.dynamodb.Keys.{name}");
    let attribute: Attribute<'_> = member::object(STREAM, &field, raw)?;
    Ok(member::text(STREAM, &format!("{field}.S"), attribute.s)?.into_owned())
}
