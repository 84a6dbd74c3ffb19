//! DescribeElasticLoadBalancers [ACT-28] [ELB-11]: as ELB describes them now.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::model::{LayerLoadBalancer, Stack};
use strata_ports::{LoadBalancerView, keys};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::ElasticLoadBalancerShape;

/// Describes the load balancers that are attached to a stack's layers, or to the layers named. Exactly one of the members must be given.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack whose load balancers are described.
    stack_id: Option<String>,
    /// The layers whose load balancers are described.
    layer_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The load balancers, those attached first in front.
    elastic_load_balancers: Vec<ElasticLoadBalancerShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.layer_ids);
    checks::exactly_one(&[m.stack_id.is_some(), ids.is_some()], "Please provide one or more layer IDs or a stack ID")?;
    let mut attached: Vec<LayerLoadBalancer> = Vec::new();
    let mut of: Vec<StackId> = Vec::new();
    match m.stack_id {
        Some(id) => {
            let stack = call.stack(&id).await?.record.id;
            attached.extend(call.list(&stack, keys::LOAD_BALANCER).await?.into_iter().map(|l| l.record));
            of.push(stack);
        }
        None => {
            for layer in call.layers(&ids.unwrap_or_default()).await? {
                let (stack, layer) = (layer.record.stack_id, layer.record.id);
                attached.extend(call.load_balancer_of(&stack, &layer).await?.map(|l| l.record));
                of.push(stack);
            }
        }
    }
    let stacks = call.permitted_stacks(of).await?;
    attached.sort_by(|a, b| (a.attached_at, &a.name, &a.layer_id).cmp(&(b.attached_at, &b.name, &b.layer_id)));
    attached.dedup_by(|a, b| a.layer_id == b.layer_id);
    let live = look(call, &stacks, &attached).await?;
    let shapes = attached.iter().filter_map(|a| {
        let views = live.get(&a.stack_id);
        let view = views.and_then(|views| views.iter().find(|v| v.name == a.name));
        Some(ElasticLoadBalancerShape::of(a, &stacks.get(&a.stack_id)?.region, view))
    });
    Ok(Answer::of(&Output { elastic_load_balancers: shapes.collect() }))
}

/// Asks ELB, one call for each stack. Our choice: an ELB that does not answer is an error, since the record knows no more than a name.
async fn look(
    call: &Call<'_>,
    stacks: &BTreeMap<StackId, Stack>,
    attached: &[LayerLoadBalancer],
) -> Result<BTreeMap<StackId, Vec<LoadBalancerView>>, ApiError> {
    let mut live = BTreeMap::new();
    for (id, stack) in stacks {
        let names: Vec<String> = attached.iter().filter(|a| a.stack_id == *id).map(|a| a.name.clone()).collect();
        if !names.is_empty() {
            live.insert(id.clone(), call.ports.load_balancers.describe(&call.scope(stack), &names).await?);
        }
    }
    Ok(live)
}
