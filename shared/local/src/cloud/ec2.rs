//! EC2's own view: instances, their states, volumes, capacity, and the indexes by which calls find them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::announced::Announced;
use strata_domain::{Ec2InstanceId, InstanceId, StackId};
use strata_ports::{CloudError, Ec2Instance, Ec2State, LaunchSpec};
use strata_triggers::emit;

use super::config::Capacity;
use super::ecs::{ClusterNo, ContainerNo};
use super::own_hosts::OwnHost;
use super::ssm::CommandNo;
use super::state::{Source, State, after, wrong};

/// An EC2 instance's number in this world; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct HostNo(pub(super) u32);

/// The SSM agent, as SSM hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SsmAgent {
    /// It has never called.
    Never,
    /// It pings every five minutes from here on.
    Online { since: Timestamp },
    /// It does not ping any more.
    Silent { last: Timestamp },
}

/// An EC2 instance and what runs on it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) id: Ec2InstanceId,
    pub(super) spec: LaunchSpec,
    /// The stack that it was launched for; `None` for somebody else's.
    pub(super) stack_id: Option<StackId>,
    /// What only a machine that somebody else launched has.
    #[serde(default)]
    pub(super) own: Option<OwnHost>,
    pub(super) state: Ec2State,
    /// What is scheduled for it, and when.
    #[serde(default)]
    pub(super) scheduled: Option<(Announced, Timestamp)>,
    /// Its ECS agent hangs until it is restarted.
    #[serde(default)]
    pub(super) agent_stuck: bool,
    /// Counts its lives and deaths: start, stop, hang, reboot.
    pub(super) epoch: u32,
    pub(super) launched_at: Timestamp,
    pub(super) visible_from: Timestamp,
    pub(super) private_ip: String,
    pub(super) public_ip: Option<String>,
    pub(super) volumes: Vec<(String, String)>,
    pub(super) impaired: bool,
    /// The OS does not answer, or will not when it boots.
    pub(super) hung: bool,
    /// It hangs because its zone does, and comes back with it.
    pub(super) hung_by_zone: bool,
    /// The ports asked for its last stop or termination, and have not noted since that they want it to run.
    pub(super) ours_down: bool,
    /// EC2's `DisableApiStop`.
    #[serde(default)]
    pub(super) stop_protected: bool,
    /// EC2's `DisableApiTermination`.
    #[serde(default)]
    pub(super) termination_protected: bool,
    /// The OS runs and answers.
    pub(super) up: bool,
    pub(super) ssm: SsmAgent,
    pub(super) undelivered: Vec<CommandNo>,
    pub(super) awaiting_reboot: Vec<CommandNo>,
    /// When it last got all updates that were out.
    #[serde(default)]
    pub(super) updated_at: Option<Timestamp>,
    /// An update wants a reboot that was not allowed.
    #[serde(default)]
    pub(super) needs_reboot: bool,
    /// What the ECS agent is registered as; `None` before Setup and after a deregistration.
    pub(super) container: Option<ContainerNo>,
    /// The cluster of the agent's last registration.
    pub(super) cluster: Option<ClusterNo>,
    /// The agent was connected when the termination began, so ECS deregisters it by itself [ECS-123].
    pub(super) auto_deregister: bool,
}

/// The launch of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    host: HostNo,
    /// Its last description, once descriptions no longer show it.
    pub(super) gone: Option<Ec2Instance>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ec2 {
    pub(super) hosts: BTreeMap<HostNo, Host>,
    pub(super) by_id: BTreeMap<Ec2InstanceId, HostNo>,
    /// Not terminated ones.
    pub(super) by_record: BTreeMap<InstanceId, BTreeSet<HostNo>>,
    /// Not terminated ones.
    pub(super) by_zone: BTreeMap<String, BTreeSet<HostNo>>,
    /// Records with more than one instance that is not on its way to termination.
    pub(super) doubled: BTreeSet<InstanceId>,
    pub(super) exceptions: BTreeMap<StackId, BTreeSet<HostNo>>,
    pub(super) by_token: BTreeMap<String, Launch>,
    in_use: BTreeMap<String, BTreeMap<String, u32>>,
    /// Volumes that exist, with the instance that they are attached to.
    pub(super) volumes: BTreeMap<String, Option<HostNo>>,
    /// Shortages that befell the world.
    pub(super) shortages: Vec<Capacity>,
    next: u32,
}

fn in_use(action: &'static str, volume: &str) -> CloudError {
    CloudError::RetryLater { action, why: format!("VolumeInUse: {volume} is attached") }
}

fn takes_capacity(state: Ec2State) -> bool {
    matches!(state, Ec2State::Pending | Ec2State::Running)
}

