//! One look at the world for many records of a stack: as few calls as their statuses need, batched.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::claims::DrainPolicy;
use strata_domain::instance_actions::Origin;
use strata_domain::lifecycle::{
    ContainerHost, ContainerSeen, Ec2Host, Ec2Seen, HostState, Observed, PingSeen, RunSeen, TaskCounts, may_have_orphan,
};
use strata_domain::model::{Instance, Volume};
use strata_domain::{ClusterArn, Ec2InstanceId, InstanceId, InstanceStatus, SsmCommandId};
use strata_ports::{
    CommandStatus, ContainerInstance, ContainerInstanceState, Ec2Instance, Ec2State, EcsTask, Ports, StackScope, StatusChecks,
};

use super::look_at_attached::look_at_attached;
use super::view::StackView;

/// What must be looked at for a record in its present status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    ec2: bool,
    /// EC2's status checks too.
    checks: bool,
    container: bool,
    ping: bool,
    setup: bool,
    shutdown: bool,
}

fn needs(record: &Instance, has_cluster: bool, now: Timestamp) -> Needs {
    let ec2 = Needs { ec2: true, ..Needs::default() };
    let all = Needs { container: true, ping: true, ..ec2 };
    if record.origin == Origin::OnPremises {
        return Needs::default();
    }
    match record.status {
        InstanceStatus::Requested | InstanceStatus::Pending | InstanceStatus::Terminated => ec2,
        InstanceStatus::Booting => Needs { ping: true, ..ec2 },
        InstanceStatus::RunningSetup => Needs { container: true, setup: true, ..ec2 },
        InstanceStatus::Online => {
            Needs { checks: true, container: true, ping: !has_cluster || record.agent_silent_since.is_some(), ..ec2 }
        }
        InstanceStatus::Rebooting => all,
        InstanceStatus::ConnectionLost => Needs { checks: true, ..all },
        InstanceStatus::Stopping | InstanceStatus::Terminating if record.healing || record.delete.is_some() => {
            Needs { container: true, ..ec2 }
        }
        InstanceStatus::Stopping | InstanceStatus::Terminating => Needs::default(),
        InstanceStatus::ShuttingDown => {
            Needs { ping: record.shutdown_command.is_none() && record.setup_command.is_some(), shutdown: true, ..all }
        }
        InstanceStatus::Stopped | InstanceStatus::StartFailed => {
            let is_recent = may_have_orphan(record.status_since, now);
            Needs { ec2: record.ec2_instance_id.is_none() && is_recent, ..Needs::default() }
        }
        InstanceStatus::SetupFailed | InstanceStatus::StopFailed => Needs::default(),
        InstanceStatus::Registered => Needs { checks: true, ping: true, ..ec2 },
        InstanceStatus::Registering | InstanceStatus::Assigning => Needs { ping: true, ..ec2 },
        InstanceStatus::Unassigning | InstanceStatus::Deregistering => Needs { shutdown: true, ..all },
    }
}

/// Looks at the world for these records of one stack.
pub(super) async fn observe(
    ports: &Ports,
    view: &StackView,
    records: &[&Instance],
    now: Timestamp,
) -> BTreeMap<InstanceId, Observed> {
    let needs: Vec<Needs> = records.iter().map(|r| needs(r, view.cluster_of(r).is_some(), now)).collect();
    let mut seen: BTreeMap<InstanceId, Observed> = records
        .iter()
        .map(|record| {
            let claim = view.claim_on(&record.id).cloned();
            let foreign_hold = view.foreign_hold_on(&record.id).is_some();
            (record.id.clone(), Observed { claim, foreign_hold, ..Observed::nothing() })
        })
        .collect();
    let with = |pick: fn(&Needs) -> bool| -> Vec<&Instance> {
        records.iter().zip(&needs).filter(|(_, need)| pick(need)).map(|(record, _)| *record).collect()
    };
    // Whose status checks do not matter is spared them: one call less for each hundred that are on their way.
    look_at_ec2(ports, &view.scope, &with(|n| n.ec2 && n.checks), StatusChecks::Asked, &mut seen).await;
    look_at_ec2(ports, &view.scope, &with(|n| n.ec2 && !n.checks), StatusChecks::Skipped, &mut seen).await;
    look_at_runs(ports, &view.scope, &with(|n| n.setup), &with(|n| n.shutdown), &mut seen).await;
    look_at_pings(ports, &view.scope, &with(|n| n.ping), &mut seen).await;
    look_at_containers(ports, view, &with(|n| n.container), &mut seen, now).await;
    look_at_attached(ports, view, records, &mut seen).await;
    seen
}

