//! ECS: clusters and container instances.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, TaskArn};
use strata_ports::{CloudError, ContainerInstance, ContainerInstanceState, Ec2State};
use strata_triggers::emit::{self, ContainerInstanceChange};

use super::ec2::HostNo;
use super::services::{Service, ServiceNo};
use super::state::{Due, Source, State, wrong};
use super::tasks::{Task, TaskNo};

/// CPU units and MiB that stand for one task slot.
const SLOT: (u32, u32) = (256, 512);

/// A cluster's number in this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ClusterNo(u32);

/// A container instance's number in this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ContainerNo(u32);

/// A service to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Name, unique in its cluster.
    pub name: String,
    /// Desired count; nothing to a DAEMON service.
    pub desired: u32,
    /// Task slots that one task takes.
    pub slots: u32,
    /// `minimumHealthyPercent`.
    pub min_healthy_percent: u32,
    /// `maximumPercent`.
    pub max_percent: u32,
    /// Scheduling strategy DAEMON: one task on each host, without a slot.
    pub daemon: bool,
    /// How many of its tasks have scale-in protection at once.
    pub protected_tasks: u32,
}

impl Default for ServiceSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            desired: 1,
            slots: 1,
            min_healthy_percent: 100,
            max_percent: 200,
            daemon: false,
            protected_tasks: 0,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub(super) arn: ClusterArn,
    pub(super) active: bool,
    pub(super) services: BTreeSet<ServiceNo>,
    pub(super) containers: BTreeSet<ContainerNo>,
    /// DRAINING or disconnected ones.
    pub(super) exceptions: BTreeSet<ContainerNo>,
    /// By zone, those that can take a task, the least used first.
    pub(super) eligible: BTreeMap<String, BTreeSet<(u32, ContainerNo)>>,
    /// By zone, ACTIVE and connected ones.
    pub(super) online: BTreeMap<String, u32>,
    /// Services that the scheduler has to look at.
    pub(super) dirty: BTreeSet<ServiceNo>,
    /// Services that found no room.
    pub(super) starving: BTreeSet<ServiceNo>,
    pub(super) is_scheduled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) arn: ContainerInstanceArn,
    pub(super) cluster: ClusterNo,
    pub(super) host: HostNo,
    pub(super) ec2_id: Ec2InstanceId,
    pub(super) zone: String,
    pub(super) state: ContainerInstanceState,
    pub(super) connected: bool,
    pub(super) registered_at: Timestamp,
    version: u64,
    pub(super) slots: u32,
    pub(super) used: u32,
    pub(super) tasks: BTreeSet<TaskNo>,
    pub(super) running: u32,
    pub(super) pending: u32,
    /// Tasks of DAEMON services among `tasks`.
    pub(super) daemons: u32,
    /// Under which use it stands among the eligible.
    eligible_as: Option<u32>,
    counts_online: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ecs {
    pub(super) clusters: BTreeMap<ClusterNo, Cluster>,
    pub(super) by_arn: BTreeMap<ClusterArn, ClusterNo>,
    pub(super) containers: BTreeMap<ContainerNo, Container>,
    pub(super) containers_by_arn: BTreeMap<ContainerInstanceArn, ContainerNo>,
    pub(super) by_host: BTreeMap<Ec2InstanceId, ContainerNo>,
    pub(super) services: BTreeMap<ServiceNo, Service>,
    pub(super) services_by_arn: BTreeMap<ServiceArn, ServiceNo>,
    pub(super) tasks: BTreeMap<TaskNo, Task>,
    pub(super) tasks_by_arn: BTreeMap<TaskArn, TaskNo>,
    pub(super) tasks_interrupted: u64,
    next: u32,
}

impl Container {
    pub(super) fn takes_tasks(&self) -> bool {
        self.state == ContainerInstanceState::Active && self.connected
    }

