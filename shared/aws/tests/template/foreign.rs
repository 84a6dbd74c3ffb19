//! What is not Strata's cannot be harmed: the roles' policies, evaluated as IAM does ([`crate::iam`] says how far).

use serde_json::{Map, Value};

use crate::document::template;
use crate::iam::{Question, allows, many, statements};
use crate::resolve::{ACCOUNT, REGION, Resolver};
use crate::tables::FUNCTIONS;

const TAG: &str = "aws:ResourceTag/strata:installation";
const SSM_TAG: &str = "ssm:resourceTag/strata:installation";

fn resources(given: &[(&str, &str)]) -> Map<String, Value> {
    Resolver::new(&template(), given).resources()
}

fn arn(service: &str, what: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{what}")
}

const POWER: [&str; 4] = ["ec2:RebootInstances", "ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances"];

/// [IAM-2]: a service role may do much; ours does not.
#[test]
fn a_foreign_instance_cannot_be_stopped_nor_a_foreign_volume_deleted() {
    let role = &resources(&[])["ServiceRole"];
    let things = POWER.map(|action| (action, arn("ec2", "instance/i-0a1b2c3d4e5f60718")));
    for (action, thing) in things.into_iter().chain([("ec2:DeleteVolume", arn("ec2", "volume/vol-1"))]) {
        let ask = || Question::new(action, thing.clone());
        assert!(allows(role, &ask().with(TAG, "strata")), "{action} on ours");
        assert!(!allows(role, &ask()), "{action} without the tag");
        assert!(!allows(role, &ask().with(TAG, "another")), "{action} on another installation's");
        let elsewhere = thing.replace(REGION, "us-east-1");
        assert!(!allows(role, &Question::new(action, elsewhere).with(TAG, "strata")), "{action} in another region");
    }
}

#[test]
fn without_its_condition_the_role_could_stop_anything_which_this_would_show() {
    let mut role = resources(&[])["ServiceRole"].clone();
    for policy in role["Properties"]["Policies"].as_array_mut().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array_mut().unwrap() {
            statement.as_object_mut().unwrap().remove("Condition");
        }
    }
    assert!(allows(&role, &Question::new("ec2:StopInstances", arn("ec2", "instance/i-1"))));
}

/// Our tag is given by a launch alone; other tags only go to what has it. Otherwise a foreign machine could be made ours first.
#[test]
fn a_launch_carries_our_tag_and_no_other_call_can_give_it() {
    let role = &resources(&[])["ServiceRole"];
    let launch = |what: &str| Question::new("ec2:RunInstances", arn("ec2", what));
    let requested = "aws:RequestTag/strata:installation";
    assert!(allows(role, &launch("instance/*").with(requested, "strata")));
    assert!(!allows(role, &launch("instance/*")));
    assert!(!allows(role, &launch("instance/*").with(requested, "another")));
    for what in ["subnet/subnet-1", "security-group/sg-1", "network-interface/*", "volume/*", "key-pair/ops"] {
        assert!(allows(role, &launch(what)), "{what}");
    }
    assert!(allows(role, &Question::new("ec2:RunInstances", format!("arn:aws:ec2:{REGION}::image/ami-1"))));
    for what in ["instance/i-1", "volume/vol-1"] {
        let tag = || Question::new("ec2:CreateTags", arn("ec2", what));
        assert!(allows(role, &tag().with("ec2:CreateAction", "RunInstances")), "{what}");
        assert!(!allows(role, &tag()), "{what}");
        assert!(!allows(role, &tag().with("ec2:CreateAction", "CreateSnapshot")), "{what}");
        assert!(!allows(role, &tag().with(TAG, "another")), "{what}");
    }
}

/// A volume that is made by itself has our tag from the beginning, and only then other tags.
#[test]
fn a_volume_is_made_with_our_tag_only() {
    let role = &resources(&[])["ServiceRole"];
    let make = || Question::new("ec2:CreateVolume", arn("ec2", "volume/*"));
    let requested = "aws:RequestTag/strata:installation";
    assert!(allows(role, &make().with(requested, "strata")));
    assert!(!allows(role, &make()) && !allows(role, &make().with(requested, "another")));
    let tag = |what: &str| Question::new("ec2:CreateTags", arn("ec2", what)).with("ec2:CreateAction", "CreateVolume");
    assert!(allows(role, &tag("volume/vol-1")) && !allows(role, &tag("instance/i-1")));
}

