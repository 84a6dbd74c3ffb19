//! What a campaign tells: one decision for hosts that have the same step for the same reason, a page when a person is needed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict as Decided};
use strata_domain::mode::Mode;
use strata_domain::pages::PageKind;
use strata_domain::updates::{Campaign, CampaignOutcome, CampaignState, CampaignStep, PausedBy, Phase, SurgePhase, Verdict};
use strata_domain::{DecisionId, InstanceId};
use strata_ports::{Ids, Told};

use crate::act::is_news;

/// So many host names at most in one sentence.
const NAMES: usize = 10;
/// What is done about a wave that cannot begin.
const HELD_BACK: &str = "begin no wave";

/// Who tells, and when.
pub(crate) struct Teller<'a> {
    pub(crate) ids: &'a dyn Ids,
    pub(crate) woken_by: &'a str,
    pub(crate) now: Timestamp,
}

impl Teller<'_> {
    /// A decision about a campaign.
    pub(crate) fn decision(&self, campaign: &Campaign, did: String, why: String) -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::from(self.ids.uuid()),
            at: self.now,
            function: Function::SecurityUpdates,
            trigger: self.woken_by.to_owned(),
            subject: subject(campaign),
            stack_id: Some(campaign.stack_id.clone()),
            layer_id: Some(campaign.layer_id.clone()),
            verdict: Decided::Act,
            saw: campaign.tally(),
            did,
            why,
            touched: Touched::default(),
        }
    }

    /// What the steps tell; `campaign` is as it was before them.
    pub(crate) fn steps(&self, campaign: &Campaign, steps: &[CampaignStep]) -> Told {
        let mut told = Told::default();
        for (did, why) in sentences(campaign, steps) {
            let verdict = if did == HELD_BACK { Decided::Hold } else { Decided::Act };
            told.decisions.push(DecisionRecord { verdict, ..self.decision(campaign, did, why) });
        }
        let Some(id) = told.decisions.last().map(|d| d.id.clone()) else { return told };
        let mut after = campaign.clone();
        for step in steps {
            let before = after.clone();
            after.apply(step, self.now);
            match step {
                CampaignStep::Pause { why } => told.pages.push(self.paused(&after, why, id.clone())),
                CampaignStep::End { why, .. } | CampaignStep::Abort { why } => {
                    told.pages.extend(self.not_paused(&before, why, id.clone()));
                }
                CampaignStep::TellHeldBack { why } => told.pages.extend(self.held_back(&after, why, id.clone())),
                CampaignStep::Claim { .. }
                | CampaignStep::SendUpdate { .. }
                | CampaignStep::Release { .. }
                | CampaignStep::Mark { .. }
                | CampaignStep::HoldBack { .. }
                | CampaignStep::StartSurge { .. }
                | CampaignStep::StopSurge { .. }
                | CampaignStep::SurgeIs { .. }
                | CampaignStep::Finish { .. } => {}
            }
            told.pages.extend(self.not_held_back(&before, &after, id.clone()));
        }
        told
    }

    /// What would be done if the mode let it.
    pub(crate) fn would(&self, campaign: &Campaign, steps: &[CampaignStep], mode: Option<Mode>) -> Option<DecisionRecord> {
        let (verdict, why) = match mode {
            Some(Mode::Frozen) => return None,
            Some(Mode::Active | Mode::Observe) => (Decided::WouldAct, "the mode is observe".to_owned()),
            None => (Decided::Hold, "the mode cannot be read, so nothing is patched".to_owned()),
        };
        let (did, because) = sentences(campaign, steps).into_iter().next()?;
        Some(DecisionRecord { verdict, ..self.decision(campaign, format!("would {did}"), format!("{because}; {why}")) })
    }

    fn paused(&self, campaign: &Campaign, why: &str, decision: DecisionId) -> Page {
        Page {
            incident: incident(campaign),
            resolved: false,
            severity: Severity::Warning,
            kind: PageKind::UpdatePaused,
            stack: campaign.stack_name.clone(),
            layer: Some(campaign.layer_name.clone()),
            host: None,
            what: format!("the rolling update of {} is paused", subject(campaign)),
            why: why.to_owned(),
            did: "no new host is begun, those in flight are finished".to_owned(),
            next: format!("aws opsworks describe-instances --layer-id {}", campaign.layer_id),
            decision,
            at: self.now,
        }
    }

    /// On-call is told that no wave can begin.
    fn held_back(&self, campaign: &Campaign, why: &str, decision: DecisionId) -> Option<Page> {
        let since = campaign.held_back.as_ref()?.since;
        let minutes = self.now.duration_since(since).as_mins();
        Some(Page {
            incident: format!("update-blocked/{}/{}", campaign.id, since.as_second()),
            kind: PageKind::UpdateBlocked,
            what: format!("the rolling update of {} has begun no wave for {minutes} minutes", subject(campaign)),
            did: format!("hosts in service stay there; it looks again every minute until {}", campaign.window_end),
            next: format!("strata why {}", subject(campaign)),
            ..self.paused(campaign, why, decision)
        })
    }

    /// The end of that page, if a wave has begun or none is to begin any more.
    pub(crate) fn not_held_back(&self, before: &Campaign, after: &Campaign, decision: DecisionId) -> Option<Page> {
        let standing = before.held_back.as_ref().filter(|standing| standing.is_told && after.held_back.is_none())?;
        let what = format!("the rolling update of {} is not held back any more", subject(after));
        let page = self.held_back(before, &standing.why, decision)?;
        Some(Page { resolved: true, what, did: "nothing more".to_owned(), ..page })
    }

    /// The end of the page, if `campaign` was paused with one.
    pub(crate) fn not_paused(&self, campaign: &Campaign, why: &str, decision: DecisionId) -> Option<Page> {
        matches!(campaign.state, CampaignState::Paused { by: PausedBy::Budget, .. }).then(|| Page {
            resolved: true,
            what: format!("the rolling update of {} is not paused any more", subject(campaign)),
            did: "nothing more".to_owned(),
            ..self.paused(campaign, why, decision)
        })
    }
}

