//! What load-scaling does: one scaling event, written before it is carried out, and finished by the next run after a crash.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict, Way};
use strata_domain::load_based::{Candidate, Decision, Direction, HoldReason};
use strata_domain::mode::{self, ActionKind, Mode};
use strata_domain::{DecisionId, InstanceId};
use strata_fleet::{FleetError, effective_mode};
use strata_ports::{Change, CommitError, HandlerError, Told, journal, keys};
use strata_telemetry::carrying_out;

use crate::Deps;
use crate::observe::{Named, OwnRecords, StoredEvent};

/// What the decision is about.
pub(crate) struct Situation<'a> {
    pub(crate) own: &'a OwnRecords,
    pub(crate) named: &'a Named,
    pub(crate) members: &'a [Candidate],
    pub(crate) woken_by: &'a str,
}

/// Carries a decision out: commits event and journal entry together, then asks the API for each instance.
pub(crate) async fn carry_out(
    deps: &Deps,
    situation: &Situation<'_>,
    decision: Decision,
    now: Timestamp,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    match decision {
        Decision::Hold(reason) => hold(deps, situation, &reason, now).await,
        Decision::Scale { direction, .. } => {
            let mode = effective_mode(&*deps.modes, &situation.named.stack, Some(&situation.named.layer)).await;
            let kind = match direction {
                Direction::Up => ActionKind::Start,
                Direction::Down => ActionKind::Stop,
            };
            if mode::permits(mode, kind) {
                scale(deps, situation, &decision, now).await
            } else {
                would_scale(deps, situation, &decision, mode, now).await
            }
        }
    }
}

/// Tells a hold that on-call would want to know of. A quiet layer and a running wait clock are the ordinary course of things.
async fn hold(
    deps: &Deps,
    situation: &Situation<'_>,
    reason: &HoldReason,
    now: Timestamp,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let sameness = match reason {
        HoldReason::Disabled | HoldReason::Ignoring { .. } | HoldReason::Waiting { .. } | HoldReason::NotAll { .. } => {
            return Ok(Vec::new());
        }
        // Told only after something else was: the end of a block, of an exhausted layer.
        HoldReason::NothingCrossed => "nothing-crossed".to_owned(),
        HoldReason::InsufficientData { alarm, .. } => format!("blocked {alarm}"),
        HoldReason::NoCandidates { direction, held, .. } => format!("no-candidates {direction:?} {held}"),
        // Which host and how much moves with every task: it is told once.
        HoldReason::WouldNotFit { .. } => "would-not-fit".to_owned(),
        HoldReason::AtFloor { min_online, .. } => format!("at-floor {min_online}"),
        HoldReason::WouldCross { metric, .. } => format!("would-cross {}", metric.as_str()),
    };
    let record =
        record(deps, situation, now, Verdict::Hold, ("the layer's alarms", "start and stop nothing", &reason.to_string()));
    tell_if_new(deps, record, &sameness, Vec::new()).await
}

/// In mode `observe` or `frozen`: nothing is done; in `observe` it is told.
async fn would_scale(
    deps: &Deps,
    situation: &Situation<'_>,
    decision: &Decision,
    mode: Option<Mode>,
    now: Timestamp,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let Decision::Scale { direction, instances, fired_by, reason, .. } = decision else { return Ok(Vec::new()) };
    if mode == Some(Mode::Frozen) {
        return Ok(Vec::new());
    }
    let did = format!("would {} {}", verb(*direction), hostnames(situation.members, instances));
    let why = match mode {
        Some(_) => format!("{reason}; the mode is observe"),
        None => format!("{reason}; the mode cannot be read, so nothing is taken away"),
    };
    let touched = Touched::new(Some(way(*direction)), instances.iter().cloned());
    let record = record(deps, situation, now, Verdict::WouldAct, (&format!("{fired_by} in ALARM"), &did, &why));
    let record = DecisionRecord { touched, ..record };
    tell_if_new(deps, record, &did, Vec::new()).await
}

async fn scale(
    deps: &Deps,
    situation: &Situation<'_>,
    decision: &Decision,
    now: Timestamp,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let (Decision::Scale { direction, instances, fired_by, reason, .. }, Some(event)) = (decision, decision.event(now)) else {
        return Ok(Vec::new());
    };
    let did = format!("{} {}", verb(*direction), hostnames(situation.members, instances));
    let touched = Touched::new(Some(way(*direction)), instances.iter().cloned());
    let record = record(deps, situation, now, Verdict::Act, (&format!("{fired_by} in ALARM"), &did, reason));
    let record = DecisionRecord { touched, ..record };
    let key = keys::scaling(&situation.own.layer_id, "last-event");
    let unmet = situation.own.last_event.as_ref().map(|e| e.unmet.clone()).unwrap_or_default().after(&event);
    let stored = StoredEvent { event, pending: instances.clone(), decision: Some(record.id.clone()), unmet };
    let intent = Change::put(key, &stored, situation.own.last_event_expect);
    // Every event is news, even one that reads like the last.
    let told = tell_if_new(deps, record, &format!("{did} at {now}"), vec![intent]).await?;
    if !told.is_empty() {
        carrying_out(stored.decision.as_ref(), ask_for(deps, *direction, instances)).await?;
        settle(deps, situation.own).await?;
    }
    Ok(told)
}

