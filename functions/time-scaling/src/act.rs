//! What time-scaling does: one decision per layer and check, written before the API is asked.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict, Way};
use strata_domain::mode::{self, ActionKind, Mode};
use strata_domain::time_based::Plan;
use strata_domain::{DecisionId, InstanceId, LayerId};
use strata_fleet::{FleetError, LayerView, StackView, effective_mode};
use strata_ports::{CommitError, HandlerError, Told, journal};
use strata_telemetry::carrying_out;

use crate::Deps;
use crate::observe::Scene;

/// So many host names stand in a decision; a hundred would hide the rest of the line.
const NAMES_TOLD: usize = 8;

/// Which instances of a layer are to be started and stopped: id, host name, why.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) start: Vec<(InstanceId, String, String)>,
    pub(crate) stop: Vec<(InstanceId, String, String)>,
}

impl Wishes {
    pub(crate) fn is_empty(&self) -> bool {
        self.start.is_empty() && self.stop.is_empty()
    }
}

/// Tells and does what a layer's schedules ask for, as far as the mode allows.
pub(crate) async fn carry_out(
    deps: &Deps,
    scene: &Scene,
    layer: &LayerId,
    wishes: &Wishes,
    now: Timestamp,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    // One that has gone meanwhile, and its instances with it, is left to the next check.
    let (stack, Some(layer), Some(plan)) = (&scene.stack, scene.layers.get(layer), scene.plans.get(layer)) else {
        return Ok(Vec::new());
    };
    let mode = effective_mode(&*deps.modes, stack, Some(layer)).await;
    let mut told = Vec::new();
    for (kind, way, instances) in [(ActionKind::Start, Way::Up, &wishes.start), (ActionKind::Stop, Way::Down, &wishes.stop)] {
        if instances.is_empty() || mode == Some(Mode::Frozen) {
            continue;
        }
        let may = mode::permits(mode, kind);
        let about = About { stack, layer, plan, way, instances, may };
        let decision = tell(deps, &about, now).await?;
        if may {
            carrying_out(decision.as_ref().map(|d| &d.id), ask_for(deps, kind, instances)).await?;
        }
        told.extend(decision);
    }
    Ok(told)
}

struct About<'a> {
    stack: &'a StackView,
    layer: &'a LayerView,
    plan: &'a Plan,
    way: Way,
    instances: &'a [(InstanceId, String, String)],
    may: bool,
}

/// Journals the decision once; a repeat of it in the same hour, because a call was not answered, is no news.
async fn tell(deps: &Deps, about: &About<'_>, now: Timestamp) -> Result<Option<DecisionRecord>, HandlerError> {
    let subject = format!("{}/{}", about.stack.name, about.layer.shortname);
    let (verdict, would) = if about.may { (Verdict::Act, "") } else { (Verdict::WouldAct, "would ") };
    let did = format!("{would}{} {}", about.way.as_str(), names(about.instances));
    let utc = jiff::tz::TimeZone::UTC.to_datetime(now);
    let sameness = format!("{} {did}", utc.strftime("%F %H"));
    let news =
        journal::news(&*deps.store, Function::TimeScaling, &format!("{subject} {}", about.way.as_str()), &sameness).await?;
    if !news.is_new {
        return Ok(None);
    }
    let record = DecisionRecord {
        id: DecisionId::from(deps.ids.uuid()),
        at: now,
        function: Function::TimeScaling,
        trigger: "tick".to_owned(),
        subject,
        stack_id: Some(about.stack.id.clone()),
        layer_id: Some(about.layer.id.clone()),
        verdict,
        saw: about.plan.calendar.spoken(now),
        did,
        why: about.instances.first().map(|(_, _, why)| why.clone()).unwrap_or_default(),
        touched: Touched::new(Some(about.way), about.instances.iter().map(|(id, _, _)| id.clone())),
    };
    let told = Told { decisions: vec![record], ..Told::default() };
    let mut changes = told.changes();
    changes.push(news.change());
    match deps.store.commit(changes).await {
        Ok(()) => Ok(told.decisions.into_iter().next()),
        // Another check at the same moment has told it.
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks the API for each; what is not answered or refused is compared again at the next check.
async fn ask_for(deps: &Deps, kind: ActionKind, instances: &[(InstanceId, String, String)]) -> Result<(), HandlerError> {
    let mut unanswered = None;
    for (id, hostname, _) in instances {
        let asked = if kind == ActionKind::Start { deps.fleet.start(id).await } else { deps.fleet.stop(id).await };
        match asked {
            Ok(()) => {}
            Err(error @ (FleetError::Refused { .. } | FleetError::Gone { .. })) => {
                tracing::warn!(instance.id = %id, instance.hostname = %hostname, error = %error, "not done");
            }
            Err(error @ FleetError::NoAnswer { .. }) => unanswered = Some(error),
        }
    }
    unanswered.map_or(Ok(()), |e| Err(e.into()))
}

fn names(instances: &[(InstanceId, String, String)]) -> String {
    let told: Vec<&str> = instances.iter().take(NAMES_TOLD).map(|(_, name, _)| name.as_str()).collect();
    match instances.len().saturating_sub(NAMES_TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
