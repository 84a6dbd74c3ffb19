//! A campaign against a model of the world: lifecycle drains and restores, commands take their time, fail or never end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// How one host behaves.
#[derive(Clone, Debug)]
struct Habit {
    /// Minutes until it is drained; `None` never is.
    drains_in: Option<i64>,
    /// Minutes that a patch takes; `None` never ends.
    patches_in: Option<i64>,
    patch_fails: bool,
    /// Minutes until its agent is back after the patch; `None` never is.
    agent_back_in: Option<i64>,
    /// Minutes until it is in service after its release.
    restores_in: i64,
    /// It stops at that minute of the campaign.
    stops_at: Option<i64>,
    held: bool,
    /// It is load-based and stopped when the campaign begins.
    spare: bool,
}

#[derive(Clone, Debug)]
struct Given {
    habits: Vec<Habit>,
    settings: UpdateSettings,
    resumes: bool,
    min_online: u32,
    aborts_at: Option<i64>,
}

fn habit() -> impl Strategy<Value = Habit> {
    let mostly = |minutes: std::ops::Range<i64>| prop_oneof![9 => minutes.prop_map(Some), 1 => Just(None)];
    let stops = prop_oneof![19 => Just(None), 1 => (0i64..200).prop_map(Some)];
    (
        mostly(0..40),
        mostly(1..40),
        prop::bool::weighted(0.1),
        mostly(0..10),
        0i64..5,
        stops,
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(drains_in, patches_in, patch_fails, agent_back_in, restores_in, stops_at, held, spare)| Habit {
            drains_in,
            patches_in,
            patch_fails,
            agent_back_in,
            restores_in,
            stops_at,
            held,
            spare,
        })
}

fn given() -> impl Strategy<Value = Given> {
    let settings = (1u8..=100, 0u32..4, 0u32..20, 0u32..4, 5u32..40, 5u32..40, 10u32..300, any::<(bool, bool)>()).prop_map(
        |(
            max_unavailable_percent,
            canary,
            soak_minutes,
            failure_budget,
            drain_minutes,
            patch_minutes,
            window_minutes,
            (surge, zone_by_zone),
        )| {
            UpdateSettings {
                max_unavailable_percent,
                canary,
                soak_minutes,
                failure_budget,
                drain_minutes,
                patch_minutes,
                window_minutes,
                surge,
                zone_by_zone,
                ..UpdateSettings::default()
            }
        },
    );
    let aborts = prop_oneof![4 => Just(None), 1 => (0i64..200).prop_map(Some)];
    (prop::collection::vec(habit(), 0..25), settings, any::<bool>(), 0u32..6, aborts)
        .prop_map(|(habits, settings, resumes, min_online, aborts_at)| Given { habits, settings, resumes, min_online, aborts_at })
}

/// What the world knows of one host beside its view.
#[derive(Clone, Copy, Default)]
struct Clocks {
    claimed: Option<i64>,
    sent: Option<i64>,
    released: Option<i64>,
    /// Started, or stopped, as the campaign's surge instance.
    surged: Option<i64>,
    is_stopped_again: bool,
}

struct World {
    given: Given,
    hosts: Vec<HostView>,
    clocks: BTreeMap<InstanceId, Clocks>,
    /// How many hosts ran a patch while in service, or were patched twice.
    wrongs: Vec<String>,
}

impl World {
    fn new(given: Given) -> Self {
        let hosts = given
            .habits
            .iter()
            .enumerate()
            .map(|(n, h)| {
                let held = h.held.then(|| "ada".to_owned());
                let (status, scaling) = if h.spare {
                    (InstanceStatus::Stopped, ScalingType::Load)
                } else {
                    (InstanceStatus::Online, ScalingType::AlwaysOn)
                };
                HostView { held, status, scaling, ..host(n) }
            })
            .collect();
        Self { given, hosts, clocks: BTreeMap::new(), wrongs: Vec::new() }
    }

