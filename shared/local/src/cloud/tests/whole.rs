//! The cloud as a whole: equal seeds give equal runs, the books always balance, the driver is woken.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use rand_chacha::ChaCha8Rng;
use strata_domain::Ec2InstanceId;
use strata_ports::{CommandKind, Commands, Compute, ContainerInstanceState, Containers};

use crate::cloud::ec2::HostNo;
use crate::cloud::state::State;
use crate::cloud::tasks::Phase;
use crate::cloud::testkit::{World, config};
use crate::cloud::{CloudConfig, Emission, Mishap, Saved, ServiceSpec, Source, Victim};
use crate::faults::Profile;
use crate::rng;

/// Recounts everything that is kept incrementally.
fn check_books(s: &State) {
    for (no, c) in &s.ecs.containers {
        let tasks: Vec<_> = c.tasks.iter().map(|t| &s.ecs.tasks[t]).collect();
        let phase = |p: &[Phase]| tasks.iter().filter(|t| p.contains(&t.phase)).count() as u32;
        assert_eq!((c.pending, c.running), (phase(&[Phase::Pending]), phase(&[Phase::Running, Phase::Stopping])));
        assert_eq!(c.daemons as usize, tasks.iter().filter(|t| t.daemon).count());
        assert_eq!(c.used as usize, tasks.iter().filter(|t| !t.daemon).count());
        assert!(c.used <= c.slots);
        let cluster = &s.ecs.clusters[&c.cluster];
        assert_eq!(cluster.exceptions.contains(no), !c.takes_tasks());
        let eligible = cluster.eligible.get(&c.zone).is_some_and(|set| set.contains(&(c.used, *no)));
        assert_eq!(eligible, c.takes_tasks() && c.used < c.slots);
    }
    for (no, cluster) in &s.ecs.clusters {
        let mine = || s.ecs.containers.values().filter(|c| c.cluster == *no);
        for (zone, online) in &cluster.online {
            assert_eq!(*online as usize, mine().filter(|c| c.zone == *zone && c.takes_tasks()).count());
        }
        let listed: usize = cluster.eligible.values().map(BTreeSet::len).sum();
        assert_eq!(listed, mine().filter(|c| c.takes_tasks() && c.used < c.slots).count());
        assert_eq!(cluster.containers.len(), mine().count());
    }
    for (no, service) in &s.ecs.services {
        let mine = || s.ecs.tasks.iter().filter(|(_, t)| t.service == Some(*no));
        let of = |p: Phase| mine().filter(|(_, t)| t.phase == p).map(|(n, _)| *n).collect::<BTreeSet<_>>();
        assert_eq!((&service.pending, &service.running), (&of(Phase::Pending), &of(Phase::Running)));
        assert_eq!(service.stopping as usize, of(Phase::Stopping).len());
        assert_eq!(service.dead as usize, mine().filter(|(_, t)| t.phase == Phase::Running && t.dead).count());
        let draining = |c| s.ecs.containers[c].state == ContainerInstanceState::Draining;
        let on_draining = mine().filter(|(_, t)| t.phase != Phase::Stopping && draining(&t.container)).map(|(n, _)| *n).collect();
        assert_eq!(service.on_draining, on_draining);
        assert_eq!(
            service.by_zone.values().map(BTreeSet::len).sum::<usize>() + on_draining.len(),
            service.pending.len() + service.running.len()
        );
    }
    let mut by_record: BTreeMap<_, BTreeSet<HostNo>> = BTreeMap::new();
    for (no, host) in s.ec2.hosts.iter().filter(|(_, h)| h.state != strata_ports::Ec2State::Terminated) {
        by_record.entry(host.spec.instance_id.clone()).or_default().insert(*no);
    }
    assert_eq!(s.ec2.by_record, by_record);
}

fn roll(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    rng::below(rng, bound as u64) as usize
}

/// Anything at all happens, calls and mishaps, for a while; what the world told.
async fn anything(seed: u64, steps: usize) -> Vec<Emission> {
    anything_and(seed, steps, |_| {}).await
}

