//! Target groups of ELBv2: those targets count as a layer's hosts that are registered by instance id at the group's own port. ECS registers
//! the tasks of services at ports of their own, and those are left alone.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    TargetDescription, TargetGroup, TargetHealthDescription, TargetHealthStateEnum, TargetTypeEnum,
};
use jiff::SignedDuration;
use strata_domain::Ec2InstanceId;
use strata_ports::{BalancerHosts, CloudError};

use super::{Each, each};
use crate::error::{Effect, sort};

pub(super) const ATTRIBUTES: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
pub(super) const DEREGISTER: &str = "elasticloadbalancing:DeregisterTargets";
pub(super) const GROUPS: &str = "elasticloadbalancing:DescribeTargetGroups";
pub(super) const HEALTH: &str = "elasticloadbalancing:DescribeTargetHealth";
pub(super) const REGISTER: &str = "elasticloadbalancing:RegisterTargets";

/// The attribute, in seconds, and ELB's own value for it.
const DRAIN: (&str, i64) = ("deregistration_delay.timeout_seconds", 300);
/// What ELB says of a group that is not there.
const NO_GROUP: &str = "TargetGroupNotFound";
/// What ELB says of a host that it does not know, of another VPC, or of a kind that the group does not take.
const BAD_TARGET: &str = "InvalidTarget";

/// No classic load balancer's name looks like an ARN.
pub(super) fn is_target_group(balancer: &str) -> bool {
    balancer.starts_with("arn:")
}

/// The group's hosts, and which of `asked` still drain; `None` if there is no such group.
pub(super) async fn hosts(client: &Client, arn: &str, asked: &[Ec2InstanceId]) -> Result<Option<BalancerHosts>, CloudError> {
    let Some(group) = group(client, arn).await? else { return Ok(None) };
    // Without targets in the question the answer has all that are registered, and those that drain.
    let answer = client.describe_target_health().target_group_arn(arn).send().await;
    let answer = match answer.map_err(|error| sort(HEALTH, Effect::Read, error)) {
        Err(error) if error.code() == Some(NO_GROUP) => return Ok(None),
        other => other?,
    };
    let mut found = BalancerHosts::default();
    for target in answer.target_health_descriptions() {
        let Some(host) = host_of(&group, target) else { continue };
        if !drains(target) {
            found.registered.push(host);
        } else if asked.contains(&host) {
            found.draining.push(host);
        }
    }
    Ok(Some(found))
}

async fn group(client: &Client, arn: &str) -> Result<Option<TargetGroup>, CloudError> {
    let answer = client.describe_target_groups().target_group_arns(arn).send().await;
    match answer.map_err(|error| sort(GROUPS, Effect::Read, error)) {
        Ok(answer) => Ok(answer.target_groups.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some(NO_GROUP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The host of a target that was registered by instance id at the group's own port.
fn host_of(group: &TargetGroup, target: &TargetHealthDescription) -> Option<Ec2InstanceId> {
    let target = target.target()?;
    let is_at_own_port = target.port().is_none() || target.port() == group.port();
    let is_ours = group.target_type() == Some(&TargetTypeEnum::Instance) && is_at_own_port;
    target.id().filter(|_| is_ours).map(Ec2InstanceId::from)
}

fn drains(target: &TargetHealthDescription) -> bool {
    use TargetHealthStateEnum as State;
    let state = target.target_health().and_then(|health| health.state());
    matches!(state, Some(State::Draining | State::UnhealthyDraining))
}

/// Registers hosts at the group's own port.
pub(super) async fn register(client: &Client, arn: &str, hosts: &[Ec2InstanceId]) -> Each {
    each(hosts, is_about_one, |batch| {
        let request = client.register_targets().target_group_arn(arn).set_targets(Some(targets(batch)));
        async move {
            let answer = request.send().await;
            answer.map(drop).map_err(|error| sort(REGISTER, Effect::Write, error))
        }
    })
    .await
}

/// Deregisters hosts at the group's own port: what is registered at another stays.
pub(super) async fn deregister(client: &Client, arn: &str, hosts: &[Ec2InstanceId]) -> Each {
    each(hosts, is_about_one, |batch| {
        let is_one = batch.len() == 1;
        let request = client.deregister_targets().target_group_arn(arn).set_targets(Some(targets(batch)));
        async move {
            let answer = request.send().await;
            match answer.map(drop).map_err(|error| sort(DEREGISTER, Effect::Write, error)) {
                Err(error) if error.code() == Some(NO_GROUP) => Ok(()),
                // A machine that is gone is in no group; its neighbours are asked for without it.
                Err(error) if error.code() == Some(BAD_TARGET) && is_one => Ok(()),
                other => other,
            }
        }
    })
    .await
}

/// The group's deregistration delay.
pub(super) async fn drain_time(client: &Client, arn: &str) -> Result<SignedDuration, CloudError> {
    let answer = client.describe_target_group_attributes().target_group_arn(arn).send().await;
    let answer = match answer.map_err(|error| sort(ATTRIBUTES, Effect::Read, error)) {
        Err(error) if error.code() == Some(NO_GROUP) => return Ok(SignedDuration::ZERO),
        other => other?,
    };
    let (key, usual) = DRAIN;
    let said = answer.attributes().iter().find(|attribute| attribute.key() == Some(key)).and_then(|found| found.value());
    Ok(SignedDuration::from_secs(said.and_then(|seconds| seconds.parse().ok()).unwrap_or(usual)))
}

fn targets(hosts: &[Ec2InstanceId]) -> Vec<TargetDescription> {
    hosts.iter().map(|host| TargetDescription::builder().id(host.as_str()).build()).collect()
}

fn is_about_one(error: &CloudError) -> bool {
    error.code() == Some(BAD_TARGET)
}
