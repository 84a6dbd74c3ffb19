//! A stack with hosts in the simulated cloud, the API in front of it, and a way to stop the world in the middle.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_domain::model::Instance;
use strata_domain::{Ec2InstanceId, InstanceId, SsmCommandId, StackId};
use strata_local::{CloudConfig, MemoryStore, SeededIds, SimCloud, VirtualClock, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{
    Change, Clock, CloudError, CommandRequest, CommandResult, Commands, CommitError, HttpService, Item, Key, Ping, Ports,
    StackScope, Store, StoreError, keys,
};

use crate::deployments::CommandRunner;
use crate::reconciler::{Config, Reconciler};
use crate::{Api, ApiConfig};

const REGION: &str = "us-east-1";
pub(super) const ADA: &str = "arn:aws:iam::123456789012:user/ada";

/// Everything that a test needs.
pub(super) struct World {
    pub(super) clock: Arc<VirtualClock>,
    pub(super) cloud: Arc<SimCloud>,
    pub(super) ports: Ports,
    pub(super) sent: Arc<Sent>,
    api: Api,
    pub(super) stack: String,
    pub(super) layer: String,
    pub(super) hosts: Vec<String>,
}

/// Runs a test on virtual time.
pub(super) fn on_virtual_time<T>(test: impl AsyncFnOnce() -> T) -> T {
    virtual_runtime().unwrap().block_on(test())
}

impl World {
    /// With so many online hosts in a cloud as `adjust` makes it.
    pub(super) async fn new(hosts: usize, adjust: impl FnOnce(&mut CloudConfig)) -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
        let mut config = CloudConfig::default();
        adjust(&mut config);
        let cloud = SimCloud::new(config, 1, clock.clone());
        cloud.serve_objects_at("https://files.example.com");
        let mut ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(SeededIds::new(1, "commands")));
        let sent = Arc::new(Sent { inner: ports.commands.clone(), requests: Mutex::default() });
        ports.commands = sent.clone();
        let api = Api::new(ports.clone(), ApiConfig::default());
        let mut world = Self { clock, cloud, ports, sent, api, stack: String::new(), layer: String::new(), hosts: Vec::new() };
        world.stack = world.new_stack().await;
        world.layer = world.new_layer(&world.stack).await;
        for _ in 0..hosts {
            let instance = world.instance().await;
            world.hosts.push(instance);
        }
        for host in world.hosts.clone() {
            world.until(&host, "online").await;
        }
        // What their Setup has left to do.
        world.minutes(3).await;
        world
    }

    async fn new_stack(&self) -> String {
        let members = json!({
            "Name": "shop", "Region": REGION, "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        text(&self.call("CreateStack", members).await["StackId"])
    }

    async fn new_layer(&self, stack: &str) -> String {
        let cluster = self.cloud.create_cluster("shop");
        self.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await;
        let attributes = json!({ "EcsClusterArn": cluster });
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": attributes,
            "Packages": ["jq", "htop"],
        });
        text(&self.call("CreateLayer", members).await["LayerId"])
    }

    /// A new instance that is asked to start.
    pub(super) async fn instance(&self) -> String {
        let members = json!({ "StackId": self.stack, "LayerIds": [self.layer], "InstanceType": "m5.large" });
        let instance = text(&self.call("CreateInstance", members).await["InstanceId"]);
        self.call("StartInstance", json!({ "InstanceId": instance })).await;
        instance
    }

    /// A call that succeeds.
    pub(super) async fn call(&self, action: &str, members: Value) -> Value {
        let mut request = Request::post("/")
            .header("x-amz-target", format!("OpsWorks_20130218.{action}"))
            .body(Bytes::from(members.to_string()))
            .unwrap();
        request.extensions_mut().insert(Caller { arn: ADA.to_owned() });
        let response = self.api.call(request).await;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        assert_eq!(response.status(), 200, "{action}: {body}");
        body
    }

    /// A deployment of a command, on all online instances.
    pub(super) async fn deploy(&self, name: &str, args: Value) -> String {
        let members = json!({ "StackId": self.stack, "Command": { "Name": name, "Args": args } });
        text(&self.call("CreateDeployment", members).await["DeploymentId"])
    }

    pub(super) async fn deployment(&self, id: &str) -> Value {
        self.call("DescribeDeployments", json!({ "DeploymentIds": [id] })).await["Deployments"][0].clone()
    }

    /// The newest first.
    pub(super) async fn commands(&self, by: Value) -> Vec<Value> {
        self.call("DescribeCommands", by).await["Commands"].as_array().unwrap().clone()
    }

    pub(super) async fn status(&self, instance: &str) -> String {
        text(&self.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await["Instances"][0]["Status"])
    }

    /// The machine of a host.
    pub(super) async fn machine(&self, at: usize) -> Ec2InstanceId {
        let item = self.item(&keys::instance(&self.stack_id(), &self.instance_id(at))).await.unwrap();
        item.decode::<Instance>().unwrap().ec2_instance_id.unwrap()
    }

    pub(super) fn runner(&self) -> CommandRunner {
        CommandRunner::new(self.ports.clone())
    }

    /// A tick of lifecycle, and the minute after it.
    pub(super) async fn minutes(&self, count: u32) {
        for _ in 0..count {
            Reconciler::new(self.ports.clone(), Config::default()).sweep("tick").await.unwrap();
            self.runner().tick("tick").await.unwrap();
            self.pass().await;
        }
    }

    /// A minute in which nobody looks.
    pub(super) async fn pass(&self) {
        self.clock.sleep(SignedDuration::from_mins(1)).await;
        self.cloud.advance(self.clock.now());
    }

    pub(super) async fn until(&self, instance: &str, status: &str) {
        for _ in 0..120 {
            if self.status(instance).await == status {
                return;
            }
            self.minutes(1).await;
        }
        panic!("{instance} is {}, expected {status}", self.status(instance).await);
    }

    /// Ticks until the deployment is no longer running.
    pub(super) async fn finished(&self, id: &str) -> Value {
        for _ in 0..240 {
            let deployment = self.deployment(id).await;
            if deployment["Status"] != "running" {
                return deployment;
            }
            self.minutes(1).await;
        }
        panic!("{id} is still running");
    }

    /// Sends what is told.
    pub(super) async fn flush(&self) {
        let Ports { store, pager, events, clock, .. } = &self.ports;
        strata_ports::tell::flush_outbox(&**store, &**pager, &**events, clock.now()).await.unwrap();
    }

    pub(super) async fn item(&self, key: &Key) -> Option<Item> {
        self.ports.store.get(key).await.unwrap()
    }

    pub(super) async fn list(&self, pk: &str) -> Vec<Item> {
        self.ports.store.list(&Listing::of(pk, "")).await.unwrap()
    }

    pub(super) fn stack_id(&self) -> StackId {
        StackId::from(self.stack.as_str())
    }

    pub(super) fn instance_id(&self, at: usize) -> InstanceId {
        InstanceId::from(self.hosts[at].as_str())
    }

    /// A runner that lives for so many calls of store and SSM; `after`: the last of them takes effect, and nobody hears of it.
    pub(super) fn doomed(&self, calls: usize, after: bool) -> (CommandRunner, Arc<Life>) {
        let life = Arc::new(Life { left: AtomicUsize::new(calls), after });
        let ports = Ports {
            store: Arc::new(Mortal { life: life.clone(), inner: self.ports.store.clone() }),
            commands: Arc::new(Mortal { life: life.clone(), inner: self.ports.commands.clone() }),
            ..self.ports.clone()
        };
        (CommandRunner::new(ports), life)
    }
}