async fn look_at_ec2(
    ports: &Ports,
    scope: &StackScope,
    records: &[&Instance],
    checks: StatusChecks,
    seen: &mut BTreeMap<InstanceId, Observed>,
) {
    let ids: Vec<_> = records.iter().filter_map(|r| r.ec2_instance_id.clone()).collect();
    let described = match ids.is_empty() {
        true => Ok(Vec::new()),
        false => ports.compute.describe_instances(scope, &ids, checks).await,
    };
    // Before its launch there is nothing to find, and a repeated launch finds its machine by the token.
    let nameless: Vec<_> = records.iter().filter(|r| is_nameless(r) || may_have_a_second(r)).map(|r| r.id.clone()).collect();
    let found = match nameless.is_empty() {
        true => Ok(Vec::new()),
        false => ports.compute.find_by_record(scope, &nameless).await,
    };
    let described = described.map(|all| all.into_iter().map(|h| (h.id.clone(), h)).collect::<BTreeMap<_, _>>());
    for (record, second) in second_machines(records, found.as_deref().unwrap_or_default()) {
        if let Some(observed) = seen.get_mut(&record) {
            observed.stray = Some(second);
        }
    }
    let found = found.map(|all| all.into_iter().filter_map(|h| Some((h.instance_id.clone()?, h))).collect::<BTreeMap<_, _>>());
    let seen_as = |host_found: Option<&Ec2Instance>| host_found.map_or(Ec2Seen::Absent, |h| Ec2Seen::Seen(host(h)));
    for record in records {
        let ec2 = match (&record.ec2_instance_id, &described, &found) {
            (Some(id), Ok(all), _) => seen_as(all.get(id)),
            (None, _, Ok(all)) => seen_as(all.get(&record.id)),
            (Some(_), Err(_), _) | (None, _, Err(_)) => Ec2Seen::Unknown,
        };
        if let Some(observed) = seen.get_mut(&record.id) {
            observed.ec2 = ec2;
        }
    }
}

/// It may have a machine that it does not name.
fn is_nameless(record: &Instance) -> bool {
    record.ec2_instance_id.is_none() && record.launch_number > 0 && record.status != InstanceStatus::Requested
}

/// Its start has asked for several types, each with a token of its own, so two invocations at once may have launched a machine each.
fn may_have_a_second(record: &Instance) -> bool {
    !record.shortage.refused_types.is_empty() && matches!(record.status, InstanceStatus::Pending | InstanceStatus::Booting)
}

/// Machines that carry a record's tag beside the one that it names, and are not on their way out.
fn second_machines(records: &[&Instance], found: &[Ec2Instance]) -> Vec<(InstanceId, Ec2InstanceId)> {
    let is_alive = |host: &&Ec2Instance| !matches!(host.state, Ec2State::ShuttingDown | Ec2State::Terminated);
    let of = |record: &&&Instance| {
        let mut theirs = found.iter().filter(is_alive).filter(|host| host.instance_id.as_ref() == Some(&record.id));
        let second = theirs.find(|host| record.ec2_instance_id.as_ref().is_some_and(|own| *own != host.id))?;
        Some((record.id.clone(), second.id.clone()))
    };
    records.iter().filter(|r| may_have_a_second(r)).filter_map(|record| of(&record)).collect()
}

/// An EC2 instance in the domain's words.
pub(super) fn host(ec2: &Ec2Instance) -> Ec2Host {
    Ec2Host {
        id: ec2.id.clone(),
        state: match ec2.state {
            Ec2State::Pending => HostState::Pending,
            Ec2State::Running => HostState::Running,
            Ec2State::Stopping => HostState::Stopping,
            Ec2State::Stopped => HostState::Stopped,
            Ec2State::ShuttingDown => HostState::ShuttingDown,
            Ec2State::Terminated => HostState::Terminated,
        },
        impaired: ec2.impaired,
        instance_type: ec2.instance_type.clone(),
        launched_at: ec2.launched_at,
        private_ip: ec2.private_ip.clone(),
        public_ip: ec2.public_ip.clone(),
        volumes: ec2
            .volumes
            .iter()
            .map(|(id, mount_point)| Volume { ec2_volume_id: id.clone(), mount_point: mount_point.clone() })
            .collect(),
    }
}

