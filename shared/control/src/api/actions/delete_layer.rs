//! DeleteLayer [ACT-14] [ECS-93, 94]: all members must be gone; the registration of its cluster stays, its load
//! balancer is detached [ELB-13].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::LayerType;
use strata_ports::keys;

use super::detach_elastic_load_balancer;
use super::load_based_index;
use super::uniqueness::give_back;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Deletes a layer that has no instances any more.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.layer(&required(m.layer_id, "LayerId")?).await?;
    let layer = &stored.record;
    let stack = call.stack(layer.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    // Whoever adds a member writes the layer's record too, so one that comes now makes this commit look again.
    let members = call.members_of(layer).await?.len();
    if members > 0 {
        return Err(ApiError::Validation(format!(
            "You must delete or unassign all instances of a layer before you can delete it; it has {members}"
        )));
    }
    let mut answer = Answer::done(vec![stored.delete()]);
    let mut alone = vec![
        keys::pointer(layer.id.as_str()),
        keys::unique(&stack.id, "layer-name", &layer.name),
        keys::unique(&stack.id, "layer-shortname", &layer.shortname),
        keys::layer_hold(&stack.id, &layer.id),
        keys::update_window(&layer.id),
        keys::scaling(&layer.id, "last-event"),
        keys::scaling(&layer.id, "intent"),
    ];
    if layer.layer_type == LayerType::EcsCluster {
        alone.push(keys::unique(&stack.id, "layer-type", layer.layer_type.as_str()));
    }
    for key in alone {
        answer.changes.extend(give_back(call, key).await?);
    }
    answer.changes.extend(detach_elastic_load_balancer::with_layer(call, &stack, layer).await?);
    load_based_index::remove_layer(call, &stack, layer, &mut answer).await?;
    Ok(answer)
}
