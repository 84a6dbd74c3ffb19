//! What linters do not notice: each line of [`problems`] is a promise of the template, and each is shown to be able to break.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use strata_triggers::Trigger;

use crate::document::template;
use crate::pattern::is_match;
use crate::resolve::{ACCOUNT, REGION, Resolver};
use crate::tables::FUNCTIONS;

/// Logical ids of the functions.
fn logical(role: &str) -> &str {
    role.trim_end_matches("Role")
}

/// What the template does not keep of its promises, a line each; empty is good.
fn problems(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |path: &str, expected: Value| {
        let is = template.pointer(path).unwrap_or(&Value::Null);
        if *is != expected {
            found.push(format!("{path} is {is}, expected {expected}"));
        }
    };
    for (path, expected) in [
        ("/Globals/Function/Runtime", json!("provided.al2023")),
        ("/Globals/Function/Handler", json!("bootstrap")),
        ("/Globals/Function/Architectures", json!([{ "Ref": "Architecture" }])),
        ("/Globals/Function/Timeout", json!(60)),
        ("/Globals/Function/AutoPublishAlias", json!("live")),
        ("/Parameters/Architecture/Default", json!("arm64")),
        ("/Parameters/ReservedConcurrency/Default", json!(0)),
        ("/Resources/Api/Properties/FunctionUrlConfig/AuthType", json!("AWS_IAM")),
        ("/Resources/ApiCallerUrlPermission/Properties/Action", json!("lambda:InvokeFunctionUrl")),
        ("/Resources/ApiCallerUrlPermission/Properties/FunctionUrlAuthType", json!("AWS_IAM")),
        ("/Resources/ApiCallerInvokePermission/Properties/Action", json!("lambda:InvokeFunction")),
        ("/Resources/ApiCallerInvokePermission/Properties/InvokedViaFunctionUrl", json!(true)),
        ("/Resources/Table/DeletionPolicy", json!("Retain")),
        ("/Resources/Table/UpdateReplacePolicy", json!("Retain")),
        ("/Resources/Table/Properties/BillingMode", json!("PAY_PER_REQUEST")),
        ("/Resources/Table/Properties/DeletionProtectionEnabled", json!(true)),
        ("/Resources/Table/Properties/StreamSpecification/StreamViewType", json!("KEYS_ONLY")),
        ("/Resources/Table/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", json!(true)),
        ("/Resources/Bucket/DeletionPolicy", json!("Retain")),
        ("/Resources/OnCallTopic/Properties/KmsMasterKeyId", json!({ "Ref": "TopicKey" })),
        ("/Resources/Mode/Properties/Value", json!("observe")),
        ("/Resources/HintQueue/Properties/VisibilityTimeout", json!(360)),
        (
            "/Resources/HintQueue/Properties/RedrivePolicy/deadLetterTargetArn",
            json!({ "Fn::GetAtt": ["HintDeadLetters", "Arn"] }),
        ),
        ("/Resources/InstanceLifecycle/Properties/Events/Hints/Properties/BatchSize", json!(100)),
        ("/Resources/InstanceLifecycle/Properties/Events/Hints/Properties/MaximumBatchingWindowInSeconds", json!(2)),
        (
            "/Resources/InstanceLifecycle/Properties/Events/Hints/Properties/FunctionResponseTypes",
            json!(["ReportBatchItemFailures"]),
        ),
        ("/Resources/InstanceLifecycle/Properties/Events/TableChanges/Properties/BisectBatchOnFunctionError", json!(true)),
    ] {
        expect(path, expected);
    }
    for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
        expect(&format!("/Resources/Bucket/Properties/PublicAccessBlockConfiguration/{block}"), json!(true));
    }
    for (function, role) in FUNCTIONS {
        let at = |rest: &str| format!("/Resources/{}/{rest}", logical(role));
        expect(&at("Type"), json!("AWS::Serverless::Function"));
        expect(&at("Metadata/BuildMethod"), json!("rust-cargolambda"));
        expect(&at("Metadata/BuildProperties/Binary"), json!(function));
        expect(&at("Properties/CodeUri"), json!(format!("functions/{function}")));
        expect(&at("Properties/FunctionName"), json!({ "Fn::Sub": format!("${{Installation}}-{function}") }));
        expect(&at("Properties/LoggingConfig/LogGroup"), json!({ "Ref": format!("{}Log", logical(role)) }));
        // The global runtime and architecture count, and only the API can be reached from outside.
        for own in ["Runtime", "Architectures", "ReservedConcurrentExecutions"] {
            expect(&at(&format!("Properties/{own}")), Value::Null);
        }
        if function == "api" {
            continue;
        }
        let failed = json!({ "Type": "SQS", "Destination": { "Fn::GetAtt": ["FailedEvents", "Arn"] } });
        expect(&at("Properties/FunctionUrlConfig"), Value::Null);
        expect(&at("Properties/EventInvokeConfig/DestinationConfig/OnFailure"), failed);
        expect(&at("Properties/Events/Tick/Type"), json!("ScheduleV2"));
        expect(&at("Properties/Events/Tick/Properties/ScheduleExpression"), json!("rate(1 minute)"));
        expect(&at("Properties/Events/Tick/Properties/FlexibleTimeWindow/Mode"), json!("OFF"));
        expect(&at("Properties/Events/Tick/Properties/RetryPolicy/MaximumEventAgeInSeconds"), json!(60));
    }
    found
}

