//! The reconciler over a small obedient cloud and the in-memory store.

mod agents;
mod announced;
mod attached;
mod capacity;
mod claims;
mod deadlines;
mod fake;
mod forgetting;
mod freeze;
mod groups;
mod hold_ends;
mod quiet;
mod tagging;
mod templates;
mod volumes;

use std::sync::Arc;

use jiff::SignedDuration;
use strata_domain::claims::{Claim, ClaimReport, DrainPolicy};
use strata_domain::decision::Verdict;
use strata_domain::holds::Hold;
use strata_domain::instance_actions::Origin;
use strata_domain::mode::Mode;
use strata_domain::model::{DeleteRequest, Instance, RootDeviceType};
use strata_domain::workload::Resources;
use strata_domain::{InitiatedBy, InstanceStatus};
use strata_local::{CloudConfig, MemoryStore, SeededIds, SimCloud, VirtualClock};
use strata_ports::store::Listing;
use strata_ports::{
    Change, Clock, CloudError, CommandKind, ContainerInstanceState, Ec2State, EcsTask, Expect, Key, Ports, Store, keys, tell,
};

use super::{Config, Named, Reconciler};
use crate::records::{ServiceError, samples};
use crate::status_change::move_status;
use fake::Cloud;

/// A stack with one ECS layer and `n` stopped, never started instances.
struct World {
    cloud: Arc<Cloud>,
    /// What the account has beside machines.
    account: Arc<SimCloud>,
    store: Arc<MemoryStore>,
    reconciler: Reconciler,
    ids: Vec<Named>,
}

impl World {
    async fn new(n: usize) -> Self {
        Self::with_store(n, MemoryStore::new()).await
    }

    async fn with_store(n: usize, store: MemoryStore) -> Self {
        let (cloud, store) = (Arc::new(Cloud::new()), Arc::new(store));
        let account = SimCloud::new(CloudConfig::default(), 1, Arc::new(VirtualClock::new(cloud.now())));
        let ports = Ports {
            store: store.clone(),
            compute: cloud.clone(),
            attachments: cloud.clone(),
            containers: cloud.clone(),
            inventory: cloud.clone(),
            load_balancers: account.clone(),
            upkeep: account.clone(),
            identity: account.clone(),
            commands: cloud.clone(),
            alarms: cloud.clone(),
            pager: cloud.clone(),
            events: cloud.clone(),
            modes: cloud.clone(),
            objects: account.clone(),
            clock: cloud.clone(),
            ids: Arc::new(SeededIds::new(1, "test")),
        };
        let (stack, layer) = (samples::stack(), samples::layer());
        let owner = keys::Owner { kind: "cluster".to_owned(), stack_id: stack.id.clone() };
        let mut changes = vec![
            Change::put(keys::stack(&stack.id), &stack, Expect::Absent),
            Change::put(keys::stack_entry(&stack.id), &(), Expect::Absent),
            Change::put(keys::layer(&stack.id, &layer.id), &layer, Expect::Absent),
            Change::put(keys::cluster(layer.cluster.as_ref().unwrap()), &owner, Expect::Absent),
        ];
        let mut ids = Vec::new();
        for i in 1..=n {
            let record = Instance { id: format!("inst-{i:02}").into(), hostname: format!("web{i}"), ..samples::instance() };
            changes.push(Change::put(keys::instance(&stack.id, &record.id), &record, Expect::Absent));
            ids.push((stack.id.clone(), record.id));
        }
        let world = Self { cloud, account, store, reconciler: Reconciler::new(ports, Config::default()), ids };
        world.commit(changes).await;
        world
    }

    async fn commit(&self, changes: Vec<Change>) {
        for _ in 0..50 {
            if self.store.commit(changes.clone()).await.is_ok() {
                return;
            }
        }
        panic!("never committed");
    }

    async fn record(&self, i: usize) -> Option<Instance> {
        let (stack, id) = &self.ids[i];
        self.store.get(&keys::instance(stack, id)).await.unwrap().map(|item| item.decode().unwrap())
    }

