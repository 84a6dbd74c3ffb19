//! Layers.

use serde_json::{Value, json};

use super::TestApi;
use super::support::CLUSTER;

async fn described(app: &TestApi, layer: &str) -> Value {
    app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good()["Layers"][0].clone()
}

/// [ECS-46] [ECS-65] and the defaults of section 6.
#[tokio::test]
async fn ecs_46_an_ecs_layer_as_described() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let layer = described(&app, &layer).await;
    for (member, value) in [
        ("Type", json!("ecs-cluster")),
        ("Shortname", json!("ecs-cluster")),
        ("Attributes", json!({ "EcsClusterArn": CLUSTER })),
        ("DefaultSecurityGroupNames", json!(["AWS-OpsWorks-ECS-Cluster"])),
        ("EnableAutoHealing", json!(true)),
        ("AutoAssignElasticIps", json!(false)),
        ("AutoAssignPublicIps", json!(true)),
        ("CustomSecurityGroupIds", json!([])),
        ("VolumeConfigurations", json!([])),
        ("InstallUpdatesOnBoot", json!(true)),
        ("UseEbsOptimizedInstances", json!(false)),
        (
            "LifecycleEventConfiguration",
            json!({ "Shutdown": { "ExecutionTimeout": 120, "DelayUntilElbConnectionsDrained": true } }),
        ),
    ] {
        assert_eq!(layer[member], value, "{member}");
    }
    assert_eq!(layer["DefaultRecipes"]["Setup"][7], "opsworks_ecs::setup");
    assert_eq!(layer["DefaultRecipes"]["Shutdown"], json!(["opsworks_shutdown::default", "opsworks_ecs::shutdown"]));
    assert_eq!(layer["CustomRecipes"]["Deploy"], json!([]));
}

/// [TXT-7] [VAL-4]
#[tokio::test]
async fn val_4_names_are_unique_in_a_stack() {
    let app = TestApi::new();
    let (stack, other) = (app.stack("shop").await, app.stack("other").await);
    let web = app.custom_layer(&stack, "web").await;
    app.custom_layer(&other, "web").await;
    let create = |name: &str, short: &str| json!({ "StackId": stack, "Type": "custom", "Name": name, "Shortname": short });
    let named = app.call("CreateLayer", create("web", "web2")).await.invalid();
    assert_eq!(named, "There is already a layer named \"web\" for this stack");
    let short = app.call("CreateLayer", create("web2", "web")).await.invalid();
    assert_eq!(short, "There is already a layer with shortname \"web\" for this stack");
    let api = app.custom_layer(&stack, "api").await;
    app.call("UpdateLayer", json!({ "LayerId": api, "Name": "web" })).await.invalid();
    app.call("UpdateLayer", json!({ "LayerId": web, "Name": "www", "Shortname": "www" })).await.good();
    app.call("UpdateLayer", json!({ "LayerId": api, "Name": "web", "Shortname": "web" })).await.good();
    assert_eq!(described(&app, &api).await["Shortname"], "web");
}

/// [VAL-5]
#[tokio::test]
async fn val_5_an_update_changes_only_what_is_sent_and_replaces_lists_whole() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let volume = |point: &str| json!({ "MountPoint": point, "NumberOfDisks": 1, "Size": 10 });
    let update = |more: Value| {
        let mut members = json!({ "LayerId": layer });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    };
    app.call("UpdateLayer", update(json!({ "VolumeConfigurations": [volume("/a"), volume("/b")], "EnableAutoHealing": false })))
        .await
        .good();
    app.call("UpdateLayer", update(json!({ "VolumeConfigurations": [volume("/c")], "CustomRecipes": { "Setup": ["a::b"] } })))
        .await
        .good();
    let after = described(&app, &layer).await;
    assert_eq!(after["VolumeConfigurations"].as_array().map(Vec::len), Some(1));
    assert_eq!(after["VolumeConfigurations"][0]["VolumeType"], "standard");
    assert_eq!(after["EnableAutoHealing"], false);
    assert_eq!(after["CustomRecipes"]["Setup"], json!(["a::b"]));
    app.call("UpdateLayer", update(json!({ "Shortname": "other" }))).await.good();
    assert_eq!(described(&app, &layer).await["Shortname"], "ecs-cluster", "built-in short names belong to the service");
    app.call("UpdateLayer", update(json!({ "Attributes": { "EcsClusterArn": CLUSTER } }))).await.good();
    app.call("UpdateLayer", update(json!({ "Attributes": { "EcsClusterArn": "arn:other" } }))).await.invalid();
    for (bad, begins) in [
        (
            json!({ "VolumeConfigurations": [{ "MountPoint": "/a", "NumberOfDisks": 2, "Size": 10, "RaidLevel": 0 }] }),
            "UnsupportedOperation: RaidLevel=0",
        ),
        (
            json!({ "VolumeConfigurations": [{ "NumberOfDisks": 1, "Size": 10 }] }),
            "Volume Configurations: MountPoint is required",
        ),
        (json!({ "CustomRecipes": { "Boot": [] } }), "Custom Recipes:"),
        (json!({ "CustomJson": "{\"strata\":{\"updates\":{\"canary\":-1}}}" }), "Custom Json: strata.updates.canary:"),
    ] {
        let message = app.call("UpdateLayer", update(bad.clone())).await.invalid();
        assert!(message.starts_with(begins), "{bad}: {message}");
    }
}

/// [ECS-60]
#[tokio::test]
async fn ecs_60_without_built_in_groups_a_layer_needs_its_own() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.call("UpdateStack", json!({ "StackId": stack, "UseOpsworksSecurityGroups": false })).await.good();
    let members = json!({ "StackId": stack, "Type": "custom", "Name": "web", "Shortname": "web" });
    assert!(app.call("CreateLayer", members.clone()).await.invalid().starts_with("Custom Security Group Ids:"));
    let mut with_group = members;
    with_group["CustomSecurityGroupIds"] = json!(["sg-1"]);
    app.call("CreateLayer", with_group).await.good();
}

/// [ECS-93]
#[tokio::test]
async fn ecs_93_a_layer_goes_only_without_members_and_frees_its_names() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    assert!(app.call("DeleteLayer", json!({ "LayerId": layer })).await.invalid().contains("it has 1"));
    app.call("DeleteInstance", json!({ "InstanceId": instance })).await.good();
    app.finish_deletion(&instance).await;
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.not_found();
    app.ecs_layer(&stack).await;
}

/// [ECS-93]: a member that comes at the same moment is never left without its layer.
#[tokio::test]
async fn ecs_93_delete_layer_and_create_instance_never_both_win() {
    for _ in 0..20 {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let create = app.call("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" }));
        let (created, deleted) = futures::future::join(create, app.call("DeleteLayer", json!({ "LayerId": layer }))).await;
        assert_ne!(created.response.status() == 200, deleted.response.status() == 200, "{created:?} {deleted:?}");
    }
}

/// [STK-13]: a layer that comes at the same moment is never left without its stack.
#[tokio::test]
async fn stk_13_delete_stack_and_create_layer_never_both_win() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let create = app.call("CreateLayer", json!({ "StackId": stack, "Type": "custom", "Name": "a", "Shortname": "a" }));
    let (created, deleted) = futures::future::join(create, app.call("DeleteStack", json!({ "StackId": stack }))).await;
    assert_ne!(created.response.status() == 200, deleted.response.status() == 200, "{created:?} {deleted:?}");
}
