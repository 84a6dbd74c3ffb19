//! The protocol itself [WIRE].

use serde_json::{Value, json};
use strata_ports::http_service::Caller;

use super::TestApi;
use super::support::{REGION, text};

/// [WIRE-5] [WIRE-2]
#[tokio::test]
async fn wire_5_a_success_has_type_request_id_and_an_empty_body_when_there_is_no_output() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let reply = app.call("StartInstance", json!({ "InstanceId": instance })).await;
    assert_eq!(reply.response.status(), 200);
    assert!(reply.response.body().is_empty());
    assert_eq!(reply.response.headers()["content-type"], "application/x-amz-json-1.1");
    let listed = app.send(TestApi::request("DescribeStacks", "")).await;
    assert_ne!(reply.response.headers()["x-amzn-requestid"], listed.response.headers()["x-amzn-requestid"]);
    assert_eq!(listed.good()["Stacks"][0]["StackId"], json!(stack));
}

/// [WIRE-12]
#[tokio::test]
async fn wire_12_no_caller_no_action_no_json() {
    let app = TestApi::new();
    let mut nobody = TestApi::request("DescribeStacks", "{}");
    nobody.extensions_mut().remove::<Caller>();
    app.send(nobody).await.error("MissingAuthenticationTokenException");
    app.call("MakeCoffee", json!({})).await.error("UnknownOperationException");
    app.send(TestApi::request("DescribeStacks", "{")).await.error("SerializationException");
    app.call("DescribeStacks", json!({ "StackIds": "all" })).await.error("SerializationException");
}

/// [WIRE-13]
#[tokio::test]
async fn wire_13_json_before_scope_before_members_before_ids_before_state() {
    let app = TestApi::new();
    app.send(TestApi::request("CreateApp", "{")).await.error("SerializationException");
    assert!(app.call("CreateApp", json!({})).await.invalid().starts_with("UnsupportedOperation: CreateApp"));
    let bad_value = json!({ "StackId": "unknown", "LayerIds": ["unknown"], "InstanceType": "t", "AutoScalingType": "both" });
    assert!(app.call("CreateInstance", bad_value).await.invalid().starts_with("Auto Scaling Type:"));
    let bad_hour = json!({ "InstanceId": "unknown", "AutoScalingSchedule": { "Monday": { "24": "on" } } });
    app.call("SetTimeBasedAutoScaling", bad_hour).await.invalid();
    assert_eq!(
        app.call("StopInstance", json!({ "InstanceId": "unknown" })).await.not_found(),
        "Unable to find instance with ID unknown"
    );
}

/// [WIRE-20] [SCP-2] [SCP-4]
#[tokio::test]
async fn wire_20_what_is_out_of_scope_says_so_and_what_is_not_built_yet_too() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let scope = "is not supported by this OpsWorks implementation (scope: ECS Cluster layers). ";
    for (action, members, what) in [
        ("CreateApp", json!({}), "CreateApp"),
        ("GrantAccess", json!({ "InstanceId": "unknown" }), "GrantAccess"),
        ("CreateLayer", json!({ "StackId": stack, "Type": "java-app", "Name": "a", "Shortname": "a" }), "Type=java-app"),
        ("CreateDeployment", json!({ "StackId": stack, "Command": { "Name": "deploy" } }), "Command.Name=deploy"),
    ] {
        let message = app.call(action, members).await.invalid();
        assert!(message.starts_with(&format!("UnsupportedOperation: {what} {scope}")), "{message}");
    }
    assert!(app.call("CloneStack", json!({})).await.invalid().contains("not implemented yet"));
}

/// [SCP-3] [TXT-4]
#[tokio::test]
async fn scp_3_readers_out_of_scope_check_their_arguments_and_answer_an_empty_list() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    assert_eq!(app.call("DescribeApps", json!({ "StackId": stack })).await.good(), json!({ "Apps": [] }));
    assert_eq!(app.call("DescribeApps", json!({})).await.invalid(), "Please provide one or more app IDs or a stack ID");
    app.call("DescribeApps", json!({ "AppIds": ["unknown"] })).await.not_found();
    let rds = app.call("DescribeRdsDbInstances", json!({ "StackId": stack })).await.good();
    assert_eq!(rds, json!({ "RdsDbInstances": [] }));
    app.call("DescribeRdsDbInstances", json!({ "StackId": "unknown" })).await.not_found();
}

