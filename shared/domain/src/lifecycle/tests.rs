//! Tables beside the rules. A step is written in one line: `act Drain`, `move online`, `wait`, `settled`.

use jiff::Timestamp;

use super::*;
use crate::ScalingType;
use crate::claims::DrainPolicy;
use crate::instance_actions::Origin;
use crate::model::{Attached, Care, DeleteRequest, RootDeviceType};

mod deadlines;
mod silent_agent;
mod unassigned;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(super) fn ec2_host(state: HostState) -> Ec2Host {
    Ec2Host {
        id: "i-1".into(),
        state,
        impaired: false,
        instance_type: "m5.large".into(),
        launched_at: at(-1000),
        private_ip: None,
        public_ip: None,
        volumes: Vec::new(),
    }
}

pub(super) fn container_host() -> ContainerHost {
    ContainerHost {
        arn: "c-1".into(),
        active: true,
        agent_connected: true,
        tasks: Some(TaskCounts::default()),
        registered_at: at(-900),
    }
}

/// An EBS-backed instance with its machine, in `status` since second 0, started then.
pub(crate) fn record(status: InstanceStatus) -> Instance {
    Instance {
        id: "inst".into(),
        stack_id: "stack".into(),
        origin: Origin::Created,
        registration: None,
        layer_ids: vec!["layer".into()],
        hostname: "web1".into(),
        instance_type: "m5.large".into(),
        os: "Amazon Linux 2023".into(),
        ami_id: None,
        subnet_id: "subnet".into(),
        availability_zone: "eu-west-1a".into(),
        root_device_type: RootDeviceType::Ebs,
        scaling: ScalingType::AlwaysOn,
        architecture: "x86_64".into(),
        virtualization_type: "hvm".into(),
        block_device_mappings: Vec::new(),
        ssh_key_name: None,
        install_updates_on_boot: true,
        ebs_optimized: false,
        agent_version: "INHERIT".into(),
        tenancy: None,
        created_at: at(-5000),
        status,
        status_since: at(0),
        status_sequence: 7,
        initiated_by: Some(InitiatedBy::User),
        launch_number: 1,
        started_at: Some(at(0)),
        shortage: crate::model::Shortage::default(),
        online_since: None,
        has_been_online: false,
        ec2_instance_id: Some("i-1".into()),
        container_instance_arn: None,
        private_ip: None,
        public_ip: None,
        volumes: Vec::new(),
        volumes_noted_of: None,
        elastic_ip: None,
        attached: Attached::default(),
        setup_command: None,
        shutdown_command: None,
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        healing: false,
        heals: Vec::new(),
        care: Care::default(),
        delete: None,
        last_service_error_id: None,
    }
}

pub(super) fn online_record() -> Instance {
    Instance {
        has_been_online: true,
        setup_command: Some("setup".into()),
        container_instance_arn: Some("c-1".into()),
        ..record(InstanceStatus::Online)
    }
}

pub(super) fn lost_record() -> Instance {
    Instance { status: InstanceStatus::ConnectionLost, ..online_record() }
}

/// A healthy host in the cluster.
pub(super) fn well(now: i64) -> Observed {
    Observed {
        ec2: Ec2Seen::Seen(ec2_host(HostState::Running)),
        container: ContainerSeen::Seen(container_host()),
        last_ping: PingSeen::At(at(now)),
        ..Observed::nothing()
    }
}

pub(super) fn ec2_only(state: HostState) -> Observed {
    Observed {
        ec2: Ec2Seen::Seen(ec2_host(state)),
        container: ContainerSeen::Absent,
        last_ping: PingSeen::Never,
        ..Observed::nothing()
    }
}

fn ec2_launched_at(state: HostState, seconds: i64) -> Observed {
    Observed { ec2: Ec2Seen::Seen(Ec2Host { launched_at: at(seconds), ..ec2_host(state) }), ..ec2_only(state) }
}

pub(super) fn with_container(seen: &Observed, container: ContainerHost) -> Observed {
    Observed { container: ContainerSeen::Seen(container), ..seen.clone() }
}

pub(super) fn tasks(service: u32, protected: u32, standalone: u32, daemon: u32) -> Option<TaskCounts> {
    Some(TaskCounts { service, protected, standalone, daemon })
}

pub(super) fn brief(step: &Step) -> String {
    match step {
        Step::Settled { notice: None, .. } => "settled".to_owned(),
        Step::Settled { notice: Some(n), .. } => format!("settled, {}", n.kind()),
        Step::Wait { notice: None, .. } => "wait".to_owned(),
        Step::Wait { notice: Some(n), .. } => format!("wait, {}", n.kind()),
        Step::Act { action, .. } => format!("act {action:?}"),
        Step::Move { to, .. } => format!("move {to}"),
        Step::Note { .. } => "note".to_owned(),
        Step::Remove { .. } => "remove".to_owned(),
    }
}

#[track_caller]
pub(super) fn check_with(record: &Instance, seen: &Observed, rules: &Rules, now: i64, expected: &str) -> Step {
    let step = next(record, seen, rules, at(now));
    assert_eq!(brief(&step), expected, "{} at {now}: {step:?}", record.status);
    step
}

#[track_caller]
pub(super) fn check(record: &Instance, seen: &Observed, now: i64, expected: &str) -> Step {
    check_with(record, seen, &Rules::default(), now, expected)
}

/// The record that a `Move` or `Note` writes, in its new status.
pub(super) fn changed(step: Step, now: i64) -> Instance {
    match step {
        Step::Move { to, record, .. } => Instance { status: to, status_since: at(now), ..*record },
        Step::Note { record, .. } => *record,
        other => panic!("{other:?} writes no record"),
    }
}

mod up {
    use super::*;

