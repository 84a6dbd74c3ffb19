//! The model as a whole.

use std::collections::BTreeSet;

use serde_json::Value;
use strata_domain::InstanceStatus;

use super::*;

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_operation_and_every_member_is_documented() {
    let model = service(None);
    let is_silent = |of: &Value| of["documentation"].as_str().is_none_or(str::is_empty);
    let mut silent: Vec<String> = Vec::new();
    for (name, operation) in model["operations"].as_object().unwrap() {
        silent.extend(is_silent(operation).then(|| name.clone()));
    }
    for (shape, body) in model["shapes"].as_object().unwrap() {
        for (member, of) in body["members"].as_object().into_iter().flatten() {
            silent.extend(is_silent(of).then(|| format!("{shape}.{member}")));
        }
    }
    assert!(silent.is_empty(), "write a doc comment for each of: {}", silent.join(", "));
}

#[test]
fn every_shape_is_there_and_used() {
    let model = service(None);
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut open = vec![&model["operations"], &model["shapes"]];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                used.extend(members.get("shape").and_then(Value::as_str));
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert_eq!(used, names(&model["shapes"]));
}

/// [WIRE-11]
#[test]
fn wire_11_each_operation_names_the_errors_that_it_may_answer_with() {
    for (action, expected) in [
        ("StartInstance", &["ValidationException", "ResourceNotFoundException"][..]),
        ("CreateStack", &["ValidationException"]),
        ("CreateUserProfile", &["ValidationException"]),
        ("UpdateMyUserProfile", &["ValidationException"]),
        ("DetachElasticLoadBalancer", &["ResourceNotFoundException"]),
        ("DescribeMyUserProfile", &[]),
        ("DescribeOperatingSystems", &[]),
    ] {
        let errors = errors(action);
        assert_eq!(errors.iter().filter_map(|e| e["shape"].as_str()).collect::<Vec<_>>(), expected, "{action}");
    }
}

#[test]
fn a_stack_needs_no_region_for_the_newest_cli_takes_the_flag_for_its_own() {
    let model = service(None);
    let stack = &model["shapes"]["CreateStackRequest"];
    let required: BTreeSet<&str> = stack["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(required, BTreeSet::from(["DefaultInstanceProfileArn", "Name", "ServiceRoleArn"]));
    assert_eq!(stack["members"]["Region"]["shape"], "String", "it may still be sent");
}

/// [CLT-6]
#[test]
fn clt_6_the_signing_name_stands_in_the_metadata_only_when_asked_for() {
    assert_eq!(service(Some("lambda"))["metadata"]["signingName"], "lambda");
    assert!(service(None)["metadata"].get("signingName").is_none());
}

#[test]
fn our_model_is_told_from_others() {
    assert!(is_ours(&service(None)) && is_ours(&service(Some("lambda"))));
    assert!(!is_ours(&json!({ "documentation": "<p>AWS OpsWorks</p>" })) && !is_ours(&json!([])));
}

#[test]
fn what_is_answered_is_required_of_nobody() {
    let model = service(None);
    for (name, shape) in model["shapes"].as_object().unwrap() {
        assert!(!name.ends_with("Result") || shape.get("required").is_none(), "{name}");
    }
}

/// [CLT-1]
#[test]
fn clt_1_waiters_ask_forty_times_every_15_seconds_and_for_an_app_every_second() {
    let waiters = waiters();
    let all = waiters["waiters"].as_object().unwrap();
    assert_eq!(all.len(), 6);
    for (name, waiter) in all {
        assert_eq!(waiter["maxAttempts"], 40, "{name}");
        assert_eq!(waiter["delay"], if name == "AppExists" { 1 } else { 15 }, "{name}");
    }
    let app = &all["AppExists"]["acceptors"];
    assert_eq!((&app[0]["expected"], &app[0]["state"]), (&json!(200), &json!("success")));
}

fn statuses(waiter: &str, state: &str) -> BTreeSet<String> {
    let all = waiters();
    let acceptors = all["waiters"][waiter]["acceptors"].as_array().unwrap().iter();
    let of_state = acceptors.filter(|a| a["state"] == state && a["matcher"] != "error");
    of_state.map(|a| a["expected"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn waiters_wait_for_statuses_that_instances_can_have() {
    for waiter in ["InstanceOnline", "InstanceStopped", "InstanceTerminated", "InstanceRegistered"] {
        for status in statuses(waiter, "success").union(&statuses(waiter, "failure")) {
            assert!(InstanceStatus::ALL.iter().any(|s| s.as_str() == status), "{waiter}: {status}");
        }
    }
}

/// [INST-4]
#[test]
fn inst_4_an_instance_is_terminated_when_its_id_is_unknown() {
    let waiters = waiters();
    let acceptors = waiters["waiters"]["InstanceTerminated"]["acceptors"].as_array().unwrap();
    let gone = acceptors.iter().find(|a| a["matcher"] == "error").unwrap();
    assert_eq!((&gone["expected"], &gone["state"]), (&json!("ResourceNotFoundException"), &json!("success")));
    assert!(!statuses("InstanceTerminated", "failure").contains("terminating"), "that is on the way");
}

#[test]
fn waiters_and_paginators_use_operations_and_members_of_the_model() {
    let (model, waiters, paginators) = (service(None), waiters(), paginators());
    for waiter in waiters["waiters"].as_object().unwrap().values() {
        assert!(model["operations"].get(waiter["operation"].as_str().unwrap()).is_some(), "{waiter}");
    }
    let members = |shape: &str| names(&model["shapes"][shape]["members"]);
    let pages = &paginators["pagination"]["DescribeEcsClusters"];
    for (shape, member) in [
        ("DescribeEcsClustersRequest", &pages["input_token"]),
        ("DescribeEcsClustersRequest", &pages["limit_key"]),
        ("DescribeEcsClustersResult", &pages["output_token"]),
        ("DescribeEcsClustersResult", &pages["result_key"]),
    ] {
        assert!(members(shape).contains(member.as_str().unwrap()), "{shape}: {member}");
    }
}
