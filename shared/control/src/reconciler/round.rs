//! One round: read, observe, compute, write, act. Instances drop out when they are settled or have to wait.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Touched, Verdict};
use strata_domain::lifecycle::{Action, Observed, Step, next, only_waits};
use strata_domain::mode::{ActionKind, Mode, permits};
use strata_domain::model::Instance;
use strata_domain::{DecisionId, InstanceId, InstanceStatus, StackId};
use strata_ports::store::Listing;
use strata_ports::{CommitError, HandlerError, keys};
use strata_telemetry::carrying_out;

use super::act::{Actor, Next, kind_of, verb};
use super::observe::observe;
use super::outage::Outages;
use super::telling::{Teller, Words, listed};
use super::view::StackView;
use super::write::{Write, commit_all};
use super::{Named, Reconciler, Source, Woken};
use crate::records::Stored;

/// With more instances on their way than this, stops are left to the tick: each costs two of EC2's calls, of which it lets 50 through at once
/// and then five a second.
const CROWD: usize = 100;

/// One invocation.
pub(super) struct Run<'a> {
    pub(super) reconciler: &'a Reconciler,
    woken: Woken<'a>,
    open: BTreeSet<Named>,
    views: BTreeMap<StackId, StackView>,
    seen: BTreeMap<InstanceId, Observed>,
    /// Whom this invocation has read before.
    met: BTreeSet<InstanceId>,
    /// What was done already: the same action for the same instance is not repeated within an invocation.
    done: BTreeSet<(InstanceId, Action)>,
    pub(super) decisions: Vec<DecisionRecord>,
    /// Taken along from the backlog of launches.
    pub(super) waiting: BTreeSet<InstanceId>,
    /// The first trouble with the store. It spoils only the records that it is about; whoever woke us is told at the end.
    failed: Option<HandlerError>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        reconciler: &'a Reconciler,
        woken: Woken<'a>,
        open: BTreeSet<Named>,
        waiting: BTreeSet<InstanceId>,
    ) -> Self {
        Self {
            reconciler,
            woken,
            open,
            views: BTreeMap::new(),
            seen: BTreeMap::new(),
            met: BTreeSet::new(),
            done: BTreeSet::new(),
            decisions: Vec::new(),
            waiting,
            failed: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// What was told, or the first trouble met on the way.
    pub(super) fn into_decisions(self) -> Result<Vec<DecisionRecord>, HandlerError> {
        self.failed.map_or(Ok(self.decisions), Err)
    }

    /// Notes trouble with one record, and leaves that record to the next look.
    fn leave(&mut self, stack: &StackId, id: &InstanceId, error: impl Into<HandlerError>) {
        let error = error.into();
        tracing::warn!(instance.id = %id, error = %error, "left to the next look");
        self.open.remove(&(stack.clone(), id.clone()));
        self.failed.get_or_insert(error);
    }

    fn now(&self) -> Timestamp {
        self.reconciler.ports.clock.now()
    }

    pub(super) fn teller(&self, now: Timestamp) -> Teller<'a> {
        Teller { ids: &*self.reconciler.ports.ids, now, trigger: self.woken.by }
    }

    fn close(&mut self, record: &Instance) {
        self.open.remove(&(record.stack_id.clone(), record.id.clone()));
    }

    fn look_again(&mut self, id: &InstanceId) {
        self.seen.remove(id);
    }

    /// One step for each open instance.
    pub(super) async fn round(&mut self) -> Result<(), HandlerError> {
        let mut by_stack: BTreeMap<StackId, Vec<InstanceId>> = BTreeMap::new();
        for (stack, instance) in &self.open {
            by_stack.entry(stack.clone()).or_default().push(instance.clone());
        }
        for (stack, ids) in by_stack {
            let view = match self.views.remove(&stack) {
                Some(view) => Some(view),
                None => match StackView::read(&*self.reconciler.ports.store, &stack).await {
                    Ok(view) => view,
                    Err(error) => {
                        // Another stack may well be readable.
                        self.open.retain(|(s, _)| *s != stack);
                        self.failed.get_or_insert(error.into());
                        continue;
                    }
                },
            };
            let Some(mut view) = view else {
                self.open.retain(|(s, _)| *s != stack);
                continue;
            };
            view.forget_modes();
            let is_stale = self.round_of(&mut view, &ids).await?;
            if !is_stale {
                self.views.insert(stack, view);
            }
        }
        Ok(())
    }

    /// One step for each of these instances of a stack. Answers whether the view must be read again.
    async fn round_of(&mut self, view: &mut StackView, ids: &[InstanceId]) -> Result<bool, HandlerError> {
        let mut records = self.read(&view.stack.id, ids).await;
        let now = self.now();
        self.leave_waiting(view, &mut records);
        let unseen: Vec<&Instance> = records.iter().map(|r| &r.record).filter(|r| !self.seen.contains_key(&r.id)).collect();
        let looked = observe(&self.reconciler.ports, view, &unseen, now).await;
        self.seen.extend(looked);
        let steps = self.steps(view, &records, now).await?;

        let mut writes = Vec::new();
        let mut acts: BTreeMap<Action, Vec<Stored<Instance>>> = BTreeMap::new();
        for (record, step) in records.iter().zip(steps) {
            match step {
                Step::Settled { why, notice } | Step::Wait { why, notice, .. } => {
                    self.close(&record.record);
                    if let Some(notice) = notice
                        && let Err(error) = self.notice(view, record, notice, &why, now).await
                    {
                        self.leave(&record.record.stack_id, &record.record.id, error);
                    }
                }
                Step::Act { action, .. } if self.done.contains(&(record.record.id.clone(), action)) => self.close(&record.record),
                Step::Act { action, .. } => acts.entry(action).or_default().push(record.clone()),
                Step::Move { to, record: after, why } => {
                    writes.push(Write { before: record.clone(), after: *after, to: Some(to), removes: false, why });
                }
                Step::Note { record: after, why } => writes.push(Write::note(record, *after, &why)),
                Step::Remove { why } => {
                    let after = record.record.clone();
                    writes.push(Write { before: record.clone(), after, to: None, removes: true, why });
                }
            }
        }
        self.write(view, writes, now).await?;
        let mut is_stale = false;
        for (action, items) in acts {
            is_stale |= matches!(action, Action::HoldForeign | Action::ReleaseForeign);
            self.act(view, action, items, now).await?;
        }
        Ok(is_stale)
    }

    /// Of records that were just written, those that only wait for the world are not looked at: once, at their first look in this invocation.
    fn leave_waiting(&mut self, view: &StackView, records: &mut Vec<Stored<Instance>>) {
        if self.woken.of != Source::Table {
            return;
        }
        records.retain(|Stored { record, .. }| {
            let waits = self.met.insert(record.id.clone()) && only_waits(record, view.claim_on(&record.id).is_some());
            if waits {
                self.open.remove(&(record.stack_id.clone(), record.id.clone()));
            }
            !waits
        });
    }

    /// While many are on their way, machines are stopped and terminated by the tick alone, which names all that are ready in few calls: as
    /// their drains end one by one, a call for each would be more than EC2's bucket holds. A failed host does not wait.
    async fn paced(&mut self, action: Action, items: Vec<Stored<Instance>>) -> Result<Vec<Stored<Instance>>, HandlerError> {
        let is_down = matches!(action, Action::PowerOff { .. } | Action::Terminate);
        if !is_down || self.woken.of == Source::Tick || !self.is_crowded().await? {
            return Ok(items);
        }
        let (now, later): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.record.healing);
        later.iter().for_each(|item| self.close(&item.record));
        Ok(now)
    }

    async fn is_crowded(&self) -> Result<bool, HandlerError> {
        let listing = Listing { limit: Some(CROWD.saturating_add(1)), ..Listing::of(keys::BUSY_PK, "") };
        Ok(self.reconciler.ports.store.list(&listing).await?.len() > CROWD)
    }

    /// Reads the records; one that cannot be read now does not keep the others from going on.
    async fn read(&mut self, stack: &StackId, ids: &[InstanceId]) -> Vec<Stored<Instance>> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            match self.reconciler.ports.store.get(&keys::instance(stack, id)).await {
                Ok(Some(item)) => match Stored::of(item) {
                    Ok(record) => records.push(record),
                    Err(error) => self.leave(stack, id, error),
                },
                Ok(None) => {
                    self.open.remove(&(stack.clone(), id.clone()));
                    // Somebody removed it while its launch waited.
                    if let Err(error) = self.leave_backlog(id).await {
                        self.leave(stack, id, error);
                    }
                }
                Err(error) => self.leave(stack, id, error),
            }
        }
        records
    }

    async fn steps(
        &mut self,
        view: &mut StackView,
        records: &[Stored<Instance>],
        now: Timestamp,
    ) -> Result<Vec<Step>, HandlerError> {
        let ports = &self.reconciler.ports;
        let mut steps = Vec::with_capacity(records.len());
        let mut outages: Option<Outages> = None;
        for stored in records {
            let record = &stored.record;
            // An entry whose launch was made or given up would keep others from being taken along.
            if record.status != InstanceStatus::Requested
                && self.waiting.contains(&record.id)
                && let Err(error) = self.leave_backlog(&record.id).await
            {
                tracing::warn!(instance.id = %record.id, error = %error, "stays in the launch backlog");
            }
            let mut rules = view.rules(record, &self.reconciler.config, now);
            let Some(seen) = self.seen.get(&record.id) else {
                steps.push(Step::Wait { until: None, why: "it was not looked at".to_owned(), notice: None });
                continue;
            };
            if record.status == InstanceStatus::ConnectionLost || record.out_of_service_since.is_some() {
                rules.mode_permits_healing = permits(view.mode(&*ports.modes, record).await, ActionKind::Stop);
            }
            if record.status == InstanceStatus::ConnectionLost || record.healing {
                rules.is_torn_down = view.is_torn_down(&*ports.store, record).await;
            }
            if record.status == InstanceStatus::StartFailed {
                rules.starts_refused = view.refuses_starts(&*ports.store, record).await;
            }
            if record.status.has_deadlines() || record.status == InstanceStatus::StartFailed {
                rules.mode_permits = permits(view.mode(&*ports.modes, record).await, waits_for(record.status));
            }
            let mut step = next(record, seen, &rules, now);
            if is_of_healing(record, &step) {
                if outages.is_none() {
                    outages = Some(Outages::look(ports, view, now).await?);
                }
                let is_outage = outages.as_ref().is_some_and(|o| o.is_outage_for(record));
                if is_outage {
                    rules.outage = true;
                    step = next(record, seen, &rules, now);
                }
            }
            steps.push(step);
        }
        Ok(steps)
    }

    async fn write(&mut self, view: &StackView, writes: Vec<Write>, now: Timestamp) -> Result<(), HandlerError> {
        self.write_all(view, writes.into_iter().map(|w| (w, false)).collect(), now).await
    }

    /// Commits writes; each either rests afterwards or is looked at again.
    async fn write_all(&mut self, view: &StackView, writes: Vec<(Write, bool)>, now: Timestamp) -> Result<(), HandlerError> {
        let fates: Vec<(Instance, Option<InstanceStatus>, bool, bool)> =
            writes.iter().map(|(w, rest)| (w.before.record.clone(), w.to, w.removes, *rest)).collect();
        let writes = writes.into_iter().map(|(w, _)| w).collect();
        let written = commit_all(&self.reconciler.ports, view, &self.teller(now), writes).await;
        self.decisions.extend(written.decisions);
        let troubled = written.troubled;
        if let Some(error) = written.failed {
            self.failed.get_or_insert(error);
        }
        let done: BTreeSet<usize> = written.done.into_iter().collect();
        for (index, (record, to, removes, rest)) in fates.into_iter().enumerate() {
            if troubled.contains(&index) {
                self.close(&record);
            } else if !done.contains(&index) {
                // Somebody was quicker: read and look again.
                self.look_again(&record.id);
            } else if removes || rest || to.is_some_and(rests_in) {
                self.close(&record);
            } else if to.is_some() {
                self.look_again(&record.id);
            }
        }
        Ok(())
    }

    async fn act(
        &mut self,
        view: &mut StackView,
        action: Action,
        items: Vec<Stored<Instance>>,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        let items = self.permitted(view, action, items, now).await?;
        let mut items = self.paced(action, items).await?;
        if action == Action::Launch {
            let ids: Vec<InstanceId> = items.iter().map(|item| item.record.id.clone()).collect();
            let left = self.left_to_others(&ids).await?;
            items.iter().filter(|item| left.contains(&item.record.id)).for_each(|item| self.close(&item.record));
            items.retain(|item| !left.contains(&item.record.id));
        }
        if items.is_empty() {
            return Ok(());
        }
        let actor = Actor { ports: &self.reconciler.ports, view, config: &self.reconciler.config, seen: &self.seen, now };
        let behind = self.decision_behind(&items).cloned();
        let nexts = carrying_out(behind.as_ref(), actor.carry_out(action, &items)).await;
        let mut writes = Vec::new();
        let mut backlog = Vec::new();
        for (item, next) in items.iter().zip(nexts) {
            self.done.insert((item.record.id.clone(), action));
            match next {
                Next::Look => self.look_again(&item.record.id),
                Next::Rest => self.close(&item.record),
                Next::Write { write, rest } => {
                    // What the record says now asks for something else, though by the same action: the next instance type. What was seen
                    // is out of date, since something was done in the world.
                    if !rest {
                        self.done.retain(|(id, _)| *id != item.record.id);
                        self.look_again(&item.record.id);
                    }
                    writes.push((*write, rest));
                }
                Next::Backlog => backlog.push(item.record.clone()),
            }
        }
        for record in &backlog {
            self.close(record);
        }
        self.join_backlog(&backlog).await?;
        self.write_all(view, writes, now).await
    }

    /// The newest decision of this invocation about the layer of the first of these; what an earlier invocation has told is not known here.
    fn decision_behind(&self, items: &[Stored<Instance>]) -> Option<&DecisionId> {
        let first = &items.first()?.record;
        let is_about =
            |d: &&DecisionRecord| d.stack_id.as_ref() == Some(&first.stack_id) && d.layer_id.as_ref() == first.layer_ids.first();
        self.decisions.iter().rev().find(is_about).map(|d| &d.id)
    }

    /// Those whose mode lets the action be done. In `observe`, what would be done is told once.
    async fn permitted(
        &mut self,
        view: &mut StackView,
        action: Action,
        items: Vec<Stored<Instance>>,
        now: Timestamp,
    ) -> Result<Vec<Stored<Instance>>, HandlerError> {
        let Some(kind) = kind_of(action) else { return Ok(items) };
        let mut allowed = Vec::with_capacity(items.len());
        let mut observed = Vec::new();
        for item in items {
            let mode = view.mode(&*self.reconciler.ports.modes, &item.record).await;
            if permits(mode, kind) {
                allowed.push(item);
                continue;
            }
            self.close(&item.record);
            if mode == Some(Mode::Observe) {
                observed.push(item);
            }
        }
        if let Some(first) = observed.first() {
            let hosts = listed(observed.iter().map(|i| i.record.hostname.as_str()));
            let words = Words {
                verdict: Verdict::WouldAct,
                saw: format!("{} in status {}", hosts, first.record.status),
                did: format!("would {} {hosts}", verb(action)),
                why: "the mode is observe".to_owned(),
            };
            let touched = Touched::new(None, observed.iter().map(|i| i.record.id.clone()));
            let decision = self.teller(now).decision(view, &first.record, view.layer_path(&first.record), words);
            let decision = DecisionRecord { touched, ..decision };
            let sameness = decision.did.clone();
            self.tell_news(decision, &sameness).await?;
        }
        Ok(allowed)
    }
}

/// Whether the step begins a heal, or is what comes before one.
fn is_of_healing(record: &Instance, step: &Step) -> bool {
    let is_heal =
        record.status == InstanceStatus::ConnectionLost && matches!(step, Step::Move { to: InstanceStatus::Stopping, .. });
    is_heal || matches!(step, Step::Act { action: Action::RestartAgent, .. })
}

/// As which kind of action the mode judges what a status waits for.
fn waits_for(status: InstanceStatus) -> ActionKind {
    use InstanceStatus as S;
    match status.is_starting() || matches!(status, S::Registering | S::Assigning | S::StartFailed) {
        true => ActionKind::Start,
        false => ActionKind::Stop,
    }
}

/// Statuses in which nothing more is to be done in this invocation, or only with time.
fn rests_in(status: InstanceStatus) -> bool {
    status.is_at_rest() || status == InstanceStatus::Pending
}

/// Whether it stands; somebody quicker is no error, an unknown outcome is looked at next time.
pub(crate) fn committed(result: Result<(), CommitError>) -> Result<bool, CommitError> {
    match result {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(false),
        Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => Err(error),
    }
}