    /// [INST-10] [INST-15]
    #[test]
    fn inst_15_a_start_goes_by_requested_pending_booting_running_setup_to_online() {
        let fresh = Instance { ec2_instance_id: None, ..record(InstanceStatus::Requested) };
        check(&fresh, &Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() }, 1, "act Launch");
        let pending = changed(on_launched(&fresh, &ec2_host(HostState::Pending)), 1);
        assert_eq!((pending.status, pending.ec2_instance_id.clone()), (InstanceStatus::Pending, Some("i-1".into())));
        check(&pending, &ec2_only(HostState::Pending), 2, "wait");
        let booting = changed(check(&pending, &ec2_only(HostState::Running), 3, "move booting"), 3);
        check(&booting, &ec2_only(HostState::Running), 4, "wait");
        let in_contact = Observed { last_ping: PingSeen::At(at(60)), ..ec2_only(HostState::Running) };
        check(&booting, &in_contact, 61, "act SendSetup");
        let setup = changed(on_setup_sent(&booting, "cmd".into()), 62);
        assert_eq!(setup.status, InstanceStatus::RunningSetup);
        check(&setup, &Observed { setup: Some(RunSeen::Running), ..in_contact.clone() }, 63, "wait");
        let done = Observed { setup: Some(RunSeen::Success), ..well(100) };
        let online = changed(check(&setup, &done, 101, "move online"), 101);
        assert_eq!((online.online_since, online.has_been_online), (Some(at(101)), true));
        assert_eq!(online.container_instance_arn, Some("c-1".into()));
        check(&online, &well(110), 111, "settled");
    }

    #[test]
    fn an_ebs_restart_powers_the_same_machine_on_and_a_vanished_one_is_launched_anew() {
        let restart = record(InstanceStatus::Requested);
        for (seen, expected) in [
            (ec2_only(HostState::Stopped), "act PowerOn"),
            (ec2_only(HostState::Stopping), "wait"),
            (ec2_launched_at(HostState::Pending, 0), "move pending"),
            (ec2_launched_at(HostState::Running, 0), "move pending"),
            (Observed::nothing(), "wait"),
            (ec2_only(HostState::Terminated), "note"),
            (Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() }, "note"),
        ] {
            check(&restart, &seen, 1, expected);
        }
        let forgotten = changed(check(&restart, &ec2_only(HostState::Terminated), 1, "note"), 1);
        check(&forgotten, &Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() }, 2, "act Launch");
    }

    #[test]
    fn a_stopped_machine_is_started_with_the_type_that_the_record_or_a_fallback_asks_for() {
        let rules = Rules { fallback_types: vec!["m5a.large".into()], ..Rules::default() };
        let restart = record(InstanceStatus::Requested);
        let refused = |types: &[&str]| {
            let refused_types = types.iter().map(|t| (*t).to_owned()).collect();
            Instance { shortage: crate::model::Shortage { refused_types, ..Default::default() }, ..restart.clone() }
        };
        let stopped_as = |instance_type: &str| Observed {
            ec2: Ec2Seen::Seen(Ec2Host { instance_type: instance_type.into(), ..ec2_host(HostState::Stopped) }),
            ..Observed::nothing()
        };
        for (record, machine, expected) in [
            (restart.clone(), "m5.large", "act PowerOn"),
            (restart.clone(), "m5a.large", "act SetType"),
            (Instance { instance_type: "m6i.large".into(), ..restart.clone() }, "m5.large", "act SetType"),
            (refused(&["m5.large"]), "m5.large", "act SetType"),
            (refused(&["m5.large"]), "m5a.large", "act PowerOn"),
            (restart.clone(), "", "act PowerOn"),
            (Instance { origin: Origin::RegisteredEc2, ..restart.clone() }, "t3.large", "act PowerOn"),
        ] {
            check_with(&record, &stopped_as(machine), &rules, 1, expected);
        }
        let gone = Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() };
        let fresh = Instance { ec2_instance_id: None, ..refused(&["m5.large", "m5a.large"]) };
        check_with(&fresh, &gone, &rules, 1, "move start_failed");
    }

    #[test]
    fn a_second_machine_of_one_start_is_terminated_once_the_recorded_one_is_seen() {
        for (status, state) in [(InstanceStatus::Pending, HostState::Pending), (InstanceStatus::Booting, HostState::Running)] {
            let seen = Observed { stray: Some("i-2".into()), ..ec2_only(state) };
            check(&record(status), &seen, 1, "act TerminateStray");
            let blind = Observed { stray: Some("i-2".into()), ..Observed::nothing() };
            check(&record(status), &blind, 1, "wait");
        }
    }

    #[test]
    fn a_machine_that_hung_in_an_earlier_start_is_restarted_by_the_next() {
        let again = Instance { started_at: Some(at(1300)), ..record(InstanceStatus::Requested) };
        check(&again, &ec2_only(HostState::Running), 1301, "act PowerOff { force: true }");
        check(&again, &ec2_only(HostState::Stopping), 1302, "wait");
        check(&again, &ec2_only(HostState::Stopped), 1303, "act PowerOn");
        let store = Instance { root_device_type: RootDeviceType::InstanceStore, ..again };
        check(&store, &ec2_only(HostState::Running), 1301, "act Terminate");
        // EC2's times are whole seconds and another clock's: a machine of about this start is this start's.
        let this_start = Instance { started_at: Some(at(60)), ..record(InstanceStatus::Requested) };
        check(&this_start, &ec2_launched_at(HostState::Running, 0), 61, "move pending");
        check(&this_start, &ec2_launched_at(HostState::Running, -1), 61, "act PowerOff { force: true }");
    }

    /// [INST-14]
    #[test]
    fn inst_14_no_contact_within_20_minutes_is_start_failed() {
        for (status, state) in [(InstanceStatus::Pending, HostState::Pending), (InstanceStatus::Booting, HostState::Running)] {
            check(&record(status), &ec2_only(state), 1199, "wait");
            check(&record(status), &ec2_only(state), 1200, "move start_failed");
        }
    }

    /// [ECS-56]
    #[test]
    fn ecs_56_a_machine_that_runs_and_does_not_call_fails_with_what_it_must_reach() {
        let why = |status, state| match check(&record(status), &ec2_only(state), 1200, "move start_failed") {
            Step::Move { why, .. } => why,
            other => panic!("{other:?}"),
        };
        let runs = why(InstanceStatus::Booting, HostState::Running);
        for named in ["Systems Manager", "ECS", "S3", "package repositories", "instance profile"] {
            assert!(runs.contains(named), "{named}: {runs}");
        }
        let pending = why(InstanceStatus::Pending, HostState::Pending);
        assert_eq!(pending, "the machine was not in contact within 20 minutes", "EC2 has not even started it");
        // One that reached them all is up, and one that reached only Systems Manager is not.
        let setup_done = Observed { setup: Some(RunSeen::Success), ..ec2_only(HostState::Running) };
        let setup = Instance { setup_command: Some("cmd".into()), ..record(InstanceStatus::RunningSetup) };
        check(&setup, &setup_done, 1, "wait");
        check(&setup, &setup_done, 7_200, "move setup_failed");
    }

    #[test]
    fn a_start_that_ec2_does_not_take_may_wait_an_hour_for_its_bucket() {
        let never_launched = Instance { ec2_instance_id: None, ..record(InstanceStatus::Requested) };
        for (seconds, expected) in [(1200, "act Launch"), (3599, "act Launch"), (3600, "move start_failed")] {
            let seen = Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() };
            check(&never_launched, &seen, seconds, expected);
        }
    }

    /// [INST-10]
    #[test]
    fn inst_10_trouble_of_the_machine_is_start_failed_and_of_setup_setup_failed() {
        for dead in [HostState::Stopped, HostState::ShuttingDown, HostState::Terminated, HostState::Stopping] {
            for status in [InstanceStatus::Pending, InstanceStatus::Booting, InstanceStatus::RunningSetup] {
                check(&record(status), &ec2_only(dead), 1, "move start_failed");
            }
        }
        let requested = record(InstanceStatus::Requested);
        let refused = on_launch_refused(&requested, "m5.large", &[], "InsufficientInstanceCapacity", "none left");
        assert_eq!(brief(&refused), "move start_failed");
        let setup = Instance { setup_command: Some("cmd".into()), ..record(InstanceStatus::RunningSetup) };
        for timed_out in [true, false] {
            check(&setup, &Observed { setup: Some(RunSeen::Failed { timed_out }), ..well(1) }, 2, "move setup_failed");
        }
        check(&record(InstanceStatus::SetupFailed), &well(1), 2, "settled");
        check(&record(InstanceStatus::StartFailed), &well(1), 2, "settled");
    }

    #[test]
    fn a_new_machine_may_be_undescribed_for_a_minute() {
        let absent = Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() };
        check(&record(InstanceStatus::Pending), &absent, 59, "wait");
        check(&record(InstanceStatus::Pending), &absent, 60, "move start_failed");
    }

    #[test]
    fn a_ping_from_before_the_launch_is_no_contact() {
        let booting = record(InstanceStatus::Booting);
        for (ping, expected) in [(-1001, "wait"), (-1000, "act SendSetup")] {
            let seen = Observed { last_ping: PingSeen::At(at(ping)), ..ec2_only(HostState::Running) };
            check(&booting, &seen, 1, expected);
        }
    }

    /// [ECS-66] and question 6 of `ecs-cluster-layer.md`
    #[test]
    fn ecs_66_online_needs_setup_and_an_active_container_instance_with_its_agent() {
        let setup = Instance { setup_command: Some("cmd".into()), ..record(InstanceStatus::RunningSetup) };
        let done = Observed { setup: Some(RunSeen::Success), ..well(5) };
        let absent = Observed { container: ContainerSeen::Absent, ..done.clone() };
        let silent = with_container(&done, ContainerHost { agent_connected: false, ..container_host() });
        let draining = with_container(&done, ContainerHost { active: false, ..container_host() });
        let unknown = Observed { container: ContainerSeen::Unknown, ..done.clone() };
        for (seen, in_time, late) in [
            (&done, "move online", "move online"),
            (&absent, "wait", "move setup_failed"),
            (&silent, "wait", "move setup_failed"),
            (&draining, "act Activate", "act Activate"),
            (&unknown, "wait", "wait"),
        ] {
            check(&setup, seen, 1199, in_time);
            check(&setup, seen, 1200, late);
        }
        check_with(&setup, &absent, &Rules { has_cluster: false, ..Rules::default() }, 5, "move online");
    }

    #[test]
    fn a_launch_that_turns_up_late_is_never_lost() {
        let nameless = |status| Instance { ec2_instance_id: None, ..record(status) };
        let found = ec2_only(HostState::Running);
        check(&nameless(InstanceStatus::Requested), &found, 1, "move pending");
        check(&nameless(InstanceStatus::StartFailed), &found, 1, "note");
        check(&nameless(InstanceStatus::ShuttingDown), &found, 1, "note");
        check(&nameless(InstanceStatus::Terminated), &found, 1, "note");
        check(&nameless(InstanceStatus::Stopped), &found, 1, "act Terminate");
        let absent = Observed { ec2: Ec2Seen::Absent, ..ec2_only(HostState::Running) };
        check(&nameless(InstanceStatus::ShuttingDown), &absent, 59, "wait");
        check(&nameless(InstanceStatus::ShuttingDown), &absent, 60, "move stopped");
    }
}

