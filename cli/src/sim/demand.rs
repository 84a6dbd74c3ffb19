//! Demand: how many servers' worth of work a layer has at a moment. Deterministic to the bit on every platform.

use jiff::{SignedDuration, Timestamp};

use super::scenario::{DemandSpec, LayerSpec};
use super::trace::Trace;
use crate::CliError;
use crate::args::Unit;

/// The demand of one layer.
#[derive(Clone, Debug)]
pub struct Demand {
    start: Timestamp,
    target_cpu: f64,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Curve(DemandSpec),
    Trace { trace: Trace, from: Timestamp, servers_per_unit: f64 },
}

impl Demand {
    /// The curve of the layer's `[layer.demand]` in a world that begins at `start`.
    pub fn of_scenario(layer: &LayerSpec, start: Timestamp) -> Self {
        Self { start, target_cpu: layer.demand.target_cpu, source: Source::Curve(layer.demand.clone()) }
    }

    /// A trace in the layer's place: `from` (default: its first value) falls on the world's `start`.
    ///
    /// Units: what the layer has without load-based instances, in the mean over a week, is its reference capacity. A CPU trace is
    /// taken as measured on just that: `target_cpu` percent are the reference capacity, half of it half. Requests have no scale
    /// of their own: the 95th percentile of the simulated days is the reference capacity.
    ///
    /// # Errors
    /// Bad input: the trace has no value in the simulated days, or the layer has no reference capacity.
    pub fn of_trace(
        trace: Trace,
        from: Option<Timestamp>,
        layer: &LayerSpec,
        start: Timestamp,
        days: u32,
    ) -> Result<Self, CliError> {
        let from = from.unwrap_or_else(|| trace.first());
        let to = from.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MAX);
        let Some(percentile) = trace.percentile_95(from, to) else {
            let what = format!("--trace-from {from}: the trace has no value in the {days} days from there");
            return Err(CliError::BadInput(format!("{what}, expected a moment between {} and {}", trace.first(), trace.last())));
        };
        let reference = layer.reference_capacity();
        if reference <= 0.0 {
            let what = format!("{} has neither 24/7 nor time-based instances to measure a trace against", layer.label());
            return Err(CliError::BadInput(format!("--trace: {what}, expected at least one")));
        }
        let servers_per_unit = match trace.unit() {
            Unit::Cpu => reference / layer.demand.target_cpu,
            Unit::Requests if percentile > 0.0 => reference / percentile,
            Unit::Requests => 0.0,
        };
        Ok(Self { start, target_cpu: layer.demand.target_cpu, source: Source::Trace { trace, from, servers_per_unit } })
    }

    /// A trace at its own times; `servers_per_unit`: how many servers' worth of work one unit of it is.
    pub fn measured(trace: Trace, servers_per_unit: f64, target_cpu: f64) -> Self {
        let start = trace.first();
        Self { start, target_cpu, source: Source::Trace { trace, from: start, servers_per_unit } }
    }

    /// Demand at `t`, in servers, never negative; `None` where the trace has a gap: then there is no data point either.
    pub fn at(&self, t: Timestamp) -> Option<f64> {
        match &self.source {
            Source::Curve(curve) => Some(curve_at(curve, self.start, t)),
            Source::Trace { trace, from, servers_per_unit } => {
                let then = from.checked_add(t.duration_since(self.start)).ok()?;
                Some(trace.value_at(then)? * servers_per_unit)
            }
        }
    }

    /// CPU percent of the hosts when `demand` servers' worth of work is spread over `capacity` hosts; 100 at most, and with no host.
    pub fn cpu_percent(&self, demand: f64, capacity: f64) -> f64 {
        if capacity <= 0.0 {
            return if demand > 0.0 { 100.0 } else { 0.0 };
        }
        (self.target_cpu * demand / capacity).min(100.0)
    }
}