/// [DSC-1] [TXT-2] [TXT-3] [INST-55]
#[tokio::test]
async fn dsc_1_exactly_one_identifying_parameter() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    for (action, members, message) in [
        ("DescribeLayers", json!({}), "Please provide one or more layer IDs or a stack ID"),
        ("DescribeLayers", json!({ "LayerIds": [] }), "Please provide one or more layer IDs or a stack ID"),
        (
            "DescribeLayers",
            json!({ "StackId": stack, "LayerIds": [layer] }),
            "Please provide one or more layer IDs or a stack ID",
        ),
        ("DescribeInstances", json!({}), "Please provide either one or more instance IDs or one stack ID or one layer ID"),
        (
            "DescribeInstances",
            json!({ "StackId": stack, "LayerId": layer }),
            "Please provide either one or more instance IDs or one stack ID or one layer ID",
        ),
    ] {
        assert_eq!(app.call(action, members.clone()).await.invalid(), message, "{action} {members}");
    }
    for action in ["DescribeCommands", "DescribeDeployments", "DescribeServiceErrors", "DescribeEcsClusters"] {
        app.call(action, json!({})).await.invalid();
    }
    app.call("DescribeCommands", json!({ "InstanceId": instance, "CommandIds": ["c"] })).await.invalid();
    app.call("DescribeDeployments", json!({ "StackId": stack, "DeploymentIds": ["d"] })).await.invalid();
    app.call("DescribeServiceErrors", json!({ "StackId": stack, "InstanceId": instance })).await.invalid();
    for by in [json!({ "StackId": stack }), json!({ "LayerId": layer }), json!({ "InstanceIds": [instance] })] {
        assert_eq!(app.call("DescribeInstances", by).await.good()["Instances"][0]["InstanceId"], json!(instance));
    }
}

/// [DSC-2] [DSC-4]
#[tokio::test]
async fn dsc_4_one_unknown_id_spoils_the_whole_call() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    app.call("DescribeInstances", json!({ "InstanceIds": [instance, "unknown"] })).await.not_found();
    app.call("DescribeLayers", json!({ "LayerIds": [layer, "unknown"] })).await.not_found();
    app.call("DescribeStacks", json!({ "StackIds": [stack, "unknown"] })).await.not_found();
    app.call("DescribeLoadBasedAutoScaling", json!({ "LayerIds": [layer, "unknown"] })).await.not_found();
    app.call("DescribeLoadBasedAutoScaling", json!({ "LayerIds": [] })).await.invalid();
    app.call("DescribeTimeBasedAutoScaling", json!({ "InstanceIds": [] })).await.invalid();
    // An id of another kind is just unknown, too.
    app.call("DescribeInstances", json!({ "InstanceIds": [layer] })).await.not_found();
}

/// [DSC-6] [WIRE-6]
#[tokio::test]
async fn dsc_6_instances_come_oldest_first_and_an_empty_list_is_there() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    assert_eq!(app.call("DescribeInstances", json!({ "StackId": stack })).await.good(), json!({ "Instances": [] }));
    let mut created = Vec::new();
    for _ in 0..3 {
        app.cloud.advance(60);
        created.push(app.instance(&stack, &layer, json!({})).await);
    }
    created.rotate_left(1);
    let reply = app.call("DescribeInstances", json!({ "InstanceIds": created })).await.good();
    created.rotate_right(1);
    let ids: Vec<String> = reply["Instances"].as_array().unwrap().iter().map(|i| text(&i["InstanceId"])).collect();
    assert_eq!(ids, created);
}

/// [QTA-1]: the largest answer of DescribeInstances fits a Lambda answer.
#[tokio::test]
async fn qta_1_two_thousand_instances_fit_into_6_mb() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "Hostname": "h".repeat(63), "AutoScalingType": "timer" })).await;
    let mut fullest = app.record(&id).await.record;
    fullest.ec2_instance_id = Some("i-0123456789abcdef0".into());
    fullest.container_instance_arn =
        Some(format!("arn:aws:ecs:{REGION}:123456789012:container-instance/{}/{}", "c".repeat(255), "0".repeat(32)).into());
    fullest.private_ip = Some("255.255.255.255".into());
    fullest.public_ip = Some("255.255.255.255".into());
    fullest.ssh_key_name = Some("k".repeat(255));
    fullest.has_been_online = true;
    for n in 1..2000 {
        fullest.id = format!("{n:036}").into();
        let key = strata_ports::keys::instance(&fullest.stack_id, &fullest.id);
        app.commit(vec![strata_ports::Change::put(key, &fullest, strata_ports::Expect::Absent)]).await;
    }
    let reply = app.call("DescribeInstances", json!({ "StackId": stack })).await;
    let bytes = reply.response.body().len();
    assert_eq!(reply.good()["Instances"].as_array().map(Vec::len), Some(2000));
    assert!(bytes < 6_000_000, "{bytes} bytes");
}

/// [IDN-4] [IDN-5]
#[tokio::test]
async fn idn_4_arns_and_times_are_exactly_so() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let of = |reply: Value, list: &str| reply[list][0].clone();
    let s = of(app.call("DescribeStacks", json!({})).await.good(), "Stacks");
    let l = of(app.call("DescribeLayers", json!({ "StackId": stack })).await.good(), "Layers");
    let i = app.described(&instance).await;
    assert_eq!(s["Arn"], format!("arn:aws:opsworks:{REGION}:123456789012:stack/{stack}/"));
    assert_eq!(l["Arn"], format!("arn:aws:opsworks:{REGION}:123456789012:layer/{layer}/"));
    assert_eq!(i["Arn"], format!("arn:aws:opsworks:{REGION}:123456789012:instance/{instance}"));
    for created in [&s, &l, &i] {
        assert_eq!(created["CreatedAt"], "2026-01-01T00:00:00+00:00");
    }
}
