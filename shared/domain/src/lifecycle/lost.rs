//! Silence: rebooting, lost contact, and the decision to heal [INST-30, HEAL-2, 7, 9, 11].

use super::down::is_reachable;
use super::registered::{is_unassigned, to_registered};
use super::{
    Action, Ec2Seen, HEAL_CAP, HEAL_CAP_PERIOD, HostState, Look, Notice, PingSeen, REBOOT_SETTLES, Step, after, attached,
};
use crate::auto_healing::{AGENT_RESTART_SETTLES, Signs};
use crate::model::{Care, Instance};
use crate::{InitiatedBy, InstanceStatus};

/// `rebooting`: EC2 is asked once, then the agents must call again. No lifecycle event is fired [LIFE-4].
pub(super) fn rebooting(x: &Look<'_>) -> Step {
    let sent = x.record.agent_silent_since.filter(|sent| *sent >= x.record.status_since);
    let deadline = after(after(sent.unwrap_or(x.record.status_since), x.rules.boot_timeout), x.frozen());
    let host = match &x.seen.ec2 {
        Ec2Seen::Unknown => return x.unanswered("EC2", deadline).unwrap_or_else(|why| lose(x, &why)),
        Ec2Seen::Absent => return lose(x, "EC2 knows no such machine any more"),
        Ec2Seen::Seen(host) => host,
    };
    match host.state {
        HostState::Stopped | HostState::Terminated => return lose(x, "the machine went down during a reboot"),
        HostState::Pending | HostState::Stopping | HostState::ShuttingDown if x.now < deadline => {
            return Step::wait(deadline, "EC2 changes the machine");
        }
        HostState::Pending | HostState::Stopping | HostState::ShuttingDown => {
            return lose(x, "EC2 changes the machine and does not come to an end");
        }
        HostState::Running => {}
    }
    let Some(sent) = sent else {
        return match x.now < deadline {
            true => Step::act(Action::Reboot, "a reboot was asked for"),
            false => lose(x, "EC2 has not taken the reboot"),
        };
    };
    let settled = after(sent, REBOOT_SETTLES);
    if x.now < settled {
        return Step::wait(settled, "the machine reboots");
    }
    let has_called = matches!(x.seen.last_ping, PingSeen::At(ping) if ping > sent);
    let is_back =
        has_called && (!x.rules.has_cluster || !x.record.has_been_online || x.container().is_some_and(|c| c.agent_connected));
    if is_back {
        let record = Instance { attached: attached::on_coming_online(x), ..heard(x.record) };
        return match x.record.has_been_online {
            true => Step::to(InstanceStatus::Online, record, "the host is back after its reboot"),
            // It was rebooted in `setup_failed`, and a reboot runs no Setup.
            false => {
                Step::to(InstanceStatus::SetupFailed, record, "the host is back after its reboot; its Setup has still failed")
            }
        };
    }
    match x.now < deadline {
        true => Step::wait(deadline, "the host has not called since its reboot"),
        false => lose(x, "the host has not called since its reboot"),
    }
}

/// The record of a host whose ECS agent is heard again: the silence is over.
pub(super) fn heard(record: &Instance) -> Instance {
    let care = Care { agent_restarted_at: None, ..record.care.clone() };
    Instance { agent_silent_since: None, care, ..record.clone() }
}

fn lose(x: &Look<'_>, why: &str) -> Step {
    Step::to(InstanceStatus::ConnectionLost, x.record.clone(), why)
}

/// `connection_lost`: back in contact, healed, or left alone for a reason.
pub(super) fn connection_lost(x: &Look<'_>) -> Step {
    if x.seen.ec2 == Ec2Seen::Unknown {
        return Step::wait(None, "EC2 has not answered");
    }
    if is_in_contact(x) {
        let why = "contact is back before healing began";
        if is_unassigned(x.record) {
            return to_registered(x, why);
        }
        let record = Instance { healing: false, attached: attached::on_coming_online(x), ..heard(x.record) };
        return Step::to(InstanceStatus::Online, record, why);
    }
    let Some(signs) = x.signs() else { return bookkeeping(x) };
    if !x.is_watched() {
        return Step::settled("it never was online, so it is not watched");
    }
    match obstacle(x) {
        Some(step) => step,
        None => begin_heal(x, signs),
    }
}

/// EC2 running and unimpaired, the ECS agent connected; for a host without ECS a fresh ping [HEAL-11].
fn is_in_contact(x: &Look<'_>) -> bool {
    let Some(host) = x.host() else { return false };
    if !x.is_watched() || host.state != HostState::Running || host.impaired {
        return false;
    }
    match x.rules.has_cluster {
        true => x.container().is_some_and(|c| c.agent_connected),
        false => matches!(x.seen.last_ping, PingSeen::At(p) if x.now.duration_since(p) <= x.rules.heal_silence.saturating_mul(2)),
    }
}

