//! What a campaign would do, without doing it: [`super::next`] itself is asked, again and again, in a world where every host does as it is
//! told and nothing else changes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::campaign::{Campaign, CampaignOutcome, CampaignState, NewCampaign, Phase};
use super::minutes_after;
use super::step::{CampaignStep, CampaignView, HostView};
use super::waves::{CanaryStage, canary_stage};
use crate::{InstanceId, InstanceStatus};

/// A host, and why it is where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedHost {
    /// Host name.
    pub host: String,
    /// Why, one sentence.
    pub why: String,
}

/// Hosts that would be taken out of service together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWave {
    /// Its number, from 1.
    pub number: u32,
    /// Its hosts go first and are watched.
    pub canary: bool,
    /// Host names.
    pub hosts: Vec<String>,
    /// Why so many.
    pub why: String,
    /// When it would begin.
    pub begins: Timestamp,
    /// When its hosts would be back.
    pub ends: Timestamp,
}

/// What the times of a plan are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// How long a wave took in the layer's last campaign.
    Measured,
    /// The longest that drain and patch may take: waves are this long at most.
    Limits,
}

/// What a campaign that began now would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPlan {
    /// Instances that are online now.
    pub online: usize,
    /// So many of them may be out at once.
    pub may_be_out: usize,
    /// What the times are made of.
    pub basis: Basis,
    /// So long is a wave taken to last.
    pub wave_seconds: i64,
    /// From then on no host is begun.
    pub window_end: Timestamp,
    /// In order.
    pub waves: Vec<PlannedWave>,
    /// Hosts that would not be touched.
    pub skipped: Vec<PlannedHost>,
    /// Hosts whose turn would not come.
    pub left: Vec<PlannedHost>,
    /// When it would be over, and how.
    pub ends: Timestamp,
    /// How.
    pub outcome: Option<CampaignOutcome>,
}

/// Works out what a campaign over the hosts of `view` would do if it began at `now`.
///
/// `measured` is how long a wave took last time, see [`wave_time`]; without it the longest that one may take is counted. Hosts that are not online
/// now, or are claimed, are taken to stay so, which is the worst case.
pub fn plan(new: NewCampaign, view: CampaignView<'_>, measured: Option<SignedDuration>, now: Timestamp) -> CampaignPlan {
    let hosts = view.hosts;
    let campaign = Campaign::begin(new, now);
    let longest = i64::from(campaign.settings.drain_minutes) + i64::from(campaign.settings.patch_minutes);
    let longest = SignedDuration::from_mins(longest);
    let wave_time = measured.unwrap_or(longest).max(SignedDuration::from_secs(1));
    let mut rehearsal = Rehearsal { campaign, view, now, wave_time, waves: Vec::new() };
    rehearsal.run();
    let online = hosts.iter().filter(|h| h.status == InstanceStatus::Online).count();
    let Rehearsal { campaign, now: ends, waves, .. } = rehearsal;
    CampaignPlan {
        online,
        may_be_out: campaign.settings.allowed_out(online).min(online),
        basis: if measured.is_some() { Basis::Measured } else { Basis::Limits },
        wave_seconds: wave_time.as_secs(),
        window_end: campaign.window_end,
        skipped: whose(&campaign, |_, phase| if let Phase::Skipped { why } = phase { Some(why.clone()) } else { None }),
        left: whose(&campaign, |id, phase| (*phase == Phase::Waiting).then(|| not_reached(hosts, id))),
        waves,
        ends,
        outcome: if let CampaignState::Ended { outcome, .. } = campaign.state { Some(outcome) } else { None },
    }
}

/// How long a wave took in a campaign that ended well; `None` where it tells nothing: it did not end, was paused, or updated nobody.
pub fn wave_time(last: &Campaign) -> Option<SignedDuration> {
    if !last.is_ended() || last.pauses > 0 || last.wave == 0 {
        return None;
    }
    let done = last.progress.values().filter_map(|p| if let Phase::Done { at } = p.phase { Some(at) } else { None });
    let soak = if last.settings.canary > 0 && last.wave > 1 { last.settings.soak_minutes } else { 0 };
    let took = done.max()?.duration_since(minutes_after(last.started_at, soak));
    (took > SignedDuration::ZERO).then(|| SignedDuration::from_secs(took.as_secs() / i64::from(last.wave)))
}

/// So many looks at most beyond two for each host: where a campaign only waits, each look is as far on as the window allows.
const LOOKS: usize = 1_000;
/// A window is gone through in at most so many looks while nothing happens.
const LOOKS_OF_A_WINDOW: i64 = 400;

struct Rehearsal<'a> {
    campaign: Campaign,
    view: CampaignView<'a>,
    now: Timestamp,
    wave_time: SignedDuration,
    waves: Vec<PlannedWave>,
}

