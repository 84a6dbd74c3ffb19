//! The truth about the simulated world, for invariants and reports; no port tells it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, ServiceArn, StackId};
use strata_ports::{ContainerInstanceState, Ec2State};

use super::SimCloud;
use super::ec2::Host;
use super::services::{Service, ServiceNo};
use super::state::State;

/// An EC2 instance that is not terminated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// The record that it was launched for.
    pub record: InstanceId,
    /// Its stack.
    pub stack_id: StackId,
    /// EC2's id.
    pub ec2_id: Ec2InstanceId,
    /// State.
    pub state: Ec2State,
    /// Zone.
    pub zone: String,
    /// Type.
    pub instance_type: String,
    /// The status check is impaired.
    pub impaired: bool,
    /// The OS hangs.
    pub hung: bool,
    /// The OS runs and answers.
    pub up: bool,
    /// As which container instance its agent is registered.
    pub container: Option<ContainerInstanceArn>,
    /// When it was last launched or started.
    pub launched_at: Timestamp,
}

/// A registered container instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// ARN.
    pub arn: ContainerInstanceArn,
    /// Cluster.
    pub cluster: ClusterArn,
    /// The host; it may be gone.
    pub ec2_id: Ec2InstanceId,
    /// ACTIVE or DRAINING.
    pub state: ContainerInstanceState,
    /// Whether the agent is connected.
    pub connected: bool,
    /// Tasks that ECS counts as running, stopping ones included.
    pub running_tasks: u32,
    /// Tasks that are starting.
    pub pending_tasks: u32,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// ARN.
    pub arn: ServiceArn,
    /// Cluster.
    pub cluster: ClusterArn,
    /// Name.
    pub name: String,
    /// Scheduling strategy DAEMON.
    pub daemon: bool,
    /// Desired count.
    pub desired: u32,
    /// Running tasks as ECS sees them, without those that are stopping.
    pub running: u32,
    /// Running tasks that really run.
    pub healthy: u32,
    /// How many must run by `minimumHealthyPercent`.
    pub min_healthy: u32,
    /// Starting tasks.
    pub pending: u32,
    /// Whether it waits for room.
    pub starving: bool,
}

/// Everything, copied: costs as much as the world is large. For every minute there are the cheap questions of [`SimCloud`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorldView {
    /// When.
    pub at: Timestamp,
    /// EC2 instances that are not terminated, in the order of their launch.
    pub hosts: Vec<HostView>,
    /// Registered container instances, in the order of registration.
    pub containers: Vec<ContainerView>,
    /// Services, in the order of creation.
    pub services: Vec<ServiceView>,
    /// EBS volumes that exist, with the EC2 instance that they are attached to.
    pub volumes: BTreeMap<String, Option<Ec2InstanceId>>,
    /// API calls by action, throttled ones included.
    pub calls: BTreeMap<String, u64>,
    /// Throttled calls by action.
    pub throttled: BTreeMap<String, u64>,
    /// Tasks that were cut off: their host went under them, or they were stopped with too few of their service left.
    pub tasks_interrupted: u64,
}

impl State {
    /// One that the ports launched.
    fn view_host(&self, host: &Host) -> Option<HostView> {
        let stack_id = host.stack_id.clone()?;
        Some(HostView {
            record: host.spec.instance_id.clone(),
            stack_id,
            ec2_id: host.id.clone(),
            state: host.state,
            zone: host.spec.availability_zone.clone(),
            instance_type: host.spec.instance_type.clone(),
            impaired: host.impaired,
            hung: host.hung,
            up: host.up,
            container: host.container.and_then(|c| self.ecs.containers.get(&c)).map(|c| c.arn.clone()),
            launched_at: host.launched_at,
        })
    }

