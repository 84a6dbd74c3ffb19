//! The queues of a stack's instances: one look at what was sent, then a step for each command.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use strata_domain::commands::{End, Queued, Run, SYNC_USERS, Step, next};
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::Instance;
use strata_domain::{DeploymentId, InstanceId, InstanceStatus, SsmCommandId};
use strata_ports::{CloudError, CommandResult, CommandStatus, HandlerError, Ports, StoreError, keys};

use super::request::{News, request};
use super::snapshot::Snapshots;
use super::users::UsersList;
use super::{Pending, rewritten};
use crate::reconciler::round::committed;
use crate::reconciler::view::StackView;
use crate::reconciler::volumes::mounts_of;
use crate::records::{Command, Deployment, Stored, busy_changes, configure_due_change};
use crate::status_change::move_status;

/// A command and its entry among the pending ones.
pub(super) struct Entry {
    pub(super) pending: Pending,
    pub(super) command: Stored<Command>,
}

/// One invocation's work on a stack.
pub(super) struct StackRun<'a> {
    pub(super) ports: &'a Ports,
    pub(super) view: StackView,
    /// Deployments of which a command has ended.
    pub(super) ended: BTreeSet<DeploymentId>,
    deployments: BTreeMap<DeploymentId, Option<Deployment>>,
    snapshots: Snapshots,
    /// SSM wants to be left alone for now.
    is_throttled: bool,
    failed: Option<HandlerError>,
}

impl<'a> StackRun<'a> {
    pub(super) fn new(ports: &'a Ports, view: StackView) -> Self {
        Self {
            ports,
            view,
            ended: BTreeSet::new(),
            deployments: BTreeMap::new(),
            snapshots: Snapshots::default(),
            is_throttled: false,
            failed: None,
        }
    }

    pub(super) fn into_ended(self) -> Result<BTreeSet<DeploymentId>, HandlerError> {
        self.failed.map_or(Ok(self.ended), Err)
    }

    /// A step for each of these commands; answers with the instances whose queues have moved up.
    pub(super) async fn round(&mut self, pending: Vec<Pending>) -> Result<BTreeSet<InstanceId>, HandlerError> {
        let queues = self.queues(pending).await?;
        let results = self.results(&queues).await;
        self.view.forget_modes();
        let mut moved = BTreeSet::new();
        for (id, queue) in queues {
            match self.step(&id, queue, &results).await {
                Ok(true) => drop(moved.insert(id)),
                Ok(false) => {}
                // Trouble with one host's records keeps no other from being looked at.
                Err(error) => {
                    tracing::warn!(instance.id = %id, error = %error, "its commands are left to the next look");
                    self.failed.get_or_insert(error);
                }
            }
        }
        Ok(moved)
    }

    /// The commands by instance, in order of creation.
    async fn queues(&self, pending: Vec<Pending>) -> Result<BTreeMap<InstanceId, Vec<Entry>>, HandlerError> {
        let mut queues: BTreeMap<InstanceId, Vec<Entry>> = BTreeMap::new();
        for pending in pending {
            let instance = pending.pointer.instance_id.clone();
            let key = keys::command(&self.view.stack.id, &instance, &pending.command_id);
            let Some(item) = self.ports.store.get(&key).await? else {
                committed(self.ports.store.commit(vec![pending.delete()]).await)?;
                continue;
            };
            queues.entry(instance).or_default().push(Entry { pending, command: Stored::of(item)? });
        }
        for queue in queues.values_mut() {
            queue.sort_by(|a, b| {
                let place = |e: &Entry| (e.command.record.created_at, e.command.record.id.clone());
                place(a).cmp(&place(b))
            });
        }
        Ok(queues)
    }

    /// What became of what was sent. An SSM that does not answer tells nothing, so everything waits.
    async fn results(&self, queues: &BTreeMap<InstanceId, Vec<Entry>>) -> BTreeMap<SsmCommandId, CommandResult> {
        let ids: Vec<SsmCommandId> = queues.values().flatten().filter_map(|e| e.command.record.ssm_command.clone()).collect();
        if ids.is_empty() {
            return BTreeMap::new();
        }
        let results = self.ports.commands.results(&self.view.scope, &ids).await.unwrap_or_default();
        results.into_iter().map(|result| (result.id.clone(), result)).collect()
    }

