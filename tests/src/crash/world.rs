//! A small world that survives the death of its functions: one ECS layer with two hosts, which have volumes, addresses and a load balancer, a
//! service, a daemon, and ticks alone.

mod functions;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig};
use strata_domain::model::Instance;
use strata_domain::{ClusterArn, InstanceId, InstanceStatus, StackId};
use strata_instance_lifecycle::Deps;
use strata_local::cloud::{ApiSettings, CloudConfig, Ec2Settings, EcsSettings, ServiceSpec, Spread, SsmSettings};
use strata_local::faults::{FaultPlan, Faulty};
use strata_local::{MemoryStore, SeededIds, SimCloud, VirtualClock};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Change, Clock, Expect, HttpService, Key, Ports, StackScope, Store, keys};

use super::Tamper;

/// Longest that anything here may take, in minutes.
const PATIENCE: usize = 150;
/// Minutes without work after which the world counts as at rest.
const CALM: usize = 3;
const REGION: &str = "us-east-1";
const ADA: &str = "arn:aws:iam::123456789012:user/ada";

/// Store, cloud and clock, which live on; the functions are made anew for each invocation.
pub struct World {
    /// What everybody's time is.
    pub clock: Arc<VirtualClock>,
    /// The cloud.
    pub cloud: Arc<SimCloud>,
    /// The store.
    pub store: Arc<MemoryStore>,
    /// Who lets the process die.
    pub faulty: Arc<Faulty>,
    ports: Ports,
    stack: StackId,
    layer: String,
    cluster: ClusterArn,
    hosts: Vec<InstanceId>,
    calls: Cell<u32>,
    deaths: Cell<u32>,
    lost: Cell<usize>,
    /// Ids of the controllers' calls, which go on from one process to the next.
    client_ids: Arc<SeededIds>,
    /// Whether security-updates or teardown were asked for something.
    is_asked: Cell<bool>,
    /// What functions failed with.
    problems: RefCell<Vec<String>>,
}

/// Everything takes a known time, so that the undisturbed run and each other one differ by the crash alone.
fn config() -> CloudConfig {
    let s = |seconds: i64| Spread::fixed_ms(seconds * 1_000);
    CloudConfig {
        ec2: Ec2Settings {
            pending: s(10),
            boot: s(60),
            stop: s(20),
            stop_hung: s(200),
            terminate: s(20),
            reboot: s(60),
            describe_lag: s(0),
            ..Ec2Settings::default()
        },
        ssm: SsmSettings {
            delivery: s(1),
            setup: s(100),
            setup_updates: s(0),
            shutdown: s(5),
            configure: s(5),
            update: s(200),
            update_reboot_per_mille: 1_000,
            ..SsmSettings::default()
        },
        ecs: EcsSettings { task_start: s(10), task_stop: s(5), agent_connect: s(5), ..EcsSettings::default() },
        api: ApiSettings { read_latency: s(0), write_latency: s(0), ..ApiSettings::default() },
        ..CloudConfig::default()
    }
}

