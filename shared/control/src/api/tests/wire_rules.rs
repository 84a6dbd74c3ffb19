//! The protocol itself [WIRE].

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_ports::http_service::Caller;

use super::TestApi;
use super::support::{REGION, text};
use crate::api::ApiConfig;

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
async fn wire_20_what_is_out_of_scope_says_so_and_what_to_use_instead() {
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

fn largest_device(n: u32) -> strata_domain::model::BlockDeviceMapping {
    strata_domain::model::BlockDeviceMapping {
        device_name: format!("/dev/{n}{}", "a".repeat(10)),
        ebs: Some(strata_domain::model::EbsBlockDevice {
            snapshot_id: Some(format!("snap-{}", "0".repeat(17))),
            iops: Some(819_200),
            volume_size: Some(16_384),
            volume_type: Some("standard".into()),
            delete_on_termination: Some(false),
        }),
        virtual_name: None,
        no_device: None,
    }
}

/// [QTA-1] [CMD-24] [QTA-4] Over a limit the text names the limit and its value; limits are settings.
#[tokio::test]
async fn qta_1_limits_are_settings_and_named_when_they_are_reached() {
    let config = ApiConfig { max_stacks: 1, max_layers: 2, max_instances: 1, ..ApiConfig::default() };
    let app = TestApi::with(|_| {}, config);
    let (stack, layer) = app.shop().await;
    let profile = "arn:aws:iam::123456789012:instance-profile/ec2";
    let second =
        json!({ "Name": "b", "ServiceRoleArn": "arn:aws:iam::123456789012:role/r", "DefaultInstanceProfileArn": profile });
    assert_eq!(app.call("CreateStack", second).await.invalid(), "The limit of 1 stacks is reached");
    app.custom_layer(&stack, "a").await;
    let third = json!({ "StackId": stack, "Type": "custom", "Name": "b", "Shortname": "b" });
    assert_eq!(app.call("CreateLayer", third).await.invalid(), "The limit of 2 layers in a stack is reached");
    app.instance(&stack, &layer, json!({})).await;
    let other = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" });
    assert_eq!(app.call("CreateInstance", other).await.invalid(), "The limit of 1 instances in a stack is reached");
    let json_of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    for (action, id) in [("UpdateStack", "StackId"), ("UpdateLayer", "LayerId"), ("CreateDeployment", "StackId")] {
        let id_of = if id == "StackId" { &stack } else { &layer };
        let members = json!({ id: id_of, "Command": { "Name": "setup" }, "CustomJson": json_of(122_881) });
        let text = app.call(action, members).await.invalid();
        assert_eq!(text, "Custom Json: has 122881 bytes, at most 122880 are allowed", "{action}");
    }
    let defaults = ApiConfig::default();
    assert_eq!((defaults.max_stacks, defaults.max_layers, defaults.max_instances), (500, 100, 2_000));
}

/// What no rule of its own bounds is bounded by what a record can hold.
#[tokio::test]
async fn a_record_that_cannot_be_stored_is_refused_with_its_size() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let packages: Vec<String> = (0..5_000).map(|n| format!("{n}{}", "a".repeat(100))).collect();
    let text = app.call("UpdateLayer", json!({ "LayerId": layer, "Packages": packages })).await.invalid();
    assert!(text.starts_with("The request is too large:") && text.contains("at most 350000"), "{text}");
}

/// [WIRE-1] [WIRE-4] The content type, the method and the size.
#[tokio::test]
async fn wire_1_another_content_type_another_method_and_too_long_a_body_are_refused() {
    let app = TestApi::new();
    let request = |content_type: Option<&str>| {
        let mut request = TestApi::request("DescribeStacks", "{}");
        if let Some(named) = content_type {
            request.headers_mut().insert("content-type", named.parse().unwrap());
        }
        request
    };
    for good in [None, Some("application/x-amz-json-1.1"), Some("Application/X-Amz-Json-1.1; charset=utf-8")] {
        app.send(request(good)).await.good();
    }
    for bad in
        ["application/json", "application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "application/x-amz-json-1.0", ""]
    {
        let text = app.send(request(Some(bad))).await.error("SerializationException");
        assert!(text.starts_with("the content type must be application/x-amz-json-1.1"), "{text}");
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let mut other = request(None);
        *other.method_mut() = method.parse().unwrap();
        assert_eq!(app.send(other).await.error("UnknownOperationException"), format!("Unknown operation: {method} /"));
    }
    let body = |bytes: usize| format!("{{\"Other\":\"{}\"}}", "x".repeat(bytes - 12));
    app.send(TestApi::request("DescribeStacks", body(6_000_000))).await.good();
    let text = app.send(TestApi::request("DescribeStacks", body(6_000_001))).await.error("SerializationException");
    assert_eq!(text, "the body has 6000001 bytes; at most 6000000 are read");
}

/// [WIRE-16] What is wrong with the call is said at once; whether EC2 has a machine is not waited for.
#[tokio::test]
async fn wire_16_work_is_accepted_before_any_of_it_is_done() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    // This cloud refuses every call about machines, and nobody notices.
    let id = app.instance(&stack, &layer, json!({ "InstanceType": "no.such.type" })).await;
    for (action, before, after) in [
        ("StartInstance", InstanceStatus::Stopped, "requested"),
        ("RebootInstance", InstanceStatus::Online, "rebooting"),
        ("StopInstance", InstanceStatus::Online, "stopping"),
        ("DeleteInstance", InstanceStatus::Stopped, "terminating"),
    ] {
        app.settle(&id, before).await;
        app.call(action, json!({ "InstanceId": id })).await.good();
        assert_eq!(app.described(&id).await["Status"], after, "{action}");
    }
}

