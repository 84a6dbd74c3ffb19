//! The nested members of layers: volumes, logs, recipes, attributes, groups.

use serde_json::{Value, json};

use super::TestApi;
use super::support::{CLUSTER, text, with};

async fn described(app: &TestApi, layer: &str) -> Value {
    app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good()["Layers"][0].clone()
}

async fn update(app: &TestApi, layer: &str, more: Value) -> super::support::Reply {
    app.call("UpdateLayer", with(&json!({ "LayerId": layer }), more)).await
}

/// [EBS-1] [EBS-2] [EBS-3] [EBS-4] [EBS-5] [EBS-6] [EBS-7] [EBS-13] [WIRE-4]
#[tokio::test]
async fn ebs_1_volume_configurations_are_checked_and_shown() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let volume = json!({ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 100 });
    let full = with(&volume, json!({ "MountPoint": "/fast", "VolumeType": "io1", "Iops": 3000, "Encrypted": true }));
    update(&app, &layer, json!({ "VolumeConfigurations": [volume, full] })).await.good();
    let shown = described(&app, &layer).await["VolumeConfigurations"].clone();
    let default = with(&volume, json!({ "VolumeType": "standard", "Encrypted": false }));
    assert_eq!(shown, json!([default, full]));
    for (more, says) in [
        (json!({ "MountPoint": null }), "MountPoint is required"),
        (json!({ "NumberOfDisks": null }), "NumberOfDisks is required"),
        (json!({ "Size": null }), "Size is required"),
        (json!({ "NumberOfDisks": 2 }), "must be 1 without RAID"),
        (json!({ "RaidLevel": 0 }), "RaidLevel=0 is not supported"),
        (json!({ "Size": -1 }), "Size must be 0 to"),
        (json!({ "Size": 1025 }), "must be 1 to 1024 GiB, not 1025"),
        (json!({ "VolumeType": "floppy" }), "is not one of standard, gp2"),
        (json!({ "VolumeType": "io1" }), "Iops is required"),
        (json!({ "MountPoint": "/etc" }), "\"/etc\" is reserved"),
        (json!({ "MountPoint": "sdh" }), "absolute path"),
    ] {
        let message = update(&app, &layer, json!({ "VolumeConfigurations": [with(&volume, more.clone())] })).await.invalid();
        assert!(message.contains(says), "{more}: {message}");
    }
    update(&app, &layer, json!({ "VolumeConfigurations": [volume, volume] })).await.invalid();
    assert_eq!(described(&app, &layer).await["VolumeConfigurations"], shown, "what was refused changed nothing");
    update(&app, &layer, json!({ "VolumeConfigurations": [] })).await.good();
    assert_eq!(described(&app, &layer).await["VolumeConfigurations"], json!([]));
}

/// [CWL-1] [CWL-20]
#[tokio::test]
async fn cwl_1_logs_are_given_back_as_they_were_set() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    assert!(described(&app, &layer).await.get("CloudWatchLogsConfiguration").is_none());
    let stream = json!({
        "LogGroupName": "shop/web", "File": "/var/log/messages*", "DatetimeFormat": "%b %d", "TimeZone": "UTC",
        "FileFingerprintLines": "1-3", "MultiLineStartPattern": "{datetime_format}", "InitialPosition": "end_of_file",
        "Encoding": "utf_8", "BufferDuration": 5000, "BatchCount": 10000, "BatchSize": 1048576,
    });
    let short = json!({ "LogGroupName": "g", "File": "/f" });
    let logs = json!({ "Enabled": true, "LogStreams": [stream, short] });
    update(&app, &layer, json!({ "CloudWatchLogsConfiguration": logs })).await.good();
    assert_eq!(described(&app, &layer).await["CloudWatchLogsConfiguration"], logs);
    for (more, says) in [
        (json!({ "File": "" }), "File is required"),
        (json!({ "LogGroupName": null }), "LogGroupName is required"),
        (json!({ "BatchCount": 10001 }), "BatchCount must be 1 to 10000, not 10001"),
        (json!({ "BufferDuration": 4999 }), "BufferDuration must be 5000"),
        (json!({ "Encoding": "utf_7" }), "is not read by the CloudWatch agent"),
        (json!({ "TimeZone": "CET" }), "is not one of LOCAL, UTC"),
    ] {
        let bad = json!({ "CloudWatchLogsConfiguration": { "Enabled": true, "LogStreams": [with(&stream, more.clone())] } });
        let message = update(&app, &layer, bad).await.invalid();
        assert!(message.starts_with("Cloud Watch Logs Configuration:") && message.contains(says), "{more}: {message}");
    }
    update(&app, &layer, json!({ "CloudWatchLogsConfiguration": { "Enabled": false } })).await.good();
    let off = json!({ "Enabled": false, "LogStreams": [] });
    assert_eq!(described(&app, &layer).await["CloudWatchLogsConfiguration"], off, "replaced whole");
}

