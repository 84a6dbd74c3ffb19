//! Two stacks with a cluster each, the real API, lifecycle, scalers and teardown over the simulated cloud; ticks alone bring everything forward.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig};
use strata_domain::decision::{DecisionRecord, Page};
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::{ClusterArn, InstanceId, InstanceStatus, LayerId, StackId};
use strata_fleet::Fleet;
use strata_local::cloud::{ApiSettings, CloudConfig, Ec2Settings, EcsSettings, Spread, SsmSettings};
use strata_local::{MemoryStore, SeededIds, SimCloud, VirtualClock, opsworks_client};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Clock, ContainerInstanceState, HttpService, Ports, Store, keys};
use strata_triggers::{RequestVerb, TeardownRequest, emit};

const CONTROLLERS: &str = "arn:aws:iam::123456789012:role/strata-controllers";
pub(crate) const ADA: &str = "arn:aws:iam::123456789012:user/ada";

/// A stack with its layer and cluster.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) stack: StackId,
    pub(crate) layer: LayerId,
    pub(crate) cluster: ClusterArn,
}

pub(crate) struct World {
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) cloud: Arc<SimCloud>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) ports: Ports,
    api: Arc<Api>,
    lifecycle: strata_instance_lifecycle::Deps,
    load: strata_load_scaling::Deps,
    time: strata_time_scaling::Deps,
    teardown: strata_teardown::Deps,
    calls: Cell<u32>,
}

fn config() -> CloudConfig {
    let s = |seconds: i64| Spread::fixed_ms(seconds * 1_000);
    CloudConfig {
        ec2: Ec2Settings {
            pending: s(10),
            boot: s(60),
            stop: s(20),
            terminate: s(20),
            describe_lag: s(0),
            ..Ec2Settings::default()
        },
        ssm: SsmSettings {
            delivery: s(1),
            setup: s(60),
            setup_updates: s(0),
            shutdown: s(5),
            configure: s(5),
            ..SsmSettings::default()
        },
        ecs: EcsSettings { task_start: s(10), task_stop: s(5), agent_connect: s(5), ..EcsSettings::default() },
        api: ApiSettings { read_latency: s(0), write_latency: s(0), ..ApiSettings::default() },
        ..CloudConfig::default()
    }
}