impl Rehearsal<'_> {
    fn run(&mut self) {
        for _ in 0..LOOKS.saturating_add(self.view.hosts.len().saturating_mul(2)) {
            let steps = super::next(&self.campaign, &self.view, self.now);
            let before = self.campaign.clone();
            let claims = self.follow(&steps);
            if self.campaign.is_ended() {
                break;
            }
            if !claims.is_empty() {
                self.wave(&claims);
            } else if self.campaign == before && !self.wait() {
                break;
            }
        }
    }

    /// Makes the steps' changes in the record; gives those that take a host.
    fn follow<'s>(&mut self, steps: &'s [CampaignStep]) -> Vec<&'s CampaignStep> {
        steps.iter().for_each(|step| self.campaign.apply(step, self.now));
        steps.iter().filter(|step| matches!(step, CampaignStep::Claim { .. })).collect()
    }

    /// The hosts of a wave are back, updated, when its time is over.
    fn wave(&mut self, claims: &[&CampaignStep]) {
        let ends = self.now.checked_add(self.wave_time).unwrap_or(Timestamp::MAX);
        for claim in claims {
            let CampaignStep::Claim { instance, wave, canary, why, .. } = claim else { continue };
            let Some(progress) = self.campaign.progress.get_mut(instance) else { continue };
            progress.phase = Phase::Done { at: ends };
            match self.waves.last_mut().filter(|w| w.number == *wave) {
                Some(planned) => planned.hosts.push(progress.hostname.clone()),
                None => self.waves.push(PlannedWave {
                    number: *wave,
                    canary: *canary,
                    hosts: vec![progress.hostname.clone()],
                    why: why.clone(),
                    begins: self.now,
                    ends,
                }),
            }
        }
        self.now = ends;
    }

    /// On to when something may follow: the end of the soak time, or further through the window. `false` when nothing will.
    fn wait(&mut self) -> bool {
        let window = self.campaign.window_end.duration_since(self.now);
        let step = SignedDuration::from_secs((window.as_secs() / LOOKS_OF_A_WINDOW).max(60));
        let later = match canary_stage(&self.campaign) {
            CanaryStage::Watched { until } if until > self.now => until,
            CanaryStage::Watched { .. } | CanaryStage::Missing(_) | CanaryStage::None => {
                self.now.checked_add(step).unwrap_or(Timestamp::MAX)
            }
        };
        let moves = window > SignedDuration::ZERO;
        if moves {
            self.now = later.min(self.campaign.window_end);
        }
        moves
    }
}

fn whose(campaign: &Campaign, why: impl Fn(&InstanceId, &Phase) -> Option<String>) -> Vec<PlannedHost> {
    let host = |(id, p): (&InstanceId, &super::Progress)| Some(PlannedHost { host: p.hostname.clone(), why: why(id, &p.phase)? });
    campaign.progress.iter().filter_map(host).collect()
}

