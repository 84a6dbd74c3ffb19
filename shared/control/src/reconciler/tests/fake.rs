//! A small obedient cloud for the reconciler's tests. It counts calls in order and fails those that a test names.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use strata_domain::decision::Page;
use strata_domain::mode::Mode;
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, ServiceArn, SsmCommandId, TaskArn};
use strata_ports::{
    AddressView, AlarmObservation, AlarmSpec, Alarms, Attachments, Clock, CloudError, ClusterView, CommandKind, CommandRequest,
    CommandResult, CommandStatus, Commands, Compute, ContainerInstance, ContainerInstanceState, Containers, Ec2Instance,
    Ec2State, EcsService, EcsTask, EventOut, Events, GroupsReset, HostView, ImageView, Inventory, ItemResult, LaunchSpec,
    ModeScope, Modes, NewVolume, Pager, Ping, ScheduledEvent, SecurityGroupView, StackScope, StatusChecks, VolumeSpec,
    VolumeView, VpcView,
};

use crate::records::samples;

pub(super) struct Host {
    pub(super) ec2: Ec2Instance,
    pub(super) token: String,
    pub(super) hung: bool,
    /// Its ECS agent is disconnected until it is restarted.
    pub(super) agent_stuck: bool,
    /// Its ECS agent is disconnected, and a restart does not help; the machine's restart does.
    pub(super) agent_cut_off: bool,
    pub(super) last_ping: Option<Timestamp>,
    pub(super) container: Option<ContainerInstance>,
    pub(super) tasks: Vec<EcsTask>,
}

