//! The end of a command, and of the deployment that it was the last one of: record, index and event in one commit.

use std::collections::BTreeSet;

use strata_domain::commands::{End, has_configure_hook, missing_log_right};
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::model::{Instance, Stack};
use strata_domain::updates::{PatchReport, PatchState};
use strata_domain::{DecisionId, DeploymentId, StackId};
use strata_ports::{Change, CommandResult, Expect, HandlerError, StoreError, Told, keys};

use super::CommandRunner;
use super::queue::{Entry, StackRun};
use crate::reconciler::round::committed;
use crate::reconciler::telling::Teller;
use crate::records::{
    Command, CommandState, Deployment, DeploymentState, Stored, command_event, deployment_event, is_expanded,
    service_error_changes,
};

fn state(end: End) -> CommandState {
    match end {
        End::Successful => CommandState::Successful,
        End::Failed => CommandState::Failed,
        End::Skipped => CommandState::Skipped,
        End::Expired => CommandState::Expired,
        End::Superseded => CommandState::Superseded,
    }
}

impl StackRun<'_> {
    /// Ends a command. `why` is told in place of an output. Answers whether it stands.
    pub(super) async fn finish(
        &mut self,
        entry: &Entry,
        end: End,
        result: Option<&CommandResult>,
        instance: Option<&Stored<Instance>>,
        why: Option<&str>,
    ) -> Result<bool, HandlerError> {
        let (command, now) = (&entry.command, self.ports.clock.now());
        let has_run = matches!(end, End::Successful | End::Failed) && result.is_some();
        let line = result.map(|r| r.last_line.as_str()).filter(|line| !line.is_empty()).or(why);
        let done = Command {
            status: state(end),
            completed_at: Some(now),
            acknowledged_at: command.record.acknowledged_at.or(has_run.then_some(now)),
            exit_code: result.and_then(|r| r.exit_code),
            last_line: line.map(str::to_owned),
            log: result.and_then(|r| r.log.clone()),
            ..command.record.clone()
        };
        let told = Told { events: vec![command_event(&self.view.stack, &done)], ..Told::default() };
        let mut changes = vec![command.put(&done), entry.pending.delete()];
        let (of_users, told_of_users) = self.users_changes(&done, end, instance).await?;
        changes.extend(of_users);
        changes.extend(self.log_rights_changes(&done, instance, &changes));
        if let Some(instance) = instance {
            changes.extend(self.hooks_change(&done, instance, &changes).await?);
            changes.extend(self.patches_change(&done, instance, &changes).await?);
        }
        changes.extend(self.old_commands_changes(&done, &command.key).await?);
        changes.extend(told_of_users.changes());
        changes.extend(told.changes());
        if !committed(self.ports.store.commit(changes).await)? {
            return Ok(false);
        }
        self.ended.extend(done.deployment_id);
        Ok(true)
    }

    /// A service error where the host's role may not write its logs [CWL-5]. The host serves all the same; its next change of log streams, or its
    /// next machine, tries again.
    fn log_rights_changes(&self, done: &Command, instance: Option<&Stored<Instance>>, beside: &[Change]) -> Vec<Change> {
        // Somebody's own script may say anything.
        let ships_logs = matches!(done.command_type.as_str(), "setup" | "configure");
        let found = done.last_line.as_deref().filter(|_| ships_logs).and_then(missing_log_right);
        let (Some(right), Some(instance)) = (found, instance) else { return Vec::new() };
        let teller = Teller { ids: &*self.ports.ids, now: self.ports.clock.now(), trigger: "end of a command" };
        let mut record = instance.record.clone();
        let message = format!("The logs of {} are not shipped: {right}.", record.hostname);
        let (error, alert) = teller.service_error(&mut record, "InstanceSetup", &message);
        let put = instance.put(&record);
        let is_written = beside.iter().any(|change| change.key() == put.key());
        let told = Told { events: vec![alert], ..Told::default() };
        service_error_changes(&error).into_iter().chain((!is_written).then_some(put)).chain(told.changes()).collect()
    }

    /// What the host has said of its hooks, if it is news. The check of the instance keeps the note from outliving it.
    async fn hooks_change(
        &self,
        done: &Command,
        instance: &Stored<Instance>,
        beside: &[Change],
    ) -> Result<Vec<Change>, StoreError> {
        let Some(configure) = done.last_line.as_deref().and_then(has_configure_hook) else { return Ok(Vec::new()) };
        let hooks = keys::Hooks { configure };
        let key = keys::hooks(&done.stack_id, &done.instance_id);
        let known = self.ports.store.get(&key).await?;
        if known.as_ref().and_then(|item| item.decode().ok()) == Some(hooks) {
            return Ok(Vec::new());
        }
        let expect = known.map_or(Expect::Absent, |item| item.unchanged());
        let check = instance.check();
        let is_written = beside.iter().any(|change| change.key() == check.key());
        Ok([Change::put(key, &hooks, expect)].into_iter().chain((!is_written).then_some(check)).collect())
    }
}

