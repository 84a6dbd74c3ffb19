//! Commands on hosts: what CreateDeployment asks for, and what the service sends by itself, brought forward until it is final.
//!
//! Every unfinished command stands in an index, written in the commit that makes it and removed in the one that ends it. An invocation
//! reads the queues of the instances that it is about, asks what became of what was sent, and takes for each command the step that
//! `strata_domain::commands::next` says. That it is going to be sent is written before it is sent, and its nonce makes a repeat the same
//! command; so any await may be the last, and two invocations may run side by side.

mod configure;
mod ending;
mod keeping;
mod queue;
mod request;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
pub(crate) mod users;

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::decision::DecisionRecord;
use strata_domain::{CommandId, DeploymentId, InstanceId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, HandlerError, Item, Ports, StoreError, keys};

use crate::reconciler::round::committed;
use crate::reconciler::view::StackView;
use crate::records::{CommandPointer, Deployment, Stored, expand_deployment, is_expanded};
use queue::StackRun;

/// So often an invocation looks at the queues again after commands have ended: the next one of the same host is then sent at once.
const ROUNDS: usize = 4;

/// Brings commands forward. Cheap to clone; holds no state between invocations.
#[derive(Clone)]
pub struct CommandRunner {
    ports: Ports,
}

/// An entry among the pending commands.
#[derive(Clone, Debug)]
struct Pending {
    command_id: CommandId,
    pointer: CommandPointer,
    item: Item,
}

impl CommandRunner {
    /// Over these ports.
    pub fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// Brings the commands of these instances forward. `trigger` says in a few words what woke us. Returns the decisions told.
    ///
    /// # Errors
    /// [`HandlerError::Store`] and [`HandlerError::Commit`] when the store does not answer; what was done until then stands. Trouble of
    /// the cloud is no error: the next look goes on.
    pub async fn step(&self, instances: &BTreeSet<InstanceId>, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut pending = Vec::new();
        for instance in instances {
            pending.extend(self.pending(&keys::pending_commands_of(instance)).await?);
        }
        self.run(pending, BTreeSet::new(), trigger).await
    }

    /// Brings all unfinished commands and deployments forward; what a crash has left half written is written.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn tick(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut open = BTreeSet::new();
        let mut failed: Option<HandlerError> = None;
        for item in self.ports.store.list(&Listing::of(keys::OPEN_DEPLOYMENTS_PK, "")).await? {
            let owner: keys::Owner = item.decode()?;
            let id = DeploymentId::new(item.key.sk.clone());
            if let Err(error) = self.expand(&owner.stack_id, &id, item).await {
                failed.get_or_insert(error);
            }
            open.insert((owner.stack_id, id));
        }
        // What has ended first: a host that has just come online has said in the last line of its Setup that it has a hook, and the Configure
        // of its own coming is for it as well [LIFE-2].
        let pending = self.pending("").await?;
        let known: BTreeSet<CommandId> = pending.iter().map(|one| one.command_id.clone()).collect();
        let mut decisions = self.run(pending, open, trigger).await?;
        for made in [self.sync_users().await, self.retry_users().await, self.configure().await] {
            failed = failed.or(made.err());
        }
        let mut pending = self.pending("").await?;
        let is_new = |one: &Pending| !known.contains(&one.command_id);
        let with_new: BTreeSet<InstanceId> =
            pending.iter().filter(|one| is_new(one)).map(|one| one.pointer.instance_id.clone()).collect();
        // A host's commands are one queue.
        pending.retain(|one| with_new.contains(&one.pointer.instance_id));
        decisions.extend(self.run(pending, BTreeSet::new(), trigger).await?);
        failed.map_or(Ok(decisions), Err)
    }

    async fn pending(&self, prefix: &str) -> Result<Vec<Pending>, StoreError> {
        let items = self.ports.store.list(&Listing::of(keys::PENDING_COMMANDS_PK, prefix)).await?;
        items.into_iter().map(Pending::of).collect()
    }

    /// Writes the commands of an open deployment that are not there yet. The entry of one that is gone goes too.
    async fn expand(&self, stack: &StackId, id: &DeploymentId, entry: Item) -> Result<(), HandlerError> {
        let store = &*self.ports.store;
        let Some(item) = store.get(&keys::deployment(stack, id)).await? else {
            committed(store.commit(vec![Change::Delete { expect: entry.unchanged(), key: entry.key }]).await)?;
            return Ok(());
        };
        let deployment: Deployment = item.decode()?;
        if is_expanded(store, &deployment).await? {
            return Ok(());
        }
        let Some(item) = store.get(&keys::stack(stack)).await? else { return Ok(()) };
        expand_deployment(store, &item.decode()?, &deployment).await?;
        Ok(())
    }

    /// Steps what is pending, then completes those deployments, and the ones that were stepped, of which nothing is pending any more.
    async fn run(
        &self,
        pending: Vec<Pending>,
        mut touched: BTreeSet<(StackId, DeploymentId)>,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut by_stack: BTreeMap<StackId, Vec<Pending>> = BTreeMap::new();
        for one in pending {
            by_stack.entry(one.pointer.stack_id.clone()).or_default().push(one);
        }
        // One stack's trouble does not keep the others from being looked at; it is told at the end.
        let mut failed: Option<HandlerError> = None;
        for (stack, pending) in by_stack {
            match self.run_stack(&stack, pending).await {
                Ok(ended) => touched.extend(ended.into_iter().map(|id| (stack.clone(), id))),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        let completed = self.complete(&touched, trigger).await;
        match (completed, failed) {
            (Ok(decisions), None) => Ok(decisions),
            (Err(error), _) | (Ok(_), Some(error)) => Err(error),
        }
    }

    /// Steps a stack's pending commands. Answers with the deployments of which a command has ended.
    async fn run_stack(&self, stack: &StackId, pending: Vec<Pending>) -> Result<BTreeSet<DeploymentId>, HandlerError> {
        let Some(view) = StackView::read(&*self.ports.store, stack).await? else {
            // The stack was deleted, and its commands with it.
            for one in pending {
                committed(self.ports.store.commit(vec![one.delete()]).await)?;
            }
            return Ok(BTreeSet::new());
        };
        let mut run = StackRun::new(&self.ports, view);
        let mut pending = pending;
        for _ in 0..ROUNDS {
            let moved = run.round(pending).await?;
            if moved.is_empty() {
                break;
            }
            pending = Vec::new();
            for instance in &moved {
                pending.extend(self.pending(&keys::pending_commands_of(instance)).await?);
            }
        }
        run.into_ended()
    }
}

impl Pending {
    fn of(item: Item) -> Result<Self, StoreError> {
        let pointer: CommandPointer = item.decode()?;
        let command = item.key.sk.rsplit('#').next().unwrap_or_default();
        Ok(Self { command_id: CommandId::from(command), pointer, item })
    }

    fn delete(&self) -> Change {
        Change::Delete { key: self.item.key.clone(), expect: self.item.unchanged() }
    }
}

/// A stored record as it stands after a commit that wrote it.
fn rewritten<T>(before: &Stored<T>, record: T) -> Stored<T> {
    Stored { key: before.key.clone(), version: before.version + 1, record }
}
