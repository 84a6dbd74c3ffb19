//! CloudWatch alarms: as EventBridge event, as SNS message, as direct invocation.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Envelope, milliseconds, with_offset};
use crate::AlarmState;

/// An alarm's change of state at the envelope's time.
#[derive(Clone, Copy, Debug)]
pub struct AlarmChange<'a> {
    /// Name.
    pub name: &'a str,
    /// Description; may be empty.
    pub description: &'a str,
    /// The new state.
    pub state: AlarmState,
    /// CloudWatch's sentence about why.
    pub reason: &'a str,
    /// What it was before.
    pub previous: PreviousState<'a>,
    /// What it watches.
    pub of: AlarmOf<'a>,
}

/// The state that an alarm left.
#[derive(Clone, Copy, Debug)]
pub struct PreviousState<'a> {
    /// State.
    pub state: AlarmState,
    /// Sentence.
    pub reason: &'a str,
    /// Since when.
    pub at: Timestamp,
    /// The data points that had led to it; `None` right after the alarm's creation.
    pub datapoints: Option<&'a [f64]>,
}

/// What an alarm watches.
#[derive(Clone, Copy, Debug)]
pub enum AlarmOf<'a> {
    /// One metric.
    Metric(MetricAlarm<'a>),
    /// Other alarms.
    Composite {
        /// For example `ALARM(a) OR ALARM(b)`.
        rule: &'a str,
        /// Names of the alarms that brought about the change.
        triggering: &'a [&'a str],
    },
}

/// An alarm on one metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricAlarm<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Metric.
    pub metric: &'a str,
    /// Its one dimension, name and value.
    pub dimension: (&'a str, &'a str),
    /// Length of a period in seconds.
    pub period_seconds: u32,
    /// So many periods must breach.
    pub evaluation_periods: u32,
    /// Strictly above the threshold when true, strictly below when false.
    pub above: bool,
    /// Threshold.
    pub threshold: f64,
    /// The data points that led to the change, oldest first.
    pub datapoints: &'a [f64],
}

/// EventBridge event `CloudWatch Alarm State Change`.
pub fn alarm_event_bridge(envelope: &Envelope<'_>, alarm: &AlarmChange<'_>) -> String {
    let arn = alarm_arn(envelope, alarm.name);
    envelope.event("CloudWatch Alarm State Change", "aws.cloudwatch", &[arn], data(envelope, alarm))
}

/// Direct invocation: the function itself is among the alarm's actions.
pub fn alarm_direct(envelope: &Envelope<'_>, alarm: &AlarmChange<'_>) -> String {
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": alarm_arn(envelope, alarm.name),
        "accountId": envelope.account,
        "time": with_offset(envelope.at),
        "region": envelope.region,
        "alarmData": data(envelope, alarm),
    })
    .to_string()
}

/// The Lambda event of an SNS notification; `topic` is the topic's name.
pub fn alarm_sns(envelope: &Envelope<'_>, topic: &str, alarm: &AlarmChange<'_>) -> String {
    let topic_arn = envelope.arn("sns", topic);
    let sns = format!("https://sns.{}.amazonaws.com", envelope.region);
    let long_name = region_name(envelope.region);
    json!({
        "Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": format!("{topic_arn}:{}", envelope.id),
            "Sns": {
                "Type": "Notification",
                "MessageId": envelope.id,
                "TopicArn": topic_arn,
                "Subject": format!("{}: \"{}\" in {long_name}", alarm.state.as_str(), alarm.name),
                "Message": message(envelope, &topic_arn, alarm).to_string(),
                "Timestamp": milliseconds(envelope.at),
                "SignatureVersion": "1",
                "Signature": "c2lnbmF0dXJl",
                "SigningCertUrl": format!("{sns}/SimpleNotificationService.pem"),
                "UnsubscribeUrl": format!("{sns}/?Action=Unsubscribe&SubscriptionArn={topic_arn}:{}", envelope.id),
                "MessageAttributes": {},
            },
        }],
    })
    .to_string()
}

fn alarm_arn(envelope: &Envelope<'_>, name: &str) -> String {
    envelope.arn("cloudwatch", &format!("alarm:{name}"))
}

/// `detail` and `alarmData` have one shape.
fn data(envelope: &Envelope<'_>, alarm: &AlarmChange<'_>) -> Value {
    let previous = &alarm.previous;
    json!({
        "alarmName": alarm.name,
        "configuration": configuration(alarm),
        "previousState": state(previous.state, previous.reason, previous.at, previous_reason_data(envelope, alarm)),
        "state": state(alarm.state, alarm.reason, envelope.at, Some(reason_data(envelope, alarm))),
    })
}

fn state(value: AlarmState, reason: &str, at: Timestamp, reason_data: Option<Value>) -> Value {
    let mut state = Map::new();
    state.insert("reason".to_owned(), reason.into());
    if let Some(data) = reason_data {
        state.insert("reasonData".to_owned(), data.to_string().into());
    }
    state.insert("timestamp".to_owned(), with_offset(at).into());
    state.insert("value".to_owned(), value.as_str().into());
    Value::Object(state)
}

