//! Every step that may not last ends when its time is over, whatever the world does or does not answer: one row for each way to be stuck, on
//! both sides of its last moment.

use super::*;
use crate::model::Volume;

/// One way to be stuck.
struct Stuck {
    what: &'static str,
    record: Instance,
    seen: Observed,
    /// The last second in which it is still waited for or tried, and what the next step is then.
    until: (i64, &'static str),
    /// How it ends in the second after.
    ends: &'static str,
}

fn stuck(what: &'static str, record: Instance, seen: Observed, until: (i64, &'static str), ends: &'static str) -> Stuck {
    Stuck { what, record, seen, until, ends }
}

fn silent() -> Observed {
    Observed::nothing()
}

fn registered(status: InstanceStatus) -> Instance {
    Instance { origin: Origin::RegisteredEc2, started_at: None, launch_number: 0, ..record(status) }
}

fn leaving(status: InstanceStatus) -> Instance {
    Instance { status, shutdown_command: Some("shutdown".into()), ..online_record() }
}

fn healing(root_device_type: RootDeviceType) -> Instance {
    let initiated_by = Some(InitiatedBy::AutoHealing);
    Instance { status: InstanceStatus::Stopping, healing: true, initiated_by, root_device_type, ..online_record() }
}

fn setting_up() -> Instance {
    Instance { setup_command: Some("setup".into()), ..record(InstanceStatus::RunningSetup) }
}

fn set_up(container: ContainerSeen) -> Observed {
    Observed { setup: Some(RunSeen::Success), container, ..well(0) }
}

fn deleted(delete: DeleteRequest) -> Instance {
    Instance {
        delete: Some(delete),
        volumes: vec![Volume { ec2_volume_id: "vol-1".into(), mount_point: "/data".into() }],
        elastic_ip: Some("203.0.113.1".into()),
        ..record(InstanceStatus::Terminated)
    }
}

/// On the way up [INST-10] [INST-14].
fn on_the_way_up() -> Vec<Stuck> {
    use InstanceStatus as S;
    let fresh = || Instance { ec2_instance_id: None, ..record(S::Requested) };
    let draining = ContainerSeen::Seen(ContainerHost { active: false, ..container_host() });
    let silent_agent = ContainerSeen::Seen(ContainerHost { agent_connected: false, ..container_host() });
    let running = || ec2_only(HostState::Running);
    let failed = "move start_failed";
    vec![
        stuck("EC2 takes no launch", fresh(), Observed { ec2: Ec2Seen::Absent, ..silent() }, (3599, "act Launch"), failed),
        stuck("EC2 takes no start", record(S::Requested), ec2_only(HostState::Stopped), (3599, "act PowerOn"), failed),
        stuck("EC2 says nothing of the start", record(S::Requested), silent(), (3599, "wait"), failed),
        stuck("EC2 goes on stopping it", record(S::Requested), ec2_only(HostState::Stopping), (3599, "wait"), failed),
        stuck("it stays pending", record(S::Pending), ec2_only(HostState::Pending), (1199, "wait"), failed),
        stuck("EC2 says nothing of a pending one", record(S::Pending), silent(), (1199, "wait"), failed),
        stuck(
            "a second machine cannot be terminated",
            record(S::Pending),
            Observed { stray: Some("i-2".into()), ..ec2_only(HostState::Pending) },
            (1199, "act TerminateStray"),
            failed,
        ),
        stuck("it never calls", record(S::Booting), running(), (1199, "wait"), failed),
        stuck("EC2 says nothing of a booting one", record(S::Booting), silent(), (1199, "wait"), failed),
        stuck(
            "SSM takes no Setup",
            record(S::Booting),
            Observed { last_ping: PingSeen::At(at(1)), ..running() },
            (1199, "act SendSetup"),
            failed,
        ),
        stuck("SSM takes no second Setup", record(S::RunningSetup), running(), (1199, "act SendSetup"), "move setup_failed"),
        stuck(
            "Setup does not end",
            setting_up(),
            Observed { setup: Some(RunSeen::Running), ..well(0) },
            (1199, "wait"),
            "move setup_failed",
        ),
        stuck("it does not register", setting_up(), set_up(ContainerSeen::Absent), (1199, "wait"), "move setup_failed"),
        stuck("its ECS agent does not connect", setting_up(), set_up(silent_agent), (1199, "wait"), "move setup_failed"),
        stuck("ECS does not set it ACTIVE", setting_up(), set_up(draining), (2999, "act Activate"), "move setup_failed"),
        stuck("ECS says nothing of it", setting_up(), set_up(ContainerSeen::Unknown), (2999, "wait"), "move setup_failed"),
        stuck("EC2 says nothing during Setup", setting_up(), silent(), (2999, "wait"), "move setup_failed"),
    ]
}

