//! The Alarms port, and what the world does to metrics and alarms.

use async_trait::async_trait;
use jiff::Timestamp;
use strata_domain::LayerId;
use strata_ports::{AlarmObservation, AlarmSpec, AlarmState, Alarms, CloudError, StackScope};
use strata_triggers::AlarmForm;

use super::cloudwatch::{CustomAlarm, LayerMetrics, Series};
use super::{Latency, SimCloud};

/// Names in one DescribeAlarms or DeleteAlarms call.
const PER_CALL: usize = 100;

#[async_trait]
impl Alarms for SimCloud {
    async fn put(&self, _scope: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError> {
        if specs.is_empty() {
            return Ok(());
        }
        self.call(Latency::Write, |s| {
            for spec in specs {
                s.admit("cloudwatch:PutMetricAlarm", 1)?;
                s.put_alarm(spec);
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, _scope: &StackScope, names: &[String]) -> Result<(), CloudError> {
        if names.is_empty() {
            return Ok(());
        }
        self.call(Latency::Write, |s| {
            for chunk in names.chunks(PER_CALL) {
                s.admit("cloudwatch:DeleteAlarms", 1)?;
                chunk.iter().for_each(|name| s.cloudwatch.delete(name));
            }
            Ok(())
        })
        .await
    }

    async fn describe(&self, _scope: &StackScope, names: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit("cloudwatch:DescribeAlarms", names.len().div_ceil(PER_CALL))?;
            Ok(names.iter().filter_map(|name| s.cloudwatch.observe(name)).collect())
        })
        .await
    }
}

impl SimCloud {
    /// A minute's averages of a layer; to be told every minute, also when there is no data point: the alarms are evaluated on it.
    pub fn publish_layer_metrics(&self, layer: &LayerId, metrics: LayerMetrics, at: Timestamp) {
        let values = [("cpu", metrics.cpu), ("memory", metrics.memory), ("load_1", metrics.load_1)];
        self.with(|s| s.publish(Series::Layer(layer.clone()), &values, at));
    }

    /// PutMetricAlarm by the user, on a metric of its own; overwrites.
    pub fn create_custom_alarm(&self, alarm: &CustomAlarm) {
        self.with(|s| s.put_custom_alarm(alarm));
    }

    /// A minute's data point of a custom alarm's metric, or that there is none.
    pub fn publish_custom_metric(&self, alarm: &str, value: Option<f64>, at: Timestamp) {
        self.with(|s| s.publish(Series::Custom(alarm.to_owned()), &[("value", value)], at));
    }

    /// SetAlarmState by hand; an unknown alarm stays unknown.
    pub fn set_alarm_state(&self, alarm: &str, state: AlarmState) {
        self.with(|s| s.set_alarm_state(alarm, state));
    }

    /// By which way an alarm tells from now on; an unknown alarm stays unknown. Default: EventBridge.
    pub fn set_alarm_form(&self, alarm: &str, form: AlarmForm) {
        self.with(|s| s.cloudwatch.set_form(alarm, form));
    }
}
