//! `strata smoke`, the built binary, in a served world: the whole walk, a walk that fails, and one that is interrupted.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use served::{Server, tool, world};

/// The outcomes by step.
fn outcomes(told: &str) -> BTreeMap<String, Vec<String>> {
    let report: Value = serde_json::from_str(told).unwrap();
    assert_eq!(report["left"], Value::Null, "{report}");
    let mut by_step: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in report["assumptions"].as_array().unwrap() {
        let text = |member: &str| seen[member].as_str().unwrap().to_owned();
        assert!(!text("saw").is_empty(), "{seen}");
        by_step.entry(text("step")).or_default().push(text("outcome"));
    }
    by_step
}

#[track_caller]
fn nothing_is_left(server: &Server) {
    assert_eq!(server.call("DescribeStacks", json!({}))["Stacks"], json!([]));
}

#[test]
fn the_whole_walk_passes_in_a_served_world_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let before = world(&[], folder.path());
    let (code, told, why) = tool(&server, &["smoke", "--cluster", "lab", "--json"]);
    assert_eq!(code, Some(0), "{told}{why}");
    let steps = outcomes(&told);
    assert_eq!(
        steps.keys().map(String::as_str).collect::<Vec<_>>(),
        ["build", "delete", "drain", "heal", "patch", "restart", "start"]
    );
    assert!(steps.values().flatten().all(|outcome| outcome == "pass"), "{told}");
    nothing_is_left(&server);
    assert_eq!(world(&[], folder.path()), before, "the account is as it was");
}

#[test]
fn a_walk_that_fails_says_where_skips_the_rest_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let (code, told, _) = tool(&server, &["smoke", "--cluster", "nonsense", "--json"]);
    assert_eq!(code, Some(1), "{told}");
    let steps = outcomes(&told);
    assert_eq!(
        (&steps["build"], &steps["start"][0], &steps["delete"][0]),
        (&vec!["fail".to_owned()], &"skip".to_owned(), &"pass".to_owned())
    );
    nothing_is_left(&server);

    let (code, told, why) = tool(&server, &["smoke", "--cluster", "lab"]);
    assert!(code == Some(0) && told.ends_with("12 passed, 0 failed, 0 skipped; everything is removed\n"), "{told}{why}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_walk_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "600"]);
    let mut walk = Command::new(env!("CARGO_BIN_EXE_strata"))
        .args(["smoke", "--cluster", "lab", "--json", "--endpoint", &format!("http://{}", server.address)])
        .env("AWS_ACCESS_KEY_ID", "AKIAROOT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(walk.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line == "strata: start ..."));
    assert!(Command::new("kill").args(["-INT", &walk.id().to_string()]).status().unwrap().success());
    assert!(said.any(|line| line.contains("interrupted")));
    let ended = walk.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(report["left"], Value::Null);
    nothing_is_left(&server);
}

#[test]
fn on_aws_nothing_is_built_before_somebody_has_agreed_to_what_it_costs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    // A loopback address that is no world: as behind `strata proxy`.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let run = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_strata"))
            .args(["smoke", "--cluster", "lab", "--endpoint", &format!("http://{address}")])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, why) = run(&[]);
    assert!(code == Some(2) && why.contains("--service-role ARN is missing"), "{why}");
    let roles = [
        "--service-role",
        "arn:aws:iam::123456789012:role/a",
        "--instance-profile",
        "arn:aws:iam::123456789012:instance-profile/a",
    ];
    let (code, why) = run(&roles);
    assert!(code == Some(2) && why.contains("US cents") && why.contains("--yes"), "{why}");
    nothing_is_left(&server);
}
