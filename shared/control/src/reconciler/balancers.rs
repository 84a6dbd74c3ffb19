//! Load balancers and target groups in step with the layers that have them: who is in service is registered, who is not is deregistered.
//!
//! A classic load balancer is its layer's alone, so what else is found in it goes [ELB-3, 4]. A target group may be shared with ECS and others:
//! only the layer's own hosts are ever taken out.

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::Instance;
use strata_domain::{DecisionId, Ec2InstanceId, InstanceStatus, LayerId, ServiceErrorId};
use strata_ports::store::Listing;
use strata_ports::{Change, CloudError, EventOut, HandlerError, Item, Ports, StoreError, Told, keys};

use super::Reconciler;
use super::attach::for_good;
use super::round::committed;
use super::telling::listed;
use super::view::StackView;
use crate::records::{ServiceError, service_error_changes};

/// What bringing a balancer in step came to.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// Hosts that were registered.
    pub(super) registered: Vec<String>,
    /// Machines that were taken out.
    pub(super) removed: Vec<Ec2InstanceId>,
    /// Hosts that it did not take.
    pub(super) refused: BTreeMap<Ec2InstanceId, CloudError>,
}

impl Synced {
    fn was_in_step(&self) -> bool {
        self.registered.is_empty() && self.removed.is_empty() && self.refused.is_empty()
    }
}

/// A store that does not answer now does at the next look.
pub(crate) fn unread(error: StoreError) -> CloudError {
    CloudError::RetryLater { action: "store", why: error.to_string() }
}

/// Whether a record's machine belongs into its layers' balancers.
fn is_in_service(record: &Instance) -> bool {
    record.status == InstanceStatus::Online && record.drained_for.is_none()
}

/// Whether it may still be in them: it leaves by its own steps, or it is not known to be down.
fn may_be_in(record: &Instance) -> bool {
    use InstanceStatus as S;
    matches!(
        record.status,
        S::Online | S::ConnectionLost | S::Rebooting | S::Stopping | S::Terminating | S::Unassigning | S::Deregistering
    )
}

/// Brings a balancer in step with the layers that have it; `before`: a layer that may have had it.
///
/// # Errors
/// What ELB said of the whole balancer; what was done until then stands, and a repeat goes on.
pub(super) async fn sync(
    ports: &Ports,
    view: &StackView,
    balancer: &str,
    before: Option<&LayerId>,
) -> Result<Synced, CloudError> {
    let (elb, scope) = (&ports.load_balancers, &view.scope);
    let found = elb.hosts(scope, balancer, &[]).await?.ok_or_else(|| CloudError::Wrong {
        action: "elasticloadbalancing:DescribeLoadBalancers",
        code: "LoadBalancerNotFound".to_owned(),
        why: format!("there is no load balancer {balancer} any more"),
    })?;
    let layers = view.layers_with(balancer);
    let records = instances(ports, view).await.map_err(unread)?;
    let is_member = |record: &&Instance| record.layer_ids.iter().any(|layer| layers.contains(layer));
    let is_own = |record: &&Instance| is_member(record) || before.is_some_and(|layer| record.layer_ids.contains(layer));
    let machine = |record: &Instance| record.ec2_instance_id.clone();
    let stay: BTreeSet<_> = records.iter().filter(is_member).filter(|r| may_be_in(r)).filter_map(machine).collect();
    let own: BTreeSet<_> = records.iter().filter(is_own).filter_map(machine).collect();
    let is_exclusive = !layers.is_empty() && !is_target_group(balancer);
    let extra: Vec<Ec2InstanceId> =
        found.registered.iter().filter(|h| !stay.contains(h) && (is_exclusive || own.contains(h))).cloned().collect();
    let is_there: BTreeSet<&Ec2InstanceId> = found.registered.iter().collect();
    let missing: Vec<&Instance> = records
        .iter()
        .filter(is_member)
        .filter(|r| is_in_service(r) && r.ec2_instance_id.as_ref().is_some_and(|host| !is_there.contains(host)))
        .collect();

    let mut synced = Synced::default();
    if !extra.is_empty() {
        elb.deregister(scope, balancer, &extra).await?;
        synced.removed = extra;
    }
    if missing.is_empty() {
        return Ok(synced);
    }
    let subnets = subnets_to_add(&missing, &found.zones);
    if is_exclusive && !subnets.is_empty() {
        elb.add_subnets(scope, balancer, &subnets).await?;
    }
    let hosts: Vec<Ec2InstanceId> = missing.iter().filter_map(|record| machine(record)).collect();
    for (item, record) in elb.register(scope, balancer, &hosts).await?.into_iter().zip(&missing) {
        match item.result {
            Ok(()) => synced.registered.push(record.hostname.clone()),
            Err(error) => drop(synced.refused.insert(item.id, error)),
        }
    }
    Ok(synced)
}

/// It is named by an ARN, which no classic load balancer's name looks like.
fn is_target_group(balancer: &str) -> bool {
    balancer.starts_with("arn:")
}

