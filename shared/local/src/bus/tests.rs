use jiff::SignedDuration;
use strata_triggers::{HintKind, Trigger, parse};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn emission(source: Source, n: usize) -> Emission {
    let envelope = Envelope { account: "123456789012", region: "us-east-1", at: at(0), id: &format!("event-{n}") };
    let body = match source {
        Source::CloudWatch | Source::SsmUpdate | Source::CampaignAsked | Source::TeardownAsked => format!("{{\"n\":{n}}}"),
        Source::Ec2 | Source::Spot | Source::Ecs | Source::Ssm | Source::Health => {
            strata_triggers::emit::ec2_state_change(&envelope, &format!("i-{n}"), "running")
        }
    };
    Emission { source, at: at(0), body }
}

/// The instances that a batch names, with the messages' ids.
fn hints(delivery: &Delivery) -> Vec<(String, String)> {
    let Trigger::Hints(hints) = parse(delivery.body.as_bytes()).unwrap() else { panic!("{}", delivery.body) };
    hints
        .into_iter()
        .map(|h| match h.kind {
            HintKind::Ec2State { instance, .. } => (instance.to_string(), h.message_id.unwrap()),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn all(bus: &mut Bus) -> Vec<Delivery> {
    bus.due(at(100_000))
}

#[test]
fn without_faults_everything_comes_once_and_in_order() {
    let mut bus = Bus::new(1, Profile::None);
    for n in 0..50 {
        bus.send(at(n), &emission(Source::Ec2, n as usize));
    }
    let names: Vec<_> = all(&mut bus).iter().flat_map(hints).map(|(name, _)| name).collect();
    assert_eq!(names, (0..50).map(|n| format!("i-{n}")).collect::<Vec<_>>());
    assert!(bus.take_notes().is_empty());
}

#[test]
fn the_word_of_a_request_goes_to_its_function_and_is_never_lost() {
    let mut bus = Bus::new(1, Profile::Heavy);
    for n in 0..100 {
        bus.send(at(n), &emission(Source::CampaignAsked, n as usize));
        bus.send(at(n), &emission(Source::TeardownAsked, n as usize));
    }
    let came = all(&mut bus);
    for (target, n) in [Target::SecurityUpdates, Target::Teardown].into_iter().flat_map(|t| (0..100).map(move |n| (t, n))) {
        let body = format!("{{\"n\":{n}}}");
        assert!(came.iter().any(|d| d.target == target && d.body == body), "{target:?} {n}");
    }
}

#[test]
fn hints_are_gathered_for_a_second_and_a_full_batch_does_not_wait() {
    let mut bus = Bus::new(1, Profile::None);
    for n in 0..3 {
        bus.send(at(0), &emission(Source::Ec2, n));
    }
    let half = SignedDuration::from_millis(500);
    assert_eq!(bus.next_due(), Some(at(0) + half));
    assert!(bus.due(at(1)).is_empty(), "gathering");
    assert_eq!(bus.next_due(), Some(at(1) + half));
    let batch = bus.due(at(2));
    assert_eq!((batch.len(), batch[0].messages, batch[0].at, batch[0].target), (1, 3, at(1) + half, Target::InstanceLifecycle));
    for n in 0..250 {
        bus.send(at(10), &emission(Source::Ecs, n));
    }
    let sizes: Vec<_> = bus.due(at(20)).iter().map(|d| (d.messages, d.at)).collect();
    let (arrival, close) = (at(10) + half, at(11) + half);
    assert_eq!(sizes, [(100, arrival), (100, arrival), (50, close)]);
    assert_eq!(bus.next_due(), None);
}

#[test]
fn each_source_goes_where_it_belongs() {
    use Target::*;
    for (source, targets) in [
        (Source::Ec2, vec![InstanceLifecycle]),
        (Source::Spot, vec![InstanceLifecycle]),
        (Source::Ecs, vec![InstanceLifecycle]),
        (Source::Ssm, vec![InstanceLifecycle]),
        (Source::SsmUpdate, vec![SecurityUpdates, InstanceLifecycle]),
        (Source::CloudWatch, vec![LoadScaling]),
        (Source::Health, vec![InstanceLifecycle]),
    ] {
        let mut bus = Bus::new(1, Profile::None);
        bus.send(at(0), &emission(source, 0));
        assert_eq!(all(&mut bus).iter().map(|d| d.target).collect::<Vec<_>>(), targets, "{source:?}");
    }
}

#[test]
fn best_effort_sources_lose_double_and_reorder_while_alarms_are_never_lost() {
    let mut bus = Bus::new(3, Profile::Heavy);
    for n in 0..2_000 {
        bus.send(at(n), &emission(Source::Ec2, n as usize));
    }
    let names: Vec<_> = all(&mut bus).iter().flat_map(hints).map(|(name, _)| name).collect();
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert!((1_600..1_800).contains(&unique.len()), "{}", unique.len());
    assert!(names.len() > unique.len() + 100, "{} {}", names.len(), unique.len());
    let number = |name: &String| name[2..].parse::<u32>().unwrap();
    assert!(names.windows(2).filter(|w| number(&w[0]) > number(&w[1])).count() > 100);
    let notes = bus.take_notes();
    assert_eq!(notes.iter().filter(|n| n.effect == "lost").count(), 2_000 - unique.len());

    let mut bus = Bus::new(3, Profile::Heavy);
    for n in 0..2_000 {
        bus.send(at(n), &emission(Source::CloudWatch, n as usize));
    }
    let bodies: std::collections::BTreeSet<_> = all(&mut bus).into_iter().map(|d| d.body).collect();
    assert_eq!(bodies.len(), 2_000);
}

#[test]
fn failed_messages_come_again_and_become_dead_letters_after_five_times() {
    let mut bus = Bus::new(1, Profile::None);
    for n in 0..2 {
        bus.send(at(0), &emission(Source::Ec2, n));
    }
    let batch = bus.due(at(10)).remove(0);
    let bad = hints(&batch)[1].clone();
    bus.done(at(10), batch.id, &Done::Except(vec![bad.1.clone()]));
    for round in 0..4 {
        let now = at(10 + (round + 1) * 100);
        let again = bus.due(now).remove(0);
        assert_eq!(hints(&again), std::slice::from_ref(&bad), "the same message, round {round}");
        bus.done(now, again.id, &Done::Failed);
    }
    assert_eq!(bus.next_due(), None);
    assert_eq!(bus.take_notes().iter().map(|n| n.effect).collect::<Vec<_>>(), ["dead letter"]);
}

#[test]
fn a_direct_invocation_is_repeated_after_one_minute_and_after_two_more() {
    let mut bus = Bus::new(1, Profile::None);
    bus.send(at(0), &emission(Source::CloudWatch, 0));
    let mut now = at(1);
    for wait in [60, 120] {
        let delivery = bus.due(now).remove(0);
        bus.done(now, delivery.id, &Done::Failed);
        assert_eq!(bus.next_due(), Some(now + SignedDuration::from_secs(wait)));
        now += SignedDuration::from_secs(wait);
    }
    let last = bus.due(now).remove(0);
    bus.done(now, last.id, &Done::Failed);
    assert_eq!(bus.next_due(), None);
}

#[test]
fn the_same_seed_gives_the_same_deliveries() {
    let run = |seed| {
        let mut bus = Bus::new(seed, Profile::Heavy);
        for n in 0..300 {
            bus.send(at(n), &emission(Source::Ecs, n as usize));
        }
        all(&mut bus)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
