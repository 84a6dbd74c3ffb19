//! DeregisterVolume [ACT-21] [RES-8]: the stack forgets the volume; EC2 keeps it.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::check_deregister_volume;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::deregister_volume_changes;

/// Deregisters an Amazon EBS volume, which must not be assigned to an instance. The volume itself is not deleted.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The id that RegisterVolume gave.
    #[schemars(required)]
    volume_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.volume(&required(m.volume_id, "VolumeId")?).await?;
    call.permit(Some(&stored.record.stack_id)).await?;
    check_deregister_volume(&stored.record)?;
    Ok(Answer::done(deregister_volume_changes(call.store(), &stored).await?))
}
