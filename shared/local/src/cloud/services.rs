//! ECS services: the scheduler that places tasks, moves them off DRAINING container instances and scales services.
//!
//! It looks only at services to which something has happened, and each look costs what it changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strata_domain::ServiceArn;
use strata_ports::{CloudError, ContainerInstanceState, EcsService};

use super::ecs::{ClusterNo, ContainerNo, ServiceSpec};
use super::state::{State, wrong};
use super::tasks::{Phase, StoppedBy, TaskNo};

/// A service's number in this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ServiceNo(u32);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Service {
    pub(super) arn: ServiceArn,
    pub(super) cluster: ClusterNo,
    pub(super) spec: ServiceSpec,
    pub(super) pending: BTreeSet<TaskNo>,
    pub(super) running: BTreeSet<TaskNo>,
    /// Pending and running tasks on ACTIVE container instances, by zone.
    pub(super) by_zone: BTreeMap<String, BTreeSet<TaskNo>>,
    /// Pending and running tasks on DRAINING container instances.
    pub(super) on_draining: BTreeSet<TaskNo>,
    pub(super) stopping: u32,
    /// Among `running`: those whose process is over.
    pub(super) dead: u32,
}

impl Service {
    /// Running tasks that really run.
    pub(super) fn healthy(&self) -> u32 {
        count(self.running.len()).saturating_sub(self.dead)
    }

    /// How many must run, by `minimumHealthyPercent`, rounded up as ECS does.
    pub(super) fn min_running(&self) -> u32 {
        percent(self.spec.desired, self.spec.min_healthy_percent).div_ceil(100)
    }

    /// How many may be there at once, by `maximumPercent`, rounded down as ECS does.
    fn max_tasks(&self) -> u32 {
        percent(self.spec.desired, self.spec.max_percent) / 100
    }

