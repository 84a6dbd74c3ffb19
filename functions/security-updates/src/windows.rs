//! Windows: the tick begins a layer's campaign when its window is open and has not had one yet.
//!
//! The window's start is the request's time, so the campaign's id is the window's own: a lost tick, a repeated one, a crash or an abort
//! never make a second one of it. While another campaign is under way, the window waits as long as it is open.

use jiff::Timestamp;
use strata_domain::LayerId;
use strata_domain::decision::DecisionRecord;
use strata_domain::holds::{Hold, HoldTarget};
use strata_domain::updates::campaign_id;
use strata_domain::updates::windows::{Window, Windows};
use strata_fleet::FleetError;
use strata_ports::keys::UpdateWindow;
use strata_ports::store::Listing;
use strata_ports::{HandlerError, Item, StoreError, keys};
use strata_triggers::{CampaignRequest, RequestVerb};

use crate::Deps;
use crate::request::heed_window;

/// Who asks, for the journal.
const ASKED_BY: &str = "the layer's update window";

/// Begins what is due. Beside the decisions the last error met, after every window had its turn.
pub(crate) async fn begin_due(deps: &Deps, woken_by: &str) -> Result<(Vec<DecisionRecord>, Option<HandlerError>), HandlerError> {
    let (mut told, mut failed) = (Vec::new(), None);
    for item in deps.store.list(&Listing::of(keys::UPDATE_WINDOWS_PK, "")).await? {
        match begin(deps, &item, woken_by).await {
            Ok(decisions) => told.extend(decisions),
            // One layer's trouble must not keep the others from their windows; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(layer.id = %item.key.sk, error = %error, "the layer's update window could not be looked at");
                failed = Some(error);
            }
        }
    }
    Ok((told, failed))
}

async fn begin(deps: &Deps, item: &Item, woken_by: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
    let layer_id = LayerId::from(item.key.sk.as_str());
    let entry: UpdateWindow = item.decode()?;
    let unreadable =
        |(member, problem)| StoreError::Unreadable { key: item.key.clone(), problem: format!("{member}: {problem}") };
    let windows = Windows::of(&entry.window, entry.window_minutes).map_err(unreadable)?;
    let Some(window) = windows.open_at(deps.clock.now()) else { return Ok(Vec::new()) };
    if !is_due(deps, &entry, &layer_id, window).await? {
        return Ok(Vec::new());
    }
    let (stack, layer) = match (deps.fleet.stack(&entry.stack_id).await, deps.fleet.layer(&layer_id).await) {
        (Ok(stack), Ok(layer)) => (stack, layer),
        // It goes with its layer; this look was a moment too late.
        (Err(FleetError::Gone { .. }), _) | (_, Err(FleetError::Gone { .. })) => return Ok(Vec::new()),
        (Err(error), _) | (_, Err(error)) => return Err(error.into()),
    };
    let asked = CampaignRequest {
        verb: RequestVerb::Start,
        stack: stack.name.clone(),
        layer: layer.shortname.clone(),
        requested_by: ASKED_BY.to_owned(),
        reason: Some(format!("its update window opened at {}", window.start)),
        at: window.start,
    };
    let held = held(deps, &entry, &layer_id).await?;
    Ok(heed_window(deps, (&asked, window.end, held), (&stack, &layer), woken_by).await?.decisions)
}

/// Whether the window has had no campaign, and none is under way.
async fn is_due(deps: &Deps, entry: &UpdateWindow, layer: &LayerId, window: Window) -> Result<bool, HandlerError> {
    let id = campaign_id(layer, window.start);
    for key in [keys::campaign_mark(&entry.stack_id, layer), keys::campaign(&id), keys::ended_campaign(&id)] {
        if deps.store.get(&key).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Who holds the layer and why. A hold on single instances skips these and no more.
async fn held(deps: &Deps, entry: &UpdateWindow, layer: &LayerId) -> Result<Option<String>, HandlerError> {
    let now: Timestamp = deps.clock.now();
    let Some(item) = deps.store.get(&keys::layer_hold(&entry.stack_id, layer)).await? else { return Ok(None) };
    let hold: Hold = item.decode()?;
    let binds = hold.is_in_force(now) && hold.target == HoldTarget::Layer(layer.clone());
    Ok(binds.then(|| format!("{}: {}", hold.by, hold.reason)))
}