mod down {
    use super::*;

    fn leaving() -> Instance {
        Instance { status: InstanceStatus::ShuttingDown, ..online_record() }
    }

    fn drained(tasks: Option<TaskCounts>) -> Observed {
        let shutdown = Some(RunSeen::Success);
        Observed { shutdown, ..with_container(&well(0), ContainerHost { active: false, tasks, ..container_host() }) }
    }

    fn told() -> Instance {
        Instance { shutdown_command: Some("shutdown".into()), ..leaving() }
    }

    /// [INST-20] [INST-21] [INST-24] [ECS-69] [ECS-123]
    #[test]
    fn inst_21_an_ebs_stop_drains_then_stops_tasks_deregisters_and_powers_off() {
        let stopping = Instance { status: InstanceStatus::Stopping, ..online_record() };
        let shutting = changed(check(&stopping, &well(0), 0, "move shutting_down"), 0);
        check(&shutting, &well(0), 1, "act Drain");
        check(&shutting, &Observed { shutdown: None, ..drained(tasks(2, 0, 0, 1)) }, 2, "act SendShutdown");
        let told = on_shutdown_sent(&shutting, "shutdown".into());
        check(&told, &Observed { shutdown: Some(RunSeen::Running), ..drained(tasks(0, 0, 0, 0)) }, 3, "wait");
        check(&told, &drained(tasks(2, 0, 0, 1)), 4, "wait");
        check(&told, &drained(tasks(0, 0, 0, 1)), 5, "act StopTasks { daemon: true }");
        check(&told, &drained(tasks(0, 0, 0, 0)), 6, "act Deregister");
        let gone = Observed { container: ContainerSeen::Absent, ..drained(None) };
        check(&told, &gone, 7, "act PowerOff { force: false }");
        check(&told, &ec2_only(HostState::Stopping), 8, "wait");
        let stopped = changed(check(&told, &ec2_only(HostState::Stopped), 9, "move stopped"), 9);
        assert_eq!((stopped.ec2_instance_id.clone(), stopped.container_instance_arn.clone()), (Some("i-1".into()), None));
        assert!(!stopped.has_been_online && stopped.setup_command.is_none() && stopped.shutdown_command.is_none());
        check(&stopped, &ec2_only(HostState::Stopped), 10, "settled");
    }

