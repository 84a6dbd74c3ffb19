//! Security-updates: rolls updates over a layer, wave by wave.
//!
//! Woken by a campaign request, by the status of an SSM command, by what lifecycle reports of claims, by ECS agents that are back, and by the
//! minute tick, which also begins what an open window asks for. Requests that the API has written down wait in the store until they are
//! heeded. Each moves the running campaigns as far as the world allows; the rule is
//! `strata_domain::updates::next`. A campaign's record, the claims that it takes or releases and what it
//! tells are one commit, made before anything is sent to a host, so a crash anywhere is made good by the next event.

mod act;
mod observe;
mod patches;
mod request;
mod scans;
mod told;
mod windows;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strata_domain::decision::{DecisionRecord, Function};
use strata_domain::mode::{self, ActionKind};
use strata_domain::updates::{self, Campaign, Phase, SCHEMA};
use strata_domain::{InstanceId, SsmCommandId};
use strata_fleet::Fleet;
use strata_ports::store::Listing;
use strata_ports::{
    Clock, Commands, Containers, Events, HandlerError, Ids, Item, Key, Modes, Outcome, Pager, Store, StoreError, keys, tell,
};
use strata_triggers::{TableKey, Trigger, parse, wrong_function};

/// What security-updates may touch: fleets by the OpsWorks API (it starts and stops a surge instance, and else only reads), commands on hosts, its own records and claims.
#[derive(Clone)]
pub struct Deps {
    /// Fleets.
    pub fleet: Fleet,
    /// Campaigns, claims, and what lifecycle reports about them.
    pub store: Arc<dyn Store>,
    /// Update commands.
    pub commands: Arc<dyn Commands>,
    /// Whether hosts are back, and what runs on them; it only reads.
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

/// So many looks at most in one invocation: a wave's end, its books and the next wave's beginning take three.
const ROUNDS: usize = 10;

/// Heeds a request, then moves the campaigns that the event is about.
///
/// # Errors
/// A typed error for an event that is not this function's; otherwise the last error met, after every campaign had its turn.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<Outcome, HandlerError> {
    let trigger = parse(event)?;
    let woken_by = trigger.describe();
    let mut outcome = Outcome::default();
    let mut failed = None;
    let about = match &trigger {
        Trigger::Tick { .. } => {
            let (decisions, error) = windows::begin_due(deps, &woken_by).await?;
            outcome.decisions.extend(decisions);
            failed = error;
            About::All
        }
        Trigger::CommandStatus(status) => About::Command(&status.command_id),
        Trigger::TableChanges(changed) => About::Stacks(reported(changed)),
        Trigger::Hints(_) => About::Returning,
        Trigger::CampaignRequest(asked) => {
            outcome.decisions.extend(request::heed(deps, asked, &woken_by).await?.decisions);
            About::All
        }
        Trigger::Alarm(_) | Trigger::TeardownRequest(_) | Trigger::FunctionUrl(_) => {
            return Err(wrong_function(Function::SecurityUpdates, &trigger).into());
        }
    };
    // A command that ended or a report is no word of a request; the tick, and what the API puts on the bus, are.
    if matches!(about, About::All) {
        let (heeded, trouble) = request::heed_waiting(deps).await?;
        outcome.decisions.extend(heeded);
        failed = trouble.or(failed);
    }
    for item in deps.store.list(&Listing::of(keys::CAMPAIGNS_PK, "")).await? {
        match move_on(deps, &item, &about, &woken_by).await {
            Ok(decisions) => outcome.decisions.extend(decisions),
            // One campaign's trouble must not hold up the others; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(campaign.id = %item.key.sk, error = %error, "the campaign could not be moved on");
                failed = Some(error);
            }
        }
    }
    if matches!(trigger, Trigger::Tick { .. })
        && let Err(error) = scans::tick(deps).await
    {
        // What hosts miss is news of a day; the next tick comes back to it.
        tracing::warn!(error = %error, "scans could not be looked after");
    }
    if !outcome.decisions.is_empty() {
        tell::flush_outbox(&*deps.store, &*deps.pager, &*deps.events, deps.clock.now()).await?;
    }
    failed.map_or(Ok(outcome), Err)
}