impl World {
    /// An empty account, at 2026-03-02, a Monday, 09:00.
    pub(crate) fn new() -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T09:00:00Z".parse().unwrap()));
        let cloud = SimCloud::new(config(), 1, clock.clone());
        let store = Arc::new(MemoryStore::new());
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(1, "teardown")));
        let api = Arc::new(Api::new(ports.clone(), ApiConfig::default()));
        let fleet = Fleet::new(opsworks_client(api.clone(), CONTROLLERS, clock.clone(), 1));
        let p = ports.clone();
        let time = strata_time_scaling::Deps {
            fleet: fleet.clone(),
            store: p.store.clone(),
            modes: p.modes.clone(),
            pager: p.pager.clone(),
            events: p.events.clone(),
            clock: p.clock.clone(),
            ids: p.ids.clone(),
        };
        let teardown = strata_teardown::Deps {
            fleet: fleet.clone(),
            store: p.store,
            containers: p.containers,
            modes: p.modes,
            pager: p.pager,
            events: p.events,
            clock: p.clock,
            ids: p.ids,
        };
        Self {
            lifecycle: strata_instance_lifecycle::Deps::new(ports.clone()),
            load: strata_load_scaling::Deps::new(fleet, ports.clone()),
            time,
            teardown,
            clock,
            cloud,
            store,
            ports,
            api,
            calls: Cell::new(0),
        }
    }

    /// A stack of that name with a cluster of that name and a layer for it, named `<name> hosts`; `more` are members of CreateLayer.
    pub(crate) async fn place(&self, name: &str, more: Value) -> Place {
        let members = json!({
            "Name": name, "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2", "DefaultOs": "Amazon Linux 2023",
        });
        let stack = self.made("CreateStack", members, "StackId").await;
        let cluster = self.cloud.create_cluster(name);
        self.good("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await;
        let mut members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": format!("{name} hosts"), "Shortname": "ecs-cluster",
            "Attributes": { "EcsClusterArn": cluster },
        });
        for (member, value) in more.as_object().unwrap() {
            members[member] = value.clone();
        }
        let layer = self.made("CreateLayer", members, "LayerId").await;
        Place { stack: stack.as_str().into(), layer: layer.as_str().into(), cluster }
    }

    /// A stopped instance of the layer.
    pub(crate) async fn instance(&self, place: &Place, hostname: &str, more: Value) -> InstanceId {
        let mut members = json!({
            "StackId": place.stack, "LayerIds": [place.layer], "InstanceType": "m5.large", "Hostname": hostname,
        });
        for (member, value) in more.as_object().unwrap() {
            members[member] = value.clone();
        }
        self.made("CreateInstance", members, "InstanceId").await.as_str().into()
    }

    /// One that is in service.
    pub(crate) async fn online(&self, place: &Place, hostname: &str) -> InstanceId {
        let id = self.instance(place, hostname, json!({})).await;
        self.good("StartInstance", json!({ "InstanceId": id })).await;
        self.until(&format!("{hostname} is online"), async |w| w.status(place, &id).await == Some(InstanceStatus::Online)).await;
        id
    }

    async fn made(&self, action: &str, members: Value, id: &str) -> String {
        self.good(action, members).await[id].as_str().unwrap().to_owned()
    }

    /// A call of a person's that succeeds.
    pub(crate) async fn good(&self, action: &str, members: Value) -> Value {
        self.call(action, members).await.unwrap_or_else(|problem| panic!("{action}: {problem}"))
    }

    /// A call of a person's: the answer, or the text of the refusal.
    pub(crate) async fn call(&self, action: &str, members: Value) -> Result<Value, String> {
        self.calls.set(self.calls.get() + 1);
        let mut request = Request::new(Bytes::from(members.to_string()));
        *request.method_mut() = http::Method::POST;
        let headers = request.headers_mut();
        headers.insert("x-amz-target", format!("OpsWorks_20130218.{action}").try_into().unwrap());
        headers.insert("amz-sdk-invocation-id", format!("call-{}", self.calls.get()).try_into().unwrap());
        request.extensions_mut().insert(Caller { arn: ADA.to_owned() });
        let response = self.api.call(request).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        match response.status().as_u16() {
            200 => Ok(answer),
            _ => Err(answer["message"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// A request about the teardown of a layer, with these options of (services, volumes, addresses, stack).
    pub(crate) async fn ask(&self, verb: RequestVerb, place: &Place, goes: (bool, bool, bool, bool)) -> Vec<DecisionRecord> {
        let layer = self.good("DescribeLayers", json!({ "LayerIds": [place.layer] })).await;
        let request = TeardownRequest {
            verb,
            stack: place.stack.to_string(),
            layer: place.layer.to_string(),
            requested_by: ADA.to_owned(),
            delete_services: goes.0,
            delete_volumes: goes.1,
            delete_addresses: goes.2,
            delete_stack: goes.3,
            confirm: layer["Layers"][0]["Name"].as_str().map(str::to_owned),
            at: self.clock.now(),
        };
        let id = format!("request-{}", self.calls.get());
        let envelope = emit::Envelope { id: &id, account: "123456789012", region: "us-east-1", at: self.clock.now() };
        let event = emit::teardown_request(&envelope, &request);
        strata_teardown::handle(event.as_bytes(), &self.teardown).await.unwrap().decisions
    }

    /// One tick of all functions, and the minute after it.
    pub(crate) async fn minute(&self) {
        self.tick().await;
        self.pass(SignedDuration::from_mins(1)).await;
    }

    pub(crate) async fn tick(&self) {
        let event = include_bytes!("../../../events/schedule-tick.json");
        strata_instance_lifecycle::handle(event, &self.lifecycle).await.unwrap();
        strata_load_scaling::handle(event, &self.load).await.unwrap();
        strata_time_scaling::handle(event, &self.time).await.unwrap();
        strata_teardown::handle(event, &self.teardown).await.unwrap();
    }

    pub(crate) async fn pass(&self, time: SignedDuration) {
        self.clock.sleep(time).await;
        // Whatever the cloud and the store's change feed tell is lost.
        self.cloud.advance(self.clock.now());
        self.store.take_changes();
    }

    pub(crate) async fn pass_until(&self, at: &str) {
        let at: Timestamp = at.parse().unwrap();
        self.pass(at.duration_since(self.clock.now())).await;
    }

    pub(crate) async fn minutes(&self, count: usize) {
        for _ in 0..count {
            self.minute().await;
        }
    }

    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        for _ in 0..240 {
            if holds(self).await {
                return;
            }
            self.minute().await;
        }
        panic!("it never came true that {what}; the journal: {:#?}", self.journal().await);
    }

    pub(crate) async fn until_layer_gone(&self, place: &Place) {
        self.until("the layer is gone", async |w| w.call("DescribeLayers", json!({ "LayerIds": [place.layer] })).await.is_err())
            .await;
    }

    pub(crate) async fn record(&self, place: &Place, id: &InstanceId) -> Option<Instance> {
        let item = self.store.get(&keys::instance(&place.stack, id)).await.unwrap();
        item.map(|item| item.decode().unwrap())
    }

    pub(crate) async fn status(&self, place: &Place, id: &InstanceId) -> Option<InstanceStatus> {
        self.record(place, id).await.map(|record| record.status)
    }

    pub(crate) async fn is_marked(&self, place: &Place) -> bool {
        self.store.get(&keys::teardown_mark(&place.stack, &place.layer)).await.unwrap().is_some()
    }

    /// What teardown and lifecycle did, in short.
    pub(crate) async fn journal(&self) -> Vec<String> {
        let mut all = Vec::new();
        for stack in self.good("DescribeStacks", json!({})).await["Stacks"].as_array().unwrap() {
            let pk = keys::journal_pk(Some(&stack["StackId"].as_str().unwrap().into()));
            let items = self.store.list(&Listing::of(pk, "")).await.unwrap();
            all.extend(items.iter().map(|i| i.decode::<DecisionRecord>().unwrap()));
        }
        all.sort_by_key(|d| d.at);
        all.iter().map(|d| format!("{} {}: {} because {}", d.at, d.function, d.did, d.why)).collect()
    }

    /// The pages of a kind so far.
    pub(crate) fn pages(&self, kind: PageKind) -> Vec<Page> {
        self.cloud.pages(0).into_iter().map(|(_, page)| page).filter(|page| page.kind == kind).collect()
    }

    /// Container instances of the cluster: how many are ACTIVE, how many DRAINING.
    pub(crate) fn containers(&self, place: &Place) -> (usize, usize) {
        let view = self.cloud.world_view();
        let of = |state| view.containers.iter().filter(|c| c.cluster == place.cluster && c.state == state).count();
        (of(ContainerInstanceState::Active), of(ContainerInstanceState::Draining))
    }
}
