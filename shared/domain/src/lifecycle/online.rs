//! In service: health, claims, and hosts that somebody else has set DRAINING.

use super::lost::{heard, obstacle, restart_elsewhere, silent_agent};
use super::{Action, ContainerHost, Ec2Seen, HostState, Look, Notice, Step, after, attached};
use crate::InstanceStatus;
use crate::announced::wants_restart;
use crate::auto_healing::Signs;
use crate::claims::{Claim, DrainPolicy};
use crate::model::Instance;

/// `online`: EC2 running, the ECS agent connected, the container instance ACTIVE, or a reason why not yet lost.
pub(super) fn online(x: &Look<'_>) -> Step {
    let claimed_out = x.claim().filter(|_| x.record.out_of_service_since.is_some());
    if let Some(signs) = x.signs() {
        // A host that is out of service for a claim is expected to reboot and to be silent; only its end is not.
        return match claimed_out {
            Some(claim) if signs != Signs::Ec2Gone => {
                Step::wait(claim.until, format!("{signs}, but it is out of service for {}", claim.holder))
            }
            _ => Step::to(InstanceStatus::ConnectionLost, x.record.clone(), signs.to_string()),
        };
    }
    let host = match &x.seen.ec2 {
        Ec2Seen::Unknown | Ec2Seen::Absent => return Step::wait(None, "EC2 has not answered"),
        Ec2Seen::Seen(host) => host,
    };
    match host.state {
        HostState::Running => {}
        HostState::Pending | HostState::Stopping | HostState::ShuttingDown | HostState::Stopped | HostState::Terminated => {
            return Step::wait(None, "EC2 changes the machine, and Strata has not asked for it");
        }
    }
    if x.is_container_unknown() {
        return Step::wait(None, "ECS has not answered");
    }
    if !x.rules.has_cluster {
        return without_cluster(x);
    }
    match x.container() {
        Some(container) if container.agent_connected => connected(x, container),
        _ => disconnected(x, claimed_out),
    }
}

fn without_cluster(x: &Look<'_>) -> Step {
    match (x.claim(), x.record.out_of_service_since) {
        // Written first, so that nobody registers it with its load balancers meanwhile.
        (Some(claim), None) if x.rules.has_balancers && x.record.drained_for.as_deref() != Some(claim.holder.as_str()) => {
            note_claim(x, claim)
        }
        (Some(claim), None) => match attached::leave_for_claim(x, claim) {
            Some(step) => step,
            None => Step::note(
                Instance { out_of_service_since: Some(x.now), ..x.record.clone() },
                format!("there is nothing to drain; it is out of service for {}", claim.holder),
            ),
        },
        (Some(claim), Some(_)) => Step::wait(claim.until, format!("it is out of service for {}", claim.holder)),
        (None, Some(_)) => back_in_service(x),
        (None, None) if x.record.drained_for.is_some() => back_in_service(x),
        (None, None) => in_service(x),
    }
}

/// Nothing is to be done about the host itself: what belongs to it is looked after.
fn in_service(x: &Look<'_>) -> Step {
    attached::in_service(x).unwrap_or_else(|| Step::settled("it is in service"))
}

fn note_claim(x: &Look<'_>, claim: &Claim) -> Step {
    let record = Instance { drained_for: Some(claim.holder.clone()), out_of_service_since: None, ..x.record.clone() };
    Step::note(record, format!("{} claims it", claim.holder))
}

fn back_in_service(x: &Look<'_>) -> Step {
    let attached = attached::on_coming_online(x);
    let record = Instance { drained_for: None, out_of_service_since: None, attached, ..x.record.clone() };
    Step::note(record, "no claim binds it any more; it is back in service")
}

/// The ECS agent is disconnected: remembered, told once as a service error while the host is well otherwise [HEAL-10].
fn disconnected(x: &Look<'_>, claimed_out: Option<&Claim>) -> Step {
    if let Some(claim) = claimed_out {
        return Step::wait(claim.until, format!("the ECS agent is disconnected, but it is out of service for {}", claim.holder));
    }
    let Some(since) = x.record.agent_silent_since else {
        return Step::note(Instance { agent_silent_since: Some(x.now), ..x.record.clone() }, "the ECS agent is disconnected");
    };
    let failed_at = after(since, x.rules.heal_silence);
    if x.now < failed_at {
        return Step::wait(failed_at, "the ECS agent is disconnected");
    }
    let why = "the ECS agent is disconnected, but the host is well otherwise";
    silent_agent(x).unwrap_or_else(|| Step::Settled { why: why.to_owned(), notice: Some(Notice::AgentSilent) })
}

