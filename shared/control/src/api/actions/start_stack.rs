//! StartStack [ACT-59] [INST-80, 82]: starts the stack's stopped 24/7 instances, each in a transaction of its own.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{Instance, Stack};
use strata_domain::{InstanceStatus, ScalingType};

use super::start_instance::{self, Refusals};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::{Answer, commit_piece};
use crate::records::Stored;

/// An instance that others are changing is looked at again so often; then it is left as they have it.
pub(super) const TRIES_PER_INSTANCE: usize = 5;

/// Starts a stack's 24/7 instances.
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
    let mut refusals = Refusals::new();
    for layer in call.layers_of(&stack.id).await? {
        refusals.extend(start_instance::refusal(call, &layer.record).await?.map(|text| (layer.record.id.clone(), text)));
    }
    let is_meant = |i: &Instance| i.scaling == ScalingType::AlwaysOn && i.status == InstanceStatus::Stopped;
    for instance in call.instances_of(&stack.id).await?.into_iter().filter(|i| is_meant(&i.record)) {
        if let Err(error) = start_one(call, &stack, &refusals, instance).await {
            // One failure does not stop the rest [INST-82].
            tracing::warn!(error.message = %error, "an instance of the stack was not started");
        }
    }
    Ok(Answer::default())
}

async fn start_one(call: &Call<'_>, stack: &Stack, refusals: &Refusals, instance: Stored<Instance>) -> Result<(), ApiError> {
    let mut instance = instance;
    for _ in 0..TRIES_PER_INSTANCE {
        let piece = start_instance::piece(call, stack, refusals, &instance).await?;
        if commit_piece(call, &piece).await? {
            return Ok(());
        }
        instance = call.instance(instance.record.id.as_str()).await?;
    }
    Err(ApiError::Unavailable(format!("{} is being changed by others", instance.record.hostname)))
}
