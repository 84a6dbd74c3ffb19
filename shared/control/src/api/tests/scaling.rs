//! The two auto scaling settings.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_ports::keys;

use super::TestApi;

async fn load_based(app: &TestApi, layer: &str) -> Value {
    let reply = app.call("DescribeLoadBasedAutoScaling", json!({ "LayerIds": [layer] })).await.good();
    reply["LoadBasedAutoScalingConfigurations"][0].clone()
}

async fn schedule(app: &TestApi, instance: &str) -> Value {
    let reply = app.call("DescribeTimeBasedAutoScaling", json!({ "InstanceIds": [instance] })).await.good();
    reply["TimeBasedAutoScalingConfigurations"][0]["AutoScalingSchedule"].clone()
}

fn alarm_names(app: &TestApi) -> Vec<String> {
    app.cloud.alarms.lock().unwrap().keys().cloned().collect()
}

/// [TIME-2] [TIME-5] [TIME-22] [TIME-23]
#[tokio::test]
async fn time_2_hours_and_days_not_mentioned_keep_their_value() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    assert_eq!(schedule(&app, &id).await, json!({}));
    let day = json!({ "10": "on", "11": "on", "12": "on", "13": "on" });
    let set = json!({ "InstanceId": id, "AutoScalingSchedule": { "Monday": day, "Tuesday": day } });
    app.call("SetTimeBasedAutoScaling", set).await.good();
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": { "Monday": { "12": "off" } } }))
        .await
        .good();
    assert_eq!(schedule(&app, &id).await, json!({ "Monday": { "10": "on", "11": "on", "13": "on" }, "Tuesday": day }));
}

/// [TIME-4]
#[tokio::test]
async fn time_4_bad_hours_store_nothing_and_other_types_are_refused() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    for bad in [
        json!({ "Monday": { "1": "on", "24": "on" } }),
        json!({ "Monday": { "1": "on", "07": "on" } }),
        json!({ "Monday": { "1": "on", "2": "ON" } }),
        json!({ "Monday": { "1": "on", "2": "" } }),
        json!({ "Monday": { "1": "on" }, "Someday": {} }),
    ] {
        app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": bad })).await.invalid();
        assert_eq!(schedule(&app, &id).await, json!({}), "{bad}");
    }
    let load = app.instance(&stack, &layer, json!({ "AutoScalingType": "load" })).await;
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": load, "AutoScalingSchedule": {} })).await.invalid();
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": "unknown", "AutoScalingSchedule": {} })).await.not_found();
}

/// [TIME-9]
#[tokio::test]
async fn time_9_setting_the_schedule_ends_a_manual_stop() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    app.settle(&id, InstanceStatus::Online).await;
    app.call("StopInstance", json!({ "InstanceId": id })).await.good();
    let hold = keys::instance_hold(&stack.as_str().into(), &id.as_str().into(), "manual-stop");
    assert!(app.item(&hold).await.is_some());
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": {} })).await.good();
    assert!(app.item(&hold).await.is_none());
}

/// [LOAD-2] [CLT-3]
#[tokio::test]
async fn load_2_a_layer_never_configured_describes_with_the_defaults() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let thresholds = |minutes: u32, cpu: f64| json!({ "InstanceCount": 1, "ThresholdsWaitTime": minutes, "IgnoreMetricsTime": minutes, "CpuThreshold": cpu, "Alarms": [] });
    let expected = json!({
        "LayerId": layer, "Enable": false, "UpScaling": thresholds(5, 80.0), "DownScaling": thresholds(10, 30.0),
    });
    assert_eq!(load_based(&app, &layer).await, expected);
}

