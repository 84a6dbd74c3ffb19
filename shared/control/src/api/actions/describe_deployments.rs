//! DescribeDeployments [ACT-25] [DSC-6, 7].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::DeploymentId;
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::DeploymentShape;
use crate::records::{Deployment, Stored};

/// The newest so many of a stack; more only by id [DSC-7].
const NEWEST: usize = 500;

/// Lists deployments, the newest first; at most 500 of a stack, older ones by id.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// An app's id; there are no apps.
    app_id: Option<String>,
    /// Ids of deployments.
    deployment_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The deployments.
    deployments: Vec<DeploymentShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.deployment_ids);
    let text = "Please provide one or more deployment IDs or a stack ID or an app ID";
    checks::exactly_one(&[m.stack_id.is_some(), m.app_id.is_some(), ids.is_some()], text)?;
    if let Some(app) = m.app_id {
        return Err(ApiError::unknown_id("app", &app));
    }
    let mut deployments: Vec<Deployment> = Vec::new();
    if let Some(id) = &m.stack_id {
        let stack = call.stack(id).await?.record;
        call.permit(Some(&stack.id)).await?;
        let all: Vec<Stored<Deployment>> = call.list(&stack.id, keys::DEPLOYMENT).await?;
        deployments.extend(all.into_iter().map(|d| d.record));
    }
    for id in ids.into_iter().flatten() {
        let deployment = find(call, &id).await?;
        call.permit(Some(&deployment.stack_id)).await?;
        deployments.push(deployment);
    }
    deployments.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    if m.stack_id.is_some() {
        deployments.truncate(NEWEST);
    }
    Ok(Answer::of(&Output { deployments: deployments.iter().map(DeploymentShape::of).collect() }))
}

/// A deployment by id, or R.
pub(super) async fn find(call: &Call<'_>, id: &str) -> Result<Deployment, ApiError> {
    let unknown = || ApiError::unknown_id("deployment", id);
    let owner = call.owner_of("deployment", id).await?.ok_or_else(unknown)?;
    let stored = call.find::<Deployment>(&keys::deployment(&owner.stack_id, &DeploymentId::from(id))).await?;
    Ok(stored.ok_or_else(unknown)?.record)
}
