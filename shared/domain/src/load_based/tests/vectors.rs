//! The spec's test vectors, minute by minute, with a small CloudWatch in front of [`decide`].
//!
//! The vectors give values at whole minutes. A one-minute period breaches when the value is beyond the threshold at both of its
//! ends, and an alarm is in ALARM when its last `evaluation_periods` periods breach. So a value beyond the threshold from minute
//! 0 on turns an alarm with a wait of 5 to ALARM at minute 5, and one that is back inside at minute 5 does not.

use std::collections::BTreeMap;

use super::*;

/// CPU, memory and load at a minute; `None` is no data.
pub(super) type Averages = [Option<f64>; 3];

/// A layer and its alarms.
pub(super) struct World {
    pub(super) config: Configuration,
    pub(super) settings: LoadScalingSettings,
    pub(super) members: Vec<Candidate>,
    pub(super) last_event: Option<ScalingEvent>,
    /// Minute, direction, hosts.
    pub(super) events: Vec<(i64, Direction, Vec<String>)>,
    states: BTreeMap<String, (AlarmState, Timestamp)>,
    /// What led to the last transition.
    values: BTreeMap<String, Datapoint>,
    periods: BTreeMap<String, Vec<Option<bool>>>,
    previous: Averages,
}

impl World {
    pub(super) fn new(config: Configuration, members: Vec<Candidate>) -> Self {
        let (states, values, periods) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let settings = LoadScalingSettings::default();
        Self { config, settings, members, last_event: None, events: vec![], states, values, periods, previous: [Some(50.0); 3] }
    }

    fn transition(&mut self, name: &str, state: AlarmState, now: Timestamp) -> (AlarmState, Timestamp) {
        let entry = self.states.entry(name.to_owned()).or_insert((state, now));
        if entry.0 != state {
            *entry = (state, now);
        }
        *entry
    }

    fn managed_views(&mut self, at: i64, averages: Averages) -> Vec<AlarmView> {
        let mut views = Vec::new();
        for spec in managed_alarms(&self.config, "shop", "ecs-cluster") {
            let ends = [self.previous[spec.metric as usize], averages[spec.metric as usize]];
            let breach = ends[0]
                .zip(ends[1])
                .map(|(a, b)| spec.comparison.is_breached(a, spec.threshold) && spec.comparison.is_breached(b, spec.threshold));
            let periods = self.periods.entry(spec.name.clone()).or_default();
            periods.push(breach);
            let wait = spec.evaluation_periods as usize;
            let state = match periods.last().unwrap() {
                None => AlarmState::InsufficientData,
                Some(_) if periods.len() >= wait && periods[periods.len() - wait..].iter().all(|p| *p == Some(true)) => {
                    AlarmState::Alarm
                }
                Some(_) => AlarmState::Ok,
            };
            let (state, since) = self.transition(&spec.name, state, minute(at));
            if let Some(value) = averages[spec.metric as usize].filter(|_| since == minute(at)) {
                self.values.insert(spec.name.clone(), Datapoint { value, at: since });
            }
            views.push(AlarmView {
                last: self.values.get(&spec.name).copied(),
                name: spec.name,
                direction: spec.direction,
                kind: AlarmKind::Managed(spec.metric),
                state,
                since,
            });
        }
        self.previous = averages;
        views
    }

    /// One evaluation. What is started or stopped is online or stopped by the next.
    pub(super) fn step(&mut self, at: i64, averages: Averages, customs: &[(&str, AlarmState)]) -> Decision {
        let mut alarms = self.managed_views(at, averages);
        for (name, state) in customs {
            let (state, since) = self.transition(name, *state, minute(at));
            alarms.push(custom(name, state, since));
        }
        let input = Input {
            config: &self.config,
            settings: &self.settings,
            alarms: &alarms,
            members: &self.members,
            last_event: self.last_event.as_ref(),
        };
        let decision = decide(&input, minute(at));
        if let Some(event) = decision.event(minute(at)) {
            for member in self.members.iter_mut().filter(|m| event.instances.contains(&m.id)) {
                (member.status, member.started_at) = match event.direction {
                    Direction::Up => (Online, Some(minute(at))),
                    Direction::Down => (Stopped, member.started_at),
                };
            }
            self.events.push((at, event.direction, event.instances.iter().map(ToString::to_string).collect()));
            self.last_event = Some(event);
        }
        decision
    }

