//! DescribeEcsClusters [ACT-26] [ECS-100, 101].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ClusterArn;
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::EcsClusterShape;
use crate::records::ClusterRegistration;

/// Lists the ECS clusters that are registered.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// ARNs of clusters.
    ecs_cluster_arns: Option<Vec<String>>,
    /// The stack's id.
    stack_id: Option<String>,
    /// How many a page may have; with a stack only.
    max_results: Option<i64>,
    /// Where the last page ended; with a stack only.
    next_token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The clusters.
    ecs_clusters: Vec<EcsClusterShape<'a>>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arns = non_empty(m.ecs_cluster_arns);
    let text = "Please provide one or more ECS cluster ARNs or a stack ID";
    checks::exactly_one(&[arns.is_some(), m.stack_id.is_some()], text)?;
    if let (None, true) = (&m.stack_id, m.max_results.is_some() || m.next_token.is_some()) {
        return Err(ApiError::Validation("MaxResults and NextToken can be used with a stack ID only".to_owned()));
    }
    let arns: Vec<ClusterArn> = match m.stack_id {
        Some(id) => {
            let stack = call.stack(&id).await?.record;
            call.permit(Some(&stack.id)).await?;
            call.find::<ClusterArn>(&keys::unique(&stack.id, "cluster", "one")).await?.map(|c| c.record).into_iter().collect()
        }
        None => arns.into_iter().flatten().map(ClusterArn::from).collect(),
    };
    let mut found = Vec::with_capacity(arns.len());
    for arn in arns {
        let registration = call.find::<ClusterRegistration>(&keys::cluster(&arn)).await?;
        let unknown = || ApiError::NotFound(format!("Unable to find ECS cluster with ARN {arn}"));
        let registration = registration.ok_or_else(unknown)?.record;
        call.permit(Some(&registration.stack_id)).await?;
        found.push((arn, registration));
    }
    found.sort_by(|a, b| (a.1.registered_at, &a.0).cmp(&(b.1.registered_at, &b.0)));
    let ecs_clusters = found.iter().map(|(arn, r)| EcsClusterShape::of(arn, r)).collect();
    // A stack has at most one cluster, so there is never a second page [ECS-101].
    Ok(Answer::of(&Output { ecs_clusters, next_token: None }))
}
