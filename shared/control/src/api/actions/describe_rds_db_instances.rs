//! DescribeRdsDbInstances [ACT-36]: out of scope; read-only tools get an empty list [SCP-3].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;
use crate::api::wire::EmptyObject;

/// Lists the registered databases. There are none: use the Amazon RDS API.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
    /// ARNs of databases.
    rds_db_instance_arns: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// Always empty.
    rds_db_instances: Vec<EmptyObject>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?;
    if let Some(arn) = non_empty(m.rds_db_instance_arns).and_then(|arns| arns.into_iter().next()) {
        return Err(ApiError::NotFound(format!("Unable to find RDS DB instance with ARN {arn}")));
    }
    call.permit(Some(&stack.record.id)).await?;
    Ok(Answer::of(&Output { rds_db_instances: Vec::new() }))
}
