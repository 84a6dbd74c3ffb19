//! RebootInstance [ACT-49] [INST-30]: a soft reboot, by lifecycle.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::InstanceStatus;
use strata_domain::instance_actions::{Allowed, InstanceAction, Origin, allowed};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::busy_changes;
use crate::status_change::move_status;

/// Restarts the machine of an instance that is online.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.instance(&required(m.instance_id, "InstanceId")?).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    match allowed(InstanceAction::Reboot, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    if stored.record.origin == Origin::OnPremises {
        // Commands have no way to it.
        return Err(ApiError::not_yet("RebootInstance of an on-premises instance"));
    }
    let mut next = stored.record.clone();
    next.initiated_by = Some(call.initiated_by());
    let event = move_status(&mut next, InstanceStatus::Rebooting, call.now, &stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    Ok(Answer::done(changes).telling(event))
}
