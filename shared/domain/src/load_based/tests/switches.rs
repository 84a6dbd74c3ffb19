//! The layer's own switches, each on both sides: `"strata".load_scaling`.

use super::*;

fn on(set: impl FnOnce(&mut LoadScalingSettings)) -> LoadScalingSettings {
    let mut settings = LoadScalingSettings::default();
    set(&mut settings);
    settings
}

/// `online` and `stopped` load-based instances, host names `on1`... and `off1`..., the newest `online` one last.
fn hosts(online: i64, stopped: i64) -> Vec<Candidate> {
    let up =
        (1..=online).map(|n| Candidate { started_at: Some(minute(n - 900)), ..member(&format!("on{n}"), Load, Online, "a", n) });
    up.chain((1..=stopped).map(|n| member(&format!("off{n}"), Load, Stopped, "a", 100 + n))).collect()
}

/// A managed alarm that turned at minute 60 on an average of `value`.
fn turned(direction: Direction, metric: Metric, value: f64) -> AlarmView {
    let last = Some(Datapoint { value, at: minute(60) });
    AlarmView { last, ..managed(direction, metric, AlarmState::Alarm, minute(60)) }
}

fn decided(settings: &LoadScalingSettings, config: &Configuration, alarms: &[AlarmView], members: &[Candidate]) -> Decision {
    decide(&Input { config, settings, alarms, members, last_event: None }, minute(60))
}

/// How many are started (positive) or stopped; the hold in words.
fn count(decision: &Decision) -> Result<i64, String> {
    match decision {
        Decision::Scale { direction: Direction::Up, instances, .. } => Ok(instances.len() as i64),
        Decision::Scale { direction: Direction::Down, instances, .. } => Ok(-(instances.len() as i64)),
        Decision::Hold(reason) => Err(reason.to_string()),
    }
}

fn why(decision: &Decision) -> &str {
    match decision {
        Decision::Scale { reason, .. } => reason,
        Decision::Hold(_) => panic!("{decision:?}"),
    }
}

/// CPU 80 and 30, everything else off.
fn cpu_only() -> Configuration {
    Configuration { enable: true, ..Configuration::default() }
}

/// [LOAD-21]
#[test]
fn load_21_a_silent_alarm_blocks_unless_the_layer_ignores_it_and_then_the_reason_names_it() {
    let mut config = cpu_only();
    config.up.alarms = vec!["queue".to_owned()];
    for state in [AlarmState::InsufficientData, AlarmState::Missing] {
        let alarms = [turned(Direction::Up, Metric::Cpu, 90.0), custom("queue", state, minute(0))];
        let blocked = decided(&LoadScalingSettings::default(), &config, &alarms, &hosts(1, 2));
        assert!(matches!(blocked, Decision::Hold(HoldReason::InsufficientData { .. })), "{blocked:?}");
        let scaled = decided(&on(|s| s.ignore_insufficient_data = true), &config, &alarms, &hosts(1, 2));
        assert!(why(&scaled).ends_with("; alarm queue has no data and is left out"), "{}", why(&scaled));
    }
}

/// [LOAD-21] [LOAD-24] What has no eyes upward does not scale down, and a direction that has none itself does nothing.
#[test]
fn load_21_all_of_upscaling_without_data_still_does_nothing() {
    let settings = on(|s| s.ignore_insufficient_data = true);
    let mut config = cpu_only();
    config.up.alarms = vec!["queue".to_owned()];
    config.down.alarms = vec!["idle".to_owned()];
    let (silent, idle) = (AlarmState::InsufficientData, AlarmState::Alarm);
    let down = turned(Direction::Down, Metric::Cpu, 10.0);
    for (cpu, queue, expected) in [
        (silent, silent, Err("scaling is blocked: alarm queue has insufficient data".to_owned())),
        (AlarmState::Ok, silent, Ok(-1)),
        (silent, AlarmState::Ok, Ok(-1)),
    ] {
        let up = managed(Direction::Up, Metric::Cpu, cpu, minute(0));
        let alarms = [down.clone(), up, custom("queue", queue, minute(0)), custom("idle", idle, minute(0))];
        assert_eq!(count(&decided(&settings, &config, &alarms, &hosts(3, 0))), expected, "{cpu:?} {queue:?}");
    }
    // From nothing online: the averages have no data, and the queue alone starts the first.
    let nothing = Direction::ALL.map(|d| managed(d, Metric::Cpu, silent, minute(0)));
    let alarms = [&nothing[..], &[custom("queue", AlarmState::Alarm, minute(0)), custom("idle", silent, minute(0))]].concat();
    assert_eq!(count(&decided(&settings, &config, &alarms, &hosts(0, 3))), Ok(1));
}