    fn describe(&self) -> ContainerInstance {
        ContainerInstance {
            arn: self.arn.clone(),
            ec2_instance_id: self.ec2_id.clone(),
            state: self.state,
            agent_connected: self.connected,
            agent_version: Some("1.98.0".to_owned()),
            running_tasks: self.running,
            pending_tasks: self.pending,
            registered_at: self.registered_at,
            free: slots(self.slots.saturating_sub(self.used)),
        }
    }
}

/// So many slots, as ECS counts.
pub(super) fn slots(count: u32) -> Resources {
    Resources { cpu: count.saturating_mul(SLOT.0), memory: count.saturating_mul(SLOT.1) }
}

impl Ecs {
    pub(super) fn next(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Brings the cluster's indexes up to date after a change of the container instance; `true`: it has more room than before.
    pub(super) fn reindex(&mut self, no: ContainerNo) -> bool {
        let Some(container) = self.containers.get_mut(&no) else { return false };
        let Some(cluster) = self.clusters.get_mut(&container.cluster) else { return false };
        let takes = container.takes_tasks();
        let key = (takes && container.used < container.slots).then_some(container.used);
        let before = std::mem::replace(&mut container.eligible_as, key);
        let zone = cluster.eligible.entry(container.zone.clone()).or_default();
        if before != key {
            if let Some(used) = before {
                zone.remove(&(used, no));
            }
            if let Some(used) = key {
                zone.insert((used, no));
            }
        }
        if std::mem::replace(&mut container.counts_online, takes) != takes {
            let online = cluster.online.entry(container.zone.clone()).or_default();
            *online = if takes { *online + 1 } else { online.saturating_sub(1) };
        }
        if takes {
            cluster.exceptions.remove(&no);
        } else {
            cluster.exceptions.insert(no);
        }
        match (before, key) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(now)) => now < before,
        }
    }

    pub(super) fn describe(&self, nos: impl IntoIterator<Item = ContainerNo>) -> Vec<ContainerInstance> {
        nos.into_iter().filter_map(|no| self.containers.get(&no)).map(Container::describe).collect()
    }
}

impl State {
    pub(super) fn create_cluster(&mut self, name: &str) -> ClusterArn {
        let arn = ClusterArn::new(self.arn("ecs", &format!("cluster/{name}")));
        if !self.ecs.by_arn.contains_key(&arn) {
            let no = ClusterNo(self.ecs.next());
            let cluster = Cluster {
                arn: arn.clone(),
                active: true,
                services: BTreeSet::new(),
                containers: BTreeSet::new(),
                exceptions: BTreeSet::new(),
                eligible: BTreeMap::new(),
                online: BTreeMap::new(),
                dirty: BTreeSet::new(),
                starving: BTreeSet::new(),
                is_scheduled: false,
            };
            self.ecs.clusters.insert(no, cluster);
            self.ecs.by_arn.insert(arn.clone(), no);
        }
        arn
    }

    pub(super) fn cluster_no(&self, action: &'static str, arn: &ClusterArn) -> Result<ClusterNo, CloudError> {
        let known = self.ecs.by_arn.get(arn).copied().filter(|no| self.ecs.clusters.get(no).is_some_and(|c| c.active));
        known.ok_or_else(|| wrong(action, "ClusterNotFoundException", format!("cluster {arn} not found")))
    }

