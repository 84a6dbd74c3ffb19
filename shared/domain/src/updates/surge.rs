//! Surge: one host more while a campaign runs, so that a wave takes less from those that serve.
//!
//! A stopped load-based instance is started through the API before the first wave, and stopped when the campaign is about to end, however it
//! ends: the record names it before the start is asked for, and there is no end while it is named and not given back.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::campaign::{Campaign, Phase};
use super::step::{CampaignStep, CampaignView, HostView};
use crate::{InstanceId, InstanceStatus, ScalingType};

/// So long the first wave waits for the surge instance; then it begins without.
pub const SURGE_PATIENCE: SignedDuration = SignedDuration::from_mins(20);
/// So long after a start was decided, a stopped instance may still be one whose start is on its way.
const START_SETTLES: SignedDuration = SignedDuration::from_mins(2);
/// A stop that the API does not take for so long is given up, so that the layer's next window is not kept from it.
const STOP_PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// How far the surge instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurgePhase {
    /// Asked to start; the first wave waits. Next: `Serving`.
    Starting,
    /// Nobody waits for it any more: it is online, or did not come up in time. Next: `Stopping` or `Over`.
    Serving,
    /// Asked to stop. Next: `Over`.
    Stopping,
    /// Stopped, gone, or left to load-scaling.
    Over,
}

/// The surge instance of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surge {
    /// The record.
    pub instance: InstanceId,
    /// Host name, for people.
    pub hostname: String,
    /// When its start was decided.
    pub started_at: Timestamp,
    /// How far it is.
    pub phase: SurgePhase,
    /// Since when it is so.
    pub since: Timestamp,
}

impl Campaign {
    /// Whether this is its surge instance.
    pub fn is_surge(&self, id: &InstanceId) -> bool {
        self.surge.as_ref().is_some_and(|surge| surge.instance == *id)
    }

    /// Begins with a surge instance. A repeat changes nothing.
    pub(super) fn start_surge(&mut self, instance: &InstanceId, hostname: &str, now: Timestamp) {
        if self.surge.is_some() {
            return;
        }
        let (instance, hostname) = (instance.clone(), hostname.to_owned());
        if let Some(p) = self.progress.get_mut(&instance) {
            let why = "it serves while the others are updated; its own boot installs updates unless InstallUpdatesOnBoot is off";
            p.phase = Phase::Skipped { why: why.to_owned() };
        }
        self.surge = Some(Surge { instance, hostname, started_at: now, phase: SurgePhase::Starting, since: now });
    }

    /// Moves the surge instance to a phase. A repeat keeps its clock.
    pub(super) fn move_surge(&mut self, phase: SurgePhase, now: Timestamp) {
        if let Some(surge) = self.surge.as_mut().filter(|surge| surge.phase != phase) {
            (surge.phase, surge.since) = (phase, now);
        }
    }
}

/// What comes before the first wave; `Some` of nothing: wait.
pub(super) fn before_first_wave(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Option<Vec<CampaignStep>> {
    match &campaign.surge {
        None if campaign.settings.surge && campaign.wave == 0 => Some(vec![start(spare(view, now)?)]),
        Some(surge) if surge.phase == SurgePhase::Starting => {
            Some(starting(surge, view.host(&surge.instance), now).into_iter().collect())
        }
        Some(_) | None => None,
    }
}

fn start(host: &HostView) -> CampaignStep {
    let why = "a stopped load-based instance serves while others are out".to_owned();
    CampaignStep::StartSurge { instance: host.id.clone(), hostname: host.hostname.clone(), why }
}

/// The oldest stopped load-based instance that nobody holds or has claimed.
fn spare<'a>(view: &CampaignView<'a>, now: Timestamp) -> Option<&'a HostView> {
    view.hosts.iter().find(|host| {
        host.scaling == ScalingType::Load
            && host.status == InstanceStatus::Stopped
            && host.held.is_none()
            && !host.claim.as_ref().is_some_and(|claim| claim.is_in_force(now))
    })
}

fn starting(surge: &Surge, host: Option<&HostView>, now: Timestamp) -> Option<CampaignStep> {
    let serving = |why: String| Some(CampaignStep::SurgeIs { phase: SurgePhase::Serving, why });
    let Some(host) = host else { return serving("it is gone; the campaign goes on without it".to_owned()) };
    match host.status {
        InstanceStatus::Online => serving("it is online".to_owned()),
        InstanceStatus::SetupFailed | InstanceStatus::StartFailed => {
            serving(format!("its status is {}; the campaign goes on without it", host.status))
        }
        _ if now.duration_since(surge.since) >= SURGE_PATIENCE => {
            serving(format!("it is {} after {} minutes; the campaign goes on without it", host.status, SURGE_PATIENCE.as_mins()))
        }
        // Whether the start was asked for, only asking again can tell.
        InstanceStatus::Stopped => Some(start(host)),
        _ => None,
    }
}

/// What has to come before the end: empty while it is waited for, and when nothing is left to do.
pub(super) fn before_end(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let Some(surge) = campaign.surge.as_ref().filter(|surge| surge.phase != SurgePhase::Over) else { return Vec::new() };
    let over = |why: String| vec![CampaignStep::SurgeIs { phase: SurgePhase::Over, why }];
    let Some(host) = view.host(&surge.instance) else { return over("it is gone from the layer".to_owned()) };
    let is_start_under_way = surge.phase == SurgePhase::Starting && now.duration_since(surge.started_at) < START_SETTLES;
    if host.status == InstanceStatus::Stopped && is_start_under_way {
        return Vec::new();
    }
    if host.status == InstanceStatus::Stopped || host.status.is_going_down() {
        return over(format!("its status is {}", host.status));
    }
    if view.upscaled_at.is_some_and(|at| at >= surge.started_at) {
        return over("load-scaling has started instances since, so it is left to load-scaling".to_owned());
    }
    if surge.phase == SurgePhase::Stopping && now.duration_since(surge.since) >= STOP_PATIENCE {
        let minutes = STOP_PATIENCE.as_mins();
        return over(format!("it could not be stopped for {minutes} minutes and is {}: stop it by hand", host.status));
    }
    vec![CampaignStep::StopSurge { instance: surge.instance.clone(), why: "the campaign is over".to_owned() }]
}

/// Whether the campaign may end as far as its surge instance goes.
pub(super) fn is_given_back(campaign: &Campaign) -> bool {
    campaign.surge.as_ref().is_none_or(|surge| surge.phase == SurgePhase::Over)
}
