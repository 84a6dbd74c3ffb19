//! Tasks on a container instance.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{Container, DesiredStatus, SchedulingStrategy, Task};
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, ServiceArn, TaskArn};
use strata_ports::{CloudError, EcsTask};

use super::{PER_DESCRIBE, describe_services, only_missing};
use crate::error::{Effect, sort};

/// A service that a task belongs to.
struct Owner {
    arn: ServiceArn,
    daemon: bool,
}

/// The tasks that a container instance still counts: starting, running and stopping ones. A list is by the status that a task ought to
/// have, so there are two; of those that ought to be stopped only the ones that are not yet count.
pub(super) async fn on(client: &Client, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
    let mut arns = BTreeSet::new();
    for desired in [DesiredStatus::Running, DesiredStatus::Stopped] {
        arns.extend(list(client, cluster, arn, desired).await?);
    }
    let mut tasks = describe(client, cluster, &arns.into_iter().collect::<Vec<_>>()).await?;
    tasks.retain(|task| task.last_status() != Some("STOPPED"));
    let owners = owners(client, cluster, &tasks).await?;
    let owner = |task: &Task| service_name(task).and_then(|name| owners.get(name));
    let replicas: Vec<String> = tasks
        .iter()
        .filter(|task| owner(task).is_some_and(|owner| !owner.daemon))
        .filter_map(|task| task.task_arn().map(str::to_owned))
        .collect();
    let protected = protected(client, cluster, &replicas).await?;
    Ok(tasks
        .iter()
        .filter_map(|task| {
            let arn = task.task_arn()?;
            let owner = owner(task);
            Some(EcsTask {
                arn: TaskArn::from(arn),
                service: owner.map(|owner| owner.arn.clone()),
                daemon: owner.is_some_and(|owner| owner.daemon),
                protected: protected.contains(arn),
                reserves: reserves(task),
            })
        })
        .collect())
}

/// StopTask. A task that has ended, or was told to, needs none; ECS has one error for that and for all other bad input, so what failed
/// is looked at.
pub(super) async fn stop(client: &Client, cluster: &ClusterArn, task: &TaskArn, reason: &str) -> Result<(), CloudError> {
    let request = client.stop_task().cluster(cluster.as_str()).task(task.as_str()).reason(reason);
    match request.send().await.map_err(|error| sort("ecs:StopTask", Effect::Write, error)) {
        Ok(_) => Ok(()),
        Err(error @ (CloudError::Wrong { .. } | CloudError::OutcomeUnknown { .. })) => {
            match describe(client, cluster, &[task.as_str().to_owned()]).await {
                Ok(left) if left.iter().all(|task| task.desired_status() == Some("STOPPED")) => Ok(()),
                Ok(_) | Err(_) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

async fn list(
    client: &Client,
    cluster: &ClusterArn,
    on: &ContainerInstanceArn,
    desired: DesiredStatus,
) -> Result<Vec<String>, CloudError> {
    let request = client.list_tasks().cluster(cluster.as_str()).container_instance(on.as_str()).desired_status(desired);
    let pages = request.into_paginator().page_size(PER_DESCRIBE as i32).items().send();
    pages.try_collect().await.map_err(|error| sort("ecs:ListTasks", Effect::Read, error))
}

async fn describe(client: &Client, cluster: &ClusterArn, arns: &[String]) -> Result<Vec<Task>, CloudError> {
    const ACTION: &str = "ecs:DescribeTasks";
    let mut found = Vec::with_capacity(arns.len());
    for chunk in arns.chunks(PER_DESCRIBE) {
        let request = client.describe_tasks().cluster(cluster.as_str()).set_tasks(Some(chunk.to_vec()));
        let answer = request.send().await.map_err(|error| sort(ACTION, Effect::Read, error))?;
        only_missing(ACTION, answer.failures())?;
        found.extend(answer.tasks.unwrap_or_default());
    }
    Ok(found)
}

/// `service:<name>` is the group of a service's tasks; nobody else may give it.
fn service_name(task: &Task) -> Option<&str> {
    task.group().and_then(|group| group.strip_prefix("service:"))
}

/// What a task reserves: its own figures where it has any, else its containers' together; of a container the soft limit of memory, where
/// there is one, since that is what ECS sets aside.
fn reserves(task: &Task) -> Resources {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u32>().ok());
    let all =
        |of: fn(&Container) -> Option<&str>| task.containers().iter().filter_map(|c| number(of(c))).fold(0, u32::saturating_add);
    Resources {
        cpu: number(task.cpu()).unwrap_or_else(|| all(Container::cpu)),
        memory: number(task.memory()).unwrap_or_else(|| all(|c| c.memory_reservation().or(c.memory()))),
    }
}

/// The services of these tasks, by name. One that ECS has forgotten already is named from its cluster and counts as a REPLICA one.
async fn owners(client: &Client, cluster: &ClusterArn, tasks: &[Task]) -> Result<BTreeMap<String, Owner>, CloudError> {
    let names: BTreeSet<String> = tasks.iter().filter_map(service_name).map(str::to_owned).collect();
    let arn = |name: &str| ServiceArn::new(format!("{}/{name}", cluster.as_str().replacen(":cluster/", ":service/", 1)));
    let mut owners: BTreeMap<String, Owner> =
        names.iter().map(|name| (name.clone(), Owner { arn: arn(name), daemon: false })).collect();
    for found in describe_services(client, cluster, &names.into_iter().collect::<Vec<_>>()).await? {
        let daemon = found.scheduling_strategy() == Some(&SchedulingStrategy::Daemon);
        if let (Some(name), Some(arn)) = (found.service_name(), found.service_arn()) {
            owners.insert(name.to_owned(), Owner { arn: ServiceArn::from(arn), daemon });
        }
    }
    Ok(owners)
}

/// Which of a REPLICA service's tasks have scale-in protection. Tasks that can have none, which ECS reports as failures, have none.
async fn protected(client: &Client, cluster: &ClusterArn, arns: &[String]) -> Result<BTreeSet<String>, CloudError> {
    let mut found = BTreeSet::new();
    for chunk in arns.chunks(PER_DESCRIBE) {
        let request = client.get_task_protection().cluster(cluster.as_str()).set_tasks(Some(chunk.to_vec()));
        let answer = request.send().await.map_err(|error| sort("ecs:GetTaskProtection", Effect::Read, error))?;
        let protected = answer.protected_tasks().iter().filter(|task| task.protection_enabled());
        found.extend(protected.filter_map(|task| task.task_arn().map(str::to_owned)));
    }
    Ok(found)
}
