//! What load-scaling looks at: its own records, the layer's alarms, the fleet.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::claims::Claim;
use strata_domain::holds::Hold;
use strata_domain::load_based::{
    self, AlarmKind, AlarmState, AlarmView, Candidate, Configuration, Direction, ScalingEvent, Unmet,
};
use strata_domain::{DecisionId, InstanceId, LayerId, StackId};
use strata_fleet::{InstanceView, LayerView, StackView};
use strata_ports::keys::{self, LastStart};
use strata_ports::store::Listing;
use strata_ports::{AlarmSpec, Expect, HandlerError, Item, Places, look_at_workloads};

use crate::Deps;

/// The last scaling event as stored, with the instances that still have to be started or stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredEvent {
    /// The event.
    pub(crate) event: ScalingEvent,
    /// Not yet asked for: written with the event, emptied when every call was made, so that a crash in between is finished.
    pub(crate) pending: Vec<InstanceId>,
    /// The decision behind it; none in what an earlier version has written.
    #[serde(default)]
    pub(crate) decision: Option<DecisionId>,
    /// Which of the instances that were started have yet to come up.
    #[serde(default)]
    pub(crate) unmet: Unmet,
}

/// The layer's settings and its last event.
pub(crate) struct OwnRecords {
    pub(crate) stack_id: StackId,
    pub(crate) layer_id: LayerId,
    pub(crate) config: Configuration,
    pub(crate) last_event: Option<StoredEvent>,
    pub(crate) last_event_expect: Expect,
}

/// Stack and layer by name and settings.
pub(crate) struct Named {
    pub(crate) stack: StackView,
    pub(crate) layer: LayerView,
}

impl Named {
    pub(crate) fn subject(&self) -> String {
        format!("{}/{}", self.stack.name, self.layer.shortname)
    }
}

/// Reads settings and last event; `None` when the layer has no settings (any more).
pub(crate) async fn own_records(deps: &Deps, stack: &StackId, layer: &LayerId) -> Result<Option<OwnRecords>, HandlerError> {
    let Some(config) = deps.store.get(&keys::load_based(stack, layer)).await? else { return Ok(None) };
    let last = deps.store.get(&keys::scaling(layer, "last-event")).await?;
    Ok(Some(OwnRecords {
        stack_id: stack.clone(),
        layer_id: layer.clone(),
        config: config.decode()?,
        last_event: last.as_ref().map(Item::decode).transpose()?,
        last_event_expect: last.as_ref().map_or(Expect::Absent, Item::unchanged),
    }))
}

/// Reads names and settings of stack and layer.
pub(crate) async fn names(deps: &Deps, stack: &StackId, layer: &LayerId) -> Result<Named, HandlerError> {
    Ok(Named { stack: deps.fleet.stack(stack).await?, layer: deps.fleet.layer(layer).await? })
}

/// Describes the managed alarms and the user's, and puts back a managed one that somebody deleted.
pub(crate) async fn alarms(deps: &Deps, own: &OwnRecords, named: &Named) -> Result<Vec<AlarmView>, HandlerError> {
    if !own.config.enable {
        return Ok(Vec::new());
    }
    let scope = named.stack.scope();
    let managed = load_based::managed_alarms(&own.config, &named.stack.name, &named.layer.shortname);
    let custom: std::collections::BTreeSet<&String> = own.config.up.alarms.iter().chain(&own.config.down.alarms).collect();
    let mut names: Vec<String> = managed.iter().map(|m| m.name.clone()).collect();
    names.extend(custom.iter().map(|c| (*c).clone()));
    let seen = deps.alarms.describe(&scope, &names).await?;
    let state_of = |name: &str| seen.iter().find(|o| o.name == name).map(|o| (domain_state(o.state), o.since, o.last));

    let missing: Vec<AlarmSpec> =
        managed.iter().filter(|m| state_of(&m.name).is_none()).map(|m| port_spec(m, &own.layer_id)).collect();
    if !missing.is_empty() {
        tracing::warn!(layer.id = %own.layer_id, count = missing.len(), "managed alarms are missing and are put back");
        deps.alarms.put(&scope, &missing).await?;
    }
    let view = |name: &String, direction, kind| {
        let (state, since, last) = state_of(name).unwrap_or((AlarmState::Missing, Timestamp::MIN, None));
        AlarmView { name: name.clone(), direction, kind, state, since, last }
    };
    let mut views: Vec<AlarmView> = managed.iter().map(|m| view(&m.name, m.direction, AlarmKind::Managed(m.metric))).collect();
    views.extend(custom.into_iter().map(|name| view(name, Direction::Up, AlarmKind::Custom)));
    Ok(views)
}

