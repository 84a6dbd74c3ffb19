//! `strata campaign` and `strata teardown`, the built binary, against a served world.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use serde_json::{Value, json};
use served::{Server, layer, tool, world};

const LAYER: &str = "shop/ecs-cluster";

#[track_caller]
fn done(server: &Server, arguments: &[&str]) -> String {
    let (code, said, why) = tool(server, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}{why}");
    said
}

#[track_caller]
fn told(server: &Server, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(server, &[arguments, &["--json"]].concat())).unwrap()
}

#[track_caller]
fn refused(server: &Server, arguments: &[&str], code: i32, says: &str) {
    let (exit, said, why) = tool(server, arguments);
    assert!(exit == Some(code) && said.is_empty() && why.contains(says), "{arguments:?}: {exit:?} {said}{why}");
}

fn host(server: &Server, stack: &str, layer: &str) {
    let instance = server.call("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "c5.large" }));
    let instance = instance["InstanceId"].as_str().unwrap();
    server.call("StartInstance", json!({ "InstanceId": instance }));
    server.wait_for(instance, "online");
}

#[test]
fn a_campaign_is_planned_begun_followed_to_its_end_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let (stack, layer, _) = layer(&server, &world(&[], folder.path()));
    host(&server, &stack, &layer);

    let plan = done(&server, &["campaign", "plan", LAYER]);
    assert!(plan.contains("1 waves") && plan.contains("wave 1") && plan.contains("canary: ecs-cluster2"), "{plan}");
    assert!(plan.contains("at the latest") && plan.contains("skipped    ecs-cluster1: it is stopped"), "{plan}");
    refused(&server, &["campaign", "pause", LAYER], 1, "No campaign of shop/ecs-cluster is under way");

    let (code, said, why) = tool(&server, &["campaign", "start", LAYER, "--reason", "kernel fixes", "--wait"]);
    assert!(code == Some(0) && said.contains("ended, completed") && said.contains("1 updated, 0 failed"), "{said}{why}");
    assert!(said.contains("start asked for, campaign ") && why.contains(", wave 1: "), "it is told on the way: {said}{why}");
    let status = told(&server, &["campaign", "status", "ecs-cluster"]);
    assert_eq!(
        (&status["job"]["outcome"], &status["job"]["reason"], &status["answer"]["refused"]),
        (&json!("completed"), &json!("kernel fixes"), &Value::Null)
    );
    assert_eq!(status["job"]["hosts"].as_array().unwrap().iter().filter(|h| h["phase"] == "done").count(), 1, "{status}");
    let plan = done(&server, &["campaign", "plan", LAYER]);
    assert!(plan.contains("expected: a wave took"), "the next plan knows how long a wave took: {plan}");
    refused(&server, &["campaign", "abort", LAYER], 1, "the last one ended at");
}

#[test]
fn a_campaign_is_paused_resumed_and_aborted_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let (stack, layer, _) = layer(&server, &world(&[], folder.path()));
    let settings = r#"{"strata":{"updates":{"soak_minutes":100000,"window_minutes":100000}}}"#;
    server.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": settings }));
    host(&server, &stack, &layer);
    host(&server, &stack, &layer);

    let begun = told(&server, &["campaign", "start", LAYER]);
    assert_eq!((&begun["heeded"], &begun["job"]["state"]), (&json!(true), &json!("running")), "{begun}");
    refused(&server, &["campaign", "start", LAYER], 1, "A campaign of shop/ecs-cluster is under way");
    let is_watched = |said: &String| said.contains("the canary is watched until");
    (0..served::POLLS).map(|_| done(&server, &["campaign", "status", LAYER])).find(is_watched).unwrap();
    let said = done(&server, &["campaign", "pause", LAYER]);
    assert!(said.contains("ecs-cluster1, ecs-cluster3: not begun") || said.contains("not begun until it is resumed"), "{said}");
    let (code, said, why) = tool(&server, &["campaign", "status", LAYER, "--wait"]);
    assert!(code == Some(1) && why.contains("it does not go on: paused since") && said.contains("BLOCKED"), "{said}{why}");
    let said = done(&server, &["campaign", "resume", LAYER]);
    assert!(said.contains("their turn comes, wave by wave") && said.contains("running"), "{said}");
    let said = done(&server, &["campaign", "abort", LAYER, "--wait"]);
    assert!(said.contains("ended, aborted") && said.contains("1 updated"), "{said}");
    let all = told(&server, &["campaign", "status", "--all"]);
    assert_eq!(all["layers"][0]["job"]["outcome"], "aborted", "{all}");
}

