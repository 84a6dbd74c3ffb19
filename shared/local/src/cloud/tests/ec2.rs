//! EC2.

use jiff::SignedDuration;
use strata_domain::Ec2InstanceId;
use strata_domain::announced::Announced;
use strata_ports::{CloudError, Compute, Ec2State, LaunchSpec, ScheduledEvent, VolumeSpec};
use strata_triggers::HintKind;

use crate::cloud::testkit::{World, config};
use crate::cloud::{Capacity, Mishap, Victim};

fn states(world: &mut World) -> Vec<String> {
    let state = |hint| match hint {
        HintKind::Ec2State { state, .. } => Some(state),
        _ => None,
    };
    world.hints().into_iter().filter_map(state).collect()
}

#[tokio::test(start_paused = true)]
async fn an_instance_goes_through_ec2s_states_in_time_and_tells_each() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    let steps: [(i64, Ec2State); 4] =
        [(9, Ec2State::Pending), (1, Ec2State::Running), (100, Ec2State::Running), (0, Ec2State::Running)];
    for (seconds, state) in steps {
        w.pass(seconds).await;
        assert_eq!(w.ec2(&id).await.unwrap().state, state);
    }
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), false).await.unwrap();
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Stopping);
    w.pass(20).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Stopped);
    let launched = w.ec2(&id).await.unwrap().launched_at;
    w.cloud.start_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    w.pass(10).await;
    let seen = w.ec2(&id).await.unwrap();
    assert!(seen.state == Ec2State::Running && seen.launched_at > launched);
    w.cloud.terminate_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::ShuttingDown);
    w.pass(20).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Terminated);
    let all = ["pending", "running", "stopping", "stopped", "pending", "running", "shutting-down", "terminated"];
    assert_eq!(states(&mut w), all);
}

#[tokio::test(start_paused = true)]
async fn addresses_come_with_the_launch_and_the_public_one_changes_at_each_start() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    let first = w.ec2(&id).await.unwrap();
    w.pass(10).await;
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), false).await.unwrap();
    w.pass(20).await;
    let stopped = w.ec2(&id).await.unwrap();
    assert_eq!((&stopped.private_ip, &stopped.public_ip), (&first.private_ip, &None));
    w.cloud.start_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    let again = w.ec2(&id).await.unwrap();
    assert_eq!(again.private_ip, first.private_ip);
    assert!(again.public_ip.is_some() && again.public_ip != first.public_ip);
    let private = LaunchSpec { associate_public_ip: false, ..w.spec("web2", "a") };
    assert_eq!(w.cloud.run_instance(&w.scope, &private).await.unwrap().public_ip, None);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_is_the_same_instance_even_when_it_is_long_gone() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    let spec = w.spec("web1", "a");
    assert_eq!(w.cloud.run_instance(&w.scope, &spec).await.unwrap().id, id);
    w.cloud.terminate_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    w.pass(20 + 3_599).await;
    assert!(w.ec2(&id).await.is_some(), "described for an hour");
    w.pass(1).await;
    assert!(w.ec2(&id).await.is_none());
    let again = w.cloud.run_instance(&w.scope, &spec).await.unwrap();
    assert_eq!((&again.id, again.state), (&id, Ec2State::Terminated));
    let other = LaunchSpec { instance_type: "m7i.large".to_owned(), ..spec.clone() };
    assert_eq!(w.cloud.run_instance(&w.scope, &other).await.unwrap().id, again.id, "whatever the settings are since");
    let next = LaunchSpec { token: "web1-2".to_owned(), ..spec };
    assert_eq!(w.cloud.run_instance(&w.scope, &next).await.unwrap().state, Ec2State::Pending);
}

#[tokio::test(start_paused = true)]
async fn volumes_outlive_the_instance_until_they_are_deleted() {
    let mut w = World::new(config());
    let volume = VolumeSpec {
        mount_point: "/data".to_owned(),
        size: 10,
        volume_type: "gp3".to_owned(),
        iops: None,
        encrypted: false,
        device: "/dev/sdi".to_owned(),
    };
    let spec = LaunchSpec { volumes: vec![volume], ..w.spec("web1", "a") };
    let host = w.cloud.run_instance(&w.scope, &spec).await.unwrap();
    let (id, mount) = host.volumes[0].clone();
    assert_eq!(mount, "/data");
    let delete = async |w: &World| w.cloud.delete_volumes(&w.scope, std::slice::from_ref(&id)).await.unwrap().remove(0).result;
    assert!(delete(&w).await.unwrap_err().is_retryable(), "an attached one is for later");
    w.cloud.terminate_instances(&w.scope, &[host.id]).await.unwrap();
    w.pass(7_200).await;
    assert!(w.cloud.world_view().volumes.contains_key(&id));
    assert!(delete(&w).await.is_ok());
    assert!(w.cloud.world_view().volumes.is_empty());
    assert!(delete(&w).await.is_ok(), "one that is gone is a success");
}

