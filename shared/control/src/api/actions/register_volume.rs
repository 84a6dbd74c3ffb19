//! RegisterVolume [ACT-54] [RES-1..3]: from then on the volume is known to this stack, and to no other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::resources::check_register_volume;
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::resources::{free_registration, new_volume};
use crate::api::transaction::Answer;
use crate::records::{deregister_volume_changes, find_volume, register_volume_changes};

/// Registers an Amazon EBS volume with a stack. A volume can be registered with one stack at a time; to move it, deregister it first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The EBS volume's id, `vol-...`.
    ec2_volume_id: Option<String>,
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The volume's id for the other volume actions.
    volume_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack_id = required(m.stack_id, "StackId")?;
    let ec2_id = required(m.ec2_volume_id, "Ec2VolumeId")?;
    let stored = call.stack(&stack_id).await?;
    let stack = &stored.record;
    call.permit(Some(&stack.id)).await?;
    let standing = call.store().get(&keys::registered_volume(&ec2_id)).await?;
    let standing = free_registration(call, standing, &stack.id, ("Ec2 Volume Id", &ec2_id)).await?;
    let found = call.ports.inventory.volumes(&call.scope(stack), std::slice::from_ref(&ec2_id)).await?;
    let unknown = || ApiError::NotFound(format!("Unable to find EBS volume with ID {ec2_id} in {}", stack.region));
    let view = found.into_iter().find(|v| v.id == ec2_id).ok_or_else(unknown)?;
    check_register_volume(&ec2_id, view.is_root, &view.volume_type)?;

    let volume = new_volume(call, &stack.id, &view);
    let mut changes = Vec::from(register_volume_changes(&volume, standing));
    // What a deleted stack has left behind.
    if let Some(left) = find_volume(call.store(), &ec2_id).await? {
        let its_own = keys::registered_volume(&ec2_id);
        let left = deregister_volume_changes(call.store(), &left).await?;
        changes.extend(left.into_iter().filter(|change| *change.key() != its_own));
    }
    changes.push(stored.check());
    Ok(Answer::of(&Output { volume_id: volume.id.as_str() }).with(changes))
}
