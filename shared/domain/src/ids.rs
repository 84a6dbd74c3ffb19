//! Identifiers. One machine has three ids, so there are three types for it: [`InstanceId`] (OpsWorks, a uuid),
//! [`Ec2InstanceId`] (`i-...`) and [`ContainerInstanceArn`].

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it stands; ids are opaque and a malformed one is merely unknown [IDN-1].
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The id as it is written on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id!(/// A stack's uuid.
    StackId);
id!(/// A layer's uuid.
    LayerId);
id!(/// An OpsWorks instance's uuid: a record, which may or may not have an EC2 instance.
    InstanceId);
id!(/// An EC2 instance's id, `i-...`.
    Ec2InstanceId);
id!(/// The ARN of an ECS cluster.
    ClusterArn);
id!(/// The ARN of an ECS container instance.
    ContainerInstanceArn);
id!(/// The ARN of an ECS service.
    ServiceArn);
id!(/// The ARN of an ECS task.
    TaskArn);
id!(/// A deployment's uuid.
    DeploymentId);
id!(/// The uuid of one command of a deployment or of a lifecycle run.
    CommandId);
id!(/// The id under which SSM runs a command on a host.
    SsmCommandId);
id!(/// A service error's uuid.
    ServiceErrorId);
id!(/// The uuid under which a volume is registered; EC2 knows it as `vol-...` [IDN-3].
    VolumeId);
id!(/// A rolling update's id.
    CampaignId);
id!(/// A layer teardown's id.
    TeardownId);
id!(/// The id of one decision record; the pages and events that it caused carry it.
    DecisionId);

impl ClusterArn {
    /// The cluster's name: what stands behind the last slash.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}