#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// Notes what was sent, and hands it on.
pub(super) struct Sent {
    inner: Arc<dyn Commands>,
    requests: Mutex<Vec<CommandRequest>>,
}

impl Sent {
    pub(super) fn requests(&self) -> Vec<CommandRequest> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// The nonces of what was sent, each once.
    pub(super) fn nonces(&self) -> BTreeSet<String> {
        self.requests().into_iter().map(|r| r.nonce).collect()
    }
}

#[async_trait]
impl Commands for Sent {
    async fn send(&self, scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        self.requests.lock().unwrap().push(request.clone());
        self.inner.send(scope, request).await
    }
    async fn results(&self, scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        self.inner.results(scope, ids).await
    }
    async fn pings(&self, scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        self.inner.pings(scope, hosts).await
    }
}

/// How many calls an invocation still lives for.
pub(super) struct Life {
    left: AtomicUsize,
    after: bool,
}

/// What becomes of a call.
enum Fate {
    Done,
    /// It takes effect, and nobody hears of it.
    Unheard,
    Dead,
}

impl Life {
    /// Whether it was over before the work was done.
    pub(super) fn is_over(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    fn spend(&self) -> Fate {
        match self.left.load(Ordering::SeqCst) {
            0 => Fate::Dead,
            left => {
                self.left.store(left - 1, Ordering::SeqCst);
                if left == 1 && self.after { Fate::Unheard } else { Fate::Done }
            }
        }
    }
}

/// A port of an invocation that is stopped in the middle.
struct Mortal<P: ?Sized> {
    life: Arc<Life>,
    inner: Arc<P>,
}

const WHY: &str = "the world has stopped";

#[async_trait]
impl Store for Mortal<dyn Store> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        match self.life.spend() {
            Fate::Done => self.inner.get(key).await,
            Fate::Unheard | Fate::Dead => Err(StoreError::Unavailable { why: WHY.to_owned() }),
        }
    }
    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        match self.life.spend() {
            Fate::Done => self.inner.list(listing).await,
            Fate::Unheard | Fate::Dead => Err(StoreError::Unavailable { why: WHY.to_owned() }),
        }
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        match self.life.spend() {
            Fate::Done => self.inner.commit(changes).await,
            Fate::Unheard => {
                self.inner.commit(changes).await?;
                Err(CommitError::OutcomeUnknown { why: WHY.to_owned() })
            }
            Fate::Dead => Err(CommitError::Unavailable { why: WHY.to_owned() }),
        }
    }
}

#[async_trait]
impl Commands for Mortal<dyn Commands> {
    async fn send(&self, scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        match self.life.spend() {
            Fate::Done => self.inner.send(scope, request).await,
            Fate::Unheard => {
                self.inner.send(scope, request).await?;
                Err(CloudError::OutcomeUnknown { action: "ssm:SendCommand", why: WHY.to_owned() })
            }
            Fate::Dead => Err(CloudError::RetryLater { action: "ssm:SendCommand", why: WHY.to_owned() }),
        }
    }
    async fn results(&self, scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        match self.life.spend() {
            Fate::Done => self.inner.results(scope, ids).await,
            Fate::Unheard | Fate::Dead => {
                Err(CloudError::RetryLater { action: "ssm:ListCommandInvocations", why: WHY.to_owned() })
            }
        }
    }
    async fn pings(&self, scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        self.inner.pings(scope, hosts).await
    }
}
