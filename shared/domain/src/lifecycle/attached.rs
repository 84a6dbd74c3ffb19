//! What belongs to an instance reaches its machine, and leaves it again: load balancers [ELB-3..6], its address [EIP-9..13, 17, 19] and
//! its volumes [EBS-19..22, 31].
//!
//! Our choice: in service, an instance is looked after only while something of it is due: what somebody takes out of a load balancer or moves
//! in EC2 by hand stays so until the instance next becomes `online` or the API is asked [ELB-9].

use jiff::{SignedDuration, Timestamp};

use super::lost_volumes;
use super::{Action, AddressSeen, BalancersSeen, HostState, LAUNCH_SETTLES, Look, Notice, Step, VolumeAt, after};
use crate::InstanceStatus;
use crate::claims::Claim;
use crate::instance_actions::Origin;
use crate::model::{Attached, DeleteRequest, Instance, RootDeviceType};

/// How long a volume may still be on its way from the machine that had it before the start of its instance fails.
pub const VOLUME_SETTLES: SignedDuration = SignedDuration::from_mins(2);
/// What the reason of a start begins with that failed for want of a volume: its service error is of a type of its own [EBS-31] [SVE-4].
pub const VOLUME_FAULT: &str = "its volume";

/// A new life of the machine: troubles of the last one with its address or load balancers are tried again.
pub(super) fn on_booting(record: Instance) -> Instance {
    let attached = Attached {
        address_refused: None,
        balancers_refused: None,
        balancers_drained_by: None,
        volumes_lost: None,
        ..record.attached.clone()
    };
    Instance { attached, ..record }
}

/// What is still to do about volumes before Setup, which mounts them [EBS-20]; `None` when all are at the machine. One that cannot be had
/// fails the start [EBS-31].
pub(super) fn volumes_for_setup(x: &Look<'_>, deadline: Timestamp) -> Option<Step> {
    if !x.record.attached.volumes_leaving.is_empty() {
        return Some(Step::act(Action::DetachVolumes, "a volume was unassigned from it"));
    }
    if let Some(step) = lost_volumes::to_make(x) {
        return Some(step);
    }
    if x.record.volumes.is_empty() {
        return None;
    }
    let Some(volumes) = &x.seen.attached.volumes else {
        return Some(Step::wait(deadline, "EC2 has not said where its volumes are"));
    };
    if let Some((id, at, fault)) = volumes.iter().find_map(|(id, at)| Some((id, at, fault_of(x.record, id, at)?))) {
        let settled = after(x.record.attached.volume_made_at.map_or(x.since(), |made| made.max(x.since())), VOLUME_SETTLES);
        return Some(match x.now < settled {
            true => Step::wait(settled, fault),
            false if *at == VolumeAt::Gone => lost_volumes::go_on(x, id).unwrap_or_else(|| start_fails(x.record, fault)),
            false => start_fails(x.record, fault),
        });
    }
    let is_free = |(_, at): &(String, VolumeAt)| *at == VolumeAt::Free;
    volumes.iter().any(is_free).then(|| Step::act(Action::AttachVolumes, "its volumes are attached before Setup mounts them"))
}

fn fault_of(record: &Instance, id: &str, at: &VolumeAt) -> Option<String> {
    match at {
        VolumeAt::Here | VolumeAt::Free => None,
        VolumeAt::Gone => Some(format!("{VOLUME_FAULT} {id} is not in the account; unassign it and start again")),
        VolumeAt::Elsewhere(host) => {
            Some(format!("{VOLUME_FAULT} {id} is attached to {host}; detach it there, or unassign it here, and start again"))
        }
        VolumeAt::OtherZone(zone) => {
            let own = &record.availability_zone;
            Some(format!("{VOLUME_FAULT} {id} is in {zone} and the instance in {own}; unassign it and start again"))
        }
    }
}

pub(super) fn start_fails(record: &Instance, why: String) -> Step {
    Step::to(InstanceStatus::StartFailed, Instance { healing: false, ..record.clone() }, why)
}

/// The answer to an attachment that EC2 refused for good: the start fails [EBS-31].
pub fn on_volume_refused(record: &Instance, id: &str, code: &str, why: &str) -> Step {
    start_fails(record, format!("{VOLUME_FAULT} {id} cannot be attached: {code}: {why}"))
}