    fn view_services(&self) -> Vec<ServiceView> {
        let cluster = |no| self.ecs.clusters.get(&no);
        let view = |(no, s): (&ServiceNo, &Service)| ServiceView {
            arn: s.arn.clone(),
            cluster: cluster(s.cluster).map_or_else(|| ClusterArn::new(""), |c| c.arn.clone()),
            name: s.spec.name.clone(),
            daemon: s.spec.daemon,
            desired: s.spec.desired,
            running: u32::try_from(s.running.len()).unwrap_or(u32::MAX),
            healthy: s.healthy(),
            min_healthy: s.min_running(),
            pending: u32::try_from(s.pending.len()).unwrap_or(u32::MAX),
            starving: cluster(s.cluster).is_some_and(|c| c.starving.contains(no)),
        };
        self.ecs.services.iter().map(view).collect()
    }

    fn view(&self) -> WorldView {
        let cluster = |no| self.ecs.clusters.get(&no).map_or_else(|| ClusterArn::new(""), |c| c.arn.clone());
        let containers = self.ecs.containers.values().map(|c| ContainerView {
            arn: c.arn.clone(),
            cluster: cluster(c.cluster),
            ec2_id: c.ec2_id.clone(),
            state: c.state,
            connected: c.connected,
            running_tasks: c.running,
            pending_tasks: c.pending,
        });
        let host_id = |no| self.ec2.hosts.get(&no).map(|h| h.id.clone());
        WorldView {
            at: self.now,
            hosts: self
                .ec2
                .hosts
                .values()
                .filter(|h| h.state != Ec2State::Terminated)
                .filter_map(|h| self.view_host(h))
                .collect(),
            containers: containers.collect(),
            services: self.view_services(),
            volumes: {
                let launched = self.ec2.volumes.iter().map(|(id, host)| (id.clone(), host.and_then(host_id)));
                let own = self.account.volumes.iter();
                launched.chain(own.map(|(id, v)| (id.clone(), v.attached.as_ref().map(|(host, _)| host.clone())))).collect()
            },
            calls: self.buckets.calls.clone(),
            throttled: self.buckets.throttled.clone(),
            tasks_interrupted: self.ecs.tasks_interrupted,
        }
    }
}

impl SimCloud {
    /// The whole truth.
    pub fn world_view(&self) -> WorldView {
        self.with(|s| s.view())
    }

    /// The services alone, which is cheap enough to ask for at every change.
    pub fn service_views(&self) -> Vec<ServiceView> {
        self.with(|s| s.view_services())
    }

    /// The account's clusters that were not deleted, in the order of their creation.
    pub fn cluster_arns(&self) -> Vec<ClusterArn> {
        self.lock().ecs.clusters.values().filter(|c| c.active).map(|c| c.arn.clone()).collect()
    }

    /// By zone, how many of the cluster's container instances are ACTIVE and connected: what can carry load.
    pub fn online_capacity(&self, cluster: &ClusterArn) -> BTreeMap<String, u32> {
        self.with(|s| {
            let cluster = s.ecs.by_arn.get(cluster).and_then(|no| s.ecs.clusters.get(no));
            cluster.map(|c| c.online.clone()).unwrap_or_default()
        })
    }

    /// The EC2 instance of a record that is not terminated; the youngest, if it has several.
    pub fn host_of(&self, record: &InstanceId) -> Option<HostView> {
        self.with(|s| {
            let no = s.ec2.by_record.get(record)?.last()?;
            s.ec2.hosts.get(no).and_then(|host| s.view_host(host))
        })
    }

    /// Records with more than one EC2 instance that is not on its way to termination: always to be empty.
    pub fn records_with_several_hosts(&self) -> Vec<InstanceId> {
        self.with(|s| s.ec2.doubled.iter().cloned().collect())
    }

    /// API calls by action so far, throttled ones included.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.lock().buckets.calls.clone()
    }

    /// Throttled API calls by action so far.
    pub fn throttled(&self) -> BTreeMap<String, u64> {
        self.lock().buckets.throttled.clone()
    }

    /// See [`WorldView::tasks_interrupted`].
    pub fn tasks_interrupted(&self) -> u64 {
        self.with(|s| s.ecs.tasks_interrupted)
    }
}