    /// The agent registers its host as a new container instance.
    pub(super) fn register(&mut self, host_no: HostNo, cluster: ClusterNo) {
        let Some(name) = self.ecs.clusters.get(&cluster).map(|c| c.arn.name().to_owned()) else { return };
        let hex = self.hex(32);
        let arn = ContainerInstanceArn::new(self.arn("ecs", &format!("container-instance/{name}/{hex}")));
        let Some(instance_type) = self.ec2.hosts.get(&host_no).map(|h| h.spec.instance_type.clone()) else { return };
        let slots = self.slots_of(&instance_type);
        let no = ContainerNo(self.ecs.next());
        let Some(host) = self.ec2.hosts.get_mut(&host_no) else { return };
        (host.container, host.cluster) = (Some(no), Some(cluster));
        let container = Container {
            arn: arn.clone(),
            cluster,
            host: host_no,
            ec2_id: host.id.clone(),
            zone: host.spec.availability_zone.clone(),
            state: ContainerInstanceState::Active,
            connected: true,
            registered_at: self.now,
            version: 0,
            slots,
            used: 0,
            tasks: BTreeSet::new(),
            running: 0,
            pending: 0,
            daemons: 0,
            eligible_as: None,
            counts_online: false,
        };
        self.ecs.by_host.insert(host.id.clone(), no);
        self.ecs.containers.insert(no, container);
        self.ecs.containers_by_arn.insert(arn, no);
        if let Some(cluster) = self.ecs.clusters.get_mut(&cluster) {
            cluster.containers.insert(no);
        }
        self.container_changed(no);
        self.place_daemons(no);
    }

    /// The agent is connected, after a boot or after it had lost its connection.
    pub(super) fn connect(&mut self, no: ContainerNo) {
        let Some(container) = self.ecs.containers.get_mut(&no).filter(|c| !c.connected) else { return };
        container.connected = true;
        self.sweep_dead_tasks(no);
        self.container_changed(no);
        self.place_daemons(no);
    }

    /// The agent has lost its connection. The container instance stays registered [ECS-123].
    pub(super) fn disconnect(&mut self, no: ContainerNo) {
        let Some(container) = self.ecs.containers.get_mut(&no).filter(|c| c.connected) else { return };
        container.connected = false;
        self.container_changed(no);
    }

    /// After any change that ECS tells: indexes, the event, and the services that wait for room.
    pub(super) fn container_changed(&mut self, no: ContainerNo) {
        let has_more_room = self.ecs.reindex(no);
        self.tell_container(no, None);
        if has_more_room {
            self.feed_starving(no);
        }
    }

    /// Services that found no room look again, since a container instance has more of it.
    pub(super) fn feed_starving(&mut self, no: ContainerNo) {
        let Some(cluster_no) = self.ecs.containers.get(&no).map(|c| c.cluster) else { return };
        let Some(cluster) = self.ecs.clusters.get_mut(&cluster_no) else { return };
        if !cluster.starving.is_empty() {
            let starving = std::mem::take(&mut cluster.starving);
            cluster.dirty.extend(starving);
            self.plan_schedule(cluster_no);
        }
    }

    fn tell_container(&mut self, no: ContainerNo, status: Option<&'static str>) {
        let Some(container) = self.ecs.containers.get_mut(&no) else { return };
        container.version += 1;
        let status = status.unwrap_or(match container.state {
            ContainerInstanceState::Active => "ACTIVE",
            ContainerInstanceState::Draining => "DRAINING",
        });
        let (connected, version) = (container.connected, container.version);
        let free = container.slots.saturating_sub(container.used);
        let resources = |slots: u32| (slots.saturating_mul(SLOT.0), slots.saturating_mul(SLOT.1));
        let (registered, remaining) = (resources(container.slots), resources(free));
        let (arn, ec2) = (container.arn.clone(), container.ec2_id.clone());
        let Some(cluster) = self.ecs.clusters.get(&container.cluster).map(|c| c.arn.clone()) else { return };
        self.tell(Source::Ecs, |e| {
            let change = ContainerInstanceChange {
                cluster: cluster.as_str(),
                container_instance: arn.as_str(),
                ec2_instance: ec2.as_str(),
                agent_connected: connected,
                status,
                version,
                registered,
                remaining,
            };
            emit::container_instance_state_change(e, &change)
        });
    }

