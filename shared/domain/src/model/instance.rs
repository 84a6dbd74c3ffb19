//! An instance: a record. It has an EC2 instance only after a start.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Attached;
use crate::instance_actions::Origin;
use crate::registration::ReportedOs;
use crate::status::InitiatedBy;
use crate::{
    ContainerInstanceArn, Ec2InstanceId, InstanceId, InstanceStatus, LayerId, ScalingType, ServiceErrorId, SsmCommandId, StackId,
};

/// What happens to the machine on stop [INST-70].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootDeviceType {
    /// Stopped and started again; the root volume is kept.
    Ebs,
    /// Terminated on stop, launched anew on start.
    InstanceStore,
}

impl RootDeviceType {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ebs => "ebs",
            Self::InstanceStore => "instance-store",
        }
    }
}

/// A volume that is tied to an instance: made by its launch from its layers' `VolumeConfigurations`, or assigned to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// `vol-...`.
    pub ec2_volume_id: String,
    /// Where it is mounted; empty: nowhere, as a volume that was attached before its machine was registered [EBS-29].
    pub mount_point: String,
}

/// One entry of `BlockDeviceMappings`; exactly one of the three things is mapped to the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockDeviceMapping {
    /// `/dev/sdh`, or `ROOT_DEVICE`.
    pub device_name: String,
    /// An EBS volume.
    pub ebs: Option<EbsBlockDevice>,
    /// An instance store, `ephemeral0`.
    pub virtual_name: Option<String>,
    /// The image's mapping of the device is dropped.
    pub no_device: Option<String>,
}

/// The volume of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsBlockDevice {
    /// `snap-...`.
    pub snapshot_id: Option<String>,
    /// For `io1`.
    pub iops: Option<u32>,
    /// GiB; the image's when absent.
    pub volume_size: Option<u32>,
    /// `gp2`, `io1`, `standard`, ...
    pub volume_type: Option<String>,
    /// Whether it goes with the machine.
    pub delete_on_termination: Option<bool>,
}

/// A deletion under way [INST-31, 32].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// Also delete its non-root volumes.
    pub volumes: bool,
    /// Also release its Elastic IP.
    pub elastic_ip: bool,
}

/// What lifecycle has done about an instance's present trouble. Empty for one that is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    /// When the ECS agent was told to restart, in the silence that lasts now; also if SSM refused to tell it.
    pub agent_restarted_at: Option<Timestamp>,
    /// Since when the mode has kept anything from being done in the present status: the status's deadlines stand still.
    pub frozen_since: Option<Timestamp>,
    /// For how many seconds they have stood still before, in the present status.
    pub frozen_seconds: i64,
    /// What AWS last answered on the way down instead of doing it: action, code and text. Whoever waits for the instance to go names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What RegisterInstance says of a machine [REG-7].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The caller's ARN.
    pub registered_by: String,
    /// The agent's public key, as given.
    pub rsa_public_key: Option<String>,
    /// Its fingerprint, as given.
    pub rsa_public_key_fingerprint: Option<String>,
    /// What the machine runs, by its own report; the record's Os is `Custom`.
    pub reported_os: Option<ReportedOs>,
}

/// What EC2's capacity has done to the present start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shortage {
    /// The instance types that EC2 has refused since the start was asked for, in order: none is asked for again.
    pub refused_types: Vec<String>,
    /// The start failed for want of capacity, and EC2 has taken no start since.
    pub start_refused: bool,
    /// How often lifecycle itself has tried again since.
    pub retries: u32,
}

