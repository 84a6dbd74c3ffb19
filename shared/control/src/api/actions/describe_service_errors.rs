//! DescribeServiceErrors [ACT-37] [DSC-6]: newest first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ServiceErrorId;
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::ServiceErrorShape;
use crate::records::{ServiceError, Stored};

/// Lists what went wrong outside of calls, the newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// The instance's id, a UUID; not EC2's `i-...`.
    instance_id: Option<String>,
    /// Ids of errors.
    service_error_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The errors.
    service_errors: Vec<ServiceErrorShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.service_error_ids);
    let text = "Please provide one or more service error IDs or a stack ID or an instance ID";
    checks::exactly_one(&[m.stack_id.is_some(), m.instance_id.is_some(), ids.is_some()], text)?;
    let stack = match (&m.stack_id, &m.instance_id) {
        (Some(id), _) => Some(call.stack(id).await?.record.id),
        (None, Some(id)) => Some(call.instance(id).await?.record.stack_id),
        (None, None) => None,
    };
    let mut errors: Vec<ServiceError> = Vec::new();
    if let Some(stack) = stack {
        call.permit(Some(&stack)).await?;
        let all: Vec<Stored<ServiceError>> = call.list(&stack, keys::SERVICE_ERROR).await?;
        let is_asked =
            |e: &ServiceError| m.instance_id.as_ref().is_none_or(|id| e.instance_id.as_ref().is_some_and(|of| of.as_str() == id));
        errors.extend(all.into_iter().map(|e| e.record).filter(is_asked));
    }
    for id in ids.into_iter().flatten() {
        let unknown = || ApiError::unknown_id("service error", &id);
        let owner = call.owner_of("service-error", &id).await?.ok_or_else(unknown)?;
        call.permit(Some(&owner.stack_id)).await?;
        let key = keys::service_error(&owner.stack_id, &ServiceErrorId::from(id.as_str()));
        errors.push(call.find::<ServiceError>(&key).await?.ok_or_else(unknown)?.record);
    }
    errors.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    Ok(Answer::of(&Output { service_errors: errors.iter().map(ServiceErrorShape::of).collect() }))
}
