//! StopStack [ACT-61] [INST-81, 82]: stops every running instance, each in a transaction of its own.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::{Instance, Stack};

use super::start_stack::TRIES_PER_INSTANCE;
use super::stop_instance;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::{Answer, commit_piece};
use crate::records::Stored;

/// Stops a stack's instances.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?.record;
    call.permit(Some(&stack.id)).await?;
    let is_meant = |i: &Instance| allowed(InstanceAction::Stop, i.status, i.origin) == Allowed::Yes;
    for instance in call.instances_of(&stack.id).await?.into_iter().filter(|i| is_meant(&i.record)) {
        if let Err(error) = stop_one(call, &stack, instance).await {
            // One failure does not stop the rest [INST-82].
            tracing::warn!(error.message = %error, "an instance of the stack was not stopped");
        }
    }
    Ok(Answer::default())
}

async fn stop_one(call: &Call<'_>, stack: &Stack, instance: Stored<Instance>) -> Result<(), ApiError> {
    let mut instance = instance;
    for _ in 0..TRIES_PER_INSTANCE {
        let piece = stop_instance::piece(call, stack, &instance).await?;
        if commit_piece(call, &piece).await? {
            return Ok(());
        }
        instance = call.instance(instance.record.id.as_str()).await?;
    }
    Err(ApiError::Unavailable(format!("{} is being changed by others", instance.record.hostname)))
}
