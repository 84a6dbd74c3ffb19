//! Containers: ECS container instances, tasks, services. Strata touches only container instances whose EC2 id it owns.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, TaskArn};

use crate::{CloudError, ItemResult, StackScope};

/// The two states that a container instance can be set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ContainerInstanceState {
    /// Takes tasks.
    Active,
    /// Takes no new tasks; service tasks move away.
    Draining,
}

/// A registered container instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInstance {
    /// ARN.
    pub arn: ContainerInstanceArn,
    /// The host.
    pub ec2_instance_id: Ec2InstanceId,
    /// ACTIVE or DRAINING; an INACTIVE (deregistered) one is not reported.
    pub state: ContainerInstanceState,
    /// Whether the ECS agent is connected.
    pub agent_connected: bool,
    /// The ECS agent's version, once it has told.
    pub agent_version: Option<String>,
    /// Tasks running on it.
    pub running_tasks: u32,
    /// Tasks starting on it.
    pub pending_tasks: u32,
    /// When it registered.
    pub registered_at: Timestamp,
    /// What tasks can still reserve on it.
    pub free: Resources,
}

/// A task on a container instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsTask {
    /// ARN.
    pub arn: TaskArn,
    /// The service that it belongs to; `None` for a standalone task.
    pub service: Option<ServiceArn>,
    /// Belongs to a DAEMON service.
    pub daemon: bool,
    /// Scale-in protection is on.
    pub protected: bool,
    /// What it reserves on its host.
    pub reserves: Resources,
}

/// A service of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcsService {
    /// ARN.
    pub arn: ServiceArn,
    /// Name.
    pub name: String,
    /// Desired count; for a DAEMON service the number of hosts.
    pub desired: u32,
    /// Running tasks.
    pub running: u32,
    /// Starting tasks.
    pub pending: u32,
    /// Scheduling strategy DAEMON.
    pub daemon: bool,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// ARN.
    pub arn: ClusterArn,
    /// ACTIVE; anything else is `false`.
    pub active: bool,
}

/// ECS. Adapters batch: 10 ids per state update, 100 per describe.
#[async_trait]
pub trait Containers: Send + Sync {
    /// Describes a cluster; `None` if there is none of that ARN.
    async fn describe_cluster(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError>;
    /// Describes container instances by ARN; deregistered ones are missing from the answer.
    async fn describe_container_instances(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError>;
    /// Finds the container instances of these hosts.
    async fn find_by_host(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError>;
    /// Exception-filtered: container instances that are DRAINING or whose agent is disconnected.
    async fn describe_exceptions(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError>;
    /// Sets ACTIVE or DRAINING.
    async fn set_state(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
        state: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError>;
    /// The tasks on one container instance, starting ones included.
    async fn tasks_on(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arn: &ContainerInstanceArn,
    ) -> Result<Vec<EcsTask>, CloudError>;
    /// Stops one task; one that is gone is a success.
    async fn stop_task(&self, scope: &StackScope, cluster: &ClusterArn, task: &TaskArn, reason: &str) -> Result<(), CloudError>;
    /// Deregisters, never with `force`; one that is gone is a success, one with tasks is `Wrong`.
    async fn deregister(&self, scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError>;
    /// The cluster's services.
    async fn services(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError>;
    /// Sets a service's desired count.
    async fn scale_service(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        service: &ServiceArn,
        desired: u32,
    ) -> Result<(), CloudError>;
    /// Deletes a service that was scaled to zero (a DAEMON one at any time); one that is gone is a success.
    async fn delete_service(&self, scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError>;
}
