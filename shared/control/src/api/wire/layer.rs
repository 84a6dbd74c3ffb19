//! Layer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use strata_domain::Secret;
use strata_domain::model::{Layer, LayerType, LogStream, LogsConfiguration, ShutdownConfiguration, Stack, VolumeConfiguration};
use strata_domain::security_groups;

use super::{Time, shape};

/// Recipes by lifecycle event.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(default)]
pub(crate) struct Recipes<'a> {
    /// At setup.
    setup: Vec<&'a str>,
    /// When instances come and go.
    configure: Vec<&'a str>,
    /// At a deployment.
    deploy: Vec<&'a str>,
    /// When something is removed.
    undeploy: Vec<&'a str>,
    /// Before a stop.
    shutdown: Vec<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LifecycleEventConfiguration {
    /// The shutdown event.
    shutdown: ShutdownEventConfiguration,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShutdownEventConfiguration {
    /// Seconds that a stop may take.
    execution_timeout: u32,
    /// Whether a stop waits until the load balancer has drained its connections.
    delay_until_elb_connections_drained: bool,
}

shape! {
    /// An element of a layer's VolumeConfigurations.
    VolumeConfigurationShape<'a> {
        /// The directory where it is mounted.
        mount_point: &'a str,
        /// How many disks.
        number_of_disks: u32,
        /// The size in GiB.
        size: u32,
        /// The EBS volume type.
        volume_type: &'a str,
        /// Whether it is encrypted.
        encrypted: bool,
    } unless_absent {
        /// I/O operations a second;
        iops: u32,
    }
}

shape! {
    /// A log stream of a layer, as it was set [CWL-1].
    CloudWatchLogsLogStreamShape<'a> {} unless_absent {
        /// The log group.
        log_group_name: &'a str,
        /// How the time stamp is read from a message.
        datetime_format: &'a str,
        /// The time zone of the time stamps.
        time_zone: &'a str,
        /// The file, or a pattern of files.
        file: &'a str,
        /// The lines by which a file is known.
        file_fingerprint_lines: &'a str,
        /// The pattern of a message's first line.
        multi_line_start_pattern: &'a str,
        /// Where shipping begins.
        initial_position: &'a str,
        /// The encoding of the file.
        encoding: &'a str,
        /// How long events are gathered, in milliseconds.
        buffer_duration: i64,
        /// How many events a batch has at most.
        batch_count: i64,
        /// How many bytes a batch has at most.
        batch_size: i64,
    }
}

shape! {
    /// The logs that a layer's instances ship.
    CloudWatchLogsConfigurationShape<'a> {
        /// Whether logs are shipped.
        enabled: bool,
        /// The log streams.
        log_streams: Vec<CloudWatchLogsLogStreamShape<'a>>,
    } unless_absent {}
}

fn log_stream(stream: &LogStream) -> CloudWatchLogsLogStreamShape<'_> {
    CloudWatchLogsLogStreamShape {
        log_group_name: stream.log_group_name.as_deref(),
        datetime_format: stream.datetime_format.as_deref(),
        time_zone: stream.time_zone.as_deref(),
        file: stream.file.as_deref(),
        file_fingerprint_lines: stream.file_fingerprint_lines.as_deref(),
        multi_line_start_pattern: stream.multi_line_start_pattern.as_deref(),
        initial_position: stream.initial_position.as_deref(),
        encoding: stream.encoding.as_deref(),
        buffer_duration: stream.buffer_duration,
        batch_count: stream.batch_count,
        batch_size: stream.batch_size,
    }
}

fn logs(logs: &LogsConfiguration) -> CloudWatchLogsConfigurationShape<'_> {
    CloudWatchLogsConfigurationShape {
        enabled: logs.enabled.unwrap_or(false),
        log_streams: logs.log_streams.iter().map(log_stream).collect(),
    }
}

shape! {
    /// An element of DescribeLayers [ECS-46].
    LayerShape<'a> {
        /// The layer's id.
        layer_id: &'a str,
        /// The stack's id.
        stack_id: &'a str,
        /// Its ARN.
        arn: String,
        /// `ecs-cluster` or `custom`.
        r#type: &'static str,
        /// The name that is shown.
        name: &'a str,
        /// The name in host names and metrics.
        shortname: &'a str,
        /// Attributes by name.
        attributes: BTreeMap<&'a str, &'a str>,
        /// Ids of security groups of your own, beside the built-in one.
        custom_security_group_ids: &'a [String],
        /// The built-in security groups.
        default_security_group_names: &'static [&'static str],
        /// Packages that the layer wants installed.
        packages: &'a [String],
        /// The EBS volumes that every instance of the layer gets.
        volume_configurations: Vec<VolumeConfigurationShape<'a>>,
        /// Whether instances that fail are healed.
        enable_auto_healing: bool,
        /// Whether every instance gets an Elastic IP.
        auto_assign_elastic_ips: bool,
        /// Whether instances get a public address.
        auto_assign_public_ips: bool,
        /// The built-in recipes by lifecycle event.
        default_recipes: Recipes<'a>,
        /// Recipes of your own by lifecycle event.
        custom_recipes: Recipes<'a>,
        /// When it was made, in UTC.
        created_at: Time,
        /// Whether the operating system's updates are installed at boot.
        install_updates_on_boot: bool,
        /// Whether new instances are EBS-optimised.
        use_ebs_optimized_instances: bool,
        /// Settings of lifecycle events.
        lifecycle_event_configuration: LifecycleEventConfiguration,
    } unless_absent {
        /// The layer's own instance profile.
        custom_instance_profile_arn: &'a str,
        /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
        custom_json: &'a str,
        /// The logs that the layer's machines ship to CloudWatch Logs.
        cloud_watch_logs_configuration: CloudWatchLogsConfigurationShape<'a>,
    }
}

