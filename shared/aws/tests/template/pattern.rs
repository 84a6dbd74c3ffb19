//! EventBridge's event patterns, as far as this template goes: exact values, `prefix`, `anything-but` a prefix, `wildcard`.

use serde_json::Value;

/// Whether an event is let through.
pub(crate) fn is_match(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.iter().all(|(name, pattern)| is_match(pattern, &event[name])),
        Value::Array(choices) => choices.iter().any(|choice| is_one(choice, event)),
        other => panic!("{other} is no pattern"),
    }
}

fn is_one(choice: &Value, found: &Value) -> bool {
    let Some(rule) = choice.as_object() else { return choice == found };
    let Some(found) = found.as_str() else { return false };
    let (name, operand) = rule.iter().next().expect("a rule names its kind");
    match (name.as_str(), operand) {
        ("prefix", Value::String(prefix)) => found.starts_with(prefix.as_str()),
        ("anything-but", Value::Object(but)) => !found.starts_with(but["prefix"].as_str().expect("anything-but a prefix")),
        ("wildcard", Value::String(pattern)) => {
            // One star is all that is used.
            let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
            if pattern.contains('*') {
                found.starts_with(before) && found[before.len()..].ends_with(after)
            } else {
                found == pattern
            }
        }
        (other, _) => panic!("the rule {other} is not known here"),
    }
}

#[test]
fn patterns_let_through_what_eventbridge_lets_through() {
    use serde_json::json;
    let event = json!({ "source": "aws.ec2", "detail": { "state": "running", "name": "strata-self-x" } });
    for (pattern, expected) in [
        (json!({ "source": ["aws.ecs", "aws.ec2"] }), true),
        (json!({ "source": ["aws.ecs"] }), false),
        (json!({ "detail": { "state": ["running"] }, "source": ["aws.ec2"] }), true),
        (json!({ "detail": { "missing": ["x"] } }), false),
        (json!({ "detail": { "state": [{ "prefix": "run" }] } }), true),
        (json!({ "detail": { "state": [{ "wildcard": "r*g" }] } }), true),
        (json!({ "detail": { "state": [{ "wildcard": "r*x" }] } }), false),
        (json!({ "detail": { "name": [{ "anything-but": { "prefix": "strata-self-" } }] } }), false),
        (json!({ "detail": { "state": [{ "anything-but": { "prefix": "strata-self-" } }] } }), true),
    ] {
        assert_eq!(is_match(&pattern, &event), expected, "{pattern}");
    }
}
