//! Load-based scaling. The members have their home in the domain ([`ThresholdsPatch`](strata_domain::load_based::ThresholdsPatch)),
//! which knows no schemas; here is what the model says about them.

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strata_domain::load_based::ThresholdsPatch;

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
        let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let schema = schemars::schema_for!(AutoScalingThresholds);
        assert_eq!(names(&schema.as_value()["properties"]), names(&serde_json::to_value(full).unwrap()));
    }
}