    async fn status(&self, i: usize) -> InstanceStatus {
        self.record(i).await.unwrap().status
    }

    /// Writes a record as the API would: with its event and its busy entry.
    async fn ask(&self, i: usize, to: InstanceStatus, change: impl Fn(&mut Instance)) {
        let (stack, id) = &self.ids[i];
        let item = self.store.get(&keys::instance(stack, id)).await.unwrap().unwrap();
        let mut record: Instance = item.decode().unwrap();
        record.initiated_by = Some(InitiatedBy::User);
        change(&mut record);
        let event = move_status(&mut record, to, self.cloud.now(), &samples::stack());
        let mut changes = vec![Change::put(item.key.clone(), &record, item.unchanged())];
        changes.extend(crate::records::busy_changes(&*self.store, &record, true).await.unwrap());
        changes.extend(tell::Told { events: event.into_iter().collect(), ..tell::Told::default() }.changes());
        self.commit(changes).await;
    }

    async fn ask_start(&self, i: usize) {
        let now = self.cloud.now();
        let start = |record: &mut Instance| {
            record.launch_number += 1;
            record.started_at = Some(now);
            (record.setup_command, record.shutdown_command) = (None, None);
            record.shortage.refused_types.clear();
        };
        self.ask(i, InstanceStatus::Requested, start).await;
    }

    async fn step(&self) -> Vec<strata_domain::decision::DecisionRecord> {
        self.reconciler.step(&self.ids, "test").await.unwrap()
    }

    /// Ticks for some minutes.
    async fn run(&self, minutes: usize) {
        for _ in 0..minutes {
            self.cloud.pass();
            self.reconciler.sweep("tick").await.unwrap();
        }
    }

    /// All of `n` instances online.
    async fn online(n: usize) -> Self {
        let world = Self::new(n).await;
        for i in 0..n {
            world.ask_start(i).await;
        }
        world.step().await;
        world.run(8).await;
        for i in 0..n {
            assert_eq!(world.status(i).await, InstanceStatus::Online);
        }
        world.flush().await;
        world.cloud.state().calls.clear();
        world.cloud.state().events.clear();
        world.cloud.state().pages.clear();
        world
    }

    async fn flush(&self) {
        while tell::flush_outbox(&*self.store, &*self.cloud, &*self.cloud, strata_ports::Clock::now(&*self.cloud)).await.unwrap()
            > 0
        {}
    }

    async fn statuses_told(&self, i: usize) -> Vec<String> {
        self.flush().await;
        let id = self.ids[i].1.to_string();
        let state = self.cloud.state();
        let of_it = state.events.iter().filter(|e| e.detail["instance-id"] == id.as_str() && e.detail.get("status").is_some());
        let mut told: Vec<(u64, String)> =
            of_it.map(|e| (e.detail["sequence"].as_u64().unwrap(), e.detail["status"].as_str().unwrap().to_owned())).collect();
        told.sort();
        // Delivery is at least once; a repeat is the same event.
        told.dedup();
        told.into_iter().map(|(_, status)| status).collect()
    }

    async fn list(&self, pk: &str) -> usize {
        self.store.list(&Listing::of(pk, "")).await.unwrap().len()
    }

    async fn exists(&self, key: Key) -> bool {
        self.store.get(&key).await.unwrap().is_some()
    }

    fn calls(&self) -> Vec<&'static str> {
        let reads = |c: &&&str| {
            !c.starts_with("Describe")
                && !c.starts_with("Scheduled")
                && !c.starts_with("List")
                && !c.starts_with("Get")
                && !c.ends_with("Exceptions")
        };
        self.cloud.state().calls.iter().filter(reads).copied().collect()
    }

    fn put_tasks(&self, i: usize, tasks: Vec<EcsTask>) {
        let mut state = self.cloud.state();
        let host = &mut state.hosts[i];
        host.container.as_mut().unwrap().running_tasks = u32::try_from(tasks.len()).unwrap();
        host.tasks = tasks;
    }

    fn pages(&self) -> Vec<(String, bool)> {
        self.cloud.state().pages.iter().map(|p| (p.kind.to_string(), p.resolved)).collect()
    }
}