/// `stack/layer`.
pub(crate) fn subject(campaign: &Campaign) -> String {
    format!("{}/{}", campaign.stack_name, campaign.layer_name)
}

fn incident(campaign: &Campaign) -> String {
    format!("update/{}/{}", campaign.id, campaign.pauses)
}

/// The steps in words, those of the same kind and reason as one, in the order of their first.
fn sentences(campaign: &Campaign, steps: &[CampaignStep]) -> Vec<(String, String)> {
    let mut order: Vec<(String, String)> = Vec::new();
    let mut hosts: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for step in steps.iter().filter(|s| is_news(campaign, s)) {
        let Some((template, why, host)) = sentence(campaign, step) else { continue };
        let key = (template, why);
        if !hosts.contains_key(&key) {
            order.push(key.clone());
        }
        let name = |id| campaign.progress.get(id).map(|p| p.hostname.as_str());
        hosts.entry(key).or_default().extend(host.and_then(name));
    }
    order.into_iter().map(|key| (key.0.replace("{}", &listed(hosts.get(&key).map_or(&[], Vec::as_slice))), key.1)).collect()
}

/// A step in words, with `{}` for the host's name; `None` for one that is only bookkeeping.
fn sentence<'a>(campaign: &Campaign, step: &'a CampaignStep) -> Option<(String, String, Option<&'a InstanceId>)> {
    let asked = || match &campaign.reason {
        Some(reason) => format!("asked for by {}: {reason}", campaign.requested_by),
        None => format!("asked for by {}", campaign.requested_by),
    };
    Some(match step {
        CampaignStep::Claim { instance, wave, why, .. } => (format!("wave {wave}: {{}} ({why})"), asked(), Some(instance)),
        CampaignStep::SendUpdate { instance, why, .. } => ("update {}".to_owned(), why.clone(), Some(instance)),
        CampaignStep::Release { instance, then, why } => {
            let did = match then {
                Verdict::Done => "give back {}, updated",
                Verdict::Failed { .. } => "give back {}, failed",
                Verdict::Skipped { .. } => "give back {}, skipped",
            };
            (did.to_owned(), why.clone(), Some(instance))
        }
        CampaignStep::Mark { instance, phase, why } => {
            let did = match phase {
                Phase::Done { .. } => "{} updated and in service",
                Phase::Failed { .. } => "{} failed",
                Phase::Skipped { .. } => "{} skipped",
                Phase::Waiting
                | Phase::Draining { .. }
                | Phase::Patching { .. }
                | Phase::Verifying { .. }
                | Phase::Restoring { .. } => {
                    return None;
                }
            };
            (did.to_owned(), why.clone(), Some(instance))
        }
        CampaignStep::HoldBack { why, .. } => (HELD_BACK.to_owned(), why.clone(), None),
        CampaignStep::TellHeldBack { why } => ("page: no wave can begin".to_owned(), why.clone(), None),
        CampaignStep::StartSurge { hostname, why, .. } => (format!("start {hostname} for the campaign"), why.clone(), None),
        CampaignStep::StopSurge { why, .. } => (format!("stop {}, started for the campaign", surge(campaign)), why.clone(), None),
        CampaignStep::SurgeIs { phase, why } => match phase {
            SurgePhase::Serving => (format!("wait no longer for {}", surge(campaign)), why.clone(), None),
            SurgePhase::Over => (format!("leave {} alone", surge(campaign)), why.clone(), None),
            SurgePhase::Starting | SurgePhase::Stopping => return None,
        },
        CampaignStep::Pause { why } => ("pause the campaign".to_owned(), why.clone(), None),
        CampaignStep::Finish { why } => ("begin no more hosts".to_owned(), why.clone(), None),
        CampaignStep::Abort { why } => ("abort the campaign".to_owned(), why.clone(), None),
        CampaignStep::End { outcome, why } => {
            let did = match outcome {
                CampaignOutcome::Completed => "end the campaign: completed",
                CampaignOutcome::WindowOver => "end the campaign: its window is over",
                CampaignOutcome::Aborted => "end the campaign: aborted",
            };
            (did.to_owned(), why.clone(), None)
        }
    })
}

/// The surge instance's name.
fn surge(campaign: &Campaign) -> &str {
    campaign.surge.as_ref().map_or("nobody", |surge| &surge.hostname)
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
