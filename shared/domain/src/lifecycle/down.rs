//! The way down [INST-20, 21, 24]: leave the load balancer, drain, Shutdown event, stop what is left, deregister the container
//! instance, then stop (EBS) or terminate (instance store, deletion) the machine. Also the first half of a heal [HEAL-3, 4].

use jiff::{SignedDuration, Timestamp};

use super::{Action, Ec2Seen, HostState, LAUNCH_SETTLES, Look, PingSeen, RunSeen, Step, after, attached};
use crate::InstanceStatus;
use crate::claims::DrainPolicy;
use crate::model::{Attached, Care, DeleteRequest, Instance, RootDeviceType, Shortage};

/// How long a healed host may take to stop before it is forced.
const HEAL_FORCE_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How long a heal tries to set the host DRAINING, so that ECS replaces its tasks early; it goes on without.
const HEAL_DRAIN_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// A ping older than this means that the Shutdown event would not arrive; SSM's agents ping every five minutes.
const REACHABLE_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What EC2 says, as the way down needs it.
pub(super) enum Power {
    /// No answer.
    Unknown,
    /// There may be a machine whose launch has not turned up yet.
    MaybeLaunched { until: Timestamp },
    /// A machine that the record does not name yet.
    Found,
    /// None, or terminated.
    Gone,
    /// Stopped.
    Stopped,
    /// On its way down.
    GoingDown,
    /// Running, or about to.
    Up,
}

pub(super) fn power(x: &Look<'_>) -> Power {
    let named = x.record.ec2_instance_id.is_some();
    let settled = launch_settles(x);
    match &x.seen.ec2 {
        Ec2Seen::Unknown => Power::Unknown,
        Ec2Seen::Absent if !named && x.now < settled => Power::MaybeLaunched { until: settled },
        Ec2Seen::Absent => Power::Gone,
        Ec2Seen::Seen(host) => match host.state {
            HostState::Terminated => Power::Gone,
            HostState::ShuttingDown | HostState::Stopping | HostState::Stopped | HostState::Pending | HostState::Running
                if !named =>
            {
                Power::Found
            }
            HostState::ShuttingDown | HostState::Stopping => Power::GoingDown,
            HostState::Stopped => Power::Stopped,
            HostState::Pending | HostState::Running => Power::Up,
        },
    }
}

/// Until when a launch may turn up: it may be on its way at this very moment, in another invocation. Nobody launches any more once
/// the start's own time is over.
fn launch_settles(x: &Look<'_>) -> Timestamp {
    let Some(started_at) = x.record.started_at.filter(|_| x.record.launch_number > 0) else { return Timestamp::MIN };
    let last_launch = after(started_at, x.rules.launch_timeout);
    after(x.record.status_since.min(last_launch), LAUNCH_SETTLES)
}

pub(super) fn adopt(x: &Look<'_>) -> Step {
    let id = x.host().map(|host| host.id.clone());
    Step::note(Instance { ec2_instance_id: id, ..x.record.clone() }, "a machine of the last start was found by its tag")
}

/// The machine is to be terminated rather than stopped.
fn is_to_terminate(x: &Look<'_>) -> bool {
    match x.record.root_device_type {
        RootDeviceType::InstanceStore => true,
        RootDeviceType::Ebs => x.record.delete.is_some(),
    }
}

/// `stopping` and `terminating`: first stage. It leaves the load balancers and waits for its connections [INST-20 a, b] [ELB-6].
pub(super) fn leaving(x: &Look<'_>) -> Step {
    if x.is_heal() {
        return heal_down(x);
    }
    if let Some(step) = attached::leave_balancers(x, true) {
        return step;
    }
    // A deletion of a stopped instance shows `terminating`, `terminated`, and is gone [INST-33].
    if x.record.delete.is_some() && x.container().is_none() && !x.is_container_unknown() {
        return Step::to(InstanceStatus::Terminated, out_of_service(x), "nothing of it is left in the cluster");
    }
    Step::to(InstanceStatus::ShuttingDown, out_of_service(x), "a stop was asked for; it is drained and leaves the cluster first")
}

/// The record of a host that leaves: whatever heal or claim was under way is over.
fn out_of_service(x: &Look<'_>) -> Instance {
    Instance {
        healing: false,
        drained_for: None,
        out_of_service_since: None,
        agent_silent_since: None,
        care: Care { agent_restarted_at: None, ..x.record.care.clone() },
        ..x.record.clone()
    }
}

