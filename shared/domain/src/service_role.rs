//! What a stack's service role must allow before the stack can have an ECS Cluster layer [ECS-30..34] [IAM-2, 3].

use serde_json::{Value, json};

use crate::ClusterArn;

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

/// What IAM is asked about for an ECS action on `cluster`: the ARN of the kind of resource that the action has, with any name in that
/// cluster (service authorization reference of ECS). ListServices has none, and is bound to a cluster by the key `ecs:cluster` alone.
pub fn resource_of(action: &str, cluster: &ClusterArn) -> String {
    let of = |kind: &str| match cluster.as_str().split_once(":cluster/") {
        Some((account, name)) => format!("{account}:{kind}/{name}/*"),
        None => "*".to_owned(),
    };
    match action {
        "ecs:DescribeClusters" | "ecs:ListContainerInstances" | "ecs:DeregisterContainerInstance" => cluster.to_string(),
        "ecs:DescribeContainerInstances" | "ecs:UpdateContainerInstancesState" | "ecs:ListTasks" => of("container-instance"),
        "ecs:DescribeTasks" | "ecs:StopTask" => of("task"),
        "ecs:DescribeServices" | "ecs:UpdateService" | "ecs:DeleteService" => of("service"),
        _ => "*".to_owned(),
    }
}

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
    fn an_action_is_asked_about_on_the_kind_of_resource_that_it_has() {
        let cluster = ClusterArn::from("arn:aws:ecs:eu-west-1:123456789012:cluster/shop".to_owned());
        for action in ECS_ACTIONS {
            let expected = match action {
                "ecs:ListServices" => "*",
                "ecs:DescribeClusters" | "ecs:ListContainerInstances" | "ecs:DeregisterContainerInstance" => cluster.as_str(),
                "ecs:DescribeTasks" | "ecs:StopTask" => "arn:aws:ecs:eu-west-1:123456789012:task/shop/*",
                "ecs:DescribeServices" | "ecs:UpdateService" | "ecs:DeleteService" => {
                    "arn:aws:ecs:eu-west-1:123456789012:service/shop/*"
                }
                _ => "arn:aws:ecs:eu-west-1:123456789012:container-instance/shop/*",
            };
            assert_eq!(resource_of(action, &cluster), expected, "{action}");
        }
        assert_eq!(resource_of("cloudwatch:DescribeAlarms", &cluster), "*");
    }

    #[test]
    fn an_addition_allows_what_is_missing_and_nothing_else() {
        let addition = addition(&["ecs:StopTask".to_owned()]);
        assert_eq!(addition["Statement"], json!([{ "Effect": "Allow", "Action": ["ecs:StopTask"], "Resource": "*" }]));
        assert!(ECS_ACTIONS.iter().all(|action| action.starts_with("ecs:")));
    }
}
