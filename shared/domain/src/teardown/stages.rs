//! The stages, in the one order that leaves nothing behind: what each waits for, does, and may take.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::record::Teardown;
use super::step::{MemberView, TeardownStep, TeardownView};
use crate::InstanceStatus;
use crate::instance_actions::{Allowed, InstanceAction, Origin, allowed};

/// How far a teardown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Nothing was looked at yet.
    Begin,
    /// The cluster's services are scaled down and deleted [ECS-90].
    Services,
    /// Instances are stopped and deleted, registered ones handed back [ECS-91].
    Instances,
    /// The cluster is deregistered [ECS-92].
    Cluster,
    /// The layer is deleted [ECS-93].
    Layer,
    /// The stack is deleted [ECS-97].
    Stack,
    /// All that was asked for is gone.
    Over,
}

impl Stage {
    /// In words, as the subject of a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Begin => "the beginning",
            Self::Services => "removal of the services",
            Self::Instances => "removal of the instances",
            Self::Cluster => "deregistration of the cluster",
            Self::Layer => "deletion of the layer",
            Self::Stack => "deletion of the stack",
            Self::Over => "the teardown",
        }
    }

    /// How long it may take before on-call is told what blocks it. Services wait for task stop timeouts and deregistration delays,
    /// instances for drains, shutdown timeouts and EC2; the rest are single calls.
    pub fn patience(self) -> SignedDuration {
        match self {
            Self::Begin | Self::Over => SignedDuration::ZERO,
            Self::Services => SignedDuration::from_mins(30),
            Self::Instances => SignedDuration::from_mins(60),
            Self::Cluster | Self::Layer | Self::Stack => SignedDuration::from_mins(10),
        }
    }
}

/// The stage that the world is in: the first in order that is not done.
///
/// Services are looked at only while the layer has instances or the teardown has not come past them: later the cluster is its owner's.
pub fn stage(teardown: &Teardown, view: &TeardownView) -> Stage {
    let is_past_services = teardown.stage > Stage::Services && view.members.is_empty();
    if teardown.options.delete_services && !is_past_services && !view.services.is_empty() {
        Stage::Services
    } else if !view.members.is_empty() {
        Stage::Instances
    } else if view.is_cluster_registered && teardown.cluster.is_some() {
        Stage::Cluster
    } else if view.layer_exists {
        Stage::Layer
    } else if teardown.options.delete_stack && view.stack_exists && view.rest_of_stack.is_none() {
        Stage::Stack
    } else {
        Stage::Over
    }
}

pub(super) fn deadline(stage: Stage, since: Timestamp) -> Timestamp {
    since.checked_add(stage.patience()).unwrap_or(Timestamp::MAX)
}

/// Why a stage's turn has come, in words.
pub fn because(stage: Stage, teardown: &Teardown) -> String {
    match stage {
        Stage::Begin => "asked for".to_owned(),
        Stage::Services => "services go first, so that their tasks end in order".to_owned(),
        Stage::Instances if teardown.options.delete_services => "no service is left in the cluster".to_owned(),
        Stage::Instances => "the services were not to be deleted".to_owned(),
        Stage::Cluster => "no instance is left in the layer".to_owned(),
        Stage::Layer => "no instance and no registered cluster is left".to_owned(),
        Stage::Stack => "nothing is left in the stack".to_owned(),
        Stage::Over => "all that was asked for is gone".to_owned(),
    }
}

pub(super) fn actions(stage: Stage, teardown: &Teardown, view: &TeardownView, now: Timestamp) -> Vec<TeardownStep> {
    match stage {
        Stage::Begin | Stage::Over => Vec::new(),
        Stage::Services => services(view),
        Stage::Instances => view.members.iter().filter_map(|m| member(teardown, m, now)).collect(),
        Stage::Cluster => {
            teardown.cluster.clone().map(|cluster| TeardownStep::DeregisterCluster { cluster }).into_iter().collect()
        }
        Stage::Layer => vec![TeardownStep::DeleteLayer],
        Stage::Stack => vec![TeardownStep::DeleteStack],
    }
}

