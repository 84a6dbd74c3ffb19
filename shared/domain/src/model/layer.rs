//! A layer.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::tags::Tags;
use crate::{ClusterArn, LayerId, StackId};

/// The two layer types in scope [ACT-9].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerType {
    /// `ecs-cluster`: one ECS cluster of a stack.
    #[serde(rename = "ecs-cluster")]
    EcsCluster,
    /// `custom`.
    #[serde(rename = "custom")]
    Custom,
}

impl LayerType {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcsCluster => "ecs-cluster",
            Self::Custom => "custom",
        }
    }
}

/// `LifecycleEventConfiguration.Shutdown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownConfiguration {
    /// Seconds that a stop waits for the Shutdown event and for tasks to move; default 120 [LIFE-5].
    pub execution_timeout_seconds: u32,
    /// Whether a stop first waits until the load balancer has drained; default true [ELB-6].
    pub delay_until_elb_connections_drained: bool,
}

impl Default for ShutdownConfiguration {
    fn default() -> Self {
        Self { execution_timeout_seconds: 120, delay_until_elb_connections_drained: true }
    }
}

impl ShutdownConfiguration {
    /// The timeout as a duration.
    pub fn execution_timeout(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.execution_timeout_seconds))
    }
}

/// One entry of a layer's `VolumeConfigurations` [EBS-1..6].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeConfiguration {
    /// Directory.
    pub mount_point: String,
    /// Number of disks; 1 without RAID.
    pub number_of_disks: u32,
    /// GiB.
    pub size: u32,
    /// `standard`, `gp2`, `gp3`, ...
    pub volume_type: String,
    /// Only for `io1`.
    pub iops: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// One stream of a layer's `CloudWatchLogsConfiguration`, as it was sent [CWL-6..16].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// Log group.
    pub log_group_name: Option<String>,
    /// Path or glob.
    pub file: Option<String>,
    /// strptime pattern.
    pub datetime_format: Option<String>,
    /// `LOCAL` or `UTC`.
    pub time_zone: Option<String>,
    /// `n` or `n-m`.
    pub file_fingerprint_lines: Option<String>,
    /// Pattern of a message's first line.
    pub multi_line_start_pattern: Option<String>,
    /// `start_of_file` or `end_of_file`.
    pub initial_position: Option<String>,
    /// Encoding.
    pub encoding: Option<String>,
    /// Milliseconds.
    pub buffer_duration: Option<i64>,
    /// Events per batch.
    pub batch_count: Option<i64>,
    /// Bytes per batch.
    pub batch_size: Option<i64>,
}

/// A layer's `CloudWatchLogsConfiguration` [CWL-1].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsConfiguration {
    /// Whether logs are shipped; absent: no.
    pub enabled: Option<bool>,
    /// What is shipped.
    pub log_streams: Vec<LogStream>,
}

/// A layer's settings (`ecs-cluster-layer.md`, section 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// The uuid.
    pub id: LayerId,
    /// Its stack.
    pub stack_id: StackId,
    /// Type.
    pub layer_type: LayerType,
    /// 1 to 32 characters, unique in the stack.
    pub name: String,
    /// `ecs-cluster` for that type; unique in the stack.
    pub shortname: String,
    /// The cluster that an `ecs-cluster` layer stands for; `None` once it is deregistered [ECS-94].
    pub cluster: Option<ClusterArn>,
    /// Whether failed members are healed; default true [HEAL-2].
    pub enable_auto_healing: bool,
    /// Section 7 of the spec; default false.
    pub auto_assign_elastic_ips: bool,
    /// Default true [EIP-8].
    pub auto_assign_public_ips: bool,
    /// Overrides the stack's profile.
    pub custom_instance_profile_arn: Option<String>,
    /// Added to new instances.
    pub custom_security_group_ids: Vec<String>,
    /// Volumes of new instances.
    pub volume_configurations: Vec<VolumeConfiguration>,
    /// Default true [SEC-1].
    pub install_updates_on_boot: bool,
    /// Default false.
    pub use_ebs_optimized_instances: bool,
    /// Shutdown settings.
    pub shutdown: ShutdownConfiguration,
    /// `CustomRecipes` by event name, kept as given.
    pub custom_recipes: BTreeMap<String, Vec<String>>,
    /// OS packages.
    pub packages: Vec<String>,
    /// User's JSON, byte for byte; Strata's settings ride under `"strata"`.
    pub custom_json: Option<String>,
    /// Other attributes, kept as given.
    pub attributes: BTreeMap<String, String>,
    /// Which logs its instances ship, if that was ever set.
    pub logs: Option<LogsConfiguration>,
    /// Its own user tags, beside and over those of its stack [TAG-2].
    #[serde(default)]
    pub tags: Tags,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Layer {
    /// `arn:aws:opsworks:<region>:<account>:layer/<uuid>/` [IDN-4].
    pub fn arn(&self, region: &str, account: &str) -> String {
        format!("arn:aws:opsworks:{region}:{account}:layer/{}/", self.id)
    }
}
