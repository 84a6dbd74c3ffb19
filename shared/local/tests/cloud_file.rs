//! The cloud beside the store, both on disk: killed in the middle of their work, and what a write costs.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, StackId};
use strata_local::cloud::{ApiSettings, BucketSize, Saved, Spread};
use strata_local::{CloudConfig, CloudFile, OpenError, RedbStore, SimCloud, VirtualClock, rng};
use strata_ports::store::Listing;
use strata_ports::{
    Change, Clock, CommandKind, CommandRequest, Commands, Compute, Containers, Expect, Key, LaunchSpec, StackScope, Store,
};

/// Names the folder to the child that is to be killed.
const CHILD_FOLDER: &str = "STRATA_TEST_CHILD_FOLDER";
const ROUNDS: u32 = 24;

/// What the controllers' records know of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    ec2: Ec2InstanceId,
    container: Option<ContainerInstanceArn>,
}

/// A cloud that answers at once and whose hosts come up soon, at a speed of 600.
fn config() -> CloudConfig {
    let at_once = Spread::fixed_ms(0);
    let many = BucketSize { burst: 1_000_000, per_second: 1_000 };
    let api = ApiSettings { read_latency: at_once, write_latency: at_once, run_instances: many, ..ApiSettings::default() };
    let mut config = CloudConfig { api, ..CloudConfig::default() };
    config.ec2.describe_lag = at_once;
    config
}

struct World {
    store: Arc<RedbStore>,
    cloud: Arc<SimCloud>,
    clock: Arc<VirtualClock>,
}

/// Opens what is in the folder, and goes on from there.
fn open(folder: &Path, speed: u32) -> World {
    let store = Arc::new(RedbStore::open(folder.join("store.redb")).unwrap());
    let file = Arc::new(CloudFile::open(folder.join("cloud.redb")).unwrap());
    let saved = file.load().unwrap().map(|bytes| Saved::read(&bytes).unwrap());
    let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
    let now = [Some(start), store.last_commit().unwrap(), saved.as_ref().map(Saved::at)].into_iter().flatten().max().unwrap();
    let clock = Arc::new(VirtualClock::at_speed(now, NonZeroU32::new(speed).unwrap()));
    store.stamp_with(clock.clone());
    let cloud = match saved {
        Some(saved) => saved.wake(clock.clone()),
        None => SimCloud::new(config(), 5, clock.clone()),
    };
    cloud.keep_in(file);
    World { store, cloud, clock }
}

fn scope() -> StackScope {
    StackScope { stack_id: StackId::new("stack"), region: "us-east-1".to_owned(), service_role_arn: String::new() }
}

fn launch(n: u64) -> LaunchSpec {
    LaunchSpec {
        token: format!("web{n}-1"),
        instance_id: InstanceId::new(format!("web{n}")),
        hostname: format!("web{n}"),
        stack_name: "shop".to_owned(),
        instance_type: "c7i.large".to_owned(),
        availability_zone: "us-east-1a".to_owned(),
        subnet_id: "subnet-1".to_owned(),
        os: "Amazon Linux 2023".to_owned(),
        ami_id: None,
        instance_profile_arn: String::new(),
        associate_public_ip: true,
        volumes: Vec::new(),
        security_group_ids: Vec::new(),
        key_name: None,
        ebs_optimized: false,
        tenancy: None,
        block_devices: Vec::new(),
        layers: Vec::new(),
        tags: strata_domain::tags::Tags::new(),
        imdsv1: false,
        plain_root: false,
    }
}

fn setup(n: u64, host: &Ec2InstanceId, cluster: &ClusterArn) -> CommandRequest {
    CommandRequest {
        nonce: format!("setup-{n}"),
        kind: CommandKind::Setup,
        host: host.clone(),
        parameters: vec![("cluster".to_owned(), cluster.to_string())],
        timeout_seconds: 3_600,
    }
}

impl World {
    /// One host's life as far as its container instance, a record after each step; `None`: the child will be killed anyway.
    async fn live(&self, n: u64, cluster: &ClusterArn, say: &impl Fn(String)) {
        let key = Key::new("hosts", format!("web{n}"));
        let ec2 = self.cloud.run_instance(&scope(), &launch(n)).await.unwrap().id;
        let mut record = Record { ec2: ec2.clone(), container: None };
        self.store.commit(vec![Change::put(key.clone(), &record, Expect::Absent)]).await.unwrap();
        say(format!("launched {n} {ec2}"));
        while self.cloud.send(&scope(), &setup(n, &ec2, cluster)).await.is_err() {
            self.clock.sleep(jiff::SignedDuration::from_secs(5)).await;
        }
        let container = loop {
            let found = self.cloud.find_by_host(&scope(), cluster, std::slice::from_ref(&ec2)).await.unwrap();
            if let Some(container) = found.into_iter().next() {
                break container.arn;
            }
            self.clock.sleep(jiff::SignedDuration::from_secs(5)).await;
        };
        record.container = Some(container);
        self.store.commit(vec![Change::put(key, &record, Expect::Version(1))]).await.unwrap();
        say(format!("registered {n} {ec2}"));
    }

    async fn records(&self) -> BTreeMap<String, Record> {
        let items = self.store.list(&Listing::of("hosts", "")).await.unwrap();
        items.into_iter().map(|item| (item.key.sk.clone(), item.decode().unwrap())).collect()
    }
}

