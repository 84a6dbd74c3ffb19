use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strata_domain::claims::{Claim, ClaimReport};
use strata_domain::decision::{Page, Verdict};
use strata_domain::mode::Mode;
use strata_domain::updates::{CampaignOutcome, CampaignState};
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, ServiceArn, StackId, TaskArn};
use strata_local::{MemoryStore, SeededIds, opsworks_client};
use strata_ports::*;

use super::*;

mod asked;
mod hosts;
mod scans;
mod waves;
mod windows;

const STACK: &str = "stack-1";
const LAYER: &str = "layer-1";
const CLUSTER: &str = "arn:aws:ecs:eu-central-1:123456789012:cluster/blue";

/// What the world does with the next calls: fail them before or after their effect.
#[derive(Default)]
struct Faults {
    calls: usize,
    /// The number of the call that fails, and whether it has its effect first.
    fail: Option<(usize, bool)>,
}

impl Faults {
    /// `Some(after its effect)` when this call fails.
    fn next(&mut self) -> Option<bool> {
        self.calls += 1;
        self.fail.filter(|(n, _)| *n == self.calls).map(|(_, after)| after)
    }
}

#[derive(Default)]
struct State {
    now: Option<Timestamp>,
    hosts: Vec<&'static str>,
    settings: String,
    mode: Option<Mode>,
    mode_is_unreadable: bool,
    /// Nonce, host and result of each command.
    commands: Vec<(String, String, CommandStatus)>,
    /// What the update commands were told.
    told: Vec<Vec<(String, String)>>,
    /// The last line of commands that succeed.
    last_line: Option<&'static str>,
    /// Nonces and hosts of scans; they end as `scan_line` says, or never.
    scans: Vec<(String, String)>,
    scan_line: Option<&'static str>,
    services: Vec<EcsService>,
    broken_hosts: Vec<&'static str>,
    refused_hosts: Vec<&'static str>,
    is_agent_away: bool,
    pages: Vec<Page>,
    /// A load-based host beside the others, and its status.
    spare: Option<(&'static str, &'static str)>,
    /// Service tasks of one size on each host.
    tasks: BTreeMap<&'static str, usize>,
    /// Each host has room for so many more.
    free: u32,
    /// How often ECS was asked what runs on a host.
    looks: usize,
    /// Starts and stops that the API has taken.
    api_calls: Vec<String>,
    faults: Faults,
}

#[derive(Clone)]
struct World {
    state: Arc<Mutex<State>>,
    store: Arc<MemoryStore>,
    deps: Deps,
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
        let fault = self.0.lock().unwrap().faults.next();
        if fault == Some(false) {
            return Err(CommitError::Unavailable { why: "fault".into() });
        }
        self.1.commit(changes).await?;
        if fault == Some(true) { Err(CommitError::OutcomeUnknown { why: "fault".into() }) } else { Ok(()) }
    }
}

