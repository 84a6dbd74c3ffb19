//! DeleteInstance [ACT-13] [INST-31..33]: of a stopped instance. Lifecycle terminates what EC2 still has and then removes the record.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::InstanceStatus;
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::DeleteRequest;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::busy_changes;
use crate::status_change::move_status;

/// Deletes an instance that is stopped, its machine included.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
    /// Whether the instance's Elastic IP is released. Default: false.
    delete_elastic_ip: Option<bool>,
    /// Whether the instance's volumes are deleted. Default: false.
    delete_volumes: Option<bool>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.instance(&required(m.instance_id, "InstanceId")?).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    match allowed(InstanceAction::Delete, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    let mut next = stored.record.clone();
    next.initiated_by = Some(call.initiated_by());
    next.delete =
        Some(DeleteRequest { volumes: m.delete_volumes.unwrap_or(false), elastic_ip: m.delete_elastic_ip.unwrap_or(false) });
    let event = move_status(&mut next, InstanceStatus::Terminating, call.now, &stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    Ok(Answer::done(changes).telling(event))
}
