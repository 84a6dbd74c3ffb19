//! The rules of an ECS Cluster layer.
//!
//! Everything here is a pure function over values: no async, no SDK, no clock (`now` is an argument), no randomness, no
//! logging and no `HashMap` (its order is random). A rule has one home, named after the rule, with its tests beside it.

pub mod announced;
pub mod arns;
pub mod auto_healing;
pub mod block_devices;
pub mod break_glass;
pub mod claims;
pub mod commands;
pub mod decision;
pub mod ecs_cluster;
pub mod holds;
pub mod hostnames;
pub mod ids;
pub mod instance_actions;
pub mod jobs;
pub mod lifecycle;
pub mod load_based;
pub mod log_streams;
pub mod machine_tags;
pub mod mode;
pub mod model;
pub mod operating_systems;
pub mod pages;
pub mod permissions;
pub mod registration;
pub mod resources;
pub mod secret;
pub mod security_groups;
pub mod service_errors;
pub mod service_role;
pub mod settings;
pub mod snapshot;
pub mod start_retries;
pub mod status;
pub mod tags;
pub mod teardown;
pub mod time_based;
pub mod updates;
pub mod users;
pub mod volume_configurations;
pub mod workload;

pub use ids::*;
pub use secret::Secret;
pub use status::{InitiatedBy, InstanceStatus, ScalingType};
