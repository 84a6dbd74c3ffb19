//! Load-based scaling of a layer: its alarms, and what load-scaling would decide now, by the very rule that it asks.

use serde::Deserialize;
use strata_domain::ScalingType;
use strata_domain::load_based::{
    self, AlarmKind, AlarmState, AlarmView, Candidate, Configuration, Decision, Direction, HoldReason, Input, ScalingEvent, Unmet,
};
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::settings::Settings;
use strata_ports::keys;
use strata_ports::{AlarmObservation, CloudError, Places, look_at_workloads};

use super::Records;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::status::{AlarmStatus, ScalingStatus};
use crate::records::Stored;

/// Load-based scaling, and what keeps it from going on.
pub(in crate::api::extension) struct Scaling {
    pub(in crate::api::extension) status: ScalingStatus,
    pub(in crate::api::extension) blocked: Option<String>,
    /// The decision, unless the layer is switched off or its alarms cannot be read.
    pub(in crate::api::extension) decision: Option<Decision>,
    /// What is odd about its thresholds; none while the layer is switched off.
    pub(in crate::api::extension) warnings: Vec<String>,
}

/// The last scaling event as load-scaling stores it.
#[derive(Deserialize)]
struct LastEvent {
    event: ScalingEvent,
    #[serde(default)]
    unmet: Unmet,
}

/// `None` for a layer that was never configured.
pub(in crate::api::extension) async fn of_layer(
    call: &Call<'_>,
    stack: &Stack,
    layer: &Layer,
    members: &[&Instance],
    records: &Records,
) -> Result<Option<Scaling>, ApiError> {
    let Some(stored) = call.find::<Configuration>(&keys::load_based(&stack.id, &layer.id)).await? else { return Ok(None) };
    let configuration = stored.record;
    if !configuration.enable {
        let says = HoldReason::Disabled.to_string();
        let status = ScalingStatus { enabled: false, says, alarms: Some(Vec::new()) };
        return Ok(Some(Scaling { status, blocked: None, decision: None, warnings: Vec::new() }));
    }
    let types: Vec<ScalingType> = members.iter().map(|i| i.scaling).collect();
    let warnings = configuration.warnings(&types);
    let views = match alarms(call, stack, layer, &configuration).await {
        Ok(views) => views,
        Err(error) => {
            let says = format!("scaling is blocked: the alarms cannot be read: {error}");
            let status = ScalingStatus { enabled: true, says: says.clone(), alarms: None };
            return Ok(Some(Scaling { status, blocked: Some(says), decision: None, warnings }));
        }
    };
    let last = call.find::<LastEvent>(&keys::scaling(&layer.id, "last-event")).await?;
    let is_torn_down = call.store().get(&keys::teardown_mark(&stack.id, &layer.id)).await?.is_some();
    let mut candidates: Vec<Candidate> = members.iter().map(|i| candidate(i, records, is_torn_down, call)).collect();
    for candidate in &mut candidates {
        let refuses = |last: &Stored<LastEvent>| last.record.unmet.is_refused(&candidate.availability_zone, call.now);
        candidate.is_refused = last.as_ref().is_some_and(refuses);
    }
    let last_event = last.as_ref().map(|l| &l.record.event);
    let settings = Settings::from_custom_json(layer.custom_json.as_deref()).unwrap_or_default().load_scaling;
    let input = Input { config: &configuration, settings: &settings, alarms: &views, members: &candidates, last_event };
    let mut decision = load_based::decide(&input, call.now);
    let mut looked_at = candidates.clone();
    if let Decision::Scale { direction: Direction::Down, instances, .. } = &decision {
        match workloads(call, stack, layer, members, &mut looked_at, instances.len()).await {
            Ok(()) => decision = load_based::decide(&Input { members: &looked_at, ..input }, call.now),
            Err(error) => {
                let says = format!("scaling is blocked: what runs on the hosts cannot be read: {error}");
                let alarms = Some(views.iter().map(alarm_status).collect());
                let status = ScalingStatus { enabled: true, says: says.clone(), alarms };
                return Ok(Some(Scaling { status, blocked: Some(says), decision: None, warnings }));
            }
        }
    }
    let (says, blocked) = words(&decision);
    let status = ScalingStatus { enabled: true, says, alarms: Some(views.iter().map(alarm_status).collect()) };
    Ok(Some(Scaling { status, blocked, decision: Some(decision), warnings }))
}