async fn look_at_runs(
    ports: &Ports,
    scope: &StackScope,
    setups: &[&Instance],
    shutdowns: &[&Instance],
    seen: &mut BTreeMap<InstanceId, Observed>,
) {
    let setups = setups.iter().filter_map(|r| r.setup_command.as_ref().map(|c| (r.id.clone(), c.clone())));
    let shutdowns = shutdowns.iter().filter_map(|r| r.shutdown_command.as_ref().map(|c| (r.id.clone(), c.clone())));
    let (setups, shutdowns): (Vec<_>, Vec<_>) = (setups.collect(), shutdowns.collect());
    let ids: Vec<SsmCommandId> = setups.iter().chain(&shutdowns).map(|(_, command)| command.clone()).collect();
    if ids.is_empty() {
        return;
    }
    // No answer is as good as "not finished": deadlines bound the wait.
    let results = ports.commands.results(scope, &ids).await.unwrap_or_default();
    let results: BTreeMap<_, _> = results.into_iter().map(|r| (r.id.clone(), r)).collect();
    let run = |id: &SsmCommandId| {
        results.get(id).map_or(RunSeen::Running, |result| match result.status {
            CommandStatus::Pending | CommandStatus::InProgress => RunSeen::Running,
            CommandStatus::Success => RunSeen::Success,
            CommandStatus::Failed => RunSeen::Failed { timed_out: false },
            CommandStatus::TimedOut => RunSeen::Failed { timed_out: true },
        })
    };
    for (record, command) in &setups {
        if let Some(observed) = seen.get_mut(record) {
            observed.setup = Some(run(command));
        }
    }
    for (record, command) in &shutdowns {
        if let Some(observed) = seen.get_mut(record) {
            observed.shutdown = Some(run(command));
        }
    }
}

async fn look_at_pings(ports: &Ports, scope: &StackScope, records: &[&Instance], seen: &mut BTreeMap<InstanceId, Observed>) {
    let hosts: Vec<_> = records.iter().filter_map(|r| r.ec2_instance_id.clone()).collect();
    if hosts.is_empty() {
        return;
    }
    let Ok(pings) = ports.commands.pings(scope, &hosts).await else { return };
    let pings: BTreeMap<_, _> = pings.into_iter().map(|p| (p.host, p.last_ping)).collect();
    for record in records {
        let Some(host) = &record.ec2_instance_id else { continue };
        let ping = pings.get(host).map_or(PingSeen::Never, |at| PingSeen::At(*at));
        if let Some(observed) = seen.get_mut(&record.id) {
            observed.last_ping = ping;
        }
    }
}

async fn look_at_containers(
    ports: &Ports,
    view: &StackView,
    records: &[&Instance],
    seen: &mut BTreeMap<InstanceId, Observed>,
    now: Timestamp,
) {
    let mut by_cluster: BTreeMap<ClusterArn, Vec<&Instance>> = BTreeMap::new();
    for record in records {
        let Some(observed) = seen.get_mut(&record.id) else { continue };
        match view.cluster_of(record) {
            Some(cluster) if is_worth_asking(record, observed) => by_cluster.entry(cluster).or_default().push(record),
            Some(_) | None => observed.container = ContainerSeen::Absent,
        }
    }
    for (cluster, members) in by_cluster {
        let found = find_containers(ports, &view.scope, &cluster, &members).await;
        for record in members {
            let Some(container) = found.get(&record.id) else { continue };
            let container = match container {
                Some(container) => {
                    let tasks = tasks_of(ports, &view.scope, &cluster, record, container, seen.get(&record.id), now).await;
                    ContainerSeen::Seen(container_host(container, tasks))
                }
                None => ContainerSeen::Absent,
            };
            if let Some(observed) = seen.get_mut(&record.id) {
                observed.container = container;
            }
        }
    }
}

