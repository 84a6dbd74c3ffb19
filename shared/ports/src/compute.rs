//! Compute: EC2 instances and their volumes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::announced::Announced;
use strata_domain::model::BlockDeviceMapping;
use strata_domain::security_groups::Overwrite;
use strata_domain::tags::Tags;
use strata_domain::{Ec2InstanceId, InstanceId, StackId};

use crate::{CloudError, ItemResult};

/// For which stack a call is made: adapters call under that stack's service role, in its region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackScope {
    /// The stack.
    pub stack_id: StackId,
    /// Its region.
    pub region: String,
    /// Its service role.
    pub service_role_arn: String,
}

/// A non-root volume of a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Where Setup mounts it.
    pub mount_point: String,
    /// GiB.
    pub size: u32,
    /// `standard`, `gp3`, ...
    pub volume_type: String,
    /// IO operations per second, for the types that are told.
    #[serde(default)]
    pub iops: Option<u32>,
    /// Whether it is encrypted, also where the account does not encrypt by default.
    #[serde(default)]
    pub encrypted: bool,
    /// The device that it is attached as, `/dev/sdi` to `/dev/sdz` [EBS-30].
    #[serde(default)]
    pub device: String,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// Client token: a repeat with the same token is the same launch and returns the same instance, whatever else the repeat asks for.
    pub token: String,
    /// The record that it is for; the EC2 instance is tagged with it, so it can be found again.
    pub instance_id: InstanceId,
    /// Host name, for tags.
    pub hostname: String,
    /// Stack's name, for tags.
    pub stack_name: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// Zone.
    pub availability_zone: String,
    /// Subnet.
    pub subnet_id: String,
    /// Os string; the adapter finds the image.
    pub os: String,
    /// Image, with Os `Custom`.
    pub ami_id: Option<String>,
    /// Instance profile.
    pub instance_profile_arn: String,
    /// Whether it gets a public address.
    pub associate_public_ip: bool,
    /// Volumes made with the launch.
    pub volumes: Vec<VolumeSpec>,
    /// Security groups; none: the VPC's own default group.
    #[serde(default)]
    pub security_group_ids: Vec<String>,
    /// EC2 key pair.
    #[serde(default)]
    pub key_name: Option<String>,
    /// Whether it is EBS-optimized where that is not so anyway.
    #[serde(default)]
    pub ebs_optimized: bool,
    /// `default`, `dedicated` or `host`; `None`: the VPC's.
    #[serde(default)]
    pub tenancy: Option<String>,
    /// What else is mapped to devices; `ROOT_DEVICE` stands for the image's root device [EBS-14].
    #[serde(default)]
    pub block_devices: Vec<BlockDeviceMapping>,
    /// Short names and names of its layers, for tags [TAG-9].
    #[serde(default)]
    pub layers: Vec<(String, String)>,
    /// The user tags of its layers [TAG-3].
    #[serde(default)]
    pub tags: Tags,
    /// Whether the metadata service answers requests without a session token, too.
    #[serde(default)]
    pub imdsv1: bool,
    /// Whether the root volume stays as the image has it; else it is encrypted.
    #[serde(default)]
    pub plain_root: bool,
}

/// EC2's instance states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ec2State {
    /// `pending`
    Pending,
    /// `running`
    Running,
    /// `stopping`
    Stopping,
    /// `stopped`
    Stopped,
    /// `shutting-down`
    ShuttingDown,
    /// `terminated`
    Terminated,
}

impl Ec2State {
    /// EC2's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
        }
    }
}

/// An EC2 instance as described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ec2Instance {
    /// `i-...`.
    pub id: Ec2InstanceId,
    /// The record that its tag names.
    pub instance_id: Option<InstanceId>,
    /// State.
    pub state: Ec2State,
    /// Its instance type.
    #[serde(default)]
    pub instance_type: String,
    /// A system or instance status check is `impaired`.
    pub impaired: bool,
    /// When it was last launched or started.
    pub launched_at: Timestamp,
    /// Private address, while it has one.
    pub private_ip: Option<String>,
    /// Public address, while it has one.
    pub public_ip: Option<String>,
    /// Non-root volumes: volume id and mount point tag.
    pub volumes: Vec<(String, String)>,
}