#[async_trait]
impl Commands for Port {
    async fn send(&self, _: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        let mut state = self.0.lock().unwrap();
        assert_eq!(request.kind, CommandKind::Update);
        let fault = state.faults.next();
        if fault == Some(false) {
            return Err(CloudError::RetryLater { action: "ssm:SendCommand", why: "fault".into() });
        }
        let host = request.host.to_string();
        if state.refused_hosts.iter().any(|h| host.ends_with(h)) {
            return Err(CloudError::Wrong {
                action: "ssm:SendCommand",
                code: "InvalidInstanceId".into(),
                why: "not managed".into(),
            });
        }
        let is_scan = request.parameters.iter().any(|(name, value)| name == "kind" && value == "scan");
        if is_scan && !state.scans.iter().any(|(nonce, _)| *nonce == request.nonce) {
            state.scans.push((request.nonce.clone(), host));
        } else if !is_scan && !state.commands.iter().any(|(nonce, ..)| *nonce == request.nonce) {
            state.told.push(request.parameters.clone());
            state.commands.push((request.nonce.clone(), host, CommandStatus::InProgress));
        }
        if fault == Some(true) {
            return Err(CloudError::OutcomeUnknown { action: "ssm:SendCommand", why: "fault".into() });
        }
        Ok(SsmCommandId::new(format!("cmd:{}", request.nonce)))
    }
    async fn results(&self, _: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        let state = self.0.lock().unwrap();
        let is_asked = |nonce: &str| ids.iter().any(|id| id.as_str() == format!("cmd:{nonce}"));
        let scans = state.scans.iter().filter(|(nonce, _)| is_asked(nonce)).map(|(nonce, _)| CommandResult {
            id: SsmCommandId::new(format!("cmd:{nonce}")),
            status: if state.scan_line.is_some() { CommandStatus::Success } else { CommandStatus::InProgress },
            exit_code: None,
            last_line: state.scan_line.unwrap_or_default().into(),
            log: None,
        });
        let known = state.commands.iter().filter(|(nonce, ..)| ids.iter().any(|id| id.as_str() == format!("cmd:{nonce}")));
        Ok(known
            .map(|(nonce, _, status)| CommandResult {
                id: SsmCommandId::new(format!("cmd:{nonce}")),
                status: *status,
                exit_code: Some(i32::from(*status != CommandStatus::Success)),
                last_line: state.last_line.filter(|_| *status == CommandStatus::Success).unwrap_or("yum says no").into(),
                log: None,
            })
            .chain(scans)
            .collect())
    }
    async fn pings(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        unreachable!("not asked for")
    }
}

#[async_trait]
impl Containers for Port {
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        assert_eq!(cluster.as_str(), CLUSTER);
        let mut found = Vec::new();
        for arn in arns {
            let host = arn.as_str().trim_start_matches("ci-").to_owned();
            let report = self.1.get(&keys::claim_report(&STACK.into(), &host.as_str().into())).await.unwrap();
            let state = if report.is_some() { ContainerInstanceState::Draining } else { ContainerInstanceState::Active };
            found.push(ContainerInstance {
                arn: arn.clone(),
                ec2_instance_id: Ec2InstanceId::new(format!("i-{host}")),
                state,
                agent_connected: !self.0.lock().unwrap().is_agent_away,
                agent_version: Some("1.98.0".into()),
                running_tasks: 0,
                pending_tasks: 0,
                registered_at: Timestamp::UNIX_EPOCH,
                free: Resources::default(),
            });
        }
        Ok(found)
    }
    async fn describe_cluster(&self, _: &StackScope, _: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        unreachable!("not asked for")
    }
    async fn find_by_host(
        &self,
        _: &StackScope,
        cluster: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        assert_eq!(cluster.as_str(), CLUSTER);
        let free = self.0.lock().unwrap().free;
        let found = hosts.iter().map(|ec2| ContainerInstance {
            arn: ContainerInstanceArn::new(format!("ci-{}", ec2.as_str().trim_start_matches("i-"))),
            ec2_instance_id: ec2.clone(),
            state: ContainerInstanceState::Active,
            agent_connected: true,
            agent_version: Some("1.98.0".into()),
            running_tasks: 0,
            pending_tasks: 0,
            registered_at: Timestamp::UNIX_EPOCH,
            free: Resources { cpu: 256 * free, memory: 512 * free },
        });
        Ok(found.collect())
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
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, arn: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        let mut state = self.0.lock().unwrap();
        state.looks += 1;
        let count = state.tasks.get(arn.as_str().trim_start_matches("ci-")).copied().unwrap_or_default();
        let task = |n| EcsTask {
            arn: TaskArn::new(format!("{arn}-task-{n}")),
            service: Some(ServiceArn::from("shop")),
            daemon: false,
            protected: false,
            reserves: Resources { cpu: 256, memory: 512 },
        };
        Ok((0..count).map(task).collect())
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, _: &TaskArn, _: &str) -> Result<(), CloudError> {
        unreachable!("only lifecycle does that")
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<(), CloudError> {
        unreachable!("only lifecycle does that")
    }
    async fn services(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        Ok(self.0.lock().unwrap().services.clone())
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn, _: u32) -> Result<(), CloudError> {
        unreachable!("an update scales nothing")
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn) -> Result<(), CloudError> {
        unreachable!("an update deletes nothing")
    }
}