/// Which campaigns an event is about.
enum About<'a> {
    All,
    /// The one that has sent this command.
    Command(&'a SsmCommandId),
    /// Those of the stacks with these partition keys: lifecycle reports that hosts of theirs are out of service, or back.
    Stacks(BTreeSet<&'a str>),
    /// Those that wait for ECS agents to be back; which host it is about only a look at the fleet can tell.
    Returning,
}

impl About<'_> {
    fn is(&self, campaign: &Campaign) -> bool {
        match self {
            Self::All => true,
            // Every command of the account wakes this function; only a campaign's own is worth a look at the fleet.
            Self::Command(id) => knows_command(campaign, id),
            Self::Returning => campaign.progress.values().any(|p| matches!(p.phase, Phase::Verifying { .. })),
            Self::Stacks(stacks) => stacks.contains(keys::stack_pk(&campaign.stack_id).as_str()),
        }
    }
}

/// The partition keys of the stacks in which a report of a claim has changed.
fn reported(changed: &[TableKey]) -> BTreeSet<&str> {
    changed.iter().filter(|key| key.sk.starts_with(keys::CLAIM_REPORT)).map(|key| key.pk.as_str()).collect()
}

/// Reads a campaign's record.
fn read(item: &Item) -> Result<Campaign, StoreError> {
    let campaign: Campaign = item.decode()?;
    if campaign.schema > SCHEMA {
        let problem = format!("it was written by a newer version: schema {}, expected at most {SCHEMA}", campaign.schema);
        return Err(StoreError::Unreadable { key: item.key.clone(), problem });
    }
    Ok(campaign)
}

fn knows_command(campaign: &Campaign, id: &SsmCommandId) -> bool {
    campaign.progress.values().any(|p| matches!(&p.phase, Phase::Patching { command: Some(command), .. } if command == id))
}

/// Moves one campaign as far as the world allows.
async fn move_on(deps: &Deps, listed: &Item, about: &About<'_>, woken_by: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
    let campaign = read(listed)?;
    if !about.is(&campaign) {
        return Ok(Vec::new());
    }
    let around = observe::surroundings(deps, &campaign.stack_id, &campaign.layer_id).await?;
    let mut told = Vec::new();
    let mut unsent = BTreeMap::new();
    for _ in 0..ROUNDS {
        match round(deps, &listed.key, &around, &mut unsent, woken_by).await? {
            (decisions, Go::On) => told.extend(decisions),
            (decisions, Go::Wait) => {
                told.extend(decisions);
                break;
            }
        }
    }
    Ok(told)
}

/// Whether a round leads to another at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Go {
    On,
    Wait,
}

/// Observe, decide, act and tell, once. `unsent` holds the hosts that refused their command, and why.
async fn round(
    deps: &Deps,
    key: &Key,
    around: &observe::Surroundings,
    unsent: &mut BTreeMap<InstanceId, String>,
    woken_by: &str,
) -> Result<(Vec<DecisionRecord>, Go), HandlerError> {
    // Another invocation may have ended it meanwhile.
    let Some(item) = deps.store.get(key).await? else { return Ok((Vec::new(), Go::Wait)) };
    let campaign = read(&item)?;
    let mut world = observe::world(deps, around, &campaign, unsent).await?;
    let now = deps.clock.now();
    let steps = updates::next(&campaign, &world.view(), now);
    let steps = workloads::mind_room(deps, around, &campaign, &mut world, steps).await?;
    if steps.is_empty() {
        return Ok((Vec::new(), Go::Wait));
    }
    let turn = act::Turn { deps, around, world: &world, woken_by, now };
    let mode = around.mode(deps).await;
    if !mode::permits(mode, ActionKind::Patch) {
        return Ok((turn.would(&campaign, &steps, mode).await?, Go::Wait));
    }
    turn.take(&item, campaign, &steps, unsent).await
}

#[cfg(test)]
mod tests;
