//! The minute tick: what is under way, what is claimed, and what EC2 and ECS call exceptional. It makes up for every lost event.

use std::collections::BTreeSet;

use strata_domain::decision::DecisionRecord;
use strata_domain::lifecycle::may_have_orphan;
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::{Instance, Stack};
use strata_domain::{ClusterArn, Ec2InstanceId, InstanceStatus, StackId};
use strata_ports::mode::effective;
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, StoreError, keys};

use super::view::{StackView, scope_of};
use super::{Named, Reconciler, Source, Woken, named, outage, round, shortage};
use crate::records::cloning::sweep_unfinished;

impl Reconciler {
    /// Steps everything that is busy, claimed or exceptional. A constant number of calls per registered cluster, and no settled
    /// record is read, except every 15 minutes, when every record that is not stopped is looked at.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer; a cloud that does not answer is asked again on the next tick.
    pub async fn sweep(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let store = &*self.ports.store;
        let (mut ids, mut decisions) = (BTreeSet::new(), Vec::new());
        for item in store.list(&Listing::of(keys::BUSY_PK, "")).await? {
            ids.insert(named(&item)?);
        }
        // One stack's trouble does not keep the others, nor what is busy, from being looked at; it is told at the end.
        let mut failed: Option<HandlerError> = None;
        for item in store.list(&Listing::of(keys::CLUSTERS_PK, "")).await? {
            let owner: keys::Owner = item.decode()?;
            let cluster = ClusterArn::new(item.key.sk.clone());
            match self.exceptions(&owner.stack_id, &cluster, &mut ids, trigger).await {
                Ok(told) => decisions.extend(told),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        let awake = match self.is_full_sweep_due().await {
            Ok(true) => {
                let cloned = sweep_unfinished(store, self.ports.clock.now()).await.map_err(HandlerError::from);
                let templates = self.keep_templates(trigger).await.map(|told| decisions.extend(told));
                let tagged = self.keep_all_tags().await;
                let forgotten = self.forget_errors().await;
                let awake = self.all_awake(&mut ids).await.map_err(HandlerError::from);
                awake.and(cloned).and(templates).and(tagged).and(forgotten)
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        failed = failed.or(awake.err());
        let (balanced, ended) = (self.balance(trigger).await, self.end_holds(trigger).await);
        let overwritten = self.overwrite_groups(trigger).await;
        let ids: Vec<Named> = ids.into_iter().collect();
        decisions.extend(self.go(&ids, self.stranded().await?, Woken { by: trigger, of: Source::Tick }).await?);
        for told in [balanced, ended, overwritten] {
            match told {
                Ok(told) => decisions.extend(told),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(decisions), Err)
    }

    async fn exceptions(
        &self,
        stack: &StackId,
        cluster: &ClusterArn,
        ids: &mut BTreeSet<Named>,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let Some(mut view) = StackView::read(&*self.ports.store, stack).await? else { return Ok(Vec::new()) };
        ids.extend(view.claimed().map(|id| (stack.clone(), id.clone())));
        for forgotten in view.forgotten_claims(self.ports.clock.now()) {
            // Somebody who has taken the host anew meanwhile was quicker.
            round::committed(self.ports.store.commit(vec![forgotten]).await)?;
        }
        outage::resolve(&*self.ports.store, &view, &self.config, self.ports.clock.now()).await?;
        shortage::resolve(&*self.ports.store, stack, self.ports.clock.now()).await?;
        let machines = self.ports.compute.describe_exceptions(&view.scope).await.unwrap_or_default();
        ids.extend(machines.into_iter().filter_map(|host| host.instance_id).map(|id| (stack.clone(), id)));
        let containers = self.ports.containers.describe_exceptions(&view.scope, cluster).await.unwrap_or_default();
        for container in containers {
            ids.extend(self.owner_of(&container.ec2_instance_id).await?);
        }
        self.keep_template(&mut view, cluster, false).await?;
        self.keep_tags(&mut view, false).await?;
        self.follow_announcements(&mut view, ids, trigger).await
    }

    /// Notes on the machines of records in service that they are to run, if they were taken down before: one call for all that came back since
    /// the last full sweep, where a call at each start would double the calls of a restart. A note that fails is made by the next.
    async fn note_running(&self, stack: &Stack, records: &[Instance]) {
        let online: BTreeSet<&Ec2InstanceId> =
            records.iter().filter(|r| r.status == InstanceStatus::Online).filter_map(|r| r.ec2_instance_id.as_ref()).collect();
        let mode = effective(&*self.ports.modes, Some(&stack.id), &[]).await;
        if online.is_empty() || !permits(mode, ActionKind::Start) {
            return;
        }
        let scope = scope_of(stack);
        let found = self.ports.compute.find_unnoted(&scope).await.unwrap_or_default();
        let back: Vec<_> = found.into_iter().map(|host| host.id).filter(|id| online.contains(id)).collect();
        if back.is_empty() {
            return;
        }
        if let Err(error) = self.ports.compute.note_running(&scope, &back).await {
            tracing::warn!(stack.id = %stack.id, error = %error, "machines that are back could not be noted");
        }
    }

    /// Whether the last full sweep is old enough; if so, this one is the next.
    async fn is_full_sweep_due(&self) -> Result<bool, HandlerError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        let item = store.get(&keys::full_sweep()).await?;
        let last: Option<jiff::Timestamp> = item.as_ref().and_then(|i| i.decode().ok());
        if last.is_some_and(|last| now.duration_since(last) < self.config.full_sweep_every) {
            return Ok(false);
        }
        let expect = item.map_or(Expect::Absent, |item| item.unchanged());
        Ok(round::committed(store.commit(vec![Change::put(keys::full_sweep(), &now, expect)]).await)?)
    }

    /// Every record that is not stopped, and those whose lost launch may still turn up.
    async fn all_awake(&self, ids: &mut BTreeSet<Named>) -> Result<(), StoreError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        for stack in store.list(&Listing::of(keys::STACKS_PK, "")).await? {
            let stack_id = StackId::new(stack.key.sk);
            let stack = store.get(&keys::stack(&stack_id)).await?.and_then(|item| item.decode::<Stack>().ok());
            let Some(stack) = stack else { continue };
            // A stack without a cluster is looked at here only; whatever is wrong with it is told at the next look.
            if let Err(error) = shortage::resolve(store, &stack_id, now).await {
                tracing::warn!(stack.id = %stack_id, error = %error, "the pages about capacity stay open");
            }
            let items = store.list(&Listing::of(keys::stack_pk(&stack_id), keys::INSTANCE)).await?;
            let records: Vec<Instance> = items.iter().map(|item| item.decode()).collect::<Result<_, _>>()?;
            self.note_running(&stack, &records).await;
            for record in records {
                let was_launched = record.ec2_instance_id.is_none() && record.launch_number > 0;
                let may_have_orphan = was_launched && may_have_orphan(record.status_since, now);
                if record.status != InstanceStatus::Stopped || may_have_orphan {
                    ids.insert((stack_id.clone(), record.id));
                }
            }
        }
        Ok(())
    }
}
