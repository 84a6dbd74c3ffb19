//! AttachElasticLoadBalancer [ACT-4] [ELB-1, 2, 7] [QTA-7]: the record; lifecycle registers the hosts.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::LayerLoadBalancer;
use strata_domain::resources::{Attachment, check_attach};
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Attaches a classic load balancer to a layer. A layer takes one, and a load balancer one layer.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The load balancer's name.
    #[schemars(required)]
    elastic_load_balancer_name: Option<String>,
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let name = required(m.elastic_load_balancer_name, "ElasticLoadBalancerName")?;
    let stored = call.layer(&required(m.layer_id, "LayerId")?).await?;
    let layer = &stored.record;
    let stack = call.stack(layer.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    let of_layer = call.load_balancer_of(&stack.id, &layer.id).await?;
    let by_name = keys::attached_load_balancer(&stack.region, &name);
    let of_name = call.find::<keys::LoadBalancerOwner>(&by_name).await?;
    // Only classic load balancers are described here, so one of another kind is unknown [ELB-1].
    let found = call.ports.load_balancers.describe(&call.scope(&stack), std::slice::from_ref(&name)).await?;
    let unknown = || ApiError::NotFound(format!("Unable to find classic load balancer with name {name} in {}", stack.region));
    let view = found.into_iter().find(|b| b.name == name).ok_or_else(unknown)?;
    let attachment = check_attach(
        &name,
        &layer.id,
        of_layer.as_ref().map(|l| &l.record),
        of_name.as_ref().map(|n| &n.record.layer_id),
        (view.vpc_id.as_deref(), &stack.vpc_id),
    )?;
    if attachment == Attachment::AsItIs {
        return Ok(Answer::default());
    }
    let owner = keys::LoadBalancerOwner { stack_id: stack.id.clone(), layer_id: layer.id.clone() };
    let due = call.balancer_due(&stack, &layer.id, &name).await?;
    let attached = LayerLoadBalancer { name, stack_id: stack.id.clone(), layer_id: layer.id.clone(), attached_at: call.now };
    Ok(Answer::done(vec![
        Change::put(keys::load_balancer(&stack.id, &layer.id), &attached, Expect::Absent),
        Change::put(by_name, &owner, Expect::Absent),
        stored.check(),
        due,
        call.configure_due(&stack.id).await?,
    ]))
}
