//! One seed's campaign and teardown in a world where patches fail, reboots hang, drains never end, agents are lost, calls fail, and events and
//! ticks come late, twice or never; and what must be true of it all the same.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::teardown::{TeardownOutcome, TeardownState};
use strata_domain::updates::{Campaign, CampaignOutcome, CampaignState, PausedBy, Progress};
use strata_domain::{InstanceId, InstanceStatus};
use strata_local::cloud::{CloudConfig, Mishap, ServiceSpec, Victim};
use strata_local::faults::{FaultPlan, Profile};
use strata_local::{rng, virtual_runtime};
use strata_ports::{Clock, ContainerInstanceState, Ec2State};
use strata_triggers::RequestVerb;

use super::{Mischief, Rolling, Setup};

/// Longest that a campaign or a teardown may take, in minutes.
const LONGEST: u32 = 12 * 60;
/// Longest until everything is at rest once the faults are over, in minutes: a heal takes an hour.
const LONGEST_REST: u32 = 3 * 60;
/// How long hosts are lost in an outage until somebody does what its runbook says, in minutes.
const LOOKS_AFTER_OUTAGE: i64 = 20;
/// Somebody who sees no effect of a request asks again after so many minutes.
const ASKS_AGAIN: u32 = 6;

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the campaign ended.
    pub outcome: CampaignOutcome,
    /// Hosts updated, failed, skipped and never begun.
    pub tally: String,
    /// How many waves it had.
    pub waves: u32,
    /// How many times it paused.
    pub pauses: u32,
    /// Incidents that on-call was paged for, campaigns' and others.
    pub incidents: usize,
    /// What this seed was about, in words.
    pub with: String,
}

/// What a seed draws.
struct Draw {
    setup: Setup,
    percent: u8,
    drain: &'static str,
    updates: serde_json::Value,
    standalone: u32,
    with: String,
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    let at = usize::try_from(rng::below(rng, of.len() as u64)).unwrap_or_default();
    of[at]
}

fn draw(seed: u64) -> Draw {
    let rng = &mut rng::stream(seed, "trial");
    let mut cloud = CloudConfig::default();
    cloud.ssm.update_fail_per_mille = 50;
    cloud.ssm.update_reboot_hang_per_mille = 20;
    let hosts = pick(rng, &[5, 8, 12, 16]);
    let min_healthy_percent = pick(rng, &[0, 50, 100]);
    let protected_tasks = pick(rng, &[0, 0, 1, 2]);
    let desired = u32::try_from(hosts * 2).unwrap_or_default();
    let service =
        ServiceSpec { name: "shop".to_owned(), desired, min_healthy_percent, protected_tasks, ..ServiceSpec::default() };
    let daemon = ServiceSpec { name: "agent".to_owned(), daemon: true, ..ServiceSpec::default() };
    let profile = pick(rng, &[Profile::Light, Profile::Heavy]);
    let percent = pick(rng, &[10, 25, 34, 50]);
    let canary: u32 = pick(rng, &[0, 1, 1, 2]);
    let budget: u32 = pick(rng, &[1, 2, 3]);
    let drain = pick(rng, &["wait", "stop", "refuse"]);
    let standalone = pick(rng, &[0, 1, 2]);
    let updates = json!({
        "max_unavailable_percent": percent, "canary": canary, "soak_minutes": 3, "failure_budget": budget, "drain_minutes": 12,
        "patch_minutes": 15, "window_minutes": pick(rng, &[60_u32, 240, 600]),
    });
    let setup = Setup {
        seed,
        hosts,
        services: vec![service, daemon],
        cloud,
        bus: Profile::Heavy,
        faults: FaultPlan::of(profile, seed),
        mischief: Mischief { tick_lost: 50, tick_doubled: 50, killed: 5 },
    };
    let with = format!(
        "{hosts} hosts, {percent} % out, canary {canary}, budget {budget}, drain {drain}, {standalone} standalone and {protected_tasks} \
         protected tasks, {profile:?} faults"
    );
    Draw { setup, percent, drain, updates, standalone, with }
}

