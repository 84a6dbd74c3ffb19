//! Contract suites: what every adapter of a port must do. An adapter's tests run them against an empty adapter; they panic
//! with what was broken. Behind the feature `contract`, for tests only.

pub mod account;
pub mod attachments;
pub mod change_feed;
pub mod cloud;
pub mod groups;
pub mod hosts;
pub mod model;
pub mod modes;
pub mod objects;
pub mod pager;
pub mod store;
pub mod upkeep;

pub use account::{inventory_contract, load_balancers_contract};
pub use attachments::{attachments_contract, balanced_hosts_contract};
pub use change_feed::change_feed_contract;
pub use cloud::{AlarmWorld, alarm_values_contract, alarms_contract, compute_contract};
pub use groups::security_groups_contract;
pub use hosts::{CommandsDiffer, commands_contract, container_instances_contract, host_contract, services_contract};
pub use model::{Model, Operation, check_against_model, random_operations};
pub use modes::modes_contract;
pub use objects::objects_contract;
pub use pager::pager_contract;
pub use store::{add_one, store_contract};
pub use upkeep::{tags_contract, templates_contract};
