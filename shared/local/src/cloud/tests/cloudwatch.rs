//! CloudWatch alarms, and what goes out to people.

use strata_domain::LayerId;
use strata_domain::mode::Mode;
use strata_ports::{AlarmSpec, AlarmState, Alarms, Compute, ModeScope, Modes};
use strata_triggers::{AlarmEvent, AlarmForm, Trigger, parse};

use crate::cloud::testkit::{World, config};
use crate::cloud::{CustomAlarm, LayerMetrics};

fn spec(periods: u32) -> AlarmSpec {
    AlarmSpec {
        name: "strata/shop/ecs-cluster/up-cpu".to_owned(),
        layer_id: LayerId::new("layer"),
        metric: "cpu".to_owned(),
        above: true,
        threshold: 80.0,
        evaluation_periods: periods,
    }
}

async fn minute(w: &mut World, cpu: Option<f64>) -> AlarmState {
    let metrics = LayerMetrics { cpu, ..LayerMetrics::default() };
    w.cloud.publish_layer_metrics(&LayerId::new("layer"), metrics, w.now());
    w.pass(60).await;
    state(w).await.unwrap()
}

async fn state(w: &World) -> Option<AlarmState> {
    w.cloud.describe(&w.scope, &[spec(1).name]).await.unwrap().pop().map(|a| a.state)
}

fn alarms(w: &mut World) -> Vec<AlarmEvent> {
    let events = std::mem::take(&mut w.told).into_iter().map(|e| parse(e.body.as_bytes()).unwrap());
    events.flat_map(|t| if let Trigger::Alarm(events) = t { events } else { Vec::new() }).collect()
}

#[tokio::test(start_paused = true)]
async fn an_alarm_fires_after_all_its_periods_and_clears_at_the_first_inside() {
    use AlarmState::*;
    let mut w = World::new(config());
    w.cloud.put(&w.scope, &[spec(3)]).await.unwrap();
    assert_eq!(state(&w).await, Some(InsufficientData));
    let day = [
        (Some(80.0), Ok),
        (Some(80.1), Ok),
        (Some(95.0), Ok),
        (Some(95.0), Alarm),
        (None, Alarm),
        (Some(90.0), Alarm),
        (Some(80.0), Ok),
        (None, Ok),
        (None, Ok),
        (None, InsufficientData),
        (Some(99.0), InsufficientData),
        (Some(99.0), InsufficientData),
        (Some(99.0), Alarm),
    ];
    for (n, (cpu, expected)) in day.into_iter().enumerate() {
        assert_eq!(minute(&mut w, cpu).await, expected, "minute {n}");
    }
    let told: Vec<_> = alarms(&mut w).into_iter().map(|a| (a.previous_state.unwrap(), a.state)).collect();
    assert_eq!(told, [(InsufficientData, Ok), (Ok, Alarm), (Alarm, Ok), (Ok, InsufficientData), (InsufficientData, Alarm)]);
}

#[tokio::test(start_paused = true)]
async fn the_transitions_time_is_the_evaluations_and_the_reason_says_why() {
    let mut w = World::new(config());
    w.cloud.put(&w.scope, &[spec(1)]).await.unwrap();
    let at = w.now();
    minute(&mut w, Some(90.0)).await;
    let since = w.cloud.describe(&w.scope, &[spec(1).name]).await.unwrap()[0].since;
    assert_eq!(since.duration_since(at).as_secs(), 5);
    let told = alarms(&mut w).remove(0);
    assert_eq!((told.at, told.name, told.form), (since, spec(1).name, AlarmForm::EventBridge));
    assert!(told.reason.contains("greater than the threshold (80)"), "{}", told.reason);
}

