use std::collections::BTreeMap;

use jiff::SignedDuration;
use strata_domain::ScalingType;
use strata_domain::decision::{Function, Severity, Touched, Verdict};

use super::super::demand::Demand;
use super::super::record::HostHistory;
use super::super::scenario::Scenario;
use super::super::summary::Summary;
use super::*;

/// A made-up day of `instances` hosts, drawn as a real run would be.
fn day(instances: u32) -> RunRecord {
    let mut scenario = Scenario::built_in();
    scenario.scale(instances);
    let start = scenario.world.start;
    let at = |minutes: i64| start + SignedDuration::from_mins(minutes);
    let states: Vec<HostHistory> = scenario
        .layers
        .iter()
        .flat_map(|layer| layer.members(&scenario.world.zones).into_iter().map(|m| (layer.label(), m)))
        .enumerate()
        .map(|(n, (layer, member))| made_up_host(n as i64, layer, member, &at))
        .collect();
    let online = |t: Timestamp| {
        let on = |h: &&HostHistory| {
            h.changes.iter().rev().find(|(from, _)| *from <= t).is_some_and(|(_, s)| *s == InstanceStatus::Online)
        };
        states.iter().filter(|h| h.layer == "shop/ecs-cluster").filter(on).count() as f64
    };
    let demand = Demand::of_scenario(&scenario.layers[0], start);
    let series = (0..1440)
        .map(|minute| {
            let (t, capacity) = (at(minute), online(at(minute)));
            let demand_now = demand.at(t).filter(|_| !(600..630).contains(&minute));
            Minute { at: t, demand: demand_now, capacity, cpu: demand_now.map(|d| demand.cpu_percent(d, capacity)) }
        })
        .collect();
    let mut run = RunRecord {
        scenario: scenario.name.clone(),
        start,
        end: at(1440),
        series,
        states,
        decisions: (0..40).map(|n| made_up_decision(n, at(n * 31))).collect(),
        pages: made_up_pages(&at),
        methods: BTreeMap::new(),
        summary: Summary {
            seed: 1,
            faults: "none".into(),
            simulated_seconds: 86_400,
            wall_seconds: 1.23,
            decisions: 40,
            pages: 1,
            invariants_checked: 120_000,
            api_calls: BTreeMap::from([
                ("ec2:StartInstances".to_owned(), 15),
                ("ecs:DescribeContainerInstances".to_owned(), 3_412),
            ]),
            ..Summary::default()
        },
    };
    run.summary.count(&run.states, &run.series, run.end);
    run
}

fn made_up_host(n: i64, layer: String, member: crate::sim::scenario::Member, at: &dyn Fn(i64) -> Timestamp) -> HostHistory {
    use InstanceStatus::*;
    let up = |from: i64| {
        [
            (at(from), Requested),
            (at(from + 1), Pending),
            (at(from + 2), Booting),
            (at(from + 4), RunningSetup),
            (at(from + 6 + n % 3), Online),
        ]
    };
    let down = |from: i64| [(at(from), Stopping), (at(from + 2), ShuttingDown), (at(from + 6), Stopped)];
    let mut changes = vec![(at(0), Stopped)];
    match member.scaling {
        ScalingType::AlwaysOn => {
            changes.extend(up(0));
            if n == 0 {
                changes.extend([(at(460), ConnectionLost), (at(466), Stopping)]);
                changes.extend(up(470));
            }
        }
        ScalingType::Timer => {
            let on = |hour: i64| member.schedule.as_ref().is_some_and(|s| s.0[0][(hour % 24) as usize]);
            if on(0) {
                changes.extend(up(0));
            }
            for hour in 1..24 {
                match (on(hour - 1), on(hour)) {
                    (true, false) => changes.extend(down(hour * 60)),
                    (false, true) => changes.extend(up(hour * 60)),
                    _ => {}
                }
            }
        }
        ScalingType::Load => {
            changes.extend(up(770 + 10 * (n % 4)));
            changes.extend(down(840 + 15 * (n % 4)));
        }
    }
    let gone_at = (layer != "shop/ecs-cluster").then(|| at(930));
    if gone_at.is_some() {
        changes.extend([(at(905 + n % 5), Terminating), (at(912 + n % 5), Terminated)]);
    }
    HostHistory { layer, host: member.hostname, scaling: member.scaling, changes, gone_at }
}

