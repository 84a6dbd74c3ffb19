//! The wrappers of the ports that only read: inventory, identity.

use async_trait::async_trait;
use strata_domain::{ClusterArn, Ec2InstanceId};
use strata_ports::{
    AddressView, CloudError, HostView, IamDecision, Identity, ImageView, InstanceIdentity, Inventory, RoleCheck,
    SecurityGroupView, StackScope, VolumeView, VpcView,
};

use super::Kind;
use super::wrappers::Wrapped;

#[async_trait]
impl Inventory for Wrapped<dyn Inventory> {
    async fn vpc(&self, scope: &StackScope, id: Option<&str>) -> Result<Option<VpcView>, CloudError> {
        self.faulty.run("ec2:DescribeVpcs", Kind::Reads, self.inner.vpc(scope, id)).await
    }

    async fn security_groups(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<SecurityGroupView>, CloudError> {
        self.faulty.run("ec2:DescribeSecurityGroups", Kind::Reads, self.inner.security_groups(scope, ids)).await
    }

    async fn key_pairs(&self, scope: &StackScope, names: &[String]) -> Result<Vec<String>, CloudError> {
        self.faulty.run("ec2:DescribeKeyPairs", Kind::Reads, self.inner.key_pairs(scope, names)).await
    }

    async fn images(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<ImageView>, CloudError> {
        self.faulty.run("ec2:DescribeImages", Kind::Reads, self.inner.images(scope, ids)).await
    }

    async fn volumes(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError> {
        self.faulty.run("ec2:DescribeVolumes", Kind::Reads, self.inner.volumes(scope, ids)).await
    }

    async fn volumes_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError> {
        self.faulty.run("ec2:DescribeVolumes", Kind::Reads, self.inner.volumes_of(scope, host)).await
    }

    async fn addresses(&self, scope: &StackScope, ips: &[String]) -> Result<Vec<AddressView>, CloudError> {
        self.faulty.run("ec2:DescribeAddresses", Kind::Reads, self.inner.addresses(scope, ips)).await
    }

    async fn addresses_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError> {
        self.faulty.run("ec2:DescribeAddresses", Kind::Reads, self.inner.addresses_of(scope, host)).await
    }

    async fn hosts(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.hosts(scope, ids)).await
    }
}

#[async_trait]
impl Identity for Wrapped<dyn Identity> {
    async fn decide(&self, principal: &str, action: &str, resource: &str) -> Result<IamDecision, CloudError> {
        self.faulty.run("iam:SimulatePrincipalPolicy", Kind::Reads, self.inner.decide(principal, action, resource)).await
    }

    async fn check_role(&self, role_arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> Result<RoleCheck, CloudError> {
        self.faulty.run("sts:AssumeRole", Kind::Reads, self.inner.check_role(role_arn, actions, cluster)).await
    }

    async fn verify_instance(&self, document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError> {
        self.inner.verify_instance(document, signature).await
    }
}