/// `shutting_down` [INST-20 c to e].
pub(super) fn shutting_down(x: &Look<'_>) -> Step {
    let deadline = after(x.since(), x.rules.shutdown_timeout);
    let forced = after(deadline, x.rules.stop_patience);
    let given_up = after(forced, x.rules.stop_patience);
    match power(x) {
        Power::Unknown => unanswered(x, given_up),
        Power::MaybeLaunched { until } => Step::wait(until, "a launch may still turn up"),
        Power::Found => adopt(x),
        Power::Up => match retire(x, deadline).filter(|_| x.now < forced) {
            Some(step) => step,
            None => put_down(x, forced, given_up),
        },
        Power::GoingDown if is_to_terminate(x) => to_terminated(x),
        Power::GoingDown => going_down(x, forced, given_up),
        Power::Stopped | Power::Gone => match clean_up(x).filter(|_| x.now < given_up) {
            Some(step) => step,
            None if is_to_terminate(x) => to_terminated(x),
            None => to_stopped(x, "EC2 has stopped the machine"),
        },
    }
}

/// The cluster's part and the Shutdown event while the machine still runs; `None` when both are over [ECS-69, 123].
fn retire(x: &Look<'_>, deadline: Timestamp) -> Option<Step> {
    if x.is_container_unknown() {
        return Some(Step::wait(None, "ECS has not answered"));
    }
    if x.container().is_some_and(|c| c.active) {
        return Some(Step::act(Action::Drain, "it is going down"));
    }
    if let Some(step) = shutdown_event(x, deadline) {
        return Some(step);
    }
    let container = x.container()?;
    let Some(tasks) = container.tasks else { return Some(Step::wait(None, "ECS has not said which tasks are left")) };
    let waits_for = match x.rules.drain {
        DrainPolicy::Wait | DrainPolicy::Refuse => tasks.service.saturating_add(tasks.left_behind()),
        DrainPolicy::Stop => tasks.service,
    };
    if waits_for > 0 && x.now < deadline {
        return Some(Step::wait(deadline, format!("{waits_for} tasks have yet to move")));
    }
    if tasks.total() > 0 {
        let why = format!("{} tasks are left when the host has to go", tasks.total());
        return Some(Step::act(Action::StopTasks { daemon: true }, why));
    }
    Some(Step::act(Action::Deregister, "no task is left on it"))
}

/// Sends the Shutdown event and waits for it, at most until `deadline` [INST-20 c, d]; skipped when the agent cannot be reached
/// [INST-23] or Setup never ran. `None` when it is over.
fn shutdown_event(x: &Look<'_>, deadline: Timestamp) -> Option<Step> {
    match (&x.record.shutdown_command, x.seen.shutdown) {
        // Once the host has left the cluster this stage is over: an agent that is back by now gets no late event.
        (None, _) if x.record.setup_command.is_some() && is_reachable(x) && x.now < deadline && !has_left_cluster(x) => {
            Some(Step::act(Action::SendShutdown, "the Shutdown event is due"))
        }
        (Some(_), None | Some(RunSeen::Running)) if x.now < deadline => Some(Step::wait(deadline, "the Shutdown event runs")),
        (None | Some(_), _) => None,
    }
}

/// Whether a command would arrive.
pub(super) fn is_reachable(x: &Look<'_>) -> bool {
    matches!(x.seen.last_ping, PingSeen::At(ping) if x.now.duration_since(ping) <= REACHABLE_WITHIN)
}

fn has_left_cluster(x: &Look<'_>) -> bool {
    x.rules.has_cluster && x.container().is_none()
}

/// What is left in the cluster of a machine that is down already; `None` when nothing is [HEAL-10, ECS-123].
fn clean_up(x: &Look<'_>) -> Option<Step> {
    if x.is_container_unknown() {
        return Some(Step::wait(None, "ECS has not answered"));
    }
    let container = x.container()?;
    if container.active {
        return Some(Step::act(Action::Drain, "its machine is down"));
    }
    Some(match container.tasks {
        None => Step::wait(None, "ECS has not said which tasks are left"),
        Some(tasks) if tasks.total() > 0 => {
            Step::act(Action::StopTasks { daemon: true }, "its machine is down; ECS still counts tasks on it")
        }
        Some(_) => Step::act(Action::Deregister, "its machine is down"),
    })
}

fn put_down(x: &Look<'_>, forced: Timestamp, given_up: Timestamp) -> Step {
    if is_to_terminate(x) {
        return to_terminated(x);
    }
    if x.now >= given_up {
        return stop_fails(x);
    }
    Step::act(Action::PowerOff { force: x.now >= forced }, "the host is out of service")
}