/// Silent, but without the two signs: remember since when.
fn bookkeeping(x: &Look<'_>) -> Step {
    if x.is_container_unknown() {
        return Step::wait(None, "ECS has not answered");
    }
    if x.rules.has_cluster && x.record.agent_silent_since.is_none() && x.container().is_none_or(|c| !c.agent_connected) {
        return Step::note(Instance { agent_silent_since: Some(x.now), ..x.record.clone() }, "the ECS agent is disconnected");
    }
    let why = "contact is lost, but two independent signs of failure are not there";
    silent_agent(x).unwrap_or_else(|| Step::Settled { why: why.to_owned(), notice: Some(Notice::AgentSilent) })
}

/// What is done about an ECS agent that alone is silent, beyond [HEAL-10]: it is restarted, once in a silence, and then has its time. `None`
/// where the layers do not ask for that, or healing is off, or somebody holds the host, or it is not long enough silent.
pub(super) fn silent_agent(x: &Look<'_>) -> Option<Step> {
    let limit = x.rules.silent_agent_limit.filter(|_| x.rules.auto_healing && x.rules.held_by.is_none())?;
    let since = x.record.agent_silent_since.filter(|since| x.now >= after(*since, x.rules.heal_silence))?;
    let is_up = x.host().is_some_and(|host| host.state == HostState::Running && !host.impaired);
    if !x.record.has_been_online || !x.rules.has_cluster || !is_up || !is_reachable(x) {
        return None;
    }
    if x.rules.outage {
        return Some(Step::Settled { why: OUTAGE.to_owned(), notice: Some(Notice::Outage) });
    }
    let Some(restarted) = x.record.care.agent_restarted_at else {
        return Some(Step::act(Action::RestartAgent, "its ECS agent is disconnected, and the host is well otherwise"));
    };
    Some(Step::Wait {
        until: Some(after(since, limit).max(after(restarted, AGENT_RESTART_SETTLES))),
        why: "its ECS agent was told to restart and is not connected yet".to_owned(),
        notice: Some(Notice::AgentSilent),
    })
}

const OUTAGE: &str = "so many hosts are sick at once that it is an outage of something else";

/// Why a failed host is not healed now.
pub(super) fn obstacle(x: &Look<'_>) -> Option<Step> {
    let left_alone = |notice: Notice, why: String| Some(Step::Settled { why, notice: Some(notice) });
    if !x.rules.auto_healing {
        return left_alone(Notice::HealingOff, "a layer of it has auto healing off".to_owned());
    }
    if let Some(by) = &x.rules.held_by {
        return left_alone(Notice::HeldByPerson, format!("{by} holds it"));
    }
    // Whoever takes the layer down takes this host too.
    if x.rules.is_torn_down {
        return Some(Step::settled("a layer of it is being taken down, so it is not healed"));
    }
    if !x.rules.mode_permits_healing {
        return left_alone(Notice::ModeForbids, "the mode forbids healing".to_owned());
    }
    if x.rules.outage {
        return left_alone(Notice::Outage, OUTAGE.to_owned());
    }
    let recent = recent_heals(x);
    if let (true, Some(oldest)) = (recent.len() >= HEAL_CAP, recent.get(recent.len().saturating_sub(HEAL_CAP))) {
        let why = format!("it was healed {} times within the hour and failed again", recent.len());
        return Some(Step::Wait { until: Some(after(*oldest, HEAL_CAP_PERIOD)), why, notice: Some(Notice::HealCap) });
    }
    None
}

/// Heals that began less than an hour ago, oldest first.
fn recent_heals(x: &Look<'_>) -> Vec<jiff::Timestamp> {
    let mut heals: Vec<_> = x.record.heals.iter().copied().filter(|at| x.now < after(*at, HEAL_CAP_PERIOD)).collect();
    heals.sort_unstable();
    heals
}

/// A host that is well, but whose machine EC2 will stop: a heal ahead of its time. It counts as one, so that it cannot go on for ever.
pub(super) fn restart_elsewhere(x: &Look<'_>, why: &str) -> Step {
    let mut heals = recent_heals(x);
    heals.push(x.now);
    let record = Instance {
        healing: true,
        heals,
        initiated_by: Some(InitiatedBy::AutoHealing),
        drained_for: None,
        out_of_service_since: None,
        ..heard(x.record)
    };
    Step::to(InstanceStatus::Stopping, record, why)
}

/// [HEAL-9]: both kinds of root go by `stopping`, and never by `stopped`.
fn begin_heal(x: &Look<'_>, signs: Signs) -> Step {
    let mut heals = recent_heals(x);
    heals.push(x.now);
    // That the agent alone is lost is remembered: such a host still does its work, and its tasks are given time to move.
    let agent_restarted_at = x.record.care.agent_restarted_at.filter(|_| matches!(signs, Signs::AgentAlone { .. }));
    let record = Instance {
        healing: true,
        care: Care { agent_restarted_at, ..x.record.care.clone() },
        heals,
        initiated_by: Some(InitiatedBy::AutoHealing),
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        ..x.record.clone()
    };
    Step::to(InstanceStatus::Stopping, record, signs.to_string())
}
