//! Containers on ECS: container instances and services. Tasks are in [`tasks`].
//!
//! `force` is never sent: deregistering with it orphans tasks [ECS-123], and a service is scaled to zero before it is deleted (a DAEMON
//! one needs neither, says the API's reference).

mod tasks;

use async_trait::async_trait;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::types::{self, ContainerInstanceStatus, Failure, SchedulingStrategy};
use jiff::Timestamp;
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, TaskArn};
use strata_ports::{
    CloudError, ClusterView, ContainerInstance, ContainerInstanceState, Containers, EcsService, EcsTask, ItemResult, StackScope,
};

use crate::error::{Effect, from_code, sort};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

/// Ids in one UpdateContainerInstancesState call.
const PER_UPDATE: usize = 10;
/// Ids in one describe call, results in one page of a list.
const PER_DESCRIBE: usize = 100;
/// Services in one DescribeServices call.
const SERVICES_PER_DESCRIBE: usize = 10;
/// Our choice: hosts in one filter expression; its greatest length is not documented, and this stays near a kilobyte.
const HOSTS_PER_FILTER: usize = 50;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "describe_cluster", role: Role::Stack, actions: &["ecs:DescribeClusters"] },
    Uses { method: "describe_container_instances", role: Role::Stack, actions: &["ecs:DescribeContainerInstances"] },
    Uses {
        method: "find_by_host",
        role: Role::Stack,
        actions: &["ecs:DescribeContainerInstances", "ecs:ListContainerInstances"],
    },
    Uses {
        method: "describe_exceptions",
        role: Role::Stack,
        actions: &["ecs:DescribeContainerInstances", "ecs:ListContainerInstances"],
    },
    Uses { method: "set_state", role: Role::Stack, actions: &["ecs:UpdateContainerInstancesState"] },
    Uses {
        method: "tasks_on",
        role: Role::Stack,
        actions: &["ecs:DescribeServices", "ecs:DescribeTasks", "ecs:GetTaskProtection", "ecs:ListTasks"],
    },
    Uses { method: "stop_task", role: Role::Stack, actions: &["ecs:DescribeTasks", "ecs:StopTask"] },
    Uses {
        method: "deregister",
        role: Role::Stack,
        actions: &["ecs:DeregisterContainerInstance", "ecs:DescribeContainerInstances"],
    },
    Uses { method: "services", role: Role::Stack, actions: &["ecs:DescribeServices", "ecs:ListServices"] },
    Uses { method: "scale_service", role: Role::Stack, actions: &["ecs:UpdateService"] },
    Uses { method: "delete_service", role: Role::Stack, actions: &["ecs:DeleteService"] },
];

/// ECS, under the stack's service role.
pub struct EcsContainers {
    clients: PerStack<Client>,
}

impl EcsContainers {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        let make = |config: &_, base: &Base| Client::from_conf(Builder::from(config).interceptor(base.log().clone()).build());
        Self { clients: PerStack::new(base, "ECS", make) }
    }
}

#[async_trait]
impl Containers for EcsContainers {
    async fn describe_cluster(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        let request = self.clients.client(scope).describe_clusters().clusters(cluster.as_str());
        let answer = request.send().await.map_err(|error| sort("ecs:DescribeClusters", Effect::Read, error))?;
        only_missing("ecs:DescribeClusters", answer.failures())?;
        Ok(answer.clusters().first().and_then(|found| {
            Some(ClusterView { arn: ClusterArn::from(found.cluster_arn()?), active: found.status() == Some("ACTIVE") })
        }))
    }

    async fn describe_container_instances(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        let arns: Vec<String> = arns.iter().map(|arn| arn.as_str().to_owned()).collect();
        describe(&self.clients.client(scope), cluster, &arns).await
    }

    /// Without a status ECS lists all but the INACTIVE ones, so DRAINING ones are among them.
    async fn find_by_host(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        let client = self.clients.client(scope);
        let mut arns = Vec::new();
        for filter in host_filters(hosts) {
            arns.extend(list(&client, cluster, Some(filter), None).await?);
        }
        let found = describe(&client, cluster, &arns).await?;
        Ok(found.into_iter().filter(|container| hosts.contains(&container.ec2_instance_id)).collect())
    }

