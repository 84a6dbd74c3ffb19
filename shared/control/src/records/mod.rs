//! Records that the API and the reconciler share beside the domain's model: deployments, commands, service errors, registrations;
//! and the changes that must always go together.

pub mod busy;
pub mod cloning;
pub mod deployment;
pub mod due;
pub mod launch_template;
mod registered;
pub mod removal;
pub mod resource;
#[cfg(test)]
pub(crate) mod samples;
pub mod service_error;
pub mod stored;

pub use busy::busy_changes;
pub use deployment::{
    Command, CommandPointer, CommandState, Deployment, DeploymentState, Target, command_changes, command_event, deployment_event,
    expand_deployment, is_expanded,
};
pub use due::configure_due_change;
pub use launch_template::LaunchTemplate;
pub(crate) use registered::{candidate, registered};
pub use removal::{deregistration_changes, removal_changes};
pub use resource::{
    Fate, address_owner_change, deregister_address_changes, deregister_volume_changes, find_address, find_volume,
    register_address_changes, register_volume_changes, release_stack, resource_changes,
};
pub use service_error::{ServiceError, service_error_changes};
pub use stored::Stored;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;

/// A cluster's registration with a stack, at `keys::cluster`; it reads as a `keys::Owner` too [ECS-100].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRegistration {
    /// Always `cluster`.
    pub kind: String,
    /// The one stack that has it [ECS-22].
    pub stack_id: StackId,
    /// When RegisterEcsCluster first succeeded.
    pub registered_at: Timestamp,
}
