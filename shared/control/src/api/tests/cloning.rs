//! Clones of stacks.

use std::future::Future;
use std::task::{Context, Waker};

use serde_json::{Value, json};
use strata_domain::permissions::{Permission, PermissionLevel};
use strata_local::cloud::{Policy, Vpc};
use strata_ports::{Change, Expect, keys};

use super::TestApi;
use super::support::{ACCOUNT, USER, text};
use crate::records::cloning::{Cloning, stage_clone, sweep_unfinished};

const ROLE: &str = "arn:aws:iam::123456789012:role/service";

fn clone(source: &str, more: Value) -> Value {
    let mut members = json!({ "SourceStackId": source, "ServiceRoleArn": ROLE });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    members
}

async fn stack(app: &TestApi, id: &str) -> Value {
    app.call("DescribeStacks", json!({ "StackIds": [id] })).await.good()["Stacks"][0].clone()
}

async fn layer_names(app: &TestApi, stack: &str) -> Vec<String> {
    let found = app.call("DescribeLayers", json!({ "StackId": stack })).await.good();
    found["Layers"].as_array().unwrap().iter().map(|l| text(&l["Name"])).collect()
}

/// [STK-14] [ACT-5]
#[tokio::test]
async fn stk_14_a_clone_has_the_settings_and_custom_layers_and_no_instances_nor_cluster() {
    let app = TestApi::new();
    let (source, web) = app.shop().await;
    for name in ["b", "a"] {
        app.custom_layer(&source, name).await;
        app.cloud.advance(1);
    }
    let update =
        json!({ "StackId": source, "CustomJson": "{\"a\":1}", "Attributes": { "Color": "red" }, "HostnameTheme": "Wild_Cats" });
    app.call("UpdateStack", update).await.good();
    app.instance(&source, &web, json!({})).await;
    let id = text(&app.call("CloneStack", clone(&source, json!({}))).await.good()["StackId"]);
    let (before, after) = (stack(&app, &source).await, stack(&app, &id).await);
    for (member, value) in before.as_object().unwrap() {
        match member.as_str() {
            "Name" => assert_eq!(after["Name"], "shop-copy"),
            "StackId" | "Arn" | "CreatedAt" => assert_ne!(after[member], *value, "{member}"),
            _ => assert_eq!(after[member], *value, "{member}"),
        }
    }
    assert_eq!(layer_names(&app, &id).await, ["b", "a"], "without the ECS layer, in the source's order");
    let summary = app.call("DescribeStackSummary", json!({ "StackId": id })).await.good()["StackSummary"].clone();
    assert_eq!((&summary["LayersCount"], &summary["InstancesCount"]), (&json!(2), &json!({})));
    let taken = json!({ "StackId": id, "Type": "custom", "Name": "a", "Shortname": "a2" });
    app.call("CreateLayer", taken).await.invalid();
    let layers = app.call("DescribeLayers", json!({ "StackId": id })).await.good();
    app.call("DeleteLayer", json!({ "LayerId": layers["Layers"][0]["LayerId"] })).await.good();
    assert!(app.store.partition(keys::CLONING_PK).is_empty());
}

