//! `strata hold`, `release`, `holds`, `why` and `preview`, the built binary, against a served world.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use serde_json::{Value, json};
use served::{Server, layer, tool, world};

#[track_caller]
fn told(server: &Server, arguments: &[&str]) -> Value {
    let (code, told, why) = tool(server, &[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {why}");
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_host_is_held_shown_released_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let (_, _, instance) = layer(&server, &world(&[], folder.path()));
    server.call("StartInstance", json!({ "InstanceId": instance }));
    server.wait_for(&instance, "online");
    let path = "shop/ecs-cluster/ecs-cluster1";

    let (code, said, why) = tool(&server, &["hold", "ecs-cluster1", "--until", "30d", "--reason", "INC-7: kernel dump"]);
    assert!(code == Some(0) && said.contains(path) && said.contains("strata release"), "{said}{why}");
    let holds = told(&server, &["holds", "--stack", "shop"]);
    assert_eq!((&holds["holds"][0]["subject"], &holds["holds"][0]["reason"]), (&json!(path), &json!("INC-7: kernel dump")));
    let (_, said, _) = tool(&server, &["status"]);
    assert!(said.contains("INC-7: kernel dump"), "{said}");

    // A person has started it, which no scaler would have done.
    let compared = told(&server, &["why", "shop/ecs-cluster", "--compare"]);
    let difference = &compared["layers"]["shop/ecs-cluster"]["differences"][0];
    assert_eq!((&difference["host"], &difference["act"]), (&json!("ecs-cluster1"), &json!("start")), "{compared}");
    let (_, said, _) = tool(&server, &["why", path, "--compare", "--since", "1h"]);
    assert!(said.contains("was done, and Strata would not have") && said.contains("asked for by user"), "{said}");

    // Held, a dead machine is not healed, which is told.
    world(&["hang", &instance], folder.path());
    let is_told = |told: &Value| told["decisions"].as_array().unwrap().iter().any(|d| d["did"] == "leave it alone");
    let story = (0..served::POLLS).map(|_| told(&server, &["why", path])).find(is_told).unwrap();
    let decisions = story["decisions"].as_array().unwrap();
    assert!(decisions.iter().any(|d| d["did"].as_str().unwrap().contains("in service")), "its start is told too: {story}");
    let (_, said, _) = tool(&server, &["why", "ecs-cluster1"]);
    assert!(said.contains("nothing was done") && said.contains("holds it") && said.contains("woken by"), "{said}");

    let (code, said, why) = tool(&server, &["release", &instance]);
    assert!(code == Some(0) && said.contains("is released"), "{said}{why}");
    server.wait_for(&instance, "online");
    assert_eq!(told(&server, &["holds"]), json!({ "holds": [] }));
    let (_, said, _) = tool(&server, &["holds"]);
    assert_eq!(said, "nothing is held\n");
}

#[test]
fn what_cannot_be_held_or_explained_is_refused_and_says_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    layer(&server, &world(&[], folder.path()));
    for (arguments, code, says) in [
        (&["hold", "web7", "--until", "2h", "--reason", "r"][..], 2, "expected a stack, layer or instance: shop"),
        (&["hold", "shop", "--until", "2h", "--reason", "r"], 2, "strata freeze --stack shop"),
        (&["hold", "shop/ecs-cluster", "--until", "soon", "--reason", "r"], 1, "expected a time such as"),
        (&["hold", "shop/ecs-cluster", "--until", "91d", "--reason", "r"], 1, "at most 90 days"),
        (&["hold", "shop/ecs-cluster", "--until", "2h", "--reason", ""], 1, "Reason"),
        (&["hold", "shop/ecs-cluster", "--reason", "r"], 2, "--until"),
        (&["release", "shop/ecs-cluster"], 1, "Nobody holds shop/ecs-cluster"),
        (&["why", "shop/nothing"], 2, "expected a stack, layer or instance"),
        (&["why", "shop", "--since", "32d"], 1, "at most 31 days"),
    ] {
        let (exit, said, why) = tool(&server, arguments);
        assert!(exit == Some(code) && said.is_empty() && why.contains(says), "{arguments:?}: {exit:?} {said}{why}");
    }
    assert_eq!(told(&server, &["holds"]), json!({ "holds": [] }));
}

#[test]
fn a_preview_tells_what_a_schedule_wants_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (stack, layer, _) = layer(&server, &world(&[], folder.path()));
    let (_, said, _) = tool(&server, &["preview"]);
    assert!(said.contains("no layer has load- or time-based scaling"), "{said}");
    let timer = server.call(
        "CreateInstance",
        json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "c5.large", "AutoScalingType": "timer" }),
    );
    let every_hour: Value = (0..24).map(|hour| (hour.to_string(), json!("on"))).collect::<serde_json::Map<_, _>>().into();
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let schedule: serde_json::Map<_, _> = days.iter().map(|day| ((*day).to_owned(), every_hour.clone())).collect();
    // In a mode that forbids it, so that the world's own tick leaves it to be previewed.
    tool(&server, &["freeze"]);
    server.call("SetTimeBasedAutoScaling", json!({ "InstanceId": timer["InstanceId"], "AutoScalingSchedule": schedule }));
    let (code, said, why) = tool(&server, &["preview", "shop/ecs-cluster"]);
    assert!(
        code == Some(0) && said.contains("mode frozen") && said.contains("start   ecs-cluster2: the schedule says on"),
        "{said}{why}"
    );
    let before = told(&server, &["preview", "shop"]);
    assert_eq!(before["layers"][0]["timers"][0]["act"], "start");
    assert_eq!(server.status_of(timer["InstanceId"].as_str().unwrap())["Status"], "stopped");
    let (code, _, why) = tool(&server, &["preview", "ecs-cluster2"]);
    assert!(code == Some(2) && why.contains("expected a stack or a layer"), "{why}");
}