    fn run(&mut self, minutes: std::ops::RangeInclusive<i64>, averages: impl Fn(i64) -> Averages) -> &mut Self {
        for at in minutes {
            self.step(at, averages(at), &[]);
        }
        self
    }

    /// For example `5 up L1 L2`.
    fn told(&self) -> Vec<String> {
        self.events.iter().map(|(at, direction, hosts)| format!("{at} {} {}", direction.as_str(), hosts.join(" "))).collect()
    }
}

/// One 24/7 instance online, L1 to L3 load-based.
fn l1_to_l3(status: InstanceStatus) -> Vec<Candidate> {
    let mut members = vec![member("base", AlwaysOn, Online, "a", 0)];
    members.extend((1..=3).map(|i| member(&format!("L{i}"), Load, status, "a", i)));
    members
}

/// Enabled, everything off except what `set` switches on.
fn config(set: impl FnOnce(&mut Configuration)) -> Configuration {
    let mut config = Configuration { enable: true, ..Configuration::default() };
    (config.up.cpu_threshold, config.down.cpu_threshold) = (None, None);
    set(&mut config);
    config
}

fn cpu(value: f64) -> Averages {
    [Some(value), Some(50.0), Some(1.0)]
}

/// [LOAD-30]
#[test]
fn load_30_two_at_5_the_last_one_at_15_and_nothing_after() {
    let config = config(|c| (c.up.instance_count, c.up.cpu_threshold) = (2, Some(80.0)));
    let mut world = World::new(config, l1_to_l3(Stopped));
    for at in 0..=40 {
        let decision = world.step(at, cpu(90.0), &[]);
        let Decision::Hold(hold) = &decision else { continue };
        match at {
            0..=4 => assert_eq!(*hold, HoldReason::NothingCrossed, "{at}"),
            6..=9 => assert_eq!(*hold, HoldReason::Ignoring { direction: Direction::Up, until: minute(10) }, "{at}"),
            10..=14 => assert!(matches!(hold, HoldReason::Waiting { since, .. } if *since == minute(10)), "{at}"),
            25..=40 => assert!(matches!(hold, HoldReason::NoCandidates { direction: Direction::Up, .. }), "{at}"),
            _ => {}
        }
    }
    assert_eq!(world.told(), ["5 up L1 L2", "15 up L3"]);
}

/// [LOAD-31] [LOAD-10]
#[test]
fn load_31_one_evaluation_back_inside_restarts_the_clock_and_equality_is_no_crossing() {
    let config = config(|c| c.up.cpu_threshold = Some(80.0));
    let dip = |at| cpu(if at == 5 { 79.0 } else { 90.0 });
    assert_eq!(World::new(config.clone(), l1_to_l3(Stopped)).run(0..=15, dip).told(), ["11 up L1"]);
    assert!(World::new(config.clone(), l1_to_l3(Stopped)).run(0..=200, |_| cpu(80.0)).told().is_empty());
    assert_eq!(World::new(config, l1_to_l3(Stopped)).run(0..=5, |_| cpu(80.1)).told(), ["5 up L1"]);
}

/// [LOAD-10] Down is strictly below.
#[test]
fn load_10_down_at_exactly_the_threshold_never_fires() {
    let config = config(|c| c.down.cpu_threshold = Some(30.0));
    assert!(World::new(config.clone(), l1_to_l3(Online)).run(0..=200, |_| cpu(30.0)).told().is_empty());
    assert_eq!(World::new(config, l1_to_l3(Online)).run(0..=10, |_| cpu(29.9)).told(), ["10 down L3"]);
}