/// Runs a seed to its end.
///
/// # Errors
/// Something that must be true is not, or the world fails.
pub fn run(seed: u64) -> anyhow::Result<Report> {
    let draw = draw(seed);
    let with = draw.with.clone();
    let run = async {
        let mut world = Rolling::new(&draw.setup).await?;
        let trial = Trial { rng: rng::stream(seed, "trial/people"), draw, world: &mut world };
        trial.run().await
    };
    virtual_runtime()?.block_on(run).with_context(|| format!("seed {seed}: {with}"))
}

struct Trial<'a> {
    rng: ChaCha8Rng,
    draw: Draw,
    world: &'a mut Rolling,
}

impl Trial<'_> {
    async fn run(mut self) -> anyhow::Result<Report> {
        let strata = json!({ "updates": self.draw.updates, "drain": self.draw.drain });
        self.world.set(&strata).await?;
        let standalone = self.world.cloud.run_task(&self.world.cluster, self.draw.standalone);
        standalone.map_err(|error| anyhow::anyhow!("run_task: {error}"))?;
        self.befall().await?;
        let campaign = self.campaign().await?;
        let incidents = self.at_rest(Some(&campaign)).await.context("after the campaign")?;
        self.teardown().await?;
        let CampaignState::Ended { outcome, .. } = campaign.state else { bail!("it ended as {:?}", campaign.state) };
        Ok(Report {
            outcome,
            tally: campaign.tally(),
            waves: campaign.wave,
            pauses: campaign.pauses,
            incidents,
            with: self.draw.with.clone(),
        })
    }

    /// An agent is lost for hours, another hangs, and perhaps a host.
    async fn befall(&mut self) -> anyhow::Result<()> {
        let instances = self.world.instances().await?;
        let now = self.world.clock.now();
        for mishap in [Mishap::AgentDisconnect(SignedDuration::from_hours(2)), Mishap::AgentStuck, Mishap::Hang] {
            if rng::chance(&mut self.rng, 600) {
                let victim = pick(&mut self.rng, &(0..instances.len()).collect::<Vec<_>>());
                let at = now + SignedDuration::from_secs(i64::try_from(rng::below(&mut self.rng, 3_600)).unwrap_or_default());
                self.world.cloud.inject(Victim::Record(instances[victim].id.clone()), mishap, at);
            }
        }
        Ok(())
    }

    async fn minute(&mut self) -> anyhow::Result<()> {
        self.world.pass(SignedDuration::from_mins(1)).await
    }

    /// The campaign, with somebody who looks after it, until it is over.
    async fn campaign(&mut self) -> anyhow::Result<Campaign> {
        let begun = self.world.clock.now();
        let is_aborted = rng::chance(&mut self.rng, 200).then(|| rng::below(&mut self.rng, 90));
        let mut person = Person::default();
        let mut wave_when_paused = None;
        for minute in 0..LONGEST {
            if let Some(ended) = self.world.ended_campaign(begun).await? {
                return Ok(ended);
            }
            let campaign = self.world.campaign().await?.map(|(campaign, _)| campaign);
            self.keeps_within_bounds(campaign.as_ref(), &mut wave_when_paused).await?;
            let wish = match &campaign {
                None => Some(RequestVerb::Start),
                Some(_) if is_aborted.is_some_and(|at| u64::from(minute) >= at) => Some(RequestVerb::Abort),
                Some(c) => match &c.state {
                    CampaignState::Paused { since, .. } if self.has_looked(*since) => Some(RequestVerb::Resume),
                    _ => None,
                },
            };
            if let Some(verb) = wish.filter(|verb| person.asks(*verb, minute)) {
                self.world.ask_for_update(verb);
            }
            self.minute().await?;
        }
        bail!(
            "the campaign is not over after {LONGEST} minutes: {:?}",
            self.world.campaign().await?.map(|(c, _)| (c.tally(), c.state))
        )
    }

    fn has_looked(&self, since: Timestamp) -> bool {
        self.world.clock.now().duration_since(since) > SignedDuration::from_mins(10)
    }

    /// No more hosts out than allowed, and no new wave while the budget is spent.
    async fn keeps_within_bounds(&self, campaign: Option<&Campaign>, paused: &mut Option<(u32, u32)>) -> anyhow::Result<()> {
        let now = self.world.clock.now();
        let claims = self.world.claims().await?;
        let held = claims.iter().filter(|c| c.is_in_force(now) && c.holder.starts_with("security-updates/")).count();
        let allowed = (self.draw.setup.hosts * usize::from(self.draw.percent) / 100).max(1);
        ensure!(held <= allowed, "{held} hosts are claimed, {allowed} may be");
        let Some(campaign) = campaign else { return Ok(()) };
        if let CampaignState::Paused { by: PausedBy::Budget, .. } = campaign.state {
            let (pauses, wave) = *paused.get_or_insert((campaign.pauses, campaign.wave));
            ensure!(pauses != campaign.pauses || wave == campaign.wave, "wave {} was begun with the budget spent", campaign.wave);
            *paused = Some((campaign.pauses, campaign.wave));
        } else {
            ensure!(
                campaign.budget_spent().is_none() || !matches!(campaign.state, CampaignState::Running),
                "it runs though {:?}",
                campaign.budget_spent()
            );
            *paused = None;
        }
        Ok(())
    }

    /// The faults are over: nothing is left behind, and each incident was paged once and is over. Gives the number of incidents.
    async fn at_rest(&mut self, campaign: Option<&Campaign>) -> anyhow::Result<usize> {
        self.world.faulty.set_quiet(true);
        let mischief = std::mem::take(&mut self.world.mischief);
        let (mut calm, mut left) = (0, String::new());
        let mut taken_down = None;
        for _ in 0..LONGEST_REST {
            left = self.left_behind().await?;
            calm = if left.is_empty() { calm + 1 } else { 0 };
            if calm > 3 {
                break;
            }
            taken_down = self.follows_the_runbook_of_outages(taken_down).await?;
            self.minute().await?;
        }
        ensure!(left.is_empty(), "left behind: {left}");
        if let Some(campaign) = campaign {
            let on_its_way: Vec<&Progress> = campaign.progress.values().filter(|p| p.is_in_flight()).collect();
            ensure!(on_its_way.is_empty(), "the campaign is over and these are not: {on_its_way:?}");
        }
        let incidents = self.pages(campaign)?;
        self.world.faulty.set_quiet(false);
        self.world.mischief = mischief;
        Ok(incidents)
    }

    /// Many hosts that fail at once are healed by nobody, on purpose: on-call is paged, and stops and starts them, one at a time. `down` is the one
    /// that is stopped just now.
    async fn follows_the_runbook_of_outages(&mut self, down: Option<InstanceId>) -> anyhow::Result<Option<InstanceId>> {
        let instances = self.world.instances().await?;
        if let Some(id) = down {
            let status = instances.iter().find(|i| i.id == id).map(|i| i.status);
            return match status {
                Some(InstanceStatus::Stopped) => {
                    self.world.call("StartInstance", json!({ "InstanceId": id })).await?;
                    Ok(None)
                }
                Some(_) => Ok(Some(id)),
                None => Ok(None),
            };
        }
        let mut open = BTreeSet::new();
        for (_, page) in self.world.cloud.pages(0).into_iter().filter(|(_, page)| page.kind == PageKind::Outage) {
            if page.resolved {
                open.remove(&page.incident)
            } else {
                open.insert(page.incident)
            };
        }
        let now = self.world.clock.now();
        let is_lost = |i: &&Instance| {
            i.status == InstanceStatus::ConnectionLost && now.duration_since(i.status_since).as_mins() >= LOOKS_AFTER_OUTAGE
        };
        let Some(lost) = instances.iter().find(is_lost).filter(|_| !open.is_empty()) else { return Ok(None) };
        self.world.call("StopInstance", json!({ "InstanceId": lost.id })).await?;
        Ok(Some(lost.id.clone()))
    }

    /// Claims, reports of claims, DRAINING container instances, in words; empty is good.
    async fn left_behind(&self) -> anyhow::Result<String> {
        let claims = self.world.claims().await?.into_iter().map(|c| format!("claim of {} on {}", c.holder, c.instance_id));
        let mut left: Vec<String> = claims.collect();
        let reports = self.world.reports().await?;
        if reports > 0 {
            left.push(format!("{reports} reports of claims"));
        }
        let containers = self.world.cloud.world_view().containers;
        let draining = containers.into_iter().filter(|c| c.state == ContainerInstanceState::Draining);
        let instances = self.world.instances().await?;
        left.extend(draining.map(|c| {
            let of = instances.iter().find(|i| i.ec2_instance_id.as_ref() == Some(&c.ec2_id));
            let is = of.map_or("of nobody".to_owned(), |i| format!("{} since {}", i.status, i.status_since));
            format!("{} is DRAINING, connected: {}, {is}", c.ec2_id, c.connected)
        }));
        Ok(left.join("; "))
    }

    /// A page that could not be confirmed is sent again, with the same decision: what counts is how many decisions paged.
    fn pages(&self, campaign: Option<&Campaign>) -> anyhow::Result<usize> {
        let mut begun: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut over = BTreeSet::new();
        let mut paused = BTreeSet::new();
        for (_, page) in self.world.cloud.pages(0) {
            if page.kind == PageKind::UpdatePaused {
                paused.insert(page.incident.clone());
            }
            if page.resolved {
                over.insert(page.incident);
            } else {
                begun.entry(page.incident).or_default().insert(page.decision.to_string());
            }
        }
        for (incident, decisions) in &begun {
            ensure!(decisions.len() == 1, "{incident} was paged by {} decisions", decisions.len());
        }
        let left: Vec<&String> = paused.difference(&over).collect();
        ensure!(left.is_empty(), "the campaign is over and its pages are not: {left:?}");
        if let Some(campaign) = campaign {
            let most = campaign.pauses as usize;
            ensure!(paused.len() <= most, "{} incidents for {most} pauses", paused.len());
        }
        Ok(begun.len())
    }

    async fn teardown(&mut self) -> anyhow::Result<()> {
        let mut person = Person::default();
        let mut ended = None;
        for minute in 0..LONGEST {
            ended = self.world.ended_teardown().await?;
            if ended.is_some() {
                break;
            }
            if self.world.is_not_torn_down().await? && person.asks(RequestVerb::Start, minute) {
                self.world.ask_for_teardown(RequestVerb::Start);
            }
            self.minute().await?;
        }
        let state = ended.map(|teardown| teardown.state);
        let is_completed = matches!(&state, Some(TeardownState::Ended { outcome: TeardownOutcome::Completed, .. }));
        ensure!(is_completed, "the teardown after {LONGEST} minutes: {state:?}");
        self.at_rest(None).await.context("after the teardown")?;
        let view = self.world.cloud.world_view();
        let machines: Vec<_> = view.hosts.iter().filter(|h| h.state != Ec2State::ShuttingDown).map(|h| &h.ec2_id).collect();
        ensure!(machines.is_empty(), "machines are left: {machines:?}");
        ensure!(view.services.is_empty(), "services are left: {:?}", view.services);
        let instances = self.world.instances().await?.len();
        ensure!(instances == 0, "{instances} instances are left");
        Ok(())
    }
}

/// Somebody who asks for something, and again when nothing has come of it.
#[derive(Default)]
struct Person {
    asked: Option<(RequestVerb, u32)>,
}

impl Person {
    fn asks(&mut self, verb: RequestVerb, minute: u32) -> bool {
        if self.asked.is_some_and(|(last, at)| last == verb && minute < at + ASKS_AGAIN) {
            return false;
        }
        self.asked = Some((verb, minute));
        true
    }
}
