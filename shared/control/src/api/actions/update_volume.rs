//! UpdateVolume [ACT-74] [RES-9]: name and mount point.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::{VolumeUpdate, check_mount_point, update_volume};

use super::update_stack::unless_emptied;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::resources::MAX_VOLUME_NAME;
use crate::api::transaction::Answer;

/// Changes a registered volume's name or mount point. If it is assigned to an instance, that must be stopped.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The id that RegisterVolume gave.
    #[schemars(required)]
    volume_id: Option<String>,
    /// The new name, at most 128 characters.
    name: Option<String>,
    /// The new mount point: the absolute path of a directory.
    mount_point: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let volume_id = required(m.volume_id, "VolumeId")?;
    m.name.as_deref().map_or(Ok(()), |name| checks::name("Name", name, MAX_VOLUME_NAME))?;
    m.mount_point.as_deref().map_or(Ok(()), check_mount_point)?;
    let volume = call.volume(&volume_id).await?;
    let stack = &volume.record.stack_id;
    call.permit(Some(stack)).await?;
    let holder = call.holder(stack, volume.record.instance_id.as_ref()).await?;
    let to = VolumeUpdate {
        name: unless_emptied(input, "Name", m.name, volume.record.name.clone()),
        mount_point: unless_emptied(input, "MountPoint", m.mount_point, volume.record.mount_point.clone()),
    };
    let (next, held) = update_volume(&volume.record, holder.as_ref().map(|h| &h.record), to)?;
    let mut changes = vec![volume.put(&next)];
    changes.extend(holder.zip(held).map(|(before, after)| before.put(&after)));
    Ok(Answer::done(changes))
}
