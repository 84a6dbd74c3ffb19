//! `strata doctor`, the built binary: a served world, what is no API, and an installation in a server that speaks AWS's protocols.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;
mod support;

use serde_json::{Value, json};
use served::{Server, layer, tool, world};
use support::Upstream;

/// Outcome and sentence of each check.
fn checks(told: &str) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_str(told).unwrap();
    let text = |check: &Value, member: &str| check[member].as_str().unwrap_or_default().to_owned();
    let all = report["checks"].as_array().unwrap().iter();
    all.map(|check| (text(check, "name"), text(check, "outcome"), text(check, "found") + &text(check, "mend"))).collect()
}

#[track_caller]
fn check(checks: &[(String, String, String)], name: &str, outcome: &str, says: &str) {
    let found = checks.iter().find(|(of, _, _)| of == name).unwrap_or_else(|| panic!("no check {name}: {checks:?}"));
    assert!(found.1 == outcome && found.2.contains(says), "{found:?} is not {outcome}, {says}");
}

#[test]
fn a_served_world_is_well_until_something_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let role = world(&["add", "role", "narrow", "--allow", "ec2:*"], folder.path())["made"].as_str().unwrap().to_owned();
    layer(&server, &world(&[], folder.path()));
    let (code, told, why) = tool(&server, &["doctor", "--json"]);
    assert_eq!(code, Some(0), "{told}{why}");
    let well = checks(&told);
    check(&well, "endpoint", "ok", "speaks the OpsWorks API");
    check(&well, "identity", "ok", "arn:aws:iam::123456789012:root, signed for opsworks in us-east-1");
    check(&well, "clock", "ok", "within 60 s");
    check(&well, "mode", "ok", "active");
    check(&well, "role of shop", "ok", "allows what a layer calls");
    check(&well, "table", "skip", "a served world has none");

    tool(&server, &["freeze"]);
    let stack = json!({
        "Name": "narrow", "Region": "us-east-1", "ServiceRoleArn": role,
        "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/plain",
    });
    server.call("CreateStack", stack);
    let (code, told, _) = tool(&server, &["doctor", "--json"]);
    assert_eq!(code, Some(1), "{told}");
    let ill = checks(&told);
    check(&ill, "mode", "ok", "frozen: Strata does nothing");
    check(&ill, "role of narrow", "fail", "aws iam put-role-policy --role-name narrow");
    let (code, told, _) = tool(&server, &["doctor"]);
    assert!(code == Some(1) && told.contains("FAIL  role of narrow") && told.ends_with("1 check failed\n"), "{told}");
}

/// The command against any endpoint, without the machine's own AWS configuration.
fn doctor(endpoint: &str, environment: &[(&str, &str)], more: &[&str]) -> (Option<i32>, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_strata"))
        .args(["doctor", "--json", "--endpoint", endpoint, "--region", "us-east-1"])
        .args(more)
        .env_clear()
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

// Whatever is asked of AWS besides goes to an address where nobody is.
const NO_AWS: [(&str, &str); 1] = [("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_api_what_refuses_and_what_is_not_there_are_told_apart() {
    let (code, told, why) = doctor("http://127.0.0.1:9", &NO_AWS, &[]);
    assert_eq!(code, Some(1), "{why}");
    check(&checks(&told), "endpoint", "fail", "cannot be reached");
    check(&checks(&told), "clock", "skip", "cannot be reached");

    let page = Upstream::start(200, "<html>hello</html>").await;
    let (_, told, _) = doctor(&page.url(""), &NO_AWS, &[]);
    check(&checks(&told), "endpoint", "fail", "not as the OpsWorks API does");

    let door = Upstream::start(403, r#"{"Message":"Forbidden"}"#).await;
    let (code, told, _) = doctor(&door.url(""), &NO_AWS, &["--installation", "blue"]);
    assert_eq!(code, Some(1));
    check(&checks(&told), "endpoint", "ok", "answers");
    check(&checks(&told), "identity", "fail", "function:blue-api:live");
    check(&checks(&told), "mode", "skip", "does not tell its status");
}

#[cfg(feature = "aws")]
#[test]
#[ignore = "wants a server: cargo xtask wire"]
fn an_installation_that_is_not_there_is_missed_piece_by_piece() {
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows where the server is")]
    let wire = std::env::var("STRATA_WIRE_ENDPOINT").expect("STRATA_WIRE_ENDPOINT: these tests are run by `cargo xtask wire`");
    let (code, told, why) = doctor(&wire, &[("AWS_ENDPOINT_URL", &wire)], &["--installation", "absent", "--table", "absent"]);
    assert_eq!(code, Some(1), "{why}");
    let all = checks(&told);
    check(&all, "caller", "ok", "arn:aws:");
    check(&all, "table", "fail", "absent does not exist");
    check(&all, "rules", "fail", "no rule sends to load-scaling, security-updates, teardown");
    check(&all, "topic", "fail", "absent-on-call does not exist");
    check(&all, "documents", "fail", "absent-Configure, absent-Setup, absent-Shutdown, absent-Update is not there");
    check(&all, "mode parameter", "fail", "/absent/mode does not exist");
    check(&all, "alarms on Strata", "fail", "there are none");
}