fn not_reached(hosts: &[HostView], id: &InstanceId) -> String {
    match hosts.iter().find(|h| h.id == *id) {
        None => "it is gone from the layer".to_owned(),
        Some(host) if host.status != InstanceStatus::Online => {
            format!("its status is {}; it is waited for while the window lasts", host.status)
        }
        Some(HostView { held: Some(held), .. }) => format!("it is held: {held}"),
        Some(HostView { claim: Some(claim), .. }) => format!("{} has it until {}: {}", claim.holder, claim.until, claim.reason),
        Some(HostView { report: Some(report), .. }) => format!("it is still out of service for {}", report.holder),
        Some(_) => "the window ends before its turn".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{AgentSeen, CommandSeen};
    use super::*;
    use crate::settings::UpdateSettings;

    pub(in crate::updates) fn at(minute: i64) -> Timestamp {
        "2026-03-01T02:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
    }

    pub(in crate::updates) fn settings(json: serde_json::Value) -> UpdateSettings {
        serde_json::from_value(json).unwrap()
    }

    pub(in crate::updates) fn host(name: &str) -> HostView {
        HostView {
            id: name.into(),
            hostname: name.into(),
            zone: "a".into(),
            scaling: crate::ScalingType::AlwaysOn,
            status: InstanceStatus::Online,
            held: None,
            claim: None,
            report: None,
            command: CommandSeen::Unknown,
            patches: None,
            agent: AgentSeen::NotExpected,
            agent_version: None,
            unsteady: None,
            workload: None,
        }
    }

    pub(in crate::updates) fn new_campaign(settings: UpdateSettings, hosts: &[HostView]) -> NewCampaign {
        NewCampaign {
            id: "c".into(),
            stack_id: "s".into(),
            stack_name: "shop".into(),
            layer_id: "l".into(),
            layer_name: "web".into(),
            requested_by: "ada".into(),
            reason: None,
            asked_at: at(0),
            settings,
            drain: crate::claims::DrainPolicy::Wait,
            hosts: hosts.iter().map(|h| (h.id.clone(), h.hostname.clone())).collect(),
        }
    }

    fn world(hosts: &[HostView]) -> CampaignView<'_> {
        CampaignView { hosts, ..CampaignView::default() }
    }

    fn shown(plan: &CampaignPlan) -> Vec<String> {
        let minute = |t: Timestamp| t.duration_since(at(0)).as_mins();
        plan.waves
            .iter()
            .map(|w| format!("{}: {} {}-{}", w.number, w.hosts.join(" "), minute(w.begins), minute(w.ends)))
            .collect()
    }

    #[test]
    fn a_plan_has_the_waves_that_the_rule_makes_with_the_canary_first_and_watched() {
        let hosts: Vec<HostView> = (1..=5).map(|n| host(&format!("web{n}"))).collect();
        let with = settings(
            serde_json::json!({ "max_unavailable_percent": 40, "soak_minutes": 7, "drain_minutes": 10, "patch_minutes": 20 }),
        );
        let plan = plan(new_campaign(with, &hosts), world(&hosts), None, at(0));
        assert_eq!(shown(&plan), ["1: web1 0-30", "2: web2 web3 37-67", "3: web4 web5 67-97"]);
        assert_eq!((plan.online, plan.may_be_out, plan.outcome), (5, 2, Some(CampaignOutcome::Completed)));
        assert_eq!((plan.basis, plan.waves[0].canary, plan.waves[1].canary), (Basis::Limits, true, false));
    }

    #[test]
    fn a_plan_counts_with_what_a_wave_took_last_time() {
        let hosts: Vec<HostView> = (1..=2).map(|n| host(&format!("web{n}"))).collect();
        let with = settings(serde_json::json!({ "canary": 0 }));
        let plan = plan(new_campaign(with, &hosts), world(&hosts), Some(SignedDuration::from_mins(6)), at(0));
        assert_eq!((shown(&plan), plan.basis), (vec!["1: web1 0-6".to_owned(), "2: web2 6-12".to_owned()], Basis::Measured));
    }

    #[test]
    fn a_plan_tells_who_is_skipped_and_who_is_left_and_why() {
        let mut hosts: Vec<HostView> = (1..=4).map(|n| host(&format!("web{n}"))).collect();
        hosts[1].held = Some("ada: kernel dump".to_owned());
        hosts[2].status = InstanceStatus::Booting;
        hosts[3].status = InstanceStatus::Stopped;
        let plan = plan(new_campaign(settings(serde_json::json!({ "canary": 0 })), &hosts), world(&hosts), None, at(0));
        let of = |hosts: &[PlannedHost]| hosts.iter().map(|h| format!("{}: {}", h.host, h.why)).collect::<Vec<_>>();
        assert_eq!(shown(&plan), ["1: web1 0-60"]);
        assert_eq!(plan.outcome, Some(CampaignOutcome::WindowOver));
        let skipped = of(&plan.skipped);
        assert!(skipped.iter().any(|s| s == "web2: it is held: ada: kernel dump"), "{skipped:?}");
        assert!(skipped.iter().any(|s| s.starts_with("web4: it is stopped")), "{skipped:?}");
        assert_eq!(of(&plan.left), ["web3: its status is booting; it is waited for while the window lasts"]);
    }

    #[test]
    fn a_window_that_is_too_short_leaves_hosts() {
        let hosts: Vec<HostView> = (1..=3).map(|n| host(&format!("web{n}"))).collect();
        for (window, waves, left) in [(59, 1, 2), (60, 1, 2), (61, 2, 1), (121, 3, 0)] {
            let with = settings(serde_json::json!({ "canary": 0, "window_minutes": window }));
            let plan = plan(new_campaign(with, &hosts), world(&hosts), None, at(0));
            assert_eq!((plan.waves.len(), plan.left.len()), (waves, left), "{window}");
            assert!(plan.left.iter().all(|h| h.why == "the window ends before its turn"), "{:?}", plan.left);
        }
    }

    #[test]
    fn an_empty_layer_and_endless_settings_have_a_plan_too() {
        let with =
            settings(serde_json::json!({ "drain_minutes": u32::MAX, "patch_minutes": u32::MAX, "window_minutes": u32::MAX }));
        let empty = plan(new_campaign(with.clone(), &[]), world(&[]), None, at(0));
        assert_eq!((empty.waves.len(), empty.may_be_out, empty.outcome), (0, 0, Some(CampaignOutcome::Completed)));
        let hosts = [host("web1"), host("web2")];
        assert_eq!(plan(new_campaign(with, &hosts), world(&hosts), None, at(0)).waves.len(), 1);
    }

    #[test]
    fn only_a_campaign_that_ended_undisturbed_tells_how_long_a_wave_takes() {
        let hosts = [host("web1"), host("web2")];
        let with = settings(serde_json::json!({ "soak_minutes": 7 }));
        let mut last = Campaign::begin(new_campaign(with, &hosts), at(0));
        assert_eq!(wave_time(&last), None);
        last.wave = 2;
        last.progress.get_mut(&hosts[0].id).unwrap().phase = Phase::Done { at: at(5) };
        last.progress.get_mut(&hosts[1].id).unwrap().phase = Phase::Done { at: at(17) };
        last.state = CampaignState::Ended { at: at(18), outcome: CampaignOutcome::Completed };
        assert_eq!(wave_time(&last), Some(SignedDuration::from_mins(5)));
        last.pauses = 1;
        assert_eq!(wave_time(&last), None);
    }
}