    /// UpdateContainerInstancesState, one of them.
    pub(super) fn set_container_state(
        &mut self,
        cluster: ClusterNo,
        arn: &ContainerInstanceArn,
        state: ContainerInstanceState,
    ) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:UpdateContainerInstancesState";
        let missing = || wrong(ACTION, "InvalidParameterException", format!("container instance {arn} is MISSING"));
        let no = *self.ecs.containers_by_arn.get(arn).ok_or_else(missing)?;
        let container = self.ecs.containers.get_mut(&no).filter(|c| c.cluster == cluster).ok_or_else(missing)?;
        if container.state == state {
            return Ok(());
        }
        // Tasks stand in their service's books by the state of their container instance.
        let tasks: Vec<TaskNo> = container.tasks.iter().copied().collect();
        tasks.iter().for_each(|task| self.unlink(*task));
        if let Some(container) = self.ecs.containers.get_mut(&no) {
            container.state = state;
        }
        tasks.iter().for_each(|task| self.link(*task));
        self.container_changed(no);
        self.mark_services_of(&tasks);
        match state {
            ContainerInstanceState::Active => self.place_daemons(no),
            ContainerInstanceState::Draining => self.drain_daemons(no),
        }
        Ok(())
    }

    /// DeregisterContainerInstance without `force`.
    pub(super) fn deregister(&mut self, cluster: ClusterNo, arn: &ContainerInstanceArn) -> Result<(), CloudError> {
        const ACTION: &str = "ecs:DeregisterContainerInstance";
        let Some(no) = self.ecs.containers_by_arn.get(arn).copied() else { return Ok(()) };
        let Some(container) = self.ecs.containers.get(&no) else { return Ok(()) };
        if container.cluster != cluster {
            return Err(wrong(ACTION, "InvalidParameterException", format!("{arn} is not in the cluster")));
        }
        if !container.tasks.is_empty() {
            return Err(wrong(ACTION, "InvalidParameterException", "found running tasks on the instance"));
        }
        self.forget_container(no);
        Ok(())
    }

    /// The container instance becomes INACTIVE; the agent's saved state is of no use any more.
    pub(super) fn forget_container(&mut self, no: ContainerNo) {
        let Some(container) = self.ecs.containers.get_mut(&no) else { return };
        container.connected = false;
        let (host, tasks) = (container.host, container.tasks.clone());
        self.ecs.reindex(no);
        tasks.iter().for_each(|task| self.remove_task(*task));
        self.tell_container(no, Some("INACTIVE"));
        let Some(container) = self.ecs.containers.remove(&no) else { return };
        self.ecs.containers_by_arn.remove(&container.arn);
        if self.ecs.by_host.get(&container.ec2_id) == Some(&no) {
            self.ecs.by_host.remove(&container.ec2_id);
        }
        if let Some(cluster) = self.ecs.clusters.get_mut(&container.cluster) {
            cluster.containers.remove(&no);
            cluster.exceptions.remove(&no);
        }
        if let Some(host) = self.ec2.hosts.get_mut(&host) {
            host.container = None;
        }
    }

    /// Tells that the container instance has no task left, while it drains.
    pub(super) fn tell_if_drained(&mut self, no: ContainerNo) {
        let is_drained = |c: &Container| c.state == ContainerInstanceState::Draining && c.tasks.is_empty();
        if self.ecs.containers.get(&no).is_some_and(is_drained) {
            self.tell_container(no, None);
        }
    }

    /// Whether the tasks on the container instance can be reached.
    pub(super) fn is_reachable(&self, no: ContainerNo) -> bool {
        let Some(container) = self.ecs.containers.get(&no).filter(|c| c.connected) else { return false };
        self.ec2.hosts.get(&container.host).is_some_and(|h| h.up && h.state == Ec2State::Running)
    }

    pub(super) fn plan_schedule(&mut self, no: ClusterNo) {
        if let Some(cluster) = self.ecs.clusters.get_mut(&no).filter(|c| !c.is_scheduled) {
            cluster.is_scheduled = true;
            self.plan(self.config.ecs.scheduler_ms, Due::Schedule(no));
        }
    }
}