fn task(n: usize, service: bool) -> EcsTask {
    let service = service.then(|| "service".into());
    EcsTask { arn: format!("task-{n}").into(), service, daemon: false, protected: false, reserves: Resources::default() }
}

fn throttled(action: &'static str) -> CloudError {
    CloudError::RetryLater { action, why: "throttled".to_owned() }
}

/// [INST-10] [EVT-4] [EVT-13]
#[tokio::test]
async fn evt_4_a_start_tells_each_status_once_and_leaves_nothing_busy() {
    let world = World::new(1).await;
    world.ask_start(0).await;
    world.step().await;
    world.run(6).await;
    assert_eq!(world.statuses_told(0).await, ["requested", "pending", "booting", "running_setup", "online"]);
    assert_eq!(world.list(keys::BUSY_PK).await, 0);
    assert_eq!(world.cloud.count("RunInstances"), 1);
    let record = world.record(0).await.unwrap();
    assert!(record.container_instance_arn.is_some());
    let owner = world.reconciler.owner_of(record.ec2_instance_id.as_ref().unwrap()).await.unwrap();
    assert_eq!(owner, Some(world.ids[0].clone()));
}

#[tokio::test]
async fn twelve_starts_are_one_decision_and_their_restarts_one_call() {
    let world = World::new(12).await;
    for i in 0..12 {
        world.ask_start(i).await;
    }
    let decisions = world.step().await;
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    assert_eq!(decisions[0].subject, "shop/ecs-cluster");
    assert!(decisions[0].did.starts_with("bring 12 instances (web1, web2,"), "{}", decisions[0].did);
    world.run(6).await;
    for i in 0..12 {
        world.ask(i, InstanceStatus::Stopping, |_| {}).await;
    }
    world.run(6).await;
    for i in 0..12 {
        assert_eq!(world.status(i).await, InstanceStatus::Stopped);
        world.ask_start(i).await;
    }
    world.cloud.state().calls.clear();
    world.step().await;
    assert_eq!(world.calls(), ["StartInstances"]);
}

#[tokio::test]
async fn records_that_are_too_large_for_one_commit_together_are_written_in_several() {
    let world = World::new(20).await;
    let large = |record: &mut Instance| {
        record.launch_number += 1;
        record.agent_version = "x".repeat(300_000);
    };
    for i in 0..20 {
        world.ask(i, InstanceStatus::Requested, large).await;
    }
    const { assert!(20 * 300_000 > strata_ports::store::MAX_COMMIT_BYTES) };
    let commits = world.store.calls().commit;
    world.step().await;
    assert!(world.store.calls().commit < commits + 10, "many to a commit all the same");
    for i in 0..20 {
        assert_eq!(world.status(i).await, InstanceStatus::Pending);
    }
}

/// [ECS-69] [ECS-123] [INST-21]
#[tokio::test]
async fn ecs_123_a_stop_drains_waits_stops_what_is_left_deregisters_and_then_powers_off() {
    let world = World::online(1).await;
    world.put_tasks(0, vec![task(1, true), task(2, false)]);
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.step().await;
    assert_eq!(world.calls(), ["Drain", "SendCommand"]);
    world.run(1).await;
    assert_eq!(world.calls(), ["Drain", "SendCommand"], "the standalone task has until the shutdown timeout");
    world.run(4).await;
    assert_eq!(world.calls(), ["Drain", "SendCommand", "StopTask", "DeregisterContainerInstance", "StopInstances"]);
    assert_eq!(world.statuses_told(0).await, ["stopping", "shutting_down", "stopped"]);
    let record = world.record(0).await.unwrap();
    assert!(record.ec2_instance_id.is_some() && record.container_instance_arn.is_none());
    assert_eq!(world.list(keys::BUSY_PK).await, 0);
}

