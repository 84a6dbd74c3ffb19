//! Alarms on CloudWatch.

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::config::Builder;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, Dimension, StateValue, Statistic};
use jiff::Timestamp;
use serde::Deserialize;
use strata_ports::{AlarmObservation, AlarmSpec, AlarmState, Alarms, CloudError, Datapoint, StackScope};

use crate::error::{Effect, sort};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

/// Where hosts publish and alarms look [MET-20].
pub const NAMESPACE: &str = "OpsWorks";
/// Names in one DescribeAlarms or DeleteAlarms call.
const PER_CALL: usize = 100;
/// Seconds: load-based scaling's minutes.
const PERIOD: i32 = 60;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "put", role: Role::Stack, actions: &["cloudwatch:PutMetricAlarm"] },
    Uses { method: "delete", role: Role::Stack, actions: &["cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms"] },
    Uses { method: "describe", role: Role::Stack, actions: &["cloudwatch:DescribeAlarms"] },
];

/// CloudWatch, under the stack's service role.
pub struct CloudWatchAlarms {
    clients: PerStack<Client>,
}

impl CloudWatchAlarms {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        let make = |config: &_, base: &Base| Client::from_conf(Builder::from(config).interceptor(base.log().clone()).build());
        Self { clients: PerStack::new(base, "CLOUDWATCH", make) }
    }
}

#[async_trait]
impl Alarms for CloudWatchAlarms {
    async fn put(&self, scope: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError> {
        let client = self.clients.client(scope);
        for spec in specs {
            let layer = Dimension::builder().name("LayerId").value(spec.layer_id.as_str()).build();
            let above = if spec.above { ComparisonOperator::GreaterThanThreshold } else { ComparisonOperator::LessThanThreshold };
            client
                .put_metric_alarm()
                .alarm_name(&spec.name)
                .alarm_description("Made by Strata for load-based scaling; it is put back when it is deleted or changed")
                .namespace(NAMESPACE)
                .metric_name(&spec.metric)
                .dimensions(layer)
                .statistic(Statistic::Average)
                .period(PERIOD)
                .evaluation_periods(i32::try_from(spec.evaluation_periods).unwrap_or(i32::MAX))
                .comparison_operator(above)
                .threshold(spec.threshold)
                .treat_missing_data("missing")
                .send()
                .await
                .map_err(|error| sort("cloudwatch:PutMetricAlarm", Effect::Write, error))?;
        }
        Ok(())
    }

    /// One DeleteAlarms call deletes nothing if one of its names is no alarm, so what is gone is sorted out first.
    async fn delete(&self, scope: &StackScope, names: &[String]) -> Result<(), CloudError> {
        let client = self.clients.client(scope);
        let there: Vec<String> = self.describe(scope, names).await?.into_iter().map(|alarm| alarm.name).collect();
        for chunk in there.chunks(PER_CALL) {
            let request = client.delete_alarms().set_alarm_names(Some(chunk.to_vec()));
            match request.send().await.map_err(|error| sort("cloudwatch:DeleteAlarms", Effect::Write, error)) {
                // Somebody else has deleted one since: the next tick looks again.
                Err(CloudError::Wrong { action, code, why }) if code == "ResourceNotFound" => {
                    return Err(CloudError::RetryLater { action, why });
                }
                other => other?,
            };
        }
        Ok(())
    }

    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        let client = self.clients.client(scope);
        let mut found = Vec::new();
        for chunk in names.chunks(PER_CALL) {
            let request = client.describe_alarms().set_alarm_names(Some(chunk.to_vec()));
            // Without the types only metric alarms are answered, and the user's own may be composite.
            let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm).max_records(100);
            let answer = request.send().await.map_err(|error| sort("cloudwatch:DescribeAlarms", Effect::Read, error))?;
            // `StateUpdated` moves with an alarm's evaluation state too, and a wait counts from the last transition [LOAD-20].
            let metric = answer.metric_alarms().iter().filter_map(|a| {
                let since = a.state_transitioned_timestamp().or_else(|| a.state_updated_timestamp());
                observation(a.alarm_name()?, a.state_value()?, since?, a.state_reason_data())
            });
            let composite = answer.composite_alarms().iter().filter_map(|a| {
                let since = a.state_transitioned_timestamp().or_else(|| a.state_updated_timestamp());
                observation(a.alarm_name()?, a.state_value()?, since?, None)
            });
            found.extend(metric.chain(composite));
        }
        Ok(found)
    }
}

/// `None` for a state that this version does not know, which is as good as no answer about that alarm.
fn observation(
    name: &str,
    state: &StateValue,
    since: &aws_sdk_cloudwatch::primitives::DateTime,
    reason_data: Option<&str>,
) -> Option<AlarmObservation> {
    let state = match state {
        StateValue::Alarm => AlarmState::Alarm,
        StateValue::Ok => AlarmState::Ok,
        StateValue::InsufficientData => AlarmState::InsufficientData,
        _ => return None,
    };
    let since = timestamp(since)?;
    let last = reason_data.and_then(|text| newest_point(text, since));
    Some(AlarmObservation { name: name.to_owned(), state, since, last })
}

/// What is used of `StateReasonData`. No document promises its form, so whatever reads otherwise tells nothing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasonData {
    query_date: Option<String>,
    /// Oldest first.
    recent_datapoints: Vec<f64>,
}

/// The newest of the data points that led to a state, as of when CloudWatch asked for them, else as of the transition.
fn newest_point(reason_data: &str, since: Timestamp) -> Option<Datapoint> {
    let data: ReasonData = serde_json::from_str(reason_data).ok()?;
    let value = data.recent_datapoints.last().copied().filter(|value| value.is_finite())?;
    let asked = data.query_date.and_then(|text| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok());
    Some(Datapoint { value, at: asked.unwrap_or(since) })
}

fn timestamp(time: &aws_sdk_cloudwatch::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_data_point_is_read_out_of_the_reason_and_anything_else_tells_none() {
        let since: Timestamp = "2026-03-02T18:05:12.041Z".parse().unwrap();
        // As in events/alarm-metric-eventbridge.json.
        let text = r#"{"version":"1.0","queryDate":"2026-03-02T18:05:12.039+0000","startDate":"2026-03-02T18:00:00.000+0000","statistic":"Average","period":60,"recentDatapoints":[83.5,86.1,91.2],"threshold":80.0}"#;
        let asked = "2026-03-02T18:05:12.039Z".parse().unwrap();
        assert_eq!(newest_point(text, since), Some(Datapoint { value: 91.2, at: asked }));
        for (text, value) in [
            (r#"{"recentDatapoints":[7]}"#, Some(7.0)),
            (r#"{"recentDatapoints":[7],"queryDate":"yesterday"}"#, Some(7.0)),
            (r#"{"recentDatapoints":[]}"#, None),
            (r#"{"recentDatapoints":[null]}"#, None),
            (r#"{"recentDatapoints":"7"}"#, None),
            (r#"{"recentDatapoints":[1e999]}"#, None),
            (r#"{"triggeringAlarms":[]}"#, None),
            ("{}", None),
            ("", None),
            ("[7]", None),
            ("set by hand", None),
        ] {
            assert_eq!(newest_point(text, since), value.map(|value| Datapoint { value, at: since }), "{text}");
        }
    }
}