#[test]
fn a_teardown_is_planned_confirmed_followed_to_its_end_and_told_when_the_layer_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let account = world(&[], folder.path());
    let (stack, layer, _) = layer(&server, &account);
    host(&server, &stack, &layer);
    let cluster = account["cluster_arns"][0].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    world(&["add", "service", &cluster, "cart", "--count", "1"], folder.path());

    let plan = done(&server, &["teardown", "plan", LAYER, "--delete-services"]);
    let places: Vec<usize> =
        ["scale service cart", "delete service cart", "drain and stop ecs-cluster2", "deregister cluster", "delete the layer"]
            .iter()
            .map(|does| plan.find(does).unwrap_or_else(|| panic!("{does}: {plan}")))
            .collect();
    assert!(places.is_sorted() && plan.contains("its volumes stay") && !plan.contains("delete the stack"), "{plan}");

    // Nobody types its name.
    refused(&server, &["teardown", "start", LAYER], 2, "expected the layer's name, web, and got nothing: nothing was done");
    let protect = |json: &str| server.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": json }));
    protect(r#"{"strata":{"protected":true}}"#);
    refused(&server, &["teardown", "start", LAYER, "--yes"], 1, "web is protected");
    let (code, plan, _) = tool(&server, &["teardown", "plan", LAYER]);
    assert!(code == Some(1) && plan.contains("BLOCKED") && plan.contains("web is protected"), "{plan}");
    protect("{}");
    refused(&server, &["teardown", "abort", LAYER], 1, "No teardown of shop/ecs-cluster is under way");
    let status = told(&server, &["teardown", "status", LAYER]);
    assert_eq!((&status["job"], &status["waiting"]), (&Value::Null, &json!([])));

    let start = ["teardown", "start", LAYER, "--yes", "--delete-services", "--wait"];
    let (code, said, why) = tool(&server, &start);
    assert!(code == Some(0) && said.contains("ended, completed") && why.contains("shop/ecs-cluster: "), "{said}{why}");
    let (_, layers) = server.send("DescribeLayers", json!({ "StackId": stack }).to_string().as_bytes(), None);
    assert_ne!(layers["Layers"][0]["LayerId"], json!(layer));
    for name in [LAYER, layer.as_str()] {
        let status = told(&server, &["teardown", "status", name]);
        assert_eq!((&status["subject"], &status["job"]["outcome"]), (&json!(LAYER), &json!("completed")), "{status}");
    }
    refused(&server, &["teardown", "start", LAYER, "--yes"], 1, "is gone already");
}

#[test]
fn what_cannot_be_asked_for_says_why_and_what_instead() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    layer(&server, &world(&[], folder.path()));
    for job in ["campaign", "teardown"] {
        for (arguments, says) in [
            (&["start", "shop"][..], "expected a layer, such as shop/LAYER"),
            (&["start", "shop/ecs-cluster/ecs-cluster1"], "expected a layer, such as shop/LAYER"),
            (&["plan", "shop/nothing"], "expected a stack, layer or instance"),
            (&["status"], "<LAYER>"),
            (&["status", LAYER, "--all"], "--all"),
            (&["begin", LAYER], "unrecognized subcommand"),
        ] {
            refused(&server, &[&[job], arguments].concat(), 2, says);
        }
        let said = done(&server, &[job, "status", "--all"]);
        assert_eq!(said, format!("no layer has a {job}\n"));
        let said = done(&server, &[job, "status", LAYER]);
        assert_eq!(said, format!("{LAYER}: no {job}, and never one before\n"));
    }
    tool(&server, &["freeze"]);
    refused(&server, &["campaign", "start", LAYER], 1, "the mode is frozen; strata thaw");
    refused(&server, &["teardown", "start", LAYER, "--yes"], 1, "the mode is frozen; strata thaw");
    let (code, plan, _) = tool(&server, &["campaign", "plan", LAYER]);
    assert!(code == Some(1) && plan.contains("BLOCKED") && plan.contains("the mode is frozen"), "{plan}");
}
