//! What a teardown sees, and what it may answer.

use super::record::TeardownOutcome;
use super::stages::Stage;
use crate::claims::Claim;
use crate::instance_actions::Origin;
use crate::{ClusterArn, InstanceId, InstanceStatus, ServiceArn, TaskArn};

/// A service of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// ARN.
    pub arn: ServiceArn,
    /// Name.
    pub name: String,
    /// Desired count.
    pub desired: u32,
    /// Running and starting tasks.
    pub tasks: u32,
    /// A DAEMON service has no count of its own: it is deleted as it stands.
    pub daemon: bool,
}

/// An instance of the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The record.
    pub id: InstanceId,
    /// Host name.
    pub hostname: String,
    /// Status.
    pub status: InstanceStatus,
    /// Created, or registered.
    pub origin: Origin,
    /// It is in another layer too, which would lose it.
    pub is_shared: bool,
    /// The claim that stands on it, in force or not.
    pub claim: Option<Claim>,
    /// A person's hold in force on it or the layer, in words.
    pub held: Option<String>,
    /// What keeps it; looked for only when its stage is late ([`super::wants_closer_look`]).
    pub kept_by: Vec<Keeper>,
}

/// What keeps an instance from going, or a service's tasks from ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A task that is still on the host.
    Task {
        /// ARN.
        arn: TaskArn,
        /// The service that it belongs to; `None` for a standalone task.
        service: Option<ServiceArn>,
        /// Scale-in protection is on.
        is_protected: bool,
    },
    /// What AWS last answered instead of letting it go: action, code and text.
    Refusal(String),
}

/// The world of a teardown at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeardownView {
    /// The cluster's services; empty when they are not to be deleted.
    pub services: Vec<ServiceView>,
    /// The layer's instances.
    pub members: Vec<MemberView>,
    /// The cluster is registered with this stack.
    pub is_cluster_registered: bool,
    /// The layer exists.
    pub layer_exists: bool,
    /// The stack exists.
    pub stack_exists: bool,
    /// What else is in the stack, in words; `None` when nothing is.
    pub rest_of_stack: Option<String>,
    /// Layer or stack are protected now.
    pub is_protected: bool,
}

/// One step of a teardown. `why` is one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TeardownStep {
    /// The next stage begins; nothing is done by it.
    Enter {
        /// Which.
        stage: Stage,
        /// Why.
        why: String,
    },
    /// Set a service's desired count to zero.
    ScaleService {
        /// ARN.
        service: ServiceArn,
        /// Name.
        name: String,
        /// From how many.
        from: u32,
    },
    /// Delete a service that has no task left, or a DAEMON one.
    DeleteService {
        /// ARN.
        service: ServiceArn,
        /// Name.
        name: String,
    },
    /// StopInstance.
    Stop {
        /// The instance.
        instance: InstanceId,
        /// Host name.
        hostname: String,
        /// Its last stop has failed.
        again: bool,
    },
    /// DeleteInstance.
    Delete {
        /// The instance.
        instance: InstanceId,
        /// Host name.
        hostname: String,
        /// Its non-root volumes too.
        volumes: bool,
        /// Its Elastic IP address is released too.
        address: bool,
    },
    /// UnassignInstance: a registered instance leaves its layers.
    Unassign {
        /// The instance.
        instance: InstanceId,
        /// Host name.
        hostname: String,
    },
    /// DeregisterInstance: a registered instance goes back to its owner, running.
    Deregister {
        /// The instance.
        instance: InstanceId,
        /// Host name.
        hostname: String,
    },
    /// DeregisterEcsCluster.
    DeregisterCluster {
        /// The cluster.
        cluster: ClusterArn,
    },
    /// DeleteLayer.
    DeleteLayer,
    /// DeleteStack.
    DeleteStack,
    /// The stage is past its deadline: on-call is paged.
    Block {
        /// What blocks, by name.
        what: String,
        /// What to do about it.
        advice: String,
    },
    /// What blocked is over.
    Unblock {
        /// Why.
        why: String,
    },
    /// Over.
    End {
        /// How.
        outcome: TeardownOutcome,
        /// What is left standing, if anything.
        why: String,
    },
}
