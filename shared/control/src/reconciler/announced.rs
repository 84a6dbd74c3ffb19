//! What EC2 announces about machines: told once, the host drained ahead of its time by a claim of our own, a stand-in started in the same
//! commit. The claim ends when EC2 says no more, or the machine is another, or by itself.

use std::collections::BTreeSet;

use jiff::Timestamp;
use strata_domain::announced::{Announced, Plan, of_holder, stand_in};
use strata_domain::claims::Claim;
use strata_domain::decision::{DecisionRecord, Function, Severity, Verdict};
use strata_domain::load_based::Configuration;
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::{Ec2InstanceId, InitiatedBy, InstanceStatus, LayerId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, Told, journal, keys};

use super::round::committed;
use super::telling::{Head, Teller, Words};
use super::view::StackView;
use super::{Named, Reconciler};
use crate::records::{Stored, busy_changes};
use crate::status_change::move_status;

/// One announcement about one host.
pub(super) struct Announcement<'a> {
    pub(super) what: Announced,
    pub(super) machine: &'a Ec2InstanceId,
    pub(super) at: Timestamp,
}

impl Reconciler {
    /// Does what is due about a Spot machine that EC2 takes back, or may take back.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub async fn on_spot_notice(
        &self,
        id: &Named,
        machine: &Ec2InstanceId,
        what: Announced,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let Some(mut view) = StackView::read(&*self.ports.store, &id.0).await? else { return Ok(None) };
        let at = self.ports.clock.now();
        self.on_announced(&mut view, id, &Announcement { what, machine, at }, trigger).await
    }

    /// Looks at what EC2 has scheduled for the machines of these stacks, since AWS Health has told of something. Answers whom to look at next,
    /// and what was told. The tick does the same for every stack with a cluster.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub async fn on_scheduled(
        &self,
        stacks: &BTreeSet<StackId>,
        trigger: &str,
    ) -> Result<(BTreeSet<Named>, Vec<DecisionRecord>), HandlerError> {
        let (mut ids, mut decisions) = (BTreeSet::new(), Vec::new());
        for stack in stacks {
            if let Some(mut view) = StackView::read(&*self.ports.store, stack).await? {
                decisions.extend(self.follow_announcements(&mut view, &mut ids, trigger).await?);
            }
        }
        Ok((ids, decisions))
    }

    /// Does what is due about an announcement: nothing yet, or a claim, and a stand-in.
    pub(super) async fn on_announced(
        &self,
        view: &mut StackView,
        id: &Named,
        announcement: &Announcement<'_>,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        let Some(item) = store.get(&keys::instance(&id.0, &id.1)).await? else { return Ok(None) };
        let host = Stored::<Instance>::of(item)?;
        if host.record.status != InstanceStatus::Online || host.record.ec2_instance_id.as_ref() != Some(announcement.machine) {
            return Ok(None);
        }
        let is_permitted = permits(view.mode(&*self.ports.modes, &host.record).await, ActionKind::Stop);
        let others_out = view.out_for_announcements(&host.record, now);
        let plan = announcement.what.plan(announcement.at, others_out, now);
        let stand_in = match plan {
            Plan::TakeOut { .. } if is_permitted => self.find_stand_in(view, &host.record).await?,
            Plan::TakeOut { .. } | Plan::AfterOthers | Plan::NotBefore(_) => None,
        };
        let until = match plan {
            Plan::TakeOut { until } if is_permitted && (announcement.what != Announced::Rebalance || stand_in.is_some()) => {
                Some(until)
            }
            Plan::TakeOut { .. } | Plan::AfterOthers | Plan::NotBefore(_) => None,
        };
        let teller = Teller { ids: &*self.ports.ids, now, trigger };
        let words = words(announcement, &host.record, until, is_permitted, stand_in.as_ref().map(|s| &s.record));
        let decision = teller.decision(view, &host.record, view.host_path(&host.record), words);
        // A claim that stands already, ours or another's, takes the host out as well.
        let is_claimed = view.claim_on(&host.record.id).is_some_and(|claim| claim.is_in_force(now));
        let sameness =
            format!("announced {} {} {} {}", announcement.what.as_str(), announcement.machine, until.is_some(), is_permitted);
        // Apart from what else is told of the host, so that the two never make each other news.
        let about = format!("{} announced", decision.subject);
        let news = journal::news(store, Function::InstanceLifecycle, &about, &sameness).await?;
        if is_claimed || !news.is_new {
            return Ok(None);
        }
        let mut changes = vec![news.change(), host.check()];
        let mut told = Told { decisions: vec![decision.clone()], ..Told::default() };
        let mut page = notice(view, &teller, &host.record, announcement, &decision);
        if until.is_some() && announcement.what.is_scheduled() {
            // A notice of its own, beside the one that said it first.
            page.incident.push_str("/drained");
        }
        told.pages.push(page);
        if let Some(until) = until {
            changes.push(self.claim_for(view, &host.record, announcement, until).await?);
            if let Some(stand_in) = stand_in {
                changes.extend(self.start(view, &stand_in, now, &mut told).await?);
            }
        }
        changes.extend(told.changes());
        Ok(committed(store.commit(changes).await)?.then_some(decision))
    }

    async fn claim_for(
        &self,
        view: &StackView,
        host: &Instance,
        announcement: &Announcement<'_>,
        until: Timestamp,
    ) -> Result<Change, HandlerError> {
        let claim = Claim {
            instance_id: host.id.clone(),
            holder: announcement.what.holder(announcement.machine),
            reason: format!("EC2 has announced {} for {}", announcement.what.as_str(), announcement.at),
            until,
            drain: view.rules(host, &self.config, announcement.at).drain,
        };
        let key = keys::claim(&host.stack_id, &host.id);
        let expect = self.ports.store.get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        Ok(Change::put(key, &claim, expect))
    }

    /// A stopped load-based instance that may be started for the host, if there is one: scaling of its layers is on, nothing holds it.
    async fn find_stand_in(&self, view: &mut StackView, host: &Instance) -> Result<Option<Stored<Instance>>, HandlerError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        if !permits(view.mode(&*self.ports.modes, host).await, ActionKind::Start) {
            return Ok(None);
        }
        let mut instances = Vec::new();
        for item in store.list(&Listing::of(keys::stack_pk(&host.stack_id), keys::INSTANCE)).await? {
            instances.push(Stored::<Instance>::of(item)?);
        }
        let is_free = |i: &Instance| view.claim_on(&i.id).is_none() && !view.is_held(i, now);
        let Some(chosen) = stand_in(host, instances.iter().map(|s| &s.record), is_free).map(|i| i.id.clone()) else {
            return Ok(None);
        };
        let chosen = instances.into_iter().find(|s| s.record.id == chosen);
        for layer in chosen.iter().flat_map(|s| &s.record.layer_ids) {
            if !self.may_start_in(host, layer).await? {
                return Ok(None);
            }
        }
        Ok(chosen)
    }

    /// Whether the layer's scaling is on, so that its stand-in is taken down again, and the layer itself is not.
    async fn may_start_in(&self, host: &Instance, layer: &LayerId) -> Result<bool, HandlerError> {
        let store = &*self.ports.store;
        let scaling = store.get(&keys::load_based(&host.stack_id, layer)).await?;
        let is_scaled = scaling.is_some_and(|item| item.decode::<Configuration>().is_ok_and(|c| c.enable));
        Ok(is_scaled && store.get(&keys::teardown_mark(&host.stack_id, layer)).await?.is_none())
    }

    /// The changes of a start, as StartInstance makes them.
    async fn start(
        &self,
        view: &StackView,
        stored: &Stored<Instance>,
        now: Timestamp,
        told: &mut Told,
    ) -> Result<Vec<Change>, HandlerError> {
        let store = &*self.ports.store;
        let mut next = Instance {
            launch_number: stored.record.launch_number.saturating_add(1),
            started_at: Some(now),
            initiated_by: Some(InitiatedBy::AutoHealing),
            setup_command: None,
            shutdown_command: None,
            healing: false,
            ..stored.record.clone()
        };
        told.events.extend(move_status(&mut next, InstanceStatus::Requested, now, &view.stack));
        let mut changes = vec![stored.put(&next)];
        changes.extend(busy_changes(store, &next, true).await?);
        let key = keys::last_start(&next.stack_id, &next.id);
        let item = store.get(&key).await?;
        let standing: Option<keys::LastStart> = item.as_ref().and_then(|item| item.decode().ok());
        let expect = item.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
        changes.push(Change::put(key, &keys::LastStart::following(&stored.record, standing.as_ref(), now, 0), expect));
        Ok(changes)
    }

    /// Looks at what EC2 has scheduled for the stack's machines, and ends our claims that it no longer has a reason for. One call for the
    /// announcements; records are read only of hosts that EC2 has announced something about.
    pub(super) async fn follow_announcements(
        &self,
        view: &mut StackView,
        ids: &mut BTreeSet<Named>,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let Ok(scheduled) = self.ports.compute.scheduled_events(&view.scope).await else { return Ok(Vec::new()) };
        let standing: BTreeSet<String> = scheduled.iter().map(|event| event.what.holder(&event.host)).collect();
        self.end_claims(view, &standing).await?;
        let mut decisions = Vec::new();
        for event in &scheduled {
            let Some(owner) = self.owner_of(&event.host).await?.filter(|owner| owner.0 == view.stack.id) else { continue };
            let announcement = Announcement { what: event.what, machine: &event.host, at: event.not_before };
            let told = self.on_announced(view, &owner, &announcement, trigger).await?;
            if told.is_some() {
                // What others of the layer may do depends on who is out.
                if let Some(fresh) = StackView::read(&*self.ports.store, &view.stack.id).await? {
                    *view = fresh;
                }
                ids.insert(owner);
            }
            decisions.extend(told);
        }
        Ok(decisions)
    }

    /// Ends the claims of ours whose machine is another or on its way down, and those about which EC2 says no more.
    async fn end_claims(&self, view: &StackView, standing: &BTreeSet<String>) -> Result<(), HandlerError> {
        let store = &*self.ports.store;
        for claim in view.claims() {
            let Some((what, machine)) = of_holder(&claim.record.holder) else { continue };
            let record = store.get(&keys::instance(&view.stack.id, &claim.record.instance_id)).await?;
            let record: Option<Instance> = record.map(|item| item.decode()).transpose()?;
            let is_served = record
                .is_none_or(|r| r.ec2_instance_id.as_ref() != Some(&machine) || r.healing || r.status != InstanceStatus::Online);
            if is_served || (what.is_scheduled() && !standing.contains(&claim.record.holder)) {
                committed(store.commit(vec![claim.delete()]).await)?;
            }
        }
        Ok(())
    }
}

