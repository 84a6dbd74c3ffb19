//! Evaluates identity policies as IAM does, as far as this template goes: effects, actions and resources with wildcards, and the condition
//! operators StringEquals, ArnLike and Bool. Not covered: resource policies, boundaries, session policies, organizations.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is asked: an action on a resource, with the keys that AWS fills in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: String,
    pub(crate) context: BTreeMap<&'a str, String>,
}

impl<'a> Question<'a> {
    pub(crate) fn new(action: &'a str, resource: impl Into<String>) -> Self {
        Self { action, resource: resource.into(), context: BTreeMap::new() }
    }

    pub(crate) fn with(mut self, key: &'a str, value: &str) -> Self {
        self.context.insert(key, value.to_owned());
        self
    }
}

/// Whether the inline policies of a role (resolved) allow it.
pub(crate) fn allows(role: &Value, question: &Question<'_>) -> bool {
    let matching: Vec<&Value> = statements(role).filter(|statement| matches(statement, question)).collect();
    let is = |effect: &str| matching.iter().any(|statement| statement["Effect"] == effect);
    is("Allow") && !is("Deny")
}

/// All statements of a role's inline policies.
pub(crate) fn statements(role: &Value) -> impl Iterator<Item = &Value> {
    let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
}

/// One or many, as a list.
pub(crate) fn many(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    }
}

fn matches(statement: &Value, question: &Question<'_>) -> bool {
    let action = question.action.to_ascii_lowercase();
    many(&statement["Action"]).iter().any(|pattern| is_like(&pattern.to_ascii_lowercase(), &action))
        && many(&statement["Resource"]).iter().any(|pattern| is_like(pattern, &question.resource))
        && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| holds(operator, keys, question))
}

/// Every key of an operator must be there and have one of the values.
fn holds(operator: &str, keys: &Value, question: &Question<'_>) -> bool {
    let is: fn(&str, &str) -> bool = match operator {
        "StringEquals" | "Bool" => |wanted, found| wanted == found,
        "ArnLike" => is_like,
        other => panic!("the condition operator {other} is not known here"),
    };
    let keys = keys.as_object().expect("a condition names keys");
    keys.iter().all(|(key, wanted)| {
        question.context.get(key.as_str()).is_some_and(|found| many(wanted).iter().any(|wanted| is(wanted, found)))
    })
}

/// `*` is any text, `?` any character.
fn is_like(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            is_like(&pattern[1..], text) || text.chars().next().is_some_and(|c| is_like(pattern, &text[c.len_utf8()..]))
        }
        (Some(p), Some(t)) if p == '?' || p == t => is_like(&pattern[p.len_utf8()..], &text[t.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(statements: &Value) -> Value {
        json!({ "Properties": { "Policies": [{ "PolicyDocument": { "Statement": statements } }] } })
    }

    #[test]
    fn an_action_is_allowed_by_name_resource_and_condition_together() {
        let role = role(&json!([{
            "Effect": "Allow", "Action": ["ec2:Stop*"], "Resource": "arn:x:instance/*", "Condition": { "StringEquals": { "k": ["a", "b"] } },
        }]));
        let stop = || Question::new("ec2:StopInstances", "arn:x:instance/i-1");
        for (question, expected) in [
            (stop().with("k", "a"), true),
            (stop().with("k", "b"), true),
            (stop().with("k", "c"), false),
            (stop(), false),
            (Question::new("ec2:StartInstances", "arn:x:instance/i-1").with("k", "a"), false),
            (Question::new("ec2:StopInstances", "arn:x:volume/v-1").with("k", "a"), false),
        ] {
            assert_eq!(allows(&role, &question), expected, "{question:?}");
        }
    }

    #[test]
    fn a_deny_wins_and_silence_is_no() {
        let allow = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let deny = json!({ "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*" });
        let question = Question::new("s3:GetObject", "r");
        assert!(allows(&role(&json!([allow])), &question));
        assert!(!allows(&role(&json!([allow, deny])), &question));
        assert!(!allows(&role(&json!([])), &question));
    }

    #[test]
    fn arns_are_compared_with_wildcards() {
        for (pattern, text, expected) in
            [("a*c", "abc", true), ("a*c", "ac", true), ("a?c", "ac", false), ("*", "", true), ("a*", "b", false)]
        {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