    /// Whether one of the instance's commands has ended.
    async fn step(
        &mut self,
        id: &InstanceId,
        queue: Vec<Entry>,
        results: &BTreeMap<SsmCommandId, CommandResult>,
    ) -> Result<bool, HandlerError> {
        let item = self.ports.store.get(&keys::instance(&self.view.stack.id, id)).await?;
        let instance: Option<Stored<Instance>> = item.map(Stored::of).transpose()?;
        let now = self.ports.clock.now();
        let result_of = |command: &Command| command.ssm_command.as_ref().and_then(|ssm| results.get(ssm));
        let queued: Vec<Queued<'_>> = queue.iter().map(|e| queued(&e.command.record, result_of(&e.command.record))).collect();
        let steps = next(&queued, instance.as_ref().map(|i| i.record.status), now);
        let mut has_moved = false;
        for (entry, step) in queue.iter().zip(steps) {
            match step {
                Step::Wait => {}
                Step::Acknowledge => self.acknowledge(&entry.command, now).await?,
                Step::Finish(end) => {
                    has_moved |= self.finish(entry, end, result_of(&entry.command.record), instance.as_ref(), None).await?;
                }
                Step::Send => {
                    let Some(instance) = &instance else { continue };
                    has_moved |= self.send(entry, instance, now).await?;
                }
            }
        }
        Ok(has_moved)
    }

    async fn acknowledge(&self, command: &Stored<Command>, now: Timestamp) -> Result<(), HandlerError> {
        if command.record.acknowledged_at.is_some() {
            return Ok(());
        }
        let next = Command { acknowledged_at: Some(now), ..command.record.clone() };
        committed(self.ports.store.commit(vec![command.put(&next)]).await)?;
        Ok(())
    }