/// [LOAD-11]
#[test]
fn load_11_any_one_scales_down_unless_the_layer_wants_all_and_up_never_wants_all() {
    let mut config = cpu_only();
    config.down.memory_threshold = Some(30.0);
    config.down.alarms = vec!["idle".to_owned()];
    let all = on(|s| s.down_needs_all = true);
    let alarms = |memory, idle| {
        let memory = managed(Direction::Down, Metric::Memory, memory, minute(0));
        [turned(Direction::Down, Metric::Cpu, 10.0), memory, custom("idle", idle, minute(0))]
    };
    use AlarmState::{Alarm, InsufficientData, Ok as Calm};
    let waits = |name: &str| Err(HoldReason::NotAll { calm: name.to_owned() }.to_string());
    for (memory, idle, with_all) in [
        (Alarm, Alarm, Ok(-1)),
        (Calm, Alarm, waits("memory")),
        (Alarm, Calm, waits("idle")),
        (Calm, Calm, waits("memory")),
        (InsufficientData, Alarm, waits("memory")),
    ] {
        let alarms = alarms(memory, idle);
        assert_eq!(count(&decided(&LoadScalingSettings::default(), &config, &alarms, &hosts(3, 0))), Ok(-1));
        assert_eq!(count(&decided(&all, &config, &alarms, &hosts(3, 0))), with_all, "{memory:?} {idle:?}");
    }
    let both = on(|s| (s.down_needs_all, s.ignore_insufficient_data) = (true, true));
    let decision = decided(&both, &config, &alarms(InsufficientData, Alarm), &hosts(3, 0));
    assert_eq!(count(&decision), Ok(-1), "one without data is left out of all");
    config.up.memory_threshold = Some(80.0);
    let up = [turned(Direction::Up, Metric::Cpu, 90.0), custom("idle", Calm, minute(0))];
    assert_eq!(count(&decided(&all, &config, &up, &hosts(1, 2))), Ok(1));
}

/// [LOAD-10] [LOAD-20] One that is crossed but has not waited its time is not crossed yet.
#[test]
fn load_20_all_means_all_of_them_for_their_whole_time() {
    let mut config = cpu_only();
    config.down.alarms = vec!["idle".to_owned()];
    let all = on(|s| s.down_needs_all = true);
    for (since, expected) in [(50, Ok(-1)), (51, Err(HoldReason::NotAll { calm: "idle".to_owned() }.to_string()))] {
        let alarms = [turned(Direction::Down, Metric::Cpu, 10.0), custom("idle", AlarmState::Alarm, minute(since))];
        assert_eq!(count(&decided(&all, &config, &alarms, &hosts(3, 0))), expected, "{since}");
    }
}

