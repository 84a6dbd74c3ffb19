//! Teardown: takes an ECS Cluster layer down in order.
//!
//! Woken by a teardown request, by instance and container instance events, and by the minute tick. Requests that the API has written down
//! wait in the store until they are heeded. Each moves the running teardowns
//! as far as the world allows; the rule is `strata_domain::teardown::next`. The stage is read off the world at each look and every call
//! is idempotent, so a crash anywhere is made good by the next event.

mod act;
mod observe;
mod planned;
mod request;
mod told;

use std::sync::Arc;

use strata_domain::decision::{DecisionRecord, Function};
use strata_domain::mode::{self, ActionKind};
use strata_domain::teardown::{self, SCHEMA, Teardown};
use strata_fleet::Fleet;
use strata_ports::store::Listing;
use strata_ports::{
    Clock, Containers, Events, HandlerError, Ids, Item, Key, Modes, Outcome, Pager, Store, StoreError, keys, tell,
};
use strata_triggers::{Trigger, parse, wrong_function};

/// What teardown may touch: fleets by the OpsWorks API, the cluster's services, and its own records.
#[derive(Clone)]
pub struct Deps {
    /// Fleets.
    pub fleet: Fleet,
    /// Teardowns; claims and holds, which it honours.
    pub store: Arc<dyn Store>,
    /// The cluster's services.
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

/// So many looks at most in one invocation: from the last service to the last instance to cluster, layer, stack and end.
const ROUNDS: usize = 10;

/// Heeds a request, then moves all teardowns.
///
/// # Errors
/// A typed error for an event that is not this function's; otherwise the last error met, after every teardown had its turn.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<Outcome, HandlerError> {
    let trigger = parse(event)?;
    let woken_by = trigger.describe();
    let (mut outcome, mut plans_failed) = (Outcome::default(), None);
    match &trigger {
        Trigger::Tick { .. } => plans_failed = planned::look_at_all(deps, &woken_by, &mut outcome.decisions).await?,
        Trigger::Hints(_) => {}
        Trigger::TeardownRequest(asked) => outcome.decisions.extend(request::heed(deps, asked, &woken_by).await?.decisions),
        Trigger::Alarm(_)
        | Trigger::TableChanges(_)
        | Trigger::CommandStatus(_)
        | Trigger::CampaignRequest(_)
        | Trigger::FunctionUrl(_) => return Err(wrong_function(Function::Teardown, &trigger).into()),
    }
    let (heeded, mut failed) = request::heed_waiting(deps).await?;
    outcome.decisions.extend(heeded);
    for item in deps.store.list(&Listing::of(keys::TEARDOWNS_PK, "")).await? {
        for round in 0..ROUNDS {
            match look_at(deps, &item.key, &woken_by).await {
                Ok((decisions, go)) => {
                    outcome.decisions.extend(decisions);
                    if go == Go::Wait {
                        break;
                    }
                }
                // One teardown's trouble must not hold up the others; the next tick comes back to it.
                Err(error) => {
                    tracing::warn!(teardown.id = %item.key.sk, round, error = %error, "the teardown could not be moved on");
                    failed = Some(error);
                    break;
                }
            }
        }
    }
    if !outcome.decisions.is_empty() {
        tell::flush_outbox(&*deps.store, &*deps.pager, &*deps.events, deps.clock.now()).await?;
    }
    failed.or(plans_failed).map_or(Ok(outcome), Err)
}

/// Whether a look leads to another at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    Wait,
}

/// Reads a teardown's record.
fn read(item: &Item) -> Result<Teardown, StoreError> {
    let teardown: Teardown = item.decode()?;
    if teardown.schema > SCHEMA {
        let problem = format!("it was written by a newer version: schema {}, expected at most {SCHEMA}", teardown.schema);
        return Err(StoreError::Unreadable { key: item.key.clone(), problem });
    }
    Ok(teardown)
}

/// Observe, decide, act and tell, once, for one teardown.
async fn look_at(deps: &Deps, key: &Key, woken_by: &str) -> Result<(Vec<DecisionRecord>, Go), HandlerError> {
    // Another invocation may have ended it meanwhile.
    let Some(item) = deps.store.get(key).await? else { return Ok((Vec::new(), Go::Wait)) };
    let teardown = read(&item)?;
    let mut world = observe::world(deps, &teardown).await?;
    let now = deps.clock.now();
    if teardown::wants_closer_look(&teardown, &world.view, now) {
        world.look_closer(deps, &teardown).await;
    }
    let steps = teardown::next(&teardown, &world.view, now);
    if steps.is_empty() {
        return Ok((Vec::new(), Go::Wait));
    }
    let turn = act::Turn { deps, world: &world, teller: told::Teller { ids: &*deps.ids, woken_by, now } };
    let mode = world.mode(deps).await;
    if !mode::permits(mode, ActionKind::Terminate) && !act::only_books(&steps) {
        return Ok((turn.would(&teardown, &steps, mode).await?, Go::Wait));
    }
    turn.take(&item, teardown, &steps).await
}

#[cfg(test)]
mod tests;