/// The alarm that a threshold calls for, as the port takes it.
fn port_spec(spec: &load_based::AlarmSpec, layer: &LayerId) -> AlarmSpec {
    AlarmSpec {
        name: spec.name.clone(),
        layer_id: layer.clone(),
        metric: match spec.metric {
            load_based::Metric::Cpu => "cpu",
            load_based::Metric::Memory => "memory",
            load_based::Metric::Load => "load_1",
        }
        .to_owned(),
        above: spec.direction == Direction::Up,
        threshold: spec.threshold,
        evaluation_periods: spec.evaluation_periods,
    }
}

fn domain_state(state: strata_ports::AlarmState) -> AlarmState {
    match state {
        strata_ports::AlarmState::Ok => AlarmState::Ok,
        strata_ports::AlarmState::Alarm => AlarmState::Alarm,
        strata_ports::AlarmState::InsufficientData => AlarmState::InsufficientData,
    }
}

/// The layer's instances with what keeps a scaler's hands off them: holds, claims, a teardown of the layer.
pub(crate) async fn members(deps: &Deps, own: &OwnRecords, now: Timestamp) -> Result<Vec<Candidate>, HandlerError> {
    let (stack, layer) = (&own.stack_id, &own.layer_id);
    let unmet = own.last_event.as_ref().map(|e| e.unmet.clone()).unwrap_or_default();
    let fleet = deps.fleet.instances_of_layer(layer).await?;
    let holds: Vec<Hold> = records(deps, stack, keys::HOLD).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let claims: Vec<Claim> = records(deps, stack, keys::CLAIM).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let starts = records(deps, stack, keys::LAST_START).await?;
    let is_torn_down = deps.store.get(&keys::teardown_mark(stack, layer)).await?.is_some();
    let last_starts: Vec<Option<LastStart>> = fleet.iter().map(|i| last_start(&starts, stack, i)).collect();
    Ok(fleet
        .iter()
        .zip(last_starts)
        .map(|(i, last_start)| Candidate {
            id: i.id.clone(),
            hostname: i.hostname.clone(),
            scaling: i.scaling,
            status: i.status,
            availability_zone: i.availability_zone.clone(),
            created_at: i.created_at,
            started_at: last_start.map(|s| s.at),
            failed_starts: last_start.map_or(0, |s| s.failed_before),
            is_refused: unmet.is_refused(&i.availability_zone, now),
            is_held: is_torn_down
                || holds.iter().any(|h| h.is_in_force(now) && h.covers(&i.id, &i.layer_ids))
                || claims.iter().any(|c| c.is_in_force(now) && c.instance_id == i.id),
            workload: None,
        })
        .collect())
}

/// Looks at what runs on the members before `count` of them are stopped. A layer without a cluster has no tasks to look at.
pub(crate) async fn workloads(deps: &Deps, named: &Named, members: &mut [Candidate], count: usize) -> Result<(), HandlerError> {
    let Some(cluster) = &named.layer.cluster else { return Ok(()) };
    let fleet = deps.fleet.instances_of_layer(&named.layer.id).await?;
    let hosts = fleet.into_iter().filter_map(|i| Some((i.id, i.ec2_instance_id?))).collect();
    let scope = named.stack.scope();
    let places = Places { scope: &scope, cluster, hosts: &hosts, drain: named.layer.settings.drain };
    Ok(look_at_workloads(&*deps.containers, places, members, u32::try_from(count).unwrap_or(u32::MAX)).await?)
}

fn last_start(starts: &[Item], stack: &StackId, instance: &InstanceView) -> Option<LastStart> {
    let key = keys::last_start(stack, &instance.id);
    let item = starts.binary_search_by(|i| i.key.cmp(&key)).ok().and_then(|at| starts.get(at))?;
    item.decode().ok()
}

pub(crate) async fn records(deps: &Deps, stack: &StackId, prefix: &str) -> Result<Vec<Item>, HandlerError> {
    Ok(deps.store.list(&Listing::of(keys::stack_pk(stack), prefix)).await?)
}
