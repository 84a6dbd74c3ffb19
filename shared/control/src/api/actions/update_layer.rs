//! UpdateLayer [ACT-69].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::ecs_cluster::{EcsClusterError, check_security_groups};
use strata_domain::model::{Layer, LayerType};
use strata_domain::settings::Settings;
use strata_ports::{Change, keys};

use super::create_layer::custom_shortname;
use super::layer_members::{CLUSTER, LayerMembers};
use super::teardown_plan::{self, Settled};
use super::uniqueness::{give_back, layer_name_taken, layer_shortname_taken, take};
use super::{load_based_index, timer_settings, update_windows};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Changes settings of a layer. Members that are left out stay as they are; lists and objects are replaced whole.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
    #[serde(flatten)]
    settings: LayerMembers,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let Members { layer_id, settings } = input.read()?;
    let id = required(layer_id, "LayerId")?;
    settings.check(call)?;
    let stored = call.layer(&id).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?;
    call.permit(Some(&stack.record.id)).await?;
    check_cluster(&stored.record, &settings)?;

    let mut next = stored.record.clone();
    let (name, shortname) = (settings.name.clone(), settings.shortname.clone());
    next.name = name.unwrap_or(next.name);
    if let (LayerType::Custom, Some(shortname)) = (next.layer_type, shortname) {
        next.shortname = custom_shortname(shortname)?;
    }
    settings.apply(input, &mut next)?;
    let new: Vec<String> = next
        .custom_security_group_ids
        .iter()
        .filter(|id| !stored.record.custom_security_group_ids.contains(id))
        .cloned()
        .collect();
    call.check_groups(&stack.record, "CustomSecurityGroupIds", &new).await?;
    check_security_groups(stack.record.use_opsworks_security_groups, &next.custom_security_group_ids)?;
    // Beside UpdateStack, which may just be switching the built-in groups off.
    let mut answer = Answer::done(vec![stored.put(&next), stack.check()]);
    answer.changes.extend(renamed(call, &stored.record, &next).await?);
    for group in changed_target_groups(&stored.record, &next) {
        // As AttachElasticLoadBalancer and its counterpart do: hosts that are online join or leave at once.
        answer.changes.push(call.balancer_due(&stack.record, &next.id, &group).await?);
    }
    let (before, after) = (stored.record.custom_json.as_deref(), next.custom_json.as_deref());
    answer.changes.extend(timer_settings::look_again(call, &next.stack_id, before, after).await?);
    answer.changes.extend(update_windows::changed(call, &stored.record, &next).await?);
    let settled = Settled { stack: &next.stack_id, layer: Some(&next.id), before, after };
    answer.changes.extend(teardown_plan::plan(call, settled, Some(std::slice::from_ref(&next.name))).await?);
    if next.logs != stored.record.logs {
        answer.changes.push(call.configure_due_on(&next).await?);
    }
    if next.shortname != stored.record.shortname {
        // Alarms carry the layer's short name.
        load_based_index::rename_layer(call, &stack.record, (&stored.record, &next), &mut answer).await?;
    }
    Ok(answer)
}

/// The target groups that one of the two names and the other does not. Settings that cannot be read name none.
fn changed_target_groups(before: &Layer, after: &Layer) -> BTreeSet<String> {
    let groups = |layer: &Layer| -> BTreeSet<String> {
        Settings::from_custom_json(layer.custom_json.as_deref()).unwrap_or_default().target_groups.into_iter().collect()
    };
    groups(before).symmetric_difference(&groups(after)).cloned().collect()
}

/// The cluster cannot be changed (ecs-cluster-layer.md, question 9); sending the present one is fine.
fn check_cluster(layer: &Layer, settings: &LayerMembers) -> Result<(), ApiError> {
    match settings.attribute(CLUSTER) {
        Some(named) if layer.cluster.as_ref().is_none_or(|c| c.as_str() != named) => Err(EcsClusterError::OtherCluster.into()),
        Some(_) | None => Ok(()),
    }
}

async fn renamed(call: &Call<'_>, before: &Layer, after: &Layer) -> Result<Vec<Change>, ApiError> {
    let (stack, owner) = (&after.stack_id, after.id.as_str());
    let mut changes = Vec::new();
    if before.name != after.name {
        let key = keys::unique(stack, "layer-name", &after.name);
        changes.push(take(call, key, owner, || layer_name_taken(&after.name)).await?);
        changes.extend(give_back(call, keys::unique(stack, "layer-name", &before.name)).await?);
    }
    if before.shortname != after.shortname {
        let key = keys::unique(stack, "layer-shortname", &after.shortname);
        changes.push(take(call, key, owner, || layer_shortname_taken(&after.shortname)).await?);
        changes.extend(give_back(call, keys::unique(stack, "layer-shortname", &before.shortname)).await?);
    }
    Ok(changes)
}
