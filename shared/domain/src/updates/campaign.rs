//! The record of a campaign, and what each step makes of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::held_back::HeldBack;
use super::minutes_after;
use super::step::CampaignStep;
use super::surge::{Surge, SurgePhase};
use crate::claims::DrainPolicy;
use crate::settings::{UpdateSettings, is_amazon_release};
use crate::{CampaignId, InstanceId, LayerId, SsmCommandId, StackId};

/// The form of the record that this version writes.
pub const SCHEMA: u32 = 1;

/// What becomes of a host once it is back in service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It is updated.
    Done,
    /// It is not, and it counts against the failure budget.
    Failed {
        /// Why, one sentence.
        why: String,
    },
    /// It was not touched.
    Skipped {
        /// Why, one sentence.
        why: String,
    },
}

/// How far one host is. The campaign holds a claim on it exactly while it is draining, being patched or verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Its turn has not come. Next: `Draining` or `Skipped`.
    Waiting,
    /// Claimed; lifecycle drains it. Next: `Patching`, or `Restoring` at the latest when the drain time is over.
    Draining {
        /// When it was claimed.
        since: Timestamp,
    },
    /// Out of service; the Update command runs or is about to be sent, and reboots the host if that is needed. Next: `Verifying`, or
    /// `Restoring` at the latest when the patch time is over.
    Patching {
        /// When the host was out of service and the command was decided.
        since: Timestamp,
        /// The command, once its id is known.
        command: Option<SsmCommandId>,
    },
    /// The command succeeded; the host must be online with its ECS agent connected. Next: `Restoring`, within the same patch time.
    Verifying {
        /// As in `Patching`.
        since: Timestamp,
    },
    /// Released; lifecycle puts it back into service. Next: one of the three ends.
    Restoring {
        /// When it was released.
        since: Timestamp,
        /// What it will be then.
        then: Verdict,
    },
    /// Updated and back in service.
    Done {
        /// When.
        at: Timestamp,
    },
    /// Not updated, or not back in service.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// Not touched.
    Skipped {
        /// Why.
        why: String,
    },
}

/// One host of the campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Host name, for people.
    pub hostname: String,
    /// Its wave, from 1; 0 while it waits.
    pub wave: u32,
    /// It goes first, alone, and is watched.
    pub canary: bool,
    /// Its failure was seen by somebody who let the campaign go on.
    #[serde(default)]
    pub forgiven: bool,
    /// How far.
    pub phase: Phase,
}

impl Progress {
    /// Taken out of service and not yet back: it counts against what may be out at once.
    pub fn is_in_flight(&self) -> bool {
        match self.phase {
            Phase::Draining { .. } | Phase::Patching { .. } | Phase::Verifying { .. } | Phase::Restoring { .. } => true,
            Phase::Waiting | Phase::Done { .. } | Phase::Failed { .. } | Phase::Skipped { .. } => false,
        }
    }

    /// Whether the campaign has a claim on it.
    pub fn is_claimed(&self) -> bool {
        match self.phase {
            Phase::Draining { .. } | Phase::Patching { .. } | Phase::Verifying { .. } => true,
            Phase::Restoring { .. } | Phase::Waiting | Phase::Done { .. } | Phase::Failed { .. } | Phase::Skipped { .. } => false,
        }
    }

    /// Failed, or known to end so.
    pub fn has_failed(&self) -> bool {
        matches!(self.phase, Phase::Failed { .. } | Phase::Restoring { then: Verdict::Failed { .. }, .. })
    }
}

/// Who paused a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// Somebody asked for it.
    Person,
    /// The failure budget is spent, or a canary failed. On-call was paged.
    Budget,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CampaignOutcome {
    /// Every instance had its turn.
    Completed,
    /// The window was over before every instance had its turn.
    WindowOver,
    /// It was aborted.
    Aborted,
}

/// Where a campaign stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CampaignState {
    /// Begins new waves.
    Running,
    /// Begins nothing new until it is resumed; ends with its window.
    Paused {
        /// Since when.
        since: Timestamp,
        /// Who paused it.
        by: PausedBy,
        /// Why.
        why: String,
    },
    /// Its window is over: what is in flight is finished.
    Finishing,
    /// Ended by hand or by a teardown: drains are given back at once, a patch under way is finished first.
    Aborted {
        /// Why.
        why: String,
    },
    /// Over; no claim is left.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: CampaignOutcome,
    },
}

