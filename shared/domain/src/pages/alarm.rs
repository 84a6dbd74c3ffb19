//! The form for machines: that of a CloudWatch alarm's notification, so that pager integrations open and close the same incident.

use serde_json::{Value, json};

use super::message::{Fields, Origin};
use super::text::cut;
use super::{PageStatus, message};
use crate::decision::Page;

/// A CloudWatch alarm's name has at most so many characters.
pub const LONGEST_NAME: usize = 255;
/// A CloudWatch alarm's reason has at most so many.
const LONGEST_REASON: usize = 1_023;

/// The page as a CloudWatch alarm's notification, with a member `Strata` of our own.
///
/// `AlarmName` is what integrations tell incidents apart by: it is the same for an incident's pages, their repeats and their end, and
/// differs between incidents. A notice is `OK`, so that it closes nothing and opens nothing.
///
/// Source: CloudWatch User Guide, "Notifying users on alarm changes"; `events/alarm-metric-sns.json`.
pub fn alarm(page: &Page, origin: &Origin<'_>) -> Value {
    let fields = Fields::of(page);
    let name = name(page, &fields, origin);
    let (new, old) = match PageStatus::of(page) {
        PageStatus::Open => ("ALARM", "OK"),
        PageStatus::Resolved => ("OK", "ALARM"),
        PageStatus::Notice => ("OK", "OK"),
    };
    let reason = format!("{}: {}. Strata: {}. Next: {}", fields.what, fields.why, fields.did, fields.next);
    json!({
        "AlarmName": name,
        "AlarmDescription": fields.what,
        "AWSAccountId": origin.account,
        "NewStateValue": new,
        "OldStateValue": old,
        "NewStateReason": cut(&reason, LONGEST_REASON),
        "StateChangeTime": page.at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        "Region": origin.region,
        "AlarmArn": format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", origin.region, origin.account),
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Trigger": trigger(page, &fields),
        "Strata": {
            "Installation": origin.installation,
            "Incident": page.incident,
            "Status": PageStatus::of(page).as_str(),
            "Severity": page.severity.as_str(),
            "Kind": page.kind,
            "Stack": fields.stack,
            "Layer": fields.layer,
            "Host": fields.host,
            "What": fields.what,
            "Why": fields.why,
            "Did": fields.did,
            "Next": fields.next,
            "Decision": page.decision,
            "Runbook": message::runbook(page.kind),
        },
    })
}

/// What an incident is told apart by: what does not change from its first page to its last. The place gives way if it is too long.
fn name(page: &Page, fields: &Fields, origin: &Origin<'_>) -> String {
    let end = format!(" ({})", page.incident);
    let room = LONGEST_NAME.saturating_sub(end.chars().count());
    let start = format!("{}: {} {}", origin.installation, page.kind, fields.place());
    cut(&format!("{}{end}", cut(&start, room)), LONGEST_NAME)
}

/// Integrations show namespace, metric and dimensions; no metric of this name is published.
fn trigger(page: &Page, fields: &Fields) -> Value {
    let dimension = |name: &str, value: &String| json!({ "name": name, "value": value });
    let dimensions: Vec<Value> = std::iter::once(dimension("Stack", &fields.stack))
        .chain(fields.layer.iter().map(|layer| dimension("Layer", layer)))
        .chain(fields.host.iter().map(|host| dimension("Host", host)))
        .collect();
    json!({
        "Namespace": "Strata",
        "MetricName": page.kind,
        "StatisticType": "Statistic",
        "Statistic": "MAXIMUM",
        "Unit": null,
        "Dimensions": dimensions,
        "Period": 60,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    })
}
