//! ECS: clusters, container instances, tasks, services; and what a user makes there.

use serde_json::{Value, json};
use strata_domain::{ClusterArn, ContainerInstanceArn, ServiceArn, TaskArn};
use strata_local::cloud::{ContainerView, ServiceSpec};
use strata_ports::{CloudError, ContainerInstance, ContainerInstanceState, Containers, EcsService, EcsTask, ItemResult};

use super::{Failure, Served, optional, seconds, text, texts, unknown};

pub(super) async fn answer(served: &Served, operation: &str, p: &Value) -> Result<Value, Failure> {
    let (cloud, scope) = (&served.cloud, &served.scope);
    match operation {
        "CreateCluster" => {
            let arn = cloud.create_cluster(text(p, "clusterName")?);
            Ok(json!({ "cluster": cluster(&arn, true) }))
        }
        "CreateService" => create_service(served, p),
        "DescribeClusters" => describe_clusters(served, p).await,
        "ListContainerInstances" => list_container_instances(served, p),
        "DescribeContainerInstances" => describe_container_instances(served, p).await,
        "UpdateContainerInstancesState" => update_state(served, p).await,
        "DeregisterContainerInstance" => {
            let (cluster, arn) = (cluster_of(p)?, ContainerInstanceArn::from(text(p, "containerInstance")?));
            cloud.deregister(scope, &cluster, &arn).await?;
            Ok(json!({ "containerInstance": { "containerInstanceArn": arn, "status": "INACTIVE" } }))
        }
        "ListTasks" => list_tasks(served, p).await,
        "DescribeTasks" => describe_tasks(served, p).await,
        "GetTaskProtection" => protection(served, p).await,
        "StopTask" => {
            let task = TaskArn::from(text(p, "task")?);
            cloud.stop_task(scope, &cluster_of(p)?, &task, optional(p, "reason").unwrap_or_default()).await?;
            Ok(json!({ "task": { "taskArn": task, "desiredStatus": "STOPPED" } }))
        }
        "ListServices" => {
            let services = cloud.services(scope, &cluster_of(p)?).await?;
            Ok(json!({ "serviceArns": services.iter().map(|service| &service.arn).collect::<Vec<_>>() }))
        }
        "DescribeServices" => describe_services(served, p).await,
        "UpdateService" => {
            let desired = p["desiredCount"].as_u64().and_then(|count| u32::try_from(count).ok());
            let desired = desired.ok_or_else(|| Failure::new("InvalidParameterException", "desiredCount is missing"))?;
            let found = service_arn(served, p).await?;
            cloud.scale_service(scope, &cluster_of(p)?, &found, desired).await?;
            Ok(json!({ "service": { "serviceArn": found, "desiredCount": desired } }))
        }
        "DeleteService" => {
            let found = service_arn(served, p).await?;
            cloud.delete_service(scope, &cluster_of(p)?, &found).await?;
            Ok(json!({ "service": { "serviceArn": found, "status": "INACTIVE" } }))
        }
        other => Err(unknown(other)),
    }
}

fn cluster_of(p: &Value) -> Result<ClusterArn, Failure> {
    Ok(ClusterArn::from(text(p, "cluster")?))
}

fn cluster(arn: &ClusterArn, active: bool) -> Value {
    json!({ "clusterArn": arn, "clusterName": arn.name(), "status": if active { "ACTIVE" } else { "INACTIVE" } })
}

fn missing<'a>(arns: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    arns.into_iter().map(|arn| json!({ "arn": arn, "reason": "MISSING" })).collect()
}

fn create_service(served: &Served, p: &Value) -> Result<Value, Failure> {
    let spec = ServiceSpec {
        name: text(p, "serviceName")?.to_owned(),
        desired: p["desiredCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        daemon: optional(p, "schedulingStrategy") == Some("DAEMON"),
        ..ServiceSpec::default()
    };
    let arn = served.cloud.create_service(&cluster_of(p)?, spec)?;
    Ok(json!({ "service": { "serviceArn": arn, "status": "ACTIVE" } }))
}

async fn describe_clusters(served: &Served, p: &Value) -> Result<Value, Failure> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in texts(p, "clusters") {
        match served.cloud.describe_cluster(&served.scope, &ClusterArn::from(arn)).await? {
            Some(view) => found.push(cluster(&view.arn, view.active)),
            None => failures.extend(missing([arn])),
        }
    }
    Ok(json!({ "clusters": found, "failures": failures }))
}

/// The part of the cluster query language that Strata speaks.
#[derive(Debug, PartialEq, Eq)]
enum Filter {
    All,
    Hosts(Vec<String>),
    Disconnected,
}