/// [LOAD-1] [LOAD-3] [LOAD-5]
#[tokio::test]
async fn load_3_members_left_out_keep_their_value_and_a_bad_one_stores_nothing() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let set = |more: Value| {
        let mut m = json!({ "LayerId": layer });
        m.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        m
    };
    app.call(
        "SetLoadBasedAutoScaling",
        set(json!({ "Enable": true, "UpScaling": { "InstanceCount": 2, "LoadThreshold": 4.5 } })),
    )
    .await
    .good();
    app.call("SetLoadBasedAutoScaling", set(json!({ "UpScaling": { "CpuThreshold": -1, "Alarms": ["queue"] } }))).await.good();
    let c = load_based(&app, &layer).await;
    assert_eq!(c["Enable"], true);
    let up = json!({
        "InstanceCount": 2, "ThresholdsWaitTime": 5, "IgnoreMetricsTime": 5, "CpuThreshold": -1.0, "LoadThreshold": 4.5, "Alarms": ["queue"],
    });
    assert_eq!(c["UpScaling"], up);
    for bad in [
        json!({ "UpScaling": { "InstanceCount": 9, "ThresholdsWaitTime": 0 } }),
        json!({ "UpScaling": { "InstanceCount": 9 }, "DownScaling": { "IgnoreMetricsTime": 101 } }),
        json!({ "UpScaling": { "InstanceCount": 9, "MemoryThreshold": -2 } }),
        json!({ "UpScaling": { "InstanceCount": 9, "Alarms": ["1", "2", "3", "4", "5", "6"] } }),
    ] {
        app.call("SetLoadBasedAutoScaling", set(bad.clone())).await.invalid();
        assert_eq!(load_based(&app, &layer).await["UpScaling"], up, "{bad}");
    }
    app.call("SetLoadBasedAutoScaling", set(json!({ "UpScaling": { "Alarms": [] } }))).await.good();
    assert_eq!(load_based(&app, &layer).await["UpScaling"]["Alarms"], json!([]));
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": "unknown" })).await.not_found();
}

/// [LOAD-6] [LOAD-7] The managed alarms watch the layer's own averages: `cpu` and `memory` in percent, and the one-minute load. How a
/// host measures them is the boot program's part, which is not there yet.
#[tokio::test]
async fn load_7_managed_alarms_watch_the_layers_cpu_memory_and_one_minute_load() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let all = json!({ "CpuThreshold": 10, "MemoryThreshold": 20, "LoadThreshold": 30 });
    let set = json!({ "LayerId": layer, "Enable": true, "UpScaling": all, "DownScaling": all });
    app.call("SetLoadBasedAutoScaling", set).await.good();
    let alarms = app.cloud.alarms.lock().unwrap().clone();
    for (direction, above) in [("up", true), ("down", false)] {
        for (threshold, metric, value) in [("cpu", "cpu", 10.0), ("memory", "memory", 20.0), ("load", "load_1", 30.0)] {
            let alarm = &alarms[&format!("strata/shop/ecs-cluster/{direction}-{threshold}")];
            let seen = (alarm.layer_id.as_str(), alarm.metric.as_str(), alarm.above, alarm.threshold);
            assert_eq!(seen, (layer.as_str(), metric, above, value));
        }
    }
}

/// [SCALE-3] [SCALE-8] Schedules belong to instances, thresholds to layers; of an instance in two layers there is one schedule.
#[tokio::test]
async fn scale_3_time_based_is_set_per_instance_and_load_based_per_layer() {
    let app = TestApi::new();
    let (stack, ecs) = app.shop().await;
    let custom = app.custom_layer(&stack, "extra").await;
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": custom, "Enable": true })).await.good();
    assert_eq!(load_based(&app, &custom).await["Enable"], true);
    assert_eq!(load_based(&app, &ecs).await["Enable"], false);

    let both = json!({ "AutoScalingType": "timer", "LayerIds": [ecs, custom] });
    let in_both = app.instance(&stack, &ecs, both).await;
    let other = app.instance(&stack, &ecs, json!({ "AutoScalingType": "timer" })).await;
    let day = json!({ "Monday": { "9": "on" } });
    app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": in_both, "AutoScalingSchedule": day })).await.good();
    assert_eq!(schedule(&app, &in_both).await, day);
    assert_eq!(schedule(&app, &other).await, json!({}));
    let reply = app.call("DescribeTimeBasedAutoScaling", json!({ "InstanceIds": [in_both] })).await.good();
    assert_eq!(reply["TimeBasedAutoScalingConfigurations"].as_array().unwrap().len(), 1);
}