#[tokio::test(start_paused = true)]
async fn capacity_runs_out_by_zone_and_type_and_comes_back() {
    let mut settings = config();
    settings.ec2.capacity = vec![Capacity {
        zone: "us-east-1a".to_owned(),
        instance_type: Some("c7i.large".to_owned()),
        instances: 1,
        from: None,
        until: None,
    }];
    let mut w = World::new(settings);
    let first = w.launch("web1", "a").await;
    let run = async |w: &World, spec: LaunchSpec| w.cloud.run_instance(&w.scope, &spec).await.map(|h| h.id);
    let refused = run(&w, w.spec("web2", "a")).await.unwrap_err();
    assert!(matches!(&refused, CloudError::Refused { code, .. } if code == "InsufficientInstanceCapacity"), "{refused:?}");
    assert!(run(&w, LaunchSpec { instance_type: "m7i.large".to_owned(), ..w.spec("web3", "a") }).await.is_ok());
    assert!(run(&w, w.spec("web4", "b")).await.is_ok());
    w.pass(10).await;
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&first), false).await.unwrap();
    assert!(run(&w, w.spec("web2", "a")).await.is_ok(), "a stopping instance holds no capacity");
    w.pass(20).await;
    let start = w.cloud.start_instances(&w.scope, &[first]).await.unwrap().remove(0).result;
    assert_eq!(start.unwrap_err().code(), Some("InsufficientInstanceCapacity"));
}