/// [LOAD-32] [LOAD-16]
#[test]
fn load_32_one_stop_at_10_30_and_50_and_the_24_7_instance_never() {
    let mut world = World::new(config(|c| c.down.cpu_threshold = Some(30.0)), l1_to_l3(Online));
    world.run(0..=300, |_| cpu(25.0));
    assert_eq!(world.told(), ["10 down L3", "30 down L2", "50 down L1"]);
    assert_eq!(world.members[0].status, Online);
}

/// [LOAD-33] [LOAD-12]
#[test]
fn load_33_averages_that_disagree_go_up_first_and_down_once_cpu_is_calm() {
    let config = config(|c| (c.up.cpu_threshold, c.down.memory_threshold) = (Some(80.0), Some(30.0)));
    let mut world = World::new(config, l1_to_l3(Stopped));
    world.run(0..=30, |at| [Some(if at < 16 { 90.0 } else { 50.0 }), Some(20.0), Some(1.0)]);
    assert_eq!(world.told(), ["5 up L1", "15 up L2", "30 down L2"]);
}

/// [LOAD-34] [LOAD-21]
#[test]
fn load_34_an_alarm_without_data_blocks_everything_while_the_clocks_run_on() {
    for (recovers, expected) in [(20, "20 up L1"), (5, "5 up L1"), (3, "5 up L1")] {
        let config = config(|c| {
            c.up.cpu_threshold = Some(80.0);
            c.up.alarms = vec!["A".to_owned(), "B".to_owned()];
        });
        let mut world = World::new(config, l1_to_l3(Stopped));
        for at in 0..=22 {
            let b = if at < recovers { AlarmState::InsufficientData } else { AlarmState::Ok };
            let decision = world.step(at, cpu(95.0), &[("A", AlarmState::Alarm), ("B", b)]);
            if at < recovers {
                assert_eq!(decision, Decision::Hold(HoldReason::InsufficientData { alarm: "B".to_owned(), is_missing: false }));
            }
        }
        assert_eq!(world.told()[0], expected);
    }
}

/// [LOAD-21] An ignore time that passes while the layer is blocked is over when the alarm has data again.
#[test]
fn load_21_the_ignore_time_does_not_restart_after_a_block() {
    let config = config(|c| (c.up.cpu_threshold, c.up.alarms) = (Some(80.0), vec!["B".to_owned()]));
    let mut world = World::new(config, l1_to_l3(Stopped));
    for at in 0..=18 {
        let b = if (6..=17).contains(&at) { AlarmState::InsufficientData } else { AlarmState::Ok };
        world.step(at, cpu(95.0), &[("B", b)]);
    }
    assert_eq!(world.told(), ["5 up L1", "18 up L2"]);
}

/// [LOAD-35]
#[test]
fn load_35_all_thresholds_off_and_no_alarms_never_scale() {
    let mut world = World::new(config(|_| {}), l1_to_l3(Online));
    world.members[1].status = Stopped;
    world.run(0..=200, |at| if at < 100 { [Some(100.0), Some(100.0), Some(99.0)] } else { [Some(0.0); 3] });
    assert!(world.told().is_empty());
    assert!(world.config.up.is_idle() && world.config.down.is_idle());
}

/// [LOAD-20] The wait applies from the transition into ALARM; OK in between restarts it.
#[test]
fn load_20_a_custom_alarm_waits_from_its_last_transition_into_alarm() {
    let config = config(|c| c.up.alarms = vec!["queue".to_owned()]);
    let mut world = World::new(config, l1_to_l3(Stopped));
    for at in 0..=15 {
        let state = if at < 2 || at == 6 { AlarmState::Ok } else { AlarmState::Alarm };
        world.step(at, cpu(50.0), &[("queue", state)]);
    }
    assert_eq!(world.told(), ["12 up L1"]);
}

