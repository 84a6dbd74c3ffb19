//! Deployments, commands, service errors.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_ports::keys;

use super::TestApi;
use super::support::{USER, text};
use crate::records::{Deployment, ServiceError, Stored, expand_deployment, service_error_changes};

async fn deploy(app: &TestApi, stack: &str, more: Value) -> super::support::Reply {
    let mut m = json!({ "StackId": stack, "Command": { "Name": "update_dependencies" } });
    m.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.call("CreateDeployment", m).await
}

async fn commands(app: &TestApi, by: Value) -> Vec<Value> {
    app.call("DescribeCommands", by).await.good()["Commands"].as_array().unwrap().clone()
}

/// [CMD-16] [CMD-26] [INST-41]
#[tokio::test]
async fn cmd_16_no_targets_named_are_all_online_instances() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    assert!(deploy(&app, &stack, json!({})).await.invalid().contains("no online instance"));
    let online = app.instance(&stack, &layer, json!({})).await;
    app.instance(&stack, &layer, json!({})).await;
    app.settle(&online, InstanceStatus::Online).await;
    let id = text(&deploy(&app, &stack, json!({ "Comment": "patch" })).await.good()["DeploymentId"]);
    let described = app.call("DescribeDeployments", json!({ "DeploymentIds": [id] })).await.good()["Deployments"][0].clone();
    let expected = json!({
        "DeploymentId": id, "StackId": stack, "CreatedAt": "2026-01-01T00:00:00+00:00", "Status": "running", "Comment": "patch",
        "Command": { "Name": "update_dependencies", "Args": {} }, "IamUserArn": USER, "InstanceIds": [online],
    });
    assert_eq!(described, expected);
    let of = commands(&app, json!({ "DeploymentId": id })).await;
    assert_eq!(of.len(), 1);
    assert_eq!(
        (&of[0]["Status"], &of[0]["Type"], &of[0]["InstanceId"]),
        (&json!("pending"), &json!("update_dependencies"), &json!(online))
    );
    assert_eq!(commands(&app, json!({ "InstanceId": online })).await, of);
    assert_eq!(commands(&app, json!({ "CommandIds": [of[0]["CommandId"]] })).await, of);
    assert_eq!(app.store.partition(keys::OPEN_DEPLOYMENTS_PK).len(), 1);
    assert_eq!(app.cloud.events.lock().unwrap().last().unwrap().detail["status"], "running");
}

/// [CMD-17] [CMD-18] [CMD-20] [CMD-29]
#[tokio::test]
async fn cmd_20_targets_in_no_state_for_it_are_skipped_and_unknown_ones_spoil_the_call() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let extra = app.custom_layer(&stack, "extra").await;
    let stopped = app.instance(&stack, &layer, json!({})).await;
    let online = app.instance(&stack, &extra, json!({})).await;
    app.settle(&online, InstanceStatus::Online).await;
    let union = deploy(&app, &stack, json!({ "InstanceIds": [stopped], "LayerIds": [extra] })).await.good();
    let statuses: Vec<String> =
        commands(&app, json!({ "DeploymentId": union["DeploymentId"] })).await.iter().map(|c| text(&c["Status"])).collect();
    assert!(statuses.contains(&"skipped".to_owned()) && statuses.contains(&"pending".to_owned()), "{statuses:?}");
    let only = deploy(&app, &stack, json!({ "InstanceIds": [stopped] })).await.good();
    let described = app.call("DescribeDeployments", json!({ "DeploymentIds": [only["DeploymentId"]] })).await.good();
    assert_eq!(described["Deployments"][0]["Status"], "successful", "all skipped is final");
    assert_eq!(described["Deployments"][0]["Duration"], 0);
    deploy(&app, &stack, json!({ "InstanceIds": [online, "unknown"] })).await.not_found();
    let other = app.stack("other").await;
    let foreign = app.custom_layer(&other, "x").await;
    deploy(&app, &stack, json!({ "LayerIds": [foreign] })).await.not_found();
    let all = app.call("DescribeDeployments", json!({ "StackId": stack })).await.good();
    assert_eq!(all["Deployments"].as_array().map(Vec::len), Some(2), "nothing was created for the refused ones");
}

/// [CMD-11] [CMD-12] [CMD-13] [CMD-14] [CMD-24] [CMD-25]
#[tokio::test]
async fn cmd_14_names_and_arguments_are_checked() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    let named = |name: &str, args: Value| json!({ "Command": { "Name": name, "Args": args } });
    for bad in [
        named("reformat", json!({})),
        named("configure", json!({ "recipes": ["a"] })),
        named("execute_recipes", json!({})),
        named("execute_recipes", json!({ "recipes": [] })),
        named("execute_recipes", json!({ "recipes": ["a::b::c"] })),
        named("execute_recipes", json!({ "recipes": ["a b"] })),
        named("install_dependencies", json!({})),
        named("update_dependencies", json!({ "upgrade_os_to": ["Amazon Linux 2018.03"] })),
        named("update_dependencies", json!({ "upgrade_os_to": ["Amazon Linux 2018.03"], "allow_reboot": ["false"] })),
        named("update_dependencies", json!({ "upgrade_os_to": ["BeOS"], "allow_reboot": ["true"] })),
        named("update_dependencies", json!({ "allow_reboot": ["yes"] })),
        named("deploy", json!({})),
        json!({ "Command": null }),
        json!({ "AppId": "a" }),
        json!({ "CustomJson": "[]" }),
    ] {
        deploy(&app, &stack, bad).await.invalid();
    }
    for good in [
        named("execute_recipes", json!({ "recipes": ["phpapp::appsetup", "phpapp"] })),
        named("setup", json!({})),
        named("configure", json!({})),
        named("update_custom_cookbooks", json!({})),
        named("update_dependencies", json!({ "upgrade_os_to": ["Amazon Linux 2018.03"], "allow_reboot": ["true"] })),
        named("update_dependencies", json!({ "allow_reboot": ["true"] })),
    ] {
        deploy(&app, &stack, good).await.good();
    }
}

