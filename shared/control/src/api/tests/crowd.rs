//! Many clients at once, over the real store in memory: it cancels one commit in twenty, as DynamoDB does with transactions that overlap,
//! and gives way at every call, so that all of them are always in the middle of something.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Value, json};
use strata_local::MemoryStore;
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Item, Key, Store, StoreError, keys};

use super::TestApi;
use super::support::{CLUSTER, text};

const CLIENTS: usize = 64;

struct Yielding(MemoryStore);

#[async_trait]
impl Store for Yielding {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        tokio::task::yield_now().await;
        self.0.get(key).await
    }
    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        tokio::task::yield_now().await;
        self.0.list(listing).await
    }
    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        tokio::task::yield_now().await;
        self.0.commit(changes).await
    }
}

fn crowd(seed: u64) -> (TestApi, Arc<Yielding>) {
    let store = Arc::new(Yielding(MemoryStore::new().with_conflicts(seed, 50)));
    (TestApi::over(|ports| ports.store = store.clone()), store)
}

async fn instances(app: &TestApi, stack: &str) -> Vec<Value> {
    app.call("DescribeInstances", json!({ "StackId": stack })).await.good()["Instances"].as_array().unwrap().clone()
}

/// [INST-60] [QTA-1] 64 clients change one stack at once, each something else: all are served, no host name is there twice, and nobody's
/// change is lost.
#[tokio::test]
async fn inst_60_64_clients_on_one_stack_lose_nothing_and_double_nothing() {
    for seed in 1..=3 {
        let (app, store) = crowd(seed);
        let (stack, layer) = app.shop().await;
        let old: Vec<String> = join_all((0..16).map(|_| app.instance(&stack, &layer, json!({})))).await;
        app.call("CreateLayer", json!({ "StackId": stack, "Type": "custom", "Name": "x", "Shortname": "x" })).await.good();
        let calls = (0..CLIENTS).map(|n| {
            let of = &old[n / 4];
            match n % 4 {
                0 => ("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" })),
                1 => ("StartInstance", json!({ "InstanceId": of })),
                // Each client adds a member of its own to what the layer and the scaling settings hold.
                2 => match n / 4 {
                    0 => ("UpdateLayer", json!({ "LayerId": layer, "Packages": ["git"] })),
                    1 => ("UpdateLayer", json!({ "LayerId": layer, "CustomJson": "{\"a\":1}" })),
                    2 => ("UpdateLayer", json!({ "LayerId": layer, "EnableAutoHealing": false })),
                    3 => ("UpdateLayer", json!({ "LayerId": layer, "AutoAssignElasticIps": true })),
                    4 => ("UpdateStack", json!({ "StackId": stack, "CustomJson": "{\"b\":2}" })),
                    5 => ("UpdateStack", json!({ "StackId": stack, "UseCustomCookbooks": true })),
                    6 => ("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": CLUSTER })),
                    _ => ("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" })),
                },
                _ => match n / 4 {
                    0 => ("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true })),
                    1 => ("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "UpScaling": { "CpuThreshold": 71 } })),
                    2 => ("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "UpScaling": { "MemoryThreshold": 72 } })),
                    3 => ("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "DownScaling": { "InstanceCount": 3 } })),
                    _ => ("StopInstance", json!({ "InstanceId": of })),
                },
            }
        });
        let replies = join_all(calls.map(|(action, members)| app.call(action, members))).await;
        let created = replies.into_iter().filter(|reply| reply.body.get("InstanceId").is_some()).count();
        let all = instances(&app, &stack).await;
        assert_eq!((created, all.len()), (16 + 9, 16 + 16 + 9));
        let names: BTreeSet<String> = all.iter().map(|i| text(&i["Hostname"])).collect();
        assert_eq!(names.len(), all.len(), "no host name twice");
        let shown = app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good()["Layers"][0].clone();
        assert_eq!(
            [&shown["Packages"], &shown["CustomJson"], &shown["EnableAutoHealing"], &shown["AutoAssignElasticIps"]],
            [&json!(["git"]), &json!("{\"a\":1}"), &json!(false), &json!(true)]
        );
        let shown = app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good()["Stacks"][0].clone();
        assert_eq!((&shown["CustomJson"], &shown["UseCustomCookbooks"]), (&json!("{\"b\":2}"), &json!(true)));
        let scaling = app.call("DescribeLoadBasedAutoScaling", json!({ "LayerIds": [layer] })).await.good();
        let scaling = &scaling["LoadBasedAutoScalingConfigurations"][0];
        assert_eq!(scaling["Enable"], true);
        let up = (&scaling["UpScaling"]["CpuThreshold"], &scaling["UpScaling"]["MemoryThreshold"]);
        assert_eq!((up, &scaling["DownScaling"]["InstanceCount"]), ((&json!(71.0), &json!(72.0)), &json!(3)));
        for id in &old {
            let status = text(&all.iter().find(|i| i["InstanceId"] == **id).unwrap()["Status"]);
            // Of a start and a stop at once either may have come last.
            assert!(["requested", "stopping", "stopped"].contains(&status.as_str()), "{status}");
        }
        let calls = store.0.calls();
        assert!(calls.conflicts > 20 && calls.cancelled > 0, "they did meet: {calls:?}");
    }
}

/// [ECS-21] Of 64 clients that create the stack's ECS layer at once, one does.
#[tokio::test]
async fn ecs_21_of_64_ecs_layers_at_once_one_is_made() {
    let (app, store) = crowd(4);
    let stack = app.stack("shop").await;
    app.register(&stack).await;
    let create = |n: usize| {
        let attributes = json!({ "EcsClusterArn": CLUSTER });
        json!({ "StackId": stack, "Type": "ecs-cluster", "Name": format!("web{n}"), "Shortname": "web", "Attributes": attributes })
    };
    let replies = join_all((0..CLIENTS).map(|n| app.call("CreateLayer", create(n)))).await;
    let made = replies.iter().filter(|r| r.response.status() == 200).count();
    assert_eq!(made, 1);
    for lost in replies.into_iter().filter(|r| r.response.status() != 200) {
        assert!(lost.invalid().contains("already an ECS Cluster layer"));
    }
    let layers = app.call("DescribeLayers", json!({ "StackId": stack })).await.good();
    assert_eq!(layers["Layers"].as_array().map(Vec::len), Some(1));
    assert!(store.0.calls().conflicts > 0);
}

/// [ECS-22] Two stacks, 64 clients, one cluster: one stack gets it, and its clients are all told so.
#[tokio::test]
async fn ecs_22_of_64_registrations_over_two_stacks_one_stack_wins() {
    let (app, store) = crowd(5);
    let stacks = [app.stack("a").await, app.stack("b").await];
    let register = |n: usize| app.call("RegisterEcsCluster", json!({ "EcsClusterArn": CLUSTER, "StackId": stacks[n % 2] }));
    let replies = join_all((0..CLIENTS).map(register)).await;
    let won: Vec<bool> = replies.iter().map(|r| r.response.status() == 200).collect();
    let winner = usize::from(won[1]);
    assert!(won.iter().enumerate().all(|(n, won)| *won == (n % 2 == winner)), "{won:?}");
    let held = store.list(&Listing::of(keys::CLUSTERS_PK, "")).await.unwrap();
    assert_eq!(held.len(), 1);
    for (n, stack) in stacks.iter().enumerate() {
        let shown = app.call("DescribeEcsClusters", json!({ "StackId": stack })).await.good();
        assert_eq!(shown["EcsClusters"].as_array().map(Vec::len), Some(usize::from(n == winner)));
    }
}
