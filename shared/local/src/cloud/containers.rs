//! The Containers port.

use async_trait::async_trait;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, TaskArn};
use strata_ports::{
    CloudError, ClusterView, ContainerInstance, ContainerInstanceState, Containers, EcsService, EcsTask, ItemResult, StackScope,
};

use super::ecs::{ContainerNo, ServiceSpec};
use super::state::{State, wrong};
use super::tasks::StoppedBy;
use super::{Latency, SimCloud};

/// Ids in one UpdateContainerInstancesState call.
const PER_UPDATE: usize = 10;
/// Ids in one describe call, results in one page of a list.
const PER_DESCRIBE: usize = 100;
/// Services in one DescribeServices call.
const SERVICES_PER_DESCRIBE: usize = 10;

fn describe(s: &mut State, nos: Vec<ContainerNo>) -> Result<Vec<ContainerInstance>, CloudError> {
    s.admit("ecs:DescribeContainerInstances", nos.len().div_ceil(PER_DESCRIBE))?;
    Ok(s.ecs.describe(nos))
}

#[async_trait]
impl Containers for SimCloud {
    async fn describe_cluster(&self, _scope: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ecs:DescribeClusters", 1)?;
            let found = s.ecs.by_arn.get(cluster).and_then(|no| s.ecs.clusters.get(no));
            Ok(found.map(|c| ClusterView { arn: c.arn.clone(), active: c.active }))
        })
        .await
    }

    async fn describe_container_instances(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        const ACTION: &str = "ecs:DescribeContainerInstances";
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit(ACTION, arns.len().div_ceil(PER_DESCRIBE))?;
            let cluster = s.cluster_no(ACTION, cluster)?;
            let nos = arns.iter().filter_map(|arn| s.ecs.containers_by_arn.get(arn).copied());
            let nos: Vec<_> = nos.filter(|no| s.ecs.containers.get(no).is_some_and(|c| c.cluster == cluster)).collect();
            Ok(s.ecs.describe(nos))
        })
        .await
    }

    async fn find_by_host(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        const ACTION: &str = "ecs:ListContainerInstances";
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit(ACTION, hosts.len().div_ceil(PER_DESCRIBE))?;
            let cluster = s.cluster_no(ACTION, cluster)?;
            let nos = hosts.iter().filter_map(|host| s.ecs.by_host.get(host).copied());
            let nos = nos.filter(|no| s.ecs.containers.get(no).is_some_and(|c| c.cluster == cluster)).collect();
            describe(s, nos)
        })
        .await
    }

    async fn describe_exceptions(&self, _scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        const ACTION: &str = "ecs:ListContainerInstances";
        self.call(Latency::Read, |s| {
            // One list for each of the two filters.
            s.admit(ACTION, 2)?;
            let cluster = s.cluster_no(ACTION, cluster)?;
            let nos: Vec<_> = s.ecs.clusters.get(&cluster).into_iter().flat_map(|c| c.exceptions.iter().copied()).collect();
            s.admit(ACTION, nos.len().saturating_sub(1) / PER_DESCRIBE)?;
            describe(s, nos)
        })
        .await
    }

    async fn set_state(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
        state: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        const ACTION: &str = "ecs:UpdateContainerInstancesState";
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Write, |s| {
            let cluster = s.cluster_no(ACTION, cluster)?;
            let mut results = Vec::with_capacity(arns.len());
            for chunk in arns.chunks(PER_UPDATE) {
                let admitted = s.admit(ACTION, 1);
                for arn in chunk {
                    let result = admitted.clone().and_then(|()| s.set_container_state(cluster, arn, state));
                    results.push(ItemResult { id: arn.clone(), result });
                }
            }
            Ok(results)
        })
        .await
    }

    async fn tasks_on(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        arn: &ContainerInstanceArn,
    ) -> Result<Vec<EcsTask>, CloudError> {
        const ACTION: &str = "ecs:ListTasks";
        self.call(Latency::Read, |s| {
            s.admit(ACTION, 1)?;
            s.cluster_no(ACTION, cluster)?;
            let Some(no) = s.ecs.containers_by_arn.get(arn).copied() else { return Ok(Vec::new()) };
            let tasks = s.describe_tasks(no);
            s.admit("ecs:DescribeTasks", tasks.len().div_ceil(PER_DESCRIBE))?;
            Ok(tasks)
        })
        .await
    }

    async fn stop_task(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        task: &TaskArn,
        _reason: &str,
    ) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:StopTask";
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            s.cluster_no(ACTION, cluster)?;
            if let Some(no) = s.ecs.tasks_by_arn.get(task).copied() {
                s.stop_task(no, StoppedBy::Call);
            }
            Ok(())
        })
        .await
    }

    async fn deregister(&self, _scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:DeregisterContainerInstance";
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            let cluster = s.cluster_no(ACTION, cluster)?;
            s.deregister(cluster, arn)
        })
        .await
    }

    async fn services(&self, _scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        const ACTION: &str = "ecs:ListServices";
        self.call(Latency::Read, |s| {
            let cluster = s.cluster_no(ACTION, cluster)?;
            let services = s.describe_services(cluster);
            s.admit(ACTION, services.len().div_ceil(PER_DESCRIBE).max(1))?;
            s.admit("ecs:DescribeServices", services.len().div_ceil(SERVICES_PER_DESCRIBE))?;
            Ok(services)
        })
        .await
    }

    async fn scale_service(
        &self,
        _scope: &StackScope,
        cluster: &ClusterArn,
        service: &ServiceArn,
        desired: u32,
    ) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:UpdateService";
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            s.cluster_no(ACTION, cluster)?;
            s.scale_service(ACTION, service, desired)
        })
        .await
    }

    async fn delete_service(&self, _scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:DeleteService";
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            s.cluster_no(ACTION, cluster)?;
            s.delete_service(ACTION, service)
        })
        .await
    }
}