/// [INST-10] [SVE-1] [EVT-7]
#[tokio::test]
async fn inst_10_a_refused_launch_is_start_failed_with_a_service_error_and_a_page_and_spoils_no_other() {
    let world = World::new(2).await;
    let refusal = CloudError::Refused {
        action: "ec2:RunInstances",
        code: "InsufficientInstanceCapacity".to_owned(),
        why: "none left".to_owned(),
    };
    world.cloud.state().faults.push(("RunInstances", refusal, false));
    world.ask_start(0).await;
    world.ask_start(1).await;
    world.step().await;
    assert_eq!((world.status(0).await, world.status(1).await), (InstanceStatus::StartFailed, InstanceStatus::Pending));
    let record = world.record(0).await.unwrap();
    let error = world.store.get(&keys::service_error(&record.stack_id, record.last_service_error_id.as_ref().unwrap())).await;
    let error: ServiceError = error.unwrap().unwrap().decode().unwrap();
    assert_eq!(error.error_type, "InstanceStart");
    assert!(error.message.contains("InsufficientInstanceCapacity"), "{}", error.message);
    world.flush().await;
    assert_eq!(world.pages(), [("start-failed".to_owned(), false)]);
    assert_eq!(world.cloud.state().events.iter().filter(|e| e.detail_type == "OpsWorks Alert").count(), 1);
    world.ask_start(0).await;
    world.run(6).await;
    world.flush().await;
    assert_eq!(world.pages().last(), Some(&("start-failed".to_owned(), true)), "online again resolves it");
}

#[tokio::test]
async fn a_launch_whose_answer_was_lost_is_one_machine() {
    let world = World::new(1).await;
    let lost = CloudError::OutcomeUnknown { action: "ec2:RunInstances", why: "timeout".to_owned() };
    world.cloud.state().faults.push(("RunInstances", lost, true));
    world.ask_start(0).await;
    world.step().await;
    assert_eq!(world.status(0).await, InstanceStatus::Requested);
    world.run(6).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    assert_eq!(world.cloud.state().hosts.len(), 1);
}

#[tokio::test]
async fn a_launch_that_turns_up_after_a_stop_is_not_left_running() {
    let world = World::new(1).await;
    let lost = CloudError::OutcomeUnknown { action: "ec2:RunInstances", why: "timeout".to_owned() };
    world.cloud.state().faults.push(("RunInstances", lost, true));
    world.ask_start(0).await;
    world.step().await;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(5).await;
    assert_eq!(world.status(0).await, InstanceStatus::Stopped);
    assert_eq!(world.cloud.state().hosts[0].ec2.state, Ec2State::Stopped);
}

#[tokio::test]
async fn throttled_launches_wait_in_the_backlog_which_the_streams_next_invocation_takes_along() {
    let world = World::new(3).await;
    for i in 0..3 {
        world.ask_start(i).await;
    }
    world.cloud.state().faults.push(("RunInstances", throttled("ec2:RunInstances"), false));
    world.step().await;
    assert_eq!((world.cloud.count("RunInstances"), world.list(keys::LAUNCH_BACKLOG_PK).await), (1, 3));
    // A hint about them uses up no token: somebody is at work on the backlog.
    world.step().await;
    assert_eq!(world.cloud.count("RunInstances"), 1);
    world.reconciler.step_and_launch(&[], "a table change").await.unwrap();
    let hosts = world.cloud.state().hosts.len();
    assert_eq!((hosts, world.list(keys::LAUNCH_BACKLOG_PK).await), (3, 0));
}

