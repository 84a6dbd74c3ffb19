//! DeregisterInstance [ACT-19] [REG-4]: the record goes, the machine runs on. Created instances as well as registered ones.

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

/// Takes an instance out of the stack. Its machine is neither stopped nor terminated, and keeps its volumes and addresses.
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
    match allowed(InstanceAction::Deregister, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    let mut next = stored.record.clone();
    next.initiated_by = Some(call.initiated_by());
    next.shutdown_command = None;
    next.healing = false;
    let event = move_status(&mut next, InstanceStatus::Deregistering, call.now, &stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    changes.extend(configure_due_change(call.store(), &stored.record, &next, call.now).await?);
    Ok(Answer::done(changes).telling(event))
}
