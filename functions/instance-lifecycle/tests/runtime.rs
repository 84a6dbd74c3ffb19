//! The real binary, woken by a Lambda Runtime API, with an AWS on loopback in which there is nothing.

use serde_json::json;
use strata_local::bad_deployments::Deployed;
use strata_local::canned_aws::CannedAws;
use strata_local::runtime_api::{Answer, run};

const BINARY: &str = env!("CARGO_BIN_EXE_instance-lifecycle");

#[test]
fn the_binary_answers_its_own_event_and_refuses_a_foreign_one() {
    let own = include_bytes!("../../../events/schedule-tick.json");
    let foreign = include_bytes!("../../../events/alarm-metric-sns.json");
    let aws = CannedAws::empty().unwrap();
    let variables = aws.variables();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let done = run(BINARY, &variables, &[own, foreign]).unwrap();
    let [Answer::Response(response), Answer::Error(error)] = &done.answers[..] else { panic!("{done:?}") };
    assert_eq!(*response, json!({ "decisions": [], "batchItemFailures": [] }));
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("expected a batch of the hint queue, a change of the table, or a scheduled event"), "{message}");
    assert_eq!(error["errorType"], "Strata.Event");
    assert!(aws.take().iter().any(|call| call.service == "dynamodb"), "it has looked into the table");
}

#[test]
fn a_bad_deployment_is_told_in_one_line_fails_the_invocation_and_changes_nothing() {
    let event = include_bytes!("../../../events/schedule-tick.json");
    Deployed { binary: BINARY, event, needs: &["STRATA_BUCKET", "STRATA_TOPIC_ARN"] }.check();
}
