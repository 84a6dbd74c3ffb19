//! Frozen and thawed, through the real functions on the simulated cloud.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use jiff::Timestamp;
use strata_cli::sim::RunPlan;
use strata_cli::sim::demand::Demand;
use strata_cli::sim::record::{HostHistory, RunRecord};
use strata_cli::sim::scenario::Scenario;
use strata_domain::InstanceStatus::{self, *};
use strata_domain::decision::Verdict;
use strata_tests::{Kept, broken, run};

/// Frozen from 09:30 to 16:00. Meanwhile the time-based host should go, a 24/7 host hangs, a spike wants the load-based host, an update
/// window opens; and a spike that begins before the end is still there after it.
const SCENARIO: &str = r#"
name = "a frozen day"
[[layer]]
stack = "shop"
cluster = "shop"
hosts = "web"
always_on = 3
time_based = [{ hours = "08-10" }]
load_based = 2
[layer.load_scaling.up]
cpu = 80
[layer.load_scaling.down]
cpu = 35
[layer.demand]
base = 1.6
spikes = [{ at = "12:00", minutes = 60, servers = 2.4 }]
[[event]]
at = "09:30"
kind = "freeze"
[[event]]
at = "11:00"
kind = "hang"
host = "web1"
[[event]]
at = "16:00"
kind = "thaw"
[[update_window]]
at = "day 1 13:00"
minutes = 30
"#;

fn frozen_day() -> (RunRecord, Kept) {
    let scenario = Scenario::parse("test", SCENARIO).unwrap();
    let demand = scenario.layers.iter().map(|layer| Demand::of_scenario(layer, scenario.world.start)).collect();
    run(&RunPlan { scenario, demand, rates: std::collections::BTreeMap::new() })
}

fn at(clock: &str) -> Timestamp {
    format!("2026-03-02T{clock}:00Z").parse().unwrap()
}

/// The statuses that each host went through between two moments, as far as it went through any.
fn moves(record: &RunRecord, from: &str, to: &str) -> Vec<(String, Vec<InstanceStatus>)> {
    let of = |host: &HostHistory| {
        let within = host.changes.iter().filter(|(t, _)| at(from) <= *t && *t < at(to));
        (host.host.clone(), within.map(|(_, status)| *status).collect::<Vec<_>>())
    };
    record.states.iter().map(of).filter(|(_, way)| !way.is_empty()).collect()
}

#[test]
fn frozen_nothing_is_changed_and_thawed_only_what_is_due_now_is_done_once() {
    let (record, kept) = frozen_day();
    assert_eq!(broken(&kept), "");
    let told: Vec<&String> = kept.lines.iter().filter(|line| line.contains("while the installation was frozen")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("frozen 0 changing calls were made"), "{}", told[0]);
    let acted = record.decisions.iter().filter(|d| at("09:30") <= d.at && d.at < at("16:00") && d.verdict == Verdict::Act);
    assert_eq!(acted.map(|d| d.did.as_str()).collect::<Vec<_>>(), Vec::<&str>::new());

    // The noon spike is over, so nobody is started for it; the time-based host goes, the hung one is healed, each once.
    let healed = vec![Stopping, Requested, Pending, Booting, RunningSetup, Online];
    let gone = vec![Stopping, ShuttingDown, Stopped];
    let after = moves(&record, "16:00", "17:00");
    let way = |host: &str| after.iter().find(|(name, _)| name == host).map(|(_, way)| way.clone());
    assert_eq!(way("web4"), Some(gone));
    assert_eq!(way("web1"), Some(healed));
    assert_eq!(after.len(), 2, "nobody else moves: {after:?}");
}
