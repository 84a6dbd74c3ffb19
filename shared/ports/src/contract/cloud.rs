//! What every adapter of the cloud's ports must do: the properties that the reconciler and the controllers lean on.
//!
//! `settle` lets the world go on until nothing is under way; on virtual time that costs nothing.

use std::pin::Pin;

use async_trait::async_trait;
use strata_domain::tags::Tags;
use strata_domain::{InstanceId, LayerId};

use crate::{AlarmSpec, Alarms, CloudError, Compute, Ec2Instance, Ec2State, LaunchSpec, StackScope, StatusChecks, VolumeSpec};

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

async fn state(compute: &dyn Compute, scope: &StackScope, host: &Ec2Instance) -> Option<Ec2State> {
    let found =
        compute.describe_instances(scope, std::slice::from_ref(&host.id), StatusChecks::Asked).await.expect("describe answers");
    found.first().map(|i| i.state)
}

/// As [`compute_contract_of`], in a world where a zone is all that a launch must know.
///
/// # Panics
/// With what was broken.
pub async fn compute_contract(compute: &dyn Compute, scope: &StackScope, zone: &str, settle: Settle<'_>) {
    compute_contract_of(compute, scope, &launch("record-1", zone), settle).await;
}

fn two_volumes() -> Vec<VolumeSpec> {
    [("/data", "/dev/sdi"), ("/logs", "/dev/sdj")]
        .map(|(mount_point, device)| VolumeSpec {
            mount_point: mount_point.to_owned(),
            size: 10,
            volume_type: "gp3".to_owned(),
            iops: None,
            encrypted: true,
            device: device.to_owned(),
        })
        .into()
}

/// EC2: one token is one launch, whatever became of it and of the settings; starting what runs and stopping what is stopped succeed; unknown
/// ids are left out; what is terminated is not found by its record, and its volumes outlive it; what we stopped is no exception.
///
/// # Panics
/// With what was broken.
pub async fn compute_contract_of(compute: &dyn Compute, scope: &StackScope, spec: &LaunchSpec, settle: Settle<'_>) {
    let spec = LaunchSpec { volumes: two_volumes(), ..spec.clone() };
    let host = compute.run_instance(scope, &spec).await.expect("a launch is accepted");
    let again = compute.run_instance(scope, &spec).await.expect("a repeat is accepted");
    assert_eq!(host.id, again.id, "one token is one machine");
    let changed = LaunchSpec { ebs_optimized: true, ..spec.clone() };
    let again = compute.run_instance(scope, &changed).await.expect("a repeat under changed settings is accepted");
    assert_eq!(host.id, again.id, "one token is one machine, whatever the settings are since");
    settle().await;
    let exceptions = async || compute.describe_exceptions(scope).await.expect("exceptions are described");
    assert!(exceptions().await.is_empty(), "what runs well is no exception");
    let scheduled = compute.scheduled_events(scope).await.expect("what is scheduled is told");
    assert!(scheduled.iter().all(|event| event.host != host.id), "nothing is scheduled for a new machine: {scheduled:?}");
    let described =
        compute.describe_instances(scope, std::slice::from_ref(&host.id), StatusChecks::Asked).await.expect("describe answers");
    let volumes = described[0].volumes.clone();
    assert_eq!(volumes.iter().map(|(_, mount)| mount.as_str()).collect::<Vec<_>>(), ["/data", "/logs"], "volumes are named");
    assert_eq!(described[0].instance_id.as_ref(), Some(&spec.instance_id));
    assert_eq!(described[0].instance_type, spec.instance_type);
    assert!(!described[0].impaired);
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
    assert!(exceptions().await.is_empty(), "what we stopped is no exception");
    let reboot = compute.reboot_instances(scope, ids).await.expect("a reboot is answered");
    assert!(matches!(reboot[0].result, Err(CloudError::Wrong { .. })), "what is stopped cannot be rebooted");
    for _ in 0..2 {
        compute.set_instance_type(scope, &host.id, "c6i.large").await.expect("a stopped one takes another type");
        let described = compute.describe_instances(scope, ids, StatusChecks::Skipped).await.expect("describe answers");
        assert_eq!(described[0].instance_type, "c6i.large");
    }
    let nobody = strata_domain::Ec2InstanceId::from("i-0123456789abcdef0");
    let nobodys = compute.set_instance_type(scope, &nobody, "c6i.large").await;
    assert!(matches!(nobodys, Err(CloudError::Wrong { .. })), "{nobodys:?}");
    assert!(each_well(compute.start_instances(scope, ids).await.expect("start")));
    settle().await;
    assert_eq!(state(compute, scope, &host).await, Some(Ec2State::Running));
    let unnoted = async || compute.find_unnoted(scope).await.expect("what is not noted is found");
    assert_eq!(unnoted().await.iter().map(|i| &i.id).collect::<Vec<_>>(), [&host.id], "it runs, and is noted as taken down");
    compute.note_running(scope, ids).await.expect("what we want is noted");
    compute.note_running(scope, &[]).await.expect("nothing is noted");
    assert!(unnoted().await.is_empty() && exceptions().await.is_empty(), "what is noted to run and runs is no exception");
    assert!(each_well(compute.reboot_instances(scope, ids).await.expect("reboot")), "what runs is rebooted");
    settle().await;
    let volume_ids: Vec<String> = volumes.into_iter().map(|(id, _)| id).collect();
    let early = compute.delete_volumes(scope, &volume_ids).await.expect("each has its answer");
    assert!(early.iter().all(|r| matches!(r.result, Err(CloudError::RetryLater { .. }))), "an attached volume is for later");

    let unknown = strata_domain::Ec2InstanceId::from("i-0123456789abcdef0");
    let found = compute
        .describe_instances(scope, &[unknown.clone(), host.id.clone()], StatusChecks::Asked)
        .await
        .expect("unknown ids are no error");
    assert_eq!(found.len(), 1, "unknown ids are left out");
    let mixed = compute.stop_instances(scope, &[unknown, host.id.clone()], true).await.expect("one bad id never spoils a batch");
    assert_eq!(mixed.iter().filter(|r| r.result.is_ok()).count(), 1, "each item has its own result");

    for _ in 0..2 {
        assert!(each_well(compute.terminate_instances(scope, ids).await.expect("terminate")), "terminating twice is a success");
        settle().await;
    }
    let found = compute.find_by_record(scope, std::slice::from_ref(&spec.instance_id)).await.expect("find answers");
    assert!(found.is_empty(), "what is terminated is not found by its record");
    assert!(exceptions().await.is_empty(), "what we terminated is no exception");
    let late = compute.run_instance(scope, &spec).await.expect("a late repeat is accepted");
    assert_eq!(late.id, host.id, "a late repeat is still the same launch");
    for _ in 0..2 {
        let deleted = compute.delete_volumes(scope, &volume_ids).await.expect("each has its answer");
        assert!(deleted.iter().all(|r| r.result.is_ok()) && deleted.len() == 2, "deleting twice is a success: {deleted:?}");
    }
    let start = compute.start_instances(scope, ids).await.expect("each has its answer");
    assert!(matches!(start[0].result, Err(CloudError::Wrong { .. })), "what is terminated never starts again");
    let vpc = "vpc-0123456789abcdef0";
    if let Ok(groups) = compute.ensure_groups(scope, vpc).await {
        assert_eq!(groups.keys().map(String::as_str).collect::<Vec<_>>(), strata_domain::security_groups::ALL);
        assert_eq!(compute.ensure_groups(scope, vpc).await.expect("they are there"), groups, "made once");
    }
    let none = compute.stop_instances(scope, &[], false).await.expect("nothing is asked for");
    assert!(none.is_empty());
}