    async fn describe_exceptions(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        let client = self.clients.client(scope);
        let mut arns = list(&client, cluster, Some("agentConnected == false".to_owned()), None).await?;
        arns.extend(list(&client, cluster, None, Some(ContainerInstanceStatus::Draining)).await?);
        arns.sort_unstable();
        arns.dedup();
        let found = describe(&client, cluster, &arns).await?;
        // One that was mended between the two calls is no exception any more.
        Ok(found.into_iter().filter(|c| !c.agent_connected || c.state == ContainerInstanceState::Draining).collect())
    }

    async fn set_state(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
        state: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        const ACTION: &str = "ecs:UpdateContainerInstancesState";
        let client = self.clients.client(scope);
        let status = match state {
            ContainerInstanceState::Active => ContainerInstanceStatus::Active,
            ContainerInstanceState::Draining => ContainerInstanceStatus::Draining,
        };
        let mut results = Vec::with_capacity(arns.len());
        for chunk in arns.chunks(PER_UPDATE) {
            let request = client.update_container_instances_state().cluster(cluster.as_str()).status(status.clone());
            let request = request.set_container_instances(Some(chunk.iter().map(|arn| arn.as_str().to_owned()).collect()));
            let outcome = request.send().await.map_err(|error| sort(ACTION, Effect::Write, error));
            results.extend(chunk.iter().map(|arn| {
                let result = match &outcome {
                    Ok(answer) => item(ACTION, arn.as_str(), answer.container_instances(), answer.failures()),
                    Err(error) => Err(error.clone()),
                };
                ItemResult { id: arn.clone(), result }
            }));
        }
        Ok(results)
    }

    async fn tasks_on(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arn: &ContainerInstanceArn,
    ) -> Result<Vec<EcsTask>, CloudError> {
        tasks::on(&self.clients.client(scope), cluster, arn).await
    }

    async fn stop_task(&self, scope: &StackScope, cluster: &ClusterArn, task: &TaskArn, reason: &str) -> Result<(), CloudError> {
        tasks::stop(&self.clients.client(scope), cluster, task, reason).await
    }

