//! What EC2 announces: drained ahead, a stand-in started, restored afterwards.

use strata_domain::ScalingType;
use strata_domain::announced::Announced;
use strata_domain::load_based::Configuration;
use strata_ports::ScheduledEvent;

use super::*;

impl World {
    /// EC2 schedules this for a host, so many minutes from now.
    fn schedule(&self, i: usize, what: Announced, minutes: i64) {
        let mut state = self.cloud.state();
        let host = state.hosts[i].ec2.id.clone();
        let not_before = state.now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        state.scheduled.push(ScheduledEvent { host, what, not_before });
    }

    async fn spot(&self, i: usize, what: Announced) -> bool {
        let machine = self.record(i).await.unwrap().ec2_instance_id.unwrap();
        self.reconciler.on_spot_notice(&self.ids[i], &machine, what, "spot").await.unwrap().is_some()
    }

    /// Makes a stopped, load-based one of an instance, in a layer whose scaling is on.
    async fn make_spare(&self, i: usize, is_scaled: bool) {
        let (stack, id) = &self.ids[i];
        let item = self.store.get(&keys::instance(stack, id)).await.unwrap().unwrap();
        let record = Instance { scaling: ScalingType::Load, ..item.decode().unwrap() };
        let layer = record.layer_ids[0].clone();
        let scaling = Configuration { enable: is_scaled, ..Configuration::default() };
        let changes = vec![
            Change::put(item.key.clone(), &record, item.unchanged()),
            Change::put(keys::load_based(stack, &layer), &scaling, Expect::Absent),
        ];
        self.commit(changes).await;
    }

    async fn claimed(&self, i: usize) -> bool {
        let (stack, id) = &self.ids[i];
        self.exists(keys::claim(stack, id)).await
    }
}

/// The last one of `n` instances is stopped and load-based.
async fn with_spare(n: usize, is_scaled: bool) -> World {
    let world = World::online(n).await;
    world.ask(n - 1, InstanceStatus::Stopping, |_| {}).await;
    world.run(10).await;
    world.make_spare(n - 1, is_scaled).await;
    world.flush().await;
    world.cloud.state().calls.clear();
    world.cloud.state().pages.clear();
    world
}

#[tokio::test]
async fn a_spot_interruption_is_told_once_drains_at_once_and_starts_a_stand_in() {
    let world = with_spare(4, true).await;
    assert!(world.spot(0, Announced::SpotInterruption).await);
    assert!(!world.spot(0, Announced::SpotInterruption).await, "once");
    world.run(1).await;
    assert!(world.calls().starts_with(&["StartInstances", "Drain"]), "{:?}", world.calls());
    let spare = world.record(3).await.unwrap();
    assert_eq!((spare.initiated_by, spare.status), (Some(InitiatedBy::AutoHealing), InstanceStatus::Pending));
    // EC2 takes the machine: it is replaced as any lost one, and nothing of the claim is left.
    world.cloud.state().hosts[0].ec2.state = Ec2State::Terminated;
    world.run(15).await;
    world.flush().await;
    assert_eq!((world.status(0).await, world.status(3).await), (InstanceStatus::Online, InstanceStatus::Online));
    assert!(!world.claimed(0).await);
    assert_eq!(world.pages().iter().filter(|(kind, _)| kind == "spot-interruption").count(), 1);
}

#[tokio::test]
async fn without_a_spare_a_spot_host_is_drained_all_the_same_and_given_back_if_ec2_does_not_take_it() {
    for is_scaled in [false, true] {
        let world = with_spare(4, is_scaled).await;
        if is_scaled {
            let (stack, id) = world.ids[3].clone();
            let hold = Hold {
                target: strata_domain::holds::HoldTarget::Instance(id.clone()),
                kind: strata_domain::holds::HoldKind::ManualStop,
                by: "ada".to_owned(),
                reason: "stopped by hand".to_owned(),
                since: world.cloud.now(),
                until: None,
            };
            world.commit(vec![Change::put(keys::instance_hold(&stack, &id, "manual-stop"), &hold, Expect::Absent)]).await;
        }
        assert!(world.spot(0, Announced::SpotInterruption).await);
        world.run(3).await;
        assert_eq!(world.calls(), ["Drain"]);
        assert_eq!(world.status(3).await, InstanceStatus::Stopped);
        world.run(25).await;
        assert_eq!(world.calls(), ["Drain", "Activate"]);
        assert!(!world.claimed(0).await);
    }
}

