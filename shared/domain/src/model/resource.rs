//! Resources: volumes, Elastic IP addresses and load balancers that the account has and a stack uses.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{InstanceId, LayerId, StackId, VolumeId};

/// What EC2 says of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFacts {
    /// EC2's volume state: `available`, `in-use`, ...
    pub state: String,
    /// GiB.
    pub size: u32,
    /// `standard`, `gp2`, ...
    pub volume_type: String,
    /// IO operations per second, where the type has them.
    pub iops: Option<u32>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The zone that it is in; that never changes.
    pub zone: String,
}

/// An EBS volume that is registered with a stack [RES-1, 2].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredVolume {
    /// The uuid that every volume action takes, except RegisterVolume.
    pub id: VolumeId,
    /// The one stack that has it.
    pub stack_id: StackId,
    /// `vol-...`.
    pub ec2_volume_id: String,
    /// At most 128 characters [VAL-1].
    pub name: Option<String>,
    /// Where Setup mounts it.
    pub mount_point: Option<String>,
    /// The instance that it is tied to, attached or not.
    pub instance_id: Option<InstanceId>,
    /// The device name under which that instance gets it [EBS-30].
    pub device: Option<String>,
    /// As EC2 last said when the record was written; reads ask EC2 [RES-10].
    pub facts: VolumeFacts,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// An Elastic IP address that is registered with a stack [EIP-12].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    /// The dotted address, which is its id [IDN-2].
    pub ip: String,
    /// The one stack that has it.
    pub stack_id: StackId,
    /// At most 32 characters [VAL-1].
    pub name: Option<String>,
    /// `vpc` or `standard`.
    pub domain: String,
    /// The instance that it is associated with; an offline one gets it at its next start [EIP-19].
    pub instance_id: Option<InstanceId>,
    /// When it was registered, with whatever stack came first.
    pub registered_at: Timestamp,
}

/// The classic load balancer that is attached to a layer [ELB-2].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerLoadBalancer {
    /// Its name, unique in the region, which is its id [IDN-2].
    pub name: String,
    /// The layer's stack.
    pub stack_id: StackId,
    /// The one layer that it is attached to.
    pub layer_id: LayerId,
    /// When it was attached.
    pub attached_at: Timestamp,
}
