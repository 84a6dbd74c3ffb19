//! What keeps a campaign from its next wave though hosts wait for their turn: told once, and paged when it lasts.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::campaign::Campaign;
use super::step::CampaignStep;

/// On-call is told when no wave could begin for so long.
pub const HELD_BACK_PATIENCE: SignedDuration = SignedDuration::from_mins(30);

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBackBy {
    /// As many as may be out are out for another reason.
    OthersOut,
    /// The layer's `load_scaling.min_online`.
    Floor,
    /// The others have no room for the tasks of any host that waits.
    Room,
}

/// A campaign whose next wave cannot begin; stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// Since when, without a break.
    pub since: Timestamp,
    /// By what.
    pub by: HeldBackBy,
    /// In one sentence.
    pub why: String,
    /// Whether on-call knows.
    pub is_told: bool,
}

/// What follows from a wave that cannot begin.
pub(super) fn next(campaign: &Campaign, (by, why): (HeldBackBy, String), now: Timestamp) -> Vec<CampaignStep> {
    let Some(standing) = &campaign.held_back else { return vec![CampaignStep::HoldBack { by, why }] };
    let mut steps = Vec::new();
    // Numbers change from minute to minute; another cause is news.
    if standing.by != by {
        steps.push(CampaignStep::HoldBack { by, why: why.clone() });
    }
    if !standing.is_told && now.duration_since(standing.since) >= HELD_BACK_PATIENCE {
        steps.push(CampaignStep::TellHeldBack { why });
    }
    steps
}

impl Campaign {
    pub(super) fn hold_back(&mut self, by: HeldBackBy, why: &str, now: Timestamp) {
        let (since, is_told) = self.held_back.as_ref().map_or((now, false), |standing| (standing.since, standing.is_told));
        self.held_back = Some(HeldBack { since, by, why: why.to_owned(), is_told });
    }

    pub(super) fn note_held_back_told(&mut self) {
        if let Some(standing) = &mut self.held_back {
            standing.is_told = true;
        }
    }
}