/// The same, and `between` each two steps something else.
async fn anything_and(seed: u64, steps: usize, between: impl Fn(&mut World)) -> Vec<Emission> {
    let mut settings = CloudConfig::default().misbehaving(Profile::Heavy);
    settings.ecs.slots_per_host = 3;
    let mut w = World::seeded(settings, seed);
    let mut dice = rng::stream(seed, "anything");
    for (name, daemon, protected_tasks) in [("web", false, 0), ("jobs", false, 2), ("log-agent", true, 0)] {
        let spec = ServiceSpec {
            name: name.to_owned(),
            desired: 8,
            daemon,
            protected_tasks,
            min_healthy_percent: 60,
            ..ServiceSpec::default()
        };
        w.cloud.create_service(&w.cluster, spec).unwrap();
    }
    let mut hosts: Vec<Ec2InstanceId> = Vec::new();
    for step in 0..steps {
        // The youngest few: the old ones are gone sooner or later.
        let few = hosts.len().min(8);
        let host = hosts.get(hosts.len() - few + roll(&mut dice, few)).cloned().unwrap_or_else(|| "i-none".into());
        one_thing(&mut w, &mut dice, &mut hosts, &host, step).await;
        between(&mut w);
        w.pass(rng::between(&mut dice, 0, 90)).await;
        check_books(&w.cloud.lock());
    }
    w.pass(7_200).await;
    check_books(&w.cloud.lock());
    w.told
}