/// [IDN-2] [IDN-3] A cluster goes by its ARN; a machine's own id is no instance's.
#[tokio::test]
async fn idn_3_ids_of_ec2_are_not_ids_of_instances() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let stored = app.record(&id).await;
    let mut next = stored.record.clone();
    next.ec2_instance_id = Some("i-0123456789abcdef0".into());
    app.commit(vec![stored.put(&next)]).await;
    let shown = app.described(&id).await;
    assert_eq!((&shown["InstanceId"], &shown["Ec2InstanceId"]), (&json!(id), &json!("i-0123456789abcdef0")));
    app.call("DescribeInstances", json!({ "InstanceIds": ["i-0123456789abcdef0"] })).await.not_found();
    app.call("StartInstance", json!({ "InstanceId": "i-0123456789abcdef0" })).await.not_found();
    app.call("DescribeEcsClusters", json!({ "EcsClusterArns": [super::support::CLUSTER] })).await.good();
    app.call("DescribeEcsClusters", json!({ "EcsClusterArns": ["shop"] })).await.not_found();
}

/// [DSC-5]
#[test]
fn dsc_5_only_clusters_are_paged() {
    for operation in crate::api::actions::operations() {
        let pages = operation.output.is_some_and(|o| o.as_value()["properties"].get("NextToken").is_some());
        assert_eq!(pages, operation.name == "DescribeEcsClusters", "{}", operation.name);
    }
}

/// [DSC-9]
#[tokio::test]
async fn dsc_9_what_was_written_is_read_at_once() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for n in 0..20 {
        app.call("UpdateStack", json!({ "StackId": stack, "Name": format!("s{n}") })).await.good();
        app.call("UpdateLayer", json!({ "LayerId": layer, "Name": format!("l{n}") })).await.good();
        let stacks = app.call("DescribeStacks", json!({})).await.good();
        let layers = app.call("DescribeLayers", json!({ "StackId": stack })).await.good();
        assert_eq!(
            (&stacks["Stacks"][0]["Name"], &layers["Layers"][0]["Name"]),
            (&json!(format!("s{n}")), &json!(format!("l{n}")))
        );
    }
}

/// [VAL-2] [TXT-8] [CMD-18] What is changed together belongs to one stack.
#[tokio::test]
async fn val_2_all_ids_of_one_change_belong_to_one_stack() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let other = app.stack("other").await;
    let foreign = app.custom_layer(&other, "x").await;
    let (own, theirs) = (app.instance(&stack, &layer, json!({})).await, app.instance(&other, &foreign, json!({})).await);
    let text = "Please only provide layer IDs from the same stack";
    let create = json!({ "StackId": stack, "LayerIds": [layer, foreign], "InstanceType": "t" });
    assert_eq!(app.call("CreateInstance", create).await.invalid(), text);
    let update = json!({ "InstanceId": own, "LayerIds": [layer, foreign] });
    assert_eq!(app.call("UpdateInstance", update).await.invalid(), text);
    let moved = json!({ "InstanceId": own, "LayerIds": [foreign] });
    assert_eq!(app.call("UpdateInstance", moved).await.invalid(), text);
    let run = json!({ "StackId": stack, "InstanceIds": [own, theirs], "Command": { "Name": "configure" } });
    app.call("CreateDeployment", run).await.not_found();
}

/// Lambda's limit on an answer, in bytes.
const LAMBDA_ANSWER: usize = 6_291_556;

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
    fullest.elastic_ip = Some("255.255.255.255".into());
    fullest.tenancy = Some("dedicated".into());
    fullest.last_service_error_id = Some("0".repeat(36).into());
    fullest.ssh_key_name = Some("k".repeat(255));
    fullest.instance_type = "t".repeat(32);
    (fullest.os, fullest.ami_id) = ("Custom".into(), Some("a".repeat(32)));
    fullest.has_been_online = true;
    let mut layers = vec![layer];
    for name in ["a", "b", "c"] {
        layers.push(app.custom_layer(&stack, name).await);
    }
    for (n, id) in layers.iter().enumerate() {
        let groups: Vec<String> = (0..5).map(|g| format!("sg-{n}{g}{}", "0".repeat(15))).collect();
        // IAM's longest profile name; a path could be longer still, and nobody's is.
        let profile = format!("arn:aws:iam::123456789012:instance-profile/{}", "p".repeat(128));
        let members = json!({ "LayerId": id, "CustomSecurityGroupIds": groups, "CustomInstanceProfileArn": profile });
        app.call("UpdateLayer", members).await.good();
    }
    fullest.layer_ids = layers.iter().map(|id| id.as_str().into()).collect();
    fullest.block_device_mappings = (0..2).map(largest_device).collect();
    app.commit(vec![app.record(&id).await.put(&fullest)]).await;
    for n in 1..2000 {
        fullest.id = format!("{n:036}").into();
        let key = strata_ports::keys::instance(&fullest.stack_id, &fullest.id);
        app.commit(vec![strata_ports::Change::put(key, &fullest, strata_ports::Expect::Absent)]).await;
    }
    let reply = app.call("DescribeInstances", json!({ "StackId": stack })).await;
    let bytes = reply.response.body().len();
    // A function URL's answer holds the body as a JSON text, so every quote counts twice; headers and the rest stay below 2 KB.
    let answered = serde_json::to_string(&String::from_utf8_lossy(reply.response.body())).unwrap().len() + 2_000;
    assert_eq!(reply.good()["Instances"].as_array().map(Vec::len), Some(2000));
    assert!(answered <= LAMBDA_ANSWER, "{answered} bytes of {LAMBDA_ANSWER}, the body {bytes}");
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
