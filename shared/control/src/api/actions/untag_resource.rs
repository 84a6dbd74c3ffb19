//! UntagResource [ACT-65] [TAG-2] [TAG-7].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{Layer, Stack};
use strata_domain::tags;

use super::tagged::Tagged;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Takes tags off a stack or layer. Keys that it does not have are ignored.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The ARN of the stack or layer, with or without a slash at its end.
    #[schemars(required)]
    resource_arn: Option<String>,
    /// The keys to take off. A layer cannot lose a key that it inherits from its stack.
    #[schemars(required)]
    tag_keys: Option<Vec<String>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arn = required(m.resource_arn, "ResourceArn")?;
    let keys = required(m.tag_keys, "TagKeys")?;
    let Tagged { stack, layer } = Tagged::find(call, &arn).await?;
    Ok(Answer::done(match layer {
        // Beside a TagResource of the stack, which may just be giving it such a key.
        Some(layer) => {
            let left = tags::without(&stack.record.tags, &layer.record.tags, &keys)?;
            vec![layer.put(&Layer { tags: left, ..layer.record.clone() }), stack.check()]
        }
        None => {
            let left = tags::without(&tags::Tags::new(), &stack.record.tags, &keys)?;
            vec![stack.put(&Stack { tags: left, ..stack.record.clone() })]
        }
    }))
}