/// [LOAD-14] The middle of 80 and 30 is 55.
#[test]
fn load_14_proportional_steps_bring_the_average_to_the_middle_in_one_event() {
    let settings = on(|s| s.proportional_steps = true);
    for (direction, value, online, expected) in [
        (Direction::Up, 90.0, 4, Ok(3)),
        (Direction::Up, 82.5, 4, Ok(2)),
        (Direction::Up, 82.6, 4, Ok(3)),
        (Direction::Up, 100.0, 10, Ok(9)),
        (Direction::Up, 81.0, 1, Ok(1)),
        (Direction::Down, 27.5, 10, Ok(-5)),
        (Direction::Down, 27.6, 10, Ok(-4)),
        (Direction::Down, 29.9, 2, Ok(-1)),
        (
            Direction::Down,
            1.0,
            1,
            Err(HoldReason::WouldCross { fired_by: name(Direction::Down), metric: Metric::Cpu }.to_string()),
        ),
        (Direction::Down, 0.0, 1, Ok(-1)),
    ] {
        let decision = decided(&settings, &cpu_only(), &[turned(direction, Metric::Cpu, value)], &hosts(online, 20));
        assert_eq!(count(&decision), expected, "{direction:?} {value} on {online}");
    }
    let decision = decided(&settings, &cpu_only(), &[turned(Direction::Up, Metric::Cpu, 92.34)], &hosts(4, 5));
    let expected = "average cpu above 80% for 5 min: start off1, off2, off3 (3 of 5 available, 4 online at 92.3% are 7 at 55%)";
    assert_eq!(why(&decision), expected);
    let decision =
        decided(&LoadScalingSettings::default(), &cpu_only(), &[turned(Direction::Up, Metric::Cpu, 92.34)], &hosts(4, 5));
    assert_eq!(count(&decision), Ok(1), "off: InstanceCount");
}

fn name(direction: Direction) -> String {
    managed_alarm_name("shop", "ecs-cluster", direction, Metric::Cpu)
}

/// [LOAD-14] A narrow band: what brings the average into it may not jump over it.
#[test]
fn load_14_a_proportional_step_never_goes_beyond_the_other_directions_threshold() {
    let settings = on(|s| s.proportional_steps = true);
    let mut config = cpu_only();
    config.down.cpu_threshold = Some(60.0);
    // 7 at 81 are 9 at the middle, 70, and 9 at 60 or more.
    assert_eq!(count(&decided(&settings, &config, &[turned(Direction::Up, Metric::Cpu, 81.0)], &hosts(7, 9))), Ok(2));
    // 3 at 81 would be 4 at 70, which is 60.75 each; 2 at 81 would be 3, which is 54: one all the same, for they are overloaded.
    assert_eq!(count(&decided(&settings, &config, &[turned(Direction::Up, Metric::Cpu, 81.0)], &hosts(3, 9))), Ok(1));
    assert_eq!(count(&decided(&settings, &config, &[turned(Direction::Up, Metric::Cpu, 81.0)], &hosts(2, 9))), Ok(1));
    // 3 at 59 are 177, more than 2 can bear at 80 each; 4 are 236, which 3 can.
    let crosses = HoldReason::WouldCross { fired_by: name(Direction::Down), metric: Metric::Cpu }.to_string();
    assert_eq!(count(&decided(&settings, &config, &[turned(Direction::Down, Metric::Cpu, 59.0)], &hosts(3, 0))), Err(crosses));
    assert_eq!(count(&decided(&settings, &config, &[turned(Direction::Down, Metric::Cpu, 59.0)], &hosts(4, 0))), Ok(-1));
    let no_switch =
        decided(&LoadScalingSettings::default(), &config, &[turned(Direction::Down, Metric::Cpu, 59.0)], &hosts(3, 0));
    assert_eq!(count(&no_switch), Ok(-1), "OpsWorks' own does not look ahead");
}

