//! DescribeInstances [ACT-29] [INST-55] [TXT-3].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::{Layer, Stack};
use strata_domain::{InstanceId, LayerId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Item, keys};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::{InstanceRow, InstanceShape, Surroundings};

/// From so many ids on, one listing of the stack is cheaper than two reads per id.
const LIST_FROM: usize = 20;

/// Lists instances, the oldest first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// The layer's id.
    layer_id: Option<String>,
    /// Ids of instances.
    instance_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The instances.
    instances: Vec<InstanceShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.instance_ids);
    checks::exactly_one(
        &[m.stack_id.is_some(), m.layer_id.is_some(), ids.is_some()],
        "Please provide either one or more instance IDs or one stack ID or one layer ID",
    )?;
    match (m.stack_id, m.layer_id, ids) {
        (Some(id), _, _) => of_stack(call, call.stack(&id).await?.record.id, None).await,
        (_, Some(id), _) => {
            let layer = call.layer(&id).await?.record;
            of_stack(call, layer.stack_id, Some(layer.id)).await
        }
        (_, _, ids) => answer(call, &by_ids(call, &ids.unwrap_or_default()).await?, None).await,
    }
}

/// All of a stack, or of one of its layers; everything that the answer is made of stands in the stack's partition.
async fn of_stack(call: &Call<'_>, stack: StackId, layer: Option<LayerId>) -> Result<Answer, ApiError> {
    call.permit(Some(&stack)).await?;
    let question = format!("{stack}/{}", layer.as_ref().map_or("", LayerId::as_str));
    let stamp = call.store().stamp(&keys::stack_pk(&stack));
    if let Some(body) = call.answers.recall(&question, stamp) {
        return Ok(Answer::again(body));
    }
    let answer = answer(call, &items_of(call, &stack).await?, layer.as_ref()).await?;
    call.answers.keep(question, stamp, &answer.body);
    Ok(answer)
}

async fn items_of(call: &Call<'_>, stack: &StackId) -> Result<Vec<Item>, ApiError> {
    call.permit(Some(stack)).await?;
    Ok(call.store().list(&Listing::of(keys::stack_pk(stack), keys::INSTANCE)).await?)
}

async fn by_ids(call: &Call<'_>, ids: &[String]) -> Result<Vec<Item>, ApiError> {
    let unknown = |id: &str| ApiError::unknown_id("instance", id);
    let mut listed: BTreeMap<String, Item> = BTreeMap::new();
    if let (true, Some(first)) = (ids.len() >= LIST_FROM, ids.first()) {
        let owner = call.owner_of("instance", first).await?.ok_or_else(|| unknown(first))?;
        let items = items_of(call, &owner.stack_id).await?;
        listed.extend(items.into_iter().map(|item| (item.key.sk.trim_start_matches(keys::INSTANCE).to_owned(), item)));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(item) = listed.get(id) {
            found.push(item.clone());
            continue;
        }
        let owner = call.owner_of("instance", id).await?.ok_or_else(|| unknown(id))?;
        let key = keys::instance(&owner.stack_id, &InstanceId::from(id.as_str()));
        found.push(call.store().get(&key).await?.ok_or_else(|| unknown(id))?);
    }
    Ok(found)
}

async fn answer(call: &Call<'_>, items: &[Item], layer: Option<&LayerId>) -> Result<Answer, ApiError> {
    let mut rows = items.iter().map(InstanceRow::of).collect::<Result<Vec<_>, _>>()?;
    rows.retain(|row| layer.is_none_or(|layer| row.is_in(layer)));
    rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    rows.dedup_by(|a, b| a.id == b.id);
    let mut stacks: BTreeMap<&str, (Stack, Vec<Layer>)> = BTreeMap::new();
    for row in &rows {
        let id = row.stack_id.as_str();
        if !stacks.contains_key(id) {
            let stack = call.stack(id).await?.record;
            call.permit(Some(&stack.id)).await?;
            let layers = call.layers_of(&stack.id).await?.into_iter().map(|l| l.record).collect();
            stacks.insert(id, (stack, layers));
        }
    }
    let shapes = rows.iter().filter_map(|row| {
        let (stack, layers) = stacks.get(row.stack_id.as_str())?;
        Some(InstanceShape::of(row, Surroundings { stack, layers }))
    });
    Ok(Answer::of(&Output { instances: shapes.collect() }))
}
