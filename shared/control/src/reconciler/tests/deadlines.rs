//! Steps whose time is over: each ends in its failed status, with a service error and one page.

use super::*;

/// One way to be stuck for so many minutes, and how that ends.
struct Row {
    status: InstanceStatus,
    machine: Ec2State,
    minutes: i64,
    change: fn(&mut Instance),
    ends: (InstanceStatus, &'static str, &'static str),
}

fn row(status: InstanceStatus, machine: Ec2State, minutes: i64, ends: (InstanceStatus, &'static str, &'static str)) -> Row {
    Row { status, machine, minutes, change: |_| {}, ends }
}

/// One host whose machine is in that state, and nothing moves for that long; then one look.
async fn stuck(row: &Row) -> World {
    let world = World::online(1).await;
    {
        let mut state = world.cloud.state();
        let host = &mut state.hosts[0];
        (host.ec2.state, host.last_ping) = (row.machine, None);
        host.container.as_mut().unwrap().agent_connected = false;
    }
    world
        .ask(0, row.status, |record| {
            record.setup_command = None;
            record.started_at = Some(world.cloud.now());
            (row.change)(record);
        })
        .await;
    {
        let mut state = world.cloud.state();
        state.now = state.now.checked_add(SignedDuration::from_mins(row.minutes)).unwrap();
    }
    world.step().await;
    world
}

/// The types of all service errors; each is found by its id too [SVE-1].
async fn service_errors(world: &World) -> Vec<String> {
    let errors = Listing::of(keys::stack_pk(&world.ids[0].0), keys::SERVICE_ERROR);
    let items = world.store.list(&errors).await.unwrap();
    let errors: Vec<ServiceError> = items.iter().map(|item| item.decode().unwrap()).collect();
    for error in &errors {
        assert!(world.exists(keys::pointer(error.id.as_str())).await, "{error:?}");
        // [SVE-3]: the one text that is documented, for the one failure that has it.
        let is_documented = error.message == "The shutdown of the instance timed out. Please try stopping it again.";
        assert_eq!(is_documented, error.error_type == "InstanceStop", "{error:?}");
    }
    errors.into_iter().map(|error| error.error_type).collect()
}

/// [INST-10] [INST-14] [INST-23] [SVE-1] [SVE-2] [SVE-3] [SVE-4]: what only the status and a service error tell, and the page that wakes on-call.
#[tokio::test]
async fn sve_2_a_step_whose_time_is_over_ends_failed_with_one_service_error_and_one_page() {
    use InstanceStatus as S;
    let registered = |record: &mut Instance| record.origin = Origin::RegisteredEc2;
    let healing = |record: &mut Instance| (record.healing, record.initiated_by) = (true, Some(InitiatedBy::AutoHealing));
    let store = |record: &mut Instance| record.root_device_type = RootDeviceType::InstanceStore;
    let start_failed = (S::StartFailed, "InstanceStart", "start-failed");
    let setup_failed = (S::SetupFailed, "InstanceSetup", "setup-failed");
    let stop_failed = (S::StopFailed, "InstanceStop", "stop-failed");
    for case in [
        row(S::Requested, Ec2State::Stopped, 60, start_failed),
        row(S::Pending, Ec2State::Pending, 20, start_failed),
        row(S::Booting, Ec2State::Running, 20, start_failed),
        row(S::RunningSetup, Ec2State::Running, 20, setup_failed),
        Row { change: registered, ..row(S::Registering, Ec2State::Running, 20, setup_failed) },
        Row { change: registered, ..row(S::Assigning, Ec2State::Running, 20, setup_failed) },
        row(S::ShuttingDown, Ec2State::Running, 22, stop_failed),
        row(S::ShuttingDown, Ec2State::Stopping, 22, stop_failed),
        Row { change: store, ..row(S::Terminated, Ec2State::Running, 20, stop_failed) },
        Row { change: healing, ..row(S::Stopping, Ec2State::Running, 20, stop_failed) },
        row(S::Rebooting, Ec2State::Running, 20, (S::ConnectionLost, "InstanceHealing", "auto-healing")),
    ] {
        let (status, error, page) = case.ends;
        let what = format!("{} with its machine {:?}", case.status, case.machine);
        let in_time = stuck(&Row { minutes: case.minutes - 1, ..case }).await;
        in_time.flush().await;
        assert_eq!((in_time.pages(), service_errors(&in_time).await), (vec![], vec![]), "{what}, in time");
        let world = stuck(&case).await;
        world.step().await;
        world.flush().await;
        assert_eq!(world.status(0).await, status, "{what}");
        // That its ECS agent is silent is a fact of its own, told beside it.
        let errors = service_errors(&world).await.into_iter().filter(|error| error != "EcsRegistration");
        assert_eq!(errors.collect::<Vec<_>>(), [error], "{what}");
        assert!(world.record(0).await.unwrap().last_service_error_id.is_some(), "{what}");
        assert_eq!(world.pages(), [(page.to_owned(), false)], "{what}");
    }
}

/// A host that a reboot has lost and that is healed then is one incident: one page, and one when it is over.
#[tokio::test]
async fn a_host_that_does_not_come_back_from_a_reboot_is_healed_under_one_page() {
    let world = World::online(6).await;
    world.ask(0, InstanceStatus::Rebooting, |_| {}).await;
    world.cloud.state().hosts[0].hung = true;
    world.run(40).await;
    world.flush().await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.heals.len()), (InstanceStatus::Online, 1));
    assert_eq!(world.pages(), [("auto-healing".to_owned(), false), ("auto-healing".to_owned(), true)]);
}

/// [HEAL-8] [REG-1]: nothing but the registration is there, and its machine is brought back all the same.
#[tokio::test]
async fn heal_8_a_registered_machine_in_no_layer_that_somebody_stopped_in_ec2_is_brought_back() {
    let world = World::online(1).await;
    world
        .ask(0, InstanceStatus::Registered, |record| {
            (record.origin, record.has_been_online, record.container_instance_arn) = (Origin::RegisteredEc2, false, None);
            record.layer_ids.clear();
        })
        .await;
    {
        let mut state = world.cloud.state();
        (state.hosts[0].container, state.hosts[0].ec2.state) = (None, Ec2State::Stopped);
    }
    world.run(20).await;
    world.flush().await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.heals.len(), record.layer_ids.len()), (InstanceStatus::Registered, 1, 0));
    assert_eq!(world.cloud.state().hosts[0].ec2.state, Ec2State::Running);
    let told = world.statuses_told(0).await;
    let expected = ["connection_lost", "stopping", "requested", "pending", "booting", "running_setup", "registered"];
    assert!(told.ends_with(&expected.map(str::to_owned)), "{told:?}");
    assert_eq!(world.pages(), [("auto-healing".to_owned(), false), ("auto-healing".to_owned(), true)]);
    assert_eq!(world.list(keys::BUSY_PK).await, 0);
}
