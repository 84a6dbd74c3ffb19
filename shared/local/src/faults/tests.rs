use strata_domain::StackId;
use strata_domain::tags::Tags;
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Expect, Key, LaunchSpec, StackScope, StoreError};

use super::*;
use crate::cloud::{ApiSettings, CloudConfig, SimCloud};
use crate::{MemoryStore, SeededIds, VirtualClock};

fn scope() -> StackScope {
    StackScope { stack_id: StackId::new("s"), region: "us-east-1".into(), service_role_arn: "role".into() }
}

fn spec(n: u32) -> LaunchSpec {
    LaunchSpec {
        token: format!("token{n}"),
        instance_id: format!("web{n}").into(),
        hostname: format!("web{n}"),
        stack_name: "shop".into(),
        instance_type: "c7i.large".into(),
        availability_zone: "us-east-1a".into(),
        subnet_id: "subnet-1".into(),
        os: "Amazon Linux 2023".into(),
        ami_id: None,
        instance_profile_arn: String::new(),
        associate_public_ip: false,
        volumes: Vec::new(),
        security_group_ids: Vec::new(),
        key_name: None,
        ebs_optimized: false,
        tenancy: None,
        block_devices: Vec::new(),
        layers: Vec::new(),
        tags: Tags::new(),
        imdsv1: false,
        plain_root: false,
    }
}

fn world(plan: FaultPlan) -> (Arc<SimCloud>, Arc<Faulty>, Ports) {
    let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
    let big = crate::cloud::BucketSize { burst: 100_000, per_second: 1 };
    let api = ApiSettings { run_instances: big, ec2_describe: big, ..ApiSettings::default() };
    let cloud = SimCloud::new(CloudConfig { api, ..CloudConfig::default() }, 1, clock.clone());
    let ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(SeededIds::new(1, "test")));
    let faulty = Faulty::new(plan, clock);
    let ports = faulty.wrap(ports);
    (cloud, faulty, ports)
}

#[tokio::test(start_paused = true)]
async fn a_call_can_fail_before_or_after_it_took_effect() {
    for (fault, retryable, launched) in [
        (Fault::Throttled, true, 1),
        (Fault::Unavailable, true, 1),
        (Fault::RequestLost, false, 1),
        (Fault::ReplyLost, false, 2),
        (Fault::Refused("InsufficientInstanceCapacity".into()), false, 1),
    ] {
        let (cloud, faulty, ports) = world(FaultPlan::quiet(1).on("ec2:RunInstances", nth(2), fault.clone()));
        assert!(ports.compute.run_instance(&scope(), &spec(1)).await.is_ok());
        let error = ports.compute.run_instance(&scope(), &spec(2)).await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{error:?}");
        assert_eq!(cloud.world_view().hosts.len(), launched, "{fault:?}");
        let again = ports.compute.run_instance(&scope(), &spec(2)).await.unwrap();
        assert_eq!(again.instance_id, Some("web2".into()));
        assert_eq!(cloud.world_view().hosts.len(), 2, "the repeat is the same launch");
        let injected = faulty.take_injected();
        assert_eq!((injected.len(), injected[0].action), (1, "ec2:RunInstances"));
        assert!(faulty.take_injected().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_was_an_error_anyway_stays_that_error() {
    let (_, _, ports) = world(FaultPlan::quiet(1).on("ec2:RunInstances", always(), Fault::ReplyLost));
    let mut elsewhere = spec(1);
    elsewhere.availability_zone = "mars-1a".into();
    let error = ports.compute.run_instance(&scope(), &elsewhere).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

#[tokio::test(start_paused = true)]
async fn a_commit_can_be_lost_before_or_after_it_was_written_or_cancelled() {
    let key = Key::new("p", "s");
    let put = || vec![Change::put(key.clone(), &1, Expect::Absent)];
    for (fault, written) in
        [(Fault::Throttled, false), (Fault::Unavailable, false), (Fault::RequestLost, false), (Fault::ReplyLost, true)]
    {
        let (_, _, ports) = world(FaultPlan::quiet(1).on("store:commit", nth(1), fault.clone()));
        let error = ports.store.commit(put()).await.unwrap_err();
        let expected = match fault {
            Fault::Throttled => matches!(error, CommitError::Conflict { .. }),
            Fault::RequestLost | Fault::ReplyLost => matches!(error, CommitError::OutcomeUnknown { .. }),
            _ => matches!(error, CommitError::Unavailable { .. }),
        };
        assert!(expected, "{fault:?}: {error:?}");
        assert_eq!(ports.store.get(&key).await.unwrap().is_some(), written, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_fail_only_in_ways_that_say_try_again() {
    let rates = Rates { before_per_mille: 300, after_per_mille: 300, throttle_per_mille: 300 };
    let (_, faulty, ports) = world(FaultPlan { rates, ..FaultPlan::quiet(1) });
    let mut failed = 0;
    for _ in 0..200 {
        if let Err(error) = ports.compute.describe_exceptions(&scope()).await {
            assert!(error.is_retryable(), "{error:?}");
            failed += 1;
        }
        if let Err(error) = ports.store.list(&Listing::of("p", "")).await {
            assert!(matches!(error, StoreError::Unavailable { .. }));
        }
    }
    assert!((100..180).contains(&failed), "{failed}");
    faulty.set_quiet(true);
    for _ in 0..50 {
        assert!(ports.compute.describe_exceptions(&scope()).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_can_have_rates_of_its_own_and_the_same_seed_fails_the_same_calls() {
    let run = async |seed| {
        let never = Rates::default();
        let (_, faulty, ports) = world(FaultPlan::of(Profile::Heavy, seed).rate("ec2:DescribeInstances", never));
        for n in 0..300 {
            drop(ports.compute.run_instance(&scope(), &spec(n)).await);
            assert!(ports.compute.describe_exceptions(&scope()).await.is_ok());
        }
        faulty.take_injected()
    };
    let first = run(4).await;
    assert!((5..40).contains(&first.len()), "{}", first.len());
    let key = |all: &[Injected]| all.iter().map(|i| (i.action, i.effect)).collect::<Vec<_>>();
    assert_eq!(key(&first), key(&run(4).await));
    assert_ne!(key(&first), key(&run(5).await));
}

#[tokio::test(start_paused = true)]
async fn only_the_profile_of_none_lets_every_call_through() {
    let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
    let faults = |profile| {
        let faulty = Faulty::new(FaultPlan::of(profile, 1), clock.clone());
        (0..10_000).filter(|_| faulty.decide("ec2:RunInstances", Kind::Writes).is_some()).count()
    };
    assert_eq!(faults(Profile::None), 0);
    assert!((40..110).contains(&faults(Profile::Light)), "{}", faults(Profile::Light));
    assert!((450..750).contains(&faults(Profile::Heavy)), "{}", faults(Profile::Heavy));
}
