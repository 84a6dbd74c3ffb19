//! Clusters and their one layer.

use serde_json::json;
use strata_domain::InstanceStatus;

use super::TestApi;
use super::support::{CLUSTER, text};

const OTHER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/other";

fn layer(stack: &str, cluster: &str) -> serde_json::Value {
    json!({ "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": cluster } })
}

/// [ECS-103] [ECS-100]
#[tokio::test]
async fn ecs_103_what_is_checked_at_registration() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.cloud.clusters.lock().unwrap().insert(OTHER.into(), false);
    let register = |arn: &str, stack: &str| json!({ "EcsClusterArn": arn, "StackId": stack });
    app.call("RegisterEcsCluster", register("shop", &stack)).await.invalid();
    app.call("RegisterEcsCluster", register(&CLUSTER.replace("eu-west-1", "us-east-1"), &stack)).await.invalid();
    app.call("RegisterEcsCluster", register(CLUSTER, "unknown")).await.not_found();
    app.call("RegisterEcsCluster", register(OTHER, &stack)).await.not_found();
    app.call("RegisterEcsCluster", register(&format!("{CLUSTER}2"), &stack)).await.not_found();
    let registered = app.call("RegisterEcsCluster", register(CLUSTER, &stack)).await.good();
    assert_eq!(registered, json!({ "EcsClusterArn": CLUSTER }));
    app.cloud.advance(3600);
    app.call("RegisterEcsCluster", register(CLUSTER, &stack)).await.good();
    let described = app.call("DescribeEcsClusters", json!({ "StackId": stack })).await.good();
    let expected = json!({
        "EcsClusterArn": CLUSTER, "EcsClusterName": "shop", "StackId": stack, "RegisteredAt": "2026-01-01T00:00:00+00:00",
    });
    assert_eq!(described, json!({ "EcsClusters": [expected] }), "the same again leaves RegisteredAt unchanged");
}

/// [ECS-101]
#[tokio::test]
async fn ecs_101_one_identifying_parameter_and_an_unknown_arn_is_not_found() {
    let app = TestApi::new();
    let (stack, _) = app.shop().await;
    app.call("DescribeEcsClusters", json!({ "StackId": stack, "EcsClusterArns": [CLUSTER] })).await.invalid();
    app.call("DescribeEcsClusters", json!({ "EcsClusterArns": [CLUSTER, OTHER] })).await.not_found();
    app.call("DescribeEcsClusters", json!({ "EcsClusterArns": [CLUSTER], "MaxResults": 1 })).await.invalid();
    let found = app.call("DescribeEcsClusters", json!({ "StackId": stack, "MaxResults": 1 })).await.good();
    assert_eq!(text(&found["EcsClusters"][0]["EcsClusterArn"]), CLUSTER);
    assert!(found.get("NextToken").is_none());
}

/// [ECS-20]
#[tokio::test]
async fn ecs_20_first_register_then_create_the_layer() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let before = app.call("CreateLayer", layer(&stack, CLUSTER)).await.invalid();
    assert!(before.contains("RegisterEcsCluster"), "{before}");
    app.register(&stack).await;
    app.call("CreateLayer", layer(&stack, OTHER)).await.invalid();
    let unnamed = json!({ "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web" });
    app.call("CreateLayer", unnamed).await.invalid();
    app.call("CreateLayer", layer(&stack, CLUSTER)).await.good();
}

/// [ECS-21]
#[tokio::test]
async fn ecs_21_one_ecs_layer_per_stack_even_when_two_ask_at_once() {
    for _ in 0..20 {
        let app = TestApi::new();
        let stack = app.stack("shop").await;
        app.register(&stack).await;
        let mut second = layer(&stack, CLUSTER);
        second["Name"] = json!("web2");
        let (a, b) =
            futures::future::join(app.call("CreateLayer", layer(&stack, CLUSTER)), app.call("CreateLayer", second.clone())).await;
        let (won, lost) = if a.response.status() == 200 { (a, b) } else { (b, a) };
        won.good();
        assert!(lost.invalid().contains("already an ECS Cluster layer"));
    }
}

/// [ECS-22] [QTA-2]
#[tokio::test]
async fn ecs_22_one_cluster_per_stack_and_one_stack_per_cluster() {
    let app = TestApi::new();
    app.cloud.clusters.lock().unwrap().insert(OTHER.into(), true);
    let (shop, other) = (app.stack("shop").await, app.stack("other").await);
    app.register(&shop).await;
    let taken = app.call("RegisterEcsCluster", json!({ "EcsClusterArn": CLUSTER, "StackId": other })).await.invalid();
    assert!(taken.contains("another stack"), "{taken}");
    let second = app.call("RegisterEcsCluster", json!({ "EcsClusterArn": OTHER, "StackId": shop })).await.invalid();
    assert!(second.contains("takes one cluster"), "{second}");
}

