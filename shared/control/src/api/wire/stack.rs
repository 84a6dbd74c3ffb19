//! Stack, StackSummary, EcsCluster.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};
use strata_domain::model::{CookbooksSource, Stack};
use strata_domain::{ClusterArn, InstanceStatus, Secret};

use super::{Time, shape};
use crate::records::ClusterRegistration;

/// A configuration manager.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ConfigurationManager<'a> {
    /// `Chef`.
    name: &'static str,
    /// `12` or `11.10`.
    version: &'a str,
}

impl<'a> ConfigurationManager<'a> {
    pub(crate) fn of(version: &'a str) -> Self {
        Self { name: "Chef", version }
    }
}

shape! {
    /// Berkshelf settings.
    ChefConfigurationShape<'a> {} unless_absent {
        /// Whether Berkshelf is enabled.
        manage_berkshelf: bool,
        /// The Berkshelf version.
        berkshelf_version: &'a str,
    }
}

shape! {
    /// The repository of custom cookbooks; its secrets are not shown [WIRE-7].
    SourceShape<'a> {
        /// The repository type.
        r#type: &'a str,
        /// The source URL.
        url: &'a str,
    } unless_absent {
        /// The user name.
        username: &'a str,
        /// Always *****FILTERED*****.
        password: &'static str,
        /// Always *****FILTERED*****.
        ssh_key: &'static str,
        /// The branch, tag or commit.
        revision: &'a str,
    }
}

impl<'a> SourceShape<'a> {
    fn of(source: &'a CookbooksSource) -> Self {
        let filtered = |secret: &Option<Secret>| secret.as_ref().map(|_| Secret::FILTERED);
        Self {
            r#type: &source.source_type,
            url: &source.url,
            username: source.username.as_deref(),
            password: filtered(&source.password),
            ssh_key: filtered(&source.ssh_key),
            revision: source.revision.as_deref(),
        }
    }
}

shape! {
    /// An element of DescribeStacks.
    StackShape<'a> {
        /// The stack's id.
        stack_id: &'a str,
        /// The name that is shown.
        name: &'a str,
        /// Its ARN.
        arn: String,
        /// Its region.
        region: &'a str,
        /// Its VPC.
        vpc_id: &'a str,
        /// Attributes by name.
        attributes: &'a BTreeMap<String, String>,
        /// The role under which EC2, ECS and the like are called for this stack.
        service_role_arn: &'a str,
        /// The instance profile of the stack's machines, where the layer has none.
        default_instance_profile_arn: &'a str,
        /// The operating system of new instances.
        default_os: &'a str,
        /// How host names are made up.
        hostname_theme: &'a str,
        /// The Chef version that is claimed.
        configuration_manager: ConfigurationManager<'a>,
        /// Berkshelf settings, as they were set.
        chef_configuration: ChefConfigurationShape<'a>,
        /// Whether the stack has cookbooks of its own.
        use_custom_cookbooks: bool,
        /// Whether layers get the built-in security groups.
        use_opsworks_security_groups: bool,
        /// The root device of new instances.
        default_root_device_type: &'static str,
        /// The agent version that is claimed.
        agent_version: &'a str,
        /// When it was made, in UTC.
        created_at: Time,
    } unless_absent {
        /// The zone of new instances.
        default_availability_zone: &'a str,
        /// The subnet of new instances. Required in a VPC that is not the default one.
        default_subnet_id: &'a str,
        /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
        custom_json: &'a str,
        /// The EC2 key pair of new instances.
        default_ssh_key_name: &'a str,
        /// The repository that custom cookbooks come from.
        custom_cookbooks_source: SourceShape<'a>,
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
            configuration_manager: ConfigurationManager::of(&stack.chef_version),
            chef_configuration: ChefConfigurationShape {
                manage_berkshelf: stack.chef_configuration.manage_berkshelf,
                berkshelf_version: stack.chef_configuration.berkshelf_version.as_deref(),
            },
            use_custom_cookbooks: stack.use_custom_cookbooks,
            use_opsworks_security_groups: stack.use_opsworks_security_groups,
            default_root_device_type: stack.default_root_device_type.as_str(),
            agent_version: &stack.agent_version,
            created_at: Time(stack.created_at),
            default_availability_zone: stack.default_availability_zone.as_deref(),
            default_subnet_id: stack.default_subnet_id.as_deref(),
            custom_json: stack.custom_json.as_deref(),
            default_ssh_key_name: stack.default_ssh_key_name.as_deref(),
            custom_cookbooks_source: stack.custom_cookbooks_source.as_ref().map(SourceShape::of),
        }
    }
}

shape! {
    /// The answer of DescribeStackSummary. `instances_count` maps a status in UpperCamel to a number; zeros are left out [DSC-8].
    StackSummaryShape<'a> {
        /// The stack's id.
        stack_id: &'a str,
        /// The name that is shown.
        name: &'a str,
        /// Its ARN.
        arn: String,
        /// How many layers.
        layers_count: usize,
        /// How many apps: always 0.
        apps_count: usize,
        /// How many instances by status; zeros are left out.
        #[schemars(with = "InstancesCount")]
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

/// The schema of `instances_count`: a member for each status.
struct InstancesCount;

impl JsonSchema for InstancesCount {
    fn schema_name() -> Cow<'static, str> {
        "InstancesCount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let count = |status: InstanceStatus| {
            (upper_camel(status.as_str()), json!({ "type": "integer", "description": format!("How many are `{status}`.") }))
        };
        let properties: Map<String, Value> = InstanceStatus::ALL.into_iter().map(count).collect();
        json_schema!({ "type": "object", "properties": properties })
    }
}

fn upper_camel(snake: &str) -> String {
    snake.split('_').flat_map(|word| word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1))).collect()
}

shape! {
    /// An element of DescribeEcsClusters [ECS-100].
    EcsClusterShape<'a> {
        /// The cluster's ARN.
        ecs_cluster_arn: &'a str,
        /// The cluster's name.
        ecs_cluster_name: &'a str,
        /// The stack's id.
        stack_id: &'a str,
        /// When it was registered, in UTC.
        registered_at: Time,
    } unless_absent {}
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
