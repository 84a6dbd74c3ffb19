//! Time-scaling: starts and stops time-based instances.
//!
//! Woken by the minute tick only. Level-triggered: each check compares the schedule with the status as it is now, so a missed check
//! is made good by the next [TIME-6, 7]. The rule is `strata_domain::time_based::decide`.

mod act;
mod observe;
mod settled;

use std::collections::BTreeMap;
use std::sync::Arc;

use strata_domain::decision::{DecisionRecord, Function};
use strata_domain::time_based::{self, Moment, NothingReason, TimerDecision};
use strata_domain::{LayerId, StackId};
use strata_fleet::Fleet;
use strata_ports::store::Listing;
use strata_ports::{Clock, Events, HandlerError, Ids, Modes, Outcome, Pager, Store, keys, tell};
use strata_triggers::{Trigger, parse, wrong_function};

/// What time-scaling may touch: fleets by the OpsWorks API, schedules, holds and claims in the store, and on-call.
#[derive(Clone)]
pub struct Deps {
    /// Fleets.
    pub fleet: Fleet,
    /// Schedules, holds, claims and last starts.
    pub store: Arc<dyn Store>,
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

/// Checks every stack's time-based instances.
///
/// # Errors
/// A typed error for an event that is not this function's; otherwise the last error met, after every stack was checked.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<Outcome, HandlerError> {
    let trigger = parse(event)?;
    match &trigger {
        Trigger::Tick { .. } => {}
        Trigger::Alarm(_)
        | Trigger::Hints(_)
        | Trigger::TableChanges(_)
        | Trigger::CommandStatus(_)
        | Trigger::TeardownRequest(_)
        | Trigger::CampaignRequest(_)
        | Trigger::FunctionUrl(_) => return Err(wrong_function(Function::TimeScaling, &trigger).into()),
    }
    let mut outcome = Outcome::default();
    let mut failed = None;
    for entry in deps.store.list(&Listing::of(keys::STACKS_PK, "")).await? {
        let stack = StackId::from(entry.key.sk.as_str());
        match check(deps, &stack).await {
            Ok(decisions) => outcome.decisions.extend(decisions),
            // One stack's trouble must not keep the others from their schedules; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(stack.id = %stack, error = %error, "time-based scaling of the stack failed");
                failed = Some(error);
            }
        }
    }
    if !outcome.decisions.is_empty() {
        tell::flush_outbox(&*deps.store, &*deps.pager, &*deps.events, deps.clock.now()).await?;
    }
    failed.map_or(Ok(outcome), Err)
}

/// One stack: compare, then act layer by layer, since modes and the journal go by layer.
async fn check(deps: &Deps, stack: &StackId) -> Result<Vec<DecisionRecord>, HandlerError> {
    let now = deps.clock.now();
    let schedules = observe::schedules(deps, stack).await?;
    if schedules.is_empty() {
        return Ok(Vec::new());
    }
    let settled = settled::Look::begin(deps, stack, &schedules, now).await?;
    if settled.still_holds {
        return Ok(Vec::new());
    }
    let scene = observe::scene(deps, stack, &schedules, now).await?;
    let moments: BTreeMap<&LayerId, Moment<'_>> = scene.plans.iter().map(|(layer, plan)| (layer, plan.at(now))).collect();
    let mut wishes: BTreeMap<LayerId, act::Wishes> = BTreeMap::new();
    let mut all_agree = true;
    for timer in &scene.timers {
        let Some(moment) = moments.get(&timer.layer_id) else { continue };
        let of_layer = wishes.entry(timer.layer_id.clone()).or_default();
        match time_based::decide_at(&timer.view(), moment) {
            TimerDecision::Start { reason } => of_layer.start.push((timer.id(), timer.hostname(), reason.to_string())),
            TimerDecision::Stop { reason } => of_layer.stop.push((timer.id(), timer.hostname(), reason.to_string())),
            TimerDecision::Nothing(NothingReason::UpAsScheduled | NothingReason::DownAsScheduled) => {}
            TimerDecision::Nothing(_) => all_agree = false,
        }
    }
    wishes.retain(|_, w| !w.is_empty());
    if wishes.is_empty() {
        if all_agree {
            let until = scene.plans.values().filter_map(|plan| plan.next_change(now)).min();
            settled.note(deps, until.unwrap_or(now)).await?;
        }
        return Ok(Vec::new());
    }
    let mut told = Vec::new();
    for (layer, wishes) in &wishes {
        told.extend(act::carry_out(deps, &scene, layer, wishes, now).await?);
    }
    Ok(told)
}
