//! Stacks.

use serde_json::{Value, json};
use strata_ports::store::Listing;
use strata_ports::{Store, keys};

use super::TestApi;
use super::support::{ACCOUNT, REGION};

fn members(more: Value) -> Value {
    let mut members = json!({
        "Name": "shop", "Region": REGION, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/service"),
        "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"),
    });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    members
}

async fn described(app: &TestApi, stack: &str) -> Value {
    app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good()["Stacks"][0].clone()
}

/// [STK-3] [STK-4] [STK-5] [STK-6] [STK-7] [STK-11] [STK-12]
#[tokio::test]
async fn stk_4_defaults_of_a_stack() {
    let app = TestApi::new();
    let stack = described(&app, &app.stack("shop").await).await;
    for (member, value) in [
        ("VpcId", json!("vpc-default")),
        ("DefaultSubnetId", json!("subnet-a")),
        ("DefaultAvailabilityZone", json!("eu-west-1a")),
        ("DefaultOs", json!("Amazon Linux 2023")),
        ("HostnameTheme", json!("Layer_Dependent")),
        ("ConfigurationManager", json!({ "Name": "Chef", "Version": "12" })),
        ("UseOpsworksSecurityGroups", json!(true)),
        ("DefaultRootDeviceType", json!("ebs")),
        ("AgentVersion", json!("LATEST")),
    ] {
        assert_eq!(stack[member], value, "{member}");
    }
    assert!(stack.get("CustomJson").is_none() && stack.get("DefaultSshKeyName").is_none());
}

/// [STK-2]
#[tokio::test]
async fn stk_2_without_a_region_a_stack_stands_in_the_installations() {
    let app = TestApi::new();
    let created = app.call("CreateStack", members(json!({ "Region": null }))).await.good();
    assert_eq!(described(&app, created["StackId"].as_str().unwrap()).await["Region"], REGION);
}

/// [STK-2] [STK-7] [STK-12] [VAL-1] [VAL-3] [VAL-7], and Strata's own settings.
#[tokio::test]
async fn val_1_bad_values_are_refused_by_name() {
    let app = TestApi::new();
    for (more, begins) in [
        (json!({ "Name": "" }), "Name: is required"),
        (json!({ "Name": "n".repeat(65) }), "Name: must have 1 to 64 characters"),
        (json!({ "Region": "us-east-1" }), "Region:"),
        (json!({ "ServiceRoleArn": "arn:aws:iam::999999999999:role/service" }), "Service Role Arn: must belong to account"),
        (json!({ "DefaultInstanceProfileArn": null }), "Default Instance Profile Arn: is required"),
        (json!({ "DefaultOs": "Windows 95" }), "Default Os:"),
        (json!({ "DefaultOs": "Microsoft Windows Server 2019 Base" }), "UnsupportedOperation: DefaultOs="),
        (json!({ "HostnameTheme": "Vegetables" }), "Hostname Theme:"),
        (
            json!({ "ConfigurationManager": { "Name": "Chef", "Version": "11.4" } }),
            "UnsupportedOperation: ConfigurationManager.Version=11.4",
        ),
        (json!({ "DefaultAvailabilityZone": "eu-west-1z" }), "Default Availability Zone:"),
        (json!({ "Attributes": { "Colour": "red" } }), "Attributes:"),
        (json!({ "CustomJson": "[]" }), "Custom Json: must be a JSON object"),
        (json!({ "CustomJson": "{\"strata\":{\"mode\":\"off\"}}" }), "Custom Json: strata.mode:"),
        (json!({ "AgentVersion": "newest" }), "Agent Version:"),
    ] {
        let message = app.call("CreateStack", members(more.clone())).await.invalid();
        assert!(message.starts_with(begins), "{more}: {message}");
    }
    assert!(app.store.partition("stacks").is_empty(), "nothing was stored");
}

