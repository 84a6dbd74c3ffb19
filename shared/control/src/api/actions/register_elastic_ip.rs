//! RegisterElasticIp [ACT-51] [RES-1] [EIP-12]: from then on the address is known to this stack, and to no other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::resources::{free_registration, new_address};
use crate::api::transaction::Answer;
use crate::records::{find_address, register_address_changes};

/// Registers an Elastic IP address with a stack. An address can be registered with one stack at a time.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The address.
    #[schemars(required)]
    elastic_ip: Option<String>,
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The address.
    elastic_ip: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ip = required(m.elastic_ip, "ElasticIp")?;
    let stack_id = required(m.stack_id, "StackId")?;
    let stored = call.stack(&stack_id).await?;
    let stack = &stored.record;
    call.permit(Some(&stack.id)).await?;
    let standing = call.store().get(&keys::registered_address(&ip)).await?;
    let standing = free_registration(call, standing, &stack.id, ("Elastic Ip", &ip)).await?;
    let found = call.ports.inventory.addresses(&call.scope(stack), std::slice::from_ref(&ip)).await?;
    let unknown = || ApiError::NotFound(format!("Unable to find elastic IP with address {ip} in {}", stack.region));
    let view = found.into_iter().find(|a| a.ip == ip).ok_or_else(unknown)?;

    let mut changes = Vec::from(register_address_changes(&new_address(call, &stack.id, &view), standing));
    // What a deleted stack has left behind.
    changes.extend(find_address(call.store(), &ip).await?.map(|left| left.delete()));
    changes.push(stored.check());
    Ok(Answer::of(&Output { elastic_ip: &ip }).with(changes))
}
