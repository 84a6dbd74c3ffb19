//! DescribeStackSummary [ACT-39] [DSC-8].

use serde::Deserialize;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::api::wire::StackSummaryShape;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?.record;
    call.permit(Some(&stack.id))?;
    let layers = call.layers_of(&stack.id).await?.len();
    let instances = call.instances_of(&stack.id).await?;
    let summary = StackSummaryShape::of(&stack, layers, instances.iter().map(|i| i.record.status));
    Ok(Answer::named("StackSummary", summary))
}