#[tokio::test]
async fn a_recommendation_to_rebalance_costs_no_capacity_where_nobody_stands_in() {
    let world = with_spare(4, false).await;
    assert!(world.spot(0, Announced::Rebalance).await);
    world.run(5).await;
    assert_eq!(world.calls(), [""; 0]);
    let world = with_spare(4, true).await;
    assert!(world.spot(0, Announced::Rebalance).await);
    world.run(2).await;
    assert!(world.calls().contains(&"Drain") && world.calls().contains(&"StartInstances"), "{:?}", world.calls());
}

/// Told when it is seen, drained two hours ahead, stopped and started by us, and in service again long before EC2 would have stopped it.
#[tokio::test]
async fn a_retirement_is_told_drained_for_ahead_and_restarted_on_other_hardware() {
    let world = World::online(3).await;
    world.schedule(0, Announced::InstanceRetirement, 150);
    world.run(28).await;
    world.flush().await;
    assert_eq!((world.calls(), world.pages()), (Vec::new(), vec![("scheduled-event".to_owned(), false)]));
    world.run(25).await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.heals.len(), record.drained_for), (InstanceStatus::Online, 1, None));
    let expected = ["Drain", "StopInstances", "DeregisterContainerInstance", "StartInstances"];
    assert!(world.calls().starts_with(&expected), "{:?}", world.calls());
    assert!(!world.claimed(0).await);
    world.run(200).await;
    assert_eq!(world.record(0).await.unwrap().heals.len(), 1, "once");
}

/// [HEAL-2]
#[tokio::test]
async fn with_healing_off_a_retiring_host_is_drained_and_not_restarted_by_us() {
    let world = World::online(3).await;
    let mut layer = samples::layer();
    layer.enable_auto_healing = false;
    let item = world.store.get(&keys::layer(&layer.stack_id, &layer.id)).await.unwrap().unwrap();
    world.commit(vec![Change::put(item.key.clone(), &layer, item.unchanged())]).await;
    world.schedule(0, Announced::InstanceRetirement, 60);
    world.run(20).await;
    assert_eq!(world.calls(), ["Drain"]);
}

#[tokio::test]
async fn a_reboot_by_ec2_finds_the_host_out_of_service_and_its_end_brings_it_back() {
    let world = World::online(3).await;
    world.schedule(0, Announced::SystemReboot, 60);
    world.run(5).await;
    assert!(world.record(0).await.unwrap().out_of_service_since.is_some());
    world.cloud.state().scheduled.clear();
    world.run(3).await;
    let record = world.record(0).await.unwrap();
    assert_eq!((world.calls(), record.drained_for, record.out_of_service_since), (vec!["Drain", "Activate"], None, None));
    assert!(!world.claimed(0).await);
}

/// Two hosts of a layer with the same time go one after the other, unless it is the last half hour.
#[tokio::test]
async fn hosts_with_the_same_time_are_drained_one_at_a_time_until_the_last_half_hour() {
    for (minutes, out) in [(100, 1), (30, 2)] {
        let world = World::online(6).await;
        world.schedule(0, Announced::SystemReboot, minutes);
        world.schedule(1, Announced::SystemReboot, minutes);
        world.run(4).await;
        let is_draining =
            |h: &super::fake::Host| h.container.as_ref().is_some_and(|c| c.state == ContainerInstanceState::Draining);
        assert_eq!(world.cloud.state().hosts.iter().filter(|h| is_draining(h)).count(), out, "{minutes} minutes ahead");
    }
}

#[tokio::test]
async fn in_observe_it_is_told_what_would_be_done_and_nothing_is() {
    let world = World::online(3).await;
    world.cloud.state().mode = Some(Mode::Observe);
    world.schedule(0, Announced::InstanceRetirement, 60);
    world.run(5).await;
    assert_eq!((world.calls(), world.claimed(0).await), (Vec::new(), false));
    world.cloud.state().mode = Some(Mode::Active);
    world.run(2).await;
    assert!(world.calls().contains(&"Drain"), "{:?}", world.calls());
}
