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

/// [DSC-6] [CMD-30] [DSC-7]
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

    // As after a crash: some commands, their pointers and entries were never written.
    let lost = text(&written[7]["CommandId"]);
    let item = app.store.partition(&partition).into_iter().find(|i| i.key.sk.ends_with(&lost)).unwrap();
    let pointer = app.item(&keys::pointer(&lost)).await.unwrap();
    let entry =
        app.item(&keys::pending_command(&text(&written[7]["InstanceId"]).as_str().into(), &lost.as_str().into())).await.unwrap();
    app.commit(
        [item, pointer, entry].map(|i| strata_ports::Change::Delete { expect: i.unchanged(), key: i.key }).into_iter().collect(),
    )
    .await;
    assert_eq!(commands(&app, json!({ "DeploymentId": id })).await, written);
    assert_eq!(commands(&app, json!({ "CommandIds": [lost] })).await, [written[7].clone()]);
    assert_eq!(commands(&app, json!({ "InstanceId": written[7]["InstanceId"] })).await, [written[7].clone()]);
    let key = keys::deployment(&stack.as_str().into(), &id.as_str().into());
    let deployment: Stored<Deployment> = Stored::of(app.item(&key).await.unwrap()).unwrap();
    let owner: Stored<strata_domain::model::Stack> =
        Stored::of(app.item(&keys::stack(&stack.as_str().into())).await.unwrap()).unwrap();
    expand_deployment(app.store.as_ref(), &owner.record, &deployment.record).await.unwrap();
    assert!(app.item(&keys::pointer(&lost)).await.is_some());
}

/// [EVT-5] [EVT-10] [EVT-6] [EVT-11] [CMD-20] [CMD-32] A skipped command is final at once: it is told, has no log and no exit code.
#[tokio::test]
async fn evt_5_skipped_commands_are_told_when_they_are_made() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (online, stopped) = (app.instance(&stack, &layer, json!({})).await, app.instance(&stack, &layer, json!({})).await);
    app.settle(&online, InstanceStatus::Online).await;
    let id = text(&deploy(&app, &stack, json!({ "LayerIds": [layer] })).await.good()["DeploymentId"]);
    let of = commands(&app, json!({ "DeploymentId": id })).await;
    let skipped = of.iter().find(|c| c["InstanceId"] == stopped).unwrap();
    assert_eq!((&skipped["Status"], &skipped["CompletedAt"]), (&json!("skipped"), &skipped["CreatedAt"]));
    for command in &of {
        assert!(command.get("LogUrl").is_none() && command.get("ExitCode").is_none(), "{command}");
    }
    let events = app.cloud.events.lock().unwrap().clone();
    let [deployment, command] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (deployment.detail_type.as_str(), &deployment.detail["status"]),
        ("OpsWorks Deployment State Change", &json!("running"))
    );
    assert!(deployment.detail.get("duration").is_none());
    assert_eq!(command.detail_type, "OpsWorks Command State Change");
    assert_eq!(command.resources, [format!("arn:aws:opsworks:eu-west-1:123456789012:instance/{stopped}")]);
    let expected = [&skipped["CommandId"], &json!(stopped), &json!("update_dependencies"), &json!("skipped")];
    assert_eq!(["command-id", "instance-id", "type", "status"].map(|m| &command.detail[m]), expected);
    assert!(app.store.partition(keys::OUTBOX_PK).is_empty(), "what was sent left the outbox");
}

/// [DSC-7]
#[tokio::test]
async fn dsc_7_of_a_stacks_deployments_the_newest_500_are_told_and_more_by_id() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.settle(&id, InstanceStatus::Online).await;
    let mut made = Vec::new();
    for _ in 0..501 {
        app.cloud.advance(1);
        made.push(text(&deploy(&app, &stack, json!({})).await.good()["DeploymentId"]));
    }
    let all = app.call("DescribeDeployments", json!({ "StackId": stack })).await.good();
    let all = all["Deployments"].as_array().unwrap();
    assert_eq!(all.len(), 500);
    assert_eq!((&all[0]["DeploymentId"], &all[499]["DeploymentId"]), (&json!(made[500]), &json!(made[1])));
    app.call("DescribeDeployments", json!({ "DeploymentIds": [made[0]] })).await.good();
}

/// [CMD-1] [CMD-2] [CMD-3] [CMD-4] [CMD-5] [CMD-6] [CMD-7] [CMD-8] [CMD-9] [CMD-10] The catalogue, as far as it is names and arguments.
#[tokio::test]
async fn cmd_1_the_catalogue_of_commands() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let chef = |version: &str| json!({ "StackId": stack, "ConfigurationManager": { "Name": "Chef", "Version": version } });
    app.call("UpdateStack", chef("11.10")).await.good();
    let id = app.instance(&stack, &layer, json!({ "Os": "Amazon Linux 2018.03" })).await;
    app.settle(&id, InstanceStatus::Online).await;
    for (name, args) in [
        ("update_custom_cookbooks", json!({})),
        ("execute_recipes", json!({ "recipes": ["b::x", "a"] })),
        ("setup", json!({})),
        ("configure", json!({})),
        ("install_dependencies", json!({})),
        ("update_dependencies", json!({})),
        ("update_dependencies", json!({ "upgrade_os_to": ["Amazon Linux 2018.03"], "allow_reboot": ["true"] })),
    ] {
        let made = deploy(&app, &stack, json!({ "Command": { "Name": name, "Args": args } })).await.good();
        let shown = app.call("DescribeDeployments", json!({ "DeploymentIds": [made["DeploymentId"]] })).await.good();
        assert_eq!(shown["Deployments"][0]["Command"], json!({ "Name": name, "Args": args }));
    }
    for app_command in ["deploy", "undeploy", "rollback", "start", "stop", "restart"] {
        let refused = deploy(&app, &stack, json!({ "Command": { "Name": app_command } })).await.invalid();
        assert!(refused.starts_with(&format!("UnsupportedOperation: Command.Name={app_command} ")), "{refused}");
    }
    let scalar = json!({ "Command": { "Name": "update_dependencies", "Args": { "allow_reboot": "true" } } });
    deploy(&app, &stack, scalar).await.error("SerializationException");
}

/// [CMD-21] [CMD-22] Nobody to run on is an error and makes nothing; an instance of two layers is one target.
#[tokio::test]
async fn cmd_21_an_empty_target_set_is_an_error_and_an_instance_is_a_target_once() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let extra = app.custom_layer(&stack, "extra").await;
    deploy(&app, &stack, json!({ "LayerIds": [extra] })).await.invalid();
    let none = app.call("DescribeDeployments", json!({ "StackId": stack })).await.good();
    assert_eq!(none, json!({ "Deployments": [] }));
    let both = app.instance(&stack, &layer, json!({ "LayerIds": [layer, extra] })).await;
    app.settle(&both, InstanceStatus::Online).await;
    let id =
        text(&deploy(&app, &stack, json!({ "LayerIds": [layer, extra], "InstanceIds": [both] })).await.good()["DeploymentId"]);
    assert_eq!(commands(&app, json!({ "DeploymentId": id })).await.len(), 1);
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
