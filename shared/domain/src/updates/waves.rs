//! Waves: who goes next, and whether anybody may.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::campaign::{Campaign, CampaignOutcome, CampaignState, Phase};
use super::minutes_after;
use super::step::{CampaignStep, CampaignView, HostView};
use crate::{InstanceId, InstanceStatus};

/// How much longer a claim holds than drain and patch may take together: ticks are a minute apart and may be lost.
const CLAIM_MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// How far the canaries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryStage {
    /// So many are still to be updated.
    Missing(u32),
    /// All are updated; they are watched until then.
    Watched {
        /// End of the soak time.
        until: Timestamp,
    },
    /// There are none to wait for.
    None,
}

/// Whether canaries are still to be updated, or are being watched.
pub fn canary_stage(campaign: &Campaign) -> CanaryStage {
    if campaign.settings.canary == 0 {
        return CanaryStage::None;
    }
    let updated: Vec<Timestamp> = campaign
        .progress
        .values()
        .filter(|p| p.canary)
        .filter_map(|p| if let Phase::Done { at } = p.phase { Some(at) } else { None })
        .collect();
    let missing = campaign.settings.canary.saturating_sub(u32::try_from(updated.len()).unwrap_or(u32::MAX));
    match updated.into_iter().max() {
        Some(last) if missing == 0 => CanaryStage::Watched { until: minutes_after(last, campaign.settings.soak_minutes) },
        Some(_) | None => CanaryStage::Missing(missing),
    }
}

/// What follows for the campaign as a whole once every host in flight had its step.
pub(super) fn next(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let is_idle = !campaign.progress.values().any(|p| p.is_in_flight());
    let nobody_waits = !campaign.progress.values().any(|p| p.phase == Phase::Waiting);
    match &campaign.state {
        CampaignState::Running => running(campaign, view, now, is_idle),
        CampaignState::Finishing => match campaign.budget_spent() {
            Some(why) => vec![CampaignStep::Pause { why }],
            None if is_idle => end(campaign, CampaignOutcome::WindowOver),
            None => Vec::new(),
        },
        // With nobody left to begin there is nothing that a person could let go on.
        CampaignState::Paused { .. } if is_idle && nobody_waits => end(campaign, CampaignOutcome::Completed),
        CampaignState::Paused { .. } if is_idle && now >= campaign.window_end => end(campaign, CampaignOutcome::WindowOver),
        CampaignState::Aborted { .. } if is_idle => end(campaign, CampaignOutcome::Aborted),
        CampaignState::Paused { .. } | CampaignState::Aborted { .. } | CampaignState::Ended { .. } => Vec::new(),
    }
}

fn end(campaign: &Campaign, outcome: CampaignOutcome) -> Vec<CampaignStep> {
    vec![CampaignStep::End { outcome, why: campaign.tally() }]
}

fn running(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp, is_idle: bool) -> Vec<CampaignStep> {
    let mut steps = fallen_canaries(campaign, view, now);
    let mut after = campaign.clone();
    steps.iter().for_each(|step| after.apply(step, now));
    if let Some(why) = after.budget_spent() {
        steps.push(CampaignStep::Pause { why });
        return steps;
    }
    if !is_idle {
        return steps;
    }
    let eligible: Vec<&HostView> = view.hosts.iter().filter(|h| is_eligible(&after, h, now)).collect();
    if eligible.is_empty() {
        steps.extend(last_call(&after, view, now));
    } else {
        steps.extend(wave(&after, view, &eligible, now));
    }
    steps
}

/// An updated canary that is in trouble while it is watched has failed after all.
fn fallen_canaries(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let is_watched = |at: Timestamp| now < minutes_after(at, campaign.settings.soak_minutes);
    let fallen = campaign.progress.iter().filter(|(_, p)| p.canary).filter_map(|(id, p)| {
        let Phase::Done { at } = p.phase else { return None };
        let host = view.host(id).filter(|h| is_watched(at) && is_in_trouble(h.status))?;
        let why = format!("canary {} did not stay online after its update: its status is {}", host.hostname, host.status);
        Some(CampaignStep::Mark { instance: id.clone(), phase: Phase::Failed { at: now, why: why.clone() }, why })
    });
    fallen.collect()
}

fn is_in_trouble(status: InstanceStatus) -> bool {
    matches!(status, InstanceStatus::ConnectionLost | InstanceStatus::SetupFailed | InstanceStatus::StartFailed)
}

