//! DescribeStacks [ACT-40] [DSC-3] [PERM-19].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::Stack;
use strata_ports::keys;
use strata_ports::store::Listing;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::permission;
use crate::api::transaction::Answer;
use crate::api::wire::StackShape;

/// Lists stacks, the oldest first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// Ids of stacks; none: all that the caller may see.
    stack_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The stacks.
    stacks: Vec<StackShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let mut stacks = match m.stack_ids {
        Some(ids) if ids.is_empty() => {
            return Err(ApiError::Validation("Please provide no arguments or, one or more stack IDs".to_owned()));
        }
        Some(ids) => named_stacks(call, &ids).await?,
        None => visible(call).await?,
    };
    stacks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Answer::of(&Output { stacks: stacks.iter().map(StackShape::of).collect() }))
}

async fn named_stacks(call: &Call<'_>, ids: &[String]) -> Result<Vec<Stack>, ApiError> {
    let mut stacks = Vec::with_capacity(ids.len());
    for id in ids {
        stacks.push(call.stack(id).await?.record);
    }
    for stack in &stacks {
        call.permit(Some(&stack.id)).await?;
    }
    Ok(stacks)
}

/// All stacks, whoever asks. One that is deleted meanwhile is simply not there any more.
pub(super) async fn all_stacks(call: &Call<'_>) -> Result<Vec<Stack>, ApiError> {
    let entries = call.store().list(&Listing::of(keys::STACKS_PK, "")).await?;
    let mut stacks = Vec::with_capacity(entries.len());
    for entry in entries {
        stacks.extend(call.find::<Stack>(&keys::stack(&entry.key.sk.into())).await?.map(|stack| stack.record));
    }
    Ok(stacks)
}

/// All that the caller may see, oldest first.
pub(in crate::api) async fn visible(call: &Call<'_>) -> Result<Vec<Stack>, ApiError> {
    let mut stacks = permission::visible(call, all_stacks(call).await?).await?;
    stacks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(stacks)
}