impl StackRun<'_> {
    /// What the host has said of its updates at the end of update_dependencies. The check of the instance keeps the note from outliving it.
    async fn patches_change(
        &self,
        done: &Command,
        instance: &Stored<Instance>,
        beside: &[Change],
    ) -> Result<Vec<Change>, StoreError> {
        // Somebody's own script may say anything.
        let line = done.last_line.as_deref().filter(|_| done.command_type == "update_dependencies");
        let Some(report) = line.and_then(PatchReport::of) else { return Ok(Vec::new()) };
        let key = keys::patch_state(&done.stack_id, &done.instance_id);
        let known = self.ports.store.get(&key).await?;
        let before: Option<PatchState> = known.as_ref().and_then(|item| item.decode().ok());
        let state = PatchState::after(before.as_ref(), report, self.ports.clock.now());
        let expect = known.map_or(Expect::Absent, |item| item.unchanged());
        let check = instance.check();
        let is_written = beside.iter().any(|change| change.key() == check.key());
        Ok([Change::put(key, &state, expect)].into_iter().chain((!is_written).then_some(check)).collect())
    }
}

impl CommandRunner {
    /// Completes those of these deployments of which nothing is pending any more.
    pub(super) async fn complete(
        &self,
        touched: &BTreeSet<(StackId, DeploymentId)>,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        if touched.is_empty() {
            return Ok(Vec::new());
        }
        let pending: BTreeSet<_> = self.pending("").await?.into_iter().map(|pending| pending.command_id).collect();
        let mut decisions = Vec::new();
        for (stack, id) in touched {
            let Some(item) = self.ports.store.get(&keys::deployment(stack, id)).await? else { continue };
            let deployment: Stored<Deployment> = Stored::of(item)?;
            let is_over = deployment.record.status != DeploymentState::Running;
            if is_over || deployment.record.targets.iter().any(|target| pending.contains(&target.command_id)) {
                continue;
            }
            decisions.extend(self.complete_one(&deployment, trigger).await?);
        }
        Ok(decisions)
    }

    /// Sets the deployment's final status from its commands' [CMD-29], takes it out of the open ones and tells of it.
    async fn complete_one(&self, stored: &Stored<Deployment>, trigger: &str) -> Result<Option<DecisionRecord>, HandlerError> {
        let (store, deployment) = (&*self.ports.store, &stored.record);
        let Some(stack) = store.get(&keys::stack(&deployment.stack_id)).await? else { return Ok(None) };
        let stack: Stack = stack.decode()?;
        if !is_expanded(store, deployment).await? {
            return Ok(None);
        }
        let mut commands = Vec::with_capacity(deployment.targets.len());
        for target in &deployment.targets {
            let key = keys::command(&deployment.stack_id, &target.instance_id, &target.command_id);
            // Its stack is being deleted.
            let Some(item) = store.get(&key).await? else { return Ok(None) };
            commands.push(item.decode::<Command>()?);
        }
        let status = DeploymentState::of(commands.iter().map(|c| c.status));
        if status == DeploymentState::Running {
            return Ok(None);
        }
        let completed_at = commands.iter().filter_map(|c| c.completed_at).max().unwrap_or_else(|| self.ports.clock.now());
        let done = Deployment { status, completed_at: Some(completed_at), ..deployment.clone() };
        let decision = self.decision(&stack, &done, &commands, trigger);
        let told =
            Told { decisions: vec![decision.clone()], events: vec![deployment_event(&stack, &done, status)], ..Told::default() };
        let mut changes = vec![stored.put(&done)];
        if let Some(open) = store.get(&keys::open_deployment(&deployment.id)).await? {
            changes.push(Change::Delete { expect: open.unchanged(), key: open.key });
        }
        changes.extend(told.changes());
        Ok(committed(store.commit(changes).await)?.then_some(decision))
    }

    fn decision(&self, stack: &Stack, done: &Deployment, commands: &[Command], trigger: &str) -> DecisionRecord {
        let count = |state: CommandState| commands.iter().filter(|c| c.status == state).count();
        let ends = [
            CommandState::Successful,
            CommandState::Failed,
            CommandState::Expired,
            CommandState::Skipped,
            CommandState::Superseded,
        ];
        let ends: Vec<String> =
            ends.into_iter().filter(|s| count(*s) > 0).map(|s| format!("{} {}", count(s), s.as_str())).collect();
        let bad = commands.iter().find(|c| matches!(c.status, CommandState::Failed | CommandState::Expired));
        let said = bad.and_then(|c| c.last_line.as_deref()).map(|line| format!("; one said: {line}")).unwrap_or_default();
        DecisionRecord {
            id: DecisionId::new(self.ports.ids.uuid()),
            at: self.ports.clock.now(),
            function: Function::InstanceLifecycle,
            trigger: trigger.to_owned(),
            subject: stack.name.clone(),
            stack_id: Some(stack.id.clone()),
            layer_id: None,
            verdict: Verdict::Act,
            saw: format!("all commands of the deployment {} have ended", done.id),
            did: format!("call {} {}", done.command, done.status.as_str()),
            why: format!("{}{said}", ends.join(", ")),
            touched: Touched::default(),
        }
    }
}