#[async_trait]
impl Modes for Port {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        let state = self.0.lock().unwrap();
        if state.mode_is_unreadable {
            return Err(CloudError::RetryLater { action: "ssm:GetParameters", why: "down".into() });
        }
        Ok(scopes.iter().map(|scope| state.mode.filter(|_| *scope == ModeScope::Installation)).collect())
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
        let mut state = self.0.lock().unwrap();
        let refused = || http::Response::builder().status(500).body(Bytes::new()).unwrap();
        let body: Value = match action.as_str() {
            "StartInstance" | "StopInstance" => {
                let fault = state.faults.next();
                if fault == Some(false) {
                    return refused();
                }
                let asked: Value = serde_json::from_slice(request.body()).unwrap();
                let (host, _) = state.spare.filter(|(host, _)| asked["InstanceId"] == *host).expect("only the spare one");
                state.spare = Some((host, if action == "StartInstance" { "requested" } else { "stopping" }));
                state.api_calls.push(format!("{action} {host}"));
                if fault == Some(true) {
                    return refused();
                }
                json!(null)
            }
            "DescribeStacks" => {
                json!({"Stacks": [{"StackId": STACK, "Name": "shop", "Region": "eu-central-1", "ServiceRoleArn": "role"}]})
            }
            "DescribeLayers" => json!({"Layers": [{"LayerId": LAYER, "StackId": STACK, "Name": "Web hosts", "Shortname": "web",
                "Attributes": {"EcsClusterArn": CLUSTER}, "CustomJson": state.settings}]}),
            "DescribeInstances" => {
                let host = |h: &&str| {
                    json!({"InstanceId": h, "Hostname": h, "Status": "online", "LayerIds": [LAYER], "AvailabilityZone": "a",
                    "CreatedAt": "2026-01-01T00:00:00+00:00", "Ec2InstanceId": format!("i-{h}"), "EcsContainerInstanceArn": format!("ci-{h}")})
                };
                let mut all: Vec<Value> = state.hosts.iter().map(host).collect();
                if let Some((name, status)) = &state.spare {
                    let mut spare = host(name);
                    (spare["Status"], spare["AutoScalingType"]) = (json!(status), json!("load"));
                    all.push(spare);
                }
                json!({ "Instances": all })
            }
            other => panic!("an update reads fleets and changes none: {other}"),
        };
        http::Response::builder().header("content-type", "application/x-amz-json-1.1").body(body.to_string().into()).unwrap()
    }
}

