//! What load-scaling does about instances that an event has started and that have not come up: `strata_domain::load_based::Unmet` decides.

use strata_domain::InstanceId;
use strata_domain::decision::{DecisionRecord, Verdict};
use strata_domain::load_based::{Direction, FollowUp};
use strata_domain::mode::{self, ActionKind};
use strata_fleet::effective_mode;
use strata_ports::{Change, CommitError, HandlerError, keys};
use strata_telemetry::carrying_out;

use crate::Deps;
use crate::act::{Situation, ask_for, hostnames, record, settle, tell_if_new};
use crate::observe::{Named, OwnRecords, StoredEvent, members};

/// Starts stand-ins, tries failed starts again, and stops what is given up, as far as the mode allows. Intent first: a crash in between is
/// finished by the next run, a stand-in as a pending start, everything else because the same look asks for the same.
pub(crate) async fn run(
    deps: &Deps,
    own: &OwnRecords,
    named: &Named,
    woken_by: &str,
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let Some(stored) = &own.last_event else { return Ok(Vec::new()) };
    let now = deps.clock.now();
    let members = members(deps, own, now).await?;
    let FollowUp { unmet, start, stop } = stored.unmet.follow(&members, now);
    let mode = effective_mode(&*deps.modes, &named.stack, Some(&named.layer)).await;
    if !mode::permits(mode, ActionKind::Start) {
        return Ok(Vec::new());
    }
    let stop = if mode::permits(mode, ActionKind::Stop) { stop } else { Vec::new() };
    let stand_ins: Vec<InstanceId> = start.iter().filter(|s| s.instead_of.is_some()).map(|s| s.instance.clone()).collect();
    let starts: Vec<InstanceId> = start.iter().map(|s| s.instance.clone()).collect();
    let situation = Situation { own, named, members: &members, woken_by };
    let next = StoredEvent { unmet, pending: stand_ins, ..stored.clone() };
    let intent = Change::put(keys::scaling(&own.layer_id, "last-event"), &next, own.last_event_expect);
    let told = match start.first() {
        Some(first) => {
            let did = format!("start {}", hostnames(&members, &starts));
            let about = record(deps, &situation, now, Verdict::Act, ("a start that failed", &did, &first.reason));
            let told = tell_if_new(deps, about, &format!("{did} at {now}"), vec![intent]).await?;
            // Another invocation was quicker: it does the same.
            if told.is_empty() {
                return Ok(told);
            }
            told
        }
        None if next == *stored => Vec::new(),
        None => match deps.store.commit(vec![intent]).await {
            Ok(()) => Vec::new(),
            Err(CommitError::Conflict { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        },
    };
    let decision = told.first().map(|d| d.id.clone());
    carrying_out(decision.as_ref(), ask_for(deps, Direction::Up, &starts)).await?;
    carrying_out(decision.as_ref(), ask_for(deps, Direction::Down, &stop)).await?;
    settle(deps, own).await?;
    Ok(told)
}
