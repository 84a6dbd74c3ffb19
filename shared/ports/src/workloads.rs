//! What runs on the hosts that a scaling event may stop, as ECS says now.

use std::collections::BTreeMap;

use strata_domain::claims::DrainPolicy;
use strata_domain::load_based::{Candidate, instances_to_look_at};
use strata_domain::workload::{Resources, TaskLoad, TaskOwner, Workload};
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, InstanceStatus};

use crate::{CloudError, ContainerInstance, ContainerInstanceState, Containers, EcsTask, StackScope};

/// Where a layer's tasks run.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The stack.
    pub scope: &'a StackScope,
    /// The layer's cluster.
    pub cluster: &'a ClusterArn,
    /// The EC2 instances behind the layer's records.
    pub hosts: &'a BTreeMap<InstanceId, Ec2InstanceId>,
    /// The layer's drain policy. With `refuse` a host with protected or standalone tasks counts as held: a stop would wait for them.
    pub drain: DrainPolicy,
}

/// Fills in the `workload` of the online members, and the tasks of those that come into question when an event stops `count`.
///
/// # Errors
/// ECS's. Nothing is to be stopped on half of what it says.
pub async fn look_at_workloads(
    containers: &dyn Containers,
    places: Places<'_>,
    members: &mut [Candidate],
    count: u32,
) -> Result<(), CloudError> {
    let Places { scope, cluster, hosts, drain } = places;
    let online = members.iter().filter(|m| m.status == InstanceStatus::Online).filter_map(|m| hosts.get(&m.id));
    let online: Vec<Ec2InstanceId> = online.cloned().collect();
    let found = containers.find_by_host(scope, cluster, &online).await?;
    let found: BTreeMap<&Ec2InstanceId, &ContainerInstance> = found.iter().map(|c| (&c.ec2_instance_id, c)).collect();
    let mut arns: BTreeMap<InstanceId, ContainerInstanceArn> = BTreeMap::new();
    for member in members.iter_mut().filter(|m| m.status == InstanceStatus::Online) {
        let container = hosts.get(&member.id).and_then(|host| found.get(host));
        arns.extend(container.map(|c| (member.id.clone(), c.arn.clone())));
        member.workload = Some(container.map(|c| counted(c)).unwrap_or_default());
    }
    for id in instances_to_look_at(members, count) {
        let tasks = match arns.get(&id) {
            Some(arn) => containers.tasks_on(scope, cluster, arn).await?,
            None => Vec::new(),
        };
        let Some(member) = members.iter_mut().find(|m| m.id == id) else { continue };
        let workload = member.workload.get_or_insert_default();
        workload.tasks = Some(tasks.iter().map(load).collect());
        member.is_held |= drain == DrainPolicy::Refuse && workload.is_stubborn();
    }
    Ok(())
}

fn counted(container: &ContainerInstance) -> Workload {
    let takes_tasks = container.state == ContainerInstanceState::Active && container.agent_connected;
    let free = if takes_tasks { container.free } else { Resources::default() };
    Workload { free, running: container.running_tasks.saturating_add(container.pending_tasks), tasks: None }
}

fn load(task: &EcsTask) -> TaskLoad {
    let owner = match (task.daemon, &task.service) {
        (true, _) => TaskOwner::Daemon,
        (false, Some(_)) => TaskOwner::Service,
        (false, None) => TaskOwner::Standalone,
    };
    TaskLoad { owner, is_protected: task.protected, reserves: task.reserves }
}
