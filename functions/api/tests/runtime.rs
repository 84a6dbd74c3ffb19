//! The real binary, woken by a Lambda Runtime API.

use serde_json::{Value, json};
use strata_local::runtime_api::{Answer, ask};

#[test]
fn the_binary_answers_its_own_event_and_refuses_a_foreign_one() {
    let own = include_bytes!("../../../events/function-url-request.json");
    let foreign = include_bytes!("../../../events/schedule-tick.json");
    let answers = ask(env!("CARGO_BIN_EXE_api"), &[own, foreign]).unwrap();
    let [Answer::Response(response), Answer::Error(error)] = &answers[..] else { panic!("{answers:?}") };
    // The binary's world is empty, so the stack that the request asks for does not exist.
    assert_eq!(response["statusCode"], 400);
    assert_eq!(response["headers"]["content-type"], "application/x-amz-json-1.1");
    assert_eq!(response["isBase64Encoded"], false);
    assert_eq!(response["cookies"], json!([]));
    let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["__type"], "ResourceNotFoundException");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("expected a function URL request"), "{message}");
}
