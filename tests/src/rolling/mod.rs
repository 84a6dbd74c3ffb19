//! Rolling updates and teardowns of whole layers: the API, instance-lifecycle, security-updates and teardown on the simulated cloud, with
//! the events that wake them, and faults in calls, events and invocations if they are wanted.
//!
//! [`drive`] is the motor, [`paths`] measures how long each host's own way took, [`figures`] are the benches' numbers, [`trial`] is one seed's
//! campaign and teardown with everything that can go wrong.

mod drive;
pub mod figures;
mod paths;
mod people;
pub mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig, LOCAL_CONTROLLER};
use strata_domain::{ClusterArn, StackId};
use strata_fleet::Fleet;
use strata_local::bus::Bus;
use strata_local::cloud::{CloudConfig, ServiceSpec, Spread};
use strata_local::faults::{FaultPlan, Faulty, Profile};
use strata_local::{InProcess, MemoryStore, SeededIds, SimCloud, VirtualClock, rng};
use strata_ports::{HttpService, Ports};
use tokio::task::JoinSet;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";

/// What a world begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seed of everything that is left to chance.
    pub seed: u64,
    /// 24/7 instances of the layer, over three zones.
    pub hosts: usize,
    /// The cluster's services.
    pub services: Vec<ServiceSpec>,
    /// The cloud's settings.
    pub cloud: CloudConfig,
    /// What the bus does to events.
    pub bus: Profile,
    /// Which calls fail.
    pub faults: FaultPlan,
    /// What befalls ticks and invocations.
    pub mischief: Mischief,
}

impl Setup {
    /// So many hosts of a cloud without faults, and `services` services whose tasks take half of the slots.
    pub fn calm(hosts: usize, services: usize) -> Self {
        let cloud = CloudConfig::default();
        let tasks = hosts * cloud.ecs.slots_per_host as usize / 2 / services.max(1);
        let desired = u32::try_from(tasks).unwrap_or(u32::MAX);
        let service = |n| ServiceSpec { name: format!("service{n}"), desired, ..ServiceSpec::default() };
        Self {
            seed: 1,
            hosts,
            services: (1..=services).map(service).collect(),
            cloud,
            bus: Profile::None,
            faults: FaultPlan::quiet(1),
            mischief: Mischief::default(),
        }
    }

    /// As [`Setup::calm`], and everything on the way down takes its usual time, neither more nor less: so there is a floor to hold against.
    pub fn steady(hosts: usize, services: usize) -> Self {
        let mut setup = Self::calm(hosts, services);
        let usual = |spread: &mut Spread| *spread = Spread::fixed_ms(spread.mode_ms);
        let CloudConfig { ec2, ssm, ecs, .. } = &mut setup.cloud;
        for spread in [&mut ec2.stop, &mut ec2.terminate, &mut ssm.delivery, &mut ssm.shutdown, &mut ecs.task_stop] {
            usual(spread);
        }
        setup
    }
}

/// How often ticks and invocations go wrong, of 1,000.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mischief {
    /// A tick never comes.
    pub tick_lost: u32,
    /// It comes twice.
    pub tick_doubled: u32,
    /// An invocation is killed within two seconds.
    pub killed: u32,
}

/// The API with a meter.
struct Metered {
    api: Api,
    calls: Mutex<BTreeMap<String, u64>>,
}

#[async_trait]
impl HttpService for Metered {
    async fn call(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or("?");
        let action = format!("opsworks:{}", target.rsplit('.').next().unwrap_or(target));
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
        self.api.call(request).await
    }
}

/// The functions, each with what it may touch.
#[derive(Clone)]
struct Functions {
    lifecycle: strata_instance_lifecycle::Deps,
    updates: strata_security_updates::Deps,
    teardown: strata_teardown::Deps,
}

impl Functions {
    fn new(ports: &Ports, fleet: Fleet) -> Self {
        let p = ports.clone();
        let updates = strata_security_updates::Deps {
            fleet: fleet.clone(),
            store: p.store,
            commands: p.commands,
            containers: p.containers,
            modes: p.modes,
            pager: p.pager,
            events: p.events,
            clock: p.clock,
            ids: p.ids,
        };
        let p = ports.clone();
        let teardown = strata_teardown::Deps {
            fleet,
            store: p.store,
            containers: p.containers,
            modes: p.modes,
            pager: p.pager,
            events: p.events,
            clock: p.clock,
            ids: p.ids,
        };
        Self { lifecycle: strata_instance_lifecycle::Deps::new(ports.clone()), updates, teardown }
    }
}

