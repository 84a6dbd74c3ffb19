//! UpdateStack [ACT-72]. Terraform always sends every member, so what is sent unchanged is fine [CLT-2].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::ecs_cluster::check_security_groups;
use strata_domain::model::Stack;

use super::create_stack::{DEFAULT_PLACE, agent_version, attributes, root_device_type};
use super::placement::{Place, place};
use super::stack_members::{
    ChefConfigurationMembers, ConfigurationManager, SourceMembers, check_agent_fits, chef_configuration, chef_version,
    cookbooks_source,
};
use super::teardown_plan::{self, Settled};
use super::{load_based_index, timer_settings};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::Stored;

/// Changes settings of a stack. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
    /// The name that is shown.
    name: Option<String>,
    /// Attributes; the only one is `Color`.
    attributes: Option<BTreeMap<String, Option<String>>>,
    /// Cannot be changed; the present value may be sent.
    service_role_arn: Option<String>,
    /// The instance profile of the stack's machines, where the layer has none.
    default_instance_profile_arn: Option<String>,
    /// The operating system of new instances.
    default_os: Option<String>,
    /// How host names are made up.
    hostname_theme: Option<String>,
    /// The zone of new instances.
    default_availability_zone: Option<String>,
    /// The subnet of new instances.
    default_subnet_id: Option<String>,
    /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
    custom_json: Option<String>,
    /// The Chef version that is claimed; only while the stack has no instances.
    configuration_manager: Option<ConfigurationManager>,
    /// Berkshelf settings; they are kept and shown.
    chef_configuration: Option<ChefConfigurationMembers>,
    /// Whether the stack has cookbooks of its own.
    use_custom_cookbooks: Option<bool>,
    /// The repository that custom cookbooks come from.
    custom_cookbooks_source: Option<SourceMembers>,
    /// Whether layers get the built-in security groups. Without them each layer needs groups of its own.
    use_opsworks_security_groups: Option<bool>,
    /// The EC2 key pair of new instances.
    default_ssh_key_name: Option<String>,
    /// The root device of new instances.
    #[schemars(extend("enum" = ["ebs", "instance-store"]))]
    default_root_device_type: Option<String>,
    /// The agent version that is claimed.
    agent_version: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let id = required(m.stack_id.as_deref(), "StackId")?.to_owned();
    check_values(call, &m)?;
    let new_chef = chef_version(m.configuration_manager.clone())?;
    let stored = call.stack(&id).await?;
    call.permit(Some(&stored.record.id)).await?;
    check_state(call, &stored.record, &m, new_chef.as_deref()).await?;
    let default = default_place(call, &stored.record, &m).await?;
    let mut next = changed(input, &stored.record, m, new_chef)?;
    if let Some(default) = default {
        (next.default_subnet_id, next.default_availability_zone) = (Some(default.subnet_id), Some(default.zone));
    }
    if next.default_ssh_key_name != stored.record.default_ssh_key_name {
        call.check_key_pair(&call.scope(&next), "DefaultSshKeyName", next.default_ssh_key_name.as_deref()).await?;
    }
    let mut answer = Answer::done(vec![stored.put(&next)]);
    let (before, after) = (stored.record.custom_json.as_deref(), next.custom_json.as_deref());
    answer.changes.extend(timer_settings::look_again(call, &next.id, before, after).await?);
    if before != after {
        let layers: Vec<String> = call.layers_of(&next.id).await?.into_iter().map(|layer| layer.record.name).collect();
        let settled = Settled { stack: &next.id, layer: None, before, after };
        answer.changes.extend(teardown_plan::plan(call, settled, Some(&layers)).await?);
    }
    if next.name != stored.record.name {
        // Alarms carry the stack's name.
        load_based_index::rename_stack(call, &stored.record, &next, &mut answer).await?;
    }
    Ok(answer)
}

