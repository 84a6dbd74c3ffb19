//! A layer under measured demand, minute by minute: the deciders themselves, called directly, over hosts that take a fixed time to come and go.
//!
//! What the simulated world has beyond that (AWS's latencies, faults, ECS tasks) is left out, and so months take seconds.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use strata_domain::load_based::{
    self, AlarmKind, AlarmSpec, AlarmState, AlarmView, Candidate, Comparison, Configuration, Datapoint, Direction, Input, Metric,
    ScalingEvent, ThresholdsPatch,
};
use strata_domain::settings::{LoadScalingSettings, Settings};
use strata_domain::time_based::{self, DAYS, TimerDecision, TimerView, WeeklySchedule};
use strata_domain::{InstanceId, InstanceStatus, ScalingType};

use super::measures::{Measures, Minute};
use crate::CliError;
use crate::sim::demand::Demand;
use crate::sim::scenario::{LayerSpec, SHORTNAME, Schedule, Thresholds};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// How long hosts take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the start to `online`.
    pub to_online: SignedDuration,
    /// From the stop to `stopped`; the host serves no more from its beginning on.
    pub to_stopped: SignedDuration,
}

/// What a host has beside what the decider sees of it.
struct Host {
    schedule: Option<WeeklySchedule>,
    /// When what is under way is over.
    until: Timestamp,
}

/// A managed alarm, evaluated as CloudWatch does: so many data points in a row, one a minute.
struct Alarm {
    spec: AlarmSpec,
    breaching: u32,
}

impl Alarm {
    /// The alarm and how it is seen, before its first minute.
    fn of(spec: AlarmSpec, from: Timestamp) -> (Self, AlarmView) {
        let view = AlarmView {
            name: spec.name.clone(),
            direction: spec.direction,
            kind: AlarmKind::Managed(spec.metric),
            state: AlarmState::InsufficientData,
            since: from,
            last: None,
        };
        (Self { spec, breaching: 0 }, view)
    }

    /// Takes the averages of a minute into how it is seen; `None` is a minute without any.
    fn take(&mut self, view: &mut AlarmView, cpu: Option<f64>, at: Timestamp) {
        let state = match cpu.map(|cpu| self.is_breached(value(self.spec.metric, cpu))) {
            None => {
                self.breaching = 0;
                AlarmState::InsufficientData
            }
            Some(false) => {
                self.breaching = 0;
                AlarmState::Ok
            }
            Some(true) => {
                self.breaching = self.breaching.saturating_add(1);
                if self.breaching >= self.spec.evaluation_periods { AlarmState::Alarm } else { AlarmState::Ok }
            }
        };
        if state != view.state {
            (view.state, view.since) = (state, at);
            // CloudWatch tells the values behind a transition only.
            view.last = cpu.map(|cpu| Datapoint { value: value(self.spec.metric, cpu), at });
        }
    }

    fn is_breached(&self, value: f64) -> bool {
        match self.spec.comparison {
            Comparison::GreaterThanThreshold => value > self.spec.threshold,
            Comparison::LessThanThreshold => value < self.spec.threshold,
        }
    }
}

/// A host's averages follow its CPU as in the simulated world (docs/scenarios.md).
fn value(metric: Metric, cpu: f64) -> f64 {
    match metric {
        Metric::Cpu => cpu,
        Metric::Memory => 25.0 + cpu / 2.0,
        Metric::Load => cpu / 25.0,
    }
}

/// Replays `demand` from `from` to `to` over the layer; the first day's fleet is up when it begins.
///
/// # Errors
/// Bad input: thresholds that SetLoadBasedAutoScaling refuses.
pub fn replay(layer: &LayerSpec, demand: &Demand, from: Timestamp, to: Timestamp, times: Times) -> Result<Measures, CliError> {
    let mut run = Run::begin(layer, from, times)?;
    let mut at = from;
    while at < to {
        let minute = run.minute(demand, at);
        run.measures.take(minute);
        at = at.checked_add(MINUTE).unwrap_or(to);
    }
    Ok(run.measures)
}