    /// [LIFE-5] [ECS-69], question 5 of `ecs-cluster-layer.md`
    #[test]
    fn life_5_tasks_may_move_until_the_shutdown_timeout_then_all_are_stopped() {
        for (left, policy, early) in [
            (tasks(1, 0, 0, 0), DrainPolicy::Wait, "wait"),
            (tasks(0, 1, 0, 0), DrainPolicy::Wait, "wait"),
            (tasks(0, 0, 1, 0), DrainPolicy::Refuse, "wait"),
            (tasks(1, 0, 1, 0), DrainPolicy::Stop, "wait"),
            (tasks(0, 1, 1, 0), DrainPolicy::Stop, "act StopTasks { daemon: true }"),
        ] {
            let rules = Rules { drain: policy, ..Rules::default() };
            check_with(&told(), &drained(left), &rules, 119, early);
            check_with(&told(), &drained(left), &rules, 120, "act StopTasks { daemon: true }");
        }
    }

    /// [INST-20], question 5 of `instances.md`
    #[test]
    fn inst_20_the_shutdown_event_is_waited_for_at_most_its_timeout_and_no_longer_than_it_runs() {
        let running = Observed { shutdown: Some(RunSeen::Running), ..drained(tasks(0, 0, 0, 0)) };
        check(&told(), &running, 119, "wait");
        check(&told(), &running, 120, "act Deregister");
        check(&told(), &drained(tasks(0, 0, 0, 0)), 1, "act Deregister");
        let failed = Observed { shutdown: Some(RunSeen::Failed { timed_out: false }), ..running };
        check(&told(), &failed, 1, "act Deregister");
    }

    /// [INST-23]
    #[test]
    fn inst_23_the_shutdown_event_is_skipped_when_the_agent_is_unreachable() {
        for (ping, expected) in [
            (PingSeen::At(at(-599)), "act SendShutdown"),
            (PingSeen::At(at(-600)), "act Deregister"),
            (PingSeen::Never, "act Deregister"),
            (PingSeen::Unknown, "act Deregister"),
        ] {
            let seen = Observed { last_ping: ping, shutdown: None, ..drained(tasks(0, 0, 0, 0)) };
            check(&leaving(), &seen, 1, expected);
        }
    }

    /// [INST-23]
    #[test]
    fn inst_23_a_machine_that_will_not_go_down_is_forced_and_then_stop_failed() {
        let left = Observed { container: ContainerSeen::Absent, ..drained(None) };
        for (now, up, going) in [
            (719, "act PowerOff { force: false }", "wait"),
            (720, "act PowerOff { force: true }", "act PowerOff { force: true }"),
            (1319, "act PowerOff { force: true }", "act PowerOff { force: true }"),
            (1320, "move stop_failed", "move stop_failed"),
        ] {
            check(&told(), &left, now, up);
            check(&told(), &ec2_only(HostState::Stopping), now, going);
        }
        check(&record(InstanceStatus::StopFailed), &ec2_only(HostState::Running), 1, "settled");
    }

    #[test]
    fn a_cluster_that_cannot_be_left_does_not_keep_the_machine_up_for_ever() {
        let stuck = drained(tasks(1, 0, 0, 0));
        check(&told(), &stuck, 719, "act StopTasks { daemon: true }");
        check(&told(), &stuck, 720, "act PowerOff { force: true }");
        let down = with_container(
            &ec2_only(HostState::Stopped),
            ContainerHost { active: false, tasks: tasks(1, 0, 0, 0), ..container_host() },
        );
        check(&told(), &down, 721, "act StopTasks { daemon: true }");
        check(&told(), &down, 1320, "move stopped");
    }

    /// [INST-21] [INST-22]
    #[test]
    fn inst_21_an_instance_store_stop_ends_stopped_without_its_machine() {
        let store = |status| Instance { status, root_device_type: RootDeviceType::InstanceStore, ..told() };
        check(&store(InstanceStatus::Terminating), &well(0), 0, "move shutting_down");
        let left = Observed { container: ContainerSeen::Absent, ..drained(None) };
        check(&store(InstanceStatus::ShuttingDown), &left, 1, "move terminated");
        check(&store(InstanceStatus::Terminated), &left, 2, "act Terminate");
        check(&store(InstanceStatus::Terminated), &ec2_only(HostState::ShuttingDown), 3, "wait");
        let step = check(&store(InstanceStatus::Terminated), &ec2_only(HostState::Terminated), 4, "move stopped");
        assert_eq!(changed(step, 4).ec2_instance_id, None);
    }

    /// [INST-4] [INST-31] [INST-33]
    #[test]
    fn inst_33_a_deletion_shows_terminating_terminated_and_then_the_record_goes() {
        let delete = |status, volumes| Instance {
            delete: Some(DeleteRequest { volumes, elastic_ip: false }),
            volumes: vec![crate::model::Volume { ec2_volume_id: "vol-1".into(), mount_point: "/data".into() }],
            ..record(status)
        };
        check(&delete(InstanceStatus::Terminating, false), &ec2_only(HostState::Stopped), 1, "move terminated");
        check(&delete(InstanceStatus::Terminated, false), &ec2_only(HostState::Stopped), 2, "act Terminate");
        check(&delete(InstanceStatus::Terminated, false), &ec2_only(HostState::Terminated), 3, "remove");
        check(&delete(InstanceStatus::Terminated, true), &ec2_only(HostState::Terminated), 3, "act DeleteVolumes");
        let without = on_volumes_deleted(&delete(InstanceStatus::Terminated, true));
        check(&without, &ec2_only(HostState::Terminated), 4, "remove");
        check(&delete(InstanceStatus::Terminated, false), &Observed::nothing(), 5, "wait");
        // Somebody started the machine by hand and its agent registered: nothing of it may remain in the cluster [ECS-70].
        check(&delete(InstanceStatus::Terminating, false), &well(0), 1, "move shutting_down");
        check(&delete(InstanceStatus::ShuttingDown, false), &well(0), 1, "act Drain");
    }

