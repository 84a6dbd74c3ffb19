//! DeregisterEcsCluster [ACT-17] [ECS-94..96]. The layer may go before or after it.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::{ClusterArn, ecs_cluster};
use strata_ports::keys;

use super::uniqueness::give_back;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::ClusterRegistration;

/// Takes an ECS cluster out of its stack. The cluster itself stays.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The cluster's ARN.
    #[schemars(required)]
    ecs_cluster_arn: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let cluster = ClusterArn::from(required(m.ecs_cluster_arn, "EcsClusterArn")?);
    let registration = call
        .find::<ClusterRegistration>(&keys::cluster(&cluster))
        .await?
        .ok_or_else(|| ApiError::NotFound(format!("Unable to find ECS cluster with ARN {cluster}")))?;
    let stack = &registration.record.stack_id;
    call.permit(Some(stack)).await?;
    let mut changes = vec![registration.delete()];
    changes.extend(give_back(call, keys::unique(stack, "cluster", "one")).await?);
    for layer in call.layers_of(stack).await?.into_iter().filter(|l| l.record.cluster.as_ref() == Some(&cluster)) {
        // The layer's write makes sure that no member joins meanwhile.
        ecs_cluster::check_deregister(call.members_of(&layer.record).await?.len())?;
        let mut without = layer.record.clone();
        without.cluster = None;
        changes.push(layer.put(&without));
    }
    Ok(Answer::done(changes))
}