fn services(view: &TeardownView) -> Vec<TeardownStep> {
    let step = |s: &super::ServiceView| {
        let (service, name) = (s.arn.clone(), s.name.clone());
        if s.daemon || (s.desired == 0 && s.tasks == 0) {
            Some(TeardownStep::DeleteService { service, name })
        } else if s.desired > 0 {
            Some(TeardownStep::ScaleService { service, name, from: s.desired })
        } else {
            None
        }
    };
    view.services.iter().filter_map(step).collect()
}

/// A created instance is stopped, then deleted; a registered one is unassigned, then deregistered, and runs on.
fn member(teardown: &Teardown, member: &MemberView, now: Timestamp) -> Option<TeardownStep> {
    if hands_off(member, now).is_some() {
        return None;
    }
    let may = |action| allowed(action, member.status, member.origin) == Allowed::Yes;
    let (instance, hostname) = (member.id.clone(), member.hostname.clone());
    match member.origin {
        Origin::Created if may(InstanceAction::Delete) => {
            let (volumes, address) = (teardown.options.delete_volumes, teardown.options.delete_addresses);
            Some(TeardownStep::Delete { instance, hostname, volumes, address })
        }
        Origin::Created if member.status == InstanceStatus::StopFailed => {
            may_retry(teardown, now).then_some(TeardownStep::Stop { instance, hostname, again: true })
        }
        Origin::Created if may(InstanceAction::Stop) => Some(TeardownStep::Stop { instance, hostname, again: false }),
        Origin::RegisteredEc2 | Origin::OnPremises if may(InstanceAction::Unassign) => {
            Some(TeardownStep::Unassign { instance, hostname })
        }
        Origin::RegisteredEc2 | Origin::OnPremises if member.status == InstanceStatus::Registered => {
            Some(TeardownStep::Deregister { instance, hostname })
        }
        // It is off already, so there is nothing to leave in order: its owner gets it back as it is.
        Origin::RegisteredEc2 if is_at_rest(member.status) && may(InstanceAction::Deregister) => {
            Some(TeardownStep::Deregister { instance, hostname })
        }
        Origin::Created | Origin::RegisteredEc2 | Origin::OnPremises => None,
    }
}

/// A stop that has failed is tried again, but not so often that on-call hears of nothing else: each failure is a page.
const RETRIED_EVERY: SignedDuration = SignedDuration::from_hours(1);

fn may_retry(teardown: &Teardown, now: Timestamp) -> bool {
    teardown.retried_at.is_none_or(|at| now.duration_since(at) >= RETRIED_EVERY)
}

fn is_at_rest(status: InstanceStatus) -> bool {
    matches!(status, InstanceStatus::Stopped | InstanceStatus::StartFailed | InstanceStatus::StopFailed)
}

/// Why a member is left alone, and what to do about it.
pub(super) fn hands_off(member: &MemberView, now: Timestamp) -> Option<(String, String)> {
    let name = &member.hostname;
    if member.is_shared {
        return Some((format!("{name} is in another layer too"), format!("take {name} out of one of the two layers")));
    }
    if let Some(held) = &member.held {
        return Some((format!("{name} is held: {held}"), format!("release the hold on {name}")));
    }
    let claim = member.claim.as_ref().filter(|c| c.is_in_force(now))?;
    let what = format!("{name} is claimed by {} until {}: {}", claim.holder, claim.until, claim.reason);
    Some((what, format!("wait, or abort what claims {name}")))
}

/// What is left standing at the end, in words.
pub(super) fn left_standing(teardown: &Teardown, view: &TeardownView) -> String {
    let mut left = Vec::new();
    if view.layer_exists {
        left.push(format!("layer {}", teardown.layer_name));
    }
    if !view.members.is_empty() {
        left.push(format!("{} instances", view.members.len()));
    }
    if let (true, true, Some(rest)) = (teardown.options.delete_stack, view.stack_exists, &view.rest_of_stack) {
        left.push(format!("the stack, because {rest} is in it"));
    }
    if let Some(cluster) = &teardown.cluster {
        left.push(format!("cluster {} in ECS", cluster.name()));
    }
    let mut text = if left.is_empty() { "nothing is left".to_owned() } else { format!("left standing: {}", left.join(", ")) };
    if view.layer_exists && !teardown.scaled_down.is_empty() {
        let counts: Vec<String> = teardown.scaled_down.iter().map(|(name, count)| format!("{name} had {count}")).collect();
        text.push_str(&format!("; services were scaled to zero: {}", counts.join(", ")));
    }
    text
}
