//! TagResource [ACT-62] [TAG-4..7]: merges tags into those of a stack or layer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{Layer, Stack};
use strata_domain::tags::{self, Tags};

use super::tagged::Tagged;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::Stored;

/// Puts tags on a stack or layer. Tags that it has already keep their values, unless the call names their keys.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The ARN of the stack or layer, with or without a slash at its end.
    #[schemars(required)]
    resource_arn: Option<String>,
    /// Keys and values: keys of 1 to 127 characters, values of at most 255, at most 40 in all, inherited ones counted.
    #[schemars(required)]
    tags: Option<BTreeMap<String, String>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arn = required(m.resource_arn, "ResourceArn")?;
    let given = tags::checked(required(m.tags, "Tags")?)?;
    let tagged = Tagged::find(call, &arn).await?;
    let own = tags::merged(tagged.own(), given);
    match &tagged.layer {
        Some(layer) => of_layer(&tagged.stack, layer, own),
        None => of_stack(call, &tagged.stack, own).await,
    }
}

/// The stack is written too, so that a TagResource of the stack which counted fewer tags here must count again.
fn of_layer(stack: &Stored<Stack>, layer: &Stored<Layer>, own: Tags) -> Result<Answer, ApiError> {
    tags::check_count(&stack.record.tags, &own, || format!("the layer \"{}\"", layer.record.name))?;
    let next = Layer { tags: own, ..layer.record.clone() };
    Ok(Answer::done(vec![layer.put(&next), stack.touch()]))
}

/// What a stack gets, its layers inherit; it must fit there too.
async fn of_stack(call: &Call<'_>, stack: &Stored<Stack>, own: Tags) -> Result<Answer, ApiError> {
    tags::check_count(&Tags::new(), &own, || "the stack".to_owned())?;
    for Stored { record: layer, .. } in call.layers_of(&stack.record.id).await? {
        tags::check_count(&own, &layer.tags, || format!("the layer \"{}\"", layer.name))?;
    }
    let next = Stack { tags: own, ..stack.record.clone() };
    Ok(Answer::done(vec![stack.put(&next)]))
}
