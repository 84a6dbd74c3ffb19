//! How commands reach an API: signing name, raw calls, and errors as one sentence.

mod support;

use serde_json::json;
use strata_cli::client::{Api, ApiOptions};
use strata_cli::environment::Environment;
use support::Upstream;

fn at(endpoint: &str) -> ApiOptions {
    ApiOptions { endpoint: Some(endpoint.to_owned()), region: Some("eu-west-1".to_owned()), ..ApiOptions::default() }
}

fn for_lambda(endpoint: &str) -> ApiOptions {
    ApiOptions { signing_name: Some("lambda".to_owned()), ..at(endpoint) }
}

/// Region, service and the rest of the credential scope.
fn scope(seen: &support::Seen) -> Option<&str> {
    let credential = seen.header("authorization")?.split_once("Credential=")?.1.split(',').next()?;
    credential.splitn(3, '/').nth(2)
}

#[tokio::test]
async fn the_sdk_and_raw_calls_sign_for_the_same_service_and_region() {
    let upstream = Upstream::start(200, r#"{"Stacks":[]}"#).await;
    for (options, expected) in [
        (at(&upstream.url("")), "eu-west-1/opsworks/aws4_request"),
        (for_lambda(&upstream.url("")), "eu-west-1/lambda/aws4_request"),
    ] {
        let api = Api::connect(&options, &Environment::default()).await.unwrap();
        assert!(api.client().describe_stacks().send().await.unwrap().stacks().is_empty());
        let input = json!({ "LayerId": "a" });
        assert_eq!(api.raw("Strata_20261126.DescribeHolds", &input).await.unwrap(), json!({ "Stacks": [] }));
        let seen = upstream.seen();
        let [.., sdk, raw] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((scope(sdk), scope(raw)), (Some(expected), Some(expected)));
        assert_eq!(raw.header("x-amz-target"), Some("Strata_20261126.DescribeHolds"));
        assert_eq!((raw.path.as_str(), raw.body.as_str()), ("/", r#"{"LayerId":"a"}"#));
    }
}

#[tokio::test]
async fn errors_become_one_clear_sentence_for_sdk_and_raw_calls_alike() {
    for (status, answer, says) in [
        (400, r#"{"__type":"ValidationException","message":"Stack Id: is required"}"#, "Stack Id: is required"),
        (403, r#"{"Message":"Forbidden"}"#, "access denied by http://127.0.0.1:{port}: Forbidden"),
        (400, r#"{"__type":"AccessDeniedException","message":"no"}"#, "access denied by http://127.0.0.1:{port}: no"),
        (404, "<html>", "http://127.0.0.1:{port} gave an answer that is not the OpsWorks API's: HTTP status 404"),
    ] {
        let upstream = Upstream::start(status, answer).await;
        let says = says.replace("{port}", upstream.url("").rsplit_once(':').unwrap().1);
        let api = Api::connect(&at(&upstream.url("")), &Environment::default()).await.unwrap();
        let error = api.client().describe_stacks().send().await.unwrap_err();
        assert_eq!(api.explain(error).to_string(), says, "{answer}");
        assert_eq!(api.raw("Strata_20261126.X", &json!({})).await.unwrap_err().to_string(), says, "{answer}");
        assert_eq!(upstream.seen().len(), 2, "{answer}: not repeated");
    }
}

#[tokio::test]
async fn a_throttled_or_failed_raw_call_is_repeated_under_one_invocation_id_three_times_in_all() {
    for (status, answer) in [(503, "{}"), (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#)] {
        let upstream = Upstream::start(status, answer).await;
        let api = Api::connect(&at(&upstream.url("")), &Environment::default()).await.unwrap();
        api.raw("Strata_20261126.X", &json!({})).await.unwrap_err();
        let seen = upstream.seen();
        let tries: Vec<_> = seen.iter().map(|s| s.header("amz-sdk-request").unwrap()).collect();
        assert_eq!(tries, ["attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3"]);
        assert!(seen.iter().all(|s| s.header("amz-sdk-invocation-id") == seen[0].header("amz-sdk-invocation-id")));
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named_with_what_to_do() {
    let down = Upstream::start(200, "{}").await.url("");
    let api = Api::connect(&at(&down), &Environment::default()).await.unwrap();
    let sdk = api.explain(api.client().describe_stacks().send().await.unwrap_err()).to_string();
    let raw = api.raw("Strata_20261126.X", &json!({})).await.unwrap_err().to_string();
    for error in [sdk, raw] {
        assert!(error.starts_with(&format!("{down} cannot be reached: ")) && error.contains("strata sim serve"), "{error}");
    }
}

#[tokio::test]
async fn the_endpoint_is_the_flag_or_the_services_variable_or_the_general_one() {
    let variables = |own: Option<&str>, general: Option<&str>| Environment {
        aws_endpoint_url_opsworks: own.map(str::to_owned),
        aws_endpoint_url: general.map(str::to_owned),
        ..Environment::default()
    };
    let (a, b, c) = ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3");
    for (flag, environment, expected) in [
        (Some(a), variables(Some(b), Some(c)), Ok(a)),
        (None, variables(Some(b), Some(c)), Ok(b)),
        (None, variables(None, Some(c)), Ok(c)),
        (None, variables(None, None), Err("no API is named")),
        (None, variables(Some("strata"), None), Err("AWS_ENDPOINT_URL_OPSWORKS: ")),
    ] {
        let options =
            ApiOptions { endpoint: flag.map(str::to_owned), region: Some("eu-west-1".to_owned()), ..ApiOptions::default() };
        match (Api::connect(&options, &environment).await, expected) {
            (Ok(api), Ok(expected)) => assert_eq!(api.endpoint().to_string(), expected),
            (Err(error), Err(says)) => assert!(error.to_string().starts_with(says), "{error}"),
            (outcome, _) => panic!("{flag:?} {environment:?}: {outcome:?}"),
        }
    }
}
