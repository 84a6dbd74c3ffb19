//! The ports on AWS, a cargo feature per service: one file per port, named after it.
//!
//! All of them are made from one [`Base`]: region, credentials, connector, endpoints, retries and deadlines. Calls about a stack go out
//! under that stack's service role. What a failed call means is decided in one place, [`error`].

pub mod base;
pub mod calls;
pub mod environment;
pub mod error;
#[cfg(feature = "ec2")]
mod filters;
#[cfg(feature = "lambda")]
pub mod lambda;
#[cfg(feature = "ec2")]
mod own_in_region;
#[cfg(feature = "sts")]
mod per_stack;
mod roots;
pub mod settings;
#[cfg(feature = "sts")]
mod stack_roles;
pub mod uses;

#[cfg(feature = "cloudwatch")]
pub mod alarms;
#[cfg(feature = "ec2")]
pub mod attachments;
#[cfg(feature = "checkup")]
pub mod checkup;
#[cfg(feature = "ssm")]
pub mod commands;
#[cfg(feature = "ec2")]
pub mod compute;
#[cfg(feature = "ecs")]
pub mod containers;
#[cfg(feature = "eventbridge")]
pub mod events;
#[cfg(feature = "iam")]
pub mod identity;
#[cfg(feature = "ec2")]
pub mod inventory;
#[cfg(feature = "elb")]
pub mod load_balancers;
#[cfg(feature = "ssm")]
pub mod mode_switch;
#[cfg(feature = "ssm")]
pub mod modes;
#[cfg(feature = "s3")]
pub mod objects;
#[cfg(feature = "opsworks")]
pub mod opsworks;
#[cfg(feature = "sns")]
pub mod pager;
#[cfg(feature = "dynamodb")]
pub mod store;
#[cfg(feature = "ec2")]
pub mod upkeep;

pub use base::Base;
pub use calls::{CallLog, SeenCall};
pub use settings::{Settings, SettingsError};
pub use uses::{Role, Uses};
