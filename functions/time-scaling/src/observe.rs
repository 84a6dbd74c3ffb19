//! What time-scaling looks at: schedules, what they mean, the fleet, holds, claims and last starts of one stack.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use strata_domain::claims::Claim;
use strata_domain::holds::{Hold, HoldKind};
use strata_domain::settings::time_scaling::TimeScalingSettings;
use strata_domain::time_based::{Plan, StoredSchedule, TimerView, WeeklySchedule};
use strata_domain::{InstanceId, InstanceStatus, LayerId, ScalingType, StackId};
use strata_fleet::{InstanceView, LayerView, StackView};
use strata_ports::keys::{self, LastStart};
use strata_ports::store::Listing;
use strata_ports::{HandlerError, Item};

use crate::Deps;

/// A time-based instance with all that the rule wants to know.
pub(crate) struct Timer {
    instance: InstanceView,
    pub(crate) layer_id: LayerId,
    schedule: WeeklySchedule,
    schedule_changed_at: Timestamp,
    manual_stop_since: Option<Timestamp>,
    is_held: bool,
    last_start: Option<LastStart>,
}

impl Timer {
    pub(crate) fn view(&self) -> TimerView<'_> {
        TimerView {
            id: &self.instance.id,
            hostname: &self.instance.hostname,
            status: self.instance.status,
            schedule: &self.schedule,
            manual_stop_since: self.manual_stop_since,
            is_held: self.is_held,
            last_start_attempt: self.last_start.map(|s| s.at),
            failed_starts: self.last_start.map_or(0, |s| s.failed_before),
            schedule_changed_at: Some(self.schedule_changed_at),
        }
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.instance.id.clone()
    }

    pub(crate) fn hostname(&self) -> String {
        self.instance.hostname.clone()
    }
}

/// A stack at a check.
pub(crate) struct Scene {
    pub(crate) stack: StackView,
    pub(crate) layers: BTreeMap<LayerId, LayerView>,
    pub(crate) timers: Vec<Timer>,
    /// What schedules mean in each layer that has time-based instances.
    pub(crate) plans: BTreeMap<LayerId, Plan>,
}

/// Looks at the stack: its time-based instances that ever had a schedule, and what that means. An instance without one is all off and was
/// never started by one: nothing to do.
pub(crate) async fn scene(deps: &Deps, stack: &StackId, schedules: &Schedules, now: Timestamp) -> Result<Scene, HandlerError> {
    let stack_view = deps.fleet.stack(stack).await?;
    let layers: BTreeMap<LayerId, LayerView> =
        deps.fleet.layers_of_stack(stack).await?.into_iter().map(|layer| (layer.id.clone(), layer)).collect();
    let of_stack = &stack_view.settings.time_scaling;
    let fleet = deps.fleet.instances_of_stack(stack).await?;
    let has_lead = layers.values().any(|layer| Plan::wants_last_starts(&layer.settings.time_scaling, of_stack));
    let starts = if has_lead { last_starts(deps, stack).await? } else { BTreeMap::new() };
    let mut plans = BTreeMap::new();
    for layer in fleet.iter().filter(|i| i.scaling == ScalingType::Timer).filter_map(|i| i.layer_ids.first()) {
        if !plans.contains_key(layer) {
            plans.insert(layer.clone(), plan(layer, layers.get(layer), of_stack, (&fleet, &starts)));
        }
    }
    let timers = timers(deps, stack, schedules, (fleet, starts), now).await?;
    Ok(Scene { stack: stack_view, layers, timers, plans })
}

type Starts = BTreeMap<InstanceId, LastStart>;

fn plan(
    id: &LayerId,
    layer: Option<&LayerView>,
    of_stack: &TimeScalingSettings,
    (fleet, starts): (&[InstanceView], &Starts),
) -> Plan {
    let took = fleet
        .iter()
        .filter(|i| i.layer_ids.contains(id))
        .filter_map(|i| starts.get(&i.id)?.took_seconds)
        .map(|secs| SignedDuration::from_secs(secs.into()));
    let none = TimeScalingSettings::default();
    Plan::of(layer.map_or(&none, |layer| &layer.settings.time_scaling), of_stack, took)
}

async fn timers(
    deps: &Deps,
    stack: &StackId,
    schedules: &Schedules,
    (fleet, starts): (Vec<InstanceView>, Starts),
    now: Timestamp,
) -> Result<Vec<Timer>, HandlerError> {
    let holds: Vec<Hold> = records(deps, stack, keys::HOLD).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let claims: Vec<Claim> = records(deps, stack, keys::CLAIM).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let torn_down: Vec<LayerId> = records(deps, stack, keys::TEARDOWN_MARK)
        .await?
        .iter()
        .map(|i| LayerId::from(&i.key.sk[keys::TEARDOWN_MARK.len()..]))
        .collect();
    let mut timers = Vec::new();
    for instance in fleet.into_iter().filter(|i| i.scaling == ScalingType::Timer) {
        let (Some(stored), Some(layer_id)) = (schedules.get(&instance.id), instance.layer_ids.first().cloned()) else { continue };
        let of_it = |h: &&Hold| h.is_in_force(now) && h.covers(&instance.id, &instance.layer_ids);
        // Without a lead only a failed start is retried by the clock, so only then the last start is read.
        let last_start = match starts.get(&instance.id) {
            None if instance.status == InstanceStatus::StartFailed => last_start(deps, stack, &instance.id).await?,
            known => known.copied(),
        };
        timers.push(Timer {
            manual_stop_since: holds.iter().filter(of_it).filter(|h| h.kind == HoldKind::ManualStop).map(|h| h.since).max(),
            is_held: holds.iter().filter(of_it).any(|h| h.kind != HoldKind::ManualStop)
                || claims.iter().any(|c| c.is_in_force(now) && c.instance_id == instance.id)
                || instance.layer_ids.iter().any(|l| torn_down.contains(l)),
            layer_id,
            schedule: stored.schedule,
            schedule_changed_at: stored.changed_at,
            last_start,
            instance,
        });
    }
    Ok(timers)
}

/// The schedules of a stack's instances; a stack without any costs this one read.
pub(crate) type Schedules = BTreeMap<InstanceId, StoredSchedule>;

/// Reads them.
pub(crate) async fn schedules(deps: &Deps, stack: &StackId) -> Result<Schedules, HandlerError> {
    let items = records(deps, stack, keys::TIME_BASED).await?;
    items.iter().map(|i| Ok((InstanceId::from(&i.key.sk[keys::TIME_BASED.len()..]), i.decode()?))).collect()
}

/// All that can be read; one that cannot be read counts as none.
async fn last_starts(deps: &Deps, stack: &StackId) -> Result<Starts, HandlerError> {
    let items = records(deps, stack, keys::LAST_START).await?;
    Ok(items.iter().filter_map(|i| Some((InstanceId::from(&i.key.sk[keys::LAST_START.len()..]), i.decode().ok()?))).collect())
}

async fn last_start(deps: &Deps, stack: &StackId, instance: &InstanceId) -> Result<Option<LastStart>, HandlerError> {
    let item = deps.store.get(&keys::last_start(stack, instance)).await?;
    Ok(item.map(|i| i.decode()).transpose()?)
}

async fn records(deps: &Deps, stack: &StackId, prefix: &str) -> Result<Vec<Item>, HandlerError> {
    Ok(deps.store.list(&Listing::of(keys::stack_pk(stack), prefix)).await?)
}