impl Filter {
    fn parse(filter: Option<&str>) -> Result<Self, Failure> {
        let Some(filter) = filter else { return Ok(Self::All) };
        let squeezed = filter.replace(' ', "");
        if squeezed == "agentConnected==false" {
            return Ok(Self::Disconnected);
        }
        let ids = squeezed.strip_prefix("ec2InstanceIdin[").and_then(|rest| rest.strip_suffix(']'));
        let ids = ids.or_else(|| squeezed.strip_prefix("ec2InstanceId=="));
        match ids {
            Some(ids) => Ok(Self::Hosts(ids.split(',').map(|id| id.trim_matches('\'').to_owned()).collect())),
            None => Err(Failure::new("InvalidParameterException", format!("this filter is not understood here: {filter}"))),
        }
    }

    fn lets(&self, container: &ContainerView) -> bool {
        match self {
            Self::All => true,
            Self::Hosts(ids) => ids.iter().any(|id| id == container.ec2_id.as_str()),
            Self::Disconnected => !container.connected,
        }
    }
}

fn list_container_instances(served: &Served, p: &Value) -> Result<Value, Failure> {
    let (cluster, filter) = (cluster_of(p)?, Filter::parse(optional(p, "filter"))?);
    let status = optional(p, "status");
    let world = served.cloud.world_view();
    if !served.cloud.cluster_arns().contains(&cluster) {
        return Err(Failure::new("ClusterNotFoundException", format!("cluster {cluster} not found")));
    }
    let arns: Vec<&ContainerInstanceArn> = world
        .containers
        .iter()
        .filter(|c| c.cluster == cluster && filter.lets(c) && status.is_none_or(|status| status == spelled(c.state)))
        .map(|c| &c.arn)
        .collect();
    Ok(json!({ "containerInstanceArns": arns }))
}

fn spelled(state: ContainerInstanceState) -> &'static str {
    match state {
        ContainerInstanceState::Active => "ACTIVE",
        ContainerInstanceState::Draining => "DRAINING",
    }
}

fn container(found: &ContainerInstance) -> Value {
    json!({
        "containerInstanceArn": found.arn,
        "ec2InstanceId": found.ec2_instance_id,
        "status": spelled(found.state),
        "agentConnected": found.agent_connected,
        "runningTasksCount": found.running_tasks,
        "pendingTasksCount": found.pending_tasks,
        "registeredAt": seconds(found.registered_at),
        "remainingResources": [
            { "name": "CPU", "type": "INTEGER", "integerValue": found.free.cpu },
            { "name": "MEMORY", "type": "INTEGER", "integerValue": found.free.memory },
        ],
    })
}

fn container_arns(p: &Value) -> Vec<ContainerInstanceArn> {
    texts(p, "containerInstances").into_iter().map(ContainerInstanceArn::from).collect()
}

async fn describe_container_instances(served: &Served, p: &Value) -> Result<Value, Failure> {
    let arns = container_arns(p);
    let found = served.cloud.describe_container_instances(&served.scope, &cluster_of(p)?, &arns).await?;
    let gone = arns.iter().filter(|arn| !found.iter().any(|c| c.arn == **arn)).map(ContainerInstanceArn::as_str);
    Ok(json!({ "containerInstances": found.iter().map(container).collect::<Vec<_>>(), "failures": missing(gone) }))
}

async fn update_state(served: &Served, p: &Value) -> Result<Value, Failure> {
    let (cluster, arns) = (cluster_of(p)?, container_arns(p));
    let state = match text(p, "status")? {
        "ACTIVE" => ContainerInstanceState::Active,
        "DRAINING" => ContainerInstanceState::Draining,
        other => return Err(Failure::new("InvalidParameterException", format!("a status cannot be set to {other}"))),
    };
    let results = served.cloud.set_state(&served.scope, &cluster, &arns, state).await?;
    let failures: Vec<Value> = results.iter().filter_map(failed).collect();
    let found = served.cloud.describe_container_instances(&served.scope, &cluster, &arns).await?;
    Ok(json!({ "containerInstances": found.iter().map(container).collect::<Vec<_>>(), "failures": failures }))
}

fn failed(item: &ItemResult<ContainerInstanceArn>) -> Option<Value> {
    let error: &CloudError = item.result.as_ref().err()?;
    let reason = if error.code() == Some("InvalidParameterException") { "INACTIVE" } else { error.code().unwrap_or("MISSING") };
    Some(json!({ "arn": item.id, "reason": reason, "detail": error.to_string() }))
}

/// A list by the status that tasks ought to have; a container instance's own tasks are those that ought to run.
async fn list_tasks(served: &Served, p: &Value) -> Result<Value, Failure> {
    if optional(p, "desiredStatus") == Some("STOPPED") {
        return Ok(json!({ "taskArns": [] }));
    }
    let on = text(p, "containerInstance")?;
    let tasks = served.cloud.tasks_on(&served.scope, &cluster_of(p)?, &ContainerInstanceArn::from(on)).await?;
    let mut remembered = served.remembered();
    for task in &tasks {
        remembered.tasks.insert(task.arn.to_string(), on.to_owned());
    }
    Ok(json!({ "taskArns": tasks.iter().map(|task| &task.arn).collect::<Vec<_>>() }))
}