#[test]
fn the_template_keeps_its_promises() {
    assert_eq!(problems(&template()).join("\n"), "");
}

#[test]
fn a_template_that_linters_would_let_through_is_found_out() {
    for (path, wrong) in [
        ("/Globals/Function/Runtime", json!("provided.al2")),
        ("/Resources/Api/Properties/FunctionUrlConfig/AuthType", json!("NONE")),
        ("/Resources/ApiCallerUrlPermission/Properties/FunctionUrlAuthType", json!("NONE")),
        ("/Resources/Mode/Properties/Value", json!("active")),
        ("/Resources/Table/Properties/StreamSpecification/StreamViewType", json!("NEW_IMAGE")),
        ("/Resources/Teardown/Properties/CodeUri", json!("functions/time-scaling")),
        ("/Resources/TimeScaling/Properties/Events/Tick/Properties/FlexibleTimeWindow/Mode", json!("FLEXIBLE")),
        ("/Resources/InstanceLifecycle/Properties/Events/Hints/Properties/FunctionResponseTypes", json!([])),
    ] {
        let mut broken = template();
        *broken.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = wrong;
        let found = problems(&broken);
        assert!(found.len() == 1 && found[0].starts_with(path), "{path}: {found:?}");
    }
    let mut open = template();
    open["Resources"]["Teardown"]["Properties"]["FunctionUrlConfig"] = json!({ "AuthType": "AWS_IAM" });
    assert_eq!(problems(&open).len(), 1);
}

fn variables(function: &Value) -> BTreeSet<String> {
    function["Environment"]["Variables"].as_object().into_iter().flat_map(Map::keys).cloned().collect()
}

/// One of the two without the other is a variable that does nothing, or a function that does not start.
#[test]
fn the_variables_that_are_set_are_those_that_are_read() {
    let template = template();
    let functions = FUNCTIONS.iter().map(|(_, role)| &template["Resources"][logical(role)]["Properties"]);
    let set: BTreeSet<String> = functions.chain([&template["Globals"]["Function"]]).flat_map(variables).collect();
    let settings = include_str!("../../src/settings.rs");
    let words = settings.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.starts_with("STRATA_"));
    assert_eq!(set, words.map(str::to_owned).collect());
}

fn properties<'a>(resources: &'a Map<String, Value>, role: &str) -> &'a Value {
    &resources[logical(role)]["Properties"]
}

#[test]
fn what_scheduler_sends_is_the_tick_that_functions_read() {
    let resources = Resolver::new(&template(), &[]).resources();
    let example: Value = serde_json::from_str(include_str!("../../../../events/schedule-tick.json")).unwrap();
    let members = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (function, role) in FUNCTIONS.iter().filter(|(function, _)| *function != "api") {
        let input = properties(&resources, role)["Events"]["Tick"]["Properties"]["Input"].as_str().unwrap();
        let input = input.replace("<aws.scheduler.scheduled-time>", "2026-03-02T18:06:00Z");
        let event: Value = serde_json::from_str(&input).unwrap();
        assert_eq!(members(&event), members(&example), "{function}");
        assert_eq!((&event["account"], &event["region"]), (&json!(ACCOUNT), &json!(REGION)), "{function}");
        match strata_triggers::parse(input.as_bytes()) {
            Ok(Trigger::Tick { at }) => assert_eq!(at.to_string(), "2026-03-02T18:06:00Z"),
            other => panic!("{function}: {other:?}"),
        }
    }
}

/// Who gets an event: functions by name, and `hints` for the hint queue.
fn receivers(resources: &Map<String, Value>, event: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (function, role) in FUNCTIONS {
        let events = properties(resources, role)["Events"].as_object().into_iter().flatten();
        let patterns = events.filter(|(_, e)| e["Type"] == "EventBridgeRule").map(|(_, e)| &e["Properties"]["Pattern"]);
        if patterns.into_iter().any(|pattern| is_match(pattern, event)) {
            found.insert(function.to_owned());
        }
    }
    let rules = resources.values().filter(|r| r["Type"] == "AWS::Events::Rule").map(|r| &r["Properties"]);
    for rule in rules.filter(|rule| is_match(&rule["EventPattern"], event)) {
        assert_eq!(rule["Targets"][0]["Arn"], "made:HintQueue.Arn");
        assert!(found.insert("hints".to_owned()), "two rules let {event} through");
    }
    found
}