    /// Sends a command if the mode lets it: first the intent, then the call, then what was answered. Whether it has ended.
    async fn send(&mut self, entry: &Entry, instance: &Stored<Instance>, now: Timestamp) -> Result<bool, HandlerError> {
        let mode = self.view.mode(&*self.ports.modes, &instance.record).await;
        if self.is_throttled || !permits(mode, ActionKind::Patch) {
            return Ok(false);
        }
        let deployment = self.deployment_of(&entry.command.record).await?;
        let mut news = self.news_for(&entry.command.record, &instance.record, now).await?;
        if news.users.as_ref().is_some_and(|users| !users.fits()) {
            let why = "the stack has more users with SSH access than a command can carry";
            return self.finish(entry, End::Failed, None, Some(instance), Some(why)).await;
        }
        let command = &entry.command.record;
        if takes_snapshot(&command.command_type) && instance.record.ec2_instance_id.is_some() {
            let of = (&*command.command_type, deployment.as_ref(), &*command.nonce());
            news.snapshot = match self.snapshots.parameter(self.ports, &self.view, &instance.record, of).await {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::warn!(command.id = %command.id, error = %error, "a command waits for its snapshot of the stack");
                    return Ok(false);
                }
            };
        }
        let run = (command, deployment.as_ref(), &news);
        let Some(request) = request(&self.view, &instance.record, run) else {
            let why = "there is no machine that a command could reach";
            return self.finish(entry, End::Skipped, None, Some(instance), Some(why)).await;
        };
        let mut entry = Entry { pending: entry.pending.clone(), command: entry.command.clone() };
        if entry.command.record.begun_at.is_none() {
            let begun = Command { begun_at: Some(now), ..entry.command.record.clone() };
            if !committed(self.ports.store.commit(vec![entry.command.put(&begun)]).await)? {
                return Ok(false);
            }
            entry.command = rewritten(&entry.command, begun);
        }
        match self.ports.commands.send(&self.view.scope, &request).await {
            Ok(ssm) => self.sent(&entry.command, &instance.record.id, ssm, now).await.map(|()| false),
            Err(error @ (CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. })) => {
                // The next look repeats the nonce, so it is the same command.
                tracing::warn!(command.id = %entry.command.record.id, error = %error, "a command was not sent, or perhaps it was");
                self.is_throttled |= error.is_retryable();
                Ok(false)
            }
            Err(error) => {
                // SSM says so of a host that it does not know, or has lost [CMD-20].
                let is_unreachable = error.code() == Some("InvalidInstanceId");
                let end = if is_unreachable { End::Skipped } else { End::Failed };
                self.finish(&entry, end, None, Some(instance), Some(&error.to_string())).await
            }
        }
    }

    /// Notes what carries the command. Setup takes its host out of service with it [CMD-23]: lifecycle waits for its end, and puts the host
    /// back in service or calls it `setup_failed`.
    async fn sent(
        &self,
        command: &Stored<Command>,
        instance: &InstanceId,
        ssm: SsmCommandId,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        let store = &*self.ports.store;
        let next = Command { ssm_command: Some(ssm.clone()), ..command.record.clone() };
        let mut changes = vec![command.put(&next)];
        if next.command_type == "setup"
            && let Some(item) = store.get(&keys::instance(&self.view.stack.id, instance)).await?
        {
            let stored: Stored<Instance> = Stored::of(item)?;
            if matches!(stored.record.status, InstanceStatus::Online | InstanceStatus::SetupFailed) {
                let mut record = Instance { setup_command: Some(ssm), ..stored.record.clone() };
                let event = move_status(&mut record, InstanceStatus::RunningSetup, now, &self.view.stack);
                changes.extend(busy_changes(store, &record, true).await?);
                changes.extend(configure_due_change(store, &stored.record, &record, now).await?);
                changes.push(stored.put(&record));
                changes.extend(strata_ports::Told { events: event.into_iter().collect(), ..Default::default() }.changes());
            }
        }
        committed(store.commit(changes).await)?;
        Ok(())
    }

    /// What is to be told to the host: read anew for each command. A change of users after that makes a command of its own, which waits for
    /// this one; volumes change while the host is stopped only.
    async fn news_for(&self, command: &Command, instance: &Instance, now: Timestamp) -> Result<News, StoreError> {
        let store = &*self.ports.store;
        let (users, volumes) = match command.command_type.as_str() {
            "setup" => (true, Some(mounts_of(store, instance).await?)),
            SYNC_USERS => (true, None),
            _ => (false, None),
        };
        let users = if users { Some(UsersList::read(store, &self.view.stack.id, now).await?) } else { None };
        Ok(News { users, volumes, snapshot: None })
    }

    async fn deployment_of(&mut self, command: &Command) -> Result<Option<Deployment>, StoreError> {
        let Some(id) = &command.deployment_id else { return Ok(None) };
        if let Some(known) = self.deployments.get(id) {
            return Ok(known.clone());
        }
        let item = self.ports.store.get(&keys::deployment(&self.view.stack.id, id)).await?;
        let found: Option<Deployment> = item.map(|item| item.decode()).transpose()?;
        self.deployments.insert(id.clone(), found.clone());
        Ok(found)
    }
}

/// Whether a command's run may come to a script of the host's owner.
fn takes_snapshot(command_type: &str) -> bool {
    !matches!(command_type, SYNC_USERS | "update_dependencies" | "install_dependencies")
}

fn queued<'a>(command: &'a Command, result: Option<&CommandResult>) -> Queued<'a> {
    let run = match (&command.ssm_command, result.map(|r| r.status)) {
        (None, _) => Run::NotSent,
        (Some(_), None | Some(CommandStatus::Pending)) => Run::Sent,
        (Some(_), Some(CommandStatus::InProgress)) => Run::Running,
        (Some(_), Some(CommandStatus::Success)) => Run::Ended { well: true },
        (Some(_), Some(CommandStatus::Failed)) => Run::Ended { well: false },
        (Some(_), Some(CommandStatus::TimedOut)) => Run::TimedOut,
    };
    Queued {
        kind: &command.command_type,
        by_service: command.deployment_id.is_none(),
        created_at: command.created_at,
        begun_at: command.begun_at,
        limit: command.limit(),
        run,
    }
}