struct Run {
    config: Configuration,
    settings: LoadScalingSettings,
    alarms: Vec<Alarm>,
    /// How each alarm is seen, in the same order.
    views: Vec<AlarmView>,
    hosts: Vec<Host>,
    /// The same hosts, as the decider sees them.
    members: Vec<Candidate>,
    last_event: Option<ScalingEvent>,
    times: Times,
    measures: Measures,
}

impl Run {
    fn begin(layer: &LayerSpec, from: Timestamp, times: Times) -> Result<Self, CliError> {
        let config = configuration(layer)?;
        let settings = Settings::from_custom_json(layer.custom_json().as_deref());
        let settings = settings.map_err(|error| CliError::BadInput(format!("{}: {error}", layer.label())))?.load_scaling;
        let alarms = load_based::managed_alarms(&config, &layer.stack, SHORTNAME);
        let zones = ["a", "b", "c"].map(str::to_owned);
        let hosts = layer.members(&zones).into_iter().enumerate().map(|(n, member)| {
            let schedule = member.schedule.as_ref().map(weekly);
            let is_up = match member.scaling {
                ScalingType::AlwaysOn => true,
                ScalingType::Timer => schedule.is_some_and(|schedule| schedule.is_on(from)),
                ScalingType::Load => false,
            };
            let candidate = Candidate {
                id: InstanceId::new(format!("{n:05}")),
                hostname: member.hostname,
                scaling: member.scaling,
                status: if is_up { InstanceStatus::Online } else { InstanceStatus::Stopped },
                availability_zone: member.zone,
                created_at: from,
                started_at: is_up.then_some(from),
                failed_starts: 0,
                is_refused: false,
                is_held: false,
                workload: None,
            };
            (Host { schedule, until: from }, candidate)
        });
        let (hosts, members): (Vec<Host>, Vec<Candidate>) = hosts.unzip();
        let (alarms, views) = alarms.into_iter().map(|spec| Alarm::of(spec, from)).unzip();
        let measures = Measures::default();
        Ok(Self { hosts, members, alarms, views, config, settings, last_event: None, times, measures })
    }

    fn minute(&mut self, demand: &Demand, at: Timestamp) -> Minute {
        self.settle(at);
        let capacity = self.members.iter().filter(|member| member.status == InstanceStatus::Online).count();
        let wanted = demand.at(at);
        let capacity_f = f64::from(u32::try_from(capacity).unwrap_or(u32::MAX));
        let cpu = wanted.filter(|_| capacity > 0).map(|wanted| demand.cpu_percent(wanted, capacity_f));
        for (alarm, view) in self.alarms.iter_mut().zip(&mut self.views) {
            alarm.take(view, cpu, at);
        }
        self.schedules(at);
        let event = self.load(at);
        let billed = self.members.iter().filter(|member| member.status != InstanceStatus::Stopped).count();
        Minute { at, demand: wanted, capacity: capacity_f, billed, event }
    }

    /// What was under way and is over.
    fn settle(&mut self, at: Timestamp) {
        for (_, member) in self.hosts.iter().zip(&mut self.members).filter(|(host, _)| host.until <= at) {
            match member.status {
                InstanceStatus::Booting => member.status = InstanceStatus::Online,
                InstanceStatus::Stopping => member.status = InstanceStatus::Stopped,
                _ => {}
            }
        }
    }

    /// The minute check of time-scaling.
    fn schedules(&mut self, at: Timestamp) {
        let times = self.times;
        for (host, member) in self.hosts.iter_mut().zip(&mut self.members) {
            let Some(schedule) = &host.schedule else { continue };
            let timer = TimerView {
                id: &member.id,
                hostname: &member.hostname,
                status: member.status,
                schedule,
                manual_stop_since: None,
                is_held: false,
                last_start_attempt: member.started_at,
                failed_starts: 0,
                schedule_changed_at: None,
            };
            match time_based::decide(&timer, at) {
                TimerDecision::Start { .. } => host.start(member, at, times),
                TimerDecision::Stop { .. } => host.stop(member, at, times),
                TimerDecision::Nothing(_) => {}
            }
        }
    }

