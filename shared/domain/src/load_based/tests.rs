//! Boundaries of [`decide`] at single moments, and its properties; the spec's vectors stand in `vectors`.

mod properties;
mod switches;
mod vectors;

use super::*;
use crate::InstanceStatus::{Online, Stopped};
use crate::ScalingType::{AlwaysOn, Load};

/// A moment, in seconds after minute 0 of the vectors.
pub(super) fn second(second: i64) -> Timestamp {
    let zero: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    zero + SignedDuration::from_secs(second)
}

pub(super) fn minute(minute: i64) -> Timestamp {
    second(minute * 60)
}

/// An instance whose record was created `created` minutes after minute -1000.
pub(super) fn member(hostname: &str, scaling: ScalingType, status: InstanceStatus, zone: &str, created: i64) -> Candidate {
    Candidate {
        id: InstanceId::from(hostname),
        hostname: hostname.to_owned(),
        scaling,
        status,
        availability_zone: zone.to_owned(),
        created_at: minute(created - 1000),
        started_at: None,
        failed_starts: 0,
        is_refused: false,
        is_held: false,
        workload: None,
    }
}

fn managed(direction: Direction, metric: Metric, state: AlarmState, since: Timestamp) -> AlarmView {
    let name = managed_alarm_name("shop", "ecs-cluster", direction, metric);
    AlarmView { name, direction, kind: AlarmKind::Managed(metric), state, since, last: None }
}

fn custom(name: &str, state: AlarmState, since: Timestamp) -> AlarmView {
    AlarmView { name: name.to_owned(), direction: Direction::Up, kind: AlarmKind::Custom, state, since, last: None }
}

/// Enabled with the defaults, and CPU, memory and load thresholds for both directions.
fn enabled() -> Configuration {
    let mut config = Configuration { enable: true, ..Configuration::default() };
    (config.up.memory_threshold, config.up.load_threshold) = (Some(70.0), Some(8.0));
    (config.down.memory_threshold, config.down.load_threshold) = (Some(20.0), Some(1.0));
    config
}

/// One 24/7 and one load-based instance online, one load-based one stopped.
fn layer() -> Vec<Candidate> {
    vec![member("base", AlwaysOn, Online, "a", 0), member("on", Load, Online, "a", 1), member("off", Load, Stopped, "b", 2)]
}

fn decide_on(config: &Configuration, alarms: &[AlarmView], last_event: Option<&ScalingEvent>, now: Timestamp) -> Decision {
    decide(&Input { settings: &LoadScalingSettings::default(), config, alarms, members: &layer(), last_event }, now)
}

/// `up off`, `down on`, or the hold in words.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Scale { direction, instances, .. } => {
            let hosts: Vec<_> = instances.iter().map(InstanceId::as_str).collect();
            format!("{} {}", direction.as_str(), hosts.join(" "))
        }
        Decision::Hold(reason) => reason.to_string(),
    }
}

fn event(direction: Direction, at: Timestamp, ignore_until: Timestamp) -> ScalingEvent {
    ScalingEvent { direction, at, ignore_until, instances: vec![], fired_by: "x".to_owned() }
}

/// [LOAD-11]
#[test]
fn load_11_any_single_threshold_fires_up_and_down_alike() {
    for metric in Metric::ALL {
        for (direction, expected) in [(Direction::Up, "up off"), (Direction::Down, "down on")] {
            let mut alarms: Vec<_> = Metric::ALL.iter().map(|m| managed(direction, *m, AlarmState::Ok, minute(0))).collect();
            assert_eq!(told(&decide_on(&enabled(), &alarms, None, minute(60))), "no threshold is crossed");
            alarms.retain(|a| a.kind != AlarmKind::Managed(metric));
            alarms.push(managed(direction, metric, AlarmState::Alarm, minute(0)));
            assert_eq!(told(&decide_on(&enabled(), &alarms, None, minute(60))), expected, "{metric:?}");
        }
    }
}

/// [LOAD-12]
#[test]
fn load_12_up_wins_even_if_down_is_due_for_longer_or_up_has_nothing_left() {
    let alarms = [
        managed(Direction::Down, Metric::Memory, AlarmState::Alarm, minute(0)),
        managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(50)),
    ];
    assert_eq!(told(&decide_on(&enabled(), &alarms, None, minute(60))), "up off");
    assert_eq!(told(&decide_on(&enabled(), &alarms[..1], None, minute(60))), "down on");
    let all_online = [member("on", Load, Online, "a", 1)];
    let input = Input {
        settings: &LoadScalingSettings::default(),
        config: &enabled(),
        alarms: &alarms,
        members: &all_online,
        last_event: None,
    };
    assert!(matches!(decide(&input, minute(60)), Decision::Hold(HoldReason::NoCandidates { direction: Direction::Up, .. })));
}