/// The list of layers, the index of alarm names and the managed alarms follow the configuration and go with the layer.
#[tokio::test]
async fn alarms_and_their_index_follow_the_configuration_the_names_and_the_layer() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let index = |name: &str| keys::alarm_index(name, &layer.as_str().into());
    let set = json!({ "LayerId": layer, "Enable": true, "UpScaling": { "MemoryThreshold": 70, "Alarms": ["queue"] } });
    app.call("SetLoadBasedAutoScaling", set).await.good();
    let names = ["strata/shop/ecs-cluster/down-cpu", "strata/shop/ecs-cluster/up-cpu", "strata/shop/ecs-cluster/up-memory"];
    assert_eq!(alarm_names(&app), names);
    let up = app.cloud.alarms.lock().unwrap()[names[1]].clone();
    assert_eq!((up.metric.as_str(), up.above, up.threshold, up.evaluation_periods), ("cpu", true, 80.0, 5));
    for name in names.iter().chain(&["queue"]) {
        assert!(app.item(&index(name)).await.is_some(), "{name}");
    }
    assert_eq!(app.store.partition(keys::LOAD_BASED_LAYERS_PK).len(), 1);
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "UpScaling": { "CpuThreshold": -1, "Alarms": [] } }))
        .await
        .good();
    assert_eq!(alarm_names(&app), [names[0], names[2]]);
    assert!(app.item(&index(names[1])).await.is_none() && app.item(&index("queue")).await.is_none());
    app.call("UpdateStack", json!({ "StackId": stack, "Name": "store" })).await.good();
    let renamed = ["strata/store/ecs-cluster/down-cpu", "strata/store/ecs-cluster/up-memory"];
    assert_eq!(alarm_names(&app), renamed);
    assert!(app.item(&index(renamed[0])).await.is_some() && app.item(&index(names[0])).await.is_none());
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": false })).await.good();
    assert!(alarm_names(&app).is_empty() && app.store.partition(keys::LOAD_BASED_LAYERS_PK).is_empty());
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true })).await.good();
    assert_eq!(alarm_names(&app), renamed);
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    assert!(alarm_names(&app).is_empty() && app.store.partition(keys::LOAD_BASED_LAYERS_PK).is_empty());
    assert!(app.item(&index(renamed[0])).await.is_none());
}

/// CloudWatch failing after the commit does not fail the call: load-scaling's tick repairs it.
#[tokio::test]
async fn alarms_that_cannot_be_made_now_do_not_fail_the_call() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    app.cloud.alarms_fail.store(true, std::sync::atomic::Ordering::Relaxed);
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true })).await.good();
    assert_eq!(load_based(&app, &layer).await["Enable"], true);
    assert!(alarm_names(&app).is_empty());
    // The user's own alarms are looked at before anything is stored [LOAD-5].
    let custom = json!({ "LayerId": layer, "UpScaling": { "Alarms": ["queue"] } });
    assert!(app.call("SetLoadBasedAutoScaling", custom).await.invalid().starts_with("Service Role Arn:"));
}

/// [LOAD-15]
#[tokio::test]
async fn load_15_a_new_configuration_ends_manual_stops_of_load_based_members_only() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let mut holds = Vec::new();
    for scaling in ["load", "timer"] {
        let id = app.instance(&stack, &layer, json!({ "AutoScalingType": scaling })).await;
        app.settle(&id, InstanceStatus::Online).await;
        app.call("StopInstance", json!({ "InstanceId": id })).await.good();
        holds.push(keys::instance_hold(&stack.as_str().into(), &id.as_str().into(), "manual-stop"));
    }
    app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true })).await.good();
    assert!(app.item(&holds[0]).await.is_none() && app.item(&holds[1]).await.is_some());
}
