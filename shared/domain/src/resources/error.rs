//! What resources are refused for.

use crate::{InstanceId, InstanceStatus};

/// Why something does not fit a stack's resources. The text is the ValidationException's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// [RES-3]
    #[error("Ec2 Volume Id: {0} is a root volume; only other volumes can be registered")]
    RootVolume(String),
    /// [RES-3]
    #[error("Ec2 Volume Id: volumes of type \"{0}\" cannot be registered; it must be one of {types}", types = super::VOLUME_TYPES.join(", "))]
    VolumeType(String),
    /// [RES-1]
    #[error("{field}: {id} is already registered with {whom}; deregister it there first")]
    AlreadyRegistered {
        /// The member, in words.
        field: &'static str,
        /// The volume or address.
        id: String,
        /// `this stack` or `another stack`.
        whom: &'static str,
    },
    /// [RES-8]
    #[error("Volume Id: the volume is assigned to instance {0}; call UnassignVolume first")]
    VolumeAssigned(InstanceId),
    /// [RES-4]
    #[error("Mount Point: an assigned volume needs one; set it with UpdateVolume")]
    NoMountPoint,
    /// What cannot be a directory.
    #[error("Mount Point: \"{0}\" is not the absolute path of a directory, such as /mnt/data")]
    MountPointForm(String),
    /// Two volumes in one place.
    #[error("Mount Point: {mount_point} is already used on that instance, by {by}")]
    MountPointTaken {
        /// The path.
        mount_point: String,
        /// `vol-...`.
        by: String,
    },
    /// [VAL-2]
    #[error("Instance Id: the instance must be of the stack that the volume is registered with")]
    OtherStack,
    /// [RES-7]
    #[error("Instance Id: the volume is in {volume}, the instance in {instance}; they must be in one zone")]
    OtherZone {
        /// The volume's zone.
        volume: String,
        /// The instance's zone.
        instance: String,
    },
    /// [RES-5]
    #[error("You must stop the instance {hostname} before you can change its volumes; its status is {status}")]
    NotStopped {
        /// Its host name.
        hostname: String,
        /// Where it stands.
        status: InstanceStatus,
    },
    /// See [`super::MAX_VOLUMES`].
    #[error("Instance Id: the instance has {max} volumes; more cannot be assigned to it", max = super::MAX_VOLUMES)]
    TooManyVolumes,
    /// [RES-11]
    #[error("Instance Id: an on-premises instance cannot use {0}")]
    OnPremises(&'static str),
    /// [EIP-16]
    #[error("Elastic Ip: the address is associated with instance {0}; call DisassociateElasticIp first")]
    AddressAssociated(InstanceId),
    /// [ELB-2]
    #[error("Layer Id: the layer already has the load balancer {0}; a layer takes one")]
    LayerHasLoadBalancer(String),
    /// [ELB-2]
    #[error("Elastic Load Balancer Name: {0} is attached to another layer; detach it there first")]
    LoadBalancerTaken(String),
    /// A load balancer that reaches no host of the stack.
    #[error("Elastic Load Balancer Name: {name} stands in {vpc}, the stack in {stack}; they must be in one VPC")]
    OtherVpc {
        /// The load balancer.
        name: String,
        /// Its VPC.
        vpc: String,
        /// The stack's VPC.
        stack: String,
    },
}