async fn one_thing(w: &mut World, dice: &mut ChaCha8Rng, hosts: &mut Vec<Ec2InstanceId>, host: &Ec2InstanceId, step: usize) {
    let one = [host.clone()];
    let arns: Vec<_> = w.container(host).await.map(|c| c.arn).into_iter().collect();
    let mishap = |mishap| w.cloud.inject(Victim::Ec2(host.clone()), mishap, w.now());
    match roll(dice, 19) {
        0..=2 => {
            let zone = ["a", "b", "c"][roll(dice, 3)];
            hosts.extend(w.cloud.run_instance(&w.scope, &w.spec(&format!("web{step}"), zone)).await.map(|h| h.id));
        }
        3..=5 | 16..=18 => drop(w.cloud.send(&w.scope, &w.command(CommandKind::Setup, host, "s")).await),
        6 => drop(w.cloud.send(&w.scope, &w.command(CommandKind::Update, host, "u")).await),
        7 => drop(w.cloud.stop_instances(&w.scope, &one, roll(dice, 2) == 0).await),
        8 => drop(w.cloud.start_instances(&w.scope, &one).await),
        9 => drop(w.cloud.terminate_instances(&w.scope, &one).await),
        10 => drop(w.cloud.set_state(&w.scope, &w.cluster, &arns, ContainerInstanceState::Draining).await),
        11 => drop(w.cloud.set_state(&w.scope, &w.cluster, &arns, ContainerInstanceState::Active).await),
        12 => {
            for arn in &arns {
                for task in w.cloud.tasks_on(&w.scope, &w.cluster, arn).await.unwrap() {
                    w.cloud.stop_task(&w.scope, &w.cluster, &task.arn, "anything").await.unwrap();
                }
                drop(w.cloud.deregister(&w.scope, &w.cluster, arn).await);
            }
        }
        13 => mishap([Mishap::Hang, Mishap::Reboot, Mishap::SpotInterruption][roll(dice, 3)].clone()),
        14 => mishap(Mishap::AgentDisconnect(SignedDuration::from_secs(90))),
        _ => {
            let service = w.cloud.services(&w.scope, &w.cluster).await.unwrap().remove(roll(dice, 2)).arn;
            let desired = rng::between(dice, 0, 20) as u32;
            w.cloud.scale_service(&w.scope, &w.cluster, &service, desired).await.unwrap();
            w.cloud.run_task(&w.cluster, 1).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_the_books_balance() {
    for seed in 0..8 {
        anything(seed, 250).await;
    }
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte_and_another_seed_another() {
    let run = |seed| crate::virtual_runtime().unwrap().block_on(anything(seed, 400));
    let first = run(7);
    for (source, least) in [(Source::Ec2, 80), (Source::Ecs, 40), (Source::Ssm, 40), (Source::SsmUpdate, 3), (Source::Spot, 1)] {
        let told = first.iter().filter(|e| e.source == source).count();
        assert!(told >= least, "the run is too quiet to prove anything: {told} of {source:?}");
    }
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

/// Every part of the state is in the snapshot: whatever were missing, the runs would come apart sooner or later.
#[test]
fn a_world_that_is_saved_and_woken_after_every_step_lives_the_same_life_to_the_byte() {
    let save_and_wake = |w: &mut World| {
        let saved = Saved::read(&w.cloud.snapshot()).unwrap();
        assert!(saved.at() <= w.now());
        w.cloud = saved.wake(w.clock.clone());
    };
    let run = |seed| crate::virtual_runtime().unwrap().block_on(anything(seed, 300));
    let woken = |seed| crate::virtual_runtime().unwrap().block_on(anything_and(seed, 300, save_and_wake));
    for seed in [7, 11] {
        assert_eq!(run(seed), woken(seed));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_snapshot_are_refused() {
    let snapshot = World::new(config()).cloud.snapshot();
    for bytes in [&b""[..], b"dear diary", &snapshot[..snapshot.len() / 2]] {
        let error = Saved::read(bytes).err().unwrap();
        assert!(error.to_string().starts_with("not a snapshot of the simulated cloud: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_plans_something_earlier_wakes_the_driver() {
    let w = World::new(config());
    assert_eq!(w.cloud.next_due(), None);
    let woken = w.cloud.changed().notified();
    let host = w.cloud.run_instance(&w.scope, &w.spec("web1", "a")).await.unwrap();
    tokio::time::timeout(std::time::Duration::ZERO, woken).await.expect("woken at once");
    assert_eq!(w.cloud.next_due(), Some(w.now()), "what was told waits to be taken");
    assert_eq!(w.cloud.advance(w.now()).len(), 1);
    assert_eq!(w.cloud.next_due(), Some(w.now() + SignedDuration::from_secs(10)));
    assert!(w.cloud.advance(w.now()).is_empty());
    assert_eq!(w.cloud.host_of(&"web1".into()).unwrap().ec2_id, host.id);
}

#[tokio::test(start_paused = true)]
async fn what_was_due_has_happened_when_a_call_comes_even_if_the_driver_sleeps() {
    let w = World::new(config());
    let id = w.cloud.run_instance(&w.scope, &w.spec("web1", "a")).await.unwrap().id;
    w.clock.sleep(SignedDuration::from_secs(10)).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, strata_ports::Ec2State::Running);
    assert_eq!(w.cloud.advance(w.now()).len(), 2);
}

/// A fleet of a thousand, a thousand times its tasks: work that grew with the square of it would show.
#[tokio::test(start_paused = true)]
async fn a_thousand_hosts_come_up_and_drain_by_steps_that_cost_little() {
    let mut settings = config();
    settings.api.run_instances.burst = 10_000;
    let mut w = World::new(settings);
    w.cloud.create_service(&w.cluster, ServiceSpec { name: "web".to_owned(), desired: 3_000, ..ServiceSpec::default() }).unwrap();
    let mut ids = Vec::new();
    for n in 0..1_000 {
        let spec = w.spec(&format!("web{n}"), ["a", "b", "c"][n % 3]);
        ids.push(w.cloud.run_instance(&w.scope, &spec).await.unwrap().id);
    }
    w.pass(70).await;
    for id in &ids {
        w.setup(id).await;
    }
    w.pass(300).await;
    let found = w.cloud.find_by_host(&w.scope, &w.cluster, &ids[..300]).await.unwrap();
    let arns: Vec<_> = found.into_iter().map(|c| c.arn).collect();
    w.cloud.set_state(&w.scope, &w.cluster, &arns, ContainerInstanceState::Draining).await.unwrap();
    w.pass(300).await;
    let view = w.cloud.world_view();
    assert_eq!((view.services[0].healthy, w.cloud.tasks_interrupted()), (3_000, 0));
    assert_eq!(w.cloud.online_capacity(&w.cluster).values().sum::<u32>(), 700);
    check_books(&w.cloud.lock());
}