/// What a campaign begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCampaign {
    /// Derived from the request, so that a repeated request is the same campaign.
    pub id: CampaignId,
    /// The stack.
    pub stack_id: StackId,
    /// Its name.
    pub stack_name: String,
    /// The layer.
    pub layer_id: LayerId,
    /// Its short name.
    pub layer_name: String,
    /// Who asked.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When they asked.
    pub asked_at: Timestamp,
    /// The layer's update settings.
    pub settings: UpdateSettings,
    /// The layer's drain policy.
    pub drain: DrainPolicy,
    /// The layer's instances with their host names.
    pub hosts: Vec<(InstanceId, String)>,
}

/// A campaign: settings as they were at its start, and how far each host is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// [`SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// The id.
    pub id: CampaignId,
    /// The stack.
    pub stack_id: StackId,
    /// Its name, for people.
    pub stack_name: String,
    /// The layer.
    pub layer_id: LayerId,
    /// Its short name, for people.
    pub layer_name: String,
    /// Who asked for it.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When the newest request that was heeded was made; an older one that arrives late is not heeded.
    pub asked_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// From here on no host is begun.
    pub window_end: Timestamp,
    /// As they were at its start.
    pub settings: UpdateSettings,
    /// As it was at its start.
    pub drain: DrainPolicy,
    /// The release of Amazon Linux 2023 that its first updated host went to, so that the rest gets what the canaries have proven.
    #[serde(default)]
    pub release: Option<String>,
    /// Where it stands.
    pub state: CampaignState,
    /// The newest wave's number; 0 before the first.
    pub wave: u32,
    /// How many times it was paused; each is an incident of its own.
    pub pauses: u32,
    /// Its surge instance, once one was chosen.
    #[serde(default)]
    pub surge: Option<Surge>,
    /// What keeps it from its next wave.
    #[serde(default)]
    pub held_back: Option<HeldBack>,
    /// The hosts that were in the layer when it began. One that joins later was updated by its own boot.
    pub progress: BTreeMap<InstanceId, Progress>,
}

/// The id of the campaign that a request at `at` begins: a repeat of it, however late, is the same campaign.
pub fn campaign_id(layer: &LayerId, at: Timestamp) -> CampaignId {
    CampaignId::new(format!("{layer}-{}", at.as_second()))
}

/// The holder of a campaign's claims.
pub fn holder(campaign: &CampaignId) -> String {
    format!("security-updates/{campaign}")
}

/// The Update command's run-once nonce on one host.
pub fn nonce(campaign: &CampaignId, instance: &InstanceId) -> String {
    // One attempt per host and campaign: a patch that failed once is for a person to look at.
    format!("{campaign}/{instance}/1")
}

impl Campaign {
    /// A campaign that begins at `now`.
    pub fn begin(new: NewCampaign, now: Timestamp) -> Self {
        let waiting = |hostname| Progress { hostname, wave: 0, canary: false, forgiven: false, phase: Phase::Waiting };
        Self {
            schema: SCHEMA,
            id: new.id,
            stack_id: new.stack_id,
            stack_name: new.stack_name,
            layer_id: new.layer_id,
            layer_name: new.layer_name,
            requested_by: new.requested_by,
            reason: new.reason,
            asked_at: new.asked_at,
            started_at: now,
            window_end: minutes_after(now, new.settings.window_minutes),
            settings: new.settings,
            drain: new.drain,
            release: None,
            state: CampaignState::Running,
            wave: 0,
            pauses: 0,
            surge: None,
            held_back: None,
            progress: new.hosts.into_iter().map(|(id, hostname)| (id, waiting(hostname))).collect(),
        }
    }