/// One stack with one ECS Cluster layer, and who looks after it.
pub struct Rolling {
    clock: Arc<VirtualClock>,
    cloud: Arc<SimCloud>,
    store: Arc<MemoryStore>,
    bus: Bus,
    faulty: Arc<Faulty>,
    mischief: Mischief,
    /// Nothing is to fail.
    is_calm: bool,
    rng: ChaCha8Rng,
    /// The API as people reach it: their calls never fail.
    desk: Api,
    api: Arc<Metered>,
    functions: Functions,
    stack: StackId,
    layer: String,
    cluster: ClusterArn,
    running: JoinSet<drive::Done>,
    streams: [drive::Stream; 2],
    again: Vec<(Timestamp, drive::Work)>,
    next_tick: Timestamp,
    paths: paths::Paths,
    /// Services that were seen with fewer tasks than they must have, since somebody began to watch.
    short: Option<BTreeSet<String>>,
}

impl Rolling {
    /// The layer with all of its instances and services up.
    ///
    /// # Errors
    /// The API says no, or the layer does not come up.
    pub async fn new(setup: &Setup) -> anyhow::Result<Self> {
        let seed = setup.seed;
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:30Z".parse()?));
        let cloud = SimCloud::new(setup.cloud.clone(), seed, clock.clone());
        let store = Arc::new(MemoryStore::new());
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(seed, "rolling")));
        let faulty = Faulty::new(setup.faults.clone(), ports.clock.clone());
        faulty.set_quiet(true);
        let wrapped = faulty.wrap(ports.clone());
        let api = Arc::new(Metered { api: Api::new(wrapped.clone(), ApiConfig::default()), calls: Mutex::default() });
        let way = InProcess {
            caller_arn: LOCAL_CONTROLLER.to_owned(),
            region: REGION.to_owned(),
            ids: Arc::new(SeededIds::new(seed, "rolling/client")),
            seed,
            latency: std::time::Duration::from_millis(10),
        };
        let service: Arc<dyn HttpService> = api.clone();
        let fleet = Fleet::new(way.client(service, clock.clone()));
        let mut world = Self {
            desk: Api::new(ports, ApiConfig::default()),
            functions: Functions::new(&wrapped, fleet),
            api,
            bus: Bus::new(seed, setup.bus),
            faulty,
            mischief: Mischief::default(),
            is_calm: setup.bus == Profile::None && setup.faults == FaultPlan::quiet(setup.faults.seed),
            rng: rng::stream(seed, "rolling/mischief"),
            stack: StackId::new(""),
            layer: String::new(),
            cluster: cloud.create_cluster("shop"),
            running: JoinSet::new(),
            streams: drive::Stream::both(),
            again: Vec::new(),
            next_tick: "2026-03-02T00:01:00Z".parse()?,
            paths: paths::Paths::default(),
            short: None,
            store,
            cloud,
            clock,
        };
        world.build(setup).await?;
        // What is to be tested begins now.
        world.mischief = setup.mischief;
        world.faulty.set_quiet(false);
        Ok(world)
    }

    async fn build(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let members = json!({
            "Name": "shop", "Region": REGION, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/service"),
            "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"), "DefaultOs": "Amazon Linux 2023",
        });
        let stack = text(&self.call("CreateStack", members).await?["StackId"])?;
        self.stack = StackId::new(stack.as_str());
        self.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": self.cluster })).await?;
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": people::LAYER, "Shortname": "ecs-cluster",
            "Attributes": { "EcsClusterArn": self.cluster },
        });
        self.layer = text(&self.call("CreateLayer", members).await?["LayerId"])?;
        for n in 0..setup.hosts {
            let subnet = format!("subnet-{:08x}", n % 3);
            let members = json!({ "StackId": stack, "LayerIds": [self.layer], "InstanceType": "m5.large", "SubnetId": subnet });
            self.call("CreateInstance", members).await?;
        }
        self.call("StartStack", json!({ "StackId": stack })).await?;
        self.until_online(setup.hosts).await?;
        for spec in &setup.services {
            let made = self.cloud.create_service(&self.cluster, spec.clone());
            made.map_err(|error| anyhow::anyhow!("{}: {error}", spec.name))?;
        }
        self.until("the services are up", 30, |w| w.cloud.service_views().iter().all(|s| s.daemon || s.healthy == s.desired))
            .await
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("the answer has no id")?.to_owned())
}
