//! The way up: requested, pending, booting, running_setup, online [INST-10, 15].

use jiff::Timestamp;

use super::attached;
use super::capacity::{retry, type_to_ask, type_to_set};
use super::registered::to_registered;
use super::{
    Action, ContainerSeen, Ec2Host, Ec2Seen, HostState, LAUNCH_SETTLES, Look, PingSeen, RunSeen, Step, UNANSWERED, after, spoken,
};
use crate::model::{Care, Instance, RootDeviceType, Shortage};
use crate::resources::with_launched;
use crate::{InstanceStatus, SsmCommandId};

/// The record after EC2 accepted its launch; moves to `pending` [INST-15].
pub fn on_launched(record: &Instance, host: &Ec2Host) -> Step {
    Step::to(InstanceStatus::Pending, with_host(record, host), "EC2 has accepted the launch")
}

/// The record after the Setup run was sent; moves to `running_setup` from `booting` [INST-15].
pub fn on_setup_sent(record: &Instance, command: SsmCommandId) -> Step {
    let record = Instance { setup_command: Some(command), ..record.clone() };
    match record.status {
        InstanceStatus::RunningSetup => Step::note(record, "Setup is sent"),
        _ => Step::to(InstanceStatus::RunningSetup, record, "the machine is up and Setup is sent"),
    }
}

fn with_host(record: &Instance, host: &Ec2Host) -> Instance {
    Instance {
        ec2_instance_id: Some(host.id.clone()),
        private_ip: host.private_ip.clone(),
        public_ip: host.public_ip.clone(),
        volumes: with_launched(record, &host.id, &host.volumes),
        shortage: Shortage { start_refused: false, retries: 0, ..record.shortage.clone() },
        ..record.clone()
    }
}

fn fail(record: &Instance, to: InstanceStatus, why: impl Into<String>) -> Step {
    Step::to(to, Instance { healing: false, ..record.clone() }, why)
}

fn start_fails(x: &Look<'_>, why: impl Into<String>) -> Step {
    fail(x.record, InstanceStatus::StartFailed, why)
}

/// When EC2 must have taken the start. Many launches at once wait for EC2's bucket, which is no failure, so this is long.
fn launch_deadline(x: &Look<'_>) -> Timestamp {
    after(after(x.record.started_at.unwrap_or(x.record.status_since), x.rules.launch_timeout), x.frozen())
}

/// When the machine must run, and when its agent must be in contact, each from the beginning of its status [INST-14].
fn boot_deadline(x: &Look<'_>) -> Timestamp {
    after(x.since(), x.rules.boot_timeout)
}

fn boot_timed_out(x: &Look<'_>) -> Option<Step> {
    let limit = spoken(x.rules.boot_timeout);
    let runs = matches!(&x.seen.ec2, Ec2Seen::Seen(host) if host.state == HostState::Running);
    let hint = if runs { MUST_REACH } else { "" };
    (x.now >= boot_deadline(x)).then(|| start_fails(x, format!("the machine was not in contact within {limit}{hint}")))
}

/// What keeps a machine that runs from calling, most of the time [ECS-56].
const MUST_REACH: &str = ", though it runs: it must reach Systems Manager, ECS, S3 and its system's package repositories, by a public address, a NAT \
                          or endpoints, and its instance profile must allow Systems Manager";

/// `requested`: EC2 is asked, again and again with the same token until it has answered.
pub(super) fn requested(x: &Look<'_>) -> Step {
    let deadline = launch_deadline(x);
    if x.now >= deadline {
        let limit = spoken(x.rules.launch_timeout);
        return start_fails(x, format!("EC2 has not taken the start within {limit}"));
    }
    match (&x.record.ec2_instance_id, &x.seen.ec2) {
        (None, Ec2Seen::Seen(host)) if matches!(host.state, HostState::Pending | HostState::Running) => {
            Step::to(InstanceStatus::Pending, with_host(x.record, host), "the launched machine was found by its tag")
        }
        // The settings may have lost a type since the others were refused.
        (None, _) if type_to_ask(x.record, &x.rules.fallback_types).is_none() => {
            start_fails(x, format!("EC2 refused to start the machine as {}", x.record.shortage.refused_types.join(", ")))
        }
        (None, _) => Step::act(Action::Launch, "a start was asked for and there is no machine yet"),
        (Some(_), Ec2Seen::Unknown) => Step::wait(deadline, "EC2 has not answered"),
        (Some(_), Ec2Seen::Absent) => forget_machine(x),
        (Some(_), Ec2Seen::Seen(host)) => match host.state {
            HostState::Stopped => match type_to_set(x, host) {
                Some(_) => Step::act(Action::SetType, "the machine has another instance type than the one to start it with"),
                None => Step::act(Action::PowerOn, "a start was asked for"),
            },
            HostState::Stopping => Step::wait(deadline, "EC2 is still stopping the machine"),
            HostState::Pending | HostState::Running if is_left_over(x, host) => match x.record.root_device_type {
                RootDeviceType::Ebs => {
                    Step::act(Action::PowerOff { force: true }, "the machine runs from before this start; it is restarted")
                }
                RootDeviceType::InstanceStore => {
                    Step::act(Action::Terminate, "the machine runs from before this start; a new one takes its place")
                }
            },
            HostState::Pending | HostState::Running => {
                Step::to(InstanceStatus::Pending, with_host(x.record, host), "EC2 is starting the machine")
            }
            HostState::ShuttingDown | HostState::Terminated => forget_machine(x),
        },
    }
}

