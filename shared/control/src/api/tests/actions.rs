//! Each action's row in the table of api.md: what it requires, what it answers, which level it needs [ACT].

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_domain::permissions::Needed::{self, Deploy, Iam, Manage, Show};

use super::TestApi;
use super::support::{ACCOUNT, CLUSTER};
use crate::api::actions::operations;
use crate::api::catalogue::ACTIONS;

/// Some value for a required member, of the right form.
fn value(member: &str) -> Value {
    match member {
        "LayerIds" | "InstanceIds" => json!(["unknown"]),
        "ServiceRoleArn" => json!(format!("arn:aws:iam::{ACCOUNT}:role/service")),
        "DefaultInstanceProfileArn" => json!(format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2")),
        "EcsClusterArn" => json!(CLUSTER),
        "Type" => json!("custom"),
        "Shortname" => json!("web"),
        "Command" => json!({ "Name": "setup" }),
        _ => json!("unknown"),
    }
}

fn names(schema: &Value, part: &str) -> BTreeSet<String> {
    match &schema[part] {
        Value::Array(list) => list.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// Checks a row: the model says so, and the API does so when a required member is missing.
async fn check(action: &str, required: &[&str], out: &[&str], level: Needed) {
    let set = |list: &[&str]| list.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let operation = operations().into_iter().find(|o| o.name == action).expect("it is built");
    assert_eq!(names(operation.input.as_value(), "required"), set(required), "{action} requires");
    let answers = operation.output.as_ref().map(|o| names(o.as_value(), "properties"));
    assert_eq!(answers.unwrap_or_default(), set(out), "{action} answers");
    assert_eq!(operation.output.is_none(), out.is_empty(), "an action that answers nothing has an empty body");
    let catalogued = ACTIONS.iter().find(|a| a.name == action).expect("it is an action");
    assert_eq!(catalogued.level, level, "{action} needs");

    let app = TestApi::new();
    for missing in required {
        let members = required.iter().filter(|m| *m != missing).map(|m| ((*m).to_owned(), value(m))).collect();
        let text = app.call(action, Value::Object(members)).await.invalid();
        let named = text.split(':').next().unwrap().replace(' ', "");
        assert_eq!((named.as_str(), text.ends_with(": is required")), (*missing, true), "{action} without {missing}: {text}");
    }
    // With all of them nothing is required any more: what is refused now is an unknown id.
    let members = required.iter().map(|m| ((*m).to_owned(), value(m))).collect();
    if !required.is_empty() && action != "CreateStack" {
        app.call(action, Value::Object(members)).await.not_found();
    }
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident: $action:literal [$($required:literal),*] -> [$($out:literal),*] $level:ident;)*) => {
        $($(#[$doc])*
        #[tokio::test]
        async fn $name() {
            check($action, &[$($required),*], &[$($out),*], $level).await;
        })*
    };
}

rows! {
    /// [ACT-7] `Command.Name` is required as well.
    act_7_create_deployment: "CreateDeployment" ["StackId", "Command"] -> ["DeploymentId"] Deploy;
    /// [ACT-8]
    act_8_create_instance: "CreateInstance" ["StackId", "LayerIds", "InstanceType"] -> ["InstanceId"] Manage;
    /// [ACT-9]
    act_9_create_layer: "CreateLayer" ["StackId", "Type", "Name", "Shortname"] -> ["LayerId"] Manage;
    /// [ACT-10] `Region` has a default here: the newest CLI cannot send it when it is required.
    act_10_create_stack: "CreateStack" ["Name", "ServiceRoleArn", "DefaultInstanceProfileArn"] -> ["StackId"] Iam;
    /// [ACT-13]
    act_13_delete_instance: "DeleteInstance" ["InstanceId"] -> [] Manage;
    /// [ACT-14]
    act_14_delete_layer: "DeleteLayer" ["LayerId"] -> [] Manage;
    /// [ACT-15]
    act_15_delete_stack: "DeleteStack" ["StackId"] -> [] Manage;
    /// [ACT-17]
    act_17_deregister_ecs_cluster: "DeregisterEcsCluster" ["EcsClusterArn"] -> [] Manage;
    /// [ACT-23]
    act_23_describe_apps: "DescribeApps" [] -> ["Apps"] Show;
    /// [ACT-24]
    act_24_describe_commands: "DescribeCommands" [] -> ["Commands"] Show;
    /// [ACT-25]
    act_25_describe_deployments: "DescribeDeployments" [] -> ["Deployments"] Show;
    /// [ACT-26]
    act_26_describe_ecs_clusters: "DescribeEcsClusters" [] -> ["EcsClusters", "NextToken"] Show;
    /// [ACT-29]
    act_29_describe_instances: "DescribeInstances" [] -> ["Instances"] Show;
    /// [ACT-30]
    act_30_describe_layers: "DescribeLayers" [] -> ["Layers"] Show;
    /// [ACT-31]
    act_31_describe_load_based_auto_scaling:
        "DescribeLoadBasedAutoScaling" ["LayerIds"] -> ["LoadBasedAutoScalingConfigurations"] Show;
    /// [ACT-36]
    act_36_describe_rds_db_instances: "DescribeRdsDbInstances" ["StackId"] -> ["RdsDbInstances"] Show;
    /// [ACT-37]
    act_37_describe_service_errors: "DescribeServiceErrors" [] -> ["ServiceErrors"] Show;
    /// [ACT-39]
    act_39_describe_stack_summary: "DescribeStackSummary" ["StackId"] -> ["StackSummary"] Show;
    /// [ACT-40]
    act_40_describe_stacks: "DescribeStacks" [] -> ["Stacks"] Show;
    /// [ACT-41]
    act_41_describe_time_based_auto_scaling:
        "DescribeTimeBasedAutoScaling" ["InstanceIds"] -> ["TimeBasedAutoScalingConfigurations"] Show;
    /// [ACT-46]
    act_46_get_hostname_suggestion: "GetHostnameSuggestion" ["LayerId"] -> ["LayerId", "Hostname"] Manage;
    /// [ACT-49]
    act_49_reboot_instance: "RebootInstance" ["InstanceId"] -> [] Manage;
    /// [ACT-50]
    act_50_register_ecs_cluster: "RegisterEcsCluster" ["EcsClusterArn", "StackId"] -> ["EcsClusterArn"] Manage;
    /// [ACT-55]
    act_55_set_load_based_auto_scaling: "SetLoadBasedAutoScaling" ["LayerId"] -> [] Manage;
    /// [ACT-57]
    act_57_set_time_based_auto_scaling: "SetTimeBasedAutoScaling" ["InstanceId"] -> [] Manage;
    /// [ACT-58]
    act_58_start_instance: "StartInstance" ["InstanceId"] -> [] Manage;
    /// [ACT-59]
    act_59_start_stack: "StartStack" ["StackId"] -> [] Manage;
    /// [ACT-60]
    act_60_stop_instance: "StopInstance" ["InstanceId"] -> [] Manage;
    /// [ACT-61]
    act_61_stop_stack: "StopStack" ["StackId"] -> [] Manage;
    /// [ACT-68]
    act_68_update_instance: "UpdateInstance" ["InstanceId"] -> [] Manage;
    /// [ACT-69]
    act_69_update_layer: "UpdateLayer" ["LayerId"] -> [] Manage;
    /// [ACT-72]
    act_72_update_stack: "UpdateStack" ["StackId"] -> [] Manage;
}

/// [ACT-6] [ACT-12] [ACT-20] [ACT-47] [ACT-53] [ACT-66] [ACT-71] [SCP-2] [WIRE-20]
#[tokio::test]
async fn scp_2_writers_out_of_scope_are_refused_before_any_id_is_looked_up() {
    let app = TestApi::new();
    for (action, level) in [
        ("CreateApp", Manage),
        ("DeleteApp", Manage),
        ("DeregisterRdsDbInstance", Manage),
        ("GrantAccess", Manage),
        ("RegisterRdsDbInstance", Manage),
        ("UpdateApp", Deploy),
        ("UpdateRdsDbInstance", Manage),
    ] {
        let text = app.call(action, json!({ "StackId": "unknown" })).await.invalid();
        assert!(text.starts_with(&format!("UnsupportedOperation: {action} is not supported")), "{text}");
        assert_eq!(ACTIONS.iter().find(|a| a.name == action).map(|a| a.level), Some(level));
    }
}

/// The members that botocore's model of 1.40.18 gives to the requests with many of them.
#[test]
fn every_member_of_the_requests_is_read() {
    for (action, members) in [
        (
            "CreateStack",
            "Name Region VpcId Attributes ServiceRoleArn DefaultInstanceProfileArn DefaultOs HostnameTheme DefaultAvailabilityZone \
             DefaultSubnetId CustomJson ConfigurationManager ChefConfiguration UseCustomCookbooks UseOpsworksSecurityGroups \
             CustomCookbooksSource DefaultSshKeyName DefaultRootDeviceType AgentVersion",
        ),
        (
            "UpdateStack",
            "StackId Name Attributes ServiceRoleArn DefaultInstanceProfileArn DefaultOs HostnameTheme DefaultAvailabilityZone \
             DefaultSubnetId CustomJson ConfigurationManager ChefConfiguration UseCustomCookbooks UseOpsworksSecurityGroups \
             CustomCookbooksSource DefaultSshKeyName DefaultRootDeviceType AgentVersion",
        ),
        (
            "CreateLayer",
            "StackId Type Name Shortname Attributes CloudWatchLogsConfiguration CustomInstanceProfileArn CustomJson \
             CustomSecurityGroupIds Packages VolumeConfigurations EnableAutoHealing AutoAssignElasticIps AutoAssignPublicIps \
             CustomRecipes InstallUpdatesOnBoot UseEbsOptimizedInstances LifecycleEventConfiguration",
        ),
        (
            "UpdateLayer",
            "LayerId Name Shortname Attributes CloudWatchLogsConfiguration CustomInstanceProfileArn CustomJson \
             CustomSecurityGroupIds Packages VolumeConfigurations EnableAutoHealing AutoAssignElasticIps AutoAssignPublicIps \
             CustomRecipes InstallUpdatesOnBoot UseEbsOptimizedInstances LifecycleEventConfiguration",
        ),
        (
            "CreateInstance",
            "StackId LayerIds InstanceType AutoScalingType Hostname Os AmiId SshKeyName AvailabilityZone VirtualizationType SubnetId \
             Architecture RootDeviceType BlockDeviceMappings InstallUpdatesOnBoot EbsOptimized AgentVersion Tenancy",
        ),
        (
            "UpdateInstance",
            "InstanceId LayerIds InstanceType AutoScalingType Hostname Os AmiId SshKeyName Architecture InstallUpdatesOnBoot \
             EbsOptimized AgentVersion",
        ),
        ("CreateDeployment", "StackId AppId InstanceIds LayerIds Command Comment CustomJson"),
    ] {
        let operation = operations().into_iter().find(|o| o.name == action).unwrap();
        let expected: BTreeSet<String> = members.split_whitespace().map(str::to_owned).collect();
        assert_eq!(names(operation.input.as_value(), "properties"), expected, "{action}");
    }
}

/// What is read and answered is documented, member by member, since the service model is made of it.
#[test]
fn every_member_of_the_wire_types_is_documented() {
    fn walk(path: &str, schema: &Value, bare: &mut Vec<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, member) in properties {
                if member["description"].as_str().is_none_or(str::is_empty) {
                    bare.push(format!("{path}.{name}"));
                }
            }
        }
        for (name, inner) in schema["$defs"].as_object().into_iter().flatten() {
            walk(&format!("{path}/{name}"), inner, bare);
        }
    }
    let mut bare = Vec::new();
    for operation in operations() {
        for schema in operation.output.into_iter().chain([operation.input]) {
            walk(operation.name, schema.as_value(), &mut bare);
        }
    }
    assert!(bare.is_empty(), "{bare:#?}");
}
