//! ECS tasks: they start, run, stop, and end with their host.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::TaskArn;
use strata_ports::{ContainerInstanceState, EcsTask};

use super::ecs::{ClusterNo, ContainerNo, slots};
use super::services::ServiceNo;
use super::state::{Due, State, after};

/// A task's number in this world; a younger task has a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TaskNo(u32);

/// ECS's last status, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Pending,
    Running,
    /// Ordered to stop; ECS still counts it as running.
    Stopping,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) arn: TaskArn,
    pub(super) container: ContainerNo,
    pub(super) service: Option<ServiceNo>,
    pub(super) daemon: bool,
    pub(super) phase: Phase,
    /// Its process is over, though ECS doesn't know.
    pub(super) dead: bool,
    pub(super) protected_until: Option<Timestamp>,
    slots: u32,
}

impl Task {
    pub(super) fn is_protected(&self, now: Timestamp) -> bool {
        self.protected_until.is_some_and(|until| now < until)
    }
}

/// Whether a stop is the scheduler's own or StopTask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum StoppedBy {
    Scheduler,
    Call,
}

impl State {
    /// A new task on a container instance.
    pub(super) fn start_task(&mut self, on: ContainerNo, service: Option<ServiceNo>, daemon: bool, slots: u32) -> Option<TaskNo> {
        let container = self.ecs.containers.get(&on)?;
        let cluster = self.ecs.clusters.get(&container.cluster)?.arn.name().to_owned();
        let hex = self.hex(32);
        let arn = TaskArn::new(self.arn("ecs", &format!("task/{cluster}/{hex}")));
        let no = TaskNo(self.ecs.next());
        let slots = if daemon { 0 } else { slots };
        let task = Task {
            arn: arn.clone(),
            container: on,
            service,
            daemon,
            phase: Phase::Pending,
            dead: false,
            protected_until: None,
            slots,
        };
        self.ecs.tasks.insert(no, task);
        self.ecs.tasks_by_arn.insert(arn, no);
        if let Some(container) = self.ecs.containers.get_mut(&on) {
            container.tasks.insert(no);
            container.used += slots;
            container.daemons += u32::from(daemon);
        }
        self.link(no);
        self.ecs.reindex(on);
        let ms = self.config.ecs.task_start.draw(&mut self.streams.ecs);
        self.plan(ms, Due::TaskRunning(no));
        Some(no)
    }

    /// Enters the task into its container instance's and its service's books, by its phase.
    pub(super) fn link(&mut self, no: TaskNo) {
        self.book(no, true);
    }

    /// Takes it out of them.
    pub(super) fn unlink(&mut self, no: TaskNo) {
        self.book(no, false);
    }

    fn book(&mut self, no: TaskNo, enters: bool) {
        let Some(task) = self.ecs.tasks.get(&no) else { return };
        let Some(container) = self.ecs.containers.get_mut(&task.container) else { return };
        let count = |n: &mut u32| *n = if enters { *n + 1 } else { n.saturating_sub(1) };
        match task.phase {
            Phase::Pending => count(&mut container.pending),
            Phase::Running | Phase::Stopping => count(&mut container.running),
        }
        let Some(service) = task.service.and_then(|s| self.ecs.services.get_mut(&s)) else { return };
        let set = |tasks: &mut BTreeSet<TaskNo>| {
            let _was_there = if enters { tasks.insert(no) } else { tasks.remove(&no) };
        };
        match task.phase {
            Phase::Pending => set(&mut service.pending),
            Phase::Running => {
                set(&mut service.running);
                if task.dead {
                    count(&mut service.dead);
                }
            }
            Phase::Stopping => {
                count(&mut service.stopping);
                return;
            }
        }
        match container.state {
            ContainerInstanceState::Active => set(service.by_zone.entry(container.zone.clone()).or_default()),
            ContainerInstanceState::Draining => set(&mut service.on_draining),
        }
    }

    fn set_phase(&mut self, no: TaskNo, phase: Phase) {
        self.unlink(no);
        if let Some(task) = self.ecs.tasks.get_mut(&no) {
            task.phase = phase;
        }
        self.link(no);
    }

    pub(super) fn on_task_running(&mut self, no: TaskNo) {
        let Some(task) = self.ecs.tasks.get(&no).filter(|t| t.phase == Phase::Pending && !t.dead) else { return };
        let (on, service) = (task.container, task.service);
        if !self.is_reachable(on) {
            // ECS cannot see it start; `connect` plans this again.
            return;
        }
        self.set_phase(no, Phase::Running);
        if let Some(service) = service {
            self.protect_if_wanted(service, no);
            self.mark(service);
        }
    }

    fn protect_if_wanted(&mut self, service: ServiceNo, no: TaskNo) {
        let Some(service) = self.ecs.services.get(&service).filter(|s| s.spec.protected_tasks > 0) else { return };
        let now = self.now;
        let protected = service.running.iter().filter_map(|t| self.ecs.tasks.get(t)).filter(|t| t.is_protected(now)).count();
        if protected < service.spec.protected_tasks as usize {
            self.protect(no, after(now, self.config.ecs.protection_ms));
        }
    }