/// What is still to do about its address while the machine runs; `None` when it has it, is to have none, or cannot get it.
pub(super) fn address(x: &Look<'_>, until: impl Into<Option<Timestamp>>) -> Option<Step> {
    if x.host().is_none_or(|host| host.state != HostState::Running) {
        return None;
    }
    let Some(ip) = &x.record.elastic_ip else {
        return is_to_allocate(x).then(|| Step::act(Action::AllocateAddress, "its layer assigns Elastic IP addresses"));
    };
    if x.record.attached.address_refused.is_some() {
        return None;
    }
    match x.seen.attached.address {
        AddressSeen::Here => None,
        AddressSeen::Unknown => Some(Step::wait(until, format!("EC2 has not said where its address {ip} is"))),
        AddressSeen::Gone => Some(on_address_refused(x.record, &format!("the address {ip} is not in the account any more"))),
        AddressSeen::Free | AddressSeen::Elsewhere => {
            Some(Step::act(Action::AssociateAddress, format!("the address {ip} is its own")))
        }
    }
}

/// Whether it is to be given an address: EBS-backed ones once, at their first start; the others at each start without one [EIP-5].
fn is_to_allocate(x: &Look<'_>) -> bool {
    let offered = x.record.attached.address_offered;
    let is_due = match x.record.root_device_type {
        RootDeviceType::Ebs => offered.is_none(),
        RootDeviceType::InstanceStore => offered != Some(x.record.launch_number),
    };
    x.rules.auto_elastic_ip && x.record.origin == Origin::Created && is_due
}

/// The token of its next allocation, which nobody else's address has. Every attempt has the same one until one of them is written down,
/// whatever start it belongs to, so that what a crash has cut off is found again by the tag.
pub fn address_token(record: &Instance) -> String {
    format!("{}/{}", record.id, record.attached.address_offered.map_or(0, |start| start.saturating_add(1)))
}

/// The record after an address was allocated for it.
pub fn on_address_allocated(record: &Instance, ip: &str, now: Timestamp) -> Step {
    let attached = Attached {
        address_token: Some(address_token(record)),
        address_offered: Some(record.launch_number),
        address_settles_at: Some(after(now, LAUNCH_SETTLES)),
        address_refused: None,
        due: true,
        ..record.attached.clone()
    };
    Step::note(
        Instance { elastic_ip: Some(ip.to_owned()), attached, ..record.clone() },
        format!("the address {ip} is its own now"),
    )
}

/// The record after a second look for its allocation has found, or left, only one.
pub fn on_address_settled(record: &Instance) -> Step {
    let attached = Attached { address_settles_at: None, address_token: None, ..record.attached.clone() };
    Step::note(Instance { attached, ..record.clone() }, "one address was allocated, and no second one")
}

/// The record after its address could not be had: it goes on without one, which is told as a service error [EIP-2].
pub fn on_address_refused(record: &Instance, why: &str) -> Step {
    let attached = Attached {
        address_offered: Some(record.launch_number),
        address_refused: Some(why.to_owned()),
        due: true,
        ..record.attached.clone()
    };
    Step::note(Instance { attached, ..record.clone() }, why.to_owned())
}

/// The record after its address was released, for a deletion [EIP-17].
pub fn on_address_released(record: &Instance) -> Step {
    Step::note(Instance { elastic_ip: None, ..record.clone() }, "its address is released")
}

/// The record after EC2 would not release its address: it stays registered with the stack, where people see it.
pub fn on_address_kept(record: &Instance, why: &str) -> Step {
    let delete = record.delete.map(|delete| DeleteRequest { elastic_ip: false, ..delete });
    Step::note(Instance { delete, ..record.clone() }, format!("its address is kept, since EC2 would not release it: {why}"))
}

/// The record as it comes into service, or back into it: what belongs to it is due.
pub(super) fn on_coming_online(x: &Look<'_>) -> Attached {
    let attached = &x.record.attached;
    let has_address =
        x.record.elastic_ip.is_some() || attached.address_settles_at.is_some() || attached.address_refused.is_some();
    Attached {
        due: x.rules.has_balancers || has_address || attached.has_loose_ends() || attached.volumes_lost.is_some(),
        balancers_drained_by: None,
        balancers_refused: None,
        ..attached.clone()
    }
}

/// What is still to do for an instance in service; `None` when nothing is due [ELB-4, 5] [EIP-10, 13].
pub(super) fn in_service(x: &Look<'_>) -> Option<Step> {
    let attached = &x.record.attached;
    if !attached.due && !attached.has_loose_ends() {
        return told(attached);
    }
    join(x).or_else(|| address(x, None)).or_else(|| loose_ends(x)).or_else(|| settle(x)).or_else(|| {
        let public_ip = x.host().and_then(|host| host.public_ip.clone());
        let record = Instance { attached: Attached { due: false, ..attached.clone() }, public_ip, ..x.record.clone() };
        attached.due.then(|| Step::note(record, "what belongs to it is at its machine"))
    })
}

/// A trouble that stays, told once.
fn told(attached: &Attached) -> Option<Step> {
    let settled = |why: &String, notice| Step::Settled { why: why.clone(), notice: Some(notice) };
    let of_address = attached.address_refused.as_ref().map(|why| settled(why, Notice::AddressRefused));
    let of_volumes = attached.volumes_lost.as_ref().map(|why| settled(why, Notice::VolumesLost));
    attached.balancers_refused.as_ref().map(|why| settled(why, Notice::BalancerRefused)).or(of_address).or(of_volumes)
}