fn wave(campaign: &Campaign, view: &CampaignView<'_>, eligible: &[&HostView], now: Timestamp) -> Vec<CampaignStep> {
    let online = view.hosts.iter().filter(|h| h.status == InstanceStatus::Online).count();
    let out_already = view.hosts.iter().filter(|h| is_out_for_another_reason(campaign, h, now)).count();
    let room = campaign.settings.allowed_out(online).saturating_sub(out_already);
    let (size, canary) = match canary_stage(campaign) {
        CanaryStage::Missing(missing) => (room.min(usize::try_from(missing).unwrap_or(usize::MAX)), true),
        CanaryStage::Watched { until } if now < until => return Vec::new(),
        CanaryStage::Watched { .. } | CanaryStage::None => (room, false),
    };
    let number = campaign.wave + 1;
    let chosen = over_the_zones(eligible, size);
    let out = chosen.len() + out_already;
    let why = format!("{}{out} of {online} out", if canary { "canary, " } else { "" });
    let until = claim_until(campaign, now);
    let claim = |instance: InstanceId| CampaignStep::Claim { instance, until, wave: number, canary, why: why.clone() };
    chosen.into_iter().map(claim).collect()
}

fn claim_until(campaign: &Campaign, now: Timestamp) -> Timestamp {
    let drained = minutes_after(now, campaign.settings.drain_minutes);
    minutes_after(drained, campaign.settings.patch_minutes).checked_add(CLAIM_MARGIN).unwrap_or(Timestamp::MAX)
}

/// So many of them, from the zones in turn, oldest first.
fn over_the_zones(eligible: &[&HostView], size: usize) -> Vec<InstanceId> {
    let mut place_in_zone: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, usize, &HostView)> = Vec::new();
    for (age, host) in eligible.iter().enumerate() {
        let place = place_in_zone.entry(&host.zone).or_default();
        ranked.push((*place, age, host));
        *place += 1;
    }
    ranked.sort_by_key(|(place, age, _)| (*place, *age));
    ranked.into_iter().take(size).map(|(_, _, host)| host.id.clone()).collect()
}

/// Its turn may come now: in service, and nobody else's.
fn is_eligible(campaign: &Campaign, host: &HostView, now: Timestamp) -> bool {
    campaign.progress.get(&host.id).is_some_and(|p| p.phase == Phase::Waiting)
        && host.status == InstanceStatus::Online
        && host.held.is_none()
        && host.report.is_none()
        && !is_claimed_by_another(campaign, host, now)
}

fn is_claimed_by_another(campaign: &Campaign, host: &HostView, now: Timestamp) -> bool {
    host.claim.as_ref().is_some_and(|c| c.is_in_force(now) && c.holder != campaign.holder())
}

/// Out of service, and will be back: it takes room from the next wave. A host in flight is counted by its wave.
fn is_out_for_another_reason(campaign: &Campaign, host: &HostView, now: Timestamp) -> bool {
    matches!(host.status, InstanceStatus::Rebooting | InstanceStatus::ConnectionLost)
        || host.report.is_some()
        || is_claimed_by_another(campaign, host, now)
}

/// Nobody is in flight and nobody can be taken: what passes is waited for, the rest is skipped; then it is over.
fn last_call(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let waiting: Vec<&InstanceId> =
        campaign.progress.iter().filter(|(_, p)| p.phase == Phase::Waiting).map(|(id, _)| id).collect();
    let mut steps = Vec::new();
    for id in &waiting {
        if let Some(why) = skipped_because(campaign, view.host(id), now) {
            steps.push(CampaignStep::Mark { instance: (*id).clone(), phase: Phase::Skipped { why: why.clone() }, why });
        }
    }
    if steps.len() == waiting.len() {
        let mut after = campaign.clone();
        steps.iter().for_each(|step| after.apply(step, now));
        steps.extend(end(&after, CampaignOutcome::Completed));
    }
    steps
}

/// Why a waiting host is not waited for; `None` while its trouble is of the kind that passes.
fn skipped_because(campaign: &Campaign, host: Option<&HostView>, now: Timestamp) -> Option<String> {
    use InstanceStatus::*;
    let Some(host) = host else { return Some("it is gone from the layer".to_owned()) };
    match host.status {
        Online => match &host.held {
            Some(held) if !is_claimed_by_another(campaign, host, now) => Some(format!("it is held: {held}")),
            Some(_) | None => None,
        },
        Requested | Pending | Booting | RunningSetup | Rebooting | ConnectionLost | Registering | Assigning => None,
        Stopped => Some("it is stopped; its next boot installs updates unless InstallUpdatesOnBoot is off".to_owned()),
        SetupFailed | StartFailed | StopFailed | Stopping | ShuttingDown | Terminating | Terminated | Registered
        | Unassigning | Deregistering => Some(format!("its status is {}", host.status)),
    }
}
