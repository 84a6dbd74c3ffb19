//! What goes with each call, seen by a server on loopback.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use strata_aws::events::EventBridgeEvents;
use strata_aws::{Base, opsworks};
use strata_domain::DecisionId;
use strata_domain::decision::Function;
use strata_local::canned_aws::{Asked, CannedAws, refusal};
use strata_ports::{EventOut, Events};
use strata_telemetry::carrying_out;

fn base(aws: &CannedAws) -> Base {
    let variables = aws.variables();
    let of = |name: &str| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    Base::from_variables(of).unwrap()
}

fn event() -> EventOut {
    EventOut {
        id: "e".to_owned(),
        detail_type: "OpsWorks Alert".to_owned(),
        resources: Vec::new(),
        detail: serde_json::json!({}),
        time: "2026-03-01T00:00:00Z".parse().unwrap(),
    }
}

fn agent(asked: &Asked) -> &str {
    asked.request.header("user-agent").unwrap()
}

#[tokio::test]
async fn the_calls_that_carry_out_a_decision_name_it_in_their_user_agent_and_others_name_none() {
    let aws = CannedAws::empty().unwrap();
    let base = base(&aws);
    let (events, api) = (EventBridgeEvents::new(&base), opsworks::client(&base).unwrap());
    let decision = DecisionId::from("6f1f4a52-52f4-4c1f-8a67-1f2f5f3c9d01");
    events.put(&[event()]).await.unwrap();
    let acting = async {
        events.put(&[event()]).await.unwrap();
        api.start_instance().instance_id("i").send().await.unwrap();
    };
    carrying_out(Some(&decision), acting).await;
    events.put(&[event()]).await.unwrap();

    let asked = aws.take();
    let named: Vec<bool> =
        asked.iter().map(|call| agent(call).ends_with(" md/strata-decision#6f1f4a52-52f4-4c1f-8a67-1f2f5f3c9d01")).collect();
    assert_eq!(named, [false, true, true, false], "{asked:?}");
    for call in &asked {
        assert!(agent(call).starts_with("aws-sdk-rust/") && agent(call).is_ascii(), "{}", agent(call));
        let signed = call.request.header("authorization").unwrap();
        assert!(!signed.contains(";user-agent"), "what is changed after signing must not be signed: {signed}");
    }
}

#[tokio::test]
async fn the_api_s_function_url_is_called_with_a_signature_for_lambda_and_the_role_s_session() {
    let aws = CannedAws::empty().unwrap();
    opsworks::client(&base(&aws)).unwrap().describe_stacks().send().await.unwrap();
    let asked = aws.take();
    assert_eq!((asked[0].service.as_str(), asked[0].operation.as_str()), ("lambda", "DescribeStacks"));
    assert_eq!(asked[0].request.header("x-amz-security-token"), Some("session-token-of-the-role"));
    assert_eq!(asked[0].request.path, "/");
}

#[tokio::test]
async fn every_throttled_attempt_is_counted_and_no_other_failure() {
    for (code, count) in [("ThrottlingException", Some(2)), ("ValidationException", None)] {
        let aws = CannedAws::answering(move |asked| Some(refusal(asked, 400, code, "no"))).unwrap();
        let base = base(&aws);
        base.meter_as(Function::LoadScaling);
        EventBridgeEvents::new(&base).put(&[event()]).await.unwrap_err();
        let line = base.meter().unwrap().take("2026-03-01T00:00:00Z".parse().unwrap()).pop();
        let line: Option<serde_json::Value> = line.map(|line| serde_json::from_str(&line).unwrap());
        assert_eq!(line.and_then(|line| line["Throttles"].as_u64()), count, "{code}");
        assert_eq!(aws.take().len(), if count.is_some() { 2 } else { 1 }, "attempts");
    }
}
