//! The records that the control plane owns: stacks, layers, instances, resources. Plain data with serde; the rules stand elsewhere.

mod attached;
mod instance;
mod layer;
mod resource;
mod stack;
mod user;

pub use attached::{Attached, VolumeMaking};
pub use instance::{
    BlockDeviceMapping, Care, DeleteRequest, EbsBlockDevice, Instance, Registration, RootDeviceType, Shortage, Volume,
};
pub use layer::{Layer, LayerType, LogStream, LogsConfiguration, ShutdownConfiguration, VolumeConfiguration};
pub use resource::{ElasticIp, LayerLoadBalancer, RegisteredVolume, VolumeFacts};
pub use stack::{ChefConfiguration, CookbooksSource, Stack};
pub use user::UserProfile;