fn going_down(x: &Look<'_>, forced: Timestamp, given_up: Timestamp) -> Step {
    if x.now >= given_up {
        return stop_fails(x);
    }
    if x.now >= forced {
        return Step::act(Action::PowerOff { force: true }, "EC2 takes too long to stop it");
    }
    Step::wait(forced, "EC2 is stopping the machine")
}

fn to_terminated(x: &Look<'_>) -> Step {
    let record = Instance { container_instance_arn: None, ..x.record.clone() };
    Step::to(InstanceStatus::Terminated, record, "the host is out of service; its machine is terminated")
}

fn stop_fails(x: &Look<'_>) -> Step {
    stop_fails_since(x, "EC2 did not take the machine down, though forced")
}

/// The deletion is forgotten with the stop: who still wants it stops the instance again, and then deletes it.
fn stop_fails_since(x: &Look<'_>, why: impl Into<String>) -> Step {
    let record = Instance { healing: false, delete: None, ..x.record.clone() };
    let why = why.into();
    let why = x.record.care.refusal.as_ref().map_or(why.clone(), |refusal| format!("{why}; the last answer was: {refusal}"));
    Step::to(InstanceStatus::StopFailed, record, why)
}

/// EC2 does not say what has become of the machine: nothing is done to it, and beyond all patience the stop has failed.
fn unanswered(x: &Look<'_>, given_up: Timestamp) -> Step {
    x.unanswered("EC2", given_up).unwrap_or_else(|why| stop_fails_since(x, why))
}

/// `stopped`: what belonged to this life is forgotten; machine, root data and volumes stay if EC2 keeps them [INST-22].
fn to_stopped(x: &Look<'_>, why: &str) -> Step {
    let machine_kept = matches!(&x.seen.ec2, Ec2Seen::Seen(host) if host.state == HostState::Stopped);
    let record = Instance {
        ec2_instance_id: x.record.ec2_instance_id.clone().filter(|_| machine_kept),
        private_ip: x.record.private_ip.clone().filter(|_| machine_kept),
        public_ip: None,
        container_instance_arn: None,
        shortage: Shortage::default(),
        has_been_online: false,
        setup_command: None,
        shutdown_command: None,
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        healing: false,
        care: Care::default(),
        attached: Attached { balancers_drained_by: None, ..x.record.attached.clone() },
        ..x.record.clone()
    };
    Step::to(InstanceStatus::Stopped, record, why)
}

/// `terminated`: EC2 terminates; then the record is stopped (instance store) or goes (deletion) [INST-31, 33].
pub(super) fn terminated(x: &Look<'_>) -> Step {
    let given_up = after(after(x.since(), x.rules.stop_patience), x.rules.stop_patience);
    let is_late = x.now >= given_up;
    match power(x) {
        Power::Unknown => unanswered(x, given_up),
        Power::MaybeLaunched { until } => Step::wait(until, "a launch may still turn up"),
        Power::Found => adopt(x),
        Power::Up | Power::Stopped | Power::GoingDown if is_late => stop_fails(x),
        Power::GoingDown if x.host().is_some_and(|h| h.state == HostState::ShuttingDown) => {
            Step::wait(given_up, "EC2 is terminating the machine")
        }
        Power::Up | Power::Stopped | Power::GoingDown => Step::act(Action::Terminate, "its machine is to be terminated"),
        Power::Gone => attached::leave_balancers(x, false).unwrap_or_else(|| when_gone(x, is_late)),
    }
}

/// The machine is gone: what a deletion includes goes too, each thing in EC2 first and then from the records [INST-32].
fn when_gone(x: &Look<'_>, is_late: bool) -> Step {
    match x.record.delete {
        None => to_stopped(x, "EC2 has terminated the machine"),
        // Whether it was made is found out by making it: nothing is left behind that no record names.
        Some(_) if x.record.attached.volume_making.is_some() && !is_late => {
            Step::act(Action::MakeVolume, "a volume may have been made for it, which goes with it")
        }
        Some(delete) if is_late && has_leftovers(x.record, delete) => {
            stop_fails_since(x, "its machine is gone, but EC2 would not delete its volumes or release its address")
        }
        Some(delete) if delete.volumes && !x.record.volumes.is_empty() => {
            Step::act(Action::DeleteVolumes, "the deletion includes its volumes")
        }
        Some(delete) if delete.elastic_ip && x.record.elastic_ip.is_some() => {
            Step::act(Action::ReleaseAddress, "the deletion includes its address")
        }
        Some(_) => Step::Remove { why: "its machine is gone".to_owned() },
    }
}