/// [LOAD-24] [LOAD-20] A managed alarm is due at once, a custom one after the wait time.
#[test]
fn load_24_a_managed_alarm_has_already_waited_and_a_custom_one_waits_from_its_transition() {
    let mut config = enabled();
    config.up.alarms = vec!["queue".to_owned()];
    let queue_is_ok = custom("queue", AlarmState::Ok, minute(0));
    let turned = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(30)), queue_is_ok];
    assert_eq!(told(&decide_on(&config, &turned, None, minute(30))), "up off");

    let queue = [custom("queue", AlarmState::Alarm, minute(30))];
    for (now, expected) in [
        (second(35 * 60 - 1), "upscaling waits: queue counts from 2026-01-05T00:30:00Z and must last 5 min"),
        (minute(35), "up off"),
    ] {
        assert_eq!(told(&decide_on(&config, &queue, None, now)), expected);
    }
}

/// [LOAD-13] [LOAD-24]
#[test]
fn load_13_both_directions_are_silent_for_the_events_own_ignore_time_and_then_wait_anew() {
    let mut config = enabled();
    config.up.alarms = vec!["queue".to_owned()];
    for (direction, alarm, expected, wait) in [
        (Direction::Up, managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0)), "up off", 5),
        (Direction::Down, managed(Direction::Down, Metric::Cpu, AlarmState::Alarm, minute(0)), "down on", 10),
        (Direction::Up, custom("queue", AlarmState::Alarm, minute(0)), "up off", 5),
    ] {
        let queue_is_ok = custom("queue", AlarmState::Ok, minute(0));
        let alarms = if alarm.kind == AlarmKind::Custom { vec![alarm] } else { vec![alarm, queue_is_ok] };
        for cause in Direction::ALL {
            let event = event(cause, minute(20), minute(27));
            let at = |now| decide_on(&config, &alarms, Some(&event), now);
            let ignoring = Decision::Hold(HoldReason::Ignoring { direction: cause, until: minute(27) });
            assert_eq!(at(minute(20)), ignoring);
            assert_eq!(at(second(27 * 60 - 1)), ignoring);
            for waiting in [minute(27), second((27 + wait) * 60 - 1)] {
                assert!(
                    matches!(at(waiting), Decision::Hold(HoldReason::Waiting { direction: d, since, .. }) if d == direction && since == minute(27)),
                    "{:?}",
                    at(waiting)
                );
            }
            assert_eq!(told(&at(minute(27 + wait))), expected);
        }
    }
}

/// [LOAD-13] Each direction has its own ignore time.
#[test]
fn load_13_an_event_says_until_when_its_own_direction_ignores() {
    for (direction, until) in [(Direction::Up, minute(65)), (Direction::Down, minute(70))] {
        let alarms = [managed(direction, Metric::Cpu, AlarmState::Alarm, minute(0))];
        let decision = decide_on(&enabled(), &alarms, None, minute(60));
        let event = decision.event(minute(60)).unwrap();
        assert_eq!((event.direction, event.at, event.ignore_until), (direction, minute(60), until));
        assert_eq!(event.fired_by, alarms[0].name);
        assert_eq!(serde_json::from_str::<ScalingEvent>(&serde_json::to_string(&event).unwrap()).unwrap(), event);
    }
    assert_eq!(Decision::Hold(HoldReason::Disabled).event(minute(0)), None);
}

/// Spec, question 7.
#[test]
fn a_changed_configuration_restarts_all_wait_clocks() {
    let mut config = enabled();
    config.changed_at = Some(minute(30));
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0))];
    for (now, is_due) in [(second(35 * 60 - 1), false), (minute(35), true)] {
        assert_eq!(told(&decide_on(&config, &alarms, None, now)) == "up off", is_due, "{now}");
    }
}

/// [LOAD-14]
#[test]
fn load_14_nothing_to_start_or_stop_is_no_event_and_says_so() {
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0))];
    let mut members = layer();
    members[2].is_held = true;
    let input = Input {
        settings: &LoadScalingSettings::default(),
        config: &enabled(),
        alarms: &alarms,
        members: &members,
        last_event: None,
    };
    let decision = decide(&input, minute(60));
    assert_eq!(
        told(&decision),
        "strata/shop/ecs-cluster/up-cpu asks for upscaling, but no load-based instance is left to start (1 held)"
    );
    assert_eq!(decision.event(minute(60)), None);
}

/// [LOAD-15]
#[test]
fn load_15_an_instance_that_a_person_stopped_is_no_candidate_and_one_that_he_started_is() {
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0))];
    let mut members = layer();
    members.push(member("held", Load, Stopped, "c", 0));
    members[3].is_held = true;
    let mut config = enabled();
    config.up.instance_count = 9;
    let input = Input {
        settings: &LoadScalingSettings::default(),
        config: &config,
        alarms: &alarms,
        members: &members,
        last_event: None,
    };
    assert_eq!(told(&decide(&input, minute(60))), "up off");
    members[3].is_held = false;
    let input = Input {
        settings: &LoadScalingSettings::default(),
        config: &config,
        alarms: &alarms,
        members: &members,
        last_event: None,
    };
    assert_eq!(told(&decide(&input, minute(60))), "up held off");
}