impl Host {
    pub(super) fn describe(&self) -> Ec2Instance {
        let has_address = !matches!(self.state, Ec2State::ShuttingDown | Ec2State::Terminated);
        Ec2Instance {
            id: self.id.clone(),
            instance_id: self.stack_id.as_ref().map(|_| self.spec.instance_id.clone()),
            state: self.state,
            instance_type: self.spec.instance_type.clone(),
            impaired: self.impaired,
            launched_at: self.launched_at,
            private_ip: has_address.then(|| self.private_ip.clone()),
            public_ip: self.public_ip.clone(),
            volumes: self.volumes.clone(),
        }
    }

    /// It runs, and the last note on it is that the ports take it down.
    pub(super) fn is_unnoted(&self) -> bool {
        self.state == Ec2State::Running && self.ours_down
    }

    fn is_exception(&self) -> bool {
        match self.state {
            Ec2State::Running => self.impaired,
            Ec2State::Pending => !self.ours_down,
            Ec2State::Stopping | Ec2State::Stopped | Ec2State::ShuttingDown | Ec2State::Terminated => !self.ours_down,
        }
    }
}

impl Ec2 {
    /// Brings the indexes up to date after a change of `no`.
    pub(super) fn reindex(&mut self, no: HostNo) {
        let Some(host) = self.hosts.get(&no) else { return };
        if let Some(stack) = &host.stack_id {
            let exceptions = self.exceptions.entry(stack.clone()).or_default();
            if host.is_exception() {
                exceptions.insert(no);
            } else {
                exceptions.remove(&no);
            }
        }
        if host.state != Ec2State::Terminated {
            return;
        }
        let record = &host.spec.instance_id;
        if let Some(hosts) = self.by_record.get_mut(record) {
            hosts.remove(&no);
            if hosts.is_empty() {
                self.by_record.remove(record);
            }
        }
        if let Some(hosts) = self.by_zone.get_mut(&host.spec.availability_zone) {
            hosts.remove(&no);
        }
    }

    fn recount_record(&mut self, record: &InstanceId) {
        let lives =
            |no: &&HostNo| self.hosts.get(no).is_some_and(|h| !matches!(h.state, Ec2State::ShuttingDown | Ec2State::Terminated));
        let living = self.by_record.get(record).map_or(0, |hosts| hosts.iter().filter(lives).count());
        if living > 1 {
            self.doubled.insert(record.clone());
        } else {
            self.doubled.remove(record);
        }
    }

    fn count_use(&mut self, zone: &str, instance_type: &str, is_more: bool) {
        let count = self.in_use.entry(zone.to_owned()).or_default().entry(instance_type.to_owned()).or_default();
        *count = if is_more { *count + 1 } else { count.saturating_sub(1) };
    }

    fn used(&self, zone: &str, instance_type: Option<&str>) -> u32 {
        let Some(types) = self.in_use.get(zone) else { return 0 };
        match instance_type {
            Some(one) => types.get(one).copied().unwrap_or(0),
            None => types.values().sum(),
        }
    }
}

impl State {
    /// The instance of this id that descriptions show.
    pub(super) fn visible_host(&self, id: &Ec2InstanceId) -> Option<HostNo> {
        let no = *self.ec2.by_id.get(id)?;
        self.ec2.hosts.get(&no).filter(|h| h.visible_from <= self.now).map(|_| no)
    }

    /// The host, if it still lives the life that something was planned for.
    pub(super) fn host_in(&mut self, no: HostNo, epoch: u32) -> Option<&mut Host> {
        self.ec2.hosts.get_mut(&no).filter(|h| h.epoch == epoch)
    }

    /// Changes the EC2 state, and tells.
    pub(super) fn set_ec2_state(&mut self, no: HostNo, state: Ec2State) {
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        let before = std::mem::replace(&mut host.state, state);
        let (id, record) = (host.id.clone(), host.spec.instance_id.clone());
        if takes_capacity(before) != takes_capacity(state) {
            let (zone, kind) = (host.spec.availability_zone.clone(), host.spec.instance_type.clone());
            self.ec2.count_use(&zone, &kind, takes_capacity(state));
        }
        self.ec2.reindex(no);
        self.ec2.recount_record(&record);
        self.tell(Source::Ec2, |e| emit::ec2_state_change(e, id.as_str(), state.as_str()));
    }

    /// Whether one more instance of the type fits into the zone.
    pub(super) fn check_capacity(&self, action: &'static str, zone: &str, instance_type: &str) -> Result<(), CloudError> {
        let refused = |code: &str, why: String| Err(CloudError::Refused { action, code: code.to_owned(), why });
        let total: u32 = self.ec2.in_use.values().flat_map(BTreeMap::values).sum();
        if self.config.ec2.max_instances.is_some_and(|most| total >= most) {
            return refused("VcpuLimitExceeded", "you have requested more vCPU capacity than your current limit".to_owned());
        }
        let limits =
            self.config.ec2.capacity.iter().chain(&self.ec2.shortages).filter(|c| c.covers(zone, instance_type, self.now));
        for limit in limits {
            if self.ec2.used(zone, limit.instance_type.as_deref()) >= limit.instances {
                return refused(
                    "InsufficientInstanceCapacity",
                    format!("we currently do not have sufficient {instance_type} capacity in the Availability Zone {zone}"),
                );
            }
        }
        Ok(())
    }

