//! One host that a campaign has in flight: what follows for it.

use jiff::{SignedDuration, Timestamp};

use super::campaign::{Campaign, CampaignState, Phase, Verdict, nonce};
use super::debt::PatchReport;
use super::minutes_after;
use super::step::{AgentSeen, CampaignStep, CampaignView, CommandSeen, HostView};
use crate::settings::{RebootPolicy, UpdateKind, UpdateSettings};
use crate::{InstanceId, InstanceStatus};

/// How long a host that was given back may take until it is in service again; then it counts as failed.
pub const RESTORE_PATIENCE: SignedDuration = SignedDuration::from_mins(15);

/// The host's next step; `None` when there is nothing to do but wait.
pub(super) fn next(campaign: &Campaign, id: &InstanceId, view: &CampaignView<'_>, now: Timestamp) -> Option<CampaignStep> {
    let progress = campaign.progress.get(id)?;
    let look = Look { campaign, id, host: view.host(id), now };
    match &progress.phase {
        Phase::Waiting | Phase::Done { .. } | Phase::Failed { .. } | Phase::Skipped { .. } => None,
        Phase::Draining { since } => look.draining(*since),
        Phase::Patching { since, command } => look.patching(*since, command.is_some()),
        Phase::Verifying { since } => look.verifying(*since),
        Phase::Restoring { since, then } => look.restoring(*since, then),
    }
}

struct Look<'a> {
    campaign: &'a Campaign,
    id: &'a InstanceId,
    host: Option<&'a HostView>,
    now: Timestamp,
}

impl Look<'_> {
    fn skip(&self, why: String) -> Option<CampaignStep> {
        Some(CampaignStep::Release { instance: self.id.clone(), then: Verdict::Skipped { why: why.clone() }, why })
    }

    fn fail(&self, why: String) -> Option<CampaignStep> {
        Some(CampaignStep::Release { instance: self.id.clone(), then: Verdict::Failed { why: why.clone() }, why })
    }

    fn mark(&self, phase: Phase, why: &str) -> Option<CampaignStep> {
        Some(CampaignStep::Mark { instance: self.id.clone(), phase, why: why.to_owned() })
    }

    fn send(&self, why: &str) -> Option<CampaignStep> {
        let nonce = nonce(&self.campaign.id, self.id);
        Some(CampaignStep::SendUpdate { instance: self.id.clone(), nonce, why: why.to_owned() })
    }

    fn draining(&self, since: Timestamp) -> Option<CampaignStep> {
        let minutes = self.campaign.settings.drain_minutes;
        let Some(host) = self.host else { return self.skip("it is gone from the layer".to_owned()) };
        if let CampaignState::Aborted { why } = &self.campaign.state {
            return self.skip(format!("the campaign was aborted: {why}"));
        }
        let holder = self.campaign.holder();
        let Some(claim) = host.claim.as_ref().filter(|c| c.holder == holder && c.is_in_force(self.now)) else {
            return self.skip(claim_lost(host));
        };
        if host.status != InstanceStatus::Online {
            return self.skip(format!("its status became {} while it was drained", host.status));
        }
        let is_out = host.report.as_ref().is_some_and(|r| r.holder == holder && r.out_of_service_since.is_some());
        // After a freeze a drained host may have too little left of its claim: a patch must never outlast it.
        let patched_by = minutes_after(self.now, self.campaign.settings.patch_minutes);
        if is_out && claim.until >= patched_by {
            return self.send("it is drained and out of service");
        }
        if self.now >= minutes_after(since, minutes) {
            return self.skip(format!("its drain did not end within {minutes} minutes"));
        }
        None
    }

    fn patching(&self, since: Timestamp, is_sent: bool) -> Option<CampaignStep> {
        match self.host.map(|h| &h.command) {
            Some(CommandSeen::Success) => {
                return match self.host.and_then(|h| h.patches.as_ref()).and_then(|told| shortfall(told, &self.campaign.settings))
                {
                    None => self.mark(Phase::Verifying { since }, "the update command succeeded"),
                    Some(why) => self.fail(format!("the update command succeeded, but {why}")),
                };
            }
            Some(CommandSeen::Failed { why }) => return self.fail(format!("the update command failed: {why}")),
            Some(CommandSeen::Running | CommandSeen::Unknown) | None => {}
        }
        if let Some(failed) = self.lost_or_late(since, "the update took longer than") {
            return Some(failed);
        }
        // Also after an abort: whether a command whose id is unknown was sent, only sending it again can tell.
        if is_sent {
            None
        } else {
            self.send("it is not known whether the update command was sent; the same nonce never runs twice")
        }
    }

    fn verifying(&self, since: Timestamp) -> Option<CampaignStep> {
        let is_connected = |agent| match agent {
            AgentSeen::NotExpected => true,
            AgentSeen::Unknown => false,
            AgentSeen::Seen { connected, .. } => connected,
        };
        if let Some(host) = self.host.filter(|h| h.status == InstanceStatus::Online && is_connected(h.agent)) {
            let why = match (&host.agent, &host.agent_version) {
                (AgentSeen::NotExpected, _) => Some("it is online after the update".to_owned()),
                (_, Some(version)) => Some(format!("it is online after the update and its ECS agent {version} is connected")),
                // A connected agent that does not know itself yet has not come up.
                (_, None) => None,
            };
            if let Some(why) = why {
                return Some(CampaignStep::Release { instance: self.id.clone(), then: Verdict::Done, why });
            }
        }
        self.lost_or_late(since, "it was not back after the update within")
    }

    /// A host that went away or was stopped under the patch, or whose time is over.
    fn lost_or_late(&self, since: Timestamp, late: &str) -> Option<CampaignStep> {
        let Some(host) = self.host else { return self.fail("it is gone from the layer".to_owned()) };
        if !may_come_back(host.status) {
            return self.fail(format!("its status became {} during the update", host.status));
        }
        let minutes = self.campaign.settings.patch_minutes;
        if self.now >= minutes_after(since, minutes) {
            return self.fail(format!("{late} {minutes} minutes; its status is {}", host.status));
        }
        None
    }

    /// Only a campaign that takes more hosts out has to wait for the services.
    fn is_going_on(&self) -> bool {
        match self.campaign.state {
            CampaignState::Running | CampaignState::Paused { .. } => true,
            CampaignState::Finishing | CampaignState::Aborted { .. } | CampaignState::Ended { .. } => false,
        }
    }

    fn restoring(&self, since: Timestamp, then: &Verdict) -> Option<CampaignStep> {
        let end = || match then {
            Verdict::Done => Phase::Done { at: self.now },
            Verdict::Failed { why } => Phase::Failed { at: self.now, why: why.clone() },
            Verdict::Skipped { why } => Phase::Skipped { why: why.clone() },
        };
        let Some(host) = self.host else { return self.mark(end(), "it is gone from the layer") };
        if !may_come_back(host.status) {
            return self.mark(end(), "it is not in service any more, for another reason");
        }
        let deadline = since.checked_add(RESTORE_PATIENCE).unwrap_or(Timestamp::MAX);
        if is_back(host, &self.campaign.holder(), self.now) {
            return match host.unsteady.as_ref().filter(|_| *then == Verdict::Done && self.is_going_on()) {
                None => self.mark(end(), "it is back in service"),
                Some(_) if self.now < deadline => None,
                Some(services) => {
                    let minutes = RESTORE_PATIENCE.as_mins();
                    self.mark(end(), &format!("it is back in service, although {minutes} minutes later {services}"))
                }
            };
        }
        if self.now >= deadline {
            let before = match then {
                Verdict::Done => "it was updated".to_owned(),
                Verdict::Failed { why } | Verdict::Skipped { why } => why.clone(),
            };
            let why =
                format!("not back in service {} minutes after it was given back; before: {before}", RESTORE_PATIENCE.as_mins());
            return self.mark(Phase::Failed { at: self.now, why: why.clone() }, &why);
        }
        None
    }
}

