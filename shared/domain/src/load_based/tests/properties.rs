//! What holds for every layer, every configuration and every moment.

use proptest::prelude::*;

use super::vectors::World;
use super::*;

const NAMES: [&str; 3] = ["queue", "latency", "idle"];

fn thresholds() -> impl Strategy<Value = Thresholds> {
    let metric = || proptest::option::of((0..=100_u32).prop_map(f64::from));
    (1..5_u32, 1..12_u32, 1..12_u32, metric(), metric(), metric(), proptest::sample::subsequence(&NAMES, 0..=2)).prop_map(
        |(instance_count, thresholds_wait_time, ignore_metrics_time, cpu_threshold, memory_threshold, load_threshold, names)| {
            Thresholds {
                instance_count,
                thresholds_wait_time,
                ignore_metrics_time,
                cpu_threshold,
                memory_threshold,
                load_threshold,
                alarms: names.into_iter().map(str::to_owned).collect(),
            }
        },
    )
}

fn configuration() -> impl Strategy<Value = Configuration> {
    (prop::bool::weighted(0.95), thresholds(), thresholds(), proptest::option::of(0..60_i64))
        .prop_map(|(enable, up, down, changed)| Configuration { enable, up, down, changed_at: changed.map(minute) })
}

fn alarms() -> impl Strategy<Value = Vec<AlarmView>> {
    let state = || prop_oneof![4 => Just(AlarmState::Alarm), 4 => Just(AlarmState::Ok), 1 => Just(AlarmState::InsufficientData)];
    let managed_one =
        move |direction, metric| (state(), 0..60_i64).prop_map(move |(s, at)| managed(direction, metric, s, minute(at)));
    let ours: Vec<_> =
        Direction::ALL.into_iter().flat_map(|d| Metric::ALL.map(|m| (d, m))).map(|(d, m)| managed_one(d, m).boxed()).collect();
    let custom_one = move |name: &'static str| (state(), 0..60_i64).prop_map(move |(s, at)| custom(name, s, minute(at))).boxed();
    let users: Vec<_> = NAMES.into_iter().map(custom_one).collect();
    (ours, users).prop_map(|(ours, users)| ours.into_iter().chain(users).collect())
}

fn members() -> impl Strategy<Value = Vec<Candidate>> {
    let status = prop_oneof![Just(Stopped), Just(Online), proptest::sample::select(&InstanceStatus::ALL)];
    let scaling = prop_oneof![3 => Just(Load), 1 => Just(AlwaysOn), 1 => Just(ScalingType::Timer)];
    let one = (
        scaling,
        status,
        proptest::sample::select(&["a", "b", "c"]),
        0..4_i64,
        proptest::option::of(0..4_i64),
        prop::bool::weighted(0.2),
    );
    proptest::collection::vec(one, 0..12).prop_map(|rows| {
        let of_row = |(i, (scaling, status, zone, created, started, is_held)): (usize, (_, _, &str, _, Option<i64>, _))| {
            Candidate { started_at: started.map(minute), is_held, ..member(&format!("m{i}"), scaling, status, zone, created) }
        };
        rows.into_iter().enumerate().map(of_row).collect()
    })
}

fn last_event() -> impl Strategy<Value = Option<ScalingEvent>> {
    let direction = proptest::sample::select(&Direction::ALL);
    proptest::option::of((direction, 0..50_i64, 1..12_i64).prop_map(|(d, at, ignore)| event(d, minute(at), minute(at + ignore))))
}

/// Any switches, all off among them.
fn settings() -> impl Strategy<Value = LoadScalingSettings> {
    let share = prop_oneof![Just(100_u8), 1..=100_u8];
    let any =
        (any::<bool>(), any::<bool>(), any::<bool>(), 0..6_u32, share).prop_map(|(ignore, all, proportional, min, share)| {
            LoadScalingSettings {
                ignore_insufficient_data: ignore,
                down_needs_all: all,
                proportional_steps: proportional,
                min_online: min,
                max_share_percent: share,
            }
        });
    prop_oneof![1 => Just(LoadScalingSettings::default()), 4 => any]
}

