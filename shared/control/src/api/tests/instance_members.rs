//! The members of instances: block devices, key pair, names by theme, and what is told of them.

use serde_json::{Value, json};

use super::TestApi;
use super::support::{text, with};

/// [EBS-14] (instances.md, section 6)
#[tokio::test]
async fn ebs_14_block_devices_are_checked_stored_and_shown() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let root =
        json!({ "DeviceName": "ROOT_DEVICE", "Ebs": { "VolumeSize": 50, "VolumeType": "gp2", "DeleteOnTermination": true } });
    let data = json!({
        "DeviceName": "/dev/sdh", "Ebs": { "SnapshotId": "snap-0123456789abcdef0", "VolumeSize": 20, "VolumeType": "io1", "Iops": 500 },
    });
    let dropped = json!({ "DeviceName": "/dev/sdc", "NoDevice": "" });
    for mappings in [json!([root, data]), json!([dropped])] {
        let id = app.instance(&stack, &layer, json!({ "BlockDeviceMappings": mappings })).await;
        assert_eq!(app.described(&id).await["BlockDeviceMappings"], mappings);
    }
    let create = async |mapping: Value| {
        let members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t", "BlockDeviceMappings": [mapping] });
        app.call("CreateInstance", members).await
    };
    for (bad, says) in [
        (json!({ "Ebs": {} }), "DeviceName is required"),
        (json!({ "DeviceName": "sdh", "Ebs": {} }), "must be ROOT_DEVICE or a device"),
        (json!({ "DeviceName": "/dev/sdh" }), "exactly one of Ebs, VirtualName and NoDevice"),
        (json!({ "DeviceName": "ROOT_DEVICE", "NoDevice": "" }), "ROOT_DEVICE takes Ebs only"),
        (json!({ "DeviceName": "ROOT_DEVICE", "Ebs": { "VolumeSize": 7 } }), "must be at least 8 GiB, not 7"),
        (json!({ "DeviceName": "ROOT_DEVICE", "Ebs": { "VolumeSize": 1025 } }), "must be 1 to 1024 GiB, not 1025"),
        (json!({ "DeviceName": "ROOT_DEVICE", "Ebs": { "VolumeSize": 10, "VolumeType": "io1", "Iops": 241 } }), "100 to 240"),
        (json!({ "DeviceName": "/dev/sdh", "Ebs": { "VolumeSize": -1 } }), "VolumeSize must be 0 to"),
    ] {
        let message = create(bad.clone()).await.invalid();
        assert!(message.starts_with("Block Device Mappings:") && message.contains(says), "{bad}: {message}");
    }
    let custom = json!({ "Os": "Custom", "AmiId": "ami-1", "BlockDeviceMappings": [root] });
    let id = app.instance(&stack, &layer, custom).await;
    assert_eq!(app.described(&id).await["BlockDeviceMappings"], json!([]), "a custom AMI has its own");
}

/// [SSH-1], the key pair: the stack's, another one, or none.
#[tokio::test]
async fn ssh_1_an_instance_has_the_stacks_key_pair_its_own_or_none() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.call("UpdateStack", json!({ "StackId": stack, "DefaultSshKeyName": "ops" })).await.good();
    let key = async |more: Value| {
        let id = app.instance(&stack, &layer, more).await;
        app.described(&id).await.get("SshKeyName").cloned()
    };
    assert_eq!(key(json!({})).await, Some(json!("ops")));
    assert_eq!(key(json!({ "SshKeyName": null })).await, Some(json!("ops")));
    assert_eq!(key(json!({ "SshKeyName": "dev" })).await, Some(json!("dev")));
    assert_eq!(key(json!({ "SshKeyName": "" })).await, None);
    let id = app.instance(&stack, &layer, json!({})).await;
    app.call("UpdateInstance", json!({ "InstanceId": id, "SshKeyName": "" })).await.good();
    assert!(app.described(&id).await.get("SshKeyName").is_none());
}

/// [INST-54] and the rest of section 6: what is kept as it was asked for.
#[tokio::test]
async fn what_an_instance_is_asked_to_be_is_shown() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    assert_eq!(app.described(&app.instance(&stack, &layer, json!({})).await).await["VirtualizationType"], "hvm");
    let asked = json!({
        "VirtualizationType": "paravirtual", "Architecture": "i386", "Tenancy": "dedicated", "RootDeviceType": "instance-store",
        "AgentVersion": "4004-20151201152533", "InstallUpdatesOnBoot": false, "EbsOptimized": true, "AutoScalingType": "load",
        "InstanceType": "c3.large", "Os": "Ubuntu 14.04 LTS", "Hostname": "Web-1", "SubnetId": "subnet-b",
    });
    let shown = app.described(&app.instance(&stack, &layer, asked.clone()).await).await;
    for (member, value) in asked.as_object().unwrap() {
        assert_eq!(shown[member], *value, "{member}");
    }
    let layers: Vec<String> = (0..5).map(|n| n.to_string()).collect();
    let mut ids = Vec::new();
    for name in &layers {
        ids.push(app.custom_layer(&stack, name).await);
    }
    let members = |ids: &[String]| json!({ "StackId": stack, "LayerIds": ids, "InstanceType": "t" });
    assert!(app.call("CreateInstance", members(&ids)).await.invalid().contains("at most 4 layers, not 5"));
    app.call("CreateInstance", members(&ids[..4])).await.good();
    for (long, begins) in [
        (json!({ "InstanceType": "t".repeat(33) }), "Instance Type:"),
        (json!({ "SshKeyName": "k".repeat(256) }), "Ssh Key Name:"),
        (json!({ "Os": "Custom", "AmiId": "a".repeat(33) }), "Ami Id:"),
    ] {
        let members = with(&members(&ids[..1]), long);
        assert!(app.call("CreateInstance", members).await.invalid().starts_with(begins), "{begins}");
    }
}

/// [INST-61] [STK-6] All twelve, by the API.
#[tokio::test]
async fn inst_61_twelve_themes_name_the_instances() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let mut names = Vec::new();
    for (theme, first) in [
        ("Layer_Dependent", "ecs-cluster1"),
        ("Baked_Goods", "bagel"),
        ("Clouds", "altocumulus"),
        ("Europe_Cities", "athens"),
        ("Fruits", "apple"),
        ("Greek_Deities_and_Titans", "apollo"),
        ("Legendary_creatures_from_Japan", "amabie"),
        ("Planets_and_Moons", "callisto"),
        ("Roman_Deities", "bacchus"),
        ("Scottish_Islands", "arran"),
        ("US_Cities", "atlanta"),
        ("Wild_Cats", "bobcat"),
    ] {
        let spaced = theme.replace('_', " ");
        app.call("UpdateStack", json!({ "StackId": stack, "HostnameTheme": spaced })).await.good();
        let shown = app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good()["Stacks"][0]["HostnameTheme"].clone();
        assert_eq!(shown, theme);
        let suggested = app.call("GetHostnameSuggestion", json!({ "LayerId": layer })).await.good()["Hostname"].clone();
        let id = app.instance(&stack, &layer, json!({})).await;
        let name = text(&app.described(&id).await["Hostname"]);
        assert_eq!((name.as_str(), suggested.as_str()), (first, Some(first)));
        names.push((id, name));
    }
    for (id, name) in names {
        assert_eq!(app.described(&id).await["Hostname"], name, "a theme reaches new instances only");
    }
    app.call("UpdateStack", json!({ "StackId": stack, "HostnameTheme": "Vegetables" })).await.invalid();
}
