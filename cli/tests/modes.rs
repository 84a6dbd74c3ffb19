//! `strata freeze`, `thaw` and `observe`, the built binary: against a served world, against a server that speaks SSM's protocol, and without
//! either.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use served::{Server, layer, tool, world};

#[track_caller]
fn turned(server: &Server, arguments: &[&str]) -> Value {
    let (code, told, why) = tool(server, &[arguments, &["--json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {why}");
    serde_json::from_str(&told).unwrap()
}

#[track_caller]
fn check(turned: &Value, before: Option<&str>, after: Option<&str>, counts: &str) {
    assert_eq!((&turned["before"], &turned["after"], &turned["counts"]), (&json!(before), &json!(after), &json!(counts)));
}

#[test]
fn installation_stack_and_layer_are_frozen_and_thawed_each_by_itself_and_status_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (stack, layer, instance) = layer(&server, &world(&[], folder.path()));

    let frozen = turned(&server, &["freeze", "--reason", "INC-7"]);
    check(&frozen, None, Some("frozen"), "frozen");
    let command = "aws ssm put-parameter --name /strata/mode --type String --overwrite --value frozen --description INC-7";
    assert_eq!(frozen["command"], command);
    let (code, told, _) = tool(&server, &["status"]);
    assert!(code == Some(0) && told.lines().next().unwrap().contains("mode frozen"), "{told}");
    assert!(told.contains("BLOCKED") && told.contains("the mode is frozen"), "{told}");
    check(&turned(&server, &["freeze"]), Some("frozen"), Some("frozen"), "frozen");

    let of_layer = turned(&server, &["observe", "--stack", "shop", "--layer", "ecs-cluster"]);
    check(&of_layer, None, Some("observe"), "frozen");
    assert_eq!(of_layer["of"], json!({ "scope": "layer", "id": layer }));
    check(&turned(&server, &["thaw"]), Some("frozen"), Some("active"), "active");
    check(&turned(&server, &["freeze", "--stack", &stack]), None, Some("frozen"), "frozen");
    let thawed = turned(&server, &["thaw", "--layer", "web"]);
    check(&thawed, Some("observe"), None, "frozen");
    assert_eq!(thawed["command"], format!("aws ssm delete-parameter --name /strata/mode/layer/{layer}"));

    // A frozen stack's machine is not launched; thawed, it is.
    server.call("StartInstance", json!({ "InstanceId": instance }));
    server.kill_9();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let (_, told, _) = tool(&server, &["thaw", "--stack", "shop"]);
    assert!(told.starts_with("stack shop: frozen -> not set\n"), "a mode outlives kill -9: {told}");
    server.wait_for(&instance, "online");
}

#[test]
fn what_is_not_there_is_refused_with_what_is_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (stack, layer, _) = layer(&server, &world(&[], folder.path()));
    let nobody = "5f2ad4c1-1f0e-4d5c-8b0f-4c1a3c3c5a11";
    for (arguments, says) in [
        (&["freeze", "--stack", "shp"][..], format!("--stack shp: expected one of shop ({stack})")),
        (&["freeze", "--stack", nobody], format!("--stack {nobody}: expected one of shop ({stack})")),
        (&["freeze", "--layer", "web2"], format!("--layer web2: expected one of shop/ecs-cluster ({layer})")),
        (&["freeze", "--reason", "a\nb"], "--reason: expected 1 to 1024 characters on one line".to_owned()),
        (&["freeze", "--reason", ""], "--reason: expected".to_owned()),
    ] {
        let (code, told, why) = tool(&server, arguments);
        assert!(code == Some(2) && told.is_empty() && why.contains(&says), "{arguments:?}: {told}{why}");
    }
    let (_, told, _) = tool(&server, &["status", "--json"]);
    let status: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&status["mode"], &status["stacks"][0]["layers"][0]["mode"]), (&json!("active"), &json!("active")));
}

#[test]
fn pages_are_shown_as_they_are_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    assert_eq!(world(&["pages"], folder.path()), json!([]));
    let (_, _, instance) = layer(&server, &world(&[], folder.path()));
    server.call("StartInstance", json!({ "InstanceId": instance }));
    server.wait_for(&instance, "online");
    world(&["hang", &instance], folder.path());
    let paged = (0..served::POLLS).map(|_| world(&["pages"], folder.path())).find(|pages| pages[0].is_object()).unwrap();
    assert_eq!(paged[0]["alarm"]["NewStateValue"], "ALARM");
    assert_eq!(paged[0]["attributes"]["kind"], "auto-healing");
    assert!(paged[0]["text"].as_str().unwrap().contains("docs/pages.md#auto-healing"), "{paged}");
}

/// The command with nothing but what a test gives it.
fn bare(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_strata"))
        .args(arguments)
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn where_aws_cannot_be_called_the_command_that_does_the_same_is_told() {
    let plain =
        "aws ssm put-parameter --name /blue/mode --type String --overwrite --value frozen --description INC-7 --region eu-west-1";
    let arguments = ["freeze", "--installation", "blue", "--reason", "INC-7", "--region", "eu-west-1"];
    let (code, told, why) = bare(&arguments, &[]);
    assert!(matches!(code, Some(1 | 2)) && told.is_empty() && why.contains(plain), "{why}");
    let (code, _, why) = bare(&["freeze", "--stack", "shop"], &[]);
    assert!(code == Some(2) && why.contains("only ids are understood"), "{why}");
}

#[cfg(feature = "aws")]
mod aws {
    use super::*;

    fn endpoint() -> String {
        #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows where the server is")]
        std::env::var("STRATA_WIRE_ENDPOINT").expect("STRATA_WIRE_ENDPOINT: these tests are run by `cargo xtask wire`")
    }

    fn turned(endpoint: &str, arguments: &[&str]) -> Value {
        let environment = [
            ("AWS_ENDPOINT_URL_SSM", endpoint),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ];
        let (code, told, why) = bare(&[arguments, &["--installation", "modes-cli", "--json"]].concat(), &environment);
        assert_eq!(code, Some(0), "{why}");
        serde_json::from_str(&told).unwrap()
    }

    #[test]
    #[ignore = "wants a server: cargo xtask wire"]
    fn on_aws_modes_are_parameters() {
        let (endpoint, id) = (endpoint(), "2f18b4cb-4de5-4429-a149-ff7da9f0d8ee");
        check(&turned(&endpoint, &["freeze", "--reason", "it's a test"]), None, Some("frozen"), "frozen");
        check(&turned(&endpoint, &["observe", "--stack", id]), None, Some("observe"), "frozen");
        check(&turned(&endpoint, &["thaw"]), Some("frozen"), Some("active"), "active");
        check(&turned(&endpoint, &["thaw", "--stack", id]), Some("observe"), None, "active");
        check(&turned(&endpoint, &["thaw", "--stack", id]), None, None, "active");
    }
}
