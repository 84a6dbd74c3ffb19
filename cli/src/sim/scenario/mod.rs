//! The scenario: what a simulated world consists of and what happens in it. `docs/scenarios.md` describes every key.
//!
//! This file holds the types; [`load`] reads and checks a file, [`schedule`] turns windows into hours and [`at`] reads moments.

pub mod at;
pub mod check;
pub mod load;
pub mod locate;
pub mod members;
pub mod scale;
pub mod schedule;
pub mod show;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use at::At;
pub use members::{Member, SHORTNAME};
pub use schedule::{Schedule, TimeBased, Window};
pub use show::show;

use crate::args::Faults;

/// The built-in scenario: a day of the best-practices layer.
pub const BEST_PRACTICES_DAY: &str = include_str!("../../../scenarios/best-practices-day.toml");

/// A scenario file. The first layer is the main one: `--instances` and `--trace` are about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Shown in the summary and the report.
    pub name: String,
    /// Seed, length, zones, faults.
    #[serde(default)]
    pub world: World,
    /// Overrides of the simulated cloud's settings; read with [`Scenario::cloud`].
    #[serde(default)]
    pub cloud: toml::Table,
    /// The layers, one per stack; at least one.
    #[serde(rename = "layer")]
    pub layers: Vec<LayerSpec>,
    /// What befalls the world.
    #[serde(default, rename = "event")]
    pub events: Vec<EventSpec>,
    /// Rolling updates.
    #[serde(default, rename = "update_window")]
    pub update_windows: Vec<UpdateWindow>,
    /// Layers that are taken down.
    #[serde(default, rename = "teardown")]
    pub teardowns: Vec<TeardownSpec>,
    /// The text that it was read from, for errors that are found later.
    #[serde(skip)]
    source: Source,
}

#[derive(Clone, Debug, Default)]
struct Source {
    file: String,
    text: String,
}

/// `[world]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct World {
    /// Seed of everything that is random. Default 1.
    pub seed: u64,
    /// Days, 1 to 366. Default 1.
    pub days: u32,
    /// When the first day begins, UTC midnight. Default 2026-03-02, a Monday.
    #[serde(deserialize_with = "at::timestamp")]
    pub start: Timestamp,
    /// AWS region. Default `us-east-1`.
    pub region: String,
    /// Availability Zones. Default three.
    pub zones: Vec<String>,
    /// How much the cloud and the bus misbehave. Default none.
    pub faults: Faults,
}

impl Default for World {
    fn default() -> Self {
        Self {
            seed: 1,
            days: 1,
            start: "2026-03-02T00:00:00Z".parse().expect("a literal RFC 3339 time"),
            region: "us-east-1".to_owned(),
            zones: ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).to_vec(),
            faults: Faults::None,
        }
    }
}

/// `[[layer]]`: an ECS Cluster layer with the stack and the cluster of its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerSpec {
    /// Stack's name; one ECS Cluster layer per stack.
    pub stack: String,
    /// Layer's name. Default `ECS Cluster`.
    #[serde(default = "defaults::layer_name")]
    pub name: String,
    /// ECS cluster's name; one stack per cluster.
    pub cluster: String,
    /// Host names are this and a number. Default: the stack's name.
    pub hosts: Option<String>,
    /// EC2 type. Default `c7i.large`.
    #[serde(default = "defaults::instance_type")]
    pub instance_type: String,
    /// What a stop does with the machine. Default `ebs`.
    #[serde(default)]
    pub root_device: RootDevice,
    /// 24/7 instances. Default 0.
    #[serde(default)]
    pub always_on: u32,
    /// Time-based instances: windows, or `"best-practices-day"`. Default none.
    #[serde(default)]
    pub time_based: TimeBased,
    /// Load-based instances. Default 0.
    #[serde(default)]
    pub load_based: u32,
    /// Whether failed members are healed. Default true.
    #[serde(default = "defaults::yes")]
    pub auto_healing: bool,
    /// Whether the layer has a classic load balancer, named after the stack. Default false.
    #[serde(default)]
    pub load_balancer: bool,
    /// Whether each instance gets an Elastic IP address. Default false.
    #[serde(default)]
    pub elastic_ips: bool,
    /// GiB of a volume that each instance gets at `/data`. Default: none.
    pub volume_gib: Option<u32>,
    /// Seconds that a stop waits for tasks to move. Default 120.
    #[serde(default = "defaults::shutdown_timeout")]
    pub shutdown_timeout_seconds: u32,
    /// Load-based scaling; without it load-based instances stay off.
    pub load_scaling: Option<LoadScaling>,
    /// The `"strata"` settings of the layer's custom JSON.
    pub strata: Option<toml::Table>,
    /// What its users want. Default nothing.
    #[serde(default)]
    pub demand: DemandSpec,
    /// The cluster's services.
    #[serde(default, rename = "service")]
    pub services: Vec<ServiceSpec>,
    /// Tasks that somebody started by hand. Default 0.
    #[serde(default)]
    pub standalone_tasks: u32,
}

