//! DescribeStacks [ACT-40] [DSC-3].

use serde::Deserialize;
use strata_domain::model::Stack;
use strata_ports::keys;
use strata_ports::store::Listing;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::transaction::Answer;
use crate::api::wire::StackShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_ids: Option<Vec<String>>,
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
                call.permit(Some(&stack.id))?;
            }
        }
        None => {
            for entry in call.store().list(&Listing::of(keys::STACKS_PK, "")).await? {
                // One that was deleted meanwhile is simply not there any more; one that the caller may not see is left out.
                if let Some(stack) = call.find::<Stack>(&keys::stack(&entry.key.sk.into())).await?
                    && call.permit(Some(&stack.record.id)).is_ok()
                {
                    stacks.push(stack.record);
                }
            }
        }
    }
    stacks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Answer::named("Stacks", stacks.iter().map(StackShape::of).collect::<Vec<_>>()))
}
