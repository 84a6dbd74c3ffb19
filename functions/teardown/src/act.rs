//! What teardown does: commits the record and what it tells, then calls, and notes what was refused.

use strata_domain::decision::{DecisionRecord, Function};
use strata_domain::mode::Mode;
use strata_domain::teardown::{Teardown, TeardownStep, because};
use strata_fleet::{FleetError, sort};
use strata_ports::{Change, CloudError, CommitError, Expect, HandlerError, Item, StoreError, Told, journal, keys};
use strata_telemetry::carrying_out;

use crate::observe::World;
use crate::told::{Teller, sentences};
use crate::{Deps, Go};

/// One look at the world, and who looked.
pub(crate) struct Turn<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) world: &'a World,
    pub(crate) teller: Teller<'a>,
}

/// Nothing in the world is touched by these: they are done in every mode, so that an abort ends a frozen teardown.
pub(crate) fn only_books(steps: &[TeardownStep]) -> bool {
    steps.iter().all(|step| match step {
        TeardownStep::Unblock { .. } | TeardownStep::End { .. } => true,
        TeardownStep::Enter { .. }
        | TeardownStep::Block { .. }
        | TeardownStep::ScaleService { .. }
        | TeardownStep::DeleteService { .. }
        | TeardownStep::Stop { .. }
        | TeardownStep::Delete { .. }
        | TeardownStep::Unassign { .. }
        | TeardownStep::Deregister { .. }
        | TeardownStep::DeregisterCluster { .. }
        | TeardownStep::DeleteLayer
        | TeardownStep::DeleteStack => false,
    })
}

/// Why a call did not do what was asked.
enum Failed {
    /// It was refused; the next look decides anew, and what blocks names the refusal.
    Refused(String),
    /// No answer.
    NoAnswer(HandlerError),
}

impl From<FleetError> for Failed {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Refused { why, .. } | FleetError::Gone { why, .. } => Self::Refused(why),
            FleetError::NoAnswer { .. } => Self::NoAnswer(error.into()),
        }
    }
}

impl From<CloudError> for Failed {
    fn from(error: CloudError) -> Self {
        match error {
            CloudError::Refused { .. } | CloudError::Wrong { .. } => Self::Refused(error.to_string()),
            CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. } => Self::NoAnswer(error.into()),
        }
    }
}

