//! Bad input: a typed error that names form and field, and never a panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its file has failed")]

use proptest::prelude::*;
use serde_json::Value;
use strata_triggers::{Trigger, parse};

fn file(name: &str) -> Value {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Sets, or with `None` removes, the member at a JSON pointer.
fn with(mut event: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(member.to_owned(), value),
        None => parent.remove(member),
    };
    event
}

#[test]
fn a_mistake_is_named_by_form_field_and_what_was_expected() {
    for (name, pointer, value, message) in [
        (
            "alarm-metric-eventbridge",
            "/source",
            Some("mine".into()),
            "CloudWatch alarm as EventBridge event: field `source` is `mine`, expected `aws.cloudwatch` or `aws.monitoring`",
        ),
        (
            "alarm-metric-eventbridge",
            "/detail/alarmName",
            None,
            "CloudWatch alarm as EventBridge event: field `detail.alarmName` is missing, expected a string",
        ),
        (
            "alarm-metric-eventbridge",
            "/detail/alarmName",
            Some("".into()),
            "CloudWatch alarm as EventBridge event: field `detail.alarmName` is empty, expected a name or id",
        ),
        (
            "alarm-metric-eventbridge",
            "/detail/state",
            Some("ALARM".into()),
            "CloudWatch alarm as EventBridge event: field `detail.state` is a string, expected an object",
        ),
        (
            "alarm-metric-eventbridge",
            "/detail/state/value",
            Some("alarm".into()),
            "CloudWatch alarm as EventBridge event: field `detail.state.value` is `alarm`, expected OK, ALARM or INSUFFICIENT_DATA",
        ),
        (
            "alarm-metric-eventbridge",
            "/resources",
            Some(Value::Array(vec![])),
            "CloudWatch alarm as EventBridge event: field `resources[0]` is missing, expected a string",
        ),
        (
            "alarm-metric-direct",
            "/alarmData/state/timestamp",
            Some("yesterday".into()),
            "CloudWatch alarm as direct invocation: field `alarmData.state.timestamp` is `yesterday`, expected a time such as 2026-03-01T12:00:00Z",
        ),
        (
            "alarm-metric-direct",
            "/alarmArn",
            None,
            "CloudWatch alarm as direct invocation: field `alarmArn` is missing, expected a string",
        ),
        (
            "alarm-metric-sns",
            "/Records/0/Sns/Message",
            Some("hello".into()),
            "CloudWatch alarm as SNS message: field `Message` is no JSON object, expected an alarm notification",
        ),
        (
            "alarm-metric-sns",
            "/Records/0/Sns/Message",
            Some("{}".into()),
            "CloudWatch alarm as SNS message: field `Message.AlarmName` is missing, expected a string",
        ),
        ("alarm-metric-sns", "/Records/0/Sns", None, "SNS event: field `Records[0].Sns` is missing, expected an object"),
        ("schedule-tick", "/time", None, "scheduled event: field `time` is missing, expected a string"),
        (
            "schedule-tick",
            "/source",
            Some("aws.s3".into()),
            "scheduled event: field `source` is `aws.s3`, expected `aws.events` or `aws.scheduler`",
        ),
        (
            "ec2-instance-state-change",
            "/detail/instance-id",
            Some(7.into()),
            "EC2 instance state event: field `detail.instance-id` is a number, expected a string",
        ),
        (
            "ec2-spot-interruption-warning",
            "/detail",
            None,
            "EC2 Spot interruption event: field `detail` is missing, expected an object",
        ),
        (
            "ecs-container-instance-state-change",
            "/detail/agentConnected",
            Some("yes".into()),
            "ECS container instance event: field `detail.agentConnected` is a string, expected true or false",
        ),
        (
            "ssm-command-invocation-status",
            "/detail/instance-id",
            None,
            "EC2 command invocation status event: field `detail.instance-id` is missing, expected a string",
        ),
        (
            "dynamodb-stream-keys",
            "/Records/1/dynamodb/Keys/sk",
            Some(serde_json::json!({"N": "1"})),
            "DynamoDB stream event: field `Records[1].dynamodb.Keys.sk.S` is missing, expected a string",
        ),
        (
            "function-url-request",
            "/version",
            Some("1.0".into()),
            "function URL request: field `version` is `1.0`, expected `2.0`",
        ),
        (
            "teardown-request",
            "/detail/verb",
            Some("go".into()),
            "teardown request: field `detail.verb` is `go`, expected start, pause, resume or abort",
        ),
        (
            "teardown-request",
            "/detail/delete_volumes",
            Some("true".into()),
            "teardown request: field `detail.delete_volumes` is a string, expected true or false",
        ),
        ("campaign-request", "/detail/layer", None, "campaign request: field `detail.layer` is missing, expected a string"),
        (
            "sqs-hints",
            "/Records",
            Some(Value::Array(vec![])),
            "event with records: field `Records` is empty, expected at least one record",
        ),
    ] {
        let event = with(file(name), pointer, value).to_string();
        assert_eq!(parse(event.as_bytes()).unwrap_err().to_string(), message, "{name}{pointer}");
    }
}

#[test]
fn a_deletion_that_is_not_asked_for_is_false_and_a_missing_confirmation_is_none() {
    let mut event = file("teardown-request");
    for member in ["delete_services", "delete_volumes", "delete_addresses", "delete_stack", "confirm"] {
        event = with(event, &format!("/detail/{member}"), None);
    }
    let Ok(Trigger::TeardownRequest(request)) = parse(event.to_string().as_bytes()) else { panic!() };
    assert_eq!((request.delete_services, request.delete_volumes, request.delete_stack), (false, false, false));
    assert!(!request.delete_addresses);
    assert_eq!(request.confirm, None);
}

#[test]
fn foreign_text_in_a_message_is_cut_and_cannot_move_the_cursor() {
    let event = with(file("schedule-tick"), "/detail-type", Some(format!("\u{1b}[2J{}", "x".repeat(5000)).into())).to_string();
    let message = parse(event.as_bytes()).unwrap_err().to_string();
    assert!(message.len() < 250 && !message.contains('\u{1b}') && message.contains("..."), "{message}");
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![
            "aws.ec2",
            "aws.ssm",
            "strata",
            "aws:sqs",
            "aws:sns",
            "aws:dynamodb",
            "2.0",
            "EC2 Instance State-change Notification"
        ]
        .prop_map(Value::from),
    ];
    let names = prop_oneof![
        "(detail|detail-type|source|time|resources|Records|eventSource|EventSource|body|Sns|Message|dynamodb|Keys|pk)",
        "(requestContext|alarmData|alarmArn|state|value|alarmName|configuration|version|http|headers|isBase64Encoded)",
        ".{0,4}",
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(e) = parse(&bytes) {
            prop_assert!(!e.to_string().is_empty());
        }
    }

    #[test]
    fn arbitrary_json_never_panics(json in json()) {
        let _ = parse(json.to_string().as_bytes()).map(|t| t.describe());
    }

    /// A file with one byte changed is read or refused, and never brings the function down.
    #[test]
    fn a_damaged_event_never_panics(which in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let name = ["alarm-metric-sns", "sqs-hints", "dynamodb-stream-keys", "function-url-request", "teardown-request"][which];
        let mut bytes = file(name).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = parse(&bytes);
    }
}