/// [LOAD-8] [LOAD-17] Without an online instance there are no averages; an alarm is the sole way up from zero (question 8).
#[test]
fn load_8_without_data_no_metric_fires_and_an_alarm_still_can() {
    let config = config(|c| (c.up.cpu_threshold, c.up.alarms) = (Some(80.0), vec!["queue".to_owned()]));
    let members: Vec<_> = l1_to_l3(Stopped).into_iter().filter(|m| m.scaling == Load).collect();
    let mut world = World::new(config, members);
    for at in 0..=40 {
        let queue = if at < 30 { AlarmState::Ok } else { AlarmState::Alarm };
        world.step(at, [None; 3], &[("queue", queue)]);
    }
    assert_eq!(world.told(), ["35 up L1"]);
}

/// The layer's CPU average: over the online members that report.
fn average_cpu(members: &[Candidate], of_each: f64) -> Averages {
    let online: Vec<_> = members.iter().filter(|m| m.status == Online).collect();
    let sum: f64 = online.iter().map(|_| of_each).sum();
    [(!online.is_empty()).then(|| sum / online.len() as f64), Some(50.0), Some(1.0)]
}

/// [SCALE-20] The part that is scaling's: only averages count, and that a member died is none of its business.
#[test]
fn scale_20_that_a_member_died_starts_and_stops_nothing() {
    for dead in [InstanceStatus::ConnectionLost, InstanceStatus::SetupFailed, InstanceStatus::StartFailed, Stopped] {
        let limits = config(|c| (c.up.cpu_threshold, c.down.cpu_threshold) = (Some(80.0), Some(30.0)));
        let mut members: Vec<_> = (1..=4).map(|i| member(&format!("b{i}"), AlwaysOn, Online, "a", i)).collect();
        members.push(member("L1", Load, Stopped, "a", 9));
        members.push(member("L2", Load, Online, "b", 10));
        let mut world = World::new(limits, members);
        for at in 0..=60 {
            if at == 10 {
                world.members[0].status = dead;
            }
            world.step(at, cpu(50.0), &[]);
        }
        assert_eq!(world.told(), [""; 0], "{dead}");
    }
}

/// [SCALE-21] The part that is scaling's: a silent instance changes nothing but the average.
#[test]
fn scale_21_a_silent_instance_is_replaced_by_nothing_unless_the_rest_is_overloaded() {
    for (rest, expected) in [(70.0, vec![]), (85.0, vec!["5 up L1"])] {
        let mut members: Vec<_> = (1..=4).map(|i| member(&format!("b{i}"), AlwaysOn, Online, "a", i)).collect();
        members.push(member("L1", Load, Stopped, "a", 9));
        members[0].status = InstanceStatus::ConnectionLost;
        let mut world = World::new(config(|c| c.up.cpu_threshold = Some(80.0)), members);
        for at in 0..=60 {
            let averages = average_cpu(&world.members, rest);
            world.step(at, averages, &[]);
        }
        assert_eq!(world.told(), expected);
    }
}

/// [SCALE-22] The part that is scaling's: an instance that is healed in between moves no clock and is no candidate.
#[test]
fn scale_22_healing_does_not_count_as_a_scaling_event() {
    let down = || config(|c| c.down.cpu_threshold = Some(30.0));
    let mut world = World::new(down(), l1_to_l3(Online));
    for at in 0..=30 {
        world.members[3].status = match at {
            0..=3 => Online,
            4..=7 => InstanceStatus::ConnectionLost,
            8..=12 => InstanceStatus::Stopping,
            13..=16 => InstanceStatus::Requested,
            _ if world.events.iter().any(|(_, _, hosts)| hosts.contains(&"L3".to_owned())) => Stopped,
            _ => Online,
        };
        world.step(at, cpu(25.0), &[]);
    }
    assert_eq!(world.told(), ["10 down L2", "30 down L3"]);
}
