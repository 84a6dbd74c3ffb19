//! DescribeLoadBasedAutoScaling [ACT-31] [LOAD-2] [DSC-2]: answers for a layer that was never configured, too [CLT-3].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::load_based::{Configuration, ThresholdsPatch};
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;
use crate::api::wire::AutoScalingThresholds;

/// Shows the load-based scaling of layers.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// Ids of layers; at least one.
    #[schemars(required)]
    layer_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct LoadBasedAutoScalingConfiguration {
    /// The layer's id.
    layer_id: String,
    /// Whether it is on.
    enable: bool,
    /// When and how to start instances.
    #[schemars(with = "AutoScalingThresholds")]
    up_scaling: ThresholdsPatch,
    /// When and how to stop instances.
    #[schemars(with = "AutoScalingThresholds")]
    down_scaling: ThresholdsPatch,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// The layers' settings.
    load_based_auto_scaling_configurations: Vec<LoadBasedAutoScalingConfiguration>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = required(non_empty(m.layer_ids), "LayerIds")?;
    let mut layers = call.layers(&ids).await?;
    for layer in &layers {
        call.permit(Some(&layer.record.stack_id)).await?;
    }
    layers.sort_by(|a, b| (a.record.created_at, &a.record.id).cmp(&(b.record.created_at, &b.record.id)));
    let mut shapes = Vec::with_capacity(layers.len());
    for layer in layers {
        let key = keys::load_based(&layer.record.stack_id, &layer.record.id);
        let configuration = call.find::<Configuration>(&key).await?.map(|s| s.record).unwrap_or_default();
        shapes.push(LoadBasedAutoScalingConfiguration {
            layer_id: layer.record.id.to_string(),
            enable: configuration.enable,
            // Lists come as [] [WIRE-6].
            up_scaling: with_list(configuration.up.to_wire()),
            down_scaling: with_list(configuration.down.to_wire()),
        });
    }
    Ok(Answer::of(&Output { load_based_auto_scaling_configurations: shapes }))
}

fn with_list(mut thresholds: ThresholdsPatch) -> ThresholdsPatch {
    thresholds.alarms.get_or_insert_default();
    thresholds
}
