//! Load-scaling: starts and stops load-based instances.
//!
//! Woken by CloudWatch alarms and by the minute tick. Both lead to the same look at the layer's alarms and so to the same
//! decision: the alarm event only says which layers to look at. The rule is `strata_domain::load_based::decide`.

mod act;
mod blocked;
mod follow_up;
mod observe;

use std::collections::BTreeSet;
use std::sync::Arc;

use strata_domain::decision::Function;
use strata_domain::load_based::{self, Decision, Direction, Input};
use strata_domain::{LayerId, StackId};
use strata_fleet::Fleet;
use strata_ports::keys::{self, Owner};
use strata_ports::store::Listing;
use strata_ports::{Alarms, Clock, Containers, Events, HandlerError, Ids, Modes, Outcome, Pager, Ports, Store, tell};
use strata_triggers::{Trigger, parse, wrong_function};

/// What load-scaling may touch: fleets by the OpsWorks API, its own records in the store, alarms, and on-call; ECS it only reads.
#[derive(Clone)]
pub struct Deps {
    /// Fleets.
    pub fleet: Fleet,
    /// Its own records, and holds, claims and last starts.
    pub store: Arc<dyn Store>,
    /// CloudWatch alarms.
    pub alarms: Arc<dyn Alarms>,
    /// Tasks, read only: what stopping a host would disturb.
    pub containers: Arc<dyn Containers>,
    /// Modes.
    pub modes: Arc<dyn Modes>,
    /// Pages.
    pub pager: Arc<dyn Pager>,
    /// Events out.
    pub events: Arc<dyn Events>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

impl Deps {
    /// Out of a whole set of ports, as a simulated world and tests have it.
    pub fn new(fleet: Fleet, ports: Ports) -> Self {
        let Ports { store, alarms, containers, modes, pager, events, clock, ids, .. } = ports;
        Self { fleet, store, alarms, containers, modes, pager, events, clock, ids }
    }
}

/// Looks at the layers that the event names, or at all layers with load-based scaling.
///
/// # Errors
/// A typed error for an event that is not this function's; otherwise the last error met, after every layer was looked at.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<Outcome, HandlerError> {
    let trigger = parse(event)?;
    let woken_by = trigger.describe();
    let layers = match &trigger {
        Trigger::Alarm(alarms) => layers_of_alarms(deps, alarms.iter().map(|a| a.name.as_str())).await?,
        Trigger::Tick { .. } => all_layers(deps).await?,
        Trigger::Hints(_)
        | Trigger::TableChanges(_)
        | Trigger::CommandStatus(_)
        | Trigger::TeardownRequest(_)
        | Trigger::CampaignRequest(_)
        | Trigger::FunctionUrl(_) => return Err(wrong_function(Function::LoadScaling, &trigger).into()),
    };
    let blocked = blocked::all(deps).await?;
    let mut outcome = Outcome::default();
    let mut failed = None;
    if matches!(trigger, Trigger::Tick { .. }) {
        // A tick looks at every layer that scales, so whatever else is still noted as blocked is not to scale any more.
        let is_looked_at = |layer: &LayerId| layers.iter().any(|(_, other)| other == layer);
        for (layer, item) in blocked.iter().filter(|(layer, _)| !is_looked_at(layer)) {
            outcome.decisions.extend(blocked::end(deps, layer, item, &woken_by).await?);
        }
    }
    for (stack, layer) in layers {
        match look_at(deps, (&stack, &layer), blocked.get(&layer), &woken_by).await {
            Ok(decisions) => outcome.decisions.extend(decisions),
            // One layer's trouble must not keep the others from scaling; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(layer.id = %layer, error = %error, "load-based scaling of the layer failed");
                failed = Some(error);
            }
        }
    }
    if !outcome.decisions.is_empty() {
        tell::flush_outbox(&*deps.store, &*deps.pager, &*deps.events, deps.clock.now()).await?;
    }
    failed.map_or(Ok(outcome), Err)
}

async fn layers_of_alarms<'a>(
    deps: &Deps,
    names: impl Iterator<Item = &'a str>,
) -> Result<BTreeSet<(StackId, LayerId)>, HandlerError> {
    let mut layers = BTreeSet::new();
    for name in names {
        layers.extend(owners(deps, keys::alarm_index_pk(name)).await?);
    }
    Ok(layers)
}

async fn all_layers(deps: &Deps) -> Result<BTreeSet<(StackId, LayerId)>, HandlerError> {
    owners(deps, keys::LOAD_BASED_LAYERS_PK.to_owned()).await
}

/// The layers that an index partition lists: sort key the layer, value its owner.
async fn owners(deps: &Deps, pk: String) -> Result<BTreeSet<(StackId, LayerId)>, HandlerError> {
    let items = deps.store.list(&Listing::of(pk, "")).await?;
    items.iter().map(|i| Ok((i.decode::<Owner>()?.stack_id, LayerId::from(i.key.sk.as_str())))).collect()
}

/// Observe, decide, act and tell for one layer.
async fn look_at(
    deps: &Deps,
    (stack, layer): (&StackId, &LayerId),
    blocked: Option<&strata_ports::Item>,
    woken_by: &str,
) -> Result<Vec<strata_domain::decision::DecisionRecord>, HandlerError> {
    let Some(mut own) = observe::own_records(deps, stack, layer).await? else { return Ok(Vec::new()) };
    let named = observe::names(deps, stack, layer).await?;
    act::finish_pending_event(deps, &own, &named).await?;
    let mut told = Vec::new();
    if own.config.enable && own.last_event.as_ref().is_some_and(|e| !e.unmet.is_met()) {
        // What was pending is finished, so the record may be a newer one than was read.
        own = observe::own_records(deps, stack, layer).await?.unwrap_or(own);
        told.extend(follow_up::run(deps, &own, &named, woken_by).await?);
        own = observe::own_records(deps, stack, layer).await?.unwrap_or(own);
    }
    let alarms = observe::alarms(deps, &own, &named).await?;
    let now = deps.clock.now();
    let last_event = own.last_event.as_ref().map(|e| &e.event);
    let settings = &named.layer.settings.load_scaling;
    let without_fleet = Input { config: &own.config, settings, alarms: &alarms, members: &[], last_event };
    let mut decision = load_based::decide(&without_fleet, now);
    let mut members = Vec::new();
    // Only a decision that is due needs the fleet: on all other ticks a layer costs one describe of its alarms.
    if matches!(decision, Decision::Hold(load_based::HoldReason::NoCandidates { .. })) {
        members = observe::members(deps, &own, now).await?;
        decision = load_based::decide(&Input { members: &members, ..without_fleet }, now);
    }
    if let Decision::Scale { direction: Direction::Down, instances, .. } = &decision {
        observe::workloads(deps, &named, &mut members, instances.len()).await?;
        decision = load_based::decide(&Input { members: &members, ..without_fleet }, now);
    }
    let situation = act::Situation { own: &own, named: &named, members: &members, woken_by };
    let reason = match &decision {
        Decision::Hold(reason) => Some(reason.clone()),
        Decision::Scale { .. } => None,
    };
    told.extend(act::carry_out(deps, &situation, decision, now).await?);
    told.extend(blocked::watch(deps, &situation, blocked, (reason.as_ref(), &without_fleet), now).await?);
    Ok(told)
}