    #[test]
    fn a_machine_that_is_down_already_is_still_taken_out_of_the_cluster() {
        let down =
            |active, tasks| with_container(&ec2_only(HostState::Stopped), ContainerHost { active, tasks, ..container_host() });
        check(&leaving(), &down(true, None), 1, "act Drain");
        check(&leaving(), &down(false, tasks(1, 0, 0, 0)), 1, "act StopTasks { daemon: true }");
        check(&leaving(), &down(false, tasks(0, 0, 0, 0)), 1, "act Deregister");
    }
}

mod reboot {
    use super::*;

    /// [INST-30] [LIFE-4]
    #[test]
    fn inst_30_a_reboot_is_sent_once_and_ends_online_when_both_agents_are_back() {
        let rebooting = Instance { status: InstanceStatus::Rebooting, ..online_record() };
        check(&rebooting, &well(1), 2, "act Reboot");
        let sent = on_reboot_sent(&rebooting, at(2));
        check(&sent, &well(61), 61, "wait");
        check(&sent, &well(2), 62, "wait");
        check(&sent, &well(61), 62, "move online");
        let silent = with_container(&well(61), ContainerHost { agent_connected: false, ..container_host() });
        check(&sent, &silent, 62, "wait");
        check(&sent, &silent, 1201, "wait");
        check(&sent, &silent, 1202, "move connection_lost");
        check(&sent, &ec2_only(HostState::Stopped), 10, "move connection_lost");
        let step = check(&sent, &well(61), 62, "move online");
        assert_eq!(changed(step, 62).container_instance_arn, Some("c-1".into()));
    }

    #[test]
    fn a_reboot_of_a_failed_setup_does_not_put_it_in_service() {
        let sent = on_reboot_sent(&record(InstanceStatus::Rebooting), at(2));
        check(&sent, &well(61), 62, "move setup_failed");
    }
}

mod healing {
    use super::*;

    /// [HEAL-7] [INST-26]
    #[test]
    fn heal_7_a_stop_or_termination_in_ec2_is_healed_and_one_through_us_is_not() {
        for state in [HostState::Stopped, HostState::Terminated] {
            let lost = changed(check(&online_record(), &ec2_only(state), 1, "move connection_lost"), 1);
            check(&lost, &ec2_only(state), 1, "move stopping");
            check(&record(InstanceStatus::Stopped), &ec2_only(state), 1, "settled");
            check(&record(InstanceStatus::SetupFailed), &ec2_only(state), 1, "settled");
        }
        check(&record(InstanceStatus::ConnectionLost), &ec2_only(HostState::Stopped), 1, "settled");
    }

    /// [HEAL-4] [HEAL-9] [HEAL-10]
    #[test]
    fn heal_9_an_ebs_heal_stops_verifies_deregisters_and_starts_by_way_of_stopping_never_stopped() {
        let hung = |now| Observed {
            last_ping: PingSeen::At(at(-400)),
            ..with_container(&well(now), ContainerHost { agent_connected: false, tasks: tasks(1, 0, 0, 0), ..container_host() })
        };
        let lost = Instance { agent_silent_since: Some(at(-300)), ..lost_record() };
        let healing = changed(check(&lost, &hung(0), 0, "move stopping"), 0);
        assert_eq!((healing.healing, healing.initiated_by), (true, Some(InitiatedBy::AutoHealing)));
        assert_eq!(healing.heals, [at(0)]);
        check(&healing, &hung(0), 1, "act Drain");
        let draining = |state, tasks| {
            with_container(&ec2_only(state), ContainerHost { active: false, agent_connected: false, tasks, ..container_host() })
        };
        check(&healing, &draining(HostState::Running, tasks(1, 0, 0, 0)), 2, "act PowerOff { force: false }");
        check(&healing, &draining(HostState::Stopping, tasks(1, 0, 0, 0)), 3, "wait");
        check(&healing, &draining(HostState::Stopped, tasks(1, 0, 0, 0)), 4, "act StopTasks { daemon: true }");
        check(&healing, &draining(HostState::Stopped, tasks(0, 0, 0, 0)), 5, "act Deregister");
        let again = changed(check(&healing, &ec2_only(HostState::Stopped), 6, "move requested"), 6);
        assert_eq!((again.launch_number, again.started_at, again.ec2_instance_id.clone()), (2, Some(at(6)), Some("i-1".into())));
        assert_eq!((again.setup_command.clone(), again.container_instance_arn.clone()), (None, None));
        check(&again, &ec2_only(HostState::Stopped), 7, "act PowerOn");
    }

    /// [HEAL-9]
    #[test]
    fn heal_9_an_instance_store_heal_terminates_and_launches_anew() {
        let healing = Instance {
            status: InstanceStatus::Stopping,
            root_device_type: RootDeviceType::InstanceStore,
            healing: true,
            initiated_by: Some(InitiatedBy::AutoHealing),
            ..online_record()
        };
        check(&healing, &ec2_only(HostState::Running), 1, "act Terminate");
        check(&healing, &ec2_only(HostState::Stopped), 1, "act Terminate");
        check(&healing, &ec2_only(HostState::ShuttingDown), 1, "wait");
        let again = changed(check(&healing, &ec2_only(HostState::Terminated), 2, "move requested"), 2);
        assert_eq!((again.ec2_instance_id.clone(), again.launch_number), (None, 2));
    }

    #[test]
    fn a_stop_that_somebody_asks_for_ends_a_heal() {
        let stopped_by_hand = Instance { status: InstanceStatus::Stopping, healing: true, ..online_record() };
        let step = check(&stopped_by_hand, &ec2_only(HostState::Stopped), 1, "move shutting_down");
        assert!(!changed(step, 1).healing);
    }

    /// [HEAL-11]
    #[test]
    fn heal_11_contact_before_healing_is_online_again_and_a_machine_that_stays_up_gets_no_second() {
        check(&Instance { agent_silent_since: Some(at(-400)), ..lost_record() }, &well(1), 2, "move online");
        let healing = Instance {
            status: InstanceStatus::Stopping,
            healing: true,
            initiated_by: Some(InitiatedBy::AutoHealing),
            ..online_record()
        };
        for (now, expected) in [
            (299, "act PowerOff { force: false }"),
            (300, "act PowerOff { force: true }"),
            (1199, "act PowerOff { force: true }"),
            (1200, "move stop_failed"),
        ] {
            check(&healing, &ec2_only(HostState::Running), now, expected);
        }
    }

