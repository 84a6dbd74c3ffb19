//! The forms that AWS sends, written for the simulated cloud. Each is held against its file in `events/`: same keys, same types.
//!
//! Members stand in a fixed order, so that a seeded run is equal to the byte.

mod alarm;
mod instance;
mod queue;
mod request;

pub use alarm::{AlarmChange, AlarmOf, MetricAlarm, PreviousState, alarm_direct, alarm_event_bridge, alarm_sns};
pub use instance::{
    ContainerInstanceChange, command_invocation_status, command_status, container_instance_state_change, ec2_state_change,
    rebalance_recommendation, scheduled_by_ec2, spot_interruption,
};
pub use queue::{QueuedMessage, dynamodb_keys, sqs_batch};
pub use request::{campaign_asked, campaign_request, scheduled, teardown_asked, teardown_request};

use jiff::Timestamp;
use serde::Serialize;

/// Where and when an event arises.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// AWS account, twelve digits.
    pub account: &'a str,
    /// AWS region, for example `eu-central-1`.
    pub region: &'a str,
    /// When it happens; EventBridge's `time` has whole seconds.
    pub at: Timestamp,
    /// The event's id, a uuid; a duplicate delivery has the same one.
    pub id: &'a str,
}

/// EventBridge's envelope.
#[derive(Serialize)]
struct Event<'a, D: Serialize> {
    version: &'static str,
    id: &'a str,
    #[serde(rename = "detail-type")]
    detail_type: &'static str,
    source: &'static str,
    account: &'a str,
    time: String,
    region: &'a str,
    resources: &'a [String],
    detail: D,
}

impl Envelope<'_> {
    fn event(&self, detail_type: &'static str, source: &'static str, resources: &[String], detail: impl Serialize) -> String {
        json(&Event {
            version: "0",
            id: self.id,
            detail_type,
            source,
            account: self.account,
            time: whole_seconds(self.at),
            region: self.region,
            resources,
            detail,
        })
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with string keys and finite numbers only")
}

/// `2026-03-02T06:00:00Z`, as EventBridge writes it.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// `2026-03-02T06:00:00.000+0000`, as CloudWatch writes it.
fn with_offset(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// `2026-03-02T06:00:00.000Z`, as SNS, ECS and SSM write it.
fn milliseconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
