//! DisassociateElasticIp [ACT-45] [EIP-13, 15]: the address stays registered. Our choice: one that is not associated stays as it is.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::{disassociated, without_address};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Disassociates an Elastic IP address from its instance. The address stays registered with the stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The address.
    #[schemars(required)]
    elastic_ip: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let address = call.elastic_ip(&required(m.elastic_ip, "ElasticIp")?).await?;
    let stack = &address.record.stack_id;
    call.permit(Some(stack)).await?;
    let Some(holder) = call.holder(stack, address.record.instance_id.as_ref()).await? else {
        return Ok(Answer::default());
    };
    let without = without_address(&holder.record);
    let mut changes = vec![address.put(&disassociated(&address.record)), holder.put(&without), call.configure_due(stack).await?];
    changes.extend(call.busy_if_due(&without).await?);
    Ok(Answer::done(changes))
}