/// Groups are made with our tag only, and only the rules of those are changed [SG-8].
#[test]
fn security_groups_of_others_are_left_as_they_are() {
    let role = &resources(&[])["ServiceRole"];
    let on = |action: &'static str, what: &str| Question::new(action, arn("ec2", what));
    let make = "ec2:CreateSecurityGroup";
    let changes = [
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
    ];
    assert!(allows(role, &on(make, "vpc/vpc-1")));
    for (installation, is_ours) in [("strata", true), ("another", false)] {
        let made = on(make, "security-group/*").with("aws:RequestTag/strata:installation", installation);
        assert_eq!(allows(role, &made), is_ours, "{installation}");
        for change in changes {
            let changed = on(change, "security-group/sg-1").with("aws:ResourceTag/strata:installation", installation);
            assert_eq!(allows(role, &changed), is_ours, "{change} {installation}");
            assert!(!allows(role, &on(change, "security-group/sg-1")), "{change}");
        }
    }
    assert!(!allows(role, &on(make, "security-group/*")));
    let tag = || on("ec2:CreateTags", "security-group/sg-1");
    assert!(allows(role, &tag().with("ec2:CreateAction", "CreateSecurityGroup")) && !allows(role, &tag()));
}

/// [ECS-34] [IAM-8]
#[test]
fn only_the_instances_role_can_be_passed_and_only_to_ec2() {
    let pass = |role: &str| Question::new("iam:PassRole", format!("arn:aws:iam::{ACCOUNT}:role/{role}"));
    let to = "iam:PassedToService";
    let name = format!("strata-instance-{REGION}");
    let role = &resources(&[])["ServiceRole"];
    assert!(allows(role, &pass(&name).with(to, "ec2.amazonaws.com")));
    assert!(!allows(role, &pass(&name).with(to, "lambda.amazonaws.com")));
    assert!(!allows(role, &pass("admin").with(to, "ec2.amazonaws.com")));
    let brought = format!("arn:aws:iam::{ACCOUNT}:role/brought");
    let made = resources(&[("InstanceRoleArn", &brought)]);
    assert!(allows(&made["ServiceRole"], &pass("brought").with(to, "ec2.amazonaws.com")));
    assert!(!made.contains_key("InstanceRole") && !made.contains_key("InstanceProfile"));
}

#[test]
fn clusters_that_are_not_named_are_left_alone() {
    let role = &resources(&[("ClusterNames", "prod-*")])["ServiceRole"];
    let on = |action: &'static str, kind: &str, cluster: &str| {
        let what = if kind == "cluster" { format!("cluster/{cluster}") } else { format!("{kind}/{cluster}/x") };
        let resource = if kind == "*" { "*".to_owned() } else { arn("ecs", &what) };
        let asked = Question::new(action, resource).with("aws:RequestedRegion", REGION);
        allows(role, &asked.with("ecs:cluster", &arn("ecs", &format!("cluster/{cluster}"))))
    };
    for (action, kind) in [
        ("ecs:UpdateContainerInstancesState", "container-instance"),
        ("ecs:DeregisterContainerInstance", "cluster"),
        ("ecs:StopTask", "task"),
        ("ecs:UpdateService", "service"),
        ("ecs:DeleteService", "service"),
        ("ecs:ListServices", "*"),
    ] {
        assert!(on(action, kind, "prod-shop"), "{action}");
        assert!(!on(action, kind, "test-shop"), "{action} on a cluster that is not named");
    }
    // The name of a container instance alone is not believed.
    let lie = Question::new("ecs:UpdateContainerInstancesState", arn("ecs", "container-instance/prod-shop/x"));
    let lie = lie.with("aws:RequestedRegion", REGION);
    assert!(!allows(role, &lie.with("ecs:cluster", &arn("ecs", "cluster/test-shop"))));
}

/// [ECS-35]: what a role is asked for when a cluster is registered, a role that is narrowed to that cluster allows.
#[test]
fn ecs_35_a_role_that_is_narrowed_to_some_clusters_lacks_nothing_for_these() {
    let role = &resources(&[("ClusterNames", "prod-*")])["ServiceRole"];
    for (name, allowed) in [("prod-shop", true), ("test-shop", false)] {
        let cluster = arn("ecs", &format!("cluster/{name}"));
        for action in strata_domain::service_role::ECS_ACTIONS {
            let resource = strata_domain::service_role::resource_of(action, &cluster.as_str().into());
            let asked = Question::new(action, resource).with("aws:RequestedRegion", REGION).with("ecs:cluster", &cluster);
            assert_eq!(allows(role, &asked), allowed, "{action} {name}");
        }
    }
}

/// [ECS-35]: what CheckServiceRole asks IAM about a role, on everything and with no cluster named, the template's own role allows.
#[test]
fn ecs_35_the_templates_role_lacks_nothing_that_an_ecs_layer_asks_for() {
    let role = &resources(&[])["ServiceRole"];
    for action in strata_domain::service_role::ECS_ACTIONS {
        let asked = |region: &str| allows(role, &Question::new(action, "*").with("aws:RequestedRegion", region));
        assert!(asked(REGION) && !asked("us-east-1"), "{action}");
    }
}

/// [CMD-32]: the output of others' commands may hold what this machine's users must not see.
#[test]
fn machines_write_logs_of_commands_and_read_none() {
    let role = &resources(&[])["InstanceRole"];
    let ask = |action: &str, key: &str| allows(role, &Question::new(action, format!("made:Bucket.Arn/{key}")));
    assert!(ask("s3:PutObject", "logs/command-1/c/i-1/awsrunShellScript/Recipes/stdout"));
    assert!(
        !ask("s3:PutObject", "installer/register") && !ask("s3:GetObject", "logs/command-1") && !ask("s3:DeleteObject", "logs/x")
    );
}

