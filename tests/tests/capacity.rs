//! A zone without capacity, through the real functions on the simulated cloud: nothing starts there from 07:59 to 09:00 of the second day.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use strata_cli::sim::RunPlan;
use strata_cli::sim::demand::Demand;
use strata_cli::sim::record::{HostHistory, RunRecord};
use strata_cli::sim::scenario::Scenario;
use strata_domain::InstanceStatus::{self, *};
use strata_domain::pages::PageKind;
use strata_tests::{Kept, broken, run};

/// Hosts stand in zones a and b by turns: web1 and web2 are 24/7, web3 and web4 work from 08:00, web5 to web8 are load-based. All have run
/// on the first day, so that the second restarts them.
const SCENARIO: &str = r#"
name = "a zone without capacity"
[world]
days = 2
zones = ["us-east-1a", "us-east-1b"]
[[layer]]
stack = "shop"
cluster = "shop"
hosts = "web"
always_on = 2
time_based = [{ hours = "08-18", instances = 2 }]
load_based = 4
[layer.load_scaling.up]
cpu = 80
[layer.load_scaling.down]
cpu = 35
[layer.demand]
base = 1.6
spikes = [
  { at = "day 1 10:00", minutes = 60, servers = 9.0 },
  { at = "day 2 08:10", minutes = 40, servers = 2.4 },
]
[[event]]
at = "day 2 07:59"
kind = "no_capacity"
zone = "us-east-1a"
minutes = 61
"#;

fn two_days() -> &'static (RunRecord, Kept) {
    static DAYS: OnceLock<(RunRecord, Kept)> = OnceLock::new();
    DAYS.get_or_init(|| {
        let scenario = Scenario::parse("test", SCENARIO).unwrap();
        let demand = scenario.layers.iter().map(|layer| Demand::of_scenario(layer, scenario.world.start)).collect();
        run(&RunPlan { scenario, demand, rates: BTreeMap::new() })
    })
}

/// A moment of the second day.
fn at(clock: &str) -> Timestamp {
    format!("2026-03-03T{clock}:00Z").parse().unwrap()
}

fn host(name: &str) -> &'static HostHistory {
    two_days().0.states.iter().find(|h| h.host == name).unwrap()
}

fn way(name: &str, from: &str, to: &str) -> Vec<InstanceStatus> {
    let within = host(name).changes.iter().filter(|(t, _)| at(from) <= *t && *t < at(to));
    within.map(|(_, status)| *status).collect()
}

fn first(name: &str, status: InstanceStatus, from: &str) -> Timestamp {
    let found = host(name).changes.iter().find(|(t, s)| at(from) <= *t && *s == status);
    found.unwrap_or_else(|| panic!("{name} is never {status} after {from}: {:?}", host(name).changes)).0
}

/// [TIME-11] The host of the dead zone that its schedule wants is tried again and again, and is back soon after the zone is.
#[test]
fn time_11_the_dead_zones_scheduled_host_comes_back_by_itself() {
    assert_eq!(broken(&two_days().1), "");
    let tries = way("web3", "08:00", "09:00").iter().filter(|s| **s == Requested).count();
    assert!((6..=12).contains(&tries), "1, 2, 4, 8 and then 10 minutes apart: {tries} tries");
    assert!(way("web3", "08:00", "09:00").iter().all(|s| matches!(s, Requested | StartFailed)));
    assert!(first("web3", Pending, "09:00") <= at("09:11"), "within the longest wait");
    assert!(first("web3", Online, "09:00") <= at("09:17"));
    assert_eq!(way("web4", "08:00", "09:00"), [Requested, Pending, Booting, RunningSetup, Online], "the other zone is as ever");
}

/// [LOAD-14] The event at 08:15 takes a host of the emptier, dead zone; one of the other zone stands in for it within minutes.
#[test]
fn load_14_the_demand_is_met_from_the_other_zone_within_minutes() {
    let (record, _) = two_days();
    let refused =
        ["web5", "web7"].into_iter().find(|h| way(h, "08:10", "09:00").contains(&StartFailed)).expect("one was refused");
    assert_eq!(way(refused, "08:10", "09:00"), [Requested, StartFailed, Stopping, ShuttingDown, Stopped], "given up, for later");
    let failed = first(refused, StartFailed, "08:10");
    let stand_in = ["web6", "web8"].into_iter().find(|h| way(h, "08:10", "09:00").contains(&Online)).expect("one stood in");
    let online = first(stand_in, Online, "08:10");
    let minutes = online.duration_since(failed).as_mins();
    assert!(minutes <= 7, "{stand_in} stood in after {minutes} minutes");
    let did = record.decisions.iter().filter(|d| d.why.contains("stands in")).map(|d| d.did.clone()).collect::<Vec<_>>();
    assert_eq!(did, [format!("start {stand_in}")], "it is told once, with its reason");
    let capacity = record.series.iter().find(|m| m.at == at("08:35")).unwrap().capacity;
    assert_eq!(capacity, 4.0, "two 24/7 hosts, one scheduled, one that stands in");
    let (_, last) = host(refused).changes.last().unwrap();
    assert_eq!(*last, Stopped);
}

#[test]
fn on_call_hears_once_that_the_zone_has_no_capacity_and_once_that_nobody_waits_for_it_any_more() {
    let (record, _) = two_days();
    let pages: Vec<_> = record.pages.iter().filter(|p| p.kind == PageKind::StartFailed).collect();
    let [open, resolved] = pages[..] else { panic!("two messages, not {pages:?}") };
    assert_eq!((open.resolved, resolved.resolved), (false, true));
    assert_eq!(open.incident, resolved.incident);
    assert_eq!(open.what, "EC2 has no capacity in us-east-1a: web3 cannot start");
    assert!(open.at < at("08:02") && at("09:00") < resolved.at && resolved.at < at("09:13"), "{open:?} {resolved:?}");
}