/// [DSC-6] [DSC-7]
#[tokio::test]
async fn dsc_6_deployments_and_commands_come_newest_first() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        app.cloud.advance(60);
        made.push(text(&deploy(&app, &stack, json!({})).await.good()["DeploymentId"]));
    }
    made.reverse();
    let all = app.call("DescribeDeployments", json!({ "StackId": stack })).await.good();
    let ids: Vec<String> = all["Deployments"].as_array().unwrap().iter().map(|d| text(&d["DeploymentId"])).collect();
    assert_eq!(ids, made);
    let of: Vec<String> = commands(&app, json!({ "InstanceId": id })).await.iter().map(|c| text(&c["DeploymentId"])).collect();
    assert_eq!(of, made);
    app.call("DescribeDeployments", json!({ "DeploymentIds": ["unknown"] })).await.not_found();
    app.call("DescribeCommands", json!({ "CommandIds": ["unknown"] })).await.not_found();
}

/// More targets than a commit holds: the deployment is one record, its commands follow, and reads derive what is missing.
#[tokio::test]
async fn cmd_26_a_deployment_to_120_instances_has_120_commands_also_before_they_are_written() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for _ in 0..120 {
        let id = app.instance(&stack, &layer, json!({})).await;
        app.settle(&id, InstanceStatus::Online).await;
    }
    let id = text(&deploy(&app, &stack, json!({})).await.good()["DeploymentId"]);
    let written = commands(&app, json!({ "DeploymentId": id })).await;
    assert_eq!(written.len(), 120);
    let is_command = |item: &&strata_ports::Item| item.key.sk.starts_with("command#");
    let partition = format!("stack#{stack}");
    assert_eq!(app.store.partition(&partition).iter().filter(is_command).count(), 120);

    // As after a crash: some commands and their pointers were never written.
    let lost = text(&written[7]["CommandId"]);
    let item = app.store.partition(&partition).into_iter().find(|i| i.key.sk.ends_with(&lost)).unwrap();
    let pointer = app.item(&keys::pointer(&lost)).await.unwrap();
    app.commit([item, pointer].map(|i| strata_ports::Change::Delete { expect: i.unchanged(), key: i.key }).into_iter().collect())
        .await;
    assert_eq!(commands(&app, json!({ "DeploymentId": id })).await, written);
    assert_eq!(commands(&app, json!({ "CommandIds": [lost] })).await, [written[7].clone()]);
    assert_eq!(commands(&app, json!({ "InstanceId": written[7]["InstanceId"] })).await, [written[7].clone()]);
    let key = keys::deployment(&stack.as_str().into(), &id.as_str().into());
    let deployment: Stored<Deployment> = Stored::of(app.item(&key).await.unwrap()).unwrap();
    expand_deployment(app.store.as_ref(), &deployment.record).await.unwrap();
    assert!(app.item(&keys::pointer(&lost)).await.is_some());
}

/// [SVE-1] [DSC-6]
#[tokio::test]
async fn sve_1_service_errors_by_stack_instance_and_id_newest_first() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    for (n, of) in [(1, Some(&instance)), (2, None)] {
        let error = ServiceError {
            id: format!("error-{n}").into(),
            stack_id: stack.as_str().into(),
            instance_id: of.map(|i| i.as_str().into()),
            error_type: "InstanceStart".into(),
            message: "InsufficientInstanceCapacity".into(),
            created_at: format!("2026-01-01T00:0{n}:00Z").parse().unwrap(),
        };
        app.commit(service_error_changes(&error).into()).await;
    }
    let ids = async |by: Value| {
        let reply = app.call("DescribeServiceErrors", by).await.good();
        reply["ServiceErrors"].as_array().unwrap().iter().map(|e| text(&e["ServiceErrorId"])).collect::<Vec<_>>()
    };
    assert_eq!(ids(json!({ "StackId": stack })).await, ["error-2", "error-1"]);
    assert_eq!(ids(json!({ "InstanceId": instance })).await, ["error-1"]);
    assert_eq!(ids(json!({ "ServiceErrorIds": ["error-2"] })).await, ["error-2"]);
    app.call("DescribeServiceErrors", json!({ "ServiceErrorIds": ["unknown"] })).await.not_found();
    let one = app.call("DescribeServiceErrors", json!({ "ServiceErrorIds": ["error-2"] })).await.good();
    assert!(one["ServiceErrors"][0].get("InstanceId").is_none());
    assert_eq!(one["ServiceErrors"][0]["Type"], "InstanceStart");
}
