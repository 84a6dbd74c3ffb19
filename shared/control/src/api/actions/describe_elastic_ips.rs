//! DescribeElasticIps [ACT-27] [EIP-18]: what is registered, and which instance has it or is to get it [EIP-19].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::ElasticIpShape;

/// Describes registered Elastic IP addresses: a stack's, an instance's, or those named. Exactly one of the members must be given.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance whose address is described.
    instance_id: Option<String>,
    /// The stack whose addresses are described.
    stack_id: Option<String>,
    /// The addresses.
    ips: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The addresses, oldest first.
    elastic_ips: Vec<ElasticIpShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ips = non_empty(m.ips);
    checks::exactly_one(
        &[m.instance_id.is_some(), m.stack_id.is_some(), ips.is_some()],
        "Please provide one or more elastic IP addresses or a stack ID or an instance ID",
    )?;
    let mut addresses = Vec::new();
    let mut of = Vec::new();
    match (m.stack_id, m.instance_id) {
        (Some(id), _) => {
            let stack = call.stack(&id).await?.record.id;
            addresses = call.elastic_ips_of(&stack).await?;
            of.push(stack);
        }
        (None, Some(id)) => {
            let instance = call.instance(&id).await?.record;
            if let Some(ip) = &instance.elastic_ip {
                addresses.push(call.elastic_ip(ip).await?.record);
            }
            of.push(instance.stack_id);
        }
        (None, None) => {
            for ip in ips.unwrap_or_default() {
                addresses.push(call.elastic_ip(&ip).await?.record);
            }
            of.extend(addresses.iter().map(|a| a.stack_id.clone()));
        }
    }
    let stacks = call.permitted_stacks(of).await?;
    addresses.sort_by(|a, b| (a.registered_at, &a.ip).cmp(&(b.registered_at, &b.ip)));
    addresses.dedup_by(|a, b| a.ip == b.ip);
    let shapes = addresses.iter().filter_map(|a| Some(ElasticIpShape::of(a, &stacks.get(&a.stack_id)?.region)));
    Ok(Answer::of(&Output { elastic_ips: shapes.collect() }))
}
