//! A freeze in the middle of things.

use super::*;

/// Minutes until everything that is asked for here is done.
const ENOUGH: usize = 20;

/// Eight hosts: one is stopped, one is started, one is healed because somebody stopped it in EC2. With `freeze_at`, nothing may be done
/// from that minute on for five minutes.
///
/// What each host came to, and how often each changing call was made.
async fn busy_quarter_of_an_hour(freeze_at: Option<usize>) -> (Vec<InstanceStatus>, Vec<&'static str>) {
    let world = World::online(8).await;
    world.ask(7, InstanceStatus::Stopping, |_| {}).await;
    world.run(ENOUGH).await;
    assert_eq!(world.status(7).await, InstanceStatus::Stopped);
    world.cloud.state().calls.clear();

    world.put_tasks(0, vec![task(1, true)]);
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.ask_start(7).await;
    world.cloud.state().hosts[1].ec2.state = Ec2State::Stopped;
    for minute in 0..ENOUGH {
        if freeze_at == Some(minute) {
            let before = world.calls();
            world.cloud.state().mode = Some(Mode::Frozen);
            world.run(5).await;
            assert_eq!(world.calls(), before, "nothing is done from the flip in minute {minute} on");
            world.cloud.state().mode = Some(Mode::Active);
        }
        world.run(1).await;
    }
    let mut statuses = Vec::new();
    for i in 0..8 {
        statuses.push(world.status(i).await);
    }
    let mut calls = world.calls();
    calls.sort_unstable();
    (statuses, calls)
}

/// The calls that switch machines on and off or take them out of their cluster.
fn of_machines<'a>(calls: &[&'a str]) -> Vec<&'a str> {
    let of_machines = ["RunInstances", "StartInstances", "StopInstances", "TerminateInstances", "DeregisterContainerInstance"];
    calls.iter().filter(|call| of_machines.contains(call)).copied().collect()
}

/// Whatever is under way when somebody freezes the installation stands still at once, its deadlines too, and when it is thawed it goes on
/// where it stood: the same hosts come to the same, by the same calls on machines and no more calls in all.
#[tokio::test]
async fn a_freeze_at_any_minute_makes_no_changing_call_and_a_thaw_no_more_than_there_would_have_been() {
    let (statuses, calls) = busy_quarter_of_an_hour(None).await;
    let mut expected = vec![InstanceStatus::Online; 8];
    expected[0] = InstanceStatus::Stopped;
    assert_eq!(statuses, expected);
    assert!(calls.contains(&"StopInstances") && calls.contains(&"StartInstances"), "{calls:?}");
    for minute in 0..12 {
        let (came_to, made) = busy_quarter_of_an_hour(Some(minute)).await;
        assert_eq!((&came_to, of_machines(&made)), (&statuses, of_machines(&calls)), "frozen in minute {minute}");
        assert!(made.len() <= calls.len(), "frozen in minute {minute}: {made:?} instead of {calls:?}");
    }
}

/// A drain whose time is two minutes, frozen for an hour: its tasks still have the rest of their time.
#[tokio::test]
async fn a_drain_that_a_freeze_outlasts_has_the_rest_of_its_time_at_the_thaw() {
    let world = World::online(2).await;
    world.put_tasks(0, vec![task(1, false)]);
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(1).await;
    assert!(world.calls().contains(&"Drain"), "{:?}", world.calls());
    world.cloud.state().mode = Some(Mode::Frozen);
    world.run(60).await;
    let frozen = world.record(0).await.unwrap();
    assert_eq!((frozen.status, frozen.care.frozen_since.is_some()), (InstanceStatus::ShuttingDown, true));
    world.cloud.state().mode = Some(Mode::Active);
    world.run(1).await;
    assert!(!world.calls().contains(&"StopTask"), "{:?}", world.calls());
    world.run(4).await;
    assert!(world.calls().contains(&"StopTask"), "{:?}", world.calls());
    assert_eq!(world.status(0).await, InstanceStatus::Stopped);
}

/// A start that may not set its machine up has not failed: it goes on at the thaw, whatever the mode that kept it.
#[tokio::test]
async fn a_start_that_is_frozen_for_hours_comes_online_after_the_thaw_and_wakes_nobody() {
    for mode in [Mode::Frozen, Mode::Observe] {
        for minutes_before in 0..3 {
            let world = World::online(2).await;
            world.ask(0, InstanceStatus::Stopping, |_| {}).await;
            world.run(ENOUGH).await;
            world.ask_start(0).await;
            world.run(minutes_before).await;
            world.cloud.state().mode = Some(mode);
            world.run(180).await;
            world.cloud.state().mode = Some(Mode::Active);
            world.run(ENOUGH).await;
            world.flush().await;
            assert_eq!(world.status(0).await, InstanceStatus::Online, "{mode:?} after {minutes_before} minutes");
            assert_eq!(world.pages(), [], "{mode:?} after {minutes_before} minutes");
        }
    }
}
