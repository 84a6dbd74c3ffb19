//! A small world for the tests: fixed times, no latency.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use strata_domain::tags::Tags;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, StackId};
use strata_ports::{
    Clock, CommandKind, CommandRequest, CommandResult, Commands, Compute, ContainerInstance, Containers, Ec2Instance, LaunchSpec,
    StackScope, StatusChecks,
};
use strata_triggers::{HintKind, Trigger, parse};

use super::{ApiSettings, CloudConfig, CloudWatchSettings, Ec2Settings, EcsSettings, Emission, SimCloud, Spread, SsmSettings};
use crate::VirtualClock;

/// Everything takes a known time: pending 10 s, boot 60 s, stop 20 s, terminate 20 s, reboot 60 s, Setup 100 s, a task's start 10 s
/// and stop 5 s; calls take none.
pub(super) fn config() -> CloudConfig {
    let s = |seconds: i64| Spread::fixed_ms(seconds * 1_000);
    CloudConfig {
        ec2: Ec2Settings {
            pending: s(10),
            boot: s(60),
            stop: s(20),
            stop_hung: s(200),
            terminate: s(20),
            reboot: s(60),
            describe_lag: s(0),
            ..Ec2Settings::default()
        },
        ssm: SsmSettings {
            delivery: s(1),
            setup: s(100),
            setup_updates: s(50),
            shutdown: s(5),
            configure: s(5),
            update: s(200),
            ..SsmSettings::default()
        },
        ecs: EcsSettings { task_start: s(10), task_stop: s(5), agent_connect: s(5), ..EcsSettings::default() },
        cloudwatch: CloudWatchSettings { evaluation: s(5) },
        api: ApiSettings { read_latency: s(0), write_latency: s(0), ..ApiSettings::default() },
        ..CloudConfig::default()
    }
}

pub(super) struct World {
    pub(super) cloud: Arc<SimCloud>,
    pub(super) clock: Arc<VirtualClock>,
    pub(super) scope: StackScope,
    pub(super) cluster: ClusterArn,
    pub(super) told: Vec<Emission>,
    launches: u32,
}

impl World {
    pub(super) fn new(config: CloudConfig) -> Self {
        Self::seeded(config, 1)
    }

    pub(super) fn seeded(config: CloudConfig, seed: u64) -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
        let cloud = SimCloud::new(config, seed, clock.clone());
        let cluster = cloud.create_cluster("shop");
        let scope = StackScope {
            stack_id: StackId::new("stack"),
            region: "us-east-1".to_owned(),
            service_role_arn: "arn:aws:iam::123456789012:role/service".to_owned(),
        };
        Self { cloud, clock, scope, cluster, told: Vec::new(), launches: 0 }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass, as the driver of a world does.
    pub(super) async fn pass(&mut self, seconds: i64) {
        let end = self.now() + SignedDuration::from_secs(seconds);
        loop {
            let next = self.cloud.next_due().map_or(end, |due| due.min(end));
            self.clock.sleep_until(next).await;
            self.told.extend(self.cloud.advance(self.now()));
            if next >= end {
                return;
            }
        }
    }

    /// What was told since the last call, read as the functions read it.
    pub(super) fn hints(&mut self) -> Vec<HintKind> {
        let mut hints = Vec::new();
        for emission in std::mem::take(&mut self.told) {
            match parse(emission.body.as_bytes()).unwrap() {
                Trigger::Hints(found) => hints.extend(found.into_iter().map(|h| h.kind)),
                Trigger::CommandStatus(status) => hints.push(HintKind::Command {
                    command_id: status.command_id,
                    instance: status.instance,
                    status: status.status,
                }),
                other => panic!("{other:?}"),
            }
        }
        hints
    }

    pub(super) fn spec(&self, record: &str, zone: &str) -> LaunchSpec {
        LaunchSpec {
            token: format!("{record}-1"),
            instance_id: InstanceId::new(record),
            hostname: record.to_owned(),
            stack_name: "shop".to_owned(),
            instance_type: "c7i.large".to_owned(),
            availability_zone: format!("us-east-1{zone}"),
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
            tags: Tags::new(),
            imdsv1: false,
            plain_root: false,
        }
    }

    pub(super) async fn launch(&mut self, record: &str, zone: &str) -> Ec2InstanceId {
        // Five launches at once, then two a second: the tests that need more pace themselves.
        self.launches += 1;
        if self.launches > 5 {
            self.pass(1).await;
        }
        self.cloud.run_instance(&self.scope, &self.spec(record, zone)).await.unwrap().id
    }

    /// A host that is in service.
    pub(super) async fn online(&mut self, record: &str, zone: &str) -> Ec2InstanceId {
        let id = self.launch(record, zone).await;
        self.pass(70).await;
        self.setup(&id).await;
        self.pass(101).await;
        id
    }

    /// Hosts `web1`.. that are in service, by turns in zones a, b and c; all at once.
    pub(super) async fn fleet(&mut self, hosts: usize) -> Vec<Ec2InstanceId> {
        let mut ids = Vec::new();
        for n in 0..hosts {
            ids.push(self.launch(&format!("web{}", n + 1), ["a", "b", "c"][n % 3]).await);
        }
        self.pass(70).await;
        for id in &ids {
            self.setup(id).await;
        }
        self.pass(101).await;
        ids
    }

    pub(super) fn command(&self, kind: CommandKind, host: &Ec2InstanceId, nonce: &str) -> CommandRequest {
        CommandRequest {
            nonce: format!("{nonce}/{host}/{}", self.now()),
            kind,
            host: host.clone(),
            parameters: vec![("cluster".to_owned(), self.cluster.to_string()), ("hostname".to_owned(), "web1".to_owned())],
            timeout_seconds: 3_600,
        }
    }

    pub(super) async fn setup(&self, host: &Ec2InstanceId) -> strata_domain::SsmCommandId {
        self.send(&self.command(CommandKind::Setup, host, "setup")).await
    }

    pub(super) async fn send(&self, request: &CommandRequest) -> strata_domain::SsmCommandId {
        self.cloud.send(&self.scope, request).await.unwrap()
    }

    pub(super) async fn result(&self, id: &strata_domain::SsmCommandId) -> CommandResult {
        self.cloud.results(&self.scope, std::slice::from_ref(id)).await.unwrap().remove(0)
    }

    pub(super) async fn ec2(&self, id: &Ec2InstanceId) -> Option<Ec2Instance> {
        self.cloud.describe_instances(&self.scope, std::slice::from_ref(id), StatusChecks::Asked).await.unwrap().pop()
    }

    pub(super) async fn container(&self, host: &Ec2InstanceId) -> Option<ContainerInstance> {
        self.cloud.find_by_host(&self.scope, &self.cluster, std::slice::from_ref(host)).await.unwrap().pop()
    }

    pub(super) async fn arn(&self, host: &Ec2InstanceId) -> ContainerInstanceArn {
        self.container(host).await.unwrap().arn
    }

    pub(super) async fn last_ping(&self, host: &Ec2InstanceId) -> Option<Timestamp> {
        self.cloud.pings(&self.scope, std::slice::from_ref(host)).await.unwrap().pop().map(|p| p.last_ping)
    }

    pub(super) async fn set_state(&self, host: &Ec2InstanceId, state: strata_ports::ContainerInstanceState) {
        let arn = self.arn(host).await;
        let done = self.cloud.set_state(&self.scope, &self.cluster, &[arn], state).await.unwrap();
        assert!(done[0].result.is_ok(), "{done:?}");
    }
}