#[tokio::test]
async fn the_tick_goes_on_with_the_backlog_when_nobody_has_for_half_a_minute() {
    let world = World::new(2).await;
    for i in 0..2 {
        world.ask_start(i).await;
    }
    world.cloud.state().faults.push(("RunInstances", throttled("ec2:RunInstances"), false));
    world.step().await;
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(world.cloud.count("RunInstances"), 1, "it was poked just now");
    world.run(1).await;
    let hosts = world.cloud.state().hosts.len();
    assert_eq!((hosts, world.list(keys::LAUNCH_BACKLOG_PK).await), (2, 0));
}

/// [HEAL-4] [HEAL-7] [HEAL-9] [INST-26]
#[tokio::test]
async fn heal_9_a_host_stopped_in_ec2_is_healed_with_one_page_that_is_resolved() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].ec2.state = Ec2State::Stopped;
    world.run(8).await;
    let told = world.statuses_told(0).await;
    assert_eq!(told, ["connection_lost", "stopping", "requested", "pending", "booting", "running_setup", "online"]);
    assert_eq!(world.pages(), [("auto-healing".to_owned(), false), ("auto-healing".to_owned(), true)]);
    let state = world.cloud.state();
    assert_eq!(state.pages[0].incident, state.pages[1].incident);
    let stopping = state.events.iter().find(|e| e.detail["status"] == "stopping").unwrap();
    assert_eq!(stopping.detail["initiated_by"], "auto-healing");
    assert_eq!(state.hosts.len(), 6, "the same machine");
}

/// [HEAL-1] [HEAL-10]
#[tokio::test]
async fn heal_10_a_hung_host_is_healed_when_both_agents_have_been_silent_long_enough() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].hung = true;
    world.run(5).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    world.run(12).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    let record = world.record(0).await.unwrap();
    assert_eq!((record.heals.len(), record.launch_number), (1, 2));
    assert!(
        world.calls().starts_with(&["Drain", "StopInstances", "DeregisterContainerInstance", "StartInstances"]),
        "{:?}",
        world.calls()
    );
}

#[tokio::test]
async fn an_outage_heals_nobody_pages_once_and_is_resolved_when_it_is_over() {
    let world = World::online(10).await;
    for i in 0..3 {
        world.cloud.state().hosts[i].ec2.state = Ec2State::Stopped;
    }
    world.run(3).await;
    world.flush().await;
    assert_eq!(world.calls(), [""; 0], "nobody is healed");
    assert_eq!(world.pages(), [("outage".to_owned(), false)]);
    for i in 0..3 {
        assert_eq!(world.status(i).await, InstanceStatus::ConnectionLost);
        world.cloud.state().hosts[i].ec2.state = Ec2State::Running;
    }
    world.run(2).await;
    world.flush().await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    assert_eq!(world.pages(), [("outage".to_owned(), false), ("outage".to_owned(), true)]);
}

#[tokio::test]
async fn observe_tells_once_what_it_would_do_and_frozen_does_nothing() {
    for (mode, told) in [(Some(Mode::Observe), 1), (Some(Mode::Frozen), 0)] {
        let world = World::new(1).await;
        world.cloud.state().mode = mode;
        world.ask_start(0).await;
        let decisions: Vec<_> = [world.step().await, world.step().await].concat();
        assert_eq!(decisions.iter().filter(|d| d.verdict == Verdict::WouldAct).count(), told, "{mode:?} {decisions:?}");
        assert_eq!(world.calls(), [""; 0]);
        world.cloud.state().mode = Some(Mode::Active);
        world.step().await;
        assert_eq!(world.status(0).await, InstanceStatus::Pending);
    }
}

#[tokio::test]
async fn an_unreadable_mode_starts_but_takes_nothing_away() {
    let world = World::online(1).await;
    world.cloud.state().mode = None;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(3).await;
    assert_eq!(world.calls(), [""; 0]);
    let world = World::new(1).await;
    world.cloud.state().mode = None;
    world.ask_start(0).await;
    world.step().await;
    assert_eq!(world.calls(), ["RunInstances"]);
}

