//! What security-updates does: commits the record with its claims and what it tells, then sends what is to be sent.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use strata_domain::claims::Claim;
use strata_domain::decision::{DecisionRecord, Function};
use strata_domain::mode::Mode;
use strata_domain::updates::{Campaign, CampaignStep, PatchReport, Phase, Progress, SurgePhase};
use strata_domain::{InstanceId, SsmCommandId};
use strata_ports::{
    Change, CloudError, CommandKind, CommandRequest, CommitError, Expect, HandlerError, Item, StoreError, Told, journal, keys,
};
use strata_telemetry::carrying_out;

use crate::observe::{Surroundings, World};
use crate::{Deps, Go, patches, told};

/// So many steps at most in one commit: each may change a claim and tell a decision, and a commit holds a hundred changes.
const STEPS_PER_COMMIT: usize = 40;

/// One look at the world, and who looked.
pub(crate) struct Turn<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) around: &'a Surroundings,
    pub(crate) world: &'a World,
    pub(crate) woken_by: &'a str,
    pub(crate) now: Timestamp,
}

impl Turn<'_> {
    fn teller<'a>(&'a self) -> told::Teller<'a> {
        told::Teller { ids: &*self.deps.ids, woken_by: self.woken_by, now: self.now }
    }

    /// The mode forbids it: in `observe` it is told, when frozen not even that, and an unreadable mode is told because it is trouble.
    pub(crate) async fn would(
        &self,
        campaign: &Campaign,
        steps: &[CampaignStep],
        mode: Option<Mode>,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let Some(record) = self.teller().would(campaign, steps, mode) else { return Ok(Vec::new()) };
        let subject = format!("mode {}", campaign.layer_id);
        let news = journal::news(&*self.deps.store, Function::SecurityUpdates, &subject, &record.did).await?;
        if !news.is_new {
            return Ok(Vec::new());
        }
        let told = Told { decisions: vec![record], ..Told::default() };
        let mut changes = told.changes();
        changes.push(news.change());
        Ok(if self.commit(changes).await? { told.decisions } else { Vec::new() })
    }

    /// Takes the steps: first into the record, with claims and what is told, then into the world.
    pub(crate) async fn take(
        &self,
        item: &Item,
        mut campaign: Campaign,
        steps: &[CampaignStep],
        unsent: &mut BTreeMap<InstanceId, String>,
    ) -> Result<(Vec<DecisionRecord>, Go), HandlerError> {
        let mut version = match item.unchanged() {
            Expect::Version(version) => version,
            Expect::Absent => return Ok((Vec::new(), Go::On)),
        };
        let mut decisions = Vec::new();
        for some in steps.chunks(STEPS_PER_COMMIT) {
            let told = self.teller().steps(&campaign, some);
            let is_repeat = !some.iter().any(|step| is_news(&campaign, step));
            let mut changes: Vec<Change> = some.iter().filter_map(|step| self.claim_change(&campaign, step)).collect();
            changes.extend(self.reports(&mut campaign, some).await?);
            some.iter().for_each(|step| campaign.apply(step, self.now));
            if is_repeat {
                continue; // Asked again: the record says so already.
            }
            changes.extend(self.record_changes(&campaign, version).await?);
            changes.extend(told.changes());
            if !self.commit(changes).await? {
                return Ok((decisions, Go::On));
            }
            version += 1;
            decisions.extend(told.decisions);
        }
        let behind = decisions.last().map(|d: &DecisionRecord| &d.id);
        let refused = carrying_out(behind, async {
            self.ask_for_surge(steps).await;
            self.send_updates(&mut campaign, version, steps).await
        })
        .await?;
        let leads_on = !refused.is_empty() || steps.iter().any(CampaignStep::leads_on);
        unsent.extend(refused);
        Ok((decisions, if leads_on && !campaign.is_ended() { Go::On } else { Go::Wait }))
    }

    /// Commits. `false` when somebody else was quicker or the outcome is unknown: then the next look tells what became of it.
    async fn commit(&self, changes: Vec<Change>) -> Result<bool, HandlerError> {
        match self.deps.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(false),
            Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => Err(error.into()),
        }
    }

    /// What a step does to the host's claim, on the condition that it is as it was seen.
    fn claim_change(&self, campaign: &Campaign, step: &CampaignStep) -> Option<Change> {
        match step {
            CampaignStep::Claim { instance, until, wave, .. } => {
                let reason = format!("rolling update, wave {wave}");
                let (holder, until) = (campaign.holder(), *until);
                let claim = Claim { instance_id: instance.clone(), holder, reason, until, drain: campaign.drain };
                let key = keys::claim(&campaign.stack_id, instance);
                Some(Change::put(key, &claim, self.world.claim_as_seen(instance)))
            }
            CampaignStep::Release { instance, .. } => {
                // Only the holder may release; what another has taken since is theirs.
                self.world.claim(instance).filter(|c| c.holder == campaign.holder())?;
                let key = keys::claim(&campaign.stack_id, instance);
                Some(Change::Delete { key, expect: self.world.claim_as_seen(instance) })
            }
            CampaignStep::SendUpdate { .. }
            | CampaignStep::Mark { .. }
            | CampaignStep::HoldBack { .. }
            | CampaignStep::TellHeldBack { .. }
            | CampaignStep::StartSurge { .. }
            | CampaignStep::StopSurge { .. }
            | CampaignStep::SurgeIs { .. }
            | CampaignStep::Pause { .. }
            | CampaignStep::Finish { .. }
            | CampaignStep::Abort { .. }
            | CampaignStep::End { .. } => None,
        }
    }

    /// Keeps what hosts have told at the end of their updates, which the step after it is about.
    async fn reports(&self, campaign: &mut Campaign, steps: &[CampaignStep]) -> Result<Vec<Change>, StoreError> {
        let mut told: BTreeMap<&InstanceId, &PatchReport> = BTreeMap::new();
        for step in steps {
            let (CampaignStep::Mark { instance, .. } | CampaignStep::Release { instance, .. }) = step else { continue };
            let is_patching = |p: &Progress| matches!(p.phase, Phase::Patching { .. });
            if campaign.progress.get(instance).is_some_and(is_patching) {
                told.extend(self.world.report(instance).map(|report| (instance, report)));
            }
        }
        let mut changes = Vec::with_capacity(told.len());
        for (instance, report) in told {
            if let Some(release) = &report.release {
                campaign.note_release(release);
            }
            let kept = patches::kept(&*self.deps.store, &campaign.stack_id, instance, report.clone(), self.now);
            changes.push(kept.await?);
        }
        Ok(changes)
    }

    /// The record in its place: among the running ones, or with its mark gone among those that have ended.
    async fn record_changes(&self, campaign: &Campaign, version: u64) -> Result<Vec<Change>, StoreError> {
        let (key, expect) = (keys::campaign(&campaign.id), Expect::Version(version));
        if !campaign.is_ended() {
            return Ok(vec![Change::put(key, campaign, expect)]);
        }
        let ended = Change::put(keys::ended_campaign(&campaign.id), campaign, Expect::Absent);
        let mark = self.deps.store.get(&keys::campaign_mark(&campaign.stack_id, &campaign.layer_id)).await?;
        let unmark = mark.map(|m| Change::Delete { expect: m.unchanged(), key: m.key });
        Ok([Change::Delete { key, expect }, ended].into_iter().chain(unmark).collect())
    }

    /// Asks the API for the start or stop of the surge instance. What it does not take is asked for again by the next look.
    async fn ask_for_surge(&self, steps: &[CampaignStep]) {
        for step in steps {
            let (instance, asked) = match step {
                CampaignStep::StartSurge { instance, .. } => (instance, self.deps.fleet.start(instance).await),
                CampaignStep::StopSurge { instance, .. } => (instance, self.deps.fleet.stop(instance).await),
                _ => continue,
            };
            if let Err(error) = asked {
                tracing::warn!(instance.id = %instance, error = %error, "the surge instance could not be asked for");
            }
        }
    }

    /// Sends the Update commands and notes their ids. Answers the hosts whose command was refused, and why; a command that could not
    /// be sent for another reason is sent again by the next look, with the same nonce.
    async fn send_updates(
        &self,
        campaign: &mut Campaign,
        version: u64,
        steps: &[CampaignStep],
    ) -> Result<BTreeMap<InstanceId, String>, HandlerError> {
        let mut refused = BTreeMap::new();
        let mut is_noted = true;
        for step in steps {
            let CampaignStep::SendUpdate { instance, nonce, .. } = step else { continue };
            match self.send(campaign, instance, nonce).await {
                Ok(id) => {
                    campaign.note_command(instance, id);
                    is_noted = false;
                }
                Err(Unsent::Refused(why)) => {
                    refused.insert(instance.clone(), why);
                }
                Err(Unsent::NotNow(why)) => {
                    tracing::warn!(campaign.id = %campaign.id, instance.id = %instance, why, "the update command was not sent");
                }
            }
        }
        if !is_noted {
            // Losing this write costs one more send of the same nonce.
            self.commit(vec![Change::put(keys::campaign(&campaign.id), campaign, Expect::Version(version))]).await?;
        }
        Ok(refused)
    }

    async fn send(&self, campaign: &Campaign, instance: &InstanceId, nonce: &str) -> Result<SsmCommandId, Unsent> {
        let Some(stack) = &self.around.stack else { return Err(Unsent::Refused("its stack is gone".to_owned())) };
        let Some(host) = self.world.ec2(instance) else { return Err(Unsent::Refused("it has no EC2 instance".to_owned())) };
        let request = CommandRequest {
            nonce: nonce.to_owned(),
            kind: CommandKind::Update,
            host: host.clone(),
            parameters: parameters(campaign),
            timeout_seconds: campaign.settings.patch_minutes.saturating_mul(60),
        };
        self.deps.commands.send(&stack.scope(), &request).await.map_err(|error| match error {
            CloudError::Refused { .. } | CloudError::Wrong { .. } => Unsent::Refused(error.to_string()),
            CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. } => Unsent::NotNow(error.to_string()),
        })
    }
}

