//! Rolling updates: a campaign takes a layer's hosts out of service wave by wave, patches them and gives them back.
//!
//! Nothing is updated unless somebody asks for it [SEC-4]; this is the in-place way, one Update command per chosen instance [SEC-23].
//! [`next`] is pure and level-triggered: it is given the campaign's record and a fresh look at the hosts, and says what follows. It
//! never takes the same decision twice, because every step changes the record in the commit that precedes the action.

mod campaign;
pub mod cron;
pub mod debt;
mod held_back;
mod host;
mod plan;
pub mod scans;
mod step;
mod surge;
mod told;
mod waves;
pub mod windows;

#[cfg(test)]
mod tests;

pub use campaign::{
    Campaign, CampaignOutcome, CampaignState, NewCampaign, PausedBy, Phase, Progress, SCHEMA, Verdict, campaign_id, holder, nonce,
};
pub use debt::{PatchReport, PatchState};
pub use held_back::{HELD_BACK_PATIENCE, HeldBack, HeldBackBy};
pub use host::{RESTORE_PATIENCE, unsteady_services};
pub use plan::{Basis, CampaignPlan, PlannedHost, PlannedWave, plan, wave_time};
pub use step::{AgentSeen, CampaignStep, CampaignView, CommandSeen, HostView};
pub use surge::{SURGE_PATIENCE, Surge, SurgePhase};
pub use told::{CampaignTold, HostTold, order_means, tell};
pub use waves::{CanaryStage, canary_stage, in_question};

use jiff::{SignedDuration, Timestamp};

/// What follows for a campaign, in the order in which it is to be done; empty when there is nothing to do but wait.
///
/// Shape: `view` holds the layer's instances as they are now, oldest first; one that is missing from it is gone. The steps already
/// count on each other: the record after all of them is what [`Campaign::apply`] makes of it one by one.
pub fn next(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Vec<CampaignStep> {
    let mut after = campaign.clone();
    let mut steps = Vec::new();
    if !after.is_ended() {
        let mut take = |after: &mut Campaign, step: CampaignStep| {
            after.apply(&step, now);
            steps.push(step);
        };
        if let Some(step) = orders_from_outside(&after, view, now) {
            take(&mut after, step);
        }
        for id in after.in_flight() {
            while let Some(step) = host::next(&after, &id, view, now) {
                let leads_on = step.leads_on();
                take(&mut after, step);
                if !leads_on {
                    break;
                }
            }
        }
        for step in waves::next(&after, view, now) {
            take(&mut after, step);
        }
    }
    steps
}

/// A teardown of the layer ends the campaign, the window's end begins nothing new.
fn orders_from_outside(campaign: &Campaign, view: &CampaignView<'_>, now: Timestamp) -> Option<CampaignStep> {
    match campaign.state {
        CampaignState::Aborted { .. } | CampaignState::Ended { .. } => None,
        CampaignState::Running | CampaignState::Paused { .. } | CampaignState::Finishing if view.is_torn_down => {
            Some(CampaignStep::Abort { why: "the layer is being taken down".to_owned() })
        }
        CampaignState::Running if now >= campaign.window_end => {
            Some(CampaignStep::Finish { why: format!("the window ended at {}", campaign.window_end) })
        }
        CampaignState::Running | CampaignState::Paused { .. } | CampaignState::Finishing => None,
    }
}

/// `minutes` after `start`. Minutes come from a user's settings, so the sum may leave the calendar: then it is its last moment.
pub(crate) fn minutes_after(start: Timestamp, minutes: u32) -> Timestamp {
    start.checked_add(SignedDuration::from_mins(i64::from(minutes))).unwrap_or(Timestamp::MAX)
}