#[tokio::test]
async fn a_claim_takes_a_host_out_of_service_and_its_release_puts_it_back() {
    let world = World::online(1).await;
    world.put_tasks(0, vec![task(1, true)]);
    let (stack, id) = world.ids[0].clone();
    let claim = Claim {
        instance_id: id.clone(),
        holder: "updates/1".to_owned(),
        reason: "patch".to_owned(),
        until: world.cloud.now().checked_add(SignedDuration::from_hours(1)).unwrap(),
        drain: DrainPolicy::Wait,
    };
    world.commit(vec![Change::put(keys::claim(&stack, &id), &claim, Expect::Absent)]).await;
    world.run(3).await;
    let record = world.record(0).await.unwrap();
    assert!(record.out_of_service_since.is_some());
    assert_eq!((record.status, record.drained_for.as_deref()), (InstanceStatus::Online, Some("updates/1")));
    assert!(world.exists(keys::busy(&id)).await, "its end must not be missed");
    let report = world.store.get(&keys::claim_report(&stack, &id)).await.unwrap().expect("the holder is told");
    let told = ClaimReport { holder: "updates/1".to_owned(), out_of_service_since: record.out_of_service_since };
    assert_eq!(report.decode::<ClaimReport>().unwrap(), told);
    world.commit(vec![Change::Delete { key: keys::claim(&stack, &id), expect: Expect::Version(1) }]).await;
    world.run(1).await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.drained_for, record.out_of_service_since), (None, None));
    assert!(!world.exists(keys::claim_report(&stack, &id)).await, "gone once the host is ACTIVE again");
    assert_eq!(world.calls(), ["Drain", "Activate"]);
    assert!(!world.exists(keys::busy(&id)).await);
}

#[tokio::test]
async fn a_host_that_somebody_else_drains_is_held_told_once_and_left_alone() {
    let world = World::online(1).await;
    world.cloud.state().hosts[0].container.as_mut().unwrap().state = ContainerInstanceState::Draining;
    let mut told = 0;
    for _ in 0..3 {
        told += world.reconciler.sweep("tick").await.unwrap().len();
    }
    assert_eq!((told, world.calls()), (1, vec![]));
    let (stack, id) = &world.ids[0];
    let hold = world.store.get(&keys::instance_hold(stack, id, "foreign")).await.unwrap().unwrap();
    assert!(hold.decode::<Hold>().unwrap().covers(id, &[]));
    world.cloud.state().hosts[0].container.as_mut().unwrap().state = ContainerInstanceState::Active;
    world.step().await;
    assert!(!world.exists(keys::instance_hold(stack, id, "foreign")).await);
}

/// [INST-31] [INST-33] [ECS-70]
#[tokio::test]
async fn inst_33_a_deletion_terminates_the_machine_and_removes_every_trace() {
    let world = World::online(1).await;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    let ec2 = world.record(0).await.unwrap().ec2_instance_id.unwrap();
    world.ask(0, InstanceStatus::Terminating, |r| r.delete = Some(DeleteRequest { volumes: true, elastic_ip: false })).await;
    world.run(4).await;
    assert_eq!(world.record(0).await, None);
    assert_eq!(world.cloud.state().hosts[0].ec2.state, Ec2State::Terminated);
    assert!(!world.exists(keys::busy(&world.ids[0].1)).await && !world.exists(keys::ec2_index(&ec2)).await);
    assert!(world.statuses_told(0).await.ends_with(&["terminating".to_owned(), "terminated".to_owned()]));
}

/// [INST-21] [INST-70]
#[tokio::test]
async fn inst_21_an_instance_store_stop_terminates_and_the_next_start_launches_anew() {
    let world = World::new(1).await;
    world.ask(0, InstanceStatus::StartFailed, |r| r.root_device_type = RootDeviceType::InstanceStore).await;
    world.ask_start(0).await;
    world.run(7).await;
    world.ask(0, InstanceStatus::Terminating, |_| {}).await;
    world.run(5).await;
    let told = world.statuses_told(0).await;
    assert!(told.ends_with(&["terminating", "shutting_down", "terminated", "stopped"].map(str::to_owned)), "{told:?}");
    assert_eq!(world.record(0).await.unwrap().ec2_instance_id, None);
    world.ask_start(0).await;
    world.run(6).await;
    assert_eq!((world.status(0).await, world.cloud.state().hosts.len()), (InstanceStatus::Online, 2));
}

