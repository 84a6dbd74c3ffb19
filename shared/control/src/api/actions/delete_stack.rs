//! DeleteStack [ACT-15] [STK-13] [ECS-97]: only an empty stack; what is registered with it is deregistered, nothing outside is deleted.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::ClusterArn;
use strata_ports::{Change, Expect, keys};

use super::uniqueness::give_back;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::{After, Answer};

/// Deletes a stack that has no layers and instances any more.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?;
    let id = &stack.record.id;
    call.permit(Some(id)).await?;
    let instances = call.instances_of(id).await?.len();
    if instances > 0 {
        return Err(ApiError::Validation(format!(
            "You must delete all instances of a stack before you can delete it; it has {instances}"
        )));
    }
    // CreateLayer writes the stack's record too, so a layer that comes now makes this commit look again.
    let layers = call.layers_of(id).await?.len();
    if layers > 0 {
        return Err(ApiError::Validation(format!(
            "You must delete all layers of a stack before you can delete it; it has {layers}"
        )));
    }
    let mut changes = vec![stack.delete()];
    changes.extend(give_back(call, keys::stack_entry(id)).await?);
    let of_stack = keys::unique(id, "cluster", "one");
    match call.find::<ClusterArn>(&of_stack).await? {
        Some(cluster) => {
            changes.push(cluster.delete());
            changes.extend(give_back(call, keys::cluster(&cluster.record)).await?);
        }
        None => changes.push(Change::Check { key: of_stack, expect: Expect::Absent }),
    }
    Ok(Answer::done(changes).then(After::Sweep(id.clone())))
}