#[tokio::test(start_paused = true)]
async fn a_shortage_lasts_exactly_as_long_as_it_is_said_to() {
    let mut w = World::new(config());
    let at = w.now() + SignedDuration::from_secs(100);
    w.cloud.inject_no_capacity("us-east-1a", None, at, SignedDuration::from_secs(50));
    for (seconds, record, ok) in [(99, "web1", true), (1, "web2", false), (49, "web3", false), (1, "web4", true)] {
        w.pass(seconds).await;
        assert_eq!(w.cloud.run_instance(&w.scope, &w.spec(record, "a")).await.is_ok(), ok, "{record}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_elsewhere_than_in_a_known_zone_and_subnet_is_wrong() {
    let mut settings = config();
    settings.ec2.subnets = [("subnet-1".to_owned(), "us-east-1a".to_owned())].into();
    let w = World::new(settings);
    for (spec, code) in [
        (w.spec("web1", "x"), "InvalidParameterValue"),
        (w.spec("web1", "b"), "InvalidParameterValue"),
        (LaunchSpec { subnet_id: "subnet-2".to_owned(), ..w.spec("web1", "a") }, "InvalidSubnetID.NotFound"),
        (LaunchSpec { token: "t".repeat(65), ..w.spec("web1", "a") }, "InvalidParameterValue"),
    ] {
        let error = w.cloud.run_instance(&w.scope, &spec).await.unwrap_err();
        assert!(matches!(&error, CloudError::Wrong { code: c, .. } if c == code), "{error:?}");
    }
    assert!(w.cloud.run_instance(&w.scope, &w.spec("web1", "a")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn changes_are_idempotent_and_one_bad_id_does_not_spoil_the_batch() {
    let mut w = World::new(config());
    let (up, down) = (w.launch("web1", "a").await, w.launch("web2", "a").await);
    let unknown = Ec2InstanceId::new("i-unknown");
    w.pass(10).await;
    let ids = [up.clone(), unknown.clone(), down.clone()];
    let codes = |results: Vec<strata_ports::ItemResult<Ec2InstanceId>>| -> Vec<Option<String>> {
        results.into_iter().map(|r| r.result.err().map(|e| e.code().unwrap_or("later").to_owned())).collect()
    };
    let not_found = Some("InvalidInstanceID.NotFound".to_owned());
    let started = w.cloud.start_instances(&w.scope, &ids).await.unwrap();
    assert_eq!(codes(started), [None, not_found.clone(), None], "running ones are started already");
    for _ in 0..2 {
        let stopped = w.cloud.stop_instances(&w.scope, &ids, false).await.unwrap();
        assert_eq!(codes(stopped), [None, not_found.clone(), None]);
    }
    let early = w.cloud.start_instances(&w.scope, &ids[..1]).await.unwrap();
    assert_eq!(codes(early), [Some("later".to_owned())], "still stopping");
    w.pass(20).await;
    for _ in 0..2 {
        assert_eq!(codes(w.cloud.terminate_instances(&w.scope, &ids).await.unwrap()), [None, not_found.clone(), None]);
    }
    assert_eq!(codes(w.cloud.start_instances(&w.scope, &ids[..1]).await.unwrap()), [Some("IncorrectInstanceState".to_owned())]);
    assert_eq!(w.cloud.calls()["ec2:StopInstances"], 2, "a batch is one call");
}

#[tokio::test(start_paused = true)]
async fn run_instances_is_throttled_after_five_calls_and_refills_two_a_second() {
    let mut w = World::new(config());
    let mut results = Vec::new();
    for n in 0..7 {
        results.push(w.cloud.run_instance(&w.scope, &w.spec(&format!("web{n}"), "a")).await);
    }
    assert!(results[..5].iter().all(Result::is_ok));
    assert!(results[5..].iter().all(|r| matches!(r, Err(CloudError::RetryLater { action: "ec2:RunInstances", .. }))));
    w.pass(1).await;
    let spec = w.spec("web5", "a");
    assert!(w.cloud.run_instance(&w.scope, &spec).await.is_ok());
    assert_eq!(w.cloud.world_view().throttled["ec2:RunInstances"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_hang_silences_the_agents_at_once_and_impairs_the_check_after_two_minutes() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Hang, w.now());
    w.pass(1).await;
    assert!(!w.container(&id).await.unwrap().agent_connected);
    let ping = w.last_ping(&id).await;
    w.pass(118).await;
    assert!(!w.ec2(&id).await.unwrap().impaired);
    assert!(w.cloud.describe_exceptions(&w.scope).await.unwrap().is_empty());
    w.pass(1).await;
    assert!(w.ec2(&id).await.unwrap().impaired && w.ec2(&id).await.unwrap().state == Ec2State::Running);
    assert_eq!(w.cloud.describe_exceptions(&w.scope).await.unwrap()[0].id, id);
    w.pass(1_200).await;
    assert_eq!(w.last_ping(&id).await, ping);
    // EC2 reboots it hard after four minutes.
    w.cloud.reboot_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    w.pass(299).await;
    assert!(w.ec2(&id).await.unwrap().impaired);
    w.pass(6).await;
    assert!(!w.ec2(&id).await.unwrap().impaired && w.container(&id).await.unwrap().agent_connected);
    assert!(w.last_ping(&id).await > ping);
}

#[tokio::test(start_paused = true)]
async fn a_hung_host_is_slow_to_stop_unless_it_is_forced() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Hang, w.now());
    w.pass(1).await;
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), false).await.unwrap();
    w.pass(100).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Stopping);
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), true).await.unwrap();
    w.pass(20).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Stopped);
    w.pass(300).await;
    assert_eq!(states(&mut w).iter().filter(|s| *s == "stopped").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_boot_can_hang_for_good() {
    let mut settings = config();
    settings.ec2.boot_hang_per_mille = 1_000;
    let mut w = World::new(settings);
    let id = w.launch("web1", "a").await;
    w.pass(3_600).await;
    assert_eq!(w.last_ping(&id).await, None);
    assert!(w.ec2(&id).await.unwrap().impaired);
}

/// What we stop is no surprise, what somebody else stops is one.
#[tokio::test(start_paused = true)]
async fn exceptions_name_what_somebody_else_stopped_or_terminated_and_not_what_we_did() {
    let mut w = World::new(config());
    let ids =
        [w.launch("web1", "a").await, w.launch("web2", "a").await, w.launch("web3", "b").await, w.launch("web4", "b").await];
    w.pass(100).await;
    w.cloud.stop_instances(&w.scope, &ids[..1], false).await.unwrap();
    w.cloud.inject(Victim::Record("web2".into()), Mishap::Ec2Stop, w.now());
    w.cloud.inject(Victim::Ec2(ids[2].clone()), Mishap::Ec2Terminate, w.now());
    w.pass(60).await;
    let found = w.cloud.describe_exceptions(&w.scope).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|h| (h.id, h.state)).collect();
    assert_eq!(found, [(ids[1].clone(), Ec2State::Stopped), (ids[2].clone(), Ec2State::Terminated)]);
    let mut elsewhere = w.scope.clone();
    elsewhere.stack_id = "other".into();
    assert!(w.cloud.describe_exceptions(&elsewhere).await.unwrap().is_empty());
    w.cloud.start_instances(&w.scope, &ids[1..2]).await.unwrap();
    w.pass(60).await;
    assert_eq!(w.cloud.describe_exceptions(&w.scope).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_spot_interruption_warns_two_minutes_ahead() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    w.told.clear();
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Rebalance, w.now());
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::SpotInterruption, w.now());
    w.pass(119).await;
    assert_eq!(
        w.hints(),
        [
            HintKind::Rebalance { instance: id.clone() },
            HintKind::SpotInterruption { instance: id.clone(), action: "terminate".to_owned() },
        ]
    );
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::Running);
    w.pass(1).await;
    assert_eq!(w.ec2(&id).await.unwrap().state, Ec2State::ShuttingDown);
}