#[tokio::test]
async fn conflicting_commits_and_repeated_invocations_change_nothing_but_the_time() {
    for seed in 0..20 {
        let world = World::with_store(4, MemoryStore::new().with_conflicts(seed, 300)).await;
        for i in 0..4 {
            world.ask_start(i).await;
        }
        for _ in 0..30 {
            let _ = world.step().await;
            let _ = world.reconciler.sweep("tick").await.unwrap();
            world.cloud.pass();
        }
        for i in 0..4 {
            assert_eq!(
                world.statuses_told(i).await,
                ["requested", "pending", "booting", "running_setup", "online"],
                "seed {seed}"
            );
        }
        assert_eq!(world.cloud.state().hosts.len(), 4);
        assert_eq!(world.list(keys::BUSY_PK).await, 0, "seed {seed}");
    }
}

#[tokio::test]
async fn a_tick_over_a_quiet_fleet_reads_no_record_and_makes_three_calls() {
    let world = World::online(10).await;
    world.run(1).await;
    let before = world.store.calls().get;
    world.cloud.state().calls.clear();
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(world.cloud.state().calls, ["DescribeExceptions", "ContainerExceptions", "ScheduledEvents"]);
    assert!(world.store.calls().get - before < 10, "{}", world.store.calls().get - before);
}

/// [ECS-91] [REG-3] [REG-4]: out of the layers and out of the stack, while the machine and its ECS agent go on.
#[tokio::test]
async fn ecs_91_a_registered_host_leaves_and_comes_back_without_a_call_to_ec2_or_ecs() {
    let world = World::online(1).await;
    let layers = world.record(0).await.unwrap().layer_ids;
    let container = || world.cloud.state().hosts[0].container.clone().unwrap().arn;
    let before = container();
    world.ask(0, InstanceStatus::Unassigning, |record| record.origin = Origin::RegisteredEc2).await;
    world.run(3).await;
    let left = world.record(0).await.unwrap();
    assert_eq!((left.status, left.layer_ids.len(), left.container_instance_arn), (InstanceStatus::Registered, 0, None));
    assert_eq!(world.list(keys::BUSY_PK).await, 0);

    let assign = |record: &mut Instance| {
        record.layer_ids.clone_from(&layers);
        record.launch_number += 1;
    };
    world.ask(0, InstanceStatus::Assigning, assign).await;
    world.run(3).await;
    let back = world.record(0).await.unwrap();
    assert_eq!((back.status, back.container_instance_arn), (InstanceStatus::Online, Some(before.clone())));

    world.ask(0, InstanceStatus::Deregistering, |record| record.shutdown_command = None).await;
    world.run(3).await;
    assert!(world.record(0).await.is_none());
    assert!(!world.exists(keys::ec2_index(&back.ec2_instance_id.unwrap())).await);
    assert_eq!(world.cloud.state().hosts[0].ec2.state, Ec2State::Running);
    assert_eq!(container(), before);
    assert_eq!(world.calls(), ["SendCommand", "SendCommand", "SendCommand"], "a Shutdown event, Setup, a Shutdown event");
    let told = world.statuses_told(0).await;
    assert_eq!(told, ["unassigning", "registered", "assigning", "running_setup", "online", "deregistering"]);
    let setups = world.cloud.state().commands.values().map(|(request, _)| request.clone()).collect::<Vec<_>>();
    let setup = setups.iter().find(|r| r.kind == CommandKind::Setup && r.nonce.ends_with("-2")).unwrap();
    let parameter = |name: &str| setup.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!((parameter("clear_agent_state"), parameter("install_updates")), (Some("false"), Some("false")));
}
