//! A house to test in: an API, its store and cloud, and the words of the domain.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::model::Instance;
use strata_local::cloud::{BucketSize, CloudConfig, Spread};
use strata_local::{SimCloud, VirtualClock};
use strata_ports::http_service::Caller;
use strata_ports::{Change, HttpService, Item, Key, Ports, Store, keys};

use super::test_cloud::TestCloud;
use super::test_store::TestStore;
use crate::api::{Api, ApiConfig};
use crate::records::{Stored, busy_changes, removal_changes};

pub(in crate::api) const REGION: &str = "eu-west-1";
pub(in crate::api) const ACCOUNT: &str = "123456789012";
pub(in crate::api) const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop";
pub(in crate::api) const USER: &str = "arn:aws:iam::123456789012:user/ada";
pub(in crate::api) const CONTROLLERS: &str = "arn:aws:iam::123456789012:role/strata-controllers";

/// An API over a store and a cloud of its own. Cheap to clone; clones share all.
#[derive(Clone)]
pub(in crate::api) struct TestApi {
    pub(super) api: Arc<Api>,
    pub(super) store: Arc<TestStore>,
    pub(super) cloud: Arc<TestCloud>,
    /// What the account has, and what IAM says; everything is known and allowed until a test adds something of the kind.
    pub(super) account: Arc<SimCloud>,
}

/// An account in three zones, whose APIs answer at once and never throttle.
fn account() -> Arc<SimCloud> {
    let mut config = CloudConfig { account: ACCOUNT.into(), region: REGION.into(), ..CloudConfig::default() };
    config.ec2.zones = ["a", "b", "c"].map(|zone| format!("{REGION}{zone}")).into();
    config.ec2.subnets = ["a", "b", "c"].map(|zone| (format!("subnet-{zone}"), format!("{REGION}{zone}"))).into();
    (config.api.read_latency, config.api.write_latency) = (Spread::fixed_ms(0), Spread::fixed_ms(0));
    config.api.ec2_describe = BucketSize { burst: 1_000_000, per_second: 1 };
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    SimCloud::new(config, 1, Arc::new(VirtualClock::new(start)))
}

/// An answer, read.
#[derive(Debug)]
pub(in crate::api) struct Reply {
    pub(super) response: Response<Bytes>,
    pub(super) body: Value,
}

impl Reply {
    /// The body of a success.
    #[track_caller]
    pub(super) fn good(self) -> Value {
        assert_eq!(self.response.status(), 200, "{}", self.body);
        self.body
    }

