//! What a campaign's record says to people: host by host, what it waits for and what to do, and what becomes of those in flight when it is
//! paused, resumed or aborted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::campaign::{Campaign, CampaignState, PausedBy, Phase, Progress};
use super::waves::{CanaryStage, canary_stage};
use super::{RESTORE_PATIENCE, minutes_after};
use crate::jobs::{Order, listed, member};
use crate::{CampaignId, InstanceId, LayerId};

/// How far one host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTold {
    /// The record.
    pub instance_id: InstanceId,
    /// Host name.
    pub host: String,
    /// Its wave, from 1; 0 while it waits.
    pub wave: u32,
    /// It goes first and is watched.
    pub canary: bool,
    /// `waiting`, `draining`, `patching`, `verifying`, `restoring`, `done`, `failed` or `skipped`.
    pub phase: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When it is given up if it does not get further.
    pub until: Option<Timestamp>,
    /// Why it failed or was skipped, or the command that runs on it.
    pub why: Option<String>,
}

/// A campaign, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignTold {
    /// The id.
    pub id: CampaignId,
    /// The layer.
    pub layer_id: LayerId,
    /// `shop/web`.
    pub subject: String,
    /// `running`, `paused`, `finishing`, `aborted` or `ended`.
    pub state: String,
    /// `completed`, `window_over` or `aborted`, once it has ended.
    pub outcome: Option<String>,
    /// Since when it is paused, or when it ended.
    pub since: Option<Timestamp>,
    /// What keeps it from going on; `None`: nothing does.
    pub blocked: Option<String>,
    /// What a person can do about it, or what comes next.
    pub next: String,
    /// Who asked for it.
    pub requested_by: String,
    /// Why, in their words.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// From then on no host is begun.
    pub window_end: Timestamp,
    /// The newest wave's number; 0 before the first.
    pub wave: u32,
    /// `3 updated, 0 failed, 1 skipped, 2 left`.
    pub tally: String,
    /// Hosts that failed and count.
    pub failures: usize,
    /// At so many failures it pauses.
    pub failure_budget: u32,
    /// Hosts in the order of their waves, those that wait last.
    pub hosts: Vec<HostTold>,
}

impl CampaignTold {
    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.outcome.is_some()
    }
}

/// Tells a campaign as it stands at `now`.
pub fn tell(campaign: &Campaign, now: Timestamp) -> CampaignTold {
    let record = serde_json::to_value(&campaign.state).unwrap_or_default();
    let subject = format!("{}/{}", campaign.stack_name, campaign.layer_name);
    let blocked = blocked(campaign);
    let mut hosts: Vec<HostTold> = campaign.progress.iter().map(|(id, p)| host(campaign, id, p)).collect();
    hosts.sort_by_key(|h| (h.wave == 0, h.wave, h.instance_id.clone()));
    CampaignTold {
        id: campaign.id.clone(),
        layer_id: campaign.layer_id.clone(),
        state: member(&record, "state").unwrap_or_default(),
        outcome: member(&record, "outcome"),
        since: moment(&record, "since").or_else(|| moment(&record, "at")),
        next: next_up(campaign, &subject, now),
        blocked,
        subject,
        requested_by: campaign.requested_by.clone(),
        reason: campaign.reason.clone(),
        started_at: campaign.started_at,
        window_end: campaign.window_end,
        wave: campaign.wave,
        tally: campaign.tally(),
        failures: campaign.progress.values().filter(|p| p.has_failed() && !p.forgiven).count(),
        failure_budget: campaign.settings.failure_budget.max(1),
        hosts,
    }
}

fn moment(record: &serde_json::Value, name: &str) -> Option<Timestamp> {
    member(record, name)?.parse().ok()
}

fn host(campaign: &Campaign, id: &InstanceId, progress: &Progress) -> HostTold {
    let record = serde_json::to_value(&progress.phase).unwrap_or_default();
    let since = moment(&record, "since").or_else(|| moment(&record, "at"));
    let becomes = record.get("then").map(|then| {
        let verdict = member(then, "verdict").unwrap_or_default();
        member(then, "why").map_or(format!("then {verdict}"), |why| format!("then {verdict}: {why}"))
    });
    HostTold {
        instance_id: id.clone(),
        host: progress.hostname.clone(),
        wave: progress.wave,
        canary: progress.canary,
        phase: member(&record, "phase").unwrap_or_default(),
        since,
        until: since.and_then(|since| deadline(campaign, &progress.phase, since)),
        why: member(&record, "why").or(becomes).or_else(|| member(&record, "command").map(|id| format!("command {id}"))),
    }
}