fn words(
    announcement: &Announcement<'_>,
    host: &Instance,
    until: Option<Timestamp>,
    is_permitted: bool,
    stand_in: Option<&Instance>,
) -> Words {
    let (name, what) = (&host.hostname, announcement.what.as_str());
    let did = match (until, stand_in) {
        (Some(_), Some(other)) => format!("drain {name} and start {} in its place", other.hostname),
        (Some(_), None) => format!("drain {name}; no stopped instance may stand in"),
        (None, _) if announcement.what == Announced::Rebalance => {
            format!("leave {name} in service: no stopped instance may stand in")
        }
        (None, _) => format!("drain {name} when its time comes nearer"),
    };
    let verdict = match (until, is_permitted) {
        (_, false) => Verdict::WouldAct,
        (Some(_), true) => Verdict::Act,
        (None, true) => Verdict::Hold,
    };
    let saw = match announcement.what.is_scheduled() {
        true => format!("EC2 has scheduled {what} of the machine of {name} for {}", announcement.at),
        false => format!("EC2 announces {what} of the Spot machine of {name}"),
    };
    Words { verdict, saw, did, why: "what EC2 announces cannot be stopped, but its tasks can move first".to_owned() }
}

fn notice(
    view: &StackView,
    teller: &Teller<'_>,
    host: &Instance,
    announcement: &Announcement<'_>,
    decision: &DecisionRecord,
) -> strata_domain::decision::Page {
    let name = &host.hostname;
    let (kind, what) = match announcement.what {
        Announced::SpotInterruption => {
            (PageKind::SpotInterruption, format!("EC2 takes the Spot machine of {name} back in two minutes"))
        }
        Announced::Rebalance => (PageKind::SpotInterruption, format!("EC2 may take the Spot machine of {name} back")),
        scheduled => (PageKind::ScheduledEvent, format!("EC2 has scheduled {} for the machine of {name}", scheduled.as_str())),
    };
    let incident = format!("{}/{}", announcement.what.as_str(), announcement.machine);
    teller.page(view, host, incident, decision, Head { severity: Severity::Info, kind, what })
}