/// Whether the machine was up before this start was asked for: that of a start that failed, say, which hangs and would fail again.
///
/// Our choice: it is restarted whatever its state, so that each start takes the whole boot path [SEC-3].
fn is_left_over(x: &Look<'_>, host: &Ec2Host) -> bool {
    x.record.started_at.is_some_and(|started| after(host.launched_at, LAUNCH_SETTLES) < started)
}

/// The machine of an earlier start is gone; this start's launch token has not been used yet, so it may launch a new one.
fn forget_machine(x: &Look<'_>) -> Step {
    let record = Instance { ec2_instance_id: None, private_ip: None, public_ip: None, ..x.record.clone() };
    Step::note(record, "the machine of the last start is gone; a new one will be launched")
}

/// A second machine of the same start goes: two invocations at once may each have launched one, with types of their own.
fn stray(x: &Look<'_>) -> Option<Step> {
    (x.seen.stray.is_some() && x.host().is_some())
        .then(|| Step::act(Action::TerminateStray, "another launch of the same start turned up"))
}

/// `pending`: EC2 starts the machine.
pub(super) fn pending(x: &Look<'_>) -> Step {
    if let Some(step) = boot_timed_out(x).or_else(|| stray(x)) {
        return step;
    }
    let deadline = boot_deadline(x);
    let settled = after(x.record.status_since, LAUNCH_SETTLES);
    match &x.seen.ec2 {
        Ec2Seen::Unknown => Step::wait(deadline, "EC2 has not answered"),
        // Descriptions lag behind launches.
        Ec2Seen::Absent if x.now < settled => Step::wait(settled, "EC2 does not describe the new machine yet"),
        Ec2Seen::Absent => start_fails(x, "EC2 knows no such machine any more"),
        Ec2Seen::Seen(host) => match host.state {
            HostState::Pending => Step::wait(deadline, "EC2 is starting the machine"),
            HostState::Running => {
                let record = attached::on_booting(with_host(x.record, host));
                Step::to(InstanceStatus::Booting, record, "EC2 says the machine runs")
            }
            HostState::Stopping | HostState::Stopped | HostState::ShuttingDown | HostState::Terminated => {
                start_fails(x, "EC2 took the machine down while it was starting")
            }
        },
    }
}

/// `booting`: the OS boots until the SSM agent calls.
pub(super) fn booting(x: &Look<'_>) -> Step {
    if let Some(step) = boot_timed_out(x).or_else(|| stray(x)) {
        return step;
    }
    let deadline = boot_deadline(x);
    match &x.seen.ec2 {
        Ec2Seen::Unknown => Step::wait(deadline, "EC2 has not answered"),
        Ec2Seen::Absent => start_fails(x, "EC2 knows no such machine any more"),
        Ec2Seen::Seen(host) => match host.state {
            HostState::Pending => Step::wait(deadline, "EC2 is starting the machine"),
            HostState::Running => match attached::volumes_for_setup(x, deadline) {
                Some(step) => step,
                None => until_contact(x, host, deadline),
            },
            HostState::Stopping | HostState::Stopped | HostState::ShuttingDown | HostState::Terminated => {
                start_fails(x, "the machine went down while it was booting")
            }
        },
    }
}

/// The machine runs: Setup is due at the first contact. Its address is seen to meanwhile, and never holds Setup up.
fn until_contact(x: &Look<'_>, host: &Ec2Host, deadline: Timestamp) -> Step {
    match x.seen.last_ping {
        // A ping from before the launch is the last life's.
        PingSeen::At(ping) if ping >= host.launched_at => Step::act(Action::SendSetup, "the machine is in contact; Setup is due"),
        PingSeen::At(_) | PingSeen::Never | PingSeen::Unknown => attached::address(x, deadline)
            .unwrap_or_else(|| Step::wait(deadline, "the machine boots; its SSM agent has not called yet")),
    }
}

