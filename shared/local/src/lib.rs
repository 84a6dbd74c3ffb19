//! The ports on one machine: embedded store, simulated cloud, virtual clock, faults.

pub mod bad_deployments;
pub mod bus;
pub mod canned_aws;
pub mod change_feed;
pub mod clock;
pub mod cloud;
pub mod cloud_file;
pub mod faults;
pub mod ids;
pub mod in_process;
pub mod loopback;
pub mod memory_store;
pub mod recorder;
pub mod redb_store;
pub mod rng;
pub mod runtime_api;
pub mod standalone;
mod store_rules;

pub use bus::{Bus, Delivery, Done, Target};
pub use change_feed::{ChangeFeed, Taken};
pub use clock::{SystemClock, VirtualClock, virtual_runtime};
pub use cloud::{CloudConfig, SimCloud};
pub use cloud_file::CloudFile;
pub use faults::{Fault, FaultPlan, Faulty, Profile, always, nth};
pub use ids::{RandomIds, SeededIds};
pub use in_process::{InProcess, opsworks_client};
pub use memory_store::{MemoryStore, StoreCalls};
pub use recorder::{Methods, Recorder};
pub use redb_store::{OpenError, RedbStore};
pub use standalone::Standalone;