fn configuration(alarm: &AlarmChange<'_>) -> Value {
    match alarm.of {
        AlarmOf::Composite { rule, .. } => json!({ "description": alarm.description, "alarmRule": rule }),
        AlarmOf::Metric(m) => json!({
            "description": alarm.description,
            "metrics": [{
                "id": "m1",
                "metricStat": {
                    "metric": { "dimensions": { (m.dimension.0): m.dimension.1 }, "name": m.metric, "namespace": m.namespace },
                    "period": m.period_seconds,
                    "stat": "Average",
                },
                "returnData": true,
            }],
        }),
    }
}

fn reason_data(envelope: &Envelope<'_>, alarm: &AlarmChange<'_>) -> Value {
    match alarm.of {
        AlarmOf::Metric(m) => metric_reason_data(&m, envelope.at, m.datapoints),
        AlarmOf::Composite { triggering, .. } => {
            let child = |name: &&str| json!({ "arn": alarm_arn(envelope, name), "state": { "value": alarm.state.as_str(), "timestamp": with_offset(envelope.at) } });
            json!({ "triggeringAlarms": triggering.iter().map(child).collect::<Vec<_>>() })
        }
    }
}

fn previous_reason_data(envelope: &Envelope<'_>, alarm: &AlarmChange<'_>) -> Option<Value> {
    let datapoints = alarm.previous.datapoints?;
    match alarm.of {
        AlarmOf::Metric(m) => Some(metric_reason_data(&m, alarm.previous.at, datapoints)),
        AlarmOf::Composite { triggering, .. } => {
            let child = |name: &&str| json!({ "arn": alarm_arn(envelope, name), "state": { "value": alarm.previous.state.as_str(), "timestamp": with_offset(alarm.previous.at) } });
            Some(json!({ "triggeringAlarms": triggering.iter().map(child).collect::<Vec<_>>() }))
        }
    }
}

fn metric_reason_data(m: &MetricAlarm<'_>, at: Timestamp, datapoints: &[f64]) -> Value {
    let seconds = i64::from(m.period_seconds) * i64::try_from(datapoints.len()).unwrap_or(i64::MAX);
    let start = Timestamp::from_second(at.as_second().saturating_sub(seconds)).unwrap_or(at);
    json!({
        "version": "1.0",
        "queryDate": with_offset(at),
        "startDate": with_offset(start),
        "statistic": "Average",
        "period": m.period_seconds,
        "recentDatapoints": datapoints,
        "threshold": m.threshold,
    })
}

/// The JSON that CloudWatch publishes to SNS.
fn message(envelope: &Envelope<'_>, topic_arn: &str, alarm: &AlarmChange<'_>) -> Value {
    let mut message = json!({
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": envelope.account,
        "AlarmConfigurationUpdatedTimestamp": with_offset(alarm.previous.at),
        "NewStateValue": alarm.state.as_str(),
        "NewStateReason": alarm.reason,
        "StateChangeTime": with_offset(envelope.at),
        "Region": region_name(envelope.region),
        "AlarmArn": alarm_arn(envelope, alarm.name),
        "OldStateValue": alarm.previous.state.as_str(),
        "OKActions": [],
        "AlarmActions": [topic_arn],
        "InsufficientDataActions": [],
    });
    let rest = match alarm.of {
        AlarmOf::Metric(m) => json!({ "Trigger": {
            "MetricName": m.metric,
            "Namespace": m.namespace,
            "StatisticType": "Statistic",
            "Statistic": "AVERAGE",
            "Unit": null,
            "Dimensions": [{ "value": m.dimension.1, "name": m.dimension.0 }],
            "Period": m.period_seconds,
            "EvaluationPeriods": m.evaluation_periods,
            "DatapointsToAlarm": m.evaluation_periods,
            "ComparisonOperator": if m.above { "GreaterThanThreshold" } else { "LessThanThreshold" },
            "Threshold": m.threshold,
            "TreatMissingData": "missing",
            "EvaluateLowSampleCountPercentile": "",
        } }),
        AlarmOf::Composite { rule, triggering } => {
            let child = |name: &&str| json!({ "Arn": alarm_arn(envelope, name), "State": { "Value": alarm.state.as_str(), "Timestamp": with_offset(envelope.at) } });
            json!({ "AlarmRule": rule, "TriggeringChildren": triggering.iter().map(child).collect::<Vec<_>>() })
        }
    };
    if let (Value::Object(message), Value::Object(rest)) = (&mut message, rest) {
        message.extend(rest);
    }
    message
}

/// CloudWatch's SNS messages name the region in words.
fn region_name(region: &str) -> &str {
    match region {
        "eu-central-1" => "EU (Frankfurt)",
        "eu-west-1" => "EU (Ireland)",
        "us-east-1" => "US East (N. Virginia)",
        "us-east-2" => "US East (Ohio)",
        "us-west-2" => "US West (Oregon)",
        "ap-southeast-1" => "Asia Pacific (Singapore)",
        other => other,
    }
}