/// `root_device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootDevice {
    /// Stopped and started again.
    #[default]
    Ebs,
    /// Terminated on stop.
    InstanceStore,
}

/// `[layer.load_scaling]`: SetLoadBasedAutoScaling.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadScaling {
    /// Default true.
    pub enabled: bool,
    /// When load-based instances are started.
    pub up: Thresholds,
    /// When load-based instances are stopped.
    pub down: Thresholds,
}

impl Default for LoadScaling {
    fn default() -> Self {
        Self { enabled: true, up: Thresholds::default(), down: Thresholds::default() }
    }
}

/// `AutoScalingThresholds`; what is left out keeps the API's default for its direction [LOAD-2].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Instances per event, from 1.
    pub instances: Option<u32>,
    /// ThresholdsWaitTime, minutes, 1 to 100.
    pub wait_minutes: Option<u32>,
    /// IgnoreMetricsTime, minutes, 1 to 100.
    pub ignore_minutes: Option<u32>,
    /// Percent, 0 to 100, or -1 for off.
    pub cpu: Option<f64>,
    /// Percent, 0 to 100, or -1 for off.
    pub memory: Option<f64>,
    /// Load average, from 0, or -1 for off.
    pub load: Option<f64>,
}

/// `[layer.demand]`: how many servers' worth of work there is, `base + amplitude * cos(15 degrees * (hour - peak_hour))` and spikes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemandSpec {
    /// Servers. Default 0.
    pub base: f64,
    /// Servers, at most `base`. Default 0.
    pub amplitude: f64,
    /// UTC hour of the daily peak. Default 0.
    pub peak_hour: f64,
    /// CPU percent of a host when demand equals capacity. Default 75.
    pub target_cpu: f64,
    /// What comes on top for a while.
    pub spikes: Vec<Spike>,
}

impl Default for DemandSpec {
    fn default() -> Self {
        Self { base: 0.0, amplitude: 0.0, peak_hour: 0.0, target_cpu: 75.0, spikes: Vec::new() }
    }
}

/// One of `spikes`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spike {
    /// When it begins.
    pub at: At,
    /// How long it lasts.
    pub minutes: u32,
    /// How many servers' worth of work comes on top.
    pub servers: f64,
}

/// `[[layer.service]]`: an ECS service.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// Desired tasks; a daemon has none of its own, it runs on every host.
    #[serde(default)]
    pub desired: u32,
    /// ECS's `minimumHealthyPercent`. Default 100.
    #[serde(default = "defaults::min_healthy")]
    pub min_healthy_percent: u32,
    /// ECS's `maximumPercent`. Default 200.
    #[serde(default = "defaults::max_percent")]
    pub max_percent: u32,
    /// Scheduling strategy DAEMON. Default false.
    #[serde(default)]
    pub daemon: bool,
    /// How many of its tasks have scale-in protection. Default 0.
    #[serde(default)]
    pub protected_tasks: u32,
}

/// `[[event]]`: what befalls the world.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// When.
    pub at: At,
    /// What.
    pub kind: EventKind,
    /// `stack` or `stack/ecs-cluster`. Default: the first layer; for `freeze` and `thaw` the installation.
    pub layer: Option<String>,
    /// A certain host. Default: the first online ones by host name.
    pub host: Option<String>,
    /// Only hosts of this scaling type.
    pub scaling: Option<ScalingWord>,
    /// The zone of `zone_outage` and `no_capacity`; for the others only hosts in this zone.
    pub zone: Option<String>,
    /// How many hosts. Default 1.
    #[serde(default = "defaults::one")]
    pub instances: u32,
    /// How long it lasts: `zone_outage`, `no_capacity` and `agent_disconnect`.
    pub minutes: Option<u32>,
}