    /// The holder of its claims.
    pub fn holder(&self) -> String {
        holder(&self.id)
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, CampaignState::Ended { .. })
    }

    /// The hosts that are out of service for it, in the order of their ids.
    pub fn in_flight(&self) -> Vec<InstanceId> {
        self.progress.iter().filter(|(_, p)| p.is_in_flight()).map(|(id, _)| id.clone()).collect()
    }

    /// Whether a failure stands against it that forbids new waves, and why: a canary's, or as many as the budget.
    pub fn budget_spent(&self) -> Option<String> {
        let failed: Vec<&Progress> = self.progress.values().filter(|p| p.has_failed() && !p.forgiven).collect();
        let names = || failed.iter().map(|p| p.hostname.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(canary) = failed.iter().find(|p| p.canary) {
            return Some(format!("canary {} failed", canary.hostname));
        }
        // A budget of 0 would forbid the first wave before anything failed; it means: not one failure.
        let budget = self.settings.failure_budget.max(1);
        (failed.len() as u64 >= u64::from(budget)).then(|| format!("{} of {budget} allowed failures: {}", failed.len(), names()))
    }

    /// How many hosts are updated, failed, skipped, and still waiting, in words.
    pub fn tally(&self) -> String {
        let (mut done, mut failed, mut skipped, mut left) = (0, 0, 0, 0);
        for progress in self.progress.values() {
            match progress.phase {
                Phase::Done { .. } => done += 1,
                Phase::Failed { .. } => failed += 1,
                Phase::Skipped { .. } => skipped += 1,
                Phase::Waiting
                | Phase::Draining { .. }
                | Phase::Patching { .. }
                | Phase::Verifying { .. }
                | Phase::Restoring { .. } => left += 1,
            }
        }
        format!("{done} updated, {failed} failed, {skipped} skipped, {left} left")
    }

    /// Makes the change of a step in the record.
    pub fn apply(&mut self, step: &CampaignStep, now: Timestamp) {
        match step {
            CampaignStep::Claim { instance, wave, canary, .. } => {
                (self.wave, self.held_back) = (*wave, None);
                if let Some(p) = self.progress.get_mut(instance) {
                    (p.wave, p.canary, p.phase) = (*wave, *canary, Phase::Draining { since: now });
                }
            }
            CampaignStep::SendUpdate { instance, .. } => {
                // A repeat keeps its clock: the deadline is the host's, not the call's.
                if let Some(p) = self.progress.get_mut(instance).filter(|p| matches!(p.phase, Phase::Draining { .. })) {
                    p.phase = Phase::Patching { since: now, command: None };
                }
            }
            CampaignStep::Release { instance, then, .. } => {
                self.set(instance, Phase::Restoring { since: now, then: then.clone() });
            }
            CampaignStep::Mark { instance, phase, .. } => self.set(instance, phase.clone()),
            CampaignStep::HoldBack { by, why } => self.hold_back(*by, why, now),
            CampaignStep::TellHeldBack { .. } => self.note_held_back_told(),
            CampaignStep::StartSurge { instance, hostname, .. } => self.start_surge(instance, hostname, now),
            CampaignStep::StopSurge { .. } => self.move_surge(SurgePhase::Stopping, now),
            CampaignStep::SurgeIs { phase, .. } => self.move_surge(*phase, now),
            CampaignStep::Pause { why } => self.pause(PausedBy::Budget, why, now),
            CampaignStep::Finish { .. } => self.leave_running(CampaignState::Finishing),
            CampaignStep::Abort { why } => self.leave_running(CampaignState::Aborted { why: why.clone() }),
            CampaignStep::End { outcome, .. } => self.leave_running(CampaignState::Ended { at: now, outcome: *outcome }),
        }
    }

    /// No wave is to begin any more, so nothing keeps one.
    fn leave_running(&mut self, state: CampaignState) {
        (self.state, self.held_back) = (state, None);
    }

    fn set(&mut self, instance: &InstanceId, phase: Phase) {
        if let Some(p) = self.progress.get_mut(instance) {
            p.phase = phase;
        }
    }

    /// Notes the id of the command that was sent to a host.
    pub fn note_command(&mut self, instance: &InstanceId, id: SsmCommandId) {
        if let Some(Phase::Patching { command, .. }) = self.progress.get_mut(instance).map(|p| &mut p.phase) {
            *command = Some(id);
        }
    }

    /// Notes the release that an updated host went to, unless the settings or an earlier host have named one.
    pub fn note_release(&mut self, release: &str) {
        if self.release().is_none() && is_amazon_release(release) {
            self.release = Some(release.to_owned());
        }
    }

    /// The release of Amazon Linux 2023 that its hosts go to; `None` for the newest.
    pub fn release(&self) -> Option<&str> {
        self.settings.release.as_deref().or(self.release.as_deref())
    }

    /// Begins nothing new from now on. Without effect once it is paused, aborted or over.
    pub fn pause(&mut self, by: PausedBy, why: &str, now: Timestamp) {
        if matches!(self.state, CampaignState::Running | CampaignState::Finishing) {
            self.leave_running(CampaignState::Paused { since: now, by, why: why.to_owned() });
            self.pauses += 1;
        }
    }

    /// Goes on, and holds the failures so far against nobody any more. Without effect unless it is paused.
    pub fn resume(&mut self) {
        if matches!(self.state, CampaignState::Paused { .. }) {
            self.state = CampaignState::Running;
            self.progress.values_mut().filter(|p| p.has_failed()).for_each(|p| p.forgiven = true);
        }
    }
}
