//! The simulated cloud's settings. Every field has a default; a scenario's `[cloud]` table overrides single ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::buckets::BucketSize;
use crate::faults::Profile;
use crate::rng;

/// How long something takes: a triangular distribution in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Shortest.
    pub min_ms: i64,
    /// Most frequent.
    pub mode_ms: i64,
    /// Longest.
    pub max_ms: i64,
}

impl Spread {
    /// A spread of milliseconds.
    pub const fn ms(min_ms: i64, mode_ms: i64, max_ms: i64) -> Self {
        Self { min_ms, mode_ms, max_ms }
    }

    /// A spread of whole seconds.
    pub const fn seconds(min: i64, mode: i64, max: i64) -> Self {
        Self::ms(min * 1_000, mode * 1_000, max * 1_000)
    }

    /// Always the same.
    pub const fn fixed_ms(ms: i64) -> Self {
        Self::ms(ms, ms, ms)
    }

    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> i64 {
        // A fixed time draws nothing, so that tests with fixed times don't depend on how often something was drawn.
        if self.max_ms <= self.min_ms { self.min_ms } else { rng::triangular_ms(rng, self.min_ms, self.mode_ms, self.max_ms) }
    }
}

/// Settings of the whole simulated cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudConfig {
    /// AWS account, twelve digits. Default `123456789012`.
    pub account: String,
    /// AWS region. Default `us-east-1`.
    pub region: String,
    /// EC2.
    pub ec2: Ec2Settings,
    /// SSM and what runs on hosts.
    pub ssm: SsmSettings,
    /// ECS.
    pub ecs: EcsSettings,
    /// CloudWatch.
    pub cloudwatch: CloudWatchSettings,
    /// The APIs in front of them.
    pub api: ApiSettings,
}

impl Default for CloudConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            ec2: Ec2Settings::default(),
            ssm: SsmSettings::default(),
            ecs: EcsSettings::default(),
            cloudwatch: CloudWatchSettings::default(),
            api: ApiSettings::default(),
        }
    }
}

impl CloudConfig {
    /// With the failure rates of a fault profile in place of those that are lower.
    pub fn misbehaving(mut self, profile: Profile) -> Self {
        let (boot, setup, update) = match profile {
            Profile::None => (0, 0, 0),
            Profile::Light => (2, 2, 5),
            Profile::Heavy => (20, 20, 40),
        };
        self.ec2.boot_hang_per_mille = self.ec2.boot_hang_per_mille.max(boot);
        self.ssm.setup_fail_per_mille = self.ssm.setup_fail_per_mille.max(setup);
        self.ssm.update_fail_per_mille = self.ssm.update_fail_per_mille.max(update);
        self
    }
}

/// `[cloud.ec2]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ec2Settings {
    /// Zones of the region; a launch elsewhere is `Wrong`. Default `us-east-1a` to `c`; empty: any zone is known.
    pub zones: Vec<String>,
    /// Known subnets and their zones; empty (the default): any subnet is known and lies in the zone that the launch names.
    pub subnets: BTreeMap<String, String>,
    /// From RunInstances or StartInstances to `running`. Default 8 to 30 s.
    pub pending: Spread,
    /// From `running` to the SSM agent's first ping. Default 40 to 120 s.
    pub boot: Spread,
    /// From StopInstances to `stopped`. Default 15 to 60 s.
    pub stop: Spread,
    /// The same when the OS doesn't answer and the stop isn't forced. Default 2 to 5 minutes.
    pub stop_hung: Spread,
    /// From TerminateInstances to `terminated`. Default 10 to 40 s.
    pub terminate: Spread,
    /// From a soft reboot to the SSM agent's next ping. Default 45 to 120 s.
    pub reboot: Spread,
    /// What a reboot takes longer when the OS hangs: EC2 waits before it reboots hard. Default 4 minutes.
    pub reboot_hung_ms: i64,
    /// So many of 1,000 boots hang. Default 0.
    pub boot_hang_per_mille: u32,
    /// From a hang to an impaired status check. Default 2 minutes.
    pub impaired_after_ms: i64,
    /// For how long descriptions don't yet show a launch: they are eventually consistent. Default 0 to 2 s.
    pub describe_lag: Spread,
    /// How long descriptions still show a terminated instance. Default 1 hour.
    pub vanish_after_ms: i64,
    /// From a Spot interruption warning to the end. Default 2 minutes.
    pub spot_warning_ms: i64,
    /// Most running instances of the account; more is `VcpuLimitExceeded`. Default: no limit.
    pub max_instances: Option<u32>,
    /// So many Elastic IP addresses may the account have. Default: as many as one likes.
    pub max_addresses: Option<u32>,
    /// Capacity by zone and type; the smallest that fits counts. Default: no limit.
    pub capacity: Vec<Capacity>,
}

