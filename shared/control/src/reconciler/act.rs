//! Carrying out actions, many instances to a call. Every call is idempotent; what a failure means is decided by the next look.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::lifecycle::{
    Action, ContainerSeen, Ec2Seen, Observed, Step, is_shortage, on_agent_restarted, on_launch_refused, on_launched,
    on_reboot_sent, on_setup_sent, on_shutdown_sent, on_volumes_deleted, type_to_ask,
};
use strata_domain::mode::ActionKind;
use strata_domain::model::Instance;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId};
use strata_ports::{Change, CloudError, CommandRequest, CommitError, ContainerInstanceState, Expect, ItemResult, Ports, keys};

use super::Config;
use super::balancers::unread;
use super::launch::{SetupNews, launch_spec, reconnect_request, setup_nonce, setup_request, shutdown_nonce, shutdown_request};
use super::observe::host;
use super::view::StackView;
use super::volumes::{devices_of, mounts_of};
use super::write::Write;
use crate::deployments::snapshot::Snapshots;
use crate::deployments::users::UsersList;
use crate::records::Stored;

/// What follows for an instance.
pub(super) enum Next {
    /// Look again in this invocation.
    Look,
    /// Nothing more in this invocation: the world needs time.
    Rest,
    /// Write the record, then rest or look again.
    Write { write: Box<Write>, rest: bool },
    /// EC2 throttles launches: put it into the backlog.
    Backlog,
}

/// As which kind of action the mode judges it; `None` for one that only concerns our own records.
pub(super) fn kind_of(action: Action) -> Option<ActionKind> {
    match action {
        Action::RestartAgent => Some(ActionKind::Patch),
        Action::Launch
        | Action::SetType
        | Action::PowerOn
        | Action::SendSetup
        | Action::Activate
        | Action::JoinBalancers
        | Action::MakeVolume
        | Action::AttachVolumes
        | Action::AllocateAddress
        | Action::AssociateAddress => Some(ActionKind::Start),
        Action::PowerOff { .. }
        | Action::Reboot
        | Action::SendShutdown
        | Action::Drain
        | Action::StopTasks { .. }
        | Action::Deregister
        | Action::LeaveBalancers
        | Action::DetachVolumes
        | Action::DisassociateAddresses => Some(ActionKind::Stop),
        Action::Terminate | Action::TerminateStray | Action::DeleteVolumes | Action::ReleaseAddress => {
            Some(ActionKind::Terminate)
        }
        Action::HoldForeign | Action::ReleaseForeign => None,
    }
}

/// The action in the words of a decision.
pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Launch => "launch",
        Action::SetType => "change the instance type of",
        Action::PowerOn => "start",
        Action::PowerOff { .. } => "stop the machine of",
        Action::Terminate => "terminate the machine of",
        Action::TerminateStray => "terminate a second machine of",
        Action::Reboot => "reboot",
        Action::SendSetup => "set up",
        Action::SendShutdown => "send the Shutdown event to",
        Action::RestartAgent => "restart the ECS agent of",
        Action::Drain => "drain",
        Action::Activate => "put back in service",
        Action::StopTasks { .. } => "stop the tasks on",
        Action::Deregister => "deregister",
        Action::DeleteVolumes => "delete the volumes of",
        Action::JoinBalancers => "register with the load balancers",
        Action::LeaveBalancers => "deregister from the load balancers",
        Action::MakeVolume => "make a volume for",
        Action::AttachVolumes => "attach the volumes of",
        Action::DetachVolumes => "detach the unassigned volumes of",
        Action::AllocateAddress => "allocate an Elastic IP address for",
        Action::AssociateAddress => "associate the Elastic IP address of",
        Action::DisassociateAddresses => "take away the former Elastic IP addresses of",
        Action::ReleaseAddress => "release the Elastic IP address of",
        Action::HoldForeign => "note the foreign DRAINING of",
        Action::ReleaseForeign => "forget the foreign DRAINING of",
    }
}

