//! The members that CreateLayer and UpdateLayer share (ecs-cluster-layer.md, section 6), read and checked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::Secret;
use strata_domain::model::{Layer, ShutdownConfiguration};

use super::log_members::{CloudWatchLogsConfigurationMembers, logs};
use super::update_stack::unless_emptied;
use super::volume_members::{VolumeConfigurationMembers, volumes};
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
    /// The logs that the layer's machines ship to CloudWatch Logs.
    cloud_watch_logs_configuration: Option<CloudWatchLogsConfigurationMembers>,
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
struct LifecycleEventConfigurationMembers {
    /// The Shutdown event.
    shutdown: Option<ShutdownEventConfigurationMembers>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct ShutdownEventConfigurationMembers {
    /// The seconds to wait after the Shutdown event, 0 to 86400. The default is 120.
    execution_timeout: Option<i64>,
    /// Whether to wait until the load balancer has drained its connections. The default is true.
    delay_until_elb_connections_drained: Option<bool>,
}

/// The attribute that names an ECS layer's cluster.
pub(super) const CLUSTER: &str = "EcsClusterArn";
/// The attributes that layers had in OpsWorks; other keys are no attributes [WIRE-4].
const ATTRIBUTES: [&str; 25] = [
    CLUSTER,
    "EnableHaproxyStats",
    "HaproxyStatsUrl",
    "HaproxyStatsUser",
    "HaproxyStatsPassword",
    "HaproxyHealthCheckUrl",
    "HaproxyHealthCheckMethod",
    "MysqlRootPassword",
    "MysqlRootPasswordUbiquitous",
    "GangliaUrl",
    "GangliaUser",
    "GangliaPassword",
    "MemcachedMemory",
    "NodejsVersion",
    "RubyVersion",
    "RubygemsVersion",
    "ManageBundler",
    "BundlerVersion",
    "RailsStack",
    "PassengerVersion",
    "Jvm",
    "JvmVersion",
    "JvmOptions",
    "JavaAppServer",
    "JavaAppServerVersion",
];
/// So long a stop may wait at most; a day.
const MAX_SHUTDOWN_SECONDS: i64 = 86_400;
/// So many groups of its own a layer may have, as many as EC2 takes for one network interface unless its quota was raised; and with it
/// the largest answer of DescribeInstances fits [QTA-1].
const MAX_GROUPS: usize = 5;
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
        for recipe in self.custom_recipes.iter().flat_map(BTreeMap::values).flatten().flatten() {
            checks::recipe("CustomRecipes", recipe)?;
        }
        if let Some(key) = self.attributes.iter().flat_map(BTreeMap::keys).find(|key| !ATTRIBUTES.contains(&key.as_str())) {
            return Err(ApiError::field("Attributes", format!("\"{key}\" is not a layer attribute")));
        }
        for package in self.packages.iter().flatten() {
            checks::package("Packages", package)?;
        }
        let groups = self.custom_security_group_ids.as_ref().map_or(0, Vec::len);
        if groups > MAX_GROUPS {
            return Err(ApiError::field("CustomSecurityGroupIds", format!("at most {MAX_GROUPS} are possible, not {groups}")));
        }
        volumes(self.volume_configurations.as_deref().unwrap_or_default())?;
        self.cloud_watch_logs_configuration.as_ref().map(logs).transpose()?;
        self.shutdown()?;
        Ok(())
    }

    /// The Shutdown settings, if any were sent; the object is replaced whole [VAL-5].
    fn shutdown(&self) -> Result<Option<ShutdownConfiguration>, ApiError> {
        let Some(sent) = &self.lifecycle_event_configuration else { return Ok(None) };
        let mut shutdown = ShutdownConfiguration::default();
        let sent = sent.shutdown.as_ref();
        if let Some(seconds) = sent.and_then(|s| s.execution_timeout) {
            let whole = u32::try_from(seconds).ok().filter(|_| seconds <= MAX_SHUTDOWN_SECONDS);
            let text = || format!("ExecutionTimeout must be 0 to {MAX_SHUTDOWN_SECONDS} seconds, not {seconds}");
            shutdown.execution_timeout_seconds = whole.ok_or_else(|| ApiError::field("LifecycleEventConfiguration", text()))?;
        }
        if let Some(delay) = sent.and_then(|s| s.delay_until_elb_connections_drained) {
            shutdown.delay_until_elb_connections_drained = delay;
        }
        Ok(Some(shutdown))
    }

    /// Puts what was sent into `layer`; lists and objects are replaced whole [VAL-5]. Name, short name and cluster are the caller's.
    pub(super) fn apply(self, input: &Input, layer: &mut Layer) -> Result<(), ApiError> {
        let shutdown = self.shutdown()?;
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
        if let Some(sent) = &self.volume_configurations {
            layer.volume_configurations = volumes(sent)?;
        }
        if let Some(sent) = &self.cloud_watch_logs_configuration {
            layer.logs = Some(logs(sent)?);
        }
        layer.shutdown = shutdown.unwrap_or(layer.shutdown);
        if let Some(recipes) = self.custom_recipes {
            layer.custom_recipes = recipes.into_iter().filter_map(|(event, list)| Some((event, list?))).collect();
        }
        if let Some(attributes) = self.attributes {
            layer.attributes = own_attributes(attributes, &layer.attributes)?;
        }
        Ok(())
    }
}

/// The attributes beside the cluster, replaced whole. A password sent as it is shown stays as it is stored [WIRE-7].
fn own_attributes(
    sent: BTreeMap<String, Option<String>>,
    present: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut own = BTreeMap::new();
    for (key, value) in sent.into_iter().filter(|(key, _)| key != CLUSTER) {
        let Some(mut value) = value else { continue };
        if key.ends_with("Password") && value == Secret::FILTERED {
            let missing = || ApiError::field("Attributes", format!("{key} {value} keeps a stored one, but none is stored"));
            value = present.get(&key).ok_or_else(missing)?.clone();
        }
        own.insert(key, value);
    }
    Ok(own)
}

fn set<T>(place: &mut T, sent: Option<T>) {
    if let Some(value) = sent {
        *place = value;
    }
}
