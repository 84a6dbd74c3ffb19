//! What the simulated cloud sends has the same keys and types as the file in `events/`, and is read back as what was meant.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its file has failed")]

use serde_json::Value;
use strata_triggers::emit::{
    self, AlarmChange, AlarmOf, ContainerInstanceChange, Envelope, MetricAlarm, PreviousState, QueuedMessage,
};
use strata_triggers::{AlarmForm, AlarmState, Hint, HintKind, Trigger, parse};

const INSTANCE: &str = "i-0123456789abcdef0";

fn envelope() -> Envelope<'static> {
    Envelope {
        account: "999988887777",
        region: "us-east-2",
        at: "2026-07-04T05:06:07.089Z".parse().unwrap(),
        id: "11111111-2222-4333-8444-555555555555",
    }
}

/// The shape of a value: keys and types, values forgotten. Lists are the shapes of their members, each once; strings that hold
/// JSON are shaped as that JSON. `attributes` of an instance and a command's own parameters may differ in number, not in form.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.iter().map(|(k, v)| (k.clone(), shape(v))).collect()),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = items.iter().map(shape).collect();
            shapes.sort_by_key(Value::to_string);
            shapes.dedup();
            Value::Array(shapes)
        }
        Value::String(text) if text.starts_with('{') => serde_json::from_str(text).map_or("string".into(), |v| shape(&v)),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => "null".into(),
    }
}

fn same_shape_as(name: &str, emitted: &str) {
    let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let emitted: Value = serde_json::from_str(emitted).unwrap();
    assert_eq!(shape(&emitted), shape(&file), "{name}");
    for fixed in ["detail-type", "source", "version"] {
        assert_eq!(emitted.get(fixed), file.get(fixed), "{name}: {fixed}");
    }
}

fn metric() -> AlarmChange<'static> {
    AlarmChange {
        name: "strata/shop/ecs-cluster/down-cpu",
        description: "too idle",
        state: AlarmState::Alarm,
        reason: "Threshold Crossed",
        previous: PreviousState {
            state: AlarmState::Ok,
            reason: "fine",
            at: "2026-07-04T04:00:00Z".parse().unwrap(),
            datapoints: Some(&[45.0]),
        },
        of: AlarmOf::Metric(MetricAlarm {
            namespace: "Strata",
            metric: "cpu_percent",
            dimension: ("LayerId", "5f1c2a9e"),
            period_seconds: 60,
            evaluation_periods: 2,
            above: false,
            threshold: 30.0,
            datapoints: &[12.5, 13.0],
        }),
    }
}

fn composite() -> AlarmChange<'static> {
    AlarmChange { name: "both", of: AlarmOf::Composite { rule: "ALARM(a) AND ALARM(b)", triggering: &["a"] }, ..metric() }
}

#[test]
fn alarms_are_as_aws_sends_them_in_all_three_forms() {
    for (file, emitted, form, composite_alarm) in [
        ("alarm-metric-eventbridge", emit::alarm_event_bridge(&envelope(), &metric()), AlarmForm::EventBridge, false),
        ("alarm-composite-eventbridge", emit::alarm_event_bridge(&envelope(), &composite()), AlarmForm::EventBridge, true),
        ("alarm-metric-sns", emit::alarm_sns(&envelope(), "alarms", &metric()), AlarmForm::Sns, false),
        ("alarm-composite-sns", emit::alarm_sns(&envelope(), "alarms", &composite()), AlarmForm::Sns, true),
        ("alarm-metric-direct", emit::alarm_direct(&envelope(), &metric()), AlarmForm::Direct, false),
        ("alarm-composite-direct", emit::alarm_direct(&envelope(), &composite()), AlarmForm::Direct, true),
    ] {
        same_shape_as(file, &emitted);
        let Ok(Trigger::Alarm(alarms)) = parse(emitted.as_bytes()) else { panic!("{file}: {:?}", parse(emitted.as_bytes())) };
        let alarm = &alarms[0];
        assert_eq!((alarm.form, alarm.composite, alarm.state), (form, composite_alarm, AlarmState::Alarm), "{file}");
        assert_eq!(alarm.previous_state, Some(AlarmState::Ok), "{file}");
        assert_eq!(alarm.at, envelope().at, "{file}: to the millisecond");
        assert_eq!(alarm.arn, format!("arn:aws:cloudwatch:us-east-2:999988887777:alarm:{}", alarm.name), "{file}");
    }
}