    /// Moves the world to a minute.
    fn move_to(&mut self, minute: i64) {
        for (host, habit) in self.hosts.iter_mut().zip(&self.given.habits) {
            let clocks = self.clocks.entry(host.id.clone()).or_default();
            if habit.stops_at.is_some_and(|stops| minute >= stops) {
                (host.status, host.report) = (InstanceStatus::Stopped, None);
                continue;
            }
            if habit.spare {
                host.status = match clocks.surged {
                    Some(since) if !clocks.is_stopped_again && minute < since + 3 => InstanceStatus::Booting,
                    Some(_) if !clocks.is_stopped_again => InstanceStatus::Online,
                    Some(_) | None => InstanceStatus::Stopped,
                };
                continue;
            }
            let in_force = host.claim.as_ref().is_some_and(|c| c.is_in_force(at(minute)));
            if let (true, Some(claimed)) = (in_force, clocks.claimed) {
                let is_out = habit.drains_in.is_some_and(|d| minute >= claimed + d);
                host.report = out(is_out.then_some(minute));
            } else if host.report.is_some() && minute >= clocks.released.unwrap_or(minute) + habit.restores_in {
                host.report = None;
            }
            if let Some(sent) = clocks.sent {
                let ended = habit.patches_in.filter(|p| minute >= sent + p);
                host.command = match ended {
                    None => CommandSeen::Running,
                    Some(_) if habit.patch_fails => CommandSeen::Failed { why: "exit code 1".into() },
                    Some(_) => CommandSeen::Success,
                };
                let is_back = |p: i64| habit.agent_back_in.is_some_and(|back| minute >= sent + p + back);
                let connected = ended.is_none_or(is_back) || clocks.released.is_some();
                host.agent = AgentSeen::Seen { active: host.report.is_none(), connected };
            }
        }
    }

    fn carry_out(&mut self, step: &CampaignStep, minute: i64) {
        let find = |hosts: &mut Vec<HostView>, id: &InstanceId| hosts.iter().position(|h| h.id == *id).unwrap();
        match step {
            CampaignStep::Claim { instance, until, .. } => {
                let n = find(&mut self.hosts, instance);
                let held = self.hosts[n].held.is_some() || self.hosts[n].status != InstanceStatus::Online;
                if held {
                    self.wrongs.push(format!("{instance} was claimed though held or not online"));
                }
                self.hosts[n].claim = Some(Claim { until: *until, ..claim(0).unwrap() });
                self.clocks.entry(instance.clone()).or_default().claimed = Some(minute);
            }
            CampaignStep::SendUpdate { instance, .. } => {
                let n = find(&mut self.hosts, instance);
                if self.hosts[n].report.as_ref().is_none_or(|r| r.out_of_service_since.is_none()) {
                    self.wrongs.push(format!("{instance} was patched in service"));
                }
                let clocks = self.clocks.entry(instance.clone()).or_default();
                if clocks.sent.replace(minute).is_some() {
                    self.wrongs.push(format!("{instance} was patched twice"));
                }
            }
            CampaignStep::Release { instance, .. } => {
                let n = find(&mut self.hosts, instance);
                self.hosts[n].claim = None;
                self.clocks.entry(instance.clone()).or_default().released = Some(minute);
            }
            CampaignStep::StartSurge { instance, .. } => {
                let n = find(&mut self.hosts, instance);
                self.hosts[n].status = InstanceStatus::Requested;
                self.clocks.entry(instance.clone()).or_default().surged.get_or_insert(minute);
            }
            CampaignStep::StopSurge { instance, .. } => {
                let n = find(&mut self.hosts, instance);
                self.hosts[n].status = InstanceStatus::Stopping;
                self.clocks.entry(instance.clone()).or_default().is_stopped_again = true;
            }
            CampaignStep::Mark { .. }
            | CampaignStep::HoldBack { .. }
            | CampaignStep::TellHeldBack { .. }
            | CampaignStep::SurgeIs { .. }
            | CampaignStep::Pause { .. }
            | CampaignStep::Finish { .. }
            | CampaignStep::Abort { .. }
            | CampaignStep::End { .. } => {}
        }
    }

