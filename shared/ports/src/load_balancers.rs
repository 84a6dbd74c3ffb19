//! Load balancers: classic ones, since a layer takes no other [ELB-1], and target groups, which a layer's own settings may name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::SignedDuration;
use strata_domain::Ec2InstanceId;
use strata_domain::tags::Tags;

use crate::{CloudError, ItemResult, StackScope};

/// A classic load balancer as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerView {
    /// Name, unique in the region.
    pub name: String,
    /// DNS name.
    pub dns_name: String,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Zones that it serves.
    pub zones: Vec<String>,
    /// Subnets that it stands in.
    pub subnet_ids: Vec<String>,
    /// Registered hosts.
    pub hosts: Vec<Ec2InstanceId>,
}

/// The hosts of a load balancer or target group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalancerHosts {
    /// Those that are registered.
    pub registered: Vec<Ec2InstanceId>,
    /// Of those that were asked for: deregistered, and their connections still drain.
    pub draining: Vec<Ec2InstanceId>,
    /// Zones that it serves; empty for a target group, which serves all of its VPC.
    pub zones: Vec<String>,
}

/// Elastic Load Balancing. `balancer` is the name of a classic load balancer, or the ARN of a target group, whose targets count as hosts when
/// they are registered by instance id.
#[async_trait]
pub trait LoadBalancers: Send + Sync {
    /// Describes classic load balancers by name; missing ones, and those of another kind, are missing from the answer.
    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError>;
    /// The hosts that a balancer has, and which of `asked` still drain; `None` if there is no such balancer.
    async fn hosts(
        &self,
        scope: &StackScope,
        balancer: &str,
        asked: &[Ec2InstanceId],
    ) -> Result<Option<BalancerHosts>, CloudError>;
    /// Registers hosts; those that are registered already are successes.
    ///
    /// # Errors
    /// `Wrong` when there is no such balancer; for one host, when ELB cannot take it.
    async fn register(
        &self,
        scope: &StackScope,
        balancer: &str,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// Deregisters hosts, whose connections then drain; those that are not registered, also for want of the balancer, are successes.
    async fn deregister(
        &self,
        scope: &StackScope,
        balancer: &str,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;
    /// How long connections to a deregistered host drain at most; zero when they do not, or there is no such balancer.
    async fn drain_time(&self, scope: &StackScope, balancer: &str) -> Result<SignedDuration, CloudError>;
    /// Lets a classic load balancer serve these subnets too, one of each zone that it does not serve yet [ELB-3].
    async fn add_subnets(&self, scope: &StackScope, balancer: &str, subnet_ids: &[String]) -> Result<(), CloudError>;
    /// The tags of classic load balancers by name; missing ones are missing from the answer.
    async fn tags(&self, scope: &StackScope, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError>;
    /// Sets tags of a classic load balancer and takes away those of the keys in `unset`; what is so already is a success.
    ///
    /// # Errors
    /// `Wrong` when there is no such load balancer, or it would have too many tags.
    async fn change_tags(&self, scope: &StackScope, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError>;
}