fn made_up_decision(n: i64, at: Timestamp) -> DecisionRecord {
    let function = Function::ALL[(n % 6) as usize];
    let verdict = if n % 3 == 1 { Verdict::Hold } else { Verdict::Act };
    DecisionRecord {
        id: format!("d-{n}").into(),
        at,
        function,
        trigger: "tick".into(),
        subject: "shop/ecs-cluster".into(),
        stack_id: None,
        layer_id: None,
        verdict,
        saw: "CPU 89.8 % over 6 hosts online, 4 load-based ones stopped".into(),
        did: if verdict == Verdict::Hold { "nothing".into() } else { format!("start web{n}, web{}", n + 1) },
        why: "CPU has been above 80 % for 5 minutes; the zone with the fewest online hosts goes first".into(),
        touched: Touched::default(),
    }
}

fn made_up_pages(at: &dyn Fn(i64) -> Timestamp) -> Vec<Page> {
    let page = |resolved, minutes| Page {
        incident: "heal/web1/1".into(),
        resolved,
        severity: Severity::Warning,
        kind: strata_domain::pages::PageKind::AutoHealing,
        stack: "shop".into(),
        layer: Some("ecs-cluster".into()),
        host: Some("web1".into()),
        what: "web1 went silent and is being healed".into(),
        why: "EC2 reports it impaired, and its ECS agent has been silent for 5 minutes".into(),
        did: "stopped the machine and starts it again".into(),
        next: "strata why shop/ecs-cluster/web1".into(),
        decision: "d-1".into(),
        at: at(minutes),
    };
    vec![page(false, 466), page(true, 478)]
}

fn data_of(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = page(&day(19));
    // The only address is the name of the SVG dialect.
    assert_eq!(
        page.matches("http").count(),
        page.matches("http://www.w3.org/2000/svg").count() + page.matches("http-equiv").count()
    );
    for reference in ["src=", "href=", "@import", "url("] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn no_text_of_a_user_can_leave_its_place() {
    let mut run = day(19);
    let evil = "</script><script>alert(1)</script>{{data}}{{title}}<!--\u{2028}\"'&";
    run.scenario = evil.into();
    run.decisions[0].why = evil.into();
    run.states[0].host = evil.into();
    run.pages[0].what = evil.into();
    let page = page(&run);
    assert_eq!(page.matches("<script").count(), 2, "the page's own two");
    assert!(!page.contains("<script>alert") && !page.contains("<!--"));
    let data = data_of(&page);
    for found in [&data["scenario"], &data["decisions"][0]["why"], &data["hosts"][0]["host"], &data["pages"][0]["what"]] {
        assert_eq!(found, evil, "it is shown as it was written");
    }
}

#[test]
fn a_gap_is_null_and_a_long_run_is_thinned_without_hiding_a_shortfall() {
    let mut run = day(19);
    assert!(data_of(&page(&run))["series"]["demand"][610].is_null());
    let minute = run.series[0];
    run.series =
        (0..100_000).map(|n| Minute { demand: Some(if n == 77_777 { 50.0 } else { 1.0 }), capacity: 2.0, ..minute }).collect();
    let series = &data_of(&page(&run))["series"];
    assert_eq!(series["minutes"], 5);
    let demand = series["demand"].as_array().unwrap();
    assert_eq!(demand.len(), 20_000);
    assert_eq!(demand[77_777 / 5], 50.0);
}

#[test]
fn a_thousand_hosts_and_more_decisions_than_a_browser_likes_stay_a_page() {
    let mut run = day(1000);
    run.decisions = (0..30_000).map(|n| made_up_decision(n, run.start)).collect();
    let page = page(&run);
    let data = data_of(&page);
    assert_eq!(data["hosts"].as_array().unwrap().len(), 1004);
    assert_eq!((data["decisions"].as_array().unwrap().len(), &data["decisions_in_all"]), (20_000, &30_000.into()));
    assert!(page.len() < 16 * 1024 * 1024, "{} bytes", page.len());
}

/// Writes made-up pages into the folder that `STRATA_REPORT_SAMPLES` names, to be looked at in a browser.
#[test]
#[ignore = "writes files to look at"]
fn write_samples() {
    let folder =
        std::path::PathBuf::from(std::env::var_os("STRATA_REPORT_SAMPLES").expect("STRATA_REPORT_SAMPLES names a folder"));
    for instances in [19, 1000] {
        std::fs::write(folder.join(format!("day-{instances}.html")), page(&day(instances))).unwrap();
    }
}