/// The table of `events/README.md`, by the template's rules, and what is left out on purpose.
#[test]
fn each_event_goes_to_the_functions_that_follow_it() {
    let resources = Resolver::new(&template(), &[("ClusterNames", "sho*")]).resources();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let alarm = read(include_str!("../../../../events/alarm-metric-eventbridge.json"));
    let composite = read(include_str!("../../../../events/alarm-composite-eventbridge.json"));
    let machine = read(include_str!("../../../../events/ec2-instance-state-change.json"));
    let container = read(include_str!("../../../../events/ecs-container-instance-state-change.json"));
    let command = read(include_str!("../../../../events/ssm-command-status.json"));
    let invocation = read(include_str!("../../../../events/ssm-command-invocation-status.json"));
    let health = read(include_str!("../../../../events/aws-health-event.json"));
    let but = |event: &Value, path: &str, value: &str| {
        let mut event = event.clone();
        *event.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = json!(value);
        event
    };
    let cases: Vec<(Value, &[&str])> = vec![
        (but(&alarm, "/detail/state/value", "ALARM"), &["load-scaling"]),
        (but(&composite, "/detail/state/value", "ALARM"), &["load-scaling"]),
        (but(&alarm, "/detail/state/value", "OK"), &[]),
        (but(&but(&alarm, "/detail/state/value", "ALARM"), "/detail/alarmName", "strata-self-throttles"), &[]),
        (but(&machine, "/detail/state", "running"), &["hints"]),
        (but(&machine, "/detail/state", "pending"), &[]),
        (but(&machine, "/detail/state", "stopped"), &["hints", "teardown"]),
        (but(&machine, "/detail/state", "terminated"), &["hints", "teardown"]),
        (read(include_str!("../../../../events/ec2-spot-interruption-warning.json")), &["hints"]),
        (read(include_str!("../../../../events/ec2-rebalance-recommendation.json")), &["hints"]),
        (health.clone(), &["hints"]),
        (but(&health, "/detail/service", "RDS"), &[]),
        (but(&health, "/detail/eventTypeCategory", "issue"), &[]),
        (container.clone(), &["hints"]),
        (but(&container, "/detail/status", "INACTIVE"), &["hints", "teardown"]),
        (but(&container, "/detail/status", "DRAINING"), &["hints", "security-updates"]),
        (but(&container, "/detail/clusterArn", "arn:aws:ecs:eu-central-1:123456789012:cluster/other"), &[]),
        (but(&container, "/detail-type", "ECS Task State Change"), &[]),
        (command.clone(), &[]),
        (but(&command, "/detail/document-name", "strata-Update"), &["security-updates"]),
        (but(&invocation, "/detail/document-name", "strata-Update"), &["security-updates"]),
        (but(&invocation, "/detail/document-name", "strata-Setup"), &["hints"]),
        (but(&but(&invocation, "/detail/document-name", "strata-Setup"), "/detail/status", "InProgress"), &[]),
        (read(include_str!("../../../../events/teardown-request.json")), &["teardown"]),
        (read(include_str!("../../../../events/campaign-request.json")), &["security-updates"]),
        (read(include_str!("../../../../events/teardown-asked.json")), &["teardown"]),
        (read(include_str!("../../../../events/campaign-asked.json")), &["security-updates"]),
        (read(include_str!("../../../../events/schedule-tick.json")), &[]),
    ];
    for (event, expected) in cases {
        assert_eq!(receivers(&resources, &event), expected.iter().map(ToString::to_string).collect(), "{event}");
    }
}

/// Whether the stream wakes a function about a key.
#[expect(clippy::unwrap_used, reason = "a helper of tests, where a panic is the answer")]
fn passes(function: &str, key: &strata_ports::Key) -> bool {
    let template = template();
    let stream = &template["Resources"][function]["Properties"]["Events"]["TableChanges"]["Properties"];
    let filters = stream["FilterCriteria"]["Filters"].as_array().unwrap().iter();
    let mut filters = filters.map(|filter| serde_json::from_str::<Value>(filter["Pattern"].as_str().unwrap()).unwrap());
    let record = json!({ "dynamodb": { "Keys": { "pk": { "S": key.pk }, "sk": { "S": key.sk } } } });
    filters.any(|filter| is_match(&filter, &record))
}