/// On the way down [INST-23], heals [HEAL-11] and deletions [INST-32] included.
fn on_the_way_down() -> Vec<Stuck> {
    use InstanceStatus as S;
    let (forced, terminate) = ("act PowerOff { force: true }", "act Terminate");
    let failed = "move stop_failed";
    let store = |status| Instance { root_device_type: RootDeviceType::InstanceStore, ..leaving(status) };
    let in_cluster = |state, left| {
        with_container(&ec2_only(state), ContainerHost { active: false, tasks: tasks(left, 0, 0, 0), ..container_host() })
    };
    let volumes = DeleteRequest { volumes: true, elastic_ip: false };
    let address = DeleteRequest { volumes: false, elastic_ip: true };
    let (up, gone) = (|| ec2_only(HostState::Running), || ec2_only(HostState::Terminated));
    vec![
        stuck("it stays up though forced", leaving(S::ShuttingDown), up(), (1319, forced), failed),
        stuck("EC2 goes on stopping it", leaving(S::ShuttingDown), ec2_only(HostState::Stopping), (1319, forced), failed),
        stuck("EC2 says nothing of it", leaving(S::ShuttingDown), silent(), (3119, "wait"), failed),
        stuck(
            "its tasks cannot be stopped",
            leaving(S::ShuttingDown),
            in_cluster(HostState::Running, 1),
            (719, "act StopTasks { daemon: true }"),
            forced,
        ),
        stuck(
            "ECS keeps the container instance of a machine that is down",
            leaving(S::ShuttingDown),
            in_cluster(HostState::Stopped, 0),
            (1319, "act Deregister"),
            "move stopped",
        ),
        stuck("EC2 does not terminate it", store(S::Terminated), up(), (1199, terminate), failed),
        stuck("EC2 goes on terminating it", store(S::Terminated), ec2_only(HostState::ShuttingDown), (1199, "wait"), failed),
        stuck("EC2 says nothing of its end", store(S::Terminated), silent(), (2999, "wait"), failed),
        stuck("its volumes stay", deleted(volumes), gone(), (1199, "act DeleteVolumes"), failed),
        stuck("its address stays", deleted(address), gone(), (1199, "act ReleaseAddress"), failed),
        stuck("a failed host stays up", healing(RootDeviceType::Ebs), up(), (1199, forced), failed),
        stuck("a failed host is not terminated", healing(RootDeviceType::InstanceStore), up(), (1199, terminate), failed),
        stuck("EC2 says nothing of a failed host", healing(RootDeviceType::Ebs), silent(), (2999, "wait"), failed),
    ]
}