/// [LOAD-11] Memory says how many fewer can hold what is there, though CPU alone asks.
#[test]
fn load_11_each_metric_that_is_known_keeps_a_proportional_down_within_its_own_limit() {
    let settings = on(|s| s.proportional_steps = true);
    let mut config = cpu_only();
    config.up.memory_threshold = Some(80.0);
    let memory = |value| AlarmView {
        last: Some(Datapoint { value, at: minute(60) }),
        ..managed(Direction::Up, Metric::Memory, AlarmState::Ok, minute(60))
    };
    // CPU asks for 8 of 10 to stop.
    for (value, expected) in [(10.0, Ok(-8)), (40.0, Ok(-5)), (72.0, Ok(-1))] {
        let alarms = [turned(Direction::Down, Metric::Cpu, 11.0), memory(value)];
        assert_eq!(count(&decided(&settings, &config, &alarms, &hosts(10, 0))), expected, "{value}");
    }
    let alarms = [turned(Direction::Down, Metric::Cpu, 11.0), memory(72.1)];
    let crosses = HoldReason::WouldCross { fired_by: name(Direction::Down), metric: Metric::Memory }.to_string();
    assert_eq!(count(&decided(&settings, &config, &alarms, &hosts(10, 0))), Err(crosses));
    let alarms = [turned(Direction::Down, Metric::Cpu, 11.0), memory(40.0)];
    let told = "(5 of 10 available, 10 online at 11% are 2 at 55%, at most 5: or the average memory crosses the other threshold)";
    assert!(why(&decided(&settings, &config, &alarms, &hosts(10, 0))).ends_with(told));
}

/// [LOAD-13] [LOAD-14] 4 at 90 are 7 at 55, 4 above 80 are 6 at least.
#[test]
fn load_14_the_threshold_stands_for_an_old_value_and_without_any_it_is_batches() {
    let settings = on(|s| s.proportional_steps = true);
    let config = cpu_only();
    let seen = |at, value| AlarmView { last: Some(Datapoint { value, at }), ..turned(Direction::Up, Metric::Cpu, 0.0) };
    let up = |alarm: AlarmView, event: Option<&ScalingEvent>, at| {
        let (config, settings, members) = (&config, &settings, &hosts(4, 9));
        decide(&Input { config, settings, alarms: &[alarm], members, last_event: event }, at)
    };
    assert_eq!(count(&up(seen(minute(55), 90.0), None, minute(60))), Ok(3));
    let old = up(seen(second(55 * 60 - 1), 90.0), None, minute(60));
    assert_eq!(count(&old), Ok(2), "older than five minutes");
    assert!(why(&old).ends_with("(2 of 9 available, 4 online above 80% are 6 at 55%)"), "{}", why(&old));
    let before = event(Direction::Up, minute(40), minute(58));
    assert_eq!(count(&up(seen(minute(58), 90.0), Some(&before), minute(63))), Ok(3));
    let earlier = up(seen(second(58 * 60 - 1), 90.0), Some(&before), minute(63));
    assert_eq!(count(&earlier), Ok(2), "the event's own hosts are not in it");
    assert_eq!(count(&up(AlarmView { last: None, ..seen(minute(60), 0.0) }, None, minute(60))), Ok(1));
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(count(&up(seen(minute(60), nonsense), None, minute(60))), Ok(1), "{nonsense}");
    }
    assert_eq!(count(&up(seen(minute(60), f64::MAX), None, minute(60))), Ok(9), "all there are, and no overflow");
    let down = AlarmView { last: Some(Datapoint { value: 1.0, at: minute(0) }), ..turned(Direction::Down, Metric::Cpu, 0.0) };
    let down = decided(&settings, &config, &[down], &hosts(10, 0));
    assert_eq!(count(&down), Ok(-4), "10 below 30 are at most 6 at 55");
    assert!(why(&down).ends_with("(4 of 10 available, 10 online below 30% are 6 at 55%)"), "{}", why(&down));
    let mut wrong = cpu_only();
    (wrong.up.cpu_threshold, wrong.down.cpu_threshold) = (Some(40.0), Some(50.0));
    let alarms = [turned(Direction::Up, Metric::Cpu, 90.0)];
    assert_eq!(count(&decided(&settings, &wrong, &alarms, &hosts(4, 9))), Ok(1), "thresholds the wrong way round have no middle");
}