/// [IDN-6] [STK-1] [STK-8] [WIRE-3] [VAL-5]
#[tokio::test]
async fn stk_8_an_update_changes_what_is_sent_and_never_the_service_role() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let odd = "{ \"a\" :1}";
    app.call("UpdateStack", json!({ "StackId": stack, "Name": "store", "CustomJson": odd, "HostnameTheme": "" })).await.good();
    let after = described(&app, &stack).await;
    assert_eq!((&after["Name"], &after["CustomJson"]), (&json!("store"), &json!(odd)));
    assert_eq!(after["HostnameTheme"], "Layer_Dependent");
    let role = |name: &str| json!({ "StackId": stack, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/{name}") });
    app.call("UpdateStack", role("service")).await.good();
    assert!(app.call("UpdateStack", role("other")).await.invalid().starts_with("Service Role Arn:"));
    app.call("UpdateStack", json!({ "StackId": stack, "CustomJson": "" })).await.good();
    assert!(described(&app, &stack).await.get("CustomJson").is_none(), "an empty text unsets");
    app.call("UpdateStack", json!({ "StackId": "unknown", "Name": "x" })).await.not_found();
}

/// [IAM-1] A stack and a clone need a service role, and it stays the same.
#[tokio::test]
async fn iam_1_a_service_role_is_required_and_never_changes() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let mut nameless = members(json!({ "Name": "other" }));
    nameless.as_object_mut().unwrap().remove("ServiceRoleArn");
    assert!(app.call("CreateStack", nameless).await.invalid().starts_with("Service Role Arn:"));
    assert!(app.call("CloneStack", json!({ "SourceStackId": stack })).await.invalid().starts_with("Service Role Arn:"));
    let other = json!({ "StackId": stack, "ServiceRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/other") });
    assert!(app.call("UpdateStack", other).await.invalid().starts_with("Service Role Arn:"));
}

/// [STK-7] [SG-5]
#[tokio::test]
async fn stk_7_the_chef_version_is_fixed_once_there_are_instances() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let chef = json!({ "StackId": stack, "ConfigurationManager": { "Name": "Chef", "Version": "11.10" } });
    app.call("UpdateStack", chef.clone()).await.good();
    app.instance(&stack, &layer, json!({})).await;
    app.call("UpdateStack", chef).await.good();
    let back = json!({ "StackId": stack, "ConfigurationManager": { "Name": "Chef", "Version": "12" } });
    assert!(app.call("UpdateStack", back).await.invalid().starts_with("Configuration Manager:"));
    let without_groups = json!({ "StackId": stack, "UseOpsworksSecurityGroups": false });
    app.call("UpdateStack", without_groups.clone()).await.invalid();
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomSecurityGroupIds": ["sg-1"] })).await.good();
    app.call("UpdateStack", without_groups).await.good();
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomSecurityGroupIds": [] })).await.invalid();
}

/// [TXT-9] Before it is said that another Chef version is out of scope.
#[tokio::test]
async fn txt_9_an_agent_version_goes_with_chef_11_10_and_12_only() {
    let app = TestApi::new();
    let with_chef = |version: &str| {
        members(json!({ "AgentVersion": "LATEST", "ConfigurationManager": { "Name": "Chef", "Version": version } }))
    };
    let refused = app.call("CreateStack", with_chef("11.4")).await.invalid();
    assert_eq!(refused, "Agent Version: can only be set for Chef 11.10 and Chef 12");
    for chef in ["11.10", "12"] {
        app.call("CreateStack", with_chef(chef)).await.good();
    }
}

