//! The members that CreateLayer and UpdateLayer share (ecs-cluster-layer.md, section 6), read and checked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{Layer, ShutdownConfiguration, VolumeConfiguration};

use super::update_stack::unless_emptied;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::wire::Recipes;

/// As sent; every member optional.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LayerMembers {
    /// The name that is shown, at most 32 characters, unique in the stack.
    pub(super) name: Option<String>,
    /// The name in host names and metrics, unique in the stack: lower-case letters, digits, `_`, `.` and `-`, at most 32. An ECS
    /// Cluster layer's is always `ecs-cluster`.
    pub(super) shortname: Option<String>,
    /// Attributes by name; `EcsClusterArn` names the cluster of an ECS Cluster layer.
    pub(super) attributes: Option<BTreeMap<String, Option<String>>>,
    /// The instance profile of the layer's machines. Default: the stack's.
    custom_instance_profile_arn: Option<String>,
    /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
    custom_json: Option<String>,
    /// Ids of security groups of your own, beside the built-in one.
    custom_security_group_ids: Option<Vec<String>>,
    /// Packages that the layer wants installed.
    packages: Option<Vec<String>>,
    /// The EBS volumes that every instance of the layer gets.
    volume_configurations: Option<Vec<VolumeConfigurationMembers>>,
    /// Whether instances that fail are healed. Default: true.
    enable_auto_healing: Option<bool>,
    /// Whether every instance gets an Elastic IP. Default: false.
    auto_assign_elastic_ips: Option<bool>,
    /// Whether instances get a public address. Default: true.
    auto_assign_public_ips: Option<bool>,
    /// Recipes of your own by lifecycle event.
    #[schemars(with = "Option<Recipes<'_>>")]
    custom_recipes: Option<BTreeMap<String, Option<Vec<String>>>>,
    /// Whether the operating system's updates are installed at boot. Default: true.
    install_updates_on_boot: Option<bool>,
    /// Whether new instances are EBS-optimised. Default: false.
    use_ebs_optimized_instances: Option<bool>,
    /// Settings of lifecycle events.
    lifecycle_event_configuration: Option<LifecycleEventConfigurationMembers>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct VolumeConfigurationMembers {
    /// The directory where it is mounted.
    #[schemars(required)]
    mount_point: Option<String>,
    /// Not supported: use one volume of the full size.
    raid_level: Option<i64>,
    /// How many disks.
    #[schemars(required)]
    number_of_disks: Option<u32>,
    /// The size in GiB.
    #[schemars(required)]
    size: Option<u32>,
    /// The EBS volume type. Default: `standard`.
    #[schemars(extend("enum" = VOLUME_TYPES))]
    volume_type: Option<String>,
    /// I/O operations a second; required for `io1`.
    iops: Option<u32>,
    /// Whether it is encrypted. Default: false.
    encrypted: Option<bool>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct LifecycleEventConfigurationMembers {
    /// The shutdown event.
    shutdown: Option<ShutdownEventConfigurationMembers>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct ShutdownEventConfigurationMembers {
    /// Seconds that a stop may take. Default: 120.
    execution_timeout: Option<u32>,
    /// Whether a stop waits until the load balancer has drained its connections. Default: true.
    delay_until_elb_connections_drained: Option<bool>,
}

/// The attribute that names an ECS layer's cluster.
pub(super) const CLUSTER: &str = "EcsClusterArn";
/// EBS volume types.
const VOLUME_TYPES: [&str; 6] = ["standard", "gp2", "gp3", "io1", "st1", "sc1"];
/// The lifecycle events, as `CustomRecipes` names them.
const EVENTS: [&str; 5] = ["Setup", "Configure", "Deploy", "Undeploy", "Shutdown"];

impl LayerMembers {
    /// An attribute's value, unless unset.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.as_ref()?.get(name)?.as_deref()
    }

    /// Checks what can be checked without looking anything up.
    pub(super) fn check(&self, call: &Call<'_>) -> Result<(), ApiError> {
        if let Some(name) = &self.name {
            checks::name("Name", name, 32)?;
        }
        if let Some(profile) = &self.custom_instance_profile_arn {
            checks::iam_arn("CustomInstanceProfileArn", profile, "instance-profile", &call.config.account)?;
        }
        checks::custom_json_with_settings(self.custom_json.as_deref())?;
        if let Some(event) = self.custom_recipes.iter().flat_map(BTreeMap::keys).find(|e| !EVENTS.contains(&e.as_str())) {
            return Err(ApiError::field("CustomRecipes", format!("\"{event}\" is not a lifecycle event")));
        }
        self.volume_configurations.iter().flatten().map(volume).collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    /// Puts what was sent into `layer`; lists and objects are replaced whole [VAL-5]. Name, short name and cluster are the caller's.
    pub(super) fn apply(self, input: &Input, layer: &mut Layer) -> Result<(), ApiError> {
        set(&mut layer.custom_security_group_ids, self.custom_security_group_ids);
        set(&mut layer.packages, self.packages);
        set(&mut layer.enable_auto_healing, self.enable_auto_healing);
        set(&mut layer.auto_assign_elastic_ips, self.auto_assign_elastic_ips);
        set(&mut layer.auto_assign_public_ips, self.auto_assign_public_ips);
        set(&mut layer.install_updates_on_boot, self.install_updates_on_boot);
        set(&mut layer.use_ebs_optimized_instances, self.use_ebs_optimized_instances);
        layer.custom_json = unless_emptied(input, "CustomJson", self.custom_json, layer.custom_json.take());
        let profile = layer.custom_instance_profile_arn.take();
        layer.custom_instance_profile_arn =
            unless_emptied(input, "CustomInstanceProfileArn", self.custom_instance_profile_arn, profile);
        if let Some(volumes) = &self.volume_configurations {
            layer.volume_configurations = volumes.iter().map(volume).collect::<Result<_, _>>()?;
        }
        if let Some(recipes) = self.custom_recipes {
            layer.custom_recipes = recipes.into_iter().filter_map(|(event, list)| Some((event, list?))).collect();
        }
        if let Some(attributes) = self.attributes {
            let own = attributes.into_iter().filter_map(|(key, value)| Some((key, value?)));
            layer.attributes = own.filter(|(key, _)| key != CLUSTER).collect();
        }
        if let Some(shutdown) = self.lifecycle_event_configuration.and_then(|l| l.shutdown) {
            let default = ShutdownConfiguration::default();
            layer.shutdown = ShutdownConfiguration {
                execution_timeout_seconds: shutdown.execution_timeout.unwrap_or(default.execution_timeout_seconds),
                delay_until_elb_connections_drained: shutdown
                    .delay_until_elb_connections_drained
                    .unwrap_or(default.delay_until_elb_connections_drained),
            };
        }
        Ok(())
    }
}

fn set<T>(place: &mut T, sent: Option<T>) {
    if let Some(value) = sent {
        *place = value;
    }
}

/// One volume [EBS-1..6].
fn volume(v: &VolumeConfigurationMembers) -> Result<VolumeConfiguration, ApiError> {
    let missing = |member: &str| ApiError::field("VolumeConfigurations", format!("{member} is required"));
    if let Some(level) = v.raid_level {
        return Err(ApiError::unsupported(&format!("RaidLevel={level}"), "Use one volume of the full size."));
    }
    let volume_type = v.volume_type.clone().unwrap_or_else(|| "standard".to_owned());
    checks::one_of("VolumeConfigurations", &volume_type, &VOLUME_TYPES)?;
    if volume_type == "io1" && v.iops.is_none() {
        return Err(missing("Iops"));
    }
    let mount_point = v.mount_point.clone().ok_or_else(|| missing("MountPoint"))?;
    if !mount_point.starts_with('/') {
        return Err(ApiError::field("VolumeConfigurations", format!("MountPoint \"{mount_point}\" is not a directory's path")));
    }
    Ok(VolumeConfiguration {
        mount_point,
        number_of_disks: v.number_of_disks.ok_or_else(|| missing("NumberOfDisks"))?,
        size: v.size.ok_or_else(|| missing("Size"))?,
        volume_type,
        iops: v.iops,
        encrypted: v.encrypted.unwrap_or(false),
    })
}
