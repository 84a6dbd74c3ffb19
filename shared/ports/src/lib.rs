//! What the functions need from the world, as small traits by what they are for, not by AWS service.
//!
//! An adapter (`shared/aws`, `shared/local`) implements them; only a `main` picks one. Batches report per item: one bad instance
//! never spoils a batch. Errors tell the caller what to do, see [`CloudError`].

pub mod absent;
pub mod alarms;
pub mod asked;
pub mod attachments;
pub mod clock;
pub mod commands;
pub mod compute;
pub mod containers;
#[cfg(feature = "contract")]
pub mod contract;
pub mod error;
pub mod handler;
pub mod http_service;
pub mod identity;
pub mod inventory;
pub mod journal;
pub mod keys;
pub mod load_balancers;
#[cfg(feature = "machine")]
pub mod machine;
pub mod mode;
pub mod objects;
pub mod ports;
pub mod store;
pub mod tell;
pub mod upkeep;
pub mod workloads;

pub use absent::Absent;
pub use alarms::{AlarmObservation, AlarmSpec, AlarmState, Alarms, Datapoint};
pub use attachments::{Attachments, NewVolume};
pub use clock::{Clock, Ids};
pub use commands::{CommandKind, CommandRequest, CommandResult, CommandStatus, Commands, Ping};
pub use compute::{
    Compute, Ec2Instance, Ec2State, GroupsReset, LaunchSpec, ScheduledEvent, StackScope, StatusChecks, VolumeSpec,
};
pub use containers::{ClusterView, ContainerInstance, ContainerInstanceState, Containers, EcsService, EcsTask};
pub use error::{CloudError, ItemResult};
pub use handler::{HandlerError, Outcome};
pub use http_service::HttpService;
pub use identity::{IamDecision, Identity, InstanceIdentity, RoleCheck};
pub use inventory::{AddressView, HostView, ImageView, Inventory, SecurityGroupView, SubnetView, VolumeView, VpcView};
pub use keys::Key;
pub use load_balancers::{BalancerHosts, LoadBalancerView, LoadBalancers};
pub use mode::{ModeScope, Modes};
pub use objects::Objects;
pub use ports::Ports;
pub use store::{Change, CommitError, Expect, Item, Store, StoreError};
pub use tell::{EventOut, Events, Pager, Told};
pub use upkeep::{TemplateSpec, Upkeep};
pub use workloads::{Places, look_at_workloads};
