//! ListTags [ACT-48] [TAG-8]: all at once, so there is nothing to page through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::tags::{self, Tags};

use super::tagged::Tagged;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Lists the tags of a stack or layer; a layer's include those that it inherits from its stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The ARN of the stack or layer, with or without a slash at its end.
    #[schemars(required)]
    resource_arn: Option<String>,
    /// Not to be used: all tags come in one answer.
    max_results: Option<i64>,
    /// Not to be used: all tags come in one answer.
    next_token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// Keys and values.
    tags: Tags,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arn = required(m.resource_arn, "ResourceArn")?;
    for (member, is_sent) in [("MaxResults", m.max_results.is_some()), ("NextToken", m.next_token.is_some())] {
        if is_sent {
            return Err(ApiError::field(member, "cannot be used with ListTags, which answers all tags at once; leave it out"));
        }
    }
    let tagged = Tagged::find(call, &arn).await?;
    Ok(Answer::of(&Output { tags: tags::effective(&tagged.inherited(), tagged.own()) }))
}
