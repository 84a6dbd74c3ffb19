//! A downscaling looks at the tasks first: the real handler and API, with an ECS that says what a test wants.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[expect(dead_code, reason = "the handler's own tests need more of the shop")]
mod support;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use strata_domain::model::Instance;
use strata_domain::workload::Resources;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, InstanceStatus as S, ServiceArn, TaskArn};
use strata_load_scaling::{Deps, handle};
use strata_ports::{
    AlarmState, Change, CloudError, ClusterView, ContainerInstance, ContainerInstanceState, Containers, EcsService, EcsTask,
    ItemResult, StackScope, keys,
};
use support::{Shop, TICK, on_virtual_time};

const DOWN: &str = "strata/shop/ecs-cluster/down-cpu";
const TASK: Resources = Resources { cpu: 256, memory: 512 };

/// What runs on a host: its EC2 id, tasks of services, whether the first is protected, and for how many more there is room.
#[derive(Clone)]
struct Host(&'static str, usize, bool, u32);

/// An ECS with these hosts; with none it does not answer.
struct Ecs(Vec<Host>);

#[async_trait]
impl Containers for Ecs {
    async fn find_by_host(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        if self.0.is_empty() {
            return Err(CloudError::RetryLater { action: "ecs:ListContainerInstances", why: "throttled".to_owned() });
        }
        let found = self.0.iter().filter(|h| hosts.iter().any(|asked| asked.as_str() == h.0));
        Ok(found
            .map(|Host(id, tasks, _, room)| ContainerInstance {
                arn: ContainerInstanceArn::from(*id),
                ec2_instance_id: Ec2InstanceId::from(*id),
                state: ContainerInstanceState::Active,
                agent_connected: true,
                agent_version: Some("1.98.0".into()),
                running_tasks: u32::try_from(*tasks).unwrap(),
                pending_tasks: 0,
                registered_at: jiff::Timestamp::UNIX_EPOCH,
                free: Resources { cpu: TASK.cpu * room, memory: TASK.memory * room },
            })
            .collect())
    }
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, arn: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        let Host(_, tasks, protected, _) = self.0.iter().find(|h| h.0 == arn.as_str()).unwrap();
        let task = |n| EcsTask {
            arn: TaskArn::new(format!("{arn}/{n}")),
            service: Some(ServiceArn::from("web")),
            daemon: false,
            protected: *protected && n == 0,
            reserves: TASK,
        };
        Ok((0..*tasks).map(task).collect())
    }
    async fn describe_cluster(&self, _: &StackScope, _: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn describe_exceptions(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn set_state(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
        _: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, _: &TaskArn, _: &str) -> Result<(), CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<(), CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn services(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn, _: u32) -> Result<(), CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn) -> Result<(), CloudError> {
        unreachable!("load-scaling only looks at tasks")
    }
}

/// A shop with an online load-based instance `web1`, `web2`... for each host, and a quiet CPU that asks for fewer by one.
async fn shop(hosts: &[Host], custom_json: Option<&str>) -> (Shop, Vec<InstanceId>) {
    let shop = Shop::at("2026-03-02T09:00:00Z").await;
    shop.call("SetLoadBasedAutoScaling", json!({ "LayerId": shop.layer, "Enable": true })).await;
    if let Some(json) = custom_json {
        shop.call("UpdateLayer", json!({ "LayerId": shop.layer, "CustomJson": json })).await;
    }
    let mut ids = Vec::new();
    for (n, host) in hosts.iter().enumerate() {
        let id = shop.instance("load", &format!("web{}", n + 1)).await;
        let key = keys::instance(&shop.stack, &id);
        let stored = shop.ports.store.get(&key).await.unwrap().unwrap();
        let record =
            Instance { status: S::Online, ec2_instance_id: Some(Ec2InstanceId::from(host.0)), ..stored.decode().unwrap() };
        shop.ports.store.commit(vec![Change::put(key, &record, stored.unchanged())]).await.unwrap();
        ids.push(id);
    }
    shop.pass_minutes(30).await;
    shop.cloud.set_alarm_state(DOWN, AlarmState::Alarm);
    (shop, ids)
}

fn deps(shop: &Shop, ecs: &[Host]) -> Deps {
    let ecs = Arc::new(Ecs(ecs.to_vec()));
    Deps { containers: ecs, ..Deps::new(shop.fleet(), shop.ports.clone()) }
}

async fn statuses(shop: &Shop, ids: &[InstanceId]) -> Vec<S> {
    let mut seen = Vec::new();
    for id in ids {
        seen.push(shop.status(id).await);
    }
    seen
}

#[test]
fn the_one_with_the_fewest_tasks_is_stopped_and_the_journal_says_what_moves() {
    on_virtual_time(async {
        let hosts = [Host("i-1", 3, false, 1), Host("i-2", 1, false, 0)];
        let (shop, ids) = shop(&hosts, None).await;
        let told = handle(TICK, &deps(&shop, &hosts)).await.unwrap().decisions;
        assert_eq!(told[0].did, "stop web2");
        assert!(told[0].why.ends_with("; tasks that move or end: 1"), "{}", told[0].why);
        assert_eq!(statuses(&shop, &ids).await, [S::Online, S::Stopping]);
    });
}

#[test]
fn nothing_is_stopped_whose_tasks_the_rest_could_not_hold_and_that_is_told_once() {
    on_virtual_time(async {
        let hosts = [Host("i-1", 3, false, 0), Host("i-2", 1, false, 0)];
        let (shop, ids) = shop(&hosts, None).await;
        let told = handle(TICK, &deps(&shop, &hosts)).await.unwrap().decisions;
        assert!(told[0].why.contains("could not hold the tasks of any of 2"), "{}", told[0].why);
        assert!(told[0].why.contains("those of web2 reserve 256 CPU units and 512 MiB"), "{}", told[0].why);
        assert_eq!(statuses(&shop, &ids).await, [S::Online, S::Online]);
        assert_eq!(handle(TICK, &deps(&shop, &hosts)).await.unwrap().decisions, [], "it is no news");

        let room = [Host("i-1", 3, false, 1), Host("i-2", 1, false, 0)];
        assert_eq!(handle(TICK, &deps(&shop, &room)).await.unwrap().decisions.len(), 1);
        assert_eq!(statuses(&shop, &ids).await, [S::Online, S::Stopping]);
    });
}

#[test]
fn a_protected_task_comes_last_and_with_the_policy_refuse_never() {
    let hosts = [Host("i-1", 2, true, 9), Host("i-2", 4, false, 9), Host("i-3", 5, false, 9), Host("i-4", 1, true, 9)];
    for (custom_json, stopped) in [(None, 3), (Some(r#"{"strata":{"drain":"refuse"}}"#), 2)] {
        on_virtual_time(async {
            let (shop, ids) = shop(&hosts, custom_json).await;
            for _ in 0..4 {
                handle(TICK, &deps(&shop, &hosts)).await.unwrap();
                shop.pass_minutes(20).await;
                // The alarm's clock is the last event's end.
                shop.cloud.set_alarm_state(DOWN, AlarmState::Alarm);
            }
            let left = statuses(&shop, &ids).await.into_iter().filter(|s| *s == S::Online).count();
            assert_eq!(left, hosts.len() - stopped, "{custom_json:?}");
            let order = shop.journal().await.into_iter().filter(|did| did.starts_with("stop ")).collect::<Vec<_>>();
            assert_eq!(order[..2], ["stop web2", "stop web3"]);
        });
    }
}

#[test]
fn when_ecs_does_not_answer_nothing_is_stopped_and_the_next_tick_tries_again() {
    on_virtual_time(async {
        let hosts = [Host("i-1", 1, false, 9), Host("i-2", 1, false, 9)];
        let (shop, ids) = shop(&hosts, None).await;
        let error = handle(TICK, &deps(&shop, &[])).await.unwrap_err();
        assert!(error.to_string().contains("ecs:ListContainerInstances"), "{error}");
        assert_eq!(statuses(&shop, &ids).await, [S::Online, S::Online]);
        handle(TICK, &deps(&shop, &hosts)).await.unwrap();
        assert_eq!(statuses(&shop, &ids).await, [S::Online, S::Stopping]);
    });
}
