//! RegisterEcsCluster [ACT-50] [ECS-20, 22, 103].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ClusterArn;
use strata_domain::ecs_cluster::{self, EcsClusterError};
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::ClusterRegistration;

/// Registers an ECS cluster with a stack; a cluster belongs to one stack, and a stack has one.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The cluster's ARN.
    #[schemars(required)]
    ecs_cluster_arn: Option<String>,
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The ARN of the cluster that is registered.
    ecs_cluster_arn: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let cluster = ClusterArn::from(required(m.ecs_cluster_arn, "EcsClusterArn")?);
    let stack_id = required(m.stack_id, "StackId")?;
    let region = ecs_cluster::region_of(cluster.as_str())?;
    let stored = call.stack(&stack_id).await?;
    let stack = &stored.record;
    call.permit(Some(&stack.id)).await?;
    ecs_cluster::check_region(region, &stack.region)?;
    ecs_cluster::check_stack(&stack.chef_version, &stack.vpc_id)?;

    let answer = Answer::of(&Output { ecs_cluster_arn: cluster.as_str() });
    let by_cluster = keys::cluster(&cluster);
    match call.find::<ClusterRegistration>(&by_cluster).await? {
        // The same again: success, RegisteredAt unchanged [ECS-103].
        Some(registered) if registered.record.stack_id == stack.id => return Ok(answer),
        Some(_) => return Err(EcsClusterError::ClusterTaken(cluster).into()),
        None => {}
    }
    let of_stack = keys::unique(&stack.id, "cluster", "one");
    if let Some(other) = call.find::<ClusterArn>(&of_stack).await? {
        return Err(EcsClusterError::StackHasCluster(other.record).into());
    }
    call.check_role_for(&stack.service_role_arn, &cluster).await?;
    check_exists(call, stack, &cluster).await?;
    let registration = ClusterRegistration { kind: "cluster".to_owned(), stack_id: stack.id.clone(), registered_at: call.now };
    Ok(answer.with(vec![
        Change::put(by_cluster, &registration, Expect::Absent),
        Change::put(of_stack, &cluster, Expect::Absent),
        stored.check(),
    ]))
}

/// The cluster must exist and be ACTIVE.
async fn check_exists(call: &Call<'_>, stack: &strata_domain::model::Stack, cluster: &ClusterArn) -> Result<(), ApiError> {
    let found = call.ports.containers.describe_cluster(&call.scope(stack), cluster).await?;
    match found {
        Some(view) if view.active => Ok(()),
        Some(_) | None => Err(ApiError::NotFound(format!("Unable to find an active ECS cluster with ARN {cluster}"))),
    }
}