/// [STK-10] [WIRE-7] Secrets are stored, never shown, and kept by an update that sends what was shown.
#[tokio::test]
async fn wire_7_secrets_are_filtered_and_kept_on_update() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let before = described(&app, &stack).await;
    assert_eq!((&before["UseCustomCookbooks"], &before["ChefConfiguration"]), (&json!(false), &json!({})));
    assert!(before.get("CustomCookbooksSource").is_none(), "no default source");
    let update =
        async |source: Value| app.call("UpdateStack", json!({ "StackId": stack, "CustomCookbooksSource": source })).await;
    let stored = async || {
        let item = app.item(&strata_ports::keys::stack(&stack.as_str().into())).await.unwrap();
        item.decode::<strata_domain::model::Stack>().unwrap().custom_cookbooks_source
    };
    let git =
        json!({ "Type": "git", "Url": "https://example.com/c.git", "Revision": "main", "SshKey": "KEY", "Password": "hunter2" });
    update(git).await.good();
    let shown = described(&app, &stack).await["CustomCookbooksSource"].clone();
    let filtered = "*****FILTERED*****";
    let expected = json!({ "Type": "git", "Url": "https://example.com/c.git", "Revision": "main", "SshKey": filtered, "Password": filtered });
    assert_eq!(shown, expected);
    update(super::support::with(&shown, json!({ "Revision": "v2", "Password": "new" }))).await.good();
    let kept = stored().await.unwrap();
    let secrets = [kept.ssh_key, kept.password].map(|s| s.unwrap().reveal().to_owned());
    assert_eq!((secrets, kept.revision.as_deref()), (["KEY".to_owned(), "new".to_owned()], Some("v2")));
    update(json!({ "Type": "git", "Url": "u" })).await.good();
    assert_eq!(stored().await.unwrap().password, None, "replaced whole");
    for (bad, text) in [
        (json!({ "Type": "cvs", "Url": "u" }), "is not one of git, svn, archive, s3"),
        (json!({ "Url": "u" }), "Type is required"),
        (json!({ "Type": "s3", "Url": "" }), "Url is required"),
        (json!({ "Type": "s3", "Url": "u", "Password": filtered }), "none is stored"),
    ] {
        let message = update(bad.clone()).await.invalid();
        assert!(message.starts_with("Custom Cookbooks Source:") && message.contains(text), "{bad}: {message}");
    }
    update(json!({})).await.good();
    assert_eq!(stored().await, None, "an empty object unsets");
    let berkshelf = json!({ "ManageBerkshelf": true, "BerkshelfVersion": "3.2.0" });
    app.call("UpdateStack", json!({ "StackId": stack, "ChefConfiguration": berkshelf, "UseCustomCookbooks": true })).await.good();
    let after = described(&app, &stack).await;
    assert_eq!((&after["UseCustomCookbooks"], &after["ChefConfiguration"]), (&json!(true), &berkshelf));
}

/// [CLT-2] [WIRE-3] Terraform's UpdateStack: every member, unset ones as "".
#[tokio::test]
async fn clt_2_terraform_updates_with_every_member_and_unset_ones_empty() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.call("UpdateStack", json!({ "StackId": stack, "CustomJson": "{}", "DefaultSshKeyName": "ops" })).await.good();
    let before = described(&app, &stack).await;
    let mut sent = json!({
        "StackId": stack, "CustomCookbooksSource": { "Type": "git", "Url": "u", "Username": "", "Password": "", "SshKey": "", "Revision": "" },
        "ChefConfiguration": { "ManageBerkshelf": false, "BerkshelfVersion": "" }, "CustomJson": "", "DefaultSshKeyName": "",
        "DefaultSubnetId": "", "DefaultAvailabilityZone": "", "Attributes": {},
    });
    for member in [
        "Name",
        "ServiceRoleArn",
        "DefaultInstanceProfileArn",
        "DefaultOs",
        "HostnameTheme",
        "ConfigurationManager",
        "UseCustomCookbooks",
        "UseOpsworksSecurityGroups",
        "DefaultRootDeviceType",
        "AgentVersion",
    ] {
        sent[member] = before[member].clone();
    }
    app.call("UpdateStack", sent).await.good();
    let mut expected = before;
    expected["ChefConfiguration"] = json!({ "ManageBerkshelf": false });
    expected["CustomCookbooksSource"] = json!({ "Type": "git", "Url": "u" });
    for unset in ["CustomJson", "DefaultSshKeyName"] {
        expected.as_object_mut().unwrap().remove(unset);
    }
    assert_eq!(described(&app, &stack).await, expected);
}

