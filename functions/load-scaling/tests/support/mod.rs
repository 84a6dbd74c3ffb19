//! A stack with an ECS layer over the local world, as a scaler meets it: the real API, a store in memory, virtual time. Time-scaling's
//! tests use it too.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig};
use strata_domain::decision::DecisionRecord;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::mode::Mode;
use strata_domain::model::Instance;
use strata_domain::{InstanceId, InstanceStatus, LayerId, StackId};
use strata_fleet::Fleet;
use strata_local::{CloudConfig, MemoryStore, SeededIds, SimCloud, VirtualClock, opsworks_client, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Change, Clock, Expect, HttpService, ModeScope, Ports, keys};

pub(crate) const TICK: &[u8] = include_bytes!("../../../../events/schedule-tick.json");
const CONTROLLERS: &str = "arn:aws:iam::123456789012:role/strata-controllers";

/// Runs a test on virtual time.
pub(crate) fn on_virtual_time(test: impl Future<Output = ()>) {
    virtual_runtime().unwrap().block_on(test);
}

/// What becomes of StartInstance for one instance.
#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    /// It is never answered.
    Silence,
    /// It is answered by the front door, not by the API.
    Failure,
}

/// The API's front door, which can be made to jam.
pub(crate) struct Door {
    api: Api,
    trouble: Mutex<Option<(InstanceId, Trouble)>>,
}

impl Door {
    pub(crate) fn jam(&self, trouble: Option<(&InstanceId, Trouble)>) {
        *self.trouble.lock().unwrap() = trouble.map(|(id, t)| (id.clone(), t));
    }

    fn trouble_of(&self, request: &Request<Bytes>) -> Option<Trouble> {
        let trouble = self.trouble.lock().unwrap();
        let (id, trouble) = trouble.as_ref()?;
        let is_start = request.headers()["x-amz-target"].to_str().unwrap().ends_with(".StartInstance");
        (is_start && String::from_utf8_lossy(request.body()).contains(id.as_str())).then_some(*trouble)
    }
}

#[async_trait]
impl HttpService for Door {
    async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        match self.trouble_of(&request) {
            None => self.api.call(request).await,
            Some(Trouble::Silence) => std::future::pending().await,
            Some(Trouble::Failure) => Response::builder().status(502).body(Bytes::new()).unwrap(),
        }
    }
}

/// The stack `shop` and its layer `ecs-cluster`.
pub(crate) struct Shop {
    pub(crate) ports: Ports,
    pub(crate) cloud: Arc<SimCloud>,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) door: Arc<Door>,
    pub(crate) stack: StackId,
    pub(crate) layer: LayerId,
}

impl Shop {
    /// Without instances, at `start`.
    pub(crate) async fn at(start: &str) -> Self {
        let clock = Arc::new(VirtualClock::new(start.parse().unwrap()));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        let ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(SeededIds::new(1, "test")));
        let api = Api::new(ports.clone(), ApiConfig::default());
        let door = Arc::new(Door { api, trouble: Mutex::new(None) });
        let mut shop = Self { ports, cloud, clock, door, stack: StackId::from(""), layer: LayerId::from("") };
        let stack = json!({
            "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        let stack = shop.call("CreateStack", stack).await["StackId"].clone();
        let cluster = shop.cloud.create_cluster("shop");
        shop.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await;
        let layer = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": cluster },
        });
        shop.layer = LayerId::from(shop.call("CreateLayer", layer).await["LayerId"].as_str().unwrap());
        shop.stack = StackId::from(stack.as_str().unwrap());
        shop
    }

    /// An action of the API, called by a person.
    pub(crate) async fn call(&self, action: &str, members: Value) -> Value {
        let request = Request::post("/").header("x-amz-target", format!("OpsWorks_20130218.{action}"));
        let mut request = request.body(Bytes::from(members.to_string())).unwrap();
        request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
        let response = self.door.call(request).await;
        assert_eq!(response.status(), 200, "{action}: {:?}", response.body());
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    /// The controllers' way to the API.
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new(opsworks_client(self.door.clone(), CONTROLLERS, self.clock.clone(), 1))
    }

    /// A stopped instance, `kind` is `load` or `timer`. It takes a second, so that each is younger than the one before.
    pub(crate) async fn instance(&self, kind: &str, hostname: &str) -> InstanceId {
        self.clock.sleep(SignedDuration::from_secs(1)).await;
        let members = json!({
            "StackId": self.stack, "LayerIds": [self.layer], "InstanceType": "m5.large", "Hostname": hostname, "AutoScalingType": kind,
        });
        InstanceId::from(self.call("CreateInstance", members).await["InstanceId"].as_str().unwrap())
    }

    pub(crate) async fn record(&self, id: &InstanceId) -> Instance {
        self.ports.store.get(&keys::instance(&self.stack, id)).await.unwrap().unwrap().decode().unwrap()
    }

    pub(crate) async fn status(&self, id: &InstanceId) -> InstanceStatus {
        self.record(id).await.status
    }

    /// What lifecycle would bring about.
    pub(crate) async fn settle(&self, id: &InstanceId, status: InstanceStatus) {
        let key = keys::instance(&self.stack, id);
        let stored = self.ports.store.get(&key).await.unwrap().unwrap();
        let record = Instance { status, ..stored.decode().unwrap() };
        self.ports.store.commit(vec![Change::put(key, &record, stored.unchanged())]).await.unwrap();
    }

    /// A person's hold.
    pub(crate) async fn hold(&self, id: &InstanceId) {
        let hold = Hold {
            target: HoldTarget::Instance(id.clone()),
            kind: HoldKind::Person,
            by: "ada".to_owned(),
            reason: "debugging".to_owned(),
            since: self.clock.now(),
            until: None,
        };
        let key = keys::instance_hold(&self.stack, id, "person");
        self.ports.store.commit(vec![Change::put(key, &hold, Expect::Absent)]).await.unwrap();
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.cloud.set_mode(ModeScope::Installation, Some(mode));
    }

    pub(crate) async fn pass_minutes(&self, minutes: i64) {
        self.clock.sleep(SignedDuration::from_mins(minutes)).await;
    }

    /// What the journal says was done: each decision as `did`, oldest first.
    pub(crate) async fn journal(&self) -> Vec<String> {
        let items = self.ports.store.list(&Listing::of(keys::journal_pk(Some(&self.stack)), "")).await.unwrap();
        let mut decisions: Vec<DecisionRecord> = items.iter().map(|i| i.decode().unwrap()).collect();
        decisions.sort_by_key(|d| d.at);
        decisions.into_iter().map(|d| d.did).collect()
    }
}
