//! The guard against healing through an outage of something else: counts who is sick at once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use strata_domain::auto_healing::{OUTAGE_WINDOW, is_outage, should_serve, sick_since};
use strata_domain::decision::{DecisionRecord, Severity, Verdict};
use strata_domain::lifecycle::Rules;
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::{InstanceId, InstanceStatus, LayerId};
use strata_ports::store::Listing;
use strata_ports::{Change, Ec2State, HandlerError, Ports, Store, StoreError, Told, keys};

use super::Config;
use super::telling::{Head, Incident, Teller, Words};
use super::view::StackView;
use super::write::{close_incident, open_incident};

/// A host that should be in service, and since when it is not.
struct Watched {
    id: InstanceId,
    layers: Vec<LayerId>,
    sick_since: Option<Timestamp>,
}

/// Who should be in service in the installation, and who is sick.
pub(super) struct Outages {
    watched: Vec<Watched>,
    now: Timestamp,
}

impl Outages {
    /// Looks at all records, and at EC2's exceptions of the stack in question. Done only when a heal is about to begin.
    pub(super) async fn look(ports: &Ports, view: &StackView, now: Timestamp) -> Result<Self, StoreError> {
        // What EC2 says beyond our records; without an answer the records alone count.
        let exceptions = ports.compute.describe_exceptions(&view.scope).await.unwrap_or_default();
        let down: BTreeSet<InstanceId> = exceptions
            .into_iter()
            .filter(|host| host.impaired || matches!(host.state, Ec2State::Stopped | Ec2State::Terminated))
            .filter_map(|host| host.instance_id)
            .collect();
        let mut watched = Vec::new();
        for stack in ports.store.list(&Listing::of(keys::STACKS_PK, "")).await? {
            let pk = keys::stack_pk(&stack.key.sk.as_str().into());
            for item in ports.store.list(&Listing::of(pk, keys::INSTANCE)).await? {
                let record: Instance = item.decode()?;
                if !should_serve(&record) {
                    continue;
                }
                let sick_since = sick_since(&record, down.contains(&record.id), now);
                watched.push(Watched { id: record.id, layers: record.layer_ids, sick_since });
            }
        }
        Ok(Self { watched, now })
    }

    /// Whether so many fell sick together with this one that it is an outage.
    pub(super) fn is_outage_for(&self, record: &Instance) -> bool {
        let since = match record.status {
            InstanceStatus::ConnectionLost => record.status_since,
            _ => record.agent_silent_since.unwrap_or(self.now),
        };
        let is_sick = |host: &&Watched| {
            host.id == record.id || host.sick_since.is_some_and(|sick| sick.duration_since(since).abs() <= OUTAGE_WINDOW)
        };
        let sick_total = self.watched.iter().filter(is_sick).count();
        let of_layer = |layer: &LayerId| {
            let members = || self.watched.iter().filter(|host| host.layers.contains(layer));
            (members().filter(is_sick).count(), members().count())
        };
        // One in no layer is judged by the installation alone.
        is_outage(0, 0, sick_total, self.watched.len())
            || record.layer_ids.iter().map(of_layer).any(|(sick, size)| is_outage(sick, size, sick_total, self.watched.len()))
    }
}

/// Pages once about an outage of the layer: while its incident is open, nothing more is told.
pub(super) async fn tell(
    store: &dyn Store,
    view: &StackView,
    teller: &Teller<'_>,
    record: &Instance,
    why: &str,
) -> Result<Option<DecisionRecord>, HandlerError> {
    let Some(layer) = record.layer_ids.first() else { return Ok(None) };
    let key = keys::incident(&record.stack_id, layer.as_str());
    if store.get(&key).await?.is_some() {
        return Ok(None);
    }
    let path = view.layer_path(record);
    let words = Words {
        verdict: Verdict::Hold,
        saw: format!("{} and others have failed at once", record.hostname),
        did: "heal none of them".to_owned(),
        why: why.to_owned(),
    };
    let decision = teller.decision(view, record, path.clone(), words);
    let head =
        Head { severity: Severity::Critical, kind: PageKind::Outage, what: format!("many hosts of {path} have failed at once") };
    let mut page = teller.page(view, record, format!("outage/{layer}/{}", decision.id), &decision, head);
    (page.host, page.next) = (None, format!("aws opsworks describe-instances --layer-id {layer}"));
    let mut told = Told { decisions: vec![decision.clone()], ..Told::default() };
    let mut changes: Vec<Change> = Vec::new();
    open_incident(store, key, page, teller.now, &mut told, &mut changes).await?;
    changes.extend(told.changes());
    Ok(super::round::committed(store.commit(changes).await)?.then_some(decision))
}

/// Whether it is lost, or its ECS agent alone is, where that is healed.
fn is_lost(record: &Instance, rules: &Rules, now: Timestamp) -> bool {
    let is_silent = record.agent_silent_since.is_some_and(|since| now.duration_since(since) >= rules.heal_silence);
    match record.status {
        InstanceStatus::ConnectionLost => true,
        InstanceStatus::Online => is_silent && rules.auto_healing && rules.silent_agent_limit.is_some(),
        _ => false,
    }
}

/// Resolves the outages of a stack in whose layers nobody is lost any more. One list; records are read only if one is open.
pub(super) async fn resolve(store: &dyn Store, view: &StackView, config: &Config, now: Timestamp) -> Result<(), HandlerError> {
    let pk = keys::stack_pk(&view.stack.id);
    for item in store.list(&Listing::of(&pk, keys::INCIDENT)).await? {
        let Ok(incident) = item.decode::<Incident>() else { continue };
        if incident.page.kind != PageKind::Outage {
            continue;
        }
        let layer = LayerId::new(item.key.sk.trim_start_matches(keys::INCIDENT));
        let mut is_over = true;
        for record in store.list(&Listing::of(&pk, keys::INSTANCE)).await? {
            let record: Instance = record.decode()?;
            is_over &= !record.layer_ids.contains(&layer) || !is_lost(&record, &view.rules(&record, config, now), now);
        }
        if is_over {
            let (mut told, mut changes) = (Told::default(), Vec::new());
            close_incident(store, &item.key, now, "no host of the layer is lost any more", &mut told, &mut changes).await?;
            changes.extend(told.changes());
            super::round::committed(store.commit(changes).await)?;
        }
    }
    Ok(())
}
