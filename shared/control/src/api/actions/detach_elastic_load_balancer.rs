//! DetachElasticLoadBalancer [ACT-44] [ELB-7, 10].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{Layer, LayerLoadBalancer, Stack};
use strata_ports::{Change, keys};

use super::uniqueness::give_back;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::transaction::Answer;
use crate::records::Stored;

/// Detaches a load balancer from a layer.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The load balancer's name.
    #[schemars(required)]
    elastic_load_balancer_name: Option<String>,
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
}

/// The action models no ValidationException [ELB-10], so what is not named is not found.
pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let name = m.elastic_load_balancer_name.unwrap_or_default();
    let layer = call.layer(&m.layer_id.unwrap_or_default()).await?.record;
    let stack = call.stack(layer.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    let unknown = || ApiError::NotFound(format!("Unable to find load balancer \"{name}\" on layer {}", layer.id));
    let attached = call.load_balancer_of(&stack.id, &layer.id).await?.filter(|a| a.record.name == name).ok_or_else(unknown)?;
    let mut changes = detach(call, &stack, &attached).await?;
    changes.push(call.configure_due(&stack.id).await?);
    Ok(Answer::done(changes))
}

/// The changes that remove the layer's load balancer with the layer [ELB-13], or make sure that it has none at the commit.
pub(super) async fn with_layer(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<Vec<Change>, ApiError> {
    match call.load_balancer_of(&stack.id, &layer.id).await? {
        Some(attached) => {
            let mut changes = detach(call, stack, &attached).await?;
            changes.push(call.configure_due(&stack.id).await?);
            Ok(changes)
        }
        None => {
            let key = keys::load_balancer(&stack.id, &layer.id);
            Ok(vec![Change::Check { key, expect: strata_ports::Expect::Absent }])
        }
    }
}

async fn detach(call: &Call<'_>, stack: &Stack, attached: &Stored<LayerLoadBalancer>) -> Result<Vec<Change>, ApiError> {
    let mut changes = vec![attached.delete()];
    changes.push(call.balancer_due(stack, &attached.record.layer_id, &attached.record.name).await?);
    changes.extend(give_back(call, keys::attached_load_balancer(&stack.region, &attached.record.name)).await?);
    Ok(changes)
}
