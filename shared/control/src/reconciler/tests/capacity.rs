//! Starts that EC2 refuses for want of capacity.

use strata_domain::ScalingType;
use strata_domain::model::Layer;

use super::*;

fn refusal(action: &'static str) -> (&'static str, CloudError, bool) {
    let call = action.trim_start_matches("ec2:");
    let code = "InsufficientInstanceCapacity".to_owned();
    (call, CloudError::Refused { action, code, why: "none left".to_owned() }, false)
}

/// `n` instances whose layer names fallback types.
async fn with_fallbacks(n: usize) -> World {
    let world = World::new(n).await;
    let json = r#"{"strata":{"launch":{"fallback_instance_types":["m5a.large","m6i.large"]}}}"#;
    let layer = Layer { custom_json: Some(json.to_owned()), ..samples::layer() };
    let key = keys::layer(&layer.stack_id, &layer.id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
    world
}

/// Makes the instance its scaler's.
async fn scaled(world: &World, i: usize, scaling: ScalingType) {
    let item = world.store.get(&keys::instance(&world.ids[i].0, &world.ids[i].1)).await.unwrap().unwrap();
    let record = Instance { scaling, ..item.decode().unwrap() };
    world.commit(vec![Change::put(item.key.clone(), &record, item.unchanged())]).await;
}

fn refuse(world: &World, action: &'static str, times: usize) {
    world.cloud.state().faults.extend((0..times).map(|_| refusal(action)));
}

#[tokio::test]
async fn fallback_types_are_tried_at_once_each_as_a_launch_of_its_own() {
    let world = with_fallbacks(1).await;
    refuse(&world, "ec2:RunInstances", 2);
    world.ask_start(0).await;
    world.step().await;
    assert_eq!(world.status(0).await, InstanceStatus::Pending);
    let launches: Vec<_> = world.cloud.state().launches.iter().map(|l| (l.instance_type.clone(), l.token.clone())).collect();
    assert_eq!(launches, [("m6i.large".to_owned(), "inst-01-1.2".to_owned())]);
    world.run(6).await;
    assert_eq!((world.status(0).await, world.pages().len()), (InstanceStatus::Online, 0));
}

#[tokio::test]
async fn what_was_refused_stands_in_the_record_so_that_a_crash_does_not_begin_again_at_the_first() {
    let world = with_fallbacks(1).await;
    refuse(&world, "ec2:RunInstances", 1);
    let lost = CloudError::OutcomeUnknown { action: "ec2:RunInstances", why: "reset".to_owned() };
    world.cloud.state().faults.push(("RunInstances", lost, true));
    world.ask_start(0).await;
    world.step().await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.shortage.refused_types), (InstanceStatus::Requested, vec!["m5.large".to_owned()]));
    world.run(6).await;
    assert_eq!((world.status(0).await, world.cloud.state().hosts.len()), (InstanceStatus::Online, 1));
    assert!(world.cloud.state().launches.iter().all(|l| l.instance_type == "m5a.large"), "the same launch was repeated");
}

#[tokio::test]
async fn a_restart_falls_back_by_changing_the_stopped_machine_and_the_next_one_changes_it_back() {
    let world = with_fallbacks(1).await;
    world.ask_start(0).await;
    world.step().await;
    world.run(6).await;
    let machine = || world.cloud.state().hosts[0].ec2.instance_type.clone();
    for (refusals, used) in [(1, "m5a.large"), (0, "m5.large"), (2, "m6i.large")] {
        world.ask(0, InstanceStatus::Stopping, |_| {}).await;
        world.run(6).await;
        assert_eq!(world.status(0).await, InstanceStatus::Stopped);
        refuse(&world, "ec2:StartInstances", refusals);
        world.ask_start(0).await;
        world.run(6).await;
        assert_eq!((world.status(0).await, machine().as_str()), (InstanceStatus::Online, used));
    }
    assert_eq!(world.cloud.state().hosts.len(), 1);
}

