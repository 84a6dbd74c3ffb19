//! The real binary, woken by a Lambda Runtime API, with an AWS on loopback in which there is nothing.

use serde_json::{Value, json};
use strata_local::bad_deployments::Deployed;
use strata_local::canned_aws::CannedAws;
use strata_local::runtime_api::{Answer, run};

const BINARY: &str = env!("CARGO_BIN_EXE_api");
const OWN: &[u8] = include_bytes!("../../../events/function-url-request.json");

/// [TRL-3]
#[test]
fn trl_3_the_binary_answers_its_own_event_with_one_audit_line_and_refuses_a_foreign_one() {
    let foreign = include_bytes!("../../../events/schedule-tick.json");
    let aws = CannedAws::empty().unwrap();
    let variables = aws.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let done = run(BINARY, &variables, &[OWN, foreign]).unwrap();
    let [Answer::Response(response), Answer::Error(error)] = &done.answers[..] else { panic!("{done:?}") };
    // The table is empty, so the stack that the request asks for does not exist.
    assert_eq!(response["statusCode"], 400);
    assert_eq!(response["headers"]["content-type"], "application/x-amz-json-1.1");
    assert_eq!(response["isBase64Encoded"], false);
    assert_eq!(response["cookies"], json!([]));
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["__type"], "ResourceNotFoundException");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("expected a function URL request"), "{message}");
    let audit: Vec<&Value> = done.lines.iter().filter(|line| line.get("eventSource").is_some()).collect();
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert_eq!(
        (&audit[0]["eventName"], &audit[0]["errorCode"]),
        (&json!("DescribeInstances"), &json!("ResourceNotFoundException"))
    );
    assert_eq!(audit[0]["requestID"], response["headers"]["x-amzn-requestid"]);
}

#[test]
fn a_bad_deployment_is_told_in_one_line_fails_the_call_and_changes_nothing() {
    Deployed { binary: BINARY, event: OWN, needs: &["STRATA_ACCOUNT", "STRATA_BUCKET"] }.check();
}