/// [STK-14]: what is sent takes the place of the source's.
#[tokio::test]
async fn stk_14_members_override_and_bad_ones_clone_nothing() {
    let app = TestApi::new();
    let subnets = |ids: &[(&str, &str)]| ids.iter().map(|(id, zone)| ((*id).to_owned(), (*zone).to_owned())).collect();
    app.account.add_vpc(Vpc { id: "vpc-default".into(), is_default: true, subnets: subnets(&[("subnet-a", "eu-west-1a")]) });
    app.account.add_vpc(Vpc { id: "vpc-own".into(), is_default: false, subnets: subnets(&[("subnet-x", "eu-west-1b")]) });
    let source = app.stack(&"s".repeat(64)).await;
    app.call("UpdateStack", json!({ "StackId": source, "CustomJson": "{}" })).await.good();
    let given = json!({
        "Name": "two", "VpcId": "vpc-own", "DefaultSubnetId": "subnet-x", "DefaultAvailabilityZone": "eu-west-1b",
        "DefaultOs": "Ubuntu 24.04 LTS", "HostnameTheme": "Fruits", "CustomJson": "", "DefaultRootDeviceType": "instance-store",
        "ConfigurationManager": { "Name": "Chef", "Version": "11.10" }, "UseCustomCookbooks": true, "DefaultSshKeyName": "ops",
        "Attributes": { "Color": "blue" }, "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/two"),
        "UseOpsworksSecurityGroups": false, "Region": "eu-west-1", "CloneAppIds": [],
    });
    let id = text(&app.call("CloneStack", clone(&source, given.clone())).await.good()["StackId"]);
    let after = stack(&app, &id).await;
    for (member, value) in given.as_object().unwrap() {
        let expected = if member == "CustomJson" { &Value::Null } else { value };
        if !matches!(member.as_str(), "CloneAppIds") {
            assert_eq!(after[member], *expected, "{member}");
        }
    }
    let unnamed = text(&app.call("CloneStack", clone(&source, json!({}))).await.good()["StackId"]);
    assert_eq!(stack(&app, &unnamed).await["Name"], format!("{}-copy", "s".repeat(59)));
    app.custom_layer(&source, "a").await;
    let before = app.store.partition(keys::STACKS_PK).len();
    for (bad, begins) in [
        (json!({ "CloneAppIds": ["app"] }), "UnsupportedOperation: CloneAppIds"),
        (json!({ "ServiceRoleArn": "" }), "Service Role Arn:"),
        (json!({ "Region": "us-east-1" }), "Region:"),
        (json!({ "Name": "x".repeat(65) }), "Name:"),
        (json!({ "VpcId": "vpc-own" }), "Default Subnet Id:"),
        (json!({ "UseOpsworksSecurityGroups": false }), "Custom Security Group Ids:"),
    ] {
        let message = app.call("CloneStack", clone(&source, bad.clone())).await.invalid();
        assert!(message.starts_with(begins), "{bad}: {message}");
    }
    app.call("CloneStack", clone("unknown", json!({}))).await.not_found();
    // What IAM said is remembered for a minute.
    app.cloud.advance(60);
    app.account.set_policy(USER, Policy { deny: vec!["iam:PassRole".into()], ..Policy::administrator() });
    assert!(app.call("CloneStack", clone(&source, json!({}))).await.invalid().contains("iam:PassRole"));
    assert_eq!(app.store.partition(keys::STACKS_PK).len(), before);
}

/// [PERM-21]
#[tokio::test]
async fn perm_21_clone_permissions_copies_levels_only_and_only_when_asked() {
    let app = TestApi::new();
    let source = app.stack("shop").await;
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    for (name, level) in [("bob", PermissionLevel::Deploy), ("eve", PermissionLevel::Deny)] {
        let (stack_id, iam_user_arn) = (source.as_str().into(), arn(name));
        let key = keys::permission(&stack_id, &iam_user_arn);
        let permission =
            Permission { stack_id, iam_user_arn, profile_id: name.to_owned(), level, allow_ssh: true, allow_sudo: true };
        app.commit(vec![Change::put(key, &permission, Expect::Absent)]).await;
    }
    for (asked, copied) in [(true, 2), (false, 0)] {
        let members = clone(&source, json!({ "ClonePermissions": asked }));
        let id = text(&app.call("CloneStack", members).await.good()["StackId"]);
        let partition = app.store.partition(&keys::stack_pk(&id.as_str().into()));
        let found: Vec<Permission> = partition
            .iter()
            .filter(|item| item.key.sk.starts_with(keys::PERMISSION))
            .map(|item| item.decode().unwrap())
            .collect();
        assert_eq!(found.len(), copied);
        for permission in found {
            let level = if permission.iam_user_arn == arn("bob") { PermissionLevel::Deploy } else { PermissionLevel::Deny };
            assert_eq!((permission.level, permission.allow_ssh, permission.allow_sudo), (level, false, false));
            assert_eq!(permission.stack_id.as_str(), id);
            assert_eq!(arn(&permission.profile_id), permission.iam_user_arn, "it still counts for the same profile only");
        }
    }
}