/// The built-in recipes of the layer type by event [ECS-65].
const SETUP: [&str; 8] = [
    "opsworks_initial_setup",
    "ssh_host_keys",
    "ssh_users",
    "mysql::client",
    "dependencies",
    "ebs",
    "opsworks_ganglia::client",
    "opsworks_ecs::setup",
];
const CONFIGURE: [&str; 5] =
    ["opsworks_ganglia::configure-client", "ssh_users", "mysql::client", "agent_version", "opsworks_ecs::configure"];
const DEPLOY: [&str; 2] = ["deploy::default", "opsworks_ecs::deploy"];
const UNDEPLOY: [&str; 1] = ["opsworks_ecs::undeploy"];
const SHUTDOWN: [&str; 2] = ["opsworks_shutdown::default", "opsworks_ecs::shutdown"];

fn default_recipes(layer_type: LayerType) -> Recipes<'static> {
    let of_ecs = |names: &[&'static str]| names.iter().copied().filter(|_| layer_type == LayerType::EcsCluster).collect();
    Recipes {
        setup: of_ecs(&SETUP),
        configure: of_ecs(&CONFIGURE),
        deploy: of_ecs(&DEPLOY),
        undeploy: of_ecs(&UNDEPLOY),
        shutdown: of_ecs(&SHUTDOWN),
    }
}

fn custom_recipes(given: &BTreeMap<String, Vec<String>>) -> Recipes<'_> {
    let of = |event: &str| given.get(event).into_iter().flatten().map(String::as_str).collect();
    Recipes {
        setup: of("Setup"),
        configure: of("Configure"),
        deploy: of("Deploy"),
        undeploy: of("Undeploy"),
        shutdown: of("Shutdown"),
    }
}

fn volume(v: &VolumeConfiguration) -> VolumeConfigurationShape<'_> {
    VolumeConfigurationShape {
        mount_point: &v.mount_point,
        number_of_disks: v.number_of_disks,
        size: v.size,
        volume_type: &v.volume_type,
        encrypted: v.encrypted,
        iops: v.iops,
    }
}

/// The groups that the service gives to a layer's instances [SG-2, 4, 10] [ECS-57].
fn built_in_groups(layer_type: LayerType, stack: &Stack) -> &'static [&'static str] {
    match layer_type {
        _ if !stack.use_opsworks_security_groups => &[],
        LayerType::EcsCluster => &[security_groups::ECS_CLUSTER],
        LayerType::Custom => &[security_groups::CUSTOM_SERVER],
    }
}

/// An attribute's value; a password is not shown [WIRE-7].
fn shown<'a>(name: &str, value: &'a str) -> &'a str {
    if name.ends_with("Password") { Secret::FILTERED } else { value }
}

impl<'a> LayerShape<'a> {
    pub(crate) fn of(layer: &'a Layer, stack: &Stack) -> Self {
        let ShutdownConfiguration { execution_timeout_seconds, delay_until_elb_connections_drained } = layer.shutdown;
        let own = layer.attributes.iter().map(|(name, value)| (name.as_str(), shown(name, value)));
        Self {
            layer_id: layer.id.as_str(),
            stack_id: layer.stack_id.as_str(),
            arn: layer.arn(&stack.region, &stack.account),
            r#type: layer.layer_type.as_str(),
            name: &layer.name,
            shortname: &layer.shortname,
            attributes: own.chain(layer.cluster.iter().map(|c| ("EcsClusterArn", c.as_str()))).collect(),
            custom_security_group_ids: &layer.custom_security_group_ids,
            default_security_group_names: built_in_groups(layer.layer_type, stack),
            packages: &layer.packages,
            volume_configurations: layer.volume_configurations.iter().map(volume).collect(),
            enable_auto_healing: layer.enable_auto_healing,
            auto_assign_elastic_ips: layer.auto_assign_elastic_ips,
            auto_assign_public_ips: layer.auto_assign_public_ips,
            default_recipes: default_recipes(layer.layer_type),
            custom_recipes: custom_recipes(&layer.custom_recipes),
            created_at: Time(layer.created_at),
            install_updates_on_boot: layer.install_updates_on_boot,
            use_ebs_optimized_instances: layer.use_ebs_optimized_instances,
            lifecycle_event_configuration: LifecycleEventConfiguration {
                shutdown: ShutdownEventConfiguration {
                    execution_timeout: execution_timeout_seconds,
                    delay_until_elb_connections_drained,
                },
            },
            custom_instance_profile_arn: layer.custom_instance_profile_arn.as_deref(),
            custom_json: layer.custom_json.as_deref(),
            cloud_watch_logs_configuration: layer.logs.as_ref().map(logs),
        }
    }
}