#[tokio::test(start_paused = true)]
async fn an_overwritten_alarm_keeps_its_state_and_a_deleted_one_is_missing() {
    let mut w = World::new(config());
    w.cloud.put(&w.scope, &[spec(1)]).await.unwrap();
    assert_eq!(minute(&mut w, Some(90.0)).await, AlarmState::Alarm);
    w.cloud.put(&w.scope, &[AlarmSpec { threshold: 95.0, ..spec(1) }]).await.unwrap();
    assert_eq!(state(&w).await, Some(AlarmState::Alarm));
    assert_eq!(minute(&mut w, Some(90.0)).await, AlarmState::Ok);
    for _ in 0..2 {
        w.cloud.delete(&w.scope, &[spec(1).name]).await.unwrap();
    }
    assert_eq!(state(&w).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_new_alarm_looks_back_at_the_data_points_that_were_there_before_it() {
    let mut w = World::new(config());
    for _ in 0..5 {
        w.cloud.publish_layer_metrics(
            &LayerId::new("layer"),
            LayerMetrics { cpu: Some(90.0), ..LayerMetrics::default() },
            w.now(),
        );
        w.pass(60).await;
    }
    w.cloud.put(&w.scope, &[spec(5)]).await.unwrap();
    assert_eq!(minute(&mut w, Some(90.0)).await, AlarmState::Alarm);
}

#[tokio::test(start_paused = true)]
async fn custom_alarms_watch_their_own_metric_can_be_set_by_hand_and_tell_in_every_form() {
    for form in [AlarmForm::EventBridge, AlarmForm::Sns, AlarmForm::Direct] {
        let mut w = World::new(config());
        let alarm = CustomAlarm { name: "queue".to_owned(), above: false, threshold: 1.0, evaluation_periods: 1, form };
        w.cloud.create_custom_alarm(&alarm);
        w.cloud.publish_custom_metric("queue", Some(0.5), w.now());
        w.pass(60).await;
        w.cloud.set_alarm_state("queue", AlarmState::Ok);
        w.cloud.set_alarm_state("queue", AlarmState::Ok);
        w.pass(60).await;
        let told: Vec<_> = alarms(&mut w).into_iter().map(|a| (a.name, a.state, a.form)).collect();
        assert_eq!(told, [("queue".to_owned(), AlarmState::Alarm, form), ("queue".to_owned(), AlarmState::Ok, form)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_alarms_are_one_call() {
    let w = World::new(config());
    let names: Vec<String> = (0..201).map(|n| format!("alarm{n}")).collect();
    assert!(w.cloud.describe(&w.scope, &names).await.unwrap().is_empty());
    assert_eq!(w.cloud.calls()["cloudwatch:DescribeAlarms"], 3);
}

#[tokio::test(start_paused = true)]
async fn modes_are_what_was_set_and_can_be_unreadable() {
    let w = World::new(config());
    assert_eq!(w.cloud.read(&[ModeScope::Installation]).await, Ok(vec![None]));
    w.cloud.set_mode(ModeScope::Installation, Some(Mode::Frozen));
    assert_eq!(w.cloud.read(&[ModeScope::Installation]).await, Ok(vec![Some(Mode::Frozen)]));
    w.cloud.set_modes_unreadable(true);
    assert!(w.cloud.read(&[ModeScope::Installation]).await.is_err());
    w.cloud.set_modes_unreadable(false);
    w.cloud.set_mode(ModeScope::Installation, None);
    assert_eq!(w.cloud.read(&[ModeScope::Installation]).await, Ok(vec![None]));
}

#[tokio::test(start_paused = true)]
async fn calls_take_their_latency_of_virtual_time() {
    let mut settings = config();
    settings.api.read_latency = crate::cloud::Spread::fixed_ms(40);
    let w = World::new(settings);
    let before = w.now();
    w.cloud.describe_exceptions(&w.scope).await.unwrap();
    assert_eq!(w.now().duration_since(before).as_millis(), 40);
    Compute::describe_instances(&*w.cloud, &w.scope, &[], strata_ports::StatusChecks::Asked).await.unwrap();
    assert_eq!(w.now().duration_since(before).as_millis(), 40, "nothing to ask costs nothing");
}