    /// ECS has the same error for one that is gone, one that has tasks, and one that never was; so what failed is looked at.
    async fn deregister(&self, scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError> {
        let client = self.clients.client(scope);
        let request = client.deregister_container_instance().cluster(cluster.as_str()).container_instance(arn.as_str());
        match request.send().await.map_err(|error| sort("ecs:DeregisterContainerInstance", Effect::Write, error)) {
            Ok(_) => Ok(()),
            Err(error @ (CloudError::Wrong { .. } | CloudError::OutcomeUnknown { .. })) => {
                match describe(&client, cluster, &[arn.as_str().to_owned()]).await {
                    Ok(left) if left.is_empty() => Ok(()),
                    Ok(_) | Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn services(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        let client = self.clients.client(scope);
        let pages = client.list_services().cluster(cluster.as_str()).into_paginator().page_size(PER_DESCRIBE as i32);
        let arns: Vec<String> =
            pages.items().send().try_collect().await.map_err(|error| sort("ecs:ListServices", Effect::Read, error))?;
        Ok(describe_services(&client, cluster, &arns).await?.iter().filter_map(service).collect())
    }

    async fn scale_service(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        service: &ServiceArn,
        desired: u32,
    ) -> Result<(), CloudError> {
        let request = self.clients.client(scope).update_service().cluster(cluster.as_str()).service(service.as_str());
        let request = request.desired_count(i32::try_from(desired).unwrap_or(i32::MAX));
        request.send().await.map_err(|error| sort("ecs:UpdateService", Effect::Write, error))?;
        Ok(())
    }

    async fn delete_service(&self, scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError> {
        let request = self.clients.client(scope).delete_service().cluster(cluster.as_str()).service(service.as_str());
        match request.send().await.map_err(|error| sort("ecs:DeleteService", Effect::Write, error)) {
            Err(error) if matches!(error.code(), Some("ServiceNotFoundException" | "ServiceNotActiveException")) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}

/// Filter expressions of the cluster query language for these hosts. An id of another form is in no cluster and, pasted into an
/// expression, might say something else.
fn host_filters(hosts: &[Ec2InstanceId]) -> Vec<String> {
    let is_plain = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let ids: Vec<&str> = hosts.iter().map(Ec2InstanceId::as_str).filter(is_plain).collect();
    ids.chunks(HOSTS_PER_FILTER).map(|chunk| format!("ec2InstanceId in ['{}']", chunk.join("', '"))).collect()
}

async fn list(
    client: &Client,
    cluster: &ClusterArn,
    filter: Option<String>,
    status: Option<ContainerInstanceStatus>,
) -> Result<Vec<String>, CloudError> {
    let request = client.list_container_instances().cluster(cluster.as_str()).set_filter(filter).set_status(status);
    let pages = request.into_paginator().page_size(PER_DESCRIBE as i32).items().send();
    pages.try_collect().await.map_err(|error| sort("ecs:ListContainerInstances", Effect::Read, error))
}

async fn describe(client: &Client, cluster: &ClusterArn, arns: &[String]) -> Result<Vec<ContainerInstance>, CloudError> {
    const ACTION: &str = "ecs:DescribeContainerInstances";
    let mut found = Vec::with_capacity(arns.len());
    for chunk in arns.chunks(PER_DESCRIBE) {
        let request = client.describe_container_instances().cluster(cluster.as_str());
        let request = request.set_container_instances(Some(chunk.to_vec()));
        let answer = request.send().await.map_err(|error| sort(ACTION, Effect::Read, error))?;
        only_missing(ACTION, answer.failures())?;
        found.extend(answer.container_instances().iter().filter_map(container_instance));
    }
    Ok(found)
}

async fn describe_services(client: &Client, cluster: &ClusterArn, names: &[String]) -> Result<Vec<types::Service>, CloudError> {
    const ACTION: &str = "ecs:DescribeServices";
    let mut found = Vec::with_capacity(names.len());
    for chunk in names.chunks(SERVICES_PER_DESCRIBE) {
        let request = client.describe_services().cluster(cluster.as_str()).set_services(Some(chunk.to_vec()));
        let answer = request.send().await.map_err(|error| sort(ACTION, Effect::Read, error))?;
        only_missing(ACTION, answer.failures())?;
        found.extend(answer.services.unwrap_or_default());
    }
    Ok(found)
}

/// What is missing is left out of an answer; what could not be described for another reason must not look like it.
fn only_missing(action: &'static str, failures: &[Failure]) -> Result<(), CloudError> {
    match failures.iter().find(|failure| failure.reason() != Some("MISSING")) {
        None => Ok(()),
        Some(failure) => Err(failed(action, Effect::Read, failure)),
    }
}

/// One item of a batch: it is among what was changed, or among the failures. A failure's ARN may be of the old form, without the
/// cluster, so the last part decides.
fn item(action: &'static str, arn: &str, changed: &[types::ContainerInstance], failures: &[Failure]) -> Result<(), CloudError> {
    let is_it = |other: Option<&str>| other.is_some_and(|other| other.rsplit('/').next() == arn.rsplit('/').next());
    match failures.iter().find(|failure| is_it(failure.arn())) {
        Some(failure) => Err(failed(action, Effect::Write, failure)),
        None if changed.iter().any(|container| is_it(container.container_instance_arn())) => Ok(()),
        None => Err(CloudError::OutcomeUnknown { action, why: format!("{arn} is missing from the answer") }),
    }
}

fn failed(action: &'static str, effect: Effect, failure: &Failure) -> CloudError {
    let what = failure.arn().unwrap_or("an item without a name");
    from_code(action, effect, failure.reason(), &format!("{what}: {}", failure.detail().unwrap_or("no detail")), 200)
}

/// `None` for one that is INACTIVE, still registering, or not on EC2.
fn container_instance(found: &types::ContainerInstance) -> Option<ContainerInstance> {
    let state = match found.status()? {
        "ACTIVE" => ContainerInstanceState::Active,
        "DRAINING" => ContainerInstanceState::Draining,
        _ => return None,
    };
    let registered = found.registered_at()?;
    Some(ContainerInstance {
        arn: ContainerInstanceArn::from(found.container_instance_arn()?),
        ec2_instance_id: Ec2InstanceId::from(found.ec2_instance_id()?),
        state,
        agent_connected: found.agent_connected(),
        agent_version: found.version_info().and_then(|version| version.agent_version()).map(str::to_owned),
        running_tasks: count(found.running_tasks_count()),
        pending_tasks: count(found.pending_tasks_count()),
        registered_at: Timestamp::new(registered.secs(), i32::try_from(registered.subsec_nanos()).ok()?).ok()?,
        free: free(found.remaining_resources()),
    })
}

/// CPU and memory of the list of resources; what is not in it is none.
fn free(resources: &[types::Resource]) -> Resources {
    let of = |name: &str| resources.iter().find(|r| r.name() == Some(name)).map_or(0, |r| count(r.integer_value()));
    Resources { cpu: of("CPU"), memory: of("MEMORY") }
}

/// `None` for a deleted one, which ECS describes for a while.
fn service(found: &types::Service) -> Option<EcsService> {
    if found.status() == Some("INACTIVE") {
        return None;
    }
    Some(EcsService {
        arn: ServiceArn::from(found.service_arn()?),
        name: found.service_name()?.to_owned(),
        desired: count(found.desired_count()),
        running: count(found.running_count()),
        pending: count(found.pending_count()),
        daemon: found.scheduling_strategy() == Some(&SchedulingStrategy::Daemon),
    })
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_quoted_bounded_and_nothing_else_gets_into_an_expression() {
        let hosts: Vec<Ec2InstanceId> = (0..HOSTS_PER_FILTER + 1).map(|n| Ec2InstanceId::new(format!("i-{n:017x}"))).collect();
        let filters = host_filters(&hosts[..2]);
        assert_eq!(filters, ["ec2InstanceId in ['i-00000000000000000', 'i-00000000000000001']"]);
        assert_eq!(host_filters(&hosts[..HOSTS_PER_FILTER]).len(), 1);
        assert_eq!(host_filters(&hosts).len(), 2);
        for odd in ["", "i-1'] or registeredAt > ['2015", "i-1, i-2", "i 1", "i-\u{e9}"] {
            assert!(host_filters(&[Ec2InstanceId::from(odd)]).is_empty(), "{odd}");
        }
    }

    #[test]
    fn what_is_missing_is_left_out_and_any_other_failure_is_none_of_an_absence() {
        let failure = |reason: &str| Failure::builder().arn("id").reason(reason).build();
        assert_eq!(only_missing("ecs:DescribeTasks", &[failure("MISSING")]), Ok(()));
        let error = only_missing("ecs:DescribeTasks", &[failure("MISSING"), failure("ThrottlingException")]).unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }

    #[test]
    fn each_item_of_a_batch_has_its_own_result() {
        let arn = |n: u32| format!("arn:aws:ecs:r:1:container-instance/c/{n}");
        let changed = [types::ContainerInstance::builder().container_instance_arn(arn(1)).build()];
        let failures = [Failure::builder().arn("arn:aws:ecs:r:1:container-instance/2").reason("INACTIVE").build()];
        let result = |n| item("ecs:UpdateContainerInstancesState", &arn(n), &changed, &failures);
        assert_eq!(result(1), Ok(()));
        assert_eq!(result(2).unwrap_err().code(), Some("INACTIVE"));
        assert!(matches!(result(3), Err(CloudError::OutcomeUnknown { .. })), "nothing was said of it");
    }
}