    /// The minute tick of load-scaling.
    fn load(&mut self, at: Timestamp) -> Option<Direction> {
        let (config, settings, last_event) = (&self.config, &self.settings, self.last_event.as_ref());
        let input = Input { config, settings, alarms: &self.views, members: &self.members, last_event };
        let event = load_based::decide(&input, at).event(at)?;
        let times = self.times;
        let chosen = self.hosts.iter_mut().zip(&mut self.members).filter(|(_, member)| event.instances.contains(&member.id));
        for (host, member) in chosen {
            match event.direction {
                Direction::Up => host.start(member, at, times),
                Direction::Down => host.stop(member, at, times),
            }
        }
        let direction = event.direction;
        self.last_event = Some(event);
        Some(direction)
    }
}

impl Host {
    fn start(&mut self, member: &mut Candidate, at: Timestamp, times: Times) {
        member.status = InstanceStatus::Booting;
        member.started_at = Some(at);
        self.until = at.checked_add(times.to_online).unwrap_or(Timestamp::MAX);
    }

    fn stop(&mut self, member: &mut Candidate, at: Timestamp, times: Times) {
        member.status = InstanceStatus::Stopping;
        self.until = at.checked_add(times.to_stopped).unwrap_or(Timestamp::MAX);
    }
}

/// The layer's settings as SetLoadBasedAutoScaling stores them.
fn configuration(layer: &LayerSpec) -> Result<Configuration, CliError> {
    let Some(scaling) = &layer.load_scaling else { return Ok(Configuration::default()) };
    let patch = |thresholds: &Thresholds| ThresholdsPatch {
        instance_count: thresholds.instances.map(i64::from),
        thresholds_wait_time: thresholds.wait_minutes.map(i64::from),
        ignore_metrics_time: thresholds.ignore_minutes.map(i64::from),
        cpu_threshold: thresholds.cpu,
        memory_threshold: thresholds.memory,
        load_threshold: thresholds.load,
        alarms: None,
    };
    let (up, down) = (patch(&scaling.up), patch(&scaling.down));
    let merged = Configuration::default().merge(Some(scaling.enabled), Some(&up), Some(&down), Timestamp::MIN);
    let mut merged = merged.map_err(|error| CliError::BadInput(format!("{}: {error}", layer.label())))?;
    // They were set long before the history begins.
    merged.changed_at = None;
    Ok(merged)
}