/// The alarms that CloudWatch makes of a layer's averages, all of them as old as `since` and with what led to it.
fn alarms_of(config: &Configuration, averages: [u32; 3], users: &[AlarmView], since: Timestamp) -> Vec<AlarmView> {
    let specs = managed_alarms(config, "shop", "ecs-cluster").into_iter();
    let managed = specs.map(|spec| {
        let value = f64::from(averages[spec.metric as usize]);
        let state = if spec.comparison.is_breached(value, spec.threshold) { AlarmState::Alarm } else { AlarmState::Ok };
        AlarmView { last: Some(Datapoint { value, at: since }), ..super::managed(spec.direction, spec.metric, state, since) }
    });
    managed.chain(users.iter().cloned()).collect()
}

/// How many instances a decision adds.
fn added(decision: &Decision) -> i64 {
    match decision {
        Decision::Scale { direction: Direction::Up, instances, .. } => instances.len() as i64,
        Decision::Scale { direction: Direction::Down, instances, .. } => -(instances.len() as i64),
        Decision::Hold(_) => 0,
    }
}

proptest! {
    #[test]
    fn takes_only_free_load_based_instances_in_a_legal_state_and_never_too_many(
        config in configuration(), settings in settings(), alarms in alarms(), members in members(), last in last_event(),
        now in 0..150_i64,
    ) {
        let now = minute(now);
        let input = Input { config: &config, settings: &settings, alarms: &alarms, members: &members, last_event: last.as_ref() };
        if let Decision::Scale { direction, instances, ignore_until, .. } = decide(&input, now) {
            let thresholds = config.thresholds(direction);
            prop_assert!(config.enable);
            prop_assert!(!instances.is_empty() && instances.len() <= settings.most_of(members.len() as u32) as usize);
            if !settings.proportional_steps {
                prop_assert!(instances.len() <= thresholds.instance_count as usize);
            }
            if direction == Direction::Down {
                let online = members.iter().filter(|m| m.status == Online).count();
                prop_assert!(online - instances.len() >= settings.min_online as usize, "{} of {}", instances.len(), online);
            }
            let legal = match direction { Direction::Up => Stopped, Direction::Down => Online };
            let mut seen = instances.clone();
            seen.sort();
            seen.dedup();
            prop_assert_eq!(seen.len(), instances.len());
            for id in &instances {
                let chosen = members.iter().find(|m| m.id == *id);
                prop_assert!(chosen.is_some_and(|m| m.scaling == Load && m.status == legal && !m.is_held), "{:?}", chosen);
            }
            prop_assert_eq!(ignore_until, now + thresholds.ignore_time());
            prop_assert!(last.as_ref().is_none_or(|e| now >= e.ignore_until + thresholds.wait_time()));
            prop_assert!(config.changed_at.is_none_or(|at| now >= at + thresholds.wait_time()));
            for name in config.up.alarms.iter().chain(&config.down.alarms) {
                let has_data = alarms.iter().any(|a| a.name == *name && a.state <= AlarmState::Alarm);
                prop_assert!(has_data || settings.ignore_insufficient_data, "{}", name);
            }
        }
    }

    #[test]
    fn holds_while_ignoring(
        config in configuration(), settings in settings(), alarms in alarms(), members in members(), at in 0..50_i64, ignore in 1..12_i64, into in 0..12_i64,
    ) {
        let event = event(Direction::Up, minute(at), minute(at + ignore));
        let input = Input { config: &config, settings: &settings, alarms: &alarms, members: &members, last_event: Some(&event) };
        let decision = decide(&input, minute(at + into.min(ignore - 1)));
        prop_assert!(matches!(decision, Decision::Hold(_)), "{:?}", decision);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        config in configuration(), settings in settings(),
        (alarms, shuffled_alarms) in alarms().prop_flat_map(|a| (Just(a.clone()), Just(a).prop_shuffle())),
        (members, shuffled_members) in members().prop_flat_map(|m| (Just(m.clone()), Just(m).prop_shuffle())),
        last in last_event(), now in 0..150_i64,
    ) {
        let one = Input { config: &config, settings: &settings, alarms: &alarms, members: &members, last_event: last.as_ref() };
        let other = Input { alarms: &shuffled_alarms, members: &shuffled_members, ..one };
        prop_assert_eq!(decide(&one, minute(now)), decide(&other, minute(now)));
    }

    #[test]
    fn events_keep_their_distance_whatever_the_metrics_do(
        mut config in configuration(), settings in settings(), members in members(),
        series in proptest::collection::vec((0..=100_u32, 0..=100_u32, 1..25_usize), 1..20),
    ) {
        (config.enable, config.changed_at) = (true, None);
        config.up.alarms.clear();
        config.down.alarms.clear();
        let mut world = World::new(config.clone(), members);
        world.settings = settings;
        let minutes = series.iter().flat_map(|(cpu, memory, n)| std::iter::repeat_n((*cpu, *memory), *n));
        for (at, (cpu, memory)) in minutes.enumerate() {
            world.step(at as i64, [Some(f64::from(cpu)), Some(f64::from(memory)), None], &[]);
        }
        for pair in world.events.windows(2) {
            let ignored = config.thresholds(pair[0].1).ignore_metrics_time;
            let waited = config.thresholds(pair[1].1).thresholds_wait_time;
            prop_assert!(pair[1].0 - pair[0].0 >= i64::from(ignored + waited), "{:?}", pair);
        }
    }

    /// All else equal: the thresholds, the switches, the instances, the last event, how long the averages have been so, which alarms
    /// have no data, and how old what CloudWatch tells of them is.
    #[test]
    fn more_load_never_gives_fewer_instances(
        (mut config, settings) in (configuration(), settings()), members in members(), last in last_event(), age in 0..12_i64,
        (less, more) in (proptest::array::uniform3(0..=110_u32), proptest::array::uniform3(0..60_u32)).prop_map(|(less, more)| {
            (less, [0, 1, 2].map(|n| less[n] + more[n]))
        }),
        (silent, calm, loud) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        // More load is ALARM for an alarm that scales up and OK for one that scales down; a name in both lists would be both.
        config.up.alarms = vec!["queue".to_owned(), "silent".to_owned()];
        config.down.alarms = vec!["idle".to_owned()];
        let now = minute(100);
        let since = minute(100 - age);
        let users = |queue, idle| {
            let state = |is: bool| if is { AlarmState::Alarm } else { AlarmState::Ok };
            let missing = if silent { AlarmState::InsufficientData } else { AlarmState::Ok };
            [custom("queue", state(queue), since), custom("idle", state(idle), since), custom("silent", missing, since)]
        };
        // Whether each of the user's alarms has turned: less load may have been idle and the queue short, more load both otherwise.
        let (of_less, of_more) = (users(calm && loud, true), users(loud, !calm));
        let decided = |averages, users: &[AlarmView]| {
            let alarms = alarms_of(&config, averages, users, since);
            decide(&Input { config: &config, settings: &settings, alarms: &alarms, members: &members, last_event: last.as_ref() }, now)
        };
        let (with_less, with_more) = (decided(less, &of_less), decided(more, &of_more));
        prop_assert!(added(&with_less) <= added(&with_more), "{:?} at {:?}, {:?} at {:?}", with_less, less, with_more, more);
    }

    /// In one event, and over a whole history.
    #[test]
    fn a_layer_never_runs_more_than_its_own_instances_nor_fewer_than_its_floor(
        mut config in configuration(), settings in settings(), members in members(),
        series in proptest::collection::vec((0..=100_u32, 0..=100_u32, 1..25_usize), 1..20),
    ) {
        (config.enable, config.changed_at) = (true, None);
        config.up.alarms.clear();
        config.down.alarms.clear();
        let before = members.clone();
        let online = |members: &[Candidate]| members.iter().filter(|m| m.status == Online).count();
        let mut world = World::new(config, members);
        world.settings = settings.clone();
        let minutes = series.iter().flat_map(|(cpu, memory, n)| std::iter::repeat_n((*cpu, *memory), *n));
        for (at, (cpu, memory)) in minutes.enumerate() {
            let was = online(&world.members);
            world.step(at as i64, [Some(f64::from(cpu)), Some(f64::from(memory)), None], &[]);
            let is = online(&world.members);
            prop_assert!(is >= was || is >= settings.min_online as usize, "{} after {}", is, was);
        }
        for (then, now) in before.iter().zip(&world.members) {
            prop_assert_eq!(&then.id, &now.id);
            prop_assert!(then.status == now.status || (then.scaling == Load && !then.is_held), "{:?}", now);
        }
    }
}