fn join(x: &Look<'_>) -> Option<Step> {
    if !x.rules.has_balancers || x.record.attached.balancers_refused.is_some() {
        return None;
    }
    match x.seen.attached.balancers {
        BalancersSeen::Unknown => Some(Step::wait(None, "ELB has not answered")),
        BalancersSeen::Seen { missing: true, .. } => Some(Step::act(Action::JoinBalancers, "it is online")),
        BalancersSeen::Seen { missing: false, .. } => None,
    }
}

/// The record after a load balancer did not take it.
pub fn on_balancers_refused(record: &Instance, why: &str) -> Step {
    let attached = Attached { balancers_refused: Some(why.to_owned()), ..record.attached.clone() };
    Step::note(Instance { attached, ..record.clone() }, why.to_owned())
}

/// A second look for the tag of an allocation whose answer may have been lost the first time.
fn settle(x: &Look<'_>) -> Option<Step> {
    let at = x.record.attached.address_settles_at?;
    Some(match x.now < at {
        true => Step::wait(at, "an address may have been allocated twice"),
        false => Step::act(Action::AllocateAddress, "an address may have been allocated twice"),
    })
}

fn loose_ends(x: &Look<'_>) -> Option<Step> {
    let attached = &x.record.attached;
    if !attached.volumes_leaving.is_empty() {
        return Some(Step::act(Action::DetachVolumes, "a volume was unassigned from it"));
    }
    let is_any = !attached.addresses_leaving.is_empty();
    is_any.then(|| Step::act(Action::DisassociateAddresses, "an address was taken from it"))
}

/// What was taken from an instance at rest leaves its machine, too.
pub(super) fn at_rest(x: &Look<'_>) -> Option<Step> {
    if x.record.status == InstanceStatus::Online || !x.record.status.is_at_rest() {
        return None;
    }
    loose_ends(x)
}

/// The record after what was taken from it has left its machine.
pub fn on_loose_ends_tied(record: &Instance, action: Action) -> Step {
    let mut attached = record.attached.clone();
    match action {
        Action::DetachVolumes => attached.volumes_leaving.clear(),
        _ => attached.addresses_leaving.clear(),
    }
    Step::note(Instance { attached, ..record.clone() }, "what was taken from it has left its machine")
}

/// A load balancer has the machine.
pub(super) fn is_registered(x: &Look<'_>) -> bool {
    let seen = x.seen.attached.balancers;
    x.rules.has_balancers && x.record.ec2_instance_id.is_some() && matches!(seen, BalancersSeen::Seen { registered: true, .. })
}

/// Leaving the load balancers on a way down [ELB-6]: deregistered first; `waits`: until its connections have drained. `None` when that is
/// over. An ELB that does not answer holds nobody up for longer than the stop's patience.
pub(super) fn leave_balancers(x: &Look<'_>, waits: bool) -> Option<Step> {
    let patience = after(x.since(), x.rules.stop_patience);
    leave(x, patience.max(x.record.attached.balancers_drained_by.unwrap_or(patience)), waits)
}

/// The same for a claim, as long as that is in force.
pub(super) fn leave_for_claim(x: &Look<'_>, claim: &Claim) -> Option<Step> {
    leave(x, claim.until, true)
}

fn leave(x: &Look<'_>, given_up: Timestamp, waits: bool) -> Option<Step> {
    if !x.rules.has_balancers || x.record.ec2_instance_id.is_none() || x.now >= given_up {
        return None;
    }
    match x.seen.attached.balancers {
        BalancersSeen::Unknown => Some(Step::wait(given_up, "ELB has not answered")),
        BalancersSeen::Seen { registered: true, .. } => Some(Step::act(Action::LeaveBalancers, "it goes out of service")),
        BalancersSeen::Seen { draining: true, .. } if waits && x.rules.drains_connections => {
            let drained = x.record.attached.balancers_drained_by.unwrap_or(given_up);
            (x.now < drained).then(|| Step::wait(drained, "its connections drain"))
        }
        BalancersSeen::Seen { .. } => None,
    }
}

/// The record after it was deregistered from its load balancers, whose connections drain within `drain_time`. A repeat does not extend the
/// wait.
pub fn on_balancers_left(record: &Instance, drain_time: SignedDuration, now: Timestamp) -> Instance {
    let drained = after(now, drain_time);
    let drained = record.attached.balancers_drained_by.filter(|known| *known > now).map_or(drained, |known| known.min(drained));
    Instance { attached: Attached { balancers_drained_by: Some(drained), ..record.attached.clone() }, ..record.clone() }
}

#[cfg(test)]
mod tests;