/// Finishes what an earlier run has written but not asked for. An instance that a person has touched since is left alone.
pub(crate) async fn finish_pending_event(deps: &Deps, own: &OwnRecords, named: &Named) -> Result<(), HandlerError> {
    let Some(stored) = own.last_event.as_ref().filter(|e| !e.pending.is_empty()) else { return Ok(()) };
    let kind = match stored.event.direction {
        Direction::Up => ActionKind::Start,
        Direction::Down => ActionKind::Stop,
    };
    if !mode::permits(effective_mode(&*deps.modes, &named.stack, Some(&named.layer)).await, kind) {
        return Ok(());
    }
    let now = deps.clock.now();
    if stored.event.is_stale(now) {
        // Coming back from frozen, or from a long outage, storms nothing: the alarms as they are now decide anew.
        tracing::warn!(layer.id = %own.layer_id, at = %stored.event.at, "a scaling event that was never carried out is dropped");
        return settle(deps, own).await;
    }
    let members = crate::observe::members(deps, own, now).await?;
    let still_legal = |id: &&InstanceId| {
        members.iter().any(|m| {
            m.id == **id
                && !m.is_held
                && match stored.event.direction {
                    Direction::Up => m.status == strata_domain::InstanceStatus::Stopped,
                    // One that was started again after the event is not the event's any more.
                    Direction::Down => {
                        m.status == strata_domain::InstanceStatus::Online && m.started_at.is_none_or(|at| at < stored.event.at)
                    }
                }
        })
    };
    let mut left: Vec<InstanceId> = stored.pending.iter().filter(still_legal).cloned().collect();
    if stored.event.direction == Direction::Down {
        // Since the event others may have gone.
        let online = members.iter().filter(|m| m.status == strata_domain::InstanceStatus::Online).count();
        let room = named.layer.settings.load_scaling.room_above_floor(u32::try_from(online).unwrap_or(u32::MAX));
        left.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    }
    carrying_out(stored.decision.as_ref(), ask_for(deps, stored.event.direction, &left)).await?;
    settle(deps, own).await
}

/// Starts or stops each; an instance whose state changed meanwhile is passed over, no answer leaves the rest to the next run.
pub(crate) async fn ask_for(deps: &Deps, direction: Direction, instances: &[InstanceId]) -> Result<(), HandlerError> {
    let mut unanswered = None;
    for id in instances {
        let asked = match direction {
            Direction::Up => deps.fleet.start(id).await,
            Direction::Down => deps.fleet.stop(id).await,
        };
        match asked {
            Ok(()) => {}
            Err(error @ (FleetError::Refused { .. } | FleetError::Gone { .. })) => {
                tracing::warn!(instance.id = %id, error = %error, "the instance changed between decision and call");
            }
            Err(error @ FleetError::NoAnswer { .. }) => unanswered = Some(error),
        }
    }
    unanswered.map_or(Ok(()), |e| Err(e.into()))
}

/// Notes that the last event is carried out. Losing this write costs one more look, not one more start.
pub(crate) async fn settle(deps: &Deps, own: &OwnRecords) -> Result<(), HandlerError> {
    let key = keys::scaling(&own.layer_id, "last-event");
    let Some(item) = deps.store.get(&key).await? else { return Ok(()) };
    let mut stored: StoredEvent = item.decode()?;
    if stored.pending.is_empty() {
        return Ok(());
    }
    stored.pending.clear();
    match deps.store.commit(vec![Change::put(key, &stored, item.unchanged())]).await {
        Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Commits a decision with its changes, if it is news or changes something. A conflict means that another invocation was quicker:
/// it has told and done the same.
pub(crate) async fn tell_if_new(
    deps: &Deps,
    record: DecisionRecord,
    sameness: &str,
    mut changes: Vec<Change>,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let news = journal::news(&*deps.store, Function::LoadScaling, &record.subject, sameness).await?;
    let is_first_and_quiet = news.is_first && sameness == "nothing-crossed";
    if !news.is_new || is_first_and_quiet {
        return Ok(Vec::new());
    }
    let told = Told { decisions: vec![record], ..Told::default() };
    changes.extend(told.changes());
    changes.push(news.change());
    match deps.store.commit(changes).await {
        Ok(()) => Ok(told.decisions),
        Err(CommitError::Conflict { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn record(
    deps: &Deps,
    situation: &Situation<'_>,
    now: Timestamp,
    verdict: Verdict,
    (saw, did, why): (&str, &str, &str),
) -> DecisionRecord {
    DecisionRecord {
        id: DecisionId::from(deps.ids.uuid()),
        at: now,
        function: Function::LoadScaling,
        trigger: situation.woken_by.to_owned(),
        subject: situation.named.subject(),
        stack_id: Some(situation.own.stack_id.clone()),
        layer_id: Some(situation.own.layer_id.clone()),
        verdict,
        saw: saw.to_owned(),
        did: did.to_owned(),
        why: why.to_owned(),
        touched: Touched::default(),
    }
}

fn way(direction: Direction) -> Way {
    match direction {
        Direction::Up => Way::Up,
        Direction::Down => Way::Down,
    }
}

fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "start",
        Direction::Down => "stop",
    }
}

pub(crate) fn hostnames(members: &[Candidate], ids: &[InstanceId]) -> String {
    let name = |id: &InstanceId| members.iter().find(|m| m.id == *id).map_or_else(|| id.to_string(), |m| m.hostname.clone());
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}
