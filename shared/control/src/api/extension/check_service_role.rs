//! CheckServiceRole: what a stack's service role lacks for an ECS Cluster layer [ECS-31]. It changes nothing; who asks may then widen the
//! role with rights of their own.

use serde::{Deserialize, Serialize};
use strata_domain::ClusterArn;
use strata_domain::ecs_cluster;
use strata_domain::service_role::{ECS_ACTIONS, addition};
use strata_ports::{RoleCheck, keys};

use super::super::call::Call;
use super::super::error::ApiError;
use super::super::input::{Input, required};
use super::super::transaction::Answer;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_id: Option<String>,
    /// The cluster that the layer is to be of; without it the stack's registered one, and before there is one every cluster.
    ecs_cluster_arn: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceRole {
    /// The role.
    pub role_arn: String,
    /// Whether it can be assumed for stacks.
    pub is_trusted: bool,
    /// The actions that it does not allow and an ECS Cluster layer calls.
    pub missing: Vec<String>,
    /// The policy that would add them; absent when nothing is missing.
    pub policy: Option<serde_json::Value>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?.record;
    call.permit(Some(&stack.id)).await?;
    let cluster = match m.ecs_cluster_arn.map(ClusterArn::from) {
        Some(named) => {
            ecs_cluster::region_of(named.as_str())?;
            Some(named)
        }
        None => call.find::<ClusterArn>(&keys::unique(&stack.id, "cluster", "one")).await?.map(|registered| registered.record),
    };
    let checked = call.ports.identity.check_role(&stack.service_role_arn, &ECS_ACTIONS, cluster.as_ref()).await?;
    let (is_trusted, missing) = match checked {
        RoleCheck::Usable { missing } => (true, missing),
        RoleCheck::NotTrusted | RoleCheck::NotYetPropagated => (false, Vec::new()),
    };
    let policy = (!missing.is_empty()).then(|| addition(&missing));
    Ok(Answer::of(&ServiceRole { role_arn: stack.service_role_arn, is_trusted, missing, policy }))
}