/// [STK-9] [STK-15] Changed defaults reach new instances only.
#[tokio::test]
async fn stk_15_changed_defaults_reach_new_instances_only() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let old = app.instance(&stack, &layer, json!({})).await;
    let before = app.described(&old).await;
    let profile = format!("arn:aws:iam::{ACCOUNT}:instance-profile/other");
    let changes = json!({
        "StackId": stack, "DefaultAvailabilityZone": "eu-west-1c", "DefaultOs": "Amazon Linux 2", "HostnameTheme": "Wild_Cats",
        "DefaultSshKeyName": "ops", "DefaultRootDeviceType": "instance-store", "DefaultInstanceProfileArn": profile,
    });
    app.call("UpdateStack", changes).await.good();
    let members = ["SubnetId", "AvailabilityZone", "Os", "Hostname", "RootDeviceType"];
    let after = app.described(&old).await;
    for member in members {
        assert_eq!(after[member], before[member], "{member}");
    }
    assert!(after.get("SshKeyName").is_none());
    let new = app.described(&app.instance(&stack, &layer, json!({})).await).await;
    let expected = ["subnet-c", "eu-west-1c", "Amazon Linux 2", "bobcat", "instance-store"];
    for (member, value) in members.into_iter().zip(expected) {
        assert_eq!(new[member], value, "{member}");
    }
    assert_eq!((&new["SshKeyName"], &new["InstanceProfileArn"]), (&json!("ops"), &json!(profile)));
}

/// [TXT-1] [TXT-5] [DSC-3]
#[tokio::test]
async fn dsc_3_no_ids_are_all_stacks_and_an_empty_list_is_an_error() {
    let app = TestApi::new();
    let empty = app.call("DescribeStacks", json!({ "StackIds": [] })).await.invalid();
    assert_eq!(empty, "Please provide no arguments or, one or more stack IDs");
    assert_eq!(app.call("DescribeStacks", json!({})).await.good(), json!({ "Stacks": [] }));
    app.stack("one").await;
    app.cloud.advance(1);
    app.stack("two").await;
    let all = app.call("DescribeStacks", json!({})).await.good();
    assert_eq!([&all["Stacks"][0]["Name"], &all["Stacks"][1]["Name"]], ["one", "two"]);
    let unknown = app.call("DescribeStacks", json!({ "StackIds": ["x"] })).await.not_found();
    assert_eq!(unknown, "Unable to find stack with ID x");
}

/// [DSC-8]
#[tokio::test]
async fn dsc_8_the_summary_leaves_zeros_out() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let first = app.instance(&stack, &layer, json!({})).await;
    app.instance(&stack, &layer, json!({})).await;
    app.settle(&first, strata_domain::InstanceStatus::RunningSetup).await;
    let summary = app.call("DescribeStackSummary", json!({ "StackId": stack })).await.good()["StackSummary"].clone();
    assert_eq!(summary["InstancesCount"], json!({ "RunningSetup": 1, "Stopped": 1 }));
    assert_eq!((&summary["LayersCount"], &summary["AppsCount"]), (&json!(1), &json!(0)));
}

/// [STK-13] [ECS-97]
#[tokio::test]
async fn stk_13_a_stack_goes_when_it_is_empty_and_takes_its_registrations_along() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    assert!(app.call("DeleteStack", json!({ "StackId": stack })).await.invalid().contains("layers"));
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    app.call("DeleteStack", json!({ "StackId": stack })).await.good();
    app.call("DeleteStack", json!({ "StackId": stack })).await.not_found();
    assert!(app.store.partition("clusters").is_empty() && app.store.partition("stacks").is_empty());
    assert!(app.store.partition(&format!("stack#{stack}")).is_empty());
    let other = app.stack("other").await;
    app.register(&other).await;
}

/// [SG-8] Whoever makes or clones a stack has the built-in security groups overwritten; other calls do not.
#[tokio::test]
async fn sg_8_create_and_clone_have_the_built_in_groups_overwritten() {
    let app = TestApi::new();
    let due = async |app: &TestApi| {
        let listed = app.store.list(&Listing::of(keys::GROUPS_DUE_PK, "")).await.unwrap();
        listed.into_iter().map(|item| item.key.sk).collect::<Vec<String>>()
    };
    let first = app.stack("shop").await;
    assert_eq!(due(&app).await, std::slice::from_ref(&first));
    app.call("UpdateStack", json!({ "StackId": first, "Name": "store" })).await.good();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/service");
    let clone = app.call("CloneStack", json!({ "SourceStackId": first, "ServiceRoleArn": role })).await.good();
    let mut expected = [first, clone["StackId"].as_str().unwrap().to_owned()];
    expected.sort();
    assert_eq!(due(&app).await, expected);
}