/// [ECS-22], at once.
#[tokio::test]
async fn ecs_22_of_two_stacks_that_ask_at_once_one_gets_the_cluster() {
    for _ in 0..20 {
        let app = TestApi::new();
        let (a, b) = (app.stack("a").await, app.stack("b").await);
        let register = |stack: &str| json!({ "EcsClusterArn": CLUSTER, "StackId": stack });
        let (a, b) =
            futures::future::join(app.call("RegisterEcsCluster", register(&a)), app.call("RegisterEcsCluster", register(&b)))
                .await;
        assert_ne!(a.response.status() == 200, b.response.status() == 200);
        assert_eq!(app.store.partition("clusters").len(), 1);
    }
}

/// [ECS-92] [ECS-94] [ECS-96], the guide's order.
#[tokio::test]
async fn ecs_94_deregister_first_then_delete_the_layer() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.good();
    let described = app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good();
    assert_eq!(described["Layers"][0]["Attributes"], json!({}));
    let instance = app.instance(&stack, &layer, json!({})).await;
    let refused = app.call("StartInstance", json!({ "InstanceId": instance })).await.invalid();
    assert!(refused.contains("deregistered"), "{refused}");
    app.call("DeleteInstance", json!({ "InstanceId": instance })).await.good();
    app.finish_deletion(&instance).await;
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    let other = app.stack("other").await;
    app.register(&other).await;
}

/// [ECS-92] [ECS-94], Terraform's order [CLT-3].
#[tokio::test]
async fn ecs_94_delete_the_layer_first_then_deregister() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.good();
    app.call("DescribeEcsClusters", json!({ "EcsClusterArns": [CLUSTER] })).await.not_found();
}

/// [ECS-95]
#[tokio::test]
async fn ecs_95_no_deregistration_while_the_layer_has_members() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.invalid();
    app.settle(&instance, InstanceStatus::Stopped).await;
    app.call("DeleteInstance", json!({ "InstanceId": instance })).await.good();
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.invalid();
    app.finish_deletion(&instance).await;
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.good();
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.not_found();
}

/// [ECS-25] [ECS-90] [ECS-91] [ECS-92] [ECS-93] [ECS-94] [ECS-95] [ECS-96] [ECS-97] A layer with an instance is removed, in both orders of
/// the two calls; the cluster stays in ECS and can be registered anew.
#[tokio::test]
async fn ecs_91_stop_delete_then_deregister_and_delete_the_layer_in_either_order() {
    for deregister_first in [true, false] {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let none = app.call("DescribeInstances", json!({ "LayerId": layer })).await.good();
        assert_eq!(none, json!({ "Instances": [] }), "a new layer has no instances, whatever runs in the cluster");
        let instance = app.instance(&stack, &layer, json!({})).await;
        app.settle(&instance, InstanceStatus::Online).await;
        let deregister = async || app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await;
        let delete = async || app.call("DeleteLayer", json!({ "LayerId": layer })).await;
        app.call("DeleteInstance", json!({ "InstanceId": instance })).await.invalid();
        assert!(deregister().await.invalid().contains("still has 1 instances"));
        delete().await.invalid();
        app.call("StopInstance", json!({ "InstanceId": instance })).await.good();
        delete().await.invalid();
        app.settle(&instance, InstanceStatus::Stopped).await;
        app.call("DeleteInstance", json!({ "InstanceId": instance })).await.good();
        app.finish_deletion(&instance).await;
        app.call("DeleteStack", json!({ "StackId": stack })).await.invalid();
        if deregister_first {
            deregister().await.good();
            delete().await.good();
        } else {
            delete().await.good();
            deregister().await.good();
        }
        assert!(deregister().await.not_found().contains(CLUSTER));
        delete().await.not_found();
        assert_eq!(app.cloud.clusters.lock().unwrap().get(CLUSTER), Some(&true), "the cluster itself is nobody's to delete");
        app.register(&stack).await;
        app.call("DeleteStack", json!({ "StackId": stack })).await.good();
        let other = app.stack("other").await;
        app.register(&other).await;
    }
}

/// [ECS-10] [ECS-47] An ECS Cluster layer goes with Chef 12 and 11.10.
#[tokio::test]
async fn ecs_47_both_chef_versions_take_an_ecs_cluster_layer() {
    for chef in ["12", "11.10"] {
        let app = TestApi::new();
        let stack = app.stack("shop").await;
        let manager = json!({ "StackId": stack, "ConfigurationManager": { "Name": "Chef", "Version": chef } });
        app.call("UpdateStack", manager).await.good();
        app.register(&stack).await;
        app.ecs_layer(&stack).await;
    }
}

/// [ECS-40] The layer's own profile, else the stack's.
#[tokio::test]
async fn ecs_40_the_instance_profile_is_the_layers_else_the_stacks() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let profile = async || text(&app.described(&instance).await["InstanceProfileArn"]);
    let arn = |name: &str| format!("arn:aws:iam::123456789012:instance-profile/{name}");
    assert_eq!(profile().await, arn("ec2"));
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomInstanceProfileArn": arn("ecs") })).await.good();
    assert_eq!(profile().await, arn("ecs"));
    let foreign = json!({ "LayerId": layer, "CustomInstanceProfileArn": "arn:aws:iam::999999999999:instance-profile/ecs" });
    app.call("UpdateLayer", foreign).await.invalid();
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomInstanceProfileArn": "" })).await.good();
    assert_eq!(profile().await, arn("ec2"));
}
