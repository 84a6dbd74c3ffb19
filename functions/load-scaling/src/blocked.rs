//! Tells on-call when a layer has not been able to scale for five minutes, and by whom, and when that is over: `load_based::watch` decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::claims::Claim;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict};
use strata_domain::holds::Hold;
use strata_domain::load_based::{self, Blocked, Candidate, Direction, HoldReason, Input, Watch};
use strata_domain::mode::{self, ActionKind};
use strata_domain::pages::PageKind;
use strata_domain::{DecisionId, InstanceStatus, LayerId, ScalingType, StackId};
use strata_fleet::effective_mode;
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Expect, HandlerError, Item, Told, keys};

use crate::Deps;
use crate::act::{Situation, record};
use crate::observe::records;

/// So many hosts at most are named with whoever holds them.
const NAMED: usize = 6;

/// A layer that is blocked, as stored.
#[derive(Serialize, Deserialize)]
struct Standing {
    stack_id: StackId,
    blocked: Blocked,
    /// What on-call was told.
    page: Option<Page>,
}

/// The open page as DescribeStatus reads it.
#[derive(Serialize)]
struct Incident<'a> {
    page: &'a Page,
}

/// All layers that are blocked, or were a moment ago: one list, empty on most days.
pub(crate) async fn all(deps: &Deps) -> Result<BTreeMap<LayerId, Item>, HandlerError> {
    let items = deps.store.list(&Listing::of(keys::SCALING_BLOCKED_PK, "")).await?;
    Ok(items.into_iter().map(|item| (LayerId::from(item.key.sk.as_str()), item)).collect())
}

