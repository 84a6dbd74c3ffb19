//! UnassignInstance [ACT-63] [REG-3] [ECS-91]: takes a registered instance out of all its layers at once; lifecycle does the work, and
//! until it is done the layers keep their member.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::InstanceStatus;
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::{busy_changes, configure_due_change};
use crate::status_change::move_status;

/// Takes a registered instance out of all its layers. It keeps running, keeps its ECS agent, and can be assigned again.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance.
    #[schemars(required)]
    instance_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.instance(&required(m.instance_id, "InstanceId")?).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    match allowed(InstanceAction::Unassign, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    let mut next = stored.record.clone();
    next.initiated_by = Some(call.initiated_by());
    next.shutdown_command = None;
    next.healing = false;
    let event = move_status(&mut next, InstanceStatus::Unassigning, call.now, &stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    changes.extend(configure_due_change(call.store(), &stored.record, &next, call.now).await?);
    Ok(Answer::done(changes).telling(event))
}