    fn check(&self, campaign: &Campaign, steps: &[CampaignStep], minute: i64) -> Result<(), TestCaseError> {
        prop_assert!(self.wrongs.is_empty(), "{:?}", self.wrongs);
        let online = self.hosts.iter().filter(|h| h.status == InstanceStatus::Online && !campaign.is_surge(&h.id)).count();
        let flight: Vec<_> = campaign.progress.values().filter(|p| p.is_in_flight()).collect();
        let begun = claimed(steps);
        if !begun.is_empty() {
            prop_assert!(flight.len() <= self.given.settings.allowed_out(online), "{} of {online} out", flight.len());
            prop_assert!(at(minute) < campaign.window_end, "begun after the window");
            prop_assert!(begun.iter().all(|id| campaign.progress[id].wave == campaign.wave));
            let serves = |h: &&HostView| h.status == InstanceStatus::Online && h.claim.is_none() && h.report.is_none();
            let serving = self.hosts.iter().filter(serves).count();
            prop_assert!(serving >= self.given.min_online as usize, "{serving} serve");
            let zones: std::collections::BTreeSet<&str> =
                self.hosts.iter().filter(|h| begun.contains(&h.id)).map(|h| h.zone.as_str()).collect();
            prop_assert!(!self.given.settings.zone_by_zone || zones.len() == 1, "{zones:?}");
        }
        let canaries_done = campaign.progress.values().filter(|p| p.canary && matches!(p.phase, Phase::Done { .. })).count();
        if flight.iter().any(|p| !p.canary) {
            prop_assert!(canaries_done >= self.given.settings.canary as usize, "the rest went before the canaries");
            prop_assert!(!flight.iter().any(|p| p.canary), "a canary was not alone");
        }
        for (id, progress) in &campaign.progress {
            let ours = self.hosts.iter().any(|h| h.id == *id && h.claim.is_some());
            prop_assert_eq!(progress.is_claimed(), ours, "{}", id);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Never more out than allowed, canaries first and alone, no patch in service, none begun after the window, the floor kept, one
    /// zone at a time if asked, always an end, and no claim, drained host or surge instance left behind.
    #[test]
    fn a_campaign_keeps_its_promises_in_any_world(given in given()) {
        let mut c = campaign(given.habits.len(), given.settings.clone());
        let mut world = World::new(given);
        // The longest way: begun in the window's last minute, then drain, patch and way back at their longest.
        let s = &world.given.settings;
        let latest = i64::from(s.window_minutes + s.drain_minutes + s.patch_minutes) + 25;
        let mut minute = 0;
        while !c.is_ended() {
            prop_assert!(minute <= latest, "no end: {:?}", c);
            world.move_to(minute);
            if world.given.aborts_at == Some(minute) {
                c.apply(&CampaignStep::Abort { why: "enough".into() }, at(minute));
            }
            for _round in 0..5 {
                let view = CampaignView { hosts: &world.hosts, min_online: world.given.min_online, ..CampaignView::default() };
                let steps = next(&c, &view, at(minute));
                steps.iter().for_each(|s| c.apply(s, at(minute)));
                steps.iter().for_each(|step| world.carry_out(step, minute));
                for step in &steps {
                    if let CampaignStep::SendUpdate { instance, .. } = step {
                        c.note_command(instance, SsmCommandId::new(format!("cmd-{instance}")));
                    }
                }
                world.check(&c, &steps, minute)?;
                if steps.is_empty() { break }
                prop_assert!(_round < 4, "a tick has no end");
                if world.given.resumes { c.resume() }
            }
            minute += 1;
        }
        prop_assert!(world.hosts.iter().all(|h| h.claim.is_none()));
        prop_assert!(c.progress.values().all(|p| !p.is_in_flight()));
        prop_assert!(world.given.habits.iter().zip(&world.hosts).all(|(h, host)| !h.spare || !(host.status == InstanceStatus::Online || host.status.is_starting())), "the surge instance still runs: {:?}", c.surge);
    }
}
