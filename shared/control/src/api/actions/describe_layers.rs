//! DescribeLayers [ACT-30] [ECS-46].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::model::Stack;

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::LayerShape;

/// Lists layers, the oldest first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// Ids of layers.
    layer_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The layers.
    layers: Vec<LayerShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.layer_ids);
    checks::exactly_one(&[m.stack_id.is_some(), ids.is_some()], "Please provide one or more layer IDs or a stack ID")?;
    let mut stacks: BTreeMap<StackId, Stack> = BTreeMap::new();
    let mut layers = match (m.stack_id, ids) {
        (Some(id), _) => {
            let stack = call.stack(&id).await?.record;
            let layers = call.layers_of(&stack.id).await?;
            stacks.insert(stack.id.clone(), stack);
            layers
        }
        (None, ids) => call.layers(&ids.unwrap_or_default()).await?,
    };
    for layer in &layers {
        let id = &layer.record.stack_id;
        if !stacks.contains_key(id) {
            stacks.insert(id.clone(), call.stack(id.as_str()).await?.record);
        }
    }
    for id in stacks.keys() {
        call.permit(Some(id)).await?;
    }
    layers.sort_by(|a, b| (a.record.created_at, &a.record.id).cmp(&(b.record.created_at, &b.record.id)));
    let shapes = layers.iter().filter_map(|l| Some(LayerShape::of(&l.record, stacks.get(&l.record.stack_id)?)));
    Ok(Answer::of(&Output { layers: shapes.collect() }))
}
