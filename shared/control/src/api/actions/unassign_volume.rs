//! UnassignVolume [ACT-64] [RES-5, 8]: the volume stays registered. Our choice: one that is not assigned stays as it is.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::unassign;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Unassigns an Amazon EBS volume from its instance, which must be stopped. The volume stays registered with the stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The id that RegisterVolume gave.
    #[schemars(required)]
    volume_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let volume = call.volume(&required(m.volume_id, "VolumeId")?).await?;
    let stack = &volume.record.stack_id;
    call.permit(Some(stack)).await?;
    match call.holder(stack, volume.record.instance_id.as_ref()).await? {
        Some(holder) => {
            let (free, without) = unassign(&volume.record, &holder.record)?;
            let mut changes = vec![volume.put(&free), holder.put(&without)];
            changes.extend(call.busy_if_due(&without).await?);
            Ok(Answer::done(changes))
        }
        None => Ok(Answer::default()),
    }
}
