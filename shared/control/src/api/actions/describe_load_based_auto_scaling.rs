//! DescribeLoadBasedAutoScaling [ACT-31] [LOAD-2] [DSC-2]: answers for a layer that was never configured, too [CLT-3].

use serde::{Deserialize, Serialize};
use strata_domain::load_based::{Configuration, ThresholdsPatch};
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    layer_ids: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shape {
    layer_id: String,
    enable: bool,
    up_scaling: ThresholdsPatch,
    down_scaling: ThresholdsPatch,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = required(non_empty(m.layer_ids), "LayerIds")?;
    let mut layers = call.layers(&ids).await?;
    for layer in &layers {
        call.permit(Some(&layer.record.stack_id))?;
    }
    layers.sort_by(|a, b| (a.record.created_at, &a.record.id).cmp(&(b.record.created_at, &b.record.id)));
    let mut shapes = Vec::with_capacity(layers.len());
    for layer in layers {
        let key = keys::load_based(&layer.record.stack_id, &layer.record.id);
        let configuration = call.find::<Configuration>(&key).await?.map(|s| s.record).unwrap_or_default();
        shapes.push(Shape {
            layer_id: layer.record.id.to_string(),
            enable: configuration.enable,
            // Lists come as [] [WIRE-6].
            up_scaling: with_list(configuration.up.to_wire()),
            down_scaling: with_list(configuration.down.to_wire()),
        });
    }
    Ok(Answer::named("LoadBasedAutoScalingConfigurations", shapes))
}

fn with_list(mut thresholds: ThresholdsPatch) -> ThresholdsPatch {
    thresholds.alarms.get_or_insert_default();
    thresholds
}