/// The tasks that are asked for and still there, with their container instance. ECS describes by ARN, the cloud by container instance;
/// which one it was, a list has told before.
async fn tasks(served: &Served, p: &Value) -> Result<Vec<(EcsTask, String)>, Failure> {
    let (cluster, asked) = (cluster_of(p)?, texts(p, "tasks"));
    let mut places: Vec<String> = asked.iter().filter_map(|task| served.remembered().tasks.get(*task).cloned()).collect();
    places.sort_unstable();
    places.dedup();
    let mut found = Vec::new();
    for place in places {
        let on = served.cloud.tasks_on(&served.scope, &cluster, &ContainerInstanceArn::from(place.as_str())).await?;
        found.extend(on.into_iter().filter(|task| asked.contains(&task.arn.as_str())).map(|task| (task, place.clone())));
    }
    Ok(found)
}

async fn describe_tasks(served: &Served, p: &Value) -> Result<Value, Failure> {
    let found = tasks(served, p).await?;
    let gone = texts(p, "tasks").into_iter().filter(|arn| !found.iter().any(|(task, _)| task.arn.as_str() == *arn));
    let shown: Vec<Value> = found.iter().map(|(task, place)| described(task, place)).collect();
    Ok(json!({ "tasks": shown, "failures": missing(gone) }))
}

fn described(task: &EcsTask, place: &str) -> Value {
    let group = task.service.as_ref().map_or_else(|| "family:any".to_owned(), |arn| format!("service:{}", name(arn)));
    json!({
        "taskArn": task.arn, "containerInstanceArn": place, "group": group, "lastStatus": "RUNNING", "desiredStatus": "RUNNING",
        "cpu": task.reserves.cpu.to_string(), "memory": task.reserves.memory.to_string(),
    })
}

fn name(service: &ServiceArn) -> &str {
    service.as_str().rsplit('/').next().unwrap_or_default()
}

async fn protection(served: &Served, p: &Value) -> Result<Value, Failure> {
    let found = tasks(served, p).await?;
    let shown: Vec<Value> =
        found.iter().map(|(task, _)| json!({ "taskArn": task.arn, "protectionEnabled": task.protected })).collect();
    Ok(json!({ "protectedTasks": shown, "failures": [] }))
}

/// By name or ARN.
fn is_called(service: &EcsService, by: &str) -> bool {
    service.arn.as_str() == by || service.name == by
}

async fn describe_services(served: &Served, p: &Value) -> Result<Value, Failure> {
    let services = served.cloud.services(&served.scope, &cluster_of(p)?).await?;
    let asked = texts(p, "services");
    let found: Vec<&EcsService> = services.iter().filter(|service| asked.iter().any(|by| is_called(service, by))).collect();
    let gone = asked.into_iter().filter(|by| !found.iter().any(|service| is_called(service, by)));
    let shown: Vec<Value> = found.iter().map(|service| described_service(service)).collect();
    Ok(json!({ "services": shown, "failures": missing(gone) }))
}

fn described_service(service: &EcsService) -> Value {
    json!({
        "serviceArn": service.arn,
        "serviceName": service.name,
        "status": "ACTIVE",
        "desiredCount": service.desired,
        "runningCount": service.running,
        "pendingCount": service.pending,
        "schedulingStrategy": if service.daemon { "DAEMON" } else { "REPLICA" },
    })
}

async fn service_arn(served: &Served, p: &Value) -> Result<ServiceArn, Failure> {
    let by = text(p, "service")?;
    let services = served.cloud.services(&served.scope, &cluster_of(p)?).await?;
    let found = services.into_iter().find(|service| is_called(service, by)).map(|service| service.arn);
    found.ok_or_else(|| Failure::new("ServiceNotFoundException", "Service not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_that_strata_sends_are_understood_and_others_are_refused() {
        let hosts = |ids: &[&str]| Filter::Hosts(ids.iter().map(|id| (*id).to_owned()).collect());
        for (filter, expected) in [
            (None, Filter::All),
            (Some("agentConnected == false"), Filter::Disconnected),
            (Some("ec2InstanceId in ['i-1', 'i-2']"), hosts(&["i-1", "i-2"])),
            (Some("ec2InstanceId == 'i-1'"), hosts(&["i-1"])),
        ] {
            assert_eq!(Filter::parse(filter).unwrap(), expected, "{filter:?}");
        }
        assert!(Filter::parse(Some("registeredAt > 2015")).unwrap_err().message.contains("registeredAt > 2015"));
    }
}