    /// [HEAL-2]
    #[test]
    fn heal_2_with_healing_off_in_any_layer_it_stays_connection_lost() {
        let rules = Rules { auto_healing: false, ..Rules::default() };
        check_with(&online_record(), &ec2_only(HostState::Stopped), &rules, 1, "move connection_lost");
        check_with(&lost_record(), &ec2_only(HostState::Stopped), &rules, 1, "settled, healing-off");
        for (rules, notice) in [
            (Rules { held_by: Some("ada".into()), ..Rules::default() }, "settled, held-by-person"),
            (Rules { outage: true, ..Rules::default() }, "settled, outage"),
            (Rules { mode_permits_healing: false, ..Rules::default() }, "settled, mode-forbids"),
        ] {
            check_with(&lost_record(), &ec2_only(HostState::Stopped), &rules, 1, notice);
        }
    }

    #[test]
    fn a_layer_that_is_being_taken_down_is_not_healed_and_a_heal_under_way_ends_stopped() {
        let rules = Rules { is_torn_down: true, ..Rules::default() };
        check_with(&lost_record(), &ec2_only(HostState::Stopped), &rules, 1, "settled");
        for (root_device_type, down) in
            [(RootDeviceType::Ebs, HostState::Stopped), (RootDeviceType::InstanceStore, HostState::Terminated)]
        {
            let initiated_by = Some(InitiatedBy::AutoHealing);
            let healing =
                Instance { status: InstanceStatus::Stopping, root_device_type, healing: true, initiated_by, ..online_record() };
            check_with(&healing, &ec2_only(HostState::ShuttingDown), &rules, 1, "wait");
            let step = check_with(&healing, &ec2_only(down), &rules, 2, "move stopped");
            assert!(!changed(step, 2).healing);
            check(&healing, &ec2_only(down), 2, "move requested");
        }
    }

    #[test]
    fn what_aws_refused_on_the_way_down_is_why_the_stop_failed_and_forgotten_once_it_is_down() {
        let care =
            Care { refusal: Some("ec2:StopInstances: OperationNotPermitted: it may not be stopped".into()), ..Care::default() };
        let stopping = Instance { status: InstanceStatus::ShuttingDown, care, ..online_record() };
        match check(&stopping, &ec2_only(HostState::Running), 9_000, "move stop_failed") {
            Step::Move { why, record, .. } => {
                assert!(why.ends_with("it may not be stopped"), "{why}");
                assert!(record.care.refusal.is_some(), "whoever waits for it still names it");
            }
            other => panic!("{other:?}"),
        }
        let down = changed(check(&stopping, &ec2_only(HostState::Stopped), 60, "move stopped"), 60);
        assert_eq!(down.care, Care::default());
    }

    /// Question 6 of `instances.md`: at most three heals an hour.
    #[test]
    fn a_host_is_healed_at_most_three_times_within_an_hour() {
        let seen = ec2_only(HostState::Stopped);
        let healed = |heals: &[i64]| Instance { heals: heals.iter().copied().map(at).collect(), ..lost_record() };
        check(&healed(&[0, 100]), &seen, 200, "move stopping");
        check(&healed(&[0, 100, 200]), &seen, 300, "wait, heal-cap");
        check(&healed(&[0, 100, 200]), &seen, 3599, "wait, heal-cap");
        let step = check(&healed(&[0, 100, 200]), &seen, 3600, "move stopping");
        assert_eq!(changed(step, 3600).heals, [at(100), at(200), at(3600)]);
        let step = check(&healed(&[0, 100, 200]), &seen, 300, "wait, heal-cap");
        assert!(matches!(step, Step::Wait { until: Some(until), .. } if until == at(3600)));
    }

    /// [HEAL-1] [HEAL-10]
    #[test]
    fn heal_10_a_disconnected_agent_alone_is_remembered_told_once_and_not_healed() {
        let silent = with_container(&well(0), ContainerHost { agent_connected: false, ..container_host() });
        let noted = changed(check(&online_record(), &silent, 0, "note"), 0);
        assert_eq!(noted.agent_silent_since, Some(at(0)));
        let seen = |ping| Observed { last_ping: PingSeen::At(at(ping)), ..silent.clone() };
        check(&noted, &seen(-10), 299, "wait");
        check(&noted, &seen(0), 300, "settled, agent-silent");
        check(&noted, &seen(-1), 300, "move connection_lost");
        check(&noted, &seen(-10), 299, "wait");
        let step = check(&noted, &well(301), 301, "note");
        assert_eq!(changed(step, 301).agent_silent_since, None);
    }

    #[test]
    fn what_is_unknown_changes_nothing_about_a_host_in_service() {
        check(&online_record(), &Observed::nothing(), 1, "wait");
        check(&online_record(), &Observed { container: ContainerSeen::Unknown, ..well(0) }, 1, "wait");
        check(&lost_record(), &Observed::nothing(), 1, "wait");
    }
}

mod claims {
    use super::*;

    fn claim(drain: DrainPolicy) -> Option<Claim> {
        Some(Claim { instance_id: "inst".into(), holder: "updates/1".into(), reason: "patch".into(), until: at(1000), drain })
    }

    fn claimed(active: bool, tasks: Option<TaskCounts>, drain: DrainPolicy) -> Observed {
        Observed { claim: claim(drain), ..with_container(&well(0), ContainerHost { active, tasks, ..container_host() }) }
    }

    fn drained_record() -> Instance {
        Instance { drained_for: Some("updates/1".into()), ..online_record() }
    }

    fn out_record() -> Instance {
        Instance { out_of_service_since: Some(at(10)), ..drained_record() }
    }

    #[test]
    fn a_claim_writes_its_intent_drains_and_reports_the_host_out_of_service() {
        let wait = DrainPolicy::Wait;
        let intent = changed(check(&online_record(), &claimed(true, None, wait), 1, "note"), 1);
        assert_eq!(intent.drained_for.as_deref(), Some("updates/1"));
        check(&intent, &claimed(true, None, wait), 2, "act Drain");
        check(&intent, &claimed(false, None, wait), 3, "wait");
        check(&intent, &claimed(false, tasks(1, 0, 0, 1), wait), 4, "wait");
        let out = changed(check(&intent, &claimed(false, tasks(0, 0, 0, 1), wait), 5, "note"), 5);
        assert_eq!(out.out_of_service_since, Some(at(5)));
        check(&out, &claimed(false, tasks(0, 0, 0, 1), wait), 6, "wait");
    }