fn deadline(campaign: &Campaign, phase: &Phase, since: Timestamp) -> Option<Timestamp> {
    match phase {
        Phase::Draining { .. } => Some(minutes_after(since, campaign.settings.drain_minutes)),
        Phase::Patching { .. } | Phase::Verifying { .. } => Some(minutes_after(since, campaign.settings.patch_minutes)),
        Phase::Restoring { .. } => Some(since.checked_add(RESTORE_PATIENCE).unwrap_or(Timestamp::MAX)),
        Phase::Waiting | Phase::Done { .. } | Phase::Failed { .. } | Phase::Skipped { .. } => None,
    }
}

fn blocked(campaign: &Campaign) -> Option<String> {
    match &campaign.state {
        CampaignState::Paused { since, by, why } => Some(match by {
            PausedBy::Person => format!("paused since {since}, {why}"),
            PausedBy::Budget => format!("paused itself at {since}: {why}"),
        }),
        CampaignState::Running | CampaignState::Finishing | CampaignState::Aborted { .. } | CampaignState::Ended { .. } => None,
    }
}

fn next_up(campaign: &Campaign, subject: &str, now: Timestamp) -> String {
    let flying = names(campaign, |p| p.is_in_flight());
    let waits_for = if flying.is_empty() { String::new() } else { format!("{} to be back in service", listed(&flying)) };
    match &campaign.state {
        CampaignState::Paused { by: PausedBy::Budget, .. } => format!(
            "look at the failed hosts (strata why {subject}), mend or hold them, then strata campaign resume {subject}; or strata campaign \
             abort {subject}"
        ),
        CampaignState::Paused { .. } => format!("strata campaign resume {subject}, or strata campaign abort {subject}"),
        CampaignState::Running => match canary_stage(campaign) {
            _ if !flying.is_empty() => format!("waits for {waits_for}"),
            CanaryStage::Watched { until } if now < until => format!("the canary is watched until {until}, then the next wave"),
            CanaryStage::Watched { .. } | CanaryStage::Missing(_) | CanaryStage::None => {
                "the next wave begins as soon as a host may go".to_owned()
            }
        },
        CampaignState::Finishing => format!("its window is over: no host is begun any more; waits for {waits_for}"),
        CampaignState::Aborted { why } => format!("aborted, {why}: no host is begun any more; waits for {waits_for}"),
        CampaignState::Ended { .. } => "nothing: it is over, and no host is out for it".to_owned(),
    }
}

fn names(campaign: &Campaign, is_meant: impl Fn(&Progress) -> bool) -> Vec<String> {
    campaign.progress.values().filter(|p| is_meant(p)).map(|p| p.hostname.clone()).collect()
}