/// A host that never ran Setup is not in the cluster, unless somebody else has started it.
fn is_worth_asking(record: &Instance, seen: &Observed) -> bool {
    let is_running = matches!(&seen.ec2, Ec2Seen::Seen(host) if host.state == HostState::Running);
    match record.status {
        InstanceStatus::RunningSetup => seen.setup == Some(RunSeen::Success),
        _ => is_running || record.container_instance_arn.is_some() || record.setup_command.is_some(),
    }
}

/// By ARN where the record has one, else by host. A record missing from the answer: ECS did not answer for it.
async fn find_containers(
    ports: &Ports,
    scope: &StackScope,
    cluster: &ClusterArn,
    records: &[&Instance],
) -> BTreeMap<InstanceId, Option<ContainerInstance>> {
    let mut found = BTreeMap::new();
    let arns: Vec<_> = records.iter().filter_map(|r| r.container_instance_arn.clone()).collect();
    let by_arn = match arns.is_empty() {
        true => Some(Vec::new()),
        false => ports.containers.describe_container_instances(scope, cluster, &arns).await.ok(),
    };
    let by_arn = by_arn.map(|all| all.into_iter().map(|c| (c.arn.clone(), c)).collect::<BTreeMap<_, _>>());
    let mut by_host = Vec::new();
    for record in records {
        match (&record.container_instance_arn, &by_arn) {
            (Some(_), None) => {}
            (Some(arn), Some(all)) => match all.get(arn) {
                Some(container) => {
                    found.insert(record.id.clone(), Some(container.clone()));
                }
                // Deregistered by us on the way down; else by somebody, and the agent may have registered anew.
                None if record.status.is_going_down() => {
                    found.insert(record.id.clone(), None);
                }
                None => by_host.push(*record),
            },
            (None, _) => by_host.push(*record),
        }
    }
    let hosts: Vec<_> = by_host.iter().filter_map(|r| r.ec2_instance_id.clone()).collect();
    let described = match hosts.is_empty() {
        true => Ok(Vec::new()),
        false => ports.containers.find_by_host(scope, cluster, &hosts).await,
    };
    let Ok(described) = described else { return found };
    let described: BTreeMap<_, _> = described.into_iter().map(|c| (c.ec2_instance_id.clone(), c)).collect();
    for record in by_host {
        let container = record.ec2_instance_id.as_ref().and_then(|host| described.get(host));
        found.insert(record.id.clone(), container.cloned());
    }
    found
}

fn container_host(container: &ContainerInstance, tasks: Option<TaskCounts>) -> ContainerHost {
    ContainerHost {
        arn: container.arn.clone(),
        active: container.state == ContainerInstanceState::Active,
        agent_connected: container.agent_connected,
        tasks,
        registered_at: container.registered_at,
    }
}

/// The tasks on a host, where the step depends on them: on the way down and under a claim.
async fn tasks_of(
    ports: &Ports,
    scope: &StackScope,
    cluster: &ClusterArn,
    record: &Instance,
    container: &ContainerInstance,
    seen: Option<&Observed>,
    now: Timestamp,
) -> Option<TaskCounts> {
    if container.running_tasks == 0 && container.pending_tasks == 0 {
        return Some(TaskCounts::default());
    }
    let is_draining = container.state == ContainerInstanceState::Draining;
    let claim = seen.and_then(|s| s.claim.as_ref()).filter(|c| c.is_in_force(now));
    let is_wanted = match claim {
        _ if record.status.is_going_down() => is_draining,
        Some(claim) => (is_draining && record.out_of_service_since.is_none()) || claim.drain == DrainPolicy::Refuse,
        None => false,
    };
    if !is_wanted {
        return None;
    }
    ports.containers.tasks_on(scope, cluster, &container.arn).await.ok().map(|tasks| count(&tasks))
}

fn count(tasks: &[EcsTask]) -> TaskCounts {
    tasks.iter().fold(TaskCounts::default(), |mut counts, task| {
        match (task.daemon, &task.service, task.protected) {
            (true, _, _) => counts.daemon += 1,
            (false, None, _) => counts.standalone += 1,
            (false, Some(_), true) => counts.protected += 1,
            (false, Some(_), false) => counts.service += 1,
        }
        counts
    })
}
