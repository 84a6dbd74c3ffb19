//! The rules of an ECS Cluster layer.
//!
//! Everything here is a pure function over values: no async, no SDK, no clock (`now` is an argument), no randomness, no
//! logging and no `HashMap` (its order is random). A rule has one home, named after the rule, with its tests beside it.

pub mod claims;
pub mod decision;
pub mod holds;
pub mod ids;
pub mod mode;
pub mod model;
pub mod settings;
pub mod status;

pub use ids::*;
pub use status::{InitiatedBy, InstanceStatus, ScalingType};
