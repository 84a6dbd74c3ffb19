//! CloudWatch: data points by the minute, alarms that are evaluated over them, and what they tell.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::LayerId;
use strata_ports::{AlarmObservation, AlarmSpec, AlarmState, Datapoint};
use strata_triggers::AlarmForm;
use strata_triggers::emit::{self, AlarmChange, AlarmOf, MetricAlarm, PreviousState};

use super::state::{Due, Source, State};

/// No alarm looks further back: ThresholdsWaitTime is at most 100 minutes.
const KEPT_MINUTES: i64 = 128;
const TOPIC: &str = "strata-alarms";

/// One minute's averages over a layer's hosts; `None`: no data point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerMetrics {
    /// CPU percent.
    pub cpu: Option<f64>,
    /// Memory percent.
    pub memory: Option<f64>,
    /// One-minute load.
    pub load_1: Option<f64>,
}

/// An alarm of the user's own, on a metric of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomAlarm {
    /// Name.
    pub name: String,
    /// Strictly above when true, strictly below when false.
    pub above: bool,
    /// Threshold.
    pub threshold: f64,
    /// Number of one-minute periods that must all breach.
    pub evaluation_periods: u32,
    /// By which way it tells.
    pub form: AlarmForm,
}

/// Whose data points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Series {
    Layer(LayerId),
    /// A custom alarm's own metric, by the alarm's name.
    Custom(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Alarm {
    series: Series,
    metric: String,
    above: bool,
    threshold: f64,
    periods: u32,
    form: AlarmForm,
    state: AlarmState,
    reason: String,
    since: Timestamp,
    /// What led to the last change.
    datapoints: Option<Vec<f64>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct CloudWatch {
    alarms: BTreeMap<String, Alarm>,
    by_series: BTreeMap<Series, BTreeSet<String>>,
    /// By series and metric, then by minute.
    points: BTreeMap<Series, BTreeMap<String, BTreeMap<i64, f64>>>,
    /// The last minute of which something was heard, if only that there is no data point.
    latest: BTreeMap<Series, i64>,
}

/// What `periods` minutes of data points, oldest first, make of an alarm that treats missing data as missing.
///
/// A missing one neither breaches nor clears: all missing is `INSUFFICIENT_DATA`, one inside the threshold is `OK`, and breaching
/// ones alone are `ALARM` when they reach back over all periods. Otherwise the state stays.
fn evaluate(points: &[Option<f64>], is_breached: impl Fn(f64) -> bool, now: AlarmState) -> AlarmState {
    let known = || points.iter().flatten();
    if known().next().is_none() {
        return AlarmState::InsufficientData;
    }
    if known().any(|value| !is_breached(*value)) {
        return AlarmState::Ok;
    }
    if points.first().is_some_and(Option::is_some) { AlarmState::Alarm } else { now }
}

impl Alarm {
    fn is_breached(&self, value: f64) -> bool {
        if self.above { value > self.threshold } else { value < self.threshold }
    }
}

impl CloudWatch {
    fn insert(&mut self, name: &str, mut alarm: Alarm) {
        if let Some(old) = self.alarms.remove(name) {
            // An overwritten alarm keeps its state until it is evaluated again.
            (alarm.state, alarm.reason, alarm.since, alarm.datapoints) = (old.state, old.reason, old.since, old.datapoints);
            if let Some(names) = self.by_series.get_mut(&old.series) {
                names.remove(name);
            }
        }
        self.by_series.entry(alarm.series.clone()).or_default().insert(name.to_owned());
        self.alarms.insert(name.to_owned(), alarm);
    }

    pub(super) fn delete(&mut self, name: &str) {
        if let Some(old) = self.alarms.remove(name)
            && let Some(names) = self.by_series.get_mut(&old.series)
        {
            names.remove(name);
        }
    }

    pub(super) fn observe(&self, name: &str) -> Option<AlarmObservation> {
        let alarm = self.alarms.get(name)?;
        let newest = alarm.datapoints.as_ref().and_then(|points| points.last());
        let last = newest.map(|value| Datapoint { value: *value, at: alarm.since });
        Some(AlarmObservation { name: name.to_owned(), state: alarm.state, since: alarm.since, last })
    }

    pub(super) fn set_form(&mut self, name: &str, form: AlarmForm) {
        if let Some(alarm) = self.alarms.get_mut(name) {
            alarm.form = form;
        }
    }

    /// The last `periods` minutes, oldest first.
    fn window(&self, series: &Series, metric: &str, periods: u32) -> Vec<Option<f64>> {
        let Some(latest) = self.latest.get(series) else { return Vec::new() };
        let points = self.points.get(series).and_then(|metrics| metrics.get(metric));
        let first = latest - i64::from(periods.max(1)) + 1;
        (first..=*latest).map(|minute| points.and_then(|p| p.get(&minute).copied())).collect()
    }
}

impl State {
    fn new_alarm(&self, series: Series, metric: &str, above: bool, threshold: f64, periods: u32, form: AlarmForm) -> Alarm {
        Alarm {
            series,
            metric: metric.to_owned(),
            above,
            threshold,
            periods,
            form,
            state: AlarmState::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            since: self.now,
            datapoints: None,
        }
    }

    pub(super) fn put_alarm(&mut self, spec: &AlarmSpec) {
        let form = self.cloudwatch.alarms.get(&spec.name).map_or(AlarmForm::EventBridge, |old| old.form);
        let series = Series::Layer(spec.layer_id.clone());
        let alarm = self.new_alarm(series, &spec.metric, spec.above, spec.threshold, spec.evaluation_periods, form);
        self.cloudwatch.insert(&spec.name, alarm);
    }

    pub(super) fn put_custom_alarm(&mut self, spec: &CustomAlarm) {
        let series = Series::Custom(spec.name.clone());
        let alarm = self.new_alarm(series, "value", spec.above, spec.threshold, spec.evaluation_periods, spec.form);
        self.cloudwatch.insert(&spec.name, alarm);
    }

    /// Takes a minute's data points; a metric without one is missing. The alarms on them are evaluated a little later.
    pub(super) fn publish(&mut self, series: Series, values: &[(&str, Option<f64>)], at: Timestamp) {
        let minute = at.as_second().div_euclid(60);
        let metrics = self.cloudwatch.points.entry(series.clone()).or_default();
        for (name, value) in values {
            let points = match metrics.get_mut(*name) {
                Some(points) => points,
                None => metrics.entry((*name).to_owned()).or_default(),
            };
            if let Some(value) = value.filter(|v| v.is_finite()) {
                points.insert(minute, value);
            }
            while points.first_key_value().is_some_and(|(first, _)| *first <= minute - KEPT_MINUTES) {
                points.pop_first();
            }
        }
        let latest = self.cloudwatch.latest.entry(series.clone()).or_insert(minute);
        *latest = minute.max(*latest);
        if self.cloudwatch.by_series.get(&series).is_some_and(|names| !names.is_empty()) {
            let ms = self.config.cloudwatch.evaluation.draw(&mut self.streams.cloudwatch);
            self.plan(ms, Due::Evaluate(series));
        }
    }

    pub(super) fn on_evaluate(&mut self, series: &Series) {
        let names: Vec<String> = self.cloudwatch.by_series.get(series).into_iter().flatten().cloned().collect();
        for name in names {
            let Some(alarm) = self.cloudwatch.alarms.get(&name) else { continue };
            let points = self.cloudwatch.window(series, &alarm.metric, alarm.periods);
            let state = evaluate(&points, |value| alarm.is_breached(value), alarm.state);
            if state == alarm.state {
                continue;
            }
            let known: Vec<f64> = points.into_iter().flatten().collect();
            let reason = reason(alarm, state, &known);
            self.change_alarm(&name, state, reason, known);
        }
    }

    /// SetAlarmState, by hand; holds until the next evaluation says otherwise.
    pub(super) fn set_alarm_state(&mut self, name: &str, state: AlarmState) {
        if self.cloudwatch.alarms.get(name).is_some_and(|a| a.state != state) {
            self.change_alarm(name, state, "set by hand".to_owned(), Vec::new());
        }
    }

    fn change_alarm(&mut self, name: &str, state: AlarmState, reason: String, datapoints: Vec<f64>) {
        let now = self.now;
        let Some(alarm) = self.cloudwatch.alarms.get_mut(name) else { return };
        let was_state = std::mem::replace(&mut alarm.state, state);
        let was_reason = std::mem::replace(&mut alarm.reason, reason.clone());
        let was_since = std::mem::replace(&mut alarm.since, now);
        let was_points = alarm.datapoints.replace(datapoints.clone());
        let (namespace, dimension, of) = match &alarm.series {
            Series::Layer(layer) => ("Strata", "LayerId", layer.as_str().to_owned()),
            Series::Custom(name) => ("Custom", "Alarm", name.clone()),
        };
        let (metric, periods, above, threshold) = (alarm.metric.clone(), alarm.periods, alarm.above, alarm.threshold);
        let form = alarm.form;
        self.tell(Source::CloudWatch, |e| {
            let metric = MetricAlarm {
                namespace,
                metric: &metric,
                dimension: (dimension, &of),
                period_seconds: 60,
                evaluation_periods: periods,
                above,
                threshold,
                datapoints: &datapoints,
            };
            let change = AlarmChange {
                name,
                description: "",
                state,
                reason: &reason,
                previous: PreviousState {
                    state: was_state,
                    reason: &was_reason,
                    at: was_since,
                    datapoints: was_points.as_deref(),
                },
                of: AlarmOf::Metric(metric),
            };
            match form {
                AlarmForm::EventBridge => emit::alarm_event_bridge(e, &change),
                AlarmForm::Sns => emit::alarm_sns(e, TOPIC, &change),
                AlarmForm::Direct => emit::alarm_direct(e, &change),
            }
        });
    }
}

/// CloudWatch's sentence.
fn reason(alarm: &Alarm, state: AlarmState, known: &[f64]) -> String {
    let compared = if alarm.above { "greater than" } else { "less than" };
    let periods = alarm.periods;
    let threshold = alarm.threshold;
    match state {
        AlarmState::InsufficientData => {
            format!("Insufficient Data: {periods} datapoints were unknown.")
        }
        AlarmState::Alarm => {
            format!("Threshold Crossed: {} datapoints were {compared} the threshold ({threshold}).", known.len())
        }
        AlarmState::Ok => {
            format!("Threshold Crossed: a datapoint of the last {periods} was not {compared} the threshold ({threshold}).")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_data_points_neither_breach_nor_clear() {
        use AlarmState::*;
        let (x, o, none) = (Some(90.0), Some(80.0), None);
        for (points, from_ok, from_alarm) in [
            ([x, x, x], Alarm, Alarm),
            ([x, x, o], Ok, Ok),
            ([o, x, x], Ok, Ok),
            ([none, none, none], InsufficientData, InsufficientData),
            ([none, none, x], Ok, Alarm),
            ([x, none, none], Alarm, Alarm),
            ([o, none, none], Ok, Ok),
            ([none, x, x], Ok, Alarm),
        ] {
            assert_eq!(evaluate(&points, |v| v > 80.0, Ok), from_ok, "{points:?} from OK");
            assert_eq!(evaluate(&points, |v| v > 80.0, Alarm), from_alarm, "{points:?} from ALARM");
        }
    }
}
