//! DescribeStacks [ACT-40] [DSC-3].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::Stack;
use strata_ports::keys;
use strata_ports::store::Listing;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
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
    let mut stacks: Vec<Stack> = Vec::new();
    match m.stack_ids {
        Some(ids) if ids.is_empty() => {
            return Err(ApiError::Validation("Please provide no arguments or, one or more stack IDs".to_owned()));
        }
        Some(ids) => {
            for id in ids {
                stacks.push(call.stack(&id).await?.record);
            }
            for stack in &stacks {
                call.permit(Some(&stack.id)).await?;
            }
        }
        None => {
            for entry in call.store().list(&Listing::of(keys::STACKS_PK, "")).await? {
                // One that was deleted meanwhile is simply not there any more; one that the caller may not see is left out.
                if let Some(stack) = call.find::<Stack>(&keys::stack(&entry.key.sk.into())).await?
                    && call.permit(Some(&stack.record.id)).await.is_ok()
                {
                    stacks.push(stack.record);
                }
            }
        }
    }
    stacks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Answer::of(&Output { stacks: stacks.iter().map(StackShape::of).collect() }))
}