/// After so many refusals of one type in one zone, the rest of a batch is not asked for. A single one may be one host's bad luck.
const REFUSALS_BELIEVED: usize = 3;
/// The call that starts a machine which has its type already.
const START: &str = "ec2:StartInstances";

/// Carries actions out for instances of one stack.
pub(super) struct Actor<'a> {
    pub(super) ports: &'a Ports,
    pub(super) view: &'a StackView,
    pub(super) config: &'a Config,
    pub(super) seen: &'a BTreeMap<InstanceId, Observed>,
    pub(super) now: Timestamp,
}

impl Actor<'_> {
    /// Does `action` for all of `items`; one answer for each.
    pub(super) async fn carry_out(&self, action: Action, items: &[Stored<Instance>]) -> Vec<Next> {
        match action {
            Action::Launch => self.launch(items).await,
            Action::PowerOn | Action::PowerOff { .. } | Action::Terminate | Action::TerminateStray | Action::Reboot => {
                self.power(action, items).await
            }
            Action::Drain => self.set_state(items, ContainerInstanceState::Draining).await,
            Action::Activate => self.set_state(items, ContainerInstanceState::Active).await,
            Action::JoinBalancers => self.join_balancers(items).await,
            Action::LeaveBalancers => self.leave_balancers(items).await,
            Action::SetType
            | Action::MakeVolume
            | Action::AttachVolumes
            | Action::DetachVolumes
            | Action::AllocateAddress
            | Action::AssociateAddress
            | Action::DisassociateAddresses
            | Action::ReleaseAddress
            | Action::SendSetup
            | Action::SendShutdown
            | Action::RestartAgent
            | Action::StopTasks { .. }
            | Action::Deregister
            | Action::DeleteVolumes
            | Action::HoldForeign
            | Action::ReleaseForeign => self.one_by_one(action, items).await,
        }
    }

    /// Calls that take one instance each; at the first throttling the others wait for the next look.
    async fn one_by_one(&self, action: Action, items: &[Stored<Instance>]) -> Vec<Next> {
        let mut next = Vec::with_capacity(items.len());
        let mut is_throttled = false;
        let mut snapshots = Snapshots::default();
        let users = match action {
            Action::SendSetup => match UsersList::read(&*self.ports.store, &self.view.stack.id, self.now).await {
                Ok(users) => Some(users),
                // A store that does not answer now does at the next look; a host is not set up with fewer users than there are.
                Err(_) => return items.iter().map(|_| Next::Rest).collect(),
            },
            _ => None,
        };
        for item in items {
            if is_throttled {
                next.push(Next::Rest);
                continue;
            }
            let result = match action {
                Action::SetType => self.set_type(item).await,
                Action::SendSetup => self.send_setup(item, users.as_ref(), &mut snapshots).await,
                Action::SendShutdown => self.send_shutdown(item, &mut snapshots).await,
                Action::RestartAgent => self.restart_agent(item).await,
                Action::StopTasks { daemon } => self.stop_tasks(item, daemon).await,
                Action::Deregister => self.deregister(item).await,
                Action::DeleteVolumes => self.delete_volumes(item).await,
                Action::MakeVolume => self.make_volume(item).await,
                Action::AttachVolumes => self.attach_volumes(item).await,
                Action::DetachVolumes | Action::DisassociateAddresses => self.tie_loose_ends(item, action).await,
                Action::AllocateAddress => self.allocate_address(item).await,
                Action::AssociateAddress => self.associate_address(item).await,
                Action::ReleaseAddress => self.release_address(item).await,
                Action::HoldForeign => Ok(self.hold_foreign(item).await),
                _ => Ok(self.release_foreign(item).await),
            };
            is_throttled = matches!(result, Err(CloudError::RetryLater { .. }));
            next.push(result.unwrap_or_else(|error| refused_on_the_way_down(item, &error)));
        }
        next
    }

    /// One RunInstances per record; at the first throttling the rest waits in the backlog.
    async fn launch(&self, items: &[Stored<Instance>]) -> Vec<Next> {
        let mut next = Vec::with_capacity(items.len());
        let mut is_throttled = false;
        let mut refusals: BTreeMap<(String, String), Vec<CloudError>> = BTreeMap::new();
        let built_in = self.built_in_groups().await;
        for item in items {
            if is_throttled {
                next.push(Next::Backlog);
                continue;
            }
            // What EC2 has just refused for several it refuses for the next: asking again would only use up tokens.
            let wanted = (item.record.availability_zone.clone(), self.type_of(&item.record));
            if let Some([.., last]) = refusals.get(&wanted).map(Vec::as_slice).filter(|all| all.len() >= REFUSALS_BELIEVED) {
                next.push(self.refused(item, last));
                continue;
            }
            // A store that does not answer now does at the next look.
            let Ok(taken) = devices_of(&*self.ports.store, &item.record).await else {
                next.push(Next::Rest);
                continue;
            };
            let launched = match launch_spec(self.view, &item.record, taken, &built_in) {
                Ok(spec) => self.ports.compute.run_instance(&self.view.scope, &spec).await,
                Err(error) => Err(error),
            };
            next.push(match launched {
                Ok(ec2) => write_step(item, on_launched(&item.record, &host(&ec2)), true),
                Err(CloudError::RetryLater { .. }) => {
                    is_throttled = true;
                    Next::Backlog
                }
                // The next launch repeats the token, so it is the same launch.
                Err(CloudError::OutcomeUnknown { .. }) => Next::Rest,
                Err(error) if !error.code().is_some_and(is_shortage) => self.refused(item, &error),
                Err(error) => {
                    refusals.entry(wanted).or_default().push(error.clone());
                    self.refused(item, &error)
                }
            });
        }
        next
    }

    /// The built-in security groups of the stack's VPC, made if they are missing [SG-1] [SG-8].
    ///
    /// Our choice: groups that cannot be made, for want of a right or because EC2 does not answer, keep no machine from starting: it gets its
    /// layers' own groups, or the VPC's default one. Missing capacity hurts more, and a group less opens nothing.
    async fn built_in_groups(&self) -> BTreeMap<String, String> {
        if !self.view.stack.use_opsworks_security_groups {
            return BTreeMap::new();
        }
        let made = self.ports.compute.ensure_groups(&self.view.scope, &self.view.stack.vpc_id).await;
        made.unwrap_or_else(|error| {
            tracing::warn!(stack.id = %self.view.stack.id, error = %error, "the built-in security groups are missing");
            BTreeMap::new()
        })
    }

    /// The instance type that a start of the record asks for now.
    fn type_of(&self, record: &Instance) -> String {
        type_to_ask(record, &self.view.fallback_types(record)).unwrap_or(&record.instance_type).to_owned()
    }

    /// A start, launch or change of type that EC2 refused for good: the next type is tried, or the start has failed.
    fn refused(&self, item: &Stored<Instance>, error: &CloudError) -> Next {
        let code = error.code().unwrap_or("Unknown").to_owned();
        let why = match error {
            CloudError::RetryLater { why, .. }
            | CloudError::Refused { why, .. }
            | CloudError::Wrong { why, .. }
            | CloudError::OutcomeUnknown { why, .. } => why,
        };
        let asked = match self.seen.get(&item.record.id).map(|seen| &seen.ec2) {
            Some(Ec2Seen::Seen(host)) if !host.instance_type.is_empty() && error.action() == START => host.instance_type.clone(),
            _ => self.type_of(&item.record),
        };
        let step = on_launch_refused(&item.record, &asked, &self.view.fallback_types(&item.record), &code, why);
        let rest = matches!(step, Step::Move { .. });
        write_step(item, step, rest)
    }

    /// A type that does not fit the machine counts like one that EC2 has not got: the next one may.
    async fn set_type(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let Some(id) = self.machine_of(&item.record) else { return Ok(Next::Look) };
        match self.ports.compute.set_instance_type(&self.view.scope, &id, &self.type_of(&item.record)).await {
            Ok(()) => Ok(Next::Look),
            Err(error @ (CloudError::Refused { .. } | CloudError::Wrong { .. })) => Ok(self.refused(item, &error)),
            Err(error) => Err(error),
        }
    }

    async fn power(&self, action: Action, items: &[Stored<Instance>]) -> Vec<Next> {
        // The machine that was seen: a stopped record names none when a lost launch has turned up.
        let machine = |item: &Stored<Instance>| match action {
            Action::TerminateStray => self.seen.get(&item.record.id)?.stray.clone(),
            _ => self.machine_of(&item.record),
        };
        let ids: Vec<Option<Ec2InstanceId>> = items.iter().map(machine).collect();
        let named: Vec<Ec2InstanceId> = ids.iter().flatten().cloned().collect();
        let mut results = self.power_call(action, &named).await;
        if let (Err(error), true) = (&results, named.len() > 1)
            && !matches!(error, CloudError::RetryLater { .. })
        {
            // One bad id can spoil EC2's whole batch: the others are done one by one.
            let mut singly = Vec::new();
            for id in &named {
                match self.power_call(action, std::slice::from_ref(id)).await {
                    Ok(one) => singly.extend(one),
                    Err(error) => singly.push(ItemResult { id: id.clone(), result: Err(error) }),
                }
            }
            results = Ok(singly);
        }
        let result_of = |id: &Option<Ec2InstanceId>| match (&results, id) {
            (_, None) => Ok(()),
            (Err(error), Some(_)) => Err(error.clone()),
            (Ok(all), Some(id)) => all.iter().find(|r| r.id == *id).map_or(Ok(()), |r| r.result.clone()),
        };
        items.iter().zip(&ids).map(|(item, id)| self.after_power(action, item, result_of(id))).collect()
    }

    fn machine_of(&self, record: &Instance) -> Option<Ec2InstanceId> {
        record.ec2_instance_id.clone().or_else(|| match &self.seen.get(&record.id)?.ec2 {
            Ec2Seen::Seen(host) => Some(host.id.clone()),
            Ec2Seen::Unknown | Ec2Seen::Absent => None,
        })
    }

    async fn power_call(&self, action: Action, ids: &[Ec2InstanceId]) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (compute, scope) = (&self.ports.compute, &self.view.scope);
        match action {
            Action::PowerOff { force } => compute.stop_instances(scope, ids, force).await,
            Action::Terminate | Action::TerminateStray => compute.terminate_instances(scope, ids).await,
            Action::Reboot => compute.reboot_instances(scope, ids).await,
            _ => compute.start_instances(scope, ids).await,
        }
    }

    fn after_power(&self, action: Action, item: &Stored<Instance>, result: Result<(), CloudError>) -> Next {
        match (action, result) {
            (Action::PowerOn, Ok(())) => Next::Look,
            (Action::PowerOn, Err(error @ (CloudError::Refused { .. } | CloudError::Wrong { .. }))) => self.refused(item, &error),
            (Action::Reboot, Ok(())) => {
                let after = on_reboot_sent(&item.record, self.now);
                Next::Write { write: Box::new(Write::note(item, after, "the reboot is sent")), rest: true }
            }
            (_, Ok(())) => Next::Rest,
            (_, Err(error)) => refused_on_the_way_down(item, &error),
        }
    }

    async fn set_state(&self, items: &[Stored<Instance>], state: ContainerInstanceState) -> Vec<Next> {
        let mut by_cluster: BTreeMap<ClusterArn, Vec<ContainerInstanceArn>> = BTreeMap::new();
        for item in items {
            if let Some((cluster, arn)) = self.container_of(&item.record) {
                by_cluster.entry(cluster).or_default().push(arn);
            }
        }
        let mut results: BTreeMap<ContainerInstanceArn, Result<(), CloudError>> = BTreeMap::new();
        for (cluster, arns) in by_cluster {
            match self.ports.containers.set_state(&self.view.scope, &cluster, &arns, state).await {
                Ok(all) => results.extend(all.into_iter().map(|r| (r.id, r.result))),
                Err(error) => results.extend(arns.into_iter().map(|arn| (arn, Err(error.clone())))),
            }
        }
        let result_of = |record: &Instance| self.container_of(record).and_then(|(_, arn)| results.get(&arn).cloned());
        items
            .iter()
            .map(|item| match result_of(&item.record) {
                Some(Err(error)) => refused_on_the_way_down(item, &error),
                Some(Ok(())) | None => Next::Look,
            })
            .collect()
    }

    /// The container instance that was seen, and its cluster.
    fn container_of(&self, record: &Instance) -> Option<(ClusterArn, ContainerInstanceArn)> {
        let cluster = self.view.cluster_of(record)?;
        match &self.seen.get(&record.id)?.container {
            ContainerSeen::Seen(container) => Some((cluster, container.arn.clone())),
            ContainerSeen::Unknown | ContainerSeen::Absent => None,
        }
    }

    async fn send(&self, request: Option<CommandRequest>) -> Result<strata_domain::SsmCommandId, CloudError> {
        match request {
            Some(request) => self.ports.commands.send(&self.view.scope, &request).await,
            None => Err(CloudError::Wrong {
                action: "ssm:SendCommand",
                code: "InvalidInstanceId".to_owned(),
                why: "the record names no machine".to_owned(),
            }),
        }
    }

    async fn send_setup(
        &self,
        item: &Stored<Instance>,
        users: Option<&UsersList>,
        snapshots: &mut Snapshots,
    ) -> Result<Next, CloudError> {
        let volumes = mounts_of(&*self.ports.store, &item.record).await.map_err(unread)?;
        let run = ("setup", None, &*setup_nonce(&item.record));
        let snapshot = snapshots.parameter(self.ports, self.view, &item.record, run).await?;
        let told = SetupNews { users, volumes, snapshot };
        let command = self.send(setup_request(self.view, &item.record, &told, self.config)).await?;
        Ok(write_step(item, on_setup_sent(&item.record, command), true))
    }

    async fn send_shutdown(&self, item: &Stored<Instance>, snapshots: &mut Snapshots) -> Result<Next, CloudError> {
        let run = ("shutdown", None, &*shutdown_nonce(&item.record));
        let snapshot = snapshots.parameter(self.ports, self.view, &item.record, run).await?;
        let command = self.send(shutdown_request(self.view, &item.record, snapshot)).await?;
        let after = on_shutdown_sent(&item.record, command);
        Ok(Next::Write { write: Box::new(Write::note(item, after, "the Shutdown event is sent")), rest: true })
    }

    /// What SSM refuses counts as tried: the host is healed when its time is over.
    async fn restart_agent(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let is_registered = self.container_of(&item.record).is_some();
        let why = match self.send(reconnect_request(self.view, &item.record, is_registered)).await {
            Ok(_) => "its ECS agent was told to restart",
            Err(CloudError::Refused { .. } | CloudError::Wrong { .. }) => "SSM would not tell its ECS agent to restart",
            Err(error) => return Err(error),
        };
        let after = on_agent_restarted(&item.record, self.now);
        Ok(Next::Write { write: Box::new(Write::note(item, after, why)), rest: true })
    }

    async fn stop_tasks(&self, item: &Stored<Instance>, daemon: bool) -> Result<Next, CloudError> {
        let Some((cluster, arn)) = self.container_of(&item.record) else { return Ok(Next::Look) };
        let (containers, scope) = (&self.ports.containers, &self.view.scope);
        for task in containers.tasks_on(scope, &cluster, &arn).await?.iter().filter(|task| daemon || !task.daemon) {
            containers.stop_task(scope, &cluster, &task.arn, "Strata: the host goes out of service").await?;
        }
        Ok(Next::Look)
    }

    async fn deregister(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let Some((cluster, arn)) = self.container_of(&item.record) else { return Ok(Next::Look) };
        self.ports.containers.deregister(&self.view.scope, &cluster, &arn).await?;
        Ok(Next::Look)
    }

    async fn delete_volumes(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let ids: Vec<String> = item.record.volumes.iter().map(|v| v.ec2_volume_id.clone()).collect();
        for one in self.ports.compute.delete_volumes(&self.view.scope, &ids).await? {
            match one.result {
                // Bad input never gets better: the volume is not ours to delete.
                Ok(()) | Err(CloudError::Wrong { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let after = on_volumes_deleted(&item.record);
        Ok(Next::Write { write: Box::new(Write::note(item, after, "its volumes are deleted")), rest: false })
    }

    async fn hold_foreign(&self, item: &Stored<Instance>) -> Next {
        let hold = Hold {
            target: HoldTarget::Instance(item.record.id.clone()),
            kind: HoldKind::Foreign,
            by: "somebody outside Strata".to_owned(),
            reason: "the container instance was set DRAINING".to_owned(),
            since: self.now,
            until: None,
        };
        let key = keys::instance_hold(&item.record.stack_id, &item.record.id, "foreign");
        self.store_change(Change::put(key, &hold, Expect::Absent)).await
    }

    async fn release_foreign(&self, item: &Stored<Instance>) -> Next {
        match self.view.foreign_hold_on(&item.record.id) {
            Some(hold) => self.store_change(hold.delete()).await,
            None => Next::Rest,
        }
    }

    /// A change beside the record. Whoever was quicker has seen the same.
    async fn store_change(&self, change: Change) -> Next {
        match self.ports.store.commit(vec![change]).await {
            Ok(()) => Next::Look,
            Err(
                CommitError::Conflict { .. }
                | CommitError::Unavailable { .. }
                | CommitError::Impossible { .. }
                | CommitError::OutcomeUnknown { .. },
            ) => Next::Rest,
        }
    }
}

/// A `Move` or `Note` as a write.
pub(super) fn write_step(item: &Stored<Instance>, step: Step, rest: bool) -> Next {
    match step {
        Step::Move { to, record, why } => {
            let write = Write { before: item.clone(), after: *record, to: Some(to), removes: false, why };
            Next::Write { write: Box::new(write), rest }
        }
        Step::Note { record, why } => Next::Write { write: Box::new(Write::note(item, *record, &why)), rest },
        Step::Settled { .. } | Step::Wait { .. } | Step::Act { .. } | Step::Remove { .. } => Next::Rest,
    }
}

/// An action that was not done. What keeps an instance from going down is noted, once: a termination protection goes away by nobody's waiting.
fn refused_on_the_way_down(item: &Stored<Instance>, error: &CloudError) -> Next {
    let next = failed(&item.record, error);
    let is_final = matches!(error, CloudError::Refused { .. } | CloudError::Wrong { .. });
    let refusal = Some(error.to_string());
    if !is_final || !item.record.status.is_going_down() || item.record.care.refusal == refusal {
        return next;
    }
    let mut after = item.record.clone();
    after.care.refusal = refusal;
    Next::Write { write: Box::new(Write::note(item, after, "AWS refuses what takes it down")), rest: true }
}

/// An action that was not done, or perhaps not: deadlines bound the trouble. An unknown outcome is looked at once more.
pub(super) fn failed(record: &Instance, error: &CloudError) -> Next {
    tracing::warn!(instance.id = %record.id, instance.status = %record.status, error = %error, "an action was not carried out");
    match error {
        CloudError::OutcomeUnknown { .. } => Next::Look,
        CloudError::RetryLater { .. } | CloudError::Refused { .. } | CloudError::Wrong { .. } => Next::Rest,
    }
}