    pub(super) fn protect(&mut self, no: TaskNo, until: Timestamp) {
        if let Some(task) = self.ecs.tasks.get_mut(&no) {
            task.protected_until = Some(until);
            self.plan_at(until, Due::ProtectionEnds(no));
        }
    }

    pub(super) fn on_protection_ends(&mut self, no: TaskNo) {
        if let Some(service) = self.ecs.tasks.get(&no).and_then(|t| t.service) {
            self.mark(service);
        }
    }

    /// Orders a task to stop. One that has not started is gone at once.
    pub(super) fn stop_task(&mut self, no: TaskNo, by: StoppedBy) {
        let Some(task) = self.ecs.tasks.get(&no) else { return };
        let (on, service, counts) = (task.container, task.service, by == StoppedBy::Call && !task.daemon && !task.dead);
        match task.phase {
            Phase::Stopping => return,
            Phase::Pending => return self.remove_task(no),
            Phase::Running => {}
        }
        if counts && service.and_then(|s| self.ecs.services.get(&s)).is_some_and(|s| s.healthy() <= s.min_running()) {
            self.ecs.tasks_interrupted += 1;
        }
        self.set_phase(no, Phase::Stopping);
        let drawn = self.config.ecs.task_stop.draw(&mut self.streams.ecs);
        let ms = if self.is_reachable(on) { drawn } else { self.config.ecs.task_stop_unreachable_ms };
        self.plan(ms, Due::TaskStopped(no));
        if let Some(service) = service {
            self.mark(service);
        }
    }

    pub(super) fn on_task_stopped(&mut self, no: TaskNo) {
        if self.ecs.tasks.get(&no).is_some_and(|t| t.phase == Phase::Stopping) {
            self.remove_task(no);
        }
    }

    /// The task is over and ECS knows.
    pub(super) fn remove_task(&mut self, no: TaskNo) {
        self.unlink(no);
        let Some(task) = self.ecs.tasks.remove(&no) else { return };
        self.ecs.tasks_by_arn.remove(&task.arn);
        if let Some(container) = self.ecs.containers.get_mut(&task.container) {
            container.tasks.remove(&no);
            container.used = container.used.saturating_sub(task.slots);
            container.daemons = container.daemons.saturating_sub(u32::from(task.daemon));
        }
        if self.ecs.reindex(task.container) {
            self.feed_starving(task.container);
        }
        self.drain_daemons(task.container);
        self.tell_if_drained(task.container);
        if let Some(service) = task.service {
            self.mark(service);
        }
    }

    /// The host's OS ends: its tasks with it. `is_told`: ECS hears of it; otherwise it believes that they still run.
    pub(super) fn end_tasks(&mut self, on: ContainerNo, is_told: bool) {
        let Some(container) = self.ecs.containers.get(&on) else { return };
        let tasks: Vec<TaskNo> = container.tasks.iter().copied().collect();
        for no in tasks {
            let Some(task) = self.ecs.tasks.get(&no) else { continue };
            if task.phase == Phase::Running && !task.daemon && !task.dead {
                self.ecs.tasks_interrupted += 1;
            }
            if is_told {
                self.remove_task(no);
                continue;
            }
            self.unlink(no);
            if let Some(task) = self.ecs.tasks.get_mut(&no) {
                task.dead = true;
            }
            self.link(no);
        }
    }

    /// The agent is back and reports: dead tasks are over, waiting ones begin.
    pub(super) fn sweep_dead_tasks(&mut self, on: ContainerNo) {
        let tasks: Vec<TaskNo> = self.ecs.containers.get(&on).into_iter().flat_map(|c| c.tasks.iter().copied()).collect();
        for no in tasks {
            let Some(task) = self.ecs.tasks.get(&no) else { continue };
            if task.dead {
                self.remove_task(no);
            } else if task.phase == Phase::Pending {
                let ms = self.config.ecs.task_start.draw(&mut self.streams.ecs);
                self.plan(ms, Due::TaskRunning(no));
            }
        }
    }

    /// RunTask: standalone tasks, as many as find room.
    pub(super) fn run_tasks(&mut self, cluster: ClusterNo, count: u32) -> Vec<TaskArn> {
        let mut started = Vec::new();
        for _ in 0..count {
            let Some(on) = self.pick_container(cluster, None, 1) else { break };
            let task = self.start_task(on, None, false, 1).and_then(|no| self.ecs.tasks.get(&no));
            started.extend(task.map(|t| t.arn.clone()));
        }
        started
    }

    pub(super) fn describe_tasks(&self, on: ContainerNo) -> Vec<EcsTask> {
        let tasks = self.ecs.containers.get(&on).into_iter().flat_map(|c| &c.tasks).filter_map(|no| self.ecs.tasks.get(no));
        tasks
            .map(|task| EcsTask {
                arn: task.arn.clone(),
                service: task.service.and_then(|s| self.ecs.services.get(&s)).map(|s| s.arn.clone()),
                daemon: task.daemon,
                protected: task.is_protected(self.now),
                reserves: slots(task.slots),
            })
            .collect()
    }
}
