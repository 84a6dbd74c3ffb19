//! Batches: SQS messages and DynamoDB stream records.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Envelope, json};

/// A message of the hint queue.
#[derive(Clone, Copy, Debug)]
pub struct QueuedMessage<'a> {
    /// SQS's id of the message, a uuid; the same at each delivery.
    pub message_id: &'a str,
    /// The EventBridge event.
    pub body: &'a str,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Records<R: Serialize> {
    records: Vec<R>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord<'a> {
    message_id: &'a str,
    receipt_handle: String,
    body: &'a str,
    attributes: SqsAttributes,
    message_attributes: BTreeMap<String, String>,
    md5_of_body: &'static str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsAttributes {
    approximate_receive_count: String,
    sent_timestamp: String,
    sender_id: &'static str,
    approximate_first_receive_timestamp: String,
}

/// The batch that Lambda's poller makes of the messages of `queue` (a name). `md5OfBody` is a stand-in: nobody reads it.
pub fn sqs_batch(envelope: &Envelope<'_>, queue: &str, messages: &[QueuedMessage<'_>]) -> String {
    let arn = envelope.arn("sqs", queue);
    let now = envelope.at.as_millisecond().to_string();
    let mut records = Vec::with_capacity(messages.len());
    for message in messages {
        records.push(SqsRecord {
            message_id: message.message_id,
            receipt_handle: format!("receipt-{}-{}", message.message_id, message.receive_count),
            body: message.body,
            attributes: SqsAttributes {
                approximate_receive_count: message.receive_count.to_string(),
                sent_timestamp: now.clone(),
                sender_id: "AIDAIT2UOQQY3AUEKVGXU",
                approximate_first_receive_timestamp: now.clone(),
            },
            message_attributes: BTreeMap::new(),
            md5_of_body: "00000000000000000000000000000000",
            event_source: "aws:sqs",
            event_source_arn: &arn,
            aws_region: envelope.region,
        });
    }
    json(&Records { records })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamRecord<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'a str,
    dynamodb: Change<'a>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    approximate_creation_date_time: i64,
    keys: Keys<'a>,
    sequence_number: String,
    size_bytes: usize,
    stream_view_type: &'static str,
}

#[derive(Serialize)]
struct Keys<'a> {
    pk: StringAttribute<'a>,
    sk: StringAttribute<'a>,
}

#[derive(Serialize)]
struct StringAttribute<'a> {
    #[serde(rename = "S")]
    s: &'a str,
}

/// The table's change feed, keys only; `table` is the table's name.
pub fn dynamodb_keys(envelope: &Envelope<'_>, table: &str, keys: &[(&str, &str)]) -> String {
    let arn = envelope.arn("dynamodb", &format!("table/{table}/stream/2026-01-01T00:00:00.000"));
    let seconds = envelope.at.as_second();
    let mut records = Vec::with_capacity(keys.len());
    for (i, (pk, sk)) in keys.iter().enumerate() {
        records.push(StreamRecord {
            event_id: format!("{seconds:016x}{i:016x}"),
            event_name: "MODIFY",
            event_version: "1.1",
            event_source: "aws:dynamodb",
            aws_region: envelope.region,
            dynamodb: Change {
                approximate_creation_date_time: seconds,
                keys: Keys { pk: StringAttribute { s: pk }, sk: StringAttribute { s: sk } },
                sequence_number: format!("{}{i:05}", envelope.at.as_microsecond()),
                size_bytes: pk.len() + sk.len() + 4,
                stream_view_type: "KEYS_ONLY",
            },
            event_source_arn: &arn,
        });
    }
    json(&Records { records })
}