/// What the Update document is told: data, never pasted into a shell.
fn parameters(campaign: &Campaign) -> Vec<(String, String)> {
    let settings = &campaign.settings;
    let mut told = vec![("kind", settings.kind.as_str().to_owned()), ("reboot", settings.reboot.as_str().to_owned())];
    told.extend(campaign.release().map(|release| ("release", release.to_owned())));
    if let Some(command) = &settings.health_command {
        told.push(("health_command", BASE64_STANDARD.encode(command)));
        told.push(("health_seconds", settings.health_seconds.to_string()));
    }
    told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Why a command was not sent.
enum Unsent {
    /// It never will be.
    Refused(String),
    /// Perhaps it was, perhaps the next try succeeds.
    NotNow(String),
}

/// Whether a step changes the record: what is asked for again does not.
pub(crate) fn is_news(campaign: &Campaign, step: &CampaignStep) -> bool {
    match step {
        CampaignStep::SendUpdate { instance, .. } => {
            campaign.progress.get(instance).is_some_and(|p| matches!(p.phase, Phase::Draining { .. }))
        }
        CampaignStep::StartSurge { .. } => campaign.surge.is_none(),
        CampaignStep::StopSurge { .. } => campaign.surge.as_ref().is_some_and(|surge| surge.phase != SurgePhase::Stopping),
        CampaignStep::Claim { .. }
        | CampaignStep::Release { .. }
        | CampaignStep::Mark { .. }
        | CampaignStep::HoldBack { .. }
        | CampaignStep::TellHeldBack { .. }
        | CampaignStep::SurgeIs { .. }
        | CampaignStep::Pause { .. }
        | CampaignStep::Finish { .. }
        | CampaignStep::Abort { .. }
        | CampaignStep::End { .. } => true,
    }
}