/// The schedule as SetTimeBasedAutoScaling stores it.
pub(crate) fn weekly(schedule: &Schedule) -> WeeklySchedule {
    let on = |day: usize| schedule.hours_on(day).map(|hour| (hour.to_string(), "on".to_owned())).collect();
    let week: BTreeMap<String, BTreeMap<String, String>> =
        DAYS.iter().enumerate().map(|(day, name)| ((*name).to_owned(), on(day))).collect();
    // Days and hours are those of the wire.
    WeeklySchedule::default().merge(&week).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::Scenario;

    const TIMES: Times = Times { to_online: SignedDuration::from_mins(4), to_stopped: SignedDuration::from_mins(3) };

    fn layer(text: &str) -> LayerSpec {
        let text = format!("name = \"t\"\n[[layer]]\nstack = \"shop\"\ncluster = \"shop\"\n{text}");
        Scenario::parse("t.toml", &text).unwrap().layers[0].clone()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn steady(servers: f64) -> Demand {
        let text = format!("always_on = 1\n[layer.demand]\nbase = {servers}");
        Demand::of_scenario(&layer(&text), at("2026-03-02T00:00:00Z"))
    }

    /// [LOAD-10] [LOAD-13]: five minutes above 80, then one host every five minutes, until the average is below.
    #[test]
    fn load_10_up_waits_its_time_and_load_13_ignores_after_each_event() {
        let layer = layer("always_on = 1\nload_based = 5\n[layer.load_scaling]\n");
        let told = replay(&layer, &steady(3.0), at("2026-03-02T00:00:00Z"), at("2026-03-02T02:00:00Z"), TIMES).unwrap();
        let ups: Vec<i64> =
            told.minutes.iter().filter(|m| m.event == Some(Direction::Up)).map(|m| m.at.as_second() / 60 % 60).collect();
        assert_eq!(ups, [4, 14], "the fifth data point, and five minutes after the ignore time has ended");
        assert_eq!(told.minutes.last().unwrap().capacity, 3.0, "3 servers' worth on 3 hosts is 75 percent");
        assert_eq!(told.events, 2);
    }

    /// [TIME-7] [TIME-10]: from the check at the hour on, no earlier.
    #[test]
    fn time_10_a_window_begins_to_start_at_its_hour_and_stops_at_its_end() {
        let layer = layer("always_on = 1\ntime_based = [{ hours = \"01-02\" }]");
        let told = replay(&layer, &steady(0.5), at("2026-03-02T00:00:00Z"), at("2026-03-02T03:00:00Z"), TIMES).unwrap();
        let online: Vec<usize> = told.minutes.iter().enumerate().filter(|(_, m)| m.capacity == 2.0).map(|(n, _)| n).collect();
        assert_eq!((online.first(), online.last()), (Some(&64), Some(&120)));
        let billed = told.minutes.iter().map(|m| m.billed).sum::<usize>();
        assert_eq!(billed, 180 + 60 + 3, "a host that goes down is paid for until it is stopped");
    }

    /// [LOAD-14] By the layer file's own `[layer.strata.load_scaling]`.
    #[test]
    fn load_14_the_layers_switches_are_replayed_too() {
        let with = |strata: &str| {
            let layer = layer(&format!("always_on = 4\nload_based = 6\n[layer.load_scaling]\n{strata}"));
            replay(&layer, &steady(6.0), at("2026-03-02T00:00:00Z"), at("2026-03-02T02:00:00Z"), TIMES).unwrap()
        };
        let (off, on) = (with(""), with("[layer.strata.load_scaling]\nproportional_steps = true\n"));
        let capped = with("[layer.strata.load_scaling]\nproportional_steps = true\nmax_share_percent = 12\n");
        assert_eq!((off.events, capped.events), (2, 2), "one at a time until 6 are at 75 percent");
        assert_eq!((on.events, on.peak_capacity), (1, 8.0), "4 at 100 percent are 8 at 55");
        assert!(on.minutes_under < off.minutes_under, "{} {}", on.minutes_under, off.minutes_under);
    }

    #[test]
    fn a_gap_in_the_metrics_moves_no_host() {
        let layer = layer("always_on = 1\nload_based = 5\n[layer.load_scaling]\n");
        let rows = "t,v\n2026-03-02 00:00:00,100\n2026-03-02 00:01:00,100\n2026-03-02 00:02:00,100\n2026-03-02 00:30:00,100\n";
        let source = crate::sim::trace::TraceSource {
            file: "t.csv".into(),
            time_column: "t".to_owned(),
            value_column: "v".to_owned(),
            unit: crate::args::Unit::Cpu,
        };
        let trace = crate::sim::trace::Trace::parse(rows.as_bytes(), &source).unwrap();
        let demand = Demand::measured(trace, 1.0 / 75.0, 75.0);
        let told = replay(&layer, &demand, at("2026-03-02T00:00:00Z"), at("2026-03-02T00:31:00Z"), TIMES).unwrap();
        assert_eq!((told.events, told.gaps), (0, 27));
    }

    #[test]
    fn thresholds_that_the_api_refuses_are_refused_here() {
        let layer = layer("always_on = 1\n[layer.load_scaling]\nup = { cpu = 80.0 }\n");
        let mut bad = layer.clone();
        bad.load_scaling.as_mut().unwrap().up.wait_minutes = Some(101);
        let now = at("2026-03-02T00:00:00Z");
        assert!(replay(&bad, &steady(1.0), now, now, TIMES).unwrap_err().to_string().contains("ThresholdsWaitTime"));
    }
}
