//! Inventory: what the account has that stacks, layers and instances refer to. It only reads; the API checks references with it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strata_domain::Ec2InstanceId;

use crate::compute::Ec2State;
use crate::{CloudError, StackScope};

/// A subnet of a VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetView {
    /// `subnet-...`.
    pub id: String,
    /// The one zone that it is in.
    pub zone: String,
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcView {
    /// `vpc-...`.
    pub id: String,
    /// Whether it is the region's default VPC.
    pub is_default: bool,
    /// Its subnets; of a default VPC the default subnets, the first zone's first.
    pub subnets: Vec<SubnetView>,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroupView {
    /// `sg-...`.
    pub id: String,
    /// The VPC that it belongs to.
    pub vpc_id: String,
}

/// A machine image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageView {
    /// `ami-...`.
    pub id: String,
    /// Its name, by which an ECS-optimized one is known [ECS-62].
    pub name: String,
    /// `amazon`, `aws-marketplace`; `None` for an account's own.
    pub owner_alias: Option<String>,
}

/// An EBS volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeView {
    /// `vol-...`.
    pub id: String,
    /// EC2's volume state: `available`, `in-use`, ...
    pub state: String,
    /// GiB.
    pub size: u32,
    /// `standard`, `gp2`, ...
    pub volume_type: String,
    /// IO operations per second, where the type has them.
    pub iops: Option<u32>,
    /// The zone that it is in.
    pub zone: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The host that it is attached to.
    pub host: Option<Ec2InstanceId>,
    /// The device name of that attachment.
    pub device: Option<String>,
    /// Whether it is that host's root volume.
    pub is_root: bool,
    /// Its `Name` tag.
    pub name: Option<String>,
}

/// An Elastic IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressView {
    /// Dotted.
    pub ip: String,
    /// `vpc` or `standard`.
    pub domain: String,
    /// The host that it is associated with.
    pub host: Option<Ec2InstanceId>,
}

/// An operating system as the SSM agent names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `Amazon Linux`, `Ubuntu`, ...
    pub name: String,
    /// `2023`, `22.04`, ...
    pub version: String,
}

/// An EC2 instance as far as its registration asks [REG-6].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// `i-...`.
    pub id: Ec2InstanceId,
    /// State.
    pub state: Ec2State,
    /// The VPC that it runs in.
    pub vpc_id: String,
    /// The subnet that it runs in.
    pub subnet_id: String,
    /// The subnet's zone.
    pub zone: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// `x86_64`, `i386`, `arm64`.
    pub architecture: String,
    /// The image that it was launched from.
    pub image_id: Option<String>,
    /// What its SSM agent last said that it runs (ssm:DescribeInstanceInformation); `None` if it has never called.
    pub platform: Option<Platform>,
    /// EC2 key pair.
    pub key_name: Option<String>,
    /// Private address.
    pub private_ip: Option<String>,
    /// Public address.
    pub public_ip: Option<String>,
    /// A Spot instance.
    pub is_spot: bool,
    /// The Auto Scaling group that it belongs to.
    pub auto_scaling_group: Option<String>,
    /// The value of its tag `strata:installation`.
    pub installation: Option<String>,
}

/// Look-ups by id, batched by the adapter; what the account does not have is missing from the answer.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// A VPC by id, or the region's default VPC for `None`.
    async fn vpc(&self, scope: &StackScope, id: Option<&str>) -> Result<Option<VpcView>, CloudError>;
    /// Security groups by id.
    async fn security_groups(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<SecurityGroupView>, CloudError>;
    /// Which of these names are EC2 key pairs of the region.
    async fn key_pairs(&self, scope: &StackScope, names: &[String]) -> Result<Vec<String>, CloudError>;
    /// Images by id.
    async fn images(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<ImageView>, CloudError>;
    /// Volumes by id.
    async fn volumes(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError>;
    /// All volumes that are attached to a host.
    async fn volumes_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError>;
    /// Elastic IP addresses by address.
    async fn addresses(&self, scope: &StackScope, ips: &[String]) -> Result<Vec<AddressView>, CloudError>;
    /// All Elastic IP addresses that are associated with a host.
    async fn addresses_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError>;
    /// EC2 instances by id.
    async fn hosts(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError>;
}