impl World {
    /// A stack with an ECS layer and the stopped instances web1 and web2. `tamper` sits between the ports and the cloud.
    pub async fn new(tamper: Option<Tamper>) -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().expect("a time")));
        let cloud = SimCloud::new(config(), 1, clock.clone());
        let store = Arc::new(MemoryStore::new());
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(1, "crash")));
        let ports = tamper.map_or_else(|| ports.clone(), |tamper| tamper(ports.clone()));
        let faulty = Faulty::new(FaultPlan::quiet(1), clock.clone());
        let mut world = Self {
            ports: faulty.wrap(ports),
            cluster: cloud.create_cluster("shop"),
            stack: StackId::from(""),
            layer: String::new(),
            hosts: Vec::new(),
            calls: Cell::new(0),
            deaths: Cell::new(0),
            lost: Cell::new(0),
            client_ids: Arc::new(SeededIds::new(1, "crash/client")),
            is_asked: Cell::new(false),
            problems: RefCell::default(),
            clock,
            cloud,
            store,
            faulty,
        };
        world.build().await;
        world
    }

    async fn build(&mut self) {
        let members = json!({
            "Name": "shop", "Region": REGION, "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2", "DefaultOs": "Amazon Linux 2023",
        });
        self.stack = self.made("CreateStack", members, "StackId").await.as_str().into();
        let cluster = self.cluster.clone();
        self.call("RegisterEcsCluster", json!({ "StackId": self.stack, "EcsClusterArn": cluster })).await.expect("no crash");
        let members = json!({
            "StackId": self.stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "ecs-cluster",
            "Attributes": { "EcsClusterArn": cluster },
            "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }],
            "AutoAssignElasticIps": true,
        });
        self.layer = self.made("CreateLayer", members, "LayerId").await;
        self.cloud.add_load_balancer("front");
        self.cloud.change_load_balancer("front", |balancer| balancer.drain_seconds = Some(60));
        let members = json!({ "ElasticLoadBalancerName": "front", "LayerId": self.layer });
        self.call("AttachElasticLoadBalancer", members).await.expect("no crash");
        for root in ["ebs", "ebs", "instance-store"] {
            let host = self.create(root).await;
            self.hosts.push(host);
        }
        for spec in [
            ServiceSpec { name: "shop".to_owned(), desired: 2, ..ServiceSpec::default() },
            ServiceSpec { name: "agent".to_owned(), daemon: true, ..ServiceSpec::default() },
        ] {
            self.cloud.create_service(&cluster, spec).expect("the cluster is there");
        }
    }

    async fn create(&self, root: &str) -> InstanceId {
        let mut members = json!({
            "StackId": self.stack, "LayerIds": [self.layer], "InstanceType": "m5.large", "RootDeviceType": root,
        });
        if root == "instance-store" {
            // Plain distributions have no image with an instance store.
            (members["Os"], members["AmiId"]) = ("Custom".into(), "ami-0123456789abcdef0".into());
        }
        self.made("CreateInstance", members, "InstanceId").await.as_str().into()
    }

    async fn made(&self, action: &str, members: Value, id: &str) -> String {
        let answer = self.call(action, members).await.expect("nothing crashes while the world is built");
        answer[id].as_str().expect("the answer names what was made").to_owned()
    }

    /// web1, web2 with EBS roots, web3 with an instance store, and those that were registered since.
    pub fn host(&self, number: usize) -> &InstanceId {
        &self.hosts[number - 1]
    }

    /// All instances.
    pub fn hosts(&self) -> &[InstanceId] {
        &self.hosts
    }

    /// The stack.
    pub fn stack(&self) -> &StackId {
        &self.stack
    }

    /// The layer.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The layer's cluster.
    pub fn cluster(&self) -> &ClusterArn {
        &self.cluster
    }

    /// Under which the stack's calls are made.
    pub fn scope(&self) -> StackScope {
        let service_role_arn = "arn:aws:iam::123456789012:role/service".to_owned();
        StackScope { stack_id: self.stack.clone(), region: REGION.to_owned(), service_role_arn }
    }

    /// How often the process has died.
    pub fn deaths(&self) -> u32 {
        self.deaths.get()
    }

    /// Lets a process live until its work is done; `None` if it has died on the way, with all that it knew.
    async fn live<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let done = tokio::select! { biased; () = self.faulty.died() => None, out = work => Some(out) };
        self.deaths.set(self.deaths.get() + u32::from(done.is_none()));
        done
    }

    /// A call of the API. A client that hears nothing repeats it under the same invocation id, as SDKs do.
    ///
    /// # Errors
    /// The answer, if it is none of success.
    pub async fn call(&self, action: &str, members: Value) -> Result<Value, String> {
        self.calls.set(self.calls.get() + 1);
        let invocation = format!("call-{}", self.calls.get());
        loop {
            let mut request = Request::new(Bytes::from(members.to_string()));
            *request.method_mut() = http::Method::POST;
            let headers = request.headers_mut();
            headers.insert("x-amz-target", format!("OpsWorks_20130218.{action}").try_into().expect("plain ASCII"));
            headers.insert("amz-sdk-invocation-id", invocation.as_str().try_into().expect("plain ASCII"));
            request.extensions_mut().insert(Caller { arn: ADA.to_owned() });
            let api = Api::new(self.ports.clone(), ApiConfig::default());
            let Some(response) = self.live(api.call(request)).await else { continue };
            let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            return match response.status().as_u16() {
                200 => Ok(answer),
                status => Err(format!("{action} was answered {status} {answer}")),
            };
        }
    }

    /// A call about one instance.
    ///
    /// # Errors
    /// See [`World::call`].
    pub async fn ask(&self, action: &str, host: usize) -> Result<(), String> {
        self.call(action, json!({ "InstanceId": self.host(host) })).await.map(drop)
    }

    /// One tick, in a process of its own, and the minute after it.
    pub async fn minute(&self) {
        let tick = json!({
            "version": "0", "id": "t", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "123456789012",
            "time": self.clock.now().to_string(), "region": REGION, "resources": [], "detail": {},
        });
        let deps = Deps::new(self.ports.clone());
        let event = tick.to_string();
        if let Some(outcome) = self.live(strata_instance_lifecycle::handle(event.as_bytes(), &deps)).await {
            outcome.expect("nothing fails here but the process as a whole");
        }
        self.ticks_of_long_jobs(&event).await;
        self.pass(SignedDuration::from_mins(1)).await;
    }

    /// Five minutes go by in which nothing of Strata's runs.
    pub async fn alone(&self) {
        self.pass(SignedDuration::from_mins(5)).await;
    }

    /// Time goes by. Whatever the cloud and the store's change feed tell is lost: ticks alone bring everything forward.
    async fn pass(&self, time: SignedDuration) {
        self.clock.sleep(time).await;
        let told = self.cloud.advance(self.clock.now()).len() + self.store.take_changes().len();
        self.lost.set(self.lost.get() + told);
    }

    /// How many events and table changes nobody has heard of.
    pub fn lost(&self) -> usize {
        self.lost.get()
    }

    /// The record of an instance; `None` once it is gone.
    pub async fn record(&self, host: usize) -> Option<Instance> {
        self.record_of(self.host(host)).await
    }

    /// The record of the instance that was registered; `None` if none was, or it is gone.
    pub async fn registered(&self) -> Option<Instance> {
        let pk = keys::stack_pk(&self.stack);
        let listed = self.store.list(&Listing::of(pk, keys::INSTANCE)).await.expect("the store itself answers");
        let records = listed.into_iter().map(|item| item.decode::<Instance>().expect("records can be read"));
        records.into_iter().find(|record| record.registration.is_some())
    }

    async fn record_of(&self, host: &InstanceId) -> Option<Instance> {
        let item = self.store.get(&keys::instance(&self.stack, host)).await.expect("the store itself answers");
        item.map(|item| item.decode().expect("records can be read"))
    }

    /// Lets minutes pass until something holds.
    ///
    /// # Errors
    /// It never does.
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) -> Result<(), String> {
        for _ in 0..PATIENCE {
            if holds(self).await {
                return Ok(());
            }
            self.minute().await;
            let doubled = self.cloud.records_with_several_hosts();
            if !doubled.is_empty() {
                return Err(format!("{doubled:?} have a second machine"));
            }
            if let Some(problem) = self.problems.borrow().first() {
                return Err(problem.clone());
            }
        }
        Err(format!("within {PATIENCE} minutes it never came true that {what}"))
    }

    /// Lets minutes pass until an instance has a status.
    ///
    /// # Errors
    /// It never has.
    pub async fn until_status(&self, host: usize, status: InstanceStatus) -> Result<(), String> {
        let has_it = async |world: &Self| world.record(host).await.is_some_and(|record| record.status == status);
        self.until(&format!("web{host} is {status}"), has_it).await
    }

    /// Lets minutes pass until there is no work left, and then one look at everything.
    ///
    /// # Errors
    /// It never comes to rest.
    pub async fn settle(&self) -> Result<(), String> {
        let calm = Cell::new(0);
        let is_calm = async |world: &Self| {
            calm.set(if world.is_at_work().await { 0 } else { calm.get() + 1 });
            calm.get() > CALM
        };
        self.until("nothing is left to do", is_calm).await?;
        self.pass(SignedDuration::from_mins(16)).await;
        self.minute().await;
        self.minute().await;
        match self.is_at_work().await {
            true => Err("the full sweep has found something to do".to_owned()),
            false => Ok(()),
        }
    }

    async fn is_at_work(&self) -> bool {
        let mut is_at_work = false;
        for pk in [
            keys::BUSY_PK,
            keys::OUTBOX_PK,
            keys::LAUNCH_BACKLOG_PK,
            keys::BALANCERS_DUE_PK,
            keys::GROUPS_DUE_PK,
            keys::CAMPAIGNS_PK,
            keys::TEARDOWNS_PK,
        ] {
            let listed = self.store.list(&Listing::of(pk, "")).await.expect("the store itself answers");
            is_at_work |= !listed.is_empty();
        }
        is_at_work
    }

    /// Writes a record as a controller of our own would, in one commit; nobody dies at it.
    pub async fn put<T: serde::Serialize>(&self, key: Key, value: &T) {
        let standing = self.store.get(&key).await.expect("the store itself answers");
        let expect = standing.map_or(Expect::Absent, |item| item.unchanged());
        self.store.commit(vec![Change::put(key, value, expect)]).await.expect("nobody else writes it");
    }

    /// Removes a record likewise.
    pub async fn remove(&self, key: Key) {
        if let Some(item) = self.store.get(&key).await.expect("the store itself answers") {
            let change = Change::Delete { expect: item.unchanged(), key: item.key };
            self.store.commit(vec![change]).await.expect("nobody else writes it");
        }
    }
}
