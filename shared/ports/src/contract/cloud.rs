//! What every adapter of the cloud's ports must do: the properties that the reconciler and the controllers lean on.
//!
//! `settle` lets the world go on until nothing is under way; on virtual time that costs nothing.

use std::pin::Pin;

use strata_domain::{InstanceId, LayerId};

use crate::{AlarmSpec, Alarms, Compute, Ec2Instance, Ec2State, LaunchSpec, StackScope};

/// Lets the world go on until nothing is under way.
pub type Settle<'a> = &'a (dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Sync);

/// A launch into `zone`, of its own token.
pub fn launch(record: &str, zone: &str) -> LaunchSpec {
    LaunchSpec {
        token: format!("{record}-1"),
        instance_id: InstanceId::from(record),
        hostname: record.to_owned(),
        stack_name: "contract".to_owned(),
        instance_type: "c7i.large".to_owned(),
        availability_zone: zone.to_owned(),
        subnet_id: "subnet-a".to_owned(),
        os: "Amazon Linux 2023".to_owned(),
        ami_id: None,
        instance_profile_arn: "arn:aws:iam::123456789012:instance-profile/p".to_owned(),
        associate_public_ip: false,
        volumes: Vec::new(),
    }
}

async fn state(compute: &dyn Compute, scope: &StackScope, host: &Ec2Instance) -> Option<Ec2State> {
    let found = compute.describe_instances(scope, std::slice::from_ref(&host.id)).await.expect("describe answers");
    found.first().map(|i| i.state)
}

/// EC2: one token is one launch, whatever became of it; starting what runs and stopping what is stopped succeed; unknown ids are left
/// out; what is terminated is not found by its record.
///
/// # Panics
/// With what was broken.
pub async fn compute_contract(compute: &dyn Compute, scope: &StackScope, zone: &str, settle: Settle<'_>) {
    let spec = launch("record-1", zone);
    let host = compute.run_instance(scope, &spec).await.expect("a launch is accepted");
    let again = compute.run_instance(scope, &spec).await.expect("a repeat is accepted");
    assert_eq!(host.id, again.id, "one token is one machine");
    settle().await;
    assert_eq!(state(compute, scope, &host).await, Some(Ec2State::Running));
    let found = compute.find_by_record(scope, std::slice::from_ref(&spec.instance_id)).await.expect("find answers");
    assert_eq!(found.iter().map(|i| &i.id).collect::<Vec<_>>(), [&host.id], "found by its tag");

    let ids = std::slice::from_ref(&host.id);
    let each_well = |results: Vec<crate::ItemResult<_>>| results.iter().all(|r| r.result.is_ok()) && results.len() == 1;
    assert!(each_well(compute.start_instances(scope, ids).await.expect("start")), "starting what runs is a success");
    for _ in 0..2 {
        assert!(each_well(compute.stop_instances(scope, ids, false).await.expect("stop")), "stopping twice is a success");
        settle().await;
        assert_eq!(state(compute, scope, &host).await, Some(Ec2State::Stopped));
    }
    assert!(each_well(compute.start_instances(scope, ids).await.expect("start")));
    settle().await;
    assert_eq!(state(compute, scope, &host).await, Some(Ec2State::Running));

    let unknown = strata_domain::Ec2InstanceId::from("i-0123456789abcdef0");
    let found = compute.describe_instances(scope, &[unknown.clone(), host.id.clone()]).await.expect("unknown ids are no error");
    assert_eq!(found.len(), 1, "unknown ids are left out");
    let mixed = compute.stop_instances(scope, &[unknown, host.id.clone()], true).await.expect("one bad id never spoils a batch");
    assert_eq!(mixed.iter().filter(|r| r.result.is_ok()).count(), 1, "each item has its own result");

    for _ in 0..2 {
        assert!(each_well(compute.terminate_instances(scope, ids).await.expect("terminate")), "terminating twice is a success");
        settle().await;
    }
    let found = compute.find_by_record(scope, std::slice::from_ref(&spec.instance_id)).await.expect("find answers");
    assert!(found.is_empty(), "what is terminated is not found by its record");
    let late = compute.run_instance(scope, &spec).await.expect("a late repeat is accepted");
    assert_eq!(late.id, host.id, "a late repeat is still the same launch");
}

/// CloudWatch: put overwrites, missing alarms are left out, deleting twice succeeds.
///
/// # Panics
/// With what was broken.
pub async fn alarms_contract(alarms: &dyn Alarms, scope: &StackScope) {
    let spec = |threshold| AlarmSpec {
        name: "strata/contract/ecs-cluster/up-cpu".to_owned(),
        layer_id: LayerId::from("layer"),
        metric: "cpu".to_owned(),
        above: true,
        threshold,
        evaluation_periods: 5,
    };
    let names = [spec(0.0).name, "no such alarm".to_owned()];
    for threshold in [80.0, 70.0] {
        alarms.put(scope, &[spec(threshold)]).await.expect("put is accepted");
        let seen = alarms.describe(scope, &names).await.expect("describe answers");
        assert_eq!(seen.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), [names[0].as_str()], "missing ones are left out");
    }
    for _ in 0..2 {
        alarms.delete(scope, &names).await.expect("deleting twice is a success");
        assert!(alarms.describe(scope, &names).await.expect("describe answers").is_empty());
    }
}
