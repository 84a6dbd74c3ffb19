//! PreviewScaling: the target of our own behind `strata preview`.

use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_ports::keys::LastStart;
use strata_ports::{Change, Expect, keys};

use super::TestApi;
use super::status::ask_for;
use crate::api::extension::Preview;

async fn preview(app: &TestApi, members: Value) -> Preview {
    serde_json::from_value(ask_for(app, "PreviewScaling", members).await.good()).unwrap()
}

/// [TIME-7] [TIME-9]: 2026-01-01 is a Thursday, and it is midnight.
#[tokio::test]
async fn time_7_each_time_based_instance_is_told_with_what_its_schedule_wants_now() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let mut ids = Vec::new();
    for (status, day) in [
        (InstanceStatus::Stopped, json!({ "Thursday": { "0": "on" } })),
        (InstanceStatus::Online, json!({ "Thursday": { "1": "on" } })),
        (InstanceStatus::Stopped, json!({ "Thursday": { "1": "on" } })),
        (InstanceStatus::Stopped, json!({ "Thursday": { "0": "on" } })),
    ] {
        let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
        app.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": day })).await.good();
        if status != InstanceStatus::Stopped {
            app.settle(&id, status).await;
        }
        ids.push(id);
    }
    let hold = Hold {
        target: HoldTarget::Instance(ids[3].as_str().into()),
        kind: HoldKind::Person,
        by: "ada".into(),
        reason: "kernel dump".into(),
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
        until: Some("2026-01-01T00:10:00Z".parse().unwrap()),
    };
    let key = keys::instance_hold(&stack.as_str().into(), &ids[3].as_str().into(), keys::PERSON_HOLD);
    app.commit(vec![Change::put(key, &hold, Expect::Absent)]).await;
    let told = preview(&app, json!({ "LayerId": layer })).await;
    let acts: Vec<_> = told.layers[0].timers.iter().map(|t| (t.host.as_str(), t.act.as_str(), t.why.as_str())).collect();
    assert_eq!(
        acts,
        [
            ("ecs-cluster1", "start", "the schedule says on for this hour, and the instance is stopped"),
            ("ecs-cluster2", "stop", "the schedule says off for this hour, and the instance is not stopped"),
            ("ecs-cluster3", "nothing", "down, as scheduled"),
            ("ecs-cluster4", "nothing", "a hold or a claim is in force"),
        ]
    );
    assert_eq!(told.layers[0].timers[2].next_on, Some("2026-01-01T01:00:00Z".parse().unwrap()));
    assert!(told.layers[0].load.is_none() && told.layers[0].subject == "shop/ecs-cluster");
}

/// [LOAD-21]
#[tokio::test]
async fn load_21_a_layer_that_is_blocked_says_by_which_alarm_and_what_no_scaler_looks_at_is_left_out() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.instance(&stack, &layer, json!({})).await;
    assert!(preview(&app, json!({ "StackId": stack })).await.layers.is_empty(), "24/7 instances alone");
    let alarms = json!({ "LayerId": layer, "Enable": true, "UpScaling": { "Alarms": ["queue-depth"] } });
    app.call("SetLoadBasedAutoScaling", alarms).await.good();
    let told = preview(&app, json!({})).await;
    let load = told.layers[0].load.clone().unwrap();
    assert!(load.act == "nothing" && load.hosts.is_empty() && load.why.contains("queue-depth does not exist"), "{load:?}");
}

/// [LOAD-21] With the layer's own switch; a value that is none is refused when the layer is written.
#[tokio::test]
async fn load_21_a_preview_goes_by_the_layers_switches() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let alarms = json!({ "LayerId": layer, "Enable": true, "DownScaling": { "Alarms": ["idle"] } });
    app.call("SetLoadBasedAutoScaling", alarms).await.good();
    for (switch, says) in [(false, "scaling is blocked: alarm idle does not exist"), (true, "no threshold is crossed")] {
        let json = json!({ "strata": { "load_scaling": { "ignore_insufficient_data": switch } } }).to_string();
        app.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": json })).await.good();
        assert_eq!(preview(&app, json!({})).await.layers[0].load.clone().unwrap().why, says);
    }
    let json = json!({ "strata": { "load_scaling": { "max_share_percent": 0 } } }).to_string();
    let reply = app.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": json })).await;
    let message = reply.invalid();
    assert!(message.contains("strata.load_scaling.max_share_percent: 0 is not within 1 to 100"), "{message}");
    assert_eq!(preview(&app, json!({})).await.layers[0].load.clone().unwrap().why, "no threshold is crossed", "as it was");
}