async fn workloads(
    call: &Call<'_>,
    stack: &Stack,
    layer: &Layer,
    members: &[&Instance],
    candidates: &mut [Candidate],
    count: usize,
) -> Result<(), CloudError> {
    let Some(cluster) = &layer.cluster else { return Ok(()) };
    let hosts = members.iter().filter_map(|i| Some((i.id.clone(), i.ec2_instance_id.clone()?))).collect();
    let drain = Settings::from_custom_json(layer.custom_json.as_deref()).unwrap_or_default().drain;
    let scope = call.scope(stack);
    let places = Places { scope: &scope, cluster, hosts: &hosts, drain };
    look_at_workloads(&*call.ports.containers, places, candidates, u32::try_from(count).unwrap_or(u32::MAX)).await
}

fn words(decision: &Decision) -> (String, Option<String>) {
    match decision {
        Decision::Scale { reason, .. } => (reason.clone(), None),
        Decision::Hold(reason) => {
            let is_blocked = matches!(
                reason,
                HoldReason::InsufficientData { .. } | HoldReason::NoCandidates { .. } | HoldReason::WouldNotFit { .. }
            );
            (reason.to_string(), is_blocked.then(|| reason.to_string()))
        }
    }
}

async fn alarms(
    call: &Call<'_>,
    stack: &Stack,
    layer: &Layer,
    configuration: &Configuration,
) -> Result<Vec<AlarmView>, CloudError> {
    let managed = load_based::managed_alarms(configuration, &stack.name, &layer.shortname);
    let custom = |direction: Direction| configuration.thresholds(direction).alarms.iter().map(move |name| (direction, name));
    let mut names: Vec<String> = managed.iter().map(|m| m.name.clone()).collect();
    names.extend(Direction::ALL.into_iter().flat_map(custom).map(|(_, name)| name.clone()));
    names.dedup();
    let seen = if names.is_empty() { Vec::new() } else { call.ports.alarms.describe(&call.scope(stack), &names).await? };
    let mut views: Vec<AlarmView> =
        managed.iter().map(|m| view(&m.name, m.direction, AlarmKind::Managed(m.metric), &seen)).collect();
    views.extend(Direction::ALL.into_iter().flat_map(custom).map(|(d, name)| view(name, d, AlarmKind::Custom, &seen)));
    Ok(views)
}

fn view(name: &str, direction: Direction, kind: AlarmKind, seen: &[AlarmObservation]) -> AlarmView {
    let found = seen.iter().find(|alarm| alarm.name == name);
    let state = found.map_or(AlarmState::Missing, |alarm| match alarm.state {
        strata_ports::AlarmState::Ok => AlarmState::Ok,
        strata_ports::AlarmState::Alarm => AlarmState::Alarm,
        strata_ports::AlarmState::InsufficientData => AlarmState::InsufficientData,
    });
    let since = found.map_or(jiff::Timestamp::MIN, |alarm| alarm.since);
    AlarmView { name: name.to_owned(), direction, kind, state, since, last: found.and_then(|alarm| alarm.last) }
}

fn alarm_status(view: &AlarmView) -> AlarmStatus {
    AlarmStatus {
        name: view.name.clone(),
        direction: view.direction,
        is_custom: view.kind == AlarmKind::Custom,
        state: view.state,
        since: (view.state != AlarmState::Missing).then_some(view.since),
    }
}

fn candidate(instance: &Instance, records: &Records, is_torn_down: bool, call: &Call<'_>) -> Candidate {
    let start = records.last_start(instance);
    let is_held = records.holds_on(instance, call.now).next().is_some() || records.is_claimed(instance, call.now);
    Candidate {
        id: instance.id.clone(),
        hostname: instance.hostname.clone(),
        scaling: instance.scaling,
        status: instance.status,
        availability_zone: instance.availability_zone.clone(),
        created_at: instance.created_at,
        started_at: start.map(|s| s.at),
        failed_starts: start.map_or(0, |s| s.failed_before),
        is_refused: false,
        is_held: is_torn_down || is_held,
        workload: None,
    }
}