    /// The text of an error of this type.
    #[track_caller]
    pub(super) fn error(self, kind: &str) -> String {
        assert_eq!(self.body["__type"], kind, "{}", self.body);
        assert_eq!(self.response.headers()["x-amzn-errortype"], kind);
        self.body["message"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(super) fn invalid(self) -> String {
        self.error("ValidationException")
    }

    #[track_caller]
    pub(super) fn not_found(self) -> String {
        self.error("ResourceNotFoundException")
    }
}

impl TestApi {
    /// An empty installation with one ECS cluster that nobody has registered.
    pub(in crate::api) fn new() -> Self {
        Self::over(|_| {})
    }

    /// The same, over ports that are adjusted first.
    pub(super) fn over(adjust: impl FnOnce(&mut Ports)) -> Self {
        Self::with(adjust, ApiConfig::default())
    }

    /// The same, over ports that are adjusted first, with the limits of `config`.
    pub(super) fn with(adjust: impl FnOnce(&mut Ports), config: ApiConfig) -> Self {
        let (store, cloud) = (Arc::new(TestStore::default()), Arc::new(TestCloud::default()));
        cloud.set_now("2026-01-01T00:00:00Z");
        let account = account();
        cloud.clusters.lock().unwrap().insert(CLUSTER.into(), true);
        let mut ports = Ports {
            store: store.clone(),
            compute: cloud.clone(),
            attachments: account.clone(),
            containers: cloud.clone(),
            inventory: account.clone(),
            load_balancers: account.clone(),
            upkeep: account.clone(),
            identity: account.clone(),
            commands: cloud.clone(),
            alarms: cloud.clone(),
            pager: cloud.clone(),
            events: cloud.clone(),
            modes: account.clone(),
            objects: account.clone(),
            clock: cloud.clone(),
            ids: cloud.clone(),
        };
        adjust(&mut ports);
        let config = ApiConfig {
            region: REGION.into(),
            account: ACCOUNT.into(),
            controller_role_arns: vec![CONTROLLERS.into()],
            public_url: config.public_url.or(Some("https://api.example.com:8443/".into())),
            ..config
        };
        Self { api: Arc::new(Api::new(ports, config)), store, cloud, account }
    }

    /// An HTTP request for an action, by the user Ada.
    pub(super) fn request(action: &str, body: impl Into<Bytes>) -> Request<Bytes> {
        let mut request =
            Request::post("/").header("x-amz-target", format!("OpsWorks_20130218.{action}")).body(body.into()).unwrap();
        request.extensions_mut().insert(Caller { arn: USER.into() });
        request
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Reply {
        let response = self.api.call(request).await;
        let body = if response.body().is_empty() { Value::Null } else { serde_json::from_slice(response.body()).unwrap() };
        Reply { response, body }
    }

    pub(super) async fn call(&self, action: &str, members: Value) -> Reply {
        self.send(Self::request(action, members.to_string())).await
    }

    /// The same call by somebody else.
    pub(super) async fn call_as(&self, arn: &str, action: &str, members: Value) -> Reply {
        let mut request = Self::request(action, members.to_string());
        request.extensions_mut().insert(Caller { arn: arn.into() });
        self.send(request).await
    }

    /// The same call by the controllers' role.
    pub(super) async fn call_as_controller(&self, action: &str, members: Value) -> Reply {
        self.call_as(CONTROLLERS, action, members).await
    }

    pub(super) async fn stack(&self, name: &str) -> String {
        let members = json!({
            "Name": name, "Region": REGION, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/service"),
            "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"),
        });
        text(&self.call("CreateStack", members).await.good()["StackId"])
    }

    pub(super) async fn register(&self, stack: &str) {
        self.call("RegisterEcsCluster", json!({ "EcsClusterArn": CLUSTER, "StackId": stack })).await.good();
    }

    pub(super) async fn ecs_layer(&self, stack: &str) -> String {
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": CLUSTER },
        });
        text(&self.call("CreateLayer", members).await.good()["LayerId"])
    }

    pub(super) async fn custom_layer(&self, stack: &str, name: &str) -> String {
        let members = json!({ "StackId": stack, "Type": "custom", "Name": name, "Shortname": name });
        text(&self.call("CreateLayer", members).await.good()["LayerId"])
    }

    /// A stack with the cluster registered and an ECS layer.
    pub(super) async fn shop(&self) -> (String, String) {
        let stack = self.stack("shop").await;
        self.register(&stack).await;
        let layer = self.ecs_layer(&stack).await;
        (stack, layer)
    }

    pub(super) async fn instance(&self, stack: &str, layer: &str, more: Value) -> String {
        let mut members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large" });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        text(&self.call("CreateInstance", members).await.good()["InstanceId"])
    }

    /// An instance as described.
    pub(super) async fn described(&self, instance: &str) -> Value {
        self.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await.good()["Instances"][0].clone()
    }

    /// The record of an instance.
    pub(super) async fn record(&self, instance: &str) -> Stored<Instance> {
        let owner: keys::Owner = self.item(&keys::pointer(instance)).await.unwrap().decode().unwrap();
        Stored::of(self.item(&keys::instance(&owner.stack_id, &instance.into())).await.unwrap()).unwrap()
    }

    pub(super) async fn item(&self, key: &Key) -> Option<Item> {
        self.store.get(key).await.unwrap()
    }

    pub(super) async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(changes).await.unwrap();
    }

    /// What lifecycle would do in the end: the instance has this status.
    pub(super) async fn settle(&self, instance: &str, status: InstanceStatus) {
        let stored = self.record(instance).await;
        let mut next = stored.record.clone();
        next.status = status;
        let mut changes = vec![stored.put(&next)];
        changes.extend(busy_changes(self.store.as_ref(), &next, !status.is_at_rest()).await.unwrap());
        self.commit(changes).await;
    }

    /// What lifecycle would do at the end of a deletion.
    pub(super) async fn finish_deletion(&self, instance: &str) {
        let changes = removal_changes(self.store.as_ref(), &self.record(instance).await).await.unwrap();
        self.commit(changes).await;
    }
}

/// `members` with `more` in their place or beside them.
pub(super) fn with(members: &Value, more: Value) -> Value {
    let mut all = members.clone();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// A JSON string's text.
#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