#[test]
fn an_alarm_fresh_from_its_creation_has_no_reason_data_before() {
    let fresh = AlarmChange {
        previous: PreviousState {
            state: AlarmState::InsufficientData,
            reason: "Unchecked: Initial alarm creation",
            datapoints: None,
            ..metric().previous
        },
        ..metric()
    };
    let emitted: Value = serde_json::from_str(&emit::alarm_event_bridge(&envelope(), &fresh)).unwrap();
    assert_eq!(emitted["detail"]["previousState"].get("reasonData"), None);
    assert_eq!(emitted["detail"]["previousState"]["value"], "INSUFFICIENT_DATA");
}

fn container_instance(agent_connected: bool) -> String {
    let change = ContainerInstanceChange {
        cluster: "arn:aws:ecs:us-east-2:999988887777:cluster/shop",
        container_instance: "arn:aws:ecs:us-east-2:999988887777:container-instance/shop/0a1b",
        ec2_instance: INSTANCE,
        agent_connected,
        status: "DRAINING",
        version: 3,
        registered: (2048, 3767),
        remaining: (0, 12),
    };
    emit::container_instance_state_change(&envelope(), &change)
}

#[test]
fn instance_events_are_as_aws_sends_them() {
    let asked = "2026-07-04T05:00:00Z".parse().unwrap();
    for (file, emitted, words) in [
        (
            "ec2-instance-state-change",
            emit::ec2_state_change(&envelope(), INSTANCE, "shutting-down"),
            "ec2 i-0123456789abcdef0 shutting-down",
        ),
        (
            "ec2-spot-interruption-warning",
            emit::spot_interruption(&envelope(), "us-east-2b", INSTANCE, "stop"),
            "spot interruption of i-0123456789abcdef0: stop",
        ),
        (
            "ec2-rebalance-recommendation",
            emit::rebalance_recommendation(&envelope(), INSTANCE),
            "rebalance recommendation for i-0123456789abcdef0",
        ),
        (
            "aws-health-event",
            emit::scheduled_by_ec2(&envelope(), "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED", INSTANCE, asked),
            "health AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED of i-0123456789abcdef0",
        ),
        (
            "ecs-container-instance-state-change",
            container_instance(false),
            "ecs i-0123456789abcdef0 DRAINING, agent disconnected",
        ),
        (
            "ssm-command-status",
            emit::command_status(&envelope(), "c-1", "AWS-RunPatchBaseline", &[INSTANCE, "i-2"], "TimedOut", asked),
            "command c-1 TimedOut",
        ),
        (
            "ssm-command-invocation-status",
            emit::command_invocation_status(&envelope(), "c-1", "AWS-RunPatchBaseline", INSTANCE, "Failed", asked),
            "command c-1 Failed on i-0123456789abcdef0",
        ),
    ] {
        same_shape_as(file, &emitted);
        assert_eq!(parse(emitted.as_bytes()).unwrap().describe(), words, "{file}");
    }
}

#[test]
fn a_batch_carries_the_events_and_their_message_ids() {
    let asked = "2026-07-04T05:00:00Z".parse().unwrap();
    let bodies = [
        emit::ec2_state_change(&envelope(), INSTANCE, "running"),
        emit::spot_interruption(&envelope(), "us-east-2b", INSTANCE, "stop"),
        container_instance(true),
        emit::command_invocation_status(&envelope(), "c-1", "AWS-RunShellScript", INSTANCE, "Success", asked),
    ];
    let ids = ["m-0", "m-1", "m-2", "m-3"];
    let messages: Vec<QueuedMessage<'_>> =
        ids.iter().zip(&bodies).map(|(id, body)| QueuedMessage { message_id: id, body, receive_count: 1 }).collect();
    let emitted = emit::sqs_batch(&envelope(), "strata-hints", &messages);
    same_shape_as("sqs-hints", &emitted);
    let Ok(Trigger::Hints(hints)) = parse(emitted.as_bytes()) else { panic!() };
    assert_eq!(hints.iter().map(|h| h.message_id.as_deref().unwrap()).collect::<Vec<_>>(), ids);
    assert!(hints.iter().all(|h| h.kind.instance().is_some_and(|i| i.as_str() == INSTANCE)), "{hints:?}");
}

