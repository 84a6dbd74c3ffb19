//! AssignVolume [ACT-2] [RES-4..7]: ties a registered volume to a stopped instance; lifecycle attaches it at the next start.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::assign;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::find_volume;

/// Assigns a registered Amazon EBS volume to an instance of its stack. All instances concerned must be stopped, and the volume must have
/// a mount point.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The id that RegisterVolume gave.
    #[schemars(required)]
    volume_id: Option<String>,
    /// The instance's id; a call without it is refused.
    instance_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let volume_id = required(m.volume_id, "VolumeId")?;
    let instance_id = required(m.instance_id, "InstanceId")?;
    let volume = call.volume(&volume_id).await?;
    let instance = call.instance(&instance_id).await?;
    let stack = &volume.record.stack_id;
    call.permit(Some(stack)).await?;
    let holder = call.holder(stack, volume.record.instance_id.as_ref()).await?;
    let mut devices = Vec::new();
    for tied in &instance.record.volumes {
        devices.extend(find_volume(call.store(), &tied.ec2_volume_id).await?.and_then(|v| v.record.device));
    }
    let held_by = holder.as_ref().map(|h| &h.record);
    let Some(next) = assign(&volume.record, &instance.record, instance.record.origin, held_by, &devices)? else {
        return Ok(Answer::default());
    };
    let mut changes = vec![volume.put(&next.volume), instance.put(&next.to)];
    if let Some(from) = &next.from {
        changes.extend(call.busy_if_due(from).await?);
    }
    changes.extend(holder.zip(next.from).map(|(before, after)| before.put(&after)));
    Ok(Answer::done(changes))
}