/// What CloudWatch does by itself, as each adapter's world can be made to do it.
#[async_trait]
pub trait AlarmWorld: Send + Sync {
    /// Turns an alarm to ALARM because of a minute's data point of its layer, in which `value` was the last.
    async fn cross(&self, alarm: &AlarmSpec, value: f64);
}

/// CloudWatch: an alarm that has turned tells the newest value behind it.
///
/// # Panics
/// With what was broken.
pub async fn alarm_values_contract(alarms: &dyn Alarms, scope: &StackScope, world: &dyn AlarmWorld) {
    let spec = AlarmSpec {
        name: "strata/values/ecs-cluster/up-cpu".to_owned(),
        layer_id: LayerId::from("layer"),
        metric: "cpu".to_owned(),
        above: true,
        threshold: 80.0,
        evaluation_periods: 1,
    };
    alarms.put(scope, std::slice::from_ref(&spec)).await.expect("put is accepted");
    world.cross(&spec, 91.25).await;
    let seen = alarms.describe(scope, std::slice::from_ref(&spec.name)).await.expect("describe answers");
    assert_eq!(seen[0].state, crate::AlarmState::Alarm);
    let last = seen[0].last.expect("it says which value made it turn");
    assert_eq!(last.value, 91.25);
    assert!(last.at.duration_since(seen[0].since).abs() <= jiff::SignedDuration::from_mins(2), "{last:?} {:?}", seen[0]);
    alarms.delete(scope, &[spec.name]).await.expect("it is there");
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
        assert_eq!(seen[0].last, None, "a new alarm has seen no data point");
    }
    for _ in 0..2 {
        alarms.delete(scope, &names).await.expect("deleting twice is a success");
        assert!(alarms.describe(scope, &names).await.expect("describe answers").is_empty());
    }
}