/// [LOAD-17] Spec, question 6: accepted, upscaling wins, and whoever looks is warned.
#[tokio::test]
async fn load_17_thresholds_the_wrong_way_round_are_taken_and_noted() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.instance(&stack, &layer, json!({ "AutoScalingType": "load" })).await;
    let notes = async |enable: bool, up: f64| {
        let thresholds = json!({ "LayerId": layer, "Enable": enable, "UpScaling": { "CpuThreshold": up } });
        app.call("SetLoadBasedAutoScaling", thresholds).await.good();
        preview(&app, json!({})).await.layers[0].warnings.clone()
    };
    let only_load_based = "The layer has load-based instances only: while none is online there are no averages";
    let wrong = "The cpu threshold for upscaling (30) is not above the one for downscaling (30)";
    let told = notes(true, 30.5).await;
    assert!(told.len() == 1 && told[0].starts_with(only_load_based), "{told:?}");
    let told = notes(true, 30.0).await;
    assert!(told.len() == 2 && told[1].starts_with(wrong), "{told:?}");
    assert!(notes(false, 30.0).await.is_empty(), "switched off, nothing is odd");
}

#[tokio::test]
async fn what_is_not_there_has_no_preview() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    ask_for(&app, "PreviewScaling", json!({ "LayerId": "unknown" })).await.not_found();
    ask_for(&app, "PreviewScaling", json!({ "StackId": stack, "LayerId": layer })).await.invalid();
}

/// What the hours mean, and how early, is read as time-scaling reads it. It is midnight in UTC, and one o'clock in Berlin.
#[tokio::test]
async fn a_preview_knows_the_layers_time_zone_dates_and_lead() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({ "AutoScalingType": "timer" })).await;
    let hours = json!({ "InstanceId": id, "AutoScalingSchedule": { "Thursday": { "1": "on" }, "Friday": { "1": "on" } } });
    app.call("SetTimeBasedAutoScaling", hours).await.good();
    let (start, next) = ("the schedule says on for this hour, and the instance is stopped", "2026-01-01T01:00:00Z");
    for (own, act, why, next_on) in [
        (json!({}), "nothing", "down, as scheduled", next),
        (json!({ "time_zone": "Europe/Berlin" }), "start", start, "2026-01-02T00:00:00Z"),
        (
            json!({ "time_zone": "Europe/Berlin", "dates": { "2026-01-01": "off" } }),
            "nothing",
            "down, as scheduled",
            "2026-01-02T00:00:00Z",
        ),
        (
            json!({ "lead_minutes": 60 }),
            "start",
            "the schedule says on for an hour that begins soon, and a start takes its time",
            next,
        ),
        (json!({ "lead_minutes": 59 }), "nothing", "down, as scheduled", next),
    ] {
        let text = json!({ "strata": { "time_scaling": own } }).to_string();
        app.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": text })).await.good();
        let timer = preview(&app, json!({ "LayerId": layer })).await.layers[0].timers[0].clone();
        assert_eq!((timer.act.as_str(), timer.why.as_str(), timer.next_on), (act, why, Some(next_on.parse().unwrap())), "{own}");
    }
}

#[tokio::test]
async fn an_unknown_zone_is_refused_with_its_path_and_changes_nothing() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let text = |zone: &str| json!({ "strata": { "time_scaling": { "time_zone": zone } } }).to_string();
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": text("Europe/Berlin") })).await.good();
    for (action, members) in [
        ("UpdateLayer", json!({ "LayerId": layer, "Name": "renamed", "CustomJson": text("Europe/Berln") })),
        ("UpdateStack", json!({ "StackId": stack, "Name": "renamed", "CustomJson": text("Europe/Berln") })),
    ] {
        let told = app.call(action, members).await.invalid();
        assert!(told.contains("strata.time_scaling.time_zone") && told.contains("Europe/Berln"), "{action}: {told}");
    }
    let told = app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good();
    assert_eq!(told["Layers"][0]["CustomJson"], json!(text("Europe/Berlin")));
    assert_ne!(told["Layers"][0]["Name"], "renamed");
}

/// A start notes how long the one before took, also when one in between never came to be online.
#[tokio::test]
async fn a_start_notes_how_long_the_one_before_it_took_to_be_online() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let key = keys::last_start(&stack.as_str().into(), &id.as_str().into());
    let seconds = async |status: InstanceStatus, online_after: Option<i64>| {
        let stored = app.record(&id).await;
        let mut record = stored.record.clone();
        record.status = status;
        if let Some(seconds) = online_after {
            record.online_since = record.started_at.map(|at| at + SignedDuration::from_secs(seconds));
        }
        app.commit(vec![stored.put(&record)]).await;
        app.cloud.advance(3_600);
        app.call("StartInstance", json!({ "InstanceId": id })).await.good();
        app.item(&key).await.unwrap().decode::<LastStart>().unwrap().took_seconds
    };
    app.call("StartInstance", json!({ "InstanceId": id })).await.good();
    for (status, online_after, expected) in [
        (InstanceStatus::StartFailed, None, None),
        (InstanceStatus::Stopped, Some(250), Some(250)),
        (InstanceStatus::StartFailed, None, Some(250)),
        (InstanceStatus::Stopped, Some(3_601), Some(250)),
        (InstanceStatus::Stopped, Some(180), Some(180)),
    ] {
        assert_eq!(seconds(status, online_after).await, expected, "{status} {online_after:?}");
    }
}
