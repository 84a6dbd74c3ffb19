//! Metrics in CloudWatch's embedded metric format: a log line that CloudWatch makes metrics of, so that counting needs no call.
//!
//! Source: CloudWatch User Guide, "Specification: Embedded metric format".

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use strata_domain::decision::Function;

/// CloudWatch's namespace of our metrics.
pub const NAMESPACE: &str = "Strata";
/// Values that one line may give for one metric; the format's own limit.
const VALUES_PER_LINE: usize = 100;

/// What is measured. The only dimensions are the installation and the function, so there are at most 48 metrics in an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Changed decisions that were written.
    Decisions,
    /// Starts that EC2 has accepted.
    Starts,
    /// Instances that have begun to leave service for a stop or a deletion.
    Stops,
    /// Heals begun.
    Heals,
    /// From the start's acceptance to `online`, in milliseconds, one value per instance.
    TimeToOnline,
    /// From the beginning of `shutting_down` until the host has left its cluster, in milliseconds, one value per instance.
    DrainTime,
    /// Pages and their resolutions that were written for on-call.
    Pages,
    /// Attempts that AWS, or the API, answered with a throttle.
    Throttles,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Decisions,
        Self::Starts,
        Self::Stops,
        Self::Heals,
        Self::TimeToOnline,
        Self::DrainTime,
        Self::Pages,
        Self::Throttles,
    ];

    /// The name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decisions => "Decisions",
            Self::Starts => "Starts",
            Self::Stops => "Stops",
            Self::Heals => "Heals",
            Self::TimeToOnline => "TimeToOnline",
            Self::DrainTime => "DrainTime",
            Self::Pages => "Pages",
            Self::Throttles => "Throttles",
        }
    }

    fn is_time(self) -> bool {
        matches!(self, Self::TimeToOnline | Self::DrainTime)
    }

    fn unit(self) -> &'static str {
        if self.is_time() { "Milliseconds" } else { "Count" }
    }
}

/// Counts until it is asked for the lines. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Meter {
    installation: Arc<str>,
    function: Function,
    seen: Arc<Mutex<BTreeMap<Metric, Vec<i64>>>>,
}

impl Meter {
    /// For one function of one installation.
    pub fn new(installation: &str, function: Function) -> Self {
        Self { installation: installation.into(), function, seen: Arc::default() }
    }

    /// One more.
    pub fn count(&self, metric: Metric) {
        let mut seen = self.seen();
        match seen.entry(metric).or_default().as_mut_slice() {
            [count] => *count = count.saturating_add(1),
            _ => drop(seen.insert(metric, vec![1])),
        }
    }

    /// One instance took so long.
    pub fn time(&self, metric: Metric, milliseconds: i64) {
        self.seen().entry(metric).or_default().push(milliseconds.max(0));
    }

    /// What was seen since the last look, as lines; none when nothing was.
    pub fn take(&self, now: Timestamp) -> Vec<String> {
        let mut seen = std::mem::take(&mut *self.seen());
        let mut lines = Vec::new();
        while !seen.is_empty() {
            let mut of_line = BTreeMap::new();
            for (metric, values) in &mut seen {
                let rest = values.split_off(values.len().min(VALUES_PER_LINE));
                of_line.insert(*metric, std::mem::replace(values, rest));
            }
            seen.retain(|_, values| !values.is_empty());
            lines.push(self.line(&of_line, now).to_string());
        }
        lines
    }

