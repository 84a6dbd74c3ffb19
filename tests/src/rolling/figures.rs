//! The benches' figures: campaigns in waves and one at a time, and teardowns, beside what the world itself takes for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_domain::settings::UpdateSettings;
use strata_domain::teardown::{TeardownOutcome, TeardownState};
use strata_domain::updates::{Campaign, CampaignOutcome, CampaignState, Phase};
use strata_local::cloud::CloudConfig;
use strata_local::virtual_runtime;
use strata_ports::Clock;
use strata_triggers::RequestVerb;

use super::{Rolling, Setup};

/// Longest window that a campaign of the bench may need, in minutes.
const WINDOW_MINUTES: u32 = 60 * 24 * 14;

/// What one campaign or teardown came to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was done.
    pub what: String,
    /// Hosts of the layer.
    pub hosts: usize,
    /// Hosts that are updated, or instances that are gone.
    pub done: usize,
    /// Waves; 0 for a teardown.
    pub waves: u32,
    /// From the request to the end.
    pub makespan: SignedDuration,
    /// A campaign's waves, each as long as the slowest of its hosts' own ways; for a teardown what the cloud's times and budgets allow at best.
    pub ideal: SignedDuration,
    /// Tasks that were cut off.
    pub tasks_interrupted: u64,
    /// Services that had fewer tasks than their minimum healthy percent, and when.
    pub under_minimum: BTreeSet<String>,
    /// Calls of AWS, and of the OpsWorks API as `opsworks:`, by action.
    pub calls: BTreeMap<String, u64>,
    /// The largest that the job's record was, in bytes.
    pub record_bytes: usize,
}

impl Figures {
    /// Makespan over ideal.
    pub fn ratio(&self) -> f64 {
        self.makespan.as_secs_f64() / self.ideal.as_secs_f64().max(1.0)
    }

    /// All calls of AWS.
    pub fn calls_of_aws(&self) -> u64 {
        self.calls.iter().filter(|(action, _)| !action.starts_with("opsworks:")).map(|(_, n)| n).sum()
    }

    /// All calls of the OpsWorks API.
    pub fn calls_of_the_api(&self) -> u64 {
        self.calls.values().sum::<u64>() - self.calls_of_aws()
    }
}

/// A campaign in waves of `percent`, and then one with a single host out at a time as the Bottlerocket ECS updater has it; in one world.
///
/// # Errors
/// The world fails, or a campaign does not end with all hosts updated.
pub fn campaigns(setup: &Setup, percent: u8, with_one_at_a_time: bool) -> anyhow::Result<Vec<Figures>> {
    virtual_runtime()?.block_on(async {
        let mut world = Rolling::new(setup).await?;
        let in_waves = json!({ "max_unavailable_percent": percent });
        let mut figures = vec![world.campaign_figures(format!("waves of {percent} %"), setup.hosts, in_waves).await?];
        if with_one_at_a_time {
            figures.push(world.campaign_figures("one at a time".to_owned(), setup.hosts, one_at_a_time(setup.hosts)).await?);
        }
        Ok(figures)
    })
}

/// A count of one where settings know counts; a percentage that comes to one otherwise.
fn one_at_a_time(_hosts: usize) -> Value {
    let count = json!({ "max_unavailable": 1 });
    match serde_json::from_value::<UpdateSettings>(count.clone()) {
        Ok(_) => count,
        Err(_) => json!({ "max_unavailable_percent": 1 }),
    }
}

/// The teardown of a layer with its services.
///
/// # Errors
/// The world fails, or the teardown does not come to its end.
pub fn teardown(setup: &Setup) -> anyhow::Result<Figures> {
    virtual_runtime()?.block_on(async {
        let mut world = Rolling::new(setup).await?;
        world.teardown_figures(setup).await
    })
}

impl Rolling {
    fn calls_so_far(&self) -> BTreeMap<String, u64> {
        let mut calls = self.cloud.calls();
        calls.extend(self.api.calls.lock().unwrap_or_else(PoisonError::into_inner).clone());
        calls
    }

