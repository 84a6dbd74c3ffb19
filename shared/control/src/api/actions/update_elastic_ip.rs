//! UpdateElasticIp [ACT-67] [EIP-18]: the name.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::ElasticIp;

use super::update_stack::unless_emptied;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::resources::MAX_ADDRESS_NAME;
use crate::api::transaction::Answer;

/// Changes a registered Elastic IP address's name.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The address.
    #[schemars(required)]
    elastic_ip: Option<String>,
    /// The new name, at most 32 characters.
    name: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ip = required(m.elastic_ip, "ElasticIp")?;
    m.name.as_deref().map_or(Ok(()), |name| checks::name("Name", name, MAX_ADDRESS_NAME))?;
    let address = call.elastic_ip(&ip).await?;
    call.permit(Some(&address.record.stack_id)).await?;
    let name = unless_emptied(input, "Name", m.name, address.record.name.clone());
    Ok(Answer::done(vec![address.put(&ElasticIp { name, ..address.record.clone() })]))
}