/// What an order comes to for a campaign as it stands, host by host; each a sentence without a full stop.
pub fn order_means(campaign: &Campaign, order: Order) -> Vec<String> {
    let draining = names(campaign, |p| matches!(p.phase, Phase::Draining { .. }));
    let at_work = names(campaign, |p| p.is_in_flight() && !matches!(p.phase, Phase::Draining { .. }));
    let waiting = names(campaign, |p| p.phase == Phase::Waiting);
    let mut means = Vec::new();
    let mut say = |of: &[String], what: &str| {
        if !of.is_empty() {
            means.push(format!("{}: {what}", listed(of)));
        }
    };
    match order {
        Order::Pause => {
            say(&draining, "drained and updated to the end, then back in service");
            say(&at_work, "finished, then back in service");
            say(&waiting, "not begun until it is resumed");
        }
        Order::Abort => {
            say(&draining, "given back at once, not updated");
            say(&at_work, "finished, then back in service: a patch is not cut off half-way");
            say(&waiting, "not touched");
        }
        Order::Resume => {
            say(&names(campaign, |p| p.has_failed() && !p.forgiven), "their failures no longer count; they are not tried again");
            say(&waiting, "their turn comes, wave by wave");
        }
    }
    if means.is_empty() {
        means.push("no host is in flight, and none waits".to_owned());
    }
    means
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{at, host, new_campaign, settings};
    use super::super::{CampaignOutcome, Verdict};
    use super::*;

    fn campaign() -> Campaign {
        let hosts = ["web1", "web2", "web3", "web4", "web5", "web6"].map(host);
        let with = settings(serde_json::json!({ "drain_minutes": 10, "patch_minutes": 20, "soak_minutes": 5 }));
        let mut campaign = Campaign::begin(new_campaign(with, &hosts), at(0));
        let phases = [
            Phase::Done { at: at(3) },
            Phase::Draining { since: at(4) },
            Phase::Patching { since: at(4), command: Some("cmd-1".into()) },
            Phase::Restoring { since: at(4), then: Verdict::Failed { why: "exit code 1: no space".to_owned() } },
            Phase::Skipped { why: "it is held".to_owned() },
            Phase::Waiting,
        ];
        for ((n, progress), phase) in campaign.progress.values_mut().enumerate().zip(phases) {
            (progress.wave, progress.canary) = (if n < 4 { 1 + u32::from(n > 0) } else { 0 }, n == 0);
            progress.phase = phase;
        }
        campaign
    }

    #[test]
    fn each_host_is_told_with_its_phase_since_when_and_when_it_is_given_up() {
        let told = tell(&campaign(), at(5));
        let rows: Vec<String> = told
            .hosts
            .iter()
            .map(|h| {
                let minute = |t: Option<Timestamp>| t.map_or("-".to_owned(), |t| t.duration_since(at(0)).as_mins().to_string());
                format!(
                    "{} {} {} {} {}: {}",
                    h.wave,
                    h.host,
                    h.phase,
                    minute(h.since),
                    minute(h.until),
                    h.why.as_deref().unwrap_or("-")
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                "1 web1 done 3 -: -",
                "2 web2 draining 4 14: -",
                "2 web3 patching 4 24: command cmd-1",
                "2 web4 restoring 4 19: then failed: exit code 1: no space",
                "0 web5 skipped - -: it is held",
                "0 web6 waiting - -: -",
            ]
        );
        assert_eq!((told.failures, told.failure_budget, told.tally.as_str()), (1, 2, "1 updated, 0 failed, 1 skipped, 4 left"));
    }

    #[test]
    fn each_state_says_what_blocks_and_what_comes_next() {
        let mut quiet = campaign();
        quiet.progress.values_mut().filter(|p| p.is_in_flight()).for_each(|p| p.phase = Phase::Waiting);
        let (since, why) = (at(4), "canary web1 failed".to_owned());
        let paused = |by| CampaignState::Paused { since, by, why: why.clone() };
        for (state, busy, minute, name, blocked, next) in [
            (CampaignState::Running, true, 5, "running", "", "waits for web2, web3, web4 to be back"),
            (CampaignState::Running, false, 7, "running", "", "the canary is watched until 2026-03-01T02:08:00Z"),
            (CampaignState::Running, false, 8, "running", "", "the next wave begins"),
            (
                paused(PausedBy::Budget),
                false,
                8,
                "paused",
                "paused itself at 2026-03-01T02:04:00Z: canary web1 failed",
                "strata why shop/web",
            ),
            (
                paused(PausedBy::Person),
                false,
                8,
                "paused",
                "paused since 2026-03-01T02:04:00Z",
                "strata campaign resume shop/web",
            ),
            (CampaignState::Finishing, true, 8, "finishing", "", "its window is over"),
            (CampaignState::Aborted { why: "asked for by ada".to_owned() }, true, 8, "aborted", "", "aborted, asked for by ada"),
            (
                CampaignState::Ended { at: at(9), outcome: CampaignOutcome::WindowOver },
                false,
                8,
                "ended",
                "",
                "nothing: it is over",
            ),
        ] {
            let told = tell(&Campaign { state, ..if busy { campaign() } else { quiet.clone() } }, at(minute));
            assert_eq!((told.state.as_str(), told.is_ended()), (name, name == "ended"));
            assert!(told.blocked.clone().unwrap_or_default().starts_with(blocked), "{told:?}");
            assert_eq!(told.blocked.is_some(), !blocked.is_empty(), "{told:?}");
            assert!(told.next.contains(next), "{told:?}");
        }
        let ended = CampaignState::Ended { at: at(9), outcome: CampaignOutcome::WindowOver };
        let told = tell(&Campaign { state: ended, ..quiet }, at(9));
        assert_eq!((told.outcome.as_deref(), told.since), (Some("window_over"), Some(at(9))));
    }

    #[test]
    fn an_order_says_what_becomes_of_each_host() {
        for (order, expected) in [
            (
                Order::Pause,
                [
                    "web2: drained and updated to the end, then back in service",
                    "web3, web4: finished, then back in service",
                    "web6: not begun until it is resumed",
                ]
                .as_slice(),
            ),
            (
                Order::Abort,
                &[
                    "web2: given back at once, not updated",
                    "web3, web4: finished, then back in service: a patch is not cut off half-way",
                    "web6: not touched",
                ],
            ),
            (
                Order::Resume,
                &["web4: their failures no longer count; they are not tried again", "web6: their turn comes, wave by wave"],
            ),
        ] {
            assert_eq!(order_means(&campaign(), order), expected, "{order:?}");
        }
        let mut over = campaign();
        over.progress.clear();
        assert_eq!(order_means(&over, Order::Abort), ["no host is in flight, and none waits"]);
    }
}
