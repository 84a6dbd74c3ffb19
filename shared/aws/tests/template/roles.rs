//! Each role has what is called, no more and no less.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_aws::Role;

use crate::document::template;
use crate::iam::{many, statements};
use crate::resolve::Resolver;
use crate::tables::{Actions, FUNCTIONS, TABLES, called, dependent, ground, methods};

/// The actions of one inline policy of a role.
fn granted(role: &Value, policy: &str) -> Actions {
    let policies = role["Properties"]["Policies"].as_array().unwrap_or_else(|| panic!("no policies in {role}"));
    let found = policies.iter().filter(|p| p["PolicyName"] == policy);
    let statements = found.flat_map(|p| p["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
    statements.flat_map(|statement| many(&statement["Action"])).map(str::to_owned).collect()
}

/// What a role lacks and what it has too much of, a line each; empty is good.
fn differences(resources: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut compare = |role: &str, policy: &str, needed: &Actions| {
        let granted = granted(&resources[role], policy);
        lines.extend(needed.difference(&granted).map(|action| format!("{role}, {policy}: {action} is called and not allowed")));
        lines.extend(granted.difference(needed).map(|action| format!("{role}, {policy}: {action} is allowed and never called")));
    };
    let mut under_stacks = Actions::new();
    for (function, role) in FUNCTIONS {
        compare(role, "calls", &called(function, Role::Function));
        compare(role, "ground", &ground(function));
        under_stacks.extend(called(function, Role::Stack));
    }
    compare("ServiceRole", "calls", &under_stacks);
    compare("ServiceRole", "dependent", &dependent(&under_stacks));
    lines
}

#[test]
fn each_role_allows_what_is_called_and_nothing_else() {
    let resources = Resolver::new(&template(), &[]).resources();
    assert_eq!(differences(&resources).join("\n"), "");
}

#[test]
fn an_action_too_few_and_one_too_many_are_both_seen() {
    let template = template();
    let mut resources = Resolver::new(&template, &[]).resources();
    let statement = &mut resources["TimeScalingRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    assert!(many(&statement["Action"]).contains(&"dynamodb:GetItem"));
    statement["Action"] =
        json!(["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan"]);
    let expected = [
        "TimeScalingRole, calls: dynamodb:GetItem is called and not allowed",
        "TimeScalingRole, calls: dynamodb:Scan is allowed and never called",
    ];
    assert_eq!(differences(&resources), expected);
}

/// No policy beside those that are compared, nothing allowed by exception, no wildcard among actions.
#[test]
fn roles_have_no_policies_but_those_that_are_compared() {
    let resources = Resolver::new(&template(), &[]).resources();
    let named: Vec<&str> = FUNCTIONS.iter().map(|(_, role)| *role).chain(["ServiceRole"]).collect();
    for name in named {
        let role = &resources[name];
        let policies = role["Properties"]["Policies"].as_array().unwrap().iter().map(|p| p["PolicyName"].as_str().unwrap());
        let known = ["calls", if name == "ServiceRole" { "dependent" } else { "ground" }];
        assert_eq!(policies.collect::<Vec<_>>(), known, "{name}");
        assert!(role["Properties"].get("ManagedPolicyArns").is_none(), "{name}");
        for statement in statements(role) {
            assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none(), "{name}: {statement}");
            assert!(many(&statement["Action"]).iter().all(|action| !action.contains('*')), "{name}: {statement}");
        }
    }
    let policies = |kind: &str| resources.iter().filter(|(_, r)| r["Type"] == kind).map(|(n, _)| n.as_str()).collect::<Vec<_>>();
    assert_eq!(policies("AWS::IAM::ManagedPolicy"), ["ApiCallers"]);
    assert!(policies("AWS::IAM::Policy").is_empty() && policies("AWS::IAM::RolePolicy").is_empty());
}

/// Actions that IAM does not let be bound to a resource (Service Authorization Reference), or that need more than one kind.
const ON_ANYTHING: [&str; 26] = [
    "cloudwatch:DescribeAlarms", // composite alarms are asked for on everything
    "dynamodb:ListStreams",
    "ec2:DescribeAddresses",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeTags",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcs",
    "ecs:ListServices", // its condition names the cluster
    "elasticloadbalancing:DescribeInstanceHealth",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssm:DescribeInstanceInformation",
    "ssm:ListCommandInvocations",
    "ssm:ListCommands",
];

#[test]
fn only_what_cannot_be_bound_to_a_resource_is_allowed_on_anything() {
    let resources = Resolver::new(&template(), &[("ClusterNames", "prod-*")]).resources();
    for role in FUNCTIONS.iter().map(|(_, role)| *role).chain(["ServiceRole"]) {
        for statement in statements(&resources[role]).filter(|s| many(&s["Resource"]).contains(&"*")) {
            for action in many(&statement["Action"]) {
                assert!(ON_ANYTHING.contains(&action), "{role}: {action} can be bound to a resource");
            }
        }
    }
}

/// Methods that no function calls yet: a line here is a question to whoever wrote the method.
const CALLED_BY_NOBODY: &[(&str, &str)] = &[("Objects", "delete"), ("Objects", "get")];

#[test]
fn every_method_with_a_line_is_called_by_some_function() {
    let methods = methods();
    let used: BTreeSet<(&str, &str)> = methods
        .values()
        .flatten()
        .flat_map(|(port, methods)| methods.iter().map(move |method| (port.as_str(), method.as_str())))
        .collect();
    let lines = TABLES.iter().flat_map(|(port, table)| table.iter().map(move |uses| (*port, uses.method)));
    let unused: BTreeSet<_> = lines.filter(|line| !used.contains(line)).collect();
    assert_eq!(unused, CALLED_BY_NOBODY.iter().copied().collect());
}

/// Actions that some role of ours allows.
fn allowed() -> BTreeSet<String> {
    let resources = Resolver::new(&template(), &[]).resources();
    let roles = FUNCTIONS.iter().map(|(_, role)| *role).chain(["ServiceRole"]);
    roles
        .flat_map(|role| statements(&resources[role]).flat_map(|s| many(&s["Action"])).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// [ECS-3] Clusters, task definitions and tasks are made and deleted by others, and so are services made; a teardown deletes services when it
/// is asked to.
#[test]
fn ecs_3_no_role_may_make_or_delete_clusters_task_definitions_or_tasks_nor_make_services() {
    let ecs: BTreeSet<String> = allowed().into_iter().filter(|action| action.starts_with("ecs:")).collect();
    assert!(ecs.contains("ecs:DescribeClusters") && ecs.contains("ecs:DeleteService"));
    for never in ["Create", "DeleteCluster", "DeleteTask", "RegisterTask", "DeregisterTask", "RunTask", "StartTask", "PutCluster"]
    {
        assert!(!ecs.iter().any(|action| action["ecs:".len()..].starts_with(never)), "{never}: {ecs:?}");
    }
}

/// [SG-9] Whatever is deleted, the built-in groups stay: nobody may delete a security group.
#[test]
fn sg_9_no_role_may_delete_a_security_group() {
    let allowed = allowed();
    assert!(allowed.contains("ec2:CreateSecurityGroup") && !allowed.contains("ec2:DeleteSecurityGroup"));
}

/// [ECS-42] [ECS-43] [IAM-7] The instance role: EC2 assumes it, the ECS and SSM agents have their managed policies, and hosts may publish metrics
/// and logs.
#[test]
fn ecs_43_the_instance_role_lets_a_host_join_be_commanded_and_publish() {
    let resources = Resolver::new(&template(), &[]).resources();
    let role = &resources["InstanceRole"]["Properties"];
    let trust = role["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap();
    assert_eq!(trust.len(), 1);
    assert_eq!((&trust[0]["Principal"]["Service"], &trust[0]["Action"]), (&json!("ec2.amazonaws.com"), &json!("sts:AssumeRole")));
    let managed: Vec<&str> =
        role["ManagedPolicyArns"].as_array().unwrap().iter().filter_map(|arn| arn.as_str()?.rsplit('/').next()).collect();
    assert_eq!(managed, ["AmazonEC2ContainerServiceforEC2Role", "AmazonSSMManagedInstanceCore"]);
    let own: BTreeSet<&str> = statements(&resources["InstanceRole"]).flat_map(|s| many(&s["Action"])).collect();
    for needed in ["cloudwatch:PutMetricData", "logs:CreateLogStream", "logs:PutLogEvents"] {
        assert!(own.contains(needed), "{needed}: {own:?}");
    }
}

/// [IAM-4] [ECS-126] The service role trusts our functions' roles, with the installation's external id, and nothing here relies on the service
/// principal or the managed policies of OpsWorks.
#[test]
fn iam_4_the_service_role_trusts_our_functions_and_nothing_relies_on_opsworks_own_principal() {
    let resources = Resolver::new(&template(), &[]).resources();
    let trust = resources["ServiceRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"].as_array().unwrap().clone();
    assert_eq!((trust.len(), &trust[0]["Action"]), (1, &json!("sts:AssumeRole")));
    assert!(trust[0]["Condition"]["StringEquals"].get("sts:ExternalId").is_some(), "{}", trust[0]);
    let trusted = many(&trust[0]["Principal"]["AWS"]).len().max(trust[0]["Principal"]["AWS"].as_array().map_or(0, Vec::len));
    assert_eq!(trusted, 5, "every function that calls under a stack's role: {}", trust[0]);
    let text = serde_json::to_string(&resources).unwrap();
    assert!(!text.contains("opsworks.amazonaws.com") && !text.contains("policy/AWSOpsWorks"));
}