/// [LOAD-6] Those on their way up are counted on, though the average is not over them yet.
#[test]
fn load_6_proportional_steps_count_what_is_already_on_its_way() {
    let settings = on(|s| s.proportional_steps = true);
    let mut members = hosts(4, 9);
    members.push(member("boots", ScalingType::Timer, InstanceStatus::Booting, "a", 50));
    let decision = decided(&settings, &cpu_only(), &[turned(Direction::Up, Metric::Cpu, 90.0)], &members);
    assert_eq!(count(&decision), Ok(2), "3 without it");
    assert!(why(&decision).ends_with("(2 of 9 available, 4 online at 90% are 7 at 55%, 1 on their way)"), "{}", why(&decision));
}

/// [LOAD-16]
#[test]
fn load_16_down_may_stop_every_one_unless_the_layer_has_a_floor_of_its_own() {
    let mut config = cpu_only();
    config.down.instance_count = 9;
    let mut members = hosts(3, 0);
    members.push(member("base", AlwaysOn, Online, "a", 0));
    members.push(member("lost", AlwaysOn, InstanceStatus::ConnectionLost, "a", 0));
    for (min_online, expected) in [
        (0, Ok(-3)),
        (1, Ok(-3)),
        (2, Ok(-2)),
        (3, Ok(-1)),
        (4, Err(format!("{} asks for downscaling, but 4 are to stay online (min_online)", name(Direction::Down)))),
    ] {
        let decision =
            decided(&on(|s| s.min_online = min_online), &config, &[turned(Direction::Down, Metric::Cpu, 10.0)], &members);
        assert_eq!(count(&decision), expected, "{min_online}");
    }
    let up = [turned(Direction::Up, Metric::Cpu, 90.0)];
    assert_eq!(count(&decided(&on(|s| s.min_online = 9), &config, &up, &hosts(1, 2))), Ok(1), "it keeps nothing from starting");
}

/// [LOAD-14]
#[test]
fn load_14_an_event_takes_its_share_of_the_layer_at_most_and_one_at_least() {
    for (direction, share, members, expected) in [
        (Direction::Up, 100, hosts(2, 8), Ok(8)),
        (Direction::Up, 30, hosts(2, 8), Ok(3)),
        (Direction::Up, 29, hosts(2, 8), Ok(2)),
        (Direction::Up, 1, hosts(2, 8), Ok(1)),
        (Direction::Down, 30, hosts(9, 1), Ok(-3)),
        (Direction::Down, 100, hosts(9, 1), Ok(-9)),
    ] {
        let mut config = cpu_only();
        (config.up.instance_count, config.down.instance_count) = (20, 20);
        let value = if direction == Direction::Up { 90.0 } else { 10.0 };
        let settings = on(|s| s.max_share_percent = share);
        let decision = decided(&settings, &config, &[turned(direction, Metric::Cpu, value)], &members);
        assert_eq!(count(&decision), expected, "{direction:?} {share}");
    }
    let mut config = cpu_only();
    config.up.instance_count = 20;
    let decision = decided(&on(|s| s.max_share_percent = 30), &config, &[turned(Direction::Up, Metric::Cpu, 90.0)], &hosts(2, 8));
    assert!(why(&decision).ends_with("(3 of 8 available, batches of 20, at most 3: 30 % of the layer)"), "{}", why(&decision));
}

/// [LOAD-14] A fleet is looked at only when something is due: without it the answer is that there is nothing, whatever the switches say.
#[test]
fn load_14_without_its_members_a_layer_that_is_due_has_no_candidates() {
    let settings = on(|s| (s.proportional_steps, s.min_online, s.max_share_percent) = (true, 3, 10));
    for (direction, value) in [(Direction::Up, 90.0), (Direction::Down, 10.0)] {
        let decision = decided(&settings, &cpu_only(), &[turned(direction, Metric::Cpu, value)], &[]);
        assert!(matches!(decision, Decision::Hold(HoldReason::NoCandidates { held: 0, .. })), "{decision:?}");
    }
}