impl Default for Ec2Settings {
    fn default() -> Self {
        Self {
            zones: ["us-east-1a", "us-east-1b", "us-east-1c"].map(str::to_owned).to_vec(),
            subnets: BTreeMap::new(),
            pending: Spread::seconds(8, 15, 30),
            boot: Spread::seconds(40, 60, 120),
            stop: Spread::seconds(15, 25, 60),
            stop_hung: Spread::seconds(120, 200, 300),
            terminate: Spread::seconds(10, 20, 40),
            reboot: Spread::seconds(45, 70, 120),
            reboot_hung_ms: 240_000,
            boot_hang_per_mille: 0,
            impaired_after_ms: 120_000,
            describe_lag: Spread::ms(0, 200, 2_000),
            vanish_after_ms: 3_600_000,
            spot_warning_ms: 120_000,
            max_instances: None,
            max_addresses: None,
            capacity: Vec::new(),
        }
    }
}

/// A limit on how many instances can run at once; beyond it EC2 answers `InsufficientInstanceCapacity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The zone.
    pub zone: String,
    /// The type; all types together if left out.
    pub instance_type: Option<String>,
    /// How many can be pending or running at once.
    pub instances: u32,
    /// From when on; from the beginning if left out.
    pub from: Option<Timestamp>,
    /// Until when, not included; for ever if left out.
    pub until: Option<Timestamp>,
}

impl Capacity {
    pub(super) fn covers(&self, zone: &str, instance_type: &str, now: Timestamp) -> bool {
        self.zone == zone
            && self.instance_type.as_deref().is_none_or(|t| t == instance_type)
            && self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
    }
}

/// `[cloud.ssm]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SsmSettings {
    /// Agents ping so often. Default 5 minutes.
    pub ping_ms: i64,
    /// From SendCommand to the start on a host that is in contact. Default 0.3 to 3 s.
    pub delivery: Spread,
    /// Setup without updates. Default 60 to 180 s.
    pub setup: Spread,
    /// What updates on boot add to Setup [ECS-71]. Default 20 to 120 s.
    pub setup_updates: Spread,
    /// So many of 1,000 Setup runs fail. Default 0.
    pub setup_fail_per_mille: u32,
    /// The Shutdown event. Default 2 to 15 s.
    pub shutdown: Spread,
    /// The Configure event, and other scripts. Default 2 to 20 s.
    pub configure: Spread,
    /// The restart of the ECS agent. Default 10 to 40 s.
    pub reconnect: Spread,
    /// So many of 1,000 such runs fail. Default 0.
    pub script_fail_per_mille: u32,
    /// Whether hosts have a hook for the Configure event. Default false.
    pub configure_hooks: bool,
    /// Whether machines' roles lack the right to write logs, which their scripts tell. Default false.
    #[serde(default)]
    pub no_log_rights: bool,
    /// OS and package updates. Default 60 to 300 s.
    pub update: Spread,
    /// So many of 1,000 updates fail. Default 0.
    pub update_fail_per_mille: u32,
    /// So many of 1,000 updates need a reboot. Default 600.
    pub update_reboot_per_mille: u32,
    /// So many of 1,000 such reboots hang. Default 0.
    pub update_reboot_hang_per_mille: u32,
}

impl Default for SsmSettings {
    fn default() -> Self {
        Self {
            ping_ms: 300_000,
            delivery: Spread::ms(300, 800, 3_000),
            setup: Spread::seconds(60, 90, 180),
            setup_updates: Spread::seconds(20, 40, 120),
            setup_fail_per_mille: 0,
            shutdown: Spread::seconds(2, 4, 15),
            configure: Spread::seconds(2, 5, 20),
            reconnect: Spread::seconds(10, 15, 40),
            script_fail_per_mille: 0,
            configure_hooks: false,
            no_log_rights: false,
            update: Spread::seconds(60, 120, 300),
            update_fail_per_mille: 0,
            update_reboot_per_mille: 600,
            update_reboot_hang_per_mille: 0,
        }
    }
}

