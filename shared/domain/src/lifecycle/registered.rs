//! Registered instances: their machine exists already. Into the stack, into layers, out of layers, out of the stack [REG-1..4].
//!
//! Nothing here touches the machine's power or its ECS agent: a host that leaves stays a container instance of its cluster [ECS-91].

use jiff::Timestamp;

use super::down::{Power, adopt, is_reachable, power};
use super::{Action, Ec2Seen, HostState, Look, PingSeen, RunSeen, Step, after, attached, spoken};
use crate::InstanceStatus;
use crate::instance_actions::Origin;
use crate::model::{Attached, Care, Instance};

/// `registering` and `assigning`: Setup is due as soon as the machine's SSM agent is in contact.
pub(super) fn coming(x: &Look<'_>) -> Step {
    let deadline = after(x.since(), x.rules.boot_timeout);
    let fails = |why: String| Step::to(InstanceStatus::SetupFailed, x.record.clone(), why);
    let host = match &x.seen.ec2 {
        Ec2Seen::Unknown => return x.unanswered("EC2", deadline).unwrap_or_else(fails),
        Ec2Seen::Absent => None,
        Ec2Seen::Seen(host) => Some(host),
    };
    if x.now >= deadline {
        return fails(format!("the machine was not in contact within {}", spoken(x.rules.boot_timeout)));
    }
    match (host, x.seen.last_ping) {
        (Some(host), PingSeen::At(ping)) if host.state == HostState::Running && ping >= host.launched_at => {
            Step::act(Action::SendSetup, "the machine is in contact; Setup is due")
        }
        (Some(host), _) if host.state == HostState::Running => Step::wait(deadline, "the machine's SSM agent has not called"),
        (Some(_) | None, _) => Step::wait(deadline, "the machine does not run"),
    }
}

/// `unassigning`: the Shutdown event, then out of all layers at once [REG-3].
pub(super) fn unassigning(x: &Look<'_>) -> Step {
    leaving_event(x).unwrap_or_else(|| to_registered(x, "it has left its layers"))
}

/// `deregistering`: the Shutdown event if it is in layers, then the record goes and the machine runs on [REG-4].
///
/// Our choice: it goes also when EC2 does not answer for long, since nothing is done to the machine; a stack whose role EC2 refuses could not be
/// deleted else.
pub(super) fn deregistering(x: &Look<'_>) -> Step {
    let gone = |why: &str| Step::Remove { why: why.to_owned() };
    match power(x) {
        Power::Unknown => {
            let in_time = x.unanswered("EC2", after(x.since(), x.rules.shutdown_timeout));
            return in_time
                .unwrap_or_else(|_| gone("EC2 does not answer; it has left the stack, and its machine is left as it is"));
        }
        Power::MaybeLaunched { until } => return Step::wait(until, "a launch may still turn up"),
        // So that what is told of it names the machine that is left behind.
        Power::Found => return adopt(x),
        Power::Gone | Power::Stopped | Power::GoingDown | Power::Up => {}
    }
    let event = if x.record.layer_ids.is_empty() { None } else { leaving_event(x) };
    event.unwrap_or_else(|| gone("it has left the stack; its machine is left as it is"))
}

/// What is still to do before a host leaves its layers; `None` when all is done or out of reach. A DRAINING of our own is undone, since
/// the host goes back to ECS as it came [ECS-91].
fn leaving_event(x: &Look<'_>) -> Option<Step> {
    if let Some(step) = attached::leave_balancers(x, true) {
        return Some(step);
    }
    let since = match x.record.attached.balancers_drained_by {
        Some(drained) => drained.max(x.since()),
        // Nobody has noted it: whoever deregistered it died before the note, and its connections may have drained for as long as leaving may take.
        None if x.rules.has_balancers => after(x.since(), x.rules.stop_patience),
        None => x.since(),
    };
    let deadline: Timestamp = after(since, x.rules.shutdown_timeout);
    if x.now >= deadline {
        return None;
    }
    match power(x) {
        Power::Unknown => return Some(Step::wait(deadline, "EC2 has not answered")),
        Power::Up => {}
        Power::MaybeLaunched { .. } | Power::Found | Power::Gone | Power::Stopped | Power::GoingDown => return None,
    }
    if x.record.drained_for.is_some() && x.container().is_some_and(|c| !c.active) {
        return Some(Step::act(Action::Activate, "it was DRAINING for a claim, and goes back to ECS"));
    }
    match (&x.record.shutdown_command, x.seen.shutdown) {
        (None, _) if x.record.setup_command.is_some() && is_reachable(x) => {
            Some(Step::act(Action::SendShutdown, "the Shutdown event is due"))
        }
        (Some(_), None | Some(RunSeen::Running)) => Some(Step::wait(deadline, "the Shutdown event runs")),
        (None | Some(_), _) => None,
    }
}

/// Whether it is a registered EC2 instance in no layer: it is looked after all the same [HEAL-8] [REG-1].
pub(super) fn is_unassigned(record: &Instance) -> bool {
    record.origin == Origin::RegisteredEc2 && record.layer_ids.is_empty()
}

/// `registered`: for as long as anybody likes [REG-1], but a machine that has failed is healed as one in layers is, unless a setting of
/// theirs forbids it: no layer does [HEAL-8].
pub(super) fn at_rest(x: &Look<'_>) -> Step {
    match x.signs().filter(|_| is_unassigned(x.record)) {
        Some(signs) => Step::to(InstanceStatus::ConnectionLost, x.record.clone(), signs.to_string()),
        None => Step::settled("it is registered and in no layer"),
    }
}

/// `registered`: in no layer; what belonged to the life in layers is forgotten.
pub(super) fn to_registered(x: &Look<'_>, why: &str) -> Step {
    let record = Instance {
        layer_ids: Vec::new(),
        container_instance_arn: None,
        online_since: None,
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
    Step::to(InstanceStatus::Registered, record, why)
}

/// A machine of the user's own. Our choice: commands have no way to it, so each status passes at once, and nobody watches it.
pub(super) fn on_premises(x: &Look<'_>) -> Option<Step> {
    if x.record.origin != Origin::OnPremises {
        return None;
    }
    let online = || Instance { online_since: Some(x.now), has_been_online: true, ..x.record.clone() };
    Some(match x.record.status {
        InstanceStatus::Registering => to_registered(x, "its own call has registered it"),
        InstanceStatus::Assigning => Step::to(InstanceStatus::Online, online(), "it is in its layers"),
        InstanceStatus::Unassigning => to_registered(x, "it has left its layers"),
        InstanceStatus::Deregistering => Step::Remove { why: "it has left the stack".to_owned() },
        _ => Step::settled("it is an on-premises machine, which nobody watches"),
    })
}