/// [STK-14]: a hundred layers are four hundred records, four times what a commit holds.
#[tokio::test]
async fn stk_14_a_hundred_layers_are_cloned_whole() {
    let app = TestApi::new();
    let source = app.stack("shop").await;
    for n in 0..100 {
        app.custom_layer(&source, &format!("layer{n}")).await;
    }
    let before = layer_names(&app, &source).await;
    let id = text(&app.call("CloneStack", clone(&source, json!({}))).await.good()["StackId"]);
    let mut after = layer_names(&app, &id).await;
    assert_eq!(after, before);
    after.dedup();
    assert_eq!(after.len(), 100);
}

/// [STK-14]: cut off at any moment, a clone is there as a whole or nobody sees anything of it, and the sweep leaves nothing behind.
#[tokio::test]
async fn stk_14_a_clone_that_is_cut_off_is_whole_or_not_there() {
    let app = TestApi::new();
    let source = app.stack("shop").await;
    for n in 0..60 {
        app.custom_layer(&source, &format!("layer{n}")).await;
    }
    let at_rest = app.store.keys();
    let (mut cut_off, mut finished) = (0, false);
    for steps in 0.. {
        let is_done = {
            let mut call = Box::pin(app.call("CloneStack", clone(&source, json!({}))));
            let mut context = Context::from_waker(Waker::noop());
            (0..steps).any(|_| call.as_mut().poll(&mut context).is_ready())
        };
        let stacks = app.call("DescribeStacks", json!({})).await.good()["Stacks"].clone();
        if let Some(copy) = stacks.as_array().unwrap().iter().find(|s| s["StackId"] != source.as_str()) {
            assert_eq!(layer_names(&app, &text(&copy["StackId"])).await.len(), 60, "cut off after {steps} steps");
            finished = true;
            if is_done {
                break;
            }
            continue;
        }
        assert!(!is_done && !finished, "after {steps} steps");
        cut_off += usize::from(app.store.keys() != at_rest);
        let now = strata_ports::Clock::now(app.cloud.as_ref());
        sweep_unfinished(app.store.as_ref(), now).await.unwrap();
        app.cloud.advance(15 * 60);
        sweep_unfinished(app.store.as_ref(), strata_ports::Clock::now(app.cloud.as_ref())).await.unwrap();
        assert_eq!(app.store.keys(), at_rest, "after {steps} steps");
    }
    assert!(cut_off > 2, "it was cut off between commits");
    assert!(finished);
}

/// [STK-14]: layers that one commit cannot hold together.
#[tokio::test]
async fn stk_14_a_clone_of_large_layers_is_staged_in_several_commits_and_a_cut_off_one_is_removed() {
    let app = TestApi::new();
    let now = strata_ports::Clock::now(app.cloud.as_ref());
    let cloning = Cloning { stack_id: "copy".into(), since: now };
    let large = "x".repeat(340_000);
    let record = |n: i32| Change::put(keys::unique(&cloning.stack_id, "layer-name", &n.to_string()), &large, Expect::Absent);
    let portions: Vec<Vec<Change>> = (0..30).map(|n| vec![record(n)]).collect();
    stage_clone(app.store.as_ref(), &cloning, portions).await.unwrap();
    assert_eq!(app.store.partition(&keys::stack_pk(&cloning.stack_id)).len(), 30);
    app.cloud.advance(15 * 60);
    sweep_unfinished(app.store.as_ref(), strata_ports::Clock::now(app.cloud.as_ref())).await.unwrap();
    assert!(app.store.keys().is_empty());
}
