//! CreateLayer [ACT-9] [ECS-20, 21, 60]: types `ecs-cluster` and `custom`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ecs_cluster::{self, EcsClusterError};
use strata_domain::model::{Layer, LayerType, ShutdownConfiguration, Stack};
use strata_domain::{ClusterArn, LayerId};
use strata_ports::{Change, Expect, keys};

use super::layer_members::{CLUSTER, LayerMembers};
use super::teardown_plan::{self, Settled};
use super::uniqueness::{layer_name_taken, layer_shortname_taken, take};
use super::update_windows;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// The layer types that OpsWorks had and this implementation has not [SCP-4].
const OUT_TYPES: [&str; 10] = [
    "aws-flow-ruby",
    "java-app",
    "lb",
    "web",
    "php-app",
    "rails-app",
    "nodejs-app",
    "memcached",
    "db-master",
    "monitoring-master",
];

/// Makes a layer. An ECS Cluster layer needs the cluster to be registered with the stack first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(extend("required" = ["StackId", "Type", "Name", "Shortname"]))]
pub(super) struct Members {
    /// The stack's id.
    stack_id: Option<String>,
    /// `ecs-cluster` or `custom`.
    #[schemars(extend("enum" = ["ecs-cluster", "custom"]))]
    r#type: Option<String>,
    #[serde(flatten)]
    settings: LayerMembers,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new layer's id.
    layer_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let Members { stack_id, r#type, settings } = input.read()?;
    let layer_type = layer_type(r#type.as_deref())?;
    let stack_id = required(stack_id, "StackId")?;
    let name = required(settings.name.clone(), "Name")?;
    let shortname = shortname(layer_type, required(settings.shortname.clone(), "Shortname")?)?;
    settings.check(call)?;
    if layer_type == LayerType::Custom && settings.attribute(CLUSTER).is_some() {
        return Err(ApiError::field("Attributes", "EcsClusterArn is for layers of type ecs-cluster"));
    }
    let stack = call.stack(&stack_id).await?;
    call.permit(Some(&stack.record.id)).await?;
    checks::quota("layers in a stack", call.layers_of(&stack.record.id).await?.len(), call.config.max_layers)?;

    let mut layer = defaults(call, &stack.record, layer_type, name, shortname);
    // The stack is written too, so that a DeleteStack which saw no layer yet must look again.
    let mut changes = vec![stack.touch()];
    if layer_type == LayerType::EcsCluster {
        layer.cluster = Some(cluster_of(call, &stack.record, &settings, &mut changes).await?);
    }
    settings.apply(input, &mut layer)?;
    call.check_groups(&stack.record, "CustomSecurityGroupIds", &layer.custom_security_group_ids).await?;
    ecs_cluster::check_security_groups(stack.record.use_opsworks_security_groups, &layer.custom_security_group_ids)?;
    changes.extend(taken_names(call, &layer).await?);
    let settled = Settled { stack: &layer.stack_id, layer: Some(&layer.id), before: None, after: layer.custom_json.as_deref() };
    changes.extend(teardown_plan::plan(call, settled, Some(std::slice::from_ref(&layer.name))).await?);
    let owner = keys::Owner { kind: "layer".to_owned(), stack_id: layer.stack_id.clone() };
    changes.push(Change::put(keys::layer(&layer.stack_id, &layer.id), &layer, Expect::Absent));
    changes.push(Change::put(keys::pointer(layer.id.as_str()), &owner, Expect::Absent));
    changes.extend(update_windows::entry(&layer));
    Ok(Answer::of(&Output { layer_id: layer.id.as_str() }).with(changes))
}

fn layer_type(given: Option<&str>) -> Result<LayerType, ApiError> {
    match required(given, "Type")? {
        "ecs-cluster" => Ok(LayerType::EcsCluster),
        "custom" => Ok(LayerType::Custom),
        out if OUT_TYPES.contains(&out) => Err(ApiError::unsupported(&format!("Type={out}"), "Use a custom layer.")),
        other => Err(ApiError::field("Type", format!("\"{other}\" is not a layer type"))),
    }
}

/// Built-in short names belong to the service: whatever was sent, an ECS layer's is `ecs-cluster`.
fn shortname(layer_type: LayerType, given: String) -> Result<String, ApiError> {
    match layer_type {
        LayerType::EcsCluster => Ok(LayerType::EcsCluster.as_str().to_owned()),
        LayerType::Custom => custom_shortname(given),
    }
}

/// A custom layer's short name: any but the one that belongs to the ECS Cluster layer, or the stack could never have one.
pub(super) fn custom_shortname(given: String) -> Result<String, ApiError> {
    checks::shortname(&given)?;
    if given == LayerType::EcsCluster.as_str() {
        return Err(ApiError::field("Shortname", format!("\"{given}\" belongs to the ECS Cluster layer")));
    }
    Ok(given)
}

fn defaults(call: &Call<'_>, stack: &Stack, layer_type: LayerType, name: String, shortname: String) -> Layer {
    Layer {
        id: LayerId::from(call.ports.ids.uuid()),
        stack_id: stack.id.clone(),
        layer_type,
        name,
        shortname,
        cluster: None,
        enable_auto_healing: true,
        auto_assign_elastic_ips: false,
        auto_assign_public_ips: true,
        custom_instance_profile_arn: None,
        custom_security_group_ids: Vec::new(),
        volume_configurations: Vec::new(),
        install_updates_on_boot: true,
        use_ebs_optimized_instances: false,
        shutdown: ShutdownConfiguration::default(),
        custom_recipes: BTreeMap::new(),
        packages: Vec::new(),
        custom_json: None,
        attributes: BTreeMap::new(),
        logs: None,
        tags: BTreeMap::new(),
        created_at: call.now,
    }
}

/// The stack's registered cluster, with the condition that it stays registered.
async fn cluster_of(
    call: &Call<'_>,
    stack: &Stack,
    settings: &LayerMembers,
    changes: &mut Vec<Change>,
) -> Result<ClusterArn, ApiError> {
    ecs_cluster::check_stack(&stack.chef_version, &stack.vpc_id)?;
    let registered = call.find::<ClusterArn>(&keys::unique(&stack.id, "cluster", "one")).await?;
    let cluster = ecs_cluster::layer_cluster(settings.attribute(CLUSTER), registered.as_ref().map(|r| &r.record))?.clone();
    call.check_role_for(&stack.service_role_arn, &cluster).await?;
    changes.extend(registered.map(|r| r.check()));
    Ok(cluster)
}

async fn taken_names(call: &Call<'_>, layer: &Layer) -> Result<Vec<Change>, ApiError> {
    let (stack, owner) = (&layer.stack_id, layer.id.as_str());
    let mut changes = Vec::new();
    if layer.layer_type == LayerType::EcsCluster {
        let key = keys::unique(stack, "layer-type", layer.layer_type.as_str());
        changes.push(take(call, key, owner, || EcsClusterError::SecondLayer.into()).await?);
    }
    let name = keys::unique(stack, "layer-name", &layer.name);
    changes.push(take(call, name, owner, || layer_name_taken(&layer.name)).await?);
    let shortname = keys::unique(stack, "layer-shortname", &layer.shortname);
    changes.push(take(call, shortname, owner, || layer_shortname_taken(&layer.shortname)).await?);
    Ok(changes)
}
