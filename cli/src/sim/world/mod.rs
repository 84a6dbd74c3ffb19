//! The simulated world and the functions in it.
//!
//! [`setup`] creates stacks, layers and instances through the API; [`drive`] is the motor; [`befall`] lets happen what the scenario has in
//! store; [`measure`] turns demand and hosts in service into metrics; [`follow`] keeps the record; [`invariants`] watches.

mod befall;
pub(crate) mod calendar;
mod counted;
pub(crate) mod drive;
mod follow;
mod frozen;
pub(crate) mod functions;
mod invariants;
mod measure;
mod saved;
pub(crate) mod setup;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use strata_control::{Api, ApiConfig, LOCAL_CONTROLLER};
use strata_domain::decision::{Function, Page};
use strata_local::bus::Bus;
use strata_local::cloud::{CloudConfig, SimCloud};
use strata_local::faults::{FaultPlan, Faulty, Profile};
use strata_local::{InProcess, MemoryStore, Recorder, SeededIds, VirtualClock, virtual_runtime};
use strata_ports::{HttpService, Ids, Ports};
use strata_triggers::emit::Envelope;

use self::counted::Counted;
use self::follow::Follow;
use self::functions::Functions;
use self::setup::{ACCOUNT, Built};
use super::invoke::Invoked;
use super::record::{Minute, RunRecord};
use super::summary::Summary;
use super::{Observer, RunPlan};
use crate::CliError;
use crate::args::Faults;

/// The world begins so long before the scenario does, so that the first day begins with the fleet up.
const WARM_UP: SignedDuration = SignedDuration::from_mins(30);
/// Who sets the world up.
const PERSON: &str = "arn:aws:iam::123456789012:user/ada";

/// The world: cloud, store, bus, functions, and the record of what happened.
struct World {
    plan: Arc<RunPlan>,
    clock: Arc<VirtualClock>,
    store: Arc<MemoryStore>,
    cloud: Arc<SimCloud>,
    bus: Bus,
    faulty: Option<Arc<Faulty>>,
    functions: Arc<Functions>,
    /// What each function calls.
    recorders: BTreeMap<&'static str, Recorder>,
    api: Arc<Counted>,
    user: aws_sdk_opsworks::Client,
    event_ids: SeededIds,
    built: Vec<Built>,
    follow: Follow,
    series: Vec<Minute>,
    pages: Vec<Page>,
}

impl World {
    /// An empty world at `start`.
    fn new(plan: Arc<RunPlan>, start: Timestamp) -> Result<Self, CliError> {
        let seed = plan.scenario.world.seed;
        let clock = Arc::new(VirtualClock::new(start));
        let faults = plan.scenario.world.faults;
        let profile = match faults {
            Faults::None => Profile::None,
            Faults::Light => Profile::Light,
            Faults::Heavy => Profile::Heavy,
        };
        let cloud = SimCloud::new(cloud_config(&plan)?.misbehaving(profile), seed, clock.clone());
        let conflicts = match faults {
            Faults::None => 0,
            Faults::Light => 1,
            Faults::Heavy => 10,
        };
        let store = Arc::new(MemoryStore::new().with_conflicts(seed, conflicts));
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(seed, "functions")));
        let faulty_calls = (profile != Profile::None || !plan.rates.is_empty()).then(|| {
            let rates = plan.rates.iter();
            let calls = rates.fold(FaultPlan::of(profile, seed), |calls, (action, rates)| calls.rate(action, *rates));
            Faulty::new(calls, ports.clock.clone())
        });
        let faulty = faulty_calls.as_ref().map_or_else(|| ports.clone(), |f| f.wrap(ports.clone()));
        let config = api_config(&plan.scenario.world);
        let recorders: BTreeMap<_, _> = Function::ALL.map(|function| (function.as_str(), Recorder::default())).into();
        let recorded = |function: Function, ports: &Ports| recorders[function.as_str()].wrap(ports.clone());
        let api = Arc::new(Api::new(recorded(Function::Api, &faulty), config.clone()));
        let counted = Arc::new(Counted::over(api.clone()));
        let controller_client = client(&counted, LOCAL_CONTROLLER, &clock, seed);
        // People's calls while the world is set up do not fail: what is to be tested is what comes after.
        let user =
            client(&Arc::new(Counted::over(Arc::new(Api::new(recorded(Function::Api, &ports), config)))), PERSON, &clock, seed);
        Ok(Self {
            functions: Arc::new(Functions::new(|function| recorded(function, &faulty), api, controller_client)),
            recorders,
            bus: Bus::new(seed, profile),
            faulty: faulty_calls,
            event_ids: SeededIds::new(seed, "world/events"),
            api: counted,
            built: Vec::new(),
            follow: Follow::default(),
            series: Vec::new(),
            pages: Vec::new(),
            plan,
            clock,
            store,
            cloud,
            user,
        })
    }

    /// Clusters and services in the cloud, stacks and layers through the API.
    async fn set_up(&mut self) -> Result<(), CliError> {
        let plan = self.plan.clone();
        for spec in &plan.scenario.layers {
            measure::create_cluster(&self.cloud, spec).map_err(|e| CliError::Failed(e.into()))?;
        }
        for spec in plan.scenario.layers.iter().filter(|spec| spec.load_balancer) {
            self.cloud.add_load_balancer(&spec.stack);
        }
        for spec in &plan.scenario.layers {
            let built = setup::build(&self.user, &plan.scenario.world, spec).await?;
            self.follow.labels.insert(built.stack.to_string(), spec.label());
            self.built.push(built);
        }
        Ok(())
    }

    /// An event's text, in the envelope of this account and region.
    fn event(&self, now: Timestamp, build: impl FnOnce(&Envelope<'_>) -> String) -> String {
        let id = self.event_ids.uuid();
        build(&Envelope { account: ACCOUNT, region: &self.plan.scenario.world.region, at: now, id: &id })
    }
}