impl World {
    fn new(hosts: &[&'static str], updates: &str) -> Self {
        let state = Arc::new(Mutex::new(State {
            now: Some("2026-03-02T18:11:00Z".parse().unwrap()),
            hosts: hosts.to_vec(),
            settings: format!(r#"{{"strata":{{"updates":{updates}}}}}"#),
            mode: Some(Mode::Active),
            ..State::default()
        }));
        let store = Arc::new(MemoryStore::new());
        let port = || Arc::new(Port(state.clone(), store.clone()));
        let client = opsworks_client(port(), "arn:aws:iam::123456789012:role/strata-controllers", port(), 1);
        let deps = Deps {
            fleet: Fleet::new(client),
            store: port(),
            commands: port(),
            containers: port(),
            modes: port(),
            pager: port(),
            events: port(),
            clock: port(),
            ids: Arc::new(SeededIds::new(1, "updates")),
        };
        Self { state, store, deps }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn set_mode(&self, mode: Mode, is_unreadable: bool) {
        let mut state = self.state();
        (state.mode, state.mode_is_unreadable) = (Some(mode), is_unreadable);
    }

    async fn ask(&self, verb: &str) -> Vec<DecisionRecord> {
        let time = self.state().now.unwrap().to_string();
        self.ask_at(verb, &time).await
    }

    async fn ask_at(&self, verb: &str, time: &str) -> Vec<DecisionRecord> {
        let event = include_str!("../../../events/campaign-request.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        event["time"] = json!(time);
        event["detail"]["verb"] = json!(verb);
        event["detail"]["layer"] = json!("web");
        handle(event.to_string().as_bytes(), &self.deps).await.unwrap().decisions
    }

    async fn tick(&self) -> Result<Vec<DecisionRecord>, HandlerError> {
        self.minute().await;
        handle(include_bytes!("../../../events/schedule-tick.json"), &self.deps).await.map(|o| o.decisions)
    }

    /// A minute passes: lifecycle drains what is claimed and restores what is not, commands end.
    async fn minute(&self) {
        {
            let mut state = self.state();
            state.now = Some(state.now.unwrap() + SignedDuration::from_mins(1));
            state.spare = state.spare.map(|(host, status)| match status {
                "requested" => (host, "online"),
                "stopping" => (host, "stopped"),
                other => (host, other),
            });
            let broken = state.broken_hosts.clone();
            for (_, host, status) in &mut state.commands {
                let fails = broken.iter().any(|b| host.ends_with(b));
                *status = if fails { CommandStatus::Failed } else { CommandStatus::Success };
            }
        }
        let now = self.state().now.unwrap();
        let hosts = self.state().hosts.clone();
        for host in hosts {
            let (stack, id) = (StackId::from(STACK), InstanceId::from(host));
            let claim = self.store.get(&keys::claim(&stack, &id)).await.unwrap().map(|i| i.decode::<Claim>().unwrap());
            let key = keys::claim_report(&stack, &id);
            let report = self.store.get(&key).await.unwrap();
            let expect = report.as_ref().map_or(Expect::Absent, Item::unchanged);
            let change = match (claim.filter(|c| c.is_in_force(now)), report) {
                (Some(claim), None) => {
                    Change::put(key, &ClaimReport { holder: claim.holder, out_of_service_since: Some(now) }, expect)
                }
                (None, Some(_)) => Change::Delete { key, expect },
                (Some(_), Some(_)) | (None, None) => continue,
            };
            self.store.commit(vec![change]).await.unwrap();
        }
    }

    async fn list<T: serde::de::DeserializeOwned>(&self, pk: &str, prefix: &str) -> Vec<T> {
        let items = self.store.list(&Listing::of(pk, prefix)).await.unwrap();
        items.iter().map(|i| i.decode().unwrap()).collect()
    }

    async fn claims(&self) -> Vec<String> {
        let claims: Vec<Claim> = self.list(&keys::stack_pk(&STACK.into()), keys::CLAIM).await;
        claims.into_iter().map(|c| c.instance_id.to_string()).collect()
    }

    async fn ended(&self) -> Vec<Campaign> {
        self.list(keys::ENDED_CAMPAIGNS_PK, "").await
    }

    async fn journal(&self) -> Vec<String> {
        let journal: Vec<DecisionRecord> = self.list(&keys::journal_pk(Some(&STACK.into())), "").await;
        journal.into_iter().map(|d| d.did).collect()
    }
}

const NO_CANARY: &str = r#"{"canary":0,"max_unavailable_percent":50}"#;

fn outcome(campaign: &Campaign) -> CampaignOutcome {
    match campaign.state {
        CampaignState::Ended { outcome, .. } => outcome,
        _ => panic!("not ended: {campaign:?}"),
    }
}

/// [SEC-4] [SEC-23]
#[tokio::test(start_paused = true)]
async fn sec_23_hosts_are_updated_in_place_wave_by_wave_and_sec_4_only_when_asked() {
    let world = World::new(&["web1", "web2", "web3", "web4"], NO_CANARY);
    for _ in 0..5 {
        assert_eq!(world.tick().await.unwrap(), []);
    }
    assert!(world.state().commands.is_empty());

    world.ask("start").await;
    assert_eq!(world.claims().await, ["web1", "web2"]);
    while world.ended().await.is_empty() {
        world.tick().await.unwrap();
    }
    let mut journal = world.journal().await;
    journal.sort();
    let mut expected = vec![
        "begin a rolling update of 4 instances, until 2026-03-02T22:16:00Z",
        "wave 1: web1, web2 (2 of 4 out)",
        "update web1, web2",
        "give back web1, web2, updated",
        "web1, web2 updated and in service",
        "wave 2: web3, web4 (2 of 4 out)",
        "update web3, web4",
        "give back web3, web4, updated",
        "web3, web4 updated and in service",
        "end the campaign: completed",
    ];
    expected.sort_unstable();
    assert_eq!(journal, expected);
    assert_eq!(world.state().commands.len(), 4);
    assert!(world.claims().await.is_empty());
    assert!(world.store.get(&keys::campaign_mark(&STACK.into(), &LAYER.into())).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_again_begins_nothing_even_when_the_campaign_is_long_over() {
    let world = World::new(&["web1"], NO_CANARY);
    let time = "2026-03-02T18:11:00Z";
    world.ask_at("start", time).await;
    assert_eq!(world.ask_at("start", time).await, []);
    while world.ended().await.is_empty() {
        world.tick().await.unwrap();
    }
    assert_eq!(world.ask_at("start", time).await, []);
    assert!(world.claims().await.is_empty());
    // Another request is another campaign.
    world.ask_at("start", "2026-03-03T18:11:00Z").await;
    assert_eq!(world.claims().await, ["web1"]);
    let declined = world.ask_at("start", "2026-03-03T18:12:00Z").await;
    assert!(declined[0].why.ends_with("is under way"), "{declined:?}");
}

#[tokio::test(start_paused = true)]
async fn what_lifecycle_reports_of_a_claim_moves_the_campaign_on_between_two_ticks() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    world.ask("start").await;
    world.minute().await;
    let told = async |stack: &str, sk: &str| {
        let at = world.state().now.unwrap();
        let envelope = strata_triggers::emit::Envelope { account: "123456789012", region: "eu-central-1", at, id: "1" };
        let pk = keys::stack_pk(&stack.into());
        let event = strata_triggers::emit::dynamodb_keys(&envelope, "strata", &[(&pk, sk)]);
        handle(event.as_bytes(), &world.deps).await.unwrap().decisions.into_iter().map(|d| d.did).collect::<Vec<_>>()
    };
    assert_eq!(told("another-stack", "claim-report#web1").await, [""; 0], "no campaign of this stack");
    assert_eq!(told(STACK, "claim#web1").await, [""; 0], "its own claim, of which it knows");
    assert_eq!(told(STACK, "claim-report#web1").await, ["update web1"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_back_is_news_only_while_the_campaign_waits_for_one() {
    let world = World::new(&["web1"], NO_CANARY);
    world.ask("start").await;
    let event = include_bytes!("../../../events/ecs-container-instance-state-change.json");
    let told = async || handle(event, &world.deps).await.unwrap().decisions.into_iter().map(|d| d.did).collect::<Vec<_>>();
    world.minute().await;
    assert_eq!(told().await, [""; 0], "nobody's update is over");
    world.tick().await.unwrap();
    // The command succeeds; the agent is still away.
    world.state().is_agent_away = true;
    world.tick().await.unwrap();
    assert_eq!(world.claims().await, ["web1"]);
    world.state().is_agent_away = false;
    assert_eq!(told().await, ["give back web1, updated"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_canary_pauses_and_pages_once_and_resume_resolves() {
    let world = World::new(&["web1", "web2", "web3"], r#"{"canary":1,"soak_minutes":5}"#);
    world.state().broken_hosts.push("web1");
    world.ask("start").await;
    for _ in 0..8 {
        world.tick().await.unwrap();
    }
    let pages = world.state().pages.clone();
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert_eq!((pages[0].resolved, pages[0].why.as_str()), (false, "canary web1 failed"));
    assert!(world.claims().await.is_empty(), "the failed host was given back");
    assert_eq!(world.state().commands.len(), 1);
    world.ask("resume").await;
    let pages = world.state().pages.clone();
    assert!(pages.len() == 2 && pages[1].resolved && pages[1].incident == pages[0].incident, "{pages:?}");
    while world.ended().await.is_empty() {
        world.tick().await.unwrap();
    }
    assert_eq!(world.ended().await[0].tally(), "2 updated, 1 failed, 0 skipped, 0 left");
}

#[tokio::test(start_paused = true)]
async fn an_abort_and_a_teardown_leave_no_claim() {
    for by_teardown in [false, true] {
        let world = World::new(&["web1", "web2", "web3", "web4"], NO_CANARY);
        world.ask("start").await;
        if by_teardown {
            let mark = Change::put(keys::teardown_mark(&STACK.into(), &LAYER.into()), &"t", Expect::Absent);
            world.store.commit(vec![mark]).await.unwrap();
        } else {
            world.ask("abort").await;
        }
        while world.ended().await.is_empty() {
            world.tick().await.unwrap();
        }
        assert_eq!(outcome(&world.ended().await[0]), CampaignOutcome::Aborted);
        assert!(world.claims().await.is_empty());
        assert!(world.state().commands.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_overtaken_is_not_heeded() {
    let world = World::new(&["web1"], NO_CANARY);
    world.ask_at("start", "2026-03-02T18:11:00Z").await;
    assert_eq!(world.ask_at("abort", "2026-03-02T18:10:59Z").await, []);
    assert_eq!(world.ask_at("pause", "2026-03-02T18:13:00Z").await.len(), 1);
    assert_eq!(world.ask_at("resume", "2026-03-02T18:12:00Z").await, []);
    assert_eq!(world.ask_at("resume", "2026-03-02T18:14:00Z").await.len(), 1);
    let declined = World::new(&["web1"], NO_CANARY).ask("pause").await;
    assert_eq!((declined[0].verdict, declined[0].why.as_str()), (Verdict::Hold, "no campaign is under way"));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_its_command_fails_and_is_given_back() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    world.state().refused_hosts.push("web1");
    world.ask("start").await;
    while world.ended().await.is_empty() {
        world.tick().await.unwrap();
    }
    let ended = &world.ended().await[0];
    assert!(
        matches!(&ended.progress[&"web1".into()].phase, Phase::Failed { why, .. } if why.contains("InvalidInstanceId")),
        "{ended:?}"
    );
    assert!(matches!(ended.progress[&"web2".into()].phase, Phase::Done { .. }));
    assert!(world.claims().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn frozen_begins_and_moves_nothing_and_observe_only_tells() {
    for (mode, unreadable, verdict) in
        [(Mode::Frozen, false, Verdict::Hold), (Mode::Observe, false, Verdict::WouldAct), (Mode::Active, true, Verdict::Hold)]
    {
        let world = World::new(&["web1"], NO_CANARY);
        world.set_mode(mode, unreadable);
        let told = world.ask("start").await;
        assert_eq!(told[0].verdict, verdict, "{mode:?}");
        assert!(world.claims().await.is_empty());

        world.set_mode(Mode::Active, false);
        world.tick().await.unwrap();
        world.ask("start").await;
        assert_eq!(world.claims().await, ["web1"]);
        world.set_mode(mode, unreadable);
        let told = world.tick().await.unwrap();
        assert_eq!(told.len(), usize::from(mode != Mode::Frozen), "{mode:?}: {told:?}");
        assert_eq!(world.tick().await.unwrap(), [], "told once");
        assert!(world.state().commands.is_empty(), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_strangers_command_is_no_reason_to_look_and_a_foreign_event_is_refused() {
    let world = World::new(&["web1"], NO_CANARY);
    world.ask("start").await;
    world.minute().await;
    let strangers = include_bytes!("../../../events/ssm-command-status.json");
    assert_eq!(handle(strangers, &world.deps).await.unwrap().decisions, []);
    assert!(world.state().commands.is_empty());
    let foreign = include_bytes!("../../../events/teardown-request.json");
    assert!(matches!(handle(foreign, &world.deps).await, Err(HandlerError::Event(_))));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ends_wakes_its_campaign() {
    let world = World::new(&["web1"], NO_CANARY);
    world.ask("start").await;
    world.tick().await.unwrap();
    world.minute().await;
    let nonce = world.state().commands[0].0.clone();
    let mut event: Value = serde_json::from_str(include_str!("../../../events/ssm-command-status.json")).unwrap();
    event["detail"]["command-id"] = json!(format!("cmd:{nonce}"));
    let told = handle(event.to_string().as_bytes(), &world.deps).await.unwrap().decisions;
    assert_eq!(told[0].did, "give back web1, updated");
}

/// A decision once for each host that it names: a fault may tear a wave's hosts apart in time.
fn by_host(did: &str) -> Vec<String> {
    let words = || did.split([' ', ',']).filter(|w| !w.is_empty());
    let kind: Vec<&str> = words().filter(|w| !w.starts_with("web")).collect();
    let hosts: Vec<&str> = words().filter(|w| w.starts_with("web")).collect();
    if hosts.is_empty() { vec![kind.join(" ")] } else { hosts.iter().map(|h| format!("{h}: {}", kind.join(" "))).collect() }
}

/// Every commit and every send fails once, before or after its effect: the campaign ends the same, each host is patched once, and
/// each decision is told once.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_changes_nothing_but_the_time() {
    let mut points = 0;
    let mut clean: Option<(Vec<String>, BTreeMap<InstanceId, bool>)> = None;
    for at in 0.. {
        for after in [false, true] {
            let world = World::new(&["web1", "web2", "web3"], r#"{"canary":1,"soak_minutes":2,"max_unavailable_percent":70}"#);
            world.state().faults.fail = Some((at, after));
            let event = include_str!("../../../events/campaign-request.json").replace("ecs-cluster", "web");
            // The platform delivers a failed event again.
            while handle(event.as_bytes(), &world.deps).await.is_err() {}
            let mut ticks = 0;
            while world.ended().await.is_empty() {
                ticks += 1;
                assert!(ticks < 60, "fault {at} {after}: no end");
                let _ = world.tick().await;
            }
            for _ in 0..2 {
                world.tick().await.unwrap();
            }
            let calls = world.state().faults.calls;
            let mut journal: Vec<String> = world.journal().await.iter().flat_map(|did| by_host(did)).collect();
            journal.sort();
            journal.retain(|did| !did.starts_with("begin a rolling"));
            let ended = world.ended().await.remove(0);
            let done = ended.progress.iter().map(|(id, p)| (id.clone(), matches!(p.phase, Phase::Done { .. }))).collect();
            let result = (journal, done);
            assert_eq!(world.state().commands.len(), 3, "fault {at} {after}");
            assert!(world.claims().await.is_empty(), "fault {at} {after}");
            match &clean {
                None => clean = Some(result),
                Some(clean) => assert_eq!(&result, clean, "fault {at} {after}"),
            }
            if at > calls {
                assert!(points > 20, "only {points} points");
                return;
            }
            points += usize::from(at > 0);
        }
    }
}