fn curve_at(curve: &DemandSpec, start: Timestamp, t: Timestamp) -> f64 {
    // The hour of the day in UTC; worlds begin at midnight.
    let hour = t.as_second().rem_euclid(86_400) as f64 / 3600.0;
    let angle = (hour - curve.peak_hour) * std::f64::consts::PI / 12.0;
    let spikes: f64 = curve.spikes.iter().filter(|s| s.at.covers(start, t, s.minutes)).map(|s| s.servers).sum();
    // `libm`, since the platform's own cosine differs in its last bits from one to the next.
    (curve.base + curve.amplitude * libm::cos(angle) + spikes).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::super::trace::TraceSource;
    use super::*;

    fn layer() -> LayerSpec {
        Scenario::built_in().layers[0].clone()
    }

    fn start() -> Timestamp {
        "2026-03-02T00:00:00Z".parse().unwrap()
    }

    fn trace(unit: Unit, rows: &str) -> Trace {
        let source = TraceSource { file: "t.csv".into(), time_column: "t".to_owned(), value_column: "v".to_owned(), unit };
        Trace::parse(format!("t,v\n{rows}").as_bytes(), &source).unwrap()
    }

    #[test]
    fn the_built_in_day_goes_from_16_servers_at_midnight_to_5_at_noon_with_spikes_on_top() {
        let demand = Demand::of_scenario(&layer(), start());
        for (time, servers) in [
            ("2026-03-02T00:00:00Z", 16.0),
            ("2026-03-02T12:00:00Z", 5.0),
            ("2026-03-02T18:00:00Z", 10.5),
            ("2026-03-03T00:00:00Z", 16.0),
            ("2026-03-02T12:39:59Z", 10.5 + 5.5 * -0.984_811),
            ("2026-03-02T12:40:00Z", 12.5 + 5.5 * -0.984_808),
        ] {
            let at = demand.at(time.parse().unwrap()).unwrap();
            assert!((at - servers).abs() < 1e-3, "{time}: {at}");
        }
    }

    #[test]
    fn cpu_is_the_target_when_demand_equals_capacity_and_never_passes_100() {
        let demand = Demand::of_scenario(&layer(), start());
        for (need, capacity, cpu) in [(8.0, 8.0, 75.0), (4.0, 8.0, 37.5), (20.0, 8.0, 100.0), (1.0, 0.0, 100.0), (0.0, 0.0, 0.0)]
        {
            assert_eq!(demand.cpu_percent(need, capacity), cpu, "{need} on {capacity}");
        }
    }

    #[test]
    fn a_cpu_trace_at_the_target_is_the_reference_capacity_from_the_worlds_first_moment() {
        let trace = trace(Unit::Cpu, "2014-02-14 14:30:00,75\n2014-02-14 14:35:00,37.5\n2014-02-14 14:40:00,0\n");
        let demand = Demand::of_trace(trace, None, &layer(), start(), 1).unwrap();
        let reference = 3.0 + 188.0 / 24.0;
        assert!((demand.at(start()).unwrap() - reference).abs() < 1e-9);
        assert!((demand.at(start() + SignedDuration::from_mins(5)).unwrap() - reference / 2.0).abs() < 1e-9);
        assert_eq!(demand.at(start() + SignedDuration::from_mins(10)), Some(0.0));
        assert_eq!(demand.at(start() + SignedDuration::from_mins(15)), None, "the trace is over");
    }

    #[test]
    fn requests_are_scaled_by_the_95th_percentile_of_the_simulated_days() {
        let day = |d: u32, factor: u32| {
            (0..24).map(move |h| format!("2014-02-{d:02} {h:02}:00:00,{}\n", (h + 1) * factor)).collect::<String>()
        };
        let both = trace(Unit::Requests, &(day(14, 1) + &day(15, 100)));
        let reference = 3.0 + 188.0 / 24.0;
        let first = Demand::of_trace(both.clone(), None, &layer(), start(), 1).unwrap();
        assert!((first.at(start() + SignedDuration::from_hours(22)).unwrap() - reference).abs() < 1e-9);
        let from = "2014-02-15T00:00:00Z".parse().unwrap();
        let second = Demand::of_trace(both, Some(from), &layer(), start(), 1).unwrap();
        assert!((second.at(start() + SignedDuration::from_hours(22)).unwrap() - reference).abs() < 1e-9);
    }

    #[test]
    fn a_trace_that_cannot_drive_the_layer_is_bad_input() {
        let values = trace(Unit::Cpu, "2014-02-14 14:30:00,75\n");
        let late =
            Demand::of_trace(values.clone(), Some("2015-01-01T00:00:00Z".parse().unwrap()), &layer(), start(), 1).unwrap_err();
        assert!(late.to_string().contains("expected a moment between 2014-02-14"), "{late}");
        let mut only_load = layer();
        only_load.always_on = 0;
        only_load.time_based.windows.clear();
        let error = Demand::of_trace(values, None, &only_load, start(), 1).unwrap_err();
        assert!(error.to_string().contains("expected at least one"), "{error}");
        let zeros = trace(Unit::Requests, "2014-02-14 14:30:00,0\n");
        assert_eq!(Demand::of_trace(zeros, None, &layer(), start(), 1).unwrap().at(start()), Some(0.0));
    }
}