#[test]
fn one_bad_message_does_not_spoil_a_batch() {
    let good = emit::ec2_state_change(&envelope(), INSTANCE, "stopped");
    let tick = emit::scheduled(&envelope(), "tick");
    for (bad, problem) in [
        ("not json", "the event is not JSON: line 1, column 2: expected ident"),
        ("{}", "SQS event: field `Records[1].body` has no `detail-type`, expected an EventBridge event"),
        (
            r#"{"detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"instance-id":"i-1","state":7}}"#,
            "EC2 instance state event: field `detail.state` is a number, expected a string",
        ),
        (tick.as_str(), "SQS event: field `Records[1].body` is tick, expected an event of EC2, ECS, SSM or Health"),
    ] {
        let message = |message_id, body| QueuedMessage { message_id, body, receive_count: 1 };
        let emitted =
            emit::sqs_batch(&envelope(), "strata-hints", &[message("a", &good), message("b", bad), message("c", &good)]);
        let stopped = HintKind::Ec2State { instance: INSTANCE.into(), state: "stopped".to_owned() };
        assert_eq!(
            parse(emitted.as_bytes()),
            Ok(Trigger::Hints(vec![
                Hint { message_id: Some("a".to_owned()), kind: stopped.clone() },
                Hint { message_id: Some("b".to_owned()), kind: HintKind::Unreadable { problem: problem.to_owned() } },
                Hint { message_id: Some("c".to_owned()), kind: stopped },
            ]))
        );
    }
}

#[test]
fn schedules_table_changes_and_requests_are_as_their_files() {
    let schedule = emit::scheduled(&envelope(), "strata-minute-tick");
    same_shape_as("schedule-tick", &schedule);
    assert_eq!(parse(schedule.as_bytes()), Ok(Trigger::Tick { at: "2026-07-04T05:06:07Z".parse().unwrap() }));

    let changes = emit::dynamodb_keys(&envelope(), "strata", &[("stack#1", "instance#2"), ("busy", "2")]);
    same_shape_as("dynamodb-stream-keys", &changes);
    let Ok(Trigger::TableChanges(keys)) = parse(changes.as_bytes()) else { panic!() };
    assert_eq!(
        keys.iter().map(|k| (k.pk.as_str(), k.sk.as_str())).collect::<Vec<_>>(),
        [("stack#1", "instance#2"), ("busy", "2")]
    );

    let detail = serde_json::json!({ "verb": "start", "layer-id": "2f18b4cb-4de5-4429-a149-ff7da9f0d8ee" });
    for (file, asked) in [
        ("campaign-asked", emit::campaign_asked(&envelope(), &detail)),
        ("teardown-asked", emit::teardown_asked(&envelope(), &detail)),
    ] {
        same_shape_as(file, &asked);
        assert_eq!(parse(asked.as_bytes()), Ok(Trigger::Tick { at: "2026-07-04T05:06:07Z".parse().unwrap() }));
        let foreign = asked.replace("\"opsworks\"", "\"somebody\"");
        assert!(parse(foreign.as_bytes()).unwrap_err().to_string().contains("expected `opsworks` or `strata`"), "{file}");
    }

    for file in ["teardown-request", "campaign-request"] {
        let path = format!("{}/../../events/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let original = parse(&std::fs::read(path).unwrap()).unwrap();
        let (emitted, at) = match &original {
            Trigger::TeardownRequest(r) => (emit::teardown_request(&Envelope { at: r.at, ..envelope() }, r), r.at),
            Trigger::CampaignRequest(r) => (emit::campaign_request(&Envelope { at: r.at, ..envelope() }, r), r.at),
            other => panic!("{file}: {other:?}"),
        };
        same_shape_as(file, &emitted);
        assert_eq!(parse(emitted.as_bytes()), Ok(original), "{file} at {at}");
    }
}
