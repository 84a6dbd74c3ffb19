//! Load-based and time-based scaling. The members have their home in the domain, which knows no schemas; here is what the model says
//! about them.

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// The thresholds of one direction.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "a schema only; a test holds it against the domain's members")]
pub(crate) struct AutoScalingThresholds {
    /// How many instances to start or stop at a time; at least 1.
    instance_count: Option<i64>,
    /// Minutes that a threshold must be passed before something is done; 1 to 100.
    thresholds_wait_time: Option<i64>,
    /// Minutes after a scaling in which metrics are ignored; 1 to 100.
    ignore_metrics_time: Option<i64>,
    /// CPU use in percent, 0 to 100; -1 switches it off.
    cpu_threshold: Option<f64>,
    /// Memory use in percent, 0 to 100; -1 switches it off.
    memory_threshold: Option<f64>,
    /// Load, 0 or more; -1 switches it off.
    load_threshold: Option<f64>,
    /// Names of at most five CloudWatch alarms of your own; an empty list clears them.
    alarms: Option<Vec<String>>,
}

/// The hours of a week at which an instance is online. A day that is left out of an answer has none.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
#[expect(dead_code, reason = "a schema only; a test holds it against the domain's days")]
pub(crate) struct WeeklyAutoScalingSchedule {
    /// Hours (`0` to `23`, UTC) of Monday: `on` or `off`.
    monday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Tuesday: `on` or `off`.
    tuesday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Wednesday: `on` or `off`.
    wednesday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Thursday: `on` or `off`.
    thursday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Friday: `on` or `off`.
    friday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Saturday: `on` or `off`.
    saturday: Option<BTreeMap<String, String>>,
    /// Hours (`0` to `23`, UTC) of Sunday: `on` or `off`.
    sunday: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::Schema;
    use serde_json::{Value, to_value};
    use strata_domain::load_based::ThresholdsPatch;
    use strata_domain::time_based::WeeklySchedule;

    use super::*;

    #[test]
    fn the_schema_has_the_members_that_the_domain_reads_and_writes() {
        let full = ThresholdsPatch {
            instance_count: Some(1),
            thresholds_wait_time: Some(1),
            ignore_metrics_time: Some(1),
            cpu_threshold: Some(1.0),
            memory_threshold: Some(1.0),
            load_threshold: Some(1.0),
            alarms: Some(Vec::new()),
        };
        assert_eq!(members(&schemars::schema_for!(AutoScalingThresholds)), names(&to_value(full).unwrap()));
    }

    #[test]
    fn the_schema_has_the_days_that_the_domain_reads_and_writes() {
        let all_day = WeeklySchedule::every_day(0..24).to_wire();
        assert_eq!(members(&schemars::schema_for!(WeeklyAutoScalingSchedule)), names(&to_value(all_day).unwrap()));
    }

    fn members(schema: &Schema) -> BTreeSet<String> {
        names(&schema.as_value()["properties"])
    }

    fn names(value: &Value) -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }
}