fn check_values(call: &Call<'_>, m: &Members) -> Result<(), ApiError> {
    if let Some(name) = &m.name {
        checks::name("Name", name, 64)?;
    }
    if let Some(profile) = &m.default_instance_profile_arn {
        checks::iam_arn("DefaultInstanceProfileArn", profile, "instance-profile", &call.config.account)?;
    }
    if let Some(os) = &m.default_os {
        checks::os("DefaultOs", os)?;
    }
    check_agent_fits(m.agent_version.as_deref(), m.configuration_manager.as_ref())?;
    checks::custom_json_with_settings(m.custom_json.as_deref())
}

async fn check_state(call: &Call<'_>, stack: &Stack, m: &Members, new_chef: Option<&str>) -> Result<(), ApiError> {
    // Our choice, api.md Q3: the present role may be sent, another may not.
    if m.service_role_arn.as_ref().is_some_and(|role| *role != stack.service_role_arn) {
        return Err(ApiError::field("ServiceRoleArn", "cannot be changed"));
    }
    if new_chef.is_some_and(|chef| chef != stack.chef_version) && !call.instances_of(&stack.id).await?.is_empty() {
        return Err(ApiError::field("ConfigurationManager", "cannot be changed while the stack has instances"));
    }
    if m.use_opsworks_security_groups == Some(false) && stack.use_opsworks_security_groups {
        for Stored { record: layer, .. } in call.layers_of(&stack.id).await? {
            check_security_groups(false, &layer.custom_security_group_ids)?;
        }
    }
    Ok(())
}

/// Where instances go that name no place, if that changes [STK-4]. What is sent unchanged is not looked up again.
async fn default_place(call: &Call<'_>, stack: &Stack, m: &Members) -> Result<Option<Place>, ApiError> {
    let given = (m.default_subnet_id.as_deref(), m.default_availability_zone.as_deref());
    let present = Place::default_of(stack);
    let is_present = |p: &Place| given.0.is_none_or(|s| s == p.subnet_id) && given.1.is_none_or(|z| z == p.zone);
    if present.as_ref().is_some_and(is_present) {
        return Ok(None);
    }
    let vpc = call.vpc(&call.scope(stack), Some(&stack.vpc_id)).await?;
    place(&vpc, DEFAULT_PLACE, given, present).map(Some)
}

fn changed(input: &Input, stack: &Stack, m: Members, new_chef: Option<String>) -> Result<Stack, ApiError> {
    let mut next = stack.clone();
    next.name = m.name.unwrap_or(next.name);
    next.default_instance_profile_arn = m.default_instance_profile_arn.unwrap_or(next.default_instance_profile_arn);
    next.default_os = m.default_os.unwrap_or(next.default_os);
    if let Some(theme) = &m.hostname_theme {
        next.hostname_theme = checks::hostname_theme(theme)?.to_owned();
    }
    next.custom_json = unless_emptied(input, "CustomJson", m.custom_json, next.custom_json);
    next.default_ssh_key_name = unless_emptied(input, "DefaultSshKeyName", m.default_ssh_key_name, next.default_ssh_key_name);
    next.chef_version = new_chef.unwrap_or(next.chef_version);
    next.use_custom_cookbooks = m.use_custom_cookbooks.unwrap_or(next.use_custom_cookbooks);
    if let Some(source) = m.custom_cookbooks_source {
        next.custom_cookbooks_source = cookbooks_source(source, stack.custom_cookbooks_source.as_ref())?;
    }
    if let Some(configuration) = m.chef_configuration {
        next.chef_configuration = chef_configuration(configuration)?;
    }
    next.use_opsworks_security_groups = m.use_opsworks_security_groups.unwrap_or(next.use_opsworks_security_groups);
    next.default_root_device_type =
        root_device_type(m.default_root_device_type.as_deref())?.unwrap_or(next.default_root_device_type);
    next.agent_version = agent_version(m.agent_version)?.unwrap_or(next.agent_version);
    if m.attributes.is_some() {
        next.attributes = attributes(m.attributes)?;
    }
    Ok(next)
}

/// A member that may be unset: `""` unsets it, a value replaces it, absence keeps it [WIRE-3] [VAL-5].
pub(super) fn unless_emptied(input: &Input, member: &str, given: Option<String>, present: Option<String>) -> Option<String> {
    if input.is_emptied(member) { None } else { given.or(present) }
}