#[tokio::test]
async fn one_page_for_a_zone_however_many_hosts_fail_and_however_often_and_it_ends_when_all_are_taken() {
    let world = World::new(3).await;
    for i in 0..3 {
        // Their scaler's to try again, not lifecycle's.
        scaled(&world, i, ScalingType::Timer).await;
    }
    for round in 0..3 {
        refuse(&world, "ec2:RunInstances", 3);
        for i in 0..3 {
            world.ask_start(i).await;
        }
        world.step().await;
        world.run(1).await;
        world.flush().await;
        let open = [("start-failed".to_owned(), false)];
        assert_eq!(world.pages(), open, "round {round}");
        for i in 0..3 {
            assert_eq!(world.status(i).await, InstanceStatus::StartFailed);
        }
    }
    let page = world.cloud.state().pages[0].clone();
    assert_eq!((page.what.as_str(), page.host), ("EC2 has no capacity in eu-west-1a: web1 cannot start", None));
    world.ask_start(0).await;
    world.ask_start(1).await;
    world.run(6).await;
    world.flush().await;
    assert_eq!(world.pages().len(), 1, "one still waits");
    // The third is not needed any more.
    world.ask(2, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    assert_eq!(world.status(2).await, InstanceStatus::Stopped);
    world.flush().await;
    assert_eq!(world.pages(), [("start-failed".to_owned(), false), ("start-failed".to_owned(), true)]);
}

#[tokio::test]
async fn a_start_that_fails_again_for_another_reason_is_paged_once() {
    let world = World::new(1).await;
    for _ in 0..3 {
        let wrong =
            CloudError::Wrong { action: "ec2:RunInstances", code: "InvalidAMIID.NotFound".to_owned(), why: "?".to_owned() };
        world.cloud.state().faults.push(("RunInstances", wrong, false));
        world.ask_start(0).await;
        world.step().await;
        assert_eq!(world.status(0).await, InstanceStatus::StartFailed);
    }
    world.flush().await;
    assert_eq!(world.pages(), [("start-failed".to_owned(), false)]);
    world.ask_start(0).await;
    world.run(6).await;
    world.flush().await;
    assert_eq!(world.pages().last(), Some(&("start-failed".to_owned(), true)));
}

/// Two invocations at once: one was told "no" for the first type and has launched the second, the other's call for the first type was
/// answered late with a machine.
#[tokio::test]
async fn a_second_machine_of_one_start_is_found_and_terminated() {
    let world = with_fallbacks(1).await;
    refuse(&world, "ec2:RunInstances", 1);
    world.ask_start(0).await;
    world.step().await;
    let twin = {
        let mut state = world.cloud.state();
        let mut ec2 = state.hosts[0].ec2.clone();
        ec2.id = "i-twin".into();
        state.hosts.push(fake::Host {
            ec2,
            token: "inst-01-1".to_owned(),
            hung: false,
            agent_stuck: false,
            agent_cut_off: false,
            last_ping: None,
            container: None,
            tasks: Vec::new(),
        });
        state.hosts.len() - 1
    };
    world.run(8).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    let state = world.cloud.state();
    assert_eq!((state.hosts[0].ec2.state, state.hosts[twin].ec2.state), (Ec2State::Running, Ec2State::Terminated));
}

/// A 24/7 instance, which no scaler looks after, is asked for again after 1, 2 and 4 minutes, as long as EC2 has nothing.
#[tokio::test]
async fn a_24_7_instance_that_ec2_has_no_capacity_for_is_tried_again_by_itself_under_one_page() {
    let world = World::new(1).await;
    refuse(&world, "ec2:RunInstances", 3);
    world.ask_start(0).await;
    world.step().await;
    let mut tried_at = Vec::new();
    for minute in 1..=9 {
        let before = world.cloud.count("RunInstances");
        world.run(1).await;
        if world.cloud.count("RunInstances") > before {
            tried_at.push(minute);
        }
    }
    assert_eq!(tried_at, [1, 3, 7]);
    world.run(6).await;
    world.flush().await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.launch_number), (InstanceStatus::Online, 4), "each try is a launch of its own");
    assert_eq!((record.shortage, world.list(keys::BUSY_PK).await), (Default::default(), 0));
    assert_eq!(world.cloud.state().hosts.len(), 1);
    assert_eq!(world.pages(), [("start-failed".to_owned(), false), ("start-failed".to_owned(), true)]);
}

/// A load-based host that is being healed is not its scaler's: that thinks of it as in service.
#[tokio::test]
async fn a_healed_host_that_ec2_has_no_capacity_for_is_tried_again_by_itself() {
    let world = World::online(6).await;
    scaled(&world, 0, ScalingType::Load).await;
    world.cloud.state().hosts[0].ec2.state = Ec2State::Stopped;
    refuse(&world, "ec2:StartInstances", 2);
    world.run(20).await;
    assert_eq!((world.status(0).await, world.cloud.count("StartInstances")), (InstanceStatus::Online, 3));
}

#[tokio::test]
async fn one_that_is_stopped_or_whose_layer_is_taken_down_is_not_tried_again() {
    let world = World::new(2).await;
    refuse(&world, "ec2:RunInstances", 2);
    world.ask_start(0).await;
    world.ask_start(1).await;
    world.step().await;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    let layer = samples::layer();
    world.commit(vec![Change::put(keys::teardown_mark(&layer.stack_id, &layer.id), &(), Expect::Absent)]).await;
    world.run(30).await;
    assert_eq!((world.status(0).await, world.status(1).await), (InstanceStatus::Stopped, InstanceStatus::StartFailed));
    assert_eq!(world.cloud.count("RunInstances"), 2);
}