pub(super) struct State {
    pub(super) now: Timestamp,
    pub(super) hosts: Vec<Host>,
    pub(super) commands: BTreeMap<String, (CommandRequest, CommandStatus)>,
    pub(super) calls: Vec<&'static str>,
    pub(super) launches: Vec<LaunchSpec>,
    /// The next call of the action fails so; `true`: after it took effect.
    pub(super) faults: Vec<(&'static str, CloudError, bool)>,
    pub(super) mode: Option<Mode>,
    pub(super) scheduled: Vec<ScheduledEvent>,
    pub(super) pages: Vec<Page>,
    pub(super) events: Vec<EventOut>,
}

pub(super) struct Cloud {
    state: Mutex<State>,
}

impl Cloud {
    pub(super) fn new() -> Self {
        let state = State {
            now: "2026-03-02T08:00:00Z".parse().unwrap(),
            hosts: Vec::new(),
            commands: BTreeMap::new(),
            calls: Vec::new(),
            launches: Vec::new(),
            faults: Vec::new(),
            mode: Some(Mode::Active),
            scheduled: Vec::new(),
            pages: Vec::new(),
            events: Vec::new(),
        };
        Self { state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Notes the call; answers with the fault that a test has asked for, if it is one before the effect.
    fn call(&self, action: &'static str) -> Result<Option<CloudError>, CloudError> {
        let mut state = self.state();
        state.calls.push(action);
        let Some(at) = state.faults.iter().position(|(a, ..)| *a == action) else { return Ok(None) };
        let (_, error, after_effect) = state.faults.remove(at);
        if after_effect { Ok(Some(error)) } else { Err(error) }
    }

    /// How often an action was called.
    pub(super) fn count(&self, action: &str) -> usize {
        self.state().calls.iter().filter(|a| **a == action).count()
    }

    /// A minute goes by.
    pub(super) fn pass(&self) {
        let mut state = self.state();
        state.now = state.now.checked_add(SignedDuration::from_mins(1)).unwrap();
        let now = state.now;
        let State { hosts, commands, .. } = &mut *state;
        for host in hosts.iter_mut() {
            host.ec2.state = match host.ec2.state {
                Ec2State::Pending | Ec2State::Running => Ec2State::Running,
                Ec2State::Stopping | Ec2State::Stopped => Ec2State::Stopped,
                Ec2State::ShuttingDown | Ec2State::Terminated => Ec2State::Terminated,
            };
            let is_up = host.ec2.state == Ec2State::Running && !host.hung;
            if is_up {
                host.last_ping = Some(now);
            }
            if let Some(container) = &mut host.container {
                container.agent_connected = is_up && !host.agent_stuck && !host.agent_cut_off;
                if container.state == ContainerInstanceState::Draining && is_up {
                    host.tasks.retain(|t| t.service.is_none() || t.protected || t.daemon);
                }
                container.running_tasks = u32::try_from(host.tasks.len()).unwrap();
            }
            for (request, status) in commands.values_mut().filter(|(r, s)| r.host == host.ec2.id && !s.is_final()) {
                if !is_up {
                    continue;
                }
                *status = CommandStatus::Success;
                if request.kind == CommandKind::Reconnect {
                    host.agent_stuck = false;
                }
                if request.kind == CommandKind::Setup && host.container.is_none() {
                    host.container = Some(ContainerInstance {
                        arn: ContainerInstanceArn::new(format!("arn:container/{}", request.nonce)),
                        ec2_instance_id: host.ec2.id.clone(),
                        state: ContainerInstanceState::Active,
                        agent_connected: true,
                        agent_version: Some("1.98.0".into()),
                        running_tasks: 0,
                        pending_tasks: 0,
                        registered_at: now,
                        free: Resources::default(),
                    });
                }
            }
        }
    }

    fn each(
        &self,
        action: &'static str,
        ids: &[Ec2InstanceId],
        change: impl Fn(&mut Host, Timestamp),
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        let fault = self.call(action)?;
        let mut state = self.state();
        let now = state.now;
        let mut results = Vec::new();
        for id in ids {
            let host = state.hosts.iter_mut().find(|h| h.ec2.id == *id).unwrap();
            change(host, now);
            results.push(ItemResult { id: id.clone(), result: Ok(()) });
        }
        fault.map_or(Ok(results), Err)
    }
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        self.state().now
    }
}

#[async_trait]
impl Compute for Cloud {
    async fn run_instance(&self, _: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        let fault = self.call("RunInstances")?;
        let mut state = self.state();
        state.launches.push(spec.clone());
        let found = state.hosts.iter().find(|h| h.token == spec.token).map(|h| h.ec2.clone());
        let ec2 = found.unwrap_or_else(|| {
            let volume = |(n, v): (usize, &VolumeSpec)| (format!("vol-{}-{n}", state.hosts.len() + 1), v.mount_point.clone());
            let ec2 = Ec2Instance {
                id: Ec2InstanceId::new(format!("i-{}", state.hosts.len() + 1)),
                instance_id: Some(spec.instance_id.clone()),
                state: Ec2State::Pending,
                instance_type: spec.instance_type.clone(),
                impaired: false,
                launched_at: state.now,
                private_ip: Some("10.0.0.1".to_owned()),
                public_ip: None,
                volumes: spec.volumes.iter().enumerate().map(volume).collect(),
            };
            let host = Host {
                ec2: ec2.clone(),
                token: spec.token.clone(),
                hung: false,
                agent_stuck: false,
                agent_cut_off: false,
                last_ping: None,
                container: None,
                tasks: Vec::new(),
            };
            state.hosts.push(host);
            ec2
        });
        fault.map_or(Ok(ec2), Err)
    }
    async fn ensure_groups(&self, _: &StackScope, _: &str) -> Result<BTreeMap<String, String>, CloudError> {
        let fault = self.call("DescribeSecurityGroups")?;
        let groups = strata_domain::security_groups::ALL.map(|name| (name.to_owned(), format!("sg-{name}")));
        fault.map_or(Ok(groups.into()), Err)
    }
    async fn reset_groups(&self, _: &StackScope, _: &str) -> Result<GroupsReset, CloudError> {
        self.call("ResetGroups").map(|_| GroupsReset::default())
    }
    async fn start_instances(&self, _: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.each("StartInstances", ids, |host, now| {
            (host.ec2.state, host.ec2.launched_at, host.ec2.impaired, host.hung) = (Ec2State::Pending, now, false, false);
            (host.agent_stuck, host.agent_cut_off) = (false, false);
        })
    }
    async fn set_instance_type(&self, _: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError> {
        let fault = self.call("ModifyInstanceAttribute")?;
        let mut state = self.state();
        state.hosts.iter_mut().find(|h| h.ec2.id == *id).unwrap().ec2.instance_type = instance_type.to_owned();
        fault.map_or(Ok(()), Err)
    }
    async fn stop_instances(
        &self,
        _: &StackScope,
        ids: &[Ec2InstanceId],
        _: bool,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.state().scheduled.retain(|event| !ids.contains(&event.host));
        self.each("StopInstances", ids, |host, _| host.ec2.state = Ec2State::Stopping)
    }
    async fn terminate_instances(
        &self,
        _: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.each("TerminateInstances", ids, |host, _| host.ec2.state = Ec2State::ShuttingDown)
    }
    async fn reboot_instances(
        &self,
        _: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.each("RebootInstances", ids, |_, _| {})
    }
    async fn describe_instances(
        &self,
        _: &StackScope,
        ids: &[Ec2InstanceId],
        checks: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call("DescribeInstances")?;
        let shown = |h: &Host| Ec2Instance { impaired: h.ec2.impaired && checks == StatusChecks::Asked, ..h.ec2.clone() };
        Ok(self.state().hosts.iter().filter(|h| ids.contains(&h.ec2.id)).map(shown).collect())
    }
    async fn find_by_record(&self, _: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call("DescribeInstancesByTag")?;
        let wanted =
            |h: &Ec2Instance| h.state != Ec2State::Terminated && h.instance_id.as_ref().is_some_and(|id| records.contains(id));
        Ok(self.state().hosts.iter().map(|h| h.ec2.clone()).filter(wanted).collect())
    }
    async fn describe_exceptions(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call("DescribeExceptions")?;
        Ok(self.state().hosts.iter().map(|h| h.ec2.clone()).filter(|h| h.impaired || h.state != Ec2State::Running).collect())
    }
    async fn scheduled_events(&self, _: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        self.call("ScheduledEvents")?;
        Ok(self.state().scheduled.clone())
    }
    async fn find_unnoted(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call("DescribeUnnoted")?;
        Ok(Vec::new())
    }
    async fn note_running(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<(), CloudError> {
        self.call("CreateTags").map(drop)
    }
    async fn delete_volumes(&self, _: &StackScope, ids: &[String]) -> Result<Vec<ItemResult<String>>, CloudError> {
        self.call("DeleteVolume")?;
        Ok(ids.iter().map(|id| ItemResult { id: id.clone(), result: Ok(()) }).collect())
    }
}

/// Lifecycle asks for volumes only: those that launches made are where they were made.
#[async_trait]
impl Inventory for Cloud {
    async fn volumes(&self, _: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError> {
        self.call("DescribeVolumes")?;
        let of = |host: &Host| {
            let gone = host.ec2.state == Ec2State::Terminated;
            let view = |(id, _): &(String, String)| VolumeView {
                id: id.clone(),
                state: if gone { "available" } else { "in-use" }.to_owned(),
                size: 20,
                volume_type: "gp2".to_owned(),
                iops: None,
                zone: samples::instance().availability_zone,
                encrypted: false,
                host: (!gone).then(|| host.ec2.id.clone()),
                device: None,
                is_root: false,
                name: None,
            };
            host.ec2.volumes.iter().map(view).collect::<Vec<_>>()
        };
        Ok(self.state().hosts.iter().flat_map(of).filter(|v| ids.contains(&v.id)).collect())
    }
    async fn vpc(&self, _: &StackScope, _: Option<&str>) -> Result<Option<VpcView>, CloudError> {
        panic!("lifecycle asks for no VPC")
    }
    async fn security_groups(&self, _: &StackScope, _: &[String]) -> Result<Vec<SecurityGroupView>, CloudError> {
        panic!("lifecycle asks for no security groups")
    }
    async fn key_pairs(&self, _: &StackScope, _: &[String]) -> Result<Vec<String>, CloudError> {
        panic!("lifecycle asks for no key pairs")
    }
    async fn images(&self, _: &StackScope, _: &[String]) -> Result<Vec<ImageView>, CloudError> {
        panic!("lifecycle asks for no images")
    }
    async fn volumes_of(&self, _: &StackScope, _: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError> {
        panic!("lifecycle asks for no machine's volumes")
    }
    async fn addresses(&self, _: &StackScope, _: &[String]) -> Result<Vec<AddressView>, CloudError> {
        Ok(Vec::new())
    }
    async fn addresses_of(&self, _: &StackScope, _: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError> {
        panic!("lifecycle asks for no machine's addresses")
    }
    async fn hosts(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError> {
        panic!("lifecycle asks for no registration")
    }
}

/// What was made by a launch is attached again.
#[async_trait]
impl Attachments for Cloud {
    async fn attach_volume(&self, _: &StackScope, volume: &str, host: &Ec2InstanceId, _: &str) -> Result<(), CloudError> {
        self.call("AttachVolume")?;
        let mut state = self.state();
        let known = state.hosts.iter_mut().find_map(|h| {
            let at = h.ec2.volumes.iter().position(|(id, _)| id == volume)?;
            Some(h.ec2.volumes.remove(at))
        });
        let host = state.hosts.iter_mut().find(|h| h.ec2.id == *host).unwrap();
        host.ec2.volumes.extend(known);
        Ok(())
    }
    async fn make_volume(&self, _: &StackScope, _: &NewVolume) -> Result<String, CloudError> {
        panic!("no volume is lost here")
    }
    async fn detach_volume(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        panic!("no volume is unassigned here")
    }
    async fn associate_address(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        panic!("nobody has an address here")
    }
    async fn disassociate_address(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        panic!("nobody has an address here")
    }
    async fn allocated_for(&self, _: &StackScope, _: &str) -> Result<Vec<String>, CloudError> {
        panic!("nobody has an address here")
    }
    async fn allocate_address(&self, _: &StackScope, _: &str) -> Result<String, CloudError> {
        panic!("nobody has an address here")
    }
    async fn release_address(&self, _: &StackScope, _: &str) -> Result<(), CloudError> {
        panic!("nobody has an address here")
    }
}

#[async_trait]
impl Containers for Cloud {
    async fn describe_cluster(&self, _: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        Ok(Some(ClusterView { arn: cluster.clone(), active: true }))
    }
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        self.call("DescribeContainerInstances")?;
        Ok(self.state().hosts.iter().filter_map(|h| h.container.clone()).filter(|c| arns.contains(&c.arn)).collect())
    }
    async fn find_by_host(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        self.call("ListContainerInstances")?;
        Ok(self.state().hosts.iter().filter_map(|h| h.container.clone()).filter(|c| hosts.contains(&c.ec2_instance_id)).collect())
    }
    async fn describe_exceptions(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        self.call("ContainerExceptions")?;
        let odd = |c: &ContainerInstance| c.state == ContainerInstanceState::Draining || !c.agent_connected;
        Ok(self.state().hosts.iter().filter_map(|h| h.container.clone()).filter(odd).collect())
    }
    async fn set_state(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        arns: &[ContainerInstanceArn],
        to: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        self.call(if to == ContainerInstanceState::Draining { "Drain" } else { "Activate" })?;
        for container in self.state().hosts.iter_mut().filter_map(|h| h.container.as_mut()).filter(|c| arns.contains(&c.arn)) {
            container.state = to;
        }
        Ok(arns.iter().map(|arn| ItemResult { id: arn.clone(), result: Ok(()) }).collect())
    }
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, arn: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        self.call("ListTasks")?;
        let is_it = |h: &&Host| h.container.as_ref().is_some_and(|c| c.arn == *arn);
        Ok(self.state().hosts.iter().find(is_it).map(|h| h.tasks.clone()).unwrap_or_default())
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, task: &TaskArn, _: &str) -> Result<(), CloudError> {
        self.call("StopTask")?;
        for host in &mut self.state().hosts {
            host.tasks.retain(|t| t.arn != *task);
            if let Some(container) = &mut host.container {
                container.running_tasks = u32::try_from(host.tasks.len()).unwrap();
            }
        }
        Ok(())
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError> {
        self.call("DeregisterContainerInstance")?;
        for host in &mut self.state().hosts {
            assert!(host.container.as_ref().is_none_or(|c| c.arn != *arn) || host.tasks.is_empty(), "deregistered with tasks");
            host.container.take_if(|c| c.arn == *arn);
        }
        Ok(())
    }
    async fn services(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        Ok(Vec::new())
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn, _: u32) -> Result<(), CloudError> {
        panic!("lifecycle never scales a service")
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn) -> Result<(), CloudError> {
        panic!("lifecycle never deletes a service")
    }
}

#[async_trait]
impl Commands for Cloud {
    async fn send(&self, _: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        let fault = self.call("SendCommand")?;
        self.state().commands.entry(request.nonce.clone()).or_insert_with(|| (request.clone(), CommandStatus::InProgress));
        fault.map_or(Ok(SsmCommandId::new(request.nonce.clone())), Err)
    }
    async fn results(&self, _: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        self.call("GetCommandInvocation")?;
        let state = self.state();
        let result = |id: &SsmCommandId| {
            let (_, status) = state.commands.get(id.as_str())?;
            Some(CommandResult { id: id.clone(), status: *status, exit_code: None, last_line: String::new(), log: None })
        };
        Ok(ids.iter().filter_map(result).collect())
    }
    async fn pings(&self, _: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        self.call("DescribeInstanceInformation")?;
        let ping = |h: &Host| Some(Ping { host: h.ec2.id.clone(), last_ping: h.last_ping? });
        Ok(self.state().hosts.iter().filter(|h| hosts.contains(&h.ec2.id)).filter_map(ping).collect())
    }
}

#[async_trait]
impl Alarms for Cloud {
    async fn put(&self, _: &StackScope, _: &[AlarmSpec]) -> Result<(), CloudError> {
        panic!("lifecycle has no alarms")
    }
    async fn delete(&self, _: &StackScope, _: &[String]) -> Result<(), CloudError> {
        panic!("lifecycle has no alarms")
    }
    async fn describe(&self, _: &StackScope, _: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        panic!("lifecycle has no alarms")
    }
}

#[async_trait]
impl Modes for Cloud {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        match self.state().mode {
            Some(mode) => Ok(vec![Some(mode); scopes.len()]),
            None => Err(CloudError::RetryLater { action: "ssm:GetParameters", why: "throttled".to_owned() }),
        }
    }
}

#[async_trait]
impl Pager for Cloud {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        self.state().pages.push(page.clone());
        Ok(())
    }
}

#[async_trait]
impl Events for Cloud {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        self.state().events.extend(events.iter().cloned());
        Ok(())
    }
}
