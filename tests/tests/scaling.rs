//! Scaling beside healing, through the real functions on the simulated cloud: a small layer of every scaling type, for a day.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use strata_cli::sim::RunPlan;
use strata_cli::sim::demand::Demand;
use strata_cli::sim::record::{HostHistory, RunRecord, count_moves};
use strata_cli::sim::scenario::Scenario;
use strata_domain::InstanceStatus::{self, *};
use strata_domain::ScalingType::{AlwaysOn, Load, Timer};
use strata_tests::{Kept, broken, run};

/// Three 24/7 hosts with a quiet load, one time-based, one load-based that a spike at noon starts; a 24/7 host hangs at 03:00, when
/// there is nothing to scale for. In the evening the layer is taken down.
const SCENARIO: &str = r#"
name = "a small layer"
[[layer]]
stack = "shop"
cluster = "shop"
hosts = "web"
always_on = 3
time_based = [{ hours = "08-10" }]
load_based = 1
[layer.load_scaling.up]
cpu = 80
[layer.load_scaling.down]
cpu = 35
[layer.demand]
base = 1.6
spikes = [{ at = "12:00", minutes = 30, servers = 2.4 }]
[[event]]
at = "03:00"
kind = "hang"
host = "web1"
[[teardown]]
layer = "shop"
at = "day 1 20:00"
"#;

fn small_day() -> &'static (RunRecord, Kept) {
    static DAY: OnceLock<(RunRecord, Kept)> = OnceLock::new();
    DAY.get_or_init(|| {
        let scenario = Scenario::parse("test", SCENARIO).unwrap();
        let demand = scenario.layers.iter().map(|layer| Demand::of_scenario(layer, scenario.world.start)).collect();
        run(&RunPlan { scenario, demand, rates: BTreeMap::new() })
    })
}

fn at(clock: &str) -> Timestamp {
    format!("2026-03-02T{clock}:00Z").parse().unwrap()
}

fn host(name: &str) -> &'static HostHistory {
    small_day().0.states.iter().find(|h| h.host == name).unwrap()
}

/// The statuses that a host went through between two moments.
fn way(name: &str, from: &str, to: &str) -> Vec<InstanceStatus> {
    let within = host(name).changes.iter().filter(|(t, _)| at(from) <= *t && *t < at(to));
    within.map(|(_, status)| *status).collect()
}

/// [SCALE-4] The ways of scaled instances are those of a 24/7 one that a person starts and a teardown stops, container instance and all.
#[test]
fn scale_4_a_scalers_start_and_stop_are_ordinary_ones() {
    let (record, kept) = small_day();
    assert_eq!(broken(kept), "", "among them: no stopped host is left in the cluster");
    let types: Vec<_> = record.states.iter().map(|h| h.scaling).collect();
    assert_eq!(types, [AlwaysOn, AlwaysOn, AlwaysOn, Timer, Load]);
    // The 24/7 ones come up before the day begins.
    let up = [Requested, Pending, Booting, RunningSetup, Online];
    let down = [Stopping, ShuttingDown, Stopped];
    assert_eq!(way("web4", "08:00", "09:00"), up, "time-based");
    assert_eq!(way("web4", "10:00", "11:00"), down);
    assert_eq!(way("web5", "12:00", "12:30"), up, "load-based");
    assert_eq!(way("web5", "12:30", "14:00"), down);
    assert_eq!(way("web2", "20:00", "20:30")[..3], down, "24/7");
    // Two scaled hosts and three 24/7 ones went down, and one of those was healed before.
    assert_eq!(record.summary.api_calls["ecs:DeregisterContainerInstance"], 6);
}

/// [SCALE-20] [SCALE-21] [SCALE-22] A dead host is healed though the layer is idle, nothing is scaled for it, and what a scaler has
/// stopped is not healed.
#[test]
fn scale_20_healing_looks_at_contact_and_scaling_at_averages() {
    let (record, _) = small_day();
    let healed = [ConnectionLost, Stopping, Requested, Pending, Booting, RunningSetup, Online];
    assert_eq!(way("web1", "03:00", "04:00"), healed);
    assert_eq!(way("web5", "00:01", "12:00"), [], "nothing is scaled for it");
    assert_eq!(count_moves(&record.states).heals, 1, "stopped by a scaler is not sick");
    let events = record.decisions.iter().filter(|d| d.did == "start web5" || d.did == "stop web5").count();
    assert_eq!(events, 2, "one up and one down, for the spike");
}

/// [LOAD-6] The layer's average is over its online members of every scaling type; one that is being started does not count yet.
#[test]
fn load_6_averages_are_over_online_members_of_every_type() {
    let (record, _) = small_day();
    let mut compared = 0;
    for minute in record.series.iter().filter(|m| m.at < at("20:00")) {
        let now: Vec<_> = record.states.iter().filter_map(|h| status_at(h, record.end, minute.at)).collect();
        // Between the first contact and `online`, and while a dead host's death is unknown, the cluster and the record differ.
        let is_clear = now.iter().all(|s| matches!(s, Online | Requested | Pending | Booting | Stopped | ShuttingDown));
        let is_changing = record.states.iter().any(|h| h.changes.iter().any(|(t, _)| near(*t, minute.at)));
        if !is_clear || is_changing || (at("03:00")..at("03:03")).contains(&minute.at) {
            continue;
        }
        compared += 1;
        let online = now.iter().filter(|s| **s == Online).count() as f64;
        let cpu = (75.0 * minute.demand.unwrap() / online).min(100.0);
        assert!((minute.cpu.unwrap() - cpu).abs() < 1e-9, "{}: {minute:?} with {online} online", minute.at);
    }
    assert!(compared > 1_000, "{compared}");
    let of = |clock: &str| record.series.iter().find(|m| m.at == at(clock)).unwrap().capacity;
    assert_eq!((of("07:30"), of("09:30"), of("12:20")), (3.0, 4.0, 4.0), "24/7, with the time-based, with the load-based one");
}

fn status_at(host: &HostHistory, end: Timestamp, at: Timestamp) -> Option<InstanceStatus> {
    host.stretches(end).find(|(from, to, _)| *from <= at && at < *to).map(|(_, _, status)| status)
}

fn near(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() < SignedDuration::from_secs(30)
}

/// [LOAD-9] Averages come every 60 s, and load-scaling looks every 60 s, whether an alarm has told it to or not.
#[test]
fn load_9_averages_come_and_are_looked_at_every_minute() {
    let (record, kept) = small_day();
    assert!(record.series.len() >= 24 * 60 - 1);
    for pair in record.series.windows(2) {
        assert_eq!(pair[1].at.duration_since(pair[0].at), SignedDuration::from_mins(1));
    }
    let ticks: Vec<Timestamp> = kept.lines.iter().filter_map(|line| tick_of_load_scaling(line)).collect();
    assert!(ticks.len() >= 24 * 60 - 1, "{}", ticks.len());
    for pair in ticks.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!((apart - SignedDuration::from_mins(1)).abs() < SignedDuration::from_secs(1), "{apart:?} after {}", pair[0]);
    }
}

fn tick_of_load_scaling(line: &str) -> Option<Timestamp> {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let is_tick = line["type"] == "event" && line["target"] == "load-scaling" && line["kind"] == "tick";
    is_tick.then(|| line["at"].as_str().unwrap().parse().unwrap())
}
