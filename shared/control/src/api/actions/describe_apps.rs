//! DescribeApps [ACT-23]: apps are out of scope; read-only tools get an empty list [SCP-3].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::EmptyObject;

/// Lists apps. There are none: applications run as ECS services and tasks.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// Ids of apps.
    app_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// Always empty.
    apps: Vec<EmptyObject>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let apps = non_empty(m.app_ids);
    checks::exactly_one(&[m.stack_id.is_some(), apps.is_some()], "Please provide one or more app IDs or a stack ID")?;
    if let Some(app) = apps.and_then(|ids| ids.into_iter().next()) {
        return Err(ApiError::unknown_id("app", &app));
    }
    if let Some(id) = m.stack_id {
        let stack = call.stack(&id).await?;
        call.permit(Some(&stack.record.id)).await?;
    }
    Ok(Answer::of(&Output { apps: Vec::new() }))
}