/// `running_setup`: Setup and Deploy run; then the container instance must be ACTIVE with its agent connected.
pub(super) fn running_setup(x: &Look<'_>) -> Step {
    let deadline = after(x.since(), x.rules.setup_timeout);
    match &x.seen.ec2 {
        Ec2Seen::Unknown => return unanswered(x, "EC2", deadline),
        Ec2Seen::Absent => return start_fails(x, "EC2 knows no such machine any more"),
        Ec2Seen::Seen(host) => match host.state {
            HostState::Pending | HostState::Running => {}
            HostState::Stopping | HostState::Stopped | HostState::ShuttingDown | HostState::Terminated => {
                return start_fails(x, "the machine went down during Setup");
            }
        },
    }
    if x.record.setup_command.is_none() && x.now < deadline {
        return Step::act(Action::SendSetup, "Setup is due");
    }
    // A Setup that was asked for takes a host out of service; an ELB that does not obey makes it no failure [INST-42].
    if attached::is_registered(x) && x.now < deadline {
        return Step::act(Action::LeaveBalancers, "it is set up again, and out of service meanwhile");
    }
    let in_time = |why: &str| match x.now < deadline {
        true => Step::wait(deadline, why),
        false => fail(x.record, InstanceStatus::SetupFailed, format!("{why} after {}", spoken(x.rules.setup_timeout))),
    };
    match x.seen.setup {
        Some(RunSeen::Failed { timed_out: true }) => fail(x.record, InstanceStatus::SetupFailed, "Setup did not finish in time"),
        Some(RunSeen::Failed { timed_out: false }) => fail(x.record, InstanceStatus::SetupFailed, "Setup failed"),
        None | Some(RunSeen::Running) => in_time("Setup has not finished"),
        // One that was registered and not yet assigned, or started again since.
        Some(RunSeen::Success) if x.record.layer_ids.is_empty() => to_registered(x, "Setup is done"),
        Some(RunSeen::Success) if !x.rules.has_cluster => come_online(x, "Setup is done"),
        Some(RunSeen::Success) => match &x.seen.container {
            // Setup may have succeeded long ago: what ECS would say must be heard before anything is called failed.
            ContainerSeen::Unknown => unanswered(x, "ECS", deadline),
            ContainerSeen::Absent => in_time("Setup is done, but the host has not registered with the cluster"),
            ContainerSeen::Seen(container) if !container.agent_connected => {
                in_time("Setup is done, but the ECS agent is not connected")
            }
            ContainerSeen::Seen(container) if !container.active && x.now < after(deadline, UNANSWERED) => {
                Step::act(Action::Activate, "Setup is done and the container instance is still DRAINING")
            }
            ContainerSeen::Seen(container) if !container.active => {
                in_time("Setup is done, but ECS leaves the container instance DRAINING")
            }
            ContainerSeen::Seen(_) => come_online(x, "Setup is done and the ECS agent is connected"),
        },
    }
}

/// Whose end is not heard has failed, but later.
fn unanswered(x: &Look<'_>, who: &str, deadline: Timestamp) -> Step {
    x.unanswered(who, deadline).unwrap_or_else(|why| fail(x.record, InstanceStatus::SetupFailed, why))
}

/// Its address comes first [EIP-10], but a trouble with it keeps no host out of service for longer than Setup may take.
fn come_online(x: &Look<'_>, why: &str) -> Step {
    let deadline = after(x.since(), x.rules.setup_timeout);
    if let Some(step) = attached::address(x, deadline).filter(|_| x.now < deadline) {
        return step;
    }
    let with_host = x.host().map_or_else(|| x.record.clone(), |host| with_host(x.record, host));
    let record = Instance {
        container_instance_arn: x.container().map(|c| c.arn.clone()),
        volumes_noted_of: with_host.ec2_instance_id.clone(),
        online_since: Some(x.now),
        has_been_online: true,
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        healing: false,
        care: Care::default(),
        attached: attached::on_coming_online(x),
        ..with_host
    };
    Step::to(InstanceStatus::Online, record, why)
}

/// `start_failed`: a launch whose answer came too late is taken into the record, so that a stop finds it. What EC2 had no capacity for, and no
/// scaler looks after, is tried again; else nothing happens.
pub(super) fn start_failed(x: &Look<'_>) -> Step {
    match (&x.record.ec2_instance_id, x.host()) {
        (None, Some(host)) if !matches!(host.state, HostState::ShuttingDown | HostState::Terminated) => {
            Step::note(with_host(x.record, host), "a machine of the failed start was found by its tag")
        }
        _ => retry(x).unwrap_or_else(|| Step::settled("the start failed; start or stop it again")),
    }
}
