//! AssignInstance [ACT-1] [REG-2] [ECS-67]: puts a registered instance into layers. Lifecycle sets it up.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::InstanceStatus;
use strata_domain::instance_actions::{Allowed, InstanceAction, Origin, allowed};
use strata_domain::model::{Instance, Layer, LayerType, Stack};
use strata_domain::registration::{RegistrationError, ReportedOs, check_candidate, check_ecs_os};

use super::create_instance::check_layers;
use super::start_instance::refusal;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::resources::adopt_attached;
use crate::api::transaction::Answer;
use crate::records::{Stored, busy_changes, candidate};
use crate::status_change::move_status;

/// Puts a registered instance into layers; created instances get theirs when they are created.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance.
    #[schemars(required)]
    instance_id: Option<String>,
    /// The layers, all of the instance's stack: custom ones, for an EC2 instance also the ECS Cluster layer.
    #[schemars(required)]
    layer_ids: Option<Vec<String>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let id = required(m.instance_id, "InstanceId")?;
    let layer_ids = required(non_empty(m.layer_ids), "LayerIds")?;
    let stored = call.instance(&id).await?;
    let layers = call.layers_of_one_stack(&layer_ids).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    match allowed(InstanceAction::Assign, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    check_layers(&stack, &layers)?;
    for layer in &layers {
        if let Some(text) = refusal(call, &layer.record).await? {
            return Err(ApiError::Validation(text));
        }
    }
    let reported = reported_os(call, &stack, &stored.record, &layers).await?;

    let mut next = stored.record.clone();
    next.layer_ids = layers.iter().map(|l| l.record.id.clone()).collect();
    next.initiated_by = Some(call.initiated_by());
    // A Setup of its own: the launch number is in its nonce.
    next.launch_number += 1;
    next.setup_command = None;
    next.shutdown_command = None;
    if let (Some(registration), Some(reported)) = (&mut next.registration, reported) {
        registration.reported_os = Some(reported);
    }
    let event = move_status(&mut next, InstanceStatus::Assigning, call.now, &stack);
    let adopted = adopt_attached(call, &stack, &mut next).await?;
    let mut changes = vec![stored.put(&next)];
    changes.extend(adopted);
    changes.extend(busy_changes(call.store(), &next, true).await?);
    // The layers are written too, so that a DeleteLayer or DeregisterEcsCluster which saw no such member must look again.
    changes.extend(layers.iter().map(Stored::touch));
    Ok(Answer::done(changes).telling(event))
}

/// For the ECS layer: what the machine runs now, since a while may have passed and it may have been upgraded [ECS-67].
async fn reported_os(
    call: &Call<'_>,
    stack: &Stack,
    instance: &Instance,
    layers: &[Stored<Layer>],
) -> Result<Option<ReportedOs>, ApiError> {
    if layers.iter().all(|l| l.record.layer_type != LayerType::EcsCluster) {
        return Ok(None);
    }
    let ec2 = match (&instance.ec2_instance_id, instance.origin) {
        (_, Origin::OnPremises) => return Err(RegistrationError::EcsOnPremises.into()),
        (None, _) => return Err(ApiError::Validation("The instance has no EC2 instance, so it cannot be assigned".to_owned())),
        (Some(ec2), _) => ec2,
    };
    let hosts = call.ports.inventory.hosts(&call.scope(stack), std::slice::from_ref(ec2)).await?;
    let host = hosts.into_iter().find(|host| host.id == *ec2);
    let host =
        host.ok_or_else(|| ApiError::Validation(format!("EC2 knows no instance {ec2} any more, so it cannot be assigned")))?;
    let reported = check_candidate(&candidate(&host), &stack.vpc_id, call.config.installation.as_deref())?;
    check_ecs_os(&reported)?;
    Ok(Some(reported))
}
