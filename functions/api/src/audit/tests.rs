//! What the audit record has, and what it never has.

use strata_triggers::{Trigger, parse};

use super::*;

const EVENT: &str = include_str!("../../../../events/function-url-request.json");

fn call(body: &Value, change: impl FnOnce(&mut Value)) -> FunctionUrlCall {
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["body"] = json!(body.to_string());
    change(&mut event);
    let Ok(Trigger::FunctionUrl(call)) = parse(event.to_string().as_bytes()) else { panic!("{event}") };
    *call
}

fn answered(status: u16, body: &str) -> Response<Bytes> {
    Response::builder().status(status).header("x-amzn-requestid", "r-1").body(Bytes::from(body.to_owned())).unwrap()
}

fn recorded(body: &Value) -> Value {
    record(&call(body, |_| {}), &answered(200, "{\"Stacks\":[]}"), "eu-central-1", "e-1")
}

/// [TRL-1] [TRL-2]
#[test]
fn trl_1_a_read_gives_a_record_with_cloudtrail_s_fields() {
    let expected = json!({
        "eventVersion": "1.08",
        "eventTime": "2026-03-02T18:09:30Z",
        "eventSource": "opsworks.amazonaws.com",
        "eventName": "DescribeInstances",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.30 Python/3.11.8",
        "requestID": "r-1",
        "eventID": "e-1",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDACKCEVSQ6C2EXAMPLE",
            "arn": "arn:aws:iam::123456789012:user/alice",
            "accountId": "123456789012",
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "alice",
        },
        "requestParameters": { "stackId": "s-1", "instanceIds": ["i-1"] },
        "responseElements": null,
    });
    assert_eq!(recorded(&json!({ "StackId": "s-1", "InstanceIds": ["i-1"] })), expected);
}

/// [TRL-3]
#[test]
fn trl_3_a_failed_call_carries_its_error_and_every_record_is_one_line() {
    let refused = answered(400, "{\"__type\":\"ValidationException\",\"message\":\"not\\nthis\"}");
    let record = record(&call(&json!({}), |_| {}), &refused, "eu-central-1", "e-1");
    assert_eq!((&record["errorCode"], &record["errorMessage"]), (&json!("ValidationException"), &json!("not\nthis")));
    assert!(!record.to_string().contains('\n'));
    assert!(recorded(&json!({})).get("errorCode").is_none());
}

/// [TRL-4]
#[test]
fn trl_4_no_secret_of_any_action_s_members_is_in_it() {
    let body = json!({
        "Name": "shop",
        "CustomJson": "{\"key\":\"s3cret\"}",
        "DbPassword": "s3cret",
        "Password": "s3cret",
        "CustomCookbooksSource": { "Url": "u", "SshKey": "s3cret", "Password": "s3cret" },
        "AppSource": { "SshKey": "s3cret", "Password": "s3cret", "Username": "ada" },
        "SslConfiguration": { "Certificate": "s3cret", "PrivateKey": "s3cret", "Chain": "s3cret" },
        "Environment": [{ "Key": "K", "Value": "s3cret", "Secure": true }],
        "Attributes": { "MysqlRootPassword": "s3cret", "EcsClusterArn": "arn" },
        "InstanceIdentity": { "Document": "s3cret", "Signature": "s3cret" },
        "DefaultSshKeyName": "deploy",
        "Tags": { "Team": "web" },
    });
    let record = recorded(&body);
    assert!(!record.to_string().contains("s3cret"), "{record}");
    let told = &record["requestParameters"];
    assert_eq!((&told["name"], &told["defaultSshKeyName"]), (&json!("shop"), &json!("deploy")));
    assert_eq!(told["attributes"], json!({ "MysqlRootPassword": HIDDEN, "EcsClusterArn": "arn" }));
    assert_eq!((&told["appSource"]["username"], &told["tags"]["Team"]), (&json!("ada"), &json!("web")));
}

#[test]
fn whatever_is_sent_the_record_stays_small() {
    let deep = (0..40).fold(json!("x"), |inner, _| json!({ "A": [inner] }));
    let wide: Value = (0..5_000).map(|n| (format!("M{n}"), json!("y".repeat(1_000)))).collect::<serde_json::Map<_, _>>().into();
    for body in [deep, wide, json!("ü".repeat(9_000)), json!([1, null, true])] {
        assert!(recorded(&body).to_string().len() < 60_000);
    }
    let not_json = call(&json!({}), |event| event["body"] = json!("{not json"));
    assert_eq!(record(&not_json, &answered(400, "no"), "r", "e")["requestParameters"], Value::Null);
}

#[test]
fn identities_are_told_apart() {
    for (arn, kind, user) in [
        ("arn:aws:iam::123456789012:user/team/ada", "IAMUser", json!("ada")),
        ("arn:aws:sts::123456789012:assumed-role/strata-load-scaling/strata", "AssumedRole", Value::Null),
        ("arn:aws:iam::123456789012:root", "Root", Value::Null),
    ] {
        let call = call(&json!({}), |event| event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(arn));
        let who = identity(&call);
        assert_eq!((&who["type"], &who["userName"]), (&json!(kind), &user), "{arn}");
    }
    let nobody = call(&json!({}), |event| drop(event["requestContext"].as_object_mut().unwrap().remove("authorizer")));
    assert_eq!(identity(&nobody)["type"], "Unknown");
}
