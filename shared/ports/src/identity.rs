//! Identity: what IAM says of callers and roles, and what EC2 says of itself.

use async_trait::async_trait;
pub use strata_domain::permissions::IamDecision;
use strata_domain::{ClusterArn, Ec2InstanceId};

use crate::CloudError;

/// What a stack's service role is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleCheck {
    /// It can be assumed; these of the actions asked for it does not allow.
    Usable {
        /// For example `ecs:DescribeClusters`; empty when it allows all of them.
        missing: Vec<String>,
    },
    /// It does not trust us, or is not there.
    NotTrusted,
    /// It was made a moment ago: IAM tells it to some of its machines only.
    NotYetPropagated,
}

/// Who an EC2 instance is, by its signed identity document [REG-7].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// `i-...`.
    pub host: Ec2InstanceId,
    /// Its region.
    pub region: String,
    /// Its account.
    pub account: String,
}

/// IAM and STS, under the function's own role.
#[async_trait]
pub trait Identity: Send + Sync {
    /// What the IAM policies of `principal` (a user's or role's ARN) say of `action` (`opsworks:StartInstance`) on `resource` (a stack's
    /// ARN, or `*`).
    ///
    /// # Errors
    /// The caller denies: what cannot be asked is not allowed.
    async fn decide(&self, principal: &str, action: &str, resource: &str) -> Result<IamDecision, CloudError>;
    /// Whether a service role can be assumed for stacks, and which of `actions` it does not allow: on `cluster` and what is in it, as
    /// [`resource_of`](strata_domain::service_role::resource_of) says, or on everything.
    async fn check_role(&self, role_arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> Result<RoleCheck, CloudError>;
    /// Reads an instance identity document whose signature is right; `None` when it is not.
    async fn verify_instance(&self, document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError>;
}