/// `[cloud.ecs]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EcsSettings {
    /// How many task slots a host has. Default 8. DAEMON tasks take none.
    pub slots_per_host: u32,
    /// Slots by instance type, where they differ.
    pub slots_by_type: BTreeMap<String, u32>,
    /// From placement to running. Default 4 to 25 s.
    pub task_start: Spread,
    /// From the order to stop to stopped. Default 1 to 12 s.
    pub task_stop: Spread,
    /// The same on a host whose agent is disconnected. Default 10 s. Our choice: on AWS such a task may keep its last status until
    /// the agent is back; here ECS gives it up.
    pub task_stop_unreachable_ms: i64,
    /// The service scheduler looks again so long after a change. Default 1 s.
    pub scheduler_ms: i64,
    /// From the host's boot to the agent's reconnection with its old container instance. Default 2 to 10 s.
    pub agent_connect: Spread,
    /// How long a service's protected tasks are protected, from their start. Default 30 minutes.
    pub protection_ms: i64,
}

impl Default for EcsSettings {
    fn default() -> Self {
        Self {
            slots_per_host: 8,
            slots_by_type: BTreeMap::new(),
            task_start: Spread::seconds(4, 10, 25),
            task_stop: Spread::seconds(1, 3, 12),
            task_stop_unreachable_ms: 10_000,
            scheduler_ms: 1_000,
            agent_connect: Spread::seconds(2, 4, 10),
            protection_ms: 1_800_000,
        }
    }
}

/// `[cloud.cloudwatch]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudWatchSettings {
    /// From a data point to the evaluation of the alarms on it. Default 2 to 20 s.
    pub evaluation: Spread,
}

impl Default for CloudWatchSettings {
    fn default() -> Self {
        Self { evaluation: Spread::seconds(2, 6, 20) }
    }
}

/// `[cloud.api]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiSettings {
    /// How long a reading call takes. Default 15 to 80 ms; all zero: no time at all.
    pub read_latency: Spread,
    /// How long a writing call takes. Default 40 to 400 ms.
    pub write_latency: Spread,
    /// RunInstances calls. Default 5 at once, 2 a second.
    pub run_instances: BucketSize,
    /// StartInstances calls. Default 5 at once, 2 a second.
    pub start_instances: BucketSize,
    /// EC2's other changing calls. Default 50 at once, 5 a second.
    pub ec2_mutating: BucketSize,
    /// EC2's describing calls. Default 100 at once, 20 a second.
    pub ec2_describe: BucketSize,
    /// All ECS calls. Default: never throttled.
    pub ecs: Option<BucketSize>,
    /// All SSM calls. Default: never throttled.
    pub ssm: Option<BucketSize>,
    /// All CloudWatch calls. Default: never throttled.
    pub cloudwatch: Option<BucketSize>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            read_latency: Spread::ms(15, 30, 80),
            write_latency: Spread::ms(40, 120, 400),
            run_instances: BucketSize { burst: 5, per_second: 2 },
            start_instances: BucketSize { burst: 5, per_second: 2 },
            ec2_mutating: BucketSize { burst: 50, per_second: 5 },
            ec2_describe: BucketSize { burst: 100, per_second: 20 },
            ecs: None,
            ssm: None,
            cloudwatch: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_settings_are_overridden_and_unknown_ones_are_refused() {
        let read = |json: &str| serde_json::from_str::<CloudConfig>(json);
        let read_one = read(r#"{"ec2": {"boot": {"min_ms": 1, "mode_ms": 2, "max_ms": 3}}}"#).unwrap();
        assert_eq!(read_one.ec2, Ec2Settings { boot: Spread::ms(1, 2, 3), ..Ec2Settings::default() });
        assert_eq!(read_one.api, ApiSettings::default());
        assert!(read(r#"{"ec2": {"boots": 1}}"#).unwrap_err().to_string().contains("unknown field `boots`"));
    }

    /// EC2's published bucket sizes.
    #[test]
    fn the_buckets_have_ec2s_published_sizes() {
        let api = ApiSettings::default();
        let sizes = [api.run_instances, api.start_instances, api.ec2_mutating, api.ec2_describe];
        assert_eq!(sizes.map(|b| (b.burst, b.per_second)), [(5, 2), (5, 2), (50, 5), (100, 20)]);
    }

    #[test]
    fn a_profile_only_ever_raises_the_failure_rates() {
        let mut config = CloudConfig::default();
        config.ssm.setup_fail_per_mille = 500;
        let heavy = config.clone().misbehaving(Profile::Heavy);
        assert_eq!((heavy.ssm.setup_fail_per_mille, heavy.ec2.boot_hang_per_mille), (500, 20));
        assert_eq!(config.clone().misbehaving(Profile::None), config);
    }
}
