//! Every file in `events/` is read, into exactly what it means; and the crate of AWS's event types reads it too, so that the
//! files are in AWS's form and not merely in one that our own parser likes.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its file has failed")]

use aws_lambda_events::cloudwatch_alarms::{CloudWatchAlarm, CloudWatchMetricAlarm};
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use aws_lambda_events::sns::{CloudWatchAlarmPayload, SnsEvent};
use aws_lambda_events::{dynamodb, sqs};
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, SsmCommandId};
use strata_triggers::{
    AlarmEvent, AlarmForm, AlarmState, CampaignRequest, CommandStatus, Hint, HintKind, RequestVerb, TableKey, TeardownRequest,
    Trigger, parse,
};

const INSTANCE: &str = "i-0a1b2c3d4e5f60718";
const COMMAND: &str = "e8d3c0e4-71f7-4491-898f-c9b35bee5f3b";
const ALICE: &str = "arn:aws:iam::123456789012:user/alice";

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read(name: &str) -> Trigger {
    parse(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn alarm(form: AlarmForm, composite: bool) -> Trigger {
    let (name, arn, reason) = if composite {
        (
            "shop-overloaded",
            "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-overloaded",
            "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-queue-long transitioned to ALARM at Monday 02 March, 2026 18:05:12 UTC",
        )
    } else {
        (
            "strata/shop/ecs-cluster/up-cpu",
            "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:strata/shop/ecs-cluster/up-cpu",
            "Threshold Crossed: 5 out of the last 5 datapoints [91.2 (02/03/26 18:04:00), 90.4 (02/03/26 18:03:00), 88.9 (02/03/26 \
             18:02:00), 86.1 (02/03/26 18:01:00), 83.5 (02/03/26 18:00:00)] were greater than the threshold (80.0) (minimum 5 datapoints \
             for OK -> ALARM transition).",
        )
    };
    Trigger::Alarm(vec![AlarmEvent {
        name: name.to_owned(),
        arn: arn.to_owned(),
        state: AlarmState::Alarm,
        previous_state: Some(AlarmState::Ok),
        reason: reason.to_owned(),
        at: "2026-03-02T18:05:12.041Z".parse().unwrap(),
        form,
        composite,
    }])
}

fn hint(kind: HintKind) -> Trigger {
    Trigger::Hints(vec![Hint { message_id: None, kind }])
}

fn running() -> HintKind {
    HintKind::Ec2State { instance: Ec2InstanceId::from(INSTANCE), state: "running".to_owned() }
}

fn interruption() -> HintKind {
    HintKind::SpotInterruption { instance: Ec2InstanceId::from(INSTANCE), action: "terminate".to_owned() }
}

fn container_instance() -> HintKind {
    HintKind::ContainerInstance {
        cluster: ClusterArn::from("arn:aws:ecs:eu-central-1:123456789012:cluster/shop"),
        container_instance: ContainerInstanceArn::from(
            "arn:aws:ecs:eu-central-1:123456789012:container-instance/shop/b54a2a04046f43319d743f6d7f6ca315",
        ),
        ec2_instance: Ec2InstanceId::from(INSTANCE),
        agent_connected: true,
        status: "ACTIVE".to_owned(),
    }
}

fn command(instance: Option<&str>) -> CommandStatus {
    CommandStatus {
        command_id: SsmCommandId::from(COMMAND),
        instance: instance.map(Ec2InstanceId::from),
        status: "Success".to_owned(),
        document: "AWS-RunShellScript".to_owned(),
        at: "2026-03-02T18:09:32Z".parse().unwrap(),
    }
}

fn batch() -> Trigger {
    let of = |id: &str, kind| Hint { message_id: Some(id.to_owned()), kind };
    Trigger::Hints(vec![
        of("059f36b4-87a3-44ab-83d2-661975830a7d", running()),
        of("2e1424d4-f796-459a-8184-9c92662be6da", interruption()),
        of("7c0f0a2b-51b9-4f0c-9f52-6f0a57c1d8e1", container_instance()),
        of(
            "f3b1c6de-2d0a-4f2b-8a77-0f6d3c9be214",
            HintKind::Command {
                command_id: SsmCommandId::from(COMMAND),
                instance: Some(Ec2InstanceId::from(INSTANCE)),
                status: "Success".to_owned(),
            },
        ),
    ])
}

fn table_changes() -> Trigger {
    let key = |sk: &str| TableKey { pk: "stack#2f18b4cb-4de5-4429-a149-ff7da9f0d8ee".to_owned(), sk: sk.to_owned() };
    Trigger::TableChanges(vec![
        key("instance#9f3c0f4e-0b6e-4f9a-8f47-0d0b7a1c55e2"),
        key("claim#9f3c0f4e-0b6e-4f9a-8f47-0d0b7a1c55e2"),
    ])
}

fn teardown() -> Trigger {
    Trigger::TeardownRequest(TeardownRequest {
        verb: RequestVerb::Start,
        stack: "shop".to_owned(),
        layer: "ecs-cluster".to_owned(),
        requested_by: ALICE.to_owned(),
        delete_services: true,
        delete_volumes: false,
        delete_addresses: false,
        delete_stack: false,
        confirm: Some("ecs-cluster".to_owned()),
        at: "2026-03-02T18:10:00Z".parse().unwrap(),
    })
}

fn campaign() -> Trigger {
    Trigger::CampaignRequest(CampaignRequest {
        verb: RequestVerb::Start,
        stack: "shop".to_owned(),
        layer: "ecs-cluster".to_owned(),
        requested_by: ALICE.to_owned(),
        reason: Some("kernel fixes of March".to_owned()),
        at: "2026-03-02T18:11:00Z".parse().unwrap(),
    })
}

/// Each file but the function URL request, what it means, and how it is told.
fn expected() -> Vec<(&'static str, Trigger, &'static str)> {
    vec![
        ("alarm-metric-eventbridge", alarm(AlarmForm::EventBridge, false), "alarm strata/shop/ecs-cluster/up-cpu ALARM"),
        ("alarm-composite-eventbridge", alarm(AlarmForm::EventBridge, true), "alarm shop-overloaded ALARM"),
        ("alarm-metric-sns", alarm(AlarmForm::Sns, false), "alarm strata/shop/ecs-cluster/up-cpu ALARM"),
        ("alarm-composite-sns", alarm(AlarmForm::Sns, true), "alarm shop-overloaded ALARM"),
        ("alarm-metric-direct", alarm(AlarmForm::Direct, false), "alarm strata/shop/ecs-cluster/up-cpu ALARM"),
        ("alarm-composite-direct", alarm(AlarmForm::Direct, true), "alarm shop-overloaded ALARM"),
        ("schedule-tick", Trigger::Tick { at: "2026-03-02T18:06:00Z".parse().unwrap() }, "tick"),
        ("campaign-asked", Trigger::Tick { at: "2026-03-02T18:12:00Z".parse().unwrap() }, "tick"),
        ("teardown-asked", Trigger::Tick { at: "2026-03-02T18:12:00Z".parse().unwrap() }, "tick"),
        ("ec2-instance-state-change", hint(running()), "ec2 i-0a1b2c3d4e5f60718 running"),
        ("ec2-spot-interruption-warning", hint(interruption()), "spot interruption of i-0a1b2c3d4e5f60718: terminate"),
        (
            "ec2-rebalance-recommendation",
            hint(HintKind::Rebalance { instance: Ec2InstanceId::from(INSTANCE) }),
            "rebalance recommendation for i-0a1b2c3d4e5f60718",
        ),
        (
            "aws-health-event",
            hint(HintKind::Scheduled {
                instances: vec![Ec2InstanceId::from(INSTANCE)],
                code: "AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED".to_owned(),
            }),
            "health AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED of i-0a1b2c3d4e5f60718",
        ),
        ("ecs-container-instance-state-change", hint(container_instance()), "ecs i-0a1b2c3d4e5f60718 ACTIVE, agent connected"),
        ("ssm-command-status", Trigger::CommandStatus(command(None)), "command e8d3c0e4-71f7-4491-898f-c9b35bee5f3b Success"),
        (
            "ssm-command-invocation-status",
            Trigger::CommandStatus(command(Some(INSTANCE))),
            "command e8d3c0e4-71f7-4491-898f-c9b35bee5f3b Success on i-0a1b2c3d4e5f60718",
        ),
        ("sqs-hints", batch(), "4 hints"),
        ("dynamodb-stream-keys", table_changes(), "2 table changes"),
        ("teardown-request", teardown(), "teardown start shop/ecs-cluster by arn:aws:iam::123456789012:user/alice"),
        ("campaign-request", campaign(), "campaign start shop/ecs-cluster by arn:aws:iam::123456789012:user/alice"),
    ]
}

#[test]
fn each_file_means_what_it_says() {
    for (name, trigger, words) in expected() {
        let read = read(name);
        assert_eq!(read, trigger, "{name}");
        assert_eq!(read.describe(), words, "{name}");
    }
}

/// Health tells of every service, and of what is wrong as well as of what is planned; only what EC2 has scheduled for machines names any.
#[test]
fn a_health_event_names_machines_only_where_ec2_has_scheduled_something_for_them() {
    let original: serde_json::Value = serde_json::from_slice(&file("aws-health-event")).unwrap();
    let machines = |path: &str, value: serde_json::Value| {
        let mut event = original.clone();
        *event.pointer_mut(path).unwrap() = value;
        parse(event.to_string().as_bytes()).map(|trigger| match trigger {
            Trigger::Hints(hints) => match &hints[0].kind {
                HintKind::Scheduled { instances, .. } => instances.iter().map(ToString::to_string).collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
    };
    let entities = |values: &[&str]| values.iter().map(|v| serde_json::json!({ "entityValue": v })).collect::<Vec<_>>().into();
    let arn = "arn:aws:ec2:eu-central-1:123456789012:instance/i-2";
    for (path, value, expected) in [
        ("/detail/service", "RDS".into(), &[][..]),
        ("/detail/eventTypeCategory", "issue".into(), &[]),
        ("/detail/affectedEntities", serde_json::Value::Null, &[]),
        ("/detail/affectedEntities", entities(&[]), &[]),
        ("/detail/affectedEntities", entities(&["i-1", arn, "h-0123", "AWS_ACCOUNT"]), &["i-1", "i-2"]),
    ] {
        assert_eq!(machines(path, value).unwrap(), expected, "{path}");
    }
    for (path, value, field) in [
        ("/source", serde_json::json!("my.health"), "source"),
        ("/detail/eventTypeCode", serde_json::json!(7), "detail.eventTypeCode"),
        ("/detail/affectedEntities", serde_json::json!("i-1"), "detail.affectedEntities"),
        ("/detail/affectedEntities", serde_json::json!([{ "entityValue": 7 }]), "detail.affectedEntities[0].entityValue"),
    ] {
        let error = machines(path, value).unwrap_err().to_string();
        assert!(error.contains("AWS Health event") && error.contains(field), "{error}");
    }
}

#[test]
fn a_function_url_request_tells_caller_action_and_body() {
    let trigger = read("function-url-request");
    assert_eq!(trigger.describe(), "call DescribeInstances by arn:aws:iam::123456789012:user/alice");
    let Trigger::FunctionUrl(call) = trigger else { panic!("{trigger:?}") };
    assert_eq!(call.action(), Some("DescribeInstances"));
    assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", "/", ""));
    assert_eq!(call.caller_arn.as_deref(), Some(ALICE));
    assert_eq!(call.caller_account.as_deref(), Some("123456789012"));
    assert_eq!(call.body, br#"{"StackId":"2f18b4cb-4de5-4429-a149-ff7da9f0d8ee"}"#);
    assert_eq!(call.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(call.at.to_string(), "2026-03-02T18:09:30.412Z");
}

#[test]
fn a_base64_body_is_decoded() {
    let text = String::from_utf8(file("function-url-request")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["isBase64Encoded"] = true.into();
    json["body"] = "e30=".into();
    match parse(json.to_string().as_bytes()) {
        Ok(Trigger::FunctionUrl(call)) => assert_eq!(call.body, b"{}"),
        other => panic!("{other:?}"),
    }
    json["body"] = "!".into();
    assert_eq!(
        parse(json.to_string().as_bytes()).unwrap_err().to_string(),
        "function URL request: field `body` is not base64, expected base64"
    );
}

#[test]
fn no_file_is_left_out() {
    let mut known: Vec<String> = expected().into_iter().map(|(name, ..)| name.to_owned()).collect();
    known.push("function-url-request".to_owned());
    known.sort();
    let folder = std::fs::read_dir(format!("{}/../../events", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut found: Vec<String> = folder
        .filter_map(|entry| entry.unwrap().file_name().into_string().unwrap().strip_suffix(".json").map(str::to_owned))
        .collect();
    found.sort();
    assert_eq!(found, known);
    let readme = std::fs::read_to_string(format!("{}/../../events/README.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for name in known {
        assert!(readme.contains(&format!("`{name}.json`")), "events/README.md has no row for {name}.json");
    }
}

#[test]
fn aws_own_types_read_the_files_too() {
    fn typed<T: serde::de::DeserializeOwned>(name: &str) -> T {
        serde_json::from_slice(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
    let direct: CloudWatchMetricAlarm = typed("alarm-metric-direct");
    assert_eq!(direct.alarm_data.alarm_name, "strata/shop/ecs-cluster/up-cpu");
    // Its type for composite alarms wants a suppressor, which an alarm need not have; so the configuration stays untyped.
    let direct: CloudWatchAlarm = typed("alarm-composite-direct");
    assert_eq!(direct.alarm_data.alarm_name, "shop-overloaded");
    let sns: SnsEvent = typed("alarm-metric-sns");
    let payload: CloudWatchAlarmPayload = serde_json::from_str(&sns.records[0].sns.message).unwrap();
    assert_eq!(payload.trigger.metric_name.as_deref(), Some("cpu_percent"));
    let _: SnsEvent = typed("alarm-composite-sns");
    let queue: sqs::SqsEvent = typed("sqs-hints");
    assert_eq!(queue.records.len(), 4);
    let stream: dynamodb::Event = typed("dynamodb-stream-keys");
    assert_eq!(stream.records.len(), 2);
    let request: LambdaFunctionUrlRequest = typed("function-url-request");
    assert_eq!(request.version.as_deref(), Some("2.0"));
    for (name, trigger, _) in expected() {
        let text = String::from_utf8(file(name)).unwrap();
        if text.contains("\"detail-type\"") && !matches!(&trigger, Trigger::Hints(h) if h.len() > 1) {
            let event: EventBridgeEvent = typed(name);
            assert_eq!(event.account.as_deref(), Some("123456789012"), "{name}");
        }
    }
}
