//! Waves: who goes next, and whether anybody may.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::campaign::{Campaign, CampaignOutcome, CampaignState, Phase};
use super::held_back::{self, HeldBackBy};
use super::step::{CampaignStep, CampaignView, HostView};
use super::{minutes_after, surge};
use crate::workload::Room;
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
    let end = |outcome| end(campaign, view, now, outcome);
    match &campaign.state {
        CampaignState::Running => running(campaign, view, now, is_idle),
        CampaignState::Finishing => match campaign.budget_spent() {
            Some(why) => vec![CampaignStep::Pause { why }],
            None if is_idle => end(CampaignOutcome::WindowOver),
            None => Vec::new(),
        },
        // With nobody left to begin there is nothing that a person could let go on.
        CampaignState::Paused { .. } if is_idle && nobody_waits => end(CampaignOutcome::Completed),
        CampaignState::Paused { .. } if is_idle && now >= campaign.window_end => end(CampaignOutcome::WindowOver),
        CampaignState::Aborted { .. } if is_idle => end(CampaignOutcome::Aborted),
        CampaignState::Paused { .. } | CampaignState::Aborted { .. } | CampaignState::Ended { .. } => Vec::new(),
    }
}

/// The end, once the surge instance is given back.
fn end(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp, outcome: CampaignOutcome) -> Vec<CampaignStep> {
    let mut steps = surge::before_end(campaign, view, now);
    let mut after = campaign.clone();
    steps.iter().for_each(|step| after.apply(step, now));
    if surge::is_given_back(&after) {
        steps.push(CampaignStep::End { outcome, why: campaign.tally() });
    }
    steps
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
    if !view.hosts.iter().any(|h| is_eligible(&after, h, now)) {
        steps.extend(last_call(&after, view, now));
    } else if let Some(first) = surge::before_first_wave(&after, view, now) {
        steps.extend(first);
    } else {
        steps.extend(wave(&after, view, now));
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

fn wave(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let (most, canary) = match canary_stage(campaign) {
        CanaryStage::Missing(missing) => (usize::try_from(missing).unwrap_or(usize::MAX), true),
        CanaryStage::Watched { until } if now < until => return Vec::new(),
        CanaryStage::Watched { .. } | CanaryStage::None => (usize::MAX, false),
    };
    let order = in_order(campaign, view, now);
    if order.is_empty() {
        return Vec::new();
    }
    let limits = Limits::of(campaign, view, now);
    let Some(room) = limits.room() else { return held_back::next(campaign, limits.held_back_by(), now) };
    let chosen = those_that_fit(view, &order, room.min(most));
    if chosen.is_empty() {
        return held_back::next(campaign, no_room(&order), now);
    }
    let number = campaign.wave + 1;
    let (out, online) = (chosen.len() + limits.out_already, limits.online);
    let why = format!("{}{out} of {online} out", if canary { "canary, " } else { "" });
    let until = claim_until(campaign, now);
    let claim = |instance: InstanceId| CampaignStep::Claim { instance, until, wave: number, canary, why: why.clone() };
    chosen.into_iter().map(claim).collect()
}

/// The hosts whose tasks are worth a look before `count` of them are begun: the first of those whose turn it is.
pub fn in_question(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp, count: usize) -> Vec<InstanceId> {
    in_order(campaign, view, now).into_iter().take(count).map(|host| host.id.clone()).collect()
}

/// How many may be out.
struct Limits {
    /// Online, the surge instance apart: it adds to those that serve, not to those that may be out.
    online: usize,
    /// Out for another reason.
    out_already: usize,
    allowed: usize,
    in_service: usize,
    floor: usize,
}

impl Limits {
    fn of(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Self {
        let online = view.hosts.iter().filter(|h| h.status == InstanceStatus::Online);
        let in_service = online.clone().filter(|h| !is_out_for_another_reason(campaign, h, now)).count();
        let online = online.filter(|h| !campaign.is_surge(&h.id)).count();
        Self {
            online,
            out_already: view.hosts.iter().filter(|h| is_out_for_another_reason(campaign, h, now)).count(),
            allowed: campaign.settings.allowed_out(online),
            in_service,
            floor: usize::try_from(view.min_online).unwrap_or(usize::MAX),
        }
    }

    /// So many may be begun; `None`: not one.
    fn room(&self) -> Option<usize> {
        let room = self.allowed.saturating_sub(self.out_already).min(self.in_service.saturating_sub(self.floor));
        (room > 0).then_some(room)
    }

    /// Why not one.
    fn held_back_by(&self) -> (HeldBackBy, String) {
        if self.out_already >= self.allowed {
            let why = format!("{} are out for another reason, and {} may be out", self.out_already, self.allowed);
            return (HeldBackBy::OthersOut, why);
        }
        let why = format!("{} are in service, and load_scaling.min_online is {}", self.in_service, self.floor);
        (HeldBackBy::Floor, why)
    }
}

fn no_room(order: &[&HostView]) -> (HeldBackBy, String) {
    let needs = order.iter().find_map(|host| {
        let workload = host.workload.as_ref().filter(|w| w.tasks.is_some())?;
        Some(format!(", for example {} of {}", workload.reserved_by_services(), host.hostname))
    });
    let why = format!("the other hosts have no room for the tasks of any host that waits{}", needs.unwrap_or_default());
    (HeldBackBy::Room, why)
}

/// The first `size` of them whose services' tasks the rest can hold. Where nobody has asked what runs on them, the first `size`.
fn those_that_fit(view: &CampaignView<'_>, order: &[&HostView], size: usize) -> Vec<InstanceId> {
    let tasks_known = |host: &HostView| host.workload.as_ref().is_some_and(|w| w.tasks.is_some());
    if !view.hosts.iter().any(tasks_known) {
        return order.iter().take(size).map(|host| host.id.clone()).collect();
    }
    let online = view.hosts.iter().filter(|h| h.status == InstanceStatus::Online);
    let mut room = Room::of(online.filter_map(|h| Some((h.id.as_str(), h.workload.as_ref()?.free))));
    let fits = |host: &&&HostView| {
        let workload = host.workload.as_ref().filter(|w| w.tasks.is_some());
        workload.is_some_and(|workload| room.move_away(host.id.as_str(), workload))
    };
    order.iter().filter(fits).take(size).map(|host| host.id.clone()).collect()
}

/// Whose turn it is, in order; none while a zone that is not finished has only hosts whose trouble passes.
fn in_order<'a>(campaign: &Campaign, view: &CampaignView<'a>, now: Timestamp) -> Vec<&'a HostView> {
    let mut eligible: Vec<&HostView> = view.hosts.iter().filter(|h| is_eligible(campaign, h, now)).collect();
    if campaign.settings.zone_by_zone {
        let is_waited_for = |h: &&HostView| {
            let waits = campaign.progress.get(&h.id).is_some_and(|p| p.phase == Phase::Waiting);
            waits && skipped_because(campaign, Some(*h), now).is_none()
        };
        let zone = view.hosts.iter().filter(is_waited_for).map(|h| h.zone.as_str()).min();
        eligible.retain(|h| Some(h.zone.as_str()) == zone);
    }
    over_the_zones(eligible)
}

fn claim_until(campaign: &Campaign, now: Timestamp) -> Timestamp {
    let drained = minutes_after(now, campaign.settings.drain_minutes);
    minutes_after(drained, campaign.settings.patch_minutes).checked_add(CLAIM_MARGIN).unwrap_or(Timestamp::MAX)
}

/// From the zones in turn, oldest first.
fn over_the_zones(eligible: Vec<&HostView>) -> Vec<&HostView> {
    let mut place_in_zone: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, usize, &HostView)> = Vec::new();
    for (age, host) in eligible.into_iter().enumerate() {
        let place = place_in_zone.entry(&host.zone).or_default();
        ranked.push((*place, age, host));
        *place += 1;
    }
    ranked.sort_by_key(|(place, age, _)| (*place, *age));
    ranked.into_iter().map(|(_, _, host)| host).collect()
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
        steps.extend(end(&after, view, now, CampaignOutcome::Completed));
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