    fn calls_since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let since = self.calls_so_far().into_iter().map(|(action, n)| {
            let more = n - before.get(&action).copied().unwrap_or(0);
            (action, more)
        });
        since.filter(|(_, n)| *n > 0).collect()
    }

    async fn campaign_figures(&mut self, what: String, hosts: usize, updates: Value) -> anyhow::Result<Figures> {
        let mut settings = json!({ "canary": 0, "window_minutes": WINDOW_MINUTES });
        if let (Some(settings), Some(updates)) = (settings.as_object_mut(), updates.as_object()) {
            settings.extend(updates.clone());
        }
        self.set(&json!({ "updates": settings })).await?;
        self.pass(SignedDuration::from_mins(2)).await?;
        let (begun, before, interrupted) = (self.clock.now(), self.calls_so_far(), self.cloud.tasks_interrupted());
        self.short = Some(BTreeSet::new());
        self.paths.take();
        self.ask_for_update(RequestVerb::Start);
        let mut record_bytes = 0;
        let campaign = loop {
            self.pass(SignedDuration::from_secs(5)).await?;
            if let Some((_, bytes)) = self.campaign().await? {
                record_bytes = record_bytes.max(bytes);
            }
            if let Some(ended) = self.ended_campaign(begun).await? {
                break ended;
            }
            if self.clock.now().duration_since(begun) > SignedDuration::from_hours(24 * 14) {
                bail!("{what}: not over after two weeks");
            }
        };
        let CampaignState::Ended { at, outcome: CampaignOutcome::Completed } = campaign.state else {
            bail!("{what}: it ended as {:?}, {}", campaign.state, campaign.tally());
        };
        Ok(Figures {
            done: campaign.progress.values().filter(|p| matches!(p.phase, Phase::Done { .. })).count(),
            waves: campaign.wave,
            makespan: at.duration_since(begun),
            ideal: self.ideal(&campaign).await?,
            tasks_interrupted: self.cloud.tasks_interrupted() - interrupted,
            under_minimum: self.short.take().unwrap_or_default(),
            calls: self.calls_since(&before),
            what,
            hosts,
            record_bytes,
        })
    }

    /// The sum over the waves of the slowest way in each.
    async fn ideal(&mut self, campaign: &Campaign) -> anyhow::Result<SignedDuration> {
        let ways = self.paths.take();
        let mut waves: BTreeMap<u32, SignedDuration> = BTreeMap::new();
        for instance in self.instances().await? {
            let Some(progress) = campaign.progress.get(&instance.id) else { continue };
            let machine = instance.ec2_instance_id.context("an updated instance has a machine")?;
            let way = ways.get(&machine).copied().with_context(|| format!("{machine} was never back"))?;
            let slowest = waves.entry(progress.wave).or_default();
            *slowest = (*slowest).max(way);
        }
        Ok(waves.into_values().sum())
    }

    async fn teardown_figures(&mut self, setup: &Setup) -> anyhow::Result<Figures> {
        let (begun, before, interrupted) = (self.clock.now(), self.calls_so_far(), self.cloud.tasks_interrupted());
        self.ask_for_teardown(RequestVerb::Start);
        let teardown = loop {
            self.pass(SignedDuration::from_secs(5)).await?;
            if let Some(ended) = self.ended_teardown().await? {
                break ended;
            }
            if self.clock.now().duration_since(begun) > SignedDuration::from_hours(24) {
                bail!("the teardown is not over after a day");
            }
        };
        let TeardownState::Ended { at, outcome: TeardownOutcome::Completed } = teardown.state else {
            bail!("the teardown ended as {:?}", teardown.state);
        };
        Ok(Figures {
            what: format!("teardown, {} services", setup.services.len()),
            hosts: setup.hosts,
            done: setup.hosts - self.instances().await?.len(),
            waves: 0,
            makespan: at.duration_since(begun),
            ideal: floor_of_a_teardown(setup),
            tasks_interrupted: self.cloud.tasks_interrupted() - interrupted,
            under_minimum: BTreeSet::new(),
            calls: self.calls_since(&before),
            record_bytes: 0,
        })
    }
}

/// What no teardown can be quicker than: the slowest task's end, then the slowest host's Shutdown, stop and termination, and the tokens that
/// EC2's bucket of changing calls must gain for a stop and a termination call of a hundred hosts each.
fn floor_of_a_teardown(setup: &Setup) -> SignedDuration {
    let CloudConfig { ec2, ssm, ecs, api, .. } = &setup.cloud;
    let services = if setup.services.is_empty() { 0 } else { ecs.scheduler_ms + ecs.task_stop.max_ms };
    let host = ssm.delivery.max_ms + ssm.shutdown.max_ms + ec2.stop.max_ms + ec2.terminate.max_ms;
    let calls = 2 * setup.hosts.div_ceil(100);
    let bucket = &api.ec2_mutating;
    let waits = calls.saturating_sub(bucket.burst as usize).div_ceil((bucket.per_second as usize).max(1));
    SignedDuration::from_millis(services + host) + SignedDuration::from_secs(i64::try_from(waits).unwrap_or(i64::MAX))
}
