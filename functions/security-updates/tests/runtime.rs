//! The real binary, woken by a Lambda Runtime API.

use serde_json::json;
use strata_local::runtime_api::{Answer, ask};

#[test]
fn the_binary_answers_its_own_event_and_refuses_a_foreign_one() {
    let own = include_bytes!("../../../events/schedule-tick.json");
    let foreign = include_bytes!("../../../events/teardown-request.json");
    let answers = ask(env!("CARGO_BIN_EXE_security-updates"), &[own, foreign]).unwrap();
    let [Answer::Response(response), Answer::Error(error)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*response, json!({ "decisions": [], "batchItemFailures": [] }));
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("expected a campaign request, an SSM command's status, or a scheduled event"), "{message}");
}