/// What befalls hosts or a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The host hangs: status checks fail, the ECS agent and SSM are silent.
    Hang,
    /// The ECS agent loses its connection for a while; the host is well.
    AgentDisconnect,
    /// Somebody stops the EC2 instance behind Strata's back.
    Ec2Stop,
    /// Somebody terminates the EC2 instance behind Strata's back.
    Ec2Terminate,
    /// EC2 takes the Spot instance back: a warning, two minutes, gone.
    SpotInterruption,
    /// Every host of the zone is impaired and nothing starts there, for a while.
    ZoneOutage,
    /// EC2 has no capacity in the zone for a while: `InsufficientInstanceCapacity`.
    NoCapacity,
    /// On-call freezes the installation, or the layer's stack if one is named.
    Freeze,
    /// On-call thaws it.
    Thaw,
}

impl EventKind {
    /// As it is written in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::AgentDisconnect => "agent_disconnect",
            Self::Ec2Stop => "ec2_stop",
            Self::Ec2Terminate => "ec2_terminate",
            Self::SpotInterruption => "spot_interruption",
            Self::ZoneOutage => "zone_outage",
            Self::NoCapacity => "no_capacity",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
        }
    }

    /// Whether it befalls a zone rather than hosts.
    pub fn is_of_a_zone(self) -> bool {
        matches!(self, Self::ZoneOutage | Self::NoCapacity)
    }

    /// Whether it is on-call's doing, and befalls no host.
    pub fn is_of_on_call(self) -> bool {
        matches!(self, Self::Freeze | Self::Thaw)
    }

    /// Whether it lasts for `minutes`.
    pub fn lasts(self) -> bool {
        self.is_of_a_zone() || self == Self::AgentDisconnect
    }
}

/// A scaling type, as a scenario spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingWord {
    /// 24/7.
    AlwaysOn,
    /// Time-based.
    TimeBased,
    /// Load-based.
    LoadBased,
}

impl From<ScalingWord> for strata_domain::ScalingType {
    fn from(word: ScalingWord) -> Self {
        match word {
            ScalingWord::AlwaysOn => Self::AlwaysOn,
            ScalingWord::TimeBased => Self::Timer,
            ScalingWord::LoadBased => Self::Load,
        }
    }
}

/// `[[update_window]]`: a rolling update that is asked for when the window opens.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateWindow {
    /// `stack` or `stack/ecs-cluster`. Default: the first layer.
    pub layer: Option<String>,
    /// When it opens.
    pub at: At,
    /// How long it is open: no host is begun after it.
    pub minutes: u32,
}

/// `[[teardown]]`: a layer that is taken down in order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeardownSpec {
    /// `stack` or `stack/ecs-cluster`.
    pub layer: String,
    /// When; of one day (`day 1 15:00`).
    pub at: At,
    /// Scale the services down and delete them first. Default true.
    #[serde(default = "defaults::yes")]
    pub delete_services: bool,
    /// Delete the volumes too. Default false.
    #[serde(default)]
    pub delete_volumes: bool,
    /// Release the Elastic IP addresses. Default false.
    #[serde(default)]
    pub delete_addresses: bool,
    /// Delete the stack too. Default false.
    #[serde(default)]
    pub delete_stack: bool,
}

mod defaults {
    pub(super) fn layer_name() -> String {
        "ECS Cluster".to_owned()
    }
    pub(super) fn instance_type() -> String {
        "c7i.large".to_owned()
    }
    pub(super) fn yes() -> bool {
        true
    }
    pub(super) fn one() -> u32 {
        1
    }
    pub(super) fn shutdown_timeout() -> u32 {
        120
    }
    pub(super) fn min_healthy() -> u32 {
        100
    }
    pub(super) fn max_percent() -> u32 {
        200
    }
}