    fn line(&self, values: &BTreeMap<Metric, Vec<i64>>, now: Timestamp) -> Value {
        let metrics: Vec<Value> = values.keys().map(|m| json!({ "Name": m.name(), "Unit": m.unit() })).collect();
        let directive = json!({ "Namespace": NAMESPACE, "Dimensions": [["Installation", "Function"]], "Metrics": metrics });
        let mut line = Map::new();
        line.insert("_aws".to_owned(), json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive] }));
        line.insert("Installation".to_owned(), json!(&*self.installation));
        line.insert("Function".to_owned(), json!(self.function.as_str()));
        for (metric, values) in values {
            let value = match values.as_slice() {
                [one] => json!(one),
                many => json!(many),
            };
            line.insert(metric.name().to_owned(), value);
        }
        Value::Object(line)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, BTreeMap<Metric, Vec<i64>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: [&str; 27] = [
        "Seconds",
        "Microseconds",
        "Milliseconds",
        "Bytes",
        "Kilobytes",
        "Megabytes",
        "Gigabytes",
        "Terabytes",
        "Bits",
        "Kilobits",
        "Megabits",
        "Gigabits",
        "Terabits",
        "Percent",
        "Count",
        "Bytes/Second",
        "Kilobytes/Second",
        "Megabytes/Second",
        "Gigabytes/Second",
        "Terabytes/Second",
        "Bits/Second",
        "Kilobits/Second",
        "Megabits/Second",
        "Gigabits/Second",
        "Terabits/Second",
        "Count/Second",
        "None",
    ];

    /// Holds a line against the format's specification, and gives it back.
    fn checked(line: &str) -> Value {
        assert!(line.len() <= 1_000_000 && !line.contains('\n'));
        let value: Value = serde_json::from_str(line).unwrap();
        let root = value.as_object().unwrap();
        let aws = root["_aws"].as_object().unwrap();
        assert!(aws["Timestamp"].is_i64() || aws["Timestamp"].is_u64());
        for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
            let namespace = directive["Namespace"].as_str().unwrap();
            assert!((1..=1024).contains(&namespace.len()));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set = set.as_array().unwrap();
                assert!(set.len() <= 30);
                for name in set.iter().map(|name| name.as_str().unwrap()) {
                    let text = root[name].as_str().unwrap_or_else(|| panic!("the dimension {name} has no text beside it"));
                    assert!((1..=1024).contains(&text.len()));
                }
            }
            let metrics = directive["Metrics"].as_array().unwrap();
            assert!((1..=100).contains(&metrics.len()));
            for metric in metrics {
                assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{metric}");
                let values = match &root[metric["Name"].as_str().unwrap()] {
                    Value::Array(many) => many.clone(),
                    one => vec![one.clone()],
                };
                assert!((1..=100).contains(&values.len()) && values.iter().all(Value::is_number), "{metric}");
            }
        }
        value
    }

    fn now() -> Timestamp {
        "2026-03-01T00:00:00.250Z".parse().unwrap()
    }

    #[test]
    fn what_was_counted_is_one_line_and_is_forgotten() {
        let meter = Meter::new("strata", Function::InstanceLifecycle);
        assert!(meter.take(now()).is_empty());
        let clone = meter.clone();
        for metric in [Metric::Starts, Metric::Starts, Metric::Pages] {
            clone.count(metric);
        }
        meter.time(Metric::TimeToOnline, 81_000);
        meter.time(Metric::TimeToOnline, 95_500);
        let lines = meter.take(now());
        assert_eq!(lines.len(), 1);
        let line = checked(&lines[0]);
        assert_eq!(line["_aws"]["Timestamp"], 1_772_323_200_250_i64);
        assert_eq!((&line["Installation"], &line["Function"]), (&json!("strata"), &json!("instance-lifecycle")));
        assert_eq!((&line["Starts"], &line["Pages"], &line["TimeToOnline"]), (&json!(2), &json!(1), &json!([81_000, 95_500])));
        assert!(meter.take(now()).is_empty());
    }

    #[test]
    fn more_values_than_a_line_takes_go_on_in_the_next_and_none_is_lost() {
        let meter = Meter::new("strata", Function::InstanceLifecycle);
        (0..250).for_each(|ms| meter.time(Metric::DrainTime, ms));
        meter.count(Metric::Stops);
        let lines: Vec<Value> = meter.take(now()).iter().map(|line| checked(line)).collect();
        assert_eq!(lines.len(), 3);
        let values = lines.iter().flat_map(|line| line["DrainTime"].as_array().unwrap().clone());
        assert!(values.eq((0..250).map(Value::from)));
        assert_eq!(lines.iter().filter(|line| line.get("Stops").is_some()).count(), 1);
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_and_a_line_that_the_format_allows() {
        let meter = Meter::new("strata", Function::Api);
        Metric::ALL.into_iter().for_each(|metric| meter.time(metric, 1));
        let line = checked(&meter.take(now())[0]);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len(), Metric::ALL.len());
    }
}