    fn describe(&self, hosts: usize) -> EcsService {
        EcsService {
            arn: self.arn.clone(),
            name: self.spec.name.clone(),
            desired: if self.spec.daemon { count(hosts) } else { self.spec.desired },
            running: count(self.running.len()).saturating_add(self.stopping),
            pending: count(self.pending.len()),
            daemon: self.spec.daemon,
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn percent(desired: u32, percent: u32) -> u32 {
    desired.saturating_mul(percent)
}

impl State {
    pub(super) fn create_service(&mut self, cluster: ClusterNo, spec: ServiceSpec) -> ServiceArn {
        let name = self.ecs.clusters.get(&cluster).map_or(String::new(), |c| c.arn.name().to_owned());
        let arn = ServiceArn::new(self.arn("ecs", &format!("service/{name}/{}", spec.name)));
        if self.ecs.services_by_arn.contains_key(&arn) {
            return arn;
        }
        let no = ServiceNo(self.ecs.next());
        let daemon = spec.daemon;
        let service = Service {
            arn: arn.clone(),
            cluster,
            spec,
            pending: BTreeSet::new(),
            running: BTreeSet::new(),
            by_zone: BTreeMap::new(),
            on_draining: BTreeSet::new(),
            stopping: 0,
            dead: 0,
        };
        self.ecs.services.insert(no, service);
        self.ecs.services_by_arn.insert(arn.clone(), no);
        let Some(cluster) = self.ecs.clusters.get_mut(&cluster) else { return arn };
        cluster.services.insert(no);
        if daemon {
            let containers: Vec<ContainerNo> = cluster.containers.iter().copied().collect();
            containers.into_iter().for_each(|c| self.place_daemons(c));
        } else {
            self.mark(no);
        }
        arn
    }

    /// The scheduler is to look at the service.
    pub(super) fn mark(&mut self, no: ServiceNo) {
        let Some(cluster_no) = self.ecs.services.get(&no).map(|s| s.cluster) else { return };
        if let Some(cluster) = self.ecs.clusters.get_mut(&cluster_no) {
            cluster.dirty.insert(no);
            self.plan_schedule(cluster_no);
        }
    }

    pub(super) fn mark_services_of(&mut self, tasks: &[TaskNo]) {
        let services: BTreeSet<ServiceNo> = tasks.iter().filter_map(|t| self.ecs.tasks.get(t)?.service).collect();
        services.into_iter().for_each(|s| self.mark(s));
    }

    pub(super) fn on_schedule(&mut self, no: ClusterNo) {
        let Some(cluster) = self.ecs.clusters.get_mut(&no) else { return };
        cluster.is_scheduled = false;
        for service in std::mem::take(&mut cluster.dirty) {
            if self.ecs.services.get(&service).is_some_and(|s| !s.spec.daemon) {
                self.reconcile(service);
            }
        }
    }

    /// One look at a service: replacements first, as far as `maximumPercent` lets it; stops as far as `minimumHealthyPercent` does.
    fn reconcile(&mut self, no: ServiceNo) {
        let Some(service) = self.ecs.services.get(&no) else { return };
        let now = self.now;
        let is_movable = |t: &&TaskNo| self.ecs.tasks.get(t).is_some_and(|t| !t.is_protected(now));
        let movable: Vec<TaskNo> = service.on_draining.iter().filter(is_movable).copied().collect();
        let live = count(service.pending.len() + service.running.len());
        let staying = live.saturating_sub(count(movable.len()));
        let (desired, max_tasks) = (service.spec.desired, service.max_tasks());
        if staying > desired {
            self.scale_in(no, staying - desired);
        }
        let wanted = desired.saturating_sub(staying).min(max_tasks.saturating_sub(live));
        for _ in 0..wanted {
            if !self.place(no) {
                break;
            }
        }
        for task in movable {
            let Some(service) = self.ecs.services.get(&no) else { return };
            let is_running = service.running.contains(&task);
            // A task that has not started yet serves nobody.
            if !is_running || count(service.running.len()) > service.min_running() {
                self.stop_task(task, StoppedBy::Scheduler);
            }
        }
    }

    /// Stops `excess` tasks: from the fullest zone, the youngest first, no protected ones.
    fn scale_in(&mut self, no: ServiceNo, excess: u32) {
        let now = self.now;
        for _ in 0..excess {
            let Some(service) = self.ecs.services.get(&no) else { return };
            let mut zones: Vec<&BTreeSet<TaskNo>> = service.by_zone.values().collect();
            zones.sort_by_key(|tasks| std::cmp::Reverse(tasks.len()));
            let unprotected = |t: &&TaskNo| self.ecs.tasks.get(t).is_some_and(|t| !t.is_protected(now));
            let Some(victim) = zones.into_iter().find_map(|tasks| tasks.iter().rev().find(unprotected)) else { return };
            self.stop_task(*victim, StoppedBy::Scheduler);
        }
    }

    /// Places one more task of the service; without room it waits for some.
    fn place(&mut self, no: ServiceNo) -> bool {
        let Some((cluster, slots)) = self.ecs.services.get(&no).map(|s| (s.cluster, s.spec.slots)) else { return false };
        if let Some(on) = self.pick_container(cluster, Some(no), slots) {
            return self.start_task(on, Some(no), false, slots).is_some();
        }
        if let Some(cluster) = self.ecs.clusters.get_mut(&cluster) {
            cluster.starving.insert(no);
        }
        false
    }

    /// Spread over zones by the service's own tasks, then the container instance with the fewest tasks.
    pub(super) fn pick_container(&self, cluster: ClusterNo, service: Option<ServiceNo>, slots: u32) -> Option<ContainerNo> {
        let cluster = self.ecs.clusters.get(&cluster)?;
        let service = service.and_then(|s| self.ecs.services.get(&s));
        let in_zone = |zone: &String| service.and_then(|s| s.by_zone.get(zone)).map_or(0, BTreeSet::len);
        let fits = |no: &ContainerNo| self.ecs.containers.get(no).is_some_and(|c| c.slots.saturating_sub(c.used) >= slots);
        let zones = cluster.eligible.iter().filter(|(_, containers)| !containers.is_empty());
        let mut zones: Vec<_> = zones.map(|(zone, containers)| (in_zone(zone), containers)).collect();
        // Stable: equal zones stay in the order of their names. Standalone tasks go where there is most room.
        zones.sort_by_key(|(tasks, containers)| (*tasks, containers.first().map(|(used, _)| *used)));
        zones.into_iter().find_map(|(_, containers)| containers.iter().map(|(_, no)| *no).find(fits))
    }

    /// A task of each DAEMON service that has none on the container instance.
    pub(super) fn place_daemons(&mut self, on: ContainerNo) {
        let Some(container) = self.ecs.containers.get(&on).filter(|c| c.takes_tasks()) else { return };
        let present: BTreeSet<ServiceNo> = container
            .tasks
            .iter()
            .filter_map(|t| self.ecs.tasks.get(t))
            .filter(|t| t.phase != Phase::Stopping)
            .filter_map(|t| t.service)
            .collect();
        let Some(cluster) = self.ecs.clusters.get(&container.cluster) else { return };
        let is_daemon = |s: &&ServiceNo| self.ecs.services.get(s).is_some_and(|s| s.spec.daemon);
        let missing: Vec<ServiceNo> = cluster.services.difference(&present).filter(is_daemon).copied().collect();
        for service in missing {
            self.start_task(on, Some(service), true, 0);
        }
    }

    /// On a DRAINING container instance DAEMON tasks stop last, when nothing else is left there.
    pub(super) fn drain_daemons(&mut self, on: ContainerNo) {
        let Some(container) = self.ecs.containers.get(&on) else { return };
        let only_daemons = container.daemons > 0 && count(container.tasks.len()) == container.daemons;
        if container.state != ContainerInstanceState::Draining || !only_daemons {
            return;
        }
        let tasks: Vec<TaskNo> = container.tasks.iter().copied().collect();
        tasks.into_iter().for_each(|t| self.stop_task(t, StoppedBy::Scheduler));
    }

    pub(super) fn describe_services(&self, cluster: ClusterNo) -> Vec<EcsService> {
        let Some(cluster) = self.ecs.clusters.get(&cluster) else { return Vec::new() };
        cluster.services.iter().filter_map(|no| self.ecs.services.get(no)).map(|s| s.describe(cluster.containers.len())).collect()
    }

    pub(super) fn scale_service(&mut self, action: &'static str, arn: &ServiceArn, desired: u32) -> Result<(), CloudError> {
        let no =
            *self.ecs.services_by_arn.get(arn).ok_or_else(|| wrong(action, "ServiceNotFoundException", "service not found"))?;
        if let Some(service) = self.ecs.services.get_mut(&no) {
            if service.spec.daemon {
                return Err(wrong(action, "InvalidParameterException", "the desired count of a DAEMON service cannot be set"));
            }
            service.spec.desired = desired;
        }
        self.mark(no);
        Ok(())
    }

    /// DeleteService: the service is gone from the list at once, its tasks stop.
    pub(super) fn delete_service(&mut self, action: &'static str, arn: &ServiceArn) -> Result<(), CloudError> {
        let Some(no) = self.ecs.services_by_arn.get(arn).copied() else { return Ok(()) };
        let Some(service) = self.ecs.services.get(&no) else { return Ok(()) };
        if !service.spec.daemon && service.spec.desired > 0 {
            return Err(wrong(action, "InvalidParameterException", "the service cannot be deleted while it is scaled above 0"));
        }
        let tasks: Vec<TaskNo> = service.pending.iter().chain(&service.running).copied().collect();
        let cluster = service.cluster;
        tasks.into_iter().for_each(|t| self.stop_task(t, StoppedBy::Scheduler));
        self.ecs.services_by_arn.remove(arn);
        self.ecs.services.remove(&no);
        if let Some(cluster) = self.ecs.clusters.get_mut(&cluster) {
            cluster.services.remove(&no);
            cluster.dirty.remove(&no);
            cluster.starving.remove(&no);
        }
        Ok(())
    }
}
