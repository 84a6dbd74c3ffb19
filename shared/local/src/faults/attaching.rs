//! The wrappers of load balancers and attachments: what reaches machines and leaves them.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::SignedDuration;
use strata_domain::Ec2InstanceId;
use strata_domain::tags::Tags;
use strata_ports::{Attachments, BalancerHosts, CloudError, ItemResult, LoadBalancerView, LoadBalancers, NewVolume, StackScope};

use super::Kind;
use super::wrappers::Wrapped;

type Each = Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;

#[async_trait]
impl LoadBalancers for Wrapped<dyn LoadBalancers> {
    async fn tags(&self, scope: &StackScope, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        self.faulty.run("elasticloadbalancing:DescribeTags", Kind::Reads, self.inner.tags(scope, names)).await
    }

    async fn change_tags(&self, scope: &StackScope, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
        let change = self.inner.change_tags(scope, name, set, unset);
        self.faulty.run("elasticloadbalancing:AddTags", Kind::Writes, change).await
    }

    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError> {
        self.faulty.run("elasticloadbalancing:DescribeLoadBalancers", Kind::Reads, self.inner.describe(scope, names)).await
    }

    async fn hosts(
        &self,
        scope: &StackScope,
        balancer: &str,
        asked: &[Ec2InstanceId],
    ) -> Result<Option<BalancerHosts>, CloudError> {
        const ACTION: &str = "elasticloadbalancing:DescribeInstanceHealth";
        self.faulty.run(ACTION, Kind::Reads, self.inner.hosts(scope, balancer, asked)).await
    }

    async fn register(&self, scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        const ACTION: &str = "elasticloadbalancing:RegisterInstancesWithLoadBalancer";
        self.faulty.run(ACTION, Kind::Writes, self.inner.register(scope, balancer, hosts)).await
    }

    async fn deregister(&self, scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        const ACTION: &str = "elasticloadbalancing:DeregisterInstancesFromLoadBalancer";
        self.faulty.run(ACTION, Kind::Writes, self.inner.deregister(scope, balancer, hosts)).await
    }

    async fn drain_time(&self, scope: &StackScope, balancer: &str) -> Result<SignedDuration, CloudError> {
        const ACTION: &str = "elasticloadbalancing:DescribeLoadBalancerAttributes";
        self.faulty.run(ACTION, Kind::Reads, self.inner.drain_time(scope, balancer)).await
    }

    async fn add_subnets(&self, scope: &StackScope, balancer: &str, subnet_ids: &[String]) -> Result<(), CloudError> {
        const ACTION: &str = "elasticloadbalancing:AttachLoadBalancerToSubnets";
        self.faulty.run(ACTION, Kind::Writes, self.inner.add_subnets(scope, balancer, subnet_ids)).await
    }
}

#[async_trait]
impl Attachments for Wrapped<dyn Attachments> {
    async fn make_volume(&self, scope: &StackScope, volume: &NewVolume) -> Result<String, CloudError> {
        self.faulty.run("ec2:CreateVolume", Kind::Writes, self.inner.make_volume(scope, volume)).await
    }

    async fn attach_volume(
        &self,
        scope: &StackScope,
        volume: &str,
        host: &Ec2InstanceId,
        device: &str,
    ) -> Result<(), CloudError> {
        self.faulty.run("ec2:AttachVolume", Kind::Writes, self.inner.attach_volume(scope, volume, host, device)).await
    }

    async fn detach_volume(&self, scope: &StackScope, volume: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.faulty.run("ec2:DetachVolume", Kind::Writes, self.inner.detach_volume(scope, volume, host)).await
    }

    async fn associate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.faulty.run("ec2:AssociateAddress", Kind::Writes, self.inner.associate_address(scope, ip, host)).await
    }

    async fn disassociate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.faulty.run("ec2:DisassociateAddress", Kind::Writes, self.inner.disassociate_address(scope, ip, host)).await
    }

    async fn allocated_for(&self, scope: &StackScope, token: &str) -> Result<Vec<String>, CloudError> {
        self.faulty.run("ec2:DescribeAddresses", Kind::Reads, self.inner.allocated_for(scope, token)).await
    }

    async fn allocate_address(&self, scope: &StackScope, token: &str) -> Result<String, CloudError> {
        self.faulty.run("ec2:AllocateAddress", Kind::Writes, self.inner.allocate_address(scope, token)).await
    }

    async fn release_address(&self, scope: &StackScope, ip: &str) -> Result<(), CloudError> {
        self.faulty.run("ec2:ReleaseAddress", Kind::Writes, self.inner.release_address(scope, ip)).await
    }
}
