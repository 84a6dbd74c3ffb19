//! Stack, StackSummary, EcsCluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use strata_domain::model::Stack;
use strata_domain::{ClusterArn, InstanceStatus};

use super::{EmptyObject, Time, shape};
use crate::records::ClusterRegistration;

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigurationManager<'a> {
    name: &'static str,
    version: &'a str,
}

shape! {
    /// An element of DescribeStacks.
    StackShape<'a> {
        stack_id: &'a str, name: &'a str, arn: String, region: &'a str, vpc_id: &'a str, attributes: &'a BTreeMap<String, String>,
        service_role_arn: &'a str, default_instance_profile_arn: &'a str, default_os: &'a str, hostname_theme: &'a str,
        configuration_manager: ConfigurationManager<'a>, chef_configuration: EmptyObject, use_custom_cookbooks: bool,
        use_opsworks_security_groups: bool, default_root_device_type: &'static str, agent_version: &'a str, created_at: Time,
    } unless_absent {
        default_availability_zone: &'a str, default_subnet_id: &'a str, custom_json: &'a str, default_ssh_key_name: &'a str,
    }
}

impl<'a> StackShape<'a> {
    pub(crate) fn of(stack: &'a Stack) -> Self {
        Self {
            stack_id: stack.id.as_str(),
            name: &stack.name,
            arn: stack.arn(),
            region: &stack.region,
            vpc_id: &stack.vpc_id,
            attributes: &stack.attributes,
            service_role_arn: &stack.service_role_arn,
            default_instance_profile_arn: &stack.default_instance_profile_arn,
            default_os: &stack.default_os,
            hostname_theme: &stack.hostname_theme,
            configuration_manager: ConfigurationManager { name: "Chef", version: &stack.chef_version },
            chef_configuration: EmptyObject {},
            use_custom_cookbooks: stack.use_custom_cookbooks,
            use_opsworks_security_groups: stack.use_opsworks_security_groups,
            default_root_device_type: stack.default_root_device_type.as_str(),
            agent_version: &stack.agent_version,
            created_at: Time(stack.created_at),
            default_availability_zone: stack.default_availability_zone.as_deref(),
            default_subnet_id: stack.default_subnet_id.as_deref(),
            custom_json: stack.custom_json.as_deref(),
            default_ssh_key_name: stack.default_ssh_key_name.as_deref(),
        }
    }
}

shape! {
    /// The answer of DescribeStackSummary. `instances_count` maps a status in UpperCamel to a number; zeros are left out [DSC-8].
    StackSummaryShape<'a> {
        stack_id: &'a str, name: &'a str, arn: String, layers_count: usize, apps_count: usize,
        instances_count: BTreeMap<String, usize>,
    } unless_absent {}
}

impl<'a> StackSummaryShape<'a> {
    pub(crate) fn of(stack: &'a Stack, layers_count: usize, statuses: impl IntoIterator<Item = InstanceStatus>) -> Self {
        let mut instances_count = BTreeMap::new();
        for status in statuses {
            *instances_count.entry(upper_camel(status.as_str())).or_insert(0) += 1;
        }
        Self { stack_id: stack.id.as_str(), name: &stack.name, arn: stack.arn(), layers_count, apps_count: 0, instances_count }
    }
}

fn upper_camel(snake: &str) -> String {
    snake.split('_').flat_map(|word| word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1))).collect()
}

shape! {
    /// An element of DescribeEcsClusters [ECS-100].
    EcsClusterShape<'a> { ecs_cluster_arn: &'a str, ecs_cluster_name: &'a str, stack_id: &'a str, registered_at: Time } unless_absent {}
}

impl<'a> EcsClusterShape<'a> {
    pub(crate) fn of(arn: &'a ClusterArn, registration: &'a ClusterRegistration) -> Self {
        Self {
            ecs_cluster_arn: arn.as_str(),
            ecs_cluster_name: arn.name(),
            stack_id: registration.stack_id.as_str(),
            registered_at: Time(registration.registered_at),
        }
    }
}
