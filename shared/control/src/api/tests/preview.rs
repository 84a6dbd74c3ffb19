//! PreviewScaling: the target of our own behind `strata preview`.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
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

#[tokio::test]
async fn what_is_not_there_has_no_preview() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    ask_for(&app, "PreviewScaling", json!({ "LayerId": "unknown" })).await.not_found();
    ask_for(&app, "PreviewScaling", json!({ "StackId": stack, "LayerId": layer })).await.invalid();
}
