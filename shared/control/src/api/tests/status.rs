//! DescribeStatus, the target of our own: what on-call sees first.

use serde_json::{Value, json};
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::{InstanceStatus, ScalingType};
use strata_local::cloud::{Policy, Role};
use strata_ports::{Change, Expect, keys};

use super::TestApi;
use super::support::{Reply, USER};
use crate::api::extension::TARGET_PREFIX;
use crate::api::status::Status;

pub(super) async fn ask_for(app: &TestApi, action: &str, members: Value) -> Reply {
    let mut request = TestApi::request("any", members.to_string());
    request.headers_mut().insert("x-amz-target", format!("{TARGET_PREFIX}{action}").parse().unwrap());
    app.send(request).await
}

async fn ask(app: &TestApi, members: Value) -> Reply {
    ask_for(app, "DescribeStatus", members).await
}

async fn status(app: &TestApi) -> Status {
    serde_json::from_value(ask(app, json!({})).await.good()).unwrap()
}

#[tokio::test]
async fn instances_are_counted_by_type_and_status_and_only_the_unusual_are_named() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for status in [InstanceStatus::Online, InstanceStatus::Online, InstanceStatus::SetupFailed] {
        let id = app.instance(&stack, &layer, json!({})).await;
        app.settle(&id, status).await;
    }
    app.instance(&stack, &layer, json!({ "AutoScalingType": "load" })).await;
    let told = status(&app).await;
    let counts: Vec<_> =
        told.stacks[0].layers[0].instances.iter().map(|c| (c.scaling, c.status, c.instances, c.hosts.clone())).collect();
    assert_eq!(
        counts,
        [
            (ScalingType::AlwaysOn, InstanceStatus::Online, 2, vec![]),
            (ScalingType::AlwaysOn, InstanceStatus::SetupFailed, 1, vec!["ecs-cluster3".to_owned()]),
            (ScalingType::Load, InstanceStatus::Stopped, 1, vec![]),
        ]
    );
}

#[tokio::test]
async fn a_custom_alarm_without_data_is_told_as_what_blocks_scaling() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    assert!(status(&app).await.stacks[0].layers[0].scaling.is_none(), "never configured");
    let alarms = json!({ "LayerId": layer, "Enable": true, "UpScaling": { "Alarms": ["queue-depth"] } });
    app.call("SetLoadBasedAutoScaling", alarms).await.good();
    let told = status(&app).await.stacks[0].layers[0].clone();
    let scaling = told.scaling.unwrap();
    assert!(scaling.says.contains("queue-depth does not exist"), "{}", scaling.says);
    assert_eq!(told.blocked, [scaling.says]);
    assert_eq!(scaling.alarms.unwrap().iter().filter(|a| a.is_custom).count(), 1);
    app.cloud.alarms_fail.store(true, std::sync::atomic::Ordering::Relaxed);
    let told = status(&app).await.stacks[0].layers[0].clone();
    assert!(
        told.scaling.unwrap().alarms.is_none() && told.blocked[0].contains("cannot be read"),
        "the rest is told all the same"
    );
}

#[tokio::test]
async fn holds_in_force_are_told_with_who_why_and_until_when() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "load" })).await;
    let until = Some("2026-01-01T00:10:00Z".parse().unwrap());
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    let target = HoldTarget::Instance(id.as_str().into());
    let hold = Hold { target, kind: HoldKind::Person, by: "ada".into(), reason: "kernel dump".into(), since, until };
    let key = keys::instance_hold(&stack.as_str().into(), &id.as_str().into(), "person");
    app.commit(vec![Change::put(key, &hold, Expect::Absent)]).await;
    let told = status(&app).await.stacks[0].layers[0].holds.clone();
    assert_eq!((told[0].subject.as_str(), told[0].by.as_str(), told[0].reason.as_str()), ("ecs-cluster1", "ada", "kernel dump"));
    app.cloud.advance(600);
    assert!(status(&app).await.stacks[0].layers[0].holds.is_empty(), "at its end a hold is over");
}

/// [PERM-3]: the status of a stack needs what DescribeStacks needs.
#[tokio::test]
async fn perm_3_nobody_sees_the_status_of_a_stack_that_they_may_not_describe() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:DescribeStacks".into()], ..Policy::administrator() });
    ask(&app, json!({ "StackId": stack })).await.error("AccessDeniedException");
    ask(&app, json!({ "StackId": "unknown" })).await.not_found();
}

#[tokio::test]
async fn an_action_of_ours_that_does_not_exist_is_unknown() {
    let app = TestApi::new();
    ask_for(&app, "Nonsense", json!({})).await.error("UnknownOperationException");
}

/// [ECS-30] [ECS-31] [ECS-32]: what the role lacks is named, with the policy that adds it; `ecs:*` lacks nothing.
#[tokio::test]
async fn ecs_31_what_the_service_role_lacks_is_named_with_the_policy_that_adds_it() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let role = "arn:aws:iam::123456789012:role/service";
    let check = async || ask_for(&app, "CheckServiceRole", json!({ "StackId": stack })).await.good();
    for (allow, missing) in [(vec!["ec2:*"], 12), (vec!["ec2:*", "ecs:Describe*"], 8), (vec!["ecs:*"], 0)] {
        let policy = Policy { allow: allow.iter().map(ToString::to_string).collect(), ..Policy::default() };
        app.account.put_role(role, Role { trusts_us: true, policy });
        let told = check().await;
        assert_eq!(told["missing"].as_array().unwrap().len(), missing, "{allow:?}");
        assert_eq!(told["policy"].is_null(), missing == 0);
        assert_eq!((told["role_arn"].as_str(), told["is_trusted"].as_bool()), (Some(role), Some(true)));
    }
    app.account.put_role(role, Role::default());
    assert_eq!(check().await["is_trusted"], false);
}