/// What a deletion still has to take away beside the machine.
fn has_leftovers(record: &Instance, delete: DeleteRequest) -> bool {
    record.attached.volume_making.is_some()
        || (delete.volumes && !record.volumes.is_empty())
        || (delete.elastic_ip && record.elastic_ip.is_some())
}

/// `stopped`: at rest. A machine that the record does not name was launched by a start that had been given up: it goes.
pub(super) fn stopped(x: &Look<'_>) -> Step {
    match (power(x), &x.record.ec2_instance_id) {
        (Power::Found, None) if x.host().is_some_and(|h| h.state != HostState::ShuttingDown) => {
            Step::act(Action::Terminate, "a launch turned up after its start had been given up")
        }
        _ => Step::settled("it is stopped"),
    }
}

/// The first half of a heal, in status `stopping` all the way [HEAL-9]: drain, stop the machine and see that it is stopped, clean
/// up the cluster, then ask for the start.
fn heal_down(x: &Look<'_>) -> Step {
    let since = x.since();
    let forced = after(since, HEAL_FORCE_AFTER);
    let given_up = after(after(since, x.rules.stop_patience), x.rules.stop_patience);
    let terminates = x.record.root_device_type == RootDeviceType::InstanceStore;
    let power = power(x);
    if let (Power::Up, Some(step)) = (&power, let_tasks_move(x)) {
        return step;
    }
    match power {
        Power::Unknown => unanswered(x, given_up),
        Power::MaybeLaunched { until } => Step::wait(until, "a launch may still turn up"),
        Power::Found => adopt(x),
        // Connections to a failed host are not worth waiting for.
        Power::Up | Power::GoingDown | Power::Stopped | Power::Gone
            if x.now < after(since, HEAL_DRAIN_WITHIN) && attached::is_registered(x) =>
        {
            Step::act(Action::LeaveBalancers, "a failed host gets no more connections")
        }
        Power::Up if x.container().is_some_and(|c| c.active) && x.now < after(since, HEAL_DRAIN_WITHIN) => {
            Step::act(Action::Drain, "so that ECS replaces its tasks elsewhere")
        }
        Power::Up | Power::Stopped if x.now >= given_up && terminates => stop_fails(x),
        Power::Up | Power::Stopped if terminates => Step::act(Action::Terminate, "a failed host is replaced"),
        Power::Up => put_down_failed(x, forced, given_up),
        Power::GoingDown if terminates && x.now < given_up => Step::wait(given_up, "EC2 is terminating the failed machine"),
        Power::GoingDown => going_down(x, forced, given_up),
        Power::Stopped | Power::Gone => match clean_up(x).filter(|_| x.now < given_up) {
            Some(step) => step,
            None if x.rules.is_torn_down => to_stopped(x, "the failed machine is down, and its layer is being taken down"),
            None => start_again(x),
        },
    }
}

/// A host that has lost its ECS agent alone still does its work: ECS gets the layer's shutdown time to replace its tasks.
fn let_tasks_move(x: &Look<'_>) -> Option<Step> {
    x.record.care.agent_restarted_at?;
    let deadline = after(x.since(), x.rules.shutdown_timeout);
    let container = x.container().filter(|c| !c.active && x.now < deadline)?;
    match container.tasks {
        Some(tasks) if tasks.service == 0 => None,
        Some(tasks) => Some(Step::wait(deadline, format!("{} tasks have yet to be replaced", tasks.service))),
        None => Some(Step::wait(deadline, "ECS has not said which tasks are left")),
    }
}

fn put_down_failed(x: &Look<'_>, forced: Timestamp, given_up: Timestamp) -> Step {
    if x.now >= given_up {
        return stop_fails(x);
    }
    Step::act(Action::PowerOff { force: x.now >= forced }, "a failed host is stopped and started again")
}

/// The second half of a heal: a start with a launch number, and so a token, of its own. Never by way of `stopped` [HEAL-9].
fn start_again(x: &Look<'_>) -> Step {
    let machine_kept = matches!(&x.seen.ec2, Ec2Seen::Seen(host) if host.state == HostState::Stopped);
    let record = Instance {
        ec2_instance_id: x.record.ec2_instance_id.clone().filter(|_| machine_kept),
        private_ip: None,
        public_ip: None,
        container_instance_arn: None,
        launch_number: x.record.launch_number.saturating_add(1),
        started_at: Some(x.now),
        shortage: Shortage::default(),
        setup_command: None,
        shutdown_command: None,
        care: Care::default(),
        ..x.record.clone()
    };
    Step::to(InstanceStatus::Requested, record, "the failed machine is down; it is started again")
}