/// [LOAD-4]
#[test]
fn load_4_switched_off_nothing_scales() {
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0))];
    let off = Configuration { enable: false, ..enabled() };
    assert_eq!(decide_on(&off, &alarms, None, minute(60)), Decision::Hold(HoldReason::Disabled));
}

/// [LOAD-21] [LOAD-24]
#[test]
fn load_21_only_the_users_alarms_block_those_of_both_directions_and_missing_ones_too() {
    let firing = managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0));
    for (state, expected) in [
        (AlarmState::Ok, "up off"),
        (AlarmState::Alarm, "up off"),
        (AlarmState::InsufficientData, "scaling is blocked: alarm queue has insufficient data"),
        (AlarmState::Missing, "scaling is blocked: alarm queue does not exist"),
    ] {
        for direction in Direction::ALL {
            let mut config = enabled();
            match direction {
                Direction::Up => config.up.alarms = vec!["queue".to_owned()],
                Direction::Down => config.down.alarms = vec!["queue".to_owned()],
            }
            let alarms = [firing.clone(), custom("queue", state, minute(0))];
            assert_eq!(told(&decide_on(&config, &alarms, None, minute(60))), expected, "{direction:?}");
            let no_view = decide_on(&config, &alarms[..1], None, minute(60));
            assert_eq!(told(&no_view), "scaling is blocked: alarm queue does not exist");
        }
    }
    for state in [AlarmState::InsufficientData, AlarmState::Missing] {
        let alarms =
            [firing.clone(), managed(Direction::Down, Metric::Memory, state, minute(0)), custom("not listed", state, minute(0))];
        assert_eq!(told(&decide_on(&enabled(), &alarms, None, minute(60))), "up off", "a managed or unlisted alarm never blocks");
    }
}

/// [LOAD-22] [LOAD-20]
#[test]
fn load_22_one_alarm_fires_beside_another_that_is_ok() {
    let mut config = enabled();
    config.down.alarms = vec!["idle".to_owned(), "quiet".to_owned()];
    let alarms = [custom("idle", AlarmState::Ok, minute(0)), custom("quiet", AlarmState::Alarm, minute(0))];
    assert_eq!(told(&decide_on(&config, &alarms, None, minute(10))), "down on");
    let both_ok = [custom("idle", AlarmState::Ok, minute(0)), custom("quiet", AlarmState::Ok, minute(0))];
    assert_eq!(told(&decide_on(&config, &both_ok, None, minute(10))), "no threshold is crossed");
}

#[test]
fn a_leftover_alarm_of_a_threshold_that_is_off_does_not_fire() {
    let mut config = enabled();
    config.up.cpu_threshold = None;
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0))];
    assert_eq!(told(&decide_on(&config, &alarms, None, minute(60))), "no threshold is crossed");
}

#[test]
fn a_reason_says_what_was_crossed_and_what_is_done() {
    let mut config = enabled();
    (config.up.instance_count, config.down.alarms) = (2, vec!["idle".to_owned()]);
    let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, minute(0)), custom("idle", AlarmState::Ok, minute(0))];
    let Decision::Scale { reason, fired_by, .. } = decide_on(&config, &alarms, None, minute(60)) else { panic!() };
    assert_eq!(reason, "average cpu above 80% for 5 min: start off (1 of 1 available, batches of 2)");
    assert_eq!(fired_by, "strata/shop/ecs-cluster/up-cpu");
    let Decision::Scale { reason, .. } = decide_on(&config, &[custom("idle", AlarmState::Alarm, minute(0))], None, minute(60))
    else {
        panic!()
    };
    assert_eq!(reason, "alarm idle in ALARM for 10 min: stop on (1 of 1 available, batches of 1)");
}

#[test]
fn moments_at_the_ends_of_time_do_not_overflow() {
    let mut config = enabled();
    config.up.alarms = vec!["queue".to_owned()];
    for (since, now, is_due) in [
        (Timestamp::MIN, Timestamp::MAX, true),
        (Timestamp::MAX, Timestamp::MAX, true),
        (Timestamp::MAX, Timestamp::MIN, false),
        (Timestamp::MIN, Timestamp::MIN, false),
    ] {
        let alarms = [managed(Direction::Up, Metric::Cpu, AlarmState::Alarm, since), custom("queue", AlarmState::Alarm, since)];
        let decision = decide_on(&config, &alarms, None, now);
        assert_eq!(matches!(decision, Decision::Scale { .. }), is_due, "{since} {now} {decision:?}");
    }
}

#[test]
fn an_event_is_stale_after_15_minutes_or_when_its_longer_ignore_time_is_over() {
    for (ignore_minutes, now, is_stale) in [(5, 15, false), (5, 16, true), (40, 16, false), (40, 40, false), (40, 41, true)] {
        let event = ScalingEvent {
            direction: Direction::Up,
            at: minute(0),
            ignore_until: minute(ignore_minutes),
            instances: Vec::new(),
            fired_by: "up-cpu".to_owned(),
        };
        assert_eq!(event.is_stale(minute(now)), is_stale, "ignored {ignore_minutes} min, at {now}");
    }
}