/// Looks at what a layer's decision says of its being blocked; `reason` is that of a hold.
pub(crate) async fn watch(
    deps: &Deps,
    situation: &Situation<'_>,
    stored: Option<&Item>,
    (reason, input): (Option<&HoldReason>, &Input<'_>),
    now: Timestamp,
) -> Result<Option<DecisionRecord>, HandlerError> {
    let own = situation.own;
    let (key, expect) = (keys::scaling_blocked(&own.layer_id), stored.map_or(Expect::Absent, Item::unchanged));
    // One that cannot be read is written anew, rather than keeping the layer from scaling.
    let standing: Option<Standing> = stored.and_then(|item| item.decode().ok());
    let severity = reason.and_then(HoldReason::blocks);
    let put = |blocked, page| {
        let standing = Standing { stack_id: own.stack_id.clone(), blocked, page };
        Change::put(key.clone(), &standing, expect)
    };
    let (changes, told) = match load_based::watch(standing.as_ref().map(|s| &s.blocked), severity.is_some(), now) {
        Watch::Nothing => return Ok(None),
        Watch::Note(blocked) => (vec![put(blocked, standing.and_then(|s| s.page))], None),
        Watch::Forget => (stored.map(delete).into_iter().collect(), None),
        Watch::Resolve => {
            let (Some(item), Some(standing)) = (stored, standing) else { return Ok(None) };
            let why = format!("{} can scale again", situation.named.subject());
            let (changes, told) = resolution(deps, &own.layer_id, (item, standing), &why, situation.woken_by).await?;
            (changes, Some(told))
        }
        Watch::Tell(blocked) => {
            let (Some(reason), Some(severity)) = (reason, severity) else { return Ok(None) };
            if !is_meant_to_scale(deps, situation).await? {
                return Ok(None);
            }
            let id = DecisionId::from(deps.ids.uuid());
            let page = page(deps, situation, &blocked, (reason, severity, input), (&id, now)).await?;
            let words = (page.what.as_str(), "tell on-call", page.why.as_str());
            let told = DecisionRecord { id, ..record(deps, situation, now, Verdict::Hold, words) };
            let incident = keys::scaling_incident(&own.stack_id, &own.layer_id);
            let open = deps.store.get(&incident).await?.as_ref().map_or(Expect::Absent, Item::unchanged);
            let changes = vec![Change::put(incident, &Incident { page: &page }, open), put(blocked, Some(page.clone()))];
            (changes, Some(Told { decisions: vec![told], pages: vec![page], ..Told::default() }))
        }
    };
    commit(deps, changes, told).await
}

/// Ends the pages of layers whose load-based scaling is switched off or gone, and forgets what was not told yet.
pub(crate) async fn end(
    deps: &Deps,
    layer: &LayerId,
    item: &Item,
    woken_by: &str,
) -> Result<Option<DecisionRecord>, HandlerError> {
    match item.decode::<Standing>().ok().filter(|standing| standing.page.is_some()) {
        Some(standing) => {
            let what = "its load-based scaling is switched off";
            let (changes, told) = resolution(deps, layer, (item, standing), what, woken_by).await?;
            commit(deps, changes, Some(told)).await
        }
        None => commit(deps, vec![delete(item)], None).await,
    }
}

/// Commits, and gives back the decision that was told. A conflict: another invocation was quicker and has told the same.
async fn commit(deps: &Deps, mut changes: Vec<Change>, told: Option<Told>) -> Result<Option<DecisionRecord>, HandlerError> {
    changes.extend(told.iter().flat_map(Told::changes));
    match deps.store.commit(changes).await {
        Ok(()) => Ok(told.and_then(|told| told.decisions.into_iter().next())),
        Err(CommitError::Conflict { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Nobody is woken because a layer does not scale that is told not to, or that is being taken down.
async fn is_meant_to_scale(deps: &Deps, situation: &Situation<'_>) -> Result<bool, HandlerError> {
    let (own, named) = (situation.own, situation.named);
    let mode = effective_mode(&*deps.modes, &named.stack, Some(&named.layer)).await;
    Ok(mode::permits(mode, ActionKind::Start)
        && deps.store.get(&keys::teardown_mark(&own.stack_id, &own.layer_id)).await?.is_none())
}

fn delete(item: &Item) -> Change {
    Change::Delete { key: item.key.clone(), expect: item.unchanged() }
}

/// The end of a page: what is removed, and what is told.
async fn resolution(
    deps: &Deps,
    layer: &LayerId,
    (item, standing): (&Item, Standing),
    what: &str,
    woken_by: &str,
) -> Result<(Vec<Change>, Told), HandlerError> {
    let mut changes = vec![delete(item)];
    let incident = deps.store.get(&keys::scaling_incident(&standing.stack_id, layer)).await?;
    changes.extend(incident.as_ref().map(delete));
    let Some(page) = standing.page else { return Ok((changes, Told::default())) };
    let (now, id) = (deps.clock.now(), DecisionId::from(deps.ids.uuid()));
    let told = DecisionRecord {
        id: id.clone(),
        at: now,
        function: Function::LoadScaling,
        trigger: woken_by.to_owned(),
        subject: format!("{}/{}", page.stack, page.layer.as_deref().unwrap_or_default()),
        stack_id: Some(standing.stack_id),
        layer_id: Some(layer.clone()),
        verdict: Verdict::Act,
        saw: "nothing blocks its scaling any more".to_owned(),
        did: "resolve the page".to_owned(),
        why: what.to_owned(),
        touched: Touched::default(),
    };
    let page = Page { resolved: true, what: what.to_owned(), at: now, decision: id, ..page };
    Ok((changes, Told { decisions: vec![told], pages: vec![page], ..Told::default() }))
}

async fn page(
    deps: &Deps,
    situation: &Situation<'_>,
    blocked: &Blocked,
    (reason, severity, input): (&HoldReason, Severity, &Input<'_>),
    (decision, now): (&DecisionId, Timestamp),
) -> Result<Page, HandlerError> {
    let (own, named) = (situation.own, situation.named);
    let asking = load_based::asking_for_more(input);
    let (mut why, mut severity) = (reason.to_string(), severity);
    let (did, next) = match reason {
        HoldReason::NoCandidates { direction, held, .. } if *held > 0 => {
            let keepers = keepers(deps, situation, *direction, now).await?;
            why = format!("{why}: {keepers}");
            ("leave them alone", format!("strata holds --stack {}", quoted(&named.stack.name)))
        }
        HoldReason::NoCandidates { .. } => {
            ("go on with what is online", format!("aws opsworks describe-instances --layer-id {}", own.layer_id))
        }
        HoldReason::InsufficientData { alarm, .. } => {
            if !asking.is_empty() {
                severity = Severity::Critical;
                why = format!("{why}, while {} asks for upscaling", asking.join(", "));
            }
            let next = "aws cloudwatch describe-alarms --alarm-types MetricAlarm CompositeAlarm --alarm-names";
            ("start and stop nothing", format!("{next} {}", quoted(alarm)))
        }
        _ => ("start and stop nothing", format!("strata preview {}", named.subject())),
    };
    Ok(Page {
        incident: format!("scaling-blocked/{}/{}", own.layer_id, blocked.since),
        resolved: false,
        severity,
        kind: PageKind::ScalingBlocked,
        stack: named.stack.name.clone(),
        layer: Some(named.layer.shortname.clone()),
        host: None,
        what: format!("{} has not been able to scale for {} minutes", named.subject(), load_based::TOLD_AFTER.as_mins()),
        why,
        did: did.to_owned(),
        next,
        decision: decision.clone(),
        at: now,
    })
}

/// As one word of a shell's line, whatever it holds.
fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\'', r"'\''"))
}

/// Who holds the instances that would do, for example `web1 by ada (kernel dump)`.
async fn keepers(deps: &Deps, situation: &Situation<'_>, direction: Direction, now: Timestamp) -> Result<String, HandlerError> {
    let own = situation.own;
    let holds: Vec<Hold> = records(deps, &own.stack_id, keys::HOLD).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let claims: Vec<Claim> = records(deps, &own.stack_id, keys::CLAIM).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let would_do = match direction {
        Direction::Up => InstanceStatus::Stopped,
        Direction::Down => InstanceStatus::Online,
    };
    let by = |member: &Candidate| {
        let layers = std::slice::from_ref(&own.layer_id);
        let hold = holds.iter().find(|h| h.is_in_force(now) && h.covers(&member.id, layers));
        let claim = claims.iter().find(|c| c.is_in_force(now) && c.instance_id == member.id);
        let (who, reason) = match (hold, claim) {
            (Some(hold), _) => (hold.by.as_str(), hold.reason.as_str()),
            (None, Some(claim)) => (claim.holder.as_str(), claim.reason.as_str()),
            (None, None) => return member.hostname.clone(),
        };
        format!("{} by {who} ({reason})", member.hostname)
    };
    let held = situation.members.iter().filter(|m| m.is_held && m.scaling == ScalingType::Load && m.status == would_do);
    let held: Vec<&Candidate> = held.collect();
    let mut named: Vec<String> = held.iter().take(NAMED).map(|member| by(member)).collect();
    if held.len() > NAMED {
        named.push(format!("{} more", held.len() - NAMED));
    }
    Ok(named.join(", "))
}
