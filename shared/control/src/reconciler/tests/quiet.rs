//! What a tick costs when there is nothing to do.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use strata_domain::machine_tags::{self, Named};
use strata_domain::tags::Tags;
use strata_domain::workload::Resources;
use strata_domain::{ContainerInstanceArn, Ec2InstanceId, LayerId};
use strata_ports::{ContainerInstance, Ec2Instance, ItemResult, StackScope, TemplateSpec, Upkeep};

use super::fake::Host;
use super::*;

/// Calls of one tick: the cloud's by name, and the store's.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    cloud: Vec<&'static str>,
    gets: u64,
    lists: u64,
    commits: u64,
}

/// An account whose machines have had their names and tags for long: `i-7` is that of `web7`.
struct Tagged;

#[async_trait]
impl Upkeep for Tagged {
    async fn put_template(&self, _: &StackScope, _: &TemplateSpec) -> Result<(), CloudError> {
        Ok(())
    }
    async fn delete_template(&self, _: &StackScope, _: &str) -> Result<(), CloudError> {
        Ok(())
    }
    async fn break_glass_hosts(&self, _: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError> {
        Ok(Vec::new())
    }
    async fn tags(&self, _: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        let (stack, layer) = (samples::stack(), samples::layer());
        let layers = [(layer.shortname, layer.name)];
        let of = |id: &String| {
            let hostname = id.replace("i-", "web");
            let named = Named { stack: &stack.name, hostname: &hostname, layers: &layers, keeps_name: false };
            (id.clone(), machine_tags::names(&named))
        };
        Ok(resources.iter().map(of).collect())
    }
    async fn change_tags(
        &self,
        _: &StackScope,
        ids: &[String],
        set: &Tags,
        unset: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        panic!("{ids:?} have their tags; {set:?} {unset:?}");
    }
}

impl World {
    /// `n` hosts in service, as if they had been for long.
    pub(super) async fn settled(n: usize) -> Self {
        let mut world = Self::new(0).await;
        let ports = Ports { upkeep: Arc::new(Tagged), ..world.reconciler.ports.clone() };
        world.reconciler = Reconciler::new(ports, Config::default());
        let now = world.cloud.now();
        let stack = samples::stack().id;
        for i in 1..=n {
            let (ec2, container) = (format!("i-{i}"), format!("arn:container/{i}"));
            let record = Instance {
                id: format!("inst-{i:05}").into(),
                hostname: format!("web{i}"),
                status: InstanceStatus::Online,
                ec2_instance_id: Some(Ec2InstanceId::new(&ec2)),
                container_instance_arn: Some(ContainerInstanceArn::new(&container)),
                has_been_online: true,
                online_since: Some(now),
                launch_number: 1,
                ..samples::instance()
            };
            world.ids.push((stack.clone(), record.id.clone()));
            let owner = keys::Ec2Owner { stack_id: stack.clone(), instance_id: record.id.clone() };
            let changes = [
                Change::put(keys::instance(&stack, &record.id), &record, Expect::Absent),
                Change::put(keys::ec2_index(&Ec2InstanceId::new(&ec2)), &owner, Expect::Absent),
            ];
            world.commit(changes.to_vec()).await;
            world.cloud.state().hosts.push(in_service(&record, &ec2, &container, now));
        }
        world
    }

    async fn cost_of_a_tick(&self) -> Cost {
        let before = self.store.calls();
        self.cloud.state().calls.clear();
        self.reconciler.sweep("tick").await.unwrap();
        let after = self.store.calls();
        Cost {
            cloud: self.cloud.state().calls.clone(),
            gets: after.get - before.get,
            lists: after.list - before.list,
            commits: after.commit - before.commit,
        }
    }
}

fn in_service(record: &Instance, ec2: &str, container: &str, now: jiff::Timestamp) -> Host {
    Host {
        ec2: Ec2Instance {
            id: Ec2InstanceId::new(ec2),
            instance_id: Some(record.id.clone()),
            state: Ec2State::Running,
            instance_type: record.instance_type.clone(),
            impaired: false,
            launched_at: now,
            private_ip: None,
            public_ip: None,
            volumes: Vec::new(),
        },
        token: String::new(),
        hung: false,
        agent_stuck: false,
        agent_cut_off: false,
        last_ping: Some(now),
        container: Some(ContainerInstance {
            arn: ContainerInstanceArn::new(container),
            ec2_instance_id: Ec2InstanceId::new(ec2),
            state: ContainerInstanceState::Active,
            agent_connected: true,
            agent_version: Some("1.98.0".into()),
            running_tasks: 0,
            pending_tasks: 0,
            registered_at: now,
            free: Resources::default(),
        }),
        tasks: Vec::new(),
    }
}

#[tokio::test]
async fn a_tick_over_ten_thousand_settled_instances_costs_what_one_over_ten_does() {
    let mut costs = Vec::new();
    for n in [10, 10_000] {
        let world = World::settled(n).await;
        let full = world.cost_of_a_tick().await;
        world.cloud.pass();
        let tick = world.cost_of_a_tick().await;
        println!("{n} settled instances: a tick {tick:?}; the full sweep of every 15 minutes: {} gets", full.gets);
        assert!(full.gets >= n as u64, "the first tick of all is a full sweep");
        assert_eq!(world.status(n - 1).await, InstanceStatus::Online);
        costs.push(tick);
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[0].cloud, ["DescribeExceptions", "ContainerExceptions", "ScheduledEvents"], "one filtered look at each");
}