impl SimCloud {
    /// CreateCluster; the cluster of that name if there is one. Not counted as a call: it's the user's, not Strata's.
    pub fn create_cluster(&self, name: &str) -> ClusterArn {
        self.with(|s| s.create_cluster(name))
    }

    /// DeleteCluster, by somebody else: the cluster is INACTIVE from now on. An unknown one is left as it is.
    pub fn delete_cluster(&self, cluster: &ClusterArn) {
        self.with(|s| {
            if let Some(cluster) = s.ecs.by_arn.get(cluster).and_then(|no| s.ecs.clusters.get_mut(no)) {
                cluster.active = false;
            }
        });
    }

    /// CreateService by the user; the service of that name if there is one.
    ///
    /// # Errors
    /// `Wrong`: no such cluster.
    pub fn create_service(&self, cluster: &ClusterArn, spec: ServiceSpec) -> Result<ServiceArn, CloudError> {
        self.with(|s| {
            let cluster = s.cluster_no("ecs:CreateService", cluster)?;
            Ok(s.create_service(cluster, spec))
        })
    }

    /// RunTask by the user: up to `count` standalone tasks, as many as find room.
    ///
    /// # Errors
    /// `Wrong`: no such cluster.
    pub fn run_task(&self, cluster: &ClusterArn, count: u32) -> Result<Vec<TaskArn>, CloudError> {
        self.with(|s| {
            let cluster = s.cluster_no("ecs:RunTask", cluster)?;
            Ok(s.run_tasks(cluster, count))
        })
    }

    /// UpdateTaskProtection by the task itself.
    ///
    /// # Errors
    /// `Wrong`: no such task.
    pub fn protect_task(&self, task: &TaskArn, until: jiff::Timestamp) -> Result<(), CloudError> {
        self.with(|s| {
            let no = s.ecs.tasks_by_arn.get(task).copied();
            let no = no.ok_or_else(|| wrong("ecs:UpdateTaskProtection", "InvalidParameterException", "task not found"))?;
            s.protect(no, until);
            Ok(())
        })
    }
}