/// The cloud's settings as the scenario has them; its region and its zones are the world's.
fn cloud_config(plan: &RunPlan) -> Result<CloudConfig, CliError> {
    let mut config = plan.scenario.cloud::<CloudConfig>()?;
    config.region.clone_from(&plan.scenario.world.region);
    config.ec2.zones.clone_from(&plan.scenario.world.zones);
    Ok(config)
}

fn client(api: &Arc<Counted>, caller: &str, clock: &Arc<VirtualClock>, seed: u64) -> aws_sdk_opsworks::Client {
    let way = InProcess {
        caller_arn: caller.to_owned(),
        region: "us-east-1".to_owned(),
        ids: Arc::new(SeededIds::new(seed, &format!("client/{caller}"))),
        seed,
        latency: std::time::Duration::from_millis(10),
    };
    let service: Arc<dyn HttpService> = api.clone();
    way.client(service, clock.clone())
}

fn api_config(world: &super::scenario::World) -> ApiConfig {
    ApiConfig { region: world.region.clone(), account: ACCOUNT.to_owned(), ..ApiConfig::default() }
}

/// Builds the world of `plan` and runs it to its end.
///
/// # Errors
/// Bad input: `[cloud]` cannot be used. Failed: the world failed.
pub fn run(plan: &RunPlan, observer: &mut dyn Observer) -> Result<RunRecord, CliError> {
    let runtime = virtual_runtime().map_err(|e| CliError::Failed(e.into()))?;
    let plan = Arc::new(plan.clone());
    runtime.block_on(async {
        let start = plan.scenario.world.start;
        let mut world = World::new(plan.clone(), start - WARM_UP)?;
        world.set_up().await?;
        let end = plan.end();
        // The seam lies between two minutes, so that no tick and no data point is lost.
        let seam = start - SignedDuration::from_secs(30);
        let mut before = drive::Driver::new(&mut world, observer, seam).run().await?;
        // Tasks that somebody started by hand need hosts, so they begin with the first day.
        for spec in plan.scenario.layers.iter().filter(|spec| spec.standalone_tasks > 0) {
            let cluster = setup::cluster_arn(&plan.scenario.world.region, &spec.cluster);
            world.cloud.run_task(&cluster, spec.standalone_tasks).map_err(|e| CliError::Failed(e.into()))?;
        }
        let invariants = drive::Driver::new(&mut world, observer, end).run().await?;
        before.add(&invariants);
        let invariants = before;
        let mut api_calls = world.cloud.calls();
        api_calls.extend(world.api.counts());
        let summary = Summary {
            updated_instances: measure::updated(&*world.store).await.map_err(|e| CliError::Failed(e.into()))?,
            tasks_interrupted: world.cloud.tasks_interrupted(),
            invariants_checked: invariants.checked,
            invariants_broken: invariants.broken,
            api_calls,
            ..Summary::default()
        };
        let decisions = std::mem::take(&mut world.follow.decisions);
        Ok(RunRecord {
            scenario: plan.scenario.name.clone(),
            start,
            end,
            series: world.series,
            states: world.follow.histories(start),
            decisions,
            pages: world.pages,
            methods: world.recorders.iter().map(|(function, recorder)| (*function, recorder.methods())).collect(),
            summary,
        })
    })
}

/// Runs `function` once with `event` in the world that is saved in `folder`, or in a fresh one: the built-in scenario's at the
/// beginning of its first day, with its 24/7 instances up. A minute passes after each invocation.
///
/// # Errors
/// Bad input: the event is not the function's, or the folder holds no world. Failed: the function failed.
pub fn invoke(function: Function, event: &[u8], folder: Option<&Path>) -> Result<Invoked, CliError> {
    let past = folder.map(saved::load).transpose()?.unwrap_or_default();
    let runtime = virtual_runtime().map_err(|e| CliError::Failed(e.into()))?;
    let plan = Arc::new(RunPlan::built_in());
    let answer = runtime.block_on(async {
        let mut now = plan.scenario.world.start;
        let mut world = World::new(plan.clone(), now - WARM_UP)?;
        world.set_up().await?;
        drive::Driver::new(&mut world, &mut Nobody, now).run().await?;
        for one in &past {
            // It may have failed then, too; what it left behind is what counts.
            drop(world.functions.invoke(one.function, one.event.as_bytes()).await);
            now += SignedDuration::from_mins(1);
            drive::Driver::new(&mut world, &mut Nobody, now).run().await?;
        }
        world.functions.invoke(function, event).await.map_err(CliError::from)
    })?;
    if let Some(folder) = folder {
        let event = String::from_utf8_lossy(event).into_owned();
        saved::append(folder, past, saved::Past { function, event })?;
    }
    let outcome = answer.outcome;
    Ok(Invoked { decisions: outcome.decisions, failed_messages: outcome.failed_messages, response: answer.response })
}

/// Nobody watches.
struct Nobody;

impl Observer for Nobody {
    fn line(&mut self, _line: &super::log::LogLine) {}
    fn progress(&mut self, _simulated: SignedDuration, _of: SignedDuration) {}
}
