//! DescribeStackSummary [ACT-39] [DSC-8].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::api::wire::StackSummaryShape;

/// Counts a stack's layers, and its instances by status.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The counts.
    stack_summary: StackSummaryShape<'a>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?.record;
    call.permit(Some(&stack.id)).await?;
    let layers = call.layers_of(&stack.id).await?.len();
    let instances = call.instances_of(&stack.id).await?;
    let summary = StackSummaryShape::of(&stack, layers, instances.iter().map(|i| i.record.status));
    Ok(Answer::of(&Output { stack_summary: summary }))
}