#[tokio::test(start_paused = true)]
async fn what_ec2_schedules_is_told_by_health_and_by_the_descriptions_until_the_machine_is_restarted() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    w.told.clear();
    let ahead = SignedDuration::from_hours(30);
    let at = w.now().checked_add(ahead).unwrap();
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Scheduled(Announced::InstanceRetirement, ahead), w.now());
    w.pass(60).await;
    let code = "AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED".to_owned();
    assert_eq!(w.hints(), [HintKind::Scheduled { instances: vec![id.clone()], code }]);
    let event = ScheduledEvent { host: id.clone(), what: Announced::InstanceRetirement, not_before: at };
    assert_eq!(w.cloud.scheduled_events(&w.scope).await.unwrap(), [event]);
    w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), false).await.unwrap();
    w.pass(300).await;
    w.cloud.start_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
    w.pass(300).await;
    assert_eq!(w.cloud.scheduled_events(&w.scope).await.unwrap(), [], "another machine by now");
}

#[tokio::test(start_paused = true)]
async fn a_launch_turns_up_in_descriptions_only_after_their_lag() {
    let mut settings = config();
    settings.ec2.describe_lag = crate::cloud::Spread::fixed_ms(2_000);
    let mut w = World::new(settings);
    let id = w.launch("web1", "a").await;
    let found = async |w: &World| w.cloud.find_by_record(&w.scope, &["web1".into()]).await.unwrap().len();
    w.pass(1).await;
    assert_eq!((found(&w).await, w.ec2(&id).await.is_some()), (0, false));
    w.pass(1).await;
    assert_eq!((found(&w).await, w.ec2(&id).await.is_some()), (1, true));
    w.cloud.terminate_instances(&w.scope, &[id]).await.unwrap();
    w.pass(20).await;
    assert_eq!(found(&w).await, 0, "terminated ones are not found by their record");
}

#[tokio::test(start_paused = true)]
async fn two_living_instances_of_one_record_are_seen_until_one_of_them_goes() {
    let mut w = World::new(config());
    w.launch("web1", "a").await;
    let second = LaunchSpec { token: "web1-2".to_owned(), ..w.spec("web1", "a") };
    let second = w.cloud.run_instance(&w.scope, &second).await.unwrap().id;
    assert_eq!(w.cloud.records_with_several_hosts(), ["web1".into()]);
    w.cloud.terminate_instances(&w.scope, &[second]).await.unwrap();
    assert!(w.cloud.records_with_several_hosts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_zone_goes_and_comes_back_by_itself() {
    let mut w = World::new(config());
    let ids = w.fleet(3).await;
    w.cloud.inject_zone_outage("us-east-1b", w.now(), SignedDuration::from_mins(20));
    w.pass(180).await;
    let impaired =
        async |w: &World| w.cloud.describe_exceptions(&w.scope).await.unwrap().into_iter().map(|h| h.id).collect::<Vec<_>>();
    assert_eq!(impaired(&w).await, [ids[1].clone()]);
    assert!(w.cloud.run_instance(&w.scope, &w.spec("new", "b")).await.is_err());
    w.pass(1_200).await;
    assert!(impaired(&w).await.is_empty());
    assert!(w.container(&ids[1]).await.unwrap().agent_connected);
    assert!(w.cloud.run_instance(&w.scope, &w.spec("new", "b")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_spot_interruption_takes_back_the_launch_that_it_warned_of_and_no_later_one() {
    for (restarts, state) in [(false, Ec2State::Terminated), (true, Ec2State::Running)] {
        let mut w = World::new(config());
        let id = w.launch("web1", "a").await;
        w.pass(10).await;
        w.cloud.inject(Victim::Ec2(id.clone()), Mishap::SpotInterruption, w.now());
        w.pass(1).await;
        if restarts {
            w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), true).await.unwrap();
            w.pass(20).await;
            w.cloud.start_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
        } else {
            w.cloud.reboot_instances(&w.scope, std::slice::from_ref(&id)).await.unwrap();
        }
        w.pass(150).await;
        assert_eq!(w.ec2(&id).await.unwrap().state, state);
    }
}