/// Reboots [INST-30] and what is registered [REG-1].
fn of_other_ways() -> Vec<Stuck> {
    use InstanceStatus as S;
    let rebooting = Instance { status: S::Rebooting, ..online_record() };
    let sent = on_reboot_sent(&rebooting, at(0));
    let lost = "move connection_lost";
    let running = || ec2_only(HostState::Running);
    let told = |status| Instance { shutdown_command: Some("shutdown".into()), ..registered(status) };
    let runs = Observed { shutdown: Some(RunSeen::Running), ..well(0) };
    vec![
        stuck("EC2 takes no reboot", rebooting.clone(), well(0), (1199, "act Reboot"), lost),
        stuck("EC2 changes it without an end", rebooting.clone(), ec2_only(HostState::Stopping), (1199, "wait"), lost),
        stuck("it does not come back", sent, running(), (1199, "wait"), lost),
        stuck("EC2 says nothing of the reboot", rebooting, silent(), (2999, "wait"), lost),
        stuck("it does not call", registered(S::Registering), running(), (1199, "wait"), "move setup_failed"),
        stuck("SSM takes no Setup", registered(S::Assigning), well(1), (1199, "act SendSetup"), "move setup_failed"),
        stuck("EC2 says nothing", registered(S::Registering), silent(), (2999, "wait"), "move setup_failed"),
        stuck("the Shutdown event does not end", told(S::Unassigning), runs.clone(), (119, "wait"), "move registered"),
        stuck("EC2 says nothing of one that leaves its layers", told(S::Unassigning), silent(), (119, "wait"), "move registered"),
        stuck("the Shutdown event of one that leaves", told(S::Deregistering), runs, (119, "wait"), "remove"),
        stuck("EC2 says nothing of one that leaves", told(S::Deregistering), silent(), (1919, "wait"), "remove"),
    ]
}

#[track_caller]
fn check_all(rows: Vec<Stuck>) -> Vec<InstanceStatus> {
    rows.into_iter()
        .map(|row| {
            let (last, still) = row.until;
            for (now, expected) in [(last, still), (last + 1, row.ends)] {
                let step = next(&row.record, &row.seen, &Rules::default(), at(now));
                assert_eq!(brief(&step), expected, "{} at {now}: {step:?}", row.what);
            }
            row.record.status
        })
        .collect()
}

/// [INST-10] [INST-14]
#[test]
fn inst_14_no_step_of_a_start_lasts_for_ever() {
    check_all(on_the_way_up());
}

/// [INST-23] [HEAL-11]
#[test]
fn inst_23_no_step_of_a_stop_a_heal_or_a_deletion_lasts_for_ever() {
    check_all(on_the_way_down());
}

/// [REG-1]
#[test]
fn reg_1_each_status_that_may_not_last_has_its_row() {
    let mut met = check_all(on_the_way_up());
    met.extend(check_all(on_the_way_down()));
    met.extend(check_all(of_other_ways()));
    for status in InstanceStatus::ALL.into_iter().filter(|s| s.has_deadlines()) {
        // Its first stage passes at once, and leaving the load balancers has a deadline of its own [ELB-6].
        assert!(met.contains(&status) || status == InstanceStatus::Terminating, "{status} has no row");
    }
    check(&leaving(InstanceStatus::Terminating), &silent(), 0, "move shutting_down");
}

/// ELB holds nobody up for longer than the stop's patience [ELB-6].
#[test]
fn elb_6_a_load_balancer_that_keeps_the_host_holds_a_stop_up_for_ten_minutes() {
    let rules = Rules { has_balancers: true, ..Rules::default() };
    let kept = BalancersSeen::Seen { missing: false, registered: true, draining: false };
    for (balancers, still) in [(kept, "act LeaveBalancers"), (BalancersSeen::Unknown, "wait")] {
        let seen = Observed { attached: AttachedSeen { balancers, ..AttachedSeen::default() }, ..well(0) };
        for status in [InstanceStatus::Stopping, InstanceStatus::Terminating] {
            check_with(&leaving(status), &seen, &rules, 599, still);
            check_with(&leaving(status), &seen, &rules, 600, "move shutting_down");
        }
    }
}

#[test]
fn a_lost_launch_is_looked_for_within_the_hour_after_its_record_came_to_rest() {
    let since: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    for (now, expected) in [("2026-03-01T00:59:59Z", true), ("2026-03-01T01:00:00Z", false)] {
        assert_eq!(may_have_orphan(since, now.parse().unwrap()), expected, "{now}");
    }
}