async fn instances(ports: &Ports, view: &StackView) -> Result<Vec<Instance>, StoreError> {
    let items = ports.store.list(&Listing::of(keys::stack_pk(&view.stack.id), keys::INSTANCE)).await?;
    items.iter().map(Item::decode).collect()
}

/// A subnet for each zone that a host is in and the load balancer does not serve [ELB-3].
fn subnets_to_add(missing: &[&Instance], zones: &[String]) -> Vec<String> {
    let unserved = missing.iter().filter(|record| !zones.contains(&record.availability_zone));
    let by_zone: BTreeMap<&str, &str> = unserved.map(|r| (r.availability_zone.as_str(), r.subnet_id.as_str())).collect();
    by_zone.into_values().map(str::to_owned).collect()
}

impl Reconciler {
    /// Brings those balancers in step that were attached or detached since [ELB-3]. An entry stays until a look has found nothing to do, or what
    /// is wrong was told.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub async fn balance(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut decisions = Vec::new();
        for item in self.ports.store.list(&Listing::of(keys::BALANCERS_DUE_PK, "")).await? {
            let due: keys::BalancerDue = item.decode()?;
            decisions.extend(self.balance_one(item, &due, trigger).await?);
        }
        Ok(decisions)
    }

    async fn balance_one(
        &self,
        item: Item,
        due: &keys::BalancerDue,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let over = Change::Delete { expect: item.unchanged(), key: item.key };
        let Some(mut view) = StackView::read(&*self.ports.store, &due.stack_id).await? else {
            committed(self.ports.store.commit(vec![over]).await)?;
            return Ok(None);
        };
        let mode = view.mode_of(&*self.ports.modes, std::slice::from_ref(&due.layer_id)).await;
        if !permits(mode, ActionKind::Stop) || !permits(mode, ActionKind::Start) {
            return Ok(None);
        }
        match sync(&self.ports, &view, &due.balancer, Some(&due.layer_id)).await {
            Ok(synced) if synced.was_in_step() => {
                committed(self.ports.store.commit(vec![over]).await)?;
                Ok(None)
            }
            Ok(synced) => {
                let trouble = synced.refused.values().find(|error| for_good(error).is_some()).map(ToString::to_string);
                self.tell_synced(&view, due, &synced, trouble, over, trigger).await
            }
            Err(error) if for_good(&error).is_none() => {
                tracing::warn!(balancer = due.balancer, error = %error, "a load balancer is brought in step later");
                Ok(None)
            }
            // Where it was detached, one that is gone is in step.
            Err(_) if view.layers_with(&due.balancer).is_empty() => {
                committed(self.ports.store.commit(vec![over]).await)?;
                Ok(None)
            }
            Err(error) => self.tell_synced(&view, due, &Synced::default(), Some(error.to_string()), over, trigger).await,
        }
    }

    /// Tells what was done; a trouble that stays also as a service error, after which the entry goes.
    async fn tell_synced(
        &self,
        view: &StackView,
        due: &keys::BalancerDue,
        synced: &Synced,
        trouble: Option<String>,
        over: Change,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let (ids, now) = (&*self.ports.ids, self.ports.clock.now());
        let machines = listed(synced.removed.iter().map(Ec2InstanceId::as_str));
        let hosts = listed(synced.registered.iter().map(String::as_str));
        let decision = DecisionRecord {
            id: DecisionId::new(ids.uuid()),
            at: now,
            function: Function::InstanceLifecycle,
            trigger: trigger.to_owned(),
            subject: format!("{}/{}", view.stack.name, due.balancer),
            stack_id: Some(due.stack_id.clone()),
            layer_id: Some(due.layer_id.clone()),
            verdict: Verdict::Act,
            saw: "the load balancer was attached or detached".to_owned(),
            did: format!("register [{hosts}] and deregister [{machines}] with {}", due.balancer),
            why: trouble.clone().unwrap_or_else(|| "its hosts were not those of its layer".to_owned()),
            touched: Touched::default(),
        };
        let mut told = Told { decisions: vec![decision.clone()], ..Told::default() };
        let mut changes = Vec::new();
        if let Some(trouble) = trouble {
            let error = ServiceError {
                id: ServiceErrorId::new(ids.uuid()),
                stack_id: due.stack_id.clone(),
                instance_id: None,
                error_type: "LoadBalancer".to_owned(),
                message: format!("{}: {trouble}.", due.balancer),
                created_at: now,
            };
            told.events.push(alert(&error));
            changes.extend(service_error_changes(&error));
            changes.push(over);
        }
        changes.extend(told.changes());
        Ok(committed(self.ports.store.commit(changes).await)?.then_some(decision))
    }
}

/// The alert of a service error of the whole stack [EVT-7] [SVE-5].
pub(super) fn alert(error: &ServiceError) -> EventOut {
    EventOut {
        id: error.id.to_string(),
        detail_type: "OpsWorks Alert".to_owned(),
        resources: Vec::new(),
        detail: serde_json::json!({ "stack-id": error.stack_id, "type": error.error_type, "message": error.message }),
        time: error.created_at,
    }
}
