//! DeregisterElasticIp [ACT-18] [EIP-16]: the stack forgets the address; the account keeps it.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::resources::check_deregister_address;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::deregister_address_changes;

/// Deregisters an Elastic IP address, which must not be associated with an instance. The address itself is not released.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The address.
    #[schemars(required)]
    elastic_ip: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.elastic_ip(&required(m.elastic_ip, "ElasticIp")?).await?;
    call.permit(Some(&stored.record.stack_id)).await?;
    check_deregister_address(&stored.record)?;
    Ok(Answer::done(deregister_address_changes(call.store(), &stored).await?))
}
