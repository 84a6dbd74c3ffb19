//! ECS: placement, draining, what a lost host leaves behind.

use jiff::SignedDuration;
use strata_domain::{ClusterArn, Ec2InstanceId};
use strata_ports::ContainerInstanceState::{Active, Draining};
use strata_ports::{CloudError, Compute, Containers, EcsService, EcsTask};
use strata_triggers::HintKind;

use crate::cloud::testkit::{World, config};
use crate::cloud::{Mishap, ServiceSpec, ServiceView, Victim};

fn service(name: &str, desired: u32) -> ServiceSpec {
    ServiceSpec { name: name.to_owned(), desired, ..ServiceSpec::default() }
}

fn view(w: &World, name: &str) -> ServiceView {
    w.cloud.world_view().services.into_iter().find(|s| s.name == name).unwrap()
}

async fn tasks(w: &World, host: &Ec2InstanceId) -> Vec<EcsTask> {
    let arn = w.arn(host).await;
    w.cloud.tasks_on(&w.scope, &w.cluster, &arn).await.unwrap()
}

async fn spread(w: &World, hosts: &[Ec2InstanceId]) -> Vec<usize> {
    let mut counts = Vec::new();
    for host in hosts {
        counts.push(tasks(w, host).await.len());
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn tasks_spread_over_zones_first_and_then_over_hosts() {
    let mut w = World::new(config());
    let hosts = w.fleet(5).await;
    w.cloud.create_service(&w.cluster, service("web", 6)).unwrap();
    w.pass(20).await;
    // Zones a and b have two hosts each, c has one.
    assert_eq!(spread(&w, &hosts).await, [1, 1, 2, 1, 1]);
    assert_eq!(view(&w, "web").healthy, 6);
    assert_eq!(
        w.cloud.online_capacity(&w.cluster),
        [("us-east-1a".into(), 2), ("us-east-1b".into(), 2), ("us-east-1c".into(), 1)].into()
    );
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_placed_when_a_host_joins() {
    let mut settings = config();
    settings.ecs.slots_per_host = 4;
    let mut w = World::new(settings);
    w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, service("web", 6)).unwrap();
    w.pass(60).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").starving), (4, true));
    w.online("web2", "b").await;
    w.pass(20).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").starving), (6, false));
    assert_eq!(w.cloud.run_task(&w.cluster, 9).unwrap().len(), 2, "standalone tasks take what is left");
}

#[tokio::test(start_paused = true)]
async fn draining_replaces_first_and_never_falls_below_the_minimum() {
    let mut w = World::new(config());
    let hosts = w.fleet(3).await;
    w.cloud.create_service(&w.cluster, service("web", 6)).unwrap();
    w.pass(30).await;
    w.set_state(&hosts[0], Draining).await;
    for _ in 0..60 {
        w.pass(1).await;
        let s = view(&w, "web");
        assert!(s.healthy >= 6 && s.running + s.pending <= 12, "{s:?}");
    }
    assert_eq!(spread(&w, &hosts).await, [0, 3, 3]);
    assert_eq!(w.cloud.tasks_interrupted(), 0);
    w.set_state(&hosts[0], Active).await;
    w.pass(60).await;
    assert_eq!(spread(&w, &hosts).await, [0, 3, 3], "tasks do not move back by themselves");
}

#[tokio::test(start_paused = true)]
async fn without_room_above_the_maximum_draining_stops_first_as_far_as_the_minimum_lets_it() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    // 60 % of four are 2.4, rounded up.
    let spec = ServiceSpec { min_healthy_percent: 60, max_percent: 100, ..service("web", 4) };
    w.cloud.create_service(&w.cluster, spec).unwrap();
    w.pass(30).await;
    w.set_state(&hosts[0], Draining).await;
    let mut fewest = 4;
    for _ in 0..60 {
        w.pass(1).await;
        let s = view(&w, "web");
        fewest = fewest.min(s.healthy);
        assert!(s.running + s.pending <= 4, "{s:?}");
    }
    assert_eq!(fewest, 3);
    assert_eq!(spread(&w, &hosts).await, [0, 4]);
}

#[tokio::test(start_paused = true)]
async fn standalone_and_protected_tasks_stay_and_daemons_stop_last() {
    let mut w = World::new(config());
    let host = w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, ServiceSpec { daemon: true, ..service("log-agent", 0) }).unwrap();
    w.cloud.create_service(&w.cluster, ServiceSpec { protected_tasks: 1, ..service("jobs", 1) }).unwrap();
    w.cloud.create_service(&w.cluster, service("web", 1)).unwrap();
    let standalone = w.cloud.run_task(&w.cluster, 1).unwrap().remove(0);
    w.pass(30).await;
    w.online("web2", "b").await;
    w.set_state(&host, Draining).await;
    w.pass(120).await;
    let left = tasks(&w, &host).await;
    let kinds: Vec<_> = left.iter().map(|t| (t.service.is_some(), t.daemon, t.protected)).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    for kind in [(true, true, false), (true, false, true), (false, false, false)] {
        assert!(kinds.contains(&kind), "{kind:?} in {kinds:?}");
    }
    // The protection ends half an hour after the task's start.
    w.pass(1_800).await;
    assert_eq!(tasks(&w, &host).await.len(), 2);
    w.told.clear();
    w.cloud.stop_task(&w.scope, &w.cluster, &standalone, "drain").await.unwrap();
    w.pass(4).await;
    assert_eq!(tasks(&w, &host).await.len(), 2, "a stopping task still counts");
    w.pass(1).await;
    assert_eq!(tasks(&w, &host).await.len(), 1);
    w.pass(5).await;
    assert_eq!(tasks(&w, &host).await.len(), 0);
    let drained = |h: HintKind| matches!(h, HintKind::ContainerInstance { status, .. } if status == "DRAINING");
    assert_eq!(w.hints().into_iter().filter(|h| drained(h.clone())).count(), 1, "it tells when it has no task left");
    assert_eq!(w.cloud.tasks_interrupted(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_task_can_be_protected_and_a_stop_order_stops_it_nevertheless() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    w.cloud.create_service(&w.cluster, service("web", 1)).unwrap();
    w.pass(30).await;
    let on = if tasks(&w, &hosts[0]).await.is_empty() { &hosts[1] } else { &hosts[0] };
    let task = tasks(&w, on).await.remove(0).arn;
    w.cloud.protect_task(&task, w.now() + SignedDuration::from_secs(100)).unwrap();
    w.set_state(on, Draining).await;
    w.pass(99).await;
    assert!(tasks(&w, on).await[0].protected);
    w.cloud.stop_task(&w.scope, &w.cluster, &task, "time is over").await.unwrap();
    w.pass(30).await;
    assert!(tasks(&w, on).await.is_empty());
    assert_eq!(w.cloud.tasks_interrupted(), 1, "the service had no other");
    assert!(w.cloud.stop_task(&w.scope, &w.cluster, &task, "again").await.is_ok(), "one that is gone is a success");
}

#[tokio::test(start_paused = true)]
async fn stopping_a_task_that_others_stand_in_for_interrupts_nothing() {
    let mut w = World::new(config());
    let host = w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, ServiceSpec { min_healthy_percent: 50, ..service("web", 2) }).unwrap();
    w.pass(30).await;
    let both = tasks(&w, &host).await;
    w.cloud.stop_task(&w.scope, &w.cluster, &both[0].arn, "test").await.unwrap();
    assert_eq!(w.cloud.tasks_interrupted(), 0);
    w.cloud.stop_task(&w.scope, &w.cluster, &both[1].arn, "test").await.unwrap();
    assert_eq!(w.cloud.tasks_interrupted(), 1);
    w.pass(30).await;
    assert_eq!(view(&w, "web").healthy, 2);
}

#[tokio::test(start_paused = true)]
async fn ecs_believes_in_the_tasks_of_a_hung_host_until_it_drains() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    w.cloud.create_service(&w.cluster, service("web", 4)).unwrap();
    w.pass(30).await;
    w.cloud.inject(Victim::Ec2(hosts[0].clone()), Mishap::Hang, w.now());
    w.pass(120).await;
    let s = view(&w, "web");
    assert_eq!((s.running, s.healthy, w.cloud.tasks_interrupted()), (4, 2, 2));
    let arn = w.arn(&hosts[0]).await;
    let refused = w.cloud.deregister(&w.scope, &w.cluster, &arn).await.unwrap_err();
    assert!(matches!(refused, CloudError::Wrong { .. }), "{refused:?}");
    w.set_state(&hosts[0], Draining).await;
    w.pass(30).await;
    assert_eq!((view(&w, "web").healthy, tasks(&w, &hosts[0]).await.len()), (4, 0));
    assert!(w.cloud.deregister(&w.scope, &w.cluster, &arn).await.is_ok());
    assert!(w.cloud.deregister(&w.scope, &w.cluster, &arn).await.is_ok(), "one that is gone is a success");
    assert_eq!(w.container(&hosts[0]).await, None);
    assert_eq!(w.cloud.tasks_interrupted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hung_host_that_comes_back_reports_its_tasks_as_over_and_ecs_replaces_them() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    w.cloud.create_service(&w.cluster, service("web", 4)).unwrap();
    // Half of them are still starting when the host hangs.
    w.pass(5).await;
    w.cloud.inject(Victim::Ec2(hosts[0].clone()), Mishap::Hang, w.now());
    w.pass(60).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").pending), (2, 2));
    w.cloud.reboot_instances(&w.scope, &hosts[..1]).await.unwrap();
    w.pass(330).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").pending, w.cloud.tasks_interrupted()), (4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_starts_while_its_agent_is_away_starts_when_it_is_back() {
    let mut w = World::new(config());
    w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, service("web", 2)).unwrap();
    w.pass(5).await;
    w.cloud.inject(Victim::Record("web1".into()), Mishap::AgentDisconnect(SignedDuration::from_secs(60)), w.now());
    w.pass(59).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").pending), (0, 2));
    w.pass(20).await;
    assert_eq!((view(&w, "web").healthy, view(&w, "web").pending), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_stopped_under_its_tasks_interrupts_them_and_ecs_replaces_them() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    w.cloud.create_service(&w.cluster, service("web", 4)).unwrap();
    w.pass(30).await;
    w.cloud.stop_instances(&w.scope, &hosts[..1], false).await.unwrap();
    w.pass(30).await;
    assert_eq!((view(&w, "web").healthy, w.cloud.tasks_interrupted()), (4, 2));
    assert_eq!(spread(&w, &hosts).await, [0, 4]);
    let found = Containers::describe_exceptions(&*w.cloud, &w.scope, &w.cluster).await;
    assert_eq!(found.unwrap()[0].ec2_instance_id, hosts[0], "it stays registered, disconnected");
}

/// [ECS-123]: connected at its termination, ECS deregisters it; stopped before, nobody does.
#[tokio::test(start_paused = true)]
async fn ecs_123_only_a_connected_host_is_deregistered_by_its_termination() {
    let mut w = World::new(config());
    let hosts = w.fleet(2).await;
    w.cloud.stop_instances(&w.scope, &hosts[..1], false).await.unwrap();
    w.pass(30).await;
    w.told.clear();
    w.cloud.terminate_instances(&w.scope, &hosts).await.unwrap();
    w.pass(30).await;
    assert!(w.container(&hosts[0]).await.is_some());
    assert_eq!(w.container(&hosts[1]).await, None);
    let inactive = |h: &HintKind| matches!(h, HintKind::ContainerInstance { status, ec2_instance, .. } if status == "INACTIVE" && *ec2_instance == hosts[1]);
    assert_eq!(w.hints().iter().filter(|h| inactive(h)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_loses_its_connection_comes_back_and_its_tasks_never_stopped() {
    let mut w = World::new(config());
    let host = w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, service("web", 3)).unwrap();
    w.pass(30).await;
    let ping = w.last_ping(&host).await;
    w.cloud.inject(Victim::Record("web1".into()), Mishap::AgentDisconnect(SignedDuration::from_secs(600)), w.now());
    w.pass(599).await;
    let exceptions = Containers::describe_exceptions(&*w.cloud, &w.scope, &w.cluster).await.unwrap();
    assert!(exceptions.len() == 1 && !exceptions[0].agent_connected);
    assert!(w.last_ping(&host).await > ping, "SSM hears its agent all the while");
    assert_eq!(w.cloud.online_capacity(&w.cluster).values().sum::<u32>(), 0);
    w.pass(1).await;
    assert!(Containers::describe_exceptions(&*w.cloud, &w.scope, &w.cluster).await.unwrap().is_empty());
    assert_eq!((view(&w, "web").healthy, w.cloud.tasks_interrupted()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn every_host_that_joins_gets_a_task_of_each_daemon_service() {
    let mut w = World::new(config());
    let first = w.online("web1", "a").await;
    w.cloud.create_service(&w.cluster, ServiceSpec { daemon: true, ..service("log-agent", 0) }).unwrap();
    let second = w.online("web2", "b").await;
    w.pass(20).await;
    assert_eq!(spread(&w, &[first.clone(), second]).await, [1, 1]);
    let listed: Vec<EcsService> = w.cloud.services(&w.scope, &w.cluster).await.unwrap();
    assert_eq!((listed[0].desired, listed[0].running, listed[0].daemon), (2, 2, true));
    w.set_state(&first, Draining).await;
    w.pass(10).await;
    assert!(tasks(&w, &first).await.is_empty());
    w.set_state(&first, Active).await;
    w.pass(20).await;
    assert_eq!(tasks(&w, &first).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_deleted_only_when_it_is_scaled_to_zero_a_daemon_at_any_time() {
    let mut w = World::new(config());
    let host = w.online("web1", "a").await;
    let web = w.cloud.create_service(&w.cluster, service("web", 2)).unwrap();
    let agent = w.cloud.create_service(&w.cluster, ServiceSpec { daemon: true, ..service("log-agent", 0) }).unwrap();
    w.pass(30).await;
    let delete = async |w: &World, s| w.cloud.delete_service(&w.scope, &w.cluster, s).await;
    assert!(matches!(delete(&w, &web).await, Err(CloudError::Wrong { .. })));
    w.cloud.scale_service(&w.scope, &w.cluster, &web, 0).await.unwrap();
    w.pass(30).await;
    assert_eq!(tasks(&w, &host).await.len(), 1);
    for service in [&web, &agent, &web] {
        delete(&w, service).await.unwrap();
    }
    w.pass(30).await;
    assert_eq!((tasks(&w, &host).await.len(), w.cloud.services(&w.scope, &w.cluster).await.unwrap().len()), (0, 0));
    assert_eq!(w.cloud.tasks_interrupted(), 0);
}

#[tokio::test(start_paused = true)]
async fn scaling_in_takes_from_the_fullest_zone_and_spares_protected_tasks() {
    let mut w = World::new(config());
    let hosts = w.fleet(3).await;
    let web = w.cloud.create_service(&w.cluster, service("web", 6)).unwrap();
    w.pass(30).await;
    for task in tasks(&w, &hosts[0]).await {
        w.cloud.protect_task(&task.arn, w.now() + SignedDuration::from_hours(1)).unwrap();
    }
    w.cloud.scale_service(&w.scope, &w.cluster, &web, 3).await.unwrap();
    w.pass(30).await;
    let mut left = spread(&w, &hosts).await;
    assert_eq!(left.remove(0), 2);
    left.sort_unstable();
    assert_eq!(left, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn state_updates_take_ten_ids_a_call_and_descriptions_a_hundred() {
    let mut w = World::new(config());
    let hosts = w.fleet(12).await;
    let before = w.cloud.calls();
    let found = w.cloud.find_by_host(&w.scope, &w.cluster, &hosts).await.unwrap();
    let arns: Vec<_> = found.into_iter().map(|c| c.arn).collect();
    w.cloud.set_state(&w.scope, &w.cluster, &arns, Draining).await.unwrap();
    let many: Vec<_> = arns.iter().cycle().take(201).cloned().collect();
    w.cloud.describe_container_instances(&w.scope, &w.cluster, &many).await.unwrap();
    let after = w.cloud.calls();
    let made = |action: &str| after[action] - before.get(action).copied().unwrap_or(0);
    assert_eq!(made("ecs:UpdateContainerInstancesState"), 2);
    assert_eq!(made("ecs:DescribeContainerInstances"), 1 + 3);
    assert_eq!(Containers::describe_exceptions(&*w.cloud, &w.scope, &w.cluster).await.unwrap().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_cluster_is_none_or_wrong_and_a_deleted_one_is_inactive() {
    let w = World::new(config());
    let unknown = ClusterArn::new("arn:aws:ecs:us-east-1:123456789012:cluster/none");
    assert_eq!(w.cloud.describe_cluster(&w.scope, &unknown).await.unwrap(), None);
    let error = w.cloud.services(&w.scope, &unknown).await.unwrap_err();
    assert_eq!(error.code(), Some("ClusterNotFoundException"));
    assert!(w.cloud.describe_cluster(&w.scope, &w.cluster).await.unwrap().unwrap().active);
    w.cloud.delete_cluster(&w.cluster);
    assert!(!w.cloud.describe_cluster(&w.scope, &w.cluster).await.unwrap().unwrap().active);
}

#[tokio::test(start_paused = true)]
async fn somebody_else_can_set_a_host_draining() {
    let mut w = World::new(config());
    let host = w.online("web1", "a").await;
    for (draining, state) in [(true, Draining), (false, Active)] {
        w.cloud.inject(Victim::Ec2(host.clone()), Mishap::SetDraining(draining), w.now());
        w.pass(1).await;
        assert_eq!(w.container(&host).await.unwrap().state, state);
    }
}