/// What overwriting the built-in security groups of a VPC came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupsReset {
    /// What was changed, by the group's name; groups that were as they are to be are missing.
    pub changed: BTreeMap<String, Overwrite>,
    /// Groups of these names that this installation did not make, so that it leaves them as they are.
    pub foreign: Vec<String>,
}

/// Whether EC2's status checks are asked for beside the states: a call more for each hundred machines that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChecks {
    /// They are.
    Asked,
    /// They are not: of machines that are on their way, only the state counts.
    Skipped,
}

/// Something that EC2 has scheduled for a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledEvent {
    /// The machine.
    pub host: Ec2InstanceId,
    /// What.
    pub what: Announced,
    /// When, at the earliest.
    pub not_before: Timestamp,
}

/// EC2. All calls are idempotent in effect: starting a running instance, stopping a stopped one, terminating a terminated one
/// are successes.
#[async_trait]
pub trait Compute: Send + Sync {
    /// Launches one instance; the same token again gives the same instance, whatever became of it and of the settings since.
    ///
    /// # Errors
    /// `Refused` for capacity or quota, `RetryLater` when throttled, `OutcomeUnknown`: repeat with the same token.
    async fn run_instance(&self, scope: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError>;
    /// Makes those of the built-in security groups that the VPC lacks, with their rules (`security_groups::ALL`), and gives the ids of all by name.
    /// A group that is there keeps the rules that it has.
    ///
    /// # Errors
    /// `RetryLater` when throttled; `OutcomeUnknown`: ask again; `Wrong` without the right to make them.
    async fn ensure_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError>;
    /// Makes what [`Compute::ensure_groups`] makes, and gives every group that this installation has made the standard rules and no others,
    /// whatever was edited [SG-8]. A repeat changes nothing.
    ///
    /// # Errors
    /// As `ensure_groups`. What was changed until then stands; a repeat goes on.
    async fn reset_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<GroupsReset, CloudError>;
    /// Starts stopped instances, batched by the adapter. An `Err` means that the whole batch did not happen.
    async fn start_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// Gives a stopped instance another type; one that it has already is a success.
    ///
    /// # Errors
    /// `Wrong` for a type that EC2 does not know or that does not fit the machine, `RetryLater` while it is not stopped.
    async fn set_instance_type(&self, scope: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError>;
    /// Stops instances; `force` does not wait for the OS's own shutdown, and hurries one that is stopping.
    async fn stop_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
        force: bool,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// Terminates instances.
    async fn terminate_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// Soft reboot.
    async fn reboot_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// Describes these; ids that EC2 does not know (any more) are simply missing from the answer. Without the status checks none shows as
    /// impaired.
    async fn describe_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
        checks: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError>;
    /// Finds, by tag, the instances of these records that are not terminated.
    async fn find_by_record(&self, scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError>;
    /// Exception-filtered: this stack's tagged instances that are impaired, or in another state than `running`, and were not stopped
    /// or terminated by us. A constant number of calls, whatever the fleet's size.
    async fn describe_exceptions(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError>;
    /// What EC2 has scheduled for running machines of the region and not yet done or cancelled, whoever's they are; the caller knows its own.
    /// A constant number of calls, whatever the fleet's size.
    async fn scheduled_events(&self, scope: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError>;
    /// This stack's tagged instances that run although we have stopped them last: [`Compute::note_running`] is due for those that we started.
    async fn find_unnoted(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError>;
    /// Notes that we want these to run, so that from now on it is an exception when they do not. A launch notes it by itself, a restart does
    /// not: restarts come in small batches, and this is one call for many.
    async fn note_running(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<(), CloudError>;
    /// Deletes volumes; one that is gone is a success, one that is still attached is for later.
    async fn delete_volumes(&self, scope: &StackScope, ec2_volume_ids: &[String]) -> Result<Vec<ItemResult<String>>, CloudError>;
}