/// Not a test of its own: what the killed child runs. Eight hosts at a time come up, until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by survives_kill_9, which kills it"]
async fn child_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the child is a test and has no main of its own")]
    let Ok(folder) = std::env::var(CHILD_FOLDER) else { return };
    let world = Arc::new(open(Path::new(&folder), 600));
    let cluster = world.cloud.create_cluster("shop");
    let next = Arc::new(AtomicU64::new(world.records().await.len() as u64 + 1_000 * u64::from(std::process::id())));
    let say = |what: String| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{what}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
    };
    say("\nready".to_owned());
    let one_after_the_other = |world: Arc<World>, next: Arc<AtomicU64>, cluster: ClusterArn| async move {
        loop {
            world.live(next.fetch_add(1, Ordering::Relaxed), &cluster, &say).await;
        }
    };
    let workers: Vec<_> =
        (0..8).map(|_| tokio::spawn(one_after_the_other(world.clone(), next.clone(), cluster.clone()))).collect();
    loop {
        // What happens by itself, told to nobody, and saved now and then as the server does.
        world.clock.sleep(jiff::SignedDuration::from_secs(3)).await;
        world.cloud.advance(world.clock.now());
        world.cloud.keep().await.unwrap();
        assert!(workers.iter().all(|worker| !worker.is_finished()), "a worker has failed");
    }
}

/// Runs the child, kills it some answers later, and gives what it had been answered by then: hosts by name.
fn run_and_kill(folder: &Path, draws: &mut ChaCha8Rng) -> BTreeMap<String, Ec2InstanceId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--ignored", "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ready"), "the child opened what the last one left");
    let mut said = BTreeMap::new();
    let mut listen = |line: &str| {
        let mut words = line.split(' ');
        let (Some("launched" | "registered"), Some(n), Some(ec2)) = (words.next(), words.next(), words.next()) else { return };
        said.insert(format!("web{n}"), Ec2InstanceId::from(ec2));
    };
    let count = usize::try_from(rng::below(draws, 40)).unwrap();
    lines.by_ref().take(count).for_each(|line| listen(&line));
    // A part of a write later, so that the kill hits it anywhere.
    for _ in 0..rng::below(draws, 300_000) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    lines.for_each(|line| listen(&line));
    assert!(!child.wait().unwrap().success(), "it was killed");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_kill_9_and_knows_every_host_that_a_record_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut draws = rng::stream(9, "kills");
    let mut before = 0;
    for round in 0..ROUNDS {
        let said = run_and_kill(folder.path(), &mut draws);
        let world = open(folder.path(), 1);
        let records = world.records().await;
        for (name, ec2) in &said {
            assert_eq!(records.get(name).map(|r| &r.ec2), Some(ec2), "round {round}: {name} was answered");
        }
        for (name, record) in &records {
            let host = world.cloud.host_of(&InstanceId::new(name.as_str()));
            let host = host.unwrap_or_else(|| panic!("round {round}: the cloud has forgotten {name}"));
            assert_eq!(host.ec2_id, record.ec2, "round {round}: {name}");
            if let Some(container) = &record.container {
                assert_eq!(host.container.as_ref(), Some(container), "round {round}: {name} is registered as it was seen");
            }
        }
        assert_eq!(world.cloud.records_with_several_hosts(), []);
        assert!(records.len() >= before, "round {round}: a record is lost");
        before = records.len();
        let registered = records.values().filter(|r| r.container.is_some()).count();
        assert!(round + 1 < ROUNDS || (before > 100 && registered > 30), "{before} hosts, {registered} registered: too quiet");
    }
}

#[test]
fn one_process_at_a_time_and_no_file_of_another_kind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cloud.redb");
    let file = CloudFile::open(&path).unwrap();
    assert_eq!(file.load().unwrap(), None);
    assert!(matches!(CloudFile::open(&path), Err(OpenError::InUse { .. })));
    drop(file);
    std::fs::write(&path, "dear diary ".repeat(1_000)).unwrap();
    assert!(matches!(CloudFile::open(&path), Err(OpenError::Unusable { .. })));
}

/// Prints what a durable write costs: `cargo test --release -p strata-local --test cloud_file cost -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
async fn cost_of_a_durable_write() {
    for hosts in [10, 100, 1_000] {
        let folder = tempfile::tempdir().unwrap();
        let world = open(folder.path(), 600);
        let cluster = world.cloud.create_cluster("shop");
        let say = |_| {};
        let live = (0..hosts).map(|n| world.live(n, &cluster, &say));
        futures::future::join_all(live).await;
        let (size, began) = (world.cloud.snapshot().len(), std::time::Instant::now());
        for _ in 0..10 {
            std::hint::black_box(world.cloud.snapshot());
        }
        let (written, began) = (began.elapsed() / 10, std::time::Instant::now());
        for n in 0..100 {
            world.cloud.run_instance(&scope(), &launch(1_000_000 + n)).await.unwrap();
        }
        let (alone, began) = (began.elapsed() / 100, std::time::Instant::now());
        let scope = scope();
        let specs: Vec<_> = (0..1_000).map(|n| launch(2_000_000 + n)).collect();
        futures::future::join_all(specs.iter().map(|spec| world.cloud.run_instance(&scope, spec))).await;
        let together = began.elapsed() / 1_000;
        println!("{hosts} hosts: {size} bytes in {written:?}; a write alone {alone:?}, of 1,000 at once {together:?}");
    }
}