    /// RunInstances: the same token again is the same instance, whatever became of it.
    pub(super) fn run_instance(&mut self, stack: &StackId, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        const ACTION: &str = "ec2:RunInstances";
        self.admit(ACTION, 1)?;
        if let Some(launch) = self.ec2.by_token.get(&spec.token) {
            let shown = launch.gone.clone().or_else(|| self.ec2.hosts.get(&launch.host).map(Host::describe));
            return shown.ok_or_else(|| wrong(ACTION, "InternalError", "the instance of the token is lost"));
        }
        self.check_launch(ACTION, spec)?;
        let no = self.launch(stack, spec);
        self.ec2.by_token.insert(spec.token.clone(), Launch { host: no, gone: None });
        let host = self.ec2.hosts.get(&no).expect("it was inserted by the launch");
        Ok(host.describe())
    }

    fn check_launch(&self, action: &'static str, spec: &LaunchSpec) -> Result<(), CloudError> {
        let (zones, subnets) = (&self.config.ec2.zones, &self.config.ec2.subnets);
        if spec.token.is_empty() || spec.token.len() > 64 {
            return Err(wrong(action, "InvalidParameterValue", "the client token must have 1 to 64 characters"));
        }
        if !zones.is_empty() && !zones.contains(&spec.availability_zone) {
            return Err(wrong(action, "InvalidParameterValue", format!("invalid availability zone: {}", spec.availability_zone)));
        }
        match subnets.get(&spec.subnet_id) {
            None if !subnets.is_empty() => {
                return Err(wrong(action, "InvalidSubnetID.NotFound", format!("the subnet '{}' does not exist", spec.subnet_id)));
            }
            Some(zone) if *zone != spec.availability_zone => {
                return Err(wrong(action, "InvalidParameterValue", format!("subnet {} is in {zone}", spec.subnet_id)));
            }
            None | Some(_) => {}
        }
        self.check_capacity(action, &spec.availability_zone, &spec.instance_type)
    }

    fn launch(&mut self, stack: &StackId, spec: &LaunchSpec) -> HostNo {
        let no = self.insert_host(Some(stack), spec);
        self.power_on(no);
        no
    }

    /// A new machine, stopped.
    pub(super) fn insert_host(&mut self, stack: Option<&StackId>, spec: &LaunchSpec) -> HostNo {
        self.ec2.next += 1;
        let no = HostNo(self.ec2.next);
        let id = Ec2InstanceId::new(format!("i-{}", self.hex(17)));
        let mut volumes = Vec::with_capacity(spec.volumes.len());
        for volume in &spec.volumes {
            let volume_id = format!("vol-{}", self.hex(17));
            self.ec2.volumes.insert(volume_id.clone(), Some(no));
            volumes.push((volume_id, volume.mount_point.clone()));
        }
        let lag = self.config.ec2.describe_lag.draw(&mut self.streams.ec2);
        let host = Host {
            id: id.clone(),
            spec: spec.clone(),
            stack_id: stack.cloned(),
            own: None,
            state: Ec2State::Stopped,
            scheduled: None,
            agent_stuck: false,
            epoch: 0,
            launched_at: self.now,
            visible_from: after(self.now, lag),
            private_ip: format!("10.{}.{}.{}", no.0 >> 16 & 0xff, no.0 >> 8 & 0xff, no.0 & 0xff),
            public_ip: None,
            volumes,
            impaired: false,
            hung: false,
            hung_by_zone: false,
            ours_down: false,
            stop_protected: false,
            termination_protected: false,
            up: false,
            ssm: SsmAgent::Never,
            undelivered: Vec::new(),
            awaiting_reboot: Vec::new(),
            updated_at: None,
            needs_reboot: false,
            container: None,
            cluster: None,
            auto_deregister: false,
        };
        self.ec2.hosts.insert(no, host);
        self.ec2.by_id.insert(id, no);
        if stack.is_some() {
            self.ec2.by_record.entry(spec.instance_id.clone()).or_default().insert(no);
        }
        self.ec2.by_zone.entry(spec.availability_zone.clone()).or_default().insert(no);
        no
    }

    /// DeleteVolume; one that is gone is a success.
    pub(super) fn delete_volume(&mut self, volume: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:DeleteVolume";
        self.admit(ACTION, 1)?;
        if self.account.volumes.get(volume).is_some_and(|own| own.attached.is_some()) {
            return Err(in_use(ACTION, volume));
        }
        self.account.volumes.remove(volume);
        match self.ec2.volumes.get(volume) {
            Some(Some(_)) => Err(in_use(ACTION, volume)),
            Some(None) => {
                self.ec2.volumes.remove(volume);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