    #[test]
    fn a_drain_policy_waits_for_stops_or_refuses_what_does_not_move() {
        for left in [tasks(0, 1, 0, 0), tasks(0, 0, 1, 0)] {
            check(&drained_record(), &claimed(false, left, DrainPolicy::Wait), 5, "wait");
            check(&drained_record(), &claimed(false, left, DrainPolicy::Stop), 5, "act StopTasks { daemon: false }");
            check(&online_record(), &claimed(true, left, DrainPolicy::Refuse), 5, "wait, claim-refused");
        }
        check(&online_record(), &claimed(true, tasks(3, 0, 0, 1), DrainPolicy::Refuse), 5, "note");
        check(&drained_record(), &claimed(false, tasks(1, 1, 0, 0), DrainPolicy::Stop), 5, "wait");
    }

    #[test]
    fn a_claim_that_is_released_or_has_lapsed_puts_the_host_back() {
        let released = Observed { claim: None, ..claimed(false, tasks(0, 0, 0, 0), DrainPolicy::Wait) };
        check(&out_record(), &released, 20, "act Activate");
        let lapsing = claimed(false, tasks(0, 0, 0, 0), DrainPolicy::Wait);
        check(&out_record(), &lapsing, 999, "wait");
        check(&out_record(), &lapsing, 1000, "act Activate");
        let back = changed(check(&out_record(), &Observed { claim: None, ..well(0) }, 21, "note"), 21);
        assert_eq!((back.drained_for.clone(), back.out_of_service_since), (None, None));
        check(&back, &well(0), 22, "settled");
    }

    #[test]
    fn out_of_service_for_a_claim_silence_and_reboots_are_expected_but_not_a_termination() {
        let down = |state| Observed { claim: claim(DrainPolicy::Wait), ..ec2_only(state) };
        check(&out_record(), &down(HostState::Stopped), 999, "wait");
        check(&out_record(), &down(HostState::Stopped), 1000, "move connection_lost");
        check(&out_record(), &down(HostState::Terminated), 500, "move connection_lost");
        check(&drained_record(), &down(HostState::Stopped), 500, "move connection_lost");
        let silent = Observed {
            claim: claim(DrainPolicy::Wait),
            ..with_container(&well(0), ContainerHost { active: false, agent_connected: false, ..container_host() })
        };
        check(&out_record(), &silent, 500, "wait");
        check(&drained_record(), &silent, 500, "note");
    }

    #[test]
    fn somebody_elses_draining_is_held_told_and_never_undone() {
        let draining = with_container(&well(0), ContainerHost { active: false, ..container_host() });
        check(&online_record(), &draining, 1, "act HoldForeign");
        let held = |seen: &Observed| Observed { foreign_hold: true, ..seen.clone() };
        check(&online_record(), &held(&draining), 2, "settled, foreign-draining");
        check(&online_record(), &held(&well(0)), 3, "act ReleaseForeign");
        // A claim may use it, and leaves it as it was.
        let claimed = claimed(false, tasks(0, 0, 0, 0), DrainPolicy::Wait);
        let out = changed(check(&online_record(), &held(&claimed), 4, "note"), 4);
        assert_eq!((out.drained_for.clone(), out.out_of_service_since), (None, Some(at(4))));
        let back = changed(check(&out, &held(&draining), 5, "note"), 5);
        check(&back, &held(&draining), 6, "settled, foreign-draining");
    }

    #[test]
    fn a_host_without_ecs_is_out_of_service_at_once() {
        let rules = Rules { has_cluster: false, ..Rules::default() };
        let seen = Observed { claim: claim(DrainPolicy::Wait), container: ContainerSeen::Absent, ..well(0) };
        let record = Instance { container_instance_arn: None, ..online_record() };
        let out = changed(check_with(&record, &seen, &rules, 1, "note"), 1);
        check_with(&out, &seen, &rules, 2, "wait");
        check_with(&out, &Observed { claim: None, ..seen }, &rules, 3, "note");
    }
}

#[test]
fn lifecycle_has_work_for_what_moves_is_lost_or_is_claimed() {
    for status in InstanceStatus::ALL {
        assert_eq!(is_busy(&record(status), false), !status.is_at_rest(), "{status}");
    }
    assert!(is_busy(&online_record(), true));
    assert!(is_busy(&Instance { drained_for: Some("updates/1".into()), ..online_record() }, false));
    assert!(is_busy(&Instance { out_of_service_since: Some(at(1)), ..online_record() }, false));
    assert!(is_busy(&Instance { agent_silent_since: Some(at(1)), ..online_record() }, false));
}

/// What somebody else writes must be followed at once; what lifecycle writes itself waits for the world.
#[test]
fn only_what_lifecycle_alone_writes_needs_no_look_because_it_was_written() {
    let by_the_api =
        ["requested", "rebooting", "stopping", "terminating", "registering", "assigning", "unassigning", "deregistering"];
    for status in by_the_api.map(|text| InstanceStatus::parse(text).unwrap()) {
        assert!(!only_waits(&record(status), false), "{status}");
    }
    let waiting = InstanceStatus::ALL.into_iter().filter(|status| only_waits(&record(*status), false));
    let expected = ["pending", "booting", "running_setup", "online", "shutting_down", "terminated"];
    assert_eq!(waiting.map(InstanceStatus::as_str).collect::<Vec<_>>(), expected);
    assert!(!only_waits(&online_record(), true), "a claim is to be followed");
    let asked_for = Instance { status: InstanceStatus::RunningSetup, ..online_record() };
    assert!(!only_waits(&asked_for, false), "a Setup that somebody asked for takes its host out of service");
    let due = Instance { attached: Attached { due: true, ..Attached::default() }, ..online_record() };
    assert!(!only_waits(&due, false), "so is what the API has attached");
}

mod registered {
    use super::*;

    fn registered(status: InstanceStatus) -> Instance {
        Instance { origin: Origin::RegisteredEc2, started_at: None, launch_number: 0, ..record(status) }
    }

    fn in_contact(now: i64) -> Observed {
        Observed { last_ping: PingSeen::At(at(now)), ..ec2_only(HostState::Running) }
    }

