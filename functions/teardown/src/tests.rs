use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strata_domain::decision::{Page, Verdict};
use strata_domain::mode::Mode;
use strata_domain::teardown::{TeardownOutcome, TeardownState};
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, StackId, TaskArn};
use strata_local::{MemoryStore, SeededIds, opsworks_client};
use strata_ports::*;

use super::*;

mod asked;

const STACK: &str = "stack-1";
const LAYER: &str = "layer-1";
const CLUSTER: &str = "arn:aws:ecs:eu-central-1:123456789012:cluster/blue";

#[derive(Default)]
struct State {
    now: Option<Timestamp>,
    /// Host and status, in the layer.
    hosts: Vec<(&'static str, &'static str)>,
    /// Name, desired and running.
    services: Vec<(&'static str, u32, u32)>,
    /// Host, task, service, and whether it is protected from scale-in.
    tasks: Vec<(&'static str, &'static str, Option<&'static str>, bool)>,
    has_layer: bool,
    has_stack: bool,
    has_other_layer: bool,
    is_registered: bool,
    settings: &'static str,
    mode: Option<Mode>,
    /// What was asked of the world, in order.
    done: Vec<String>,
    pages: Vec<Page>,
    /// Changing calls and commits so far.
    calls: usize,
    /// The number of the call that fails, and whether it has its effect first.
    fail: Option<(usize, bool)>,
}

impl State {
    /// `Some(after its effect)` when this call fails.
    fn fault(&mut self) -> Option<bool> {
        self.calls += 1;
        self.fail.filter(|(n, _)| *n == self.calls).map(|(_, after)| after)
    }

    fn set(&mut self, host: &str, status: &'static str) {
        self.hosts.iter_mut().filter(|(h, _)| *h == host).for_each(|(_, s)| *s = status);
    }

    /// One action of the API; an error's type and text when it is refused.
    fn api(&mut self, action: &str, input: &Value) -> Result<Value, (&'static str, String)> {
        let gone = || ("ResourceNotFoundException", "no such thing".to_owned());
        let refused = |why: &str| ("ValidationException", why.to_owned());
        if action.starts_with("Describe") {
            return self.describe(action).ok_or_else(gone);
        }
        let fault = self.fault();
        if fault == Some(false) {
            return Err(refused("fault"));
        }
        let host = input["InstanceId"].as_str().unwrap_or_default();
        match action {
            "StopInstance" => self.set(host, "stopping"),
            "DeleteInstance" => self.set(host, "terminating"),
            "DeregisterEcsCluster" if !self.hosts.is_empty() => return Err(refused("it has members")),
            "DeregisterEcsCluster" if !self.is_registered => return Err(gone()),
            "DeregisterEcsCluster" => self.is_registered = false,
            "DeleteLayer" if !self.hosts.is_empty() => return Err(refused("it has instances")),
            "DeleteLayer" if !self.has_layer => return Err(gone()),
            "DeleteLayer" => self.has_layer = false,
            "DeleteStack" if self.has_layer || self.has_other_layer => return Err(refused("it has layers")),
            "DeleteStack" if !self.has_stack => return Err(gone()),
            "DeleteStack" => self.has_stack = false,
            other => panic!("a teardown never calls {other}"),
        }
        let volumes = if input["DeleteVolumes"] == json!(true) { " with volumes" } else { "" };
        self.done.push(format!("{action} {host}{volumes}").trim_end().to_owned());
        if fault == Some(true) { Err(refused("fault")) } else { Ok(json!({})) }
    }

    fn describe(&self, action: &str) -> Option<Value> {
        let layer = |id: &str, name: &str| {
            json!({"LayerId": id, "StackId": STACK, "Name": name, "Shortname": id,
            "Attributes": if self.is_registered { json!({"EcsClusterArn": CLUSTER}) } else { json!({}) }, "CustomJson": self.settings})
        };
        let host = |(h, status): &(&str, &str)| {
            json!({"InstanceId": h, "Hostname": h, "Status": status, "EcsContainerInstanceArn": h, "LayerIds": [LAYER],
            "AvailabilityZone": "a", "CreatedAt": "2026-01-01T00:00:00+00:00", "InfrastructureClass": "ec2"})
        };
        if !self.has_stack {
            return None;
        }
        Some(match action {
            "DescribeStacks" => {
                json!({"Stacks": [{"StackId": STACK, "Name": "shop", "Region": "eu-central-1", "ServiceRoleArn": "role"}]})
            }
            "DescribeLayers" => {
                let own = self.has_layer.then(|| layer(LAYER, "Web hosts"));
                let other = self.has_other_layer.then(|| layer("layer-2", "db"));
                json!({"Layers": own.into_iter().chain(other).collect::<Vec<_>>()})
            }
            "DescribeInstances" => json!({"Instances": self.hosts.iter().map(host).collect::<Vec<_>>()}),
            "DescribeEcsClusters" => {
                let cluster = self.is_registered.then(|| json!({"EcsClusterArn": CLUSTER, "StackId": STACK}));
                json!({"EcsClusters": cluster.into_iter().collect::<Vec<_>>()})
            }
            other => panic!("a teardown never asks {other}"),
        })
    }
}

struct Port(Arc<Mutex<State>>, Arc<MemoryStore>);

impl Clock for Port {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now.unwrap()
    }
}

#[async_trait]
impl Store for Port {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.1.get(key).await
    }
    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        self.1.list(listing).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let fault = self.0.lock().unwrap().fault();
        if fault == Some(false) {
            return Err(CommitError::Unavailable { why: "fault".into() });
        }
        self.1.commit(changes).await?;
        if fault == Some(true) { Err(CommitError::OutcomeUnknown { why: "fault".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl Containers for Port {
    async fn services(&self, _: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        assert_eq!(cluster.as_str(), CLUSTER);
        let view = |(name, desired, running): &(&str, u32, u32)| EcsService {
            arn: ServiceArn::from(*name),
            name: (*name).to_owned(),
            desired: *desired,
            running: *running,
            pending: 0,
            daemon: false,
        };
        Ok(self.0.lock().unwrap().services.iter().map(view).collect())
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, service: &ServiceArn, desired: u32) -> Result<(), CloudError> {
        let mut state = self.0.lock().unwrap();
        let fault = state.fault();
        let lost = CloudError::OutcomeUnknown { action: "ecs:UpdateService", why: "fault".into() };
        if fault == Some(false) {
            return Err(lost);
        }
        state.services.iter_mut().filter(|(name, ..)| *name == service.as_str()).for_each(|(_, d, _)| *d = desired);
        state.done.push(format!("scale {service}"));
        if fault == Some(true) { Err(lost) } else { Ok(()) }
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError> {
        let mut state = self.0.lock().unwrap();
        let fault = state.fault();
        let lost = CloudError::RetryLater { action: "ecs:DeleteService", why: "fault".into() };
        if fault == Some(false) {
            return Err(lost);
        }
        state.services.retain(|(name, ..)| *name != service.as_str());
        state.done.push(format!("delete {service}"));
        if fault == Some(true) { Err(lost) } else { Ok(()) }
    }
    async fn describe_cluster(&self, _: &StackScope, _: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        unreachable!("not asked for")
    }
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        unreachable!("not asked for")
    }
    async fn find_by_host(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        unreachable!("not asked for")
    }
    async fn describe_exceptions(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        unreachable!("not asked for")
    }
    async fn set_state(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
        _: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        unreachable!("only lifecycle does that")
    }
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, on: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        let task = |(host, name, service, protected): &(&str, &str, Option<&str>, bool)| {
            (on.as_str() == *host).then(|| EcsTask {
                arn: TaskArn::from(*name),
                service: service.map(ServiceArn::from),
                daemon: false,
                protected: *protected,
                reserves: strata_domain::workload::Resources::default(),
            })
        };
        Ok(self.0.lock().unwrap().tasks.iter().filter_map(task).collect())
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, _: &TaskArn, _: &str) -> Result<(), CloudError> {
        unreachable!("only lifecycle does that")
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<(), CloudError> {
        unreachable!("only lifecycle does that")
    }
}

#[async_trait]
impl Modes for Port {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        let mode = self.0.lock().unwrap().mode;
        Ok(scopes.iter().map(|scope| mode.filter(|_| *scope == ModeScope::Installation)).collect())
    }
}

#[async_trait]
impl Pager for Port {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        self.0.lock().unwrap().pages.push(page.clone());
        Ok(())
    }
}

#[async_trait]
impl Events for Port {
    async fn put(&self, _: &[EventOut]) -> Result<(), CloudError> {
        Ok(())
    }
}

#[async_trait]
impl HttpService for Port {
    async fn call(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let action = request.headers()["x-amz-target"].to_str().unwrap().trim_start_matches("OpsWorks_20130218.").to_owned();
        let input = serde_json::from_slice(request.body()).unwrap_or(json!({}));
        let (status, body) = match self.0.lock().unwrap().api(&action, &input) {
            Ok(body) => (200, body),
            Err((kind, why)) => (400, json!({"__type": kind, "message": why})),
        };
        let answer = http::Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
        answer.body(body.to_string().into()).unwrap()
    }
}

struct World {
    state: Arc<Mutex<State>>,
    store: Arc<MemoryStore>,
    deps: Deps,
}

impl World {
    fn new() -> Self {
        let state = Arc::new(Mutex::new(State {
            now: Some("2026-03-02T18:10:00Z".parse().unwrap()),
            hosts: vec![("web1", "online"), ("web2", "stopped")],
            services: vec![("api", 6, 6), ("idle", 0, 0)],
            has_layer: true,
            has_stack: true,
            is_registered: true,
            settings: "{}",
            mode: Some(Mode::Active),
            ..State::default()
        }));
        let store = Arc::new(MemoryStore::new());
        let port = || Arc::new(Port(state.clone(), store.clone()));
        let client = opsworks_client(port(), "arn:aws:iam::123456789012:role/strata-controllers", port(), 1);
        let deps = Deps {
            fleet: Fleet::new(client),
            store: port(),
            containers: port(),
            modes: port(),
            pager: port(),
            events: port(),
            clock: port(),
            ids: Arc::new(SeededIds::new(1, "teardown")),
        };
        Self { state, store, deps }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn request(&self, verb: &str, more: &Value) -> Vec<u8> {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/teardown-request.json")).unwrap();
        event["time"] = json!(self.state().now.unwrap().to_string());
        event["detail"]["verb"] = json!(verb);
        event["detail"]["layer"] = json!("layer-1");
        event["detail"]["confirm"] = json!("Web hosts");
        for (name, value) in more.as_object().unwrap() {
            event["detail"][name] = value.clone();
        }
        event.to_string().into_bytes()
    }

    async fn ask(&self, verb: &str, more: Value) -> Vec<DecisionRecord> {
        handle(&self.request(verb, &more), &self.deps).await.unwrap().decisions
    }

    async fn tick(&self) -> Result<Vec<DecisionRecord>, HandlerError> {
        self.minute();
        handle(include_bytes!("../../../events/schedule-tick.json"), &self.deps).await.map(|o| o.decisions)
    }

    /// A minute passes: tasks end, instances go on.
    fn minute(&self) {
        let mut state = self.state();
        state.now = Some(state.now.unwrap() + SignedDuration::from_mins(1));
        state.services.iter_mut().for_each(|(_, desired, running)| *running = *desired);
        state.hosts.retain(|(_, status)| *status != "terminating");
        for (_, status) in &mut state.hosts {
            *status = match *status {
                "stopping" => "shutting_down",
                "shutting_down" => "stopped",
                other => other,
            };
        }
    }

    async fn ended(&self) -> Option<Teardown> {
        let items = self.store.list(&Listing::of(keys::ENDED_TEARDOWNS_PK, "")).await.unwrap();
        items.first().map(|i| i.decode().unwrap())
    }

    async fn is_marked(&self) -> bool {
        self.store.get(&keys::teardown_mark(&StackId::from(STACK), &LAYER.into())).await.unwrap().is_some()
    }

    async fn to_the_end(&self) {
        for minutes in 0.. {
            assert!(minutes < 120, "no end");
            if self.ended().await.is_some() {
                break;
            }
            let _ = self.tick().await;
        }
    }

    async fn journal(&self) -> Vec<String> {
        let items = self.store.list(&Listing::of(keys::journal_pk(Some(&STACK.into())), "")).await.unwrap();
        let mut journal: Vec<String> = items.iter().map(|i| i.decode::<DecisionRecord>().unwrap().did).collect();
        journal.sort();
        journal
    }
}

/// [ECS-90] [ECS-91] [ECS-92] The whole way, in order, each call once.
#[tokio::test(start_paused = true)]
async fn ecs_92_services_instances_cluster_layer_stack_in_this_order() {
    let world = World::new();
    world.ask("start", json!({"delete_volumes": true, "delete_stack": true})).await;
    assert!(world.is_marked().await);
    world.to_the_end().await;
    assert_eq!(
        world.state().done,
        [
            "scale api",
            "delete idle",
            "delete api",
            "StopInstance web1",
            "DeleteInstance web2 with volumes",
            "DeleteInstance web1 with volumes",
            "DeregisterEcsCluster",
            "DeleteLayer",
            "DeleteStack",
        ]
    );
    assert!(!world.is_marked().await);
    let ended = world.ended().await.unwrap();
    assert!(matches!(ended.state, TeardownState::Ended { outcome: TeardownOutcome::Completed, .. }));
    let journal = world.journal().await;
    for said in ["scale to zero: api (was 6)", "stop web1", "deregister cluster blue", "delete the layer", "delete the stack"] {
        assert_eq!(journal.iter().filter(|d| *d == said).count(), 1, "{said}: {journal:?}");
    }
    assert!(world.state().pages.is_empty());
}

#[tokio::test(start_paused = true)]
async fn services_volumes_and_stack_stay_unless_asked_for() {
    let world = World::new();
    world.state().has_other_layer = true;
    world.ask("start", json!({"delete_services": false})).await;
    world.to_the_end().await;
    let state = world.state();
    assert_eq!(
        state.done,
        ["StopInstance web1", "DeleteInstance web2", "DeleteInstance web1", "DeregisterEcsCluster", "DeleteLayer"]
    );
    assert!(state.has_stack && state.services.len() == 2);
}

#[tokio::test(start_paused = true)]
async fn unconfirmed_protected_and_unknown_layers_are_declined_once_with_the_reason() {
    for (more, settings, why) in [
        (json!({"confirm": "layer-1"}), "{}", "the confirmation must be the layer's name, Web hosts"),
        (json!({"confirm": null}), "{}", "the confirmation must be the layer's name, Web hosts"),
        (
            json!({}),
            r#"{"strata":{"protected":true}}"#,
            "Web hosts is protected; take \"protected\" out of its strata settings first",
        ),
        (json!({"layer": "nope"}), "{}", "there is no layer nope in stack shop"),
        (json!({"stack": "nope"}), "{}", "there is no stack nope"),
    ] {
        let world = World::new();
        world.state().settings = settings;
        let told = world.ask("start", more.clone()).await;
        assert_eq!((told[0].verdict, told[0].why.as_str()), (Verdict::Hold, why));
        assert_eq!(world.ask("start", more).await, []);
        world.tick().await.unwrap();
        assert!(world.state().done.is_empty() && !world.is_marked().await, "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_begins_nothing_even_when_the_teardown_is_over() {
    let world = World::new();
    let request = world.request("start", &json!({}));
    handle(&request, &world.deps).await.unwrap();
    world.ask("abort", json!({})).await;
    assert!(world.ended().await.is_some());
    let before = world.state().done.len();
    assert_eq!(handle(&request, &world.deps).await.unwrap().decisions, []);
    world.tick().await.unwrap();
    assert_eq!(world.state().done.len(), before);
}

#[tokio::test(start_paused = true)]
async fn paused_does_nothing_and_aborted_leaves_the_layer_free_again() {
    let world = World::new();
    world.ask("start", json!({})).await;
    world.ask("pause", json!({})).await;
    let before = world.state().done.clone();
    for _ in 0..5 {
        world.tick().await.unwrap();
    }
    assert_eq!(world.state().done, before);
    world.ask("resume", json!({})).await;
    assert!(world.state().done.len() > before.len());
    world.ask("abort", json!({})).await;
    assert!(!world.is_marked().await);
    assert!(world.state().has_layer);
    let told = world.ask("abort", json!({})).await;
    assert_eq!(told[0].why, "no teardown of it is under way");
}

#[tokio::test(start_paused = true)]
async fn what_blocks_is_paged_by_name_once_and_resolved() {
    let world = World::new();
    world.state().hosts[0].1 = "unassigning";
    world.ask("start", json!({"delete_services": false})).await;
    for _ in 0..59 {
        world.tick().await.unwrap();
    }
    assert!(world.state().pages.is_empty());
    for _ in 0..10 {
        world.tick().await.unwrap();
    }
    let pages = world.state().pages.clone();
    assert_eq!(pages.len(), 1);
    assert!(!pages[0].resolved && pages[0].why.contains("web1 (unassigning)"), "{pages:?}");
    world.state().hosts.clear();
    world.to_the_end().await;
    let pages = world.state().pages.clone();
    assert!(pages.len() == 2 && pages[1].resolved && pages[1].incident == pages[0].incident, "{pages:?}");
}

#[tokio::test(start_paused = true)]
async fn frozen_does_nothing_and_observe_only_tells() {
    for (mode, verdict, told_later) in [(Mode::Frozen, Verdict::Hold, 0), (Mode::Observe, Verdict::WouldAct, 1)] {
        let world = World::new();
        world.state().mode = Some(mode);
        assert_eq!(world.ask("start", json!({})).await[0].verdict, verdict);
        world.state().mode = Some(Mode::Active);
        world.minute();
        world.ask("start", json!({})).await;
        world.state().mode = Some(mode);
        let before = world.state().done.clone();
        let told = world.tick().await.unwrap();
        assert_eq!(told.len(), told_later, "{told:?}");
        assert_eq!(world.tick().await.unwrap(), []);
        assert_eq!(world.state().done, before);
        // An abort needs nothing of the world.
        world.ask("abort", json!({})).await;
        assert!(world.ended().await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_event_moves_it_on_and_a_foreign_event_is_refused() {
    let world = World::new();
    world.ask("start", json!({})).await;
    world.minute();
    let before = world.state().done.len();
    handle(include_bytes!("../../../events/ec2-instance-state-change.json"), &world.deps).await.unwrap();
    assert!(world.state().done.len() > before);
    let foreign = include_bytes!("../../../events/campaign-request.json");
    assert!(matches!(handle(foreign, &world.deps).await, Err(HandlerError::Event(_))));
}

/// Every commit and every changing call fails once, before or after its effect: the same is gone in the end, in the same order, and
/// nothing is told twice.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_changes_nothing_but_the_time() {
    let mut clean = None;
    let mut points = 0;
    for at in 0.. {
        for after in [false, true] {
            let world = World::new();
            world.state().hosts.truncate(1);
            world.state().fail = Some((at, after));
            let request = world.request("start", &json!({"delete_stack": true}));
            // The platform delivers a failed event again.
            while handle(&request, &world.deps).await.is_err() {}
            world.to_the_end().await;
            for _ in 0..2 {
                world.tick().await.unwrap();
            }
            let calls = world.state().calls;
            let mut done = world.state().done.clone();
            done.dedup();
            let mut journal = world.journal().await;
            // Services that are deleted a minute apart are told a minute apart.
            journal.retain(|did| !did.starts_with("delete services"));
            assert!(!world.is_marked().await && !world.state().has_stack, "fault {at} {after}");
            let mut sorted = done.clone();
            sorted.sort();
            let order: Vec<String> = done.into_iter().filter(|d| !d.starts_with("delete ") && !d.starts_with("scale ")).collect();
            let result = (sorted, order, journal);
            match &clean {
                None => clean = Some(result),
                Some(clean) => assert_eq!(&result, clean, "fault {at} {after}"),
            }
            if at > calls {
                assert!(points > 30, "only {points} points");
                return;
            }
            points += usize::from(at > 0);
        }
    }
}

const PLANNED: &str =
    r#"{"strata":{"teardown":{"at":"2026-03-02T20:00:00Z","confirm":"Web hosts","delete_services":true,"delete_stack":true}}}"#;

/// Every commit and every changing call of a planned teardown fails once, before or after its effect: both pages go out and are resolved, and
/// the layer goes once.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_of_a_planned_teardown_loses_no_page_and_begins_nothing_twice() {
    let mut clean = None;
    let mut points = 0;
    for at in 0.. {
        for after in [false, true] {
            let world = World::new();
            world.state().hosts.truncate(1);
            world.state().settings = PLANNED;
            let plan = planned_record();
            world.store.commit(vec![plan]).await.unwrap();
            world.state().fail = Some((at, after));
            let mut began_at = None;
            for _ in 0..180 {
                let _ = world.tick().await;
                if began_at.is_none() && world.is_marked().await {
                    began_at = Some(world.state().now.unwrap());
                }
            }
            let began_at = began_at.unwrap();
            assert!(began_at >= "2026-03-02T20:00:00Z".parse().unwrap(), "fault {at} {after}: {began_at}");
            assert!(world.ended().await.is_some() && !world.state().has_stack, "fault {at} {after}");
            assert!(world.store.list(&Listing::of(keys::TEARDOWN_PLANS_PK, "")).await.unwrap().is_empty());
            let mut pages: Vec<_> = world.state().pages.iter().map(|p| (p.incident.clone(), p.resolved)).collect();
            pages.sort();
            pages.dedup();
            let mut done = world.state().done.clone();
            done.dedup();
            done.sort();
            match &clean {
                None => {
                    assert_eq!(pages.len(), 4, "a day and an hour ahead, each with its end: {pages:?}");
                    clean = Some((pages, done));
                }
                Some(clean) => assert_eq!(&(pages, done), clean, "fault {at} {after}"),
            }
            if at > world.state().calls {
                assert!(points > 30, "only {points} points");
                return;
            }
            points += usize::from(at > 0);
        }
    }
}

fn planned_record() -> Change {
    let at = "2026-03-02T20:00:00Z".parse().unwrap();
    let plan = strata_domain::teardown::planned::Planned::new(STACK.into(), Some(LAYER.into()), at);
    Change::put(keys::teardown_plan(&STACK.into(), Some(&LAYER.into())), &plan, Expect::Absent)
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_cannot_be_read_or_whose_stack_does_not_answer_holds_up_no_teardown() {
    let world = World::new();
    let junk = Change::put(Key::new(keys::TEARDOWN_PLANS_PK, "junk"), &json!({ "at": 5 }), Expect::Absent);
    world.store.commit(vec![junk]).await.unwrap();
    world.ask("start", json!({})).await;
    assert!(world.tick().await.is_err(), "somebody should hear of it");
    world.to_the_end().await;
    assert!(!world.state().has_layer);
}

#[tokio::test(start_paused = true)]
async fn a_late_stage_names_the_tasks_that_are_left_on_its_hosts() {
    let world = World::new();
    world.state().hosts = vec![("web1", "shutting_down")];
    world.state().tasks = vec![("web1", "task-1", Some("api"), true), ("web2", "task-2", None, false)];
    world.ask("start", json!({"delete_services": false})).await;
    for _ in 0..61 {
        // It is kept in this status.
        world.state().set("web1", "stopping");
        world.tick().await.unwrap();
    }
    let pages = world.state().pages.clone();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0].why, "web1 (shutting_down) is kept by task task-1 of service api, protected from scale-in");
    assert!(pages[0].did.ends_with("aws ecs update-task-protection --cluster blue --tasks task-1 --no-protection-enabled"));
}
