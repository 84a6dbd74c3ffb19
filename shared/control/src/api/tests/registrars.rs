//! Who may register machines, by IAM alone: nobody here has a level on the stack.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_local::SimCloud;
use strata_local::cloud::{OwnHost, Policy};

use super::TestApi;
use super::support::{REGION, Reply, text};

/// A user with the guide's policy for EC2 instances.
const BOB: &str = "arn:aws:iam::123456789012:user/bob";
/// What the agent's bootstrap grant allows.
const AGENT: &str = "arn:aws:iam::123456789012:user/agent";

/// The guide's policy, as far as it is about this service.
const POLICY: [&str; 7] = [
    "opsworks:AssignInstance",
    "opsworks:CreateLayer",
    "opsworks:DeregisterInstance",
    "opsworks:DescribeInstances",
    "opsworks:DescribeStackProvisioningParameters",
    "opsworks:DescribeStacks",
    "opsworks:UnassignInstance",
];

fn allow(actions: &[&str]) -> Policy {
    Policy { allow: actions.iter().map(ToString::to_string).collect(), ..Policy::default() }
}

async fn bob(app: &TestApi, action: &str, members: Value) -> Reply {
    app.call_as(BOB, action, members).await
}

/// [REG-9] The policy is enough for everything around a registration, the agent needs RegisterInstance and nothing else, and neither of the
/// two may do what the other does.
#[tokio::test]
async fn reg_9_the_guides_policy_and_the_agents_grant_are_each_enough_for_their_part_and_no_more() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.set_policy(BOB, allow(&POLICY));
    app.account.set_policy(AGENT, allow(&["opsworks:RegisterInstance"]));
    bob(&app, "DescribeStacks", json!({ "StackIds": [stack] })).await.good();
    bob(&app, "DescribeStackProvisioningParameters", json!({ "StackId": stack })).await.good();
    let layer = json!({ "StackId": stack, "Type": "custom", "Name": "db", "Shortname": "db" });
    let layer = text(&bob(&app, "CreateLayer", layer).await.good()["LayerId"]);

    let host = app.account.add_host(OwnHost { zone: format!("{REGION}a"), ..OwnHost::default() });
    let document = app.account.identity_document(&host);
    let identity = json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
    let members = json!({ "StackId": stack, "InstanceIdentity": identity });
    bob(&app, "RegisterInstance", members.clone()).await.error("AccessDeniedException");
    let id = text(&app.call_as(AGENT, "RegisterInstance", members).await.good()["InstanceId"]);
    app.settle(&id, InstanceStatus::Registered).await;
    let instance = json!({ "InstanceId": id });
    let assignment = json!({ "InstanceId": id, "LayerIds": [layer] });
    for (action, members) in [
        ("DescribeInstances", json!({ "InstanceIds": [id] })),
        ("AssignInstance", assignment.clone()),
        ("DeregisterInstance", instance.clone()),
    ] {
        app.call_as(AGENT, action, members).await.error("AccessDeniedException");
    }

    bob(&app, "AssignInstance", assignment).await.good();
    app.settle(&id, InstanceStatus::Online).await;
    let shown = bob(&app, "DescribeInstances", json!({ "InstanceIds": [id] })).await.good();
    assert_eq!(shown["Instances"][0]["LayerIds"], json!([layer]));
    for (action, members) in [
        ("StopInstance", instance.clone()),
        ("RebootInstance", instance.clone()),
        ("UpdateStack", json!({ "StackId": stack, "Name": "other" })),
        ("CreateDeployment", json!({ "StackId": stack, "Command": { "Name": "setup" } })),
    ] {
        bob(&app, action, members).await.error("AccessDeniedException");
    }
    bob(&app, "UnassignInstance", instance.clone()).await.good();
    app.settle(&id, InstanceStatus::Registered).await;
    bob(&app, "DeregisterInstance", instance).await.good();
}