    /// [REG-7]: Setup on the machine that is there, then `registered`, in no layer.
    #[test]
    fn reg_7_registering_sets_the_machine_up_and_ends_registered() {
        let new = Instance { layer_ids: Vec::new(), ..registered(InstanceStatus::Registering) };
        check(&new, &ec2_only(HostState::Running), 1, "wait");
        check(&new, &Observed { last_ping: PingSeen::At(at(-1001)), ..ec2_only(HostState::Running) }, 1, "wait");
        check(&new, &Observed { last_ping: PingSeen::At(at(1)), ..ec2_only(HostState::Stopped) }, 1, "wait");
        check(&new, &Observed { ec2: Ec2Seen::Unknown, ..in_contact(1) }, 2999, "wait");
        check(&new, &in_contact(1), 1199, "act SendSetup");
        check(&new, &in_contact(1), 1200, "move setup_failed");
        let setup = changed(on_setup_sent(&new, "cmd".into()), 2);
        assert_eq!(setup.status, InstanceStatus::RunningSetup);
        let no_cluster = Rules { has_cluster: false, ..Rules::default() };
        let done = Observed { setup: Some(RunSeen::Success), ..in_contact(9) };
        let at_rest = changed(check_with(&setup, &done, &no_cluster, 10, "move registered"), 10);
        assert!(at_rest.layer_ids.is_empty() && at_rest.setup_command.is_none() && !at_rest.has_been_online);
        check(&at_rest, &done, 11, "settled");
        let failed = Observed { setup: Some(RunSeen::Failed { timed_out: false }), ..in_contact(9) };
        check_with(&setup, &failed, &no_cluster, 10, "move setup_failed");
    }

    /// [REG-2] [ECS-67]: Setup again, then `online`; an agent that was in the cluster already is simply found there.
    #[test]
    fn reg_2_assigning_sets_up_and_ends_online() {
        let assigning = registered(InstanceStatus::Assigning);
        check(&assigning, &well(1), 1, "act SendSetup");
        let setup = changed(on_setup_sent(&assigning, "cmd".into()), 2);
        let done = Observed { setup: Some(RunSeen::Success), ..well(9) };
        let online = changed(check(&setup, &done, 10, "move online"), 10);
        assert_eq!((online.layer_ids.len(), online.container_instance_arn), (1, Some("c-1".into())));
    }

    /// [ECS-91] [REG-3]: the Shutdown event, no DRAINING, no deregistration of the container instance, out of all layers.
    #[test]
    fn ecs_91_unassigning_leaves_the_ecs_agent_alone() {
        let member = Instance { setup_command: Some("setup".into()), ..registered(InstanceStatus::Unassigning) };
        check(&member, &well(1), 1, "act SendShutdown");
        let told = on_shutdown_sent(&member, "cmd".into());
        let running = Observed { shutdown: Some(RunSeen::Running), ..well(9) };
        check(&told, &running, 119, "wait");
        let left = changed(check(&told, &running, 120, "move registered"), 120);
        assert!(left.layer_ids.is_empty() && left.container_instance_arn.is_none());
        check(&told, &Observed { shutdown: Some(RunSeen::Success), ..well(9) }, 10, "move registered");
        for unreachable in [ec2_only(HostState::Running), ec2_only(HostState::Stopped)] {
            check(&member, &unreachable, 1, "move registered");
        }
        check(&member, &Observed { ec2: Ec2Seen::Unknown, ..well(1) }, 1, "wait");
        let ours = Instance { drained_for: Some("updates/1".into()), ..member };
        let draining = with_container(&well(1), ContainerHost { active: false, ..container_host() });
        check(&ours, &draining, 1, "act Activate");
    }

    /// [REG-4]: registered or created, the record goes and nothing is done to the machine but the Shutdown event.
    #[test]
    fn reg_4_deregistering_removes_the_record_and_lets_the_machine_run() {
        for origin in [Origin::RegisteredEc2, Origin::Created] {
            let leaving = Instance { origin, ..registered(InstanceStatus::Deregistering) };
            let member = Instance { setup_command: Some("setup".into()), ..leaving.clone() };
            check(&member, &well(1), 1, "act SendShutdown");
            check(&member, &well(1), 120, "remove");
            check(&Instance { layer_ids: Vec::new(), ..member }, &well(1), 1, "remove");
            check(&leaving, &ec2_only(HostState::Stopped), 1, "remove");
            check(&leaving, &Observed { ec2: Ec2Seen::Unknown, ..well(1) }, 1, "wait");
        }
        let launched = Instance { ec2_instance_id: None, ..record(InstanceStatus::Deregistering) };
        let absent = Observed { ec2: Ec2Seen::Absent, ..Observed::nothing() };
        check(&launched, &absent, 59, "wait");
        check(&launched, &absent, 60, "remove");
        check(&launched, &well(1), 1, "note");
    }

    /// [REG-5]: a stop takes a registered EC2 instance down as any other; it stays in its layers, and without any it is registered again
    /// after the next start.
    #[test]
    fn reg_5_a_registered_instance_is_stopped_and_started_and_stays_registered() {
        let down = registered(InstanceStatus::ShuttingDown);
        let stopped = changed(check(&down, &ec2_only(HostState::Stopped), 500, "move stopped"), 500);
        assert_eq!((stopped.origin, stopped.layer_ids.len()), (Origin::RegisteredEc2, 1));
        let store = Instance { root_device_type: RootDeviceType::InstanceStore, ..down };
        check(&store, &ec2_only(HostState::ShuttingDown), 500, "move terminated");
        let alone =
            Instance { layer_ids: Vec::new(), setup_command: Some("s".into()), ..registered(InstanceStatus::RunningSetup) };
        check(&alone, &Observed { setup: Some(RunSeen::Success), ..in_contact(9) }, 10, "move registered");
    }

    #[test]
    fn an_on_premises_machine_passes_each_status_at_once_and_is_never_acted_on() {
        for status in InstanceStatus::ALL {
            let expected = match status {
                InstanceStatus::Registering | InstanceStatus::Unassigning => "move registered",
                InstanceStatus::Assigning => "move online",
                InstanceStatus::Deregistering => "remove",
                _ => "settled",
            };
            let record = Instance { origin: Origin::OnPremises, ec2_instance_id: None, ..record(status) };
            check(&record, &Observed::nothing(), 1, expected);
        }
    }
}
