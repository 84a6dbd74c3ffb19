//! Load balancers: classic ones, since a layer takes no other [ELB-1].

use async_trait::async_trait;
use strata_domain::Ec2InstanceId;

use crate::{CloudError, StackScope};

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

/// Elastic Load Balancing.
#[async_trait]
pub trait LoadBalancers: Send + Sync {
    /// Describes classic load balancers by name; missing ones, and those of another kind, are missing from the answer.
    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError>;
}
