//! The control plane: the OpsWorks API, one file per action, and the lifecycle reconciler.
//!
//! It is the only writer of stacks, layers, instances, deployments and commands. What both halves share stands here: the records
//! beside the domain's model ([`records`]) and the one way in which a status changes ([`status_change`]).

pub mod api;
pub mod deployments;
pub mod reconciler;
pub mod records;
pub mod status_change;

pub use api::{Api, ApiConfig, INSTALLER_PATH, LOCAL_CONTROLLER, MAX_BODY_BYTES, Refusal};