/// What security-updates waits for of lifecycle, and nothing else.
#[test]
fn the_stream_wakes_security_updates_about_reports_of_claims_alone() {
    use strata_ports::keys;
    let (stack, instance) = ("s".into(), "i".into());
    assert!(passes("SecurityUpdates", &keys::claim_report(&stack, &instance)));
    for key in [keys::claim(&stack, &instance), keys::instance(&stack, &instance), keys::outbox("event#1")] {
        assert!(!passes("SecurityUpdates", &key), "{key}");
    }
}

/// The stream's filters and what instance-lifecycle reads of a change are two places that must agree.
#[test]
fn the_stream_lets_through_what_names_an_instance_due_load_balancers_and_the_poke_of_launches() {
    let passes = |key: &strata_ports::Key| passes("InstanceLifecycle", key);
    use strata_ports::keys;
    let (stack, instance) = ("s".into(), "i".into());
    assert!(passes(&keys::instance(&stack, &instance)));
    assert!(passes(&keys::claim(&stack, &instance)));
    assert!(passes(&keys::launch_poke()));
    assert!(passes(&keys::balancer_due("us-east-1", "front")));
    for key in [
        keys::stack(&stack),
        keys::claim_report(&stack, &instance),
        keys::instance_hold(&stack, &instance, "person"),
        keys::busy(&instance),
        keys::fleet_changed(&stack),
        keys::outbox("event#1"),
    ] {
        assert!(!passes(&key), "{key}");
    }
}

/// Names that are the account's and not the region's carry the region, and none is too long in the longest case.
#[test]
fn two_regions_of_one_account_can_each_install() {
    let longest = "a".repeat(24);
    let resources = Resolver::new(&template(), &[("Installation", &longest)]).resources();
    let mut seen = 0;
    for (name, resource) in &resources {
        for member in ["RoleName", "InstanceProfileName", "ManagedPolicyName", "DashboardName"] {
            let Some(text) = resource["Properties"][member].as_str().filter(|_| !name.ends_with("Policy")) else { continue };
            // The longest names of regions have 14 letters.
            let length = text.len() - REGION.len() + 14;
            assert!(text.contains(REGION) && length <= 64, "{name}: {text}");
            seen += 1;
        }
    }
    assert_eq!(seen, 12, "nine roles, a profile, a policy and a dashboard");
}

#[test]
fn with_roles_of_ones_own_none_is_made() {
    let arns: Vec<String> = FUNCTIONS.iter().map(|(function, _)| format!("arn:aws:iam::{ACCOUNT}:role/own-{function}")).collect();
    let names: Vec<String> = FUNCTIONS.iter().map(|(_, role)| format!("{role}Arn")).collect();
    let mut given: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(arns.iter().map(String::as_str)).collect();
    let others = ["ServiceRoleArn", "InstanceRoleArn", "TickRoleArn"];
    given.extend(others.map(|name| (name, "arn:aws:iam::123456789012:role/own")));
    let resources = Resolver::new(&template(), &given).resources();
    let roles: Vec<&String> = resources.iter().filter(|(_, r)| r["Type"] == "AWS::IAM::Role").map(|(name, _)| name).collect();
    assert!(roles.is_empty(), "{roles:?}");
    for ((_, role), arn) in FUNCTIONS.iter().zip(&arns) {
        assert_eq!(properties(&resources, role)["Role"], json!(arn));
    }
    let controllers = &properties(&resources, "ApiRole")["Environment"]["Variables"]["STRATA_CONTROLLER_ROLE_ARNS"];
    assert_eq!(controllers, &json!(arns[2..].join(",")));
}

#[test]
fn controllers_are_known_to_the_api_by_the_arns_that_their_roles_get() {
    let resources = Resolver::new(&template(), &[]).resources();
    let roles = FUNCTIONS[2..].iter().map(|(_, role)| resources[*role]["Properties"]["RoleName"].as_str().unwrap());
    let arns: Vec<String> = roles.map(|name| format!("arn:aws:iam::{ACCOUNT}:role/{name}")).collect();
    let told = &properties(&resources, "ApiRole")["Environment"]["Variables"]["STRATA_CONTROLLER_ROLE_ARNS"];
    assert_eq!(told, &json!(arns.join(",")));
}

#[test]
fn every_alarm_on_strata_itself_pages_and_is_not_taken_for_a_layers() {
    let resources = Resolver::new(&template(), &[]).resources();
    let alarms: Vec<&Value> =
        resources.values().filter(|r| r["Type"] == "AWS::CloudWatch::Alarm").map(|r| &r["Properties"]).collect();
    assert_eq!(alarms.len(), 15);
    for alarm in alarms {
        assert!(alarm["AlarmName"].as_str().unwrap().starts_with("strata-self-"), "{alarm}");
        assert_eq!(
            (&alarm["AlarmActions"], &alarm["OKActions"]),
            (&json!(["made:OnCallTopic.Ref"]), &json!(["made:OnCallTopic.Ref"]))
        );
    }
}