/// [WIRE-7] [WIRE-4] Only OpsWorks' own keys are attributes; passwords are not shown, and kept by an update that sends what is shown.
#[tokio::test]
async fn wire_7_attributes_are_known_ones_and_passwords_are_filtered() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let attributes = json!({ "GangliaPassword": "hunter2", "GangliaUser": "ops", "Jvm": null });
    update(&app, &layer, json!({ "Attributes": attributes })).await.good();
    let shown = described(&app, &layer).await["Attributes"].clone();
    let expected = json!({ "GangliaPassword": "*****FILTERED*****", "GangliaUser": "ops", "EcsClusterArn": CLUSTER });
    assert_eq!(shown, expected);
    update(&app, &layer, json!({ "Attributes": with(&shown, json!({ "GangliaUser": "dev" })) })).await.good();
    let key = strata_ports::keys::layer(&stack.as_str().into(), &layer.as_str().into());
    let stored: strata_domain::model::Layer = app.item(&key).await.unwrap().decode().unwrap();
    assert_eq!((stored.attributes["GangliaPassword"].as_str(), stored.attributes["GangliaUser"].as_str()), ("hunter2", "dev"));
    for bad in [json!({ "Colour": "red" }), json!({ "MysqlRootPassword": "*****FILTERED*****" })] {
        assert!(update(&app, &layer, json!({ "Attributes": bad })).await.invalid().starts_with("Attributes:"));
    }
    let custom = json!({
        "StackId": stack, "Type": "custom", "Name": "a", "Shortname": "a", "Attributes": { "EcsClusterArn": CLUSTER },
    });
    assert!(app.call("CreateLayer", custom).await.invalid().starts_with("Attributes:"));
}

/// [SG-2] [SG-4] [SG-6] [SG-10] [ECS-57]
#[tokio::test]
async fn sg_2_built_in_groups_by_layer_type_and_the_applied_ones_of_an_instance() {
    let app = TestApi::new();
    let (stack, ecs) = app.shop().await;
    let custom = app.custom_layer(&stack, "extra").await;
    let names = async |layer: &str| described(&app, layer).await["DefaultSecurityGroupNames"].clone();
    assert_eq!(names(&ecs).await, json!(["AWS-OpsWorks-ECS-Cluster"]));
    assert_eq!(names(&custom).await, json!(["AWS-OpsWorks-Custom-Server"]));
    update(&app, &ecs, json!({ "CustomSecurityGroupIds": ["sg-1", "sg-2"] })).await.good();
    update(&app, &custom, json!({ "CustomSecurityGroupIds": ["sg-2", "sg-3"] })).await.good();
    let both = app.instance(&stack, &ecs, json!({ "LayerIds": [ecs, custom] })).await;
    assert_eq!(app.described(&both).await["SecurityGroupIds"], json!(["sg-1", "sg-2", "sg-3"]), "each once");
    let flag = async |on: bool| {
        app.call("UpdateStack", json!({ "StackId": stack, "UseOpsworksSecurityGroups": on })).await.good();
    };
    flag(false).await;
    assert_eq!([names(&ecs).await, names(&custom).await], [json!([]), json!([])]);
    update(&app, &ecs, json!({ "CustomSecurityGroupIds": [] })).await.invalid();
    flag(true).await;
    assert_eq!(names(&ecs).await, json!(["AWS-OpsWorks-ECS-Cluster"]));
    assert_eq!(described(&app, &ecs).await["CustomSecurityGroupIds"], json!(["sg-1", "sg-2"]), "the custom ones are kept");
    let many: Vec<String> = (0..6).map(|n| format!("sg-{n}")).collect();
    assert!(update(&app, &ecs, json!({ "CustomSecurityGroupIds": many })).await.invalid().contains("at most 5"));
}