impl Turn<'_> {
    /// The mode forbids it: in `observe` it is told, when frozen not even that, and an unreadable mode is told because it is trouble.
    pub(crate) async fn would(
        &self,
        teardown: &Teardown,
        steps: &[TeardownStep],
        mode: Option<Mode>,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut after = teardown.clone();
        steps.iter().for_each(|step| after.apply(step, self.teller.now));
        let Some(would) = sentences(steps, &because(after.stage, &after)).into_iter().next_back() else { return Ok(Vec::new()) };
        let Some(record) = self.teller.would(teardown, &would, mode) else { return Ok(Vec::new()) };
        let subject = format!("mode {}", teardown.layer_id);
        let news = journal::news(&*self.deps.store, Function::Teardown, &subject, &record.did).await?;
        if !news.is_new {
            return Ok(Vec::new());
        }
        let told = Told { decisions: vec![record], ..Told::default() };
        let mut changes = told.changes();
        changes.push(news.change());
        Ok(if self.commit(changes).await? { told.decisions } else { Vec::new() })
    }

    /// Takes the steps: first into the record with what is told, then into the world.
    pub(crate) async fn take(
        &self,
        item: &Item,
        before: Teardown,
        steps: &[TeardownStep],
    ) -> Result<(Vec<DecisionRecord>, Go), HandlerError> {
        let mut after = before.clone();
        steps.iter().for_each(|step| after.apply(step, self.teller.now));
        let mut told = Told::default();
        let mut changes = Vec::new();
        for sentence in sentences(steps, &because(after.stage, &after)) {
            // A call that is repeated because the world has not followed is told once.
            let subject = format!("{} {}", before.id, sentence.kind);
            let news = journal::news(&*self.deps.store, Function::Teardown, &subject, &sentence.did).await?;
            if news.is_new || sentence.is_always_news {
                changes.push(news.change());
                told.decisions.push(self.teller.decision(&before, &sentence));
            }
        }
        told.pages.extend(self.teller.pages(&before, &after, steps, told.decisions.last().map(|d| &d.id)));
        changes.extend(told.changes());
        if after != before || !changes.is_empty() {
            changes.extend(self.record_changes(&after, item).await?);
            if !self.commit(changes).await? {
                return Ok((Vec::new(), Go::On));
            }
        }
        let go = carrying_out(told.decisions.last().map(|d| &d.id), self.act(&after, steps)).await?;
        Ok((told.decisions, go))
    }

    /// Commits. `false` when somebody else was quicker or the outcome is unknown: then the next look tells what became of it.
    async fn commit(&self, changes: Vec<Change>) -> Result<bool, HandlerError> {
        match self.deps.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(false),
            Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => Err(error.into()),
        }
    }

    /// The record in its place: among the running ones, or with the layer's mark gone among those that have ended.
    async fn record_changes(&self, teardown: &Teardown, item: &Item) -> Result<Vec<Change>, StoreError> {
        let (key, expect) = (item.key.clone(), item.unchanged());
        if !teardown.is_ended() {
            return Ok(vec![Change::put(key, teardown, expect)]);
        }
        let ended = Change::put(keys::ended_teardown(&teardown.id), teardown, Expect::Absent);
        let mark = self.deps.store.get(&keys::teardown_mark(&teardown.stack_id, &teardown.layer_id)).await?;
        let unmark = mark.map(|m| Change::Delete { expect: m.unchanged(), key: m.key });
        Ok([Change::Delete { key, expect }, ended].into_iter().chain(unmark).collect())
    }

    /// Makes the calls. One that is refused keeps no other from being made; no answer leaves the rest to the next event as well.
    async fn act(&self, teardown: &Teardown, steps: &[TeardownStep]) -> Result<Go, HandlerError> {
        let (mut refusal, mut unanswered, mut leads_on) = (None, None, false);
        for step in steps {
            match self.call(teardown, step).await {
                Ok(changes_the_view) => leads_on |= changes_the_view,
                Err(Failed::Refused(why)) => {
                    tracing::warn!(teardown.id = %teardown.id, why, "a step of the teardown was refused");
                    refusal = Some(why);
                }
                Err(Failed::NoAnswer(error)) => unanswered = Some(error),
            }
        }
        if refusal.is_some() && refusal != teardown.last_refusal {
            self.note(teardown, refusal.clone()).await?;
        }
        match unanswered {
            Some(error) => Err(error),
            None if leads_on && refusal.is_none() => Ok(Go::On),
            None => Ok(Go::Wait),
        }
    }

    /// Notes what was refused. Losing this write costs a sentence in a page.
    async fn note(&self, teardown: &Teardown, refusal: Option<String>) -> Result<(), HandlerError> {
        let key = keys::teardown(&teardown.id);
        if let Some(item) = self.deps.store.get(&key).await? {
            let noted = Teardown { last_refusal: refusal, ..crate::read(&item)? };
            self.commit(vec![Change::put(key, &noted, item.unchanged())]).await?;
        }
        Ok(())
    }

    /// Makes one call. Answers whether its effect is there at once, so that another look may show more to do.
    async fn call(&self, teardown: &Teardown, step: &TeardownStep) -> Result<bool, Failed> {
        let client = self.deps.fleet.client();
        let cluster = || teardown.cluster.as_ref().zip(self.world.scope());
        match step {
            TeardownStep::ScaleService { service, .. } => match cluster() {
                Some((cluster, scope)) => {
                    Ok(self.deps.containers.scale_service(&scope, cluster, service, 0).await.map(|()| false)?)
                }
                None => Ok(false),
            },
            TeardownStep::DeleteService { service, .. } => match cluster() {
                Some((cluster, scope)) => {
                    Ok(self.deps.containers.delete_service(&scope, cluster, service).await.map(|()| true)?)
                }
                None => Ok(false),
            },
            TeardownStep::Stop { instance, .. } => Ok(self.deps.fleet.stop(instance).await.map(|()| false)?),
            TeardownStep::Delete { instance, volumes, address, .. } => {
                let call = client.delete_instance().instance_id(instance.as_str());
                let call = call.delete_volumes(*volumes).delete_elastic_ip(*address);
                Ok(call.send().await.map(|_| false).map_err(|e| sort("DeleteInstance", e))?)
            }
            TeardownStep::Unassign { instance, .. } => {
                let call = client.unassign_instance().instance_id(instance.as_str());
                Ok(call.send().await.map(|_| false).map_err(|e| sort("UnassignInstance", e))?)
            }
            TeardownStep::Deregister { instance, .. } => {
                let call = client.deregister_instance().instance_id(instance.as_str());
                Ok(call.send().await.map(|_| true).map_err(|e| sort("DeregisterInstance", e))?)
            }
            TeardownStep::DeregisterCluster { cluster } => {
                let call = client.deregister_ecs_cluster().ecs_cluster_arn(cluster.as_str());
                Ok(call.send().await.map(|_| true).map_err(|e| sort("DeregisterEcsCluster", e))?)
            }
            TeardownStep::DeleteLayer => {
                let call = client.delete_layer().layer_id(teardown.layer_id.as_str());
                Ok(call.send().await.map(|_| true).map_err(|e| sort("DeleteLayer", e))?)
            }
            TeardownStep::DeleteStack => {
                let call = client.delete_stack().stack_id(teardown.stack_id.as_str());
                Ok(call.send().await.map(|_| true).map_err(|e| sort("DeleteStack", e))?)
            }
            TeardownStep::Enter { .. } | TeardownStep::Block { .. } | TeardownStep::Unblock { .. } | TeardownStep::End { .. } => {
                Ok(false)
            }
        }
    }
}