fn connected(x: &Look<'_>, container: &ContainerHost) -> Step {
    if x.record.agent_silent_since.is_some() || x.record.container_instance_arn.as_ref() != Some(&container.arn) {
        let record = Instance { container_instance_arn: Some(container.arn.clone()), ..heard(x.record) };
        return Step::note(record, "the ECS agent is connected");
    }
    match x.claim() {
        Some(claim) if container.active => take_out(x, claim, container),
        Some(claim) => drained(x, claim, container),
        None => unclaimed(x, container),
    }
}

/// Claimed and ACTIVE. That the DRAINING will be ours is written first, so that it is never mistaken for somebody else's.
fn take_out(x: &Look<'_>, claim: &Claim, container: &ContainerHost) -> Step {
    if claim.drain == DrainPolicy::Refuse {
        match container.tasks.map(super::TaskCounts::left_behind) {
            None => return Step::wait(claim.until, "ECS has not said which tasks run on it"),
            Some(0) => {}
            Some(left) => {
                return Step::Wait {
                    until: Some(claim.until),
                    why: format!("{left} protected or standalone tasks run on it, and the drain policy is to refuse"),
                    notice: Some(Notice::ClaimRefused),
                };
            }
        }
    }
    if x.record.drained_for.as_deref() != Some(claim.holder.as_str()) || x.record.out_of_service_since.is_some() {
        return note_claim(x, claim);
    }
    if let Some(step) = attached::leave_for_claim(x, claim) {
        return step;
    }
    Step::act(Action::Drain, format!("{} claims it: {}", claim.holder, claim.reason))
}

/// Claimed and DRAINING, by us or by somebody else: out of service once its tasks have moved.
fn drained(x: &Look<'_>, claim: &Claim, container: &ContainerHost) -> Step {
    if x.record.drained_for.as_ref().is_some_and(|holder| *holder != claim.holder) {
        let record = Instance { drained_for: Some(claim.holder.clone()), ..x.record.clone() };
        return Step::note(record, format!("{} claims it now", claim.holder));
    }
    if x.record.out_of_service_since.is_some() {
        return out_for(x, claim);
    }
    let Some(tasks) = container.tasks else { return Step::wait(claim.until, "ECS has not said which tasks are left") };
    if tasks.service > 0 {
        return Step::wait(claim.until, format!("{} tasks have yet to move", tasks.service));
    }
    if tasks.left_behind() > 0 {
        return match claim.drain {
            DrainPolicy::Stop => Step::act(
                Action::StopTasks { daemon: false },
                format!("{} tasks do not move by themselves, and the drain policy is to stop them", tasks.left_behind()),
            ),
            DrainPolicy::Wait | DrainPolicy::Refuse => {
                Step::wait(claim.until, format!("{} protected or standalone tasks are left", tasks.left_behind()))
            }
        };
    }
    let record = Instance { out_of_service_since: Some(x.now), ..x.record.clone() };
    Step::note(record, format!("its tasks have moved; it is out of service for {}", claim.holder))
}

/// Out of service: what its holder wants done is the holder's, except that a machine which EC2 is about to stop is restarted by us, on
/// other hardware, before that.
fn out_for(x: &Look<'_>, claim: &Claim) -> Step {
    let why = format!("it is out of service for {}", claim.holder);
    match wants_restart(&claim.holder) && obstacle(x).is_none() {
        true => restart_elsewhere(x, &claim.reason),
        false => Step::wait(claim.until, why),
    }
}

/// No claim binds it: our own DRAINING is undone, somebody else's is respected and told once.
fn unclaimed(x: &Look<'_>, container: &ContainerHost) -> Step {
    match (container.active, &x.record.drained_for) {
        (false, Some(holder)) => Step::act(Action::Activate, format!("the claim of {holder} is over")),
        (true, Some(_)) => back_in_service(x),
        (_, None) if x.record.out_of_service_since.is_some() => back_in_service(x),
        (false, None) if !x.seen.foreign_hold => Step::act(Action::HoldForeign, "somebody else has set it DRAINING"),
        (false, None) => Step::Settled {
            why: "somebody else has set it DRAINING; it is left alone".to_owned(),
            notice: Some(Notice::ForeignDraining),
        },
        (true, None) if x.seen.foreign_hold => Step::act(Action::ReleaseForeign, "it takes tasks again"),
        (true, None) => in_service(x),
    }
}
