//! What a stack's service role must allow before the stack can have an ECS Cluster layer [ECS-30..34] [IAM-2, 3].

use serde_json::{Value, json};

/// The ECS actions that an ECS Cluster layer calls under the stack's service role. A role that allows `ecs:*` allows them all [ECS-32].
pub const ECS_ACTIONS: [&str; 12] = [
    "ecs:DescribeClusters",
    "ecs:ListContainerInstances",
    "ecs:DescribeContainerInstances",
    "ecs:UpdateContainerInstancesState",
    "ecs:DeregisterContainerInstance",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:StopTask",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:UpdateService",
    "ecs:DeleteService",
];

/// The policy of a service role with ECS access [ECS-33]. `iam:PassRole` stands in a statement of its own: with its condition on the other
/// actions they would all be blocked, since an absent key fails `StringEquals` [ECS-34].
pub fn policy() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "ec2:*",
                    "ecs:*",
                    "elasticloadbalancing:*",
                    "cloudwatch:GetMetricStatistics",
                    "cloudwatch:DescribeAlarms",
                    "iam:GetRolePolicy",
                    "iam:ListInstanceProfiles",
                    "iam:ListRoles",
                    "iam:ListUsers",
                ],
                "Resource": "*",
            },
            {
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "*",
                "Condition": { "StringEquals": { "iam:PassedToService": "ec2.amazonaws.com" } },
            },
        ],
    })
}

/// The policy that adds what is missing and nothing else.
pub fn addition(missing: &[String]) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": missing, "Resource": "*" }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [ECS-33] [ECS-34] [IAM-2]
    #[test]
    fn ecs_34_the_condition_stands_on_pass_role_alone() {
        let policy = policy();
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 2);
        for action in ["ec2:*", "ecs:*", "elasticloadbalancing:*", "cloudwatch:DescribeAlarms", "iam:ListInstanceProfiles"] {
            assert!(statements[0]["Action"].as_array().unwrap().contains(&json!(action)), "{action}");
        }
        assert!(statements[0].get("Condition").is_none());
        assert_eq!(statements[1]["Action"], "iam:PassRole");
        assert_eq!(statements[1]["Condition"]["StringEquals"]["iam:PassedToService"], "ec2.amazonaws.com");
    }

    #[test]
    fn an_addition_allows_what_is_missing_and_nothing_else() {
        let addition = addition(&["ecs:StopTask".to_owned()]);
        assert_eq!(addition["Statement"], json!([{ "Effect": "Allow", "Action": ["ecs:StopTask"], "Resource": "*" }]));
        assert!(ECS_ACTIONS.iter().all(|action| action.starts_with("ecs:")));
    }
}