/// The record of an instance: what was asked for, and how far lifecycle has come.
///
/// Only the control plane writes it. Everything that a step of lifecycle needs to be repeated after a crash stands here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The uuid.
    pub id: InstanceId,
    /// Its stack.
    pub stack_id: StackId,
    /// Where it comes from.
    #[serde(default)]
    pub origin: Origin,
    /// How it was registered; `None` for a created one.
    #[serde(default)]
    pub registration: Option<Registration>,
    /// Its layers, at least one; a registered one may be in none.
    pub layer_ids: Vec<LayerId>,
    /// Unique in the stack, case-insensitive.
    pub hostname: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// Os string.
    pub os: String,
    /// Only with Os `Custom`.
    pub ami_id: Option<String>,
    /// The subnet, fixed at creation.
    pub subnet_id: String,
    /// The subnet's zone.
    pub availability_zone: String,
    /// Fixed at creation.
    pub root_device_type: RootDeviceType,
    /// Fixed at creation.
    pub scaling: ScalingType,
    /// `x86_64` or `i386`.
    pub architecture: String,
    /// `hvm` or `paravirtual`; kept and shown.
    pub virtualization_type: String,
    /// As asked for; none for a custom AMI, which has its own.
    pub block_device_mappings: Vec<BlockDeviceMapping>,
    /// EC2 key pair.
    pub ssh_key_name: Option<String>,
    /// Default true [SEC-1].
    pub install_updates_on_boot: bool,
    /// Fixed at creation.
    pub ebs_optimized: bool,
    /// `INHERIT` or a full number.
    pub agent_version: String,
    /// `default`, `dedicated` or `host`.
    pub tenancy: Option<String>,
    /// When the record was created.
    pub created_at: Timestamp,

    /// Where it stands.
    pub status: InstanceStatus,
    /// Since when.
    pub status_since: Timestamp,
    /// Counts the changes of `status`; events carry it [EVT-13].
    pub status_sequence: u64,
    /// Who asked for the current way up or down.
    pub initiated_by: Option<InitiatedBy>,
    /// Counts the starts; with the id it is the client token of the launch, so one start launches at most one EC2 instance.
    pub launch_number: u32,
    /// When the current or last start was accepted; the boot timeout runs from here [INST-14].
    pub started_at: Option<Timestamp>,
    /// What EC2 has refused of it.
    #[serde(default)]
    pub shortage: Shortage,
    /// When it last became online.
    pub online_since: Option<Timestamp>,
    /// Whether it was online since the last stop: only such an instance is watched and healed [HEAL-7].
    pub has_been_online: bool,

    /// The EC2 instance, if one exists.
    pub ec2_instance_id: Option<Ec2InstanceId>,
    /// The container instance, between conversion and deregistration [ECS-66].
    pub container_instance_arn: Option<ContainerInstanceArn>,
    /// As EC2 reported it.
    pub private_ip: Option<String>,
    /// As EC2 reported it.
    pub public_ip: Option<String>,
    /// Its non-root volumes, attached or not; each is registered with the stack and names this instance.
    pub volumes: Vec<Volume>,
    /// The machine whose launch's volumes are all in `volumes`: what else is found attached to it is somebody else's [EBS-27].
    #[serde(default)]
    pub volumes_noted_of: Option<Ec2InstanceId>,
    /// The Elastic IP address that it has or, while it is offline, is to get at its next start [EIP-19].
    #[serde(default)]
    pub elastic_ip: Option<String>,
    /// What of its load balancers, address and volumes is on its way.
    #[serde(default)]
    pub attached: Attached,

    /// The Setup run of this start, once sent.
    pub setup_command: Option<SsmCommandId>,
    /// The Shutdown run of this stop, once sent.
    pub shutdown_command: Option<SsmCommandId>,
    /// Since when the ECS agent was seen disconnected, while it is [HEAL-10].
    pub agent_silent_since: Option<Timestamp>,
    /// We set DRAINING, for a claim: its holder. Somebody else's DRAINING leaves this empty.
    pub drained_for: Option<String>,
    /// The claim's drain is over: the host is out of service since then.
    pub out_of_service_since: Option<Timestamp>,
    /// The way down and up again is a heal.
    pub healing: bool,
    /// When heals began, newest last; only the last hour matters.
    pub heals: Vec<Timestamp>,
    /// A stop that ends with the record gone.
    pub delete: Option<DeleteRequest>,
    /// What lifecycle remembers of the present trouble, so that it does each thing about it once.
    #[serde(default)]
    pub care: Care,
    /// Newest service error.
    pub last_service_error_id: Option<ServiceErrorId>,
}

impl Instance {
    /// The client token of the current launch: record and launch number, so a repeat is the same launch. Another instance type is
    /// another launch: EC2 refuses a token that comes with other parameters, also when nothing was launched with it.
    pub fn launch_token(&self) -> String {
        match self.shortage.refused_types.len() {
            0 => format!("{}-{}", self.id, self.launch_number),
            refused => format!("{}-{}.{refused}", self.id, self.launch_number),
        }
    }

    /// `arn:aws:opsworks:<region>:<account>:instance/<uuid>`, without a slash at the end [IDN-4].
    pub fn arn(&self, region: &str, account: &str) -> String {
        format!("arn:aws:opsworks:{region}:{account}:instance/{}", self.id)
    }
}