/// [CWL-5], the template's profile: one of the user's own is the user's to widen.
#[test]
fn cwl_5_machines_may_ship_logs_into_whatever_group_their_layer_names() {
    let role = &resources(&[])["InstanceRole"];
    let ask = |action: &str, group: &str| allows(role, &Question::new(action, arn("logs", &format!("log-group:{group}"))));
    for action in ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"] {
        assert!(ask(action, "/shop/web/access"), "{action}");
    }
    assert!(!ask("logs:DeleteLogGroup", "/shop/web/access") && !ask("logs:GetLogEvents", "/shop/web/access"));
}

#[test]
fn only_our_documents_run_and_only_on_our_machines() {
    const OURS: [&str; 7] = [
        "strata-Setup",
        "strata-Shutdown",
        "strata-Configure",
        "strata-Reconnect",
        "strata-Recipes",
        "strata-Update",
        "strata-Users",
    ];
    let resources = resources(&[]);
    let run = |role: &str, document: &str| {
        let resource = if document.starts_with("AWS-") {
            format!("arn:aws:ssm:{REGION}::document/{document}")
        } else {
            arn("ssm", &format!("document/{document}"))
        };
        allows(&resources[role], &Question::new("ssm:SendCommand", resource))
    };
    for (role, allowed) in [("InstanceLifecycleRole", &OURS[..]), ("SecurityUpdatesRole", &["strata-Update"])] {
        for document in OURS.into_iter().chain(["AWS-RunShellScript", "other-Setup", "strata-Other"]) {
            assert_eq!(run(role, document), allowed.contains(&document), "{role} {document}");
        }
        let host = || Question::new("ssm:SendCommand", arn("ec2", "instance/i-1"));
        assert!(allows(&resources[role], &host().with(SSM_TAG, "strata")));
        assert!(!allows(&resources[role], &host()), "{role} on a foreign machine");
        assert!(!allows(&resources[role], &host().with(SSM_TAG, "another")), "{role} on another installation's machine");
    }
}

#[test]
fn only_managed_alarms_are_changed() {
    let role = &resources(&[])["ServiceRole"];
    for action in ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"] {
        assert!(allows(role, &Question::new(action, arn("cloudwatch", "alarm:strata/shop/ecs-cluster/up-cpu"))), "{action}");
        assert!(!allows(role, &Question::new(action, arn("cloudwatch", "alarm:billing"))), "{action}");
    }
}

#[test]
fn functions_assume_named_service_roles_only_and_these_want_the_external_id() {
    let extra = format!("arn:aws:iam::{ACCOUNT}:role/old-service,arn:aws:iam::{ACCOUNT}:role/older-service");
    let plain = resources(&[]);
    let more = resources(&[("MoreServiceRoleArns", &extra)]);
    let assume = |role: &str| Question::new("sts:AssumeRole", format!("arn:aws:iam::{ACCOUNT}:role/{role}"));
    let own = format!("strata-service-{REGION}");
    for (function, role) in FUNCTIONS {
        assert_eq!(allows(&plain[role], &assume(&own)), function != "time-scaling", "{function}");
        assert!(!allows(&plain[role], &assume("admin")) && !allows(&plain[role], &assume("old-service")), "{function}");
        assert_eq!(allows(&more[role], &assume("older-service")), function != "time-scaling", "{function}");
    }
    let trust = &plain["ServiceRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().map(Vec::len), Some(1));
    assert_eq!(trust[0]["Condition"]["StringEquals"]["sts:ExternalId"], "9f3c0f4e-0b6e-4f9a-8f47-0d0b7a1c55e2");
    let assuming = FUNCTIONS.iter().filter(|(function, _)| *function != "time-scaling");
    let trusted: Vec<String> =
        assuming.map(|(function, _)| format!("arn:aws:iam::{ACCOUNT}:role/strata-{function}-{REGION}")).collect();
    assert_eq!(many(&trust[0]["Principal"]["AWS"]), trusted);
}

/// Whoever stops Strata by its mode must be sure that Strata does not start itself.
#[test]
fn no_role_can_change_a_mode() {
    let resources = resources(&[]);
    let parameter = arn("ssm", "parameter/strata/mode");
    for role in FUNCTIONS.iter().map(|(_, role)| *role).chain(["ServiceRole"]) {
        for action in ["ssm:PutParameter", "ssm:DeleteParameter"] {
            assert!(!allows(&resources[role], &Question::new(action, parameter.clone())), "{role} {action}");
        }
        assert!(statements(&resources[role]).count() > 1, "{role}");
    }
    assert!(allows(&resources["TeardownRole"], &Question::new("ssm:GetParameters", parameter)));
}