/// What is missing after an update that succeeded: `None` when the host is as the campaign wants it.
fn shortfall(told: &PatchReport, settings: &UpdateSettings) -> Option<String> {
    if let Some(missing) = told.missing_of(settings.kind).filter(|n| *n > 0) {
        let what = match settings.kind {
            UpdateKind::All => "updates",
            UpdateKind::Security => "security updates",
        };
        return Some(format!("the host still misses {missing} {what}"));
    }
    (told.needs_reboot && settings.reboot != RebootPolicy::Never).then(|| "the host still needs a reboot".to_owned())
}

/// Which services run fewer tasks than they should, in words: at most three by name. Shape: name, desired and running count.
pub fn unsteady_services<'a>(services: impl IntoIterator<Item = (&'a str, u32, u32)>) -> Option<String> {
    let mut short: Vec<(&str, u32, u32)> = services.into_iter().filter(|(_, desired, running)| running < desired).collect();
    short.sort_unstable();
    let named: Vec<String> = short.iter().take(3).map(|(name, want, run)| format!("{name} {run} of {want}")).collect();
    let more = short.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("services run fewer tasks than they should: {}{more}", named.join(", ")))
}

fn claim_lost(host: &HostView) -> String {
    match &host.claim {
        None => "its claim was taken away".to_owned(),
        Some(claim) => format!("its claim lapsed or went to {}", claim.holder),
    }
}

/// In service again. A host that somebody else has claimed meanwhile is out for them, not for us.
fn is_back(host: &HostView, holder: &str, now: Timestamp) -> bool {
    let is_ours = |h: &str| h == holder;
    if host.report.as_ref().is_some_and(|r| is_ours(&r.holder)) {
        return false;
    }
    if host.claim.as_ref().is_some_and(|c| !is_ours(&c.holder) && c.is_in_force(now)) {
        return true;
    }
    host.status == InstanceStatus::Online
        && match host.agent {
            AgentSeen::NotExpected => true,
            AgentSeen::Unknown => false,
            AgentSeen::Seen { active, connected } => active && connected,
        }
}

/// Online, or in a state that a reboot passes through.
fn may_come_back(status: InstanceStatus) -> bool {
    use InstanceStatus::*;
    match status {
        Online | Rebooting | ConnectionLost => true,
        Requested | Pending | Booting | RunningSetup | SetupFailed | StartFailed | Stopping | ShuttingDown | Terminating
        | Terminated | StopFailed | Stopped | Registering | Registered | Assigning | Unassigning | Deregistering => false,
    }
}