/// [LIFE-5] [EBS-15] and what else a layer keeps: recipes, packages, flags.
#[tokio::test]
async fn life_5_shutdown_settings_have_a_range_and_recipes_and_packages_a_form() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let shutdown = |seconds: i64| json!({ "LifecycleEventConfiguration": { "Shutdown": { "ExecutionTimeout": seconds } } });
    for seconds in [0, 86_400] {
        update(&app, &layer, shutdown(seconds)).await.good();
        let shown = described(&app, &layer).await["LifecycleEventConfiguration"]["Shutdown"].clone();
        assert_eq!(shown, json!({ "ExecutionTimeout": seconds, "DelayUntilElbConnectionsDrained": true }));
    }
    for bad in [-1, 86_401] {
        assert!(update(&app, &layer, shutdown(bad)).await.invalid().contains("0 to 86400 seconds"));
    }
    update(&app, &layer, json!({ "LifecycleEventConfiguration": {} })).await.good();
    let shown = described(&app, &layer).await["LifecycleEventConfiguration"]["Shutdown"]["ExecutionTimeout"].clone();
    assert_eq!(shown, 120, "an object is replaced whole");
    for bad in [
        json!({ "CustomRecipes": { "Setup": ["a b"] } }),
        json!({ "Packages": ["--force"] }),
        json!({ "Packages": ["a; reboot"] }),
    ] {
        update(&app, &layer, bad).await.invalid();
    }
    let good = json!({ "CustomRecipes": { "Setup": ["a::b"], "Deploy": null }, "Packages": ["git", "g++"], "UseEbsOptimizedInstances": true });
    update(&app, &layer, good).await.good();
    let shown = described(&app, &layer).await;
    assert_eq!((&shown["Packages"], &shown["CustomRecipes"]["Setup"]), (&json!(["git", "g++"]), &json!(["a::b"])));
    let inherits = app.instance(&stack, &layer, json!({})).await;
    let own = app.instance(&stack, &layer, json!({ "EbsOptimized": false })).await;
    assert_eq!(app.described(&inherits).await["EbsOptimized"], true);
    assert_eq!(app.described(&own).await["EbsOptimized"], false);
}

/// [VAL-1] The short name of the ECS Cluster layer is no custom layer's, or the stack could never have one.
#[tokio::test]
async fn val_1_short_names_of_custom_layers() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let create = async |short: &str| {
        app.call("CreateLayer", json!({ "StackId": stack, "Type": "custom", "Name": short, "Shortname": short })).await
    };
    for bad in ["Web", "a b", "ecs-cluster", ""] {
        create(bad).await.invalid();
    }
    let layer = text(&create("my_app-1.0").await.good()["LayerId"]);
    assert!(update(&app, &layer, json!({ "Shortname": "ecs-cluster" })).await.invalid().contains("belongs to"));
    update(&app, &layer, json!({ "Name": "n".repeat(33) })).await.invalid();
    update(&app, &layer, json!({ "Name": "n".repeat(32), "Shortname": "s".repeat(32) })).await.good();
}
